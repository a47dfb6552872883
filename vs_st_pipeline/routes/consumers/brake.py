"""Refuses what a CRM is to be told where many people would be subscribed, unsubscribed or lose something by mistake.

Data flow: what is staged, evidence, ledger, a look at those who are known -> verdicts per CRM -> `pipeline.verdicts`.

Consumers.md 9: (a) another account, (b) most known records gone, (c) changed settings, (d) unsubscribing many, (e)
losing values. Judged before the first write at a CRM. New orders pass in any number. What cannot be tripped by what is
due now is not worked out, so an ordinary sync pays for nothing of this.

It is long because its five rules are one judgment of one CRM.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.domain.brake import FEWEST, LOSING_ABOVE, Verdict
from vs_st_pipeline.domain.crm import DELETED_THERE
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers import due, judging, looking
from vs_st_pipeline.routes.consumers.consumers import Consumer
from vs_st_pipeline.routes.consumers.looking import OBJECT, Desk, Subject
from vs_st_pipeline.routes.consumers.settings import records_all, targets_of

ACCOUNT, GONE, SETTINGS, WITHDRAWALS, LOSING = "account", "gone", "settings", "withdrawals", "losing"
MOST_PEOPLE: Final = 10
WITHDRAWN_ABOVE: Final = 5  # per cent of those we subscribed
_COUNT: Final = "consumer.order_count"  # the value that never falls by itself

Since = Mapping[str, str | None]
"""What the settings let happen, by name, and since when (ISO, UTC; None: since the first sync)."""


# --- what the settings let happen ---------------------------------------------------------------------------------


def note_settings(run: Run, crms: Sequence[str]) -> dict[str, Since]:
    """Note what is new in the settings, before anything is read; returns what they let happen at each CRM, since when.

    A CRM that is added later, or was away and is back, lets nothing happen before that. A dry run notes nothing.
    """
    found: dict[str, Since] = {}
    with run.open() as db, db.transaction():
        known = {row[0]: json.loads(row[1]) for row in db.rows("select crm, settings from synced.crm_settings")}
        new = run.now().isoformat() if known else None  # None: the first sync of all
        for crm in crms:
            before: dict[str, str | None] | None = known.get(crm)
            now = {name: (before or {}).get(name, new) for name in _lets(run.merchant, crm)}
            found[crm] = now
            if now != before and not run.dry_run:
                _keep_settings(db, crm, now)
        for crm in known.keys() - set(crms):
            if known[crm] and not run.dry_run:
                _keep_settings(db, crm, {})
    return found


def _keep_settings(db: Db, crm: str, now: Since) -> None:
    text = json.dumps(now, ensure_ascii=False, sort_keys=True)
    db.execute(
        """insert into synced.crm_settings (crm, settings) values ($crm, $text)
           on conflict do update set settings = excluded.settings""",
        {"crm": crm, "text": text},
    )


def _lets(merchant: Merchant, crm: str) -> list[str]:
    """Return what lets somebody be subscribed or stored at a CRM: consents with targets, words that mean yes."""
    sopost = merchant.section(SoPostSettings)
    found = [_pair(*entry.pair, _target(entry.target(crm))) for entry in targets_of(merchant, crm)]
    found += [_word(word) for word in sopost.consent_given]
    if sopost.consent_without_status == "given":
        found.append(_word(""))
    if records_all(merchant, crm):
        found.append("everybody")
    return sorted(set(found))


def _pair(consent_id: str, handler: str, target: str) -> str:
    return "consent " + json.dumps([loosely(consent_id), loosely(handler), target], ensure_ascii=False)


def _target(target: Any) -> str:
    return json.dumps([target.id, *target.lists]) if target is not None else ""


def _word(word: str) -> str:
    return f"word {loosely(word)}"


# --- the verdicts of one CRM --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """Counts of people, of those who are due."""

    by_settings: int = 0
    undone: int = 0
    losing: int = 0


@dataclass(slots=True)
class Judged:
    """What the brake says of one CRM.

    Attributes:
        account: behind the key now; None where that cannot be read. is_other: it is not the ledger's.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    account: str | None = None
    is_other: bool = False


