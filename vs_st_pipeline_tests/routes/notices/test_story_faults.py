"""Every way in which a send can go wrong, by the real command: no message twice, each told as what it is (7.3, 11)."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline_tests.support.notices import Scene, phone_of

TAKEN, NOT_TAKEN = True, False
# The fault; whether Gupshup has the message all the same; state and reason after it; and in the end, receipts told.
FAULTS = [
    ("timeout_after_accept", {}, TAKEN, ("unknown", None), "read"),
    ("reset_after_accept", {}, TAKEN, ("unknown", None), "read"),
    ("500_after_accept", {}, TAKEN, ("unknown", None), "read"),
    ("truncated_after_accept", {}, TAKEN, ("unknown", None), "read"),
    ("reset_before_accept", {}, NOT_TAKEN, ("unknown", None), "unknown"),
    ("500_before_accept", {}, NOT_TAKEN, ("unknown", None), "unknown"),
    ("502_html", {}, NOT_TAKEN, ("unknown", None), "unknown"),
    ("429", {"retry_after": 0}, NOT_TAKEN, ("waiting", "try_later"), "read"),
    ("402", {}, NOT_TAKEN, ("waiting", "account_stopped"), "waiting"),
]
QUICK = ("timeout_after_accept", "500_before_accept", "429")


@pytest.mark.parametrize(
    ("fault", "how", "taken", "then", "ends"),
    [pytest.param(*one, id=one[0], marks=() if one[0] in QUICK else pytest.mark.slow) for one in FAULTS],
)
def test_7_3_a_send_that_goes_wrong_is_never_made_twice(
    alone: Scene,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    how: dict[str, Any],
    taken: bool,
    then: tuple[str, str | None],
    ends: str,
) -> None:
    monkeypatch.setattr("vs_st_pipeline.platform.http.client.TRY_SECONDS", 0.5)
    scene = alone
    scene.based()
    order = scene.order()
    scene.failed(order)
    scene.gupshup.set_fault(fault, path_regex="template/msg", count=1, **how)
    scene.sync()
    assert [row[1:] for row in scene.stand(order)] == [then]
    assert len(scene.sends(to=phone_of(order))) == int(taken)
    scene.gupshup.clear_faults()
    for _ in range(2):
        scene.callbacks()
        scene.sync()
    scene.callbacks()
    scene.sync()
    assert [row[1] for row in scene.stand(order)] == [ends]
    assert len(scene.sends(to=phone_of(order))) == int(ends == "read")
    assert scene.wrong() == []
