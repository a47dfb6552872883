"""Judges every notice by the sixteen rules (notices.md 5), and says which messages are due, in which order.

Data flow: staged.journey_events, notice_orders, recipients, consents, templates; the accounts' claims and pauses
-> rules -> planned.notices; what is dropped for good -> synced.notices.

A notice that was dropped for good, or may be out, is not looked at again: a sync without news judges what waits.

It is long because who is judged, when, and what is stored of it is one story.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.domain.errors import Interrupted, PipelineError
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import (
    accounts_seen,
    brake,
    gathering,
    ledger,
    phones,
    rules,
    sources_table,
    status_map,
    template_fit,
    terms,
)
from vs_st_pipeline.routes.notices.gathering import Candidate, Frame
from vs_st_pipeline.routes.notices.journey import Event, newest
from vs_st_pipeline.routes.notices.judged import AccountNow, Facts
from vs_st_pipeline.routes.notices.messages import Message
from vs_st_pipeline.routes.notices.planned import DROPPED, DUE, WAITING, Plan
from vs_st_pipeline.routes.notices.rendering import Rendered
from vs_st_pipeline.routes.notices.rules import Verdict
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.systems import ESHOPBOX
from vs_st_pipeline.routes.notices.terms import Terms
from vs_st_pipeline.routes.notices.words import Basis, Drop, MessageKind, Wait

__all__ = ["Verdict", "again", "again_all", "due", "plan", "turned_down"]

T = TypeVar("T")
READ_AGAIN: Final = timedelta(minutes=10)  # age of a read of Eshopbox after which an order is read before its claim
AT_ONCE: Final = 5_000  # notices that are looked at together
PHONES_READ_BY: Final = "phones_read_by"  # fact: the settings that phones were read by


def plan(session: NoticesSession) -> None:
    """Judge all notices; store `started_at`, the baseline and `enabled_since` where this is no dry run (5.1, 2.3)."""
    run, told = session.run, session.told
    enabled = _enabled(session)
    complete = sources_table.is_complete(session)
    with run.open() as db:
        terms.recover(db, run)
        now = terms.load(db, run, enabled, session.begun)
        with db.transaction():
            terms.store_start(db, run, now)
        if not now.has_baseline and complete:
            with db.transaction():
                terms.store_baseline(db, run)
            now = terms.load(db, run, enabled, session.begun)
        if not now.has_baseline:  # until the first read is complete nothing is due, and nothing is decided (5.1)
            with db.transaction():
                db.execute("delete from planned.notices")
            return
        _read_phones_anew(db, session)
        with db.transaction():
            now = terms.store_sources(db, run, now, sources_table.complete(session), session.begun)
            if run.merchant.has(EshopboxSettings):
                zone = run.merchant.section(EshopboxSettings).time_zone.key
                now = terms.store_zone(db, run, now, ESHOPBOX, zone, session.begun)
        made = _judge(db, session, now)
        with db.transaction():
            made.write(db)
            told.dropped, told.waits = ledger.verdicts(db, run)
            terms.store_enabled(db, run, now)  # this run has planned to its end (rulings 28)
    told.messages = made.due
    stale = made.orders_with(Wait.SOURCE_STALE)
    if stale and not run.dry_run:
        sources_table.hint(session, sorted(stale))


def due(session: NoticesSession) -> list[str]:
    """Return ids of the notices that are due, in the order of sending: failed deliveries, then the oldest."""
    with session.run.open() as db:
        return [
            row[0] for row in db.rows("select notice_id from planned.notices where verdict = ? order by seq", [DUE])
        ]


def again(session: NoticesSession, notice_id: str) -> Message | Verdict:
    """Judge one notice again, by all rules as of now, right before its claim; reads its order anew where 5.6 asks.

    Raises:
        PipelineError: the order could not be read.
    """
    found = again_all(session, [notice_id])[notice_id]
    if isinstance(found, PipelineError):
        raise found
    return found


def again_all(session: NoticesSession, notice_ids: Sequence[str]) -> dict[str, Message | Verdict | PipelineError]:
    """Judge several notices again, as `again` does; of each order the first alone, since it decides on the others.

    Returns:
        What each is, or why its order could not be read; by id, in the order that was given.
    """
    with session.run.open() as db:
        planned = {
            row[0]: row[1:]
            for row in db.rows(
                """select notice_id, merchant_order, source, read_at, read_real
                   from planned.notices left join staged.notice_orders using (merchant_order)
                   where verdict = $due and notice_id in (select unnest($these))""",
                {"due": DUE, "these": list(notice_ids)},
            )
        }
    told: dict[str, Message | Verdict | PipelineError] = {}
    orders: set[str] = set()
    for one in notice_ids:
        if one not in planned:  # the plan of this run lets it wait: what the brake holds, too
            told[one] = Verdict(Wait.TRY_LATER, 16, drops=False)
        elif planned[one][0] not in orders:
            orders.add(planned[one][0])
            told[one] = _read_again(session, *planned[one]) or Verdict(Drop.SUPERSEDED, 4, drops=True)
    left = [one for one, said in told.items() if isinstance(said, Verdict) and one in planned]
    if not left:
        return told
    account = accounts_seen.look(session)
    with session.run.open() as db:
        now = terms.load(db, session.run, _enabled(session), session.begun)
        frame = Frame.of(session, now)
        found = gathering.these(db, frame, left)  # without those that a read of this moment does not know any more
        gathering.units_of_hooks(db, frame, found)
        gathering.fill(db, session, frame, found, account, lambda order: accounts_seen.told(session, order))
    for candidate in found:
        verdict = rules.judge(candidate.facts)
        told[candidate.notice_id] = verdict if verdict is not None else _message(candidate, account)
    return told


def _read_again(
    session: NoticesSession, merchant_order: str, source: str | None, read_at: datetime | None, read_real: float | None
) -> PipelineError | None:
    """Read an order anew where 5.6 asks for it; returns why it could not be read."""
    if source is None or read_at is None or not _must_be_read(session, source, read_at, read_real):
        return None
    try:
        sources_table.read_again(session, merchant_order)
    except Interrupted:
        raise
    except PipelineError as error:
        return error
    return None


def turned_down(session: NoticesSession, notice_id: str, verdict: Verdict) -> None:
    """Note that a notice that was due does not go after all: in the plan, the ledger and the report."""
    with session.run.open() as db, db.transaction():
        db.execute(
            "update planned.notices set verdict = ?, reason = ?, rule = ?, until = ? where notice_id = ?",
            [DROPPED if verdict.drops else WAITING, verdict.reason, verdict.rule, verdict.until, notice_id],
        )
        moved = ledger.held(
            db, session.run, notice_id, verdict.reason, rule=verdict.rule, until=verdict.until, drops=verdict.drops
        )
    if moved:
        counts = session.told.dropped if verdict.drops else session.told.waits
        counts[verdict.reason] += 1


def _enabled(session: NoticesSession) -> list[str]:
    """Return the statuses that are announced now."""
    statuses = status_map.read(session.settings.statuses)
    return [key for key in statuses.announced if session.settings.enabled(key)]


def _judge(db: Db, session: NoticesSession, now: Terms) -> Plan:
    """Judge what is new or waits: first by the status alone, then, of what is left, by all that is known."""
    frame, made = Frame.of(session, now), Plan()
    found = gathering.candidates(db, frame, _enabled(session), session.only)
    gathering.units_of_hooks(db, frame, found)
    left: list[Candidate] = []
    for one in found:
        verdict = rules.judge(one.facts, rules.OF_THE_EVENT)
        if verdict is None:
            left.append(one)
        else:
            made.add(one, verdict)
    found.clear()
    account = accounts_seen.look(session)
    passing: list[brake.Passing] = []
    for some in _shares(left, lambda one: one.merchant_order):
        gathering.fill(db, session, frame, some, account)
        for one in some:
            verdict = rules.judge(one.facts, rules.REST)
            made.add(one, verdict)
            if verdict is None or verdict.rule >= rules.BRAKE_FROM:
                it = one.facts
                passing.append(brake.Passing(one.notice_id, it.recipient.phone or "", it.first_seen_at))
    made.hold(brake.ask(session, db, passing, _newly_read(db, frame)))
    _note_fits(db, session, account)
    return made


def _shares(all_of_them: list[T], of: Callable[[T], str]) -> Iterator[list[T]]:
    """Give a list in shares, each of which is forgotten when the next one is taken; one order's stay together."""
    all_of_them.sort(key=of, reverse=True)
    while all_of_them:
        some = all_of_them[-AT_ONCE:]
        del all_of_them[-AT_ONCE:]
        while all_of_them and of(all_of_them[-1]) == of(some[0]):
            some.insert(0, all_of_them.pop())
        yield some


