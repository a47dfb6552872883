"""The settings of the environment: where things are, what time it is taken to be, and what the whole fleet keeps to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vs_st_pipeline.errors import SIMPLETEXTING, VINOSHIPPER, BadSettings
from vs_st_pipeline.merchants import FIRST_YEAR, LAST_YEAR, parse_duration

FASTEST, SLOWEST = "VS_ST_SYNC_FASTEST", "VS_ST_SYNC_SLOWEST"
KEEP_RUNS = "VS_ST_KEEP_RUNS"
LATE_AFTER = "VS_ST_LATE_AFTER"


def settings_path(environ: Mapping[str, str]) -> Path:
    """Where the merchants file is: `VS_ST_MERCHANTS`, else `./merchants.yaml`."""
    return Path(environ.get("VS_ST_MERCHANTS") or "merchants.yaml")


def data_dir(environ: Mapping[str, str]) -> Path:
    """The folder of all state: `VS_ST_DATA_DIR`, else `./data`."""
    return Path(environ.get("VS_ST_DATA_DIR") or "data")


def fleet_rates(environ: Mapping[str, str]) -> dict[str, float]:
    """Requests a second for all merchants of one system together: `VS_ST_VINOSHIPPER_RATE`, `VS_ST_SIMPLETEXTING_RATE`.

    Raises:
        BadSettings: one is set and is no number above 0.
    """
    rates: dict[str, float] = {}
    for system in (VINOSHIPPER, SIMPLETEXTING):
        name = f"VS_ST_{system.upper()}_RATE"
        if text := environ.get(name, "").strip():
            try:
                rates[system] = float(text)
            except ValueError:
                rates[system] = 0.0
            if not 0 < rates[system] < math.inf:
                raise BadSettings(f"{name} must be a number of requests a second above 0, such as 20")
    return rates


def now(environ: Mapping[str, str]) -> datetime:
    """The time that every rule about dates and ages takes for now, in UTC: `VS_ST_NOW`, else the clock.

    A time without an offset is taken as UTC.

    Raises:
        BadSettings: `VS_ST_NOW` is not an ISO time.
    """
    written = environ.get("VS_ST_NOW", "").strip()
    if not written:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(written)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadSettings("VS_ST_NOW is not an ISO time; write it such as 2026-01-31T12:00:00Z, or unset it") from None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:  # at the ends of the calendar no day can be added or taken away
        raise BadSettings(f"VS_ST_NOW must lie between the years {FIRST_YEAR} and {LAST_YEAR}")
    return moment


def sync_bounds(environ: Mapping[str, str]) -> tuple[timedelta, timedelta]:
    """How often a merchant is synced at most and at least by the schedule: `VS_ST_SYNC_FASTEST`, `VS_ST_SYNC_SLOWEST`.

    Raises:
        BadSettings: one is no duration above 0, or the fastest is longer than the slowest.
    """
    fastest, slowest = _duration(environ, FASTEST, "5m"), _duration(environ, SLOWEST, "1h")
    if not timedelta(0) < fastest <= slowest:
        raise BadSettings(f"{FASTEST} must be above 0 and no longer than {SLOWEST}")
    return fastest, slowest


def keep_runs(environ: Mapping[str, str]) -> timedelta:
    """For how long Dagster's runs and their events are kept: `VS_ST_KEEP_RUNS`, else 30 days.

    Raises:
        BadSettings: it is no duration above 0.
    """
    return _above_zero(environ, KEEP_RUNS, "30d")


def late_after(environ: Mapping[str, str]) -> timedelta:
    """How long a merchant may be without a good sync before he is called late: `VS_ST_LATE_AFTER`.

    Raises:
        BadSettings: it is no duration above 0.
    """
    return _above_zero(environ, LATE_AFTER, "30m")


def _above_zero(environ: Mapping[str, str], name: str, default: str) -> timedelta:
    found = _duration(environ, name, default)
    if not found:
        raise BadSettings(f"{name} must be above 0, such as {default}")
    return found


def _duration(environ: Mapping[str, str], name: str, default: str) -> timedelta:
    try:
        return parse_duration(environ.get(name, "").strip() or default)
    except BadSettings as error:
        raise BadSettings(f"{name}: {error.message}") from None
