"""A person who asked to be forgotten is gone from every table, every history and every byte, and does not come back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.warehouse import spill
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry, Proof, enqueue, read_open
from vs_st_pipeline.platform.warehouse.suppression import hash_of
from vs_st_pipeline_tests.support.story import (
    BRAM,
    FFION,
    FFION_AGAIN,
    HALLORANS,
    MARISOL,
    OTHER,
    STRANGER,
    TEST,
    Story,
    kill,
    wait_until,
)

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow


class PowerGone(BaseException):
    """Nothing after it is done."""


HER_ORDERS = ("90000000003", "90000000009", "90000000017", "90000000014")  # the last is nobody's, but has her e-mail


def forget(story: Story, phone: str = MARISOL, *more: str) -> dict[str, Any]:
    done = story.run("forget", "--merchant", TEST, phone, "--yes", "--json", *more)
    assert done.exit_code == 0, done
    found: dict[str, Any] = done.json
    return found


def hers(story: Story) -> set[str]:
    """All that names Marisol, or was hers alone."""
    return {
        *("7075550142", "555-0142", "marisol", "vantongeren", "700101", "1392.96", "1ZEXAMPLE0000000017"),
        *(story.id_of(MARISOL), *HER_ORDERS),
    }


def cells(path: Path) -> list[tuple[str, str]]:
    """Every cell of every table of every schema, as text, with its place."""
    found = []
    with duckdb.connect(str(path)) as db:
        for schema, table in db.execute("select schema_name, table_name from duckdb_tables()").fetchall():
            result = db.execute(f'select * from "{schema}"."{table}"')
            names = [str(column[0]) for column in result.description or []]
            for row in result.fetchall():
                found += [(f"{schema}.{table}.{name}", str(value)) for name, value in zip(names, row, strict=True)]
    return found


def places(story: Story, names: set[str]) -> dict[str, set[str]]:
    """Where in the merchant's tables these names stand: column -> names."""
    found: dict[str, set[str]] = {}
    for place, text in cells(story.data / "merchants" / TEST / "warehouse.duckdb"):
        if told := {name for name in names if name.casefold() in text.casefold()}:
            found.setdefault(place, set()).update(told)
    return found


def in_bytes(folder: Path, names: set[str]) -> dict[str, set[str]]:
    """In which files below a folder these names stand, byte by byte; numbers also as DuckDB stores them."""
    found: dict[str, set[str]] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes().lower()
            if told := {name for name in names if name.lower().encode() in data}:
                found[path.name] = told
    return found


def settled(story: Story) -> dict[str, Any]:
    """A sync right after must go well, write nobody that was not written before, and hold back nothing."""
    story.clear_journals()
    return story.synced()


def test_she_is_gone_from_every_table_and_every_byte_and_nothing_at_the_systems_was_changed(story: Story) -> None:
    story.begin_synced()
    names = hers(story)
    before = places(story, names)
    # What she stands in: if this shrinks, the test has lost its teeth.
    assert {
        *("raw.vinoshipper_customers.customer_id", "raw.vinoshipper_customers.list_body"),
        *("raw.vinoshipper_customers.detail_body", "raw.vinoshipper_orders.detail_body", "staged.customers.email"),
        *("raw.vinoshipper_orders.search_body", "staged.orders.order_number", "planned.targets.phone"),
        *(
            "raw.simpletexting_contacts.body",
            "synced.ledger.sent",
            "synced.history.sources",
            "synced.writes.id",
        ),
        *("synced.links.subject_id", "planned.targets.wanted", "planned.changes.new", "synced.settled.id"),
    } <= set(before) | {"synced.settled.id"}
    assert in_bytes(story.data, names), "her bytes were in the files before"
    contacts, journal = story.everybody(), story.texting.journal()

    assert forget(story) == {
        "merchant": TEST, "contacts": 1, "customers": 1, "orders": 4, "unsettled_writes": 0, "files_set_aside": 0,
        "kept_out": True,
    }  # fmt: skip
    assert places(story, names) == {}
    assert in_bytes(story.data, names) == {}
    assert (story.everybody(), story.texting.journal()) == (contacts, journal)
    assert story.shop.journal() == []


