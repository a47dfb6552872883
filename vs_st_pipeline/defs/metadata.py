"""Makes what an asset's page shows of a stage: numbers, what was asked for, small tables of masked people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dagster import MetadataValue, TableColumn, TableMetadataValue, TableRecord, TableSchema

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.report import PARTIAL, Report
from vs_st_pipeline.pipeline.pages import Page, Table, stored
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.session import StageDone
from vs_st_pipeline.platform.run import Run


def of_stage(route: Route, run: Run, done: StageDone) -> dict[str, dict[str, Any]]:
    """Return asset -> what its tables show of a stage just made; a view that fails is named and fails nothing else."""
    found = {}
    for asset in route.made_by(done.name):
        shown: dict[str, Any] = {}
        try:
            shown |= {name: _shown(value) for name, value in stored(run, route.pages.get(asset, Page())).items()}
        except Exception as error:
            shown["view"] = f"could not be made ({type(error).__name__}); the stage itself is done"
        if done.asked:
            asked = [
                {"asked": row.what, "because": row.why, "records": row.records, "found": row.found}
                for row in done.asked
            ]
            shown["what was asked"] = table(asked)
        calls = _calls_for(route, asset, done)
        shown["requests sent"] = sum(calls.values())
        if calls:
            rows = [{"call": name, "requests": count} for name, count in sorted(calls.items())]
            shown["requests by call"] = table(rows)
        shown["seconds"] = round(done.seconds, 3)
        if options := [name for name in ("full", "allow_unsafe", "dry_run") if getattr(run, name)]:
            shown["options"] = ", ".join(options)
        found[asset] = shown
    return found


def _calls_for(route: Route, asset: str, done: StageDone) -> dict[str, int]:
    """Return the stage's calls without those of systems that other assets of the same stage are about."""
    systems = {connector.name for connector in route.connectors}
    about = {one: systems.intersection(one.split("/")[1:]) for one in route.made_by(done.name)}
    others = set[str]().union(*about.values()) - about[asset] if about[asset] else set[str]()
    return {call: count for call, count in done.calls.items() if call.split()[0] not in others}


def with_report(route: Route, made: Mapping[str, dict[str, Any]], report: Report) -> dict[str, dict[str, Any]]:
    """Return the same with what only the report knows in front: that is what a reader in a hurry wants."""
    ended = report.status if report.error is None else f"{report.status} later: {sentence(report.error)}"
    if report.status == PARTIAL and report.error is None:
        ended += f": something was refused, cannot be read or has no known outcome. See {', '.join(_written_by(route))}"
    found = {}
    for asset, shown in made.items():
        short, known = route.pages.get(asset, Page()).in_short(report, shown)
        numbers = {name: _shown(value) for name, value in known.items()}
        found[asset] = {"in short": short, "this merchant's run": ended, **numbers, **shown}
        found[asset]["run"] = MetadataValue.dagster_run(report.run_id)
    return found


def _written_by(route: Route) -> list[str]:
    return [asset for asset in route.made_by(route.writes) if asset in route.pages]


def sentence(error: PipelineError) -> str:
    """Return `auth: ...`: the kind, and what to do; errors carry no personal data by their own rule."""
    return f"{error.kind}: {error}"


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> TableMetadataValue:
    """Return rows as a table of the UI; every cell is text or a whole number."""
    names = list(columns) or list(rows[0])
    schema = TableSchema(
        [TableColumn(name, "int" if rows and isinstance(rows[0][name], int) else "string") for name in names]
    )
    return MetadataValue.table([TableRecord({name: _cell(row[name]) for name in names}) for row in rows], schema)


def _shown(value: Any) -> Any:
    return table(value.rows, value.columns) if isinstance(value, Table) else value


def _cell(value: Any) -> str | int:
    if isinstance(value, int):
        return value
    return "" if value is None or value != value else str(value)
