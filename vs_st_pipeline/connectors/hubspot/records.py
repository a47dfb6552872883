"""Finds people's contacts: by address, else by the id that is known; says who has none, and who may not be written.

Data flow: people -> answers to batch reads -> `Found` by key. A person about whom no answer says anything is in none.

An answer proves that a contact is not there by naming it as not found, or by 404 when it is asked for alone. That a
known contact is gone is believed when it was not found three times, because a read may be behind the last write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.connectors.hubspot import client as api
from vs_st_pipeline.connectors.hubspot.client import HubSpotClient
from vs_st_pipeline.connectors.hubspot.fields import text_of
from vs_st_pipeline.connectors.hubspot.memory import Memory, address, parts_of
from vs_st_pipeline.domain.crm import DELETED_THERE, OTHER_PRIMARY_EMAIL, CrmRecord, Sought
from vs_st_pipeline.domain.errors import Refused
from vs_st_pipeline.domain.records import id_text
from vs_st_pipeline.platform.http.client import NOT_THERE

EMAIL, OTHERS, MERGED = "email", "hs_additional_emails", "hs_merged_object_ids"
AGAIN: Final = 2  # further reads before a known contact counts as gone
AGAIN_AFTER: Final = 0.3  # seconds


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a person's contact; attributes as in `Seen`.

    Attributes:
        renamed: id of the very contact that is known, which has another address now: it may have to leave our lists.
    """

    record: CrmRecord | None = None
    held: str | None = None
    gone: bool = False
    renamed: str | None = None

    @property
    def listed(self) -> str | None:
        """Return the id of the contact that decides which lists the person is on."""
        return self.record.id if self.record is not None else self.renamed


@dataclass(slots=True)
class _Answers:
    """What answers to reads say: contacts by what they were asked for by, and what is certainly not there."""

    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    def open(self, asked: Iterable[str]) -> list[str]:
        """Return what no answer says anything about."""
        return [key for key in asked if key not in self.rows and key not in self.absent]


class Finder:
    """Reads the contacts of some people.

    Args:
        properties: that are wanted of each.
    """

    def __init__(self, client: HubSpotClient, memory: Memory, properties: Iterable[str]) -> None:
        self._client = client
        self._memory = memory
        self._wanted = list(dict.fromkeys(properties))
        self._asked = list(dict.fromkeys((*self._wanted, EMAIL, OTHERS, MERGED)))

    def find(self, people: Sequence[Sought]) -> dict[str, Found]:
        """Return what is known of each, by key."""
        named = {address(person.email_key): person for person in people}
        answers = self._read(list(named), by_email=True)
        ids = {at: self._ids_of(at, named[at]) for at in answers.absent if at in named}
        by_id = self._read(list(dict.fromkeys(id_ for known in ids.values() for id_ in known)), by_email=False)
        self._look_again(by_id, {id_ for known in ids.values() for id_ in known})
        found = {}
        for at, person in named.items():
            if at in answers.rows:
                found[person.key] = self._by_address(person, at, answers.rows[at])
            elif at in ids and (told := self._by_id(person, at, ids[at], by_id)) is not None:
                found[person.key] = told
        return found

    def record_of(self, row: Mapping[str, Any]) -> CrmRecord:
        """Return a contact with the wanted values as text."""
        values = row["properties"]
        fields = self._memory.fields
        texts = {name: text_of(values.get(name), fields.get(name)) for name in self._wanted}
        return CrmRecord(str(id_text(row["id"])), values.get(EMAIL), texts, row)

    def _ids_of(self, at: str, person: Sought) -> list[str]:
        return list(dict.fromkeys(id_ for id_ in (self._memory.record_ids.get(at), person.record_id) if id_))

    def _by_address(self, person: Sought, at: str, row: Mapping[str, Any]) -> Found:
        if address(row["properties"].get(EMAIL)) != at:
            return _other_address(person, [row])
        record = self.record_of(row)
        known = person.record_id
        return Found(record, gone=known is not None and known not in (record.id, *_merged(row)))

    def _by_id(self, person: Sought, at: str, ids: Sequence[str], answers: _Answers) -> Found | None:
        rows = [answers.rows[id_] for id_ in ids if id_ in answers.rows]
        own = next((row for row in rows if address(row["properties"].get(EMAIL)) == at), None)
        if own is not None:
            return Found(self.record_of(own))
        if rows:
            return _other_address(person, rows)
        if answers.open(ids):
            return None
        if at in self._memory.record_ids:  # it was just written, and is not shown yet
            # What only a refusal named may lie in the bin: then HubSpot refuses once more, and that is the answer.
            return Found() if at in self._memory.conflicts else None
        return Found(held=DELETED_THERE, gone=True) if ids else Found()

    def _look_again(self, answers: _Answers, ids: set[str]) -> None:
        for _ in range(AGAIN):
            missing = sorted(answers.absent & ids)
            if not missing:
                return
            self._client.pause(AGAIN_AFTER)
            later = self._read(missing, by_email=False)
            answers.rows.update(later.rows)
            answers.absent.difference_update(set(missing) - later.absent)

    def _read(self, keys: Sequence[str], *, by_email: bool) -> _Answers:
        client, found = self._client, _Answers()
        asks = client.in_batches(
            api.CONTACTS, keys, lambda some: client.read_contacts(some, self._asked, by_email=by_email)
        )
        silent: set[str] = set()  # what no answer was about at all
        for asked, answer in asks:
            silent.update(asked if _rows(answer) is None else ())
            for row in _rows(answer) or ():
                _file(found, row, set(asked), by_email=by_email)
            absent = set(_named_as_absent(answer)) & set(asked)
            found.absent |= absent - found.rows.keys()
        for key in found.open(key for key in keys if key not in silent):
            self._read_one(found, key, by_email=by_email)
        return found

    def _read_one(self, found: _Answers, key: str, *, by_email: bool) -> None:
        """Ask for one contact alone, about which the answer to many said nothing."""
        try:
            row = self._client.contact(key, self._asked, by_email=by_email)
        except Refused as refused:
            if refused.http_status in NOT_THERE:
                found.absent.add(key)
            return
        if _is_contact(row):
            _file(found, row, {key}, by_email=by_email)


