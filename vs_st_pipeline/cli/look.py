"""`vs-st check`, `vs-st why` and `vs-st merchants`: looking without touching."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from vs_st_pipeline.cli.selection import json_option, merchant_options, one_merchant, read_settings, select
from vs_st_pipeline.cli.work import JOBS, clock, make_run, print_json
from vs_st_pipeline.environment import data_dir
from vs_st_pipeline.phone import nanp
from vs_st_pipeline.standing import good_sync_age, read_standing


@click.command()
@merchant_options
@json_option
def check(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Are the keys good (exit 1 if not)? Which custom fields does the account lack, and what else is doubtful?"""
    from vs_st_pipeline import inspection
    from vs_st_pipeline.field_map import FORMS, SOURCES

    selection = select(ids, more_ids, every)
    with ThreadPoolExecutor(max_workers=JOBS) as pool:
        found = list(pool.map(lambda merchant: inspection.check(make_run(merchant)), selection.merchants))
    found += [inspection.Checked(name, errors=[error]) for name, error in selection.bad]
    names = {
        "from": {name: source.description for name, source in SOURCES.items()},
        "as": {name: form.description for name, form in FORMS.items()},
    }
    if as_json:
        print_json({"merchants": [checked.as_json() for checked in found], "field_map": names})
    else:
        for checked in found:
            click.echo("\n".join(_checked_lines(checked)))
        click.echo("\nNames that a field map may use:")
        for key, entries in names.items():
            click.echo(f"  {key}:")
            for name, description in entries.items():
                click.echo(f"    {name:36} {description}")
    sys.exit(1 if any(checked.errors for checked in found) else 0)


def _checked_lines(checked: Any) -> list[str]:
    lines = [f"{checked.merchant}: {'failed' if checked.errors else 'both keys are good'}"]
    for error in checked.errors:
        at = f" at {error.system}" if error.system else ""
        lines.append(f"  {error.kind}{at}: {error.as_report()['message']}")
    if checked.missing_fields:
        lines.append(
            f"  the account lacks the custom fields {', '.join(checked.missing_fields)}: they are left out; "
            "make them in SimpleTexting's dashboard (type text)"
        )
    return lines + [f"  doubtful: {doubt}" for doubt in checked.doubts]


@click.command()
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="Whose contact it is.")
@json_option
@click.argument("phone")
@click.argument("field", required=False)
def why(merchant_id: str, as_json: bool, phone: str, field: str | None) -> None:
    """Where the values of the contact with PHONE came from, or why they are not there; FIELD for one value alone."""
    from vs_st_pipeline import inspection
    from vs_st_pipeline.planning import load_field_map

    merchant = one_merchant(merchant_id)
    if nanp(phone) is None:
        raise click.UsageError("this is no North American phone number: give its ten digits")
    names = [row.to for row in load_field_map(merchant).fields]
    if field is not None and field.casefold() not in {name.casefold() for name in names}:
        raise click.UsageError(f"there is no field '{field}' in the field map; there are {', '.join(names)}")
    answer = inspection.why(make_run(merchant), phone, field)
    if as_json:
        print_json(answer)
    else:
        click.echo("\n".join(_why_lines(answer)))


def _why_lines(answer: dict[str, Any]) -> list[str]:
    if answer["contact_id"] is None:
        return [f"{answer['phone']}: no contact of {answer['merchant']} had this phone when contacts were last read"]
    lines = [f"{answer['phone']} is contact {answer['contact_id']}"]
    if answer["customer_id"] is None:
        return [*lines, "  and no customer: its VScustomerID names none that exists, and no customer has its phone"]
    lines.append(f"  linked to customer {answer['customer_id']} by {answer['linked_by']}")
    if answer["held"]:
        lines.append(f"  held back: {answer['held']}; nothing is written to it")
    for row in answer["fields"]:
        lines.append(f"  {row['field']}: {row['value'] or '(empty)'}   [{row['state']}]")
        if row["live"] is not None and row["live"] != (row["value"] or ""):
            lines.append(f"      stands there now: {row['live'] or '(empty)'}")
        lines.append(f"      rule: {row['rule']}")
        lines += [f"      from {s['system']} {s['kind']} {s['id']}, {s['path']}: {s['value']}" for s in row["sources"]]
        if row["accepted_at"]:
            lines.append(f"      accepted {row['accepted_at']} in run {row['run_id']}")
    return lines


@click.command()
@json_option
def merchants(as_json: bool) -> None:
    """The merchants, and how each stands: last good sync, its age, last error."""
    found, folder, now = read_settings(), data_dir(os.environ), clock()
    rows: list[dict[str, Any]] = []
    for merchant in found.merchants:
        standing = read_standing(folder, merchant.id)
        age = good_sync_age(standing, now)
        last = standing.get("last_run") or {}
        rows.append(
            {
                "merchant": merchant.id,
                "name": merchant.name,
                "enabled": merchant.enabled,
                "status": last.get("status"),
                "last_good_sync_at": standing.get("last_good_sync_at"),
                "age_seconds": round(age) if age is not None else None,
                "last_run_at": last.get("at"),
                "error": last.get("error"),
            }
        )
    for bad in found.bad:
        rows.append(
            {
                "merchant": bad.id or f"(line {bad.line})", "name": bad.name, "enabled": None, "status": "failed",
                "last_good_sync_at": None, "age_seconds": None, "last_run_at": None, "error": bad.error.as_report(),
            }
        )  # fmt: skip
    if as_json:
        print_json({"merchants": rows})
        return
    width = max(len(row["merchant"]) for row in rows)
    for row in rows:
        click.echo(f"{row['merchant']:{width}}  {_standing_text(row)}")


def _standing_text(row: dict[str, Any]) -> str:
    if row["enabled"] is False:
        return "disabled"
    good = f"last good sync {_age(row['age_seconds'])} ago" if row["age_seconds"] is not None else "never synced well"
    error = row["error"]
    return f"{good}; last error {error['kind']}: {error['message']}" if error else good


def _age(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
