"""Defines `vs-st check` and `vs-st merchants`: they look and change nothing."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import click
import msgspec

from vs_st_pipeline.cli.options import json_option, merchant_options, select, settings_json, warn_of
from vs_st_pipeline.cli.output import say, say_json
from vs_st_pipeline.cli.sync import JOBS, make_run
from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.operations.fleet import health
from vs_st_pipeline.operations.fleet.health import MerchantHealth
from vs_st_pipeline.operations.settings import taken

MOST_RECORDS_SHOWN = 20  # per merchant, of records that cannot be understood


@click.command()
@merchant_options
@json_option
def check(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Check whether the keys are good (exit 1 if not), which custom fields are missing, and what else is doubtful."""
    from vs_st_pipeline.domain.formats import FORMATS
    from vs_st_pipeline.routes.contacts import check
    from vs_st_pipeline.routes.contacts.words import ATTRIBUTE_NAMES

    selection = select(ids, more_ids, every)
    misunderstood = taken(os.environ).misunderstood
    warn_of(misunderstood)
    with ThreadPoolExecutor(max_workers=JOBS) as pool:
        found = list(pool.map(lambda merchant: check.check(make_run(merchant)), selection.merchants))
    found += [check.CheckResult(name, errors=[error]) for name, error in selection.bad]
    names = {
        "from": ATTRIBUTE_NAMES,
        "as": {name: form.description for name, form in FORMATS.items()},
    }
    if as_json:
        settings = settings_json(misunderstood)
        say_json({"merchants": [checked.as_json() for checked in found], "field_map": names, "settings": settings})
    else:
        for checked in found:
            say(*_checked_lines(checked))
        say("", "Names that a field map may use:")
        for key, entries in names.items():
            say(f"  {key}:")
            for name, description in entries.items():
                say(f"    {name:36} {description}")
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
    lines += [f"  doubtful: {doubt}" for doubt in checked.doubts]
    lines += [f"  cannot be read: {row['why']}" for row in checked.unreadable]
    found = checked.not_understood
    lines += [f"  not understood: {row['kind']} {row['id']}: {row['why']}" for row in found[:MOST_RECORDS_SHOWN]]
    if len(found) > MOST_RECORDS_SHOWN:
        lines.append(f"  and {len(found) - MOST_RECORDS_SHOWN} more that are not understood (--json names them all)")
    return lines


@click.command()
@json_option
def merchants(as_json: bool) -> None:
    """List the merchants and the status of each: what is the matter, since when, and what to do."""
    found = health.fleet_health(os.environ)
    warn_of(found.misunderstood)
    if found.unreadable is not None:
        raise found.unreadable
    if as_json:
        settings = settings_json(found.misunderstood)
        say_json({"merchants": [_status_json(one) for one in found.stands], "settings": settings})
    else:
        width = max(len(one.merchant) for one in found.stands)
        for one in found.stands:
            say(f"{one.merchant:{width}}  {_status_text(one, found.at)}")
        say("", found.sentence())
    sys.exit(2 if any(one.defaulted for one in found.misunderstood) else 0)


def _status_json(one: MerchantHealth) -> dict[str, Any]:
    return {
        "merchant": one.merchant,
        "name": one.name,
        "enabled": None if one.state == health.BROKEN else one.state != health.OFF,
        "state": one.state,
        "since": one.since.isoformat() if one.since else None,
        "status": one.status,
        "last_good_sync_at": one.last_good_sync_at.isoformat() if one.last_good_sync_at else None,
        "age_seconds": round(one.age.total_seconds()) if one.age is not None else None,
        "last_run_at": one.last_run_at.isoformat() if one.last_run_at else None,
        "error": msgspec.to_builtins(one.error),
        "rejects_waiting": one.rejects,
        "unknown": one.unknown,
        "says": one.says,
        "do": one.do,
    }


def _status_text(one: MerchantHealth, now: datetime) -> str:
    if one.state == health.OFF:
        return "disabled"
    told = one.in_words
    if one.since and one.state != health.FINE:
        told += f" for {humanize(now - one.since)}"
    if one.age is not None:
        told += f"; last good sync {humanize(one.age)} ago"
    elif one.state != health.BROKEN:
        told += "; never synced well"
    return f"{told}; {one.says} {one.do}" if one.says else told
