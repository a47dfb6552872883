"""Says what this route can be asked, and in which words: plan, why, history, retry, and its own (notices.md 9)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.domain.phone import mask_phone
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.legend import legend
from vs_st_pipeline.pipeline.own_commands import Option, OwnCommand, Told
from vs_st_pipeline.pipeline.route import DryRun, Question
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices import billing, by_hand, explain, retrying, showing, sync, terms
from vs_st_pipeline.routes.notices.meanings import MEANINGS
from vs_st_pipeline.routes.notices.report import NoticesReport
from vs_st_pipeline.routes.notices.session import open_session
from vs_st_pipeline.routes.notices.template_fit import placeholders_of
from vs_st_pipeline.routes.notices.words import State

Record = dict[str, Any]
Typed = Mapping[str, Any]
MOST_SHOWN: Final = 14
_MONTH: Final = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])")
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}")


# --- plan -------------------------------------------------------------------------------------------------------------


def _plan_lines(report: Report, rows: Record, name: str) -> list[str]:
    lines, words = [f"{name}: {report.ended}"], list[str]()
    zone = report.zone if isinstance(report, NoticesReport) else UTC
    for one in rows["messages"]:
        lines.append(f"    {one['status']} of order {one['order']} to {mask_phone(one['phone'])}, by {one['account']}:")
        lines += [f"      {line}" for line in str(one["text"]).splitlines()]
    if not rows["messages"]:
        lines.append("  no message would go")
        if not rows["waiting"] and not rows["dropped"]:
            lines.append("  what earlier syncs sent or dropped is settled: `vs-st why` tells of it")
    lines += [f"    {_action(one)}" for one in rows["actions"]]
    for word, found in (("waits", rows["waiting"]), ("is dropped", rows["dropped"])):
        for one in found[:MOST_SHOWN]:
            words.append(str(one["reason"]))
            detail = f" ({one['detail']})" if one.get("detail") else ""
            until = f", looked at again {explain.shown_at(one['until'], zone)}" if one.get("until") else ""
            lines.append(f"    {one['status']} of order {one['order']} {word}: {one['reason']}{detail}{until}")
        if len(found) > MOST_SHOWN:
            lines.append(f"    and {len(found) - MOST_SHOWN} more")
    lines += legend(words, MEANINGS)
    shows_times = any(one.get("until") for one in rows["waiting"][:MOST_SHOWN])
    return [*lines, f"  times are those of {zone}"] if shows_times else lines


def _action(one: Record) -> str:
    """Say what a customer's answer would lead to; the message that it answers where its order is not known."""
    about = f"order {one['order']}" if one["order"] else f"message {one['notice_id']}"
    return f"{one['action']} ({one['code']}) of {about} " + (
        "would be taken" if one["state"] == "due" else f"waits: {one['reason'] or one['state']}"
    )


DRY_RUN: Final = DryRun(sync.dry_run, dict(sync.NOTHING), _plan_lines)
WHY: Final = Question(explain.ARGUMENTS, explain.explain, explain.lines)
HISTORY: Final = Question(explain.ARGUMENTS, explain.explain, explain.lines)
RETRY: Final = retrying.RETRY


# --- templates --------------------------------------------------------------------------------------------------------


def _check_templates(run: Run, typed: Typed) -> Told:
    params = None if typed["params"] is None else [one.strip() for one in typed["params"].split(",") if one.strip()]
    if typed["notification"] is None and (typed["template"] is not None or params is not None):
        raise BadArguments("--template and --params are about one notification: say --notification KEY too")
    showing.check_names(run, typed["notification"], params)
    with open_session(run) as session:
        answer = showing.check_all(session, typed["notification"], typed["template"], params)
    if (error := session.report.error) is not None:
        nothing: Record = {"merchant": run.merchant.id, "account": None, "templates": [], "error": error.as_report()}
        return Told(nothing, [], well=False, error=error)
    lines = [f"{run.merchant.name}, account {answer['account'] or 'none'}"]
    details = set[str]()
    for one in answer["templates"]:
        said = showing.verdict(one, details)
        lines.append(f"  {one['notification']}: {one['template_id'] or 'no template'}: {said}")
        if one.get("preview"):
            lines += [f"    {line}" for line in str(one["preview"]["body"]).splitlines()]
    lines += legend((one["fault"] for one in answer["templates"]), MEANINGS)
    return Told(answer, lines, well=all(one["fit"] for one in answer["templates"]))


