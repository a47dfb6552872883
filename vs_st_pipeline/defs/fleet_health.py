"""Defines `fleet/health`: the health of all merchants on one page, refreshed by every tick.

It has no partitions and no upstream assets: it is read from the merchants file and from what each sync leaves behind
(`standing.json`), so that it is true even where the pipeline itself is broken.

A tick logs it among its own events (`refreshed`), because a run of its own would cost seconds, and events that belong
to no run are never deleted with one. Materializing the asset by hand does the same.

It is long because words, tables, pictures and checks of one page are made of one look at the fleet.
"""

# No `from __future__ import annotations`: Dagster looks at the function's annotations.

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from logging import Logger
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetMaterialization,
    DagsterLogManager,
    MaterializeResult,
    MetadataValue,
    asset,
)

from vs_st_pipeline import __version__
from vs_st_pipeline.defs.charts import SHORTEST, by_hour, distribution
from vs_st_pipeline.defs.metadata import table
from vs_st_pipeline.domain.formats import counted, humanize
from vs_st_pipeline.operations.fleet import advice, alerts, health
from vs_st_pipeline.operations.fleet.health import AT_REST, BROKEN, FAILING, FINE, LATE, TROUBLE, Fleet, MerchantHealth
from vs_st_pipeline.platform.settings.merchants import MerchantsFile

KEY = AssetKey(["fleet", "health"])
VERSION = {"version of vs-st": __version__}
MOST_SHOWN, MOST_FINE = 100, 50  # merchants in a table; an event is stored by every tick
MOST_NAMED = 5  # merchants with the same trouble that are named under what to do first
QUIET = (FINE, *AT_REST)
SERIOUS = 0.1  # from this share of the merchants on, the cause is no longer the merchants' own

FleetEvent = AssetMaterialization | AssetCheckEvaluation

_AGES = {"5 min": 5, "10 min": 10, "15 min": 15, "30 min": 30, "1 h": 60, "2 h": 120, "6 h": 360, "1 d": 1440}


@dataclass(frozen=True, slots=True)
class FleetCheck:
    """What is counted among the merchants, and what a person should do about it."""

    name: str
    counted: str
    means: str

    def spec(self) -> AssetCheckSpec:
        told = f"Counts {self.counted}. Fails if there is any. {self.means}"
        return AssetCheckSpec(self.name, asset=KEY, description=told)


FRESH = FleetCheck(
    "everybody_is_fresh",
    "merchants without a good sync for too long",
    "What they keep in step says what was true then. The table says what is in the way. If it is most of them, look "
    "whether sync_schedule is on and its runs get through, then whether a vendor is down.",
)
HEALTHY = FleetCheck(
    "nobody_is_failing",
    "merchants whose last sync failed in a way that only a person can mend",
    "The table says what to do for each. Nobody else is touched by it, and nothing is lost.",
)
WHOLE = FleetCheck(
    "settings_are_whole",
    "entries of the merchants file that cannot be used",
    "Nothing is called for these merchants until the entry is put right; the table names file and line.",
)
UNDERSTOOD = FleetCheck(
    "settings_are_understood",
    "settings of the environment (`VS_ST_...`) that are not understood",
    "The table says of each what is wrong, how to write it, and what follows from it. Put it right where Dagster gets "
    "its environment from, and restart Dagster.",
)
CHECKS = (FRESH, HEALTHY, WHOLE, UNDERSTOOD)


@asset(
    key=KEY,
    group_name="fleet",
    description="**Begin here.** All merchants and routes: who is in trouble, since when, why, and what to do; the "
    "worst first. Every tick refreshes it. The tab *Checks* lists each kind of trouble with its merchants.",
    kinds={"python"},
    metadata=VERSION,
    check_specs=[check.spec() for check in CHECKS],
)
def fleet_health() -> MaterializeResult:
    """Read the health of all merchants now; no system is called."""
    found = health.fleet_health(os.environ)
    return MaterializeResult(
        metadata=_metadata(found),
        check_results=[AssetCheckResult(check_name=check.name, **_result(check, found)) for check in CHECKS],
    )


def refreshed(log: DagsterLogManager | Logger, file: MerchantsFile | None = None) -> Iterator[FleetEvent]:
    """Yield, at the end of a tick, the events that refresh the page; then send the alerts. A dry run does neither.

    Args:
        file: the merchants file, where it has been read already.
    """
    found = health.fleet_health(os.environ, file)
    for one in found.misunderstood:
        log.warning(one.sentence)
    yield fleet_materialization(found)
    yield from fleet_checks(found)
    told = alerts.send_alerts(os.environ, lambda: found)
    if told.sent:
        log.info(f"{told.sent} alerts sent")
    if told.problem:
        log.warning(told.problem)


