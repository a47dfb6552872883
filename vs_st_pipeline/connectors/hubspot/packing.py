"""Makes requests of items: within HubSpot's limits, nobody in one twice, and no list beside another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from vs_st_pipeline.connectors.hubspot import client as api
from vs_st_pipeline.connectors.hubspot.client import HubSpotClient
from vs_st_pipeline.domain.crm import Item, Step


def requests(client: HubSpotClient, step: Step, items: Sequence[Item]) -> list[list[Item]]:
    """Return the items as requests, in order; creates are not beside updates."""
    if step is Step.FIELDS:
        creates = [item for item in items if item.record_id is None]
        updates = [item for item in items if item.record_id is not None]
        most = client.most(api.CONTACTS)
        return [*_packed(creates, most, _email), *_packed(updates, most, lambda item: str(item.record_id))]
    if step in (Step.CONSENT, Step.WITHDRAW):
        return _packed(items, client.most(api.STATUSES), _email)
    by_lists: dict[tuple[str, ...], list[Item]] = {}
    for item in items:
        by_lists.setdefault(item.lists, []).append(item)
    return [one for some in by_lists.values() for one in _packed(some, api.MOST, lambda item: str(item.record_id))]


def _packed(items: Iterable[Item], most: int, who: Callable[[Item], str]) -> list[list[Item]]:
    packs: list[list[Item]] = []
    there: list[set[str]] = []
    first = 0  # of those that are not full
    for item in items:
        name = who(item)
        at = next((at for at in range(first, len(packs)) if len(packs[at]) < most and name not in there[at]), None)
        if at is None:
            at = len(packs)
            packs.append([])
            there.append(set())
        packs[at].append(item)
        there[at].add(name)
        while first < len(packs) and len(packs[first]) >= most:
            first += 1
    return packs


def _email(item: Item) -> str:
    return item.person.email_key
