"""Asks a vendor's HTTP interface and returns a checked answer, or an error named by what to do next.

Data flow: call, path, query, body -> tries within the rate and the time -> `Answer`, or a `PipelineError`.

Requests go through requests' transport adapter without a Session around it. A Session would follow netrc, cookies and
redirects, quote paths again (an order number may hold `%2F`), read the body of a redirect without limit, and cost CPU;
what it knows of the environment (proxies, CA bundle) is asked of it once. Failures travel as values and are raised
outside any `except`, so that no chain carries requests' messages: they hold URLs, and URLs hold phones.

It is long because it tells every way in which a try can fail from the others in one place: which check comes first, and
which failures are tried again, can only be read together; and what counts as the same answer is what is judged here.
"""

from __future__ import annotations

import base64
import http.client
import logging
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import md5
from typing import Any, Final, Generic, Protocol, TypeVar, cast
from urllib.parse import quote, urlencode, urlsplit

import requests
import urllib3
from requests.auth import AuthBase
from tenacity import RetryCallState, Retrying, retry_if_result, wait_exponential_jitter

from vs_st_pipeline.domain.codec import (
    decode,
    encode,
    epoch_seconds,
    plain_code,
    retry_after,
    safe_token,
    try_json,
)
from vs_st_pipeline.domain.errors import (
    BadAnswer,
    BadKey,
    BadSettings,
    Blocked,
    Forbidden,
    Internal,
    KeptBack,
    NotSent,
    PipelineError,
    Refused,
    TryLater,
)
from vs_st_pipeline.platform.cpu_slots import releasing, waiting
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.http import pages, waits
from vs_st_pipeline.platform.http.deadline import Adapter, has_not_left, start_deadline
from vs_st_pipeline.platform.http.tape import Exchange, Key, Tape

T = TypeVar("T")
NoBody: Final = type(None)
"""Shape: any 2xx will do, its body (if any) is not looked at, and `value` is None."""

CONNECT_SECONDS: Final = 5.0
TRY_SECONDS: Final = 30.0
MAX_BODY: Final = 64 * 2**20  # bytes, unpacked
_MAX_ERROR_BODY: Final = 2**18  # enough to see a code or a password field

# urllib3 writes the paths of requests to its log (at DEBUG, and at WARNING where an answer's headers are odd).
logging.getLogger("urllib3").setLevel(logging.CRITICAL)


class Pace(Protocol):
    """The part of a rate limiter that the client needs; callers pass a `RateLimiter`, or one that can be stopped."""

    def wait(self) -> float:
        """Wait until a request may leave; returns the seconds waited."""
        ...


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A 2xx answer.

    Attributes:
        value: the body in the shape asked for.
        status: HTTP status.
        server_time: the `Date` header as epoch seconds (UTC, whole), or None.
        trace_id: the vendor's id of the request, or None.
    """

    value: T = field(repr=False)
    status: int
    server_time: float | None
    trace_id: str | None


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as it came, not judged.

    Attributes:
        cut: the body ended before its end, or is too long.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    cut: bool = False


Refusal = Callable[[int, Mapping[str, str], object], "type[PipelineError] | None"]
"""Status, headers and JSON body of an answer of 400 or more -> the kind of error that it is; None: as usual.

An error named so is not tried again within the request.
"""


class HeaderKey(AuthBase):
    """Sends a secret in a header; its repr shows nothing. Raises BadSettings where it cannot be sent."""

    def __init__(self, value: str, header: str = "Authorization") -> None:
        _require_sendable(value)
        self._value, self._header = value, header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers[self._header] = self._value
        return request

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class NoKey(AuthBase):
    """Adds no header: the credential is in the body, or none is needed."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Basic(HeaderKey):
    """HTTP Basic. Raises BadSettings where user or password cannot be sent."""

    def __init__(self, user: str, password: str) -> None:
        _require_sendable(user.replace(":", "\0"), password)  # a colon would end the user's name early
        super().__init__("Basic " + base64.b64encode(f"{user}:{password}".encode("latin-1")).decode("ascii"))


class Bearer(HeaderKey):
    """A bearer token. Raises BadSettings where it cannot be sent."""

    def __init__(self, token: str) -> None:
        _require_sendable(token)
        super().__init__(f"Bearer {token}")


