"""Calls SoPost's API for one merchant: one method per call, by any of the four kinds of key that it may give.

Which kind it is, nothing public says; with `client_credentials` a token is fetched when it is first needed, and once
more where it is not accepted any longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.domain.codec import JSON
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, Forbidden, PipelineError
from vs_st_pipeline.platform.http.client import Basic, Bearer, HeaderKey, HttpClient, NoBody, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant

T = TypeVar("T")
NIL_ORDER: Final = "00000000-0000-0000-0000-000000000000"
TOKEN: Final = "token"  # the call that fetches one
EVENTS: Final = ("OrderEvent",)
_SPARE: Final = 60.0  # a token that ends within so many seconds is not used any more
_REFUSED: Final = (400, 401, 403)  # of the token's own URL: whatever it says, the pair is not accepted


class SoPostClient:
    """One merchant's account.

    Attributes:
        http: counts all calls, those for a token too.
        settings: of the merchant.
    """

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        self.settings = merchant.section(SoPostSettings)
        seconds = merchant.give_up_after.total_seconds()
        self._tokens: _Tokens | None = None
        auth: HeaderKey
        if self.settings.auth == "client_credentials":
            auth = self._tokens = _Tokens(self.settings, pace, seconds)
        else:
            auth = _auth_of(self.settings)
        self.http = HttpClient(
            system=SOPOST, base_url=self.settings.base_url, auth=auth, pace=pace, give_up_after=seconds
        )
        if self._tokens is not None:
            self._tokens.http.calls = self.http.calls

    def order(self, order_id: str) -> bytes:
        """Read one order; returns the answer's JSON as it came.

        Raises:
            Refused: 404, 410 and other refusals. Forbidden: 403, of this order or of all.
            PipelineError: as the HTTP client does.
        """
        path = f"/orders/{quote(order_id, safe='')}"
        answer = self._asking(lambda: self.http.request("order", "GET", path, shape=msgspec.Raw))
        return bytes(answer.value)

    def register(self, url: str, entity_id: str) -> int:
        """Register a webhook for an organisation or campaign, once; returns the answer's status, 2xx.

        Raises:
            Refused: 409, there is one already; 404, there is no such entity; and others.
        """
        body = {
            "url": url,
            "events": list(EVENTS),
            "entity_type": self.settings.entity_type,
            "entity_id": entity_id,
        }
        request = self.http.request
        return self._asking(lambda: request("register", "POST", "/webhooks", shape=NoBody, json=body, once=True)).status

    def close(self) -> None:
        """Close idle connections."""
        self.http.close()
        if self._tokens is not None:
            self._tokens.http.close()

    def _asking(self, ask: Callable[[], T]) -> T:
        """Ask; where a token is not accepted that was fetched for an earlier request, once more with a new one."""
        tokens = self._tokens
        if tokens is None:
            return ask()
        had = tokens.fetched
        try:
            return ask()
        except BadKey as error:
            if isinstance(error, Forbidden) or tokens.fetched != had or not had or tokens.failed:
                raise
        tokens.drop()
        return ask()


class _Tokens(HeaderKey):
    """Fetches access tokens, and sends the present one; its repr shows nothing.

    Attributes:
        fetched: how many tokens were fetched. failed: the last one could not be.
    """

    def __init__(self, settings: SoPostSettings, pace: Pace, give_up_after: float) -> None:
        # The model lets none of them be without.
        assert settings.token_url is not None
        assert settings.client_id is not None
        assert settings.client_secret is not None
        self._form = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id.reveal(),
            "client_secret": settings.client_secret.reveal(),
        }
        self.http = HttpClient(
            system=SOPOST,
            base_url=settings.token_url,
            auth=_NoAuth(),
            pace=pace,
            give_up_after=give_up_after,
            refusal=_refused,
        )
        super().__init__("")
        self._auth: HeaderKey | None = None
        self._until = float("inf")
        self.fetched = 0
        self.failed = False

    def __call__(self, request: Any) -> Any:
        if self._auth is None or time.monotonic() >= self._until:
            self._fetch()
        assert self._auth is not None
        return self._auth(request)

    def drop(self) -> None:
        """Use the present token no more."""
        self._auth = None

    def _fetch(self) -> None:
        self.failed = True
        began = time.monotonic()
        said: Any = self.http.request(TOKEN, "POST", "", shape=JSON, form=self._form).value
        token = said.get("access_token") if isinstance(said, Mapping) else None
        if not isinstance(token, str) or not token.strip():
            raise BadAnswer("The answer of token_url has no access_token", system=SOPOST, call=TOKEN)
        self._auth = Bearer(token.strip())
        lasts = said.get("expires_in")
        known = isinstance(lasts, int) and not isinstance(lasts, bool) and lasts > 2 * _SPARE
        self._until = began + lasts - _SPARE if known else float("inf")
        self.fetched += 1
        self.failed = False


class _NoAuth(HeaderKey):
    def __init__(self) -> None:
        super().__init__("")

    def __call__(self, request: Any) -> Any:
        return request


def _refused(status: int, _headers: Mapping[str, str], _said: object) -> type[PipelineError] | None:
    return BadKey if status in _REFUSED else None


def _auth_of(settings: SoPostSettings) -> HeaderKey:
    if settings.auth == "basic":
        assert settings.user is not None
        assert settings.password is not None
        return Basic(settings.user.reveal(), settings.password.reveal())
    assert settings.token is not None
    token = settings.token.reveal()
    if settings.auth == "bearer":
        return Bearer(token)
    assert settings.header is not None
    return HeaderKey(token, settings.header)