def fleet_materialization(found: Fleet) -> AssetMaterialization:
    """Return what the asset's page shows."""
    return AssetMaterialization(KEY, metadata=_metadata(found))


def fleet_checks(found: Fleet) -> Iterator[AssetCheckEvaluation]:
    """Yield the results of the asset's checks."""
    for check in CHECKS:
        yield AssetCheckEvaluation(asset_key=KEY, check_name=check.name, **_result(check, found))


def _metadata(found: Fleet) -> dict[str, Any]:
    shown: dict[str, Any] = {"in short": found.sentence()}
    if found.unreadable is not None:
        return shown | VERSION
    if bad := found.of(*TROUBLE):
        shown["what to do first"] = MetadataValue.md(_to_do(bad))
    shown["age of the last good sync"] = MetadataValue.md(_ages(found))
    shown["changes by hour"] = MetadataValue.md(_changes(found))
    shown["failed syncs by hour"] = MetadataValue.md(_errors(found))
    stands = _shown(found.worst_first)
    shown["merchants, the worst first"] = table(_rows(stands, found.at), _ON_THE_PAGE)
    shown["in numbers"] = table(_numbers(stands, found), _NUMBERS)
    # Plain numbers are drawn over time, in the tab of plots.
    shown |= {f"merchants {state}": count for state, count in found.counts.items()}
    shown["records refused, waiting for another try"] = sum(one.rejects for one in found.stands)
    shown["hints that wait"] = sum(one.hints for one in found.hints.values())
    shown["records of unknown outcome"] = sum(one.unknown for one in found.stands)
    shown["all that stands open"] = sum(one.open for one in found.stands)
    if left := len(found.stands) - len(stands):
        fine = found.counts[FINE] - sum(one.state == FINE for one in stands)
        shown["not in the table"] = f"and {left} more, of whom {fine} are fine"
    return shown | VERSION


def _to_do(bad: Sequence[MerchantHealth]) -> str:
    """Return the merchants in trouble, why, and what to do, grouped by trouble; as many as the UI shows in place."""
    groups: dict[str, list[str]] = {}
    for one in bad:
        # Without the call, and without where each merchant's key is: those would make a line for each, and the table
        # has them.
        why = re.sub(r" \(call \w+\)", "", one.error.message if one.error else one.says).rstrip(".")
        at = f" at {one.error.system}" if one.error and one.error.system else ""
        do = one.do
        if one.error and one.kind in advice.WHAT_TO_DO:
            do = advice.what_to_do(one.error, lasts=one.state == LATE)
        groups.setdefault(f"{one.in_words}{at}: {why}. → {do}", []).append(one.in_a_list)
    told, left, rest = "", len(bad), "\n\nand {} more: the table below has all of them."
    for said, names in groups.items():
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        line = f"- **{', '.join(names[:MOST_NAMED])}**{more}: {said}\n"
        if len(told) + len(line) + (len(rest) + 5) * (left > len(names)) >= SHORTEST:
            return told + rest.format(left)
        told, left = told + line, left - len(names)
    return told


# --- the table ----------------------------------------------------------------------------------------------------

# Few columns: a page 1,280 wide would cut a wider table.
_COLUMNS = ("who", "good sync", "why, what to do")
_ON_THE_PAGE = ("who", "why, what to do")
_NUMBERS = ("merchant", "good sync", "numbers")


def _shown(stands: Sequence[MerchantHealth]) -> list[MerchantHealth]:
    quiet = [one for one in stands if one.state in QUIET and not _is_held_up(one)]
    bad = [one for one in stands if one.state not in QUIET or _is_held_up(one)][:MOST_SHOWN]
    return [*bad, *quiet[: max(0, MOST_FINE - len(bad))]]


def _is_held_up(one: MerchantHealth) -> bool:
    """Say whether it is well, and something is held all the same until a person acts."""
    return one.state == FINE and bool(one.says)


def _rows(stands: Iterable[MerchantHealth], now: datetime) -> list[Mapping[str, Any]]:
    return [
        {
            "merchant": one.label,
            "who": f"{one.label}: {_state(one, now)}",
            "good sync": _good_sync(one),
            "why, what to do": f"{one.says} → {one.do}" if one.says else "",
        }
        for one in stands
    ]