def judge(desk: Desk, since: Since, read_now: Collection[str], only: Collection[str] | None = None) -> Judged:
    """Judge what is due at one CRM, before the first write there.

    Args:
        since: what the settings let happen (`note_settings`). read_now: ids of orders that this sync has read.
        only: address keys; None: everybody who is due.
    """
    title = desk.name
    found = Judged(account=desk.crm.account())
    with desk.run.open() as db:
        known = db.value("select account from synced.crm_accounts where crm = ?", [desk.name])
        subscribed, written = _count_subscribed(db, desk.name), _count_written(db, desk.name)
        checks = _checks(db, desk.name, since, written)
    if known is not None and found.account is not None and found.account != known:
        found.is_other = True
        found.verdicts.append(
            Verdict(title, ACCOUNT, 1, f"the key of {title} opens another account than the one that was written before")
        )
    people = _count(desk, since, frozenset(one.lower() for one in read_now), only) if checks else _Found()
    if people.by_settings > MOST_PEOPLE:
        said = (
            f"changed settings would subscribe or store {people.by_settings} people at {title} whose orders are older"
        )
        found.verdicts.append(Verdict(title, SETTINGS, people.by_settings, said))
    if people.undone > MOST_PEOPLE and people.undone * 100 > subscribed * WITHDRAWN_ABOVE:
        said = f"{people.undone} of {subscribed} people subscribed at {title} would be unsubscribed"
        found.verdicts.append(Verdict(title, WITHDRAWALS, people.undone, said))
    if written >= FEWEST and people.losing * 100 > written * LOSING_ABOVE:
        said = f"{people.losing} of {written} people written before at {title} would lose a value"
        found.verdicts.append(Verdict(title, LOSING, people.losing, said))
    if not found.is_other:  # of another account it says nothing
        found.verdicts += _judge_gone(desk, only)
    return found


def passed(desk: Desk, judged: Judged, since: Since) -> None:
    """Note what a CRM was judged by, once it may be written: also what a person let pass, who is not asked twice."""
    run, at = desk.run, desk.run.now()
    with run.open() as db, db.transaction():
        if any(one.rule == SETTINGS for one in judged.verdicts):
            _keep_settings(db, desk.name, dict.fromkeys(since))
        if judged.account is None:
            return
        if judged.is_other:  # what was written is elsewhere; whose consent is spent stays so
            for table in ("ledger", "rejects", "settled"):
                db.execute(f"delete from synced.{table} where system = ? and object = ?", [desk.name, OBJECT])
            db.execute(
                "update synced.consumers set record_id = null, deleted_at = null, last_order_at = null where crm = ?",
                [desk.name],
            )
        if db.value("select account from synced.crm_accounts where crm = ?", [desk.name]) != judged.account:
            db.execute("insert or replace into synced.crm_accounts values (?, ?, ?)", [desk.name, judged.account, at])


def _count_subscribed(db: Db, crm: str) -> int:
    return int(
        db.value(
            """select count(distinct key) from synced.consent_evidence
               where crm = ? and action in ('subscribe', 'add_to_list')
                 and outcome in ('accepted', 'awaiting_confirmation')""",
            [crm],
        )
    )


def _count_written(db: Db, crm: str) -> int:
    return int(db.value("select count(distinct id) from synced.ledger where system = ? and object = ?", [crm, OBJECT]))


def _checks(db: Db, crm: str, since: Since, written: int) -> bool:
    """Say whether anything that is due can trip (c), (d) or (e) at all."""
    waiting = due.count(db, crm)
    if waiting > MOST_PEOPLE and any(at is not None for at in since.values()):
        return True
    if written >= FEWEST and waiting * 100 > written * LOSING_ABOVE:
        return True
    withdrawn = db.value(
        """select count(distinct e.key) from synced.consent_evidence as e
           join staged.consents as c
             on c.order_id = e.order_id and lower(trim(c.consent_id)) = lower(trim(e.consent_id))
                and lower(trim(c.data_handler)) = lower(trim(e.data_handler))
           where e.crm = ? and c.withdrawn_at is not null""",
        [crm],
    )
    return int(withdrawn) > MOST_PEOPLE


def _count(desk: Desk, since: Since, read_now: Collection[str], only: Collection[str] | None) -> _Found:
    found = _Found()
    for subject in _subjects(desk, only):
        if judging.is_rehearsed(subject.consumer, desk.rules):
            continue
        found.by_settings += _is_by_settings(subject, since, read_now)
        found.undone += judging.may_owe_undoing(subject.consumer, subject.acts, desk.rules)
        found.losing += _loses(desk, subject)
    return found


def _subjects(desk: Desk, only: Collection[str] | None) -> Iterator[Subject]:
    for page in due.pages(desk.run, desk.name, only):
        with desk.run.open() as db:
            subjects = looking.load(desk, db, [one.email_key for one in page])
        yield from subjects


