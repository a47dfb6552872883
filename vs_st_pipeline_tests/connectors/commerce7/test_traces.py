"""Whose records are found by a phone, an e-mail or an id, for `vs-st forget` (orders.md 10)."""

from __future__ import annotations

from vs_st_pipeline.connectors.commerce7 import reading, traces
from vs_st_pipeline.connectors.commerce7.streams import STORED, STORED_CUSTOMER
from vs_st_pipeline.platform.warehouse.suppression import Identifiers
from vs_st_pipeline_tests.connectors.commerce7.world import World


def found_by(world: World, **given: set[str]) -> Identifiers:
    names, found = Identifiers(**given), Identifiers(**given)  # type: ignore[arg-type]
    with world.run().open() as db:
        traces.find_named(db, names, found)
        for _ in range(3):
            traces.find_person(db, found)
    return found


def test_o10_a_person_is_found_by_phone_and_email_with_all_orders(hillside: World) -> None:
    plain = hillside.plain()
    hillside.passes()
    reading.read_customer(hillside.run(), hillside.client(), plain["customerId"])
    theirs = {
        one["id"]
        for one in hillside.box.control.orders()
        if one["customerId"] == plain["customerId"] and one["id"] in hillside.stored()
    }
    email, phone = plain["customer"]["emails"][0]["email"], plain["customer"]["phones"][0]["phone"][2:]
    for found in (found_by(hillside, emails={email}), found_by(hillside, phones={phone})):
        assert found.of(STORED) == theirs
        assert found.of(STORED_CUSTOMER) == {plain["customerId"]}
        assert email in found.emails
        assert found.phones == {phone}


def test_o10_who_is_only_shipped_to_is_found_by_the_phone(hillside: World) -> None:
    gift = next(one for one in hillside.box.control.cases() if one["why"].startswith("a gift to somebody else"))
    hillside.passes()
    assert found_by(hillside, phones={"2125550143"}).of(STORED) == {gift["order_id"]}
