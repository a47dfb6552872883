"""Looks at an account as the rules need it: its templates, what stops it, what was claimed (notices.md 5.8-5.11, 5.16).

Data flow: accounts/ID/account.sqlite -> `AccountNow`; `Told` of an order's claims. Nothing is written.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from vs_st_pipeline.routes.notices.account import pauses
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.judged import AccountNow, Claimed, Told
from vs_st_pipeline.routes.notices.listing import TEMPLATES_READ, is_of_app
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.template_fit import Template
from vs_st_pipeline.routes.notices.words import MessageKind, State, Wait

DAY: Final = timedelta(hours=24)
_UNCOUNTED: Final = "'refused', 'rejected', 'released'"  # claims of what certainly did not go out (rulings 24)
_STATES: Final = {"open": State.SENDING, "refused": State.WAITING, "released": State.WAITING}


def look(session: NoticesSession) -> AccountNow:
    """Return the selected account as it stands now."""
    account, now = session.gupshup.selected, session.run.now()
    if account is None:
        return AccountNow()
    store = session.store(account)
    if not store.exists:
        return AccountNow(account, stopped=account.id in session.stopped)
    paused = pauses.state(store, now)
    with store.read() as db:
        return AccountNow(
            account,
            stopped=account.id in session.stopped or (paused is not None and paused.reason == Wait.ACCOUNT_STOPPED),
            paused_until=paused.until if paused is not None and paused.reason == Wait.TRY_LATER else None,
            list_read=_list_read(db) if is_of_app(store) else None,
            templates=templates(db),
            faults=pauses.template_faults(store),
            claimed=_claimed(store, now, *_today(db, now), session.settings.cap.window),
        )


def templates(db: sqlite3.Connection) -> Mapping[str, Template]:
    """Return the account's templates by id, as its list has them."""
    return {row["template_id"]: _template(row) for row in db.execute("select * from templates")}


def template(store: AccountStore, template_id: str) -> Template | None:
    """Return one of the account's templates; None: no list has it."""
    if not store.exists:
        return None
    with store.read() as db:
        row = db.execute("select * from templates where template_id = ?", [template_id]).fetchone()
    return None if row is None else _template(row)


def _template(row: sqlite3.Row) -> Template:
    buttons = json.loads(row["buttons"] or "[]")
    return Template(
        row["template_id"], row["status"], row["category"], row["language"], row["type"], row["data"], row["header"],
        row["footer"], [one for one in buttons if isinstance(one, dict)], _time(row["read_at"]), bool(row["gone"]),
        row["name"],
    )  # fmt: skip


def _list_read(db: sqlite3.Connection) -> tuple[float, datetime] | None:
    """Return when the account's list was read last, by the machine's clock and by VS_ST_NOW."""
    row = db.execute("select value, at from facts where name = ?", [TEMPLATES_READ]).fetchone()
    return (float(row["value"]), datetime.fromisoformat(row["at"])) if row is not None else None


def _today(db: sqlite3.Connection, now: datetime) -> tuple[int, datetime | None]:
    """Return how many people were written by templates in 24 h, and when the first of them was (the number's tier)."""
    row = db.execute(
        f"""select count(*) as people, min(newest) as oldest from (
                select max(claimed_at) as newest from claims
                where claimed_at > ? and template_id is not null and state not in ({_UNCOUNTED})
                group by phone_hash)""",
        [(now - DAY).isoformat()],
    ).fetchone()
    return int(row["people"]), _time(row["oldest"])


def _claimed(
    store: AccountStore, now: datetime, people: int, oldest: datetime | None, window: timedelta
) -> Callable[[str, str], Claimed]:
    """Return what counts against a phone: the notices of all merchants of the number, but the one that asks."""
    since, day = (now - max(window, DAY)).isoformat(), now - DAY
    with store.read() as db:
        if db.execute(f"select 1 from claims where claimed_at > ? and state not in ({_UNCOUNTED})", [since]).fetchone():
            nobody = None
        else:
            nobody = Claimed((), False, people, oldest)

    @lru_cache(maxsize=2)  # two rules ask one after the other
    def claimed(phone: str, notice_id: str) -> Claimed:
        if nobody is not None:
            return nobody
        with store.read() as db:
            rows = db.execute(
                f"""select notice_id, kind, template_id, claimed_at from claims
                    where phone_hash = ? and claimed_at > ? and state not in ({_UNCOUNTED}) order by claimed_at""",
                [store.hashed(phone), since],
            ).fetchall()
        times = [(row, datetime.fromisoformat(row["claimed_at"])) for row in rows]
        return Claimed(
            [at for row, at in times if row["kind"] == MessageKind.NOTICE and row["notice_id"] != notice_id],
            any(row["template_id"] is not None and at > day for row, at in times),
            people,
            oldest,
        )

    return claimed


def told(session: NoticesSession, merchant_order: str) -> list[Told]:
    """Return what the accounts' claims say of an order's messages, whatever this merchant's database knows (5.5)."""
    found = []
    for account in session.gupshup.accounts:
        store = session.store(account)
        if not store.exists:
            continue
        with store.read() as db:
            rows = db.execute(
                "select * from claims where merchant = ? and merchant_order = ? and kind = ?",
                [store.merchant, merchant_order, MessageKind.NOTICE],
            ).fetchall()
        found += [_told(row, account.id) for row in rows]
    return found


def _told(row: sqlite3.Row, account: str) -> Told:
    accepted = _time(row["accepted_at"])
    return Told(
        row["notice_id"], row["unit_key"], row["status"], row["occurrence"],
        str(_STATES.get(row["state"], row["state"])), accepted or datetime.fromisoformat(row["claimed_at"]), accepted,
        _time(row["retry_at"]), account if accepted is not None or row["retries"] else None,
    )  # fmt: skip


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
