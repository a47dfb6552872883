"""Writes single values as WayMore is told them: texts, dates, money, quantities, countries (audience.md 5.4).

A history renders millions of values, so each function first asks the cheap question whose answer is nearly always yes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from vs_st_pipeline.domain.country_names import english_name

GUEST: Final = 0  # a guest's customer_id: the number
_CENT: Final = Decimal("0.01")
_EXACT: Final = Context(prec=40, rounding=ROUND_HALF_UP)
_DROPPED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_DATES: Final = {"iso": "{0:04}-{1:02}-{2:02}", "dmy": "{2:02}/{1:02}/{0:04}", "mdy": "{1:02}/{2:02}/{0:04}"}


def text(value: str | None) -> str:
    """Return a text whole, without control characters but tab and line ends, surrogates replaced; unknown: `""`."""
    if value is None:
        return ""
    if value.isprintable():
        return value
    return _SURROGATE.sub("\ufffd", _DROPPED.sub("", value))


def text_or_null(value: str | None) -> str | None:
    """Return a text, None where it is unknown or empty."""
    return text(value) or None


def country(value: str | None) -> str:
    """Return a country's English short name; what is no ISO code as it comes."""
    return text(english_name(value)) if value else ""


@lru_cache(maxsize=1 << 16)
def day(value: date | None, form: str) -> str:
    """Return a date as the settings want dates; unknown: `""`."""
    return "" if value is None else _DATES[form].format(value.year, value.month, value.day)


def moment(value: datetime | None) -> str:
    """Return a time of UTC without zone as `YYYY-MM-DD HH:MM:SS`; unknown: `""`."""
    return "" if value is None else value.isoformat(" ", "seconds")


def money(value: Decimal) -> Decimal:
    """Return an amount with two places, half up; it is a JSON number."""
    return value if value.as_tuple().exponent == -2 else value.quantize(_CENT, context=_EXACT)


def money_text(value: Decimal | str) -> str:
    """Return an amount as text with two places, which a text has already."""
    return value if isinstance(value, str) else f"{money(value):f}"


def quantity(value: float) -> str:
    """Return the quantity of a line: `"1"`, or `"1.5"`."""
    return str(int(value)) if value == int(value) else f"{Decimal(repr(value)):f}"


def quantity_number(value: float | None) -> int | Decimal | None:
    """Return the quantity of a discount as a number, or None."""
    if value is None:
        return None
    return int(value) if value == int(value) else Decimal(f"{Decimal(repr(value)):f}")


def stock(value: float) -> int:
    """Return a stock: a fraction is cut, below 0 is 0."""
    return max(int(value), 0)


def customer_id(value: str | None) -> str | int:
    """Return who somebody is: an id, or the guests' number."""
    return GUEST if value is None else value


@lru_cache(maxsize=1 << 12)  # a state, a size: most rows say what many others do
def extras_of(value: str) -> Mapping[str, Any]:
    """Return a row's extras, or an option's attributes, in their order."""
    found = json.loads(value)
    return {name: text(said) if isinstance(said, str) else said for name, said in found.items()}


def filled(template: str | None, values: Mapping[str, str | None]) -> str:
    """Return a link made from a template; `""` where there is none, or a value that it names is unknown."""
    if template is None:
        return ""
    for name, value in values.items():
        place = "{" + name + "}"
        if place in template:
            if not value:
                return ""
            template = template.replace(place, quote(value, safe=""))
    return template
