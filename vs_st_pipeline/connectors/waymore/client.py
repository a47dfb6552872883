"""Calls WayMore: one method per call that is used (audience.md 3, 5, 6, 7). `answers` says what an answer means.

No write is sent again here: whoever calls decides, by the route's outbox. No redirect is followed. The uuid is in the
body alone: it is in no header, path, error or log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from vs_st_pipeline.connectors.waymore.answers import Answer, Outcome, judge
from vs_st_pipeline.connectors.waymore.names import WAYMORE
from vs_st_pipeline.connectors.waymore.pages import is_blocked, is_login, is_page
from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings, is_good_url
from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadSettings, KeptBack, NotSent, TryLater
from vs_st_pipeline.platform.http.client import Heard, HttpClient, NoKey, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant

__all__ = ["Answer", "Outcome", "RegisteredBefore", "WaymoreClient"]

AUTHENTICATE, DISCOVER, PART, EVENT = "authenticate", "discover", "send_part", "send_event"
KINDS: Final = ("auth", "data", "event")
TRUSTED: Final = (".routee.net", ".amdtelecom.net", ".waymore.io")
_REFUSED: Final = "WayMore refuses the registration: are username, password and domain those of the account?"


class RegisteredBefore(BadKey):
    """A 409 at registration: this domain is registered, and its uuid is not known here."""


class WaymoreClient:
    """Calls WayMore for one merchant.

    Attributes:
        moved: an endpoint was found to be nobody's any more.
    """

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        settings = merchant.section(WaymoreSettings)
        self.http = HttpClient(
            system=WAYMORE,
            base_url=settings.endpoints.event,
            auth=NoKey(),
            pace=pace,
            give_up_after=merchant.give_up_after.total_seconds(),
        )
        self.moved = False
        self._ack = settings.ack

    def part(self, url: str, body: bytes, key: str, may_leave: Callable[[], bool] | None = None) -> Answer:
        """Send one part of the history, once. Raises KeptBack where `may_leave` says no, BadSettings."""
        return self._send(PART, url, body, key, may_leave)

    def event(self, url: str, body: bytes, key: str, may_leave: Callable[[], bool] | None = None) -> Answer:
        """Send one event, once. Raises KeptBack where `may_leave` says no, BadSettings."""
        return self._send(EVENT, url, body, key, may_leave)

    def _send(self, call: str, url: str, body: bytes, key: str, may_leave: Callable[[], bool] | None) -> Answer:
        try:
            heard = self.http.post_once(call, url, body, headers={"Idempotency-Key": key}, may_leave=may_leave)
        except KeptBack:
            raise
        except NotSent as error:
            return Answer(Outcome.NOT_SENT, stop=error)
        except TryLater:
            return Answer(Outcome.UNKNOWN)
        answer = judge(heard, call, ack=self._ack)
        self.moved = self.moved or answer.moved
        return answer

    def authenticate(self, url: str, said: Mapping[str, str]) -> str:
        """Ask for a uuid, once (3.2, 3.3).

        Returns:
            The uuid.

        Raises:
            BadKey: it is refused, in any of the ways that WayMore may do that; RegisteredBefore for a 409.
            BadAnswer: the answer says nothing. TryLater: nobody answers; NotSent, which is one: nobody was asked.
        """
        heard = self._ask(AUTHENTICATE, url, said)
        status = heard.status
        about: dict[str, Any] = {"system": WAYMORE, "call": AUTHENTICATE, "http_status": status}
        if status == 409:
            raise RegisteredBefore(
                "registered before and the uuid is lost: ask Routee for it and set waymore.uuid", **about
            )
        answer = None if heard.cut else try_json(heard.body)
        in_json = isinstance(answer, dict) and not is_page(heard)
        refused = status in (400, 401, 403, 422) and not is_page(heard)
        if is_login(heard) or 300 <= status < 400 or refused or (status in (404, 410) and in_json):
            self.moved = self.moved or 300 <= status < 400
            raise BadKey(_REFUSED, **about)
        if status in (404, 410):
            self.moved = True
        if is_page(heard) or not (200 <= status < 300):
            raise BadAnswer("the answer is none that WayMore gives; is waymore.endpoints.auth right?", **about)
        if not isinstance(answer, dict):
            raise BadAnswer("the answer to the registration is cut short or no JSON object", **about)
        uuid = answer.get("uuid")
        if not isinstance(uuid, str) or not uuid.strip():
            raise BadKey(_REFUSED, **about)
        return uuid

    def discover(self, url: str, said: Mapping[str, str]) -> dict[str, str]:
        """Ask where the three calls go (3.6).

        Returns:
            URLs by `auth`, `data`, `event`, as far as they are told.

        Raises:
            BadSettings: a URL is told that nothing is sent to. BadAnswer, TryLater: nothing usable is told.
        """
        heard = self._ask(DISCOVER, url, said)
        about: dict[str, Any] = {"system": WAYMORE, "call": DISCOVER, "http_status": heard.status}
        answer = None if heard.cut or is_page(heard) or not (200 <= heard.status < 300) else try_json(heard.body)
        rows = answer.get("data") if isinstance(answer, dict) and answer.get("success") in (1, True, "1") else None
        if not isinstance(rows, list):
            raise BadAnswer("waymore.discover does not tell where WayMore's calls go", **about)
        told = {
            row["type"]: row["url"]
            for row in rows
            if isinstance(row, dict) and row.get("type") in KINDS and isinstance(row.get("url"), str)
        }
        if not told:
            raise BadAnswer("waymore.discover does not tell where WayMore's calls go", **about)
        home = urlsplit(url).hostname
        for kind, found in told.items():
            if not is_good_url(found) or not _is_trusted(found, home):
                raise BadSettings(
                    f"waymore.discover tells a URL for {kind} at a host that is not WayMore's, or not https: nothing "
                    "is sent there; ask Routee, or write waymore.endpoints",
                    **about,
                )
        return told

    def _ask(self, call: str, url: str, said: Mapping[str, str]) -> Heard:
        body = json.dumps(dict(said), ensure_ascii=False).encode("utf-8", "surrogatepass")
        heard = self.http.post_once(call, url, body)
        if heard.status in (408, 425, 429) or heard.status >= 500 or is_blocked(heard):
            raise TryLater("WayMore is busy or down", system=WAYMORE, call=call, http_status=heard.status)
        return heard


def _is_trusted(url: str, home: str | None) -> bool:
    host = urlsplit(url).hostname or ""
    return host == home or any(host.endswith(end) for end in TRUSTED)
