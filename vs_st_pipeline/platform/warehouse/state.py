"""Keeps how far each way of reading has come: cursors, rotations and learned capabilities, in the merchant's own file.

A cursor moves only with the transaction that stores what it promises, or after it, so that a run that dies repeats a
little and skips nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.platform.warehouse.connection import Db

LINKED, NOTHING_TO_WRITE = "linked", "nothing_to_write"
"""States that only save work: what was worked out, and from what. They name people, so forgetting deletes them."""

UNREAD_EMAILS = "unread_emails"
"""E-mails of contacts that are not understood, by contact. Forgetting deletes it, a listing of all makes it again."""

CLOCK_SLACK = timedelta(days=1)  # a state set further ahead than this comes from a clock that was wrong


def get_state(db: Db, name: str) -> Any:
    """Return the state's JSON value, None where there is none."""
    found = _states(db).found.get(name)
    return json.loads(found[0]) if found is not None else None


def state_set_at(db: Db, name: str) -> datetime | None:
    """Return when the state was set (UTC without zone), None where there is none."""
    found = _states(db).found.get(name)
    return found[1] if found is not None else None


def set_state(db: Db, name: str, value: Any, at: datetime) -> None:
    """Set a state (any JSON value); in a transaction that writes anything, together with that, else a little later."""
    states = _states(db)
    states.found[name] = (json.dumps(value), at)
    states.changed.add(name)
    db.defer("marks", lambda: _store(db))


def change_state(db: Db, name: str, value: Any) -> None:
    """Change the value of a state that is there; the time at which it was set stays."""
    at = state_set_at(db, name)
    if at is not None and get_state(db, name) != value:
        set_state(db, name, value, at)


def clear_state(db: Db, name: str) -> None:
    """Delete a state."""
    states = _states(db)
    states.changed.discard(name)
    if states.found.pop(name, None) is not None and name in states.stored:
        states.stored.discard(name)
        db.execute("delete from raw.marks where name = ?", [name])


def clear_cached(db: Db) -> None:
    """Delete the states that name people; they are worked out or read again, and everybody is planned again."""
    for name in (LINKED, NOTHING_TO_WRITE, UNREAD_EMAILS):
        clear_state(db, name)
    db.execute("delete from planned.inputs")
    db.execute("delete from planned.basis")


@dataclass(slots=True)
class _States:
    """All states, read once while the file is attached: a sync asks for some twenty, and sets eight.

    Attributes:
        found: name -> value as JSON, and when it was set.
        stored: names that are in the table.
        changed: names whose value is not in the table yet.
    """

    found: dict[str, tuple[str, datetime]]
    stored: set[str]
    changed: set[str] = field(default_factory=set)


def _states(db: Db) -> _States:
    def read() -> _States:
        found = {row[0]: (row[1], row[2]) for row in db.rows("select name, value, marked_at from raw.marks")}
        return _States(found, set(found))

    return db.cached("marks", read)


def _store(db: Db) -> None:
    states = _states(db)
    new, known = sorted(states.changed - states.stored), sorted(states.changed & states.stored)
    for names, sql in (
        (new, "insert into raw.marks select * from {values}"),
        (known, "update raw.marks as m set value = v.value, marked_at = v.moment from {values} where m.name = v.name"),
    ):
        if names:  # all at once: a statement for each costs three times as much
            places = ", ".join(["(?, ?, ?::timestamp)"] * len(names))
            params = [part for name in names for part in (name, *states.found[name])]
            db.execute(sql.format(values=f"(values {places}) as v(name, value, moment)"), params)
    states.stored |= states.changed
    states.changed.clear()


def is_due(db: Db, name: str, every: timedelta, now: datetime) -> bool:
    """Say whether something that is done every so often is due: never done, long ago, or in a future that is wrong."""
    at = state_set_at(db, name)
    return at is None or every <= timedelta(0) or now - at >= every or at - now > CLOCK_SLACK


def record_drift(db: Db, system: str, found: Mapping[str, int], now: datetime) -> None:
    """Count by name what answers held that is not documented."""
    for what, seen in sorted(found.items()):
        db.execute(
            """insert into raw.drift values ($system, $what, $seen, $now, $now)
               on conflict do update set seen = raw.drift.seen + $seen, last_at = $now""",
            {"system": system, "what": what, "seen": seen, "now": now},
        )


def rotation_quota(db: Db, name: str, count: int, every: timedelta, now: datetime) -> int:
    """Return how many of `count` things to read again now, so that all are read within `every`, spread evenly.

    The fraction is kept, so that many short steps come to the same as one long one.
    """
    at, left = rotation_state(db, name) or (now, 0.0)
    quota, left = share(count, every.total_seconds(), (now - at).total_seconds(), left)
    set_rotation_state(db, name, now, left, now)
    return quota


def rotation_state(db: Db, name: str) -> tuple[datetime, float] | None:
    """Return when a share was last worked out (UTC without zone), and the fraction left of it; None where never."""
    state = get_state(db, f"rotation:{name}")
    return (datetime.fromisoformat(state["at"]), float(state["left"])) if state else None


def set_rotation_state(db: Db, name: str, at: datetime, left: float, now: datetime) -> None:
    """Set what `rotation_state` returns."""
    set_state(db, f"rotation:{name}", {"at": at.isoformat(), "left": left}, now)


def share(count: int, seconds: float, elapsed: float, left: float) -> tuple[int, float]:
    """Return how many of `count` things to read again now, and the fraction left over.

    Args:
        seconds: the period in which all are read. elapsed: since the last share. left: its fraction.
    """
    earned = count * min(1.0, max(0.0, elapsed) / seconds) if seconds > 0 else float(count)
    total = min(float(count), left + earned)
    whole = int(total + 1e-9)  # however many steps it was added up in
    return whole, max(0.0, total - whole)
