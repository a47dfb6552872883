"""A key of the answers of one kind is removed, nulled, retyped, or the record swapped: between socket and client."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from proof.spoil import Between, body_of, kind_of
from vs_st_pipeline.sandbox.core.lies import Kind

EACH = "[]"
"""The part of a path that stands for each element of a list."""

VALUES: dict[str, Any] = {"null": None, "number": 7, "text": "x", "list": [], "object": {}, "bool": True}
REMOVE, HOLLOW, ERROR, OTHER = "remove", "hollow", "error", "other"
RETYPED = ("number", "text", "list", "object", "bool")
KEY_OPS = (REMOVE, "null", *RETYPED)
RECORD_OPS = (HOLLOW, ERROR, OTHER, "null", *RETYPED)
_KIND_OF_VALUE = {bool: "bool", int: "number", float: "number", str: "text", list: "list", dict: "object"}


class Mutator(Between):
    """Does one thing to the answers of one kind.

    Args:
        kind: name of a `sandbox.lies.Kind`.
        path: the key, parts by `.`, `[]` for each element; empty for the record itself.
        op: one of KEY_OPS, for the record itself one of RECORD_OPS.
        only: text that the request's path must hold (one record's answers); of lists, the id of the row that is hit.
        count: how many answers are hit; None for all.
        other: the record that stands in the place of the right one.
    """

    def __init__(
        self, kind: str, path: str, op: str, only: str = "", count: int | None = None, other: Any = None
    ) -> None:
        super().__init__()
        self.kind, self.path, self.op, self.only, self.left, self.other = kind, path, op, only, count, other

    def spoilt(self, request: requests.PreparedRequest, response: Any) -> Any:
        """The answer, or another one in its place."""
        place = urlsplit(request.url or "").path
        kind = kind_of(request.method or "", place)
        if kind is None or kind.name != self.kind or self.left == 0 or response.status != 200:
            return response
        if kind.rows is None and self.only and self.only not in unquote(place):
            return response
        body, headers = body_of(response)
        root = [json.loads(body, parse_float=_Exact)]
        hit = self._change(kind, root)
        if hit:
            body = json.dumps(root[0]).encode()
            self.done.append([kind.name, f"{request.method} {place}", self.path, self.op, str(hit)])
            self.left = None if self.left is None else self.left - 1
        return urllib3.HTTPResponse(io.BytesIO(body), headers, response.status, preload_content=False)

    def _change(self, kind: Kind, root: list[Any]) -> int:
        places = list(self._places(kind, root))
        hit = 0
        for holder, key in places:
            if self.op == REMOVE:
                del holder[key]
            elif self.op == OTHER:
                holder[key] = self.other
            elif self.op in (HOLLOW, ERROR):
                holder[key] = {} if self.op == HOLLOW else {"error": "temporarily unavailable"}
            elif _kind_of(holder[key]) != self.op or (self.op == "text" and is_time(key)):
                holder[key] = VALUES[self.op]
            else:
                continue  # another value of the same type may well be so
            hit += 1
        return hit

    def _places(self, kind: Kind, root: list[Any]) -> Iterator[tuple[Any, Any]]:
        found: list[tuple[Any, Any]] = [(root, 0)]
        for part in self.path.split(".") if self.path else ():
            if part == EACH:
                found = [(h[k], i) for h, k in found if isinstance(h[k], list) for i in range(len(h[k]))]
                if self.only and kind.rows is not None and found and isinstance(found[0][0][0], dict):
                    mine = [(h, k) for h, k in found if str(h[k].get(kind.id)) == self.only]
                    found = mine or ([] if kind.id in found[0][0][0] else found)
            else:
                found = [(h[k], part) for h, k in found if isinstance(h[k], dict) and part in h[k]]
        return iter(found)


class _Exact(float):
    """A number that is written as it was read."""


def is_time(key: Any) -> bool:
    """Whether a key holds a time or a date as text, so that not every text will do."""
    return str(key).endswith(("At", "Joined", "Since", "Date")) or key in ("created", "updated", "birthday")


def _kind_of(value: Any) -> str:
    return _KIND_OF_VALUE.get(type(value), "number" if isinstance(value, float) else "null")


def paths_of(bodies: list[Any]) -> list[str]:
    """All keys of some answers, at every depth."""
    found: dict[str, None] = {}
    for body in bodies:
        _walk(body, "", found)
    return list(found)


def _walk(value: Any, path: str, found: dict[str, None]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            one = f"{path}.{key}" if path else key
            found[one] = None
            _walk(inner, one, found)
    elif isinstance(value, list):
        for inner in value:
            one = f"{path}.{EACH}" if path else EACH
            found[one] = None
            _walk(inner, one, found)
