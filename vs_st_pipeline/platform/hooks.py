"""Describes how a system calls us by webhooks: what its calls mean, what is stored of them, how they are registered.

Also makes the tokens of hook URLs (webhooks-onboarding.md H1, H2): derived from one secret, stored nowhere. And takes
bodies apart, which may hold anything (H11): a connector only says what one JSON object of its own means.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vs_st_pipeline.domain.errors import Refused
from vs_st_pipeline.domain.hints import PING, TEST, WHOLE, Call
from vs_st_pipeline.platform.http.client import NOT_THERE, HttpClient, NoBody

MOST_ELEMENTS: Final = 100  # of an array, that are entries of their own; a whole sync sees the rest
TEST_KEY: Final = "vs-st-test"
PATH: Final = "/hooks/{system}/{token}"


@dataclass(frozen=True, slots=True)
class Registration:
    """One webhook as the system lists it.

    Attributes:
        id: the system's own. url: where it calls.
        names: what it calls for, in the system's words: a subject, or triggers.
        made_at: when it was made, as the system writes it; `""` where it does not say.
        as_wanted: everything else that the system says of it (limits, filters) is as we register it.
    """

    id: str
    names: tuple[str, ...]
    url: str
    made_at: str = ""
    as_wanted: bool = True


class NotEnabled(Exception):
    """The account may not use the interface for webhooks; only the system's own people can change that."""


class Registrar(Protocol):
    """Registers webhooks at one merchant's account; raises as the system's client does.

    A refusal of what is to be made or changed is `Refused`. `make` sends one request, whatever comes of it: who calls
    it lists what is there before a second one.
    """

    @property
    def change(self) -> Callable[[str, Sequence[str], str], None] | None:
        """Return what makes a webhook (its id) one for these names at this URL.

        None where each webhook is for one name, and none can be changed.
        """
        ...

    def names(self, kinds: Collection[str]) -> tuple[str, ...]:
        """Return what is registered for these kinds of records; the one that is likeliest to be refused is the last."""
        ...

    def list(self) -> Sequence[Registration]:
        """Return all webhooks of the account. Raises NotEnabled where it may have none by this interface."""
        ...

    def make(self, names: Sequence[str], url: str, merchant_id: str) -> None: ...

    def remove(self, id: str) -> None:
        """Remove one; one that is gone already is removed."""
        ...


