"""Knows the United States as parcels do: codes of states and of other places that post goes to, names of the country.

It is a table of facts; nothing here is decided.
"""

from __future__ import annotations

import re
from typing import Final

STATES: Final = frozenset(
    (
        *("AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY"),
        *("LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH"),
        *("OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY"),
    )
)
"""The 50 states and DC: those that a merchant may choose."""

ARMED_FORCES: Final = frozenset({"AA", "AE", "AP"})
TERRITORIES: Final = frozenset({"AS", "FM", "GU", "MH", "MP", "PR", "PW", "UM", "VI"})
CODES: Final = STATES | TERRITORIES | ARMED_FORCES
"""All codes that may stand for a state in an address of the United States."""

_COUNTRY: Final = frozenset({"US", "USA", "UNITEDSTATES", "UNITEDSTATESOFAMERICA"})
_NOT_LETTER: Final = re.compile(r"[\s.]+")


def is_us(country: str) -> bool:
    """Say whether a country, by code or name in any case and with or without dots, is the United States."""
    return _NOT_LETTER.sub("", country).upper() in _COUNTRY


def state_code(text: str | None) -> str | None:
    """Return the code of a state, territory or of the armed forces in capital letters; None where it is none."""
    code = (text or "").strip()
    return code.upper() if code.isascii() and code.upper() in CODES else None
