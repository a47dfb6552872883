"""Tells a system our URL that lists none, and remembers what it was told (routes.md R36; consumers.md 3.1).

Data flow: places (an organisation, campaigns) -> one request for each that was not told this URL -> webhooks.json

Such a system cannot be asked what stands there, and takes no webhook back. So what it was told is remembered here, and
said again only where a person wants it; before a request leaves it is noted that it may have been told.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from vs_st_pipeline.domain.errors import BadKey, PipelineError
from vs_st_pipeline.operations.webhooks.compare import Row, State
from vs_st_pipeline.operations.webhooks.wanted import wanted_kinds
from vs_st_pipeline.platform.hooks import Teller
from vs_st_pipeline.platform.inbox.questions import is_proved
from vs_st_pipeline.platform.inbox.store import inbox_in

if TYPE_CHECKING:
    from vs_st_pipeline.operations.webhooks.desk import Desk


def tell(desk: Desk) -> None:
    """Tell the system its URL for each place that was not told it yet, or for all of them (`Desk.again`).

    One place's trouble is its own, unless it is the key's.
    """
    teller = _teller(desk)
    places = teller.places() if teller is not None else []
    digest, told = _digest(desk.url), dict(desk.before.told)
    if any(told.get(place) not in (None, "", digest) for place in places):
        desk.entry.says.append(f"{desk.connector.title} was told another URL before, which only its own people remove")
    for place in places:
        if told.get(place) == digest and not desk.again:
            desk.entry.done["kept"] += 1
            continue
        if told.get(place) != digest:
            told[place] = ""
            _note(desk, told)
        try:
            assert teller is not None
            said = teller.tell(place, desk.url)
        except PipelineError as error:
            desk.entry.errors[desk.name] = error
            if isinstance(error, BadKey):
                break
            continue
        told[place] = digest
        _note(desk, told)
        desk.entry.done["made"] += 1
        desk.entry.says += [said] if said else []
    say_told(desk)


def say_told(desk: Desk) -> None:
    """Say what is known of a webhook that nobody can list."""
    if not wanted_kinds(desk.run.merchant, desk.name):
        return
    teller, before = _teller(desk), desk.before
    digest = _digest(desk.url)
    states = {place: before.told.get(place) == digest for place in (teller.places() if teller is not None else ())}
    if any(before.told.get(place) not in (None, "", digest) for place in states):
        desk.entry.outdated.add(desk.name)
    has_called = not states and _has_called(desk)
    by_hand = {desk.name: before.shown == desk.shown or has_called} if not states else {}
    for place, is_told in (states or by_hand).items():
        state = State.TOLD if is_told else State.UNPROVEN
        desk.entry.hooks.append(Row(desk.name, place, state, None, desk.shown, desk.url))
    if not all((states or by_hand).values()):
        desk.entry.says.append(f"{desk.connector.title}: {desk.hooks.by_hand}")
    elif by_hand and not has_called:  # whoever was shown the URL may not have entered it
        title, not_yet = desk.connector.title, "no call has come by this URL yet; where nobody has entered it"
        desk.entry.says.append(f"{title}: {not_yet}: {desk.hooks.by_hand}")


def say_left(desk: Desk) -> None:
    """Say of a webhook that was to be removed that nobody can do that from here."""
    title = desk.connector.title
    if desk.before.is_told():
        desk.entry.says.append(f"{title} was told our URL and documents no way to take it back: its own people do")
    elif desk.before.shown is not None or _has_called(desk):
        desk.entry.says.append(f"{title}: a person entered our URL there, and takes it out there")


def note_shown(desk: Desk) -> None:
    """Note that its URL was shown to a person."""
    desk.write(msgspec.structs.replace(desk.before, at=time.time(), shown=desk.shown))


def _teller(desk: Desk) -> Teller | None:
    make = desk.hooks.teller
    if make is None or not wanted_kinds(desk.run.merchant, desk.name):
        return None
    return make(desk.session.client(desk.connector))


def _has_called(desk: Desk) -> bool:
    """Say whether a call has come by the present URL, as far as that is known: then somebody has entered it."""
    merchant, name = desk.run.merchant, desk.name
    inbox = inbox_in(desk.run.warehouse.data_dir)
    if inbox is None:
        return False
    generation = merchant.webhooks.of(name).generation
    return is_proved(inbox, merchant.id, name, generation)


def _note(desk: Desk, told: dict[str, str]) -> None:
    desk.write(msgspec.structs.replace(desk.before, at=time.time(), told=dict(told)))


def _digest(url: str) -> str:
    return sha256(url.encode()).hexdigest()
