"""Registers webhooks at a system that cannot be asked what is registered there, and cannot take it back.

What was registered is remembered in `webhooks.json`, by a hash of its URL: the same URL is not registered again.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vs_st_pipeline.operations.webhooks.compare import Row, State
from vs_st_pipeline.operations.webhooks.seen import SeenSystem
from vs_st_pipeline.platform.hooks import Teller, token_hash

if TYPE_CHECKING:
    from vs_st_pipeline.operations.webhooks.desk import Desk


def register(desk: Desk, teller: Teller) -> None:
    """Register what was not registered yet, one place after the other; each is remembered before the next one."""
    told, hashed = dict(desk.before.told), token_hash(desk.url)
    for place in teller.places():
        if told.get(place) == hashed and not desk.again:
            desk.entry.done["kept"] += 1
            desk.entry.says.append(f"{place} was registered before; --again does it again")
        else:
            said = teller.tell(place, desk.url)
            desk.entry.done["made"] += 1
            desk.entry.says += [f"{place}: {said}"] if said else []
            told[place] = hashed
            desk.write(SeenSystem(time.time(), told=told))
        desk.entry.hooks.append(_row(desk, place, State.TOLD))


def tell(desk: Desk) -> None:
    """Say what was registered."""
    hashed, told = token_hash(desk.url), desk.before.told
    places = [place for place, one in told.items() if one == hashed]
    desk.entry.hooks += [_row(desk, place, State.TOLD) for place in places]
    if not places:
        desk.entry.hooks.append(_row(desk, desk.name, State.UNPROVEN))


def _row(desk: Desk, name: str, state: State) -> Row:
    return Row(desk.name, name, state, None, desk.shown, desk.url)
