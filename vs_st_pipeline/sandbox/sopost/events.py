"""Turns SoPost's events into webhook calls: filled in, disordered as the switch says, one for each registered URL."""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.sopost.hooks import Call, headers_of
from vs_st_pipeline.sandbox.sopost.orders import Brand, event_id

NOT_SENT = ("url", "doubled_every")


def calls_of(events: list[Record], brand: Brand, switches: Record, keys: Record) -> list[Call]:
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
        urls = [event["url"]] if "url" in event else _urls(brand, event)
        calls += [Call(brand.merchant.id, str(url), body, headers, str(switches["webhook_retry"])) for url in urls]
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


def _urls(brand: Brand, event: Record) -> list[Any]:
    """Return the URLs registered for an event: those of the organisation, and of the campaign of its activity."""
    activity = event.get("activity_id")
    return [
        hook["url"]
        for hook in brand.registered.values()
        if hook["entity_type"] == "Organisation" or activity in brand.campaigns.get(hook["entity_id"], ())
    ]
