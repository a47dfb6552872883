"""Counts what is in the inbox, by the hour and by the merchant: how much came, what became of it, how long it took.

Each question is one statement, answered from an index of its own, and reads nothing but counts, times and merchants'
ids. What it costs is in proportion to the hints of the time that is asked about: with 100,000 of them a tenth of a
second each at the most. All times are epoch seconds by the machine's clock; an hour is the number of hours since 1970.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from vs_st_pipeline.domain.hint_timing import ASKED_AGAIN, FIRST, LONGEST, NEXT
from vs_st_pipeline.domain.hints import OURS, HintState, Outcome
from vs_st_pipeline.platform.inbox.store import HELD_UNTIL, READ_BEFORE, Inbox

Key = tuple[str, str]
"""Merchant and route; or merchant and system, where it says so."""


@dataclass(frozen=True, slots=True)
class Lags:
    """How long hints took that led to a write: from when each was stored to its last ledger commit, in seconds.

    Attributes:
        of: how many they are. p50, p95, p99: the lag that this share of them did not exceed.
    """

    of: int
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """The hints of one merchant and route that wait.

    Attributes:
        hints: how many. records: of how many records.
        due: records that may be read now (H28, H30).
        due_since: when the first of these became due; None: none is.
        oldest: when the oldest hint was stored.
    """

    hints: int
    records: int
    due: int
    due_since: float | None
    oldest: float


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the hints of one merchant and route."""

    hints: int
    written: int
    dropped: int
    expired: int


def waiting(inbox: Inbox) -> dict[Key, Waiting]:
    """Return what waits, by merchant and route; of a merchant at rest (H30) too, which `Inbox.resting` names.

    When a record is due is what `Record.due_at` says (H27, H28).
    """
    rows = inbox.ask(
        f"""with records_waiting as (
               select h.merchant, h.route, min(h.stored_at) as first, count(*) as hints,
                      max(min(h.stored_at) + :first, max(h.not_before),
                          coalesce(r.read_at + min(:longest, :next * (1 << max(0, min(r.fruitless - 1, 10)))), 0),
                          case when r.gone_at is not null and not r.asked_again
                               then r.gone_at + :asked_again else 0 end,
                          {HELD_UNTIL}
                      ) as due_at
               from hints as h {READ_BEFORE}
               where h.state = 'waiting'
               group by h.merchant, h.route, h.system, h.kind, h.record)
           select merchant, route, sum(hints), count(*), sum(due_at <= :now), min(due_at) filter (where due_at <= :now),
                  min(first)
           from records_waiting group by merchant, route""",
        {
            "now": inbox.clock(),
            "said": inbox.said_now(),
            "first": FIRST,
            "next": NEXT,
            "longest": LONGEST,
            "asked_again": ASKED_AGAIN,
        },
    )
    return {(row[0], row[1]): Waiting(*row[2:]) for row in rows}


def left_behind(inbox: Inbox) -> dict[Key, int]:
    """Return how many hints a dead worker had claimed: their lease is over, so they are due; by merchant and route."""
    rows = inbox.ask(
        """select merchant, route, count(*) from hints where state = 'working' and lease_until < ?
           group by merchant, route""",
        [inbox.clock()],
    )
    return {(row[0], row[1]): row[2] for row in rows}


def states(inbox: Inbox) -> dict[str, int]:
    """Return how many hints are in each state; of settled ones all that the inbox still keeps."""
    rows = inbox.ask(
        """select 'waiting', count(*) from hints where state = 'waiting' union all
           select 'working', count(*) from hints where state = 'working' union all
           select state, count(*) from hints where settled_at is not null and state not in ('waiting', 'working')
           group by state"""
    )
    return dict.fromkeys(HintState, 0) | {row[0]: row[1] for row in rows}


# --- by the hour --------------------------------------------------------------------------------------------------


def entries_by_hour(inbox: Inbox, since: float) -> dict[int, dict[str, int]]:
    """Return how many entries were stored, by hour and system."""
    rows = inbox.ask(
        """select cast(stored_at / 3600 as integer), system, count(*) from entries where stored_at >= ?
           group by 1, 2""",
        [since],
    )
    return _nested(rows)


def settled_by_hour(inbox: Inbox, since: float) -> dict[int, dict[str, int]]:
    """Return how many hints were settled, by hour and outcome; one that expired has no outcome but its state."""
    rows = inbox.ask(
        """select cast(settled_at / 3600 as integer), coalesce(outcome, state), count(*) from hints
           where settled_at >= ? and settled_at is not null group by 1, 2""",
        [since],
    )
    return _nested(rows)


def lags_by_hour(inbox: Inbox, since: float) -> dict[int, Lags]:
    """Return the lags of the hints settled in each hour in which one led to a write."""
    rows = inbox.ask(
        """with placed as (
               select cast(settled_at / 3600 as integer) as hour, lag,
                      row_number() over (partition by cast(settled_at / 3600 as integer) order by lag) as place,
                      count(*) over (partition by cast(settled_at / 3600 as integer)) as of
               from hints where settled_at >= ? and settled_at is not null and lag is not null)
           select hour, max(of), min(lag) filter (where place >= 0.5 * of),
                  min(lag) filter (where place >= 0.95 * of), min(lag) filter (where place >= 0.99 * of)
           from placed group by hour""",
        [since],
    )
    return {row[0]: Lags(*row[1:]) for row in rows}


