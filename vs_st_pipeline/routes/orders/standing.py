"""Says what a read of an order at the shipper means for how it stands: 4.2 of orders.md as a table.

Data flow: `HeldOrder` (None: not there) -> `Shows`; with how the order stands -> `Then` -> ledger, notes, activity.

Every read of an order goes through `apply`, whoever made it and why; so does every answer to a write that shows the
order. An answer that says nothing changes nothing.

It is long because what one read may change (state, compliance, stage, notes, an open write, the next read) has to be
decided together.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.domain.order_desk import Compliance, HeldOrder, Problem, RefusedWrite
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import adopting, ledger, outbox
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.outbox import Outcome, Write
from vs_st_pipeline.routes.orders.rows import put
from vs_st_pipeline.routes.orders.states import BY_SHIPPER, KNOWN_ORDER_STATUSES, STAGE_OF, Stage, State, ThereCode

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

SUCCESS, DELETED, CANCELLED, OPEN, UNPAID = "SUCCESS", "DELETED", "CANCELLED", "OPEN", "UNPAID"
DONT_SEND: Final = "dont_send"
FIRST_READ: Final = timedelta(minutes=15)  # 4.2: of what failed there; then doubled, daily at most
DAILY: Final = timedelta(days=1)
READ_FOR: Final = timedelta(days=14)
HOURLY: Final = timedelta(hours=1)
PENDING_FOR: Final = timedelta(hours=1)
UNREACHED_FOR: Final = timedelta(hours=24)
MISSING_AFTER: Final = timedelta(hours=1)
_HOURLY: Final = frozenset({ThereCode.PENDING_THERE, ThereCode.NUMBER_TAKEN})


class Shows(StrEnum):
    """What a read of an order's number shows.

    NOTHING: neither how it was sold nor where it is. FOREIGN: an order of somebody else. MOVED_ON: not said to be
    accepted, but it is past OPEN.
    """

    ACCEPTED = "accepted"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    PENDING = "pending"
    MOVED_ON = "moved_on"
    NOTHING = "nothing"
    FOREIGN = "foreign"
    MISSING = "missing"


class Stands(StrEnum):
    """How an order stands, as far as a read makes a difference. UNSENT: new, waiting, kept back or failed by a rule."""

    UNSENT = "unsent"
    SENDING = "sending"
    FAILED_THERE = "failed_there"
    TAKEN = "taken"
    KEPT_BACK = "kept_back"
    SENT = "sent"
    VOIDED = "voided"


class Then(StrEnum):
    """What becomes of it. TROUBLE, UNSEEN, ACCEPTED_THERE, REVIVED: it stays, and is noted (or not any more)."""

    SENT = "sent"
    VOIDED = "voided"
    FAILED = "failed"
    PENDING = "pending"
    TAKEN = "taken"
    STAYS = "stays"
    TROUBLE = "trouble"
    WELL = "well"
    UNSEEN = "unseen"
    ACCEPTED_THERE = "accepted_there"
    REVIVED = "revived"


def _row(*thens: Then) -> dict[Shows, Then]:
    return dict(zip(Shows, thens, strict=True))


_ = Then
TABLE: Final[dict[Stands, dict[Shows, Then]]] = {
    # accepted, cancelled, refused, pending, moved on; nothing, foreign, missing
    Stands.UNSENT: _row(_.SENT, _.VOIDED, _.FAILED, _.PENDING, _.SENT, _.STAYS, _.STAYS, _.STAYS),
    Stands.SENDING: _row(_.SENT, _.VOIDED, _.FAILED, _.PENDING, _.SENT, _.STAYS, _.TAKEN, _.STAYS),
    Stands.FAILED_THERE: _row(_.SENT, _.VOIDED, _.FAILED, _.STAYS, _.SENT, _.STAYS, _.STAYS, _.STAYS),
    Stands.TAKEN: _row(_.SENT, _.VOIDED, _.FAILED, _.PENDING, _.SENT, _.STAYS, _.STAYS, _.STAYS),
    Stands.KEPT_BACK: _row(_.ACCEPTED_THERE, _.STAYS, _.STAYS, _.STAYS, _.ACCEPTED_THERE, _.STAYS, _.STAYS, _.STAYS),
    Stands.SENT: _row(_.WELL, _.VOIDED, _.TROUBLE, _.TROUBLE, _.WELL, _.STAYS, _.TROUBLE, _.UNSEEN),
    Stands.VOIDED: _row(_.REVIVED, _.STAYS, _.REVIVED, _.REVIVED, _.REVIVED, _.STAYS, _.STAYS, _.STAYS),
}
"""What a read that shows this means for an order that stands so (4.2)."""


def stands(row: OrderRow) -> Stands:
    """Return which row of the table an order is in."""
    if row.state is State.SENDING or (row.state is State.FAILED and row.code == ThereCode.NOT_REACHABLE):
        return Stands.SENDING
    if row.state is State.SENT:
        return Stands.SENT
    if row.state is State.VOIDED:
        return Stands.VOIDED
    if row.code == ThereCode.NUMBER_TAKEN:
        return Stands.TAKEN
    if row.state is State.FAILED and row.code in BY_SHIPPER:
        return Stands.FAILED_THERE
    return Stands.KEPT_BACK if row.state is State.NOT_REQUIRED and row.code == DONT_SEND else Stands.UNSENT


def shows(held: HeldOrder | None, *, ours: bool, answer: bool = False) -> Shows:
    """Return what a read shows.

    Args:
        ours: it is not somebody else's order.
        answer: it is the answer to a write that was done, so that it says something, whatever it leaves out.
    """
    if held is None:
        return Shows.MISSING
    if not ours:
        return Shows.FOREIGN
    if held.order_status == CANCELLED or held.status in (DELETED, CANCELLED):
        return Shows.CANCELLED
    if held.status == SUCCESS:
        return Shows.ACCEPTED
    if held.status is None and not answer and refusal_code(held) is None:
        return Shows.MOVED_ON if held.order_status in STAGE_OF else Shows.NOTHING
    if refusal_code(held) is not None:
        return Shows.REFUSED
    return Shows.MOVED_ON if held.order_status in STAGE_OF else Shows.PENDING


def refusal_code(held: HeldOrder) -> ThereCode | None:
    """Return why the shipper did not take an order that it shows (4.2, the first that fits); None: it does not say."""
    status = held.status or ""
    if held.compliance is Compliance.NOT_COMPLIANT:
        return ThereCode.COMPLIANCE
    if status.startswith("AGE_VERIFICATION_"):
        return ThereCode.AGE_VERIFICATION
    if status == "PAYMENT_CAPTURE_FAILED":
        return ThereCode.PAYMENT
    if held.problems:
        return problem_code(held.problems) or ThereCode.PROBLEM
    return ThereCode.PROBLEM if status == "PROBLEM" else None


def problem_code(problems: tuple[Problem, ...]) -> ThereCode | None:
    """Return the code of what problems are about, where they are about age or payment."""
    told = [f"{one.type} {one.code}".upper() for one in problems]
    if any("AGE_VERIFICATION" in one for one in told):
        return ThereCode.AGE_VERIFICATION
    return ThereCode.PAYMENT if any("PAYMENT" in one for one in told) else None


@dataclass(frozen=True, slots=True)
class Heard:
    """Where a held order comes from, if it is the answer to a write.

    Attributes:
        write: the write that was answered. http_status, trace_id: of the answer. who: the person who wanted it.
    """

    write: Write
    http_status: int | None = None
    trace_id: str | None = None
    who: str | None = None


def refused_code(answer: RefusedWrite) -> ThereCode:
    """Return why a write was refused (4.2, the first that fits)."""
    if answer.is_compliance:
        return ThereCode.COMPLIANCE
    told = (Problem(answer.code, None, None), *answer.problems)
    return problem_code(told) or ThereCode.VALIDATION


def apply(
    session: OrdersSession,
    db: Db,
    row: OrderRow,
    held: HeldOrder | None,
    *,
    by: str,
    heard: Heard | None = None,
    proved: bool = False,
    was_failed: bool = False,
) -> OrderRow:
    """Record what a read of an order shows, inside the caller's transaction; returns how it stands now.

    Args:
        held: None: a 404 in JSON.
        by: why it was read, for the activity: `settle`, `look`, `watch`, `send`, `hint`, `void`.
        heard: the write that it answers; None: it is a read.
        proved: who asks knows that it is ours.
        was_failed: before this attempt to send it was failed, so that it does not become so.
    """
    return _Applying(session, db, row, held, by, heard, proved, was_failed).apply()


class _Applying:
    """One read, and what it means."""

    def __init__(
        self,
        session: OrdersSession,
        db: Db,
        row: OrderRow,
        held: HeldOrder | None,
        by: str,
        heard: Heard | None,
        proved: bool,
        was_failed: bool,
    ) -> None:
        self.session, self.run, self.db = session, session.run, db
        self.row, self.held, self.by, self.heard = row, held, by, heard
        self.was_failed = was_failed or row.state is State.FAILED
        in_doubt = outbox.open_writes(db, (*outbox.MAKING, outbox.CANCEL), row.order_id)
        self.open = [one for one in in_doubt if one.call in outbox.MAKING]  # several after a loss alone
        self.cancels = [one for one in in_doubt if one.call == outbox.CANCEL]
        self.write = self.open[-1] if self.open else None
        ours = held is None or proved or self._is_ours(held)
        self.shows = shows(held, ours=ours, answer=heard is not None)
        self.then = TABLE[stands(row)][self.shows]
        self.before = _known(db, row.vs_number) or _Known()
        self.changes: dict[str, Any] = {}
        self.texts: list[tuple[str, str]] = []  # kind and text of further rows of activity

    def _is_ours(self, held: HeldOrder) -> bool:
        row, db = self.row, self.db
        if held.shop_order_id is not None or row.state in (State.SENT, State.VOIDED):
            return held.shop_order_id in (None, row.order_id)
        if row.vs_number == held.number and is_known(db, row.vs_number):
            return True  # it was read as ours before
        return adopting.is_ours(held, row.order_id, adopting.expected(db, row))

    def apply(self) -> OrderRow:
        held = self.held
        if self.shows in (Shows.NOTHING, Shows.FOREIGN):
            if self.shows is Shows.FOREIGN and self.then in (Then.TAKEN, Then.TROUBLE):
                self._take_foreign()
            self._schedule()
            return self._store()
        if held is None:
            self._missing()
            self._schedule()
            return self._store()
        self._keep(held)
        if self.row.vs_number is None:
            self.changes["vs_number"] = held.number
        self._settle()
        self._settle_cancel()
        self._compliance(held)
        self._taxes(held)
        getattr(self, f"_{self.then}")(held)
        self._schedule()
        return self._store()

    # --- what the read means, by `Then` ------------------------------------------------------------------------------

    def _sent(self, held: HeldOrder) -> None:
        adopted = self._adopts()
        self.changes |= {
            "state": State.SENT, "code": None, "says": None, "sending_since": None, "next_read_at": None, "reads": 0,
            "failed_at": None, "sent_at": (held.purchased_at if adopted else None) or self.run.now(),
        }  # fmt: skip
        self._take_sent(held)
        self._become("adopted" if adopted else "sent", f"sent: {_told(held)}")
        ledger.unnote(self.db, self.row.order_id, ("pending", "accepted_there"))
        self._well(held)
        self._compare(held, first=True)

    def _voided(self, held: HeldOrder) -> None:
        adopted = self._adopts()
        self.changes |= {
            "state": State.VOIDED, "code": None, "says": None, "voided_at": held.canceled_at or self.run.now(),
            "sending_since": None, "next_read_at": None, "failed_at": None,
        }  # fmt: skip
        self._become("adopted" if adopted else "voided", f"voided: {_told(held)}")
        lasting = (
            *("pending", "void_unknown", "missing_there", "problem_there", "unpaid_there", "differs_there"),
            "accepted_there",
        )
        ledger.unnote(self.db, self.row.order_id, lasting)

    def _failed(self, held: HeldOrder) -> None:
        if self._is_unknown_update():
            return  # it may show what was there before: the update is repeated (6.4)
        self._fail(refusal_code(held) or ThereCode.PROBLEM, f"failed: {_told(held)}", self._adopts())
        self._age(held)
        ledger.unnote(self.db, self.row.order_id, ("pending",))

    def _pending(self, held: HeldOrder) -> None:
        if self._is_unknown_update():
            return
        self._pend(_told(held))

    def _pend(self, told: str) -> None:
        now, order_id = self.run.now(), self.row.order_id
        if self.held is not None and self._adopts():
            self._note_adopted()
        if self.row.state is not State.SENDING:
            self.changes |= {"state": State.SENDING, "code": None, "says": None, "failed_at": None}
        self.changes |= {"sending_since": self.row.sending_since or now}
        if ledger.note(self.db, self.run, order_id, "pending"):
            self._say("answered" if self.heard else "settled", f"pending: {told}")
        since = self.db.value(
            "select since from synced.order_notes where order_id = ? and note = 'pending'", [order_id]
        )
        if now - since >= PENDING_FOR:
            self._fail(ThereCode.PENDING_THERE, "failed: still pending after an hour", False)
            ledger.unnote(self.db, order_id, ("pending",))

    def _stays(self, held: HeldOrder) -> None:
        if stands(self.row) is Stands.VOIDED:
            ledger.unnote(self.db, self.row.order_id, ("revived_there",))
        elif stands(self.row) is Stands.KEPT_BACK:
            ledger.unnote(self.db, self.row.order_id, ("accepted_there",))
        else:
            self._age(held)

    def _age(self, held: HeldOrder) -> None:
        """Have an order judged and sent again whose buyer's age was verified since (4.2; rulings 3)."""
        stood = self.row.state is State.FAILED and self.row.code == ThereCode.AGE_VERIFICATION
        if stood and held.age_verified is True and self.before.age_verified is not True:
            self.changes["judged_content"] = None
            self._say("settled", "the buyer's age was verified")

    def _trouble(self, held: HeldOrder) -> None:
        self._stage(held)
        self._note("problem_there", _words(held))
        self._unpaid(held)
        self._compare(held, first=False)

    def _well(self, held: HeldOrder) -> None:
        self._stage(held)
        bad = held.compliance is Compliance.NOT_COMPLIANT
        if self.shows is Shows.MOVED_ON and held.status is not None:  # never said to be accepted, or not any more
            bad = bad or self.before.status == SUCCESS or self._noted("problem_there")
        if bad:
            self._note("problem_there", _words(held))
        else:
            ledger.unnote(self.db, self.row.order_id, ("problem_there",))
        self._unpaid(held)
        if self.then is Then.WELL:
            self._compare(held, first=False)

    def _accepted_there(self, held: HeldOrder) -> None:
        self._note("accepted_there", _words(held))

    def _revived(self, held: HeldOrder) -> None:
        self._note("revived_there", _words(held))

    def _missing(self) -> None:
        """Record a read that did not show the order."""
        run, row = self.run, self.row
        settle_wait = self.session.settings.settle_wait
        last = self.write or outbox.latest(self.db, row.order_id)
        if last is not None and last.outcome not in outbox.LEFT_NOTHING:
            after = outbox.count_missing(self.db, run, last, settle_wait)
            if after.missing and after.is_open:
                self._end_open(Outcome.MISSING)
                self._say("settled", f"not there after {after.reads} reads: {last.call} under {last.vs_number}")
        self._settle_cancel()
        if self.then is Then.UNSEEN:
            since, reads = self._count_missing()
            if reads > 1 and run.now() - since >= MISSING_AFTER:
                self._note("missing_there", "")
        elif row.state is State.SENDING and (last is None or last.outcome in (Outcome.DONE, Outcome.ADOPTED)):
            self._pend("not shown")  # it was taken, and was pending

    def _take_foreign(self) -> None:
        if self.then is Then.TROUBLE:
            self._note("problem_there", "another order stands under its number")
            return
        self._end_open(Outcome.CONFLICT)
        self._fail(ThereCode.NUMBER_TAKEN, "failed: the number is another order's", False)
        ledger.unnote(self.db, self.row.order_id, ("pending",))

    # --- parts -------------------------------------------------------------------------------------------------------

    def _adopts(self) -> bool:
        """Say whether the order is found there without an answer that said so (6.2, 6.4)."""
        if self.heard is not None:
            return False
        found = self.write is not None or stands(self.row) in (Stands.UNSENT, Stands.TAKEN)
        last = outbox.latest(self.db, self.row.order_id)
        return found or (last is not None and last.outcome == Outcome.CONFLICT)

    def _is_unknown_update(self) -> bool:
        is_update = self.write is not None and self.write.call == outbox.UPDATE
        return self.heard is None and is_update and stands(self.row) is Stands.SENDING

    def _note_adopted(self) -> None:
        ledger.note(self.db, self.run, self.row.order_id, "adopted")

    def _become(self, word: str, text: str) -> None:
        if word == "adopted":
            self._note_adopted()
            text = f"adopted, {text}"
        self.session.counts.add(word, self.row.order_id)
        self._say("answered" if self.heard else "settled", text)

    def _fail(self, code: ThereCode, text: str, adopted: bool) -> None:
        row, now = self.row, self.run.now()
        if adopted:
            self._note_adopted()
        if row.state is State.FAILED and row.code == code:
            return
        if not self.was_failed:
            self.session.counts.add("failed", row.order_id)
        if stands(row) is not Stands.FAILED_THERE:
            self.changes |= {"failed_at": now, "reads": 0, "next_read_at": now + first_gap(code)}
        self.changes |= {"state": State.FAILED, "code": str(code), "says": None, "sending_since": None}
        self._say("answered" if self.heard else "settled", text)

    def _settle(self) -> None:
        """Close the write that this read, or this answer, tells of; begin to count reads without it anew."""
        if self.heard is not None:
            heard = self.heard
            outbox.end(
                self.db, self.run, heard.write, Outcome.DONE, http_status=heard.http_status, trace_id=heard.trace_id
            )
            return
        if self.write is not None:
            if self._is_unknown_update() and self.shows in (Shows.REFUSED, Shows.PENDING):
                outbox.count_unaccepted(self.db, self.run, self.write)
            else:
                self._end_open(Outcome.ADOPTED)
        elif (last := outbox.latest(self.db, self.row.order_id)) is not None:
            outbox.count_shown(self.db, last)

    def _end_open(self, outcome: Outcome) -> None:
        for write in self.open:
            outbox.end(self.db, self.run, write, outcome)

    def _settle_cancel(self) -> None:
        """Settle a cancellation by what is shown (6.4, section 8 `void`): it counts only if VS shows it."""
        for cancel in self.cancels:
            if self.shows is Shows.CANCELLED:
                outbox.end(self.db, self.run, cancel, Outcome.DONE)
                continue
            after = outbox.count_missing(self.db, self.run, cancel, self.session.settings.settle_wait)
            if after.missing:
                outbox.end(self.db, self.run, after, Outcome.MISSING)
                ledger.unnote(self.db, self.row.order_id, ("void_unknown",))
                self._say("settled", f"not cancelled after {after.reads} reads")

    def _compliance(self, held: HeldOrder) -> None:
        problems = json.dumps([{"code": p.code, "description": p.description, "type": p.type} for p in held.problems])
        told = held.compliance if held.compliance is not Compliance.NOT_CHECKED else self.row.compliance
        if (told, problems) != (self.row.compliance, self.row.problems) or self.heard is not None:
            self.changes |= {
                "compliance": str(told), "problems": problems, "compliance_at": self.run.now(),
                "trace_id": held.trace_id or self.row.trace_id,
            }  # fmt: skip

    def _taxes(self, held: HeldOrder) -> None:
        """Note by how much the taxes that were sent are too low: the shipper bills it to the merchant (5.1)."""
        if held.taxes_adjusted is not None and held.taxes_adjusted < 0:
            self._note("tax_short", f"{-held.taxes_adjusted:.2f}")
        elif held.taxes_adjusted is not None:
            ledger.unnote(self.db, self.row.order_id, ("tax_short",))

    def _stage(self, held: HeldOrder) -> None:
        """Move the stage (7.1): never backwards, save that OPEN takes a label back."""
        now, word = self.run.now(), held.order_status
        if word is None:
            return
        if word not in KNOWN_ORDER_STATUSES:
            self._note("unknown_status", word)
            return
        ledger.unnote(self.db, self.row.order_id, ("unknown_status",))
        stage = STAGE_OF.get(word)
        known = None if self.row.stage is None else Stage(self.row.stage)
        if stage in (Stage.SHIPPED, Stage.DELIVERED, Stage.RETURNED) and self.row.shipped_seen_at is None:
            self.changes["shipped_seen_at"] = now
        if stage is None and word == OPEN and known is Stage.FULFILLED:
            self.changes |= {"stage": None, "stage_at": now}
            self.texts.append(("stage", "label cancelled"))
        elif stage is not None and (known is None or _RANK[stage] > _RANK[known]):
            self.changes |= {"stage": str(stage), "stage_at": now}
            self.texts.append(("stage", str(stage)))

    def _unpaid(self, held: HeldOrder) -> None:
        if held.order_status == UNPAID:
            self._note("unpaid_there", "")
        elif held.order_status is not None:
            ledger.unnote(self.db, self.row.order_id, ("unpaid_there",))

    def _take_sent(self, held: HeldOrder) -> None:
        """Keep what was sent: as it was written, or, of an order that was found there, as it is shown (rulings 11)."""
        written = self.heard.write if self.heard else self.write or outbox.latest(self.db, self.row.order_id)
        if written is not None and written.sent is not None:
            self.changes |= {"sent": written.sent, "sent_hash": written.sent_hash}
        elif self.row.sent is None:
            self.changes["sent"] = json.dumps(adopting.as_sent(held))
        if self.changes.get("sent_hash", self.row.sent_hash) is None:
            self.changes["sent_hash"] = adopting.staged_hash(self.db, self.row.order_id)

    def _compare(self, held: HeldOrder, *, first: bool) -> None:
        """Compare what stands there with what was sent (6.6): when it is accepted, and as long as it differs."""
        if not first and not self._noted("differs_there"):
            return
        sent = self.changes.get("sent", self.row.sent)
        differs = adopting.differences(sent, held) if sent else []
        if differs:
            self._note("differs_there", differs)
        else:
            ledger.unnote(self.db, self.row.order_id, ("differs_there",))

    def _keep(self, held: HeldOrder) -> None:
        keep_read(self.db, self.run.now(), self.row.order_id, held)
        if self.row.state is State.SENT:
            ledger.unnote(self.db, self.row.order_id, ("missing_there",))

    def _count_missing(self) -> tuple[datetime, int]:
        now = self.run.now()
        self.db.execute(
            """insert into raw.vinoshipper_sent_orders (vs_number, missing_since, missing_reads)
               values ($number, $now, 1)
               on conflict (vs_number) do update set missing_since = coalesce(missing_since, excluded.missing_since),
                   missing_reads = missing_reads + 1""",
            {"number": self.row.vs_number, "now": now},
        )
        found = self.db.row(
            "select missing_since, missing_reads from raw.vinoshipper_sent_orders where vs_number = ?",
            [self.row.vs_number],
        )
        assert found is not None
        return found[0], found[1]

    def _schedule(self) -> None:
        """Set when it is read next, where 4.2 gives that read its time."""
        if "next_read_at" in self.changes or self.heard is not None:
            return
        if stands(self.row) not in (Stands.FAILED_THERE, Stands.TAKEN, Stands.KEPT_BACK):
            return
        now = self.run.now()
        if self.row.next_read_at is None or self.row.next_read_at > now:
            return
        self.changes |= {"reads": self.row.reads + 1, "next_read_at": next_read(self.row, now)}

    def _noted(self, word: str) -> bool:
        return word in ledger.notes_of(self.db, [self.row.order_id]).get(self.row.order_id, {})

    def _note(self, word: str, says: object) -> None:
        if ledger.note(self.db, self.run, self.row.order_id, word, says):
            self.texts.append(("settled", f"noted {word}"))

    def _say(self, kind: str, text: str) -> None:
        self.texts.append((kind, text))

    def _store(self) -> OrderRow:
        changes = {name: value for name, value in self.changes.items() if getattr(self.row, name) != value}
        if not changes and not self.texts:
            return self.row
        kind, text = self.texts[0] if self.texts else ("settled", "")
        told: dict[str, Any] = {
            "http_status": self.heard.http_status if self.heard else None,
            "trace_id": self.heard.trace_id if self.heard else self.held.trace_id if self.held else None,
            "who": self.heard.who if self.heard else None,
        }
        if not text:
            row = replace(self.row, **changes)  # no news for people
            ledger.store(self.db, row)
        else:
            moved: dict[str, Any] = {"updated_at": self.run.now()} if changes else {}
            changed = replace(self.row, **changes, **moved)
            row = ledger.move(self.db, self.run, changed, kind, text, **told)
        for kind, text in self.texts[1:]:
            ledger.act(self.db, self.run, row.order_id, kind, text, code=row.code, **told)
        return row


