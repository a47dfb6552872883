"""Finds a time zone by its name, and the place that people mean who write `PST` or `Eastern Time`."""

from __future__ import annotations

import difflib
import functools
import re
import zoneinfo
from zoneinfo import ZoneInfo


@functools.lru_cache(maxsize=1024)
def find_zone(name: str) -> ZoneInfo | None:
    """Return the zone of this name, None where there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # OSError: the name of a folder, or one that is too long
        return None


# What people write for a zone. The nearest name by its letters would be another zone, or one without summer time.
_ZONES_BY_WORD = {
    "America/Los_Angeles": "PT PST PDT PACIFIC PST8 CALIFORNIA OREGON WASHINGTON NEVADA NAPA SONOMA PORTLAND SEATTLE "
    "SANFRANCISCO",
    "America/Denver": "MT MST MDT MOUNTAIN MST7 COLORADO UTAH MONTANA WYOMING NEWMEXICO IDAHO SALTLAKECITY",
    "America/Phoenix": "ARIZONA TUCSON",
    "America/Chicago": "CT CST CDT CENTRAL CST6 TEXAS ILLINOIS MISSOURI MINNESOTA WISCONSIN AUSTIN DALLAS HOUSTON",
    "America/New_York": "ET EST EDT EASTERN EST5 NEWYORK VIRGINIA FLORIDA PENNSYLVANIA OHIO BOSTON ATLANTA",
    "America/Anchorage": "AKST AKDT AKT ALASKA",
    "Pacific/Honolulu": "HST HAST HADT HAWAII HAWAIIAN",
    "America/Halifax": "AST ADT AT ATLANTIC",
    "America/St_Johns": "NST NDT NT NEWFOUNDLAND",
    "America/Puerto_Rico": "PUERTORICO",
    "Europe/London": "BST",
    "Europe/Berlin": "CEST MESZ",
    "Australia/Sydney": "AEST AEDT",
    "Pacific/Auckland": "NZST NZDT",
    "UTC": "Z GMT+0 UTC+0 UTC0",
}
_ZONE_OF_WORD = {word: zone for zone, words in _ZONES_BY_WORD.items() for word in words.split()}
_ZONE_NOISE = re.compile(
    r"(?:US(?:A)?/|AMERICA/|\b(?:STANDARD|DAYLIGHT|SUMMER|TIME|ZONE|US|USA|AND|CANADA)\b|[^A-Z0-9+])"
)


@functools.lru_cache(maxsize=64)
def nearest_zone(name: str) -> str:
    """Return the name of the zone that somebody may have meant."""
    upper = name.upper()
    if (meant := _ZONE_OF_WORD.get(_ZONE_NOISE.sub("", upper)) or _ZONE_OF_WORD.get(upper)) is not None:
        return meant
    # Places only: `MST` and `Etc/GMT+8` have no summer time, and a person who errs by a letter does not mean them.
    places = sorted(zone for zone in zoneinfo.available_timezones() if "/" in zone and not zone.startswith("Etc/"))
    near = difflib.get_close_matches(name, places, n=1)
    return near[0] if near else "America/Los_Angeles"
