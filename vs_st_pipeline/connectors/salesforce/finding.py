"""Looks for people's contacts, and for how they stand to campaigns: in as few requests as the API allows.

Data flow: people -> queries -> rows that are somebody's -> who has which contact, who is a member -> `Seen`.

How somebody stands is judged by all contacts with the address: who opted out on one is spared on all.
"""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vs_st_pipeline.connectors.salesforce.asking import Asking, folded_value
from vs_st_pipeline.connectors.salesforce.client import Row, SalesforceClient
from vs_st_pipeline.connectors.salesforce.fields import EMAIL, OPTED_OUT, as_text
from vs_st_pipeline.connectors.salesforce.ids import core
from vs_st_pipeline.connectors.salesforce.settings import folded
from vs_st_pipeline.connectors.salesforce.soql import Query, Unit, one_of
from vs_st_pipeline.domain.crm import (
    DELETED_THERE,
    MERGED_THERE,
    OTHER_PRIMARY_EMAIL,
    SEVERAL_CONTACTS,
    CrmField,
    CrmRecord,
    FieldType,
    Seen,
    Sought,
    Standing,
    State,
    Target,
)

READS: Final = 3
"""How often a contact that we know is looked for before it counts as gone: what is new may show late."""

PAUSE: Final = 0.5  # seconds between these reads
_MASTER: Final = "MasterRecordId"
_DELETED: Final = "IsDeleted"
_MEMBER: Final = ("Id", "CampaignId", "ContactId", "Status")


@dataclass(slots=True)
class Memory:
    """What the requests of a sync have shown, for those that follow; records are known by the core of their ids.

    Attributes:
        members: whole ids of a person's memberships, by campaign and the person's key: several where the org lets
            somebody in twice.
        keyless: contacts without our key; an update gives it to them.
        told: whole ids of contacts that a refusal named as having our key, by key: no look had shown them.
        taken: keys that a contact has which we cannot see.
        refused: how often a new contact was refused because one has its key.
    """

    members: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    keyless: set[str] = field(default_factory=set)
    told: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class _Found:
    """What is known of one person so far.

    Attributes:
        named: id of the contact that the ledger or a refusal named; known: its core.
        rows: of contacts with the address, our key or that id, by id.
        members: memberships of these contacts.
        is_gone: no answer shows the known contact alive. gone: its row in the bin. is_merged: into another one.
        unclear: an answer about the person cannot be believed.
    """

    person: Sought
    named: str | None
    rows: dict[str, Row] = field(default_factory=dict)
    members: list[Row] = field(default_factory=list)
    is_gone: bool = False
    gone: Row | None = None
    is_merged: bool = False
    unclear: bool = False

    @property
    def known(self) -> str | None:
        return core(self.named)

    def with_address(self) -> list[Row]:
        """Return the contacts that have the person's address, in any letters."""
        return [row for row in self.rows.values() if folded_value(EMAIL, row[EMAIL]) == self.person.email_key]


