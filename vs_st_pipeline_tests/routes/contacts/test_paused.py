"""R51: a merchant may pause the route: nothing is called, nothing is written, and nothing fails."""

from __future__ import annotations

import json

import pytest

from vs_st_pipeline_tests.support.story import TEST, Story


@pytest.mark.parametrize("command", ["sync", "plan"])
def test_r51_a_run_for_a_paused_route_succeeds_and_makes_nothing(story: Story, command: str) -> None:
    story.settings(paused=["contacts"])
    story.shop.clear_journal()
    story.texting.clear_journal()

    done = story.run(command, "--merchant", TEST, "--json")

    assert done.exit_code == 0
    (report,) = json.loads(done.out)["merchants"]
    assert (report["status"], report["error"]) == ("ok", None)
    assert (story.shop.journal(TEST), story.texting.journal(TEST)) == ([], [])
    assert not (story.folder / "data" / "merchants" / TEST / "warehouse.duckdb").exists()


def test_r51_a_pause_that_ends_goes_on(story: Story) -> None:
    story.settings(paused=["contacts"])
    story.synced()
    story.settings()
    assert story.synced()["synced"]["accepted"] == 7
