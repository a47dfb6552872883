"""Moves a message in the merchant's ledger, each move in one transaction with the activity that tells of it (7.1, 7.8).

Data flow: planned.notices, a message about to leave, an account's claim -> synced.notices, staged.activity.

All of it runs in the caller's transaction. What a claim says wins over what stands here, whichever database was put
back; but a state that was once reached never falls (7.5).
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, GupshupSettings
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import activity
from vs_st_pipeline.routes.notices.account import claims
from vs_st_pipeline.routes.notices.account.claim import Claim, Claimed
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.holding import held, verdicts
from vs_st_pipeline.routes.notices.messages import Message, buttons_as_json
from vs_st_pipeline.routes.notices.report import NoticesReport
from vs_st_pipeline.routes.notices.words import RISING, Noted, State, Wait, What

__all__ = [
    "Move", "about_to_send", "count", "from_claim", "held", "notes", "resolve", "resolved", "verdicts",
]  # fmt: skip

NO_RECEIPT_AFTER: Final = timedelta(hours=1)
RECEIPTS_COME_FOR: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Move:
    """What a claim has changed in the ledger.

    Attributes:
        before: None: there was no row. after: the same as before where nothing moved.
    """

    notice_id: str
    before: State | None
    after: State
    reason: str | None = None

    @property
    def moved(self) -> bool:
        """Say whether the state is another one now."""
        return self.before is not self.after


def about_to_send(db: Db, run: Run, message: Message) -> bool:
    """Store the row `sending` before the claim (7.1a); False where it is, or may be, out already: nothing is changed.

    A message of another kind than a notice gets its row here.
    """
    row = db.row("select state from synced.notices where notice_id = ?", [message.notice_id])
    if row is not None and row[0] not in (State.WAITING, State.SENDING):
        return False
    now = run.now()
    if row is None:
        db.execute(
            """insert into synced.notices (notice_id, kind, state, first_seen_at, changed_at)
               values (?, ?, 'sending', ?, ?)""",
            [message.notice_id, message.kind, now, now],
        )
    db.execute(
        """update synced.notices set state = 'sending', reason = null, rule = null, until = null, changed_at = ?,
               unit_key = ?, status = ?, occurrence = ?, merchant_order = ?, order_number = ?, reply_id = ?,
               account = ?, account_kind = ?, number = ?, template_id = ?, category = ?, destination = ?, params = ?,
               text = ?, buttons = ?, consent = ?, run_id = ?
           where notice_id = ?""",
        [
            now, message.unit_key, message.status, message.occurrence, message.merchant_order, message.order_number,
            message.reply_id, message.account.id, message.account.kind, message.account.number, message.template_id,
            message.category, message.phone, json.dumps(list(message.params), ensure_ascii=False), message.text,
            buttons_as_json(message.buttons), json.dumps(dict(message.consent), ensure_ascii=False, default=str),
            run.run_id, message.notice_id,
        ],
    )  # fmt: skip
    return True


_OF_CLAIM: Final = (
    "claimed_at", "tries", "message_id", "wa_id", "accepted_at", "code", "vendor_reason", "settled_by", "retries",
    "retry_at", "account", "account_kind", "number",
)  # fmt: skip
"""Columns that say what a claim says, beside state, reason and until."""


def from_claim(db: Db, run: Run, claim: Claim, account: GupshupAccount) -> Move:
    """Bring the ledger to what a claim says; a second time it says nothing. It makes the row where there is none."""
    row = db.row(
        f"select state, reason, until, merchant_order, {', '.join(_OF_CLAIM)} from synced.notices where notice_id = ?",
        [claim.notice_id],
    )
    before = None if row is None else State(row[0])
    after, reason, until = _standing(claim)
    if row is None:
        _make(db, run, claim, account)
    elif not _may_move(before, after):
        return Move(claim.notice_id, before, State(row[0]), row[1])
    elif after is State.WAITING and before is State.WAITING and reason is None:
        reason, until = row[1], row[2]  # of a later judgment
    values: dict[str, Any] = {
        "state": str(after), "reason": reason, "until": until, "claimed_at": claim.claimed_at, "tries": claim.tries,
        "message_id": claim.message_id, "wa_id": claim.wa_id, "accepted_at": claim.accepted_at, "code": claim.code,
        "vendor_reason": claim.reason, "settled_by": claim.evidence, "retries": claim.retries,
        "retry_at": claim.retry_at, "account": account.id, "account_kind": account.kind, "number": account.number,
    }  # fmt: skip
    stood = (
        None
        if row is None
        else {"state": row[0], "reason": row[1], "until": row[2]} | dict(zip(_OF_CLAIM, row[4:], strict=True))
    )
    if stood != values:
        more = {**values, "changed_at": run.now(), "run_id": run.run_id}
        db.execute(
            f"update synced.notices set {', '.join(f'{name} = ?' for name in more)} where notice_id = ?",
            [*more.values(), claim.notice_id],
        )
    move = Move(claim.notice_id, before, after, reason)
    if claim.state not in (Claimed.OPEN, Claimed.REFUSED, Claimed.RELEASED):
        _tell_sent(db, run, claim, account, claim.merchant_order or (row[3] if row else None))
    return move


def _standing(claim: Claim) -> tuple[State, str | None, datetime | None]:
    """Return state, reason and until of a row whose claim stands so."""
    if claim.state == Claimed.OPEN:
        return State.SENDING, None, None
    if claim.state == Claimed.REFUSED:
        return State.WAITING, claim.reason if claim.reason in set(Wait) else Wait.TRY_LATER, None
    if claim.state == Claimed.RELEASED:
        return State.WAITING, None, None
    if claim.state == Claimed.FAILED and claim.retry_at is not None:
        return State.WAITING, Wait.RETRY, claim.retry_at
    return State(claim.state), None, None


def _may_move(before: State | None, after: State) -> bool:
    """Say whether a claim's word moves a row: nothing falls, and what was given up is taken up by no refusal."""
    if before in RISING and after in RISING:
        return RISING.index(after) >= RISING.index(before)
    if before in (State.DELIVERED, State.READ):
        return False
    if before is State.DROPPED:
        return after is not State.WAITING
    if after in (State.UNKNOWN, State.SENDING):  # an older file of the account knows less than this ledger
        return before in (State.WAITING, State.SENDING, after)
    return True