def _require_sendable(*secrets: str) -> None:
    for secret in secrets:
        if any(ord(c) > 0xFF or not c.isprintable() for c in secret):
            raise BadSettings("The key holds a character that cannot be sent")


@dataclass(slots=True)
class _Request:
    """One request, over all its tries. `spent`: seconds in tries and between them, without waits for permits.

    `heard`: the last answer, or the last failure without one. `left`: tries that have left. `most`: seconds for all of
    them, in place of the client's.
    """

    call: str
    prepared: requests.PreparedRequest = field(repr=False)
    shape: Any
    once: bool = False
    may_leave: Callable[[], bool] | None = None
    most: float | None = None
    spent: float = 0.0
    left: int = 0
    heard: _Heard | _Failed | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Heard:
    """An answer that is not judged yet. `cut`: the body ended before its end."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    cut: bool = False
    too_long: bool = False


@dataclass(frozen=True, slots=True)
class _Failed:
    error: PipelineError
    again: bool = False
    after: float | None = None  # Retry-After, seconds from now


class HttpClient:
    """Calls of one merchant to one system; a few threads may share it.

    Attributes:
        calls: tries so far by call name, retries and those that found no connection included.
        tape: what is asked and heard, where somebody records it; all clients of a run share one.
        guard: asked right before each try leaves, as `may_leave` of a request is; None: nothing keeps them back.
    """

    def __init__(
        self,
        *,
        system: str,
        base_url: str,
        auth: AuthBase,
        pace: Pace,
        give_up_after: float,
        trace_header: str | None = None,
        error_code: Callable[[Mapping[str, Any]], str | None] = plain_code,
        content_type: str = "application/json",
        refusal: Refusal = lambda _status, _headers, _said: None,
        on_answer: Callable[[Mapping[str, str]], None] = lambda _headers: None,
        most_idle: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            system: the connector's name, for errors.
            base_url: every path is appended to it.
            pace: the rate limiter, asked for a permit before every try.
            give_up_after: seconds for all tries of one request, without the waits for `pace`; one try is always made.
            trace_header: the answer's header that names the request, e.g. `x-request-id`.
            error_code: finds the code in a refusal's JSON object.
            content_type: of bodies, which are JSON.
            refusal: says what an answer of 400 or more means, where the system has words of its own for it.
            on_answer: told the headers of each answer, such as how much of a day's limit is used.
            most_idle: seconds after which a connection is not used again, for a system where a request that finds its
                connection broken off cannot be sent twice; None: any that is still there.
            sleep: waits between tries, in seconds; another one in tests.

        Raises:
            BadSettings: `base_url` cannot be used.
        """
        self.calls: Counter[str] = Counter()
        self.tape = Tape()
        self.guard: Callable[[], bool] | None = None
        self._system = system
        self._auth = auth
        self._pace = pace
        self._give_up_after = give_up_after
        self._trace_header = trace_header
        self._error_code = error_code
        self._content_type = content_type
        self._refusal = refusal
        self._on_answer = on_answer
        self._guard = threading.Lock()
        self._adapter = Adapter(pool_connections=2, pool_maxsize=4)
        self._adapter.most_idle = most_idle
        self.go_to(base_url)
        self._backoff = wait_exponential_jitter(multiplier=0.5, max=20, jitter=0.5)
        self._retrying = Retrying(
            retry=retry_if_result(lambda outcome: isinstance(outcome, _Failed) and outcome.again),
            wait=self._wait_seconds,
            stop=lambda state: state.args[0].spent + state.upcoming_sleep >= self._give_up_after,
            before_sleep=_count_sleep,
            sleep=releasing(sleep),
            retry_error_callback=_last_outcome,
        )

    def go_to(self, base_url: str) -> None:
        """Ask another host of the system from now on, such as one that a log-in names.

        Raises:
            BadSettings: `base_url` cannot be used.
        """
        self._base_url = base_url.rstrip("/")
        environment = proxies_and_bundle(self._base_url)
        if environment is None:
            raise BadSettings("base_url cannot be used", system=self._system)
        self._proxies, self._verify = dict(environment[0]), environment[1]

    def request(
        self,
        call: str,
        method: str,
        path: str,
        *,
        shape: type[T],
        params: Mapping[str, str | int | bool] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        once: bool = False,
        may_leave: Callable[[], bool] | None = None,
    ) -> Answer[T]:
        """Ask once, and again while that may help.

        Args:
            call: name of the call, for counts and errors.
            path: percent-encoded already; appended to `base_url` as it is.
            shape: the type that msgspec makes of the body, or `JSON`, or `NoBody`.
            params: query; booleans are sent as `true` and `false`.
            json: body, where not None. form: the same, as a form of a web page is sent.
            headers: further ones, such as an idempotency key.
            once: one try alone, whatever comes: for a write that a second try could make twice.
            may_leave: asked right before each try leaves, when all waits are over; False: it does not.

        Raises:
            KeptBack: `may_leave` said no.
            TryLater: no connection (NotSent, where it was asked once), no answer in time, busy, down, blocked (Blocked,
                where it was asked once), or a web page; after all tries. NotSent too where the run was stopped before
                the first try left.
            BadKey: 401, or a log-in; Forbidden, which is one: 403.
            Refused: any other 4xx.
            BadAnswer: a redirect elsewhere, a body that is too long, cut short, not JSON, or of another shape.
            BadSettings: base_url or the CA bundle cannot be used.
        """
        prepared = self._prepare(call, method, path, params, json)
        if form is not None:
            prepared = self._built(method, str(prepared.url), urlencode(form).encode("ascii"))
            prepared.headers["Content-Type"] = "application/x-www-form-urlencoded"
        prepared.headers.update(headers or {})
        asked = _Request(call, prepared, shape, once, may_leave)
        outcome = self._try(asked) if once else self._retrying(self._try, asked)
        if self.tape.recording:
            self._record(asked, outcome)
        if isinstance(outcome, _Failed):
            raise outcome.error
        return cast("Answer[T]", outcome)

    def post_once(
        self,
        call: str,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        may_leave: Callable[[], bool] | None = None,
        most: float | None = None,
    ) -> Heard:
        """Post these very bytes once, and return the answer as it came, whatever its status: the caller judges it.

        For a system whose answers are told apart by more than their status, and that is reached at several hosts.

        Args:
            url: whole. headers: further ones. may_leave: as of `request`.
            most: seconds for the answer, at most those of a try; None: as all requests of this client.

        Raises:
            KeptBack: `may_leave` said no.
            NotSent: no connection was made, or the run was stopped before it left.
            TryLater: no answer came, or none in time: it may have arrived.
            BadSettings: the URL or the CA bundle cannot be used.
        """
        environment = proxies_and_bundle(url)
        if environment is None:
            raise BadSettings("The URL cannot be used", system=self._system, call=call)
        self._proxies, self._verify = dict(environment[0]), environment[1]
        prepared = self._built("POST", url, body)
        prepared.headers.update(headers or {})
        heard = self._ask(_Request(call, prepared, NoBody, True, may_leave, most))
        if self.tape.recording:
            self.tape.asks_otherwise("something was posted")
        if isinstance(heard, _Failed):
            raise heard.error
        self._on_answer(heard.headers)
        return Heard(heard.status, heard.headers, heard.body, heard.cut or heard.too_long)

    def ask_again(self, known: Exchange) -> bool:
        """Ask a recorded question again, and say whether the answer is the same as it was.

        The answer, or what came in its place, is kept for the `request` that asks for it next. An answer whose own
        clock is behind the recorded one's is not the same: what is compared with that clock might come out otherwise.

        Raises:
            TryLater: the run was stopped while it waited for a permit.
        """
        self.tape.take(known.key)  # this asks anew
        prepared = self._built(known.method, self._base_url + known.path, known.body)
        asked = _Request(known.call, prepared, NoBody)
        outcome = self._retrying(self._try, asked)
        if isinstance(outcome, _Failed) and not isinstance(outcome.error, Refused):
            self.tape.keep_ready(known.key, replace(outcome, again=False))  # all its time was given to it already
        else:
            self.tape.keep_ready(known.key, asked.heard)
        found = self._exchange_of(asked, outcome)
        if found is None or found.digest != known.digest or (isinstance(asked.heard, _Heard) and asked.heard.cut):
            return False
        return known.server_time is None or (found.server_time or 0.0) >= known.server_time - _CLOCK_STEP

    def _record(self, asked: _Request, outcome: Answer[Any] | _Failed) -> None:
        found = self._exchange_of(asked, outcome)
        if found is None:
            self.tape.asks_otherwise("a request failed")
        else:
            self.tape.record(found)

    def _exchange_of(self, asked: _Request, outcome: Answer[Any] | _Failed) -> Exchange | None:
        """Return what is remembered of an answer, a refusal included; None where nothing was said."""
        if isinstance(outcome, _Failed):
            if not isinstance(outcome.error, Refused):
                return None
            told = f"{outcome.error.http_status} {outcome.error.code}".encode()
            server_time = None
        else:
            told = asked.heard.body if isinstance(asked.heard, _Heard) else b""
            server_time = outcome.server_time
        return Exchange(*self._key(asked.prepared, call=asked.call), digest_of(told), server_time)

    def _key(self, prepared: requests.PreparedRequest, *, call: str) -> tuple[str, str, str, str, bytes | None]:
        body = prepared.body
        path = str(prepared.url)[len(self._base_url) :]
        return self._system, call, str(prepared.method), path, body if isinstance(body, bytes) else None

    def _key_of(self, prepared: requests.PreparedRequest) -> Key:
        system, _, method, path, body = self._key(prepared, call="")
        return system, method, path, body

    def close(self) -> None:
        """Close idle connections."""
        self._adapter.close()

    def _prepare(
        self, call: str, method: str, path: str, params: Mapping[str, str | int | bool] | None, json: object
    ) -> requests.PreparedRequest:
        url = self._base_url + path
        if params:
            pairs = {k: str(v).lower() if isinstance(v, bool) else v for k, v in params.items()}
            url += ("&" if "?" in path else "?") + urlencode(pairs, quote_via=quote)
        body = encode(json) if json is not None else None
        if json is not None and body is None:
            raise Internal("The request holds text that cannot be sent", system=self._system, call=call)
        return self._built(method, url, body)

    def _built(self, method: str, url: str, body: bytes | None) -> requests.PreparedRequest:
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url = method, url
        prepared.headers = requests.structures.CaseInsensitiveDict(_HEADERS)
        if body is not None:
            prepared.body = body
            prepared.headers["Content-Type"] = self._content_type
            prepared.headers["Content-Length"] = str(len(body))
        return self._auth(prepared)

    def _wait_seconds(self, state: RetryCallState) -> float:
        after: float | None = _last_outcome(state).after
        return after if after is not None and after > 0 else self._backoff(state)

    def _try(self, ask: _Request) -> Answer[Any] | _Failed:
        ready = None if ask.once else self.tape.take(self._key_of(ask.prepared))
        if ready is None:
            ready = self._ask(ask)
        ask.heard = ready
        return self._judge(ask, ready) if isinstance(ready, _Heard) else ready

    def _ask(self, ask: _Request) -> _Heard | _Failed:
        with (
            waiting()
        ):  # one wait for both: a permit kept until a CPU slot is free would be used together with many others
            self._take_permit(ask)
            if not all(may_leave() for may_leave in (ask.may_leave, self.guard) if may_leave is not None):
                return _Failed(self._kept_back(ask))
            ask.left += 1
            with self._guard:
                self.calls[ask.call] += 1
            began = time.monotonic()
            left = (self._give_up_after if ask.most is None else ask.most) - ask.spent
            failpoint("request")
            heard = self._exchange(ask.prepared, min(left, TRY_SECONDS) if left > 0 else TRY_SECONDS)
            failpoint("answer")
            ask.spent += time.monotonic() - began
        if isinstance(heard, _Heard):
            return heard
        kind, sentence = heard
        if kind is NotSent and not ask.once:  # of several tries the last one says little about the others
            kind = TryLater
        return _Failed(kind(sentence, system=self._system, call=ask.call), again=issubclass(kind, TryLater))

    def _take_permit(self, ask: _Request) -> None:
        try:
            self._pace.wait()
            return
        except TryLater as error:
            if ask.left:
                raise
            sentence = error.message
        raise NotSent(sentence, system=self._system, call=ask.call)

    def _kept_back(self, ask: _Request) -> KeptBack:
        error = KeptBack("The write was kept back right before it left", system=self._system, call=ask.call)
        error.tried = ask.left > 0
        return error

    def _exchange(self, prepared: requests.PreparedRequest, seconds: float) -> _Heard | tuple[type[PipelineError], str]:
        """Send, and read the answer to its end; a failure comes as the kind of error and a sentence."""
        start_deadline(seconds)
        timeout: Any = urllib3.Timeout(total=seconds, connect=CONNECT_SECONDS)
        try:
            response = self._adapter.send(prepared, True, timeout, self._verify, None, self._proxies)
        except requests.exceptions.InvalidHeader:
            return TryLater, "The answer's headers contradict each other"
        except requests.exceptions.SSLError:
            return NotSent if has_not_left() else TryLater, "No secure connection could be made"
        except requests.Timeout as error:
            return _never_left(error), "No answer came in time"
        except requests.ConnectionError as error:
            return _never_left(error), _unconnected(error, prepared.url)
        except (requests.RequestException, urllib3.exceptions.LocationParseError):
            return BadSettings, "base_url, or a proxy of the environment, cannot be used"
        except OSError:
            return BadSettings, "The CA bundle that the environment names cannot be used"
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, ValueError):
            return Internal, "The request could not be built"
        try:
            return _read(response)
        finally:
            response.close()

    def _judge(self, ask: _Request, heard: _Heard) -> Answer[Any] | _Failed:
        status, headers, body = heard.status, heard.headers, heard.body
        # An answer that never reached the vendor's own server has Cloudflare's name of it, if any.
        trace_id = safe_token(headers.get(self._trace_header)) if self._trace_header else None
        trace_id = trace_id or safe_token(headers.get("cf-ray"))
        server_time = epoch_seconds(headers.get("Date"))

        def failed(kind: type[PipelineError], sentence: str, **more: Any) -> _Failed:
            error = kind(sentence, system=self._system, call=ask.call, http_status=status, trace_id=trace_id, **more)
            return _Failed(error)

        def again(kind: type[PipelineError], sentence: str) -> _Failed:
            return _Failed(failed(kind, sentence).error, True, retry_after(headers.get("Retry-After"), server_time))

        self._on_answer(headers)
        said = try_json(body) if status >= 400 else None
        if status >= 400 and (kind := self._refusal(status, headers, said)) is not None:
            told = self._error_code(said) if isinstance(said, dict) else None
            more = {"code": told, "server_time": server_time, "said": said} if issubclass(kind, Refused) else {}
            return failed(kind, _SENTENCES.get(kind, "The system refused the request"), **more)
        is_page, is_cloudflare = pages.is_page(headers, body), pages.is_through_cloudflare(headers)
        is_block = is_page and status in _BLOCKS and "cf-ray" in headers and not self._came_through(headers)
        if ask.once and is_block and not pages.asks_for_password(body):
            return failed(Blocked, _BLOCKED)
        if 300 <= status < 400:
            return failed(*_redirected(headers.get("Location")))
        if status in (408, 425, 429) or status >= 500:
            return again(TryLater, "The system is busy or down")
        if status == 401:
            return failed(BadKey, "The system does not accept the key")
        if is_page and pages.asks_for_password(body):
            return failed(BadKey, "The system answered with its log-in page, so it does not accept the key")
        if is_cloudflare and (is_page or pages.is_cloudflares_text(status, body)):
            if ask.once and not is_page:
                return failed(Blocked, _BLOCKED)
            return again(TryLater, _BLOCKED)
        # "Not there" may come in any form; another page in place of data says nothing about the record.
        if is_page and status not in NOT_THERE:
            return again(TryLater, "The system answered with a web page instead of data")
        if status == 403:
            return failed(Forbidden, "The key does not have the right to do this")
        if status >= 400:
            code = self._error_code(said if isinstance(said, dict) else {})
            return failed(Refused, "The system refused the request", code=code, server_time=server_time, said=said)
        if ask.shape is NoBody:
            return Answer(None, status, server_time, trace_id)
        if heard.too_long:
            return failed(BadAnswer, "The answer is longer than 64 MB")
        value, fault = (None, "") if heard.cut else decode(body, ask.shape)
        if fault == "":
            return again(BadAnswer, "The answer is cut short or not JSON")
        if fault is not None:
            return failed(BadAnswer, f"The answer is of another shape than expected: {fault}")
        return Answer(value, status, server_time, trace_id)

    def _came_through(self, headers: Mapping[str, str]) -> bool:
        """Say whether an answer has the vendor's own name of the request: then the vendor itself has answered."""
        return self._trace_header is not None and self._trace_header in headers