def _newly_read(db: Db, frame: Frame) -> dict[str, Event]:
    """Return the newest status of each unit whose order was read since the brake looked last."""
    found: dict[str, Event] = {}
    for orders in _shares(brake.newly_read(db), lambda order: order):
        for events in gathering.events_of(db, frame, orders).values():
            units: dict[str, list[Event]] = {}
            for event in events:
                units.setdefault(event.unit_key, []).append(event)
            found |= {unit: now for unit, own in units.items() if (now := newest(own)) is not None}
    return found


def _must_be_read(session: NoticesSession, source: str, read_at: datetime, read_real: float | None) -> bool:
    """Say whether an order is read before its claim: the last read is over 10 min old, by either clock (5.6, R47)."""
    if source != ESHOPBOX:
        return False
    old = session.run.now() - read_at > READ_AGAIN
    return old or (read_real is not None and abs(time.time() - read_real) > READ_AGAIN.total_seconds())


def _message(found: Candidate, account: AccountNow) -> Message:
    """Return the message of a notice that is due."""
    it = found.facts
    if account.account is None or it.recipient.phone is None or it.wanted is None or it.template is None:
        raise AssertionError("the rules let pass what cannot be sent")
    if not isinstance(it.rendered, Rendered) or it.proof is None or it.order is None:
        raise AssertionError("the rules let pass what cannot be sent")
    return Message(
        found.notice_id,
        MessageKind.NOTICE,
        account.account,
        it.recipient.phone,
        it.rendered.text,
        template_id=it.wanted.id,
        category=it.template.category,
        params=[one.value for one in it.rendered.params],
        buttons=list(it.rendered.buttons),
        exempt=it.status in it.settings.cap.exempt,
        consent=it.proof.as_json(it.recipient.phone, account.account.id),
        unit_key=it.event.unit_key,
        status=it.status,
        occurrence=it.event.occurrence,
        occurred_at=it.event.occurred_at,
        occurred_to=_occurred_to(it),
        merchant_order=found.merchant_order,
        order_number=found.order_number,
        form=template_fit.form_of(it.wanted),
    )