class Teller(Protocol):
    """Tells a system where to call, where its interface can be told that and nothing more: no list, and no removal.

    Raises as the system's client does.
    """

    def places(self) -> Sequence[str]:
        """Return what the URL is to be told for (an organisation, campaigns), by words that name each for good."""
        ...

    def tell(self, place: str, url: str) -> str:
        """Tell it for one place: one request, whatever comes of it. Returns what is worth saying; `""` for nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Hooks:
    """A system's webhooks.

    Attributes:
        read: a body (any bytes; it never raises) -> its calls; an empty body is one `ping`.
        kinds: the kinds of its records that can be hinted at.
        body_limit: bytes. rate, burst: calls a second to one URL in one process, and how many at once before that (H6).
        stores_when_off: its calls are stored whatever is off, because they cannot be asked for again (routes.md R30).
        expires: waiting entries may expire (R31).
        answers_get: `GET` on a right URL answers 200 (R11).
        answers_counts: it gets `200 {"stored": n}`, and 400 with the index of what is not understood, of which nothing
            is stored then (R11: `shop`).
        most_elements: of one array; where there are more, who gets counts gets 413, and for others a `whole` stands.
        registrar: makes what registers its webhooks with a client of the system; None where only its own pages can.
        teller: makes what tells it our URL with a client, where that is all that can be done; the token before the
            present one is taken until a call has come by the present one (R36).
        by_hand: what a person does where the API cannot, a sentence.
        account: returns how the merchant's account is named in calls, from the system's settings: a call that names
            another one is no hint. None: calls name none.
        has_url: says, from the system's settings, whether the merchant has a URL of its own there: calls about accounts
            that several merchants share come by those accounts' URLs (R9). None: each has.
        shows: returns what `vs-st inbox show` may show of what is kept of a call; None: all of it.
    """

    read: Callable[[bytes], Sequence[Call]]
    kinds: frozenset[str]
    body_limit: int = 65_536
    rate: float = 50.0
    burst: int = 500
    stores_when_off: bool = False
    expires: bool = True
    answers_get: bool = False
    answers_counts: bool = False
    most_elements: int = MOST_ELEMENTS
    registrar: Callable[[Any], Registrar] | None = None
    teller: Callable[[Any], Teller] | None = None
    by_hand: str = ""
    account: Callable[[Any], str] | None = None
    has_url: Callable[[Any], bool] | None = None
    shows: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None

    def gives_url(self, settings: Any) -> bool:
        """Say whether a merchant with these settings of the system has a URL of its own."""
        return self.has_url is None or self.has_url(settings)


def remove_registration(http: HttpClient, path: str) -> None:
    """Remove a webhook by `DELETE`; one that is gone already is removed. Raises as the client does."""
    try:
        http.request("remove_webhook", "DELETE", path, shape=NoBody)
    except Refused as error:
        if error.http_status not in NOT_THERE:
            raise


def make_token(secret: str, system: str, merchant_id: str, generation: int) -> str:
    """Return the token of a hook URL: 43 characters, the same for ever for the same secret and generation (H1).

    Args:
        secret: 32 characters or more; outer blanks do not count.
    """
    message = f"vs-st hook v1|{system}|{merchant_id}|{generation}"
    digest = hmac.digest(secret.strip().encode("ascii"), message.encode("ascii"), "sha256")
    return urlsafe_b64encode(digest).decode("ascii").rstrip("=")


def token_hash(token: str) -> str:
    """Return what a token is looked up by: the SHA-256 of it, in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def masked(token: str) -> str:
    """Return how a token is shown: `...(ab12)`, the first four hex digits of its SHA-256 (H2)."""
    return f"...({token_hash(token)[:4]})"


def hook_url(public_url: str, system: str, token: str) -> str:
    """Return the whole URL that a system calls."""
    return public_url + PATH.format(system=system, token=token)


# --- bodies -----------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[A-Za-z0-9_.:/ -]{1,64}")
_LONGEST = 200


def calls_in(
    body: bytes, understand: Callable[[Mapping[str, Any]], Call | None], most: int = MOST_ELEMENTS
) -> list[Call]:
    """Return the calls of a body, whatever its bytes are; never raises.

    An empty body is a `ping`, and so is an empty array or `null`. Of an array each element is a call, so many at most;
    where there are more, a `whole` stands for the rest. What is not understood is a `whole`, with nothing kept of it
    but the body's size and hash.

    Args:
        understand: returns what an object of the system's means; None where it does not understand it.
    """
    if not body.strip():
        return [Call(PING)]
    unknown = Call(WHOLE, kept={"size": len(body), "sha256": hashlib.sha256(body).hexdigest()})
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):  # no JSON, no UTF-8, a number of thousands of digits, thousands of brackets
        return [unknown]
    if found is None or found == []:
        return [Call(PING)]
    elements = found if isinstance(found, list) else [found]
    calls = [_call(one, understand) or unknown for one in elements[:most]]
    return [*calls, unknown] if len(elements) > most else calls


def _call(element: Any, understand: Callable[[Mapping[str, Any]], Call | None]) -> Call | None:
    if not isinstance(element, dict):
        return None
    if element.keys() == {TEST_KEY}:  # ours: `vs-st webhooks test`
        nonce = word_of(element[TEST_KEY])
        return None if nonce is None else Call(TEST, kept={TEST_KEY: nonce})
    return understand(element)


def text_of(value: Any, longest: int = _LONGEST) -> str | None:
    """Return a text, or a whole number's text, of 1 to so many printable characters; None where it is none.

    Lone surrogates, NUL and line breaks are not printable, so what is returned can be stored and shown.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**longest:
        value = str(value)
    return value if isinstance(value, str) and 0 < len(value) <= longest and value.isprintable() else None


def word_of(value: Any) -> str | None:
    """Return a system's own word, such as the name of an event; None where it may be something that a person wrote."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None
