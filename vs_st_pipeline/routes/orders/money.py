"""Reads amounts and quantities of a shop's order exactly: whole cents become dollars, whole numbers become counts.

Data flow: a JSON number as it came -> cents or a count, or None where it is none -> dollars with two places.

No float ever holds money. A number in a text is no amount: a shop that begins to write texts has changed its form, and
nobody knows what else has changed with it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

_LARGEST: Final = 10**9  # cents, or pieces: no order has more, and what is multiplied and added up stays exact
_HUNDRED: Final = Decimal(100)
_TWO_PLACES: Final = Decimal("0.01")


def whole(value: Any) -> int | None:
    """Return a whole number: `2`, `2.0`, and below zero too; None for a fraction and for anything that is no number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):  # only from a decoder that was set up without Decimal
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        if not value.is_finite() or value.adjusted() > 9 or value != value.to_integral_value():
            return None
        value = int(value)
    return value if isinstance(value, int) and abs(value) < _LARGEST else None


def cents(value: Any) -> int | None:
    """Return an amount in whole cents, 0 where none is given (null); None where it is no amount."""
    return 0 if value is None else whole(value)


def dollars(amount: int) -> Decimal:
    """Return cents as dollars with exactly two places, as they are written in JSON: `42.00`."""
    return (Decimal(amount) / _HUNDRED).quantize(_TWO_PLACES)


def is_below_zero(value: Any) -> bool:
    """Say whether something is a number below zero, with a fraction or not."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    return value < 0 if not isinstance(value, Decimal) or value.is_finite() else False


def is_above_zero(value: Any) -> bool:
    """Say whether something is a number above zero, with a fraction or not."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    return value > 0 if not isinstance(value, Decimal) or value.is_finite() else False
