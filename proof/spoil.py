"""Answers spoilt by chance, between the socket and the client; the request has been made and has had its effect.

The way stays whole (real sockets, the client's own reading): only what it reads is another body, type or status.
"""

from __future__ import annotations

import codecs
import io
import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from vs_st_pipeline.platform.http.deadline import Adapter
from vs_st_pipeline.sandbox.core.lies import Kind, shop_kind, texting_kind

Mutation = Callable[[random.Random, bytes], bytes]

SWAPPED: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    7,
    1.5,
    "",
    " ",
    "x",
    "0",
    [],
    {},
    [None],
    {"a": None},
    [[]],
    [{}],
)
HUGE: tuple[Any, ...] = (10**30, -(10**30), 2**63, 2**64, 1e308, 10**400, 0.1 + 1e-17)
TEXTS = ("\x00", "\u202e", "\ud800", "\U0001f377" * 50, "a" * 70_000, "1e5", "NaN", "null", "2026-02-31", "0000-00-00",
         "9999-12-31T23:59:60Z", "+14155550199x", "OPT_IN ", "opt_in")  # fmt: skip


def _truncate(chance: random.Random, body: bytes) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def _byte(chance: random.Random, body: bytes) -> bytes:
    at = chance.randrange(len(body) + 1)
    return body[:at] + bytes([chance.randrange(256)]) + body[at + chance.choice((0, 1)) :]


def _encoded(chance: random.Random, body: bytes) -> bytes:
    text = body.decode("utf-8", "replace").replace("a", "\u00e9")
    return text.encode(chance.choice(("utf-16", "latin-1", "utf-32", "utf-7", "cp1252")), "replace")


def _around(chance: random.Random, body: bytes) -> bytes:
    return chance.choice((
        body * 2, b"", b"null", b"[]", b"{}", b"0", b'""', codecs.BOM_UTF8 + body, body + b"\x00", b"[" * 5000,
        b"[" * 200 + body + b"]" * 200, b"[" + body + b"]", b'{"data":' + body + b"}", b"  \n" + body, body + b",",
        b"NaN", b'{"error":{"code":"X"}}', b"<html><body>x</body></html>",
    ))  # fmt: skip


def _tree(chance: random.Random, body: bytes) -> bytes:
    """Change one thing, or a few, in what the body says."""
    try:
        root = [json.loads(body, parse_float=_Exact)]
    except ValueError:
        return body
    for _ in range(chance.choice((1, 1, 1, 3))):
        _change(chance, root)
    return json.dumps(root[0], default=str, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")


class _Exact(float):
    """A number that is written as it was read."""


def _change(chance: random.Random, root: list[Any]) -> None:
    found: list[tuple[Any, Any]] = []
    _walk(root, found)
    parent, key = chance.choice(found)
    kind = chance.randrange(9)
    match kind:
        case 0 | 1:
            parent[key] = chance.choice(SWAPPED)
        case 2:
            parent[key] = chance.choice(HUGE)
        case 3:
            parent[key] = chance.choice(TEXTS)
        case 4 if parent is not root:
            del parent[key]
        case 5 if isinstance(parent, dict):
            parent[chance.choice((f"{key}s", str(key).upper(), "", "x" + str(key)))] = parent.pop(key)
        case 6 if isinstance(parent, list):
            parent.insert(key, parent[key])
        case 7:
            parent[key] = [parent[key]]
        case _:
            parent[key] = str(parent[key]) if isinstance(parent[key], int | float) else {"value": parent[key]}


def _walk(value: Any, found: list[tuple[Any, Any]]) -> None:
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], dict | list):
            _walk(value[key], found)


def _lie(chance: random.Random, body: bytes) -> bytes:
    """Well-formed, 200, and it says nothing."""
    try:
        found = json.loads(body, parse_float=_Exact)
    except ValueError:
        return body
    keys = chance.sample(sorted(found), min(2, len(found))) if isinstance(found, dict) else []
    few = {key: found[key] for key in keys}
    return json.dumps(chance.choice(({}, {"error": "temporarily unavailable"}, few, {"data": None}))).encode()


