"""Defines `vs-st connect` and `vs-st disconnect`: register a merchant at a destination, and take it out again."""

from __future__ import annotations

import os
import sys

import click

from vs_st_pipeline import routes
from vs_st_pipeline.cli.options import json_option, one_merchant, read_settings
from vs_st_pipeline.cli.output import say, say_json, tell
from vs_st_pipeline.cli.privacy import confirm
from vs_st_pipeline.cli.sync import clock, make_run, the_warehouse
from vs_st_pipeline.cli.trouble import tell_error
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.pipeline.own_commands import Told
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.settings.environment import settings_path
from vs_st_pipeline.platform.settings.merchants import ID_FORM, Merchant


@click.command(short_help="Register a merchant at its destination now.")
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="The merchant to register.")
@json_option
def connect(merchant_id: str, as_json: bool) -> None:
    """Register a merchant at its destination now, where that is done once.

    A sync does it by itself; this tries at once where it was refused, and registers anew whoever was disconnected.
    One that is registered is left as it is. Its history follows in the background.
    """
    merchant = one_merchant(merchant_id)
    if not merchant.enabled:
        raise BadSettings(f"{merchant_id} is disabled, so nothing is done: set enabled: true")
    for route in _registering():
        if fault := merchant.faults.get(route.name):
            raise fault
        if route.name in merchant.routes and route.registering is not None:
            clock()
            _say(route.registering.connect(make_run(merchant, route=route.name)), as_json)
    registered = ", ".join(route.name for route in _registering())
    raise click.UsageError(f"{merchant_id} has no route that is registered anywhere, such as {registered}")


@click.command(short_help="Take a merchant out of its destination again.")
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="The merchant that leaves.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Remove the registration at once, and tell nobody.")
@json_option
def disconnect(merchant_id: str, yes: bool, force: bool, as_json: bool) -> None:
    """Take a merchant out of the destination at which it is registered.

    Unsubscribes that wait go first; then the destination is told that the shop has left, and what we remember of it
    goes. Also for a merchant that is disabled, or no longer in the merchants file.
    """
    if not ID_FORM.fullmatch(merchant_id):
        raise click.UsageError("an id is 1-63 of a-z, 0-9 and -, no - first")
    warehouse = the_warehouse()
    clock()
    merchant = _known(merchant_id)
    for route in _registering():
        registering = route.registering
        if registering is not None and registering.is_registered(warehouse, merchant_id):
            confirm(f"{merchant_id}: {registering.asks}", yes)
            leaving = registering.stand_in_for(merchant or Merchant(merchant_id, merchant_id), warehouse)
            _say(registering.disconnect(make_run(leaving, route=route.name), force=force), as_json)
        if registering is not None and merchant is not None and route.name in (*merchant.routes, *merchant.paused):
            _say(registering.disconnect(make_run(merchant, route=route.name), force=force), as_json)
    raise click.UsageError(f"{merchant_id} is registered nowhere, so there is nothing to take out")


def _registering() -> list[Route]:
    return [route for route in routes.ROUTES if route.registering is not None]


def _known(merchant_id: str) -> Merchant | None:
    """Return the merchant of the file, disabled or not; None where the file has no good one."""
    try:
        return read_settings(all_secrets=True).get(merchant_id)
    except BadSettings:
        tell(f"vs-st: {settings_path(os.environ)} cannot be used; what the registration remembers is")
        return None


def _say(told: Told, as_json: bool) -> None:
    if as_json:
        say_json(told.json)
    else:
        say(*told.lines)
    if told.error is not None:
        tell_error(told.error)
    sys.exit(0 if told.well else 1)
