"""Reads orders: history once, then newly processed, newly shipped, and a slice of reconciliation.

Data flow: pages of the order search -> raw.vinoshipper_orders.

Vinoshipper has no "modified since", so each pass asks for what a window of days shows, and moves its cursor in the
transaction that stores it. What an account's search turned out to obey is remembered for a week.

It is long because the four passes share windows, cursors and days that cannot be seen whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from vs_st_pipeline.connectors.vinoshipper import landing_orders
from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.limitations import (
    ORDER_DATES,
    SHIPPED_DATES,
    SHIPPED_DAYS,
    UnseenDay,
    days_to_ask_again,
    keep_unseen,
    tell_unseen,
)
from vs_st_pipeline.connectors.vinoshipper.order_search import (
    FIRST_WINDOW,
    PROCESSED,
    SHIPPED,
    FilterIgnored,
    OrderRow,
    OrderSearch,
    Stored,
    Window,
)
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.connectors.vinoshipper.waiting import Waiting
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.limitations import set_limitation
from vs_st_pipeline.platform.warehouse.state import (
    CLOCK_SLACK,
    change_state,
    clear_state,
    get_state,
    is_due,
    rotation_quota,
    set_state,
    state_set_at,
)
from vs_st_pipeline.platform.warehouse.suppression import CUSTOMER, ORDER, read_suppressed

OVERLAP = timedelta(days=2)  # both bounds' zone and inclusiveness are unknown
RECONCILED_DAYS = 90
LONGEST_STRETCH = 31
LEARN_AGAIN_AFTER = timedelta(days=7)

HISTORY, SEARCH = "order_history", "order_search"
RECONCILE = "reconcile"
PROCESSED_CURSOR, SHIPPED_CURSOR, NO_SHIPPED_FILTER = "orders_processed", "orders_shipped", "no_shipped_filter"


def search_orders(run: Run, vs: VinoshipperClient) -> int:
    """Make the order searches that this run needs.

    Returns:
        How many distinct orders the searches showed.

    Raises:
        BadAnswer: neither dates nor pages have an effect.
    """
    with run.open() as db:
        if run.full and not run.dry_run:
            for name in (HISTORY, SEARCH, NO_SHIPPED_FILTER):
                clear_state(db, name)
        stale = is_due(db, SEARCH, LEARN_AGAIN_AFTER, run.now())
        if stale or run.full:
            vs.http.tape.asks_otherwise("what the search obeys was learned anew")
        search = OrderSearch(vs, None if stale or run.full else get_state(db, SEARCH))
        history = {} if run.full else _begun_history(run, db)
        for name in (PROCESSED_CURSOR, SHIPPED_CURSOR):  # an earlier version set them only at the end of the history
            if history and get_state(db, name) is None:
                set_state(db, name, history["started"], run.now())
    numbers: set[str] = set()
    try:
        if history:  # orders that came since the history walk began do not wait for its end
            _pass_processed(run, search, numbers)
            _pass_shipped(run, search, numbers)
        search.tape.shown = frozenset(numbers)
        if history.get("complete"):
            _reconcile(run, search, numbers)
            _ask_unseen_again(run, search, numbers)
            with run.open() as db, db.transaction():
                _count_read(db, run)
        else:
            _walk_history(run, vs, search, history, numbers)
    finally:
        with run.open() as db, db.transaction():
            if stale:
                set_state(db, SEARCH, search.capabilities(), run.now())
            elif get_state(db, SEARCH) != search.capabilities():
                search.tape.asks_otherwise("more was learned of what the search obeys")
                # What is learned on the way is kept, but all of it is asked again a week after the first time
                change_state(db, SEARCH, search.capabilities())
            set_limitation(db, ORDER_DATES, not search.can_filter, run.now())
            no_shipped = search.can_filter and get_state(db, NO_SHIPPED_FILTER) is not None
            set_limitation(db, SHIPPED_DATES, no_shipped, run.now())
            if search.proved_cut_at is not None:
                tell_unseen(db, search.proved_cut_at)
    return len(numbers)


def is_history_read(run: Run, db: Db) -> bool:
    """Say whether the history was walked to its end; until then a run walks it, and `--full` walks it again."""
    history = get_state(db, HISTORY) or {}
    return not run.full and bool(history.get("complete")) and not _begins_earlier(run, history)


def _oldest(run: Run) -> date:
    return run.merchant.section(VinoshipperSettings).history_from - OVERLAP


def _begins_earlier(run: Run, history: Mapping[str, Any]) -> bool:
    """Say whether the merchant's history is to be walked further back than it was (`history_from` was set back)."""
    return bool(history.get("complete")) and date.fromisoformat(history["reached"]) > _oldest(run)


