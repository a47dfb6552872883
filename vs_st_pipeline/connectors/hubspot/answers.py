"""Says what an answer to a write says of each of its items.

Data flow: items, the answer's results and errors -> `Result` by item; an item that nothing names is in none.

HubSpot names the item of an error by its trace id, by an id or an address, only in its sentence, or not at all. What is
left over is told apart by number: where as many errors as items are left, each of them was refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from vs_st_pipeline.connectors.hubspot.client import text_in
from vs_st_pipeline.connectors.hubspot.memory import Memory, address
from vs_st_pipeline.domain.codec import safe_token
from vs_st_pipeline.domain.crm import Ended, Item, Result
from vs_st_pipeline.domain.records import id_text

CONFLICT, NOT_FOUND = "CONFLICT", "OBJECT_NOT_FOUND"
_EXISTING: Final = re.compile(r"Existing ID:\s*(\d+)", re.IGNORECASE)
_DETAILS: Final = re.compile(r"not valid:\s*(\[.*\])", re.DOTALL)
_MISSING_PROPERTY: Final = re.compile(r'Property\s+"([^"]+)"\s+does not exist')

Row = Mapping[str, Any]
Judge = Callable[[Row, Item], Result | None]
Names = Callable[[Item], Collection[str]]


class Answers:
    """Reads answers to writes of one account.

    Args:
        names: of an item, in small letters, as errors may name it.
    """

    def __init__(self, memory: Memory, names: Names) -> None:
        self._memory = memory
        self._names = names

    def settle(
        self, items: Sequence[Item], answer: object, status: int, find: Callable[[Row], str | None], judge: Judge
    ) -> dict[str, Result]:
        """Return what an answer with a line per item says.

        Args:
            find: returns the id of the item that a result is about, None where it names none.
            judge: returns what a result says of it, None where it says nothing.
        """
        by_id: Mapping[str | None, Item] = {item.id: item for item in items}
        found: dict[str, Result] = {}
        doubtful: set[str] = set()
        for row in _rows(answer, "results"):
            item = by_id.get(find(row))
            if item is None:
                continue
            result = judge(row, item)
            if result is not None and found.setdefault(item.id, result) != result:
                doubtful.add(item.id)
        unnamed: list[Row] = []
        for error in _rows(answer, "errors"):
            about = self.named_in(error, [item for item in items if item.id not in found])
            found.update({item.id: self.refusal(error, item, status) for item in about})
            unnamed += [] if about else [error]
        left = [item for item in items if item.id not in found]
        if len(unnamed) >= len(left):
            found.update(self._left_over(left, unnamed, status))
        return {id_: result for id_, result in found.items() if id_ not in doubtful}

    def _left_over(self, items: Sequence[Item], errors: Sequence[Row], status: int) -> dict[str, Result]:
        """Judge items that were all refused, each for a reason that is among the errors."""
        if len(items) == 1:
            return {item.id: self.refusal(errors[0], item, status) for item in items}
        codes = {code_of(error) for error in errors}
        if len(codes) == 1:  # which sentence is about which is not known
            return {item.id: self.refusal({"category": code}, item, status) for item in items for code in codes}
        # Which was refused for which reason is not known: who is there by now is found by looking.
        return {item.id: Result(Ended.EXISTS, code=None, http_status=status) for item in items}

    def named_in(self, error: Row, items: Sequence[Item]) -> list[Item]:
        """Return the items that an error names, in its context or else in its sentence."""
        told = {address(name) for name in _context(error)}
        about = [item for item in items if not told.isdisjoint(self._names(item))]
        return about or self._in_sentence(text_in(error), items)

    def _in_sentence(self, text: str, items: Sequence[Item]) -> list[Item]:
        if missing := _MISSING_PROPERTY.search(text):
            return [item for item in items if missing[1] in item.values]
        words = set(re.split(r"[\s\"',;()\[\]<>]+", text.lower()))
        words |= {word.rstrip(".:") for word in words}
        return [item for item in items if not words.isdisjoint(set(self._names(item)) - {item.id.lower()})]

    def refusal(self, error: Row, item: Item, status: int) -> Result:
        """Return what a refusal means for its item."""
        code, text = code_of(error), text_in(error)
        if code == CONFLICT and item.record_id is None and item.target is None:
            return self._conflict(text, item, status)
        if code == NOT_FOUND and item.record_id is not None and item.target is None:
            return Result(Ended.REJECTED, code=code, http_status=404)  # it went since it was looked at
        return Result(Ended.REJECTED, code=precise_code(error), http_status=status)

    def _conflict(self, text: str, item: Item, status: int) -> Result:
        at = item.person.email_key
        existing = _EXISTING.search(text)
        if at in self._memory.conflicts or (existing is None and text and "already exist" not in text.lower()):
            return Result(Ended.REJECTED, code=CONFLICT, http_status=status)  # such as: it was deleted for good
        self._memory.conflicts.add(at)
        if existing is None:
            return Result(Ended.EXISTS, code=CONFLICT, http_status=status)
        self._memory.record_ids[at] = existing[1]
        return Result(Ended.EXISTS, existing[1], CONFLICT, status)


def existing_id(text: str) -> str | None:
    """Return the id of the contact that is there already, where a refusal names it."""
    found = _EXISTING.search(text)
    return found[1] if found else None


def code_of(error: Row) -> str | None:
    """Return HubSpot's word for a refusal."""
    return safe_token(error.get("category"))


def precise_code(error: Row) -> str | None:
    """Return the word for what is wrong with a value, where the sentence has one; else the category."""
    details = _DETAILS.search(text_in(error))
    try:
        wrong = json.loads(details[1]) if details else []
    except ValueError:
        wrong = []
    words = [safe_token(one.get("error")) for one in wrong if isinstance(one, dict)]
    return next((word for word in words if word), None) or code_of(error)


def errors_in(answer: object) -> Iterator[Row]:
    """Yield the errors of an answer with a line per item."""
    return _rows(answer, "errors")


def _rows(answer: object, key: str) -> Iterator[Row]:
    rows = answer.get(key) if isinstance(answer, Mapping) else None
    yield from (row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, Mapping))


def _context(error: Row) -> Iterator[str]:
    context = error.get("context")
    held = [*context.values()] if isinstance(context, Mapping) else []
    for value in (*held, error.get("id"), error.get("objectWriteTraceId")):
        for one in value if isinstance(value, list) else [value]:
            if (told := id_text(one)) is not None:
                yield told
