"""Brings a merchant's file forward to this version's schema, whole or not at all, and leaves a newer one alone.

Data flow: numbered SQL of several owners -> the file, in one transaction that says so in `schema_version`.

Every owner has a lineage of its own: what all files share, each connector, each route. Which owners a file has follows
from its route, and is handed in as a `Layout`: this room knows no system and no route. Files that are older than that
have one lineage, which knew both systems; they are carried over in the same transaction that brings them forward.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import duckdb

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.newer import newer
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.streams import Stream

MOST_MEMORY_MB: Final = 512  # that DuckDB ever takes in a process


@dataclass(frozen=True, slots=True)
class Lineage:
    """One owner's numbered steps, in order."""

    owner: str
    steps: tuple[tuple[int, str], ...]

    @property
    def newest(self) -> int:
        return self.steps[-1][0]


@dataclass(frozen=True, slots=True)
class Legacy:
    """How a file of the one lineage that there was before becomes one of several.

    Attributes:
        steps: the old lineage; a file may stand at any of them.
        set_aside: SQL that makes room for the tables that replace others, before the owners' steps.
        carry_over: SQL that fills those from what was set aside, and drops that, after the owners' steps.
    """

    steps: tuple[tuple[int, str], ...]
    set_aside: str
    carry_over: str


@dataclass(frozen=True, slots=True)
class Layout:
    """What a file of one route holds: the lineages in the order in which they are applied.

    Attributes:
        streams: the records that it holds as systems told them, each with its system.
        memory_mb: how much DuckDB may take for it at first. It keeps what it has read up to that.
    """

    lineages: tuple[Lineage, ...]
    legacy: Legacy | None = None
    streams: tuple[tuple[str, Stream], ...] = ()
    memory_mb: int = MOST_MEMORY_MB


def read_lineage(owner: str, folder: Traversable) -> Lineage:
    """Read an owner's steps: the files `0001_*.sql`, `0002_*.sql` of a folder."""
    return Lineage(owner, _numbered(folder))


def read_legacy(folder: Traversable) -> Legacy:
    """Read the old lineage from a folder: its numbered files, `set_aside.sql` and `carry_over.sql`."""
    set_aside, carry_over = (
        (folder / f"{name}.sql").read_text(encoding="utf-8") for name in ("set_aside", "carry_over")
    )
    return Legacy(_numbered(folder), set_aside, carry_over)


def _numbered(folder: Traversable) -> tuple[tuple[int, str], ...]:
    names = sorted(entry.name for entry in folder.iterdir() if entry.name[:4].isdigit() and entry.name.endswith(".sql"))
    return tuple((int(name.split("_", 1)[0]), (folder / name).read_text(encoding="utf-8")) for name in names)


SHARED = read_lineage("shared", resources.files("vs_st_pipeline.platform.warehouse") / "sql")
"""What every file has."""


def migrate(db: Db, path: Path, layout: Layout) -> None:
    """Bring a file to this version's schema in one transaction; one that is there already costs one question.

    Raises:
        BadSettings: the file comes from a newer version.
    """
    known = {lineage.owner: lineage.newest for lineage in layout.lineages}
    applied, legacy = _applied(db)
    if applied == known:
        return
    _refuse_newer(path, applied, known)
    if legacy and layout.legacy is not None:
        _refuse_newer(path, {"": legacy}, {"": layout.legacy.steps[-1][0]})
    with db.transaction():
        if legacy and layout.legacy is not None:
            for number, sql in layout.legacy.steps:
                if number > legacy:
                    _apply(db, sql)
            _apply(db, layout.legacy.set_aside)
            db.execute("drop table schema_version")
        db.execute(
            "create table if not exists schema_version (owner varchar not null, version integer not null, "
            "applied_at timestamp not null, primary key (owner, version))"
        )
        for lineage in layout.lineages:
            for number, sql in lineage.steps:
                if number > applied.get(lineage.owner, 0):
                    _apply(db, sql)
                    db.execute("insert into schema_version values (?, ?, ?)", [lineage.owner, number, utc_now_naive()])
        if legacy and layout.legacy is not None:
            _apply(db, layout.legacy.carry_over)


def _applied(db: Db) -> tuple[dict[str, int], int]:
    """Return the version of each owner in a file, and the version of its old lineage, 0 where it has none."""
    try:
        return {row[0]: row[1] for row in db.rows("select owner, max(version) from schema_version group by owner")}, 0
    except duckdb.CatalogException:  # a file that was just made
        return {}, 0
    except duckdb.BinderException:  # one that knows no owners
        return {}, int(db.value("select coalesce(max(version), 0) from schema_version"))


def _refuse_newer(path: Path, applied: Mapping[str, int], known: Mapping[str, int]) -> None:
    for owner, version in applied.items():
        if version > known.get(owner, 0):
            named = f"{owner} {version}" if owner not in known else version
            error = newer(path, named, known.get(owner, "no such thing"))
            raise BadSettings(f"{error.message}; {remedy(path)} starts anew")


def _apply(db: Db, sql: str) -> None:
    db.script(sql)
    failpoint("migrated")


def remedy(path: Path) -> str:
    """Return the command that starts a merchant's file again, for messages."""
    route = "" if path.stem == "warehouse" else f" --route {path.stem}"
    return f"`vs-st rebuild --merchant {path.parent.name}{route}`"