def _occurred_to(it: Facts) -> datetime | None:
    """Return the moment by which a status had occurred: its newest own time, else when it was first seen."""
    event = it.event
    return it.first_seen_at if event.basis == Basis.BETWEEN else event.last_at


def _note_fits(db: Db, session: NoticesSession, account: AccountNow) -> None:
    """Say in staged.templates of each template that an enabled status wants whether it fits."""
    if account.account is None:
        return
    found: dict[str, tuple[bool, str | None]] = {}
    for status in _enabled(session):
        wanted = template_fit.wanted_by(session.settings, account.account, status)
        there = None if wanted is None else account.templates.get(wanted.id)
        if wanted is None or there is None:
            continue
        fit = template_fit.fit(there, wanted, session.settings, account.faults.get(wanted.id, ()))
        if found.get(wanted.id, (True, None))[0]:  # of several statuses that share one, the first fault is told
            found[wanted.id] = fit.fits, None if fit.fault is None else str(fit.fault)
    stored = {
        row[0]: (row[1], row[2])
        for row in db.rows(
            "select template_id, fit, fault from staged.templates where account = ?", [account.account.id]
        )
    }
    with db.transaction():
        for template_id, told in found.items():
            if template_id in stored and stored[template_id] != told:
                db.execute(
                    "update staged.templates set fit = ?, fault = ? where account = ? and template_id = ?",
                    [*told, account.account.id, template_id],
                )


def _read_phones_anew(db: Db, session: NoticesSession) -> None:
    """Read all phones anew where the settings have come to mean other ones: staging reads a phone once."""
    settings = session.settings
    by = json.dumps([sorted(settings.countries), settings.default_country])
    row = db.row("select value from synced.notice_facts where name = ?", [PHONES_READ_BY])
    if row is not None and row[0] == by:
        return
    with db.transaction():
        if row is not None:
            _read_phones(db, session)
        db.execute(
            "insert or replace into synced.notice_facts values (?, ?, ?)", [PHONES_READ_BY, by, session.run.now()]
        )


def _read_phones(db: Db, session: NoticesSession) -> None:
    rows = db.rows("select merchant_order, phone_raw, country from staged.recipients")
    found = [(row[0], phones.read(row[1], row[2], session.settings)) for row in rows]
    columns = {
        "merchant_order": [key for key, _ in found],
        "phone": [phone.number for _, phone in found],
        "fault": [None if phone.fault is None else str(phone.fault) for _, phone in found],
    }
    with db.batch(columns) as batch:
        db.execute(
            f"""update staged.recipients as r set phone = b.phone, phone_fault = b.fault from {batch} as b
                where b.merchant_order = r.merchant_order
                  and (r.phone, r.phone_fault) is distinct from (b.phone, b.fault)"""
        )
