"""Builds scenario `fleet`: fifty wineries, most of them quiet and small, some with a story to look at.

What an account has from the beginning is here; what happens to it after its first sync is in `fleet.py`. Every story is
told in one sentence, because a person who looks at fifty wineries cannot guess which of them are odd on purpose.
"""

from __future__ import annotations

from collections.abc import Callable

from vs_st_pipeline.sandbox.scenarios.bulk import Crowd, fill_hillside, fill_ordinary
from vs_st_pipeline.sandbox.scenarios.fixtures import Builder

REVOKED, EXPIRED, BLOCKED, CUT, SHRUNK = "foxglove-hill", "lark-meadow", "stony-ridge", "rivers-edge", "silver-creek"
REFUSED, DRIFTING, BROKEN, GONE = "quail-run", "maple-bend", "ember-lane", "old-mill"
LACKING, SHARED, AGELESS = "north-fork", "twin-pines", "young-vines"

QUIET = """
Alder Grove, Amber Fields, Badger Hollow, Bay Laurel, Bluebird Hill, Briar Patch, Cedar Point, Cinder Cone,
Clover Ridge, Copper Canyon, Coyote Wash, Dry Creek Bench, Eagle Rock, Fern Hollow, Gravel Bar, Granite Peak,
Heron Marsh, Honeybee Lane, Iron Gate, Juniper Flat, Kestrel View, Lantern Hill, Magpie Corner, Madrone Slope,
Nettle Bank, Orchard House, Otter Bend, Poppy Field, Raven Oaks, Sage Terrace, Saltbush, Sparrow Hill, Thistle Down,
Tumbleweed, Walnut Row, Wild Plum, Winding Stair
"""

STORIES = {
    "hillside-cellars": "two dozen people who each break one easy assumption (it is the one of `make demo`)",
    REVOKED: "its Vinoshipper key was revoked",
    EXPIRED: "its SimpleTexting token has expired",
    SHRUNK: "a third of its customers vanished from the shop, and the brake refuses to write that",
    BROKEN: "somebody made a slip in its entry of merchants.yaml",
    BLOCKED: "Cloudflare, in front of Vinoshipper, blocks it",
    CUT: "the answers to it have just begun to end in the middle; the next sync may mend it",
    REFUSED: "SimpleTexting refuses three of its contacts",
    LACKING: "its account lacks four custom fields",
    SHARED: "whole families there share a phone, and its settings hold such contacts back",
    AGELESS: "it hardly asks for birth dates, and two people are under 21",
    DRIFTING: "its orders say words that nobody told us of",
    GONE: "it has left, and is disabled",
}
"""Which wineries are odd, and how."""


def fill_lacking(b: Builder) -> None:
    """Leave four custom fields out of the account."""
    _fill(b, without=("Tracking Number", "Tracking URL", "Club Status", "Lifetime Value"))


def fill_shared(b: Builder) -> None:
    """Give two phones to two people each."""
    crowd = _fill(b)
    for i in range(2):
        b.customer(702000 + i, "Junior", "Elderfield", crowd.phone(i), f"junior{i}@example.com")


def fill_ageless(b: Builder) -> None:
    """Leave out most birth dates, and make two people under age."""
    for i, person in enumerate(_fill(b).people[:6]):
        person["dateOfBirth"] = {"day": 15, "month": 1, "year": b.now.year - 19} if i < 2 else None


def fill_shrinking(b: Builder) -> None:
    """Add enough people for a loss of them to mean something."""
    fill_ordinary(b, customers=30, orders=40, linked=18, unmatched=1)


def fill_quiet(b: Builder) -> None:
    """Add people with nothing odd."""
    _fill(b)


def _fill(b: Builder, without: tuple[str, ...] = ()) -> Crowd:
    crowd = fill_ordinary(b, customers=8, orders=8, linked=4, unmatched=1, without=without)
    for person in crowd.people:
        person["dateOfBirth"] = person["dateOfBirth"] or {"day": 2, "month": 4, "year": 1975}
    return crowd


FILLS: dict[str, Callable[[Builder], None]] = {
    "hillside-cellars": fill_hillside,
    LACKING: fill_lacking,
    SHARED: fill_shared,
    AGELESS: fill_ageless,
    SHRUNK: fill_shrinking,
}


def wineries() -> list[tuple[str, str, Callable[[Builder], None]]]:
    """Return id, name and people of all fifty."""
    ids = [
        *FILLS,
        *(id for id in STORIES if id not in FILLS),
        *(name.strip().lower().replace(" ", "-") for name in QUIET.split(",")),
    ]
    return [(id, id.replace("-", " ").title(), FILLS.get(id, fill_quiet)) for id in ids]
