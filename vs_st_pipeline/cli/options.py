"""Reads which merchants and routes a command is about, and the options that say so.

It is long because each way in which nobody is left to be asked has a sentence of its own.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click

from vs_st_pipeline import routes
from vs_st_pipeline.cli.output import tell
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.settings.environment import InvalidSetting, settings_path
from vs_st_pipeline.platform.settings.merchants import (
    BadMerchant,
    Merchant,
    MerchantsFile,
    place_of_entry,
    places_of_entries,
)
from vs_st_pipeline.routes import at_rest, faults_of, has_route, routes_of

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Pair:
    """A merchant and a route to work on.

    Attributes:
        merchant_id: for an entry without an id, its line in brackets.
        merchant: None where the entry cannot be used.
        fault: why nothing can be done; it fails with kind `config`.
        several: the merchant has more than one route in this selection, so that the route has to be named.
    """

    merchant_id: str
    route: Route
    merchant: Merchant | None
    fault: BadSettings | None = None
    several: bool = False

    @property
    def name(self) -> str:
        """Return how the pair is named in lines for people."""
        return f"{self.merchant_id}, {self.route.name}" if self.several else self.merchant_id


def merchant_options(command: F) -> F:
    """Add `--merchant ID...` and `--all`; several ids may follow one `--merchant`, or it may be given several times."""
    command = click.argument("more_ids", nargs=-1, metavar="")(command)
    command = click.option("--all", "every", is_flag=True, help="All enabled merchants.")(command)
    return click.option("--merchant", "ids", multiple=True, metavar="ID...", help="These merchants.")(command)


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")(command)


def route_option(command: F) -> F:
    """Add `--route NAME`, which may be given several times."""
    return click.option(
        "--route", "names", multiple=True, metavar="NAME", callback=_known_routes, help="This route; all that are on."
    )(command)


def one_route_option(command: F) -> F:
    """Add `--route NAME` of a command that is about one route."""
    said = f"The route it is about; {routes.ROUTES[0].name}, if that is on."
    return click.option("--route", "name", metavar="NAME", callback=_known_route, help=said)(command)


def _known_routes(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        _known_route(context, option, name)
    return names


def _known_route(context: click.Context, option: click.Parameter, name: str | None) -> str | None:
    known = [route.name for route in routes.ROUTES]
    if name is not None and name not in known:
        raise click.UsageError(f"there is no route '{name}'; there are {', '.join(known)}")
    return name


def select(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool, names: Collection[str] = ()) -> list[Pair]:
    """Return the merchants that the options name, each with its routes, in the file's order and then the table's.

    Args:
        names: only these routes; empty for all that are on.

    Raises:
        click.UsageError: neither or both of the options, or a merchant that the file does not have.
        BadSettings: the merchants file cannot be used at all.
    """
    found = _find(ids, more_ids, every)
    first = next(route for route in routes.ROUTES if not names or route.name in names)
    pairs: list[Pair] = []
    for merchant in found.merchants:
        faults = faults_of(merchant, names)
        own = [
            Pair(merchant.id, route, merchant, faults.get(route.name))
            for route in routes.ROUTES
            if has_route(merchant, route) and (not names or route.name in names)
        ]
        pairs += [replace(one, several=len(own) > 1) for one in own]
        if not own and not every:
            tell(f"{merchant.id}: {' and '.join(names) or 'every route'} {_off(merchant, names)}, so nothing is done")
    for bad in found.bad:
        means = [route for route in routes.ROUTES if route.name in bad.routes and (not names or route.name in names)]
        pairs += [Pair(bad.name, route, None, bad.error, several=len(means) > 1) for route in means or [first]]
    if every and not pairs:
        of_whom = f" with {' or '.join(f'route {name}' for name in names)}" if names else ""
        tell(f"no merchant{of_whom} is enabled, so nothing is done")
    return pairs


def select_one_route(
    ids: tuple[str, ...],
    more_ids: tuple[str, ...],
    every: bool,
    name: str | None,
    can: Callable[[Route], object],
    what: str,
) -> list[Pair]:
    """Return the merchants that the options name, each with the one route that a command is about.

    Args:
        name: of the route; None: the first of the table where that is on, else the one that is on.
        can: says whether a route knows the command. what: the command.

    Raises:
        click.UsageError: as `select`; or a merchant has several such routes, and none was named.
        BadSettings: the merchants file cannot be used at all.
    """
    found = _find(ids, more_ids, every)
    pairs = []
    for merchant in found.merchants:
        try:
            route = chosen_route(merchant, name, can, what)
        except click.UsageError:
            if every and not routes_of(merchant, [name] if name else []):
                continue
            raise
        if not has_route(merchant, route):  # nothing is called or written for it (routes.md R51)
            if not every:
                tell(f"{merchant.id}: {route.name} {_off(merchant, (route.name,))}, so nothing is done")
            continue
        pairs.append(Pair(merchant.id, route, merchant, faults_of(merchant).get(route.name)))
    knowing = [route for route in routes.ROUTES if can(route) and name in (None, route.name)] or [routes.ROUTES[0]]
    for bad in found.bad:
        means = [route for route in knowing if route.name in bad.routes]
        pairs.append(Pair(bad.name, (means or knowing)[0], None, bad.error))
    return pairs


def chosen_route(merchant: Merchant, name: str | None, can: Callable[[Route], object], what: str) -> Route:
    """Return the route of a merchant that a command is about; it may be one whose settings are wrong.

    Raises:
        click.UsageError: none can be asked, or several can, and none was named.
    """
    knowing = [route for route in routes.ROUTES if can(route)]
    if name is not None:
        if name not in [route.name for route in knowing]:
            known = ", ".join(route.name for route in knowing)
            raise click.UsageError(f"route {name} has no `{what}`; {known} ha{'ve' if len(knowing) > 1 else 's'}")
        return next(route for route in knowing if route.name == name)
    there = [route for route in routes.ROUTES if has_route(merchant, route)]
    # Where all are at rest, what they have stored may be looked at.
    there = there or [route for route in routes.ROUTES if route.name in at_rest(merchant)]
    on = [route for route in there or routes.ROUTES[:1] if route in knowing]  # of a disabled merchant the first
    if on and (len(on) == 1 or on[0] is routes.ROUTES[0]):
        return on[0]
    names = ", ".join(route.name for route in on or there)
    if on:
        raise click.UsageError(f"{merchant.id} has the routes {names}: say which with --route NAME")
    raise click.UsageError(f"none of the routes of {merchant.id} ({names}) has `{what}`")


def _off(merchant: Merchant, names: Iterable[str]) -> str:
    off = {name: f"{off.state}: {off.says}" for name, off in merchant.off.items()}
    off = off if names else {**dict.fromkeys(sorted(merchant.paused), "paused"), **off}
    return "is off" + (f" ({'; '.join(f'{name} is {said}' for name, said in off.items())})" if off else "")


def usable_route(merchant: Merchant, name: str | None, can: Callable[[Route], object], what: str) -> Route:
    """Return the same, for a command that cannot go on without its settings.

    Raises:
        click.UsageError: as `chosen_route`.
        BadSettings: the merchant's settings of it cannot be used.
    """
    route = chosen_route(merchant, name, can, what)
    if fault := merchant.faults.get(route.name):  # of a paused one too
        raise fault
    return route


@dataclass(slots=True)
class _Found:
    """Merchants of the file, and entries that were named but cannot be used."""

    merchants: list[Merchant]
    bad: list[_Bad]


@dataclass(frozen=True, slots=True)
class _Bad:
    """A named merchant that nothing can be done with: its name, why, and the routes that it means."""

    name: str
    error: BadSettings
    routes: Collection[str] = ()


def _find(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool) -> _Found:
    check_named(ids, more_ids, every)
    found = read_settings()
    if every:
        return _Found(list(found.enabled), [_Bad(name_of_bad(bad), bad.error, bad.routes) for bad in found.bad])
    return _named(found, list(dict.fromkeys([*ids, *more_ids])))


def check_named(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool) -> None:
    """Refuse what names no merchants, or names them in two ways. Raises click.UsageError."""
    if more_ids and not ids:
        raise click.UsageError(f"unexpected argument '{more_ids[0]}'; name merchants with --merchant ID...")
    if bool(ids) == every:
        raise click.UsageError("say which merchants: --merchant ID... or --all")


def read_settings(*, all_secrets: bool = False) -> MerchantsFile:
    """Read the merchants file that `VS_ST_MERCHANTS` names; `all_secrets`: those of disabled merchants too."""
    return read_merchants(settings_path(os.environ), os.environ, all_secrets=all_secrets)


def warn_of(misunderstood: Iterable[InvalidSetting]) -> None:
    """Print which settings of the environment are not understood, and what follows from it."""
    for one in misunderstood:
        tell(f"warning: {one.sentence}")


def settings_json(misunderstood: Iterable[InvalidSetting]) -> list[dict[str, str]]:
    """Return the settings that are not understood, for `--json`."""
    return [{"not_understood": one.says, "meanwhile": one.meanwhile} for one in misunderstood]


def one_merchant(merchant_id: str) -> Merchant:
    """Return the one good merchant with this id, enabled or not: a command that only looks may look at both.

    Raises:
        click.UsageError: there is none.
        BadSettings: its entry cannot be used.
    """
    found = read_settings()
    merchant = found.get(merchant_id)
    if merchant is not None:
        return merchant
    for bad in found.bad_of(merchant_id):
        raise bad.error
    raise click.UsageError(unknown_merchant(found, merchant_id))


def _named(found: MerchantsFile, ids: list[str]) -> _Found:
    selection = _Found([], [])
    for merchant_id in ids:
        merchant, bad = found.get(merchant_id), found.bad_of(merchant_id)
        if merchant is None and not bad:
            raise click.UsageError(unknown_merchant(found, merchant_id))
        if merchant is not None and merchant.enabled:
            selection.merchants.append(merchant)
        elif merchant is not None:
            error = BadSettings(
                f"{merchant_id} is disabled in {place_of_entry(found.path, merchant_id)}: set enabled: true to have it "
                f"written from now on; `vs-st onboard --merchant {merchant_id} --plan` only rehearses that"
            )
            selection.bad.append(_Bad(merchant_id, error, merchant.routes))
        selection.bad.extend(_Bad(merchant_id, entry.error, entry.routes) for entry in bad)
    for entry in found.bad:
        if entry.id not in ids:
            tell(f"warning: {entry.error.message}")
    return selection


def unknown_merchant(found: MerchantsFile, merchant_id: str) -> str:
    """Say that there is no such merchant, and which one may be meant."""
    near = difflib.get_close_matches(merchant_id, found.ids, n=3)
    meant = f"did you mean {' or '.join(near)}?" if near else "`vs-st merchants` lists those that there are"
    nameless = [bad.error.message for bad in found.bad if bad.id is None]
    if nameless:
        meant += f"{'' if near else '.'} Of other entries the id is not known: {'; '.join(nameless)}"
    return f"there is no merchant '{merchant_id}' in {places_of_entries(found.path)}; {meant}"


def name_of_bad(bad: BadMerchant) -> str:
    """Return how an entry that cannot be used is named."""
    return bad.id or f"(line {bad.line})"
