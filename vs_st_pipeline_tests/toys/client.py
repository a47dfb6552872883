"""The toy system's connector: its client, and the merchant that has it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.domain.errors import BadAnswer, BadRecord
from vs_st_pipeline.pipeline.once.items import Accepted, Answer, Item, Look, Missing, Unknown
from vs_st_pipeline.platform.http.client import Basic, HttpClient

SYSTEM, PARCEL = "shop", "parcels"


@dataclass(frozen=True)
class Merchant:
    """As much of a merchant as a toy needs."""

    id: str
    url: str
    paused: frozenset[str] = frozenset()
    on_unknown: str = "read"
    enabled: bool = True
    time_zone: ZoneInfo = ZoneInfo("America/Los_Angeles")


class Free:
    """No pace."""

    def wait(self) -> float:
        return 0.0


class Client:
    """One method per call."""

    def __init__(self, merchant: Merchant, route: str, pace: Any = None) -> None:
        self.route = route
        self.http = HttpClient(
            system=SYSTEM, base_url=merchant.url, auth=Basic("toy", "toy"), pace=pace or Free(), give_up_after=0,
            sleep=lambda seconds: None,
        )  # fmt: skip

    def ids(self) -> list[str]:
        return self._listed("list", "/parcels", "parcels")

    def parcel(self, parcel: str) -> dict[str, Any]:
        found = self.http.request("parcel", "GET", f"/parcels/{parcel}", shape=dict[str, Any]).value
        if found.get("id") != parcel:
            raise BadRecord("The answer is not the parcel that was asked for", system=SYSTEM, call="parcel")
        return found

    def post(self, item: Item) -> Answer:
        headers = {"Idempotency-Key": item.key, "X-Route": self.route}
        answer = self.http.request(
            "message", "POST", "/messages", shape=dict[str, str], json=json.loads(item.body), headers=headers, once=True
        )
        message = answer.value.get("message_id")
        return Accepted({"message_id": message}) if message else Unknown("no message id", answer.status)

    def look(self, key: str) -> Look:
        found = self._listed("look", f"/messages?key={key}", "messages")
        return Accepted({"found": len(found)}) if found else Missing()

    def _listed(self, call: str, path: str, key: str) -> list[str]:
        found = self.http.request(call, "GET", path, shape=dict[str, Any]).value.get(key)
        if not isinstance(found, list):
            raise BadAnswer("The answer says nothing", system=SYSTEM, call=call)
        return found