def _begun_history(run: Run, db: Db) -> dict[str, Any]:
    """Return how far the history was walked; one that is to begin earlier now is not complete until it does."""
    history: dict[str, Any] = get_state(db, HISTORY) or {}
    if not _begins_earlier(run, history):
        return history
    history = {**history, "complete": False}
    with db.transaction():  # until its end is reached, counts and sums are not known
        change_state(db, HISTORY, history)
        db.execute("delete from raw.reads where what = 'orders'")
    return history


def _newest_edge(run: Run) -> date:
    # No time zone is further ahead than that. A `VS_ST_NOW` in the past must not hide orders that exist already.
    return max(run.today(), _machine_today()) + timedelta(days=2)


def _machine_today() -> date:
    return utc_now_naive().date()


def _next_cursor(run: Run) -> str:
    """Return the day up to which everything is stored now; never ahead of the machine's clock, whatever `VS_ST_NOW`."""
    return min(run.today(), _machine_today()).isoformat()


def _since(run: Run, cursor: str) -> date:
    """Return where a pass begins: at its cursor less the overlap, and never ahead of today."""
    return min(date.fromisoformat(cursor), run.today(), _machine_today()) - OVERLAP


def _walk_history(
    run: Run, vs: VinoshipperClient, search: OrderSearch, history: dict[str, Any], numbers: set[str]
) -> None:
    """Walk the history back from where the last run ended; each window is stored together with the progress.

    Orders that come in during the walk are younger than its start, and that is where the other passes begin.
    """
    search.tape.asks_otherwise("the history was walked")
    oldest = _oldest(run)
    reached = date.fromisoformat(history["reached"]) if history else _newest_edge(run)
    size = timedelta(days=history.get("size") or FIRST_WINDOW.days)
    started = history.get("started") or _next_cursor(run)
    before = len(numbers)
    met: dict[str, str] = {}

    def land(walked: list[_Walked]) -> None:
        nonlocal history
        rows = [row for one in walked for row in one.window.rows]
        done = {"reached": reached.isoformat(), "size": walked[-1].window.next_size.days, "started": started}
        with run.open() as db, db.transaction():
            landing_orders.land_order_rows(db, rows, run.now())
            for one in walked:
                keep_unseen(db, one.window.start, one.end, one.unseen, one.cut_at, run.now())
            set_state(db, HISTORY, {**done, "complete": False}, run.now())
            if not history:
                set_state(db, PROCESSED_CURSOR, started, run.now())
                set_state(db, SHIPPED_CURSOR, started, run.now())
        with run.open() as db:
            db.flush()  # an empty window writes nothing else, and would be walked again after a crash
        history = done
        met.clear()

    try:
        with Waiting(land, promptly=True) as waiting:  # a window takes many requests
            for window in search.history(reached, oldest, size):
                if any(met.get(row.number, row.text) != row.text for row in window.rows):
                    waiting.land()  # one that changes during the walk has changed, though it may change back
                met.update((row.number, row.text) for row in window.rows)
                walked = _Walked(window, reached, dict(search.unseen_days), search.cut_at)
                reached = window.start
                waiting.add(walked, sum(len(row.text) for row in window.rows), len(window.rows))
                numbers.update(row.number for row in window.rows)
                run.progress(f"order history back to {window.start}, {counted(len(numbers), 'orders')}")
                if run.over_budget(vs.sent) and window.start > oldest:
                    asked = RequestLogEntry(
                        "order history", "not complete", len(numbers) - before, f"back to {window.start} so far"
                    )
                    run.request_log.append(asked)
                    return
    except FilterIgnored:
        search.filter_works = False
        _land_all(run, search.unfiltered(), numbers)
        with run.open() as db, db.transaction():
            _keep_unnamed(run, db, search)
    with run.open() as db, db.transaction():
        set_state(db, HISTORY, {"reached": oldest.isoformat(), "started": started, "complete": True}, run.now())
        if not history:  # no window was walked
            set_state(db, PROCESSED_CURSOR, started, run.now())
            set_state(db, SHIPPED_CURSOR, started, run.now())
        _count_read(db, run)
    run.request_log.append(
        RequestLogEntry("order history", "full" if run.full else "not complete", len(numbers) - before, "complete")
    )


