"""Reads the rows of an account's template list, and of its users list (notices.md 2.4, 5.9): pure, and lenient.

Data flow: a list, as Gupshup has said it -> `Template`s, `OptIn`s. A row that names no template says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.callbacks import phone_of
from vs_st_pipeline.domain.codec import try_object

PLACEHOLDER: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
OPT_IN, OPT_OUT = "in", "out"
_STATES: Final = {"optin": OPT_IN, "optedin": OPT_IN, "optout": OPT_OUT, "optedout": OPT_OUT}


@dataclass(frozen=True, slots=True)
class Template:
    """One template of an account, as the list shows it.

    Attributes:
        status, category, type: in capitals; None: the row has none.
        data: the body, with its placeholders.
        buttons: `{type, text}` in order, with `url` where it has one; type in capitals, blanks as `_`.
        placeholders: the distinct names between double braces of `data`, in order of first sight.
    """

    id: str
    name: str | None
    status: str | None
    category: str | None
    language: str | None
    type: str | None
    data: str | None
    header: str | None
    footer: str | None
    buttons: tuple[Mapping[str, str], ...]
    placeholders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptIn:
    """One row of the users list: a phone (E.164), and whether it is `in` or `out`."""

    phone: str
    state: str


def read_templates(rows: Sequence[object]) -> list[Template]:
    """Return the templates of a list; of two rows with one id the last."""
    found = {one.id: one for row in rows if isinstance(row, Mapping) and (one := _template(row)) is not None}
    return list(found.values())


def read_users(rows: Sequence[object]) -> list[OptIn]:
    """Return who is opted in or out; rows without a phone or with another word are left out."""
    return [one for row in rows if isinstance(row, Mapping) and (one := _user(row)) is not None]


def placeholders_of(text: str | None) -> tuple[str, ...]:
    """Return the distinct placeholders of a text, in order of first sight."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(text or "")))


def _template(row: Mapping[str, Any]) -> Template | None:
    template_id = _text(row.get("id"))
    if template_id is None:
        return None
    said = row.get("containerMeta")
    meta: Mapping[str, Any] = said if isinstance(said, Mapping) else (try_object(_text(said)) or {})
    data = row.get("data") if isinstance(row.get("data"), str) else meta.get("data")
    data = data if isinstance(data, str) and data.strip() else None
    buttons = meta.get("buttons")
    return Template(
        id=template_id,
        name=_text(row.get("elementName")),
        status=_word(row.get("status")),
        category=_word(row.get("category")),
        language=_text(row.get("languageCode")),
        type=_word(row.get("templateType")),
        data=data,
        header=_text(meta.get("header")),
        footer=_text(meta.get("footer")),
        buttons=tuple(map(_button, buttons)) if isinstance(buttons, list) else (),
        placeholders=placeholders_of(data),
    )


def _button(said: object) -> dict[str, str]:
    """Return a button; one that is none keeps its place, since buttons are told apart by their index."""
    row = said if isinstance(said, Mapping) else {}
    kind = (_word(row.get("type")) or "").replace(" ", "_").replace("-", "_")
    made = {"type": kind, "text": _text(row.get("text")) or _text(row.get("title")) or ""}
    url = _text(row.get("url"))
    return made | {"url": url} if url is not None else made


def _user(row: Mapping[str, Any]) -> OptIn | None:
    word = (_text(row.get("optinStatus")) or _text(row.get("optInStatus")) or "").lower()
    state = _STATES.get(re.sub(r"[\s_-]", "", word))
    national, country = _digits(row.get("phoneCode")), _digits(row.get("countryCode"))
    if state is None or not national:
        return None
    phone = national if national.startswith("+") else f"{country.lstrip('+')}{national}"
    spelled = phone_of("+" + phone.lstrip("+")) if country or national.startswith("+") else None
    return None if spelled is None else OptIn(spelled, state)


def _text(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def _word(value: object) -> str | None:
    text = _text(value)
    return text.strip().upper() if text is not None else None


def _digits(value: object) -> str:
    return re.sub(r"[^0-9+]", "", _text(value) or "")
