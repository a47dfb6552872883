"""Keeps what an account may not do for now: stopped, paused, at half its rate; templates that were refused (7.3, 7.4).

A pause of a Retry-After goes by the machine's clock; what a code asks for goes by VS_ST_NOW, as all stored times.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.words import Wait

STOPPED, PAUSED, SLOWED, HALF_RATE, REJECTED = "stopped", "paused", "slowed", "half_rate", "rejected"
FIRST_SECONDS, MOST_SECONDS = 60.0, 900.0  # of a pause without Retry-After: it doubles
SLOW_PAUSE: Final = timedelta(minutes=15)
SLOW_FOR: Final = timedelta(hours=1)
MOST_REJECTED = 3  # in a row, of one merchant, without an accepted one between
AUTH, CONFIG = "auth", "config"


@dataclass(frozen=True, slots=True)
class Paused:
    """Why nothing leaves by an account for now.

    Attributes:
        reason: words.Wait: `account_stopped` or `try_later`. kind: of a stop: `auth` or `config`.
        until: UTC without zone, by VS_ST_NOW; None: until somebody or something ends it.
    """

    reason: str
    kind: str | None = None
    why: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TemplateFault:
    """A template that a code of a message has refused.

    Attributes:
        state: `refused` (until its text, status or our params change), `paused` or `disabled` (until the list says
            APPROVED at a later read than `since`).
        data, status: the template's, as the list had it then. form: of what filled its placeholders.
    """

    state: str
    since: datetime
    data: str | None
    status: str | None
    form: str
    code: str | None = None


# --- in the caller's transaction ---


def standing(db: sqlite3.Connection, merchant: str, now: datetime) -> Paused | None:
    """Return why nothing leaves for a merchant; None: nothing is in the way."""
    found = None
    for row in db.execute("select * from pauses where merchant in ('', ?) order by name desc", [merchant]):
        if row["name"] == STOPPED:
            return Paused(Wait.ACCOUNT_STOPPED, row["kind"], row["why"] or "")
        until = datetime.fromisoformat(row["until"]) if row["until"] else None
        if row["name"] == SLOWED and until is not None and now < until:
            found = Paused(Wait.TRY_LATER, None, row["why"] or "", until)
        if row["name"] == PAUSED and row["real_until"] is not None and time.time() < row["real_until"]:
            found = Paused(Wait.TRY_LATER, None, row["why"] or "", until)
    return found


def stop_in(db: sqlite3.Connection, now: datetime, *, kind: str, why: str, merchant: str = "") -> None:
    """Stop an account, for all or for one merchant; one that only a person ends replaces one that a list would end."""
    db.execute(
        f"""insert into pauses (name, merchant, since, kind, why) values (?, ?, ?, ?, ?)
            on conflict do update set kind = excluded.kind, why = excluded.why, since = excluded.since
            where kind = '{AUTH}' and excluded.kind <> '{AUTH}'""",
        [STOPPED, merchant, now.isoformat(), kind, why],
    )


def pause_in(db: sqlite3.Connection, now: datetime, seconds: float | None, why: str = "") -> None:
    """Pause an account for so many seconds; None: for a minute, twice as long each time, up to 15 minutes.

    A pause that lasts longer already is not made shorter: of a few answers at once each says how long.
    """
    row = db.execute("select steps, real_until from pauses where name = ? and merchant = ''", [PAUSED]).fetchone()
    steps = int(row["steps"]) if row is not None else 0
    lasts = min(FIRST_SECONDS * 2**steps, MOST_SECONDS) if seconds is None else max(0.0, seconds)
    if row is not None and row["real_until"] is not None:
        lasts = max(lasts, row["real_until"] - time.time())
    db.execute(
        """insert or replace into pauses (name, merchant, since, until, real_until, why, steps)
           values (?, '', ?, ?, ?, ?, ?)""",
        [PAUSED, now.isoformat(), (now + timedelta(seconds=lasts)).isoformat(), time.time() + lasts, why,
         min(steps + (seconds is None), 10)],
    )  # fmt: skip


def slow_in(db: sqlite3.Connection, now: datetime, why: str = "") -> None:
    """Pause an account for 15 minutes, then have it go at half its rate for an hour (7.4)."""
    for name, until in ((SLOWED, now + SLOW_PAUSE), (HALF_RATE, now + SLOW_PAUSE + SLOW_FOR)):
        db.execute(
            "insert or replace into pauses (name, merchant, since, until, why) values (?, '', ?, ?, ?)",
            [name, now.isoformat(), until.isoformat(), why],
        )


def rejected_in(db: sqlite3.Connection, now: datetime, merchant: str) -> None:
    """Count a rejected message; the third in a row stops the account for that merchant alone (rulings, notices 18)."""
    row = db.execute(
        """insert into pauses (name, merchant, since, steps) values (?, ?, ?, 1)
           on conflict do update set steps = steps + 1 returning steps""",
        [REJECTED, merchant, now.isoformat()],
    ).fetchone()
    if row["steps"] >= MOST_REJECTED:
        stop_in(db, now, kind=CONFIG, why="three messages in a row were rejected", merchant=merchant)


def accepted_in(db: sqlite3.Connection, merchant: str) -> None:
    """Note that a message was accepted: rejections are in a row no more, and pauses begin with a minute again."""
    db.execute("delete from pauses where name = ? and merchant = ?", [REJECTED, merchant])
    db.execute("update pauses set steps = 0 where name = ? and steps > 0", [PAUSED])


def refuse_template_in(
    db: sqlite3.Connection, template_id: str, form: str | None, state: str, now: datetime, code: str | None
) -> None:
    """Note that a template was refused by a code, with its text and status as the list had them."""
    row = db.execute("select data, status from templates where template_id = ?", [template_id]).fetchone()
    db.execute(
        "insert or replace into template_faults values (?, ?, ?, ?, ?, ?, ?)",
        [
            template_id,
            form or "",
            state,
            now.isoformat(),
            *((row["data"], row["status"]) if row else (None, None)),
            code,
        ],
    )


# --- in a transaction of their own ---


def state(store: AccountStore, now: datetime) -> Paused | None:
    """Return why nothing leaves for the store's merchant; None: nothing is in the way."""
    if not store.exists:
        return None
    with store.read() as db:
        return standing(db, store.merchant, now)


