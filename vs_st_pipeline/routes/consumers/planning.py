"""Plans what one CRM is told of people who were just looked at: values, subscriptions, who is held, and why.

Data flow: Subject with what was seen -> Decision, changes -> planned.<crm>_consumers, planned.<crm>_subscriptions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vs_st_pipeline.domain.crm import Step
from vs_st_pipeline.domain.diff import compare
from vs_st_pipeline.domain.field_forms import MISSING_FIELD, OPTION_MISSING, TYPE_MISMATCH
from vs_st_pipeline.domain.plan import CANNOT_CLEAR, WAITING_RETRY, Change
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import key_columns
from vs_st_pipeline.platform.warehouse.retries import request_hash
from vs_st_pipeline.routes.consumers import judging, looking
from vs_st_pipeline.routes.consumers.judging import Action
from vs_st_pipeline.routes.consumers.looking import Desk, Subject
from vs_st_pipeline.routes.consumers.report import CrmPart
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES
from vs_st_pipeline.routes.consumers.words import WITHDRAWN

CREATE, UPDATE, SUBSCRIBE = "create", "update", "subscribe"
MOST_SOURCES: Final = 50  # orders that a change names
LASTING: Final = frozenset({MISSING_FIELD, OPTION_MISSING, TYPE_MISMATCH, CANNOT_CLEAR, WITHDRAWN})
"""Notes that are true until a later plan of the person says otherwise; they are counted in every sync."""


def plan(desk: Desk, subject: Subject) -> None:
    """Judge and compare one person who was looked at."""
    assert subject.seen is not None
    decision = judging.judge(subject.consumer, subject.seen, subject.acts, subject.known, desk.infos, desk.rules)
    subject.decision = decision
    subject.notes = set(decision.noted)
    subject.subscriptions = list(decision.subscriptions)
    subject.changes, subject.learned, subject.creates = [], [], False
    record = subject.seen.record
    if decision.fields:
        wanted, notes = desk.wanted(subject.consumer)
        subject.notes |= notes
        subject.creates = record is None and decision.creates
    elif judging.is_rehearsed(subject.consumer, desk.rules):
        return
    elif decision.without_consent and decision.held is None and record is not None:
        wanted = looking.values_to_take_back(desk, subject)
    else:
        return
    values: Mapping[str, str] = record.values if record is not None else {}
    # What was accepted of a record that is gone says nothing of the one that is made in its place.
    compared = compare(wanted, lambda _kind, key: values.get(key, ""), subject.accepted if record is not None else {})
    subject.notes |= compared.notes
    subject.learned = compared.learned if record is not None else []
    subject.changes = [_with_reasons(change, desk, subject) for change in compared.changes]
    refused = subject.rejected
    if refused is None or not (subject.changes or subject.creates):
        return
    if refused.waits_at(desk.run.now()) and refused.changes_hash == request_hash(subject.changes):
        subject.notes.add(WAITING_RETRY)
        subject.changes, subject.creates, subject.waits = [], False, True
        if fields_come_first(desk):
            quiet = (Action.UNSUBSCRIBE, Action.ALREADY)
            subject.subscriptions = [one for one in subject.subscriptions if one.action in quiet]


def fields_come_first(desk: Desk) -> bool:
    """Say whether a CRM takes a subscription only of somebody whose record it has accepted."""
    steps = list(desk.crm.steps)
    return Step.CONSENT not in steps or steps.index(Step.FIELDS) < steps.index(Step.CONSENT)


def _with_reasons(change: Change, desk: Desk, subject: Subject) -> Change:
    row = next((one for one in desk.field_map.fields if one.to == change.field), None)
    rule = "" if row is None else f"{row.source or 'a constant'}, {row.policy}, {desk.field_map.name} line {row.line}"
    orders = list(subject.consumer.orders)[:MOST_SOURCES]
    return Change(
        change.field, change.key, change.kind, change.policy, change.old, change.new, rule,
        f"sopost order {', '.join(orders)}" if orders else "",
    )  # fmt: skip


def action_of(subject: Subject) -> str | None:
    """Return the plan's word for what is done with a person: create, update, subscribe; None: nothing."""
    if subject.creates:
        return CREATE
    if subject.changes:
        return UPDATE
    return SUBSCRIBE if to_send(subject) else None


def to_send(subject: Subject) -> list[judging.Subscription]:
    """Return the subscriptions that need a request."""
    return [one for one in subject.subscriptions if one.action is not Action.ALREADY]


def count(part: CrmPart, subject: Subject) -> None:
    """Count one person's plan; a person is counted once in a sync."""
    decision = subject.decision
    assert decision is not None
    part.planned["without_consent"] += decision.without_consent
    if decision.held is not None:
        part.held[decision.held] += 1
    looking.note(part, subject.notes)
    count_written(part, subject)


def count_written(part: CrmPart, subject: Subject) -> None:
    """Count what is to be written of one person."""
    if action_of(subject) is not None:
        part.planned["consumers"] += 1
        part.planned["fields"] += len(subject.changes)
        part.planned["subscriptions"] += len(to_send(subject))


# --- the stored plan ----------------------------------------------------------------------------------------------


