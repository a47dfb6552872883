"""Killed at each place between two effects, and run again: no message leaves twice, none is lost (notices.md 7, 12)."""

from __future__ import annotations

import os
import signal
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.routes.notices import recovery, sending
from vs_st_pipeline_tests.support.sending import Gupshup, Rig, plan_made_up

# What stands after the kill and the next sync: of the first message, and how often it left.
BEFORE = DONE = ("accepted", 1)
PLACES = {
    "outbox:1": BEFORE,
    "claimed:1": ("unknown", 0),
    "request:1": ("unknown", 0),
    "answer:1": ("unknown", 1),
    "answered:1": DONE,
    "ledger:1": DONE,
}


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    gupshup = Gupshup()
    made = Rig(tmp_path, gupshup)
    plan_made_up(made, monkeypatch)
    made.due(3)
    yield made
    gupshup.close()


def send(rig: Rig) -> None:
    with rig.session() as session:
        recovery.begin(session)
        sending.send(session)
    error = session.report.error
    assert error is None, error


def killed_at(rig: Rig, place: str) -> bool:
    """Send in a process of its own that is killed at this place; say whether it got there."""
    child = os.fork()
    if child == 0:
        try:
            failpoints.enable(place)
            send(rig)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(3)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def left(rig: Rig) -> Counter[str]:
    return Counter(form["destination"] for form in rig.gupshup.sent)


@pytest.mark.parametrize("place", PLACES)
def test_7_6_killed_at_a_named_place_a_message_leaves_at_most_once(rig: Rig, place: str) -> None:
    assert killed_at(rig, place)
    send(rig)
    send(rig)
    state, times = PLACES[place]
    assert rig.rows()["n_1"][0] == state
    assert rig.claims()["n_1"].state == state
    assert left(rig)["919810000001"] == times
    assert [rig.rows()[f"n_{n}"][0] for n in (2, 3)] == ["accepted"] * 2
    assert max(left(rig).values()) == 1


@pytest.mark.slow
def test_12_1_killed_anywhere_no_message_leaves_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = 0
    while True:
        turn += 1
        gupshup = Gupshup()
        rig = Rig(tmp_path / str(turn), gupshup)
        plan_made_up(rig, monkeypatch)
        rig.due(3)
        if not killed_at(rig, f"any:{turn}"):
            assert turn > 30
            return
        send(rig)
        send(rig)
        assert max(left(rig).values()) == 1, turn
        states = Counter(state for state, _ in rig.rows().values())
        assert states["accepted"] + states["unknown"] == 3, (turn, states)
        assert states["unknown"] <= 4, turn
        assert {id: one.state for id, one in rig.claims().items()} == {id: row[0] for id, row in rig.rows().items()}
        gupshup.close()
