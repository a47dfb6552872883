"""Registers our webhooks at Commerce7: one for each object and action (webhooks-onboarding.md H35; rulings, 5)."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from vs_st_pipeline.connectors.commerce7.client import Commerce7Client, bad_answer
from vs_st_pipeline.connectors.commerce7.names import COMMERCE7
from vs_st_pipeline.connectors.commerce7.streams import ORDER, PRODUCT
from vs_st_pipeline.domain.codec import JSON
from vs_st_pipeline.domain.errors import BadSettings, Forbidden, Refused
from vs_st_pipeline.domain.hints import CUSTOMER
from vs_st_pipeline.domain.records import id_text, is_error
from vs_st_pipeline.platform.hooks import NotEnabled, Registration, remove_registration
from vs_st_pipeline.platform.http.client import NOT_THERE, NoBody
from vs_st_pipeline.platform.settings.secrets import SecretError, parse_reference, resolve_secret

OBJECTS: Final = {"Order": ORDER, "Product": PRODUCT, "Customer": CUSTOMER}
ACTIONS: Final = ("Create", "Update", "Bulk Update", "Delete")
BY_HAND: Final = (
    "give the app the right to webhooks in Commerce7's developer center, or put the URL that "
    "`vs-st webhooks list --show-urls` shows into the tenant's settings (Developer, Webhooks) for Order and Product"
)
_PATH: Final = "/web-hook"
_MOST_PAGES: Final = 20


class Commerce7Registrar:
    """Registers at one tenant."""

    change = None  # one webhook is for one object and action

    def __init__(self, client: Commerce7Client) -> None:
        self._client, self._http = client, client.http

    def names(self, kinds: Collection[str]) -> tuple[str, ...]:
        return tuple(f"{name} {action}" for name, kind in OBJECTS.items() if kind in kinds for action in ACTIONS)

    def list(self) -> Sequence[Registration]:
        rows: list[Any] = []
        for page in range(1, _MOST_PAGES + 1):
            found, total = self._page(page)
            rows += found
            if not found or total is None or total <= len(rows):
                break
        user = self._proof()[0]
        return [_registration(row, user) for row in rows]

    def make(self, names: Sequence[str], url: str, merchant_id: str) -> None:
        (name,) = names
        subject, _, action = name.partition(" ")
        user, password = self._proof()
        body: dict[str, Any] = {"object": subject, "action": action, "url": url, "notes": f"vs-st {merchant_id}"}
        if user is not None:
            body |= {"username": user, "password": password}
        self._http.request("make_webhook", "POST", _PATH, shape=NoBody, json=body, once=True)

    def remove(self, id: str) -> None:
        remove_registration(self._http, f"{_PATH}/{quote(id, safe='')}")

    def _page(self, page: int) -> tuple[Sequence[Any], int | None]:
        params: dict[str, str | int | bool] = {"page": page} if page > 1 else {}
        try:
            said = self._http.request("list_webhooks", "GET", _PATH, shape=JSON, params=params).value
        except Forbidden:
            raise NotEnabled from None
        except Refused as error:
            if error.http_status in NOT_THERE:
                raise NotEnabled from None
            raise
        rows = said if isinstance(said, list) else None
        if isinstance(said, Mapping) and not is_error(said):
            rows = next((said[key] for key in ("webHooks", "webhooks") if isinstance(said.get(key), list)), None)
        if rows is None:
            raise bad_answer("no list of webhooks was found in the answer", "list_webhooks")
        total = said.get("total") if isinstance(said, Mapping) else None
        return rows, total if isinstance(total, int) and not isinstance(total, bool) else None

    def _proof(self) -> tuple[str | None, str | None]:
        """Return user and password by which its calls are to prove themselves (R10); None where they need not.

        Raises:
            BadSettings: the header is another one than Commerce7 can send.
        """
        wanted = self._client.webhooks
        if wanted.header is None or wanted.header_value is None:
            return None, None
        try:
            value = resolve_secret(parse_reference(wanted.header_value), Path.cwd(), os.environ)
        except SecretError as error:
            raise BadSettings(f"webhooks.commerce7.header_value: {error}", system=COMMERCE7) from None
        scheme, _, encoded = value.partition(" ")
        try:
            user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            user = colon = password = ""
        if wanted.header.strip().lower() != "authorization" or scheme.lower() != "basic" or not (user and colon):
            raise BadSettings(
                "webhooks.commerce7: Commerce7 can prove its calls by HTTP Basic alone; write header: Authorization, "
                "and a header_value that is `Basic ` and the base64 of user:password",
                system=COMMERCE7,
            )
        return user, password


def _registration(row: Any, user: str | None) -> Registration:
    """Read a row; one that cannot be read is somebody else's."""
    said: Mapping[str, Any] = row if isinstance(row, Mapping) else {}
    subject, action, url, made_at = (said.get(key) for key in ("object", "action", "url", "createdAt"))
    named = isinstance(subject, str) and isinstance(action, str)
    return Registration(
        id_text(said.get("id")) or "",
        (f"{subject} {action}",) if named else (),
        url if isinstance(url, str) else "",
        made_at if isinstance(made_at, str) else "",
        as_wanted="username" not in said or (said["username"] or None) == user,
    )
