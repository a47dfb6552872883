"""`vs-st alerts`: who is told of trouble, what they will hear next, and whether it arrives."""

from __future__ import annotations

import os
import sys

import click

from vs_st_pipeline import alerts as alerting
from vs_st_pipeline import fleet
from vs_st_pipeline.cli.selection import json_option
from vs_st_pipeline.cli.work import print_json


@click.command()
@click.option("--test", is_flag=True, help="Send a test message to every address; exit 1 if one does not take it.")
@json_option
def alerts(test: bool, as_json: bool) -> None:
    """Who is told when a winery gets into trouble, and what they will hear next. Sends nothing without --test."""
    if not alerting.addresses(os.environ):
        raise click.UsageError(f"nobody is told: {alerting.ADDRESSES} is empty; write such as env:ALERT_URL into it")
    if test:
        tried = alerting.try_addresses(os.environ)
        if as_json:
            print_json({"addresses": [{"address": name, "problem": problem} for name, problem in tried.items()]})
        else:
            for name, problem in tried.items():
                click.echo(f"{name}: {problem or 'taken'}")
        sys.exit(1 if any(tried.values()) else 0)
    rows = [
        {"address": name, "told_to_be_in_trouble": told, "next": [one.title for one in new]}
        for name, told, new in alerting.waiting(os.environ, fleet.look(os.environ))
    ]
    if as_json:
        print_json({"addresses": rows})
        return
    for row in rows:
        click.echo(f"{row['address']}: told of {', '.join(row['told_to_be_in_trouble']) or 'nobody'}")
        for title in row["next"]:
            click.echo(f"  will be told  {title}")


def tell_alerts() -> None:
    """After a sync of everybody: what is new goes to who is to be told; what goes wrong with it is a warning."""
    told = alerting.tell(os.environ)
    if told.problem:
        click.echo(f"warning: {told.problem}", err=True)