def half_rate(store: AccountStore, now: datetime) -> bool:
    """Say whether the account goes at half its rate for now."""
    if not store.exists:
        return False
    with store.read() as db:
        row = db.execute("select until from pauses where name = ? and merchant = ''", [HALF_RATE]).fetchone()
    return row is not None and now < datetime.fromisoformat(row["until"])


def stop(store: AccountStore, now: datetime, *, kind: str, why: str, merchant: str = "") -> None:
    """Stop the account, for all who use it or for one merchant."""
    with store.write() as db:
        stop_in(db, now, kind=kind, why=why, merchant=merchant)


def pause(store: AccountStore, now: datetime, seconds: float | None = None, why: str = "") -> None:
    """Pause the account, as `Retry-After` said, or by ourselves, doubling."""
    with store.write() as db:
        pause_in(db, now, seconds, why)


def good_list(store: AccountStore) -> bool:
    """Let an account start again that was stopped for its key: a template list was good (7.4); say whether it was."""
    return _end(store, "kind = ?", [AUTH])


def resume(store: AccountStore) -> bool:
    """Let an account start again because a person says so, for all; say whether it was stopped."""
    return _end(store, "true", [])


def _end(store: AccountStore, which: str, values: list[str]) -> bool:
    with store.write() as db:
        ended = db.execute(f"delete from pauses where name = '{STOPPED}' and {which}", values).rowcount
        if ended:
            db.execute("delete from pauses where name = ?", [REJECTED])
    return bool(ended)


def template_faults(store: AccountStore) -> dict[str, list[TemplateFault]]:
    """Return the templates that were refused by codes; who reads compares them with what stands now."""
    found: dict[str, list[TemplateFault]] = {}
    if not store.exists:
        return found
    with store.read() as db:
        for row in db.execute("select * from template_faults"):
            fault = TemplateFault(row["state"], datetime.fromisoformat(row["since"]), row["data"], row["status"],
                                  row["form"], row["code"])  # fmt: skip
            found.setdefault(row["template_id"], []).append(fault)
    return found
