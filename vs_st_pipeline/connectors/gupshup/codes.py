"""Says what a code of a failed message means for its phone, account, template, and another try (notices.md 7.4).

A code comes in a `failed` receipt, or in the JSON error of an answer, as text or as a number. Whatever it is, the
message is not out: what follows besides is the row here. Pure: no clock, no file, no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class ForPhone(StrEnum):
    """What a code says about the phone."""

    NOT_ON_WHATSAPP = "not_on_whatsapp"
    OUT = "out"  # a consent row `out` for phone and account
    VOID_IN = "void_in"  # older `in` rows count no more; noted: Gupshup wants its own opt-in


class ForAccount(StrEnum):
    """What a code says about the account."""

    STOP = "stop"  # `config`, until `notices resume`
    SLOW = "slow"  # paused for 15 min, then half the rate for 1 h


class ForTemplate(StrEnum):
    """What a code says about the template."""

    REFUSED = "refused"  # until its text, its status or our params change
    PAUSED = "paused"  # until the list says APPROVED at a later read
    DISABLED = "disabled"  # refused, until the list says APPROVED at a later read


@dataclass(frozen=True, slots=True)
class Code:
    """What a code means.

    Attributes:
        why: a plain sentence for people.
        retryable: the message may be tried again, by the gaps of 7.4.
        known: it is in the contract's table.
    """

    why: str
    phone: ForPhone | None = None
    account: ForAccount | None = None
    template: ForTemplate | None = None
    retryable: bool = False
    known: bool = True


NOT_TOGETHER: Final = "1001"
_NOT_ON_WHATSAPP: Final = Code("the number is not on WhatsApp", phone=ForPhone.NOT_ON_WHATSAPP)
_OUT: Final = Code("the customer has opted out", phone=ForPhone.OUT)
_VOID: Final = Code("the customer has not opted in at Gupshup", phone=ForPhone.VOID_IN)
_SLOW: Final = Code("too many messages in too short a time", account=ForAccount.SLOW, retryable=True)
_REFUSED: Final = Code("the message does not match its template", template=ForTemplate.REFUSED)
_PAUSED: Final = Code("the template is paused", template=ForTemplate.PAUSED)
_FAILED: Final = "WhatsApp did not deliver it"

CODES: Final[Mapping[str, Code]] = {
    "1002": _NOT_ON_WHATSAPP,
    "131026": _NOT_ON_WHATSAPP,
    "1012": _OUT,
    "131050": _OUT,
    "1006": _VOID,
    "1007": _VOID,
    "1008": _VOID,
    "1003": Code("the account's wallet is low", account=ForAccount.STOP, retryable=True),
    "4001": _SLOW,
    "130429": _SLOW,
    NOT_TOGETHER: Code("the number and the app do not belong together", account=ForAccount.STOP),
    "1004": Code("template messages are disabled for the account", account=ForAccount.STOP),
    "4004": Code("the app is not on WhatsApp's cloud", account=ForAccount.STOP),
    "368": Code("WhatsApp has blocked the account for a while", account=ForAccount.STOP),
    "131031": Code("WhatsApp has locked the account", account=ForAccount.STOP),
    "1005": _REFUSED,
    "4003": _REFUSED,
    "132000": _REFUSED,
    "132001": _REFUSED,
    "132012": _REFUSED,
    "4005": _PAUSED,
    "132015": _PAUSED,
    "132016": Code("WhatsApp has disabled the template", template=ForTemplate.DISABLED),
    "500": Code("an error inside Gupshup"),
    "4002": Code("WhatsApp's answer was not valid"),
    "1010": Code("the media cannot be had"),
    "1011": Code("the media is too large"),
    "131047": Code("the 24 hours after the customer's last message are over"),
    "131049": Code("WhatsApp limits how many such messages a customer gets"),
    "131056": Code("too many messages to this customer in too short a time"),
    "130472": Code("the customer is part of an experiment of WhatsApp's"),
}
UNKNOWN: Final = Code(_FAILED, known=False)


def code_of(value: object) -> str | None:
    """Return a code as text; None where there is none, or no plain number (it might hold anything)."""
    text = str(value).strip()
    return text if text.isascii() and text.isdigit() and len(text) <= 9 else None


def meaning(code: str | None) -> Code:
    """Return what a code means; of one that is in no table, that the message failed and nothing more."""
    return CODES.get(code or "", UNKNOWN)


def code_in(error: Mapping[str, Any]) -> str | None:
    """Return the code that a JSON error holds, at its top, or in its `payload`, `error` or `message`; None: none."""
    for place in (error, *(error.get(name) for name in ("payload", "error", "message"))):
        if isinstance(place, Mapping):
            for name in ("code", "errorCode", "error_code"):
                if (code := code_of(place.get(name))) is not None:
                    return code
    return None