def store(desk: Desk, db: Db, subjects: Sequence[Subject]) -> None:
    """Store the plan of these people in place of their former one, inside the caller's transaction."""
    crm, run = desk.name, desk.run
    columns: dict[str, list[Any]] = {
        "key": [one.key for one in subjects],
        "email_key": [one.person.email_key for one in subjects],
        "contact_id": [one.record_id or one.known.record_id for one in subjects],
        "action": [action_of(one) for one in subjects],
        "held": [one.decision.held if one.decision else None for one in subjects],
        "held_consent": [one.decision.held_consent if one.decision else None for one in subjects],
        "noted": [json.dumps(sorted(one.notes)) for one in subjects],
        "without_consent": [bool(one.decision and one.decision.without_consent) for one in subjects],
        "changes": [json.dumps(_changes(one), ensure_ascii=False) for one in subjects],
    }
    with db.batch(columns, {"without_consent": "bool"}) as batch:
        db.execute(
            f"""insert or replace into planned.{crm}_consumers by name
                select *, $run as run_id, $at::timestamp as planned_at from {batch}""",
            {"run": run.run_id, "at": run.now()},
        )
        db.execute(f"delete from planned.{crm}_subscriptions where key in (select key from {batch})")
    rows = [
        (subject.key, offer.consent_id, offer.data_handler, offer.order_id, one.target.id, one.action.value)
        for subject in subjects
        for one in subject.subscriptions
        for offer in (one.offer,)
    ]
    unique = list({row[:3]: row for row in rows}.values())
    if unique:
        names = ("key", "consent_id", "data_handler", "order_id", "target", "action")
        with db.batch({name: [row[index] for row in unique] for index, name in enumerate(names)}) as batch:
            db.execute(
                f"insert into planned.{crm}_subscriptions by name select *, ? as run_id from {batch}", [run.run_id]
            )


def _changes(subject: Subject) -> list[dict[str, Any]]:
    return [{"field": one.field, "old": one.old, "new": one.new, "policy": one.policy} for one in subject.changes]


def observe(desk: Desk, db: Db, subjects: Sequence[Subject]) -> None:
    """Remember what the comparison proved of values, inside the caller's transaction."""
    rows = [(desk.ref(one.key), *learned) for one in subjects for learned in one.learned]
    if not rows:
        return
    refs = [row[0] for row in rows]
    with db.batch(
        {
            **key_columns(refs),
            "field": [row[1] for row in rows],
            "sent": [row[2] for row in rows],
            "stored": [row[3] for row in rows],
        }
    ) as batch:
        db.execute("delete from planned.learned")
        db.execute(f"insert into planned.learned by name select * from {batch}")
        ledger.record_observed(db, at=desk.run.now(), run_id=desk.run.run_id)
        db.execute("delete from planned.learned")


def lasting_notes(run: Run, db: Db, crm: str) -> Counter[str]:
    """Count notes that last, of people whom this run has not planned: also of those who wait for another try."""
    found: Counter[str] = Counter()
    for noted, people in db.rows(
        f"select noted, count(*) from planned.{crm}_consumers where run_id <> ? and noted <> '[]' group by 1",
        [run.run_id],
    ):
        for word in LASTING.intersection(json.loads(noted)):
            found[word] += people
    found[WAITING_RETRY] += int(
        db.value(
            f"""select count(*) from (
                    select id as key from synced.rejects
                    where system = $crm and object = $object and next_at > $now
                    union select key from synced.subscription_rejects where crm = $crm and next_at > $now)
                where key not in (select key from planned.{crm}_consumers where run_id = $run)""",
            {"crm": crm, "object": looking.OBJECT, "now": run.now(), "run": run.run_id},
        )
    )
    return +found


def planned_rows(run: Run, crms: Sequence[str]) -> list[dict[str, Any]]:
    """Return what this run planned, CRM by CRM, with addresses and values in full: for a person who asked for it."""
    with run.open() as db:
        return [_planned_at(db, crm, run.run_id) for crm in CRM_NAMES if crm in crms]


def _planned_at(db: Db, crm: str, run_id: str) -> dict[str, Any]:
    subscriptions: dict[str, list[dict[str, Any]]] = {}
    names = ("consent_id", "data_handler", "order_id", "target", "action")
    for key, *row in db.rows(
        f"select key, {', '.join(names)} from planned.{crm}_subscriptions where run_id = ? order by key, consent_id",
        [run_id],
    ):
        subscriptions.setdefault(key, []).append(dict(zip(names, row, strict=True)))
    found: dict[str, Any] = {"crm": crm, "consumers": [], "held": [], "noted": []}
    for key, email, contact_id, action, held, held_consent, noted, changes in db.rows(
        f"""select key, email_key, contact_id, action, held, held_consent, noted, changes
            from planned.{crm}_consumers where run_id = ? order by email_key""",
        [run_id],
    ):
        if action is not None:
            found["consumers"].append(
                {
                    "email": email,
                    "contact_id": contact_id,
                    "action": action,
                    "changes": json.loads(changes),
                    "subscriptions": subscriptions.get(key, []),
                }
            )
        if held is not None:
            found["held"].append({"email": email, "reason": held, "consent_id": held_consent})
        found["noted"] += [{"email": email, "reason": word} for word in json.loads(noted)]
    return found