_RANK: Final = {stage: rank for rank, stage in enumerate(Stage)}


def take_number(session: OrdersSession, db: Db, row: OrderRow, *, was_failed: bool, **changed: Any) -> OrderRow:
    """Record that an order's number is somebody else's: never written, and read hourly (6.2)."""
    now = session.run.now()
    if not was_failed:
        session.counts.add("failed", row.order_id)
    changes: dict[str, Any] = {
        "state": State.FAILED, "code": str(ThereCode.NUMBER_TAKEN), "says": None, "sending_since": None,
        "failed_at": now, "reads": 0, "next_read_at": now + HOURLY,
    }  # fmt: skip
    text = "failed: the number is another order's"
    return ledger.move(db, session.run, row, "settled", text, **(changes | changed))


# --- when it is read next -----------------------------------------------------------------------------------------


def first_gap(code: str | None) -> timedelta:
    """Return how long after it failed, or was kept back, an order is read for the first time (4.2)."""
    return HOURLY if code in _HOURLY else FIRST_READ


def next_read(row: OrderRow, now: datetime) -> datetime | None:
    """Return when it is read again after a read now; None: not by itself any more."""
    if row.failed_at is not None and now - row.failed_at >= READ_FOR:
        return None
    if row.code in _HOURLY:
        return now + HOURLY
    gap: timedelta = FIRST_READ * 2 ** min(row.reads + 1, 10)
    return now + min(DAILY, gap)


