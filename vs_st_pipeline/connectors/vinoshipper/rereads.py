"""Says which of Vinoshipper's records come next, so that a quiet sync can read them again without opening the file.

Data flow: raw.vinoshipper_customers, raw.vinoshipper_orders, raw.slices, states -> `Rereads`; `Seen` -> read times.

Read again in turn are details of customers, details of open and of settled orders, single days of reconciliation, and
the customer list. A record is left to an ordinary sync where the same answer would not leave everything as it is: what
an answer omits is cleared by its second absence (`carried.py`), and a detail's memberships lead over those of the list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from typing import Final

from vs_st_pipeline.connectors.vinoshipper.carried import Detail
from vs_st_pipeline.connectors.vinoshipper.client import customer_path, order_path
from vs_st_pipeline.connectors.vinoshipper.customer_list import WALK
from vs_st_pipeline.connectors.vinoshipper.customers import LIST, MEMBERSHIPS, SEARCH_WORKS
from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, ORDER
from vs_st_pipeline.connectors.vinoshipper.landing import other_memberships
from vs_st_pipeline.connectors.vinoshipper.limitations import ASK_AGAIN_AFTER
from vs_st_pipeline.connectors.vinoshipper.membership_feed import CLOCKS_DIFFER, FeedCursor
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.orders import (
    HISTORY,
    LEARN_AGAIN_AFTER,
    NO_SHIPPED_FILTER,
    RECONCILE,
    RECONCILED_DAYS,
    SEARCH,
    day_item,
)
from vs_st_pipeline.connectors.vinoshipper.read_queue import CATCH_UP_SECONDS, OVERDUE, ROTATION, SETTLED_FOR
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.domain.records import RecordKind
from vs_st_pipeline.platform.http.tape import Exchange
from vs_st_pipeline.platform.rereads import Heard, Reread, Rereading, Rereads, Rotation, Seen
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import get_state, rotation_state, set_state, state_set_at
from vs_st_pipeline.platform.warehouse.unreadable import next_tries, unreadable_ids

CUSTOMER_DETAILS, OPEN_ORDERS, SETTLED_ORDERS = "customer_details", "open_orders", "settled_orders"
HEAD: Final = 64  # records of a rotation that are known ahead: some hours of syncs five minutes apart


def _plan(run: Run, db: Db, heard: Heard) -> Rereads | None:
    search, history = get_state(db, SEARCH), get_state(db, HISTORY) or {}
    if not history.get("complete") or search is None or _something_needed(db):
        return None
    due = [_epoch(at) for at in _due_at(db)]
    if not due:
        return None
    due += _come_true(run, db)
    rotations = [_customer_list(run, db, heard), *_details(run, db)]
    if search.get("filter_works") is not False:
        rotations.append(_reconcile(run, db, heard, history, search))
    return Rereads(min(due), rotations)


def _something_needed(db: Db) -> bool:
    """Say whether a record is read for another reason than its turn; one that cannot be read has a time of its own."""
    linked = "in (select customer_id from raw.vinoshipper_customers where linked_run is not null)"
    return bool(
        db.value(
            f"""with waiting as (select kind, id from raw.unreadable), hinted as (select kind, id from raw.hints)
                select (select count(*) from raw.vinoshipper_customers
                        where linked_run is not null and deleted_at is null
                          and (detail_at is null or detail_wanted
                               or ('customer', cast(customer_id as varchar)) in (from hinted))
                          and ('customer', cast(customer_id as varchar)) not in (from waiting))
                     + (select count(*)
                        from raw.vinoshipper_orders as o left join staged.orders as s using (order_number)
                        where (o.detail_at is null or o.detail_wanted or ('order', o.order_number) in (from hinted))
                          and (o.customer_id {linked} or s.customer_id {linked} or o.owner_unknown)
                          and ('order', o.order_number) not in (from waiting))"""
        )
    )


def _due_at(db: Db) -> Iterable[datetime]:
    """Return when something is due that is not in turn; nothing where it is due now."""
    learned = state_set_at(db, SEARCH)
    if learned is None:
        return []
    due = [learned + LEARN_AGAIN_AFTER]
    if (at := state_set_at(db, NO_SHIPPED_FILTER)) is not None:
        due.append(at + LEARN_AGAIN_AFTER)
    if (at := state_set_at(db, SEARCH_WORKS)) is not None and not get_state(db, SEARCH_WORKS):
        due.append(at + LEARN_AGAIN_AFTER)
    due += next_tries(db, CUSTOMER.name, ORDER.name)
    due += [row[0] + ASK_AGAIN_AFTER for row in db.rows("select asked_at from raw.unseen_windows where told")]
    return due


def _come_true(run: Run, db: Db) -> list[float]:
    """Return when times that memberships give are not ahead of the shop's clock any more: the feed shows them again."""
    cursor = get_state(db, MEMBERSHIPS)
    ahead = [datetime.fromisoformat(at).timestamp() for _, at in FeedCursor.from_json(cursor).ahead] if cursor else []
    # The shop's clock goes as the machine's own does, which need not be that of the run.
    step = _epoch(run.now()) - datetime.now(UTC).timestamp() - CLOCKS_DIFFER.total_seconds()
    return [at + step for at in ahead]


