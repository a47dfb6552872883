"""Defines `vs-st check` and `vs-st merchants`: they look and change nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import click
import msgspec

from vs_st_pipeline import routes
from vs_st_pipeline.cli.layout import colored_state, headed
from vs_st_pipeline.cli.options import Pair, json_option, merchant_options, route_option, select, settings_json, warn_of
from vs_st_pipeline.cli.output import is_terminal, say, say_json, say_table
from vs_st_pipeline.cli.sync import JOBS, make_run
from vs_st_pipeline.cli.trouble import to_do
from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.operations.fleet import health
from vs_st_pipeline.operations.fleet.health import Fleet, MerchantHealth
from vs_st_pipeline.operations.settings import taken
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.operations.webhooks.doubts import WebhooksChecked, check_webhooks
from vs_st_pipeline.pipeline.route import Checked
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.settings.environment import data_dir
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes import at_rest


@click.command(short_help="Check keys and settings, and name what is doubtful.")
@merchant_options
@route_option
@json_option
def check(ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool, names: tuple[str, ...], as_json: bool) -> None:
    """Check whether the keys are good (exit 1 if not), which custom fields are missing, and what else is doubtful."""
    from vs_st_pipeline.domain.formats import FORMATS

    pairs = select(ids, more_ids, every, names)
    misunderstood = taken(os.environ).misunderstood
    warn_of(misunderstood)
    first: dict[str, int] = {}
    for number, pair in enumerate(pairs):
        first.setdefault(pair.merchant_id, number)
    with ThreadPoolExecutor(max_workers=JOBS) as pool:
        looked = pool.map(lambda number: _webhooks_of(pairs[number]), first.values())
        found = list(pool.map(_checked, pairs))
        webhooks = dict(zip(first.values(), looked, strict=True))
    _add_doubts_of_entries(pairs, found)
    for number, of in webhooks.items():
        found[number].doubts += of.doubts
    asked = [route for route in routes.ROUTES if any(pair.route is route for pair in pairs)] or routes.ROUTES[:1]
    for_maps = {
        "from": {name: text for route in asked for name, text in route.map_names.items()},
        "as": {name: form.description for name, form in FORMATS.items()},
    }
    if as_json:
        settings = settings_json(misunderstood)
        rows = [checked.as_json() for checked in found]
        for number, of in webhooks.items():
            rows[number] |= of.as_json()
        say_json({"merchants": rows, "field_map": for_maps, "settings": settings})
    else:
        # The names are long and always the same, so they go first: a terminal shows the end, which says what was found.
        shows = bool(found and for_maps["from"])  # else every route is off, or none of them has a field map
        if shows:
            say("Names that a field map may use:")
        for key, entries in for_maps.items() if shows else ():
            say(f"  {key}:")
            for name, description in entries.items():
                say(f"    {name:36} {description}")
        if shows:
            say("")
        for number, (pair, checked) in enumerate(zip(pairs, found, strict=True)):
            say(*headed(checked.lines(pair.name)))
            say(*(f"  to do: {what}" for what in dict.fromkeys(map(to_do, checked.errors)) if what))
            say(*(f"  {calls.line()}" for calls in (webhooks[number].calls if number in webhooks else [])))
    sys.exit(1 if any(checked.errors for checked in found) else 0)


def _checked(pair: Pair) -> Checked:
    if pair.merchant is None or pair.fault is not None:
        return pair.route.cannot_check(pair.merchant_id, pair.fault)
    return pair.route.check(make_run(pair.merchant, route=pair.route.name))


def _webhooks_of(pair: Pair) -> WebhooksChecked:
    """Return what there is to say of a merchant's webhooks: once, with the first of its routes (routes.md R4)."""
    if pair.merchant is None or pair.fault is not None:
        return WebhooksChecked()
    return check_webhooks(make_run(pair.merchant), os.environ, Inbox(data_dir(os.environ)))


def _add_doubts_of_entries(pairs: Sequence[Pair], found: Sequence[Checked]) -> None:
    """Add what is doubtful about a merchant's entry: once, to the first of its routes; not what a route says itself."""
    known = {(pair.merchant_id, doubt) for pair, checked in zip(pairs, found, strict=True) for doubt in checked.doubts}
    told = set()
    for pair, checked in zip(pairs, found, strict=True):
        if pair.merchant is not None and pair.merchant_id not in told:
            told.add(pair.merchant_id)
            doubts = [*pair.merchant.doubts, *_faults_at_rest(pair.merchant)]
            checked.doubts[:0] = [doubt for doubt in doubts if (pair.merchant_id, doubt) not in known]