def _preview(run: Run, typed: Typed) -> Told:
    showing.check_names(run, typed["notification"], order=typed["order"])
    with open_session(run) as session:
        answer = showing.preview_of(session, typed["notification"], typed["template"], typed["order"])
    if (error := session.report.error) is not None:
        nothing: Record = {"header": None, "body": None, "footer": None, "buttons": [], "params": []}
        return Told(nothing | {"error": error.as_report()}, [], well=False, error=error)
    lines = [str(answer[part]) for part in ("header", "body", "footer") if answer.get(part)]
    lines += [f"[{title}]" for title in answer["buttons"]]
    lines += [f"  {{{{{one['n']}}}}} {one['variable'] or 'fixed text'}: {one['value']}" for one in answer["params"]]
    left = [name for name in placeholders_of(answer["header"], answer["body"]) if name.isdigit()]
    if left:
        lines.append(f"  not filled: {', '.join('{{' + name + '}}' for name in left)}; write more `params`")
    return Told(answer, lines)


# --- orders and messages ----------------------------------------------------------------------------------------------


def _activity(run: Run, typed: Typed) -> Told:
    if not run.file().exists():
        raise BadArguments("nothing is stored of this merchant yet; sync first")
    with run.open() as db:
        rows = explain.activity(db, explain.find_order(db, typed["order"]))
    answer = {"merchant": run.merchant.id, "order": typed["order"], "activity": rows}
    lines = explain.activity_lines(rows, run.merchant.time_zone)
    return Told(answer, lines or ["nothing was said or done about this order yet"])


def _ask_to_resolve(run: Run, typed: Typed) -> str:
    _sent(typed)
    return f"message {typed['notice']} of {run.merchant.name} will be taken as {typed['as']}; the rules decide by that"


def _sent(typed: Typed) -> bool:
    if typed["as"] not in ("sent", "not-sent"):
        raise BadArguments("--as is sent or not-sent")
    return bool(typed["as"] == "sent")


def _resolve(run: Run, typed: Typed) -> Told:
    sent = _sent(typed)
    by_hand.resolve(run, typed["notice"], sent=sent, because=typed["because"])
    then = "counts as sent" if sent else "may be sent again while it is fresh"
    return Told({"merchant": run.merchant.id, "notice_id": typed["notice"], "as": typed["as"]}, [f"it {then}"])


def _ask_for_baseline(run: Run, _typed: Typed) -> str:
    return (
        f"{run.merchant.id}: nothing that has occurred until now will ever be announced, no answer that has come until "
        "now is acted on, and all sources are read anew"
    )


def _baseline(run: Run, _typed: Typed) -> Told:
    with run.sync_lock():
        terms.new_baseline(run)
    return Told(
        {"merchant": run.merchant.id, "started_at": f"{run.now().isoformat(timespec='seconds')}Z"},
        [
            "nothing that occurred before now is announced, and no answer of before acted on; the next sync reads all "
            "sources anew"
        ],
    )


# --- accounts ---------------------------------------------------------------------------------------------------------


def _resume(run: Run, typed: Typed) -> Told:
    resumed = by_hand.resume(run, typed["account"])
    says = "goes on with the next sync" if resumed else "was not stopped; its next list of templates is taken as it is"
    return Told({"account": typed["account"], "resumed": resumed}, [f"account {typed['account']} {says}"])


def _consent(state: str, run: Run, typed: Typed) -> Told:
    phone = re.sub(r"[\s()-]", "", typed["phone"])
    if not _PHONE.fullmatch(phone):
        raise BadArguments("PHONE is a number with + and country code, such as +919810000001")
    evidence = {"text": typed.get("evidence"), "by": run.who}
    by_hand.note_consent(run, typed["account"], phone, state, evidence)
    says = "may be written" if state == "in" else "is never written"
    return Told({"account": typed["account"], "state": state}, [f"this phone {says} by account {typed['account']}"])


def _bill(runs: Sequence[Run], typed: Typed) -> Told:
    if not _MONTH.fullmatch(typed["month"]):
        raise BadArguments("--month is a month such as 2026-03")
    answer = billing.bill(runs, typed["month"], typed["account"], rows=typed["rows"])
    return Told(answer, billing.csv(answer) if typed["csv"] else billing.lines(answer), exact=typed["csv"])


