"""Sends each request once, and says what became of every item of it.

Data flow: the items of one request -> the answer -> `Result` by item.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from vs_st_pipeline.connectors.hubspot import client as api
from vs_st_pipeline.connectors.hubspot.answers import CONFLICT, Answers, code_of, errors_in, existing_id
from vs_st_pipeline.connectors.hubspot.client import LOCK_SECONDS, LOCKED, HubSpotClient, text_in
from vs_st_pipeline.connectors.hubspot.lists import Memberships
from vs_st_pipeline.connectors.hubspot.memory import Memory, address, parts_of
from vs_st_pipeline.connectors.hubspot.records import EMAIL, OTHERS
from vs_st_pipeline.connectors.hubspot.standings import NOT_SPECIFIED, SUBSCRIBED, UNSUBSCRIBED
from vs_st_pipeline.domain.crm import Ended, Item, Result, Step
from vs_st_pipeline.domain.errors import PipelineError, Refused
from vs_st_pipeline.domain.records import id_text
from vs_st_pipeline.platform.http.client import Answer

KEPT: Final = "kept_unsubscribed"  # the code where HubSpot takes a subscription and leaves the opt-out as it is
NO_RECORD: Final = "record_missing"
NO_BASIS: Final = (
    "The portal's data privacy settings are off, so HubSpot keeps no legal basis with a subscription; the evidence of "
    "each consent is kept here"
)
_BASIS: Final = {"legalBasis": "CONSENT_WITH_NOTICE"}
_RESUBSCRIBED: Final = "RESUBSCRIBE_OCCURRED"
_CHANGED: Final = ("REQUESTED_CHANGE_OCCURRED", _RESUBSCRIBED)

_ADDED: Final = ("recordsIdsAdded", "recordIdsAdded")  # as documented, and as anybody would write it
_REMOVED: Final = ("recordIdsRemoved", "recordsIdsRemoved")
_MISSING: Final = ("recordIdsMissing", "recordsIdsMissing")

Row = Mapping[str, Any]


class Writer:
    """Sends the requests of one sync."""

    def __init__(self, client: HubSpotClient, memory: Memory, memberships: Memberships) -> None:
        self._client = client
        self._memberships = memberships
        self._memory = memory
        self._of_contacts = Answers(memory, _names_of_contact)
        self._of_statuses = Answers(memory, lambda item: {address(item.person.email_key)})

    def send(self, step: Step, items: Sequence[Item]) -> dict[str, Result]:
        """Send one request; raises and returns as `Crm.send` does."""
        match step:
            case Step.FIELDS:
                return self._fields(items)
            case Step.CONSENT | Step.WITHDRAW:
                return self._statuses(items, SUBSCRIBED if step is Step.CONSENT else UNSUBSCRIBED)
            case Step.LISTS | Step.UNLIST:
                return self._lists(items, adds=step is Step.LISTS)

    # Fields.

    def _fields(self, items: Sequence[Item]) -> dict[str, Result]:
        creating = items[0].record_id is None
        call = self._client.create_contacts if creating else self._client.update_contacts
        try:
            answer = call([_create(item) if creating else _update(item) for item in items])
        except Refused as refused:
            return self._refused(self._of_contacts, api.CONTACTS, items, refused)
        index = _Index(items, creating)
        found = self._of_contacts.settle(items, answer.value, answer.status, index.find, index.judge)
        for item in items:
            result = found.get(item.id)
            if result is not None and result.ended is Ended.ACCEPTED and result.record_id:
                self._memory.record_ids[address(item.person.email_key)] = result.record_id
                self._memory.conflicts.discard(address(item.person.email_key))
        return found

    # Subscriptions.

    def _statuses(self, items: Sequence[Item], state: str) -> dict[str, Result]:
        """Write a state for each; with a legal basis or without, as the portal's privacy settings want it."""
        with_basis = state == SUBSCRIBED and not self._memory.no_basis
        try:
            answer = self._write_statuses(items, state, with_basis)
        except Refused as refused:
            if not _is_about_basis(refused.said):
                return self._refused(self._of_statuses, api.STATUSES, items, refused)
            return self._statuses_otherwise(items, state, with_basis)
        found = self._settled(items, answer, state)
        again = [item for item in items if found.get(item.id, _NOTHING).ended is Ended.REJECTED]
        errors = list(errors_in(answer.value))
        about_basis = [error for error in errors if _is_about_basis(error)]
        if len(about_basis) < len(errors):
            again = [one for one in again if any(self._of_statuses.named_in(error, [one]) for error in about_basis)]
        if not about_basis or not again:
            return found
        kept = {id_: result for id_, result in found.items() if id_ not in {item.id for item in again}}
        try:
            return {**kept, **self._statuses_otherwise(again, state, with_basis)}
        except PipelineError:  # what the first answer says of the others stands; these are looked at
            return kept

    def _statuses_otherwise(self, items: Sequence[Item], state: str, with_basis: bool) -> dict[str, Result]:
        """Send what was refused for its legal basis, or for having none, the other way."""
        if with_basis:
            self._memory.no_basis = True
            self._memory.doubt(NO_BASIS)
        try:
            answer = self._write_statuses(items, state, not with_basis)
        except Refused as refused:
            return self._refused(self._of_statuses, api.STATUSES, items, refused)
        return self._settled(items, answer, state)

    def _write_statuses(self, items: Sequence[Item], state: str, with_basis: bool) -> Answer[Any]:
        return self._client.write_statuses([_status(item, state, with_basis) for item in items])

    def _settled(self, items: Sequence[Item], answer: Answer[Any], state: str) -> dict[str, Result]:
        places = {(address(item.person.email_key), str(item.target and item.target.id)): item.id for item in items}

        def find(row: Row) -> str | None:
            return places.get((address(row.get("subscriberIdString")), str(id_text(row.get("subscriptionId")))))

        def judge(row: Row, item: Item) -> Result | None:
            now, why = (str(row.get(name) or "").strip().upper() for name in ("status", "setStatusSuccessReason"))
            if row.get("status") is None and why in _CHANGED:  # what was asked for was done
                now = state
            if now not in (SUBSCRIBED, UNSUBSCRIBED, NOT_SPECIFIED):  # how the person stands is looked at
                return None
            if now != state:
                return Result(Ended.REJECTED, code=KEPT if state == SUBSCRIBED else None, http_status=answer.status)
            known = (address(item.person.email_key), str(item.target and item.target.id)) in self._memory.opted_out
            overrode = state == SUBSCRIBED and why == _RESUBSCRIBED and not known
            return Result(Ended.OPTED_OUT if overrode else Ended.ACCEPTED, code=_RESUBSCRIBED if overrode else None,
                          http_status=answer.status)  # fmt: skip

        return self._of_statuses.settle(items, answer.value, answer.status, find, judge)

    # Lists.

    def _lists(self, items: Sequence[Item], *, adds: bool) -> dict[str, Result]:
        """Add these people to their lists, or remove them: all have the same ones."""
        there = [item for item in items if item.record_id is not None]
        found: dict[str, Result] = {}
        for list_id in items[0].lists if there else ():
            told = self._list(list_id, there, adds=adds)
            for item in there:
                new, before = told.get(item.id, _NOTHING), found.get(item.id)
                # Of several lists the one that went worst is what is said.
                if before is None or before.ended is Ended.ACCEPTED or new.ended is Ended.UNKNOWN:
                    found[item.id] = new
        return {id_: result for id_, result in found.items() if result is not _NOTHING}

    def _list(self, list_id: str, items: Sequence[Item], *, adds: bool) -> dict[str, Result]:
        call = self._client.add_members if adds else self._client.remove_members
        try:
            answer = call(list_id, [str(item.record_id) for item in items])
        except Refused as refused:
            return self._refused(self._of_contacts, None, items, refused)
        done = _ids(answer.value, _ADDED if adds else _REMOVED)
        missing = _ids(answer.value, _MISSING)
        if done is None:
            return {}
        found = {}
        unnamed = []
        for item in items:
            record_id = str(item.record_id)
            if record_id in done or (record_id in (missing or ()) and not adds):
                found[item.id] = Result(Ended.ACCEPTED, record_id, http_status=answer.status)
            elif record_id in (missing or ()):
                found[item.id] = Result(Ended.REJECTED, code=NO_RECORD, http_status=answer.status)
            else:
                unnamed.append(item)
        self._memberships.note(list_id, done, on=adds)
        # An answer does not name those for whom nothing changed.
        so_already = self._already(list_id, [str(item.record_id) for item in unnamed], adds=adds)
        for item in unnamed:
            if item.record_id in so_already:
                found[item.id] = Result(Ended.ACCEPTED, item.record_id, http_status=answer.status)
        return found

    def _already(self, list_id: str, record_ids: Sequence[str], *, adds: bool) -> set[str]:
        try:
            on = self._memberships.read(record_ids, [list_id]) if record_ids else {}
        except PipelineError:  # they stay unknown, and are looked at before anything is sent again
            return set()
        return {id_ for id_, listed in on.items() if (list_id in listed) is adds}

    # Refusals of a whole request.

    def _refused(
        self, answers: Answers, what: str | None, items: Sequence[Item], refused: Refused
    ) -> dict[str, Result]:
        """Say what a refusal means for each item; raises it where it names none of several."""
        status = refused.http_status or 0
        if status == LOCKED:
            self._client.pause(LOCK_SECONDS)
            return {item.id: Result(Ended.LOCKED, code=refused.code, http_status=status) for item in items}
        said = refused.said if isinstance(refused.said, Mapping) else {}
        if len(items) == 1:
            return {items[0].id: answers.refusal(said, items[0], status)}
        if what is not None and self._client.learn_most(what, refused, len(items)):
            raise refused
        about = answers.named_in(said, items)
        for error in errors_in(said):
            about += [item for item in answers.named_in(error, items) if item not in about]
        about = about or self._existing(items, said)
        if not about:
            raise refused
        rest = Result(Ended.NOT_DONE, http_status=status)
        return {item.id: answers.refusal(said, item, status) if item in about else rest for item in items}

    def _existing(self, items: Sequence[Item], said: Row) -> list[Item]:
        """Return whom a contact that is there already belongs to; the refusal names its id alone."""
        id_ = existing_id(text_in(said)) if code_of(said) == CONFLICT else None
        if id_ is None:
            return []
        try:
            row = self._client.contact(id_, (EMAIL, OTHERS), by_email=False)
        except PipelineError:
            return []
        values = row.get("properties") if isinstance(row, Mapping) and id_text(row.get("id")) == id_ else None
        if not isinstance(values, Mapping):
            return []
        own = {address(one) for one in (values.get(EMAIL), *parts_of(values.get(OTHERS)))}
        return [item for item in items if address(item.person.email_key) in own]