@dataclass(frozen=True, slots=True)
class _Walked:
    """A window of the history walk that is not stored yet, its end, and what was known of unseen days behind it."""

    window: Window
    end: date
    unseen: Mapping[date, UnseenDay]
    cut_at: int


def _pass_processed(run: Run, search: OrderSearch, numbers: set[str]) -> None:
    with run.open() as db:
        since = _since(run, get_state(db, PROCESSED_CURSOR))
    rows: list[OrderRow] = []
    try:
        if not search.can_filter:
            raise FilterIgnored
        for page in search.window(since, _newest_edge(run), PROCESSED, _stored(run, since, _newest_edge(run))):
            rows += page
        why = "newly processed"
    except FilterIgnored:
        if search.can_filter:
            search.tape.asks_otherwise("the search by dates has no effect")
        search.filter_works = False
        with run.open() as db:
            known = _known_older_than(db, since)
        rows = [row for page in search.unfiltered(known) for row in page]
        why = "newest first, the date filter has no effect here"
    with run.open() as db, db.transaction():
        changed = landing_orders.land_order_rows(db, rows, run.now())
        if search.can_filter:
            _keep_unseen(run, db, search, since, _newest_edge(run))
        else:
            _keep_unnamed(run, db, search)
        _move_cursor(run, db, search, PROCESSED_CURSOR, since)
    numbers.update(row.number for row in rows)
    _log_pass(run, why, len(rows), changed)


def _move_cursor(run: Run, db: Db, search: OrderSearch, name: str, since: date) -> None:
    set_state(db, name, _next_cursor(run), run.now())
    if _since(run, _next_cursor(run)) != since:
        search.tape.asks_otherwise("the next search begins later")


def _log_pass(run: Run, why: str, rows: int, changed: int) -> None:
    again = RequestLogEntry("order search", why, rows, "0 new or changed")
    run.request_log.append(replace(again, found=f"{changed} new or changed", again=again))


def _known_older_than(db: Db, day: date) -> Callable[[list[OrderRow]], bool]:
    known = {row[0] for row in db.rows("select order_number from raw.vinoshipper_orders where purchased_on < ?", [day])}
    forgotten = read_suppressed(db)  # orders of erased persons are not stored, and must not keep a walk from ending

    def all_known(rows: list[OrderRow]) -> bool:
        new = [row for row in rows if row.number not in known]
        unwanted = forgotten and all(
            forgotten.knows(ORDER, row.number) or forgotten.knows(CUSTOMER, row.customer_id) for row in new
        )
        return len(new) < len(rows) and (not new or bool(unwanted))

    return all_known


def _pass_shipped(run: Run, search: OrderSearch, numbers: set[str]) -> None:
    with run.open() as db:
        if not search.can_filter or not is_due(db, NO_SHIPPED_FILTER, LEARN_AGAIN_AFTER, run.now()):
            entry = RequestLogEntry(
                "order search", "newly shipped", 0, "not possible here: the rotation of open orders shows it"
            )
            run.request_log.append(replace(entry, again=entry))
            return
        since = _since(run, get_state(db, SHIPPED_CURSOR))
    rows: list[OrderRow] = []
    try:
        for page in search.window(since, _newest_edge(run), SHIPPED, _stored(run)):
            rows += page
    except FilterIgnored:
        search.tape.asks_otherwise("the search by shipping dates has no effect")
        with run.open() as db:
            set_state(db, NO_SHIPPED_FILTER, True, run.now())
        return
    with run.open() as db, db.transaction():
        changed = landing_orders.land_order_rows(db, rows, run.now())
        set_limitation(db, SHIPPED_DAYS, search.shipped_cut, run.now())
        _move_cursor(run, db, search, SHIPPED_CURSOR, since)
    numbers.update(row.number for row in rows)
    _log_pass(run, "newly shipped", len(rows), changed)


