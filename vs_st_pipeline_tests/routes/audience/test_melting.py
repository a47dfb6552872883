"""What melts into what, written down once more from the contract (audience.md 6.3); `test_delivery` has it done."""

from __future__ import annotations

from vs_st_pipeline.routes.audience import melting


def test_6_3_a_newer_one_takes_the_place_of_the_one_that_waits() -> None:
    assert {str(event) for event in melting._TO_ITSELF} == {
        *("CustomerUpdate", "ProductUpdate", "ProductStockUpdate", "CartUpdate"),
    }


def test_6_3_any_change_melts_into_the_add_that_waits() -> None:
    assert {str(event): str(add) for event, add in melting._TO_ADD.items()} == {
        "CustomerUpdate": "CustomerAdd",
        "ProductUpdate": "ProductAdd",
        "ProductStockUpdate": "ProductAdd",
    }
