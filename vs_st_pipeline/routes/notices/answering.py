"""Says what a reply is answered with, and whether it may be now (notices.md 8.4, 8.5), as tables.

Pure: no clock, no file, no network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.gupshup.settings import HOUSE, GupshupAccount, Said
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.standard_texts import ANSWERED, STANDARD
from vs_st_pipeline.routes.notices.words import Drop, MessageKind, ReplyOutcome, Wait

WITHIN: Final = timedelta(hours=24)  # of the reply; WhatsApp's session as well
FRESH: Final = timedelta(minutes=15)  # so young a reply is answered in quiet hours too: somebody is awake
PER_PHONE: Final = 3  # answers to one phone in 24 h: no loop with a robot

OF_SENDER_ALONE: Final = frozenset({ReplyOutcome.UNSOLICITED, ReplyOutcome.AMBIGUOUS, ReplyOutcome.OTHER_PHONE})
"""Kinds whose sender is not known to be the order's customer: an answer to them tells nothing of an order."""


def wanted(settings: NoticesSettings, account: GupshupAccount, kind: ReplyOutcome) -> Said | None:
    """Return what a kind of unexpected reply is answered with, by the rule of the account written to; None: nothing."""
    if account.kind == HOUSE:
        if account.exceptions is None:
            return Said(text=STANDARD[kind]) if kind in STANDARD else None
        return account.exceptions.get(str(kind))
    own = settings.unexpected
    if not own.enabled or kind not in ANSWERED or (own.text is None and own.template is None):
        return None
    return Said(text=own.text, template=own.template)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is looked at before an answer or a confirmation leaves.

    Attributes:
        answers: kinds of the answers that this phone has got from this number in 24 h.
        answered: this very reply was answered before, as whatever kind. quiet: it is, for its sender.
    """

    now: datetime
    replied_at: datetime
    kind: MessageKind
    why: str
    charged_unconfirmed: bool = False
    rehearsed: bool = False
    is_out: bool = False
    quiet: bool = False
    answers: tuple[str, ...] = ()
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Why an answer does not go. `for_good`: it never will."""

    reason: str
    for_good: bool


ANSWERED_BEFORE, PHONE_LIMIT, KIND_LIMIT = "answered_before", "phone_limit", "kind_limit"
_EXCEPTION: Final = MessageKind.EXCEPTION

_ANSWERS: Final = """select status, reply_id from claims where kind = ? and notice_id <> ? and phone_hash = ?
    and claimed_at > ? and state not in ('refused', 'released', 'rejected')"""


def answers_to(phone_hash: str, notice_id: str, now: datetime) -> tuple[str, tuple[str, ...]]:
    """Return the question for the answers that a phone has got in 24 h (`status`, `reply_id`), but this one.

    Args:
        notice_id: of the answer that is about to go. now: UTC without zone.
    """
    return _ANSWERS, (str(_EXCEPTION), notice_id, phone_hash, (now - WITHIN).isoformat())


def enough(why: str, answers: Sequence[str], answered: bool) -> str | None:
    """Return which limit of 8.5 an answer to a reply would exceed; None: none.

    Args:
        why: its kind. answers: kinds of those that the phone has got in 24 h. answered: the reply has one.
    """
    if answered:
        return ANSWERED_BEFORE
    if why in answers:
        return KIND_LIMIT
    return PHONE_LIMIT if len(answers) >= PER_PHONE else None


def _enough(it: Standing) -> str | None:
    return enough(it.why, it.answers, it.answered) if it.kind is _EXCEPTION else None


HOLDS: Final[tuple[tuple[Hold, Callable[[Standing], bool]], ...]] = (
    (Hold(Drop.STALE, True), lambda it: it.now - it.replied_at > WITHIN),
    (Hold(Drop.REHEARSAL, True), lambda it: it.rehearsed),
    (Hold(Wait.OPTED_OUT, True), lambda it: it.is_out),
    (Hold(ANSWERED_BEFORE, True), lambda it: _enough(it) == ANSWERED_BEFORE),
    (Hold(KIND_LIMIT, True), lambda it: _enough(it) == KIND_LIMIT),
    (Hold(PHONE_LIMIT, True), lambda it: _enough(it) == PHONE_LIMIT),
    (Hold(Wait.CHARGES_NOT_CONFIRMED, False), lambda it: it.charged_unconfirmed),
    (Hold(Wait.QUIET_HOURS, False), lambda it: it.quiet and it.now - it.replied_at >= FRESH),
)
"""The first that applies."""


def held(standing: Standing) -> Hold | None:
    """Return why an answer does not go now; None: it may."""
    return next((hold for hold, applies in HOLDS if applies(standing)), None)
