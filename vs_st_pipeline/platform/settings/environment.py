"""Reads the settings of the environment: where things are, what time counts as now, and the limits of the whole fleet.

Data flow: environment -> paths, times, rates, addresses, or `BadSettings` with what to do.

Code that does something refuses a setting that is not understood (`BadSettings`). Code that only shows the merchants'
status does not: a page that stays as it was, because of a slip in one setting, would hide what it is there to show. It
takes the default, and reports the slip (`taken`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.forms import FASTEST_RATE, FIRST_YEAR, LAST_YEAR, SLOWEST_RATE, parse_duration
from vs_st_pipeline.platform.settings.hook_secrets import hook_secrets
from vs_st_pipeline.platform.settings.public_url import public_url
from vs_st_pipeline.platform.settings.secrets import Secret, SecretError, parse_reference, resolve_secret

T = TypeVar("T")

ADDRESSES = "VS_ST_ALERTS"
FASTEST, SLOWEST = "VS_ST_SYNC_FASTEST", "VS_ST_SYNC_SLOWEST"
KEEP_RUNS = "VS_ST_KEEP_RUNS"
LATE_AFTER, LATE_DEFAULT = "VS_ST_LATE_AFTER", "30m"
INBOX_KEEP, INBOX_KEEP_DEFAULT = "VS_ST_INBOX_KEEP", "7d"
TELL = "VS_ST_TELL"

NOBODY_IS_SYNCED = "nobody is synced"


def settings_path(environ: Mapping[str, str]) -> Path:
    """Return where the merchants file is: `VS_ST_MERCHANTS`, else `./merchants.yaml`; `~` is a home folder.

    Raises:
        BadSettings: it begins with a home folder that is not known.
    """
    return _path(environ, "VS_ST_MERCHANTS", "merchants.yaml")


def data_dir(environ: Mapping[str, str]) -> Path:
    """Return the folder of all state: `VS_ST_DATA_DIR`, else `./data`; `~` is a home folder.

    Raises:
        BadSettings: it begins with a home folder that is not known.
    """
    return _path(environ, "VS_ST_DATA_DIR", "data")


def _path(environ: Mapping[str, str], name: str, default: str) -> Path:
    """Return a path as a shell would read it: a `.env` file or a service manager passes `~` on as it is written."""
    try:
        return Path(environ.get(name, "").strip() or default).expanduser()
    except RuntimeError:
        raise BadSettings(f"{name} begins with a home folder that is not known; write the whole path") from None


def fleet_rates(environ: Mapping[str, str], systems: Iterable[str]) -> dict[str, float]:
    """Return requests a second for all merchants together, by system; one that is not set is not in it.

    They come from `VS_ST_<SYSTEM>_RATE` (routes.md R25).

    Raises:
        BadSettings: one is set and is no number above 0, or is beyond what can be meant.
    """
    rates: dict[str, float] = {}
    for system in systems:
        name = f"VS_ST_{system.upper()}_RATE"
        if text := environ.get(name, "").strip():
            try:
                rates[system] = float(text)
            except ValueError:
                rates[system] = 0.0
            if not 0 < rates[system] < math.inf:
                raise BadSettings(f"{name} must be a number of requests a second above 0, such as 20")
            if not SLOWEST_RATE <= rates[system] <= FASTEST_RATE:
                raise BadSettings(
                    f"{name} must be from {SLOWEST_RATE} (a request in 17 minutes) to {FASTEST_RATE:.0f} requests a "
                    "second, such as 20"
                )
    return rates


def now(environ: Mapping[str, str]) -> datetime:
    """Return the time that every rule about dates and ages takes for now, in UTC: `VS_ST_NOW`, else the clock.

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
    """Return the shortest and the longest time between two syncs of a merchant by the schedule.

    They come from `VS_ST_SYNC_FASTEST`, else 5 minutes, and `VS_ST_SYNC_SLOWEST`, else 1 hour.

    Raises:
        BadSettings: one is no duration above 0, or the fastest is longer than the slowest.
    """
    fastest, slowest = _duration(environ, FASTEST, "5m"), _duration(environ, SLOWEST, "1h")
    if not timedelta(0) < fastest <= slowest:
        raise BadSettings(f"{FASTEST} must be above 0 and no longer than {SLOWEST}")
    return fastest, slowest


def keep_runs(environ: Mapping[str, str]) -> timedelta:
    """Return how long Dagster's runs and their events are kept: `VS_ST_KEEP_RUNS`, else 30 days.

    Raises:
        BadSettings: it is no duration above 0.
    """
    return _above_zero(environ, KEEP_RUNS, "30d")