def _reconcile(run: Run, search: OrderSearch, numbers: set[str]) -> None:
    """Compare slices of one day of the last 90 days with what is stored, spread evenly over the period."""
    if not search.can_filter:
        return  # a single day cannot be asked for here
    every = run.merchant.section(VinoshipperSettings).refresh.reconcile
    today, now = run.today(), run.now()
    days = [today - timedelta(days=back) for back in range(RECONCILED_DAYS)]
    with run.open() as db:
        compared = dict(db.rows("select day, compared_at from raw.slices"))
        finished = get_state(db, HISTORY)
        first = date.fromisoformat(finished["started"]) if finished else today
        # A day that the history walk has seen whole counts as compared then; the slices only keep it up to date.
        at = state_set_at(db, HISTORY) or now
        age = {day: now - compared.get(day, at if day < first else now) for day in days}
        # A comparison dated in the future is wrong and counts as never made.
        overdue = [day for day in days if run.full or age[day] >= every or age[day] < -CLOCK_SLACK]
        quota = rotation_quota(db, RECONCILE, len(days), every, now)
        in_turn = sorted((day for day in days if day not in overdue), key=lambda day: (-age[day], day))
    found = 0
    chosen = [*overdue, *in_turn[: max(0, quota - len(overdue))]]
    for first_day, end in _stretches(chosen):
        with search.tape.asking_for(RECONCILE, day_item(first_day, end)):
            rows = _rows_of_stretch(run, search, first_day, end)
        with run.open() as db, db.transaction():
            differing = landing_orders.land_order_rows(db, rows, now)
            if search.can_filter:
                _keep_unseen(run, db, search, first_day, end)
            else:
                _keep_unnamed(run, db, search)
            differing += _want_those_not_shown(db, first_day, end, {row.number for row in rows})
            db.execute(
                """insert or replace into raw.slices
                   select cast(day as date), $now::timestamp
                   from range($start::timestamp, $end::timestamp, interval 1 day) as days(day)""",
                {"now": now, "start": first_day, "end": end},
            )
        found += differing
        new = {row.number for row in rows} - numbers
        numbers |= new
        search.tape.add_records(RECONCILE, day_item(first_day, end), len(new))
        if differing:  # the same rows would not be found different once more
            search.tape.drop(RECONCILE, day_item(first_day, end))
        if not search.can_filter:
            search.tape.asks_otherwise("the search by dates has no effect")
            break  # a single day cannot be asked for any more
    if any(day < today - timedelta(days=RECONCILED_DAYS) for day in compared):
        with run.open() as db:
            db.execute("delete from raw.slices where day < ?", [today - timedelta(days=RECONCILED_DAYS)])
    if chosen:
        run.request_log.append(
            RequestLogEntry("order search", "reconciliation by days", len(chosen), f"{found} differ")
        )


def day_item(first_day: date, end: date) -> str:
    """Return the name under which the tape has what was asked for these days: a day, or what is no single day."""
    return first_day.isoformat() if end - first_day == timedelta(days=1) else f"{first_day}/{end}"


def _keep_unseen(run: Run, db: Db, search: OrderSearch, start: date, end: date) -> None:
    keep_unseen(db, start, end, search.unseen_days, search.cut_at, run.now())


def _keep_unnamed(run: Run, db: Db, search: OrderSearch) -> None:
    """Report a row that names no order with the newest day it may be of, where a single day cannot be asked for."""
    today = max(run.today(), _machine_today())
    found = search.walk.unseen(today)
    keep_unseen(db, min(search.walk.seen_from(today), *found, date.max), date.max, found, search.cut_at, run.now())


def _ask_unseen_again(run: Run, search: OrderSearch, numbers: set[str]) -> None:
    """Ask once a week for the days that could not be seen whole, in case the search obeys more by now."""
    with run.open() as db:
        days = days_to_ask_again(db, run.now())
    if days:
        search.tape.asks_otherwise("days were asked for again")
    for day in days:
        rows: list[OrderRow] = []
        try:
            if not search.can_filter:
                raise FilterIgnored
            for page in search.window(day, day + timedelta(days=1), PROCESSED, _stored(run, day, day)):
                rows += page
        except FilterIgnored:
            search.filter_works = False
            _land_all(run, search.unfiltered(), numbers)
            with run.open() as db, db.transaction():
                _keep_unnamed(run, db, search)
            break
        with run.open() as db, db.transaction():
            landing_orders.land_order_rows(db, rows, run.now())
            _keep_unseen(run, db, search, day, day + timedelta(days=1))
        numbers.update(row.number for row in rows)
    if days:
        run.request_log.append(
            RequestLogEntry("order search", "days that were not seen whole", len(days), "asked again")
        )


