"""Who reads Commerce7 and Vinoshipper for all routes of a merchant: every combination of routes (routes.md R34)."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.contacts.everybody import are_wanted
from vs_st_pipeline.routes.notices.from_vinoshipper import prefix_of
from vs_st_pipeline.routes.notices.other_readers import reader
from vs_st_pipeline.routes.orders.settings import OrdersSettings

OTHERS = ("contacts", "audience", "orders")
BOTH = {"vinoshipper", "commerce7"}


def merchant(*routes: str, source: str | None = None, shops: set[str] = BOTH, prefix: str | None = None) -> Merchant:
    sections: dict[str, Any] = {}
    if "vinoshipper" in shops:
        sections["vinoshipper"] = VinoshipperSettings.model_construct()
    if "commerce7" in shops:
        sections["commerce7"] = Commerce7Settings.model_construct(tenant="hillside")
    if "audience" in routes:
        sections["waymore"] = WaymoreSettings.model_construct(source=source)
    if "orders" in routes:
        sections["orders"] = OrdersSettings.model_construct(number_prefix=prefix)
    return Merchant("one", "One", routes=(*routes, "notices"), sections=sections)


SUBSETS = [chosen for size in range(4) for chosen in combinations(OTHERS, size)]


@pytest.mark.parametrize("routes", SUBSETS)
@pytest.mark.parametrize("source", ["vinoshipper", "commerce7", "shop"])
def test_vinoshipper(routes: tuple[str, ...], source: str) -> None:
    if "contacts" in routes:
        expected = "contacts"
    elif "audience" in routes and source == "vinoshipper":
        expected = "audience"
    else:
        expected = "notices"
    assert reader(merchant(*routes, source=source), "vinoshipper") == expected


@pytest.mark.parametrize("routes", SUBSETS)
@pytest.mark.parametrize("source", ["vinoshipper", "commerce7", "shop"])
def test_commerce7(routes: tuple[str, ...], source: str) -> None:
    if "audience" in routes and source == "commerce7":
        expected = "audience"
    elif "orders" in routes:
        expected = "orders"
    else:
        expected = "notices"
    assert reader(merchant(*routes, source=source), "commerce7") == expected


def test_a_source_that_is_not_named_is_the_one_that_stands() -> None:
    assert reader(merchant("audience", shops={"vinoshipper"}), "vinoshipper") == "audience"
    assert reader(merchant("audience", shops={"commerce7"}), "commerce7") == "audience"


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (merchant(), True),
        (merchant(shops={"commerce7"}), False),
        (Merchant("one", "One", routes=("contacts",), sections=merchant().sections), False),
    ],
)
def test_contacts_reads_everybody_where_notices_tells_of_orders(found: Merchant, wanted: bool) -> None:
    assert are_wanted(found) is wanted


@pytest.mark.parametrize(
    ("found", "prefix"),
    [
        (merchant("orders"), "HILLSIDE"),
        (merchant("orders", prefix="BO"), "BO"),
        (merchant(), "HILLSIDE"),  # whether route `orders` knows it or not (R37)
        (merchant(shops={"vinoshipper"}), None),
    ],
)
def test_what_numbers_of_commerce7s_orders_begin_with(found: Merchant, prefix: str | None) -> None:
    assert prefix_of(found) == prefix
