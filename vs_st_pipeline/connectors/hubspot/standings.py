"""Reads how addresses stand to subscription types: what each has said, and who opted out of everything.

Data flow: addresses -> answers to two calls, each asked again about whom it left out -> `Standing` by target.

HubSpot may leave out an address of which it never heard, and an answer may be cut; the two look the same. So an address
without a contact counts as never heard of only when two whole answers leave it out. One with a contact is asked for
beside somebody whom answers show, and counts so only when two whole answers show that one and leave it out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors.hubspot import client as api
from vs_st_pipeline.connectors.hubspot.client import HubSpotClient
from vs_st_pipeline.connectors.hubspot.fields import moment
from vs_st_pipeline.connectors.hubspot.memory import Memory, address
from vs_st_pipeline.domain.crm import Standing, State, Target
from vs_st_pipeline.domain.records import id_text

SUBSCRIBED, UNSUBSCRIBED, NOT_SPECIFIED = "SUBSCRIBED", "UNSUBSCRIBED", "NOT_SPECIFIED"
ASKED: Final = 2  # whole answers that must leave somebody out
_STATUSES, _WIDE = "statuses", "wideStatuses"  # where an answer has its parts
_EMAIL: Final = "EMAIL"

Row = Mapping[str, Any]


@dataclass(slots=True)
class _Told:
    """What one call says: rows by address; who was left out, how often, by answers that are whole.

    Attributes:
        proved: how often by those of them that show somebody who stood behind.
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    proved: dict[str, int] = field(default_factory=dict)

    def never_heard_of(self, at: str, *, has_contact: bool) -> bool:
        """Say whether an address that was left out is one that HubSpot does not know."""
        return (self.proved if has_contact else self.left_out).get(at, 0) >= ASKED


def read(
    client: HubSpotClient, memory: Memory, people: Mapping[str, bool], targets: Collection[Target]
) -> dict[str, dict[Target, Standing]]:
    """Return how each address stands to each target, lists aside; an address that no answer covers is left out.

    Args:
        people: by address, whether it has a contact.
    """
    usable = {target.id for target in targets if memory.is_usable(target)}
    addresses = list(people)
    with_contact = {at for at in addresses if people[at] and at not in memory.unheard_of}
    statuses = _ask(client, memory, addresses, with_contact, client.statuses, _STATUSES, usable)
    wide = _ask(client, memory, addresses, with_contact, client.wide_statuses, _WIDE, set())
    found = {}
    for at in addresses:
        has_contact = at in with_contact
        unheard_of = statuses.never_heard_of(at, has_contact=has_contact)
        own = statuses.rows.get(at, [] if unheard_of else None)
        all_ = wide.rows.get(at, [] if unheard_of and wide.never_heard_of(at, has_contact=has_contact) else None)
        if own is None or all_ is None:
            continue
        if unheard_of and at not in statuses.rows:
            memory.unheard_of.add(at)
        found[at] = {target: _standing(own, all_, target) for target in targets}
        for target, standing in found[at].items():
            told = memory.opted_out.add if standing.state is State.UNSUBSCRIBED else memory.opted_out.discard
            told((at, target.id))
    return found


def _ask(
    client: HubSpotClient,
    memory: Memory,
    addresses: Sequence[str],
    with_contact: Collection[str],
    call: Callable[[Sequence[str]], Any],
    key: str,
    types: set[str],
) -> _Told:
    told = _Told()
    open_ = list(addresses)
    for _ in range(ASKED):
        for asked, answer in client.in_batches(api.STATUSES, open_, call):
            _take(told, answer, asked, key)
        open_ = [at for at in open_ if at not in told.rows or not types <= _types_of(told.rows[at])]
    if shown := next((at for at, rows in told.rows.items() if _shows(key, rows)), None):
        memory.shown[key] = shown
    _prove(client, memory, told, [at for at in open_ if at in with_contact and at not in told.rows], call, key)
    return told


def _prove(
    client: HubSpotClient,
    memory: Memory,
    told: _Told,
    open_: Sequence[str],
    call: Callable[[Sequence[str]], Any],
    key: str,
) -> None:
    """Ask for people who have a contact and whom no answer shows beside somebody who was shown.

    That one stands last, so that an answer that was cut does not show them.
    """
    shown = memory.shown.get(key, "")
    for _ in range(ASKED if shown and shown not in open_ else 0):
        open_ = [at for at in open_ if told.left_out.get(at) and at not in told.rows]
        most = max(1, client.most(api.STATUSES) - 1)
        for first in range(0, len(open_), most):
            for asked, answer in client.in_batches(api.STATUSES, [*open_[first : first + most], shown], call):
                _take(told, answer, asked, key, shown)


def _take(told: _Told, answer: object, asked: Sequence[str], key: str, beside: str = "") -> None:
    """Note what an answer says of each address; where it is about somebody else as well, it is not whole."""
    rows = answer.get("results") if isinstance(answer, Mapping) else None
    whole = isinstance(rows, list)
    named: dict[str, list[Row]] = {}
    for row in rows if isinstance(rows, list) else ():
        at = address(row.get("subscriberIdString")) if isinstance(row, Mapping) else ""
        parts = row.get(key) if isinstance(row, Mapping) else None
        good = isinstance(parts, list) and all(isinstance(part, Mapping) for part in parts)
        if at in named:
            whole = False  # it stands in the place of another one
        if at in asked and isinstance(parts, list) and good:
            named[at] = [*named.get(at, ()), *parts]
        else:
            whole = False
    for at, parts in named.items():  # what an earlier answer has shown stays said
        told.rows[at] = [*told.rows.get(at, ()), *parts]
    for at in set(asked) - named.keys():
        told.left_out[at] = told.left_out.get(at, 0) + whole
        told.proved[at] = told.proved.get(at, 0) + (whole and beside in named and _shows(key, named[beside]))


def _shows(key: str, parts: Collection[Row]) -> bool:
    """Say whether an answer says anything of somebody: of an opt-out from everything nothing may be to be said."""
    return bool(parts) or key == _WIDE


def _types_of(rows: Iterable[Row]) -> set[str]:
    return {str(id_text(row.get("subscriptionId"))) for row in rows}


def _standing(statuses: Iterable[Row], wide: Iterable[Row], target: Target) -> Standing:
    own = [row for row in statuses if id_text(row.get("subscriptionId")) == target.id and _is_mail(row)]
    against = [(row, _word(row) or UNSUBSCRIBED) for row in own if _word(row) not in (SUBSCRIBED, NOT_SPECIFIED)]
    against += [
        (row, str(row.get("wideStatusType") or UNSUBSCRIBED))
        for row in wide
        if _word(row) not in (SUBSCRIBED, NOT_SPECIFIED)  # a row alone says that somebody opted out
    ]
    if against:
        return Standing(State.UNSUBSCRIBED, since=_latest(row for row, _ in against), reason=against[-1][1])
    if any(_word(row) == SUBSCRIBED for row in own):
        return Standing(State.SUBSCRIBED)
    return Standing(State.NEVER)


def _is_mail(row: Row) -> bool:
    return row.get("channel") in (None, "", _EMAIL)


def _word(row: Row) -> str:
    return str(row.get("status") or "").strip().upper()


def _latest(rows: Iterable[Row]) -> datetime | None:
    times = [moment(row.get("timestamp")) for row in rows]
    known = [at for at in times if at is not None]
    return max(known) if len(known) == len(times) else None
