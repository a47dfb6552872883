"""Writes contacts and members by collections, and reads what became of each item.

Data flow: `Item`s -> one request of at most 200 records, of which each is done or refused by itself -> `Result`s.

The answer is in the order of the request; an item is done only if the answer at its place has the id that it must have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from vs_st_pipeline.connectors.salesforce.client import SalesforceClient
from vs_st_pipeline.connectors.salesforce.fields import EMAIL, LAST_NAME, NOT_PROVIDED, as_written
from vs_st_pipeline.connectors.salesforce.finding import Memory
from vs_st_pipeline.connectors.salesforce.ids import core
from vs_st_pipeline.connectors.salesforce.soql import packed
from vs_st_pipeline.domain.codec import safe_token
from vs_st_pipeline.domain.crm import CrmField, Ended, FieldType, Item, Result, Step
from vs_st_pipeline.domain.errors import Refused

RECORDS: Final = 200
DELETED_AT_ONCE: Final = 80  # their ids stand in the URL, which stays under 2,000 characters
DUPLICATE, LOCKED, DELETED = "DUPLICATE_VALUE", "UNABLE_TO_LOCK_ROW", "ENTITY_IS_DELETED"
_NO_SUCH: Final = ("INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND")  # of a record that is not in the bin either
MOST_REFUSED: Final = 3  # creations of a contact whose key another one has
_COLLECTIONS: Final = "/composite/sobjects"
_TOLD_ID: Final = re.compile(r"record with id: ?([A-Za-z0-9]{15,18})\b")

Judge = Callable[[Item, str, Mapping[str, Any]], Result]
"""Says what became of an item, by the code of its refusal and the refusal itself."""


class Writer:
    """Writes to one org."""

    def __init__(self, client: SalesforceClient, fields: Mapping[str, CrmField], memory: Memory) -> None:
        self._client, self._fields, self._memory = client, fields, memory
        self._settings = client.settings

    def requests(self, step: Step, items: Sequence[Item]) -> list[list[Item]]:
        """Return the items as requests."""
        if step is Step.FIELDS:
            new = [item for item in items if item.record_id is None]
            known = [item for item in items if item.record_id is not None]
            return [*packed(new, _one, RECORDS), *packed(known, _one, RECORDS)]
        if step is Step.WITHDRAW:
            most = RECORDS if self._settings.withdrawn_status else DELETED_AT_ONCE
            return list(packed(items, lambda item: max(1, len(self._members_of(item))), most))
        return list(packed(items, _one, RECORDS))

    def send(self, step: Step, items: Sequence[Item]) -> dict[str, Result]:
        """Send one request; results by `Item.id`."""
        try:
            if step is Step.FIELDS:
                return self._create(items) if items[0].record_id is None else self._update(items)
            return self._add_members(items) if step is Step.CONSENT else self._withdraw(items)
        except Refused as error:
            if error.code != LOCKED:
                raise
            return {item.id: Result(Ended.LOCKED, code=LOCKED, http_status=error.http_status) for item in items}

    # Contacts.

    def _create(self, items: Sequence[Item]) -> dict[str, Result]:
        records = []
        for item in items:
            record: dict[str, Any] = {"attributes": {"type": "Contact"}, EMAIL: item.person.email}
            record |= {name: self._written(name, text) for name, text in item.values.items() if text != ""}
            records.append({**record, self._settings.external_id_field: item.person.key})
            records[-1].setdefault(LAST_NAME, NOT_PROVIDED)
        said = self._client.write("create_contacts", "POST", _COLLECTIONS, json=_all_of(records))
        return _results(items, said, None, self._contact_refused)

    def _update(self, items: Sequence[Item]) -> dict[str, Result]:
        records = []
        for item in items:
            record: dict[str, Any] = {"attributes": {"type": "Contact"}, "Id": item.record_id}
            record |= {name: self._written(name, text) for name, text in item.values.items()}
            if self._gets_key(item):
                record[self._settings.external_id_field] = item.person.key
            records.append(record)
        said = self._client.write("update_contacts", "PATCH", _COLLECTIONS, json=_all_of(records))
        found = _results(items, said, lambda item: item.record_id, self._contact_refused)
        done = {core(result.record_id) for result in found.values() if result.ended is Ended.ACCEPTED}
        self._memory.keyless -= {id for id in done if id is not None}
        return found

    def _gets_key(self, item: Item) -> bool:
        return core(item.record_id) in self._memory.keyless and item.person.key not in self._memory.taken

    def _written(self, name: str, text: str) -> object:
        if name == LAST_NAME and text == "":
            return NOT_PROVIDED
        field = self._fields.get(name)
        return as_written(text, field.type if field else FieldType.TEXT)

    def _contact_refused(self, item: Item, code: str, error: Mapping[str, Any]) -> Result:
        if code == DUPLICATE and self._is_our_key(error):
            if item.record_id is not None:  # another contact has the key, one that we may not see
                self._memory.taken.add(item.person.key)
            elif (found := _TOLD_ID.search(_text(error.get("message")))) and core(found[1]) is not None:
                self._memory.told[item.person.key] = found[1]
            self._memory.refused[item.person.key] += item.record_id is None
            is_unseen = item.record_id is None and self._memory.refused[item.person.key] >= MOST_REFUSED
            return _refused(item, code, error) if is_unseen else Result(Ended.EXISTS, code=code)
        gone = code == DELETED or (code in _NO_SUCH and not error.get("fields"))
        if gone and item.record_id is not None:  # since the look: what is there now is looked for, once
            return Result(Ended.REJECTED, code=code, http_status=404)
        return _refused(item, code, error)

    def _is_our_key(self, error: Mapping[str, Any]) -> bool:
        """Say whether it is our key that is there twice; another field that is unique is no sign of the person."""
        key = self._settings.external_id_field.lower()
        fields = [_text(name).lower() for name in error.get("fields") or ()]
        return key in fields or key in _text(error.get("message")).lower() or not fields

    # Members.

    def _add_members(self, items: Sequence[Item]) -> dict[str, Result]:
        status = self._settings.member_status
        records = []
        for item in items:
            record = {"CampaignId": item.target.id if item.target else None, "ContactId": item.record_id}
            records.append(
                {"attributes": {"type": "CampaignMember"}, **record, **({"Status": status} if status else {})}
            )
        said = self._client.write("add_members", "POST", _COLLECTIONS, json=_all_of(records))
        return _results(items, said, None, _member_refused, contacts=False)

    def _withdraw(self, items: Sequence[Item]) -> dict[str, Result]:
        """Delete the memberships that the look has shown, or set their status; who has none is not in the results."""
        rows = [(item, id) for item in items for id in self._members_of(item)]
        if not rows:
            return {}
        status = self._settings.withdrawn_status
        if status:
            members = [{"attributes": {"type": "CampaignMember"}, "Id": id, "Status": status} for _, id in rows]
            said = self._client.write("change_members", "PATCH", _COLLECTIONS, json=_all_of(members))
        else:
            ids = ",".join(id for _, id in rows)
            said = self._client.write("remove_members", "DELETE", f"{_COLLECTIONS}?ids={ids}&allOrNone=false")
        answers = iter(_answers(said, len(rows)))
        of_items: dict[str, list[Result | None]] = {}
        for item, id in rows:
            of_items.setdefault(item.id, []).append(_result(item, next(answers), id, _withdrawal_refused))
        worst = {id: _worst(results) for id, results in of_items.items()}
        return {id: replace(one, record_id=None) for id, one in worst.items() if one is not None}

    def _members_of(self, item: Item) -> list[str]:
        campaign = core(item.target.id) if item.target else None
        return self._memory.members.get((campaign or "", item.person.key), [])


def _one(_item: Item) -> int:
    return 1


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _all_of(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"allOrNone": False, "records": records}


def _refused(_item: Item, code: str, _error: Mapping[str, Any]) -> Result:
    return Result(Ended.LOCKED if code == LOCKED else Ended.REJECTED, code=code)


def _member_refused(item: Item, code: str, error: Mapping[str, Any]) -> Result:
    return Result(Ended.EXISTS, code=code) if code == DUPLICATE else _refused(item, code, error)


def _withdrawal_refused(item: Item, code: str, error: Mapping[str, Any]) -> Result:
    return Result(Ended.ACCEPTED) if code == DELETED else _refused(item, code, error)  # somebody was faster


def _worst(results: Sequence[Result | None]) -> Result | None:
    """Return what became of an item of several rows: it is done where all are; None where of one nothing is known."""
    if None in results:
        return None
    return next((result for result in results if result is not None and result.ended is not Ended.ACCEPTED), results[0])


def _answers(said: object, count: int) -> list[object]:
    """Return the answer to each record by its place; of an answer of another length none can be told whose it is."""
    return said if isinstance(said, list) and len(said) == count else [None] * count


def _results(
    items: Sequence[Item],
    said: object,
    id_of: Callable[[Item], str | None] | None,
    refused: Judge,
    *,
    contacts: bool = True,
) -> dict[str, Result]:
    """Return what an answer says of each item.

    Args:
        id_of: the id that a record keeps; None: it gets one, and no two get the same.
        contacts: the ids are those of contacts, which the results name.
    """
    answers = _answers(said, len(items))
    if id_of is None:
        answers = list(_without_doubles(answers))
    found: dict[str, Result] = {}
    for item, answer in zip(items, answers, strict=True):
        result = _result(item, answer, id_of(item) if id_of else None, refused)
        if result is not None:
            found[item.id] = result if contacts else replace(result, record_id=None)
    return found


def _without_doubles(answers: Sequence[object]) -> Iterator[object]:
    ids = [core(answer.get("id")) if isinstance(answer, Mapping) else None for answer in answers]
    for id, answer in zip(ids, answers, strict=True):
        yield answer if id is None or ids.count(id) == 1 else None


def _result(item: Item, answer: object, id: str | None, refused: Judge) -> Result | None:
    """Return what an answer says of one record; None where it says nothing.

    Args:
        id: that the record has; None: it is a new one.
    """
    if not isinstance(answer, Mapping):
        return None
    if answer.get("success") is True:
        told = answer.get("id")
        named = core(told) is not None and (id is None or core(told) == core(id))
        return Result(Ended.ACCEPTED, record_id=told) if named else None
    errors = answer.get("errors")
    if answer.get("success") is not False or not isinstance(errors, list):
        return None
    for error in errors:
        if isinstance(error, Mapping) and (code := safe_token(error.get("statusCode"))):
            return refused(item, code, error)
    return None
