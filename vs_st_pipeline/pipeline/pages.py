"""Says what the page of an asset shows people: numbers, sentences and small tables, as plain values.

Data flow: a merchant's stored tables + its report -> (defs) the metadata of one materialization.

Routes list a `Page` per asset; nothing here knows who shows it. Everything on a page is masked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.tables import Frame
from vs_st_pipeline.platform.run import Run

ROWS = 10  # of a table of people: the event log keeps every run of each merchant for good
ROW_COUNT = "dagster/row_count"

Short = tuple[str, dict[str, Any]]
"""One sentence, and the report's own numbers."""
InShort = Callable[[Report, Mapping[str, Any]], Short]
"""Says a report, beside what the rest of the page shows, in short."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to show; every cell is text or a whole number.

    Attributes:
        columns: names in their order; empty: those of the first row.
    """

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class View:
    """A table that is made only if there is something to show.

    Attributes:
        rows: the rows that it needs to be shown, as SQL behind `from`.
    """

    name: str
    rows: str
    make: Callable[[Run], Frame]


def nothing_more(report: Report, shown: Mapping[str, Any]) -> Short:
    """Return the status of the run alone."""
    return report.status, {}


def rows_counted(shown: Mapping[str, Any]) -> str:
    """Return how many rows the table of a page has, in words; it lacks the number where it could not be made."""
    count = shown.get(ROW_COUNT)
    return "rows not counted" if count is None else counted(count, "rows")


def rows_there(report: Report, shown: Mapping[str, Any]) -> Short:
    """Return how many rows the asset has, as its page shows them."""
    return rows_counted(shown), {}


def read_of(*words: str) -> InShort:
    """Return what says how many records of these names of the report the run has read."""

    def in_short(report: Report, shown: Mapping[str, Any]) -> Short:
        numbers = {f"{word} read": report.seen.get(word, 0) for word in words}
        return ", ".join(counted(count, name) for name, count in numbers.items()), numbers

    return in_short


def count_of(table: str, where: str = "") -> str:
    """Return the SQL that counts a table's rows; `where` with its keyword."""
    return f"select count(*) from {table} {where}".rstrip()


def outcomes(counts: Mapping[str, int], records: str) -> str:
    """Return what became of writes in a few words, without what there was none of; `records` is in the plural.

    Args:
        counts: by `accepted`, `rejected`, `unknown`.
    """
    words = {"accepted": "accepted", "rejected": "refused, tried again later", "unknown": "of unknown outcome"}
    told = [f"{counted(counts[name], records)} {says}" for name, says in words.items() if counts.get(name)]
    return ", ".join(told) or f"no {records} had to be written"


@dataclass(frozen=True, slots=True)
class Page:
    """What an asset's page shows.

    Attributes:
        counts: name -> SQL of a number. texts: name -> SQL of a sentence, which is left out where it is empty.
        by_field: SQL of fields and how many records change in each; `$run` is the run.
        in_short: report and what the rest of the page shows -> one sentence, and the report's own numbers.
    """

    counts: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    by_field: str = ""
    views: tuple[View, ...] = ()
    in_short: InShort = nothing_more


def stored(run: Run, page: Page) -> dict[str, Any]:
    """Return the numbers and tables of what is stored.

    The file is opened once, and once more for each table that has rows (mostly none).
    """
    if not (page.counts or page.texts or page.by_field or page.views):
        return {}
    with run.open() as db:
        shown: dict[str, Any] = {name: int(db.value(sql)) for name, sql in page.counts.items()}
        shown |= {name: text for name, sql in page.texts.items() if (text := db.value(sql))}
        if changes := db.rows(page.by_field, {"run": run.run_id}) if page.by_field else []:
            shown["changes by field"] = Table([{"field": field, "records": count} for field, count in changes])
        filled = [view for view in page.views if db.value(f"select count(*) from {view.rows}")]
    for view in filled:
        frame = view.make(run)
        if not frame.empty:
            rows = [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)]
            shown[view.name] = Table(rows, [str(column) for column in frame.columns])
    return shown