def _rows_of_stretch(run: Run, search: OrderSearch, first_day: date, end: date) -> list[OrderRow]:
    try:
        stored = _stored(run, first_day, end)
        return [row for page in search.window(first_day, end, PROCESSED, stored) for row in page]
    except FilterIgnored:  # the filter stopped working during this sync: the newest orders were read without a filter
        search.filter_works = False
        with run.open() as db:
            known = _known_older_than(db, first_day)
        return [row for page in search.unfiltered(known) for row in page]


def _stored(run: Run, start: date | None = None, end: date | None = None) -> Stored:
    """Return what is stored of the orders in [start, end), less a day at both ends for zones; none without a window."""

    def is_known(row: OrderRow) -> bool:
        with run.open() as db:
            body = db.value("select search_body from raw.vinoshipper_orders where order_number = ?", [row.number])
        return bool(body == row.text)

    if start is None or end is None:
        return Stored((), is_known)
    with run.open() as db:
        expected = db.rows(
            """select order_number from raw.vinoshipper_orders
               where purchased_on > ? and purchased_on < ? and coalesce(detail_status, 200) <> 404""",
            [start, end - timedelta(days=1)],
        )
    return Stored([row[0] for row in expected], is_known)


def _stretches(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Group days that follow each other, to ask for them together: (first day, day after the last), at most a month."""
    stretch: list[date] = []
    for day in sorted(days):
        if stretch and (day - stretch[-1] != timedelta(days=1) or len(stretch) >= LONGEST_STRETCH):
            yield stretch[0], stretch[-1] + timedelta(days=1)
            stretch = []
        stretch.append(day)
    if stretch:
        yield stretch[0], stretch[-1] + timedelta(days=1)


def _want_those_not_shown(db: Db, first_day: date, end: date, shown: set[str]) -> int:
    """Flag stored orders of these days that the shop does not show any more: their detail tells (404: gone).

    A day that is not shown whole, and the days beside it (because of zones), say nothing about missing orders.
    """
    with db.batch({"order_number": sorted(shown)}) as batch:
        missing = db.rows(
            f"""select order_number from raw.vinoshipper_orders
                where purchased_on >= ? and purchased_on < ? and coalesce(detail_status, 200) <> 404
                and not exists (from raw.unseen_windows where told and abs(day - purchased_on) <= 1)
                and order_number not in (select order_number from {batch})""",
            [first_day, end],
        )
    with db.batch({"order_number": [row[0] for row in missing]}) as batch:
        db.execute(
            f"""update raw.vinoshipper_orders set detail_wanted = true
                where order_number in (select order_number from {batch})"""
        )
    return len(missing)


def _land_all(run: Run, pages: Iterable[list[OrderRow]], numbers: set[str]) -> None:
    def land(waiting: list[list[OrderRow]]) -> None:
        with run.open() as db, db.transaction():
            landing_orders.land_order_rows(db, [row for rows in waiting for row in rows], run.now())

    waiting = Waiting(land)  # not as a block: of a search that turns out to give too few nothing more is taken
    for rows in pages:
        numbers.update(row.number for row in rows)
        run.progress(f"orders {len(numbers)}")
        waiting.add(rows, sum(len(row.text) for row in rows), len(rows))
    waiting.land()


def _count_read(db: Db, run: Run) -> None:
    counts = db.rows(
        "select count(*) from raw.vinoshipper_orders union all select rows from raw.reads where what = 'orders'"
    )
    if len(counts) == 2 and counts[0] == counts[1]:
        return
    db.execute("delete from raw.reads where what = 'orders'")
    db.execute(
        "insert into raw.reads select 'orders', ?, count(*), ? from raw.vinoshipper_orders", [run.run_id, run.now()]
    )
