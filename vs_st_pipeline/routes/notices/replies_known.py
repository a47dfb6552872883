"""Looks up what a reply is judged by: the reply, its message, the newest one of its parcel, actions taken (8.1, 8.3).

Data flow: staged.replies, synced.notices, synced.actions, an account's claims -> `Reply`, `Said`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import gates, meaning
from vs_st_pipeline.routes.notices.meaning import Reply, Said
from vs_st_pipeline.routes.notices.order_now import FAILED_DELIVERY
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import OUT, ActionState, MessageKind

REPLY: Final = """account, message_id, phone, kind, text, button_text, postback, "at", notice_id, matched_by,
    outcome, action_id"""  # columns of staged.replies, as `Reply` has them
_SAID: Final = """notice_id, kind, account, coalesce(accepted_at, claimed_at, first_seen_at), unit_key, status,
    occurrence, merchant_order, destination, buttons"""


def pending(db: Db) -> list[Reply]:
    """Return the replies to be judged, by the vendor's time, then by id."""
    rows = db.rows(
        f"""select {REPLY} from staged.replies where outcome is null or outcome = 'waiting'
            order by "at", message_id"""
    )
    return [Reply(*row) for row in rows]


def find_acted(db: Db) -> None:
    """Give replies the actions that were called for them, where their rows were copied anew."""
    db.execute(
        """update staged.replies as r set outcome = if(a.state = 'waiting', 'waiting', 'action'),
               action_id = a.action_id
           from synced.actions as a
           where a.account = r.account and a.reply_id = r.message_id and a.settled_by is distinct from 'gate'
             and (r.outcome is null or (r.outcome = 'waiting' and a.state <> 'waiting'))"""
    )


def said_of(db: Db, notice_id: str | None) -> Said | None:
    """Return the message that a reply answers; None: the ledger does not know it (yet)."""
    if notice_id is None:
        return None
    row = db.row(f"select {_SAID} from synced.notices where notice_id = ?", [notice_id])
    return None if row is None else _said(row)


def newest_of(db: Db, said: Said) -> Said:
    """Return the message that a reply counts for: the unit's newest of a failed delivery (8.1)."""
    if said.kind != MessageKind.NOTICE or said.status != FAILED_DELIVERY or said.unit_key is None:
        return said
    row = db.row(
        f"""select {_SAID} from synced.notices
            where kind = 'notice' and unit_key = ? and status = ? and state in (select unnest(?::varchar[]))
            order by occurrence desc limit 1""",
        [said.unit_key, FAILED_DELIVERY, sorted(str(one) for one in OUT)],
    )
    newest = None if row is None else _said(row)
    return newest if newest is not None and (newest.occurrence or 0) > (said.occurrence or 0) else said


def _said(row: tuple[Any, ...]) -> Said:
    notice_id, kind, account, at, unit_key, status, occurrence, merchant_order, destination, buttons = row
    return Said(
        notice_id, kind, account, at, unit_key, status, occurrence, merchant_order, destination,
        meaning.read_buttons(buttons),
    )  # fmt: skip


def taken_on(db: Db, notice_id: str, but_reply: str) -> set[str]:
    """Return the codes of actions that were, or may have been, taken on a message, or are about to be."""
    rows = db.rows(
        "select code, state from synced.actions where notice_id = ? and reply_id <> ?", [notice_id, but_reply]
    )
    return {str(code) for code, state in rows if ActionState(state) in gates.TAKEN}


def is_to(session: NoticesSession, said: Said, phone: str | None) -> bool:
    """Say whether a message went to this phone; a ledger that was refilled asks the account's claims, by their hash."""
    if phone is None:
        return False
    if said.destination is not None:
        return said.destination == phone
    account = next((one for one in session.gupshup.accounts if one.id == said.account), None)
    if account is None:
        return False
    store = session.store(account)
    with store.read() as file:
        row = file.execute("select phone_hash from claims where notice_id = ?", (said.notice_id,)).fetchone()
    return row is not None and row[0] == store.hashed(phone)


def day_of(session: NoticesSession, at: datetime) -> date:
    """Return the day of a moment in the merchant's zone (rulings, notices 30)."""
    return at.replace(tzinfo=UTC).astimezone(session.run.merchant.time_zone).date()
