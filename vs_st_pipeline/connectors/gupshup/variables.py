"""Knows the variables that a template may be filled with, and how a value is written into one (notices.md 6).

Data flow: `variables.yaml` -> `VARIABLES`; a value of a source -> the text of a parameter, or None: it is missing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from importlib import resources
from typing import Any, Final

import yaml

NAME_LENGTH: Final = 60
IDS: Final = 3
_MISSING: Final = frozenset({"", "null", "none", "n/a", "-"})
_NO_DATE: Final = "0000-00-00"
_BLANKS = re.compile(r"\s+")
_BRACES = re.compile(r"\{\{|\}\}")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable. Format: a key of `FORMATS`."""

    key: str
    title: str
    format: str
    sample: str


def _read() -> dict[str, Variable]:
    text = (resources.files("vs_st_pipeline.connectors.gupshup") / "variables.yaml").read_text(encoding="utf-8")
    rows = yaml.safe_load(text)["variables"]
    return {row["key"]: Variable(row["key"], row["title"], row["format"], row["sample"]) for row in rows}


def is_missing(value: object) -> bool:
    """Say whether a value says nothing: blank, `null`, `None`, `N/A`, `-`, or a date of zeros."""
    if value is None:
        return True
    text = str(value).strip().casefold()
    return text in _MISSING or text.startswith(_NO_DATE)


def cleaned(value: object) -> str | None:
    """Return a value as a parameter may hold it; None where nothing of it is left.

    Runs of blanks, tabs and line breaks become one blank; control characters, `{{` and `}}` go.
    """
    if is_missing(value):
        return None
    text = _BLANKS.sub(" ", str(value))
    if not text.isprintable():
        text = "".join(sign for sign in text if unicodedata.category(sign) != "Cc")
    while (shorter := _BRACES.sub("", text)) != text:  # what is left may meet as braces again
        text = shorter
    text = _BLANKS.sub(" ", text).strip()
    return None if is_missing(text) else text


def _name(value: Any) -> str | None:
    """Return the first title, cut with `...`, and how many lines there are besides."""
    titles = list(_several(value))
    first = cleaned(titles[0]) if titles else None
    if first is None:
        return None
    if len(first) > NAME_LENGTH:
        first = first[: NAME_LENGTH - 3].rstrip() + "..."
    more = len(titles) - 1
    return first + (f" and {more} more item{'s' if more > 1 else ''}" if more else "")


def _ids(value: Any) -> str | None:
    found = dict.fromkeys(text for one in _several(value) if (text := cleaned(one)) is not None)
    return ", ".join(list(found)[:IDS]) or None


def _several(value: Any) -> Iterable[object]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _payment(value: Any) -> str | None:
    text = cleaned(value)
    return "Cash on delivery" if text is not None and text.casefold() == "cod" else text


def _money(value: Any) -> str | None:
    text = cleaned(value)
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return f"{amount:.2f}" if amount.is_finite() else None


def _date(value: Any) -> str | None:
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}" if isinstance(value, date) else cleaned(value)


FORMATS: Final[Mapping[str, Callable[[Any], str | None]]] = {
    "text": cleaned,
    "name": _name,
    "ids": _ids,
    "phone": cleaned,  # hidden by whoever knows what a phone is
    "payment": _payment,
    "whole": cleaned,
    "money": _money,
    "date": _date,
}
VARIABLES: Final = _read()
NAMES: Final = tuple(VARIABLES)


def written(key: str, value: object) -> str | None:
    """Return a variable's value as text, by its format; None: it is missing."""
    return FORMATS[VARIABLES[key].format](value)