def lags(inbox: Inbox, since: float) -> Lags | None:
    """Return the lags of the hints settled since then; of merchants at rest (H30) none count. None: none is known."""
    rows = inbox.ask(
        """with placed as (
               select lag, row_number() over (order by lag) as place, count(*) over () as of
               from hints as h
               where settled_at >= ? and settled_at is not null and lag is not null and not exists
                   (select 1 from rests as r where (r.merchant, r.route) = (h.merchant, h.route)))
           select max(of), min(lag) filter (where place >= 0.5 * of), min(lag) filter (where place >= 0.95 * of),
                  min(lag) filter (where place >= 0.99 * of)
           from placed""",
        [since],
    )
    return Lags(*rows[0]) if rows and rows[0][0] else None


def overdue(inbox: Inbox, since: float, seconds: float) -> int:
    """Count the hints settled since then that led to a write so many seconds or more after they were due.

    One that was put off on purpose is not late by that: its record was read a moment ago and had nothing new (H28), a
    try failed (H30), a route of ours had just written it (R49), another route reads it first (R34). Of merchants at
    rest (H30) none count. Only of those that took so long at all a row is read.
    """
    rows = inbox.ask(
        """select count(*) from hints as h
           where settled_at >= ? and settled_at is not null and lag >= ?
             and lag - max(0, not_before - stored_at) >= ? and not exists
                 (select 1 from rests as r where (r.merchant, r.route) = (h.merchant, h.route))""",
        [since, seconds, seconds],
    )
    return int(rows[0][0]) if rows else 0


# --- by the merchant ----------------------------------------------------------------------------------------------


def settled(inbox: Inbox, since: float) -> dict[Key, Settled]:
    """Return what became of the hints that were settled since then, by merchant and route."""
    rows = inbox.ask(
        """select merchant, route, count(*), sum(coalesce(outcome, '') = 'written'), sum(state = 'dropped'),
                  sum(state = 'expired')
           from hints where settled_at >= ? and settled_at is not null group by merchant, route""",
        [since],
    )
    return {(row[0], row[1]): Settled(*row[2:]) for row in rows}


def with_outcome(inbox: Inbox, outcome: Outcome, since: float) -> dict[Key, int]:
    """Return how many hints were settled with an outcome since then, by merchant and route."""
    rows = inbox.ask(
        """select merchant, route, count(*) from hints where settled_at >= ? and settled_at is not null and outcome = ?
           group by merchant, route""",
        [since, outcome],
    )
    return {(row[0], row[1]): row[2] for row in rows}


def expired(inbox: Inbox) -> dict[Key, tuple[int, float]]:
    """Return how many hints have expired that the inbox still keeps, and when the last one did; by merchant and route.

    One that a person lets wait again (`vs-st inbox replay`) has not expired any more.
    """
    rows = inbox.ask(
        """select merchant, route, count(*), coalesce(max(settled_at), 0) from hints where state = 'expired'
           group by merchant, route"""
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


def last_written(inbox: Inbox, route: str) -> dict[str, float]:
    """Return when a hint of a route last led to a write, by merchant; of those that the inbox still keeps."""
    rows = inbox.ask(
        "select merchant, max(settled_at) from hints where outcome = 'written' and route = ? group by merchant", [route]
    )
    return {row[0]: row[1] for row in rows if row[1] is not None}


def written_since(inbox: Inbox, route: str, merchant: str, since: float) -> int:
    """Return how many hints of a merchant and route led to a write after a time."""
    rows = inbox.ask(
        "select count(*) from hints where outcome = 'written' and route = ? and merchant = ? and settled_at > ?",
        [route, merchant, since],
    )
    return int(rows[0][0]) if rows else 0


# --- what comes in ------------------------------------------------------------------------------------------------


def refusals(inbox: Inbox, since: float) -> dict[Key, int]:
    """Return how many calls had a right URL and a wrong header or signature since then, by merchant and system."""
    rows = inbox.ask("select merchant, system, count(*) from refusals where at >= ? group by merchant, system", [since])
    return {(row[0], row[1]): row[2] for row in rows}


def oldest_waiting(inbox: Inbox, systems: Collection[str]) -> dict[str, float]:
    """Return when the oldest call that waits was stored, by system; what we put ourselves is no call."""
    rows = inbox.ask(
        f"""select system, min(stored_at) from hints
            where state = 'waiting' and system in ({", ".join("?" * len(systems))})
              and kind not in ({", ".join("?" * len(OURS))}) group by system""",
        [*systems, *OURS],
    )
    return {row[0]: row[1] for row in rows}


def _nested(rows: list[tuple[int, str, int]]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    for hour, name, count in rows:
        found.setdefault(hour, {})[name] = count
    return found
