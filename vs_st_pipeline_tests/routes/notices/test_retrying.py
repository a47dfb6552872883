"""Rejected messages that a person releases: judged again, sent once more, and nothing else is (notices.md 7.3, R29)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.route import Again
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices import retrying, sending
from vs_st_pipeline.routes.notices.account import claims
from vs_st_pipeline_tests.support.sending import Gupshup, Rig, plan_made_up, reply


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    gupshup = Gupshup()
    made = Rig(tmp_path, gupshup)
    plan_made_up(made, monkeypatch)

    def sync(_run: Run) -> Report:
        with made.session() as session:
            sending.send(session)
        return session.report

    monkeypatch.setattr(retrying, "sync", sync)
    made.due(3)
    gupshup.acts = [reply(400, {"status": "error", "message": "no", "code": 4003}), reply(400)]
    sync(made.run)
    assert [state for state, _ in made.rows().values()] == ["rejected", "rejected", "accepted"]
    yield made
    gupshup.close()


def test_r29_what_would_go_is_shown_first(rig: Rig) -> None:
    assert retrying.find(rig.run, Again(("n_2",))) == [
        "kapaskraft: 1 rejected message is judged again, and sent where that may be",
        "  n_2: order O2, failed_delivery",
    ]
    assert retrying.find(rig.run, Again(code="4003"))[1:] == ["  n_1: order O1, failed_delivery, code 4003"]
    assert len(rig.gupshup.sent) == 3


def test_7_3_a_named_message_is_released_and_sent(rig: Rig) -> None:
    report = retrying.retry(rig.run, Again(("n_2",)))
    assert report is not None
    assert report.accepted == 1
    assert [state for state, _ in rig.rows().values()] == ["rejected", "accepted", "accepted"]
    assert [form["destination"] for form in rig.gupshup.sent].count("919810000002") == 2


def test_7_3_all_with_a_code_are_released(rig: Rig) -> None:
    report = retrying.retry(rig.run, Again(code="4003"))
    assert report is not None
    assert rig.rows()["n_1"] == ("accepted", None)
    assert rig.rows()["n_2"] == ("rejected", None)


def test_r29_what_is_not_rejected_is_left_alone(rig: Rig) -> None:
    assert retrying.retry(rig.run, Again(("n_3",))) is None
    assert retrying.retry(rig.run, Again(code="1002")) is None
    assert len(rig.gupshup.sent) == 3


def test_r29_a_word_that_names_no_message_is_refused(rig: Rig) -> None:
    with pytest.raises(BadArguments):
        retrying.find(rig.run, Again(("n_9",)))
    with pytest.raises(BadArguments):
        retrying.retry(rig.run, Again(("n_9",)))


def test_7_3_one_that_was_released_before_a_crash_is_sent_by_the_next_sync(rig: Rig) -> None:
    with rig.session() as session:
        claims.release(session.store(rig.account), "n_2")
    report = retrying.retry(rig.run, Again(("n_2",)))
    assert report is not None
    assert report.accepted == 1
