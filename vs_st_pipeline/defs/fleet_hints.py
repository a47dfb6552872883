"""Defines `fleet/hints`: how webhooks and their hints fare, on one page; `inbox_watch` reports it without a run.

It has no partitions and no upstream assets: it is read from the inbox, which is one for all merchants. Reporting it
without a run costs tens of milliseconds, a run would cost seconds. Materializing the asset by hand does the same.
"""

# No `from __future__ import annotations`: Dagster looks at the function's annotations.

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from math import ceil
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    Failure,
    MaterializeResult,
    MetadataValue,
    asset,
)

from vs_st_pipeline.defs.charts import by_hour
from vs_st_pipeline.defs.metadata import sentence, table
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.formats import counted, humanize
from vs_st_pipeline.domain.hints import HintState, Outcome
from vs_st_pipeline.operations.fleet.health import label
from vs_st_pipeline.operations.fleet.hint_findings import CHECKS, REGISTERED, Finding, findings, registered
from vs_st_pipeline.operations.fleet.hints import HOUR, InboxUnreadable, Look, look
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.inbox import statistics
from vs_st_pipeline.platform.inbox.statistics import Lags
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox
from vs_st_pipeline.platform.settings import environment

KEY = AssetKey(["fleet", "hints"])
HOURS = 48  # of the pictures
TABLE_HOURS = 24
MOST_SHOWN = 20  # merchants in a table
DAY = 86_400.0

HintsEvent = AssetMaterialization | AssetCheckEvaluation

_IN_THE_PICTURE: Mapping[str, tuple[str, ...]] = {
    "written": (Outcome.WRITTEN,),
    "lost": (Outcome.OVER_LIMIT, HintState.EXPIRED),
}
"""In the order in which they are drawn, which gives what is lost a red; more would be too long for a picture."""
_OTHER = "other"
_PERCENTILES = ("p50", "p95", "p99")


def fleet_hints_of(routes: Sequence[Route]) -> AssetsDefinition:
    """Return the asset."""

    @asset(
        key=KEY,
        group_name="fleet",
        description="What webhooks brought. An *entry* is one call of a vendor; a *hint* is what it names, such as one "
        "order of one merchant, which waits until it is read and written. This page says what came, what became of it, "
        "how long it took, whose it is, and what to do where something is wrong. *p95*: so many seconds at most for 95 "
        "of 100. inbox_watch reports it every five minutes.",
        kinds={"python"},
        check_specs=[_spec(name, counted, means) for name, counted, means in _checks()],
    )
    def fleet_hints() -> MaterializeResult:
        """Read the inbox now; no system is called."""
        try:
            shown, results = page(os.environ, routes)
        except (InboxUnreadable, BadSettings) as error:
            raise Failure(f"nothing was read: {error}", allow_retries=False) from None
        return MaterializeResult(
            metadata=shown,
            check_results=[AssetCheckResult(check_name=one.check.name, **_result(one)) for one in results],
        )

    return fleet_hints


def reported(environ: Mapping[str, str], routes: Sequence[Route], found: Look | None = None) -> Iterator[HintsEvent]:
    """Yield the events that make the page true again.

    Args:
        found: the look that was taken just now; None: one is taken.

    Raises:
        InboxUnreadable: it cannot be read; the page stays as it was.
        BadSettings: the data folder's setting is wrong.
    """
    shown, results = page(environ, routes, found)
    yield AssetMaterialization(KEY, metadata=shown)
    for one in results:
        yield AssetCheckEvaluation(asset_key=KEY, check_name=one.check.name, **_result(one))


def page(
    environ: Mapping[str, str], routes: Sequence[Route], found: Look | None = None
) -> tuple[dict[str, Any], list[Finding]]:
    """Return what the page shows, and the checks' results in their order.

    Raises:
        InboxUnreadable: the inbox cannot be read.
        BadSettings: the data folder's setting is wrong.
    """
    inbox = Inbox(environment.data_dir(environ))
    try:
        found = found or look(environ, routes, inbox)
        results = {one.check.name: one for one in [*findings(found), _registered(environ)]}
        in_order = [results[check.name] for check in CHECKS]
        return _metadata(inbox, found, in_order), in_order
    except UNUSABLE as error:
        raise InboxUnreadable(f"the inbox cannot be read now: {type(error).__name__}") from None
    finally:
        inbox.close()


