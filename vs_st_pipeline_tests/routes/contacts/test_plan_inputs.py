"""Whatever one contact's plan is made from has it planned again, input by input, and each part of the SQL is needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.vinoshipper import staging_orders
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.pipeline import incremental, plan_cache
from vs_st_pipeline.pipeline import planning as toolkit
from vs_st_pipeline.pipeline.plan_cache import PlanInputs
from vs_st_pipeline.platform.warehouse import ledger, retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry
from vs_st_pipeline.platform.warehouse.state import UNREAD_EMAILS, set_state
from vs_st_pipeline.routes.contacts import plan_inputs, planning
from vs_st_pipeline_tests.support.fresh_plan import NOT_COMPARED, TABLES
from vs_st_pipeline_tests.support.plan_world import NOON, World, phone
from vs_st_pipeline_tests.support.story import with_settings

SAMPLE = 10  # cases of each test in `make test`; the others count as pytest.mark.slow

pytestmark = pytest.mark.unproved  # it is proved here, step by step

AHEAD = (NOON + timedelta(days=3)).isoformat()  # later than any order can be
SOON_21, SOON_BY_YEAR = date(2005, 3, 3), 2005

CUSTOMERS: dict[int, dict[str, Any]] = {
    3: {"birth_date": SOON_21},
    4: {"birth_date": None, "birth_year": SOON_BY_YEAR},
    **dict.fromkeys((10, 11, 17), {"birth_date": None}),
}
ORDERS: dict[int, dict[str, Any]] = {10: {"birth_date": SOON_21}, 12: {"purchased_at": AHEAD}}
CONTACTS: dict[int, dict[str, Any]] = {2: {"source": "PUBLIC_API"}, 8: {"carried": "700008"}, 9: {"status": "OPT_OUT"}}


def fill(world: World) -> None:
    """People of every kind, each with customer 7000nn, contact cnn and order 9nn but for what is said."""
    world.fill(0)
    with world.run.open() as db, db.transaction():
        for number in range(20):
            id_ = 700_000 + number
            world.customer(db, id_, phone(48 if number == 8 else number), **CUSTOMERS.get(number, {}))
            world.order(db, f"9{number:05}", id_, **ORDERS.get(number, {}))
            world.contact(db, f"c{number:02}", phone(number), **CONTACTS.get(number, {}))
        world.contact(db, "nobody", phone(90))
        db.execute("update staged.orders set birth_year = ? where customer_id = 700011", [SOON_BY_YEAR])
        for number, name in ((13, "shipped_at"), (14, "delivered_at"), (15, "customer_since")):
            db.execute(f"update staged.orders set {name} = ? where customer_id = ?", [AHEAD, 700_000 + number])


def settle(world: World) -> None:
    """Let syncs write and read everything, until there is nothing left to do and the plan stands."""
    for _ in range(4):
        world.next_run()
        with world.run.open() as db, db.transaction():
            db.execute("update raw.simpletexting_contacts set read_run = ?", [world.run.run_id])
        made = planning.make_plan(world.run, world.map)
        world.push(shown=1)
        world.keep(made)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which nothing is left to do."""
    folder = tmp_path_factory.mktemp("settled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging_orders, "utc_now_naive", lambda: NOON.replace(tzinfo=None))
        world = World(folder)
        with world.run.keeping():
            fill(world)
            settle(world)
    return folder


@pytest.fixture
def world(settled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    shutil.copytree(settled / "data", tmp_path / "data")
    monkeypatch.setattr(staging_orders, "utc_now_naive", lambda: NOON.replace(tzinfo=None))
    made = World(tmp_path)
    made.now += timedelta(hours=1)
    made.made = 10_000
    with made.run.keeping():
        yield made


def rows(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """The plan, as far as it says something of contacts."""
    with world.run.open() as db:
        return {
            table: db.rows(f"select {NOT_COMPARED.get(table, '*')} from planned.{table} order by all")
            for table in TABLES
            if table in ("targets", "changes", "notes", "learned", "verdicts")
        }


# --- what may change ----------------------------------------------------------------------------------------------

Do = Callable[[World, Db], object]


def sql(text: str, *values: object) -> Do:
    """A change by one statement; `now` and `run` stand for the run's."""

    def change(world: World, db: Db) -> None:
        known = {"now": world.run.now(), "run": world.run.run_id}
        db.execute(text, [known.get(value, value) if isinstance(value, str) else value for value in values])

    return change


def later(**time: float) -> Do:
    def change(world: World, db: Db) -> None:
        world.now += timedelta(**time)

    return change


def unreadable(kind: str, id_: str) -> Do:
    return sql(
        "insert into raw.unreadable select ?, ?, 'e', 'w', 500, 1, ?::timestamp, ?::timestamp, ?::timestamp",
        *(kind, id_, "now", "now", "now"),
    )


def contact(id_: str, what: str, *values: object) -> Do:
    return sql(f"update raw.simpletexting_contacts set {what} where contact_id = '{id_}'", *values)


def customer(id_: int, what: str, *values: object) -> Do:
    return sql(f"update raw.vinoshipper_customers set {what} where customer_id = {id_}", *values)


def order(id_: int, what: str, *values: object) -> Do:
    return sql(f"update raw.vinoshipper_orders set {what} where customer_id = {id_}", *values)


def staged(table: str, id_: int, what: str, *values: object) -> Do:
    return sql(f"update staged.{table} set {what} where customer_id = {id_}", *values)


def all_of(*changes: Do) -> Do:
    def change(world: World, db: Db) -> None:
        for one in changes:
            one(world, db)

    return change


def restaged(id_: int, what: str) -> Do:
    """A customer whose detail says something else."""
    return all_of(customer(id_, "detail_hash = 'other'"), staged("customers", id_, f"{what}, source_hash = 'other'"))


def setting(**values: Any) -> Do:
    def change(world: World, db: Db) -> None:
        found = next(name for name, one in world.run.merchant.sections.items() if hasattr(one, "require_age_evidence"))
        world.run = replace(world.run, merchant=with_settings(world.run.merchant, found, **values))

    return change


def entry(world: World, id_: str, field: str, key: str, new: str) -> OutboxEntry:
    change = Change(field, key, "custom", "mirror", "", new)
    return OutboxEntry(world.stamp(), contact_ref(id_), "r", "update", None, (change,), {})


def accepted(id_: str, field: str, key: str, new: str) -> Do:
    return lambda w, db: ledger.record_accepted(db, [entry(w, id_, field, key, new)], at=w.run.now())


def no_id_field(world: World, db: Db) -> None:
    """The account does not show the field any more in which contacts carry their customers' ids; one moves away."""
    db.execute("delete from raw.simpletexting_custom_fields where label = 'VScustomerID'")
    db.execute("update raw.simpletexting_contacts set phone = ? where contact_id = 'c01'", [phone(91)])


def reject_all(world: World, db: Db) -> None:
    for id_, *change in db.rows("select id, field, key, kind, policy, old, new from planned.changes"):
        sent = OutboxEntry(world.stamp(), contact_ref(id_), "r", "update", None, (Change(*change),), {})
        retries.record_rejected(db, sent, code="X", http_status=400, at=world.run.now())


@dataclass(frozen=True)
class Input:
    """Something that a plan is made from.

    Attributes:
        change: what happens to it between two syncs.
        without: mutations that leave it out: module, name of the SQL, what is replaced, by what.
        before: what happens earlier, each in a sync of its own.
        in_raw: raw, synced or settings show it, so that no plan stands.
        share, shown: how much of what is planned before is accepted, and seen afterwards.
        same: the plan must stay as it is.
    """

    change: Do
    without: tuple[tuple[str, str, str], ...] = ()
    before: tuple[Do, ...] = ()
    in_raw: bool = True
    share: float = 1.0
    shown: float = 1.0
    same: bool = False


def in_contact(old: str, new: str = "") -> tuple[str, str, str]:
    return ("plan_inputs._CONTACT", old, new)


def in_customers(old: str, new: str = "") -> tuple[str, str, str]:
    return ("plan_inputs._CUSTOMERS", old, new)


def again(old: str, new: str = "false") -> tuple[str, str, str]:
    return ("incremental._AGAIN", old, new)


def in_basis(place: int) -> tuple[str, str, str]:
    return ("basis", str(place), "")


def in_settings(place: int) -> tuple[str, str, str]:
    return ("settings", str(place), "")


_OF_ORDERS = "birth_year, birth_date > $born, sign(birth_year - $of_age), case"
_OF_CUSTOMER = "s.birth_year, birth_date > $born, sign(birth_year - $of_age), r.detail_at"
_DATES = "greatest(purchased_at, shipped_at, delivered_at, customer_since)"
_IN_DOUBT = "u.id is not null and c.read_run <> $run"


def without_day(ages: str) -> tuple[str, str, str]:
    return in_customers(ages, ages.replace("birth_date > $born, ", ""))


def without_year(ages: str) -> tuple[str, str, str]:
    return in_customers(ages, ages.replace("sign(birth_year - $of_age), ", ""))


def ahead(name: str) -> tuple[str, str, str]:
    return in_customers(f"left({_DATES}", f"left({_DATES.replace(f'{name}, ', '').replace(f', {name}', '')}")


moves = restaged(700_000, "city = 'Elsewhere'")
shares = all_of(
    *(
        contact(
            f"c{number}",
            """body = json_merge_patch(body, '{"email": ""}')::varchar, body_hash = 'blank', email = null""",
        )
        for number in (16, 18, 19)
    ),
    *(restaged(700_000 + number, "email = 'shared@example.com'") for number in (18, 19)),
)
has_mail = contact("nobody", "email = '700000@example.com'")


def writes_another_id(world: World, db: Db) -> None:
    """Another customer's id was accepted, and the contact counts as settled by the same plan."""
    [fingerprint] = db.rows("select fingerprint from synced.settled where id = 'c00'")[0]
    accepted("c00", "VScustomerID", "f1", "700008")(world, db)
    db.execute("insert into synced.settled values (?, ?, ?, ?)", [*contact_ref("c00"), fingerprint])


INPUTS = {
    # Of the contact.
    "body": Input(
        contact(
            "c00",
            """body = json_merge_patch(body, '{"customFields": {"f2": "Edited"}}')::varchar, body_hash = 'other',
               read_run = ?""",
            "run",
        ),
        (in_contact("c.body_hash, "),),
    ),
    "phone": Input(contact("nobody", "phone = ?", phone(91)), (in_contact("c.phone, "),)),
    "carried id": Input(contact("c09", "customer_id = '700001'"), (in_contact("c.customer_id, "),)),
    "status": Input(contact("c00", "status = 'OPT_OUT'"), (in_contact("c.status, "),)),
    "gone": Input(contact("nobody", "gone = true"), (in_contact("where not c.gone"),)),
    "doubted": Input(
        lambda world, db: ledger.record_doubted(db, contact_ref("c02"), "met", at=world.run.now()),
        (in_contact("d.id is not null, "),),
    ),
    "not doubted any more": Input(
        sql("delete from synced.doubted"),
        (in_contact("d.id is not null, "),),
        before=(lambda world, db: ledger.record_doubted(db, contact_ref("c02"), "met", at=world.run.now()),),
    ),
    "cannot be read": Input(unreadable("contact", "c00"), (in_contact(f"{_IN_DOUBT}, "),)),
    "was read in a list": Input(
        contact("c00", "read_run = ?", "run"),
        (in_contact(_IN_DOUBT, "u.id is not null"),),
        before=(unreadable("contact", "c00"),),
    ),
    # Whom it may stand for.
    "a customer on its phone": Input(customer(700_008, "phone = ?", phone(90)), (in_contact("p.count, p.hash, "),)),
    "the customer on its phone": Input(unreadable("customer", "700009"), (in_contact("p.hash, "),)),
    "the customer that it names": Input(unreadable("customer", "700008"), (in_contact("n.hash, "),)),
    "the customer that we wrote there": Input(
        restaged(700_001, "city = 'Elsewhere'"), (in_contact("w.hash, "),), before=(no_id_field,)
    ),
    "deleted": Input(
        customer(700_000, "deleted_at = ?::timestamp", "now"), (in_customers("where r.deleted_at is null"),)
    ),
    "customer": Input(moves, (in_customers("s.source_hash, "),)),
    "birth date": Input(
        staged("customers", 700_000, "birth_date = '1981-01-01'"), (in_customers("s.birth_date, "),), in_raw=False
    ),
    "comes of age": Input(later(days=3), (without_day(_OF_CUSTOMER),)),
    "comes of age by the year": Input(later(days=365), (without_year(_OF_CUSTOMER),)),
    "detail never read": Input(customer(700_000, "detail_at = null"), (in_customers("r.detail_at is null, "),)),
    "order never read": Input(
        order(700_000, "detail_at = null"),
        (
            in_customers("u.customer_id is not null, "),
            in_customers("detail_at is null or owner_unknown", "owner_unknown"),
        ),
    ),
    "order of nobody known": Input(
        order(700_000, "owner_unknown = true"), (in_customers(" or owner_unknown is true"),)
    ),
    "customer cannot be read": Input(
        unreadable("customer", "700000"),
        (in_customers("b.customer_id is not null, "), in_customers("('customer', 'order')", "('order')")),
    ),
    "order cannot be read": Input(
        unreadable("order", "900000"), (in_customers("('customer', 'order')", "('customer')"),)
    ),
    # Their orders.
    "order": Input(
        all_of(
            order(700_000, "detail_hash = 'other'"),
            staged("orders", 700_000, "total = '99.50', source_hash = 'other'"),
        ),
        (in_customers("order_number, source_hash, ", "order_number, "), in_customers("o.count, o.hash", "o.count")),
    ),
    "no order": Input(
        all_of(
            sql("delete from raw.vinoshipper_orders where customer_id = 700000"),
            sql("delete from staged.orders where customer_id = 700000"),
        ),
        (in_customers("o.count, o.hash", "null"),),
    ),
    "receipt": Input(
        all_of(
            order(700_000, "receipt_url = 'u', receipt_state = 'read'"), staged("orders", 700_000, "receipt_url = 'u'")
        ),
        (in_customers("receipt_url, "),),
    ),
    "receipt cannot be read": Input(
        all_of(order(700_000, "receipt_state = 'unreadable'"), staged("orders", 700_000, "receipt_known = false")),
        (in_customers("receipt_known, "),),
    ),
    "comes of age by an order": Input(later(days=3), (without_day(_OF_ORDERS),)),
    "comes of age by the year in an order": Input(later(days=365), (without_year(_OF_ORDERS),)),
    "bought by now": Input(later(days=2), (ahead("purchased_at"),)),
    "shipped by now": Input(later(days=2), (ahead("shipped_at"),)),
    "delivered by now": Input(later(days=2), (ahead("delivered_at"),)),
    "bought, not shipped by now": Input(
        later(days=2),
        (in_customers("hash( left(purchased_at, 10) > $latest, ", "hash( "),),
        before=(staged("orders", 700_012, "shipped_at = ?", (NOON + timedelta(days=8)).isoformat()),),
    ),
    "bought by now on that day": Input(
        later(hours=5), (in_customers("then $now end", "then 0 end"),), before=(later(hours=20),)
    ),
    # What others have.
    "somebody has its e-mail": Input(has_mail, (in_contact("e.count, e.hash", "null"),)),
    "another has its e-mail": Input(
        all_of(contact("c00", "email = null"), has_mail), (in_contact("e.count, e.hash", "e.count"),)
    ),
    "nobody has its e-mail": Input(
        contact("nobody", "gone = true"),
        (in_contact("email is not null and not gone", "email is not null"),),
        before=(has_mail,),
    ),
    "another wants its e-mail no more": Input(
        contact("c18", "status = 'OPT_OUT'"),
        (("incremental._SHARING", "where share is not null union all", "where false union all"),),
        before=(shares,),
    ),
    "another that wants its e-mail is gone": Input(
        contact("c18", "gone = true"),
        (("incremental._SHARING", "where share is not null)", "where false)"),),
        before=(shares,),
    ),
    "another wants its e-mail": Input(
        restaged(700_016, "email = 'Shared@example.com'"), (("sharing", "", ""),), before=(shares,)
    ),
    # What was written and learned.
    "accepted since": Input(
        accepted("c00", "City", "f2", "Somewhere"),
        (again("h.seq > $seq", "h.seq > $seq + 1000000"),),
        before=(moves,),
        shown=0,
    ),
    "another id accepted since": Input(
        writes_another_id,
        (again("list_contains($links, h.field) and h.event <> 'stored'", "list_contains($links, '')"),),
        before=(customer(700_008, "phone = ?", phone(0)),),
    ),
    "accepted, read, and not there": Input(
        contact("c00", "read_run = ?", "run"), (again("read_now is distinct from read_then"),), before=(moves,), shown=0
    ),
    "refused, and nothing waits any more": Input(
        sql("delete from synced.rejects"),
        (again("note = 'waiting_retry'"),),
        before=(moves, all_of(reject_all, reject_all)),
        share=0,
    ),
    "a loss that nobody let pass": Input(
        later(hours=1),
        (again("from planned.changes", "from planned.changes where false"),),
        before=(all_of(sql("delete from raw.vinoshipper_orders"), sql("delete from staged.orders")),),
        share=0,
        same=True,
    ),
    # Of all.
    "custom fields": Input(
        sql("update raw.simpletexting_custom_fields set merge_tag = 'other' where label = 'City'"), (in_basis(0),)
    ),
    "order history": Input(sql("delete from raw.reads where what = 'orders'"), (in_basis(1),)),
    "orders that cannot be seen": Input(
        sql("insert into raw.unseen_windows values ('2026-02-20', 1, 1, ?, ?, true)", "now", "now"), (in_basis(2),)
    ),
    "on_ambiguous_phone": Input(
        setting(on_ambiguous_phone="hold"),
        (in_settings(0),),
        before=(customer(700_008, "phone = ?", phone(10)),),
    ),
    "require_age_evidence": Input(setting(require_age_evidence=True), (in_settings(1),)),
    "time_zone": Input(
        lambda world, db: setattr(
            world,
            "run",
            replace(world.run, merchant=replace(world.run.merchant, time_zone=ZoneInfo("Pacific/Kiritimati"))),
        ),
        (in_settings(2),),
    ),
    "field map": Input(
        lambda world, db: setattr(world, "map", replace(world.map, fields=world.map.fields[:-1])), (in_settings(3),)
    ),
    "e-mail of one that is not understood": Input(
        lambda world, db: set_state(db, UNREAD_EMAILS, {"x": "700000@example.com"}, world.run.now()), (in_settings(4),)
    ),
}


def happens(world: World, found: Input) -> None:
    """Let it happen, and prove all plans on the way, also that one stands."""
    for change in found.before:
        world.next_run()
        with world.run.open() as db, db.transaction():
            change(world, db)
        world.plan()
        world.push(found.share, found.shown)
    if found.before:
        world.next_run()
        world.keep(world.plan())
    before = rows(world)
    world.next_run()
    with world.run.open() as db, db.transaction():
        found.change(world, db)
    if found.in_raw:
        assert not world.stands() or found.same
    made = world.plan()
    assert (rows(world) == before) is found.same, "else it shows nothing"
    assert made.looked_at < 12 or all(what in ("basis", "settings", "incremental._AGAIN") for what, *_ in found.without)


@pytest.mark.parametrize("name", INPUTS)
def test_whatever_a_plan_is_made_from_has_it_made_again(world: World, name: str) -> None:
    happens(world, INPUTS[name])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name, found in INPUTS.items() for place in range(len(found.without))]
)
def test_each_part_of_what_is_compared_is_needed(
    world: World, name: str, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, this file finds that a plan is not what a plan of everybody says."""
    leave_out(monkeypatch, *INPUTS[name].without[place])
    world.next_run()
    planning.make_plan(world.run, world.map)  # of everybody, so that it is stored by what is left
    with pytest.raises(AssertionError, match="is not what a plan of everybody says"):
        happens(world, replace(INPUTS[name], in_raw=False))


def leave_out(monkeypatch: pytest.MonkeyPatch, where: str, old: str, new: str) -> None:
    if where == "sharing":
        monkeypatch.setattr(incremental.Incremental, "sharing", lambda *_: [])
        return
    if where in ("basis", "settings"):
        whole = plan_cache.hash_of_basis

        def without(inputs: PlanInputs, stored: tuple[object, ...]) -> str:
            place = int(old)
            if where == "basis":
                return whole(inputs, stored[:place] + stored[place + 1 :])
            rest = inputs.settings[:place] + inputs.settings[place + 1 :]
            return whole(replace(inputs, settings=rest), stored)

        monkeypatch.setattr(toolkit, "hash_of_basis", without)
        return
    module, name = where.split(".")
    owner = {"plan_inputs": plan_inputs, "incremental": incremental}[module]
    text = " ".join(getattr(owner, name).split())
    assert text.count(old) == 1, text
    monkeypatch.setattr(owner, name, text.replace(old, new))


# --- what no single change shows ----------------------------------------------------------------------------------


def test_the_machines_clock_makes_a_date_believable_also_where_a_fixed_time_is_set(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order may be as late as either clock allows; `VS_ST_NOW` stands still, and the machine's goes on."""
    fixed = world.now
    for hours in (20, 25):  # the same day, before and after the moment of the order
        now = NOON.replace(tzinfo=None) + timedelta(hours=hours)
        monkeypatch.setattr(staging_orders, "utc_now_naive", lambda now=now: now)
        world.next_run()
        world.now = fixed
        assert not world.stands()
        world.plan()


def test_an_id_that_is_found_there_already_is_no_news_of_whom_a_contact_stands_for(world: World) -> None:
    """As after a file was lost: the ledger is made again from what contacts show."""
    with world.run.open() as db, db.transaction():
        for table in ("synced.ledger", "synced.history", "synced.settled", "planned.inputs", "planned.basis"):
            db.execute(f"delete from {table}")
        db.execute("update raw.simpletexting_contacts set read_run = ?", [world.run.run_id])
    made = world.plan()
    world.push()
    world.keep(made)
    world.next_run()
    assert world.stands()
    assert world.plan().targets == 0
