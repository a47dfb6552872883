"""Writes what was planned of people who were just looked at: each request is stored before it leaves, and sent once.

Data flow: Subject -> items -> synced.writes and evidence (then its line, with fsync) -> `Crm.send` -> outcomes, ledger.

Between any two steps the power may go:

    stored, not sent          the next look finds nothing of it: planned anew
    sent, no answer           the same: what became of it is read before anything else is sent of that person
    answered, not recorded    the same

Nobody is subscribed whose state was read more than a minute ago: whoever waited that long is looked at again. Of a
request that was refused as a whole each half is sent by itself, until the one is found that it was about.

It is long because all that may happen to one request stands here once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from vs_st_pipeline.domain.crm import Consent, Ended, Item, Result, Step, Target
from vs_st_pipeline.domain.errors import BadKey, BadSettings, KeptBack, NotSent, PipelineError, Refused
from vs_st_pipeline.domain.plan import GONE, Change
from vs_st_pipeline.domain.single_reads import gap_after
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.warehouse import ledger, outbox
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry, Proof
from vs_st_pipeline.platform.warehouse.retries import record_refused, record_rejected
from vs_st_pipeline.routes.consumers import codes, evidence, looking, planning
from vs_st_pipeline.routes.consumers.consumers import Offer
from vs_st_pipeline.routes.consumers.judging import FINAL_CODES, Action, Outcome, Subscription, asked_as
from vs_st_pipeline.routes.consumers.looking import ACCEPTED, REJECTED, UNKNOWN, Desk, Subject
from vs_st_pipeline.routes.consumers.words import UNDONE

FRESH_SECONDS: Final = 60.0  # 7.4
MOST_LOCKED: Final = 3  # tries of an item in a sync (6.4)
MOST_FAILURES: Final = 2  # requests in a row without an answer; then the CRM is left for now
_NEED_LOOK: Final = frozenset({Step.CONSENT, Step.LISTS, Step.WITHDRAW, Step.UNLIST})
_BUSY: Final = 429
_NOT_THERE: Final = frozenset({404, 410})


@dataclass(slots=True)
class _Sending:
    """One person's part of a request.

    Attributes:
        row: of evidence, which was stored or will be with the request. tries: how often it was sent.
        last: no later request is about this subscription.
    """

    subject: Subject
    item: Item
    changes: tuple[Change, ...] = ()
    subscription: Subscription | None = None
    row: dict[str, Any] | None = None
    is_stored: bool = False
    tries: int = 0
    last: bool = True

    @property
    def evidence_id(self) -> str:
        assert self.row is not None
        return str(self.row["evidence_id"])


_Name = tuple[str, str, Action, tuple[str, str, str]]
"""Names a subscription within one writing: person, target, action and consent."""


def _name(subject: Subject, one: Subscription) -> _Name:
    return subject.key, one.target.id, one.action, one.offer.spent_as


def write(desk: Desk, subjects: Sequence[Subject]) -> None:
    """Send all that was planned of these people; what became of it is in `Subject.ends`.

    Whoever has to be looked at again before anything more is sent is `stopped`.

    Raises:
        PipelineError: the CRM cannot go on; what is not known stays stored as that.
    """
    _Writer(desk).write(subjects)


class _Writer:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._rows: dict[_Name, dict[str, Any]] = {}  # of evidence that is stored
        self._added: set[tuple[str, str]] = set()  # subscriptions that this call was told of as done

    def write(self, subjects: Sequence[Subject]) -> None:
        steps = self._desk.crm.steps
        undoing = [step for step in (Step.UNLIST, Step.WITHDRAW) if step in steps]
        for step in [*undoing, *(one for one in steps if one not in undoing)]:
            sending = [one for subject in subjects if not subject.stopped for one in self._of_step(step, subject)]
            by_id = {one.item.id: one for one in sending}
            for request in self._desk.crm.requests(step, [one.item for one in sending]) if sending else ():
                self._send(step, [by_id[item.id] for item in request])

    # --- what is sent ---------------------------------------------------------------------------------------------

    def _of_step(self, step: Step, subject: Subject) -> Iterator[_Sending]:
        if step is Step.FIELDS:
            yield from self._fields(subject)
            return
        for one in subject.subscriptions:
            wanted = self._is_of(step, one, subject)
            if wanted:
                yield self._subscription(step, subject, one)

    def _fields(self, subject: Subject) -> Iterator[_Sending]:
        if not (subject.changes or subject.creates):
            return
        if subject.creates and not planning.fields_come_first(self._desk) and self._none_was_taken(subject):
            return  # nobody is stored there whose subscription was refused
        values = {change.key: change.new for change in subject.changes}
        item = Item(self._next(), subject.person, subject.record_id, values, numbers=self._desk.numbers & values.keys())
        yield _Sending(subject, item, tuple(subject.changes))

    def _none_was_taken(self, subject: Subject) -> bool:
        asked = [one for one in subject.subscriptions if one.action is Action.SUBSCRIBE]
        return bool(asked) and not any((subject.key, one.target.id) in self._added for one in asked)

    def _is_of(self, step: Step, one: Subscription, subject: Subject) -> bool:
        """Say whether a step has a part of a subscription to send."""
        if one.action is Action.UNSUBSCRIBE:
            return (step is Step.UNLIST and bool(one.lists)) or (step is Step.WITHDRAW and one.from_target)
        has_fields = bool(subject.changes or subject.creates)
        if planning.fields_come_first(self._desk) and has_fields and not subject.fields_taken:
            return False
        if one.action is Action.SUBSCRIBE:
            if step is Step.CONSENT:
                return True
            done = (subject.key, one.target.id) in self._added
            return step is Step.LISTS and bool(one.lists) and done
        if one.action is not Action.ADD_TO_LIST or step is not Step.LISTS:
            return False
        # Two consents may lead to one subscription, and each to a list of its own: nobody is listed who was refused.
        first = any(
            other.action is Action.SUBSCRIBE and other.target.id == one.target.id for other in subject.subscriptions
        )
        return not first or (subject.key, one.target.id) in self._added

    def _subscription(self, step: Step, subject: Subject, one: Subscription) -> _Sending:
        lists_apart = Step.LISTS in self._desk.crm.steps
        needs_lists = step in (Step.LISTS, Step.UNLIST) or (step is Step.CONSENT and not lists_apart)
        item = Item(
            self._next(),
            subject.person,
            subject.record_id or one.contact_id,
            target=one.target,
            consent=_consent(one.offer, one.confirms),
            lists=one.lists if needs_lists else (),
            wholly=one.wholly,
            confirms=one.confirms,
        )
        row, is_stored = self._rows.get(_name(subject, one)), True
        if row is None:
            is_stored = False
            [row] = self._desk.evidence.rows(
                self._desk.name,
                subject.person,
                one,
                contact_id=subject.record_id,
                read_at=looking.read_at(self._desk, subject),
            )
            if not lists_apart:
                row["lists_open"] = False
        last = not (step is Step.UNLIST and one.from_target)
        return _Sending(subject, item, (), one, row, is_stored, last=last)

    def _next(self) -> str:
        self._desk.items += 1
        return f"{self._desk.run.run_id}-{self._desk.items}"

    # --- one request ----------------------------------------------------------------------------------------------

    def _send(self, step: Step, sending: Sequence[_Sending]) -> None:
        desk, queue = self._desk, deque([list(sending)])
        while queue:
            batch = self._only_fresh(step, queue.popleft())
            if not batch:
                continue
            entries = self._store(step, batch)
            try:
                with self._kept_fresh(step, batch):
                    results = desk.crm.send(step, [one.item for one in batch])
            except PipelineError as error:
                self._failed(step, batch, entries, error, queue)
                continue
            desk.failures = 0
            again = self._record(step, batch, entries, results)
            if again:
                queue.append(again)

    def _only_fresh(self, step: Step, batch: Sequence[_Sending]) -> list[_Sending]:
        """Leave out whose state was read too long ago: they are looked at again, and nothing of them is sent before."""
        found = []
        for one in batch:
            if one.subject.stopped:
                continue
            if step in _NEED_LOOK and looking.age(self._desk, one.subject) > FRESH_SECONDS:
                one.subject.stopped = one.subject.stale = True
            else:
                found.append(one)
        return found

    @contextmanager
    def _kept_fresh(self, step: Step, batch: Sequence[_Sending]) -> Iterator[None]:
        """Keep requests from leaving as soon as a state in them is too old, whatever the client waits for."""
        http, desk = self._desk.http, self._desk
        if http is None or step not in _NEED_LOOK:
            yield
            return
        before = http.guard
        http.guard = lambda: all(looking.age(desk, one.subject) <= FRESH_SECONDS for one in batch)
        try:
            yield
        finally:
            http.guard = before

    def _store(self, step: Step, batch: Sequence[_Sending]) -> dict[str, OutboxEntry]:
        """Store a request before it leaves, with its evidence; returns its rows by item."""
        desk, run = self._desk, self._desk.run
        desk.sent += 1
        send_id = f"{run.run_id}-{desk.name}-{desk.sent}"
        rows = [one.row for one in batch if one.row is not None and not one.is_stored]
        call = looking.FIELDS if step is Step.FIELDS else step.value
        told: dict[str, list[str]] = {}  # a person may be in a request twice, for two targets
        proofs: dict[Any, Proof] = {}
        for one in batch:
            told.setdefault(one.subject.key, []).extend([one.evidence_id] if one.row is not None else [])
            ref, proof = desk.ref(one.subject.key), self._proof(one)
            proofs[ref] = proof if ref not in proofs or proofs[ref].held is None else proofs[ref]
        entries: dict[str, OutboxEntry] = {}
        for one in batch:
            ref, ids = desk.ref(one.subject.key), told[one.subject.key]
            said = {"item": one.item.id, **({"evidence": ids} if ids else {})}
            entries[one.item.id] = OutboxEntry(send_id, ref, run.run_id, call, None, one.changes, said)
        unique = list({entry.target: entry for entry in entries.values()}.values())
        with run.open() as db, db.transaction():
            outbox.enqueue(db, unique, proofs, at=run.now())
            evidence.insert(db, rows)
        if rows:
            desk.evidence.append(rows)  # on the disk before it leaves
        for one in batch:
            if one.row is not None:
                one.is_stored = True
                assert one.subscription is not None
                self._rows[_name(one.subject, one.subscription)] = one.row
        failpoint("stored")
        return entries

    def _proof(self, one: _Sending) -> Proof:
        """Say as what the person was read in this sync, and whether this may be written: the last check of all."""
        desk, subject = self._desk, one.subject
        evidence_ = {"read_at": looking.read_at(desk, subject).isoformat(), "record": subject.record_id}
        decision = subject.decision
        if subject.seen is None or decision is None:
            return Proof(evidence_, "was not looked at")
        if one.subscription is None:
            return Proof(evidence_, decision.held)
        state = subject.seen.standings[one.subscription.target].state.value
        allowed = one.subscription in decision.subscriptions and one.row is not None
        stale = looking.age(desk, subject) > FRESH_SECONDS + 1  # it was asked a moment ago
        return Proof({**evidence_, "state": state}, None if allowed and not stale else "may not be subscribed")

    def _failed(
        self,
        step: Step,
        batch: list[_Sending],
        entries: Mapping[str, OutboxEntry],
        error: PipelineError,
        queue: deque[list[_Sending]],
    ) -> None:
        """Record what a request means that brought no answer about its items; raises where the CRM cannot go on."""
        desk = self._desk
        if isinstance(error, Refused):
            desk.failures = 0
            if len(batch) == 1:
                refused = Result(Ended.REJECTED, code=error.code, http_status=error.http_status)
                if again := self._record(step, batch, entries, {batch[0].item.id: refused}):
                    queue.append(again)
                return
            self._not_sent(entries)
            middle = (len(batch) + 1) // 2
            queue.extend((batch[:middle], batch[middle:]))
            return
        never_left = isinstance(error, NotSent) or (isinstance(error, KeptBack) and not error.tried)
        nothing_done = never_left or isinstance(error, BadKey | BadSettings) or error.http_status == _BUSY
        if nothing_done:
            self._not_sent(entries)
            # Of a subscription whose lists alone were not to be had, the subscription itself stands.
            not_done = [one for one in batch if one.row is not None and not _was_accepted(step, one)]
            self._settle_evidence(not_done, Outcome.NOT_DONE)
            for one in batch:
                one.subject.stopped = one.subject.stale = True
            if not isinstance(error, KeptBack):
                raise error
            return
        self._unknown(batch)
        desk.failures += 1
        if desk.failures >= MOST_FAILURES:
            raise error

    def _not_sent(self, entries: Mapping[str, OutboxEntry]) -> None:
        with self._desk.run.open() as db, db.transaction():
            for send_id in {entry.send_id for entry in entries.values()}:
                outbox.record_not_sent(db, send_id)

    def _settle_evidence(self, sending: Sequence[_Sending], outcome: Outcome) -> None:
        settled = [evidence.Settled(one.evidence_id, outcome) for one in sending]
        at = self._desk.run.now()
        with self._desk.run.open() as db, db.transaction():
            evidence.record(db, settled, at)
        self._desk.evidence.append_outcomes(settled, at)
        for one in sending:
            assert one.subscription is not None
            self._rows.pop(_name(one.subject, one.subscription), None)

    def _unknown(self, sending: Sequence[_Sending]) -> None:
        for one in sending:
            one.subject.ends.add(UNKNOWN)
            one.subject.stopped = True

    # --- its answer -----------------------------------------------------------------------------------------------

    def _record(
        self,
        step: Step,
        batch: Sequence[_Sending],
        entries: Mapping[str, OutboxEntry],
        results: Mapping[str, Result],
    ) -> list[_Sending]:
        """Record an answer: ledger and evidence in one transaction; returns what is to be sent again."""
        found = [(one, results.get(one.item.id, Result(Ended.UNKNOWN))) for one in batch]
        told = _Told(self._desk, step, entries)
        again: list[_Sending] = []
        undo: list[_Sending] = []
        for one, result in found:
            ended = result.ended
            one.tries += 1
            if ended is Ended.LOCKED and one.tries >= MOST_LOCKED:
                result = Result(Ended.REJECTED, code=result.code or codes.LOCKED, http_status=result.http_status)
                ended = Ended.REJECTED
            if ended in (Ended.NOT_DONE, Ended.LOCKED):
                told.not_done(one)
                again.append(one)
            elif ended is Ended.ACCEPTED:
                told.accepted(one, result)
                self._note_added(step, one)
            elif ended is Ended.TAKEN:
                told.taken(one)
                self._note_added(step, one)
            elif ended is Ended.REJECTED and self._is_gone(step, one, result):
                told.not_done(one)
                one.subject.notes.add(GONE)
                looking.note(self._desk.part, [GONE])
                one.subject.stopped = True
            elif ended is Ended.REJECTED:
                told.rejected(one, result)
            elif ended is Ended.EXISTS:
                told.not_done(one, evidence_too=True)
                one.subject.stopped = True
            elif ended is Ended.OPTED_OUT:
                told.opted_out(one)
                undo.append(one)
            else:
                self._unknown([one])
        told.store()
        failpoint("recorded")
        for one in undo:
            self._undo(one)
        return again

    def _note_added(self, step: Step, one: _Sending) -> None:
        if step is Step.CONSENT and one.subscription is not None:
            self._added.add((one.subject.key, one.subscription.target.id))

    def _is_gone(self, step: Step, one: _Sending, result: Result) -> bool:
        """Say whether a record went between the look and the write: then it is looked for again, once."""
        is_update = step is Step.FIELDS and one.item.record_id is not None
        return is_update and result.http_status in _NOT_THERE and GONE not in one.subject.notes

    def _undo(self, one: _Sending) -> None:
        """Unsubscribe at once whom a subscription has taken back from an opt-out that the look had not shown (7.10)."""
        made, subject = one.subscription, one.subject
        assert made is not None
        assert subject.decision is not None
        subject.notes.add(UNDONE)
        looking.note(self._desk.part, [UNDONE])
        undone = replace(made, action=Action.UNSUBSCRIBE, also=(), lists=(), from_target=True, wholly=False)
        subject.subscriptions = [other for other in subject.subscriptions if other.target.id != made.target.id]
        subject.decision = replace(subject.decision, subscriptions=(*subject.decision.subscriptions, undone))
        sending = self._subscription(Step.WITHDRAW, subject, undone)
        [request] = self._desk.crm.requests(Step.WITHDRAW, [sending.item])
        assert [item.id for item in request] == [sending.item.id]
        self._send(Step.WITHDRAW, [sending])


def _was_accepted(step: Step, one: _Sending) -> bool:
    """Say whether a request is about the lists of a subscription that was accepted before."""
    return step is Step.LISTS and one.subscription is not None and one.subscription.action is Action.SUBSCRIBE


class _Told:
    """Collects what one answer says, and stores it in one transaction."""

    def __init__(self, desk: Desk, step: Step, entries: Mapping[str, OutboxEntry]) -> None:
        self._desk, self._step, self._entries = desk, step, entries
        self._at: datetime = desk.run.now()
        self._accepted: list[OutboxEntry] = []
        self._without_effect: list[OutboxEntry] = []
        self._settled: list[evidence.Settled] = []
        self._rows: list[dict[str, Any]] = []
        self._records: list[tuple[Subject, str | None]] = []
        self._no_rejects: list[tuple[str, str]] = []
        self._later: list[Callable[[Db], None]] = []

    def accepted(self, one: _Sending, result: Result) -> None:
        self._accepted.append(self._entries[one.item.id])
        subject, made = one.subject, one.subscription
        if made is None:
            subject.ends.add(ACCEPTED)
            subject.fields_taken = True
            if result.record_id:
                subject.record_id = result.record_id
                self._records.append((subject, result.record_id))
            return
        if not one.last:
            return
        subject.ends.add(ACCEPTED)
        self._no_rejects.append((subject.key, made.target.id))
        lists_open = self._step is Step.CONSENT and bool(made.lists) and Step.LISTS in self._desk.crm.steps
        outcome = Outcome.AWAITING if self._step is Step.CONSENT and made.confirms else Outcome.ACCEPTED
        self._settle(one, outcome, lists_open=lists_open)
        if self._step is Step.LISTS:  # also what an earlier subscription had left open
            self._settled += [
                evidence.Settled(act.evidence_id, act.outcome, act.code, False)
                for act in subject.acts
                if act.is_ours and act.lists_open and act.target == made.target.id
                and set(act.lists) <= set(made.lists)
            ]  # fmt: skip
        if self._step is not Step.LISTS or made.action is Action.ADD_TO_LIST:
            self._spend_others(one)

    def taken(self, one: _Sending) -> None:
        """Note what will be done, and is to be looked for; where people must confirm, nothing can be seen of it."""
        made = one.subscription
        if made is not None and made.confirms and self._step is Step.CONSENT:
            self._accepted.append(self._entries[one.item.id])
            one.subject.ends.add(ACCEPTED)
            self._settle(one, Outcome.AWAITING)
            self._no_rejects.append((one.subject.key, made.target.id))
            self._spend_others(one)
        else:
            one.subject.ends.add(UNKNOWN)

    def rejected(self, one: _Sending, result: Result) -> None:
        entry, made = self._entries[one.item.id], one.subscription
        code, status = result.code, result.http_status
        if not one.last:  # a list that refuses to let somebody go holds up nothing: the subscription is undone next
            self._without_effect.append(entry)
            return
        one.subject.ends.add(REJECTED)

        def fields(db: Db) -> None:
            record_rejected(db, entry, code=code, http_status=status, at=self._at)
            record_refused(db, entry, at=self._at)

        def subscription(db: Db) -> None:
            assert made is not None
            record_refused(db, entry, at=self._at)
            if code not in FINAL_CODES:
                reject(db, self._desk, one.subject, made.target, asked_as(made.action, made.offer), code, status)

        if made is None:
            self._later.append(fields)
            return
        self._later.append(subscription)
        if self._step is Step.LISTS and made.action is Action.SUBSCRIBE:  # the subscription itself stands
            self._settle(one, Outcome.ACCEPTED, code=code, lists_open=True)
        else:
            self._settle(one, Outcome.REJECTED, code=code)

    def not_done(self, one: _Sending, *, evidence_too: bool = False) -> None:
        self._without_effect.append(self._entries[one.item.id])
        if evidence_too and one.row is not None:
            self._settle(one, Outcome.NOT_DONE)

    def opted_out(self, one: _Sending) -> None:
        self._accepted.append(self._entries[one.item.id])
        one.subject.ends.add(ACCEPTED)
        self._settle(one, Outcome.UNDONE)
        self._spend_others(one)

    def _settle(self, one: _Sending, outcome: Outcome, *, code: str | None = None, lists_open: bool = False) -> None:
        found = evidence.Settled(one.evidence_id, outcome, code, lists_open, one.subject.record_id)
        self._settled.append(found)

    def _spend_others(self, one: _Sending) -> None:
        assert one.subscription is not None
        self._rows += self._desk.evidence.further_rows(
            self._desk.name,
            one.subject.person,
            one.subscription,
            contact_id=one.subject.record_id,
            read_at=looking.read_at(self._desk, one.subject),
        )

    def store(self) -> None:
        """Store it all, then write the lines of the evidence file."""
        desk, at = self._desk, self._at
        with desk.run.open() as db, db.transaction():
            if self._accepted:
                ledger.record_accepted(db, self._accepted, at=at)
            if self._without_effect:
                outbox.record_without_effect(db, self._without_effect, "not applied", at=at)
            for write_it in self._later:
                write_it(db)
            evidence.record(db, self._settled, at)
            evidence.insert(db, self._rows)
            forget_rejects(db, desk.name, self._no_rejects)
            looking.note_records(desk, db, self._records)
        desk.evidence.append(self._rows, durable=False)
        desk.evidence.append_outcomes(self._settled, at)


# --- subscriptions that were refused ------------------------------------------------------------------------------


def reject(
    db: Db, desk: Desk, subject: Subject, target: Target, asked: str, code: str | None, http_status: int | None
) -> None:
    """Record that a subscription was refused: tried again at the next sync, then after growing gaps up to a day."""
    at = desk.run.now()
    before = db.row(
        "select asked, attempts, first_at from synced.subscription_rejects where crm = ? and key = ? and target = ?",
        [desk.name, subject.key, target.id],
    )
    attempts, first_at = (before[1] + 1, before[2]) if before and before[0] == asked else (1, at)
    db.execute(
        "insert or replace into synced.subscription_rejects values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(desk.name, subject.key, target.id, asked, code or codes.NO_CODE, http_status, attempts, first_at, at),
            at + gap_after(attempts),
        ],
    )


def forget_rejects(db: Db, crm: str, done: Sequence[tuple[str, str]]) -> None:
    """Forget refused subscriptions: person's key and target of each."""
    if done and db.row("select 1 from synced.subscription_rejects where crm = ? limit 1", [crm]):
        with db.batch({"key": [one[0] for one in done], "target": [one[1] for one in done]}) as batch:
            db.execute(
                f"""delete from synced.subscription_rejects
                    where crm = ? and (key, target) in (select (key, target) from {batch})""",
                [crm],
            )


# --- what a CRM is told of a consent ------------------------------------------------------------------------------


def _consent(offer: Offer, confirms: bool) -> Consent:
    """Return the texts of a consent (7.9); with a time where the subscription is to start no welcome flow (7.13)."""
    name = f" ({offer.consent_name})" if offer.consent_name else ""
    source = f"SoPost consent {offer.consent_id}{name} for {offer.data_handler}"
    historical = offer.imported and not confirms and offer.earliest_at is not None
    at = offer.earliest_at.replace(tzinfo=UTC) if historical and offer.earliest_at is not None else None
    return Consent(source, f"{source}, order {offer.short_id or offer.order_id}", at)
