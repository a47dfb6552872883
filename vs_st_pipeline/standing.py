"""How a merchant stands: his last run, his last good one and how often he changes, without opening a database."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from vs_st_pipeline.polling import History, observe

QUIET_CALLS = 6.0  # requests to Vinoshipper that a sync takes of which nothing is known yet
LEARN = 0.2  # how much of what the last sync took goes into what the next is believed to take


@dataclass(frozen=True, slots=True)
class Pulse:
    """What says when to look at a merchant again.

    Attributes:
        last_run_at: when he was last synced, well or not; epoch seconds, None where never.
        history: his changes so far.
        quiet_calls: requests to Vinoshipper that a sync of his takes on the mean.
    """

    last_run_at: float | None = None
    history: History = History()
    quiet_calls: float = QUIET_CALLS


def write_standing(data_dir: Path, merchant_id: str, now: datetime, report: dict[str, Any], *, good: bool) -> None:
    """Keep this run's report; a good one moves the time of the last good sync and says how often he changes.

    Args:
        now: aware time.
    """
    folder = data_dir / "merchants" / merchant_id
    if not folder.is_dir():
        return  # removed while we were at work; nothing is to be kept of him
    # A lock of its own: a run that never got the sync lock has something to say as well.
    with FileLock(folder / "standing.lock", mode=0o600, timeout=10):
        standing = read_standing(data_dir, merchant_id)
        if good:
            standing["pulse"] = _learnt(standing, now, report)
            standing["last_good_sync_at"] = now.isoformat()
        standing["last_run"] = {"at": now.isoformat(), **report}
        draft = folder / "standing.json.new"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(standing), encoding="utf-8")
        draft.replace(folder / "standing.json")  # whole or not at all, also if the power goes here


def _learnt(standing: dict[str, Any], now: datetime, report: dict[str, Any]) -> dict[str, Any]:
    pulse, elapsed = pulse_of(standing), good_sync_age(standing, now)
    if elapsed is None:  # a first sync: its changes are a backlog and its requests are history's
        return {"history": asdict(pulse.history), "quiet_calls": pulse.quiet_calls}
    history = observe(pulse.history, elapsed, report["planned"]["contacts"])
    calls = max(1.0, pulse.quiet_calls + LEARN * (report["calls"]["vinoshipper"] - pulse.quiet_calls))
    return {"history": asdict(history), "quiet_calls": round(calls, 3)}


def read_standing(data_dir: Path, merchant_id: str) -> dict[str, Any]:
    """`last_good_sync_at`, `last_run` and `pulse` of a merchant; empty where there is none or it cannot be read."""
    try:
        found = json.loads((data_dir / "merchants" / merchant_id / "standing.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_pulse(data_dir: Path, merchant_id: str) -> Pulse:
    """A merchant's pulse; that of a stranger where nothing is known."""
    return pulse_of(read_standing(data_dir, merchant_id))


def pulse_of(standing: dict[str, Any]) -> Pulse:
    try:
        last_run_at = datetime.fromisoformat(standing["last_run"]["at"]).timestamp()
    except (KeyError, TypeError, ValueError):
        last_run_at = None
    try:
        told = standing["pulse"]
        return Pulse(last_run_at, History(**told["history"]), max(1.0, float(told["quiet_calls"])))
    except (KeyError, TypeError, ValueError):
        return Pulse(last_run_at)


def good_sync_age(standing: dict[str, Any], now: datetime) -> float | None:
    """Seconds since the last good sync; None where there was none."""
    try:
        return (now - datetime.fromisoformat(standing["last_good_sync_at"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None
