"""Defines `vs-st alerts`: who receives alerts, what comes next, and whether it arrives."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from vs_st_pipeline.cli.options import json_option, settings_json, warn_of
from vs_st_pipeline.cli.output import say, say_json, tell
from vs_st_pipeline.operations.fleet import alerts as alerting
from vs_st_pipeline.operations.fleet import health
from vs_st_pipeline.platform.settings.environment import ADDRESSES, alert_addresses


@click.command(short_help="Show who is told of trouble, and whether it arrives.")
@click.option("--test", is_flag=True, help="Send a test message to every address; exit 1 if one does not take it.")
@json_option
def alerts(test: bool, as_json: bool) -> None:
    """Show who is told when a winery gets into trouble, and what comes next. Sends nothing without --test."""
    known, found = alert_addresses(os.environ), health.fleet_health(os.environ)
    rows = list(alerting.pending(os.environ, found))
    if not known.references and not known.problems:
        elsewhere = f" (another process tells {', '.join(row.address for row in rows)})" if rows else ""
        raise click.UsageError(
            f"nobody is told from here: {ADDRESSES} is empty{elsewhere}; write such as env:ALERT_URL into it"
        )
    warn_of(found.misunderstood)
    if test:
        tried = alerting.try_addresses(known.urls)
        if as_json:
            say_json({"addresses": [{"address": name, "problem": problem} for name, problem in tried.items()]})
        else:
            for name, problem in tried.items():
                say(f"{name}: {problem or 'taken'}")
        sys.exit(2 if known.problems else 1 if any(tried.values()) else 0)
    if as_json:
        say_json({"addresses": [_as_json(row) for row in rows], "settings": settings_json(found.misunderstood)})
    else:
        for row in rows:
            told = f"told of {'; '.join(map(alerting.in_words, row.told)) or 'nobody'}"
            say(f"{row.address}: {told}" if row.here else f"{row.address}, which {ADDRESSES} lacks here: {told}")
            for one in row.next:
                say(f"  will be told  {one.title}", *(f"                {line}" for line in one.body.splitlines()))
    sys.exit(2 if known.problems else 0)


def _as_json(row: alerting.Pending) -> dict[str, Any]:
    return {
        "address": row.address,
        "known_here": row.here,
        "told_to_be_in_trouble": row.told,
        "next": [one.title for one in row.next],
    }


def tell_alerts() -> None:
    """Send, after a sync of all merchants, what is new to every address; print what goes wrong as a warning."""
    told = alerting.send_alerts(os.environ)
    if told.problem:
        tell(f"warning: {told.problem}")
