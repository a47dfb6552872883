"""One webhook of Vinoshipper is a hint for each route that wants it, and only what they want is registered (R55)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline import routes
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.hints import CUSTOMER, MEMBERSHIP, ORDER, WHOLE
from vs_st_pipeline.operations.receiver.table import Maker
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.webhooks.wanted import wanted_kinds
from vs_st_pipeline.platform.hooks import make_token

SECRET = "s" * 40
KEYS = dict.fromkeys(("VS_KEY", "VS_SECRET", "ST_TOKEN", "C7_ID", "C7_SECRET"), "x")
ENTRY: dict[str, Any] = {
    "id": "hill",
    "name": "Hill",
    "vinoshipper": {"api_key": "env:VS_KEY", "api_secret": "env:VS_SECRET"},
    "simpletexting": {"api_token": "env:ST_TOKEN"},
    "commerce7": {"tenant": "hill", "app_id": "env:C7_ID", "app_secret": "env:C7_SECRET"},
    "orders": {"start": "2026-11-01", "states": ["CA"]},
    "webhooks": {"enabled": True},
}


@pytest.mark.parametrize(
    ("paused", "order", "customer"),
    [
        ([], ("contacts", "orders"), ("contacts",)),
        (["contacts"], ("orders",), ()),
        (["orders"], ("contacts",), ("contacts",)),
    ],
)
def test_a_call_is_stored_for_each_route_that_wants_its_kind(
    tmp_path: Path, paused: list[str], order: tuple[str, ...], customer: tuple[str, ...]
) -> None:
    path = tmp_path / "merchants.yaml"
    path.write_text(yaml.safe_dump({"merchants": [{**ENTRY, "paused": paused}]}), encoding="utf-8")
    found = read_merchants(path, KEYS)
    table = Maker(CONNECTORS, routes.ROUTES, [SECRET], KEYS).make(found, None)
    hook = table.find(b"vinoshipper", make_token(SECRET, "vinoshipper", "hill", 1).encode(), 0.0)
    assert hook is not None
    assert hook.routes_of(ORDER) == (order, True)
    assert hook.routes_of(CUSTOMER)[1] is bool(customer)
    assert hook.routes_of(CUSTOMER)[0] == (customer or order)  # so that it shows
    merchant = found.get("hill")
    assert merchant is not None
    assert wanted_kinds(merchant, "vinoshipper") - {WHOLE} == {ORDER, *({CUSTOMER, MEMBERSHIP} if customer else ())}
