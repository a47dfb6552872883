"""Contacts in a world where another route writes orders (routes.md R37): orders of ours, voids, and corrections.

An order that came from another shop is an order like any other. A correction, whose total is below 0, is none: every
story comes out as if it were not there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.order_desk import VinoshipperDesk
from vs_st_pipeline.domain.order_desk import Done
from vs_st_pipeline.platform.http.rate_limit import RateLimiter
from vs_st_pipeline_tests.connectors.vinoshipper.desks import order
from vs_st_pipeline_tests.stories.test_trust import ADULT_ID
from vs_st_pipeline_tests.support.story import BRAM, MARISOL, TEST, Record, Story, differences

ORDER_FIELDS = (
    "Order Count",
    "Lifetime Value",
    "Last Order Date",
    "VS Last Order Number",
    "Order Status",
    "Order Total",
)
OURS = "TEST-9001"


def desk_of(story: Story) -> VinoshipperDesk:
    return VinoshipperDesk(VinoshipperClient(story.as_run().merchant, RateLimiter(None, 10_000)))


def ours(story: Story, email: str, number: str = OURS, **changed: Any) -> Record:
    """An order as route `orders` sends it, for somebody whom the winery knows by this address."""
    customer = {"email": email, "firstName": "Marisol", "lastName": "Vantongeren"}
    meta = {"c7_order_id": f"id of {number}", "c7_tenant": "test"}
    return order(("RPN22", 2, "38.00"), orderNumber=number, customer=customer, metaFields=meta, **changed)


def placed(story: Story, body: Record) -> None:
    desk = desk_of(story)
    assert desk.read(body["orderNumber"]) is None
    assert isinstance(desk.create(body), Done)


def voided(story: Story, number: str = OURS) -> None:
    desk = desk_of(story)
    assert desk.read(number) is not None
    assert isinstance(desk.cancel(number, "refunded", restore_inventory=True), Done)


def of_orders(contact: dict[str, str]) -> dict[str, str]:
    return {name: contact.get(name, "") for name in ORDER_FIELDS}


def test_r37_an_order_of_ours_counts_and_its_correction_does_not(story: Story) -> None:
    story.begin_synced()
    before, others = story.contact(MARISOL), story.everybody()
    email = story.shop.customer(ADULT_ID)["email"]

    placed(story, ours(story, email.upper()))  # the same person, whatever the case
    story.synced()
    bought = of_orders(story.contact(MARISOL))
    assert bought["Order Count"] == str(int(before["Order Count"]) + 1)
    assert Decimal(bought["Lifetime Value"]) == Decimal(before["Lifetime Value"]) + Decimal("99.61")
    assert (bought["VS Last Order Number"], bought["Order Total"], bought["Order Status"]) == (OURS, "99.61", "Open")

    # What the law forbids is held there, is paid for by nobody, and is no order yet.
    placed(story, ours(story, story.shop.customer(700103)["email"], "TEST-9002", to={"stateCode": "UT"}))
    story.synced()
    assert of_orders(story.contact(MARISOL)) == bought
    assert of_orders(story.contact(BRAM)) == of_orders(others[BRAM])

    voided(story)
    correction = story.shop.order(f"CR-{OURS}")
    assert correction["total"] < 0
    story.shop.patch_order(f"CR-{OURS}", status="SUCCESS", orderStatus="SHIPPED", shippedAt=correction["purchasedAt"])
    for arguments in ((), ("--full",)):
        story.synced(*arguments)
        after = of_orders(story.contact(MARISOL))
        assert after == {
            **of_orders(before),
            "VS Last Order Number": OURS,  # it was bought last, whatever became of it
            "Order Status": "Cancelled",
            "Order Total": "99.61",
        }
    story.forget()
    story.clear_journals()
    story.synced()
    assert story.writes() == []
    changed = {phone for phone in others if story.everybody()[phone] != others[phone]}
    assert changed == {MARISOL}
    story.clean()


def corrections(story: Story) -> None:
    """For each order of somebody's, a correction that is newer and tempts every field."""
    for place, sold in enumerate(story.shop.orders(TEST)):
        at = (datetime.now(UTC) - timedelta(hours=20 * place)).isoformat(
            timespec="seconds"
        )  # a few a day: no day is cut
        number, owner = sold["orderNumber"], sold["customer"]["id"]
        if number.startswith("CR-") or owner is None or not Decimal(str(sold["total"] or 0)) > 0:
            continue
        fields = {
            "orderNumber": f"CR-{number}",
            "total": str(-Decimal(str(sold["total"]))),
            "status": "SUCCESS",
            "orderStatus": "SHIPPED",
            "purchasedAt": at,
            "shippedAt": at,
            "cartType": "CORRECTION",
            "customer": {**sold["customer"], "customerSince": "2001-01-01"},
        }
        story.shop.add_order(owner, TEST, **fields)


def untouched(_story: Story) -> None:
    """As the world is."""


def journey(story: Story, between: Callable[[Story], None], switches: Record) -> list[dict[str, dict[str, str]]]:
    """A winery's days; before each sync something more may stand there. Returns what all contacts said after each."""
    story.box.reset()
    story.shop.set_switches(switches)
    if story.data.exists():
        story.forget()
    told = []
    email = story.shop.customer(ADULT_ID)["email"]

    def synced(*arguments: str, now: datetime | None = None) -> None:
        between(story)
        story.synced(*arguments, now=now)
        told.append(story.everybody())

    synced()
    placed(story, ours(story, email))
    story.shop.patch_customer(700103, firstName="Bramwell", shippingAddress={"city": "Occidental"})
    synced()
    story.shop.advance(OURS, packages=2)
    story.shop.advance(OURS)
    story.shop.add_order(700110, TEST, orderNumber="90000000777", total="10.00")
    synced()
    placed(story, ours(story, email, "TEST-9003"))
    voided(story, "TEST-9003")
    story.shop.patch_order("90000000777", TEST, orderStatus="CANCELLED")
    story.shop.delete_order("90000000010")
    synced("--full")
    synced(now=datetime.now(UTC) + timedelta(days=2))
    story.forget()
    synced()
    story.clean()
    return told


@pytest.mark.slow
@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"dup_rows": True, "page_cap": 5},
        {"paging": "none", "page_cap": 5},
        {"date_filter": "ignored"},
        {"total_key": "total", "paging": "offset", "inclusive_end": False},
    ],
    ids=str,
)
def test_r37_every_story_comes_out_as_if_no_correction_were_there(story: Story, switches: Record) -> None:
    plain = journey(story, untouched, switches)
    haunted = journey(story, corrections, switches)
    assert len(plain) == len(haunted)
    for place, (one, other) in enumerate(zip(plain, haunted, strict=True)):
        assert differences(one, other) == {}, place
    assert plain[0] != plain[-1]
