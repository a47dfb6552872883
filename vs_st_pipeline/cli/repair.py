"""Defines `vs-st retry` and `vs-st reconcile`: try again what was refused, compare a destination with the ledger."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from vs_st_pipeline import routes
from vs_st_pipeline.cli.layout import headed
from vs_st_pipeline.cli.options import (
    Pair,
    json_option,
    merchant_options,
    one_route_option,
    read_settings,
    select_one_route,
)
from vs_st_pipeline.cli.output import say, say_json, tell
from vs_st_pipeline.cli.privacy import confirm
from vs_st_pipeline.cli.sync import JOBS, for_each, make_run, sync_lines
from vs_st_pipeline.cli.whole_numbers import WholeNumber
from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.domain.report import OK, Report
from vs_st_pipeline.pipeline.route import Again, Retry, Route
from vs_st_pipeline.platform.settings.merchants import Merchant, places_of_entries
from vs_st_pipeline.platform.user import user_name
from vs_st_pipeline.routes import has_route

_USAGES = dict.fromkeys(route.retry.usage for route in routes.ROUTES if route.retry)


@click.command(options_metavar=f"[OPTIONS] {' | '.join(_USAGES)}", short_help="Try again now what was refused.")
@merchant_options
@one_route_option
@click.option("--code", metavar="CODE", help="All that were refused with this code, where the route asks first.")
@click.option("--drop", is_flag=True, help="Give these up for good, where the route knows it.")
@click.option("--yes", is_flag=True, help="Do not ask, where the route asks first.")
@json_option
@click.option("--jobs", type=WholeNumber(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
def retry(
    ids: tuple[str, ...],
    more_ids: tuple[str, ...],
    every: bool,
    name: str | None,
    code: str | None,
    drop: bool,
    yes: bool,
    as_json: bool,
    jobs: int,
) -> None:
    """Try again now what was refused, whatever its gap: all, or the record given last. What follows is a whole sync.

    A merchant with nothing that waits is not called. Prints what `vs-st sync` prints.
    """
    words, more_ids = _words_behind_ids(more_ids, _routes_meant(ids, name))
    _refuse_what_is_neither(ids, more_ids)
    pairs = select_one_route(ids, more_ids, every, name, lambda route: route.retry, "retry")
    if len(found_routes := list(dict.fromkeys(pair.route for pair in pairs))) > 1:  # it never spans routes (R29)
        there = ", ".join(route.name for route in found_routes)
        raise click.UsageError(f"these merchants have the routes {there}: say which with --route NAME")
    if not pairs:
        retries: list[Route] = [route for route in routes.ROUTES if route.retry]
        found_routes = retries[:1]
    retry_of = found_routes[0].retry
    assert retry_of is not None
    again = Again(words, code, drop)
    _refuse_what_it_does_not_know(found_routes[0].name, retry_of, again, every)
    if retry_of.find is not None:
        for pair in pairs:
            if pair.merchant is not None and pair.fault is None:
                try:
                    tell(*retry_of.find(make_run(pair.merchant, route=pair.route.name), again))
                except BadArguments as error:
                    raise click.UsageError(str(error)) from None
        confirm("these will be given up for good" if drop else "these will be tried again", yes)

    def one(pair: Pair, merchant: Merchant, progress: Callable[[str], None]) -> tuple[Report, bool]:
        report = retry_of.go(
            make_run(merchant, route=pair.route.name, progress=progress, who=f"cli:{user_name()}"), again
        )
        return (report, True) if report else (pair.route.report(merchant.id, ""), False)

    try:
        found = for_each(pairs, jobs, one, lambda pair, report: (report, True))
    except BadArguments as error:  # before anything was done
        raise click.UsageError(str(error)) from None
    reports = [report for report, waited in found if waited]
    idle = [report.merchant for report, waited in found if not waited]
    if as_json:
        say_json({"merchants": [report.as_json() for report in reports], "nothing_waits": idle})
    else:
        for merchant_id in idle:
            whose = retry_of.nothing[bool(words)]
            say(f"{merchant_id}: {whose}, so nothing was tried and no system was called")
        for report in reports:
            say(*headed(sync_lines(report, report.merchant)))
    sys.exit(0 if all(report.status == OK for report in reports) else 1)


def _routes_meant(ids: tuple[str, ...], name: str | None) -> list[Retry]:
    """Return how the routes try again whose records a word may name.

    Words of a route that takes many, such as numbers of orders, look like ids of merchants: they are meant only where
    the route is named, or a merchant that is named first has it.
    """
    found = read_settings()
    merchants = [one for one in map(found.get, ids) if one is not None]
    return [
        route.retry
        for route in routes.ROUTES
        if route.retry
        and (route.retry.most == 1 or route.name == name or any(has_route(one, route) for one in merchants))
    ]


def _words_behind_ids(words: tuple[str, ...], meant: Sequence[Retry]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split words into those that name records, which stand last, and ids; a merchant's id is always that."""
    if not words:
        return (), ()
    known = read_settings().ids
    first = len(words)
    while first and words[first - 1] not in known and any(one.takes(words[first - 1]) for one in meant):
        first -= 1
    return words[first:], words[:first]


