"""A call that names another account than the merchant's is no hint, whatever it is about (rulings, orders 5)."""

from __future__ import annotations

import json
from pathlib import Path

from vs_st_pipeline.connectors.commerce7 import CONNECTOR
from vs_st_pipeline.connectors.commerce7.hooks import HOOKS
from vs_st_pipeline.domain.hints import NOTHING, WHOLE
from vs_st_pipeline.operations.receiver.table import Hook, Maker
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.settings.merchants import House, RouteNeeds, Section, read_merchants
from vs_st_pipeline_tests.support.receiving import HILLSIDE, SECRET, write_settings

SYSTEM = CONNECTOR.name


def hook_of(folder: Path, tenant: str) -> Hook:
    keys = {"tenant": tenant, "app_id": "env:NO_ID", "app_secret": "env:NO_KEY"}
    path = write_settings(folder, [{"id": HILLSIDE, "name": "Hillside", SYSTEM: keys}])
    needs = RouteNeeds("orders", (frozenset({SYSTEM}),), None)
    file = read_merchants(path, {}, House((Section(SYSTEM, CONNECTOR.settings),), (needs,)), secrets=False)
    table = Maker((CONNECTOR,), (), (SECRET,), {}).make(file, None)
    token = make_token(SECRET, SYSTEM, HILLSIDE, 1)
    found = table.find(SYSTEM.encode(), token.encode(), 0.0)
    assert found is not None
    return found


def test_ruling_5_a_call_of_another_tenant_is_no_hint(tmp_path: Path) -> None:
    hook = hook_of(tmp_path, "hillside")
    order = {"object": "Order", "action": "Update", "payload": {"id": "o1"}}
    for body, kind in ((order, "order"), ({**order, "payload": {"callbackUrl": "https://x.example"}}, WHOLE)):
        for tenant, wanted in (("hillside", kind), (None, kind), ("blue-oak", NOTHING)):
            [call] = HOOKS.read(json.dumps({**body, "tenantId": tenant}).encode())
            about_us = hook.about_us(call)
            assert about_us.kind == wanted
            assert about_us.kept == call.kept
            assert (about_us.id is None) == (wanted in (NOTHING, WHOLE))
