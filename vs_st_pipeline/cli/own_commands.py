"""Makes the commands that only one route has: a group per route, `vs-st <route> <command>`.

What they are called, take and do stands in the table of routes (`pipeline/route.py`), so nothing here names one. Some
are commands of the house under the route's own name; they take what those take, but for what the route says itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from vs_st_pipeline import routes
from vs_st_pipeline.cli.options import one_merchant
from vs_st_pipeline.cli.output import say, say_json
from vs_st_pipeline.cli.sync import clock, make_run
from vs_st_pipeline.pipeline.own_commands import OtherName, OwnCommand
from vs_st_pipeline.pipeline.route import BadArguments, Route


def groups_of(house: click.Group) -> Iterable[click.Group]:
    """Yield a group for each route that has commands of its own.

    Args:
        house: all other commands, which a route may have under another name.
    """
    for route in routes.ROUTES:
        if route.commands:
            group = click.Group(route.name, help=f"What only route {route.name} can be asked.")
            for one in route.commands:
                group.add_command(_own(route, one) if isinstance(one, OwnCommand) else _other_name(house, one))
            yield group


def _own(route: Route, one: OwnCommand) -> click.Command:
    def run(merchant_id: str, as_json: bool, **typed: Any) -> None:
        merchant = one_merchant(merchant_id)
        if fault := merchant.faults.get(route.name):
            raise fault
        if route.name not in {*merchant.routes, *merchant.paused, *merchant.off}:
            raise click.UsageError(f"{merchant_id} does not have route {route.name}")
        clock()  # finds a VS_ST_NOW that is not a time before anything is done
        try:
            told = one.do(make_run(merchant, route=route.name), typed)
        except BadArguments as error:
            raise click.UsageError(str(error)) from None
        if as_json:
            say_json(told.json)
        else:
            say(*told.lines)
        sys.exit(0 if told.well else 1)

    params: list[click.Parameter] = [
        click.Option(["--merchant", "merchant_id"], required=True, metavar="ID", help="The merchant that it is about."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object instead of text."),
    ]
    for option in one.options:
        takes: Mapping[str, Any] = {"metavar": option.takes} if option.takes else {"is_flag": True}
        params.append(click.Option([option.flag, option.name], help=option.says, **takes))
    params += [click.Argument([word.lower()], metavar=word) for word in one.arguments]
    return click.Command(one.name, callback=run, params=params, help=one.says)


def _other_name(house: click.Group, one: OtherName) -> click.Command:
    found: click.Command = house
    for word in one.of:
        assert isinstance(found, click.Group)
        found = found.commands[word]
    callback = found.callback
    known = {param.name for param in found.params}
    assert callback is not None
    assert known >= set(one.given), f"{' '.join(one.of)} has no {set(one.given) - known}"

    def run(**typed: Any) -> None:
        callback(**typed, **one.given)

    asked = [param for param in found.params if param.name not in one.given]
    says = f"{found.help}\n\nAnother name of `vs-st {' '.join(one.of)}` for this route."
    return click.Command(one.name, callback=run, params=asked, help=says)
