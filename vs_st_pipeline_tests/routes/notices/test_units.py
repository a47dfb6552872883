"""Which names mean one unit (rulings, notices 7)."""

from __future__ import annotations

from vs_st_pipeline.connectors.eshopbox.order_record import shipment_key, shipment_names
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


def test_the_one_parcel_of_an_order() -> None:
    units = Units({})
    assert units.only("shipment") is None
    parcel(units, "S1", None)
    assert units.only("shipment") == "shipment:eshopbox:S1"
    parcel(units, "S2", None)
    assert units.only("shipment") is None
