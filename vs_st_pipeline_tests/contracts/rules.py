"""What is wrong with a connector or a route as a value, in sentences; nothing where all is well."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE

NAME = re.compile(r"[a-z][a-z0-9]*")
SNAKE = re.compile(r"[a-z][a-z0-9_]*")
REPORT = (
    "merchant",
    "route",
    "status",
    "error",
    "raw",
    "planned",
    "unseen",
    "synced",
    "open",
    "calls",
    "seconds",
    "trigger",
    "hints",
    "lag_seconds",
)
OLD_TABLES = {"raw.slices", "raw.lookups", "raw.walked", "staged.customers", "staged.orders"}
"""Named before tables began with their system's name; their rows stand in files of years, and they keep their names."""


def of_all(members: Sequence[Connector[Any]] | Sequence[Route]) -> Iterator[str]:
    """What is wrong between members of one tuple."""
    yield from (f"{name} is there twice" for name, count in Counter(one.name for one in members).items() if count > 1)


def of_connector(connector: Connector[Any], tables: Iterable[str]) -> Iterator[str]:
    """What is wrong with a connector.

    Args:
        tables: that its migrations make.
    """
    own = f"raw.{connector.name}_"
    if not NAME.fullmatch(connector.name):
        yield f"{connector.name!r} is no word in small letters"
    if not connector.title.strip() or connector.title.endswith("."):
        yield "its title cannot stand in a sentence"
    yield from (f"two streams are called {name}" for name in _twice(stream.name for stream in connector.streams))
    yield from (f"two streams are of the kind {kind}" for kind in _twice(stream.kind for stream in connector.streams))
    tables = set(tables)
    for stream in connector.streams:
        if not (SNAKE.fullmatch(stream.name) and SNAKE.fullmatch(stream.kind)):
            yield f"{stream} has a name that is no word in small letters"
        if not stream.table.startswith(own):
            yield f"{stream.table} does not begin with {own}"
        if stream.table not in tables:
            yield f"{stream.table} is declared, and no migration makes it"
    yield from (
        f"{table} does not begin with {own}" for table in sorted(tables - OLD_TABLES) if not table.startswith(own)
    )


def of_route(route: Route, systems: Iterable[str]) -> Iterator[str]:
    """What is wrong with a route.

    Args:
        systems: names of all connectors that there are.
    """
    mine, systems = [one.name for one in route.connectors], set(systems)
    if not NAME.fullmatch(route.name):
        yield f"{route.name!r} is no word in small letters"
    if route.name in systems:
        yield "it has the name of a system"
    if not mine:
        yield "it joins nothing"
    yield from (f"it names the system {name}, which is in no tuple" for name in mine if name not in systems)
    for text in (route.does, route.records):
        if not text.strip() or text.endswith("."):
            yield f"{text!r} cannot stand in a sentence"
    yield from _needs(route, systems)
    yield from _stages(route)
    yield from _assets(route)
    yield from _checks(route)
    yield from _report(route)


def _needs(route: Route, systems: set[str]) -> Iterator[str]:
    known = systems | ({route.name} if route.settings and not route.settings.top_level else set())
    if not route.needs or not all(route.needs):
        yield "no section switches it on"
    for alternatives in route.needs:
        yield from (f"it needs {name}, which is no section" for name in sorted(alternatives - known))
    needed = frozenset().union(*route.needs)
    used = [one.name for one in route.connectors if not one.settings.implied]  # what another section implies is there
    yield from (f"it uses {name} without needing it" for name in used if name not in needed)


def _stages(route: Route) -> Iterator[str]:
    yield from (f"stage {stage} is there twice" for stage in _twice(route.stages))
    if route.writes != route.stages[-1]:
        yield "the stage that writes is not the last one"
    yield from (f"stage {stage} makes nothing" for stage in route.stages if not route.made_by(stage))
    everything = [asset.key for asset in route.assets]
    if route.stages_for(everything, dry_run=False) != list(route.stages):
        yield "making all assets does not run all stages, in their order"
    if route.stages_for(everything, dry_run=True) != list(route.stages[:-1]):
        yield "a dry run is not all stages but the one that writes"
    if len(route.stages_for(route.made_by(route.writes), dry_run=False)) != 1:
        yield "what is written is not made by one stage"


