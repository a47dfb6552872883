"""Calls Salesforce's REST API: logs in by client credentials, and asks where the log-in says.

Data flow: method call -> token -> HTTP request -> JSON that was looked at, or an error named by what to do next.

Facts that shape it: a token has no known end, so a 401 takes one new token, and the second 401 is the answer. The limit
of a day is a 403, and each answer says how much of it is used. Errors are arrays of `errorCode` and `message`; those of
a log-in are objects. A query whose rows do not fit into an answer goes on at `nextRecordsUrl`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from vs_st_pipeline.connectors.salesforce.ids import core
from vs_st_pipeline.connectors.salesforce.names import SALESFORCE
from vs_st_pipeline.connectors.salesforce.settings import SalesforceSettings
from vs_st_pipeline.domain.codec import JSON, safe_token
from vs_st_pipeline.domain.errors import (
    BadAnswer,
    BadKey,
    BadSettings,
    Forbidden,
    NotSent,
    PipelineError,
    Refused,
    TryLater,
)
from vs_st_pipeline.domain.records import is_error
from vs_st_pipeline.platform.http.client import HeaderKey, HttpClient, Pace, Refusal
from vs_st_pipeline.platform.settings.forms import url_fault
from vs_st_pipeline.platform.settings.merchants import Merchant

TOKEN_PATH: Final = "/services/oauth2/token"
LIMIT_EXCEEDED: Final = "REQUEST_LIMIT_EXCEEDED"
TOO_LONG: Final = (414, 431)  # the URI, or the headers with it
_BUSY: Final = {"QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "SERVER_UNAVAILABLE"}
_LATER: Final = {"server_error", "temporarily_unavailable"}
_USAGE: Final = re.compile(r"(?<![-\w])api-usage=(\d+)/(\d+)")

Row = Mapping[str, Any]


class _Token(HeaderKey):
    """Sends the token of the last log-in, and no header before it: the form of a log-in holds the secret."""

    def __init__(self) -> None:
        super().__init__("")

    def replace(self, token: str) -> None:
        """Send this token from now on."""
        super().__init__(f"Bearer {token}")

    def __call__(self, request: Any) -> Any:
        return super().__call__(request) if self._value else request


def codes_in(said: object) -> list[str]:
    """Return the codes of an error's body."""
    rows = said if isinstance(said, list) else []
    return [code for row in rows if isinstance(row, Mapping) and (code := safe_token(row.get("errorCode")))]


def kind_of_refusal(status: int, said: object) -> type[PipelineError] | None:
    """Return what an error means where Salesforce has words of its own for it; None: what it means everywhere."""
    codes = set(codes_in(said))
    if status == 403 and LIMIT_EXCEEDED in codes:
        return NotSent  # turned away before it was looked at
    if codes & _BUSY:
        return TryLater
    if "UNSUPPORTED_API_VERSION" in codes:
        return BadSettings
    return Refused if status in TOO_LONG else None


def _refused(status: int, _headers: Mapping[str, str], said: object) -> type[PipelineError] | None:
    return kind_of_refusal(status, said)


def _log_in_refused(status: int, _headers: Mapping[str, str], said: object) -> type[PipelineError] | None:
    word = said.get("error") if isinstance(said, Mapping) else None
    if status in (400, 401) and isinstance(word, str):
        return TryLater if word in _LATER else BadKey
    return kind_of_refusal(status, said)


