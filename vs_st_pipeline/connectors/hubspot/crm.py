"""One merchant's portal at HubSpot, in the words that all CRMs speak in.

Data flow: people -> contacts, standings and memberships -> `Seen`; items -> requests -> `Result`.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from vs_st_pipeline.connectors.hubspot import lists, packing, standings
from vs_st_pipeline.connectors.hubspot.client import MOST, HubSpotClient
from vs_st_pipeline.connectors.hubspot.fields import fields_in
from vs_st_pipeline.connectors.hubspot.lists import Memberships
from vs_st_pipeline.connectors.hubspot.memory import Memory, address
from vs_st_pipeline.connectors.hubspot.names import HUBSPOT
from vs_st_pipeline.connectors.hubspot.records import Finder, Found
from vs_st_pipeline.connectors.hubspot.settings import HubSpotSettings
from vs_st_pipeline.connectors.hubspot.writing import Writer
from vs_st_pipeline.domain.crm import Crm, Item, Result, Seen, Setup, Sought, Standing, State, Step, Target, TargetInfo
from vs_st_pipeline.domain.errors import BadAnswer, BadSettings, Forbidden, Refused
from vs_st_pipeline.domain.records import id_text
from vs_st_pipeline.platform.http.client import NOT_THERE
from vs_st_pipeline.platform.settings.merchants import Merchant

_BATCHES, _SECONDS = 5, 30.0


def connect_crm(client: HubSpotClient, merchant: Merchant) -> Crm:
    """Return the merchant's portal, for one sync; nothing is sent yet."""
    settings = merchant.section(HubSpotSettings)
    return HubSpotCrm(
        client, records_all=settings.without_consent == "record", requests_per_second=settings.requests_per_second
    )


class HubSpotCrm:
    """See `domain.crm.Crm`."""

    name = HUBSPOT
    # What overrode an opt-out is undone before anything else is done for that person.
    steps = (Step.FIELDS, Step.CONSENT, Step.WITHDRAW, Step.LISTS, Step.UNLIST)
    shows_within = timedelta(0)  # every answer is final

    def __init__(self, client: HubSpotClient, *, records_all: bool, requests_per_second: float = 5.0) -> None:
        self.records_all = records_all
        # Several batches together, since new and known people go in requests of their own; no more than are looked at
        # and subscribed well within the minute (some seven requests for each batch).
        self.chunk = max(1, min(_BATCHES * MOST, int(MOST * requests_per_second * _SECONDS / 7)))
        self._client = client
        self._memory = Memory()
        self._memberships = Memberships(client)
        self._writer = Writer(client, self._memory, self._memberships)

    def account(self) -> str | None:
        """Return the portal's id, None where the token may not ask or the answer does not say."""
        try:
            answer = self._client.details()
        except (Forbidden, Refused, BadAnswer):
            return None
        return id_text(answer.get("portalId")) if isinstance(answer, Mapping) else None

    def begin(self, targets: Collection[Target]) -> Setup:
        """Read properties, subscription types and lists. `Setup.doubts` grows while the sync goes on."""
        memory = self._memory
        memory.fields = fields_in(_rows(self._properties(), "properties"))
        types = _rows(self._client.definitions(), "definitions") if targets else []
        names = {str(id_text(row.get("id"))): row for row in types if isinstance(row, Mapping)}
        faults = {
            list_id: lists.fault_of(self._client, list_id)
            for list_id in sorted({one for target in targets for one in target.lists})
        }
        memory.targets = {target: _target(target, names.get(target.id), faults) for target in targets}
        return Setup(dict(memory.fields), dict(memory.targets), memory.doubts)

    def _properties(self) -> Any:
        try:
            return self._client.properties()
        except Refused as refused:
            if refused.http_status not in NOT_THERE:
                raise
        raise BadSettings("HubSpot does not know this path; are base_url and api_version right?", system=HUBSPOT)

    def look(
        self, people: Sequence[Sought], targets: Collection[Target], fields: Collection[str]
    ) -> Mapping[str, Seen]:
        """Read these people's contacts and standings; whom an answer does not cover is left out."""
        at = time.monotonic()
        found = Finder(self._client, self._memory, fields).find(people)
        known = {person.key: person for person in people if person.key in found}
        stand: Mapping[str, Mapping[Target, Standing]] = {key: {} for key in known}
        if targets and known:
            stand = self._standings(known, found, targets)
        return {
            key: Seen(found[key].record, found[key].held, standing, at, found[key].gone)
            for key, standing in stand.items()
        }

    def _standings(
        self, people: Mapping[str, Sought], found: Mapping[str, Found], targets: Collection[Target]
    ) -> dict[str, dict[Target, Standing]]:
        has_contact = {address(person.email_key): found[key].record is not None for key, person in people.items()}
        told = standings.read(self._client, self._memory, has_contact, targets)
        by_key = {key: told[at] for key, person in people.items() if (at := address(person.email_key)) in told}
        wanted = {
            key: {one for target, standing in own.items() if standing.state is State.SUBSCRIBED
                  for one in self._lists_of(target)}
            for key, own in by_key.items()
        }  # fmt: skip
        records = {key: id_ for key in by_key if (id_ := found[key].listed) is not None and wanted[key]}
        joined = {one for key in records for one in wanted[key]}
        on = self._memberships.read(records.values(), joined) if records else {}
        return {
            key: self._with_missing(own, on[records[key]] if key in records else frozenset())
            for key, own in by_key.items()
            if key not in records or records[key] in on
        }

    def _lists_of(self, target: Target) -> tuple[str, ...]:
        return target.lists if self._memory.is_usable(target) else ()

    def _with_missing(self, own: Mapping[Target, Standing], on: Collection[str]) -> dict[Target, Standing]:
        return {
            target: replace(standing, missing=tuple(one for one in self._lists_of(target) if one not in on))
            if standing.state is State.SUBSCRIBED
            else standing
            for target, standing in own.items()
        }

    def requests(self, step: Step, items: Sequence[Item]) -> list[list[Item]]:
        """Return the items as requests."""
        return packing.requests(self._client, step, items)

    def send(self, step: Step, items: Sequence[Item]) -> Mapping[str, Result]:
        """Send one request, once; lists are a request each, where a target has several."""
        return self._writer.send(step, items)


def _target(target: Target, row: Mapping[str, Any] | None, faults: Mapping[str, str | None]) -> TargetInfo:
    name = str(row.get("name") or "") if row else ""
    if row is None:
        missing: str | None = f"there is no subscription type {target.id}"
    elif row.get("isActive") is False:
        missing = f"subscription type {target.id} is not active"
    else:
        missing = next((fault for one in target.lists if (fault := faults.get(one))), None)
    return TargetInfo(missing, name=name)


def _rows(answer: object, call: str) -> list[Any]:
    """Return the rows of a list that cannot be empty; raises BadAnswer where the answer has none."""
    rows = answer.get("results") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list) or not rows:
        raise BadAnswer("The answer lists nothing where something is always there", system=HUBSPOT, call=call)
    return rows
