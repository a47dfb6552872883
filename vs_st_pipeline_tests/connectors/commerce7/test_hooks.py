"""A call names an order, the catalogue, or nothing of ours; nothing of it is believed (orders.md 3; R12, R48)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7.hooks import HOOKS, read
from vs_st_pipeline.connectors.commerce7.registering import Commerce7Registrar
from vs_st_pipeline.connectors.commerce7.streams import ORDER, PRODUCT
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.hints import CUSTOMER, NOTHING, WHOLE, Call
from vs_st_pipeline.platform.hooks import NotEnabled
from vs_st_pipeline.platform.settings.webhooks import SystemWebhooks, WebhookSettings
from vs_st_pipeline_tests.connectors.commerce7.world import World

ID = "71000000-0000-4000-7000-000000000001"
EVENT = {"object": "Order", "action": "Update", "payload": {"id": ID, "orderNumber": 1201}, "tenantId": "hillside"}


def one(body: Any) -> Call:
    [call] = read(json.dumps(body).encode())
    return call


def test_r48_of_a_call_four_parts_are_kept_and_nothing_else() -> None:
    call = one(
        {**EVENT, "payload": {"id": ID, "customer": {"lastName": "Vantongeren"}}, "user": {"email": "a@b.example"}}
    )
    assert (call.kind, call.id, call.event, call.account) == (ORDER, ID, "Update", "hillside")
    assert call.kept == {"object": "Order", "action": "Update", "payload.id": ID, "tenantId": "hillside"}


@pytest.mark.parametrize(
    ("changed", "kind", "id"),
    [
        ({"action": "Something New"}, ORDER, ID),
        ({"action": None}, ORDER, ID),
        ({"object": "order "}, ORDER, ID),
        ({"object": None}, ORDER, ID),
        ({"action": "Delete"}, ORDER, ID),
        ({"payload": {"id": 17}}, ORDER, "17"),
        ({"object": "Product"}, PRODUCT, ID),
        ({"object": "Product", "payload": {}}, PRODUCT, "all"),
        ({"object": "Customer"}, CUSTOMER, ID),
        ({"object": "Cart", "payload": None}, NOTHING, None),
        ({"action": "Bulk Update", "payload": {"callbackUrl": "https://evil.example/"}}, WHOLE, None),
        ({"payload": {"id": "../../x"}}, WHOLE, None),
        ({"payload": {}}, WHOLE, None),
        ({"object": None, "payload": {"callbackUrl": "https://evil.example/"}}, WHOLE, None),
    ],
    ids=str,
)
def test_o3_what_a_call_means(changed: dict[str, Any], kind: str, id: str | None) -> None:
    call = one({**EVENT, **changed})
    assert (call.kind, call.id) == (kind, id)
    assert "callbackUrl" not in call.kept


def test_r11_limits() -> None:
    assert (HOOKS.body_limit, HOOKS.stores_when_off, HOOKS.expires) == (2**20, False, True)
    assert HOOKS.kinds == {ORDER, PRODUCT, CUSTOMER}


def test_ruling_5_order_and_product_are_registered_listed_and_removed(world: World) -> None:
    registrar = Commerce7Registrar(world.client())
    assert registrar.names({ORDER}) == ("Order Create", "Order Update", "Order Bulk Update", "Order Delete")
    assert registrar.names({ORDER, PRODUCT})[4:] == tuple(
        f"Product {action}" for action in ("Create", "Update", "Bulk Update", "Delete")
    )
    assert registrar.list() == []
    url = f"{world.box.url}/hooks/commerce7/token"
    for name in registrar.names({ORDER, PRODUCT}):
        registrar.make([name], url, "hillside")
    found = registrar.list()
    assert [one.names[0] for one in found] == list(registrar.names({ORDER, PRODUCT}))
    assert {one.url for one in found} == {url}
    assert all(one.as_wanted and one.made_at for one in found)
    assert {one["path"] for one in world.asked()} == {"/v1/web-hook"}
    for one in found:
        registrar.remove(one.id)
        registrar.remove(one.id)
    assert registrar.list() == []


def test_ruling_5_calls_prove_themselves_by_basic_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C7_HOOK", "Basic dmluZXlhcmQ6cGFzcw==")  # vineyard:pass
    of_header: dict[str, Any] = {"header": "Authorization", "header_value": "env:C7_HOOK"}
    world.webhooks = WebhookSettings(systems={"commerce7": SystemWebhooks(**of_header)})
    registrar = Commerce7Registrar(world.client())
    registrar.make(["Order Update"], f"{world.box.url}/hooks/commerce7/token", "hillside")
    [hook] = world.box.control.report("webhooks")
    assert (hook["username"], hook["password"]) == ("vineyard", "pass")
    assert [one.as_wanted for one in registrar.list()] == [True]
    world.webhooks = WebhookSettings()
    assert [one.as_wanted for one in Commerce7Registrar(world.client()).list()] == [False]
    for changed in ({"header": "X-Key"}, {"header_value": "env:HOME"}):
        world.webhooks = WebhookSettings(systems={"commerce7": SystemWebhooks(**{**of_header, **changed})})
        with pytest.raises(BadSettings, match="Basic"):
            Commerce7Registrar(world.client()).make(["Order Update"], "https://x.example", "hillside")


def test_h35_who_may_have_no_webhooks_is_told_so(world: World) -> None:
    for fault in ("403", "404"):
        world.box.control.set_fault(fault, count=1)
        with pytest.raises(NotEnabled):
            Commerce7Registrar(world.client()).list()