def test_she_does_not_come_back_and_is_still_counted(story: Story) -> None:
    story.begin_synced()
    names, before = hers(story), story.everybody()
    counted = story.synced("--full")["raw"]
    forget(story)
    story.clear_journals()
    for arguments in ((), ("--full",), ()):
        report = story.synced(*arguments)
        assert report["synced"]["accepted"] == 0
        assert report["raw"]["contacts"] == counted["contacts"]
        assert report["raw"]["customers"] == counted["customers"]
        assert places(story, names) == {}
        assert in_bytes(story.data, names) == {}
    assert story.writes() == []
    asked = [entry["path"] for entry in story.shop.journal()]
    assert not [path for path in asked if "700101" in path or any(number in path for number in HER_ORDERS)]
    assert story.everybody() == before
    with warehouse_at(story.data).open(TEST) as db:  # so the brake sees no list that shrank
        assert db.value("select rows from raw.reads where what = 'customers'") == counted["customers"]
        assert db.value("select rows from raw.reads where what = 'contacts'") == counted["contacts"]


@pytest.mark.slow
def test_whatever_is_new_of_her_is_not_let_in_either(story: Story) -> None:
    story.begin_synced()
    forget(story)
    again = story.shop.add_customer(
        firstName="Marisol", lastName="Vantongeren-Anew", email="new@marisol.example.com",
        primaryPhone={"number": "(707) 555-0142", "country": "1", "extension": None},
    )  # fmt: skip
    story.shop.add_order(again["id"], orderNumber="NEWHERS1", total="40.00")
    story.shop.add_order(700101, orderNumber="NEWHERS2", total="41.00")
    story.texting.delete_contact(story.id_of(MARISOL))
    story.texting.add_contact(MARISOL, firstName="MarisolAnew")
    story.texting.add_contact("7075550199", firstName="OtherPhoneOfHers", customFields={"vscustomerid": "700101"})
    names = {"anew", "newhers", "otherphoneofhers", str(again["id"]), story.id_of(MARISOL), story.id_of("7075550199")}
    for arguments in ((), ("--full",), ()):
        story.synced(*arguments)
        assert places(story, names) == {}
    story.synced()
    assert in_bytes(story.data, names) == {}
    assert MARISOL not in story.written_phones()
    assert story.texting.violations() == story.texting.created() == []


@pytest.mark.slow
def test_a_stored_customer_who_takes_a_forgotten_phone_is_erased_as_well(story: Story) -> None:
    story.begin_synced()
    forget(story)
    story.shop.patch_customer(700108, primaryPhone={"number": MARISOL, "country": "1", "extension": None})
    story.sync()  # his contact loses its customer, which is a change like any other
    assert "700108" not in {text for _, text in cells(story.data / "merchants" / TEST / "warehouse.duckdb")}
    story.synced()  # her contact still names him
    assert in_bytes(story.data, {"TW 2026/0007", "renske@example.com"}) == {}


def test_what_another_contact_was_about_to_be_given_of_hers_is_erased_from_what_is_not_settled(story: Story) -> None:
    story.begin_synced()
    sent = OutboxEntry(
        "s1", contact_ref(story.id_of(BRAM)), "r1", "update", "7075550143",
        (
            Change("City", "city", "custom", "mirror", None, "Hers-Town", "", "customer 700101"),
            Change("Receipt URL", "receipt", "custom", "mirror", None, "Hers-Page", "", "receipt 90000000017"),
            Change("State", "state", "custom", "mirror", None, "His", "", "customer 700103"),
        ),
    )  # fmt: skip
    with warehouse_at(story.data).open(TEST) as db, db.transaction():
        enqueue(db, [sent], {sent.target: Proof({}, None)}, at=datetime(2026, 11, 1))
    forget(story)
    with warehouse_at(story.data).open(TEST) as db:
        [[only]] = read_open(db).values()
    assert [change.new for change in only.changes] == ["His"]
    assert in_bytes(story.data, {"Hers-Town", "Hers-Page", "receipt 90000000017"}) == {}
    story.sync()


@pytest.mark.slow
def test_she_stays_out_where_the_search_ignores_dates_and_a_look_at_it_still_ends(story: Story) -> None:
    story.begin_synced()
    forget(story)
    names = hers(story) - {story.id_of(MARISOL)}
    story.shop.set_switches({"date_filter": "ignored", "page_cap": 5})
    pages = []
    for arguments in (("--full",), (), ()):
        story.clear_journals()
        story.synced(*arguments)
        assert places(story, names) == {}
        pages.append(sum("search" in entry["path"] for entry in story.shop.journal()))
    assert pages[-1] < pages[0], "known orders end it, and hers do not keep it going"


