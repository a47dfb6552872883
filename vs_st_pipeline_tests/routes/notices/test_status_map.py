"""The map of statuses: what each of the sources' words means, and how a merchant's own file is refused (3.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.forms import OwnFile
from vs_st_pipeline.routes.notices import status_map

DEFAULT = status_map.read(OwnFile())


@pytest.mark.parametrize(
    ("key", "unit", "rank", "repeats", "ends", "announce"),
    [
        ("created", "order", 10, False, False, True),
        ("packed", "shipment", 20, False, False, True),
        ("on_the_way", "shipment", 30, False, False, True),
        ("failed_delivery", "shipment", 40, True, False, True),
        ("delivered", "shipment", 50, False, True, True),
        ("forward_ended", "shipment", 60, False, True, False),
        ("return_created", "return", 10, False, False, True),
        ("restocked", "return", 50, False, True, True),
        ("return_ended", "return", 60, False, True, False),
    ],
)
def test_each_status(key: str, unit: str, rank: int, repeats: bool, ends: bool, announce: bool) -> None:
    found = DEFAULT.of_key[key]
    assert (found.unit, found.rank, found.repeats, found.ends, found.announce) == (unit, rank, repeats, ends, announce)
    assert (key in DEFAULT.announced) is announce
    assert len(DEFAULT.keys) == 9


SHIPMENT = {
    "created": ["created"],
    "packed": ["packed", "ready_to_ship"],
    "on_the_way": ["dispatched", "picked_up", "intransit", "out_for_delivery", "In Transit", "OUT-FOR-DELIVERY"],
    "failed_delivery": ["failed_delivery", "Failed Delivery"],
    "delivered": ["delivered", "DELIVERED"],
    "forward_ended": [
        *("rto", "rto_created", "rto_intransit", "rto_out_for_delivery", "rto_delivered", "rto_failed"),
        *("rto_contact_customer_care", "cancelled_order", "lost", "damage", "return_expected"),
    ],
}
SILENT = [
    *("out_for_pickup", "pickup_failed", "pickup_pending", "shipment_delayed", "shipment_held", "unhold"),
    *("ndr_resolution_submitted", "parcel_rebooked", ""),
]
RETURN = {
    "return_created": ["created"],
    "restocked": ["complete_restocked"],
    "return_ended": ["complete", "return_cancelled", "lost"],
}
SILENT_RETURN = ["pickup_pending", "picked_up", "intransit", "out_for_delivery", "delivered", "failed_delivery", "rto"]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        *((f"eshopbox.shipment.{word}", key) for key, words in SHIPMENT.items() for word in words),
        *((f"eshopbox.shipment.{word}", None) for word in SILENT),
        *((f"eshopbox.return.{word}", key) for key, words in RETURN.items() for word in words),
        *((f"eshopbox.return.{word}", None) for word in SILENT_RETURN),
        ("vinoshipper.OPEN", "created"),
        ("vinoshipper.LABELS_GENERATED", "packed"),
        ("vinoshipper.SHIPPED", "on_the_way"),
        ("vinoshipper.DELIVERED", "delivered"),
        ("vinoshipper.CANCELLED", "forward_ended"),
        ("vinoshipper.RETURNED", "forward_ended"),
        ("vinoshipper.PICKED_UP", "forward_ended"),
        ("vinoshipper.PENDING", None),
        ("commerce7.Paid", "created"),
        ("commerce7.Fulfilled", "packed"),
        ("commerce7.In Transit", "on_the_way"),
        ("commerce7.Delivered", "delivered"),
        ("commerce7.Cancelled", "forward_ended"),
    ],
)
def test_each_word(name: str, key: str | None) -> None:
    found = DEFAULT.of(name)
    assert (None if found is None else found.key) == key


def test_an_own_file_replaces_the_map(tmp_path: Path) -> None:
    path = tmp_path / "statuses.yaml"
    path.write_text(
        "version: 1\nstatuses:\n  - {key: on_hold, unit: shipment, rank: 35, from: [eshopbox.shipment.shipment_held]}\n"
    )
    found = status_map.read(OwnFile(path))
    assert found.keys == ("on_hold",)
    assert found.of("eshopbox.shipment.packed") is None
    held = found.of("eshopbox.shipment.shipment_held")
    assert held is not None
    assert (held.key, held.announce) == ("on_hold", True)
    assert found.fingerprint != DEFAULT.fingerprint


ROW = "  - {key: one, unit: shipment, rank: 1, from: [eshopbox.shipment.packed]}\n"
HEAD = "version: 1\nstatuses:\n"


@pytest.mark.parametrize(
    ("key", "of_mixed", "of_restocked"),
    [("return_done", "return_done", "return_done"), ("restocked", None, "restocked")],
)
def test_3_5_a_file_that_knows_complete_alone_means_restocked_returns_too(
    key: str, of_mixed: str | None, of_restocked: str
) -> None:
    """A return whose items all are back in stock is complete; a mixed one is never told as restocked (13.14)."""
    row = f"{{key: {key}, unit: return, rank: 50, ends: true, from: [eshopbox.return.complete]}}"
    found = status_map.parse(f"version: 1\nstatuses:\n  - {row}\n", "own.yaml")
    told = [found.of(f"eshopbox.return.{word}") for word in ("complete", "complete_restocked")]
    assert [None if one is None else one.key for one in told] == [of_mixed, of_restocked]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "version is missing"),
        ("version: 2\nstatuses: []\n", 1, "must be 1"),
        ("version: 1\nstatuses: []\n", 2, "no status"),
        (HEAD + "  - {key: one, unit: shipment, rank: 1}\n", 3, "lacks the key from"),
        (HEAD + "  - {key: One, unit: shipment, rank: 1, from: []}\n", 3, "small letters"),
        (HEAD + "  - {key: one, unit: parcel, rank: 1, from: []}\n", 3, "shipment"),
        (HEAD + "  - {key: one, unit: shipment, rank: high, from: []}\n", 3, "rank"),
        (HEAD + "  - {key: one, unit: shipment, rank: 1, form: []}\n", 3, "from"),
        (HEAD + ROW + ROW, 4, "stands twice"),
        (HEAD + ROW + ROW.replace("key: one", "key: two"), 4, "in one already"),
        (HEAD + ROW + ROW.replace("one", "two").replace("packed", "PACKED"), 4, "in one already"),
        (HEAD + ROW + ROW.replace("one", "two").replace("packed", "pack*"), 4, "in one already"),
        (HEAD + ROW.replace("packed", "pack*") + ROW.replace("one", "two"), 4, "in one already"),
        (HEAD + ROW.replace("eshopbox.shipment", "eshopbox"), 3, "expected eshopbox.shipment.WORD"),
        (HEAD + ROW.replace("eshopbox.shipment", "shopify"), 3, "expected eshopbox.shipment.WORD"),
        (HEAD + ROW.replace("eshopbox.shipment", "eshopbox.return"), 3, "a word of a return"),
        (HEAD + ROW.replace("unit: shipment", "unit: return"), 3, "a word of a shipment"),
        (HEAD + ROW.replace("rank: 1", "rank: 1, ends: maybe"), 3, "true or false"),
    ],
)
def test_a_file_that_is_refused_names_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(BadSettings) as caught:
        status_map.parse(text, "own.yaml")
    assert f"own.yaml, line {line}" in caught.value.message
    assert says in caught.value.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"merchants.yaml, line 9: statuses: the statuses .* cannot be read"):
        status_map.read(OwnFile(tmp_path / "none.yaml", "merchants.yaml, line 9: statuses"))
