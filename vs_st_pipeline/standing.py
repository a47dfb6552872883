"""How a merchant stands: his last run and last good one, kept so that nobody must open a database to look."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock


def write_standing(data_dir: Path, merchant_id: str, now: datetime, report: dict[str, Any], *, good: bool) -> None:
    """Keep this run's report; `good` moves the time of the last good sync (aware times)."""
    folder = data_dir / "merchants" / merchant_id
    # A lock of its own: a run that never got the sync lock has something to say as well.
    with FileLock(folder / "standing.lock", mode=0o600, timeout=10):
        standing = read_standing(data_dir, merchant_id)
        standing["last_run"] = {"at": now.isoformat(), **report}
        if good:
            standing["last_good_sync_at"] = now.isoformat()
        draft = folder / "standing.json.new"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(standing), encoding="utf-8")
        draft.replace(folder / "standing.json")  # whole or not at all, also if the power goes here


def read_standing(data_dir: Path, merchant_id: str) -> dict[str, Any]:
    """`last_good_sync_at` and `last_run` of a merchant; empty where there is none or it cannot be read."""
    try:
        found = json.loads((data_dir / "merchants" / merchant_id / "standing.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def good_sync_age(standing: dict[str, Any], now: datetime) -> float | None:
    """Seconds since the last good sync; None where there was none."""
    try:
        return (now - datetime.fromisoformat(standing["last_good_sync_at"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None
