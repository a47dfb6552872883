"""Registers, looks at and removes the webhooks of one merchant (webhooks-onboarding.md H33-H37).

What one system answers stops the others as little as one merchant's trouble stops others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from vs_st_pipeline.domain.errors import BadSettings, TryLater
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.operations.webhooks.desk import Desk
from vs_st_pipeline.operations.webhooks.entry import Entry
from vs_st_pipeline.operations.webhooks.site import Site
from vs_st_pipeline.operations.webhooks.telling import note_shown as note_shown_at
from vs_st_pipeline.operations.webhooks.wanted import systems_with_hooks, wanted_kinds
from vs_st_pipeline.pipeline.session import FolderlessSession, Session
from vs_st_pipeline.platform.locks import Timeout, file_lock
from vs_st_pipeline.platform.run import Run

_LOCK_SECONDS: Final = 60.0
_LOCK: Final = "webhooks.lock"


def register(
    run: Run,
    site: Site,
    systems: Collection[str] = (),
    *,
    ready: Callable[[str], bool] = lambda _system: True,
    again: bool = False,
) -> Entry:
    """Register what is wanted at all of a merchant's systems, and remove what is ours and too many.

    Never raises but BadSettings of the data folder: what went wrong is in the entry.

    Args:
        run: of the merchant, its secrets read, enabled or not (H41).
        systems: only these; empty: all that the merchant has.
        ready: called with a system's name before older webhooks of it are removed; it may wait until calls to the new
            URL are taken, and says whether they may go.
        again: systems that list none are told their URL also where they were told it before.
    """
    entry = Entry(run.merchant.id)
    if not run.merchant.webhooks.enabled:
        entry.says.append("webhooks are off (`webhooks.enabled: false`), so none is registered")
        return entry
    with _desks(run, site, entry, systems) as desks:
        for desk in desks:
            with desk.answering_for():
                desk.again = again
                desk.register(ready)
    return entry


def look(run: Run, site: Site, systems: Collection[str] = ()) -> Entry:
    """List what is registered, and note it; changes nothing at any system.

    Of a merchant at rest of whom nothing is kept, it makes no folder: it may have left.
    """
    entry = Entry(run.merchant.id, wants_all=run.merchant.webhooks.enabled)
    makes_folder = run.merchant.enabled or (run.warehouse.data_dir / "merchants" / run.merchant.id).is_dir()
    with _desks(run, site, entry, systems, makes_folder=makes_folder) as desks:
        for desk in desks:
            with desk.answering_for():
                desk.look()
    return entry


def remove(run: Run, site: Site, systems: Collection[str] = (), *, all_or_none: bool = False) -> Entry:
    """Remove all of ours at a merchant's systems.

    Args:
        systems: only these; empty: all that the merchant has.
        all_or_none: where the list of one system cannot be read, none is removed at the others either.
    """
    entry = Entry(run.merchant.id, wants_all=False)
    with _desks(run, site, entry, systems) as desks:
        for desk in desks:
            with desk.answering_for():
                desk.find_ours()
        for desk in desks if not (all_or_none and entry.errors) else ():
            with desk.answering_for():
                desk.remove_ours()
    return entry


def remove_one(run: Run, site: Site, id: str, systems: Collection[str] = ()) -> Entry:
    """Remove the webhook with this id, whosever it is; none where two systems have one with it.

    Args:
        systems: as in `remove`.
    """
    entry = Entry(run.merchant.id, wants_all=False)
    with _desks(run, site, entry, systems) as desks:
        found: list[Desk] = []
        for desk in desks:
            with desk.answering_for():
                found += [desk] if desk.has_one(id) else []
        if len(found) > 1:
            names = " and ".join(desk.name for desk in found)
            entry.errors[""] = BadSettings(f"{names} have a webhook with this id; say which one with --system NAME")
            return entry
        for desk in found:
            with desk.answering_for():
                desk.remove_one(id)
    if not entry.done["removed"] and not entry.errors:
        entry.errors[""] = BadSettings("no webhook of this merchant has this id; `vs-st webhooks list` shows them")
    return entry


def note_shown(run: Run, site: Site) -> None:
    """Note that a person was shown the URLs of webhooks that only a person can register (routes.md R36)."""
    entry = Entry(run.merchant.id)
    with _desks(run, site, entry) as desks:
        for desk in desks:
            if desk.hooks.registrar is None and wanted_kinds(run.merchant, desk.name):
                note_shown_at(desk)


@contextmanager
def _desks(
    run: Run, site: Site, entry: Entry, only: Collection[str] = (), *, makes_folder: bool = True
) -> Iterator[list[Desk]]:
    """Hold the merchant's lock of registrations, and close the clients that were made.

    Args:
        makes_folder: False: there is no folder of the merchant, and none is made; so nothing is locked and noted.
    """
    made = Session if makes_folder else FolderlessSession
    session = made(run, Report(run.merchant.id, run.run_id))
    with ExitStack() as stack:
        if makes_folder:
            try:
                stack.enter_context(file_lock(run.warehouse.folder(run.merchant.id) / _LOCK, timeout=_LOCK_SECONDS))
            except Timeout:
                entry.errors[""] = TryLater("another command is busy with the webhooks of this merchant; try again")
                yield []
                return
        try:
            found = [one for one in systems_with_hooks(run.merchant) if not only or one.name in only]
            yield [Desk(run, site, entry, session, one, notes=makes_folder) for one in found]
        finally:
            entry.calls.update({system: calls.total() for system, calls in session.report.calls.items()})
            session.close()