def _assets(route: Route) -> Iterator[str]:
    yield from (f"asset {key} is there twice" for key in _twice(asset.key for asset in route.assets))
    mine = {one.name for one in route.connectors}
    made_in = {asset.key: route.stages.index(asset.stage) for asset in route.assets if asset.stage in route.stages}
    place = {asset.key: number for number, asset in enumerate(route.assets)}  # within a stage: as they are listed
    for asset in route.assets:
        parts = asset.key.split("/")
        own = parts if route.name == DEFAULT_ROUTE else parts[1:]  # its keys are older than routes are
        if route.name != DEFAULT_ROUTE and parts[0] != route.name:
            yield f"{asset.key} does not begin with the route's name (R15)"
        elif len(own) < 2 or own[0] not in ("raw", "staged", "planned", "synced"):
            yield f"{asset.key} is neither raw, staged, planned nor synced of something (R15)"
        elif own[0] in ("raw", "synced") and own[1] not in mine:
            yield f"{asset.key} names no system of the route (R15)"
        if not all(SNAKE.fullmatch(part) for part in parts):
            yield f"{asset.key} is not all small letters"
        if not asset.description.strip().endswith("."):
            yield f"{asset.key} is not described"
        if asset.stage not in route.stages:
            yield f"{asset.key} is made by {asset.stage}, which is no stage"
        for dep in asset.deps:
            if dep not in made_in:
                yield f"{asset.key} is made of {dep}, which nothing makes"
            elif (made_in[dep], place[dep]) >= (made_in.get(asset.key, len(route.stages)), place[asset.key]):
                yield f"{asset.key} is made of {dep}, which is made later"
    used = {dep for asset in route.assets for dep in asset.deps}
    loose = [asset.key for asset in route.assets if asset.stage != route.writes and asset.key not in used]
    yield from (f"nothing is made of {key}" for key in loose)


def _checks(route: Route) -> Iterator[str]:
    there = {asset.key for asset in route.assets}
    yield from (f"check {id_} is there twice" for id_ in _twice(check.id for check in route.checks))
    for check in route.checks:
        if check.asset not in there:
            yield f"check {check.name} is of {check.asset}, which nothing makes"
        if not SNAKE.fullmatch(check.name):
            yield f"check {check.name} is no name"
        if not check.means.strip().endswith((".", "?")) or not check.counted.strip():
            yield f"check {check.name} does not say what a failure means"
    yield from (f"there is a page of {key}, which nothing makes" for key in sorted(set(route.pages) - there))


def _report(route: Route) -> Iterator[str]:
    report = route.report("hillside", "run")
    told = report.as_json()
    if tuple(key for key in told if key in REPORT) != REPORT:
        yield f"its report has the keys {', '.join(told)}"
    if (told.get("merchant"), told.get("route"), report.run_id) != ("hillside", route.name, "run"):
        yield "its report names another merchant, route or run"
    if not told.get("raw") or any(told["raw"].values()):
        yield "a report of nothing does not count nothing"
    planned = told.get("planned", {}).keys()
    if not ({"held", "noted"} < planned or {"waiting", "dropped", "noted"} < planned):
        yield "its report does not tell what is planned, held and noted"
    written = told.get("synced", {})
    if "unknown" not in written or any(written.values()) or route.report("hillside", "run").accepted:
        yield "its report does not tell what was written, or what was not heard of"
    if told.get("open", 0) is not None:
        yield "a report of nothing knows what stands open"
    if unknown := set(told.get("calls", ())) - {one.name for one in route.connectors}:
        yield f"its report counts calls of {unknown}"
    failed = route.cannot_check("hillside", TryLater("busy")).as_json()
    if (failed.get("merchant"), failed.get("route"), failed.get("status")) != ("hillside", route.name, "failed"):
        yield "its check names another merchant or route, or does not fail with an error"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
