"""Which scenarios there are, and the merchants of each; the same name, seed and day always give the same world."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from functools import partial

from vs_st_pipeline.sandbox.bulk import (
    fill_blue_oak,
    fill_estate,
    fill_hillside,
    fill_linked_only,
    fill_mailing,
    fill_three_rivers,
    fill_tiny,
    fill_valley,
)
from vs_st_pipeline.sandbox.fifty import wineries
from vs_st_pipeline.sandbox.small import fill_other_winery, fill_test_winery
from vs_st_pipeline.sandbox.world import Builder, Merchant

Fill = Callable[[Builder], None]


def _listed(scenario: str) -> list[tuple[str, str, Fill]]:
    if scenario == "demo":
        return [
            ("hillside-cellars", "Hillside Cellars", fill_hillside),
            ("blue-oak-vineyards", "Blue Oak Vineyards", fill_blue_oak),
            ("three-rivers-winery", "Three Rivers Winery", fill_three_rivers),
        ]
    if scenario == "small":
        return [("test-winery", "Test Winery", fill_test_winery), ("other-winery", "Other Winery", fill_other_winery)]
    if scenario == "big":
        return [("big-winery", "Big Winery", fill_linked_only)]
    if scenario == "estate":
        return [("estate-winery", "Estate Winery", fill_estate)]
    if scenario == "valley":
        return [("valley-winery", "Valley Winery", fill_valley)]
    if scenario == "fleet":
        return wineries()
    kind, _, number = scenario.partition(":")
    if kind == "mailing" and number.isdigit() and int(number) > 0:
        return [("mailing-winery", "Mailing Winery", partial(fill_mailing, people=int(number)))]
    if kind == "fleet" and number.isdigit() and int(number) > 0:
        return [(f"winery-{i:04d}", f"Winery {i}", fill_tiny) for i in range(1, int(number) + 1)]
    raise ValueError(
        f"no scenario {scenario!r}; there are demo, small, big, estate, valley, fleet, mailing:N and fleet:N"
    )


def merchants_of(scenario: str) -> list[Merchant]:
    """The merchants with their keys, still without records."""
    return [
        Merchant(id, name, 340 + i, f"{340 + i}.SANDBOX", f"vs-secret-of-{id}", f"st-token-of-{id}")
        for i, (id, name, _) in enumerate(_listed(scenario), 2)
    ]


def load(scenario: str, now: datetime, without: Collection[str] = ()) -> list[Merchant]:
    """The whole world of a scenario; kinds of records that are not wanted may be left out where that saves time."""
    merchants = merchants_of(scenario)
    # Contacts carry the texting service's own time, which is the real clock's: never later than that.
    until = min(now, datetime.now(UTC))
    for merchant, (_, _, fill) in zip(merchants, _listed(scenario), strict=True):
        fill(Builder(merchant, now, until, without))
    return merchants
