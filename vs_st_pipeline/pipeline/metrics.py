"""Measures what checks of any route count: for one merchant, a count out of a total, from the stored tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.unreadable import read_unreadable

NEWS_LASTS = timedelta(days=7)
SAMPLED = 3


@dataclass(frozen=True, slots=True)
class Metric:
    """One merchant's finding: a count out of a total, and in words what a number does not say.

    Attributes:
        sample: some of the records, masked, so that a person knows where to begin to look.
    """

    count: int
    of: int
    detail: str = ""
    sample: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """How records of a kind are named in a sample: a column, and the function to apply to it."""

    column: str
    named: Callable[[Any], str]


def share_of(
    table_name: str, condition: str, among: str = "true", *, sample: Sample | None = None
) -> Callable[[Run, Db], Metric]:
    """Measure how many of a table's rows fulfill a condition."""
    sql = f"select count(*) filter ({condition}), count(*) from {table_name} where {among}"

    def find(run: Run, db: Db) -> Metric:
        row = db.row(sql) or (0, 0)
        some = some_named(db, sample, f"{table_name} where ({condition}) and ({among})") if sample and row[0] else ""
        return Metric(int(row[0]), int(row[1]), sample=some)

    return find


def some_named(db: Db, sample: Sample, rows: str, params: Mapping[str, Any] | None = None) -> str:
    """Name some of these rows for a person."""
    found = db.rows(f"select {sample.column} from {rows} order by 1 limit {SAMPLED}", params)
    return ", ".join(sample.named(row[0]) for row in found)


def empty_read(what: str) -> Callable[[Run, Db], Metric]:
    def find(run: Run, db: Db) -> Metric:
        rows = db.value("select rows from raw.reads where what = ?", [what])
        return Metric(int(rows == 0), 1, "not read completely yet" if rows is None else counted(rows, "rows"))

    return find


def unreadable(kind: str, table_name: str) -> Callable[[Run, Db], Metric]:
    """Measure records of one kind that could not be read at the last request: since when, why, when they are next."""

    def find(run: Run, db: Db) -> Metric:
        rows = read_unreadable(db, kind)
        of = int(db.value(f"select count(*) from {table_name}"))
        some = ", ".join(f"{row.kind} {row.id}" for row in rows[:SAMPLED])
        return Metric(len(rows), of, " | ".join(row.sentence for row in rows[:SAMPLED]), some)

    return find


def new_drift(kind: str, table_name: str) -> Callable[[Run, Db], Metric]:
    """Measure unknown names and values that came up within a week; a person has already seen the older ones.

    They are a share of nothing: the total is 0, and the detail says in how many records they were looked for.

    Args:
        table_name: where the records of this kind are stored, with a condition, if there is one.
    """

    def find(run: Run, db: Db) -> Metric:
        rows = db.rows(
            "select what, seen, first_at from raw.drift where what like ? order by first_at desc, what", [f"% {kind}.%"]
        )
        new = [
            f"{what} ({counted(seen, 'times')})" for what, seen, first_at in rows if run.now() - first_at < NEWS_LASTS
        ]
        looked_at = f"in {counted(int(db.value(f'select count(*) from {table_name}')), f'{kind}s')}"
        older = f"; {len(rows) - len(new)} known for more than a week" if len(rows) > len(new) else ""
        return Metric(len(new), 0, f"{', '.join(new) or 'nothing new'}, {looked_at}{older}")

    return find


def brake_tripped(run: Run, db: Db) -> Metric:
    refused = db.value("select unsafe from planned.plan")
    return Metric(int(bool(refused)), 1, refused or "")


def brake_passed(run: Run, db: Db) -> Metric:
    """Measure how often a person let a sync pass that the brake had refused, within a week: who, when, and why."""
    rows = [
        row
        for row in db.rows("select allowed_at, allowed_by, refused from synced.allowed order by allowed_at desc")
        if run.now() - row[0] < NEWS_LASTS
    ]
    told = [f"{by} at {at:%Y-%m-%d %H:%M} UTC, though: {refused}" for at, by, refused in rows]
    return Metric(len(rows), len(rows), " | ".join(told))
