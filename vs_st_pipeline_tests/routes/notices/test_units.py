"""Which names mean one unit (rulings, notices 7)."""

from __future__ import annotations

from vs_st_pipeline.connectors.eshopbox.order_record import return_names, shipment_key, shipment_names
from vs_st_pipeline.routes.notices.units import Units


def parcel(units: Units, shipment: str | None, tracking: str | None, *lines: str) -> str:
    return units.of(shipment_key(shipment, tracking, "7"), shipment_names(shipment, tracking, "7", lines))


def test_a_units_first_key_stays_and_later_ids_mean_it() -> None:
    units = Units({})
    assert parcel(units, None, None, "1") == "shipment:eshopbox:7"
    assert parcel(units, None, "T1", "1") == "shipment:eshopbox:7"
    assert parcel(units, "S1", "T1", "1") == "shipment:eshopbox:7"
    assert parcel(units, "S1", None) == "shipment:eshopbox:7"
    assert parcel(units, None, "T1") == "shipment:eshopbox:7"
    again = Units(units.new)
    assert parcel(again, "S1", "T9", "1") == "shipment:eshopbox:7"
    assert again.new == {"tracking:eshopbox:T9": "shipment:eshopbox:7"}


def test_two_ids_of_their_own_are_two_parcels_whatever_else_they_share() -> None:
    units = Units({})
    assert parcel(units, "S1", "T1", "1") == "shipment:eshopbox:S1"
    assert parcel(units, "S2", "T1", "1") == "shipment:eshopbox:S2"
    assert parcel(units, None, "T1", "1") == "shipment:eshopbox:S1"


def a_return(units: Units, shipment: str | None, number: str | None) -> str:
    return units.of(f"return:eshopbox:{shipment or number}", return_names(shipment, number))


def test_a_returns_number_leads_to_it_until_ids_of_their_own_differ() -> None:
    units = Units({})
    assert a_return(units, None, "R1") == "return:eshopbox:R1"
    assert a_return(units, "S1", "R1") == "return:eshopbox:R1"
    assert a_return(units, "S2", "R1") == "return:eshopbox:S2"


def test_the_one_parcel_of_an_order() -> None:
    units = Units({})
    assert units.only("shipment") is None
    parcel(units, "S1", None)
    assert units.only("shipment") == "shipment:eshopbox:S1"
    assert units.only("return") is None
    a_return(units, "S9", None)
    assert units.only("shipment") == "shipment:eshopbox:S1"
    assert units.only("return") == "return:eshopbox:S9"
    parcel(units, "S2", None)
    assert units.only("shipment") is None
