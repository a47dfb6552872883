"""Registers our webhook at SimpleTexting: one for all triggers, put right by `PUT` (webhooks-onboarding.md H36)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.domain.hints import CONTACT
from vs_st_pipeline.domain.records import id_text, is_hollow
from vs_st_pipeline.platform.hooks import Registration, remove_registration
from vs_st_pipeline.platform.http.client import NoBody

TRIGGERS: Final = ("INCOMING_MESSAGE", "UNSUBSCRIBE_REPORT", "CONTACT_PHONE_UPDATE")  # the last one is new
LIMIT: Final = 25  # calls a second, the vendor's most
BY_HAND: Final = "put the URL that `vs-st webhooks list --show-urls` shows into the account's settings for webhooks"
_PATH: Final = "/api/webhooks"
_MOST_PAGES: Final = 20


class SimpleTextingRegistrar:
    """Registers at one account."""

    def __init__(self, client: SimpleTextingClient) -> None:
        self._client, self._http = client, client.http

    def names(self, kinds: Collection[str]) -> tuple[str, ...]:
        return TRIGGERS if CONTACT in kinds else ()

    def list(self) -> Sequence[Registration]:
        rows: dict[bytes, None] = {}
        for page in range(_MOST_PAGES):
            found = self._client.page_of("list_webhooks", _PATH, page)
            before = len(rows)
            rows |= dict.fromkeys(found.rows)
            if len(rows) == before or page + 1 >= (found.total_pages or 1):
                break
        return [_registration(try_json(row)) for row in rows]

    def make(self, names: Sequence[str], url: str, merchant_id: str) -> None:
        self._http.request("make_webhook", "POST", _PATH, shape=NoBody, json=_body(names, url), once=True)

    def change(self, id: str, names: Sequence[str], url: str) -> None:
        path = f"{_PATH}/{quote(id, safe='')}"
        self._http.request("change_webhook", "PUT", path, shape=NoBody, json=_body(names, url))

    def remove(self, id: str) -> None:
        remove_registration(self._http, f"{_PATH}/{quote(id, safe='')}")


def _body(names: Sequence[str], url: str) -> dict[str, Any]:
    return {"url": url, "triggers": list(names), "requestPerSecLimit": LIMIT}


def _registration(row: Any) -> Registration:
    """Read a row; one that cannot be read is somebody else's."""
    said: Mapping[str, Any] = row if isinstance(row, Mapping) else {}
    url, triggers, limit = said.get("url"), said.get("triggers"), said.get("requestPerSecLimit")
    names = [one for one in triggers if isinstance(one, str)] if isinstance(triggers, list) else []
    return Registration(
        id_text(said.get("webhookId")) or id_text(said.get("id")) or "",
        tuple(sorted(dict.fromkeys(names), key=_place)),
        url if isinstance(url, str) else "",
        # a limit that is not told is not known to be another one
        as_wanted=(limit is None or id_text(limit) == str(LIMIT))
        and all(is_hollow(said.get(key)) for key in ("accountPhone", "contactPhone")),
    )


def _place(trigger: str) -> tuple[int, str]:
    return (TRIGGERS.index(trigger) if trigger in TRIGGERS else len(TRIGGERS)), trigger
