"""R51: a paused route calls nothing, writes nothing and fails nothing; R1: doubts about an entry are told."""

from __future__ import annotations

import json

import pytest

from vs_st_pipeline_tests.support.story import TEST, Story
from vs_st_pipeline_tests.support.toy_route import Toy, in_the_table


@pytest.mark.parametrize("command", ["sync", "plan"])
def test_r51_a_run_for_a_paused_route_succeeds_and_makes_nothing(story: Story, command: str) -> None:
    story.settings(paused=["contacts"])
    story.shop.clear_journal()
    story.texting.clear_journal()

    done = story.run(command, "--merchant", TEST, "--json")

    assert done.exit_code == 0
    assert json.loads(done.out)["merchants"] == []
    assert "every route is off (contacts is paused), so nothing is done" in done.err
    assert (story.shop.journal(TEST), story.texting.journal(TEST)) == ([], [])
    assert not (story.folder / "data" / "merchants" / TEST / "warehouse.duckdb").exists()


def test_r51_a_check_of_a_paused_route_says_no_more_than_that(story: Story) -> None:
    story.settings(paused=["contacts"])
    done = story.run("check", "--merchant", TEST)
    assert (done.exit_code, done.out) == (0, "")
    assert "every route is off (contacts is paused), so nothing is done" in done.err


def test_r51_a_pause_that_ends_goes_on(story: Story) -> None:
    story.settings(paused=["contacts"])
    assert story.run("sync", "--merchant", TEST).exit_code == 0
    story.settings()
    assert story.synced()["synced"]["accepted"] == 7


def test_r1_a_doubt_about_an_entry_is_told_by_check(story: Story) -> None:
    toy = Toy()
    with in_the_table(toy):
        story.settings({TEST: {"paused": ["toy"]}})
        doubts = story.run("check", "--merchant", TEST, "--json").of()["doubts"]
    assert [doubt for doubt in doubts if "paused: this merchant does not have this route" in doubt]
