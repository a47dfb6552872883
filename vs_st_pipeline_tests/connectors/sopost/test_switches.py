"""Every value of every switch of the stand-in alone, told by its own webhooks: what it has is read, once.

A covering set of them is in `test_client`, for `make test`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.sandbox import SWITCHES
from vs_st_pipeline.sandbox.core.switches import BOTH, OF_BOTH_SENDERS
from vs_st_pipeline_tests.connectors.sopost.test_client import keys_for
from vs_st_pipeline_tests.connectors.sopost.world import World
from vs_st_pipeline_tests.support.loopback import PostServer

pytestmark = pytest.mark.slow
EACH = [
    (name, value)
    for name, values in SWITCHES["sopost"].items()
    if name not in {*BOTH, *OF_BOTH_SENDERS}
    for value in values
]


class Receiver(PostServer):
    """Keeps bodies, and answers as a receiver does; the first ones as it is told to."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.first: list[int | None] = []
        super().__init__()
        self.url += "/hooks/sopost/token"

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> int | None:
        self.bodies.append(body)
        return self.first.pop() if self.first else 204


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def hear(world: World, receiver: Receiver) -> None:
    """Have SoPost tell what it has not told, and let it come in."""
    world.box.control.send(url=receiver.url)
    count, until = -1, time.monotonic() + 10
    while count != len(receiver.bodies) and time.monotonic() < until:
        count = len(receiver.bodies)
        time.sleep(0.5)
    for body in receiver.bodies:
        world.post(body)
    receiver.bodies.clear()


@pytest.mark.parametrize(("name", "value"), EACH, ids=lambda one: str(one).replace(" ", ""))
def test_c11_each_value_alone(world: World, receiver: Receiver, name: str, value: Any) -> None:
    box = world.box.control
    box.set_switch(name, value)
    world.give_up_after = timedelta(seconds=20)
    if name == "auth":
        world.set(auth=value, **keys_for(world, value))
    if name == "webhook_retry":
        receiver.first = [None, 500, None, 500]
    new = world.order(email="late@example.com")
    if (name, value) == ("webhook_style", "late"):
        hear(world, receiver)  # what goes out now comes with the next
    hear(world, receiver)
    for _ in range(12):
        try:
            found = world.sync()
        except PipelineError:  # none of the first orders is there yet
            assert (name, value) == ("order_lag_404", 3)
        else:
            assert found.error is None
        world.later(hours=2)
        box.move_clock(seconds=7200)
    orders = {order["id"]: order for order in box.orders()}
    if (name, value) == ("webhook_style", "dropped"):
        assert world.rows("select count(*) from raw.sopost_orders") == [(0,)]
        return
    rows = {row[0]: row[1:] for row in world.rows("select id, class, last_try, body, asked_id from raw.sopost_orders")}
    assert set(rows) == set(orders)
    later = {"DISPATCHED", "DELIVERED"}
    hidden = {id for id, row in rows.items() if row[1] in ("not_found", "not_visible")}
    assert {orders[id]["email"] for id in hidden} == {"hidden@example.com"}
    for id in set(orders) - hidden:
        status, kind = str(orders[id]["status"]).strip().upper(), rows[id][0]
        assert kind == ("later" if status in later or kind == "later" else status.lower()), id
        if kind in ("approved", "later"):
            stored = json.loads(rows[id][2])
            assert (stored["id"].lower(), stored["email"]) == (id, orders[id]["email"])
        else:
            assert rows[id][2] is None
    assert rows[new][0] == "approved"
    assert box.findings() == []
