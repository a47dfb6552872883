"""Says in which time zones somebody may be, by the country and state of an address (notices.md 5.15).

Data flow: country and state as written; the tables `zone.tab` and `iso3166.tab` of package `tzdata` -> IANA zones.

Where it is not certain, all zones that could be meant are returned: a message is quiet if it is night in any of them.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib import resources
from typing import Final

_E, _C, _M, _P = "America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles"
_PHOENIX = "America/Phoenix"

US_STATES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "AL": ("Alabama", (_C, _E)),  # Phenix City keeps the time of Columbus, Georgia
    "AK": ("Alaska", ("America/Anchorage", "America/Adak")),
    "AZ": ("Arizona", (_PHOENIX, _M)),  # the Navajo Nation has summer time, the rest has none
    "AR": ("Arkansas", (_C,)),
    "CA": ("California", (_P,)),
    "CO": ("Colorado", (_M,)),
    "CT": ("Connecticut", (_E,)),
    "DE": ("Delaware", (_E,)),
    "DC": ("District of Columbia", (_E,)),
    "FL": ("Florida", (_E, _C)),
    "GA": ("Georgia", (_E,)),
    "HI": ("Hawaii", ("Pacific/Honolulu",)),
    "ID": ("Idaho", ("America/Boise", _P)),
    "IL": ("Illinois", (_C,)),
    "IN": ("Indiana", ("America/Indiana/Indianapolis", _C)),
    "IA": ("Iowa", (_C,)),
    "KS": ("Kansas", (_C, _M)),
    "KY": ("Kentucky", ("America/Kentucky/Louisville", _C)),
    "LA": ("Louisiana", (_C,)),
    "ME": ("Maine", (_E,)),
    "MD": ("Maryland", (_E,)),
    "MA": ("Massachusetts", (_E,)),
    "MI": ("Michigan", ("America/Detroit", "America/Menominee")),
    "MN": ("Minnesota", (_C,)),
    "MS": ("Mississippi", (_C,)),
    "MO": ("Missouri", (_C,)),
    "MT": ("Montana", (_M,)),
    "NE": ("Nebraska", (_C, _M)),
    "NV": ("Nevada", (_P, _M)),  # West Wendover
    "NH": ("New Hampshire", (_E,)),
    "NJ": ("New Jersey", (_E,)),
    "NM": ("New Mexico", (_M,)),
    "NY": ("New York", (_E,)),
    "NC": ("North Carolina", (_E,)),
    "ND": ("North Dakota", (_C, _M)),
    "OH": ("Ohio", (_E,)),
    "OK": ("Oklahoma", (_C, _M)),  # Kenton
    "OR": ("Oregon", (_P, "America/Boise")),  # Malheur County
    "PA": ("Pennsylvania", (_E,)),
    "RI": ("Rhode Island", (_E,)),
    "SC": ("South Carolina", (_E,)),
    "SD": ("South Dakota", (_C, _M)),
    "TN": ("Tennessee", (_C, _E)),
    "TX": ("Texas", (_C, _M)),
    "UT": ("Utah", (_M,)),
    "VT": ("Vermont", (_E,)),
    "VA": ("Virginia", (_E,)),
    "WA": ("Washington", (_P,)),
    "WV": ("West Virginia", (_E,)),
    "WI": ("Wisconsin", (_C,)),
    "WY": ("Wyoming", (_M,)),
    "AS": ("American Samoa", ("Pacific/Pago_Pago",)),
    "GU": ("Guam", ("Pacific/Guam",)),
    "MP": ("Northern Mariana Islands", ("Pacific/Saipan",)),
    "PR": ("Puerto Rico", ("America/Puerto_Rico",)),
    "VI": ("Virgin Islands", ("America/St_Thomas",)),
}
"""Code -> name and zones; of a state that is split, all of its zones."""

_ALSO: Final = {
    "USA": "US",
    "UNITED STATES OF AMERICA": "US",
    "UK": "GB",
    "UNITED KINGDOM": "GB",
    "GREAT BRITAIN": "GB",
    "IND": "IN",
    "BHARAT": "IN",
    "UAE": "AE",
}
"""What people write for a country beside its code and its name in `iso3166.tab`."""

_OUTSIDE = re.compile(r"[^A-Z ]")


@lru_cache(maxsize=4096)  # sources write few countries and states in few ways, and each order asks several times
def country_code(country: str | None) -> str | None:
    """Return the two letters of ISO 3166 for a country by code or name; None where it is none that is known."""
    if country is None:
        return None
    name = _name(country)
    if name in _ALSO:
        return _ALSO[name]
    return name if name in _countries().values() else _countries().get(name)


@lru_cache(maxsize=4096)
def of(country: str | None, state: str | None) -> tuple[str, ...]:
    """Return all zones that an address may be in; nothing where its country is not known (the merchant's zone counts).

    Args:
        state: of the US, by its letters or its name; an unknown one means all zones of the US. Elsewhere it says none.
    """
    code = country_code(country)
    if code is None:
        return ()
    if code == "US" and (known := US_STATES.get(_state(state or ""))):
        return known[1]
    return _zones().get(code, ())


def _name(written: str) -> str:
    return " ".join(_OUTSIDE.sub(" ", written.upper().replace(".", "")).split())


def _state(written: str) -> str:
    name = _name(written).removeprefix("US ")
    return name if name in US_STATES else _states().get(name, "")


@cache
def _states() -> dict[str, str]:
    return {name.upper(): code for code, (name, _) in US_STATES.items()}


@cache
def _countries() -> dict[str, str]:
    """Return countries by name; the values are all codes."""
    return {_name(columns[1]): columns[0] for columns in _table("iso3166.tab")}


@cache
def _zones() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for columns in _table("zone.tab"):
        found.setdefault(columns[0], []).append(columns[2])
    return {code: tuple(sorted(zones)) for code, zones in found.items()}


def _table(name: str) -> list[list[str]]:
    text = (resources.files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
