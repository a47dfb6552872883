"""Syncs of toy routes in processes of their own: killed, two at once, with the database lost in between.

`proof/once.py` kills at every place.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from vs_st_pipeline.pipeline.once.items import OnUnknown
from vs_st_pipeline_tests.toys import kills
from vs_st_pipeline_tests.toys.shop import Shop
from vs_st_pipeline_tests.toys.world import Forks, World

RULES = [rule.value for rule in OnUnknown]

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow


@pytest.mark.parametrize("rule", RULES)
def test_a_kill_between_two_effects_says_nothing_twice_and_loses_nothing(
    shop: Shop, forks: Forks, tmp_path: Path, rule: str
) -> None:
    trials = kills.Trials(shop, forks, tmp_path, rule, "reset_after")
    reached = trials.places()
    assert reached["any"] > 40
    places = [f"answer:{turn}" for turn in range(reached["answer"] - 3, reached["answer"] + 1)]
    places += ["evidence:1", "evidence:2", "evidence:4"]
    for number, at in enumerate(places if rule in ("read", "never") else places[1:5:2]):
        wrong = trials.kill(at, lose=number % 3 == 0)
        assert wrong == [], f"killed at {at} of {reached}"


@pytest.mark.parametrize("rule", ["read", "resend"])
def test_two_processes_at_once_say_everything_once(forking: World, rule: str) -> None:
    forking.on_unknown = rule
    for number in range(6):
        forking.shop.parcel(f"p{number}", "created", "shipped")
    both = forking.fork("parcels", "parcels")
    assert [one.told["error"] for one in both] == [None, None]
    assert Counter(forking.shop.texts()).most_common(1)[0][1] == 1
    assert len(forking.shop.messages) == 12
    assert sorted(one.told["accepted"] for one in both) == [0, 12]
