"""Turns SoPost's events into webhook calls: filled in, disordered as the switch says, one for each registered URL."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record, dumps, loads
from vs_st_pipeline.sandbox.core.sender import Call
from vs_st_pipeline.sandbox.sopost.hooks import headers_of
from vs_st_pipeline.sandbox.sopost.orders import Brand, event_id

MOST_TRIES = 3
NOT_SENT = ("url", "doubled_every")
UNREGISTERED = "url "
"""What the id of a place begins with that a test named, and nobody registered."""


def calls_of(events: Sequence[Record], brand: Brand, switches: Record, keys: Record) -> list[Call]:
    """Return the calls for events, or where one names no order, for all that nobody was told of.

    An event is {order_id, event, event_id, activity_id}: what is absent is filled in, and null is left out. With `url`
    it goes there, registered or not; with `doubled_every` every nth of all that were untold goes twice.
    """
    told: list[Record] = []
    for event in events:
        told += [_filled(event, brand)] if event.get("order_id") is not None else _untold(event, brand)
    headers = headers_of(switches, keys["signing_secret"], keys["header_value"])
    calls = []
    for event in _disordered(brand, told, switches):
        body = {key: value for key, value in event.items() if key not in NOT_SENT}
        if "event" in body:
            body["event"] = brand.worded(body["event"], switches)
        places = [(f"{UNREGISTERED}{event['url']}", event["url"])] if "url" in event else _places(brand, event)
        calls += [
            Call(
                brand.merchant.id,
                webhook,
                str(url),
                str(body.get("event")),
                dumps(body),
                1 if switches["webhook_retry"] == "none" else MOST_TRIES,
                _renewed if switches["webhook_retry"] == "new_event_id" else None,
                headers=headers,
                only_unanswered=switches["webhook_retry"] == "on_timeout",
            )
            for webhook, url in places
        ]
    return calls


def _untold(asked: Record, brand: Brand) -> list[Record]:
    every = int(asked.get("doubled_every") or 0)
    place = {"url": asked["url"]} if "url" in asked else {}
    found = []
    for number, event in enumerate(brand.unsent(), 1):
        found += [{**event, **place}] * (2 if every and number % every == 0 else 1)
    return found


def _filled(event: Record, brand: Brand) -> Record:
    id = str(event["order_id"])
    order = brand.orders.get(id.lower()) or {}
    word = event.get("event", order.get("status") or "APPROVED")
    usual = {"event_id": event_id(id, str(word)), "event": word, "activity_id": order.get("activity_id")}
    return {key: value for key, value in {**usual, **event}.items() if value is not None}


def _disordered(brand: Brand, events: list[Record], switches: Record) -> list[Record]:
    match switches["webhook_style"]:
        case "dropped":
            return []
        case "duplicated":
            return [event for event in events for _ in range(2)]
        case "reordered":
            return events[::-1]
        case "late":
            events, brand.held = brand.held, events
            return events
        case "extra_keys":
            return [{**event, "version": 2, "meta": {"source": "sandbox"}} for event in events]
        case "no_event_id":
            return [{key: value for key, value in event.items() if key != "event_id"} for event in events]
        case "same_event_id":
            return [{**event, "event_id": event_id(str(event["order_id"]), "")} for event in events]
    events, brand.held = brand.held + events, []
    return events


def _renewed(body: bytes) -> bytes:
    told = loads(body)
    return dumps({**told, "event_id": secrets.token_hex(20)} if "event_id" in told else told)


def _places(brand: Brand, event: Record) -> list[tuple[str, Any]]:
    """Return id and URL of what is registered for an event: of the organisation, and of its activity's campaign."""
    activity = event.get("activity_id")
    return [
        (id, hook["url"])
        for id, hook in brand.registered.items()
        if hook["entity_type"] == "Organisation" or activity in brand.campaigns.get(hook["entity_id"], ())
    ]
