"""Moves a message in the merchant's ledger, each move in one transaction with the activity that tells of it (7.1, 7.8).

Data flow: planned.notices, a message about to leave, an account's claim -> synced.notices, staged.activity.

All of it runs in the caller's transaction. What a claim says wins over what stands here, whichever database was put
back; but a state that was once reached never falls (7.5).

It is long because whoever moves a message shall find all moves in one place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import activity
from vs_st_pipeline.routes.notices.account.claim import Claim, Claimed
from vs_st_pipeline.routes.notices.activity_bulk import Entry, add_all
from vs_st_pipeline.routes.notices.holding import held, verdicts
from vs_st_pipeline.routes.notices.messages import Message, buttons_as_json
from vs_st_pipeline.routes.notices.report import NoticesReport
from vs_st_pipeline.routes.notices.words import RISING, State, Wait, What

__all__ = [
    "Move", "about_to_send", "count", "from_claim", "from_claims", "held", "resolved", "verdicts",
]  # fmt: skip


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
               unit_key = ?, status = ?, occurrence = ?, occurred_at = ?, occurred_to = ?, merchant_order = ?,
               order_number = ?, reply_id = ?, account = ?, account_kind = ?, number = ?, template_id = ?,
               category = ?, destination = ?, params = ?, text = ?, buttons = ?, consent = ?, run_id = ?
           where notice_id = ?""",
        [
            now, message.unit_key, message.status, message.occurrence, message.occurred_at, message.occurred_to,
            message.merchant_order, message.order_number, message.reply_id, message.account.id, message.account.kind,
            message.account.number, message.template_id, message.category, message.phone,
            json.dumps(list(message.params), ensure_ascii=False), message.text, buttons_as_json(message.buttons),
            json.dumps(dict(message.consent), ensure_ascii=False, default=str), run.run_id, message.notice_id,
        ],
    )  # fmt: skip
    return True


def from_claim(db: Db, run: Run, claim: Claim, account: GupshupAccount) -> Move:
    """Bring the ledger to what a claim says; a second time it says nothing. It makes the row where there is none."""
    return from_claims(db, run, [claim], account)[0]


def from_claims(db: Db, run: Run, claims: Sequence[Claim], account: GupshupAccount) -> list[Move]:
    """Do what `from_claim` does for many claims at once; returns their moves, in the same order."""
    stood = _stood(db, [one.notice_id for one in claims])
    moves, changed, made, told = list[Move](), list[_Row](), list[_Row](), list[Entry]()
    for claim in claims:
        row = stood.get(claim.notice_id)
        before = None if row is None else State(row["state"])
        after, reason, until = _standing(claim)
        if row is not None and not _may_move(before, after):
            moves.append(Move(claim.notice_id, before, State(row["state"]), row["reason"]))
            continue
        if row is not None and after is State.WAITING and before is State.WAITING and reason is None:
            reason, until = row["reason"], row["until"]  # of a later judgment
        values = _values(claim, account, after, reason, until)
        if row is None:
            made.append({"notice_id": claim.notice_id, **values, **_about(claim)})
        elif any(row[name] != value for name, value in values.items()):
            changed.append({"notice_id": claim.notice_id, **values})
        moves.append(Move(claim.notice_id, before, after, reason))
        if claim.state not in (Claimed.OPEN, Claimed.REFUSED, Claimed.RELEASED):
            told.append(_sent(claim, account, claim.merchant_order or (row["merchant_order"] if row else None)))
    _write(db, run, changed, made)
    add_all(db, run, told)
    return moves


_Row = dict[str, Any]
_INTEGERS: Final = frozenset({"tries", "retries", "occurrence"})
_TIMES: Final = frozenset(
    {"until", "claimed_at", "accepted_at", "retry_at", "first_seen_at", "occurred_at", "occurred_to"}
)


