"""Registers our webhooks at Vinoshipper: one per subject (webhooks-onboarding.md H35).

The list's form is seen in client code alone, so rows are looked for as in every other list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from vs_st_pipeline.connectors.vinoshipper.client import PREFIX, ROW_KEYS, VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.domain.codec import JSON
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, Refused
from vs_st_pipeline.domain.formats import instant, parse_moment
from vs_st_pipeline.domain.hints import CUSTOMER, MEMBERSHIP, ORDER
from vs_st_pipeline.domain.records import id_text, is_error
from vs_st_pipeline.platform.hooks import NotEnabled, Registration, remove_registration
from vs_st_pipeline.platform.http.client import NOT_THERE, NoBody

SUBJECTS: Final = {"ORDER": ORDER, "CUSTOMER": CUSTOMER, "CLUB_MEMBERSHIP": MEMBERSHIP}
BY_HAND: Final = (
    "ask customerservice@vinoshipper.com to enable the webhook API for this account, or put the URLs that "
    "`vs-st webhooks list --show-urls` shows into its dashboard (Account, Integrations, Webhooks)"
)
_PATH: Final = f"{PREFIX}/profile/webhooks"


class VinoshipperRegistrar:
    """Registers at one account."""

    change = None  # one webhook per subject, and no call that changes one

    def __init__(self, client: VinoshipperClient) -> None:
        self._http = client.http

    def names(self, kinds: Collection[str]) -> tuple[str, ...]:
        return tuple(subject for subject, kind in SUBJECTS.items() if kind in kinds)

    def list(self) -> Sequence[Registration]:
        try:
            answer = self._http.request("list_webhooks", "GET", _PATH, shape=JSON)
        except Forbidden:
            raise NotEnabled from None
        except Refused as error:
            if error.http_status in NOT_THERE:
                raise NotEnabled from None
            raise
        found = answer.value
        if isinstance(found, Mapping) and not is_error(found):
            found = next((found[key] for key in ("webhooks", *ROW_KEYS) if key in found), None)
        if not isinstance(found, list):
            raise BadAnswer(
                "no list of webhooks was found in the answer",
                system=VINOSHIPPER,
                call="list_webhooks",
                http_status=answer.status,
            )
        return [_registration(row) for row in found]

    def make(self, names: Sequence[str], url: str, merchant_id: str) -> None:
        (subject,) = names
        body = {"subject": subject, "url": url, "description": f"vs-st {merchant_id}"}
        self._http.request("make_webhook", "POST", _PATH, shape=NoBody, json=body, once=True)

    def remove(self, id: str) -> None:
        remove_registration(self._http, f"{_PATH}/{quote(id, safe='')}")


def _made_at(said: Any) -> str:
    """Return a time in a form whose order is that of time, as far as it can be read."""
    if (moment := parse_moment(said) if isinstance(said, str) else None) is not None:
        return instant(moment).isoformat()
    number = id_text(said)  # seconds or milliseconds
    return number.rjust(20, "0") if number is not None else ""


def _registration(row: Any) -> Registration:
    """Read a row; one that cannot be read is somebody else's."""
    said: Mapping[str, Any] = row if isinstance(row, Mapping) else {}
    subject, url = said.get("subject"), said.get("url")
    return Registration(
        id_text(said.get("id")) or "",
        (subject,) if isinstance(subject, str) else (),
        url if isinstance(url, str) else "",
        _made_at(said.get("createdAt")),
    )
