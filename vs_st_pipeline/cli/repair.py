"""Defines `vs-st retry` and `vs-st reconcile`: try refused contacts again, compare SimpleTexting with the ledger."""

from __future__ import annotations

import sys
from typing import Any

import click

from vs_st_pipeline.cli.options import json_option, merchant_options, read_settings, select
from vs_st_pipeline.cli.output import say, say_json
from vs_st_pipeline.cli.sync import JOBS, for_each, make_run, status_text, sync_lines
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.report import OK, Report

MOST_SHOWN = 20  # contacts that differ, in text; --json has all


@click.command(options_metavar="[OPTIONS] [PHONE]")
@merchant_options
@json_option
@click.option("--jobs", type=click.IntRange(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
def retry(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool, as_json: bool, jobs: int) -> None:
    """Try refused contacts now, whatever their gap: PHONE, given last, for one alone. What follows is a whole sync.

    A merchant with no refused contact waiting is not called. Prints what `vs-st sync` prints.
    """
    from vs_st_pipeline.routes.contacts.report import new_report
    from vs_st_pipeline.routes.contacts.retry import retry as retry_now

    phone, more_ids = _phone_of(more_ids)
    selection = select(ids, more_ids, every)

    def one(merchant: Any, progress: Any) -> tuple[Report, bool]:
        report = retry_now(make_run(merchant, progress=progress), phone)
        return (report, True) if report else (new_report(merchant.id), False)

    found = [result if isinstance(result, tuple) else (result, True) for result in for_each(selection, jobs, one)]
    reports = [report for report, waited in found if waited]
    idle = [report.merchant for report, waited in found if not waited]
    if as_json:
        say_json({"merchants": [report.as_json() for report in reports], "nothing_waits": idle})
    else:
        whose = "no refused contact with this phone waits" if phone else "no refused contact waits"
        for name in idle:
            say(f"{name}: {whose}, so nothing was tried and no system was called")
        for report in reports:
            say(*sync_lines(report))
    sys.exit(0 if all(report.status == OK for report in reports) else 1)


def _phone_of(words: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Return the phone that stands last among the ids, if there is one; ten digits may also be a merchant's id."""
    if not words or parse_nanp(words[-1]) is None or words[-1] in read_settings().ids:
        return None, words
    return words[-1], words[:-1]


@click.command()
@merchant_options
@json_option
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="About N contacts, chosen evenly at random and the same all day, by one request each; all of them where a "
    "listing of all is no dearer.",
)
@click.option("--jobs", type=click.IntRange(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
def reconcile(
    ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool, as_json: bool, sample: int | None, jobs: int
) -> None:
    """Compare what is wanted, what was accepted and what SimpleTexting holds now. Writes nothing there.

    A value is `same`; `ours`: what is wanted has changed, the next sync writes it; `theirs`: it was edited there;
    `both`. A contact that cannot be read is left out. Asks SimpleTexting for one listing of all contacts (one request
    per
    500), or for each contact by itself where that takes fewer requests. Exit status 1 if anything is `theirs` or
    `both`, or
    a contact could not be read. People are masked.
    """
    from vs_st_pipeline.routes.contacts.audit import AuditResult
    from vs_st_pipeline.routes.contacts.audit import audit as compare

    selection = select(ids, more_ids, every)
    found: list[AuditResult] = [
        AuditResult(result) if isinstance(result, Report) else result
        for result in for_each(
            selection, jobs, lambda merchant, progress: compare(make_run(merchant, progress=progress), sample)
        )
    ]
    if as_json:
        say_json({"merchants": [one.as_json() for one in found]})
    else:
        for one in found:
            say(*_reconciled_lines(one))
    sys.exit(0 if all(one.status == OK and one.agrees for one in found) else 1)


def _reconciled_lines(found: Any) -> list[str]:
    name, error = found.report.merchant, found.report.error
    if error is not None:
        return [f"{name}: {status_text(found.report)}"]
    if found.how is None:
        return [
            f"{name}: nothing was accepted for any contact yet, so there is nothing to compare; no system was called"
        ]
    asked = f"{found.requests} request{'s' * (found.requests != 1)}, {found.how}"
    verdict = "all is as it was left" if found.agrees else "NOT as it was left"
    lines = [f"{name}: {verdict}; {found.contacts} contacts compared ({asked})"]
    words = {
        "same": "as it should be",
        "ours": "ours: what is wanted has changed, the next sync writes it",
        "theirs": "theirs: edited at SimpleTexting",
        "both": "both: edited at SimpleTexting, and what is wanted has changed",
    }
    for side, word in words.items():
        if count := found.count(side):
            of = {field: sides[side] for field, sides in found.fields.items() if sides[side]}
            where = "" if side == "same" else " (" + ", ".join(f"{field} {n}" for field, n in of.items()) + ")"
            lines.append(f"  {count:6} values {word}{where}")
    if found.left_out:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(found.left_out.items()) if count)
        lines += [f"  left out: {reasons}"] * bool(reasons)
    alarming = [row for row in found.differing if {"theirs", "both"} & set(row.fields.values())]
    for row in alarming[:MOST_SHOWN]:
        what = ", ".join(f"{field} {side}" for field, side in row.fields.items())
        lines.append(f"  {row.phone}, contact {row.contact_id}, customer {row.customer_id}: {what}")
    if len(alarming) > MOST_SHOWN:
        lines.append(f"  and {len(alarming) - MOST_SHOWN} contacts more, with --json")
    return lines