def _faults_at_rest(merchant: Merchant) -> list[str]:
    faults = {name: fault for name, fault in merchant.faults.items() if name in at_rest(merchant)}
    states = {**dict.fromkeys(merchant.paused, "paused"), **{name: off.state for name, off in merchant.off.items()}}
    return [f"{name} is {states[name]}; before it can go on: {fault.message}" for name, fault in faults.items()]


@click.command(short_help="Show how each merchant and route stands, and what to do.")
@route_option
@json_option
def merchants(names: tuple[str, ...], as_json: bool) -> None:
    """List the merchants and the status of each route: what is the matter, since when, and what to do."""
    found = health.fleet_health(os.environ)
    if names:
        found = replace(found, stands=tuple(one for one in found.stands if one.route in names))
    warn_of(found.misunderstood)
    if found.unreadable is not None:
        raise found.unreadable
    if as_json:
        settings = settings_json(found.misunderstood)
        rows = [_status_json(one) for one in found.stands]
        off = [{"merchant": one, "route": route} for one, route in _registered_and_off(found.stands)]
        say_json({"merchants": rows, "settings": settings, **({"registered_route_off": off} if off else {})})
    else:
        _say_merchants(found)
        say(*(f"{merchant}, {route}: registered, route off" for merchant, route in _registered_and_off(found.stands)))
        say("", found.sentence())
    sys.exit(2 if any(one.defaulted for one in found.misunderstood) else 0)


def _say_merchants(found: Fleet) -> None:
    """Say a line for each merchant and route; at a terminal with a column for each part of it."""
    if not is_terminal(sys.stdout):
        width = max((len(one.label) for one in found.stands), default=0)
        for one in found.stands:
            progress = _progress(one)
            say(f"{one.label:{width}}  {_status_text(one, found.at)}{f'; {progress}' if progress else ''}")
        return
    rows = [
        (
            one.label,
            colored_state("disabled" if one.state == health.OFF else one.in_words),
            humanize(found.at - one.since) if one.since and one.state != health.FINE else "",
            f"{humanize(one.age)} ago" if one.age is not None else "",
        )
        for one in found.stands
    ]
    below = [" ".join(part for part in (_says_and_do(one), _progress(one)) if part) for one in found.stands]
    say_table(("merchant", "state", "for", "last good sync"), rows, below)


def _status_json(one: MerchantHealth) -> dict[str, Any]:
    return {
        "merchant": one.merchant,
        "route": one.route,
        "name": one.name,
        "enabled": one.enabled,
        "state": one.state,
        "since": one.since.isoformat() if one.since else None,
        "status": one.status,
        "last_good_sync_at": one.last_good_sync_at.isoformat() if one.last_good_sync_at else None,
        "age_seconds": round(one.age.total_seconds()) if one.age is not None else None,
        "last_run_at": one.last_run_at.isoformat() if one.last_run_at else None,
        "error": msgspec.to_builtins(one.error),
        "rejects_waiting": one.rejects,
        "unknown": one.unknown,
        "open": one.open,
        "says": one.says,
        "do": one.do,
        "progress": _progress(one),
    }


def _progress(one: MerchantHealth) -> str:
    """Say how far something long of a route is, such as the history that a destination is sent."""
    route = next((route for route in routes.ROUTES if route.name == one.route), None)
    return "" if route is None else route.progress(data_dir(os.environ), one.merchant)


def _registered_and_off(stands: Sequence[MerchantHealth]) -> list[tuple[str, str]]:
    """Return merchants that a destination still counts on, and whose entry has that route no more."""
    warehouse, shown = warehouse_at(data_dir(os.environ)), {(one.merchant, one.route) for one in stands}
    return [
        (merchant, route.name)
        for merchant in dict.fromkeys(one.merchant for one in stands)
        for route in routes.ROUTES
        if route.registering is not None
        and (merchant, route.name) not in shown
        and route.registering.is_registered(warehouse, merchant)
    ]


def _status_text(one: MerchantHealth, now: datetime) -> str:
    if one.state == health.OFF:
        return "disabled"
    if one.state == health.PAUSED:
        return health.STATES[health.PAUSED]
    if one.state in health.AT_REST:
        return f"{one.state}: {one.says}{'' if one.enabled else '; disabled'}"
    told = one.in_words
    if one.since and one.state != health.FINE:
        told += f" for {humanize(now - one.since)}"
    if one.age is not None:
        told += f"; last good sync {humanize(one.age)} ago"
    elif one.state != health.BROKEN:
        told += "; never synced well"
    return f"{told}; {_says_and_do(one)}" if one.says else told


def _says_and_do(one: MerchantHealth) -> str:
    """Return what is the matter and what to do as sentences of their own."""
    ends = not (one.says and one.do) or one.says.endswith((".", "?", "!"))
    return " ".join(part for part in (one.says if ends else f"{one.says}.", one.do) if part)