@pytest.mark.slow
def test_all_who_share_a_phone_are_forgotten_and_nobody_else(story: Story) -> None:
    story.begin_synced()
    found = forget(story, "+1 (707) 555-0144")
    assert (found["customers"], found["contacts"], found["orders"]) == (2, 1, 2)
    assert places(story, {"halloran", "700104", "700105", HALLORANS}) == {}
    before = story.everybody()
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.shop.patch_customer(700105, firstName="Jonah")
    assert settled(story)["synced"]["accepted"] == 1
    assert story.contact(MARISOL)["City"] == "Occidental"
    assert story.contact(HALLORANS) == before[HALLORANS]


@pytest.mark.slow
def test_customer_and_contacts_are_found_by_the_link_in_both_directions(story: Story) -> None:
    story.begin_synced()
    assert forget(story, FFION)["contacts"] == 2, "the other one names her by VScustomerID"
    assert places(story, {"ffion", "700110", story.id_of(FFION), story.id_of(FFION_AGAIN)}) == {}
    assert forget(story, BRAM)["customers"] == 1, "his customer has another phone"
    assert places(story, {"ostrowski", "700103", "bramble", "90000000099"}) == {}
    settled(story)
    assert places(story, {"ostrowski", "700103", "bramble", "ffion", "700110"}) == {}
    assert story.writes() == []


@pytest.mark.slow
def test_it_can_be_said_again_and_of_a_phone_that_nobody_has(story: Story) -> None:
    story.begin_synced()
    forget(story)
    again = forget(story)
    assert (again["contacts"], again["customers"], again["orders"]) == (0, 0, 0)
    done = story.run("forget", "--merchant", TEST, "7075559999", "--yes")
    assert done.exit_code == 0
    assert "nobody is stored" in done.out
    assert "7075559999" not in done.out + done.err
    story.texting.add_contact("7075559999", firstName="LateComer")
    settled(story)
    assert places(story, {"latecomer", "7075559999"}) == {}


@pytest.mark.slow
def test_before_the_first_sync_it_keeps_out_as_well(story: Story) -> None:
    forget(story)
    story.synced()
    assert places(story, hers(story)) == {}
    assert MARISOL not in story.written_phones()


