"""Damaged files, a full disk, a folder nobody can write, a clock that jumps: said clearly, and nobody is harmed."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadSettings, Interrupted, TryLater
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import MOST_MEMORY_MB
from vs_st_pipeline.routes.contacts import stages
from vs_st_pipeline.routes.contacts.session import ContactsSession
from vs_st_pipeline_tests.support.commanding import forget_files
from vs_st_pipeline_tests.support.story import MARISOL, OTHER, PIPER, RENSKE, SYNCED, TEST, Ran, Story

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow


def file_of(story: Story, merchant: str = TEST) -> Path:
    return story.data / "merchants" / merchant / "warehouse.duckdb"


@pytest.fixture
def both(story: Story) -> Story:
    """Two wineries in sync; the test winery's customer has moved since."""
    assert story.sync(every=True).exit_code == 0
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.shop.patch_customer(700101, merchant=OTHER, shippingAddress={"city": "Elsewhere"})
    story.clear_journals()
    return story


def failed_alone(story: Story, done: Ran, *said: str) -> None:
    """The test winery failed as `config`, in a sentence with these words, and wrote nobody; the other was synced."""
    report = done.of(TEST)
    assert (report["status"], report["error"]["kind"]) == ("failed", "config"), report
    for words in said:
        assert words in report["error"]["message"]
    assert done.of(OTHER)["status"] == "ok"
    assert done.of(OTHER)["synced"]["accepted"] == 1
    assert story.writes() == []
    assert done.exit_code == 1
    assert "Traceback" not in done.err


def made_good(story: Story) -> None:
    """One sync, or a rebuilding, writes what had changed and nothing else."""
    assert story.contact(MARISOL)["City"] == "Occidental"
    assert set(story.written_phones()) == {MARISOL}
    assert len(story.everybody()) == 14
    story.clean()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("garbage", lambda path: path.write_bytes(b"rubbish" * 4096)),
        pytest.param("nothing in it", lambda path: path.write_bytes(b""), marks=pytest.mark.slow),
        pytest.param("only its head", lambda path: os.truncate(path, 9_000), marks=pytest.mark.slow),
        ("half of it", lambda path: os.truncate(path, path.stat().st_size // 2)),
    ],
)
def test_a_file_that_cannot_be_opened_is_named_with_its_remedy_which_works(
    both: Story, name: str, damage: Callable[[Path], object]
) -> None:
    damage(file_of(both))
    failed_alone(both, both.sync(every=True), str(file_of(both)), f"vs-st rebuild --merchant {TEST}")
    assert both.run("rebuild", "--merchant", TEST, "--yes").exit_code == 0, name
    made_good(both)


@pytest.mark.slow
def test_a_log_that_is_garbage_costs_nothing_but_what_stood_in_it(both: Story) -> None:
    file_of(both).with_name("warehouse.duckdb.wal").write_bytes(b"rubbish" * 4096)
    done = both.sync(every=True)
    assert done.exit_code == 0
    made_good(both)


def test_a_file_of_a_newer_version_is_left_alone_and_named(both: Story) -> None:
    with warehouse_at(both.data).open(TEST) as db:
        db.execute("insert into schema_version values ('shared', 999, now()::timestamp)")
    before = file_of(both).read_bytes()
    failed_alone(both, both.sync(every=True), str(file_of(both)), "upgrade", "vs-st rebuild")
    assert file_of(both).read_bytes() == before


# --- one flipped byte (C37) ---------------------------------------------------------------------------------------

HEADERS, BLOCK = 3 * 4096, 256 * 1024  # DuckDB's file: three headers, then blocks, each with its checksum before it


