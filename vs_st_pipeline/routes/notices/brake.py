"""Lets messages wait that a broken source would send (notices.md 9.3; routes.md R38; rulings, notices 4).

    flood      more than `flood_limit` notices first seen within one hour pass the rules 1 to 12; or, where 100 or more
               went out in 14 days, more than 100 and five times the busiest hour of these days
    one_phone  more than 10 of them are for one phone
    ranks      a read moves 30 % or more of 20 or more known units to a lower rank: all wait

Data flow: what passes the rules 1 to 12, synced.notices, synced.unit_ranks -> verdicts -> `pipeline.verdicts`; what is
held, and what a person let pass -> synced.notice_brake.

What was once held stays held until a person lets it pass, or it is dropped. What went out within the hour counts; what
a person let pass does not count again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.errors import Unsafe
from vs_st_pipeline.pipeline import verdicts
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.journey import Event
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.systems import GUPSHUP
from vs_st_pipeline.routes.notices.words import OUT, MessageKind

PART: Final = "messages"
FLOOD, ONE_PHONE, RANKS = "flood", "one_phone", "ranks"
HOUR: Final = timedelta(hours=1)
LOOKS_BACK: Final = timedelta(days=14)
USUAL_FROM: Final = 100  # messages in 14 days that say what is usual
FLOOD_FROM: Final = 100  # fewer are never more than usual
TIMES_BUSIEST: Final = 5
OF_ONE_PHONE: Final = 10
KNOWN_UNITS: Final = 20
LOWER_PER_CENT: Final = 30
RANKS_READ_TO: Final = "ranks_read_to"  # fact: up to which read the ranks are those of synced.unit_ranks


@dataclass(frozen=True, slots=True)
class Passing:
    """A notice that passes the rules 1 to 12, or went out."""

    notice_id: str
    phone: str
    first_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Usual:
    """What went out in 14 days, the last hour aside: that is what is judged."""

    messages: int = 0
    busiest_hour: int = 0


def held_by_numbers(passing: Sequence[Passing], sent: Sequence[Passing], limit: int, usual: Usual) -> dict[str, str]:
    """Return which notices are too many, and by which rule. Pure.

    Args:
        passing: that a person has not let pass. sent: what went out; it counts, and cannot be held.
        limit: `flood_limit`.
    """
    found: dict[str, str] = {}
    waiting = {one.notice_id for one in passing}
    by_phone: dict[str, list[Passing]] = {}
    for one in (*passing, *sent):
        by_phone.setdefault(one.phone, []).append(one)
    for own in by_phone.values():
        for one in _too_many(own, lambda count: count > OF_ONE_PHONE):
            if one.notice_id in waiting:
                found[one.notice_id] = ONE_PHONE
    for one in _too_many([*passing, *sent], lambda count: is_flood(count, limit, usual)):
        if one.notice_id in waiting:
            found[one.notice_id] = FLOOD
    return found


def is_flood(count: int, limit: int, usual: Usual) -> bool:
    """Say whether so many notices, first seen within one hour, are too many."""
    if count > limit:
        return True
    unusual = usual.messages >= USUAL_FROM and count > TIMES_BUSIEST * usual.busiest_hour
    return unusual and count > FLOOD_FROM


def _too_many(among: Iterable[Passing], judge: Callable[[int], bool]) -> list[Passing]:
    """Return those that stand in any hour of too many; an hour holds both of its ends."""
    ordered = sorted(among, key=lambda one: one.first_seen_at)
    found, start, held_to = [], 0, 0
    for end, one in enumerate(ordered):
        while one.first_seen_at - ordered[start].first_seen_at > HOUR:
            start += 1
        if judge(end + 1 - start):
            found += ordered[max(start, held_to) : end + 1]
            held_to = end + 1
    return found


def moved_lower(before: Mapping[str, int], now: Mapping[str, Event]) -> tuple[int, int]:
    """Return how many of the units known before stand lower now, and how many were known. Pure.

    A courier who is out again after a failed delivery is no step back.
    """
    known = [unit for unit in now if unit in before]
    lower = [
        unit for unit in known
        if now[unit].rank < before[unit] and now[unit].attempt_at is None
    ]  # fmt: skip
    return len(lower), len(known)


def is_turned_back(lower: int, known: int) -> bool:
    """Say whether a read moved too many units to a lower rank."""
    return known >= KNOWN_UNITS and lower * 100 >= known * LOWER_PER_CENT


def ask(session: NoticesSession, db: Db, passing: Sequence[Passing], newest: Mapping[str, Event]) -> set[str]:
    """Return the notices that the brake holds; `session.refused` says why. Ranks move on unless they are what holds.

    Args:
        passing: all that pass the rules 1 to 12 now. newest: by unit, of those that were read since the last plan.
    """
    run = session.run
    marks = {row[0]: (row[1], row[2]) for row in db.rows("select notice_id, rule, allowed from synced.notice_brake")}
    judged = [one for one in passing if not marks.get(one.notice_id, ("", False))[1]]
    sent, usual = _sent(db, run.now(), {one for one, (_, allowed) in marks.items() if allowed})
    elsewhere = _held_elsewhere(db, {one.notice_id for one in judged}) if session.only is not None else {}
    held = {one.notice_id: marks[one.notice_id][0] for one in judged if one.notice_id in marks}
    held |= held_by_numbers(judged, [*sent, *elsewhere], session.settings.flood_limit, usual)
    ranks = dict(db.rows("select unit_key, rank from synced.unit_ranks")) if newest else {}
    lower, known = moved_lower(ranks, newest)
    if is_turned_back(lower, known):
        held |= {one.notice_id: RANKS for one in judged}
    all_held = {one.notice_id: rule for one, rule in elsewhere.items()} | held
    found = [_verdict(rule, all_held, lower, known) for rule in (FLOOD, ONE_PHONE, RANKS)]
    told = [one for one in found if one is not None]
    if is_turned_back(lower, known) and not any(one.rule == RANKS for one in told):
        told.append(Verdict(PART, RANKS, lower, _ranks_sentence(lower, known)))
    if session.only is not None:  # a few orders trip nothing by themselves, and end nothing that stands
        rules = {one.rule for one in told}
        told += [
            Verdict(*row) for row in db.rows("select part, rule, loss, sentence from synced.verdicts")
            if row[1] not in rules
        ]  # fmt: skip
    holding = {one.rule: one for one in verdicts.refused(run, told)}
    if RANKS not in holding and newest:
        _keep_ranks(db, run.now(), newest)
    _mark(db, run.now(), held, holding)
    if holding:
        sentences = " and ".join(one.sentence for one in holding.values())
        session.refused = Unsafe(
            f"messages wait: {sentences}; look at them with `vs-st plan`, and if they are right let them pass once "
            "with `vs-st sync --allow-unsafe`",
            system=GUPSHUP,
        )
        session.trouble = session.trouble or session.refused
    return {notice for notice, rule in held.items() if rule in holding}


def _verdict(rule: str, held: Mapping[str, str], lower: int, known: int) -> Verdict | None:
    count = sum(one == rule for one in held.values())
    if not count:
        return None
    says = {
        FLOOD: f"{count} notices are more within one hour than is usual or allowed",
        ONE_PHONE: f"{count} notices are more than {OF_ONE_PHONE} within one hour for one phone",
        RANKS: _ranks_sentence(lower, known),
    }
    return Verdict(PART, rule, count if rule != RANKS else max(lower, 1), says[rule])


def _ranks_sentence(lower: int, known: int) -> str:
    if not known:
        return "an earlier read moved too many shipments back"
    return f"a read moved {lower} of {known} known shipments back ({LOWER_PER_CENT} % or more)"


def _held_elsewhere(db: Db, judged: set[str]) -> dict[Passing, str]:
    """Return what the brake holds of orders that a run of a few orders does not look at, and by which rule."""
    rows = db.rows(
        """select b.notice_id, r.phone, e.first_seen_at, b.rule
           from synced.notice_brake as b join synced.notices as n using (notice_id)
           join staged.journey_events as e using (unit_key, status, occurrence)
           left join staged.recipients as r on r.merchant_order = n.merchant_order
           where not b.allowed and n.state = 'waiting'"""
    )
    return {Passing(row[0], row[1] or "", row[2]): row[3] for row in rows if row[0] not in judged}


def _sent(db: Db, now: datetime, let_pass: set[str]) -> tuple[list[Passing], Usual]:
    """Return what went out of late, but for what a person let pass, and what is usual."""
    rows = db.rows(
        """select n.notice_id, n.destination, coalesce(e.first_seen_at, n.first_seen_at), n.claimed_at
           from synced.notices as n
           left join staged.journey_events as e using (unit_key, status, occurrence)
           where n.kind = ? and n.state in (select unnest(?)) and n.claimed_at > ?""",
        [MessageKind.NOTICE, sorted(str(one) for one in OUT), now - LOOKS_BACK],
    )
    sent = [Passing(row[0], row[1] or "", row[2]) for row in rows if row[0] not in let_pass]
    hours: dict[datetime, int] = {}
    for row in rows:
        if row[3] <= now - HOUR:
            hour = row[3].replace(minute=0, second=0, microsecond=0)
            hours[hour] = hours.get(hour, 0) + 1
    return sent, Usual(sum(hours.values()), max(hours.values(), default=0))


def _keep_ranks(db: Db, now: datetime, newest: Mapping[str, Event]) -> None:
    columns: dict[str, list[Any]] = {"unit_key": list(newest), "rank": [one.rank for one in newest.values()]}
    with db.transaction(), db.batch(columns, {"rank": "int"}) as batch:
        db.execute(
            f"""insert or replace into synced.unit_ranks select b.unit_key, b.rank from {batch} as b
                anti join synced.unit_ranks as u on u.unit_key = b.unit_key and u.rank = b.rank"""
        )
        db.execute(
            """insert or replace into synced.notice_facts
               select ?, coalesce(max(read_real), 0) || ' ' || coalesce(max(read_at), timestamp '1970-01-01'),
                      ?::timestamp from staged.notice_orders""",
            [RANKS_READ_TO, now],
        )


def newly_read(db: Db) -> list[str]:
    """Return the orders that were read since the ranks were kept last: by the machine's clock, where that is known."""
    row = db.row("select value from synced.notice_facts where name = ?", [RANKS_READ_TO])
    real, _, at = row[0].partition(" ") if row is not None else ("0", "", "1970-01-01")
    rows = db.rows(
        """select merchant_order from staged.notice_orders
           where read_real > ? or (read_real is null and read_at > ?::timestamp)""",
        [float(real), at],
    )
    return [found[0] for found in rows]


def _mark(db: Db, now: datetime, held: Mapping[str, str], holding: Mapping[str, Verdict]) -> None:
    """Keep which notices are held, and which a person let pass; those of neither have no mark."""
    if not held:
        return
    rows = {notice: (rule, rule not in holding) for notice, rule in held.items()}
    columns: dict[str, list[Any]] = {
        "notice_id": list(rows),
        "rule": [rule for rule, _ in rows.values()],
        "allowed": [allowed for _, allowed in rows.values()],
    }
    with db.transaction(), db.batch(columns, {"allowed": "bool"}) as batch:
        db.execute(
            f"""insert or replace into synced.notice_brake
                select notice_id, rule, allowed, ?::timestamp from {batch} as b
                anti join synced.notice_brake as m using (notice_id, rule, allowed)""",
            [now],
        )
