"""Only those are planned whose plan may come out otherwise, and what is kept is what a plan of everybody says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.vinoshipper import staging_orders
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.pipeline import planning as toolkit
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.warehouse import ledger, retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry
from vs_st_pipeline.platform.warehouse.state import UNREAD_EMAILS, set_state
from vs_st_pipeline.routes.contacts import planning
from vs_st_pipeline.routes.contacts.plan_inputs import changes_at
from vs_st_pipeline_tests.support.plan_world import World, phone
from vs_st_pipeline_tests.support.story import with_settings

pytestmark = pytest.mark.unproved  # it is proved here, step by step


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with made.run.keeping():
        yield made


@pytest.mark.parametrize("people", [300, pytest.param(3_000, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_how_many_go_through_python_for_a_change_is_the_same_for_any_merchant(world: World, people: int) -> None:
    world.fill(people)
    assert planning.make_plan(world.run, world.map).looked_at == people
    world.push(shown=1)
    for expected in (people, 0, 0):  # what was accepted is seen once, by all
        world.next_run()
        with world.run.open() as db, db.transaction():
            db.execute("update raw.simpletexting_contacts set read_run = ?", [world.run.run_id])
        assert planning.make_plan(world.run, world.map).looked_at == expected
        world.push()
    changed = []
    for changes in (True, False, False):
        world.next_run()
        if changes:
            with world.run.open() as db, db.transaction():
                for number in (7, 70, 270):
                    world.customer(db, 700_000 + number, phone(number))
        made = world.plan()
        changed.append((made.looked_at, made.targets))
        world.push(shown=0)
    # A write is compared by the ledger in the next sync; nothing shows it before the contact is read.
    assert changed == [(3, 3), (3, 0), (0, 0)]


def test_everybody_is_planned_in_pieces_and_a_death_between_two_is_made_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolkit, "PIECE", 7)
    world.fill(30)
    keep, calls = toolkit.store_changes, iter(range(100))

    def dies(*arguments: Any) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        keep(*arguments)

    monkeypatch.setattr(toolkit, "store_changes", dies)
    with pytest.raises(KeyboardInterrupt):
        planning.make_plan(world.run, world.map)
    monkeypatch.setattr(toolkit, "store_changes", keep)
    with world.run.open() as db:
        assert db.value("select count(*) from planned.targets") == 14
        assert db.rows("from planned.plan") == [], "what is half planned is no plan"
        with db.transaction():
            world.contact(db, "c00003", None)
            db.execute("update raw.simpletexting_contacts set gone = true where contact_id = 'c00004'")
    world.next_run()
    assert world.plan().targets == 28


def test_whoever_wants_the_e_mail_of_one_who_changes_is_planned_with_them(world: World) -> None:
    world.fill(20)
    with world.run.open() as db, db.transaction():
        for number in (3, 9, 12):
            world.customer(db, 700_000 + number, phone(number), email="shared@example.com")

    def wants() -> list[str]:
        with world.run.open() as db:
            return [
                row[0] for row in db.rows("select id from planned.targets where contains(wanted, 'shared@') order by 1")
            ]

    world.plan()
    assert wants() == ["c00003"]
    world.next_run()
    with world.run.open() as db, db.transaction():
        db.execute("update raw.simpletexting_contacts set gone = true where contact_id = 'c00003'")
    assert world.plan().looked_at >= 2
    assert wants() == ["c00009"], "what somebody who is gone was to get is free"
    world.next_run()
    with world.run.open() as db, db.transaction():
        world.customer(db, 700_001, phone(1), email="Shared@Example.com")
    world.plan()
    assert wants() == []
    with world.run.open() as db:
        assert db.rows("select id from planned.targets where contains(wanted, 'Shared@')") == [("c00001",)]


def test_it_is_told_when_time_alone_may_change_the_plan(world: World) -> None:
    world.fill(3)
    with world.run.open() as db:
        assert changes_at(world.run, db) is None
        with db.transaction():
            world.customer(db, 700_000, phone(0), birth_date=date(2005, 7, 4))
        assert changes_at(world.run, db) == datetime(2026, 7, 4, 7), "midnight where the merchant is"
        with db.transaction():
            world.order(db, "900001", 700_001, birth_date=date(2008, 2, 29))
            world.customer(db, 700_002, phone(2), birth_date=None, birth_year=2006)
        assert changes_at(world.run, db) == datetime(2026, 7, 4, 7)
        world.now = datetime(2026, 7, 5, tzinfo=UTC)
        assert changes_at(world.run, db) == datetime(2027, 1, 1, 8), "a year alone says more in the next one"


# --- random changes -----------------------------------------------------------------------------------------------

PEOPLE = 24
EMAILS = ("a@example.com", "b@example.com", "B@example.com", "no address", None)


def any_customer(world: World) -> int:
    return 700_000 + world.dice.randrange(PEOPLE)


def any_contact(world: World) -> str:
    return f"c{world.dice.randrange(PEOPLE + 3):05}"


def any_phone(world: World) -> str | None:
    return world.dice.choice([None, *(phone(world.dice.randrange(PEOPLE)) for _ in range(6))])


def a_customer(world: World, db: Db) -> None:
    today = world.run.today()
    born = world.dice.choice([date(1970, 5, 5), today.replace(year=today.year - 21, day=28) + timedelta(days=7), None])
    world.customer(
        db, any_customer(world), any_phone(world), birth_date=born, email=world.dice.choice(EMAILS),
        birth_year=None if born else world.dice.choice([None, 1990, today.year - 21, today.year - 20]),
    )  # fmt: skip


def a_deletion(world: World, db: Db) -> None:
    id_ = any_customer(world)
    db.execute(
        "update raw.vinoshipper_customers set deleted_at = ?::timestamp where customer_id = ?", [world.run.now(), id_]
    )
    db.execute("delete from staged.customers where customer_id = ?", [id_])


def an_order(world: World, db: Db) -> None:
    days = world.dice.choice([-400, -3, 0, 1, 2, 3, 9])
    when = (world.now.replace(tzinfo=None) + timedelta(days=days)).isoformat() + "+00:00"
    machine = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    world.order(
        db, f"9{world.dice.randrange(2 * PEOPLE):05}", any_customer(world),
        purchased_at=world.dice.choice([when, machine, machine[:10], None]),
        birth_date=world.dice.choice([None, None, date(2008, 1, 1), world.run.today() - timedelta(days=7670)]),
        detail_at=world.dice.choice([world.run.now(), world.run.now(), None]),
    )  # fmt: skip


def no_order(world: World, db: Db) -> None:
    id_ = any_customer(world)
    db.execute("delete from raw.vinoshipper_orders where customer_id = ?", [id_])
    db.execute("delete from staged.orders where customer_id = ?", [id_])


def a_receipt(world: World, db: Db) -> None:
    id_, url, known = any_customer(world), world.stamp(), world.dice.random() < 0.7
    db.execute(
        "update raw.vinoshipper_orders set receipt_url = ?, receipt_state = ? where customer_id = ?",
        [url, "read" if known else "unreadable", id_],
    )
    db.execute("update staged.orders set receipt_url = ?, receipt_known = ? where customer_id = ?", [url, known, id_])


def a_contact(world: World, db: Db) -> None:
    id_ = any_customer(world)
    world.contact(
        db, any_contact(world), any_phone(world), status=world.dice.choice(["OPT_IN"] * 5 + ["OPT_OUT", "PENDING"]),
        carried=world.dice.choice(["", "", str(id_), f"{id_}.0", f" {id_} ", f"{id_ / 100000}e5", "n/a", "799999"]),
        email=world.dice.choice(["", "a@example.com", "b@example.com"]),
        source=world.dice.choice(["MANUAL", "PUBLIC_API"]),
        custom=world.dice.choice([{}, {"f2": "Elsewhere"}]),
    )  # fmt: skip


def a_clock(world: World, db: Db) -> None:
    world.now += timedelta(days=world.dice.choice([0.5, 1, 3, 31, 250, -2]))


def a_setting(world: World, db: Db) -> None:
    wanted: dict[str, Any] = world.dice.choice(
        [{"require_age_evidence": True}, {"require_age_evidence": False}, {"on_ambiguous_phone": "hold"},
         {"on_ambiguous_phone": "newest_order"}]
    )  # fmt: skip
    section = next(name for name, one in world.run.merchant.sections.items() if hasattr(one, "require_age_evidence"))
    world.run = replace(world.run, merchant=with_settings(world.run.merchant, section, **wanted))


def a_map(world: World, db: Db) -> None:
    fields = list(world.map.fields)
    fields.append(fields.pop(world.dice.randrange(2, len(fields))))
    world.map = replace(world.map, fields=tuple(fields), fingerprint=world.stamp())


CHANGES: tuple[Callable[[World, Db], object], ...] = (
    a_customer, a_customer, a_customer, a_deletion, an_order, an_order, an_order, a_contact, a_contact, a_contact,
    a_clock, a_clock,
    lambda w, db: no_order(w, db),
    lambda w, db: a_receipt(w, db),
    lambda w, db: db.execute(
        "update raw.vinoshipper_orders set owner_unknown = not owner_unknown where customer_id = ?", [any_customer(w)]
    ),
    lambda w, db: db.execute(
        "update raw.vinoshipper_customers set detail_at = case when detail_at is null then now()::timestamp end "
        "where customer_id = ?", [any_customer(w)],
    ),
    lambda w, db: db.execute(
        "update raw.simpletexting_contacts set gone = not gone where contact_id = ?", [any_contact(w)]
    ),
    lambda w, db: db.execute("update raw.simpletexting_contacts set read_run = ?", [w.run.run_id]),
    lambda w, db: db.execute(
        "update raw.simpletexting_contacts set read_run = ? where contact_id > ?", [w.run.run_id, any_contact(w)]
    ),
    lambda w, db: ledger.record_doubted(db, contact_ref(any_contact(w)), "met", at=w.run.now()),
    lambda w, db: db.execute("delete from synced.doubted"),
    lambda w, db: db.execute(
        "insert or ignore into raw.unreadable select ?, ?, 'e', 'w', 500, 1, ?::timestamp, ?::timestamp, ?::timestamp",
        [
            *w.dice.choice([("customer", str(any_customer(w))), ("order", f"9{w.dice.randrange(PEOPLE):05}"),
                            ("contact", any_contact(w))]),
            *[w.run.now()] * 3,
        ],
    ),
    lambda w, db: db.execute("delete from raw.unreadable"),
    lambda w, db: retries.record_rejected(
        db,
        OutboxEntry(
            "s", contact_ref(any_contact(w)), "r", "update", None,
            (Change("City", "f2", "custom", "mirror", "", w.stamp()),),
        ),
        code="X", http_status=400, at=w.run.now(),
    ),
    lambda w, db: reject_what_is_planned(w, db),
    lambda w, db: db.execute("delete from synced.rejects"),
    lambda w, db: db.execute("insert or replace into raw.unseen_windows values (?, 1, 1, ?, ?, true)",
                             [w.run.today(), w.run.now(), w.run.now()]),
    lambda w, db: db.execute("delete from raw.unseen_windows"),
    lambda w, db: set_state(db, UNREAD_EMAILS, w.dice.choice([{}, {"x": "a@example.com"}]), w.run.now()),
    lambda w, db: db.execute("update raw.reads set rows = rows + 1 where what = 'customers'"),
    lambda w, db: db.execute("delete from synced.settled where id = ?", [any_contact(w)]),
    a_setting, a_map,
)  # fmt: skip


def reject_what_is_planned(world: World, db: Db) -> None:
    found: dict[str, list[Change]] = {}
    for id_, *change in db.rows("select id, field, key, kind, policy, old, new from planned.changes"):
        found.setdefault(id_, []).append(Change(*change))
    for id_ in sorted(found)[:3]:
        sent = OutboxEntry(world.stamp(), contact_ref(id_), "r", "update", None, tuple(found[id_]), {})
        retries.record_rejected(db, sent, code="X", http_status=400, at=world.run.now())


@pytest.mark.parametrize("seed", range(1, 12))  # each kind of change by itself: `test_plan_inputs.py`
@pytest.mark.slow
def test_whatever_changes_the_plan_is_what_a_plan_of_everybody_says(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolkit, "PIECE", 10)
    # A plan looks at what is ahead of all clocks by the moment: the one made behind its back is of the same moment.
    machine = utc_now_naive()
    monkeypatch.setattr(staging_orders, "utc_now_naive", lambda: machine)
    world = World(tmp_path, seed)
    planned = there = stood = 0
    with world.run.keeping():
        world.fill(PEOPLE)
        for _ in range(60):
            there += PEOPLE
            if world.stands():
                stood += 1
            else:
                made = world.plan()
                planned += made.looked_at
                if world.dice.random() < 0.7:
                    world.push(world.dice.choice([0.3, 1, 1]), world.dice.random())
                    world.keep(made)
            world.next_run(world.dice.choice([1, 5, 60]))
            for _ in range(world.dice.choice([0, 0, 1, 1, 2, 4])):
                change = world.dice.choice(CHANGES)
                with world.run.open() as db, db.transaction():
                    change(world, db)
    assert planned < there * 0.8, "else it shows little"
    assert stood
