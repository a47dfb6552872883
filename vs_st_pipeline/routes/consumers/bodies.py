"""Reads what a stored order says, in our words (consumers.md 3.9, 3.10, 4, 10.3).

Data flow: an order's JSON -> `OrderSaid`. Pure. A value of a wrong type counts as absent: it costs one value, not the
order. What is absent is told apart from what is null: null is nothing, absent says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from vs_st_pipeline.connectors.sopost.orders import CARRIED
from vs_st_pipeline.domain.codec import JSON, decode, read_json
from vs_st_pipeline.domain.formats import FIRST_YEAR, parse_moment
from vs_st_pipeline.domain.loosely import clean

TEXTS: Final = ("short_id", "activity_id", "identity", "full_name", "telephone", "provider")
ADDRESS: Final = ("line_1", "line_2", "town", "district", "postcode", "territory")
PRODUCTS, ORDER_TIME = "products", "order_time"

_WITH_ZONE: Final = re.compile(r".{10}[Tt ].*(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)(?:\[.*\])?")


@dataclass(frozen=True, slots=True)
class ConsentSaid:
    """One readable entry of an order's consents; `status` None: it has none.

    Attributes:
        carried: the last answer omitted the order's consents, and the one before had this one (routes.md R23).
    """

    consent_id: str
    data_handler: str
    name: str | None
    status: str | None
    carried: bool = False


@dataclass(frozen=True, slots=True)
class AnswerSaid:
    """One answer; `answer_id` is `#<position>` where the order gives none."""

    question_id: str
    question_text: str | None
    answer_id: str
    answer_text: str | None
    position: int


@dataclass(slots=True)
class OrderSaid:
    """What an order says.

    Attributes:
        texts: of TEXTS and ADDRESS, cleaned; None: nothing is given.
        absent: those of NAMES of which it says nothing.
        email: as it stands there.
        order_time: UTC without zone.
        unreadable_part: a consent or a question that cannot be read.
    """

    texts: dict[str, str | None]
    absent: set[str]
    email: object
    products: list[str]
    order_time: datetime | None
    consents: list[ConsentSaid]
    answers: list[AnswerSaid]
    unreadable_part: bool


def read_body(body: str, order_time: str | None) -> OrderSaid | None:
    """Return what an order's JSON says; None where it is no order.

    Args:
        order_time: dotted path of the time at which it was ordered; None: it has none.
    """
    try:
        whole = read_json(body)
    except ValueError:  # half of an emoji, which a text that was cut ends with
        whole, _ = decode(body.encode("utf-8", "replace"), JSON)
    if not isinstance(whole, dict):
        return None
    if "id" not in whole and isinstance(whole.get("data"), dict):
        whole = whole["data"]
    texts: dict[str, str | None] = {}
    absent: set[str] = set()
    _take(whole, TEXTS, texts, absent)
    address = whole.get("address", _ABSENT)
    _take({} if address is None else address, ADDRESS, texts, absent, absent_is_null=address is None)
    items = whole.get("line_items", _ABSENT)
    if items is not None and not isinstance(items, list):
        absent.add(PRODUCTS)
    at = _order_time(whole, order_time)
    if at is None:
        absent.add(ORDER_TIME)
    consents, odd_consents = _consents(whole.get("consents"))
    answers, odd_answers = _answers(whole.get("custom_questions"))
    return OrderSaid(
        texts,
        absent,
        whole.get("email"),
        _products(items),
        at,
        consents,
        answers,
        odd_consents or odd_answers,
    )


_ABSENT: Final = object()


def _take(
    source: object, names: tuple[str, ...], texts: dict[str, str | None], absent: set[str], absent_is_null: bool = False
) -> None:
    values: Mapping[str, Any] = source if isinstance(source, dict) else {}
    for name in names:
        value = values.get(name, None if absent_is_null else _ABSENT)
        if isinstance(value, str):
            texts[name] = clean(value).strip() or None
        elif isinstance(value, int) and not isinstance(value, bool):
            texts[name] = str(value)
        else:
            texts[name] = None
            if value is not None:
                absent.add(name)


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return clean(value).strip() or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _products(items: object) -> list[str]:
    rows = (one for one in items if isinstance(one, dict)) if isinstance(items, list) else ()
    return sorted({id for row in rows if (id := _text(row.get("stock_partition_id"))) is not None})


def _order_time(whole: Mapping[str, Any], path: str | None) -> datetime | None:
    """Return the time at a path; one without a zone, or too old to be a shop's, is none."""
    if path is None:
        return None
    value: Any = whole
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if not isinstance(value, str) or not _WITH_ZONE.fullmatch(value.strip()):
        return None
    moment = parse_moment(value)
    if not isinstance(moment, datetime) or moment.year < FIRST_YEAR:
        return None
    return moment.astimezone(UTC).replace(tzinfo=None)


def _consents(entries: object) -> tuple[list[ConsentSaid], bool]:
    found: list[ConsentSaid] = []
    odd = False
    for entry in entries if isinstance(entries, list) else ():
        consent_id = _text(entry.get("consent_id")) if isinstance(entry, dict) else None
        handler = _text(entry.get("data_handler")) if isinstance(entry, dict) else None
        if consent_id is None or handler is None:
            odd = True
            continue
        status = entry.get("status")
        if status is not None and not isinstance(status, str):
            status = str(status)  # a word that nobody has listed: it means nothing
        name, carried = _text(entry.get("consent_name")), entry.get(CARRIED) is True
        found.append(ConsentSaid(consent_id, handler, name, _text(status), carried))
    return found, odd


def _answers(questions: object) -> tuple[list[AnswerSaid], bool]:
    found: dict[tuple[str, str], AnswerSaid] = {}
    odd = False
    places: dict[str, int] = {}
    for question in questions if isinstance(questions, list) else ():
        question_id = _text(question.get("question_id")) if isinstance(question, dict) else None
        if question_id is None:
            odd = True
            continue
        given = question.get("answer")
        for answer in given if isinstance(given, list) else [] if given is None else [given]:
            if not isinstance(answer, dict):
                odd = True
                continue
            position = places.get(question_id, 0)
            places[question_id] = position + 1
            told_id = _text(answer.get("answer_id"))
            text = _text(answer.get("answer_text"))
            if told_id is None and text is None:
                continue
            answer_id = told_id or f"#{position}"
            one = AnswerSaid(question_id, _text(question.get("question_text")), answer_id, text, position)
            if (question_id, answer_id) in found:  # the same id twice
                one = AnswerSaid(question_id, one.question_text, f"#{position}", text, position)
            found.setdefault((question_id, one.answer_id), one)
    return list(found.values()), odd


def first_and_last(full_name: str | None) -> tuple[str | None, str | None]:
    """Return first and last name: the last word, and what stands before it; one word is a first name."""
    words = full_name.split() if full_name else []
    if len(words) < 2:
        return (words[0] if words else None), None
    return " ".join(words[:-1]), words[-1]


def absent_now(said: OrderSaid, before: Mapping[str, object] | None, silent_before: set[str]) -> Iterator[str]:
    """Yield of which names nothing is known: the order is silent, and was from the first.

    What it said once and does not say any more is known to be nothing: reading carries a value over until its absence
    is no slip any more (routes.md R23).

    Args:
        before: the staged row, None where there is none. silent_before: what was not known then.
    """
    for name in sorted(said.absent):
        if before is None or name in silent_before:
            yield name
