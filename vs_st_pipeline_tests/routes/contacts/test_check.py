"""`vs-st check`: whose account a key opens, as far as its name tells."""

from __future__ import annotations

import pytest

from vs_st_pipeline.routes.contacts.check import names_agree
from vs_st_pipeline_tests.support.story import TEST, Story


def test_a_key_of_another_account_than_the_entry_names_is_doubtful(story: Story) -> None:
    done = story.run("check", "--merchant", TEST)
    assert "both keys are good; Vinoshipper's account is Test Winery" in done.out
    assert "another winery's key" not in done.out
    story.settings({TEST: {"name": "Hillside Cellars"}})
    done = story.run("check", "--merchant", TEST)
    assert done.exit_code == 0
    assert (
        "doubtful: the account of the Vinoshipper key is named Test Winery, and the entry Hillside Cellars" in done.out
    )


@pytest.mark.parametrize(
    ("account", "entry", "agree"),
    [
        ("Test Winery", "test-winery", True),
        ("Test Winery, LLC", "Test Winery", True),
        ("Hillside", "Hillside Cellars", True),
        ("Test Winery", "Hillside Cellars", False),
    ],
)
def test_a_longer_or_differently_written_name_may_be_the_same_winery(account: str, entry: str, agree: bool) -> None:
    assert names_agree(account, entry) is agree