def _state(one: MerchantHealth, now: datetime) -> str:
    in_trouble = one.since and one.says and one.state != FINE
    return f"{one.in_words}, for {humanize(now - one.since)}" if one.since and in_trouble else one.in_words


def _numbers(stands: Iterable[MerchantHealth], found: Fleet) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    for one in stands:
        waiting = found.hints.get((one.merchant, one.route))
        counts = {
            "refused": one.rejects,
            "of unknown outcome": one.unknown,
            "changes in 24 h": one.changes,
            "hints wait": waiting.hints if waiting else 0,
            "calls by the last sync": one.calls,
        }
        said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        rows.append({"merchant": one.label, "good sync": _good_sync(one), "numbers": said})
    return rows


def _good_sync(one: MerchantHealth) -> str:
    return f"{humanize(one.age)} ago" if one.age is not None else "never"


# --- the pictures -------------------------------------------------------------------------------------------------


def _ages(found: Fleet) -> str:
    limits = [minutes * 60 for minutes in _AGES.values()]
    counts = [0] * (len(limits) + 2)
    for one in found.stands:
        if one.state not in AT_REST:
            age = one.age.total_seconds() if one.age is not None else None
            counts[-1 if age is None else sum(age > limit for limit in limits)] += 1
    names = [*(f"up to {name}" for name in _AGES), "older", "never"]
    late = sum(one.stale for one in found.stands)
    limit = f"{humanize(found.late_after)}, or 3 of their intervals"
    says = f"{late} of {found.enabled} merchants had no good sync for over {limit}, whatever is in the way."
    return distribution(says, dict(zip(names, counts, strict=True)))


def _changes(found: Fleet) -> str:
    hours = found.hours
    changes = counted(sum(one.changes for one in hours), "changes")
    says = f"{changes} accepted within {counted(len(hours), 'hours')}, of every route"
    return by_hour(says, {"changes": [one.changes for one in hours]})


def _errors(found: Fleet) -> str:
    hours = found.hours
    kinds = Counter({kind: 0 for one in hours for kind in one.errors})
    for one in hours:
        kinds.update(one.errors)
    if not kinds:
        return f"no sync failed within {len(hours)} hours"
    says = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    series = {kind: [one.errors.get(kind, 0) for one in hours] for kind, _ in kinds.most_common()}
    return by_hour(f"failed within {len(hours)} hours: {says}", series)


# --- the checks ---------------------------------------------------------------------------------------------------


def _result(check: FleetCheck, found: Fleet) -> dict[str, Any]:
    if check is UNDERSTOOD:
        return _understood(found)
    if found.unreadable is not None:
        told = f"Nobody is synced: {found.unreadable.message}"
        return {"passed": False, "severity": AssetCheckSeverity.ERROR, "description": told, "metadata": {}}
    if check is FRESH:
        bad = [one for one in found.worst_first if one.stale]
    else:
        bad = found.of(FAILING if check is HEALTHY else BROKEN)
    of = found.enabled
    share = f"{100 * len(bad) / of:.1f} %" if of else "-"
    told = f"{len(bad)} of {of} ({share}): {check.counted}."
    if bad:
        named = ", ".join(one.in_a_list for one in bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
        told += f" Look at {named}: {check.means}"
    serious = len(bad) > SERIOUS * of
    return {
        "passed": not bad,
        "severity": AssetCheckSeverity.ERROR if serious else AssetCheckSeverity.WARN,
        "description": told,
        "metadata": {
            "number": len(bad),
            "of": of,
            "share": share,
            "by merchant": table(_rows(bad[:MOST_SHOWN], found.at), _COLUMNS),
        },
    }


def _understood(found: Fleet) -> dict[str, Any]:
    wrong = found.misunderstood
    told = "; ".join(one.sentence for one in wrong)
    rows = [{"what is wrong": one.says, "meanwhile": one.meanwhile} for one in wrong]
    return {
        "passed": not wrong,
        "severity": AssetCheckSeverity.ERROR if any(one.stops_all for one in wrong) else AssetCheckSeverity.WARN,
        "description": f"{told}. {UNDERSTOOD.means}" if wrong else f"0: {UNDERSTOOD.counted}.",
        "metadata": {"number": len(wrong), "settings": table(rows, ("what is wrong", "meanwhile"))},
    }
