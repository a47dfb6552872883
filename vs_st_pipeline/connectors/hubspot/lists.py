"""Reads who is on which list, in as few requests as it takes: contact by contact, or a list from its beginning.

Data flow: contacts and lists -> pages of members, or the lists of one contact -> ids of lists by contact.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from vs_st_pipeline.connectors.hubspot.client import MEMBERS, HubSpotClient
from vs_st_pipeline.connectors.hubspot.names import HUBSPOT
from vs_st_pipeline.domain.errors import BadAnswer, Refused
from vs_st_pipeline.domain.records import id_text
from vs_st_pipeline.platform.http.client import NOT_THERE

_TAKES_MEMBERS: Final = ("MANUAL", "SNAPSHOT")
_CONTACTS: Final = "0-1"
_ALL: Final = 2_000  # pages of a list, at most
KEPT_SECONDS: Final = 600.0


def fault_of(client: HubSpotClient, list_id: str) -> str | None:
    """Return why nobody can be added to a list, a sentence; None where people can be.

    Raises:
        BadAnswer: the answer says nothing about the list.
    """
    try:
        answer = client.one_list(list_id)
    except Refused as refused:
        if refused.http_status not in (400, *NOT_THERE):
            raise
        return f"there is no list {list_id}"
    found = answer.get("list", answer) if isinstance(answer, Mapping) else None
    kind = found.get("processingType") if isinstance(found, Mapping) else None
    if (
        not isinstance(found, Mapping)
        or not isinstance(kind, str)
        or id_text(found.get("listId")) not in (None, list_id)
    ):
        raise BadAnswer("The answer about a list says nothing about it", system=HUBSPOT, call="list")
    if kind.upper() not in _TAKES_MEMBERS:
        return f"list {list_id} is {kind.lower()}, so nobody can be added to it"
    if found.get("objectTypeId") not in (None, "", _CONTACTS):
        return f"list {list_id} is not one of contacts"
    return None


class Memberships:
    """Reads who is on which list, during one sync.

    A list is walked where that takes no more requests than asking about each contact alone, those that were asked about
    before among them; so nobody pays more than twice for not knowing how many will come. Who was on it is kept for
    some minutes: a membership is no consent, and adding a member again changes nothing.
    """

    def __init__(self, client: HubSpotClient) -> None:
        self._client = client
        self._walked: dict[str, tuple[float, set[str]]] = {}
        self._singly = 0  # contacts that were asked about alone

    def read(self, record_ids: Collection[str], lists: Collection[str]) -> dict[str, set[str]]:
        """Return which of these lists each contact is on; a contact is left out where that cannot be known."""
        ids, wanted = sorted(set(record_ids)), sorted(set(lists))
        if (found := self._by_members(ids, wanted, len(ids) + self._singly)) is not None:
            return found
        self._singly += len(ids)
        singly = {id_: self._lists_of(id_) for id_ in ids}
        if None in singly.values() and (found := self._by_members(ids, wanted, _ALL)) is not None:
            return found
        return {id_: on & set(wanted) for id_, on in singly.items() if on is not None}

    def note(self, list_id: str, record_ids: Iterable[str], *, on: bool) -> None:
        """Take note of who was put on a list, or taken off it."""
        if list_id in self._walked:
            _, members = self._walked[list_id]
            (members.update if on else members.difference_update)(record_ids)

    def _by_members(self, record_ids: Sequence[str], lists: Sequence[str], most: int) -> dict[str, set[str]] | None:
        """Return the same by walking the lists; None where that takes more than `most` requests each."""
        found: dict[str, set[str]] = {id_: set() for id_ in record_ids}
        for list_id in lists:
            at, members = self._walked.get(list_id, (0.0, None))
            if members is None or time.monotonic() - at > KEPT_SECONDS:
                at, members = time.monotonic(), self._members(list_id, most) if most > 1 else None
            if members is None:
                return None
            self._walked[list_id] = at, members
            for id_ in members & found.keys():
                found[id_].add(list_id)
        return found

    def _lists_of(self, record_id: str) -> set[str] | None:
        """Return the ids of all lists that a contact is on; None where the answer does not say."""
        try:
            answer = self._client.lists_of(record_id)
        except Refused:
            return None
        rows = answer.get("results") if isinstance(answer, Mapping) else None
        if not isinstance(rows, list):
            return None
        ids = {id_text(row.get("listId")) if isinstance(row, Mapping) else None for row in rows}
        total = answer.get("total")
        whole = None not in ids and (not isinstance(total, int) or total <= len(rows)) and _next(answer) is None
        return {id_ for id_ in ids if id_} if whole else None

    def _members(self, list_id: str, most: int) -> set[str] | None:
        """Return the ids of all members; None where that takes more than `most` requests, or cannot be known."""
        found: set[str] = set()
        after: str | None = None
        for _ in range(min(most, _ALL)):
            try:
                answer = self._client.members(list_id, after)
            except Refused:
                return None
            rows = answer.get("results") if isinstance(answer, Mapping) else None
            if not isinstance(rows, list):
                return None
            ids = [id_text(row.get("recordId")) if isinstance(row, Mapping) else None for row in rows]
            found |= {id_ for id_ in ids if id_ is not None}
            total, before, after = answer.get("total"), after, _next(answer)
            told = total if isinstance(total, int) else len(found)
            if None in ids or told > MEMBERS * most or (after is not None and after == before):
                return None
            if after is None:
                return found if told <= len(found) else None
        return None


def _next(answer: Mapping[str, Any]) -> str | None:
    paging = answer.get("paging")
    then = paging.get("next") if isinstance(paging, Mapping) else None
    return id_text(then.get("after")) if isinstance(then, Mapping) else None
