"""`vs-st check` and `vs-st merchants`: looking without touching."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import click

from vs_st_pipeline.cli.selection import json_option, merchant_options, read_settings, select
from vs_st_pipeline.cli.work import JOBS, clock, make_run, print_json
from vs_st_pipeline.environment import data_dir
from vs_st_pipeline.standing import good_sync_age, read_standing
from vs_st_pipeline.text_forms import in_words


@click.command()
@merchant_options
@json_option
def check(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Are the keys good (exit 1 if not)? Which custom fields does the account lack, and what else is doubtful?"""
    from vs_st_pipeline import inspection
    from vs_st_pipeline.text_forms import FORMS
    from vs_st_pipeline.vocabulary import SOURCES

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
    good = (
        f"last good sync {in_words(timedelta(seconds=row['age_seconds']))} ago"
        if row["age_seconds"] is not None
        else "never synced well"
    )
    error = row["error"]
    return f"{good}; last error {error['kind']}: {error['message']}" if error else good
