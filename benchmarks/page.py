"""Writes what `benchmarks/results.json` holds as tables into `docs/scale.md`, between two marks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.bars import ROOT, UNMEASURED, shown

PAGE = ROOT / "docs" / "scale.md"
BUSY, EVERY_SECONDS = 0.8, 300
BEGIN, END = "<!-- figures: begin (python -m benchmarks --page) -->", "<!-- figures: end -->"


def write(results: Mapping[str, Any], path: Path = PAGE) -> None:
    """Put the tables in the place of those that stand on the page.

    Raises:
        ValueError: the page has no such place.
    """
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("docs/scale.md has lost the marks between which the figures stand")
    path.write_text(f"{before}{BEGIN}\n{tables(results)}\n{END}{after}", encoding="utf-8")


def tables(results: Mapping[str, Any]) -> str:
    """Return the bars, and the figures of each benchmark that has some by size."""
    found: Mapping[str, Any] = results.get("benchmarks", {})
    parts = [_measured_on(results), _bars(found), _held_by_one_core(found)]
    parts += [f"`{name}`:\n\n{table}" for name in sorted(found) if (table := _by_size(found[name]["figures"]))]
    return "\n\n".join(part for part in parts if part)


def _measured_on(results: Mapping[str, Any]) -> str:
    machine, versions = results.get("machine"), results.get("versions")
    if not machine or not versions:
        return "Nothing was measured yet."
    found = results["benchmarks"].values()
    commits = sorted({str(one["commit"])[:9] for one in found})
    quick = ", ".join(f"`{name}`" for name, one in sorted(results["benchmarks"].items()) if one["quick"])
    chosen = ", ".join(f"`{name}`" for name, one in sorted(results["benchmarks"].items()) if one["sizes"])
    return (
        f"Measured on {machine['cores']} cores ({machine['model']}, {machine['memory_gb']} GB, {machine['os']}), "
        f"Python {versions['python']}, DuckDB {versions['duckdb']}, at {', '.join(commits)}."
        + (f" At the sizes of `--quick`: {quick}." if quick else "")
        + (f" At sizes that the environment set: {chosen}." if chosen else "")
    )


def _bars(found: Mapping[str, Any]) -> str:
    rows = [
        f"| `{bar['name']}` | {UNMEASURED if bar['value'] is None else shown(bar['value'])} | {shown(bar['limit'])} | "
        f"{'ok' if bar['ok'] else 'missed'} |"
        for name in sorted(found)
        for bar in found[name]["bars"]
    ]
    return "\n".join(["| bar | found | at most | |", "| --- | --- | --- | --- |", *rows]) if rows else ""


def _held_by_one_core(found: Mapping[str, Any]) -> str:
    """Say how many merchants one core syncs every five minutes, by what each costs in the largest tick."""
    each = found.get("tick", {}).get("figures", {}).get("each_ms")
    if not each:
        return ""
    merchants = int(BUSY * EVERY_SECONDS * 1000 / each)
    return (
        f"A merchant in the largest tick takes {shown(each)} ms of CPU, all that the tick does included. "
        f"So one core that is {BUSY:.0%} busy with it syncs {merchants:,} merchants every five minutes (computed)."
    )


def _by_size(figures: Mapping[str, float | None]) -> str:
    """Return a row for each size of the figures `NAME_at_SIZE`; nothing where there is only one size."""
    cells: dict[int, dict[str, float | None]] = {}
    for key, value in figures.items():
        name, at, size = key.rpartition("_at_")
        if at and size.isdigit():
            cells.setdefault(int(size), {})[name] = value
    if len(cells) < 2:
        return ""
    names = sorted({name for of_size in cells.values() for name in of_size})
    rows = ["| size | " + " | ".join(f"`{name}`" for name in names) + " |", "| --- " * (len(names) + 1) + "|"]
    for size in sorted(cells):
        values = [cells[size].get(name) for name in names]
        rows.append(f"| {size:,} | " + " | ".join("" if value is None else shown(value) for value in values) + " |")
    return "\n".join(rows)
