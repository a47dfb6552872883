"""What is settled stays settled, and what is tried is tried once a sync, whatever ends the run (audience.md 7)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.waymore.answers import Answer
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.routes.audience import outbox
from vs_st_pipeline.routes.audience import retry as retrying
from vs_st_pipeline_tests.routes.audience.office import LOST, NO, YES, Office, open_office
from vs_st_pipeline_tests.support.audience import Scene


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Office:
    """An office whose history is done."""
    found = open_office(monkeypatch, tmp_path, history_slice=timedelta(0))
    found.sync()
    return found


def keys(office: Office) -> list[str]:
    return [key for _, key, _ in office.waymore.heard]


def test_7_1_an_answer_before_a_stop_by_hand_is_kept(office: Office) -> None:
    """7.1, 7.4: stopped between two events, the first is settled, so it is not sent twice."""
    office.event("OrderAdd", "order", "o1")
    office.event("OrderAdd", "order", "o2")
    stopped: list[bool] = []

    def says(said: dict[str, Any]) -> Answer:
        stopped.append(True)
        return YES

    office.waymore.says = says
    session = office.sync(fails=True, stop=lambda: bool(stopped))
    assert isinstance(session.trouble, TryLater)
    assert office.rows("select id, state from synced.audience_told where call = 'event'") == [("o1", "accepted")]
    assert office.rows("select id, state from synced.audience_outbox") == [("o2", "waiting")]


def test_7_1_an_answer_is_kept_where_the_next_event_cannot_begin(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.event("OrderAdd", "order", "o1")
    office.event("OrderAdd", "order", "o2")
    was = outbox.ask

    def ask(db: Any, row: outbox.Row, now: Any) -> None:
        if row.id == "o2":
            raise TryLater("no room", system="waymore")
        was(db, row, now)

    monkeypatch.setattr(outbox, "ask", ask)
    office.sync(fails=True)
    assert office.rows("select id, state from synced.audience_told where call = 'event'") == [("o1", "accepted")]


def test_7_4_what_a_stop_kept_from_leaving_is_not_held_as_unknown(office: Office) -> None:
    """7.4: with `hold`, a row that never left is no unknown one."""
    office.settings["on_unknown"] = "hold"
    office.event("OrderAdd", "order", "o1")
    looks: list[int] = []

    def stop() -> bool:
        looks.append(1)
        return bool(office.rows("select 1 from synced.audience_outbox where state = 'asked'"))

    office.sync(fails=True, stop=stop)
    assert office.waymore.heard == []
    assert looks
    office.sync()
    assert office.rows("select id, state from synced.audience_told where call = 'event'") == [("o1", "accepted")]


@pytest.mark.parametrize(("answer", "count"), [(NO, "rejected"), (LOST, "unknown")])
def test_7_6_an_unsubscribe_without_success_is_tried_once_a_sync(office: Office, answer: Answer, count: str) -> None:
    """7.4, 7.6, 9: a sync sends unsubscribes at three places; it tries, and counts, each of them once."""
    office.settings["on_unknown"] = "resend"
    office.newsletter("a@example.com", subscription=False)
    office.waymore.says = lambda said: answer
    session = office.sync()
    assert getattr(session.told, count) == 1
    assert office.rows("select refusals from synced.audience_outbox") == [int(answer is NO)]
    office.waymore.heard.clear()
    office.waymore.says = lambda said: YES
    office.sync()
    assert len(office.waymore.events()) == 1


@pytest.mark.parametrize("answer", [LOST, NO])
def test_8_2_a_subscription_given_up_that_may_have_arrived_is_unsubscribed_later(
    office: Office, answer: Answer
) -> None:
    """6.2: maybe told as subscribed: what `vs-st retry --drop` gave up may have arrived."""
    office.settings["on_unknown"] = "hold"
    office.subscriber("a@example.com")
    office.insert(
        "synced.base_subscribers", address="a@example.com", email="a@example.com", subscribed=True, maybe=False,
        told="outbox",
    )  # fmt: skip
    office.newsletter("a@example.com", subscription=True)
    office.waymore.says = lambda said: answer
    office.sync()
    assert retrying._drop(office.db, office.run(), None, None) == 1
    assert office.rows("select maybe from synced.base_subscribers") == [answer is LOST]


def test_retry_of_a_kind_that_does_not_exist_is_told_and_no_crash(audience_scene: Scene) -> None:
    """R29, 9: `vs-st retry` names a record as `why` does; another word is a usage error, exit 2."""
    for words in (("nonsense", "1"), ("customer",)):
        done = audience_scene.run("retry", "--route", "audience", "--merchant", audience_scene.merchant, *words)
        assert done.exit_code == 2
        assert "KIND" in done.err