def _is_by_settings(subject: Subject, since: Since, read_now: Collection[str]) -> bool:
    """Say whether somebody would be newly subscribed, or stored without a consent, because settings changed (c)."""
    consumer = subject.consumer
    spent = {(act.target, *act.spent_as) for act in subject.acts if act.spends}
    for offer in consumer.offers:
        if not offer.usable or (offer.target.id, *offer.spent_as) in spent:
            continue
        names = _pair(offer.consent_id, offer.data_handler, _target(offer.target)), _word(offer.consent_status)
        moments = [since.get(name) for name in names]
        if any(_is_older(offer.order_read_at, offer.order_id, at, read_now) for at in moments):
            return True
    everybody = since.get("everybody")
    if everybody is None or subject.known.record_id is not None or not consumer.orders:
        return False
    return not judging.has_consent(consumer, subject.acts) and _is_older_person(consumer, everybody, read_now)


def _is_older(read_at: datetime, order_id: str, since: str | None, read_now: Collection[str]) -> bool:
    """Say whether an order was last read before a change; a clock that stands still makes both one moment."""
    return since is not None and read_at <= datetime.fromisoformat(since) and order_id.lower() not in read_now


def _is_older_person(consumer: Consumer, since: str, read_now: Collection[str]) -> bool:
    at = consumer.newest_order_at
    is_older = at is not None and at <= datetime.fromisoformat(since)
    return is_older and not any(order.lower() in read_now for order in consumer.orders)


def _loses(desk: Desk, subject: Subject) -> bool:
    """Say whether somebody who was written before would lose a value without a newer order (e)."""
    if not subject.accepted:
        return False
    newest, last = subject.consumer.newest_order_at, subject.last_order_at
    if newest is not None and last is not None and newest > last:
        return False
    if desk.rules.records_all or judging.has_consent(subject.consumer, subject.acts):
        wanted = desk.wanted(subject.consumer)[0]
    else:
        wanted = looking.values_to_take_back(desk, subject)
    counts = {row.to for row in desk.field_map.fields if row.source == _COUNT}
    for one in wanted:
        entry = subject.accepted.get(one.field)
        if entry is None or one.policy != "mirror" or entry.sent == one.value:
            continue
        if not one.value and entry.sent.strip():
            return True
        if one.field in counts and _number(one.value) < _number(entry.sent):
            return True
    return False


def _number(text: str) -> int:
    return int(text) if text.strip().isdecimal() else 0


def _judge_gone(desk: Desk, only: Collection[str] | None) -> list[Verdict]:
    """Look at those who are known, as far as it needs, and say whether most of them are gone (b)."""
    with desk.run.open() as db:
        known = int(
            db.value(
                """select count(*) from planned.consumers_due as d
                   join synced.consumers as c on c.crm = d.crm and c.email_key = d.email_key
                   where d.crm = ? and c.record_id is not null and c.deleted_at is null""",
                [desk.name],
            )
        )
    if known < FEWEST:
        return []
    asked = gone = 0
    waiting: list[Subject] = []

    def look() -> None:
        nonlocal asked, gone
        told = looking.look(desk, waiting)
        asked += len(told)
        gone += sum(_is_gone(one) for one in told)
        waiting.clear()

    for subject in _subjects(desk, only):
        if subject.known.record_id is None or subject.known.deleted_at is not None:
            continue
        if not looking.is_to_look_at(desk, subject):
            continue
        waiting.append(subject)
        if len(waiting) >= max(1, desk.crm.chunk):
            look()
            if (asked - gone) * 2 >= known:  # whatever the others are
                return []
    if waiting:
        look()
    if asked < FEWEST or gone * 2 <= asked:
        return []
    return [Verdict(desk.name, GONE, gone, f"{gone} of {asked} known records at {desk.name} are gone")]


def _is_gone(subject: Subject) -> bool:
    return subject.seen is not None and (subject.seen.gone or subject.seen.held == DELETED_THERE)


def standing(db: Db, crms: Sequence[str]) -> dict[str, list[Verdict]]:
    """Return the verdicts that the last sync has stored, by CRM: a targeted sync writes nothing there."""
    found: dict[str, list[Verdict]] = {}
    for part, rule, loss, sentence in db.rows("select part, rule, loss, sentence from synced.verdicts"):
        if part in crms:
            found.setdefault(part, []).append(Verdict(part, rule, loss, sentence))
    return found
