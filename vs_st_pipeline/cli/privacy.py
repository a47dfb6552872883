"""Defines `vs-st forget` and `vs-st rebuild`: what is kept of people, how it goes, and how a file is started over."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from vs_st_pipeline import routes
from vs_st_pipeline.cli.layout import headed
from vs_st_pipeline.cli.options import json_option, one_merchant, one_route_option, usable_route
from vs_st_pipeline.cli.output import is_terminal, say, say_json, say_table, tell
from vs_st_pipeline.cli.sync import clock, make_run, sync_lines
from vs_st_pipeline.domain.errors import BadSettings, PipelineError
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import OK
from vs_st_pipeline.pipeline.erasure import FINDINGS
from vs_st_pipeline.pipeline.route import Forget, Person, Route
from vs_st_pipeline.pipeline.route_files import named_for
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.environment import data_dir
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes import at_rest, faults_of, paused_of, routes_of


@click.command(short_help="Erase a person from all that is kept, for good.")
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="Whose customer or contact it is.")
@click.option("--customer", metavar="C", help="The customer's id, instead of a phone or an e-mail.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.argument("who", required=False, metavar="PHONE | EMAIL")
def forget(merchant_id: str, customer: str | None, yes: bool, as_json: bool, who: str | None) -> None:
    """Erase the people with PHONE from all that is kept, and never store or write them again.

    Of every route of the merchant: their records go from every table, and the bytes from the file. Salted hashes stay,
    which keep them out. Nothing at any other system is changed. A phone that nobody is stored under is kept out in any
    case. EMAIL, or a customer's id, finds the same people by what is stored.
    """

    merchant = one_merchant(merchant_id)
    person = _person(who, customer)
    asked = [(route, route.forget) for route in _routes_that_keep(merchant) if route.forget]
    knowing = [(route, way) for route, way in asked if way.knows(person)]
    if not knowing:
        # Not repeated in the message: it may be personal data.
        raise click.UsageError("this is no phone number: give its ten digits" if person.phone else NOBODY_KNOWS)
    clock()
    runs = {route.name: make_run(merchant, route=route.name) for route, _ in knowing}
    several = len(knowing) > 1
    told = [_stored(route, way, runs[route.name], person, several) for route, way in knowing]
    confirm(f"{merchant_id}: {'; '.join(told)} will be erased for good", yes)
    found: dict[str, dict[str, int]] = {}
    there: dict[str, list[str]] = {}
    failed = False
    for route, way in knowing:
        try:
            # Its masked samples go first: they are made again at the next check, whatever becomes of the rest.
            (_folder_of(merchant) / named_for(route.name, FINDINGS)).unlink(missing_ok=True)
            there[route.name] = way.there(runs[route.name], person)
            found[route.name] = way.forget(runs[route.name], person)
            if left := found[route.name].get(NOT_TOLD):
                tell(f"{merchant_id}, {route.name}: {left} unsubscribes were not taken; every sync tries, for 7 days")
                failed = True
        except PipelineError as error:
            if not several:
                raise
            failed = True  # the other routes go on; the command says it again, and can be given again
            tell(f"{merchant_id}, {route.name}: nothing was erased: {error}")
    if as_json:
        say_json(_forgotten_json(merchant_id, found, knowing, there))
    else:
        erased = [(route, way) for route, way in knowing if route.name in found]
        what = "phone" if person.phone else "e-mail" if person.email else "id"
        _say_forgotten(merchant_id, erased, found, what, several, there)
    for route, way in asked:
        if not way.knows(person):
            tell(f"{merchant_id}, {route.name}: nobody can be looked for by what was given, so nothing was erased")
            failed = True
    sys.exit(1 if failed else 0)


NOT_TOLD = "not_told"  # a count of what `Forget.forget` could not have unsubscribed
NOBODY_KNOWS = "no route of this merchant can look for a person by that; give the phone"


def _person(who: str | None, customer: str | None) -> Person:
    if (who is None) == (customer is None):
        raise click.UsageError(
            "Missing argument 'PHONE'." if who is None else "give one of a phone, an e-mail or --customer"
        )
    if customer is not None:
        return Person(customer=customer)
    return Person(email=who) if who and "@" in who else Person(phone=who)


def _routes_that_keep(merchant: Merchant) -> list[Route]:
    """Return the routes that the merchant has or had; the first one where it has none."""
    had = {*(route.name for route in routes_of(merchant)), *faults_of(merchant), *at_rest(merchant)}
    had.update(make_run(merchant).warehouse.files(merchant.id))
    return [route for route in routes.ROUTES if route.name in had] or [routes.ROUTES[0]]


def _folder_of(merchant: Merchant) -> Path:
    return data_dir(os.environ) / "merchants" / merchant.id


def _stored(route: Route, way: Forget, run: Run, person: Person, several: bool) -> str:
    """Say what is stored of a person; where a route cannot be looked at now, the others are not kept from it."""
    try:
        return _told(way, way.find(run, person), route.name if several else "")
    except PipelineError as error:
        if not several:
            raise
        return f"what route {route.name} keeps, which cannot be looked at now ({error.kind})"


def _forgotten_json(
    merchant_id: str,
    found: dict[str, dict[str, int]],
    asked: list[tuple[Route, Forget]],
    there: dict[str, list[str]],
) -> dict[str, object]:
    whole: dict[str, object] = {"merchant": merchant_id, **next(iter(found.values()), {}), "kept_out": bool(found)}
    if len(asked) > 1:
        whole["routes"] = [{"route": name, **counts} for name, counts in found.items()]
    if len(asked) > 1 or any(there.values()):
        whole["elsewhere"] = [
            {"route": route.name, "do": line}
            for route, way in asked
            for line in (*way.elsewhere, *there.get(route.name, ()))
        ]
    return whole


def _say_forgotten(
    merchant_id: str,
    erased: list[tuple[Route, Forget]],
    found: dict[str, dict[str, int]],
    what: str,
    several: bool,
    there: dict[str, list[str]],
) -> None:
    by_hand = [(route.name, line) for route, way in erased for line in (*way.elsewhere, *there[route.name])]
    if several:
        rows = [(route.name, _told(way, found[route.name])) for route, way in erased]
        say_table(("route", "erased, also from the file itself, and kept out from now on"), rows)
        say("")
    for route, way in erased if not several else ():
        counts = found[route.name]
        if any(counts[one] for one in way.counts):
            say(f"{merchant_id}: {_told(way, counts)} erased, also from the file itself, and kept out from now on.")
        else:
            say(f"{merchant_id}: nobody is stored under this {what}; the person with it is kept out from now on.")
    for route, _ in erased:
        if unsettled := found[route.name].get("unsettled_writes"):
            say(f"{counted(unsettled, 'writes')} had no outcome yet; no later sync will ask for it.")
    if several and by_hand:
        say_table(("route", "what a person must erase elsewhere"), by_hand)
        say("")
    else:
        say(*dict.fromkeys(line for _, line in by_hand))
    say("Backups of the data folder still hold what was erased. So may Dagster's run history: ids, no names.")


@click.command(short_help="Start a merchant's file over from its systems.")
@click.option("--merchant", "merchant_id", required=True, metavar="ID", help="The merchant whose file is started over.")
@one_route_option
@click.option("--yes", is_flag=True, help="Go on also where the old file cannot be read.")
@json_option
def rebuild(merchant_id: str, name: str | None, yes: bool, as_json: bool) -> None:
    """Start a merchant's file over from its systems; the old one is set aside.

    Nothing is written that is there already. People who were forgotten stay forgotten, and what was under way when the
    old file was last used is settled by reading. A sync follows at once.
    """
    from vs_st_pipeline.operations import rebuild

    merchant = one_merchant(merchant_id)
    if not merchant.enabled:
        raise BadSettings(f"{merchant_id} is disabled, so it cannot be read again: set enabled: true")
    clock()
    route = usable_route(merchant, name, lambda _: True, "rebuild")
    if route.name in paused_of(merchant):
        raise BadSettings(f"{route.name} of {merchant_id} is paused, so it cannot be read again: take it off `paused`")
    if (off := merchant.off.get(route.name)) is not None:
        raise BadSettings(f"{route.name} of {merchant_id} is {off.state}, so it cannot be read again: {off.says}")
    run = make_run(merchant, route=route.name)
    if (why := rebuild.why_unreadable(run, route)) is not None:
        has_copy = (run.warehouse.folder(merchant_id) / forgetting_copy()).exists()
        confirm(f"{merchant_id}: {why}\n{UNREADABLE_WITH_COPY if has_copy else UNREADABLE}", yes)
    rebuilt = rebuild.rebuild(run, route)
    if rebuilt.set_aside:
        tell(f"{merchant_id}: the old file lies in {rebuilt.set_aside} now; remove it when all is well")
        tell("it still holds people; `vs-st forget` removes it")
    if rebuilt.unreadable:
        tell(f"{merchant_id}: the old file could not be read; whatever was under way is found by reading")
    if rebuilt.unsettled:
        tell(f"{merchant_id}: {counted(rebuilt.unsettled, 'writes')} without an outcome carried over")
    report = route.sync(run)
    if as_json:
        aside = str(rebuilt.set_aside) if rebuilt.set_aside else None
        say_json({"merchants": [report.as_json()], "set_aside": aside, "unsettled_writes": rebuilt.unsettled})
    else:
        say(*headed(sync_lines(report, merchant_id)))
    sys.exit(0 if report.status == OK else 1)


UNREADABLE = (
    "WARNING: the old file cannot be read, and there is no copy of the hashes of people who were forgotten beside it. "
    "If anybody was ever forgotten, they will come back with the next reading: forget them again. "
    "What was being written when the file was last used is not known either; reading will show it"
)
UNREADABLE_WITH_COPY = (
    "WARNING: the old file cannot be read. Who was forgotten is known from the copy beside it, and stays out if that "
    "copy is whole. What was being written when the file was last used is not known; reading will show it"
)


def forgetting_copy() -> str:
    from vs_st_pipeline.pipeline.forgotten_copy import COPY

    return COPY


def _told(way: Forget, found: dict[str, int], route: str = "") -> str:
    told = ", ".join(counted(found[name], name) for name in way.counts)
    aside = found.get("files_set_aside")
    told += f" and {counted(aside, 'files')} that a rebuild has set aside" if aside else ""
    return f"{told} of route {route}" if route else told


def confirm(question: str, yes: bool, *, needed: bool = True) -> None:
    """Ask before what cannot be undone; where nobody can be asked, `--yes` has to say it.

    Args:
        needed: if false, nothing is said where nobody can be asked.

    Raises:
        click.UsageError: there is no terminal, and no `--yes`.
        click.Abort: the answer is no.
    """
    if yes:
        return
    if not (is_terminal(sys.stdin) and os.isatty(2)):
        if not needed:
            return
        raise click.UsageError(f"{question}; there is no terminal to ask at, so say --yes")
    tell(*f"{question}.".split("\n"))
    click.confirm("Go on?", abort=True, err=True)