def _registered(environ: Mapping[str, str]) -> Finding:
    try:
        return registered(environ, read_merchants(environment.settings_path(environ), environ))
    except BadSettings as error:
        return Finding(REGISTERED, False, f"Nothing is known of any merchant: {sentence(error)}", serious=True)


# --- what the page shows ------------------------------------------------------------------------------------------


def _metadata(inbox: Inbox, found: Look, results: Sequence[Finding]) -> dict[str, Any]:
    last = int(found.at // HOUR)
    hours = range(last - HOURS + 1, last + 1)
    since = hours[0] * HOUR
    came, settled = statistics.entries_by_hour(inbox, since), statistics.settled_by_hour(inbox, since)
    lags, states = statistics.lags_by_hour(inbox, since), statistics.states(inbox)
    day = range(last - TABLE_HOURS + 1, last + 1)
    shown: dict[str, Any] = {"in short": _in_short(found, came, settled, states, day)}
    shown["what to do first"] = "nothing: all checks of this page passed"
    if bad := [one for one in results if not one.passed]:
        shown["what to do first"] = MetadataValue.md("\n".join(f"- **{one.check.name}**: {one.says}" for one in bad))
    shown["entries by hour"] = MetadataValue.md(_entries(came, hours))
    shown["outcomes by hour"] = MetadataValue.md(_outcomes(settled, hours))
    shown["lag by hour"] = MetadataValue.md(_lags(lags, hours))
    by_merchant = statistics.settled(inbox, found.at - DAY)
    waiting = statistics.waiting(inbox)
    most = [
        {
            "merchant": label(*key),
            "hints": one.hints,
            "written": one.written,
            "waiting": waiting[key].hints if key in waiting else 0,
        }
        for key, one in _largest(by_merchant, lambda one: one.hints)
    ]
    waits = [
        {"merchant": label(*key), "waiting": one.hints, "for": humanize(timedelta(seconds=found.at - one.oldest))}
        for key, one in _largest(waiting, lambda one: one.hints)
    ]
    drops = [
        {"merchant": label(*key), "dropped in 24 h": one.dropped, "expired in 24 h": one.expired}
        for key, one in _largest(by_merchant, lambda one: one.dropped + one.expired)
    ]
    if waits:
        shown["merchants whose hints wait"] = table(waits)
    if most:
        shown["merchants with most hints in 24 h"] = table(most)
    if drops:
        shown["merchants with most drops"] = table(drops)
    if found.resting:
        rows = [{"merchant": label(*key), "error": error} for key, error in sorted(found.resting.items())]
        shown["at rest until a whole sync ends well"] = table(rows[:MOST_SHOWN])
    shown["by hour"] = table(_rows(came, settled, lags, day))
    # Plain numbers are drawn over time, in the tab of plots.
    shown |= {f"hints {state}": count for state, count in states.items() if state in ("waiting", "working")}
    shown["entries in 24 h"] = sum(sum(came.get(hour, {}).values()) for hour in day)
    for outcome in (*Outcome, HintState.EXPIRED):
        shown[f"{outcome} in 24 h"] = sum(settled.get(hour, {}).get(outcome, 0) for hour in day)
    if found.lags:
        for name in _PERCENTILES:
            shown[f"lag {name} of the last hour"] = round(float(getattr(found.lags, name)), 3)
    shown["seconds for which the oldest due hint has been due"] = round(max(found.due.values(), default=0.0), 1)
    return shown


def _in_short(
    found: Look,
    came: Mapping[int, Mapping[str, int]],
    settled: Mapping[int, Mapping[str, int]],
    states: Mapping[str, int],
    day: Iterable[int],
) -> str:
    told = []
    for who, age in found.alive.items():
        told.append(f"{who} {f'alive {humanize(timedelta(seconds=age))} ago' if age is not None else 'never seen'}")
    hours = list(day)
    entries, done = (sum(sum(counts.get(hour, {}).values()) for hour in hours) for counts in (came, settled))
    told.append(f"{counted(entries, 'entries')} and {counted(done, 'hints')} settled in {len(hours)} h")
    told.append(f"hints that wait: {states['waiting'] + states['working']}")
    if found.lags:
        told.append(f"written in the last hour after {_seconds(found.lags)} (p50, p95, p99)")
    return "; ".join(told)


def _rows(
    came: Mapping[int, Mapping[str, int]],
    settled: Mapping[int, Mapping[str, int]],
    lags: Mapping[int, Lags],
    hours: Sequence[int],
) -> list[dict[str, Any]]:
    rows = []
    for hour in reversed([hour for hour in hours if hour in came or hour in settled] or hours[-1:]):
        lag, ago = lags.get(hour), hours[-1] - hour
        rows.append(
            {
                "hour": "this hour" if ago == 0 else f"-{ago} h",
                "entries": sum(came.get(hour, {}).values()),
                "outcomes": ", ".join(f"{count} {name}" for name, count in _most_first(settled.get(hour, {}))),
                **{name: f"{getattr(lag, name):.1f} s" if lag else "" for name in _PERCENTILES},
            }
        )
    return rows


def _seconds(lags: Lags) -> str:
    return f"{lags.p50:.1f} s, {lags.p95:.1f} s, {lags.p99:.1f} s"


def _entries(came: Mapping[int, Mapping[str, int]], hours: Sequence[int]) -> str:
    systems = sorted({system for counts in came.values() for system in counts})
    total = sum(sum(came.get(hour, {}).values()) for hour in hours)
    if not total:
        return f"nothing came within {len(hours)} hours"
    series = {system: [came.get(hour, {}).get(system, 0) for hour in hours] for system in systems}
    return by_hour(f"{counted(total, 'entries')} within {counted(len(hours), 'hours')}", series)


def _most_first(outcomes: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(outcomes.items(), key=lambda one: (-one[1], one[0]))


def _grouped(outcomes: Mapping[str, int]) -> dict[str, int]:
    found = {name: sum(outcomes.get(one, 0) for one in words) for name, words in _IN_THE_PICTURE.items()}
    return {**found, _OTHER: sum(outcomes.values()) - sum(found.values())}


def _outcomes(settled: Mapping[int, Mapping[str, int]], hours: Sequence[int]) -> str:
    groups = [_grouped(settled.get(hour, {})) for hour in hours]
    series = {name: [one[name] for one in groups] for name in (*_IN_THE_PICTURE, _OTHER)}
    counts = {name: sum(numbers) for name, numbers in series.items()}
    if not any(counts.values()):
        return f"no hint was settled within {len(hours)} hours"
    says = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return by_hour(f"settled within {len(hours)} hours: {says}", series)


def _lags(lags: Mapping[int, Lags], hours: Sequence[int]) -> str:
    if not lags:
        return f"no hint led to a write within {len(hours)} hours"
    series = {name: [ceil(getattr(lags[hour], name)) if hour in lags else 0 for hour in hours] for name in _PERCENTILES}
    of = sum(one.of for one in lags.values())
    return by_hour(f"seconds from the call to the accepted value, of {counted(of, 'hints')}", series, stacked=False)


def _largest(by_merchant: Mapping[Any, Any], number: Any) -> list[tuple[Any, Any]]:
    found = [(key, one) for key, one in by_merchant.items() if number(one)]
    return sorted(found, key=lambda one: (-number(one[1]), one[0]))[:MOST_SHOWN]


# --- the checks ---------------------------------------------------------------------------------------------------


def _checks() -> Iterator[tuple[str, str, str]]:
    return ((check.name, check.counted, check.means) for check in CHECKS)


def _spec(name: str, counted: str, means: str) -> AssetCheckSpec:
    return AssetCheckSpec(name, asset=KEY, description=f"Fails where {counted}. {means}")


def _result(one: Finding) -> dict[str, Any]:
    return {
        "passed": one.passed,
        "severity": AssetCheckSeverity.ERROR if one.serious else AssetCheckSeverity.WARN,
        "description": one.says,
        "metadata": {"whom it is about": table(one.rows[:MOST_SHOWN])} if one.rows else {},
    }
