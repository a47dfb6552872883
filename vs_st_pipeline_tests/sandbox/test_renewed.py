"""A key that is renewed: the older one is refused in whatever place it is shown, and the new one is its owner's."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from vs_st_pipeline.sandbox.core.asgi import Request
from vs_st_pipeline.sandbox.core.renewed import Renewed


def shown(renewed: Renewed, header: tuple[str, str], body: str = "") -> tuple[str | None, bytes | None, bytes]:
    scope: Any = {"method": "POST", "raw_path": b"/", "query_string": b""}
    request = Request({**scope, "headers": [(header[0].encode(), header[1].encode())]}, 0.0)
    request.body = body.encode()
    renewed.read(request)
    return request.header(header[0].encode()), request.authorization, request.body


def basic(pair: str) -> str:
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


@pytest.mark.parametrize("new", ["key-of-a-2", "quite another"])
def test_a_renewed_key_stands_for_the_first_wherever_it_is(new: str) -> None:
    renewed = Renewed()
    assert shown(renewed, ("apikey", "key-of-a"))[0] == "key-of-a"
    renewed.renew({"key-of-a": new})
    assert shown(renewed, ("apikey", "key-of-a"))[0] == "revoked"
    assert shown(renewed, ("apikey", new))[0] == "key-of-a"
    assert shown(renewed, ("authorization", f"Bearer {new}"))[1] == b"Bearer key-of-a"
    assert shown(renewed, ("authorization", basic(f"user:{new}")))[1] == basic("user:key-of-a").encode()
    assert shown(renewed, ("authorization", basic("user:key-of-a")))[1] == basic("user:revoked").encode()
    assert shown(renewed, ("x", "y"), f'{{"secret": "{new}"}}')[2] == b'{"secret": "key-of-a"}'
    assert shown(renewed, ("x", "y"), "name=Zo\u00eb")[2] == "name=Zo\u00eb".encode()


def test_a_key_is_renewed_more_than_once() -> None:
    renewed = Renewed()
    renewed.renew({"one": "two"})
    renewed.renew({"two": "three"})
    assert [shown(renewed, ("apikey", key))[0] for key in ("three", "one")] == ["one", "revoked"]
    assert shown(renewed, ("apikey", "two"))[0] != "one"