def digest_of(body: bytes) -> bytes:
    """Return the digest by which an answer is known again: MD5, as that of a stored body."""
    return md5(body, usedforsecurity=False).digest()


def _never_left(error: requests.RequestException) -> type[TryLater]:
    """Return NotSent where no connection was made, or none to its end: then the request has certainly not left."""
    if has_not_left():
        return NotSent
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    never = isinstance(error, requests.ConnectTimeout) or isinstance(
        reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    )
    return NotSent if never else TryLater


def _unconnected(error: requests.ConnectionError, url: str | None) -> str:
    """Return the sentence for a connection that failed; with where it led to, if it was never made."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    place = _place(url)
    if place is None or not isinstance(reason, urllib3.exceptions.NewConnectionError):  # such as one to a proxy
        return "The connection failed or was broken off"
    return f"No connection to {place} could be made: the system or the network is down, or base_url is wrong"


def _place(url: str | None) -> str | None:
    """Return the host of a URL, and its port where that is named; None where it cannot be said."""
    parts = urlsplit(url or "")
    host = safe_token(parts.hostname)
    return host if host is None or parts.port is None else f"{host}:{parts.port}"


NOT_THERE: Final = (404, 410)
_SENTENCES: Final[Mapping[type[PipelineError], str]] = {
    BadKey: "The system does not accept the key",
    Forbidden: "The key does not have the right to do this",
    TryLater: "The system takes no more requests for now",
    NotSent: "The system takes no more requests for now",
    BadSettings: "The system no longer serves this version of its interface; set a newer one in the settings",
}
_BLOCKS: Final = (403, 429, 503)  # of block pages; any other status behind Cloudflare tells of the system itself
_BLOCKED: Final = "Cloudflare, in front of the system, blocked the request"
_CLOCK_STEP: Final = 60.0  # seconds by which a system's own machines may differ
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "vs-st-pipeline"}


def proxies_and_bundle(base_url: str) -> tuple[dict[str, str], bool | str] | None:
    """Return proxies and CA bundle (True: requests' own) that the environment names for a URL; None if it is none."""
    asked = tuple(sorted((name, value) for name, value in os.environ.items() if _LOOKED_AT.search(name)))
    return _environment_of(base_url, asked)


_LOOKED_AT: Final = re.compile("_proxy$|^(REQUESTS|CURL)_CA_BUNDLE$", re.IGNORECASE)


@lru_cache(maxsize=16)  # a fleet asks for each of its merchants, and it is always the same
def _environment_of(base_url: str, environ: tuple[tuple[str, str], ...]) -> tuple[dict[str, str], bool | str] | None:
    try:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None
        with requests.Session() as session:
            found = session.merge_environment_settings(base_url, {}, True, None, None)
        return dict(found["proxies"]), True if found["verify"] is None else found["verify"]
    except ValueError:
        return None


def _last_outcome(state: RetryCallState) -> Any:
    return state.outcome.result() if state.outcome else None


def _count_sleep(state: RetryCallState) -> None:
    ask: _Request = state.args[0]
    ask.spent += state.upcoming_sleep
    if (place := _place(ask.prepared.url)) is not None:
        waits.tell(place, ask.spent, state.upcoming_sleep)


def _read(response: requests.Response) -> _Heard | tuple[type[PipelineError], str]:
    raw = response.raw
    good = 200 <= raw.status < 300
    limit = MAX_BODY if good else _MAX_ERROR_BODY
    chunks: list[bytes] = []
    size = 0
    cut = False
    try:
        for chunk in raw.stream(2**16, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                break
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        cut = True
        if good and isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError)):
            return TryLater, "The answer did not end in time"
        if good and isinstance(error.__cause__ or error, OSError):
            return TryLater, "The connection was broken off in the middle of an answer"
    return _Heard(raw.status, raw.headers, b"".join(chunks), cut, too_long=size > limit)


def _redirected(location: str | None) -> tuple[type[PipelineError], str]:
    if location and pages.is_login_place(location):
        return BadKey, "The system sent us to a log-in, so it does not accept the key"
    try:
        host = safe_token(urlsplit(location or "").hostname)
    except ValueError:
        host = None
    return BadAnswer, f"The system sent us elsewhere ({host or 'the same host'}); base_url may be wrong"
