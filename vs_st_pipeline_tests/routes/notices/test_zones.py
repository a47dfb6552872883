"""Where somebody may be, by country and state (notices.md 5.15)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.routes.notices import zones


@pytest.mark.parametrize(
    ("country", "state", "found"),
    [
        ("IN", "Karnataka", {"Asia/Kolkata"}),
        ("India", None, {"Asia/Kolkata"}),
        ("US", "CA", {"America/Los_Angeles"}),
        ("USA", "california", {"America/Los_Angeles"}),
        ("US", "US-TX", {"America/Chicago", "America/Denver"}),
        ("US", "Arizona", {"America/Phoenix", "America/Denver"}),
        ("US", "D.C.", {"America/New_York"}),
        ("XX", "CA", set()),
        ("", None, set()),
        (None, "CA", set()),
    ],
)
def test_country_and_state_say_the_zones(country: str | None, state: str | None, found: set[str]) -> None:
    assert set(zones.of(country, state)) == found


def test_an_unknown_state_may_be_anywhere_in_the_us() -> None:
    everywhere = set(zones.of("US", None))
    assert everywhere == set(zones.of("US", "Kent")) > {"America/New_York", "Pacific/Honolulu", "America/Adak"}
    assert len(everywhere) > 20


def test_a_large_country_has_all_its_zones() -> None:
    assert {"Australia/Perth", "Australia/Sydney", "Australia/Lord_Howe"} <= set(zones.of("AU", "NSW"))


def test_every_state_has_zones_that_exist_and_a_name_that_finds_it() -> None:
    for code, (name, own) in zones.US_STATES.items():
        assert zones.of("US", name.lower()) == zones.of("us", code) == own
        assert all(ZoneInfo(zone) for zone in own)
    assert len(zones.US_STATES) == 50 + 1 + 5


def test_a_state_that_is_split_has_all_its_zones() -> None:
    split = {code for code, (_, own) in zones.US_STATES.items() if len(own) > 1}
    assert split == {
        "AL", "AK", "AZ", "FL", "ID", "IN", "KS", "KY", "MI", "NE", "ND", "NV", "OK", "OR", "SD", "TN", "TX",
    }  # fmt: skip
