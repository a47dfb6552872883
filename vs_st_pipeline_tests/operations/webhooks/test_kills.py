"""Killed between any two requests, the same command goes on: no webhook twice, none that nobody knows of (H35, H44)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.operations.webhooks import desk
from vs_st_pipeline.operations.webhooks.seen import read_seen
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline_tests.operations.webhooks.conftest import Hooked
from vs_st_pipeline_tests.support.story import TEST

SHOP, TEXTING = "vinoshipper", "simpletexting"


class PowerCut(BaseException):
    """The process is gone."""


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A kill ends the command, and what would be noted on the way out is not: a dead process writes nothing."""
    noted, dead = desk.note, [False]

    def kill(*_: Any) -> None:
        dead[0] = True
        raise PowerCut

    def note(*given: Any, **more: Any) -> None:
        if not dead[0]:
            noted(*given, **more)

    monkeypatch.setattr(failpoints.os, "kill", kill)
    monkeypatch.setattr(desk, "note", note)
    monkeypatch.setattr(failpoints, "enable", lambda at: (dead.__setitem__(0, False), enable(at)))
    yield
    failpoints._armed = False


enable = failpoints.enable


def cut_at_each(run: Callable[[], Any], made_good: Callable[[int], None], begin: Callable[[], None]) -> int:
    """Cut the power at each place in turn, and make good; returns how many places there are."""
    for turn in range(1, 200):
        begin()
        failpoints.enable(f"any:{turn}")
        try:
            run()
        except PowerCut:
            failpoints.enable("any:0")
            cli_sync._warehouse = None
            made_good(turn)
        else:
            return turn - 1
    raise AssertionError


def test_h44_h35_register_goes_on_wherever_the_power_went(hooked: Hooked, cuts: None) -> None:
    """H35: none is made twice. H44: whatever was made, `webhooks.json` tells of something."""

    def begin() -> None:
        hooked.story.box.reset()
        hooked.seen_file.unlink(missing_ok=True)

    def made_good(turn: int) -> None:
        there = hooked.there(SHOP) + hooked.there(TEXTING)
        assert not there or read_seen(hooked.story.data, TEST).tells_of_ours(), turn
        assert hooked.webhooks("register")["status"] == "ok", turn
        assert (len(hooked.there(SHOP)), len(hooked.there(TEXTING))) == (3, 1), turn

    assert cut_at_each(lambda: hooked.webhooks("register"), made_good, begin) == 2 * (7 + 3)


@pytest.mark.slow
def test_ruling_5_rotate_goes_on_wherever_the_power_went(hooked: Hooked, own_file: Path, cuts: None) -> None:
    """H37, ruling 5: whenever it stops, every URL that is registered is one that receivers know."""
    text = own_file.read_bytes()

    def begin() -> None:
        hooked.story.box.reset()
        own_file.write_bytes(text)
        hooked.webhooks("register")

    def generations() -> dict[str, int]:
        parts = yaml.safe_load(own_file.read_text())["merchants"][0].get("webhooks", {})
        return {system: parts.get(system, {}).get("generation", 1) for system in (SHOP, TEXTING)}

    def made_good(turn: int) -> None:
        for system, generation in generations().items():
            known = {hooked.url(system, number) for number in (generation, generation - 1)}
            assert {row["url"] for row in hooked.there(system)} <= known, turn
        assert hooked.webhooks("rotate")["status"] == "ok", turn
        for system, generation in generations().items():
            assert {row["url"] for row in hooked.there(system)} == {hooked.url(system, generation)}, turn
            assert generation in (2, 3)  # one that was finished but for its last note is counted up once more
        assert (len(hooked.there(SHOP)), len(hooked.there(TEXTING))) == (3, 1), turn

    assert cut_at_each(lambda: hooked.webhooks("rotate"), made_good, begin) == 2 * (2 + 7 + 3 + 3 + 1)