class Finder:
    """Looks for people in one org."""

    def __init__(self, client: SalesforceClient, fields: Mapping[str, CrmField], memory: Memory) -> None:
        """Prepare; `fields` are all that contacts have."""
        self._client, self._fields, self._memory = client, fields, memory
        self._asking = Asking(client)
        self._key = client.settings.external_id_field
        self._withdrawn = folded(client.settings.withdrawn_status or "")

    def look(self, people: Sequence[Sought], targets: Collection[Target], names: Collection[str]) -> dict[str, Seen]:
        """Return what is there of each person, by `Sought.key`; of who is left out, nothing is known."""
        at = time.monotonic()
        told = self._memory.told
        all_found = [_Found(one, told.get(one.key) or one.record_id) for one in people]
        selected = tuple(dict.fromkeys(("Id", EMAIL, OPTED_OUT, self._key, *(n for n in names if n in self._fields))))
        self._find(all_found, Query("Contact", selected))
        self._find_missing(all_found, selected)
        self._find_members(all_found, targets)
        return {
            one.person.key: self._seen(one, targets, names, at)
            for one in all_found
            if not one.unclear and all(isinstance(row[OPTED_OUT], bool) for row in self._of(one))
        }

    # Contacts.

    def _find(self, all_found: Iterable[_Found], query: Query) -> None:
        units: dict[str, Unit] = {}
        owners: dict[tuple[str, str], list[_Found]] = {}
        for one in all_found:
            # Letters in another case are found, composed ones in place of decomposed ones are not: both are asked for.
            written = unicodedata.normalize("NFC", one.person.email).strip().lower()
            addresses = (one.person.email_key, one.person.email.strip().lower())
            wanted = {EMAIL: tuple(dict.fromkeys(addresses if written == one.person.email_key else addresses[:1]))}
            wanted[self._key] = (one.person.key,)
            if one.named is not None and one.known is not None:
                wanted["Id"] = (one.named,)
            units[one.person.key] = Unit(one.person.key, wanted)
            for name in {(named, folded_value(named, value)) for named in wanted for value in wanted[named]}:
                owners.setdefault(name, []).append(one)
        by_key = {one.person.key: one for one in all_found}
        for pack, rows in self._asking.read("find_contacts", query, list(units.values())):
            if rows is None:
                for unit in pack:
                    by_key[unit.whose].unclear = True
            for row in rows or ():
                for named in (EMAIL, self._key, "Id"):
                    for one in owners.get((named, folded_value(named, row[named])), ()):
                        one.rows[_id(row)] = row

    def _find_missing(self, all_found: Iterable[_Found], selected: tuple[str, ...]) -> None:
        """Read the contacts that are known and were not shown, in the bin too; once where the address finds another."""
        missing: dict[str, list[_Found]] = {}
        for one in all_found:
            if one.known is not None and one.known not in one.rows and not one.unclear:
                one.is_gone = True
                missing.setdefault(one.known, []).append(one)
        # Hidden only where fields of its kind are shown: a describe may leave out what is the system's own.
        master = (_MASTER,) if _MASTER in self._fields or _DELETED not in self._fields else ()
        query = Query("Contact", (*selected, _DELETED, *master), deleted=True)
        for attempt in range(READS):
            if attempt:
                missing = {id: some for id, some in missing.items() if not all(one.with_address() for one in some)}
            if missing and attempt:
                self._client.sleep(PAUSE)
            units = [Unit(id, {"Id": (some[0].named or id,)}) for id, some in missing.items()]
            for pack, rows in self._asking.read("find_deleted", query, units) if units else ():
                for unit in pack if rows is None else ():
                    for one in missing.pop(unit.whose):
                        one.unclear = not one.with_address()
                for row in rows or ():
                    for one in missing.pop(_id(row), ()):
                        self._settle(one, row)

    def _settle(self, one: _Found, row: Row) -> None:
        one.is_merged = core(row.get(_MASTER)) is not None
        if row[_DELETED] is False:
            one.rows[_id(row)], one.is_gone = row, False
        elif row[_DELETED] is True:
            one.gone = row
        else:
            one.unclear = not one.with_address()

    # Members.

    def _of(self, one: _Found) -> list[Row]:
        """Return the contacts by which somebody stands: those with the address, else the one that we wrote before.

        That one has another address now, and nobody writes it; but what we did there may have to be undone.
        """
        known = one.rows.get(one.known) if one.known is not None else None
        return one.with_address() or ([] if known is None else [known])

    def _find_members(self, all_found: Iterable[_Found], targets: Collection[Target]) -> None:
        campaigns = {id: target.id for target in targets if (id := core(target.id)) is not None}
        owners: dict[str, list[_Found]] = {}
        units: dict[str, Unit] = {}
        for one in all_found:
            for row in self._of(one) if campaigns and not one.unclear else ():
                owners.setdefault(_id(row), []).append(one)
                units[_id(row)] = Unit(_id(row), {"ContactId": (row["Id"],)})
        query = Query("CampaignMember", _MEMBER, one_of("CampaignId", campaigns.values()))
        for pack, rows in self._asking.read("find_members", query, list(units.values())) if units else ():
            if rows is None or any(core(row["CampaignId"]) not in campaigns for row in rows):
                for one in (one for unit in pack for one in owners[unit.whose]):
                    one.unclear = True
                continue
            for row in rows:
                for one in owners[_owner(row)]:
                    one.members.append(row)

    # What follows.

    def _seen(self, one: _Found, targets: Collection[Target], names: Collection[str], at: float) -> Seen:
        row, held = self._chosen(one)
        if row is not None:
            self._note_key(one, row)
        standings = {target: self._standing(one, row, target) for target in targets}
        record = None if row is None else self._record(row, names)
        return Seen(record, held, standings, at, self._lost(one) and not one.is_merged)

    def _lost(self, one: _Found) -> bool:
        """Say whether the ledger's contact is gone; one that a refusal named may just not be for us to see."""
        return one.is_gone and one.known == core(one.person.record_id)

    def _chosen(self, one: _Found) -> tuple[Row | None, str | None]:
        """Return the person's contact, or why none may be written (6.2); neither where there is none."""
        found = one.with_address()
        if len(found) > 1:
            ours = [row for row in found if self._has_key(row, one.person)]
            return (ours[0], None) if len(ours) == 1 else (None, SEVERAL_CONTACTS)
        if found:
            return found[0], None
        if one.gone is not None and one.is_merged:
            return None, MERGED_THERE
        if one.rows:
            return None, OTHER_PRIMARY_EMAIL
        return None, DELETED_THERE if self._lost(one) else None

    def _has_key(self, row: Row, person: Sought) -> bool:
        return folded_value(self._key, row[self._key]) == person.key

    def _note_key(self, one: _Found, row: Row) -> None:
        """Remember a contact that has no key of ours yet, unless the person's stands on another one."""
        elsewhere = any(self._has_key(other, one.person) for other in one.rows.values())
        if row[self._key] in (None, "") and not elsewhere and one.person.key not in self._memory.taken:
            self._memory.keyless.add(_id(row))
        else:
            self._memory.keyless.discard(_id(row))

    def _record(self, row: Row, names: Collection[str]) -> CrmRecord:
        types = {name: self._fields[name].type if name in self._fields else FieldType.TEXT for name in names}
        values = {name: as_text(row.get(name), type) for name, type in types.items()}
        return CrmRecord(row["Id"], row[EMAIL] if isinstance(row[EMAIL], str) else None, values, dict(row))

    def _standing(self, one: _Found, chosen: Row | None, target: Target) -> Standing:
        """Return how the person stands to a campaign: by all contacts that count, and a member by one of them."""
        contacts, campaign = self._of(one), core(target.id)
        members = [row for row in one.members if core(row["CampaignId"]) == campaign]
        mine = _id(chosen) if chosen is not None else _id(contacts[0]) if len(contacts) == 1 else None
        own = [row["Id"] for row in members if _owner(row) == mine]
        self._memory.members.pop((campaign or "", one.person.key), None)
        if own:
            self._memory.members[campaign or "", one.person.key] = own
        if any(row[OPTED_OUT] for row in contacts):
            return Standing(State.SUPPRESSED, reason=OPTED_OUT)
        for row in members:
            if self._withdrawn and folded(str(row["Status"] or "")) == self._withdrawn:
                return Standing(State.UNSUBSCRIBED, reason=str(row["Status"]))
        return Standing(State.SUBSCRIBED if own else State.NEVER)


def _id(row: Row) -> str:
    return core(row["Id"]) or ""


def _owner(row: Row) -> str:
    return core(row["ContactId"]) or ""
