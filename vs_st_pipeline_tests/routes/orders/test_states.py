"""The words of states and the stages of a parcel, written down once more from the contract (orders.md 4.2, 7.1)."""

from __future__ import annotations

from vs_st_pipeline.routes.orders import states


def test_o4_2_each_state_has_its_words_but_those_that_pass() -> None:
    assert {str(state): words for state, words in states.MESSAGES.items()} == {
        "sent": "Sent to Vinoshipper",
        "failed": "Failed to Send",
        "not_required": "Not Required to Send",
        "voided": "Voided in Vinoshipper",
        "waiting": "",
        "sending": "",
    }
    assert set(states.MESSAGES) == set(states.State)


def test_o7_1_stages_by_what_the_shipper_says() -> None:
    assert {word: str(stage) for word, stage in states.STAGE_OF.items()} == {
        "LABELS_GENERATED": "Fulfilled",
        "SHIPPED": "Shipped",
        "DELIVERED": "Delivered",
        "PICKED_UP": "Delivered",
        "RETURNED": "Returned",
    }
    assert [str(stage) for stage in states.Stage] == ["Fulfilled", "Shipped", "Delivered", "Returned"]


def test_o7_1_what_is_known_of_how_an_order_goes_on() -> None:
    """What the shipper's pages list: anything else is kept, and noted."""
    assert {
        *("OPEN", "LABELS_GENERATED", "SHIPPED", "DELIVERED", "PICKED_UP", "RETURNED"),
        *("CANCELLED", "UNPAID", "PROBLEM", "NEW_MEMBER"),
    } == states.KNOWN_ORDER_STATUSES


def test_o4_2_what_failed_by_the_shipper_is_not_judged_again_by_time() -> None:
    assert {str(code) for code in states.BY_SHIPPER} == {
        *("compliance", "age_verification", "payment", "problem", "validation"),
        *("pending_there", "not_reachable", "number_taken"),
    }
