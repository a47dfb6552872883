"""Says what a reply asks for, by what its message said then (notices.md 8.1, 8.2; rulings, notices 5 and 20).

Pure: no clock, no file, no network.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.routes.notices.messages import Button
from vs_st_pipeline.routes.notices.order_now import FAILED_DELIVERY
from vs_st_pipeline.routes.notices.reply_rules import Asked, ReplyRules, folded
from vs_st_pipeline.routes.notices.words import MessageKind, ReplyOutcome

TEXT, BUTTON, MEDIA = "text", "button", "media"
BY_PHONE: Final = "phone"  # `matched_by` of a reply without any context
_POSTBACK: Final = re.compile(r"vs:(?P<notice>[a-z]_[a-z2-7]{26}):(?P<index>[0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class Reply:
    """A row of staged.replies. `at`: the vendor's time, UTC without zone."""

    account: str
    message_id: str
    phone: str | None = field(repr=False)
    kind: str
    text: str | None = field(repr=False)
    button_text: str | None = field(repr=False)
    postback: str | None
    at: datetime
    notice_id: str | None
    matched_by: str | None
    outcome: str | None = None
    action_id: str | None = None

    @property
    def index(self) -> int | None:
        """Return which button its postback names; None: it names none of the message that it answers."""
        found = _POSTBACK.fullmatch((self.postback or "").strip())
        return int(found["index"]) if found and found["notice"] == self.notice_id else None


@dataclass(frozen=True, slots=True)
class Said:
    """A message that a reply answers, as the ledger has it. `at`: when it was accepted, else claimed."""

    notice_id: str
    kind: str
    account: str | None
    at: datetime
    unit_key: str | None = None
    status: str | None = None
    occurrence: int | None = None
    merchant_order: str | None = None
    destination: str | None = field(default=None, repr=False)
    buttons: Sequence[Button] = ()


def read_buttons(stored: str | None) -> tuple[Button, ...]:
    """Return the quick replies of a message as they were stored with its claim."""
    told = try_json(stored) if stored else None
    rows = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return tuple(
        Button(one["action"] if isinstance(one.get("action"), str) else None, str(one.get("title") or ""))
        for one in rows
    )


def of(reply: Reply, said: Said, rules: ReplyRules, day: date) -> Asked | ReplyOutcome:
    """Return what a reply asks for, or why it asks for nothing.

    Args:
        said: the message that it answers itself, whose buttons count. day: of the reply, in its merchant's zone.
    """
    if reply.kind == MEDIA:
        return ReplyOutcome.MEDIA
    if said.kind != MessageKind.NOTICE or said.status != FAILED_DELIVERY:
        return ReplyOutcome.NOT_UNDERSTOOD
    asked = _by_button(reply, said, rules, day) if reply.kind == BUTTON else _by_text(reply, said, rules, day)
    return asked if asked is not None else ReplyOutcome.NOT_UNDERSTOOD


def _by_button(reply: Reply, said: Said, rules: ReplyRules, day: date) -> Asked | None:
    title = reply.button_text or reply.text or ""
    by_title = _titled(said.buttons, title)
    index = reply.index
    if index is None or index >= len(said.buttons):
        return _of_button(by_title, title, rules, day)
    pressed = said.buttons[index]
    # A title that is another button's contradicts the index: the template was changed in between. Nobody is guessed at.
    if by_title is not None and folded(by_title.title) != folded(pressed.title):
        return None
    return _of_button(pressed, title or pressed.title, rules, day)


def _by_text(reply: Reply, said: Said, rules: ReplyRules, day: date) -> Asked | None:
    text = reply.text or ""
    if reply.matched_by != BY_PHONE and (button := _titled(said.buttons, text)) is not None:
        return _of_button(button, text, rules, day)
    return rules.by_text(text, day)


def _of_button(button: Button | None, title: str, rules: ReplyRules, day: date) -> Asked | None:
    asked = rules.by_key(button.action, day) if button is not None else None
    return asked if asked is not None else rules.by_button(title, day)


def _titled(buttons: Sequence[Button], title: str) -> Button | None:
    said = folded(title)
    return next((one for one in buttons if said and folded(one.title) == said), None)
