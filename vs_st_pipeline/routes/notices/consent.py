"""Decides whether somebody may be written, by what is on record (notices.md 5.8, 5.9; rulings 8, 10, 23, 25).

Data flow: consent rows of the phone and account; the order's own flag and date -> the row used, or why not. Pure.

    out   ended by a later START or word of an operator, or an `opted-in` event over a minute later; by nothing else
    in    of a kind in `opt_in`, or an operator's; on a house account no event, list or operator (whose customer is
          it?); to the number that the account has now
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.settings import HOUSE
from vs_st_pipeline.routes.notices.words import ConsentSource as Source

IN, OUT, VOID = "in", "out", "void"
EVENT_LATER: Final = timedelta(minutes=1)
"""An `opted-in` event this close to an *out* may be of the moment before it: it brings nobody back."""

BRINGS_BACK: Final = {
    Source.START_WORD: timedelta(0),
    Source.OPERATOR: timedelta(0),
    Source.GUPSHUP_EVENT: EVENT_LATER,
}
"""What ends an *out*, and by how much it must be later than that."""

NO_CUSTOMER_NAMED: Final = frozenset({Source.OPERATOR, Source.GUPSHUP_EVENT, Source.GUPSHUP_LIST})
"""On a house account these end an *out* and prove nothing: they do not say whose customer it is."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of staged.consents, or what an order says of itself.

    Attributes:
        number: of the account when it was given; None: not known, or of no number.
    """

    source: str
    state: str
    at: datetime
    merchant_order: str | None = None
    evidence: str = "{}"
    number: str | None = None

    def as_json(self, phone: str, account: str) -> Mapping[str, Any]:
        """Return it as it is stored with the claim."""
        return {
            "phone": phone,
            "account": account,
            "source": str(self.source),
            "at": self.at.isoformat(),
            "state": self.state,
            "merchant_order": self.merchant_order,
            "evidence": json.loads(self.evidence),
        }


def is_out(rows: Iterable[Row]) -> bool:
    """Say whether the newest *out* stands."""
    rows = list(rows)
    out = max((one.at for one in rows if one.state == OUT), default=None)
    if out is None:
        return False
    return not any(
        one.state == IN and (gap := BRINGS_BACK.get(Source(one.source))) is not None and one.at - out > gap
        for one in rows
    )


def may_count(kind: str, account_kind: str) -> bool:
    """Say whether a kind of evidence proves anything where an account of this kind sends."""
    return kind != Source.START_WORD and not (account_kind == HOUSE and kind in NO_CUSTOMER_NAMED)


def proof(
    rows: Iterable[Row], own: Iterable[Row], kinds: Sequence[str], account_kind: str, number: str | None = None
) -> Row | None:
    """Return the newest row that says yes; None where there is none.

    Args:
        rows: of the phone and account. own: what the order says (`eshopbox_flag`, `attestation`).
        kinds: `opt_in` of the settings. account_kind: `client` or `house`.
        number: the account's; who opted in to another one before has not opted in to this one.
    """
    rows = list(rows)
    void = max((one.at for one in rows if one.state == VOID), default=None)
    allowed = {one for one in (*kinds, Source.OPERATOR) if may_count(one, account_kind)}
    counting = [
        one for one in (*rows, *own)
        if one.state == IN and one.source in allowed and (void is None or one.at > void)
        and (one.number is None or number is None or one.number == number)
    ]  # fmt: skip
    return max(counting, key=lambda one: one.at, default=None)
