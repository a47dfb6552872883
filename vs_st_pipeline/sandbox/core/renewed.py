"""Puts the key that a stand-in knows in the place of one that it gave out later, and nothing in that of the older one.

Each stand-in looks for its keys where its system does: in one header or another, in a form, in JSON. What is renewed
here holds for all of them, because it is done to a request before they look at it.
"""

from __future__ import annotations

import base64
import binascii

from vs_st_pipeline.sandbox.core.asgi import Request

REVOKED = "revoked"
_BASIC = "Basic "


class Renewed:
    """Keys by the ones that stand for them now."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def renew(self, keys: dict[str, str]) -> None:
        """Let new keys stand for those that are given out now, which are taken no more: {now: new}."""
        for now, new in keys.items():
            self._first[new] = self._first.pop(now, now)

    def read(self, request: Request) -> None:
        """Change a request to what it would be with the keys that the stand-in began with."""
        if not self._first:
            return
        request.scope = {
            **request.scope,
            "headers": [(n, self._header(value)) for n, value in request.scope["headers"]],
        }
        if request.authorization is not None:
            request.authorization = self._header(request.authorization)
        request.body = self._text(request.body.decode("latin-1")).encode("latin-1")

    def _header(self, value: bytes) -> bytes:
        text = value.decode("latin-1")
        if not text.startswith(_BASIC):
            return self._text(text).encode("latin-1")
        try:
            pair = base64.b64decode(text.removeprefix(_BASIC)).decode("latin-1")
        except binascii.Error:
            return value
        return (_BASIC + base64.b64encode(self._text(pair).encode("latin-1")).decode()).encode()

    def _text(self, text: str) -> str:
        for place, new in enumerate(self._first):  # first out of the way: a new key may begin as the older one does
            text = text.replace(new, f"\0{place}\0")
        for first in self._first.values():
            text = text.replace(first, REVOKED)
        for place, first in enumerate(self._first.values()):
            text = text.replace(f"\0{place}\0", first)
        return text
