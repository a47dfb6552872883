"""Many at once: two processes and 200 orders, a club run of 2,000."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.orders import COMMERCE7, VINOSHIPPER, Scene, hurrying

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # thousands of requests


@pytest.fixture
def club(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """A club run of so many orders."""
    with Sandbox(f"orders:{request.param}") as box, hurrying():
        scene = Scene(box, tmp_path)
        scene.begin()
        scene.settings(send_at_most=2000)
        yield scene
        scene.inbox.close()


@pytest.mark.parametrize("club", [200], indirect=True)
def test_o12_two_processes_and_200_orders(club: Scene) -> None:
    """Both sync at the same time, one after the other waits for the lock or is told that it is held."""
    for _ in range(3):
        both = [club.start("sync", "--merchant", club.merchant, "--route", "orders", "--json") for _ in range(2)]
        for one in both:
            club.said += one.communicate(timeout=300)
    club.synced()
    assert Counter(len(numbers) for numbers in club.shipper.accepted(club.merchant).values()) == {1: 184}
    assert club.wrong() == []


@pytest.mark.parametrize("club", [200], indirect=True)
def test_o12_two_data_folders_and_200_orders_at_once(club: Scene) -> None:
    """Two installations that know nothing of each other, side by side: no lock is between them, reads alone are."""
    other = Scene(club.box, club.folder / "other")
    other.folder.mkdir()
    other.settings(send_at_most=2000)
    both = [one.start("sync", "--merchant", one.merchant, "--route", "orders", "--json") for one in (club, other)]
    for one, process in zip((club, other), both, strict=True):
        one.said += process.communicate(timeout=300)
    for one in (club, other):
        one.shift = club.shift
        one.later(hours=1)
        one.sync()
        one.sync()
    assert Counter(len(numbers) for numbers in club.shipper.accepted(club.merchant).values()) == {1: 184}
    assert [one for one in club.wrong() + other.wrong() if "accepted more" in one or "accepted_twice" in one] == []
    other.inbox.close()


@pytest.mark.parametrize("club", [2000], indirect=True)
def test_o12_a_club_run_of_2000(club: Scene) -> None:
    """All in one sync; at Commerce7's 90 requests a minute and Vinoshipper's one a second at most 75 minutes.

    At that pace a read is older than two minutes when its turn comes, so each order is read once more.
    """
    began = time.monotonic()
    report = club.synced()
    took = time.monotonic() - began
    assert report["synced"]["sent"] == 1840, report
    asked, shipper = club.asked(COMMERCE7), len(club.journal(VINOSHIPPER))
    read_again = max(asked["GET order/{id}"], 1840)  # a slow machine has read some again already
    shop = asked.total() - asked["GET order/{id}"] + read_again
    print(f"2,000 orders: {took:.0f} s, {shop} requests at Commerce7, {shipper} at Vinoshipper")
    assert max(shop / 90, shipper / 60) <= 75, (shop, shipper)
    assert club.wrong() == []