class SalesforceClient:
    """Calls the API for one merchant.

    Attributes:
        http: asks where the last log-in said; counts the calls of log-ins too.
        org: id of the org behind the client id, once it has logged in and the answer told; None otherwise.
        tells_usage: an answer said how much of the org's day is used.

    Raises (every method): as `HttpClient.request`; NotSent where the day's share is used up or no log-in came about.
    """

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        self.settings = merchant.section(SalesforceSettings)

        def asks(auth: HeaderKey, refusal: Refusal, on_answer: Callable[[Mapping[str, str]], None]) -> HttpClient:
            return HttpClient(
                system=SALESFORCE,
                base_url=self.settings.login_url,
                auth=auth,
                pace=pace,
                give_up_after=merchant.give_up_after.total_seconds(),
                refusal=refusal,
                on_answer=on_answer,
            )

        self._token = _Token()
        self.http = asks(self._token, _refused, self._note_usage)
        self._door = asks(_Token(), _log_in_refused, lambda _headers: None)
        self._door.calls = self.http.calls
        self._instance = ""
        self.org: str | None = None
        self.tells_usage = False
        self._used_up = False
        self.sleep: Callable[[float], None] = time.sleep

    @property
    def path(self) -> str:
        """Return what the paths of all calls begin with."""
        return f"/services/data/v{self.settings.api_version}"

    # Logging in.

    def log_in(self) -> None:
        """Take a new token.

        Raises:
            BadKey: the credentials are not accepted.
            NotSent: no log-in came about; nothing was asked with it.
            BadAnswer: the answer is no token.
        """
        form = {
            "grant_type": "client_credentials",
            "client_id": self.settings.client_id.reveal(),
            "client_secret": self.settings.client_secret.reveal(),
        }
        failed: PipelineError | None = None
        said: Any = None
        try:
            said = self._door.request("token", "POST", TOKEN_PATH, shape=JSON, form=form).value
        except TryLater as error:
            if type(error) is not TryLater:
                raise
            failed = _alike(NotSent, error.message, error)
        except Refused as error:
            failed = _alike(BadAnswer, "there is no log-in at login_url; is it the org's My Domain?", error)
        finally:
            self._door.close()  # the next log-in is far away
        if failed is not None:
            raise failed
        token, self._instance = _token_in(said)
        self.org = _org_in(said) or self.org
        self._token.replace(token)
        self.http.go_to(self._instance)

    def be_logged_in(self) -> None:
        """Take a token where there is none yet; raises as `log_in`."""
        if not self._instance:
            self.log_in()

    def _note_usage(self, headers: Mapping[str, str]) -> None:
        if found := _USAGE.search(headers.get("Sforce-Limit-Info") or ""):
            used, most = int(found[1]), int(found[2])
            self.tells_usage = True
            self._used_up = used * 100 > most * self.settings.daily_share

    # Asking.

    def ask(self, call: str, method: str, path: str, *, json: object = None, once: bool = False) -> Any:
        """Ask, with one new token where the old one has ended; return the answer's JSON.

        Args:
            path: below the host, percent-encoded.
            once: as in `HttpClient.request`: it changes something. A 401 has changed nothing.
        """
        if self._used_up:
            share = self.settings.daily_share
            sentence = f"more than {share} % of the org's requests of a day are used, which is the daily_share"
            raise NotSent(sentence, system=SALESFORCE, call=call)
        self.be_logged_in()
        for last in (False, True):
            try:
                return self.http.request(call, method, path, shape=JSON, json=json, once=once).value
            except BadKey as error:
                if last or error.http_status != 401:
                    raise
            except Refused as error:
                error.code = next(iter(codes_in(error.said)), error.code)
                raise
            self.log_in()
        raise AssertionError("the last try returns or raises")

    def write(self, call: str, method: str, path: str, *, json: object = None) -> Any:
        """Send a write, once; return the answer's JSON."""
        return self.ask(call, method, self.path + path, json=json, once=True)

    def describe(self, object: str) -> Any:
        """Read `GET /sobjects/{object}/describe`."""
        return self.ask("describe", "GET", f"{self.path}/sobjects/{object}/describe")

    def url_length(self, query: str, *, deleted: bool) -> int:
        """Return how long the whole URL of an encoded query is, in characters."""
        return len(self._instance) + len(self._path_of(query, deleted))

    def _path_of(self, query: str, deleted: bool) -> str:
        return f"{self.path}/{'queryAll' if deleted else 'query'}?q={query}"

    def query(self, call: str, query: str, *, deleted: bool) -> list[Row] | None:
        """Read `GET /query`, or `/queryAll` with deleted rows, to its end; None where the answer says nothing."""
        return self.rows(call, self.ask(call, "GET", self._path_of(query, deleted)))

    def composite(self, call: str, queries: list[tuple[str, bool]]) -> list[tuple[int, Any]]:
        """Read `POST /composite` with queries, each with whether deleted rows are wanted: (status, body) of each.

        Status 0: the answer does not name it.
        """
        asked = [
            {"method": "GET", "url": self._path_of(query, deleted), "referenceId": f"q{number}"}
            for number, (query, deleted) in enumerate(queries)
        ]
        said = self.ask(call, "POST", f"{self.path}/composite", json={"allOrNone": False, "compositeRequest": asked})
        parts = said.get("compositeResponse") if isinstance(said, Mapping) else None
        found: dict[Any, tuple[int, Any]] = {}
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, Mapping) and isinstance(status := part.get("httpStatusCode"), int):
                name = part.get("referenceId")
                found[name] = (0, None) if name in found else (status, part.get("body"))
        return [found.get(one["referenceId"], (0, None)) for one in asked]

    def rows(self, call: str, page: Any) -> list[Row] | None:
        """Return all rows that a query's first page begins; None where an answer says nothing, or not all."""
        total = page.get("totalSize") if isinstance(page, Mapping) else None
        found: list[Row] = []
        while True:
            rows = page.get("records") if isinstance(page, Mapping) and not is_error(page) else None
            if not isinstance(rows, list):
                return None
            found += rows
            if page.get("done") is True:
                return found if _whole(found, total) else None
            further = page.get("nextRecordsUrl")
            if not rows or not isinstance(further, str) or not further.startswith("/services/data/"):
                return None
            page = self.ask(call, "GET", further)


def _whole(rows: list[Row], total: object) -> bool:
    ids = {core(row.get("Id")) for row in rows if isinstance(row, Mapping)}
    return total == len(rows) and len(ids - {None}) == len(rows)


def _token_in(said: object) -> tuple[str, str]:
    """Return token and URL of the instance."""
    if isinstance(said, Mapping):
        token, instance = said.get("access_token"), said.get("instance_url")
        sendable = isinstance(token, str) and token != "" and token.isascii() and token.isprintable()
        if sendable and isinstance(instance, str) and url_fault(instance) is None:
            return str(token), instance.rstrip("/")
    raise BadAnswer("the answer to the log-in is no token", system=SALESFORCE, call="token")


def _org_in(said: Mapping[str, Any]) -> str | None:
    """Return the org's id in `https://login.salesforce.com/id/<org>/<user>`."""
    parts = str(said.get("id") or "").split("/")
    return parts[-2] if len(parts) > 2 and core(parts[-2]) is not None else None


def _alike(kind: type[PipelineError], message: str, error: PipelineError) -> PipelineError:
    return kind(message, system=error.system, call=error.call, http_status=error.http_status, trace_id=error.trace_id)


def raise_for(status: int, body: object, call: str) -> None:
    """Raise what the status of one part of an answer means, unless it is about that part alone (400, 404).

    Raises:
        PipelineError: as for an answer of its own.
    """
    kind = kind_of_refusal(status, body)
    if kind is None or kind is Refused:
        kind = TryLater if status in (408, 429) or status >= 500 else Forbidden if status in (401, 403) else None
    if kind is not None:
        raise kind("a part of the request was refused", system=SALESFORCE, call=call, http_status=status)
