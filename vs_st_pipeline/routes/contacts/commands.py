"""Says what this route can be asked, and in which words: plan, why, history, retry, reconcile, forget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vs_st_pipeline.connectors import simpletexting, vinoshipper
from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.pipeline.legend import legend
from vs_st_pipeline.pipeline.route import Again, DryRun, Forget, Person, Question, Reconcile, Retry
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.suppression import CUSTOMER, Identifiers, phone_name
from vs_st_pipeline.routes.contacts import audit, explain, history, retry, sync, tables
from vs_st_pipeline.routes.contacts.explain_text import history_lines, why_lines
from vs_st_pipeline.routes.contacts.map_file import load_field_map
from vs_st_pipeline.routes.contacts.systems import NAME, SYSTEMS
from vs_st_pipeline.routes.contacts.words import MEANINGS

Record = dict[str, Any]


def _plan_lines(report: Report, rows: Record, name: str) -> list[str]:
    if report.status == FAILED:
        return [f"{name}: {report.ended}"]
    lines = [f"{name}: {report.ended}; {counted(len(rows['contacts']), 'contacts')} to write"]
    for contact in rows["contacts"]:
        lines.append(f"  {contact['phone'] or contact['contact_id']} is customer {contact['customer_id']}")
        for change in contact["changes"]:
            old, new = change["old"] or "(empty)", change["new"] or "(cleared)"
            lines.append(f"      {change['field']:24} {old} -> {new}   [{change['policy']}]")
    lines += [f"  {row['phone'] or row['contact_id']} is held back: {row['reason']}" for row in rows["held"]]
    lines += [f"  {row['phone'] or row['contact_id']} is worth knowing: {row['reason']}" for row in rows["noted"]]
    return lines + legend((row["reason"] for row in [*rows["held"], *rows["noted"]]), MEANINGS)


def _check_phone(merchant: Merchant, words: Sequence[str]) -> None:
    if parse_nanp(words[0]) is None:
        # Not repeated in the message: what was typed instead may be personal data.
        raise BadArguments("this is no North American phone number: give its ten digits")


def _check_phone_and_field(merchant: Merchant, words: Sequence[str]) -> None:
    _check_phone(merchant, words)
    names = [row.to for row in load_field_map(merchant).fields]
    if words[1:] and words[1].casefold() not in {name.casefold() for name in names}:
        raise BadArguments(f"there is no field '{words[1]}' in the field map; there are {', '.join(names)}")


def _field(words: Sequence[str]) -> str | None:
    return words[1] if words[1:] else None


def _names_of(person: Person) -> Identifiers | None:
    """Return what names the person here; None where it is no phone, e-mail or customer's id."""
    if person.phone is not None:
        return Identifiers(phones={name}) if (name := phone_name(person.phone)) else None
    if person.email is not None:
        return Identifiers(emails={person.email.strip().casefold()})
    number = (person.customer or "").strip()
    return Identifiers(records={CUSTOMER: {number}}) if number.isascii() and number.isdigit() else None


def _find(run: Run, person: Person) -> dict[str, int]:
    return erasure.find(run, _names_of(person) or Identifiers(), SYSTEMS).as_json()


def _forget(run: Run, person: Person) -> dict[str, int]:
    return erasure.forget(run, _names_of(person) or Identifiers(), SYSTEMS).as_json()


def count_stored(warehouse: Warehouse, merchant_id: str) -> int:
    """Count the contacts that are kept of a merchant."""
    if not warehouse.file(merchant_id, NAME).exists():
        return 0
    with warehouse.open(merchant_id, NAME) as db:
        return int(db.value("select count(*) from raw.simpletexting_contacts"))


def outcome(run: Run, run_id: str) -> list[str]:
    """Say what a sync wrote and whom it left alone, for example."""
    changes, held = tables.accepted_changes(run, run_id, limit=40), tables.held_contacts(run, limit=8)
    lines = []
    if len(changes):
        lines += ["", f"{run.merchant.name}: accepted"]
        for _, row in changes.iterrows():
            lines.append(
                f"  {row['phone']}  {row['field']:22} {row['old'] or '(empty)'} -> {row['new'] or '(cleared)'}"
            )
    lines += ["", f"{run.merchant.name}: left alone, for example"]
    return lines + [f"  {row['phone']}  {row['reason']}" for _, row in held.iterrows()]


DRY_RUN = DryRun(sync.dry_run, {"contacts": [], "held": [], "noted": []}, _plan_lines)

WHY = Question(
    ("PHONE", "[FIELD]"),
    lambda run, words: explain.why(run, words[0], _field(words)),
    lambda answer, words, merchant: why_lines(answer, merchant),
    _check_phone_and_field,
)

HISTORY = Question(
    ("PHONE", "[FIELD]"),
    lambda run, words, at=None: history.history(run, words[0], _field(words), at=at),
    lambda answer, words, merchant: history_lines(answer, _field(words), merchant),
    _check_phone,
)


def _retry(run: Run, again: Again) -> Report | None:
    return retry.retry(run, again.records[0] if again.records else None)


RETRY = Retry(
    "[PHONE]",
    takes=lambda word: parse_nanp(word) is not None,
    go=_retry,
    nothing=("no refused contact waits", "no refused contact with this phone waits"),
)

RECONCILE = Reconcile(audit.audit, audit.AuditResult)

FORGET = Forget(
    ("customers", "contacts", "orders"),
    knows=lambda person: _names_of(person) is not None,
    find=_find,
    forget=_forget,
    elsewhere=(
        f"Nothing at {vinoshipper.CONNECTOR.title} or {simpletexting.CONNECTOR.title} was changed: to forget the "
        "person there too, delete them there.",
    ),
)
