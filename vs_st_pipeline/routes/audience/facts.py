"""Remembers what has no table of its own, as JSON by name (synced.audience_facts)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from vs_st_pipeline.platform.warehouse.connection import Db

_CACHED = "audience_facts"


def read(db: Db, name: str) -> Any:
    """Return what is remembered under a name, None where nothing is."""
    found = _all(db).get(name)
    return None if found is None else json.loads(found)


def keep(db: Db, name: str, value: Any, now: datetime) -> None:
    """Remember something under a name, in place of what stood there."""
    text = json.dumps(value)
    if _all(db).get(name) == text:
        return
    db.execute("insert or replace into synced.audience_facts values (?, ?, ?)", [name, text, now])
    _all(db)[name] = text


def drop(db: Db, name: str) -> None:
    """Forget what stands under a name."""
    if _all(db).pop(name, None) is not None:
        db.execute("delete from synced.audience_facts where name = ?", [name])


def _all(db: Db) -> dict[str, str]:
    return db.cached(_CACHED, lambda: dict(db.rows("select name, value from synced.audience_facts")))
