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


def test_two_routes_at_once_do_not_wait_for_each_other(forking: World) -> None:
    for number in range(4):
        forking.shop.parcel(f"p{number}", "delivered")
        forking.hint(f"e{number}", f"p{number}")
    for _ in range(3):
        both = forking.fork("parcels", "letters")
        assert [one.told["error"] for one in both] == [None, None]
    assert Counter(message.route for message in forking.shop.messages) == {"parcels": 4, "letters": 4}


@pytest.mark.parametrize("place", ["answer:1", "evidence:1", "committed:3", "any:21"])
def test_letters_that_are_claimed_with_an_account_are_never_sent_twice(forking: World, place: str) -> None:
    for number in range(3):
        forking.shop.parcel(f"p{number}", "delivered")
        forking.hint(f"e{number}", f"p{number}")
    forking.fork("parcels")
    (ended,) = forking.fork("letters", kill_at=place)
    if place[0] != "c":
        forking.lose_database("letters")
        for number in range(3):
            forking.hint(f"again{number}", f"p{number}")
    for _ in range(3):
        forking.later(hours=1)
        forking.fork("parcels")
        forking.fork("letters")
    said = Counter(forking.shop.texts("letters"))
    assert not [text for text, times in said.items() if times > 1]
    states = forking.states("letters")
    assert states["accepted"] + states["unknown"] == 3
    assert states["unknown"] <= int(ended.killed)
    assert len(said) >= states["accepted"]
