"""Each kind of key works, wrong ones are told apart, and orders are read whatever SoPost does (consumers.md 2, 11)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.sopost.client import NIL_ORDER
from vs_st_pipeline.connectors.sopost.setup import ACCESS, KeyTried, check_key, look
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, PipelineError, TryLater
from vs_st_pipeline_tests.connectors.sopost.world import World, secret


def keys_for(world: World, auth: str) -> dict[str, Any]:
    """Return the settings of a kind of key, as the stand-in gave the key."""
    keys = world.box.control.keys()
    return {
        "bearer": {"token": secret(keys["token"])},
        "header": {"token": secret(keys["token"]), "header": "X-Api-Key"},
        "basic": {"user": secret(keys["user"]), "password": secret(keys["password"])},
        "client_credentials": {
            "client_id": secret(keys["client_id"]),
            "client_secret": secret(keys["client_secret"]),
            "token_url": f"{world.box.url}/oauth/token",
        },
    }[auth]


WRONG: dict[str, dict[str, Any]] = {
    "bearer": {"token": secret("wrong")},
    "header": {"token": secret("wrong")},
    "basic": {"password": secret("wrong")},
    "client_credentials": {"client_secret": secret("wrong")},
}


@pytest.mark.parametrize("auth", list(WRONG))
def test_c2_each_kind_of_key(world: World, auth: str) -> None:
    world.box.control.set_switch("auth", auth)
    world.set(auth=auth, **keys_for(world, auth))
    id = world.id_of("plain@example.com")
    client = world.client()
    for _ in range(2):
        assert json.loads(client.order(id))["id"] == id
    assert client.http.calls == {"order": 2} | ({"token": 1} if auth == "client_credentials" else {})
    for refusal in (401, 302, "login_page"):
        world.box.control.set_switch("bad_credentials", refusal)
        world.set(**WRONG[auth])
        wrong = world.client()
        with pytest.raises(BadKey) as caught:
            wrong.order(id)
        assert (caught.value.kind, wrong.http.calls.total()) == ("auth", 1)
        for value in ("wrong", "sopost-"):
            assert value not in repr(client.__dict__) + str(caught.value)
    world.box.control.set_switch("bad_credentials", 403)
    with pytest.raises(BadKey):
        world.client().order(id)


def test_c2_a_token_that_has_ended_is_fetched_anew_once(world: World) -> None:
    world.box.control.set_switch("auth", "client_credentials")
    world.set(auth="client_credentials", **keys_for(world, "client_credentials"))
    client, id = world.client(), world.id_of("plain@example.com")
    client.order(id)
    world.box.control.act("expire")
    client.order(id)
    assert client.http.calls == {"token": 2, "order": 3}
    world.box.control.set_fault("401", path_regex="^/orders/")
    with pytest.raises(BadKey):
        client.order(id)
    assert client.http.calls == {"token": 3, "order": 5}
    world.box.control.clear_faults()
    world.box.control.set_fault("wrong_shape", path_regex="^/oauth/")
    with pytest.raises(BadAnswer):
        world.client().order(id)


def test_c3_8_trouble_with_tokens_is_no_order_s(world: World) -> None:
    world.box.control.set_switch("auth", "client_credentials")
    world.set(auth="client_credentials", **keys_for(world, "client_credentials"))
    world.event(world.order())
    world.give_up_after = timedelta(milliseconds=400)
    world.box.control.set_fault("wrong_shape", path_regex="^/oauth/")
    with pytest.raises(BadAnswer):
        world.sync()
    world.box.control.set_fault("500", path_regex="^/oauth/")
    assert isinstance(world.sync().error, TryLater)
    world.box.control.clear_faults()
    assert world.told(world.sync()) == {"read": 1}


def test_c8_the_key_is_tried_on_the_newest_order_else_on_one_that_cannot_be(world: World) -> None:
    id = world.id_of("plain@example.com")
    assert check_key(world.client(), id) == KeyTried("the key is good: an order could be read")
    assert check_key(world.client()).doubt is None
    assert world.reads() == [id, NIL_ORDER]
    world.box.control.set_fault("403", path_regex="^/orders/")
    assert check_key(world.client(), id).doubt
    assert list(look(world.client(), world.merchant).disagrees) == [ACCESS]
    world.box.control.set_fault("hollow", path_regex="^/orders/")
    assert check_key(world.client(), id).doubt
    for fault in ("401", "login_page", "redirect_login"):
        world.box.control.set_fault(fault, path_regex="^/orders/")
        with pytest.raises(BadKey):
            check_key(world.client(), id)


# --- every switch value of the stand-in alone (R50: some of them together in `make test`)


WORDS = {"upper": "APPROVED", "title": "Approved", "lower": "approved"}


@pytest.mark.parametrize("world_of", [
    {"case": "title", "envelope": "data", "id_case": "upper", "consents_key": "absent", "order_time": "created_at",
     "answer_shape": "object", "consent_status": "GIVEN", "webhook_style": "extra_keys",
     "rate_limit": "429_retry_after"},
    {"case": "lower", "consents_key": "null", "consent_status": "absent", "webhook_style": "no_event_id",
     "order_lag_404": 3},
    {"stages": "any", "webhook_style": "same_event_id", "consent_status": "approved", "rate_limit": "429"},
    {"webhook_style": "duplicated"},
    {"webhook_style": "reordered"},
    {"approve_after": 5},
], ids=lambda switches: "-".join(switches))  # fmt: skip
def test_c11_orders_are_read_under_every_possibility(world: World, world_of: dict[str, Any]) -> None:
    for name, value in world_of.items():
        world.box.control.set_switch(name, value)
    world.give_up_after = timedelta(seconds=5)
    case = world_of.get("case", "upper")
    plain = world.id_of("plain@example.com")
    stage = {"any": "WITH COURIER 7"}.get(str(world_of.get("stages")), "DISPATCHED")
    told: list[dict[str, Any]] = [
        {"event_id": f"{plain}-{word}", "event": word, "order_id": plain} for word in ("PENDING", "APPROVED", stage)
    ]
    style = world_of.get("webhook_style", "normal")
    if style == "no_event_id":
        told = [{key: value for key, value in body.items() if key != "event_id"} for body in told]
    if style == "same_event_id":
        told = [{**body, "event_id": "one"} for body in told]
    told = told[::-1] if style == "reordered" else told * 2 if style == "duplicated" else told
    for body in told:
        world.post({**body, "event": str(body["event"]).title() if case == "title" else body["event"], "version": 2})
    late = world.order("APPROVED", email="late@example.com")
    world.event(late)
    tries = 0
    while (found := world.sync()).tried and tries < 9:
        assert found.error is None
        assert not set(found.counts) - {"not_found", "pending"}
        world.later(minutes=6)
        world.box.control.move_clock(seconds=360)
        tries += 1
    assert {world.row(id)["class"] for id in (plain, late)} == {"approved"}
    order = json.loads(world.row(plain)["body"])
    assert order["email"] == "plain@example.com"
    assert "data" not in order
    assert world.rows("select count(*) from raw.sopost_events where order_id = ?", plain) == [(3,)]
    reads = world.reads()
    assert len(reads) >= 2
    if not {"order_lag_404", "approve_after", "rate_limit"} & set(world_of):
        assert len(reads) == 2


def test_c3_8_with_a_lag_of_five_orders_the_first_sync_stops_and_tries_count(world: World) -> None:
    world.box.control.set_switch("order_lag_404", 3)
    for _ in range(6):
        world.event(world.order())
    for gap in (15, 60):
        with pytest.raises(PipelineError):
            world.sync()
        world.later(seconds=gap)
    with pytest.raises(PipelineError):
        world.sync()
    world.later(minutes=5)
    assert world.sync().read