def _other_address(person: Sought, rows: Iterable[Mapping[str, Any]]) -> Found:
    known = person.record_id
    return Found(held=OTHER_PRIMARY_EMAIL, renamed=known if known in [id_text(row["id"]) for row in rows] else None)


def _file(found: _Answers, row: Mapping[str, Any], asked: set[str], *, by_email: bool) -> None:
    """Note whose contact this is; it is nobody's who was not asked about."""
    values = row["properties"]
    if by_email:
        first, others = address(values.get(EMAIL)), [address(one) for one in parts_of(values.get(OTHERS))]
    else:
        first, others = str(id_text(row["id"])), _merged(row)
    if row.get("archived") is True:
        found.absent |= {first} & asked
        return
    if first in asked:
        found.rows[first] = row
        found.absent.discard(first)
    for other in others:
        if other in asked and other not in found.rows:
            found.rows[other] = row
            found.absent.discard(other)


def _merged(row: Mapping[str, Any]) -> list[str]:
    return parts_of(row["properties"].get(MERGED))


def _rows(answer: object) -> list[Mapping[str, Any]] | None:
    """Return the contacts that an answer shows; None where it is no answer."""
    rows = answer.get("results") if isinstance(answer, Mapping) else None
    return [row for row in rows if _is_contact(row)] if isinstance(rows, list) else None


def _is_contact(row: object) -> bool:
    return (
        isinstance(row, Mapping) and id_text(row.get("id")) is not None and isinstance(row.get("properties"), Mapping)
    )


def _named_as_absent(answer: object) -> Iterator[str]:
    """Yield what an answer names as not found."""
    errors = answer.get("errors") if isinstance(answer, Mapping) else None
    for error in errors if isinstance(errors, list) else ():
        if isinstance(error, Mapping) and "NOT_FOUND" in str(error.get("category")).upper():
            context = error.get("context")
            for value in context.values() if isinstance(context, Mapping) else ():
                for one in value if isinstance(value, list) else [value]:
                    if (told := id_text(one) or (one if isinstance(one, str) else None)) is not None:
                        yield address(told)