_NOTICE: Final = "NOTICE"
_NOTIFICATION: Final = Option("--notification", "A status that may be announced, such as failed_delivery.", "KEY")
_TEMPLATE: Final = Option("--template", "This template, in place of the one of the settings.", "ID")

COMMANDS: Final = (
    OwnCommand(
        "templates check",
        "Read the account's templates now: does each fit its notification?",
        _check_templates,
        options=(_NOTIFICATION, _TEMPLATE, Option("--params", "These variables, in order.", "A,B")),
        more="It is what a portal asks before it saves `enabled`. Exits with 1 where one does not fit. Without "
        "--notification all that are enabled or have a template.",
    ),
    OwnCommand(
        "preview",
        "Show a message as it would read.",
        _preview,
        options=(
            Option("--notification", _NOTIFICATION.says, "KEY", required=True),
            _TEMPLATE,
            Option("--order", "With the values of this order.", "N"),
        ),
        more="With samples, or with an order's own values.",
    ),
    OwnCommand(
        "activity",
        "Show all that was said and done about an order.",
        _activity,
        options=(Option("--order", "The order's number.", "N", required=True),),
        more="Calls no system.",
    ),
    OwnCommand(
        "billing",
        "Count a month's messages, and what they cost.",
        lambda run, typed: _bill([run], typed),
        options=(
            Option("--month", "Such as 2026-03.", "MONTH", required=True),
            Option("--account", "Only messages of this account.", "ID"),
            Option("--rows", "Each message."),
            Option("--csv", "As CSV."),
        ),
        for_many=_bill,
        more="Per merchant and account: charged, failed, unknown, amount. A month is final from the 8th of the next "
        "one on. Calls no system.",
    ),
    OwnCommand(
        "resolve",
        "Say what became of a message of which nobody knows.",
        _resolve,
        (_NOTICE,),
        (
            Option("--as", "sent or not-sent.", "WORD", required=True),
            Option("--because", "How you know, for those who ask later.", "TEXT", required=True),
        ),
        acts=True,
        asks=_ask_to_resolve,
        needs_yes=False,  # notices.md 9 knows no --yes of it; why it is so must be said by --because
        more="It was sent, or not-sent. It may be sent again only after not-sent, and only while it is fresh.",
    ),
    OwnCommand(
        "baseline",
        "Begin anew: nothing of before now is announced or acted on.",
        _baseline,
        acts=True,
        asks=_ask_for_baseline,
        needs_yes=False,  # notices.md 9 knows no --yes of it
        more="Run it first after a backup of the whole data folder is put back.",
    ),
    OwnCommand("resume", "Let an account that was stopped send again.", _resume, for_account=True),
    OwnCommand(
        "opt-out", "Never write a phone by this account again.",
        lambda run, typed: _consent("out", run, typed), ("PHONE",), for_account=True,
        more="Whatever it asked for before.",
    ),
    OwnCommand(
        "opt-in", "Note that a phone may be written by this account.",
        lambda run, typed: _consent("in", run, typed), ("PHONE",),
        (Option("--evidence", "How and when the person agreed.", "TEXT", required=True),),
        for_account=True,
    ),
)  # fmt: skip


# --- what the house asks ----------------------------------------------------------------------------------------------


def outcome(run: Run, run_id: str) -> list[str]:
    """Say what a sync sent and did, for example."""
    with run.open() as db:
        rows = db.rows(
            """select order_number, status, kind, state, text from synced.notices
               where run_id = ? and claimed_at is not null order by claimed_at""",
            [run_id],
        )
        acts = db.rows("select merchant_order, action, state from synced.actions where run_id = ?", [run_id])
    if not rows and not acts:
        return []
    lines = ["", run.merchant.name]
    for number, status, kind, state, text in rows[:MOST_SHOWN]:
        told = " ".join(str(text or "").split())
        lines.append(
            f"  {number or '':12} {status or kind:16} {state if state != State.UNKNOWN else 'UNKNOWN':10} {told}"
        )
    lines += [f"  {order.partition(':')[2]:12} {action:16} {state}" for order, action, state in acts]
    return lines