def _values(
    claim: Claim, account: GupshupAccount, state: State, reason: str | None, until: datetime | None
) -> dict[str, Any]:
    """Return what a claim says of its row."""
    return {
        "state": str(state), "reason": None if reason is None else str(reason), "until": until,
        "claimed_at": claim.claimed_at, "tries": claim.tries, "message_id": claim.message_id, "wa_id": claim.wa_id,
        "accepted_at": claim.accepted_at, "code": claim.code, "vendor_reason": claim.reason,
        "settled_by": claim.evidence, "retries": claim.retries, "retry_at": claim.retry_at, "account": account.id,
        "account_kind": account.kind, "number": account.number, "occurred_at": claim.occurred_at,
        "occurred_to": claim.occurred_to,
    }  # fmt: skip


def _about(claim: Claim) -> dict[str, Any]:
    """Return what a row that is made anew has besides; texts and phones are in no claim."""
    return {
        "kind": claim.kind, "unit_key": claim.unit_key, "status": claim.status, "occurrence": claim.occurrence,
        "merchant_order": claim.merchant_order, "order_number": claim.order_number, "reply_id": claim.reply_id,
        "first_seen_at": claim.claimed_at, "template_id": claim.template_id, "category": claim.category,
        "buttons": claim.buttons,
    }  # fmt: skip


def _stood(db: Db, ids: Sequence[str]) -> dict[str, _Row]:
    """Return how the rows of these notices stand."""
    names = (
        "state", "reason", "until", "merchant_order", "claimed_at", "tries", "message_id", "wa_id", "accepted_at",
        "code", "vendor_reason", "settled_by", "retries", "retry_at", "account", "account_kind", "number",
        "occurred_at", "occurred_to",
    )  # fmt: skip
    with db.batch({"notice_id": ids}) as batch:
        rows = db.rows(f"select notice_id, {', '.join(names)} from synced.notices join {batch} using (notice_id)")
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


def _write(db: Db, run: Run, changed: Sequence[_Row], made: Sequence[_Row]) -> None:
    more = {"at": run.now(), "run_id": run.run_id}
    if changed:
        names = [name for name in changed[0] if name != "notice_id"]
        with db.batch(_columns(changed), dict.fromkeys(_INTEGERS & set(changed[0]), "int")) as batch:
            sets = ", ".join(f"{name} = {_typed(name)}" for name in names)
            db.execute(
                f"""update synced.notices as s set {sets}, changed_at = $at::timestamp, run_id = $run_id
                    from {batch} as b where s.notice_id = b.notice_id""",
                more,
            )
    if made:
        with db.batch(_columns(made), dict.fromkeys(_INTEGERS & set(made[0]), "int")) as batch:
            db.execute(
                f"""insert into synced.notices ({", ".join(made[0])}, changed_at, run_id)
                    select {", ".join(map(_typed, made[0]))}, $at::timestamp, $run_id from {batch} as b""",
                more,
            )


def _typed(name: str) -> str:
    return f"b.{name}::timestamp" if name in _TIMES else f"b.{name}"


def _columns(rows: Sequence[_Row]) -> dict[str, list[Any]]:
    """Return columns of rows; times are text in a batch."""
    return {
        name: [one[name].isoformat() if isinstance(one[name], datetime) else one[name] for one in rows]
        for name in rows[0]
    }


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


def _sent(claim: Claim, account: GupshupAccount, merchant_order: str | None) -> Entry:
    return Entry(
        What.SENT,
        f"sent {claim.notice_id} {claim.tries}",
        merchant_order=merchant_order,
        notice_id=claim.notice_id,
        message_id=claim.message_id,
        account_kind=account.kind,
        number=account.number,
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


def count(told: NoticesReport, move: Move) -> None:
    """Count a move in the report: one that came to be accepted, rejected or unknown in this run.

    What a lost or older database hears of anew was so before, and so was what failed and was delivered after all.
    """
    if not move.moved or move.before is None:
        return
    if move.after is State.UNKNOWN:
        told.unknown += 1
    elif move.after is State.REJECTED:
        told.rejected += 1
    elif move.before is State.SENDING and move.after in RISING:
        told.accepted += 1
