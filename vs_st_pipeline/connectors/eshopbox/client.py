"""Calls Eshopbox for one workspace: one method per call that is used (notices.md 3.1, 3.2, 8.4).

An order and the action on it are asked of `base_url`; lists and tracking of the workspace's own host. Both take the
same token; where one is refused, a new one is asked for, and the call is repeated, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.eshopbox.tokens import TOKEN, Tokens
from vs_st_pipeline.domain.codec import JSON
from vs_st_pipeline.domain.errors import BadKey, Forbidden
from vs_st_pipeline.platform.http.client import HeaderKey, HttpClient, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant

T = TypeVar("T")
MOST_TRACKED: Final = 20  # tracking ids of one question


class EshopboxClient:
    """One workspace's client.

    Attributes:
        http: of `base_url`; counts all calls, those of the other host and for a token too.
        settings: of the merchant.
    """

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        self.settings = settings = merchant.section(EshopboxSettings)
        self._give_up_after = seconds = merchant.give_up_after.total_seconds()
        self._tokens = Tokens(settings, pace, seconds)
        auth = _Bearer(self._tokens)
        self.http = HttpClient(system=ESHOPBOX, base_url=settings.base_url, auth=auth, pace=pace, give_up_after=seconds)
        self._workspace = HttpClient(
            system=ESHOPBOX, base_url=settings.workspace_url, auth=auth, pace=pace, give_up_after=seconds
        )
        self._workspace.calls = self._tokens.http.calls = self.http.calls

    def keep_token_in(
        self, folder: Path, clock: Callable[[], datetime], stop: Callable[[], bool] = lambda: False
    ) -> None:
        """Share the token with all processes, by a file of this folder.

        Args:
            clock: returns now, UTC without zone. stop: says whether to wait for a token no longer.
        """
        self._tokens.keep_in(folder, clock, stop)

    def token(self) -> str:
        """Return the present token.

        Raises:
            BadKey: the secrets are not accepted. TryLater: none can be had now. BadAnswer: the answer is none.
        """
        return self._tokens.get()

    def renew(self, *, waits: bool = True) -> bool:
        """Have a new token in place of a refused one; False: it is new already, so the secrets give no right to this.

        Args:
            waits: within `give_up_after`, until the minute is over in which no other token is asked for.

        Raises:
            As `token`.
        """
        return self._tokens.renew(self._give_up_after if waits else 0.0)

    def order(self, number: str) -> Any:
        """Read one order by its `customerOrderNumber`; returns the answer's JSON, whatever it is.

        Raises:
            Refused: 404, and other refusals. PipelineError: as the HTTP client does.
        """
        path = f"/api/order/{_quoted(number)}"
        return self._asking(lambda: self.http.request("order", "GET", path, shape=JSON).value)

    def orders(self, wanted: Mapping[str, str | int | bool]) -> Any:
        """Read a page of the list of orders; returns the answer's JSON, whatever it is. Raises as `order`."""
        ask = self._workspace.request
        return self._asking(lambda: ask("list_orders", "GET", "/api/v1/orders/erp", shape=JSON, params=wanted).value)

    def tracking(self, ids: Sequence[str]) -> Any:
        """Read where parcels are, at most `MOST_TRACKED` at once; returns the answer's JSON. Raises as `order`."""
        path, wanted = "/api/v1/shipping/trackingDetails", {"trackingIds": ",".join(ids)}
        return self._asking(lambda: self._workspace.request("tracking", "GET", path, shape=JSON, params=wanted).value)

    def close(self) -> None:
        """Close idle connections."""
        for one in (self.http, self._workspace, self._tokens.http):
            one.close()

    def _asking(self, ask: Callable[[], T]) -> T:
        """Ask; where the token is refused, once more with a new one."""
        try:
            return ask()
        except BadKey as error:
            if isinstance(error, Forbidden) or error.call == TOKEN or not self.renew():
                raise
        return ask()


class _Bearer(HeaderKey):
    """Sends the present token; its repr shows nothing."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__("")
        self._tokens = tokens

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._tokens.get()}"
        return request


def _quoted(number: str) -> str:
    # Order numbers hold `#`, `/` and blanks; a path of dots alone would be taken apart on its way.
    return quote(number, safe="") if number.strip(".") else number.replace(".", "%2E")
