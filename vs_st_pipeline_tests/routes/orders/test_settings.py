"""Section 2 of orders.md: what stands under `orders`, what is refused with file and line, and what no two may share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.platform.settings.merchants import House, MerchantsFile, RouteNeeds, Section, read_merchants
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.routes.orders.settings import USUAL_RATES, OrdersSettings, RateRow, Refresh
from vs_st_pipeline.routes.orders.us import STATES

LOS_ANGELES = ZoneInfo("America/Los_Angeles")


class Other(SettingsModel):
    """Another system, so that a merchant may have another route."""


HOUSE = House(
    (
        Section("commerce7", Commerce7Settings),
        Section("vinoshipper", VinoshipperSettings),
        Section("simpletexting", Other),
        Section("orders", OrdersSettings),
    ),
    (
        RouteNeeds("contacts", (frozenset({"vinoshipper"}), frozenset({"simpletexting"}))),
        RouteNeeds("orders", (frozenset({"commerce7"}), frozenset({"vinoshipper"}), frozenset({"orders"}))),
    ),
)
KEYS = {"C7": "c7-secret", "KEY": "vs-key", "SECRET": "vs-secret", "SAME": "vs-key", "OTHER": "vs-other"}
USUAL = ("start: 2026-12-01", "states: [CA]")

Read = Callable[..., MerchantsFile]


def entry(
    id: str, *orders: str, tenant: str = "hillside", key: str = "KEY", more: str = "", url: str = "https://vs.example"
) -> str:
    """Return an entry; its section `orders` begins at its line 7."""
    lines = [
        f"  - id: {id}",
        f"    commerce7: {{tenant: {tenant}, app_id: app, app_secret: 'env:C7'}}",
        f"    vinoshipper: {{base_url: '{url}', api_key: 'env:{key}', api_secret: 'env:SECRET'}}",
        "    simpletexting: {}",
        f"    {more or 'name: A winery'}",
        "    orders:",
        *(f"      {line}" for line in orders),
    ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_entries(*entries: str, environ: dict[str, str] | None = None, **how: Any) -> MerchantsFile:
        path = tmp_path / "merchants.yaml"
        path.write_text("merchants:\n" + "".join(entries))
        return read_merchants(path, KEYS if environ is None else environ, HOUSE, all_bad=True, **how)

    return read_entries


def settings(file: MerchantsFile) -> OrdersSettings:
    (merchant,) = file.merchants
    assert (file.bad, dict(merchant.faults)) == ((), {})
    assert merchant.routes == ("contacts", "orders")
    return merchant.section(OrdersSettings)


def fault(file: MerchantsFile, number: int = 0) -> str:
    """Return why route orders of a merchant fails; its other route goes on."""
    merchant = file.merchants[number]
    assert merchant.routes == ("contacts",)
    assert merchant.faults["orders"].kind == "config"
    return merchant.faults["orders"].message


def test_o2_the_values_shown_are_the_defaults(read: Read) -> None:
    found = settings(read(entry("hillside", *USUAL)))
    assert dict(found) == {
        "mode": "live", "start": date(2026, 12, 1), "states": frozenset({"CA"}), "number_prefix": None,
        "also_look_for": "none", "rates": USUAL_RATES, "paid_key": "both", "vinoshipper_mails": False,
        "bundles": "as_sku", "zip_state": "hold", "on_refund": "alarm", "restore_inventory": True, "messages": "all",
        "not_later_than": timedelta(days=14), "settle_wait": timedelta(minutes=10),
        "tracking_wait": timedelta(hours=6), "send_at_most": 300, "refresh": Refresh(),
    }  # fmt: skip
    assert dict(found.refresh) == {
        "shipped": timedelta(minutes=15), "open": timedelta(hours=1), "settled": timedelta(days=7),
        "products": timedelta(hours=24), "reconcile": timedelta(hours=24),
    }  # fmt: skip
    assert found.prefix("hillside") == "HILLSIDE"
    assert [(one.carrier, one.code, one.rate_carrier, one.rate_code) for one in USUAL_RATES] == [
        ("UPS", code, "UPS", code) for code in ("01", "02", "03", "12")
    ]


def test_o2_every_key_is_read(read: Read) -> None:
    found = settings(
        read(
            entry(
                "hillside", "mode: shadow", "start: 2026-12-01T09:30:00-05:00", "states: [ca, Ny, TX, dc]",
                "number_prefix: A-1", "also_look_for: plain", "paid_key: isPaid", "vinoshipper_mails: true",
                "bundles: as_items", "zip_state: note", "on_refund: void", "restore_inventory: false", "messages: off",
                "not_later_than: 1d", "settle_wait: 1m", "tracking_wait: 0s", "send_at_most: 5",
                "refresh: {shipped: 0s, open: 1m, settled: 1d, products: 2h, reconcile: 3h}",
                "rates: [{carrier: FedEx, code: 03, rate_carrier: FEDEX, rate_code: '92'}]",
            )
        )
    )  # fmt: skip
    assert (found.mode, found.messages, found.number_prefix) == ("shadow", "off", "A-1")
    assert found.states == {"CA", "NY", "TX", "DC"}
    assert found.start_at(LOS_ANGELES) == datetime(2026, 12, 1, 14, 30)
    assert found.rates == (RateRow(carrier="FedEx", code="03", rate_carrier="FEDEX", rate_code="92"),)
    assert found.rates[0].key == ("fedex", "03")
    assert (found.tracking_wait, found.refresh.shipped) == (timedelta(0), timedelta(0))


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-12-01", datetime(2026, 12, 1, 8)),  # midnight in Los Angeles
        ("'2026-07-01'", datetime(2026, 7, 1, 7)),
        ("2026-12-01T00:00:00Z", datetime(2026, 12, 1)),
        ("2026-12-01 06:00", datetime(2026, 12, 1, 14)),
        ("2031-01-01", datetime(2031, 1, 1, 8)),  # it may lie ahead
    ],
)
def test_o2_start_is_a_date_at_midnight_in_the_merchants_zone_or_a_time(
    read: Read, written: str, moment: datetime
) -> None:
    assert settings(read(entry("hillside", f"start: {written}", "states: [CA]"))).start_at(LOS_ANGELES) == moment


def test_o2_states_take_the_fifty_states_and_dc(read: Read) -> None:
    found = settings(read(entry("hillside", "start: 2026-12-01", f"states: [{', '.join(sorted(STATES))}]")))
    assert found.states == STATES


def test_o2_no_states_send_nothing_and_check_says_so(read: Read) -> None:
    file = read(entry("hillside", "start: 2026-12-01", "states: []"))
    assert settings(file).states == frozenset()
    assert file.merchants[0].doubts == ("orders.states is empty: no order is sent",)
    assert read(entry("hillside", *USUAL)).merchants[0].doubts == ()


def test_o2_what_may_be_a_secret_among_the_states_is_not_shown(read: Read) -> None:
    message = fault(read(entry("hillside", "start: 2026-12-01", "states: [k3y-0f-s0m3th1ng]")))
    assert message.endswith("DC, such as CA")


def test_o2_no_rates_send_nothing(read: Read) -> None:
    assert read(entry("hillside", *USUAL, "rates: []")).merchants[0].doubts == (
        "orders.rates is empty: no order is sent",
    )


def test_o2_mode_off_switches_the_route_off(read: Read) -> None:
    (merchant,) = read(entry("hillside", *USUAL, "mode: off")).merchants
    assert merchant.routes == ("contacts",)
    assert (merchant.off["orders"].state, merchant.off["orders"].says) == ("off", "orders.mode is off")
    assert merchant.section(OrdersSettings).mode == "off"
    for mode in ("live", "shadow"):
        assert settings(read(entry("hillside", *USUAL, f"mode: {mode}"))).off_because(date(2026, 12, 1)) is None


@pytest.mark.parametrize(
    ("lines", "at", "said"),
    [
        (("states: [CA]",), 7, "start is missing; write a date such as 2026-12-01"),
        (("start: 2026-12-01",), 7, "states is missing; write a list of codes such as [CA, NY]"),
        ((*USUAL, "numbr_prefix: A"), 10, "number_prefix"),
        ((*USUAL, "refresh: {opne: 1h}"), 10, "open"),
        (("start: soon", "states: [CA]"), 8, "start: expected a date such as 2026-12-01"),
        (("start: 2026-02-30", "states: [CA]"), 8, "start: expected a date"),
        (("start: 2026-12-01T25:00", "states: [CA]"), 8, "start: expected a date"),
        (("start: 1900-01-01", "states: [CA]"), 8, "between the years 1970 and 2200"),
        (("start: 9999-12-31T23:59:59Z", "states: [CA]"), 8, "between the years"),
        (("start: ", "states: [CA]"), 8, "start: expected a date"),
        (("start: 2026-12-01", "states: [CA, XX]"), 9, ": states: expected the code of one of the 50 states or DC"),
        (("start: 2026-12-01", "states: [CA, XX]"), 9, "such as CA, not `XX`"),
        (("start: 2026-12-01", "states:", "  - CA", "  - PR"), 11, "states: expected the code"),
        (("start: 2026-12-01", "states: [AE]"), 9, "states: expected the code"),
        (("start: 2026-12-01", "states: [California]"), 9, "such as CA, not `CALIFORNIA`"),
        (("start: 2026-12-01", "states: CA"), 9, "states: expected a list"),
        (("start: 2026-12-01", "states: [[CA]]"), 9, "expected the code"),
        ((*USUAL, "number_prefix: hillside"), 10, "number_prefix: expected 1-30 of A-Z, 0-9 and -"),
        ((*USUAL, f"number_prefix: {'A' * 31}"), 10, "number_prefix: expected 1-30"),
        ((*USUAL, "number_prefix: ''"), 10, "number_prefix: expected 1-30"),
        ((*USUAL, "mode: on"), 10, "mode: expected one of: live, shadow, off"),
        ((*USUAL, "paid_key: PAID"), 10, "paid_key: expected one of: both, paid, isPaid, Paid"),
        ((*USUAL, "send_at_most: 0"), 10, "send_at_most: must be a whole number, 1 or more"),
        ((*USUAL, "settle_wait: 10"), 10, "settle_wait: expected a duration"),
        ((*USUAL, "rates: usual"), 10, "rates: expected default, or a list"),
        ((*USUAL, "rates: [{carrier: UPS, code: 03, rate_carrier: UPS}]"), 10, "rate_code is missing"),
        ((*USUAL, "rates: [{carrier: UPS, code: 03, rate_carrier: UPS, rate_code: 03, price: 1}]"), 10, "price"),
        (
            (
                *USUAL, "rates:", "  - {carrier: UPS, code: 03, rate_carrier: UPS, rate_code: 03}",
                "  - {carrier: ' ups', code: '3', rate_carrier: UPS, rate_code: 01}",
            ),
            12, "carrier and code are those of line 11 already",
        ),
    ],
)  # fmt: skip
def test_o2_what_is_refused_with_file_and_line(read: Read, lines: tuple[str, ...], at: int, said: str) -> None:
    message = fault(read(entry("hillside", *lines)))
    assert message.startswith(f"merchants.yaml, line {at}: "), message
    assert said in message
    assert "hillside" not in message.replace("hillside-cellars", "")


def test_o2_a_long_tenant_needs_a_prefix(read: Read) -> None:
    long = "a" * 31
    message = fault(read(entry("one", *USUAL, tenant=long)))
    assert message.startswith("merchants.yaml, line 7: orders: the tenant is longer than the 30 characters")
    assert settings(read(entry("one", *USUAL, "number_prefix: ONE", tenant=long))).prefix(long) == "ONE"
    assert settings(read(entry("one", *USUAL, tenant="a" * 30))).number_prefix is None


@pytest.mark.parametrize("section", ["commerce7", "vinoshipper"])
def test_o2_orders_without_a_section_names_it(read: Read, section: str) -> None:
    lines = [
        line for line in entry("one", *USUAL).splitlines(True) if f" {section}:" not in line and "simple" not in line
    ]
    (bad,) = read("".join(lines)).bad
    assert bad.error.kind == "config"
    assert f"{section}" in bad.error.message


def test_o2_vinoshipper_without_simpletexting_is_fine(read: Read) -> None:
    text = entry("one", *USUAL).replace("    simpletexting: {}\n", "")
    assert read(text).merchants[0].routes == ("orders",)


# --- what no two may share --------------------------------------------------------------------------------------------


def test_o2_one_tenant_is_one_merchants(read: Read) -> None:
    file = read(entry("one", *USUAL), entry("two", *USUAL, "number_prefix: TWO", key="OTHER"))
    assert file.merchants[0].routes == ("contacts", "orders")
    assert fault(file, 1) == (
        "merchants.yaml, line 11: tenant: this tenant is that of line 3 already; "
        "two enabled merchants may not share one"
    )


def test_o2_one_prefix_in_one_account_is_one_merchants(read: Read) -> None:
    file = read(entry("one", *USUAL), entry("two", *USUAL, "number_prefix: HILLSIDE", tenant="two"))
    assert fault(file, 1).startswith("merchants.yaml, line 18: number_prefix: this prefix of order numbers in one")
    # By default, too, and where two references are to one key.
    file = read(
        entry("one", *USUAL, "number_prefix: TWO"),
        entry("two", *USUAL, tenant="two", key="SAME", url="https://VS.example"),
    )
    assert fault(file, 1).startswith("merchants.yaml, line 16: orders: this prefix of order numbers")
    for value in KEYS.values():
        assert value not in fault(file, 1)


def test_o2_the_same_prefix_in_another_account_is_fine(read: Read) -> None:
    for other in ({"key": "OTHER"}, {"url": "https://sandbox.example"}):
        file = read(entry("one", *USUAL), entry("two", *USUAL, "number_prefix: HILLSIDE", tenant="two", **other))
        assert [one.routes for one in file.merchants] == [("contacts", "orders")] * 2
    file = read(entry("one", *USUAL), entry("two", *USUAL, tenant="two"))
    assert [one.routes for one in file.merchants] == [("contacts", "orders")] * 2


def test_o2_a_merchant_that_is_disabled_shares_with_anybody(read: Read) -> None:
    off = {"more": "enabled: false"}
    for first, second in ((off, {}), ({}, off)):
        file = read(entry("one", *USUAL, **first), entry("two", *USUAL, **second))
        assert [dict(one.faults) for one in file.merchants] == [{}, {}]


def test_o2_sections_of_the_route_without_its_own_say_what_asks_for_it(read: Read) -> None:
    lines = entry("one", *USUAL).splitlines()
    (bad,) = read("\n".join(lines[:3]) + "\n").bad
    said = bad.error.message
    assert said.startswith("merchants.yaml, line 2: orders.start is missing; write a date such as 2026-12-01, or ")
    assert said.endswith(" (the entry's `commerce7` and `vinoshipper` are of route orders, which needs it)")


def test_o2_what_a_broken_entry_has_is_its_own(read: Read) -> None:
    """Else its orders would go to the second merchant until somebody mends it."""
    file = read(entry("one", "start: 2026-12-01"), entry("two", *USUAL))
    assert "states is missing" in fault(file, 0)
    assert "this tenant is that of line 3 already" in fault(file, 1)
    file = read(entry("one", *USUAL, more="time_zone: Nowhere"), entry("two", *USUAL))
    assert [bad.id for bad in file.bad] == ["one"]
    assert "this tenant is that of line 3 already" in file.merchants[0].faults["orders"].message


def test_o2_three_merchants_of_one_tenant(read: Read) -> None:
    file = read(*(entry(id, *USUAL, f"number_prefix: {id.upper()}") for id in ("one", "two", "three")))
    assert [one.routes for one in file.merchants] == [("contacts", "orders"), ("contacts",), ("contacts",)]


def test_o2_a_merchant_without_the_second_route_fails_whole(read: Read) -> None:
    second = entry("two", *USUAL).replace("    simpletexting: {}\n", "")
    file = read(entry("one", *USUAL), second)
    (bad,) = file.bad
    assert (bad.id, bad.error.kind) == ("two", "config")
    assert "this tenant is that of line 3 already" in bad.error.message


def test_o2_secrets_that_are_not_read_are_compared_by_their_names(read: Read) -> None:
    file = read(entry("one", *USUAL), entry("two", *USUAL, "number_prefix: HILLSIDE", tenant="two"), secrets=False)
    assert "this prefix of order numbers" in fault(file, 1)


def test_o2_the_moment_of_start_is_utc_without_zone() -> None:
    found = OrdersSettings(start=datetime(2026, 12, 1, 8, tzinfo=UTC), states=frozenset())
    assert found.start_at(LOS_ANGELES) == datetime(2026, 12, 1, 8)
