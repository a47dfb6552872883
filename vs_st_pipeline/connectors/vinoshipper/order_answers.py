"""Says what an answer to the write of an order means (orders.md 6.3): done, refused, taken, not reached, or unknown.

Data flow: an answer, or the error that came in its place -> WriteAnswer; a key that is not accepted is raised.

The rows of the table are asked from the top. What is in none of them may have been done or not: it is unknown, and
never taken for a refusal. That holds for a 404 as well: it may be of a proxy, and the order may be there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from vs_st_pipeline.connectors.vinoshipper.held_order import VIOLATION, held_order, number_in, problems_in
from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.domain.errors import BadAnswer, Blocked, KeptBack, NotSent, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.formats import as_code, as_mapping, as_text
from vs_st_pipeline.domain.order_desk import (
    Conflict,
    Done,
    NotReached,
    Problem,
    RefusedWrite,
    UnknownOutcome,
    WriteAnswer,
)
from vs_st_pipeline.domain.records import is_error
from vs_st_pipeline.platform.http.client import Answer

REFUSALS: Final = (400, 422)
CONFLICT, COMPLIANCE = "CONFLICT", "COMPLIANCE"
NUMBER: Final = "orderNumber"
DROPPABLE: Final = (
    *("businessName", "sourceUrl", "metaFields", "fees", "disableCustomerNotifications", "paid", "isPaid"),
    "restoreInventory",
)
"""Keys of ours that no page spells; where an answer calls one of them unknown, the order can go without it (5.1)."""

_BUSY: Final = 429
_ANOTHER: Final = "another_record"


def of_answer(answer: Answer[msgspec.Raw], number: str) -> WriteAnswer:
    """Return what a 2xx answer in JSON means: it is done only if the answer is that order.

    Args:
        number: of the order that was written.
    """
    text = bytes(answer.value).decode()
    body = try_json(text)
    if isinstance(body, dict) and not is_error(body) and number_in(body) == number.strip():
        held = held_order(body, text=text, trace_id=answer.trace_id)
        if held is not None:
            return Done(held, answer.status)
    return UnknownOutcome(_ANOTHER if _names_another(body) else "bad_answer", answer.status, answer.trace_id)


def of_error(error: PipelineError, sent: Mapping[str, Any]) -> WriteAnswer:
    """Return what it means that a write brought an error.

    Args:
        sent: the body that was sent.

    Raises:
        PipelineError: the error itself, where the key is not accepted or a setting is at fault: nothing was written.
    """
    status, trace_id = error.http_status, error.trace_id
    if isinstance(error, NotSent | Blocked | KeptBack) or status == _BUSY:
        return NotReached(error)
    if isinstance(error, Refused):
        return _of_refusal(error, sent)
    if isinstance(error, TryLater | BadAnswer):
        return UnknownOutcome(error.kind, status, trace_id)
    raise error


def _of_refusal(error: Refused, sent: Mapping[str, Any]) -> WriteAnswer:
    status, trace_id, said = error.http_status, error.trace_id, error.said
    entries = _entries(said)
    type = _type_of(said)
    if status == 409:
        return Conflict(status, trace_id)
    if status not in REFUSALS or not isinstance(said, dict | list):
        return UnknownOutcome(error.kind, status, trace_id)
    if type == CONFLICT or any(_plain(entry.get(key)) == NUMBER for entry in entries for key in _FIELDS):
        return Conflict(status, trace_id)
    problems = _problems(said, entries, type)
    is_compliance = type == COMPLIANCE or any((one.type or "").strip().upper() == VIOLATION for one in problems)
    return RefusedWrite(
        type or error.code, problems, is_compliance, unknown_keys(said, sent), http_status=status, trace_id=trace_id
    )


def unknown_keys(said: object, sent: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of ours that a refusal calls unknown, in our order.

    Args:
        said: the refusal's JSON.
        sent: the body that was refused; a key that it does not have cannot be meant.
    """
    named = {key for entry in _entries(said) for key in _called_unknown(entry)}
    there = set(_keys(sent))
    return tuple(key for key in DROPPABLE if key in named and key in there)


def _names_another(body: object) -> bool:
    return isinstance(body, dict) and number_in(body) is not None


