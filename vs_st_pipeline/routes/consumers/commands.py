"""Says what this route can be asked, and in which words: plan, why, history, retry, reconcile, forget, and its own."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from vs_st_pipeline.connectors import sopost
from vs_st_pipeline.connectors.sopost import counts, importing
from vs_st_pipeline.domain.emails import email_key, is_usable
from vs_st_pipeline.domain.errors import BadArguments, BadSettings
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.phone import mask_email
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.legend import legend
from vs_st_pipeline.pipeline.own_commands import Option, OtherName, OwnCommand, Told
from vs_st_pipeline.pipeline.route import Again, DryRun, Question, Reconcile, Retry
from vs_st_pipeline.pipeline.schedule import write_next_due
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.consumers import audit, evidence, explain, history, retry, sync
from vs_st_pipeline.routes.consumers.assets import SOURCE, TITLES
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES, NAME
from vs_st_pipeline.routes.consumers.words import MEANINGS

Record = dict[str, Any]
NO_ADDRESS: Final = "this is no e-mail address"  # not repeated: what was typed instead may be personal data


def _check_email(merchant: Merchant, words: Sequence[str]) -> None:
    if not is_usable(words[0]):
        raise BadArguments(NO_ADDRESS)


# --- plan -------------------------------------------------------------------------------------------------------------


def _plan_lines(report: Report, rows: Record, name: str) -> list[str]:
    lines, reasons = [f"{name}: {report.ended}"], list[str]()
    for crm in rows["crms"]:
        title = TITLES[crm["crm"]]
        lines.append(f"  {title}: {len(crm['consumers'])} consumers to write")
        for one in crm["consumers"]:
            lines.append(f"    {one['email']}  {one['action']}  {one['contact_id'] or ''}".rstrip())
            for change in one["changes"]:
                old, new = change["old"] or "(empty)", change["new"] or "(cleared)"
                lines.append(f"        {change['field']:28} {old} -> {new}   [{change['policy']}]")
            for sub in one["subscriptions"]:
                by = f"consent {sub['consent_id']} for {sub['data_handler']}, order {sub['order_id']}"
                lines.append(f"        {sub['action']} {sub['target']} by {by}")
        lines += [f"    {row['email']} is held back: {row['reason']}" for row in crm["held"]]
        lines += [f"    {row['email']} is worth knowing: {row['reason']}" for row in crm["noted"]]
        reasons += [row["reason"] for row in (*crm["held"], *crm["noted"])]
    return lines + legend(reasons, MEANINGS)


DRY_RUN: Final = DryRun(sync.dry_run, {"crms": []}, _plan_lines)


# --- questions about one person ---------------------------------------------------------------------------------------

WHY: Final = Question(
    ("EMAIL",),
    lambda run, words: explain.why(run, words[0]),
    lambda answer, words, merchant: explain.why_lines(answer, merchant),
    _check_email,
)

HISTORY: Final = Question(
    ("EMAIL",),
    lambda run, words, at=None: history.history(run, words[0], at=at),
    history.history_lines,
    _check_email,
)


def _evidence(run: Run, typed: Mapping[str, Any]) -> Told:
    _check_email(run.merchant, [typed["email"]])
    address = email_key(typed["email"])
    with run.open() as db:
        rows = evidence.of_person(db, address)
    answer = {"merchant": run.merchant.id, "email": address, "evidence": rows}
    lines = [f"{address} at {run.merchant.name}: {counted(len(rows), 'rows')} of evidence"]
    for row in rows:
        lines += [
            f"  {row['sent_at']}  {TITLES[row['crm']]} {row['target']}: {row['action']}, {row['outcome']}",
            f"      consent {row['consent_id']} ({row['consent_name'] or 'without a name'}) for {row['data_handler']}, "
            f"status {row['consent_status'] or 'none'}, text version {row['text_version'] or 'not said'}",
            f"      order {row['order_id']}, first seen {row['first_seen_at']}, read {row['order_read_at']}, "
            f"SHA-256 {row['body_sha256']}",
            f"      was there {row['state_before']} at {row['state_before_at']}, record {row['contact_id'] or 'new'}",
        ]
    return Told(answer, lines)


# --- retry, reconcile -------------------------------------------------------------------------------------------------


def _retry(run: Run, again: Again) -> Report | None:
    return retry.retry(run, again.records[0] if again.records else None)


RETRY: Final = Retry(
    "[EMAIL]",
    takes=is_usable,
    go=_retry,
    nothing=("nobody who was refused waits", "nobody with this address waits"),
)

RECONCILE: Final = Reconcile(audit.audit, audit.AuditResult)


# --- import, and the house's commands under this route's name ---------------------------------------------------------


def _import(run: Run, typed: Mapping[str, Any]) -> Told:
    path, at = typed["file"], typed["consented_at"]
    try:
        since = importing.read_time(at) if at is not None else None
    except BadSettings as error:
        raise BadArguments(f"--consented-at: {error.message}") from None
    try:
        with sys.stdin if path == "-" else Path(path).open(encoding="utf-8", errors="replace") as lines:
            found = importing.queue_orders(run, lines, since, create=typed["create"], dry_run=typed["dry_run"])
    except OSError as error:
        raise BadArguments(f"the file cannot be read: {error.strerror or type(error).__name__}") from None
    if found.new and not typed["dry_run"]:  # they are due at once (3.7a)
        write_next_due(run, run.now())
    one = found.new == 1
    queued = f"{'is' if one else 'are'} queued; the next sync reads {'it' if one else 'them'}"
    queued = "would be queued" if typed["dry_run"] else queued
    said = [f"{run.merchant.id}: {counted(found.new, 'orders')} {queued}, {found.known} read before"]
    said += [f"  line {line}: {reason}" for line, reason in found.unusable]
    return Told(found.as_json(), said, well=not found.unusable)


def waiting(run: Run) -> Record:
    """Return what waits: calls that named no order, and orders that are to be read, by why (`vs-st inbox`)."""
    unusable = counts.events(run.inbox, run.merchant.id).unusable
    if not run.file().exists():
        return {"unusable": unusable, "orders": {}}
    with run.open() as db:
        return {"unusable": unusable, "orders": counts.waiting(db)}


COMMANDS: Final = (
    OtherName("register", ("webhooks", "register"), {"systems": (sopost.CONNECTOR.name,)}),
    OwnCommand(
        "import",
        "Queue orders that no webhook told of.",
        _import,
        ("FILE",),
        (
            Option("--consented-at", "When the consents were given, where a line does not say it.", "ISO"),
            Option("--create", "Whoever a CRM does not know yet may be created there because of these orders."),
            Option("--dry-run", "Say how many orders are new, and queue nothing."),
        ),
        more="A line of FILE is an order's id, or JSON with `order_id` (and `consented_at`), or a whole order. The "
        f"next sync reads them from {SOURCE}. `-` reads standard input.",
    ),
    OwnCommand(
        "evidence",
        "Show what every subscription of one address rests on.",
        _evidence,
        ("EMAIL",),
        more="Consent, order, times, and what was found there before.",
    ),
    OtherName("inbox", ("inbox", "list"), {"names": (NAME,)}),
)


# --- what the house asks ----------------------------------------------------------------------------------------------


def count_stored(warehouse: Warehouse, merchant_id: str) -> int:
    """Count the consumers that are kept of a merchant."""
    if not warehouse.file(merchant_id, NAME).exists():
        return 0
    with warehouse.open(merchant_id, NAME) as db:
        return int(db.value("select count(*) from staged.consumers"))


def under_way(warehouse: Warehouse, merchant_id: str) -> list[str]:
    """Say what would never be looked at again: subscriptions that were sent and not heard of."""
    if not warehouse.file(merchant_id, NAME).exists():
        return []
    with warehouse.open(merchant_id, NAME) as db:
        rows = db.rows(
            """select crm, count(distinct key) from synced.consent_evidence where outcome = 'unknown'
               group by 1 order by 1"""
        )
    return [
        f"{counted(people, 'subscriptions')} sent to {TITLES[crm]}, and what came of that is not known"
        for crm, people in rows
    ]


def outcome(run: Run, run_id: str) -> list[str]:
    """Say whom a sync wrote and subscribed where, and whom it left alone, for example; people are masked."""
    lines: list[str] = []
    with run.open() as db:
        for crm in (one for one in CRM_NAMES if one in run.merchant.sections):
            done = db.rows(
                """select email, action, target, outcome from synced.consent_evidence
                   where crm = ? and run_id = ? and action <> 'already' order by seq limit 8""",
                [crm, run_id],
            )
            held = db.rows(
                f"""select email_key, held from planned.{crm}_consumers where held is not null
                    order by row_number() over (partition by held order by key), held limit 4"""
            )
            if done or held:
                lines += ["", f"{run.merchant.name} at {TITLES[crm]}"]
            lines += [f"  {mask_email(email):24} {action} {target}: {ended}" for email, action, target, ended in done]
            lines += [f"  {mask_email(email):24} left alone: {why}" for email, why in held]
    return lines
