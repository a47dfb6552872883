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
from vs_st_pipeline.cli.help import Sections
from vs_st_pipeline.cli.options import one_merchant, read_settings
from vs_st_pipeline.cli.output import say, say_exactly, say_json
from vs_st_pipeline.cli.privacy import confirm
from vs_st_pipeline.cli.sync import clock, make_run
from vs_st_pipeline.cli.trouble import tell_error
from vs_st_pipeline.cli.whole_numbers import WholeNumber
from vs_st_pipeline.domain.errors import BadArguments, BadSettings
from vs_st_pipeline.pipeline.own_commands import Option, OtherName, OwnCommand
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.run import Run
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
            group = Sections(route.name, help=f"What only route {route.name} can be asked.", short_help=route.asked)
            for one in route.commands:
                command = _own(route, one) if isinstance(one, OwnCommand) else _other_name(house, one)
                _group_for(group, one.name).add_command(command)
            yield group


def _group_for(group: click.Group, name: str) -> click.Group:
    """Return where a command stands: in a group of its own where its name has two words."""
    first, blank, _ = name.partition(" ")
    if not blank:
        return group
    within = group.commands.get(first)
    if within is None:
        says = f"What can be asked about {first}."
        within = Sections(first, help=says, short_help=says)
        group.add_command(within)
    assert isinstance(within, click.Group)
    return within


def _own(route: Route, one: OwnCommand) -> click.Command:
    def run(as_json: bool, yes: bool = False, **typed: Any) -> None:
        clock()  # finds a VS_ST_NOW that is not a time before anything is done
        try:
            if one.for_many is not None:
                runs = [_run_of(route, one, who) for who in _named(route, typed)]
                told = one.for_many(runs, typed)
            else:
                merchant = (
                    _of_account(route, typed["account"]) if one.for_account else one_merchant(typed.pop("merchant"))
                )
                of_route = _run_of(route, one, merchant)
                if one.asks is not None:
                    confirm(one.asks(of_route, typed), yes, needed=one.needs_yes)
                told = one.do(of_route, typed)
        except BadArguments as error:
            raise click.UsageError(str(error)) from None
        if as_json:
            say_json(told.json)
        elif told.exact:
            say_exactly(*told.lines)
        else:
            say(*told.lines)
        if told.error is not None:
            tell_error(told.error)
        sys.exit(0 if told.well else 1)

    params = [
        *_who(one),
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
    says = f"{one.says} {one.more}".rstrip()
    return click.Command(one.name.rpartition(" ")[2], callback=run, params=params, help=says, short_help=one.says)


def _who(one: OwnCommand) -> list[click.Parameter]:
    """Return the options that say whom a command is about."""
    if one.for_account:
        return [click.Option(["--account"], required=True, metavar="ID", help="The account that it is about.")]
    if one.for_many is not None:
        return [
            click.Option(["--merchant"], multiple=True, metavar="ID", help="A merchant; may be given several times."),
            click.Option(["--all", "everybody"], is_flag=True, help="All merchants that have this route."),
        ]
    return [click.Option(["--merchant"], required=True, metavar="ID", help="The merchant that it is about.")]


def _run_of(route: Route, one: OwnCommand, merchant: Merchant) -> Run:
    """Return a run of a merchant. Raises where it does not have the route, or may not be asked this."""
    if fault := merchant.faults.get(route.name):
        raise fault
    if route.name not in {*merchant.routes, *merchant.paused, *merchant.off}:
        needs = ", ".join(" or ".join(sorted(one)) for one in route.needs)
        raise click.UsageError(f"{merchant.id} does not have route {route.name}; an entry that has it names {needs}")
    if one.acts:
        _refuse_at_rest(merchant, route.name)
    return make_run(merchant, route=route.name, who=f"cli:{user_name()}")


def _named(route: Route, typed: dict[str, Any]) -> list[Merchant]:
    """Return the merchants that were named, or all that have the route."""
    named, everybody = typed.pop("merchant"), typed.pop("everybody")
    if bool(named) == everybody:
        raise click.UsageError("say --merchant ID, once or several times, or --all")
    if named:
        return [one_merchant(merchant_id) for merchant_id in dict.fromkeys(named)]
    return [one for one in read_settings().merchants if route.name in {*one.routes, *one.paused, *one.off}]


def _of_account(route: Route, account: str) -> Merchant:
    """Return a merchant that sends by an account; which one of several does not matter."""
    known: dict[str, None] = {}
    for merchant in read_settings().merchants:
        if account in (own := route.accounts(merchant)):
            return merchant
        known.update(dict.fromkeys(own))
    there = f"there are {', '.join(known)}" if known else "there are none"
    raise click.UsageError(f"no merchant of the file has an account '{account}'; {there}")


def _option(option: Option) -> click.Option:
    takes: dict[str, Any] = {"metavar": option.takes} if option.takes else {"is_flag": True}
    if option.whole:
        takes["type"] = WholeNumber(min=1)
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
    short = f"As `vs-st {' '.join(one.of)}`, of this route."
    return click.Command(one.name, callback=run, params=asked, help=says, short_help=short)