def may_be_taken_yet(row: OrderRow) -> bool:
    """Say whether an order failed at the shipper, which may take it all the same, whatever a rule says of it now."""
    return stands(row) is Stands.FAILED_THERE and row.next_read_at is not None


def is_news(db: Db, row: OrderRow, held: HeldOrder | None) -> bool:
    """Say whether a read means something for an order: of one that a rule holds back, that it was accepted does (4.2).

    What failed there fails by the rule now; where the ledger is an older one, what is shown may be more than it knows.
    """
    if stands(row) is not Stands.UNSENT:
        return True
    if row.state is not State.NOT_REQUIRED and not is_known(db, row.vs_number):
        return True
    return shows(held, ours=True) in (Shows.ACCEPTED, Shows.MOVED_ON)


def put_off(db: Db, row: OrderRow, now: datetime) -> None:
    """Set when an order is read next that a rule holds back, and that still is not accepted."""
    if stands(row) is Stands.UNSENT and row.next_read_at is not None and row.next_read_at <= now:
        row = replace(row, failed_at=row.failed_at or now)
        ledger.store(db, replace(row, reads=row.reads + 1, next_read_at=next_read(row, now)))


# --- what was read ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Known:
    status: str | None = None
    age_verified: bool | None = None


def is_unaccepted(db: Db, number: str | None) -> bool:
    """Say whether the last read of an order of ours showed it, and did not show that it was accepted or is over."""
    row = db.row("select status, order_status from staged.shipments where vs_number = ?", [number])
    if row is None:
        return False
    return row[0] not in (SUCCESS, DELETED, CANCELLED) and row[1] != CANCELLED and row[1] not in STAGE_OF


