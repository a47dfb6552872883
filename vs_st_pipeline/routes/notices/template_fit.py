"""Says whether a template may be sent as the settings want it (notices.md 2.4, 5.11), by the account's own list.

Data flow: the account's row of a template, what the settings want, refusals by code -> `Fit`. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from vs_st_pipeline.connectors.gupshup.settings import HOUSE, GupshupAccount, TemplateSettings
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.words import Wait

PLACEHOLDER: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
APPROVED, PAUSED, DELETED, DISABLED = "APPROVED", "PAUSED", "DELETED", "DISABLED"
TEXT, UTILITY, MARKETING, QUICK_REPLY = "TEXT", "UTILITY", "MARKETING", "QUICK_REPLY"


class Fault(Protocol):
    """A refusal of a template by a message's code (7.4)."""

    @property
    def state(self) -> str:
        """`refused` until text, status or params change; `paused`, `disabled` until a later list says APPROVED."""
        ...

    @property
    def since(self) -> datetime: ...
    @property
    def data(self) -> str | None: ...
    @property
    def status(self) -> str | None: ...
    @property
    def form(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Template:
    """A template as the account's list has it; `gone`: a list lacked it, or said that it is deleted."""

    template_id: str
    status: str | None = None
    category: str | None = None
    language: str | None = None
    type: str | None = None
    data: str | None = None
    header: str | None = None
    footer: str | None = None
    buttons: Sequence[Mapping[str, Any]] = ()
    read_at: datetime | None = None
    gone: bool = False
    name: str | None = None

    @property
    def placeholders(self) -> list[str]:
        """Return the distinct placeholders of the body, in the order of their first appearance."""
        return placeholders_of(self.data)

    @property
    def quick_replies(self) -> list[str]:
        """Return the titles of the quick replies, by index."""
        return [_button_text(one) for one in self.buttons if _word(one.get("type")) == QUICK_REPLY]


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a template fits. Detail: what is wrong, for people."""

    fault: Wait | None = None
    detail: str = ""

    @property
    def fits(self) -> bool:
        """Say whether nothing is wrong."""
        return self.fault is None


@dataclass(frozen=True, slots=True)
class _Asked:
    template: Template
    wanted: TemplateSettings
    allow_marketing: bool
    faults: Sequence[Fault] = field(default=())

    @property
    def status(self) -> str:
        return _word(self.template.status)

    @property
    def numbers(self) -> list[str]:
        return [str(number) for number in range(1, len(self.wanted.params) + 1)]


def placeholders_of(*texts: str | None) -> list[str]:
    """Return what stands between double braces, each once."""
    return list(dict.fromkeys(name for text in texts for name in PLACEHOLDER.findall(text or "")))


def wanted_by(settings: NoticesSettings, account: GupshupAccount, status: str) -> TemplateSettings | None:
    """Return the template of a status: the merchant's own for its own account; with the house selected, the house's."""
    if account.kind == HOUSE:
        return account.templates.get(status)
    own = settings.notifications.get(status)
    return own.template if own is not None else None


def form_of(wanted: TemplateSettings) -> str:
    """Return a fingerprint of what fills the placeholders by the settings (7.4: a refusal holds until it changes)."""
    params = [[one.variable, one.fallback, one.text] for one in wanted.params]
    return hashlib.sha256(json.dumps([params, list(wanted.buttons)]).encode()).hexdigest()[:16]


def fit(
    template: Template | None, wanted: TemplateSettings | None, settings: NoticesSettings, faults: Iterable[Fault] = ()
) -> Fit:
    """Return the first fault of 5.11, in its order.

    Args:
        template: as the selected account's list has it; None: it is not there.
        wanted: None: the settings name none.
        faults: refusals of this template by code.
    """
    if wanted is None:
        return Fit(Wait.TEMPLATE_MISSING, "no template is set")
    if template is None:
        return Fit(Wait.TEMPLATE_GONE, "the account's list does not have it")
    asked = _Asked(template, wanted, settings.allow_marketing_templates, tuple(faults))
    for reason, detail, applies in FAULTS:
        if applies(asked):
            return Fit(reason, detail.format(**_told(asked)))
    return Fit()


def _told(asked: _Asked) -> dict[str, object]:
    """Return what a detail may name; both sides of what does not fit, so that nobody has to count."""
    it, wanted = asked.template, asked.wanted
    there = [f"{{{{{name}}}}}" for name in it.placeholders]
    replies = [f'"{title}"' for title in it.quick_replies]
    return {
        "status": it.status, "category": it.category, "type": it.type,
        "placeholders": _counted(there, "placeholder"), "replies": _counted(replies, "quick reply", "quick replies"),
        "params": _counted([one.variable or "a fixed text" for one in wanted.params], ""),
        "buttons": _counted([one or "null" for one in wanted.buttons], ""),
    }  # fmt: skip


def _counted(words: Sequence[str], one: str, many: str | None = None) -> str:
    what = one if len(words) == 1 else many or (one and f"{one}s")
    told = f"{len(words) or 'no'} {what}".rstrip() if what else str(len(words) or "none")
    return f"{told} ({', '.join(words)})" if words else told


def _button_text(button: Mapping[str, Any]) -> str:
    return str(button.get("text") or "")


def _word(written: object) -> str:
    return str(written or "").strip().upper().replace("-", "_").replace(" ", "_")


def _refused(asked: _Asked) -> bool:
    """Say whether a code refused it as it stands: the same text, status and params (1005, 4003, 132000...)."""
    now = (asked.template.data, asked.status, form_of(asked.wanted))
    return any(one.state == "refused" and (one.data, _word(one.status), one.form) == now for one in asked.faults)


def _until_approved(state: str) -> Callable[[_Asked], bool]:
    """Return whether a code said so, and no later list has said APPROVED since (4005, 132015; 132016)."""

    def applies(asked: _Asked) -> bool:
        read = asked.template.read_at
        return any(
            one.state == state and not (asked.status == APPROVED and read is not None and read > one.since)
            for one in asked.faults
        )

    return applies


def _beside(*texts: str | None, asked: _Asked) -> bool:
    return bool(set(placeholders_of(*texts)) - set(asked.template.placeholders))


FAULTS: Final[tuple[tuple[Wait, str, Callable[[_Asked], bool]], ...]] = (
    (Wait.TEMPLATE_GONE, "it is deleted", lambda it: it.template.gone or it.status == DELETED),
    (Wait.TEMPLATE_PAUSED, "it is paused", lambda it: it.status == PAUSED),
    (Wait.TEMPLATE_PAUSED, "a message was answered that it is paused", _until_approved("paused")),
    (Wait.TEMPLATE_REFUSED, "it is disabled", lambda it: it.status == DISABLED),
    (Wait.TEMPLATE_REFUSED, "a message was answered that it is disabled", _until_approved("disabled")),
    (Wait.TEMPLATE_REFUSED, "a message with it was refused, and nothing has changed since", _refused),
    (Wait.TEMPLATE_NOT_APPROVED, "its status is {status}", lambda it: it.status != APPROVED),
    (
        Wait.TEMPLATE_PARAMS,
        "the template has {placeholders}, and `params` has {params}",
        lambda it: sorted(it.template.placeholders) != sorted(it.numbers),
    ),
    (
        Wait.TEMPLATE_PARAMS,
        "the template has {replies}, and `buttons` has {buttons}",
        lambda it: len(it.wanted.buttons) > len(it.template.quick_replies),
    ),
    (
        Wait.TEMPLATE_PARAMS,
        "a button has a placeholder that the body lacks",
        lambda it: _beside(*(text for one in it.template.buttons for text in _texts(one)), asked=it),
    ),
    (
        Wait.TEMPLATE_CATEGORY,
        "its category is {category}",
        lambda it: _word(it.template.category) not in ({UTILITY, MARKETING} if it.allow_marketing else {UTILITY}),
    ),
    (Wait.TEMPLATE_UNSUPPORTED, "its type is {type}", lambda it: _word(it.template.type) != TEXT),
    (
        Wait.TEMPLATE_UNSUPPORTED,
        "its header has a placeholder that the body lacks",
        lambda it: _beside(it.template.header, asked=it),
    ),
)
"""Reason, what is said of it, and when it applies; the first that does. Before them: none set, not in the list."""


def _texts(button: Mapping[str, Any]) -> list[str]:
    return [value for value in button.values() if isinstance(value, str)]
