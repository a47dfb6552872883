"""What is killed by `proof/consumers.py` begins when nothing of the syncs before it is open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from proof.consumers import Trial
from proof.forks import Ended
from proof.world import Finding


def settled(monkeypatch: pytest.MonkeyPatch, *statuses: str) -> int:
    """Let syncs end so, one by one; returns how many were begun."""
    left = list(statuses)
    monkeypatch.setattr(Trial, "sync", lambda trial, **how: Ended(False, {"status": left.pop(0)}))
    scene: Any = SimpleNamespace(later=lambda seconds: None)
    forks: Any = None
    Trial(scene, forks).settle()
    return len(statuses) - len(left)


def test_a_job_that_a_busy_machine_did_not_see_end_is_seen_by_the_next_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settled(monkeypatch, "ok", "ok") == 1
    assert settled(monkeypatch, "partial", "ok", "ok") == 2


@pytest.mark.parametrize("statuses", [("partial",) * 3, ("failed", "ok")])
def test_what_stays_open_is_found(monkeypatch: pytest.MonkeyPatch, statuses: tuple[str, ...]) -> None:
    with pytest.raises(Finding):
        settled(monkeypatch, *statuses)
