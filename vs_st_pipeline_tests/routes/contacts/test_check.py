"""`vs-st check`: whose account a key opens, as far as its name tells."""

from __future__ import annotations

from vs_st_pipeline_tests.support.story import TEST, Story


def test_the_account_of_a_key_is_named_whatever_the_entry_is_called(story: Story) -> None:
    story.settings({TEST: {"name": "Hillside Cellars"}})
    done = story.run("check", "--merchant", TEST)
    assert done.exit_code == 0
    assert "both keys are good; Vinoshipper's account is Test Winery" in done.out
