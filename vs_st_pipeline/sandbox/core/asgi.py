"""Reads requests and writes answers on the wire: just enough ASGI to be fast, and JSON that keeps money as written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.types import Receive, Scope, Send

Record = dict[str, Any]

# Decimal on the way in and a bare number on the way out: 128.71 stays 128.71 and 38.00 stays 38.00.
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")

JSON = b"application/json"
PROBLEM = b"application/problem+json;charset=utf-8"
HTML = b"text/html; charset=utf-8"


def loads(text: bytes | str) -> Any:
    """Read JSON into objects, fractions as Decimal."""
    return _decoder.decode(text)


def dumps(value: Any) -> bytes:
    """Write objects as JSON, Decimal as a number."""
    return _encoder.encode(value)


class BadJson(Exception):
    """The body is missing or is not JSON."""


class Request:
    """One request, with its path split before it is decoded, so that %2F inside a part stays inside."""

    __slots__ = ("at", "authorization", "body", "method", "parts", "path", "query", "scope", "seq")

    def __init__(self, scope: Scope, at: float) -> None:
        self.at = at
        self.scope = scope
        self.seq = 0
        self.body = b""
        self.method: str = scope["method"]
        self.path: str = scope["raw_path"].decode("ascii", "replace")
        self.parts = [unquote(part) for part in self.path.strip("/").split("/")]
        raw: bytes = scope["query_string"]
        self.query: dict[str, str] = dict(parse_qsl(raw.decode("ascii", "replace"), True)) if raw else {}
        self.authorization: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                self.authorization = value
                break

    def header(self, name: bytes) -> str | None:
        """Return a header by its name in lower case."""
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == name), None)

    def json(self) -> Any:
        """Return the body as objects."""
        try:
            return loads(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadJson from error

    def json_object(self) -> Record:
        """Return the body, which has to be a JSON object."""
        value = self.json()
        if not isinstance(value, dict):
            raise BadJson
        return value


class Answer:
    """One answer; headers besides content type and length are optional."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: bytes = JSON,
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers or []


def json_answer(value: Any, status: int = 200, content_type: bytes = JSON) -> Answer:
    """Return an answer whose body is the value as JSON."""
    return Answer(status, dumps(value), content_type)


async def read_body(receive: Receive) -> bytes:
    """Return the whole body of a request."""
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def send_answer(send: Send, answer: Answer) -> None:
    """Put an answer on the wire."""
    headers = answer.headers + [(b"content-length", str(len(answer.body)).encode())]
    if answer.body:
        headers.append((b"content-type", answer.content_type))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def merged(old: Any, new: Any) -> Any:
    """Merge objects key by key and replace anything else; null is a value like any other."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return new
