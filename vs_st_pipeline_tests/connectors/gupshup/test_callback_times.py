"""When a callback says that something happened, and which of its times cannot be (notices.md 4; rulings, notices 2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vs_st_pipeline.connectors.gupshup.callbacks import OptIn, said_in

NOON = datetime(2026, 11, 29, 12)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def opted_out(at: datetime) -> dict[str, object]:
    told = int(at.replace(tzinfo=UTC).timestamp() * 1000)
    payload = {"phone": "919810000001", "type": "opted-out"}
    return {"app": "A", "timestamp": told, "version": 2, "type": "user-event", "payload": payload}


@pytest.mark.parametrize(
    ("told", "received", "taken", "at"),
    [
        (NOON - HOUR, NOON, NOON, NOON - HOUR),
        (NOON - 29 * DAY, NOON, NOON, NOON - 29 * DAY),
        (NOON - 31 * DAY, NOON, NOON, NOON),
        (NOON + 4 * MINUTE, NOON, NOON, NOON + 4 * MINUTE),
        (NOON + HOUR, NOON, NOON, NOON),
        # a receiver that goes on with the VS_ST_NOW that it was started with, or without any
        (NOON + 26 * HOUR, NOON, NOON + 27 * HOUR, NOON + 26 * HOUR),
        (NOON + 28 * HOUR, NOON, NOON + 27 * HOUR, NOON),
        (NOON - 90 * DAY, NOON, NOON - 90 * DAY + HOUR, NOON - 90 * DAY),
    ],
)
def test_4_a_time_is_believed_that_can_be_so_by_the_receiver_or_by_now(
    told: datetime, received: datetime, taken: datetime, at: datetime
) -> None:
    said = said_in(opted_out(told), received, taken)
    assert isinstance(said, OptIn)
    assert said.at == at
