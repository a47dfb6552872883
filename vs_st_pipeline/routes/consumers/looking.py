"""Loads people, looks at them at one CRM, and settles what was not known of them, before anything is decided.

Data flow: due people -> Consumer and what was done before (`Subject`) -> `Crm.look` -> raw.<crm>_*, settled outcomes.

Whoever has no consent here, and whom nothing was done for, is not asked about (consumers.md 7.3).

It is long because what is remembered of a person is loaded, and corrected by a look, in one place.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from vs_st_pipeline.domain.crm import Crm, CrmRecord, Seen, Setup, Sought, State, Target, TargetInfo
from vs_st_pipeline.domain.diff import LedgerEntry, is_normalized_form
from vs_st_pipeline.domain.emails import person_key
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.domain.plan import Change, Wanted
from vs_st_pipeline.domain.records import LARGEST_GAP
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.platform.cpu_slots import releasing
from vs_st_pipeline.platform.http.client import HttpClient
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger, outbox
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import key_columns
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry
from vs_st_pipeline.platform.warehouse.retries import Rejected
from vs_st_pipeline.platform.warehouse.streams import Stream
from vs_st_pipeline.routes.consumers import evidence, judging
from vs_st_pipeline.routes.consumers.consumers import Consumer
from vs_st_pipeline.routes.consumers.judging import Act, Decision, Known, Outcome, Rules, Subscription
from vs_st_pipeline.routes.consumers.report import CrmPart
from vs_st_pipeline.routes.consumers.words import SOURCES

OBJECT: Final = "consumer"
FIELDS: Final = "fields"  # the outbox's word for a request that writes a record
MOST_UNTOLD: Final = 5  # people without an answer, and nobody with one: then the system is in trouble
ACCEPTED, REJECTED, UNKNOWN = "accepted", "rejected", "unknown"


@dataclass(slots=True)
class Desk:
    """What the steps of one CRM's part of a sync share.

    Attributes:
        stream: where the CRM's records stand in `raw`.
        targets: that exist; setup: what the account has.
        load: returns consumers as this CRM is to know them, by address keys.
        wanted: returns the values that a consumer's record should have, and notes.
        writes: whether anything is sent; a dry run looks and plans alone.
        http: whose requests can be kept from leaving; None: nothing can.
        monotonic, sleep: the machine's clock, and waiting; others in tests.
        is_open: what the account has was read. told: an answer said something of somebody.
        sent: how many requests were stored, which names the next one.
    """

    run: Run
    crm: Crm
    part: CrmPart
    rules: Rules
    setup: Setup
    stream: Stream
    field_map: FieldMap
    load: Callable[[Db, Collection[str]], Sequence[Consumer]]
    wanted: Callable[[Consumer], tuple[list[Wanted], set[str]]]
    evidence: evidence.Book
    writes: bool = True
    is_open: bool = True
    told: bool = False
    http: HttpClient | None = None
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = releasing(time.sleep)
    sent: int = 0
    items: int = 0
    failures: int = 0

    @property
    def name(self) -> str:
        return self.crm.name

    @property
    def targets(self) -> list[Target]:
        return [target for target, info in self.setup.targets.items() if info.missing is None]

    @property
    def infos(self) -> Mapping[Target, TargetInfo]:
        return self.setup.targets

    @property
    def asked_fields(self) -> list[str]:
        """Return the fields to be read with a record: those of the map that the CRM has."""
        names = dict.fromkeys(row.to for row in self.field_map.fields)
        return [name for name in names if self.setup.fields is None or name in self.setup.fields]

    @property
    def numbers(self) -> frozenset[str]:
        """Return the fields whose values are numbers; a text that looks like one (an order's short id) is none."""
        return frozenset(
            row.to for row in self.field_map.fields if row.source and SOURCES.type_of(row.source) == "number"
        )

    def ref(self, key: str) -> Ref:
        return Ref(self.name, OBJECT, key)


@dataclass(slots=True)
class Subject:
    """One person under way at one CRM.

    Attributes:
        accepted: the ledger by field. written: it has an entry at all: the person was written before.
        rejected: a refusal of fields. open_writes: sent, with no outcome known.
        last_order_at: newest order of the last accepted plan.
        seen, decision, changes: as soon as they were looked at, judged and compared.
        record_id: of the record, as soon as it is known.
        ends: what became of the parts of this person's plan in this chunk.
        waits: a refusal waits for its next try. stopped: nothing more is sent of the person before another look; stale:
            because the last one is too long ago.
        fields_taken: the record was accepted. done: all that was planned was sent.
    """

    consumer: Consumer
    acts: list[Act] = field(default_factory=list)
    known: Known = field(default_factory=Known)
    accepted: dict[str, LedgerEntry] = field(default_factory=dict)
    rejected: Rejected | None = None
    open_writes: list[OutboxEntry] = field(default_factory=list)
    last_order_at: datetime | None = None
    seen: Seen | None = None
    decision: Decision | None = None
    changes: list[Change] = field(default_factory=list)
    creates: bool = False
    notes: set[str] = field(default_factory=set)
    learned: list[tuple[str, str, str]] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    record_id: str | None = None
    ends: set[str] = field(default_factory=set)
    waits: bool = False
    stopped: bool = False
    stale: bool = False
    fields_taken: bool = False
    done: bool = False

    @property
    def person(self) -> Sought:
        return self.consumer.person

    @property
    def key(self) -> str:
        return self.consumer.person.key


# --- loading ------------------------------------------------------------------------------------------------------


def load(desk: Desk, db: Db, email_keys: Collection[str]) -> list[Subject]:
    """Return these people with all that is remembered of them, in the order given."""
    found = {one.person.email_key: one for one in desk.load(db, email_keys)}
    consumers = [found.get(name) or _nobody(name) for name in email_keys]
    keys = [one.person.key for one in consumers]
    refs = [desk.ref(key) for key in keys]
    acts = evidence.acts_of(db, desk.name, keys)
    accepted = ledger.read_accepted(db, refs)
    with db.batch({"key": sorted(set(keys))}) as batch:
        known = {
            row[0]: row[1:]
            for row in db.rows(
                f"select key, record_id, deleted_at, last_order_at from synced.consumers "
                f"semi join {batch} using (key) where crm = ?",
                [desk.name],
            )
        }
        rejected = {
            row[0]: Rejected(*row[1:])
            for row in db.rows(
                f"""select id, changes_hash, code, attempts, first_at, next_at from synced.rejects
                    where system = ? and object = ? and id in (select key from {batch})""",
                [desk.name, OBJECT],
            )
        }
        now = desk.run.now()
        waits: dict[str, dict[str, str]] = {}
        for key, target, asked in db.rows(
            f"""select key, target, asked from synced.subscription_rejects semi join {batch} using (key)
                where crm = $crm and next_at > $now and next_at <= $last""",
            {"crm": desk.name, "now": now, "last": now + LARGEST_GAP},
        ):
            waits.setdefault(key, {})[target] = asked
    open_writes = _open_writes(desk, db, set(keys))
    subjects = []
    for consumer, ref in zip(consumers, refs, strict=True):
        key = consumer.person.key
        record_id, deleted_at, last_order_at = known.get(key, (None, None, None))
        consumer = replace(consumer, person=replace(consumer.person, record_id=None if deleted_at else record_id))
        subjects.append(
            Subject(
                consumer,
                acts.get(key, []),
                Known(record_id, deleted_at, waits.get(key, {})),
                accepted.get(ref, {}),
                rejected.get(key),
                open_writes.get(key, []),
                last_order_at,
            )
        )
    return subjects


def _nobody(email_key: str) -> Consumer:
    """Return somebody of whom no order is stored, such as after the database was lost."""
    return Consumer(Sought(person_key(email_key), email_key, email_key), {})


def _open_writes(desk: Desk, db: Db, keys: set[str]) -> dict[str, list[OutboxEntry]]:
    if not db.row("select 1 from synced.writes where outcome is null limit 1"):
        return {}
    found: dict[str, list[OutboxEntry]] = {}
    for entries in outbox.read_open(db).values():
        for entry in entries:
            if entry.target.system == desk.name and entry.target.id in keys:
                found.setdefault(entry.target.id, []).append(entry)
    return found


def is_to_look_at(desk: Desk, subject: Subject) -> bool:
    """Say whether the CRM is asked about a person at all."""
    if subject.open_writes or any(act.outcome is Outcome.UNKNOWN for act in subject.acts):
        return True
    if judging.is_rehearsed(subject.consumer, desk.rules):
        return False
    if judging.may_owe_undoing(subject.consumer, subject.acts, desk.rules):
        return True
    if desk.rules.records_all or judging.has_consent(subject.consumer, subject.acts):
        return True
    return bool(values_to_take_back(desk, subject))


def values_to_take_back(desk: Desk, subject: Subject) -> list[Wanted]:
    """Return what is no longer true of somebody whom we wrote before, and who has no consent any more (7.3).

    Once: what was accepted as it is wanted now is left alone, whatever stands there.
    """
    if not subject.accepted or subject.known.record_id is None:
        return []
    wanted, _ = desk.wanted(subject.consumer)
    return [
        one for one in wanted
        if one.policy == "mirror" and (entry := subject.accepted.get(one.field)) is not None and entry.sent != one.value
    ]  # fmt: skip


# --- looking ------------------------------------------------------------------------------------------------------


def look(desk: Desk, subjects: Sequence[Subject]) -> list[Subject]:
    """Look at people; returns those of whom the answer says something.

    Raises:
        BadAnswer: it says nothing of anybody, and no answer of this sync did, or of several people at once.
    """
    targets = desk.targets
    found = desk.crm.look([one.person for one in subjects], targets, desk.asked_fields)
    told = []
    for subject in subjects:
        seen = found.get(subject.key)
        if seen is None or any(target not in seen.standings for target in targets):
            continue
        subject.seen = seen
        subject.record_id = seen.record.id if seen.record is not None else None
        told.append(subject)
    desk.told = desk.told or bool(told)
    # A few of many whom no answer covers stop nobody (routes.md R40).
    if subjects and not told and (len(subjects) >= MOST_UNTOLD or not desk.told):
        raise BadAnswer("The answer says nothing of anybody who was asked for", system=desk.name, call="look")
    return told


def store(desk: Desk, db: Db, subjects: Iterable[Subject]) -> None:
    """Store what records say, and which record a person has, inside the caller's transaction."""
    at, run_id = desk.run.now(), desk.run.run_id
    with_record = [one for one in subjects if one.seen is not None and one.seen.record is not None]
    rows = [(one, one.seen.record) for one in with_record if one.seen and one.seen.record]
    bodies = {record.id: (one, record) for one, record in rows}
    columns: dict[str, list[Any]] = {
        **key_columns(Ref(desk.name, desk.stream.name, name) for name in bodies),
        "email_key": [one.person.email_key for one, _ in bodies.values()],
        "body": [msgspec.json.encode(record.body).decode() for _, record in bodies.values()],
    }
    with db.batch(columns) as batch:
        db.execute(
            f"""insert or replace into {desk.stream.table} by name
                select *, $at::timestamp as read_at, $run as read_run from {batch}""",
            {"at": at, "run": run_id},
        )
    if desk.writes:
        note_records(desk, db, [(one, record.id) for one, record in rows])


def note_records(desk: Desk, db: Db, found: Sequence[tuple[Subject, str | None]]) -> None:
    """Remember which record people have, inside the caller's transaction."""
    changed = [
        (one, record_id)
        for one, record_id in found
        if record_id is not None and (one.known.record_id != record_id or one.known.deleted_at is not None)
    ]
    if not changed:
        return
    columns = {
        "key": [one.key for one, _ in changed],
        "email_key": [one.person.email_key for one, _ in changed],
        "record_id": [record_id for _, record_id in changed],
    }
    with db.batch(columns) as batch:
        db.execute(
            f"""insert or replace into synced.consumers by name
                select $crm as crm, b.key, b.email_key, b.record_id, $at::timestamp as known_at,
                       cast(null as timestamp) as deleted_at, c.last_order_at
                from {batch} as b left join synced.consumers as c on c.crm = $crm and c.key = b.key""",
            {"crm": desk.name, "at": desk.run.now()},
        )
    for one, record_id in changed:
        one.known = replace(one.known, record_id=record_id, deleted_at=None)


def note_deleted(desk: Desk, db: Db, subjects: Iterable[Subject]) -> None:
    """Remember that records are gone, since now, inside the caller's transaction."""
    lost = [one for one in subjects if one.known.deleted_at is None]
    if not lost:
        return
    with db.batch({"key": [one.key for one in lost], "email_key": [one.person.email_key for one in lost]}) as batch:
        db.execute(
            f"""insert or replace into synced.consumers by name
                select $crm as crm, b.key, b.email_key, cast(null as varchar) as record_id,
                       $at::timestamp as known_at, $at::timestamp as deleted_at, c.last_order_at
                from {batch} as b left join synced.consumers as c on c.crm = $crm and c.key = b.key""",
            {"crm": desk.name, "at": desk.run.now()},
        )


# --- settling what was not known ----------------------------------------------------------------------------------


def settle(
    desk: Desk, db: Db, subjects: Sequence[Subject], *, waits_for_fields: bool = False
) -> list[evidence.Settled]:
    """Settle by this look what had no outcome, inside the caller's transaction; returns what became of evidence.

    The caller writes that into the evidence file after its commit.

    Args:
        waits_for_fields: fields that do not show yet stay open: nothing more is sent of the person before another look.
    """
    at = desk.run.now()
    settled: list[evidence.Settled] = []
    reread: list[Subject] = []
    accepted: list[OutboxEntry] = []
    without_effect: list[OutboxEntry] = []
    for subject in subjects:
        settled += _settle_acts(desk, subject, at)
        if subject.open_writes and desk.writes:
            _settle_writes(subject, accepted, without_effect, waits_for_fields)
            reread.append(subject)
    if not desk.writes:
        return []
    evidence.record(db, settled, at)
    if without_effect:
        outbox.record_without_effect(db, without_effect, "not applied", at=at)
    for batch in _each_once(accepted):
        ledger.record_accepted(db, batch, at=at)
    if reread:
        entries = ledger.read_accepted(db, [desk.ref(one.key) for one in reread])
        for subject in reread:
            subject.accepted = entries.get(desk.ref(subject.key), {})
    return settled


def _each_once(entries: Iterable[OutboxEntry]) -> list[list[OutboxEntry]]:
    """Return them in batches, oldest first, none of which has a record twice."""
    batches: list[list[OutboxEntry]] = []
    places: Counter[Ref] = Counter()
    for entry in entries:
        if places[entry.target] == len(batches):
            batches.append([])
        batches[places[entry.target]].append(entry)
        places[entry.target] += 1
    return batches


def _settle_acts(desk: Desk, subject: Subject, at: datetime) -> list[evidence.Settled]:
    assert subject.seen is not None
    targets = {target.id: target for target in desk.targets}
    found = []
    for index, act in enumerate(subject.acts):
        target = targets.get(act.target)
        if target is None:  # it is no more, so nothing of ours can show there
            if act.outcome is Outcome.UNKNOWN and at - act.sent_at >= judging.SENT_AGAIN_AFTER:
                found.append(evidence.Settled(act.evidence_id, Outcome.NOT_DONE))
                subject.acts[index] = replace(act, outcome=Outcome.NOT_DONE)
            continue
        standing = subject.seen.standings[target]
        there = standing.state is State.SUBSCRIBED and not (not target.lists and target.id in standing.missing)
        result: tuple[Outcome, str | None, bool] | None = None
        if act.outcome is Outcome.UNKNOWN:
            confirms = desk.infos[target].confirms
            result = judging.settle(act, standing, target, confirms=confirms, rules=desk.rules, now=at)
        elif act.outcome is Outcome.AWAITING and there:
            result = Outcome.ACCEPTED, None, False
        elif act.is_ours and act.lists_open and there and not set(act.lists) & set(standing.missing):
            result = act.outcome, act.code, False
        if result is None:
            continue
        outcome, code, lists_open = result
        found.append(evidence.Settled(act.evidence_id, outcome, code, lists_open, subject.record_id))
        if act.outcome is Outcome.UNKNOWN and outcome in (Outcome.ACCEPTED, Outcome.AWAITING):
            subject.ends.add(ACCEPTED)
        elif act.outcome is Outcome.UNKNOWN and outcome is Outcome.REJECTED:
            subject.ends.add(REJECTED)
        subject.acts[index] = replace(act, outcome=outcome, code=code, lists_open=lists_open)
    return found


def _settle_writes(
    subject: Subject, accepted: list[OutboxEntry], without_effect: list[OutboxEntry], waits_for_fields: bool
) -> None:
    """Tell apart what was done of the requests: fields by what stands there, subscriptions by their evidence."""
    assert subject.seen is not None
    record = subject.seen.record
    unknown = {act.evidence_id for act in subject.acts if act.outcome is Outcome.UNKNOWN}
    done = {act.evidence_id for act in subject.acts if act.outcome in (Outcome.ACCEPTED, Outcome.AWAITING)}
    left: list[OutboxEntry] = []
    for entry in subject.open_writes:
        if entry.call == FIELDS:
            if record is not None and all(_shows(record, change) for change in entry.changes):
                accepted.append(entry)
                subject.ends.add(ACCEPTED)
            else:
                (left if waits_for_fields else without_effect).append(entry)
        elif unknown.isdisjoint(ids := entry.evidence.get("evidence") or ()):
            (accepted if done.issuperset(ids) else without_effect).append(entry)
        else:
            left.append(entry)
    subject.open_writes = left


def _shows(record: CrmRecord, change: Change) -> bool:
    live = record.values.get(change.key, "")
    return live == change.new or (bool(change.new) and is_normalized_form(change.new, live))


def age(desk: Desk, subject: Subject) -> float:
    """Return how long ago a person was looked at, in seconds by the machine's clock."""
    return float("inf") if subject.seen is None else desk.monotonic() - subject.seen.at


def read_at(desk: Desk, subject: Subject) -> datetime:
    """Return when the person's state was read, as tables hold times."""
    return desk.run.now() - timedelta(seconds=max(0.0, min(age(desk, subject), 3600.0)))


def count_found(part: CrmPart, subjects: Iterable[Subject]) -> None:
    """Count the people whose record was found."""
    part.looked += sum(one.seen is not None and one.seen.record is not None for one in subjects)


def note(part: CrmPart, words: Iterable[str]) -> None:
    """Count notes, each once."""
    part.noted.update(Counter(set(words)))
