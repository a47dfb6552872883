"""Two merchants of the file that speak with one key are one caller to the systems, so they share one rate."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline_tests.support.story import OTHER, TEST, Story

SHOP_RATE, TEXTING_RATE = 40, 6


def one_account_twice(story: Story) -> None:
    """Both merchants of the file speak with the keys of the test winery, the second one by files of its own."""
    copies = {}
    for name in ("vs_key", "vs_secret", "st_token"):
        secret = (story.folder / "keys" / f"{TEST}.{name}").read_text(encoding="utf-8")
        (story.folder / "keys" / f"copy.{name}").write_text(secret, encoding="utf-8")
        copies[name] = f"file:keys/copy.{name}"
    story.settings(
        {
            OTHER: {
                "vinoshipper": {"api_key": copies["vs_key"], "api_secret": copies["vs_secret"]},
                "simpletexting": {"api_token": copies["st_token"]},
            }
        },
        give_up_after="20s",
        vinoshipper={"requests_per_second": SHOP_RATE},
        simpletexting={"requests_per_second": TEXTING_RATE},
    )


def most_in_a_second(journal: list[dict[str, Any]]) -> int:
    """The greatest number of requests that came within any second."""
    times = sorted(entry["time"] for entry in journal)
    return max(sum(1 for at in times[index:] if at < start + 1) for index, start in enumerate(times))


@pytest.mark.slow
def test_two_processes_for_two_merchants_on_one_key_keep_its_rates_together(story: Story) -> None:
    one_account_twice(story)
    processes = {merchant: story.start("sync", "--merchant", merchant, "--json") for merchant in (TEST, OTHER)}
    for process in processes.values():
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, out + err
    for control, rate in ((story.shop, SHOP_RATE), (story.texting, TEXTING_RATE)):
        assert control.journal(OTHER) == [], "both are the test winery to the systems"
        journal = control.journal(TEST)
        assert len(journal) > 1.5 * rate, "else the rate was not put to the test"
        assert most_in_a_second(journal) <= rate + max(1, round(rate * 0.2))