def _make(db: Db, run: Run, claim: Claim, account: GupshupAccount) -> None:
    db.execute(
        """insert into synced.notices (notice_id, kind, unit_key, status, occurrence, merchant_order, order_number,
               reply_id, state, first_seen_at, changed_at, account, account_kind, number, template_id, category,
               buttons, run_id)
           values (?, ?, ?, ?, ?, ?, ?, ?, 'sending', ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            claim.notice_id, claim.kind, claim.unit_key, claim.status, claim.occurrence, claim.merchant_order,
            claim.order_number, claim.reply_id, claim.claimed_at, run.now(), account.id, account.kind, account.number,
            claim.template_id, claim.category, claim.buttons, run.run_id,
        ],
    )  # fmt: skip


def _tell_sent(db: Db, run: Run, claim: Claim, account: GupshupAccount, merchant_order: str | None) -> None:
    activity.add(
        db,
        run,
        What.SENT,
        merchant_order=merchant_order,
        notice_id=claim.notice_id,
        message_id=claim.message_id,
        account_kind=account.kind,
        number=account.number,
        key=f"sent {claim.notice_id} {claim.tries}",
        detail={
            "kind": claim.kind, "status": claim.status, "occurrence": claim.occurrence, "state": claim.state,
            "template_id": claim.template_id, "code": claim.code, "try": claim.tries,
        },
    )  # fmt: skip


def resolved(db: Db, run: Run, claim: Claim, account: GupshupAccount, how: str, because: str) -> Move:
    """Take over what a person has said of an unknown one (`claims.resolve`), with the words of why."""
    move = from_claim(db, run, claim, account)
    activity.add(
        db,
        run,
        What.RESOLVED,
        merchant_order=claim.merchant_order,
        notice_id=claim.notice_id,
        message_id=claim.message_id,
        account_kind=account.kind,
        number=account.number,
        detail={"as": how, "because": because, "by": run.started_by, "before": move.before},
    )
    return move


def resolve(run: Run, notice_id: str, *, sent: bool, because: str) -> Move:
    """Take a person's word on an unknown message: it was sent, or not (7.6); then rule 5 decides, by the same id.

    Raises:
        BadSettings: this merchant has no unknown message of this id. TryLater: a sync of it is running.
    """
    with run.sync_lock():
        for account in run.merchant.section(GupshupSettings).accounts:
            store = AccountStore.of(run, account)
            claim = claims.find(store, notice_id)
            if claim is None or claim.merchant != run.merchant.id:
                continue
            claim = claims.resolve(store, notice_id, sent=sent, now=run.now())
            if claim is not None:
                with run.open() as db, db.transaction():
                    return resolved(db, run, claim, account, "sent" if sent else "not-sent", because)
    raise BadSettings("no message of this merchant has this id and is unknown; `vs-st why` shows how it stands")


def count(told: NoticesReport, move: Move) -> None:
    """Count a move in the report: one that came to be accepted, rejected or unknown in this run."""
    if not move.moved:
        return
    if move.after is State.UNKNOWN:
        told.unknown += 1
    elif move.after is State.REJECTED:
        told.rejected += 1
    elif move.before in (None, State.WAITING, State.SENDING) and move.after in RISING:
        told.accepted += 1


def notes(db: Db, run: Run) -> Counter[str]:
    """Count what is worth knowing of the ledger while it lasts: unknown since before this run, and no receipt (7.5)."""
    now, found = run.now(), Counter[str]()
    found[Noted.UNKNOWN] = int(
        db.value("select count(*) from synced.notices where state = 'unknown' and run_id is distinct from ?",
                 [run.run_id])
    )  # fmt: skip
    found[Noted.NO_RECEIPT] = int(
        db.value(
            """select count(*) from synced.notices as n where state = 'accepted' and accepted_at <= ?
               and accepted_at > ?
               and not exists (select 1 from staged.receipts as r where r.notice_id = n.notice_id)""",
            [now - NO_RECEIPT_AFTER, now - RECEIPTS_COME_FOR],
        )
    )
    for word, number in db.rows("select word, count(*) from synced.notice_notes where word = ? group by 1",
                                [Noted.WANTS_OPT_IN]):  # fmt: skip
        found[word] = number
    return found