@pytest.mark.slow
def test_it_is_asked_for_and_says_counts_and_no_names(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.begin_synced()
    done = story.run("forget", "--merchant", TEST, MARISOL)
    assert done.exit_code == 2
    assert "--yes" in done.err
    assert places(story, {"vantongeren"}), "nothing was done"
    done = story.run("forget", "--merchant", TEST, MARISOL, "--yes")
    assert "1 customer, 1 contact, 4 orders" in done.out
    assert "Nothing at Vinoshipper or SimpleTexting was changed" in done.out
    assert not [name for name in hers(story) if name.casefold() in (done.out + done.err).casefold()]
    assert story.run("forget", "--merchant", TEST, "12", "--yes").exit_code == 2
    assert story.run("forget", "--merchant", "nobody", MARISOL, "--yes").exit_code == 2


@pytest.mark.slow
def test_it_waits_for_a_sync_and_then_says_try_later(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.begin_synced()
    story.texting.set_fault("slow", count=1, seconds=20)
    process = story.start("sync", "--merchant", TEST)
    wait_until(lambda: bool(story.texting.journal(TEST)), process)
    monkeypatch.setattr(cli_sync, "_warehouse", warehouse_at(story.data, wait_seconds=0.1))
    try:
        with pytest.raises(TryLater, match="another (sync|process)"):
            story.run("forget", "--merchant", TEST, MARISOL, "--yes")
    finally:
        kill(process)
    assert places(story, {"vantongeren"})
    assert forget(story)["customers"] == 1


@pytest.mark.slow
def test_another_merchant_with_the_same_person_is_not_touched(story: Story) -> None:
    assert story.sync(every=True).exit_code == 0
    before = (story.data / "merchants" / OTHER / "warehouse.duckdb").read_bytes()
    forget(story)
    assert (story.data / "merchants" / OTHER / "warehouse.duckdb").read_bytes() == before
    assert story.run("why", "--merchant", OTHER, MARISOL, "--json").json["customer_id"] == 700101


# --- the power goes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["keep_two_copies", "rewrite", "replace_durably", "clear_state", "erase"])
@pytest.mark.slow
def test_wherever_the_power_goes_the_next_sync_makes_it_good(
    story: Story, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.begin_synced()
    names, calls = hers(story), [0]
    of_file = at in ("rewrite", "replace_durably")
    target = "vs_st_pipeline.platform.warehouse.files" if of_file else "vs_st_pipeline.pipeline.erasure"

    def dies(*_: object) -> None:
        calls[0] += 1
        if at != "keep_two_copies" or calls[0] == 2:
            raise PowerGone

    name = f"{target}.Warehouse.rewrite" if at == "rewrite" else f"{target}.{at}"
    with monkeypatch.context() as patch:
        patch.setattr(name, dies)
        with pytest.raises(PowerGone):
            story.run("forget", "--merchant", TEST, MARISOL, "--yes")
    if at == "erase":  # nothing has happened yet: all or nothing
        assert places(story, {"vantongeren"})
        forget(story)
    assert story.synced()["synced"]["accepted"] == 0
    assert places(story, names) == {}
    assert in_bytes(story.data, names) == {}
    assert not list(story.data.rglob("*.new*"))


@pytest.mark.slow
def test_a_file_that_was_lost_or_put_back_from_before_does_not_bring_her_back(story: Story, tmp_path: Path) -> None:
    story.begin_synced()
    file = story.data / "merchants" / TEST / "warehouse.duckdb"
    shutil.copy(file, tmp_path / "from before")
    forget(story)
    file.unlink()
    story.synced()
    assert places(story, hers(story)) == {}
    shutil.copy(tmp_path / "from before", file)
    story.synced("--full")
    assert places(story, hers(story)) == {}
    story.synced()
    assert in_bytes(story.data, hers(story)) == {}


def test_who_is_deleted_everywhere_is_erased_from_a_file_that_was_put_back_as_well(
    story: Story, tmp_path: Path
) -> None:
    story.begin_synced()
    names = hers(story)
    file = story.data / "merchants" / TEST / "warehouse.duckdb"
    shutil.copy(file, tmp_path / "from before")
    forget(story)
    story.texting.delete_contact(MARISOL)
    story.shop.delete_customer(700101)
    for number in HER_ORDERS:
        story.shop.delete_order(number)
    shutil.copy(tmp_path / "from before", file)
    story.synced()
    assert places(story, names) == {}
    assert in_bytes(story.data, names) == {}
    assert places(story, {"7075550144"}), "nobody else is"


@pytest.mark.slow
def test_a_damaged_copy_of_the_hashes_is_named_and_nothing_is_called(story: Story) -> None:
    story.begin_synced()
    forget(story)
    copy = story.data / "merchants" / TEST / "forgotten.json"
    copy.write_text("[1, ")
    report = story.failed("config")
    assert str(copy) in report["error"]["message"]
    assert story.texting.journal() == []
    copy.unlink()
    story.synced()
    assert copy.exists(), "the file has them too"


@pytest.mark.slow
def test_what_a_process_that_died_could_not_keep_in_memory_is_removed(story: Story) -> None:
    story.begin_synced()
    living, handle = spill.claim_dir(story.data / "tmp")
    dead = story.data / "tmp" / "dead"
    dead.mkdir(parents=True)
    (dead / "duckdb_temp_storage-0.tmp").write_bytes(b"Vantongeren")
    (story.data / "tmp" / "duckdb_temp_block-1.block").write_bytes(b"Vantongeren")
    (living / "mine.tmp").write_bytes(b"somebody else is at work")
    forget(story)
    assert not dead.exists()
    assert in_bytes(story.data, hers(story)) == {}
    assert (living / "mine.tmp").exists()
    assert handle is not None
    os.close(handle)
    spill.remove_stale(story.data / "tmp")
    assert not living.exists()


# --- the shape ----------------------------------------------------------------------------------------------------


def test_the_rewritten_file_is_the_same_in_all_but_its_bytes(tmp_path: Path) -> None:
    def shape(path: Path) -> list[Any]:
        with duckdb.connect(str(path)) as db:
            return [
                db.execute(sql).fetchall()
                for sql in (
                    """select schema_name, table_name, column_index, column_name, data_type, column_default, is_nullable
                       from duckdb_columns() order by all""",
                    "select schema_name, table_name, constraint_type, constraint_text from duckdb_constraints() "
                    "order by all",
                    "select * from schema_version order by all",
                    "select * from raw.lookups order by all",
                )
            ]

    warehouse = warehouse_at(tmp_path)
    with warehouse.open("a-winery") as db:
        db.execute("insert into raw.lookups values ('7075550100', now()::timestamp)")
    before = shape(warehouse.file("a-winery"))
    with warehouse.keeping("a-winery"):
        with warehouse.open("a-winery") as db:
            assert db.value("select count(*) from raw.lookups") == 1
        warehouse.rewrite("a-winery")
        with warehouse.open("a-winery") as db:  # and it can be written, under its rules
            assert shape_of_defaults(db.rows) == (True,)
            with pytest.raises(duckdb.ConstraintException):
                db.execute("insert into raw.lookups values ('7075550100', now()::timestamp)")
    assert shape(warehouse.file("a-winery")) != []
    with duckdb.connect(str(warehouse.file("a-winery"))) as db:
        db.execute("delete from raw.vinoshipper_customers")
    assert shape(warehouse.file("a-winery")) == before
    assert warehouse.file("a-winery").stat().st_mode & 0o777 == 0o600


def shape_of_defaults(rows: Callable[[str], list[tuple[Any, ...]]]) -> tuple[Any, ...]:
    rows("insert into raw.vinoshipper_customers (customer_id) values (1)")
    return rows("select detail_wanted from raw.vinoshipper_customers")[0]


@pytest.mark.slow
def test_deleted_rows_do_leave_the_file_only_when_it_is_rewritten(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    for statement in (
        "insert into raw.lookups select 'CANARY-' || md5(i::varchar), now()::timestamp from range(20000) as t(i)",
        "delete from raw.lookups where phone > 'CANARY-0'",
    ):
        with warehouse.open("one") as db:
            db.execute(statement)
    assert b"CANARY-" in warehouse.file("one").read_bytes(), "else the rewriting would be for nothing"
    warehouse.rewrite("one")
    assert b"CANARY-" not in warehouse.file("one").read_bytes()


def test_a_table_of_a_later_version_is_not_forgotten(story: Story) -> None:
    """Columns are found by their names; one of another name that may hold a person has to be taught to `erase`."""
    story.begin_synced()
    with warehouse_at(story.data).open(TEST) as db:
        reachable = {
            row[0]
            for row in db.rows(
                """select schema_name || '.' || table_name from duckdb_columns()
                   where database_name = current_database()
                     and column_name in ('contact_id', 'customer_id', 'order_number', 'phone', 'kind', 'object')"""
            )
        }
        tables = {
            row[0]
            for row in db.rows(
                "select schema_name || '.' || table_name from duckdb_tables() where database_name = current_database()"
            )
        }
    assert tables - reachable == {
        # Nobody can stand in these: names of fields, times, counts, words, hashes. Look twice before adding one.
        *("main.schema_version", "raw.simpletexting_custom_fields", "raw.reads", "raw.marks", "raw.slices"),
        *("raw.drift", "raw.blind_spots", "raw.forgotten", "planned.plan", "synced.baseline", "synced.allowed"),
        *("synced.reconciled", "raw.unseen_windows", "planned.verdicts", "synced.verdicts"),
        *("planned.basis", "synced.runs", "raw.vinoshipper_feed"),
    }


@pytest.mark.slow
def test_the_hashes_are_salted_and_say_nothing_by_themselves(story: Story) -> None:
    story.begin_synced()
    forget(story)
    forget(story, STRANGER)
    with warehouse_at(story.data).open(TEST) as db:
        kept = db.rows("select hash, salt from raw.forgotten")
    assert len({salt for _, salt in kept}) == 1
    assert len(kept[0][1]) == 32
    assert hash_of(kept[0][1], "phone", MARISOL) in {row[0] for row in kept}
    assert hash_of("00" * 16, "phone", MARISOL) not in {row[0] for row in kept}
