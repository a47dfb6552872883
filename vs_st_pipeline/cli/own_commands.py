"""Makes the commands that only one route has: a group per route, `vs-st <route> <command>`.

What they are called, take and do stands in the table of routes (`pipeline/route.py`), so nothing here names one. Some
are commands of the house under the route's own name; they take what those take, but for what the route says itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import click

from vs_st_pipeline import routes
from vs_st_pipeline.cli.options import one_merchant
from vs_st_pipeline.cli.output import say, say_json, tell
from vs_st_pipeline.cli.privacy import confirm
from vs_st_pipeline.cli.sync import clock, make_run
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.pipeline.own_commands import Option, OtherName, OwnCommand
from vs_st_pipeline.pipeline.route import BadArguments, Route
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.user import user_name

MORE = "..."


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
    def run(merchant_id: str, as_json: bool, yes: bool = False, **typed: Any) -> None:
        merchant = one_merchant(merchant_id)
        if fault := merchant.faults.get(route.name):
            raise fault
        if route.name not in {*merchant.routes, *merchant.paused, *merchant.off}:
            raise click.UsageError(f"{merchant_id} does not have route {route.name}")
        if one.acts:
            _refuse_at_rest(merchant, route.name)
        clock()  # finds a VS_ST_NOW that is not a time before anything is done
        of_route = make_run(merchant, route=route.name, who=f"cli:{user_name()}")
        try:
            if one.asks is not None:
                confirm(one.asks(of_route, typed), yes)
            told = one.do(of_route, typed)
        except BadArguments as error:
            raise click.UsageError(str(error)) from None
        if as_json:
            say_json(told.json)
        else:
            say(*told.lines)
        if told.error is not None:
            tell(f"vs-st: {told.error}")
        sys.exit(0 if told.well else 1)

    params: list[click.Parameter] = [
        click.Option(["--merchant", "merchant_id"], required=True, metavar="ID", help="The merchant that it is about."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object instead of text."),
    ]
    params += [_option(option) for option in one.options]
    if one.asks is not None:
        params.append(click.Option(["--yes"], is_flag=True, help="Do not ask."))
    params += [
        click.Argument([word.removesuffix(MORE).lower()], metavar=word, nargs=-1 if word.endswith(MORE) else 1,
                       required=True)
        for word in one.arguments
    ]  # fmt: skip
    return click.Command(one.name, callback=run, params=params, help=one.says)


def _option(option: Option) -> click.Option:
    takes: dict[str, Any] = {"metavar": option.takes} if option.takes else {"is_flag": True}
    if option.whole:
        takes["type"] = click.IntRange(min=1)
    if option.usual is not None:
        takes |= {"default": option.usual, "show_default": True}
    if option.many:
        takes["multiple"] = True
    return click.Option([option.flag, option.name], help=option.says, required=option.required, **takes)


def _refuse_at_rest(merchant: Merchant, name: str) -> None:
    """Refuse what would call a system or write for a merchant or a route that is to be left alone (R51)."""
    if not merchant.enabled:
        raise BadSettings(f"{merchant.id} is disabled, so nothing is done: set enabled: true")
    if name in merchant.paused:
        raise BadSettings(f"{name} of {merchant.id} is paused, so nothing is done: take it off `paused`")
    if (off := merchant.off.get(name)) is not None:
        raise BadSettings(f"{name} of {merchant.id} is off, so nothing is done: {off.says}")


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