def _details(run: Run, db: Db) -> list[Rotation]:
    refresh = run.merchant.section(VinoshipperSettings).refresh
    customers = """from raw.vinoshipper_customers as t
                   where t.linked_run is not null and t.detail_at is not null and t.deleted_at is null"""
    orders = """from raw.vinoshipper_orders as t join raw.vinoshipper_customers as c using (customer_id)
                left join staged.orders as s on s.order_number = t.order_number
                where c.linked_run is not null and t.detail_at is not null"""
    young = f"(t.settled_at >= timestamp '{run.now() - SETTLED_FOR}' or s.unread is not null)"

    def rotation(name: str, every: timedelta, kind: RecordKind, rows: str) -> Rotation:
        return _rotation(run, db, name, every, kind, rows)

    return [
        rotation(CUSTOMER_DETAILS, refresh.customer_details, CUSTOMER, customers),
        rotation(OPEN_ORDERS, refresh.open_orders, ORDER, f"{orders} and t.settled_at is null"),
        rotation(SETTLED_ORDERS, refresh.settled_orders, ORDER, f"{orders} and t.settled_at is not null and {young}"),
    ]


def _rotation(run: Run, db: Db, name: str, every: timedelta, kind: RecordKind, rows: str) -> Rotation:
    key = "customer_id" if kind is CUSTOMER else "order_number"
    known = db.rows(
        f"""select cast(t.{key} as varchar), epoch(t.detail_at),
                   case when t.detail_status = 200 and t.detail_kept is null then t.detail_hash end, count(*) over ()
            {rows} order by t.detail_at, 1 limit {HEAD}"""
    )
    unreadable = unreadable_ids(db, kind.name)
    leading = _leading(db, [row[0] for row in known]) if kind is CUSTOMER else set()
    path = customer_path if kind is CUSTOMER else order_path
    items = [
        Reread(own, at, [Exchange(VINOSHIPPER, kind.name, "GET", path(own), None, bytes.fromhex(hashed))])
        if hashed and own not in unreadable and own not in leading
        else Reread(own, at)
        for own, at, hashed, _ in known
    ]
    now = _epoch(run.now())
    at, left = rotation_state(db, name) or (run.now(), 0.0)
    rate = run.merchant.section(VinoshipperSettings).requests_per_second
    most = max(1, min(HEAD, int(CATCH_UP_SECONDS * rate)))
    count = known[0][3] if known else 0
    return Rotation(name, count, every.total_seconds(), min(_epoch(at), now), left, most, items)


def _leading(db: Db, ids: Sequence[str]) -> set[str]:
    """Return the customers whose memberships would be taken from the detail once it is read again."""
    with db.batch({"id": list(ids)}) as batch:
        rows = db.rows(
            f"""select cast(customer_id as varchar), detail_body from raw.vinoshipper_customers
                where cast(customer_id as varchar) in (select id from {batch}) and not detail_leads
                and json_extract(list_body, '$.memberships')
                    is distinct from json_extract(detail_body, '$.memberships')"""
        )
    details = [Detail(own, body) for own, body in rows]
    found = other_memberships(db, details) if details else []
    return {detail.id for detail, differs in zip(details, found, strict=True) if differs}


def _customer_list(run: Run, db: Db, heard: Heard) -> Rotation:
    every = run.merchant.section(VinoshipperSettings).refresh.customer_list
    read_at = state_set_at(db, LIST) or datetime(1970, 1, 1)
    stored = db.row(
        """select count(*), coalesce(sum(hash(customer_id, list_hash)), 0),
                  count(*) filter ((missing > 0 and deleted_at is null) or detail_leads or list_kept is not null)
           from raw.vinoshipper_customers"""
    )
    assert stored is not None
    proof = f"{stored[0]} {stored[1]}".encode()
    asks, records = ([], 0) if stored[2] or get_state(db, WALK) is not None else heard.of(LIST, "", proof)
    now = _epoch(run.now())
    return Rotation(LIST, 0, every.total_seconds(), now, 0.0, 1, [Reread("", _epoch(read_at), asks, proof, records)])


