"""Shows data quality: of each check of a route the result over all merchants, as a number, a share and a sample.

Data flow: findings of all merchants -> one result per check and run. What is checked stands with each route.

A result covers all merchants: what was measured in this run, and for the others what was found last. It fails if
it fails for any of them; its table names them. One result per merchant would need partitioned checks, which are a
preview in Dagster 1.13 and would add an event per check and merchant to every run.
Blocking checks fail the run. What keeps a bad plan from being pushed is the pipeline's own brake, in every kind of run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
)

from vs_st_pipeline.defs.check_results import StoredResult, StoredResults
from vs_st_pipeline.defs.metadata import table
from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.pipeline.checks import Check

MOST_SHOWN = 50  # merchants in a result's table, the bad ones first
BAD = "look at this"


def key_of(check: Check) -> AssetCheckKey:
    """Return Dagster's key of a check."""
    return AssetCheckKey(AssetKey(check.asset.split("/")), check.name)


def spec_of(check: Check) -> AssetCheckSpec:
    """Return what Dagster knows of a check before it is run."""
    return AssetCheckSpec(
        check.name, asset=key_of(check).asset_key, description=check.description, blocking=check.blocking
    )


def results(
    checks: Iterable[Check],
    measured: Mapping[str, Collection[str]],
    findings: StoredResults,
    now: datetime,
    *,
    allow_unsafe: bool,
    as_before: Set[str] = frozenset(),
) -> Iterator[AssetCheckResult]:
    """Return one result per check over all merchants with a finding.

    Args:
        measured: merchant -> checks that were measured in this run.
        findings: of all merchants, including those of this run.
        allow_unsafe: the person who allowed it has seen it: blocking checks report it, but do not fail that run.
        as_before: merchants that fail as before, which fails no further run.
    """
    for check in checks:
        here = {merchant_id for merchant_id, done in measured.items() if check.id in done}
        fails_run = set() if allow_unsafe else here - as_before
        yield _result(check, findings.get(check.id, {}), here, fails_run, now)


def as_evaluation(result: AssetCheckResult, checks: Iterable[Check]) -> AssetCheckEvaluation:
    """Return the result of one of these checks as an event that is logged as it is."""
    assert result.asset_key
    assert result.check_name
    check = next(check for check in checks if key_of(check) == AssetCheckKey(result.asset_key, result.check_name))
    return AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
        blocking=check.blocking,
    )


# Few columns: a page 1,280 wide would cut a wider table.
_COLUMNS = ("merchant", "result", "detail", "sample", "checked")


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the columns without those that are empty in all rows: the rest has more room for its words."""
    return [name for name in _COLUMNS if name not in ("detail", "sample") or any(row[name] for row in rows)]


def _row(check: Check, merchant_id: str, one: StoredResult, here: Collection[str], now: datetime) -> dict[str, Any]:
    age = now - datetime.fromtimestamp(one.at, now.tzinfo)
    return {
        "merchant": merchant_id,
        "result": f"{BAD if check.fails(one) else 'fine'}: {_counted(one.count, one.of)}",
        "detail": one.detail,
        "sample": one.sample,
        "checked": "in this run" if merchant_id in here else f"{humanize(age)} ago",
    }


def _result(
    check: Check, found: Mapping[str, StoredResult], here: Set[str], fails_run: Set[str], now: datetime
) -> AssetCheckResult:
    bad = sorted(merchant_id for merchant_id, one in found.items() if check.fails(one))
    fine = sorted(found.keys() - set(bad), key=lambda merchant_id: (merchant_id not in here, merchant_id))
    shown = [_row(check, merchant_id, found[merchant_id], here, now) for merchant_id in [*bad, *fine][:MOST_SHOWN]]
    count, of = sum(one.count for one in found.values()), sum(one.of for one in found.values())
    named = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if len(bad) > 5 else "")
    told = f"{_counted(count, of)}: {check.counted}."
    if not found:
        told = "Checked for nobody yet: no merchant got this far."
    # An earlier finding of a merchant that is not in this run is reported, but is no reason to fail this run.
    blocks = check.blocking and not fails_run.isdisjoint(bad)
    return AssetCheckResult(
        passed=not bad,
        asset_key=key_of(check).asset_key,
        check_name=check.name,
        severity=AssetCheckSeverity.ERROR if blocks else AssetCheckSeverity.WARN,
        description=f"{told} Look at {named}: {check.means}" if bad else told,
        metadata={
            "number": count,
            **({"of": of, "share": _share(count, of)} if of else {}),
            "merchants to look at": len(bad),
            "merchants known": len(found),
            "merchants checked in this run": len(here),
            "by merchant": table(shown, _columns(shown)),
        },
    )


def _counted(count: int, of: int) -> str:
    """Return `3 of 4 (75.0 %)`; the number alone where it is a share of nothing else, as of names nobody knows."""
    return f"{count} of {of} ({_share(count, of)})" if of > 0 else str(count)


def _share(count: int, of: int) -> str:
    return f"{100 * count / of:.1f} %" if of else "-"
