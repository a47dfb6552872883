"""Where parcels are that their order does not say it of, and what an answer about none of them changes (3.2; W5)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors.eshopbox import tracking
from vs_st_pipeline.connectors.eshopbox.order_record import OrderSaid, read_order
from vs_st_pipeline.domain.errors import BadAnswer, PipelineError, Refused

INDIA = ZoneInfo("Asia/Kolkata")


def order(tracking_id: str) -> OrderSaid:
    return read_order({"id": 1, "customerOrderNumber": "A1", "items": [{"trackingID": tracking_id}]}, "A1", INDIA)


def client(answer: Any) -> Any:
    def ask(ids: list[str]) -> Any:
        if isinstance(answer, PipelineError):
            raise answer
        return answer

    return SimpleNamespace(tracking=ask, settings=SimpleNamespace(time_zone=INDIA))


def test_3_2_what_tracking_says_is_taken() -> None:
    one = order("T1")
    tracking.complete(client({"data": [{"trackingId": "T1", "status": "delivered"}]}), [one])
    assert [said.word for said in one.units[0].said] == ["delivered"]


@pytest.mark.parametrize("answer", [{"data": []}, Refused("not there", http_status=404)])
def test_3_2_parcels_that_tracking_does_not_know_stay_as_they_are(answer: Any) -> None:
    one = order("T1")
    tracking.complete(client(answer), [one])
    assert (one.units[0].said, one.units[0].shows_status) == ([], False)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [({}, BadAnswer), ({"data": [{"trackingId": "T2"}]}, BadAnswer), (Refused("no", http_status=400), Refused)],
)
def test_3_2_an_answer_about_something_else_is_none(answer: Any, kind: type[PipelineError]) -> None:
    with pytest.raises(kind):
        tracking.complete(client(answer), [order("T1")])