def flip(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        was = file.read(1)
        file.seek(at)
        file.write(bytes([was[0] ^ 0x10]))


def use_all_of(warehouse: Warehouse, merchant: str) -> None:
    """Read, copy and delete whatever is in a file, and write it anew, so that each of its blocks is met."""
    with warehouse.open(merchant) as db:
        tables = db.rows("select schema_name, table_name from duckdb_tables() where database_name = current_database()")
        for schema, table in tables:
            db.rows(f'select * from "{schema}"."{table}"')
        with db.transaction():
            for schema, table in tables:
                db.execute(f'create table "{schema}"."copy_{table}" as select * from "{schema}"."{table}"')
                if table != "schema_version":
                    db.execute(f'delete from "{schema}"."{table}"')
    warehouse.rewrite(merchant)


def write_to(warehouse: Warehouse, merchant: str) -> None:
    with warehouse.open(merchant) as db, db.transaction():
        tables = "duckdb_tables() where database_name = current_database() and schema_name = 'staged'"
        for (table,) in db.rows(f"select table_name from {tables}"):
            db.execute(f'delete from staged."{table}"')


def error_of(use: Callable[[Warehouse, str], None], warehouse: Warehouse) -> BadSettings | None:
    try:
        use(warehouse, "hurt")
    except BadSettings as error:
        return error
    return None


@pytest.mark.parametrize("lazily", [False, True], ids=["all is read", "it is only written to"])
def test_c37_a_flipped_byte_anywhere_is_told_with_its_remedy_and_harms_nobody_else(story: Story, lazily: bool) -> None:
    story.begin_synced()
    whole = file_of(story)
    blocks = range(HEADERS, whole.stat().st_size, BLOCK)
    places = [0, 9, 13, 4096, 4096 + 20, 8192 + 3, *(at + 8 + 1000 for at in blocks), *(at + 3 for at in blocks[::5])]
    warehouse = warehouse_at(story.folder / "flipped", wait_seconds=5)
    shutil.copy(whole, warehouse.folder("good") / whole.name)
    told = 0
    with warehouse.keeping("good"):
        for at in places:
            damaged = warehouse.folder("hurt") / whole.name
            damaged.unlink(missing_ok=True)
            damaged.with_name(damaged.name + ".wal").unlink(missing_ok=True)
            shutil.copy(whole, damaged)
            flip(damaged, at)
            if (error := error_of(write_to if lazily else use_all_of, warehouse)) is not None:
                told += 1
                assert "`vs-st rebuild --merchant hurt`" in error.message, at
                assert str(damaged) in error.message
            with warehouse.open("good") as db, db.transaction():  # whatever became of DuckDB
                assert db.value("select count(*) from staged.customers") > 0
                db.execute("create or replace table works as select 1 as one")
    assert told > (3 if lazily else len(blocks) // 2)


@pytest.mark.slow
def test_c37_a_merchant_whose_file_is_damaged_is_started_anew_and_made_good(both: Story) -> None:
    whole = file_of(both).read_bytes()
    failed = 0
    for at in range(HEADERS + 5000, len(whole), 4 * BLOCK):
        file_of(both).write_bytes(whole)
        flip(file_of(both), at)
        report = both.sync(every=True)
        # Who is in the midst of something while DuckDB is stopped by the damaged file is run again at once.
        assert report.of(OTHER)["error"] is None, at
        if (error := report.of(TEST)["error"]) is not None:
            failed += 1
            assert error["kind"] == "config", at
            assert f"vs-st rebuild --merchant {TEST}" in error["message"]
            assert "report it" not in error["message"].lower()
            last = file_of(both).read_bytes()
    assert failed, "no place was met"
    file_of(both).write_bytes(last)
    assert both.run("rebuild", "--merchant", TEST, "--yes").exit_code == 0
    assert both.sync(every=True).exit_code == 0
    made_good(both)


def test_c37_who_uses_a_file_while_another_stops_duckdb_is_told_to_try_again(story: Story) -> None:
    """DuckDB refuses everything after a fatal error, so the error is made here, as no damage makes it at will."""
    story.begin_synced()
    warehouse = warehouse_at(story.data, wait_seconds=5)
    at_it, stopped = threading.Event(), threading.Event()
    told: list[BaseException] = []

    def good() -> None:
        try:
            with warehouse.open("good") as db:
                db.execute("create table mine as select 1 as one")
                at_it.set()
                stopped.wait(30)
                db.rows("select * from mine")
        except BaseException as error:
            told.append(error)

    other = threading.Thread(target=good)
    other.start()
    at_it.wait(30)
    found = damaged_fatally(story, warehouse)
    stopped.set()
    other.join()
    assert found
    (error,) = told
    assert isinstance(error, TryLater)
    assert "another merchant" in error.message
    with warehouse.open("good") as db:
        assert db.value("select one from mine") == 1  # what was committed is there
    with warehouse.open("fresh") as db:
        assert db.value("select 1") == 1


def test_c37_who_was_interrupted_by_anothers_damage_is_run_again_once(
    both: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether and when damage stops DuckDB is by chance, so what then comes of it is said here."""
    interrupted: list[str] = []
    real = stages.stage

    def stage(visit: ContactsSession) -> None:
        if visit.run.merchant.id == OTHER and len(interrupted) < most:
            interrupted.append(visit.run.run_id)
            raise Interrupted("the damaged file of another merchant stopped DuckDB in this process")
        real(visit)

    monkeypatch.setattr(stages, "stage", stage)
    most = 1
    done = both.sync(every=True)
    assert (done.exit_code, len(interrupted)) == (0, 1)
    assert done.of(OTHER)["status"] == done.of(TEST)["status"] == "ok"
    assert done.of(OTHER)["synced"]["accepted"] == 1
    assert done.of(OTHER)["calls"]["vinoshipper"] == len(both.shop.journal(OTHER)), "those of both tries"
    both.clear_journals()
    most, tries = 10, len(interrupted)
    done = both.sync(every=True)
    assert len(interrupted) - tries == 2, "once, and not for ever"
    assert done.of(OTHER)["error"]["kind"] == "try_later"
    assert done.of(TEST)["status"] == "ok"


def test_who_had_too_little_memory_is_run_again_with_more(both: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    real = Warehouse._allow

    def allow(warehouse: Warehouse, megabytes: int) -> None:
        given.append(megabytes)
        real(warehouse, megabytes)

    monkeypatch.setattr(Warehouse, "_allow", allow)
    monkeypatch.setattr(Warehouse, "_memory_of", lambda *_: 1)
    forget_files()
    done = both.sync(every=True)
    assert MOST_MEMORY_MB in given
    assert done.exit_code == 0, done.err
    assert [done.of(one)["synced"]["accepted"] for one in (TEST, OTHER)] == [1, 1]
    both.clean()


def damaged_fatally(story: Story, warehouse: Warehouse) -> bool:
    """Damage copies of a file, one after the other, until one of them has stopped DuckDB."""
    whole = file_of(story)
    for number, at in enumerate(range(HEADERS + 1008, whole.stat().st_size, BLOCK)):
        hurt = warehouse.folder(f"hurt{number}") / whole.name
        shutil.copy(whole, hurt)
        flip(hurt, at)
        with suppress(BadSettings):
            use_all_of(warehouse, f"hurt{number}")
        if warehouse._stopped:
            return True
    return False


def test_c37_a_file_held_by_another_program_says_to_close_that_program(story: Story) -> None:
    story.begin_synced()
    hold = (
        f"import duckdb, sys; it = duckdb.connect({str(file_of(story))!r}); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(TryLater) as caught, warehouse_at(story.data, wait_seconds=0).open(TEST):
            pass
        other.communicate("")
    assert str(file_of(story)) in caught.value.message
    assert "close the program" in caught.value.message
    assert "vendor" not in caught.value.message


# --- a disk and a folder ------------------------------------------------------------------------------------------


def child(story: Story, *arguments: str, before: Callable[[], None]) -> Ran:
    """The command as a process of its own, which does something before it begins."""
    environment = {name: value for name, value in {**os.environ, **story.environment()}.items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-m", "vs_st_pipeline.cli.main", *arguments],
        env=environment, capture_output=True, text=True, preexec_fn=before, timeout=120,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
def test_a_full_disk_is_said_and_nothing_is_lost_or_written_unrecorded(both: Story) -> None:
    # No file may grow past this size: to a program that is a disk without room, wherever the tests run.
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = child(both, "sync", "--merchant", TEST, "--json", before=full)
    report = done.of()
    assert (report["status"], report["error"]["kind"]) == ("failed", "config")
    assert "is the disk full" in report["error"]["message"]
    assert str(both.data) in report["error"]["message"]
    assert both.writes() == []
    assert "Traceback" not in done.err
    assert both.synced()["synced"]["accepted"] == 1
    made_good(both)


@pytest.mark.slow
def test_a_full_disk_while_somebody_is_forgotten_leaves_the_file_whole(both: Story) -> None:
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = child(both, "forget", "--merchant", TEST, RENSKE, "--yes", before=full)
    assert done.exit_code == 2
    assert "is the disk full" in done.err
    assert RENSKE not in done.out + done.err
    assert both.run("forget", "--merchant", TEST, RENSKE, "--yes").exit_code == 0
    assert both.synced()["synced"]["accepted"] == 1
    made_good(both)
    assert b"renske" not in file_of(both).read_bytes().lower()


def without_power_over_files() -> None:
    """Root may write where it is forbidden by two powers; without them it is like anybody else."""
    libc = ctypes.CDLL(None, use_errno=True)
    for power in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if os.geteuid() == 0 and libc.prctl(24, power, 0, 0, 0):  # PR_CAPBSET_DROP; taken away by the exec
            os._exit(77)


@pytest.mark.skipif(sys.platform != "linux", reason="the powers of root are Linux's")
@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_named(both: Story) -> None:
    folder = file_of(both).parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in (*folder.iterdir(), folder):
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        done = child(both, "sync", "--all", "--json", before=without_power_over_files)
        if done.exit_code == 77:
            pytest.skip("the powers of root cannot be given up here")
        failed_alone(both, done, str(folder), "read-only")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    finally:
        for path in (folder, *folder.iterdir()):
            path.chmod(0o700 if path.is_dir() else 0o600)
    assert both.synced()["synced"]["accepted"] == 1
    made_good(both)


# --- a clock ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("years", [1, -1])
@pytest.mark.slow
def test_a_clock_that_jumps_and_comes_back_loses_nothing_and_clears_nothing(story: Story, years: int) -> None:
    story.settings(vinoshipper={"refresh": dict.fromkeys(("customer_list", "customer_details"), "1h")})
    now, away = story.box.now, story.box.now + timedelta(days=365 * years)
    story.synced(now=now.isoformat())
    before = story.everybody()
    story.synced(now=away.isoformat())
    told = {phone: says for phone, says in story.everybody().items() if phone != PIPER}  # she may come of age
    assert told == {phone: says for phone, says in before.items() if phone != PIPER}
    # What changed while the clock was wrong, and what changes after it: both are seen, without waiting for a year.
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.shop.add_order(700101, orderNumber="JUMP1", total="10.00")
    story.synced(now=(now + timedelta(hours=2)).isoformat())
    assert story.contact(MARISOL)["City"] == "Occidental"
    assert story.contact(MARISOL)["Order Count"] == "4"
    for later in (4, 6):
        assert story.synced(now=(now + timedelta(hours=later)).isoformat())["synced"]["accepted"] == 0
    assert story.texting.violations() == []


@pytest.mark.slow
def test_a_refused_contact_is_tried_again_after_a_clock_that_was_ahead_comes_back(story: Story) -> None:
    now = story.box.now
    story.texting.set_switch("reject", {RENSKE: "CONTACT_UPDATE_FAILED"})
    for days in (365, 366, 367):  # three tries, so that the next is a while off
        story.sync(now=(now + timedelta(days=days)).isoformat())
    story.texting.set_switch("reject", {})
    assert story.synced(now=now.isoformat())["synced"]["accepted"] == 1
    assert RENSKE in story.written_phones()


@pytest.mark.slow
def test_days_that_were_compared_in_a_wrong_future_are_compared_again(story: Story) -> None:
    story.settings(vinoshipper={"refresh": {"reconcile": "24h"}})
    now = story.box.now
    story.synced(now=now.isoformat())
    story.synced(now=(now + timedelta(days=30)).isoformat())
    story.synced(now=now.isoformat())
    with warehouse_at(story.data).open(TEST) as db:
        assert db.value("select count(*) from raw.slices where compared_at > ?", [now.replace(tzinfo=None)]) == 0


@pytest.mark.slow
def test_a_receipt_that_was_not_there_in_a_wrong_future_is_asked_for_again(story: Story) -> None:
    now = story.box.now
    story.shop.set_switch("receipt", 404)
    story.synced(now=(now + timedelta(days=365)).isoformat())
    assert "Receipt URL" not in story.contact(MARISOL)
    story.shop.set_switch("receipt", "url")
    story.synced(now=now.isoformat())
    assert story.contact(MARISOL)["Receipt URL"]
    assert set(SYNCED) <= set(story.everybody())