def _type_of(said: object) -> str | None:
    body = as_mapping(said)
    for holder in (as_mapping(body.get("error")), body):
        if (told := as_text(holder.get("type"))) is not None:
            return told.strip().upper()
    return None


def _entries(said: object) -> list[Mapping[str, object]]:
    """Return the single errors of a refusal, wherever they stand, and what it says as a whole."""
    body = as_mapping(said)
    error = as_mapping(body.get("error"))
    found: list[Mapping[str, object]] = []
    for rows in (error.get("errors"), body.get("errors"), body.get("error"), said):
        if isinstance(rows, list):
            found += [row if isinstance(row, Mapping) else {"description": row} for row in rows]
        elif isinstance(rows, Mapping) and rows is not error and rows is not body:  # {"field": "what is wrong"}
            found += [{"field": key, "description": row} for key, row in rows.items()]
        elif isinstance(rows, str):
            found.append({"description": rows})
    return [*found, *(holder for holder in (error, body) if any(holder.get(key) for key in (*_FIELDS, *_TEXTS)))]


def _problems(said: object, entries: list[Mapping[str, object]], type: str | None) -> tuple[Problem, ...]:
    told = problems_in([dict(entry) for entry in entries], type)
    return (*problems_in(as_mapping(said).get("orderProblems")), *(one for one in told if one.code or one.description))


# --- which key is unknown to them? ----------------------------------------------------------------------------------

_FIELDS: Final = ("field", "property", "path", "propertyPath", "key")
_TEXTS: Final = ("description", "message", "detail", "shortDescription", "reason", "title")
_UNKNOWN: Final = re.compile(
    r"(unknown|un-?recogni[sz]ed|unexpected|unsupported|undefined)"
    r"(?!\W+(value|token|character|type|format|error|end|host|address|product|sku|state|carrier|customer)\b)"
    r"|additional\W?propert|extra[\W_]?(field|key|propert|input)"
    r"|no\W?such\W?(field|key|propert|attribute)|does\W?n.?t\W?exist|does\W?not\W?exist"
    r"|not\W?(a\W?)?(valid\W?(field|key|propert)|known|recogni[sz]ed|allowed|permitted|supported|defined|expected)",
    re.IGNORECASE,
)
# What comes after lists the keys that are known, such as Jackson's `(3 known properties: "isPaid", ...)`.
_KNOWN_LIST: Final = re.compile(
    r"not marked as ignorable|(?<!un)known (propert|field|key)|(valid|allowed|supported|permitted|expected) (\w+ )?"
    r"(are|is|propert|field|key|value|one)|must be|did you mean|one of",
    re.IGNORECASE,
)
_WORDS: Final = re.compile(r"[A-Za-z_][\w.\[\]$-]*")


def _called_unknown(entry: Mapping[str, object]) -> Iterator[str]:
    """Yield the keys that an error calls unknown: its field's, or where it has none those that its text names."""
    texts = [told for key in _TEXTS if (told := as_text(entry.get(key))) is not None]
    code = as_code(entry.get("code")) or ""
    if not _UNKNOWN.search(code.replace("_", " ")) and not any(_UNKNOWN.search(text) for text in texts):
        return
    fields = [last for key in _FIELDS if (last := _plain(entry.get(key))) is not None]
    ours = [field for field in fields if field in DROPPABLE]
    if ours:
        yield from ours
        return
    for text in texts:
        # A text is cut before its list of known keys, unless it begins with one.
        part = _KNOWN_LIST.split(text, maxsplit=1)[0]
        yield from (last for found in _WORDS.findall(part) if (last := _plain(found)) in DROPPABLE)


def _plain(path: object) -> str | None:
    """Return the last key of a path: `shipToAddress.businessName`, `$.paid`, `/shipToAddress/fees`, `fees[0]`."""
    text = as_text(path)
    if text is None:
        return None
    steps = [step for step in re.split(r"[./\[\]'\"\s]+", text) if step and not step.isdigit() and step != "$"]
    return steps[-1] if steps else None


def _keys(body: object) -> Iterator[str]:
    if isinstance(body, Mapping):
        for key, value in body.items():
            yield str(key)
            yield from _keys(value)
    elif isinstance(body, list | tuple):
        for value in body:
            yield from _keys(value)