def _doubled_key(chance: random.Random, body: bytes) -> bytes:
    """A name that stands twice in one object, the second time without a value."""
    marks = [at for at in range(len(body)) if body[at : at + 2] == b'":']
    if not marks:
        return body
    at = chance.choice(marks)
    name = body[body.rfind(b'"', 0, at) : at + 1]
    end = body.rfind(b"}")
    return body[:end] + b"," + name + b":null" + body[end:]


MUTATIONS: dict[str, tuple[int, Mutation]] = {
    "truncated": (2, _truncate),
    "byte": (3, _byte),
    "encoding": (1, _encoded),
    "around": (2, _around),
    "tree": (10, _tree),
    "doubled key": (1, _doubled_key),
    "lie": (3, _lie),
}
STATUSES = (200, 201, 202, 204, 206, 299, 301, 302, 400, 404, 409, 410, 418, 422, 429, 500, 503)


def kind_of(method: str, place: str) -> Kind | None:
    """What an answer to this request is about."""
    parts = [unquote(part) for part in place.strip("/").split("/")]
    if parts[:3] == ["api", "v3", "p"]:
        return shop_kind(method, parts[3:])
    return texting_kind(method, parts[2:]) if parts[:2] == ["v2", "api"] else None


class Between(ABC):
    """Stands between the socket and every client of this process; `done` is what it did, a line for each answer."""

    def __init__(self) -> None:
        self.done: list[list[str]] = []

    def install(self) -> None:
        """From here on, every client of this process."""
        between, build = self, Adapter.build_response

        def spoilt(adapter: Adapter, request: requests.PreparedRequest, response: Any) -> requests.Response:
            return build(adapter, request, between.spoilt(request, response))

        Adapter.build_response = spoilt  # type: ignore[method-assign, assignment]

    @abstractmethod
    def spoilt(self, request: requests.PreparedRequest, response: Any) -> Any:
        """The answer, or another one in its place."""


def body_of(response: Any) -> tuple[bytes, dict[str, str]]:
    """All of an answer, unpacked, and the headers that another body in its place can have."""
    body, headers = response.read(decode_content=True), dict(response.headers)
    response.release_conn()
    for name in list(headers):
        if name.lower() in ("content-length", "content-encoding", "transfer-encoding"):
            del headers[name]
    return body, headers


class Spoiler(Between):
    """Spoils a share of the answers, and tells what it did.

    Args:
        seed: the same seed and the same requests, the same mutations.
        rate: how many of all answers.
        statuses: whether an answer may get another status; then a 404 may tell that a record is not there.
    """

    def __init__(self, seed: int, rate: float, *, statuses: bool = False) -> None:
        super().__init__()
        self.chance = random.Random(seed)
        self.rate = rate
        self.statuses = statuses
        self._before: dict[str, bytes] = {}

    def spoilt(self, request: requests.PreparedRequest, response: Any) -> Any:
        """The answer, or another one in its place."""
        chance = self.chance
        kind = kind_of(request.method or "", urlsplit(request.url or "").path)
        if chance.random() >= self.rate:
            if kind is None or kind.rows is not None or response.status != 200:
                return response
            body, headers = body_of(response)  # kept, to be told in the place of another record
            self._before[kind.name] = body
            return urllib3.HTTPResponse(io.BytesIO(body), headers, response.status, preload_content=False)
        status = response.status
        body, headers = body_of(response)
        name = chance.choices(list(MUTATIONS), [weight for weight, _ in MUTATIONS.values()])[0]
        spoilt = MUTATIONS[name][1](chance, body)
        if kind is not None and kind.name in self._before and chance.random() < 0.2:
            name, spoilt = "another record", self._before[kind.name]
        if chance.random() < 0.03:
            name, headers["Content-Encoding"] = f"{name}, not gzip", "gzip"
        if self.statuses and chance.random() < 0.1:
            status = chance.choice(STATUSES)
        if spoilt != body or status != response.status:
            path = (request.url or "").split("/", 3)[3]
            self.done.append([name, f"{request.method} {path}", str(status), _difference(body, spoilt)])
        return urllib3.HTTPResponse(io.BytesIO(spoilt), headers, status, preload_content=False)


def _difference(before: bytes, after: bytes) -> str:
    """Where two bodies part, and how they go on: enough to see what was done. The sandbox's people are made up."""
    at = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)))
    start = max(0, at - 30)
    return f"{before[start : at + 30]!r} -> {after[start : at + 30]!r}"