def _reconcile(run: Run, db: Db, heard: Heard, history: Mapping[str, str], search: Mapping[str, object]) -> Rotation:
    every = run.merchant.section(VinoshipperSettings).refresh.reconcile
    today, now = run.today(), run.now()
    compared = dict(db.rows("select day, compared_at from raw.slices"))
    first, at = date.fromisoformat(history["started"]), state_set_at(db, HISTORY) or now
    read = {
        day: compared.get(day, at if day < first else now)
        for day in (today - timedelta(days=back) for back in range(RECONCILED_DAYS))
    }
    stored = {
        row[0]: row[1:]
        for row in db.rows(
            """select purchased_on, count(*), sum(hash(order_number, search_hash, coalesce(detail_status, 200) = 404))
               from raw.vinoshipper_orders where purchased_on >= ? group by 1""",
            [today - timedelta(days=RECONCILED_DAYS + 1)],
        )
    }
    with db.batch({"number": sorted(heard.shown)}) as batch:
        shown = {
            row[0]: row[1:]
            for row in db.rows(
                f"""select purchased_on, count(*), sum(hash(order_number)) from raw.vinoshipper_orders
                    where order_number in (select number from {batch}) group by 1"""
            )
        }
    unseen = {row[0]: row for row in db.rows("select day, shown, lines, told from raw.unseen_windows order by day")}
    items = []
    for day in sorted(read, key=lambda one: (read[one], one)):
        days = [day + timedelta(days=step) for step in (-1, 0, 1)]
        beside = [(stored.get(one), shown.get(one)) for one in days]
        proof = blake2b(repr((beside, unseen.get(day), sorted(search.items()))).encode(), digest_size=16).digest()
        asks, records = heard.of(RECONCILE, day_item(day, day + timedelta(days=1)), proof)
        items.append(Reread(day.isoformat(), _epoch(read[day]), asks, proof, records))
    since, left = rotation_state(db, RECONCILE) or (now, 0.0)
    return Rotation(RECONCILE, len(items), every.total_seconds(), min(_epoch(since), _epoch(now)), left, 1, items)


def _note(db: Db, seen: Sequence[Seen]) -> None:
    """Set when these were read last; of a record that is stored otherwise by now nothing is noted."""
    for names, table, key in (
        ((CUSTOMER_DETAILS,), "raw.vinoshipper_customers", "customer_id"),
        ((OPEN_ORDERS, SETTLED_ORDERS), "raw.vinoshipper_orders", "order_number"),
    ):
        rows = [one for one in seen if one.rotation in names]
        if not rows:
            continue
        columns = {
            "id": [one.item for one in rows],
            "hash": [one.digest.hex() for one in rows],
            "moment": [_naive(one.at).isoformat(sep=" ") for one in rows],
        }
        with db.batch(columns) as batch:
            db.execute(
                f"""update {table} as t set detail_at = b.moment
                    from (select id, hash, max(cast(moment as timestamp)) as moment from {batch} group by 1, 2) as b
                    where cast(t.{key} as varchar) = b.id and t.detail_hash = b.hash and t.detail_at < b.moment"""
            )
    for one in seen:
        if one.rotation == RECONCILE:
            db.execute(
                """insert into raw.slices values (?, ?)
                   on conflict do update set compared_at = greatest(compared_at, excluded.compared_at)""",
                [date.fromisoformat(one.item), _naive(one.at)],
            )
        elif one.rotation == LIST:
            known = state_set_at(db, LIST)
            if known is not None and known < _naive(one.at):
                set_state(db, LIST, get_state(db, LIST), _naive(one.at))


def _say(done: Mapping[str, tuple[Sequence[Reread], int]]) -> list[RequestLogEntry]:
    said = []
    if LIST in done:
        [item] = done[LIST][0]
        said.append(RequestLogEntry("customer list", "due", item.records, f"{len(item.asks)} pages"))
    for kind, names in ((CUSTOMER, (CUSTOMER_DETAILS,)), (ORDER, (OPEN_ORDERS, SETTLED_ORDERS))):
        overdue = sum(done[name][1] for name in names if name in done)
        in_turn = sum(len(done[name][0]) for name in names if name in done) - overdue
        said += [
            RequestLogEntry(f"{kind.name} details", why, count, f"{count} read")
            for why, count in ((OVERDUE, overdue), (ROTATION, in_turn))
            if count
        ]
    if RECONCILE in done:
        said.append(RequestLogEntry("order search", "reconciliation by days", len(done[RECONCILE][0]), "0 differ"))
    return said


def _epoch(at: datetime) -> float:
    return at.replace(tzinfo=UTC).timestamp()


def _naive(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None)


REREADING = Rereading(_plan, _note, _say)