_NOTHING: Final = Result(Ended.UNKNOWN)


class _Index:
    """Finds the item of a contact that an answer shows: by its trace id, which the contact must not contradict."""

    def __init__(self, items: Sequence[Item], creating: bool) -> None:
        self._creating = creating
        self._traces = {item.id: item for item in items}
        self._own = {self._name(item): item.id for item in items}

    def _name(self, item: Item) -> str:
        return address(item.person.email_key) if self._creating else str(item.record_id)

    def find(self, row: Row) -> str | None:
        trace = row.get("objectWriteTraceId")
        if trace is not None:
            return trace if isinstance(trace, str) else None
        return self._own.get(self._shown(row) or "")

    def _shown(self, row: Row) -> str | None:
        values = row.get("properties")
        if not self._creating:
            return id_text(row.get("id"))
        return (address(values.get(EMAIL)) or None) if isinstance(values, Mapping) else None

    def judge(self, row: Row, item: Item) -> Result | None:
        id_, shown = id_text(row.get("id")), self._shown(row)
        if id_ is None or (self._creating and shown not in (None, self._name(item))):
            return None
        return Result(Ended.ACCEPTED, id_)


def _names_of_contact(item: Item) -> Collection[str]:
    return {item.id.lower(), address(item.person.email_key) if item.record_id is None else item.record_id.lower()}


