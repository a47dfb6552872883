"""Words what Commerce7 is told of an order: pure, from how it stands (orders.md 7.4).

`issues[0]` is exact, people and programs go by it: the words of the state (4.2), or the stage. What follows explains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vs_st_pipeline.routes.orders import notes
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.states import ALERTED_NOTES, DONT_SEND_MESSAGE, MESSAGES, Stage, State

SUCCESS: Final = "Success"
ERROR: Final = "Error"
_COMPLIANCE: Final = {"compliant": "Compliant", "not_compliant": "Not compliant"}
NOT_TOLD: Final = frozenset({"gone_at_commerce7"})
"""Alerted notes that cannot be told, since there is no order to tell them of."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is told: `status` is Success or Error; `issues`: its lines, the first one as the contract words it."""

    status: str
    issues: tuple[str, ...]

    @property
    def first_line(self) -> str:
        """Return the line by which messages are compared."""
        return self.issues[0]

    def body(self, order_id: str) -> dict[str, Any]:
        """Return the body of `POST /app-sync`."""
        return {
            "objectType": "Order",
            "objectId": order_id,
            "status": self.status,
            "issues": list(self.issues),
            "actions": [],
        }


def words(row: OrderRow) -> str:
    """Return the words for how an order stands: its stage, else its state; `""`: there are none."""
    if row.state is State.SENT and row.stage:
        return str(row.stage)
    if row.state is State.NOT_REQUIRED and row.code == "dont_send":
        return DONT_SEND_MESSAGE
    return MESSAGES[row.state]


def of_state(row: OrderRow, code_says: str, numbers: Sequence[str]) -> Message:
    """Return what is told of a new state, code or stage.

    Args:
        code_says: the sentence of the code; `""` without one. numbers: tracking numbers, in order.
    """
    is_bad = row.state is State.FAILED or (row.state is State.SENT and row.stage == Stage.RETURNED)
    return Message(ERROR if is_bad else SUCCESS, (words(row), *_details(row, code_says, numbers)))


def of_note(row: OrderRow, word: str, says: str, code_says: str, numbers: Sequence[str]) -> Message:
    """Return what is told of an alerted note; its first line is how the order stands all the same."""
    return Message(ERROR, (words(row), notes.sentence(word, says), *_details(row, code_says, numbers)))


def news_of(row: OrderRow, noted: Mapping[str, str]) -> dict[str, Any]:
    """Return what decides whether there is something to tell: state, code, stage, alerted notes."""
    return {
        "state": str(row.state),
        "code": row.code,
        "stage": str(row.stage) if row.state is State.SENT and row.stage else None,
        "notes": sorted(word for word in noted if word in ALERTED_NOTES and word not in NOT_TOLD),
    }


def _details(row: OrderRow, code_says: str, numbers: Sequence[str]) -> list[str]:
    lines = [code_says] if code_says else []
    if row.compliance in _COMPLIANCE:
        lines.append(_COMPLIANCE[row.compliance])
    lines += problem_lines(row.problems)
    if row.vs_number:
        lines.append(f"Vinoshipper order {row.vs_number}")
    if numbers:
        lines.append(f"Tracking: {', '.join(numbers)}")
    return lines


def problem_lines(problems: str) -> list[str]:
    """Return the problems that Vinoshipper named, a line each, with e-mails and phones masked."""
    found = []
    for one in json.loads(problems or "[]"):
        code, description = notes.masked(one.get("code")), notes.masked(one.get("description"))
        if code or description:
            found.append(": ".join(filter(None, (code, description))))
    return list(dict.fromkeys(found))
