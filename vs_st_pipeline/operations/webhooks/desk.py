"""Sees to the webhooks of one merchant at one system: lists, makes, changes, removes, and notes what it saw.

Data flow: list -> compare -> make or change one -> list again ... -> remove what is ours and too many -> webhooks.json

Each request that makes something is sent once, and what is there is listed before the next one: so an answer that was
lost makes no second webhook.

It is long because making, changing and removing share what was listed last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadSettings, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.operations.webhooks.compare import Group, Row, State, compare, rows_of
from vs_st_pipeline.operations.webhooks.entry import Entry
from vs_st_pipeline.operations.webhooks.seen import SeenSystem, note, read_seen, seen_row
from vs_st_pipeline.operations.webhooks.site import Recognizer, Site
from vs_st_pipeline.operations.webhooks.telling import say_left, say_told, tell
from vs_st_pipeline.operations.webhooks.wanted import idle_kinds, systems_with_hooks, wanted_kinds
from vs_st_pipeline.pipeline.session import Session
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.hooks import Hooks, NotEnabled, Registrar, Registration
from vs_st_pipeline.platform.run import Run

_TRIES: Final = 2  # of one webhook whose making was not answered, or answered with an error
_REFUSALS: Final = (400, 409, 422)  # it is about what was asked for


@dataclass
class Desk:
    """Where one system's webhooks of one merchant are seen to.

    Attributes:
        refused: names that the system did not take. singly: it does not keep several names in one webhook.
        unsure: something may have been made that no list has shown yet.
        again: a system that lists none is told its URL also where it was told it before.
        notes: False: nothing is kept of the merchant, and nothing is noted unless it tells of ours.
        registrar: of a system whose list was read to remove ours.
    """

    run: Run
    site: Site
    entry: Entry
    session: Session
    connector: Connector[Any]
    refused: set[str] = field(default_factory=set)
    singly: bool = False
    unsure: bool = False
    again: bool = False
    notes: bool = True
    registrar: Registrar | None = None

    def __post_init__(self) -> None:
        self.whose = Recognizer(self.site, self.run.merchant, self.name)
        self.url = self.site.hook_url(self.run.merchant, self.name)
        self.shown = self.site.shown_url(self.run.merchant, self.name)
        self.entry.foreign[self.name] = None

    @property
    def name(self) -> str:
        return self.connector.name

    @property
    def hooks(self) -> Hooks:
        assert self.connector.hooks is not None
        return self.connector.hooks

    @contextmanager
    def answering_for(self) -> Iterator[None]:
        """Note an error as this system's; the others go on."""
        try:
            yield
        except NotEnabled:
            self._not_enabled()
        except PipelineError as error:
            self.entry.errors[self.name] = error
        except OSError as error:
            self.entry.errors[self.name] = BadSettings(f"webhooks.json cannot be written: {error.strerror}")

    # --- what the commands do ---

    def register(self, ready: Callable[[str], bool]) -> None:
        if not wanted_kinds(self.run.merchant, self.name):
            return None  # what is registered is left: a pause ends
        registrar = self._registrar()
        if registrar is None:
            return tell(self)
        self.singly = self.before.singly
        self._list(registrar)
        self.entry.done["kept"] += len(self.standing.ok)
        try:
            self._make_all(registrar)
            doubles = [one for one, state in self.standing.surplus if state is State.DUPLICATE]
            gone = self.standing.removable
            if any(one not in doubles for one in gone) and not ready(self.name):
                gone = [one for one in gone if one in doubles]
                self.entry.errors[self.name] = TryLater(
                    "calls to the new URL are answered and not taken, so the older webhooks stay: does the receiver "
                    "have the same merchants file and secrets? Then register again",
                    system=self.name,
                )
            self._remove(registrar, gone)
        finally:
            self._tell()
        return None

    def look(self) -> None:
        registrar = self._registrar()
        if registrar is None:
            return say_told(self)
        self.singly, self.refused = self.before.singly, set(self.before.refused)
        self._list(registrar)
        self._tell()
        return None

    def find_ours(self) -> None:
        """List what is registered, and remove nothing yet: that is `remove_ours`."""
        registrar = self._registrar()
        if registrar is None:
            return say_left(self)
        self.singly, self.refused = self.before.singly, set(self.before.refused)
        try:
            self._list(registrar)
        except NotEnabled:
            if self.before.tells_of_ours():
                raise BadKey(
                    "the account may not use the interface for webhooks any more, so ours stay registered there",
                    system=self.name,
                    call="list_webhooks",
                ) from None
            self._note([], foreign=0)  # nothing was ever registered by this interface
            return None
        self.registrar = registrar
        return None

    def remove_ours(self) -> None:
        """Remove what `find_ours` has found."""
        if self.registrar is None:
            return
        ours = self.standing.ours
        try:
            self._remove(self.registrar, ours)
            if ours:
                self._see_that_gone(self.registrar, ours)
        finally:
            self._tell(missing=False)

    def has_one(self, id: str) -> bool:
        """Say whether a webhook with this id is registered, whosever it is."""
        registrar = self._registrar()
        return registrar is not None and any(one.id == id for one in registrar.list())

    def remove_one(self, id: str) -> None:
        """Remove the webhook with this id."""
        if (registrar := self._registrar()) is None:
            return
        self.singly, self.refused = self.before.singly, set(self.before.refused)
        registrar.remove(id)
        self.entry.done["removed"] += 1
        self._list(registrar)
        self._tell(missing=False)

    # --- how ---

    @property
    def before(self) -> SeenSystem:
        """Return what was last seen."""
        return read_seen(self.run.warehouse.data_dir, self.run.merchant.id).of(self.name)

    def _registrar(self) -> Registrar | None:
        make = self.hooks.registrar
        return None if make is None else make(self.session.client(self.connector))

    def _list(self, registrar: Registrar) -> None:
        self.found = registrar.list()
        self.unsure = False
        self._compare(registrar)

    def _compare(self, registrar: Registrar) -> None:
        wanted = registrar.names(wanted_kinds(self.run.merchant, self.name))
        idle = registrar.names(idle_kinds(self.run.merchant, self.name))
        self.standing = compare(
            self.found,
            self.whose,
            wanted,
            together=registrar.change is not None,
            singly=self.singly,
            refused=self.refused,
            idle=[name for name in idle if name not in wanted],
        )

    def _remove(self, registrar: Registrar, these: Sequence[Registration]) -> None:
        for one in these:
            registrar.remove(one.id)
            self.entry.done["removed"] += 1
            self.standing = self.standing.without(one)

    def _see_that_gone(self, registrar: Registrar, these: Sequence[Registration]) -> None:
        """List once more after these were removed: an answer alone says nothing, and nobody looks here again."""
        self._list(registrar)
        there = {one.id for one in self.found}
        if left := sum(one.id in there for one in these):
            self.entry.done["removed"] -= left
            self.entry.errors[self.name] = BadAnswer(
                f"{counted(left, 'webhooks')} of ours {'is' if left == 1 else 'are'} still listed though the removal "
                "was answered: try again in a few minutes",
                system=self.name,
                call="remove_webhook",
            )

    def _make_all(self, registrar: Registrar) -> None:
        """Make and change until nothing more can be done; what is there is listed after each."""
        tries: dict[Group, int] = {}
        failed: PipelineError | None = None
        while (group := self._next(tries)) is not None:
            change = self.standing.changed.get(group)
            accepted = False
            self._note_making()
            try:
                if change is not None and registrar.change is not None:
                    registrar.change(change.id, group, self.url)
                else:
                    registrar.make(group, self.url, self.run.merchant.id)
                accepted = True
            except (TryLater, BadAnswer) as error:  # it may have been made: the list tells
                failed = error
            except Refused as error:
                if error.http_status not in _REFUSALS:
                    raise
                self._refuse(group)
            # What was accepted is not asked for again, whatever the list says: that would make a second one.
            tries[group] = _TRIES if accepted else tries.get(group, 0) + 1
            self._list(registrar)
            if accepted or group in self.standing.ok:
                self.entry.done["made" if change is None else "changed"] += 1
            there = self.standing.changed.get(group)
            if accepted and there is not None and set(there.names) < set(group):
                if len(group) > 1:
                    self.singly = True  # it was sent more names than it keeps
                elif self.standing.ok:  # the list shows names, and of this one nothing was kept
                    self.refused.add(group[0])
                self._compare(registrar)
        if failed is not None and (self.standing.missing or self.standing.changed):
            self.entry.errors[self.name] = failed

    def _next(self, tries: Mapping[Group, int]) -> Group | None:
        ok = self.standing.ok
        return next((one for one in self.standing.groups if one not in ok and tries.get(one, 0) < _TRIES), None)

    def _refuse(self, group: Group) -> None:
        """Do without the last name of a group; where that was refused before, each name is asked for by itself."""
        if len(group) > 1 and self.refused:
            self.refused.clear()
            self.singly = True
        else:
            self.refused.add(group[-1])

    # --- what is told and noted ---

    def _tell(self, *, missing: bool = True) -> None:
        standing = self.standing
        rows = rows_of(self.name, standing, self.whose, url=self.url, shown=self.shown)
        if not missing:
            rows = [row for row in rows if row.id is not None]
        self.entry.hooks += rows
        self.entry.foreign[self.name] = standing.foreign
        self.refused = set(standing.refused)
        if any(row.state is State.REFUSED for row in rows):
            names = ", ".join(standing.refused)
            self.entry.says.append(f"{self.connector.title} does not take {names}: it is done without")
        self._note(rows, foreign=standing.foreign)

    def _not_enabled(self) -> None:
        names = self._registrar().names(wanted_kinds(self.run.merchant, self.name))  # type: ignore[union-attr]
        rows = [Row(self.name, name, State.NOT_ENABLED, None, self.shown, self.url) for name in names]
        self.entry.hooks += rows
        self.entry.foreign[self.name] = 0
        self.unsure = self.unsure or self.before.tells_of_ours()  # what was registered is not gone by that
        self.entry.says.append(
            f"{self.connector.title} does not let this account register webhooks: {self.hooks.by_hand}"
        )
        self._note(rows, foreign=0)

    def _note_making(self) -> None:
        self.unsure = True
        before = self.before
        if not before.making:
            self.write(SeenSystem(before.at, True, before.hooks, before.foreign, before.refused, before.singly))

    def _note(self, rows: Sequence[Row], *, foreign: int) -> None:
        hooks = tuple(seen_row(row) for row in rows)
        self.write(SeenSystem(time.time(), self.unsure, hooks, foreign, tuple(sorted(self.refused)), self.singly))

    def write(self, now: SeenSystem) -> None:
        """Note what is seen; where no folder was to be made, only if something of ours stands there."""
        merchant = self.run.merchant
        if not self.notes:
            if not (now.tells_of_ours() or now.is_told() or now.tells_of_elsewhere()):
                return
            self.run.warehouse.folder(merchant.id)  # `vs-st offboard` must find that it has to remove them
        known = [one.name for one in systems_with_hooks(merchant)]
        note(self.run.warehouse.data_dir, merchant.id, self.name, now, known=known)
