"""Brings a merchant's file forward to this version's schema, step by step, and leaves one of a newer version alone.

Data flow: sql/*.sql -> the file, each in a transaction that says so in `schema_version`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import duckdb

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.warehouse.connection import Db


def _migrations() -> list[tuple[int, str]]:
    folder = resources.files("vs_st_pipeline.platform.warehouse") / "sql"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name.split("_", 1)[0]), (folder / name).read_text(encoding="utf-8")) for name in names]


MIGRATIONS = _migrations()
NEWEST = MIGRATIONS[-1][0]


def version_of(db: Db) -> int:
    """Return the schema version of a file, 0 for one that was just made."""
    try:
        return int(db.value("select coalesce(max(version), 0) from schema_version"))
    except duckdb.CatalogException:  # a file that was just made
        return 0


def migrate(db: Db, path: Path) -> None:
    """Bring a file to this version's schema, one transaction per step.

    Raises:
        BadSettings: the file comes from a newer version.
    """
    version = version_of(db)
    if version == NEWEST:
        return
    if version > NEWEST:
        raise BadSettings(
            f"the file {path} is at schema {version}, this version knows {NEWEST}: upgrade vs-st-pipeline, "
            f"or put an older backup back; {remedy(path)} starts anew"
        )
    db.execute("create table if not exists schema_version (version integer primary key, applied_at timestamp not null)")
    for number, sql in MIGRATIONS:
        if number > version:
            with db.transaction():
                db.script(sql)
                db.execute("insert into schema_version values (?, ?)", [number, utc_now_naive()])


def remedy(path: Path) -> str:
    """Return the command that starts a merchant's file again, for messages."""
    route = "" if path.stem == "warehouse" else f" --route {path.stem}"
    return f"`vs-st rebuild --merchant {path.parent.name}{route}`"


def utc_now_naive() -> datetime:
    """Return the machine's UTC time without zone, as tables hold it (rules about dates use `VS_ST_NOW` instead)."""
    return datetime.now(UTC).replace(tzinfo=None)
