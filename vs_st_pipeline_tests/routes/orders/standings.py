"""The tables of 4.2 of orders.md, written down once more: who changes one of the house's changes this, and says why."""

from __future__ import annotations

from vs_st_pipeline.routes.orders.standing import Stands, Then
from vs_st_pipeline.routes.orders.states import BY_SHIPPER, State

STATES: dict[Stands, tuple[State, str | None]] = {
    Stands.UNSENT: (State.WAITING, "try_later"),
    Stands.SENDING: (State.SENDING, None),
    Stands.FAILED_THERE: (State.FAILED, "compliance"),
    Stands.TAKEN: (State.FAILED, "number_taken"),
    Stands.KEPT_BACK: (State.NOT_REQUIRED, "dont_send"),
    Stands.SENT: (State.SENT, None),
    Stands.VOIDED: (State.VOIDED, None),
}
"""A state and a code of each row."""

_LIKE_COMPLIANCE = sorted(BY_SHIPPER - {"not_reachable", "number_taken"})
HOW_IT_STANDS: tuple[tuple[State, str | None, Stands], ...] = (
    *((*state, row) for row, state in STATES.items()),
    (State.FAILED, "not_reachable", Stands.SENDING),
    (State.WAITING, "not_reachable", Stands.UNSENT),
    *((State.FAILED, code, Stands.FAILED_THERE) for code in _LIKE_COMPLIANCE),
    *((State.WAITING, code, Stands.UNSENT) for code in _LIKE_COMPLIANCE),
    (State.FAILED, "no_sku", Stands.UNSENT),
    (State.FAILED, "dont_send", Stands.UNSENT),
    (State.WAITING, "dont_send", Stands.UNSENT),
    (State.NOT_REQUIRED, "pickup", Stands.UNSENT),
    (State.WAITING, None, Stands.UNSENT),
)
"""A state, a code, and the row in which an order with them is."""

S, V, F, P, K, _ = Then.SENT, Then.VOIDED, Then.FAILED, Then.PENDING, Then.TAKEN, Then.STAYS
TABLE = {
    Stands.UNSENT: (S, V, F, P, S, _, _, _),
    Stands.SENDING: (S, V, F, P, S, _, K, _),
    Stands.FAILED_THERE: (S, V, F, _, S, _, _, _),
    Stands.TAKEN: (S, V, F, P, S, _, _, _),
    Stands.KEPT_BACK: (Then.ACCEPTED_THERE, _, _, _, Then.ACCEPTED_THERE, _, _, _),
    Stands.SENT: (Then.WELL, V, Then.TROUBLE, Then.TROUBLE, Then.WELL, _, Then.TROUBLE, Then.UNSEEN),
    Stands.VOIDED: (Then.REVIVED, _, Then.REVIVED, Then.REVIVED, Then.REVIVED, _, _, _),
}
"""What a read means for an order of each row, in the order of `Shows`."""