def _create(item: Item) -> dict[str, Any]:
    values = {name: value for name, value in item.values.items() if value != ""}
    return {"properties": {EMAIL: item.person.email, **values}, "objectWriteTraceId": item.id}


def _update(item: Item) -> dict[str, Any]:
    return {"id": item.record_id, "properties": dict(item.values), "objectWriteTraceId": item.id}


def _status(item: Item, state: str, with_basis: bool) -> dict[str, Any]:
    target = item.target.id if item.target is not None else ""
    wish = {
        "subscriberIdString": item.person.email,
        "channel": "EMAIL",
        "subscriptionId": int(target) if target.isdigit() else target,
        "statusState": state,
    }
    if with_basis and item.consent is not None:
        wish |= {**_BASIS, "legalBasisExplanation": item.consent.explanation}
    return wish


def _is_about_basis(said: object) -> bool:
    if not isinstance(said, Mapping):
        return False
    texts = [text_in(said), *(text_in(error) for error in errors_in(said))]
    return any("legalbasis" in text.lower().replace(" ", "").replace("_", "") for text in texts)


def _ids(answer: object, keys: Sequence[str]) -> set[str] | None:
    """Return the ids in the list of this name; None where there is none."""
    rows = [answer.get(key) for key in keys] if isinstance(answer, Mapping) else []
    lists_ = [some for some in rows if isinstance(some, list)]
    ids = {id_text(one) for some in lists_ for one in some}
    return {id_ for id_ in ids if id_ is not None} if lists_ else None