def late_after(environ: Mapping[str, str]) -> timedelta:
    """Return how long a merchant may be without a good sync before it is called late: `VS_ST_LATE_AFTER`, else 30m.

    Raises:
        BadSettings: it is no duration above 0.
    """
    return _above_zero(environ, LATE_AFTER, LATE_DEFAULT)


def inbox_keep(environ: Mapping[str, str]) -> timedelta:
    """Return how long entries of the inbox are kept: `VS_ST_INBOX_KEEP`, else 7 days.

    Raises:
        BadSettings: it is no duration above 0.
    """
    return _above_zero(environ, INBOX_KEEP, INBOX_KEEP_DEFAULT)


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


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that are told of trouble.

    Attributes:
        urls: by reference (`env:NAME`, `file:PATH`).
        problems: what is wrong with those that cannot be read, in sentences without any URL.
        references: all that have the form of a reference, also those that cannot be read.
    """

    urls: dict[str, Secret]
    problems: list[str]
    references: set[str]


def alert_addresses(environ: Mapping[str, str]) -> Addresses:
    """Return the URLs that `VS_ST_ALERTS` names by references, which blanks separate; never raises."""
    return _addresses(environ, ADDRESSES)


def tell_addresses(environ: Mapping[str, str]) -> Addresses:
    """Return the URLs that are told when a merchant was added: of `VS_ST_TELL`, else `VS_ST_ALERTS`; never raises."""
    return _addresses(environ, TELL if environ.get(TELL, "").strip() else ADDRESSES)


def _addresses(environ: Mapping[str, str], name: str) -> Addresses:
    found = Addresses({}, [], set())
    for place, written in enumerate(environ.get(name, "").split(), 1):
        try:
            reference = parse_reference(written)
            found.references.add(reference)
            found.urls[reference] = Secret(resolve_secret(reference, Path.cwd(), environ), reference)
        except SecretError as error:
            found.problems.append(f"{name}, address {place}: {error}")
    return found


# --- what is taken where a setting is not understood -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InvalidSetting:
    """A setting that is not understood.

    Attributes:
        says: which setting, what is wrong with it and how to write it; never a secret.
        meanwhile: what follows from it until it is put right.
        defaulted: code that shows the merchants' status takes the default in its place.
    """

    says: str
    meanwhile: str
    defaulted: bool = True

    @property
    def stops_all(self) -> bool:
        """Say whether no merchant is synced because of it."""
        return self.meanwhile == NOBODY_IS_SYNCED

    @property
    def sentence(self) -> str:
        """Return what a person is told: what is wrong, and what follows until it is put right."""
        return f"{self.says}; until then {self.meanwhile}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings that a merchant's status depends on; defaults where one is not understood.

    Attributes:
        now: aware UTC.
        rates: requests a second for all merchants together, by system.
        misunderstood: all settings of the environment that are not understood, also those that no field here shows.
    """

    now: datetime
    late_after: timedelta
    bounds: tuple[timedelta, timedelta]
    rates: dict[str, float]
    misunderstood: tuple[InvalidSetting, ...]


def taken(environ: Mapping[str, str], systems: Iterable[str]) -> Loaded:
    """Read all settings; never raises: what is not understood is in the result.

    Args:
        systems: those that may have a rate for all merchants together.
    """
    wrong: list[InvalidSetting] = []

    def read(setting: Callable[[Mapping[str, str]], T], meanwhile: str, *, defaulted: bool = True) -> T:
        try:
            return setting(environ)
        except BadSettings as error:
            wrong.append(InvalidSetting(error.message, meanwhile, defaulted))
            return setting({})

    at, rates = read(now, NOBODY_IS_SYNCED), read(lambda found: fleet_rates(found, systems), NOBODY_IS_SYNCED)
    bounds = read(sync_bounds, NOBODY_IS_SYNCED)
    late = read(late_after, f"a merchant is late after {LATE_DEFAULT}")
    read(keep_runs, "no old run of Dagster is deleted", defaulted=False)
    read(inbox_keep, f"entries of the inbox are kept for {INBOX_KEEP_DEFAULT}", defaulted=False)
    read(public_url, "no webhook is registered", defaulted=False)
    read(hook_secrets, "no webhook is registered or taken", defaulted=False)
    problems = alert_addresses(environ).problems
    wrong += [InvalidSetting(problem, "nobody is told of trouble there", False) for problem in problems]
    if environ.get(TELL, "").strip():
        problems = tell_addresses(environ).problems
        wrong += [
            InvalidSetting(problem, "nobody is told there that a merchant was added", False) for problem in problems
        ]
    return Loaded(at, late, bounds, rates, tuple(wrong))
