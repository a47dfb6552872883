"""The brake: loss trips it, change does not, and below ten contacts a percentage means nothing."""

from __future__ import annotations

import pytest

from vs_st_pipeline.domain.brake import is_loss, judge, refusal
from vs_st_pipeline.domain.plan import Change


def change(old: str, new: str, *, policy: str = "mirror") -> Change:
    return Change("Field", "field", "custom", policy, old, new)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "source", "old", "new", "accepted", "newer", "expected"),
    [
        ("a count falls", "customer.order_count", "7", "6", None, False, True),
        ("a count falls in spite of a newer order", "customer.order_count", "7", "6", "7", True, True),
        ("a count rises", "customer.order_count", "7", "8", None, True, False),
        ("a value falls below what was accepted", "customer.lifetime_value", "10.00", "9.99", "10.00", False, True),
        ("numbers, not texts", "customer.lifetime_value", "9.00", "10.00", "9.00", False, False),
        ("what stands there is no number", "customer.order_count", "many", "3", None, False, False),
        ("an edit there is put back", "customer.order_count", "999", "7", "7", False, False),
        ("another number may fall", "newest_order.total", "90.00", "10.00", None, True, False),
        ("a value is cleared", "customer.city", "Napa", "", "Napa", False, True),
        ("details of an older order go", "newest_order.shipped_at", "01/02/2026", "", "01/02/2026", True, False),
        ("something typed there is cleared", "customer.city", "typed", "", "", False, False),
        ("what comes is no number", "customer.order_count", "7", "many", None, False, False),
        ("what stands there is no finite number", "customer.order_count", "NaN", "3", None, False, False),
        ("a value changes", "customer.city", "Napa", "Sonoma", "Napa", False, False),
    ],
)
def test_loss(case: str, source: str, old: str, new: str, accepted: str | None, newer: bool, expected: bool) -> None:
    assert is_loss(change(old, new), source, accepted, has_newer_order=newer) is expected, case


def test_a_field_that_is_only_filled_loses_nothing() -> None:
    assert not is_loss(change("Napa", "", policy="fill"), "customer.city", "Napa", has_newer_order=False)


def test_what_is_not_known_to_stand_there_is_not_lost() -> None:
    unknown = Change("Field", "field", "custom", "mirror", None, "")
    assert not is_loss(unknown, "customer.city", None, has_newer_order=False)


@pytest.mark.parametrize(
    ("synced", "losing", "last", "these", "refused"),
    [
        (10, 3, {}, {}, False),
        (10, 4, {}, {}, True),
        (9, 9, {"customers": 100}, {"customers": 0}, False),
        (100, 30, {}, {}, False),
        (100, 31, {}, {}, True),
        (10, 0, {"customers": 100}, {"customers": 80}, False),
        (10, 0, {"customers": 100}, {"customers": 79}, True),
        (10, 0, {"customers": 10_000}, {"customers": 7_999}, True),
        (10, 0, {"contacts": 5}, {"contacts": 0}, True),
        (10, 0, {"contacts": 5}, {}, False),
        (0, 0, {}, {"customers": 5}, False),
    ],
)
def test_verdict(synced: int, losing: int, last: dict[str, int], these: dict[str, int], refused: bool) -> None:
    said = refusal(judge(synced, losing, synced, last, these))
    assert (said is not None) is refused
    if said:
        assert "--allow-unsafe" in said


def test_contacts_that_are_long_gone_do_not_dilute_a_loss() -> None:
    assert judge(1000, 299, 1000, {}, {}) == []
    assert [(one.part, one.rule, one.loss) for one in judge(1000, 299, 400, {}, {})] == [("all", "losing", 299)]