def is_known(db: Db, number: str | None) -> bool:
    """Say whether what stands under a number was read as ours before."""
    return _known(db, number) is not None


def _known(db: Db, number: str | None) -> _Known | None:
    row = db.row("select status, age_verified from staged.shipments where vs_number = ?", [number])
    return None if row is None else _Known(*row)


def keep_read(db: Db, now: datetime, order_id: str, held: HeldOrder) -> None:
    """Store what a read, or an answer, shows of an order; of a forgotten person's nothing that names anybody."""
    erased = bool(db.value("select erased from staged.shop_orders where order_id = ?", [order_id]))
    packages = [{"carrier": one.carrier, "tracking_number": one.tracking_number} for one in held.packages]
    told = () if erased else held.problems
    problems = [{"code": one.code, "description": one.description, "type": one.type} for one in told]
    raw = {
        "vs_number": held.number, "body": None if erased else held.body or None,
        "body_sha256": hashlib.sha256(held.body.encode()).hexdigest() if held.body else None, "read_at": now,
        "read_at_real": utc_now_naive(), "missing_since": None, "missing_reads": 0, "tries": 0, "next_try_at": None,
    }  # fmt: skip
    put(db, "raw.vinoshipper_sent_orders", "vs_number", raw)
    shown: dict[str, Any] = {
        "vs_number": held.number, "order_id": order_id, "status": held.status, "order_status": held.order_status,
        "compliance": str(held.compliance), "problems": json.dumps(problems), "packages": json.dumps(packages),
        "total": None if held.total is None else str(held.total), "state": held.state,
        "zip5": None if erased else held.zip5,
        "ship_date": None if held.ship_date is None else held.ship_date.isoformat(),
        "quantities": None if held.quantities is None else json.dumps(dict(sorted(held.quantities.items()))),
        "age_verified": held.age_verified, "purchased_at": held.purchased_at, "shipped_at": held.shipped_at,
        "delivered_at": held.delivered_at, "canceled_at": held.canceled_at, "trace_id": held.trace_id, "read_at": now,
    }  # fmt: skip
    put(db, "staged.shipments", "vs_number", shown)


def _words(held: HeldOrder) -> dict[str, Any]:
    codes = sorted({one.code for one in held.problems if one.code})
    return {"status": held.status, "order_status": held.order_status, **({"problems": codes} if codes else {})}


def _told(held: HeldOrder) -> str:
    return f"status {held.status or 'not told'}, {held.order_status or 'stage not told'}"