def _refuse_what_is_neither(ids: tuple[str, ...], more_ids: tuple[str, ...]) -> None:
    """Refuse a word behind the merchants that is neither a merchant nor what a route would take for a record."""
    found = read_settings()
    named = [merchant for one in ids if (merchant := found.get(one)) is not None]
    for word in more_ids if named else ():
        if found.get(word) is None and not found.bad_of(word):
            whose, where = " and ".join(merchant.id for merchant in named), places_of_entries(found.path)
            taken = " | ".join(
                route.retry.usage
                for route in routes.ROUTES
                if route.retry and any(has_route(one, route) for one in named)
            )
            raise click.UsageError(
                f"'{word}' is no merchant of {where}, and no record that can be tried again of {whose}"
                + (f": give {taken}" if taken else "")
            )


def _refuse_what_it_does_not_know(name: str, retry_of: Retry, again: Again, every: bool) -> None:
    if retry_of.most is not None and len(again.records) > retry_of.most:
        raise click.UsageError(f"more words than a record has here: {retry_of.usage}")
    if not all(retry_of.takes(word) for word in again.records):
        raise click.UsageError(f"what was given last names no record here: {retry_of.usage}")
    if again.drop and not retry_of.can_drop:
        raise click.UsageError(f"route {name} has no --drop: leave it out")
    if retry_of.find is None:
        if again.code is not None:
            raise click.UsageError(f"route {name} has no --code: leave it out, and all that waits is tried again")
        return
    if every:
        raise click.UsageError(f"route {name} tries again what is named, never all merchants: give --merchant ID...")
    if bool(again.records) == (again.code is not None):
        raise click.UsageError(f"say what to try again: {retry_of.usage} or --code CODE")


@click.command(short_help="Compare a destination with what it has accepted.")
@merchant_options
@one_route_option
@json_option
@click.option(
    "--sample",
    type=WholeNumber(min=1),
    metavar="N",
    help="About N records, chosen evenly at random and the same all day, by one request each; all of them where a "
    "listing of all is no dearer.",
)
@click.option("--jobs", type=WholeNumber(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
def reconcile(
    ids: tuple[str, ...],
    more_ids: tuple[str, ...],
    every: bool,
    name: str | None,
    as_json: bool,
    sample: int | None,
    jobs: int,
) -> None:
    """Compare what is wanted, what was accepted and what the destination holds now. Writes nothing there.

    A value is `same`; `ours`: what is wanted has changed, the next sync writes it; `theirs`: it was edited there;
    `both`. A record that cannot be read is left out. Asks for one listing of all records, or for each by itself where
    that takes fewer requests. Exit status 1 if anything is `theirs` or `both`, or a record could not be read. People
    are masked.
    """

    def one(pair: Pair, merchant: Merchant, progress: Callable[[str], None]) -> Any:
        assert pair.route.reconcile is not None
        return pair.route.reconcile.compare(make_run(merchant, route=pair.route.name, progress=progress), sample)

    def failed(pair: Pair, report: Report) -> Any:
        assert pair.route.reconcile is not None
        return pair.route.reconcile.failed(report)

    pairs = select_one_route(ids, more_ids, every, name, lambda route: route.reconcile, "reconcile")
    found = for_each(pairs, jobs, one, failed)
    if as_json:
        say_json({"merchants": [one_found.as_json() for one_found in found]})
    else:
        for one_found in found:
            say(*headed(one_found.lines()))
    sys.exit(0 if all(one_found.status == OK and one_found.agrees for one_found in found) else 1)
