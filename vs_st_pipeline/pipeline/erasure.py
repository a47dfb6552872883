"""Forgets a person: finds all their records, erases them, keeps them out, and removes the bytes from the disk.

Data flow: a phone, an e-mail or an id -> `Identifiers` -> raw.forgotten, every table, and a file without what was
deleted.

Each step may be the last one before the power goes: the hashes and the deletions are one transaction, which also
sets the state `REWRITE`; as long as it is set, the next sync or the next `vs-st forget` does the rest. A copy of
the hashes lies beside the file (`forgotten.json`), and is put into a file that lacks them before anything is read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vs_st_pipeline.pipeline.forgotten_copy import keep_two_copies
from vs_st_pipeline.pipeline.quiet import forget_quiet
from vs_st_pipeline.pipeline.route_files import named_for
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.spill import remove_stale
from vs_st_pipeline.platform.warehouse.state import clear_state, get_state, set_state
from vs_st_pipeline.platform.warehouse.suppression import (
    REWRITE,
    Identifiers,
    Suppressed,
    erase,
    known_names,
    phone_name,
    read_suppressed,
    suppress,
)

FINDINGS = "findings.json"  # of the checks, with masked samples; made again the next time the merchant is checked


@dataclass(frozen=True, slots=True)
class OwnTraces:
    """What a route keeps of people beside what the names of columns tell: in tables keyed by its own words, in files.

    Attributes:
        find: adds what names the people in the route's tables to what was found.
        erase: erases whoever is forgotten by now, inside the caller's transaction; returns how many rows were of them.
        rewrite: takes them out of files, after the commit; called until it has come to its end once.
    """

    find: Callable[[Db, Identifiers], None] = lambda _db, _found: None
    erase: Callable[[Db, Suppressed], int] = lambda _db, _forgotten: 0
    rewrite: Callable[[Run, Suppressed], None] = lambda _run, _forgotten: None


NO_OWN = OwnTraces()


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a person, or of several who share a phone.

    Attributes:
        traces: all that names the person, including the phone that `forget` was asked for.
        unsettled: writes to the person whose outcome is not known; nothing will ask for it any more.
        set_aside: files that `vs-st rebuild` has set aside: they hold the person too, and are removed.
    """

    traces: Identifiers
    unsettled: int
    set_aside: list[Path]

    def as_json(self) -> dict[str, int]:
        """Return how many of each there are, by name."""
        traces = self.traces
        found = {"contacts": traces.contacts, "customers": traces.customers, "orders": traces.orders}
        return {
            **{name: len(ids) for name, ids in found.items()},
            "unsettled_writes": self.unsettled,
            "files_set_aside": len(self.set_aside),
        }


def find(run: Run, who: str | Identifiers, connectors: Sequence[Connector[Any]], own: OwnTraces = NO_OWN) -> Stored:
    """Return all that is stored of the people behind a phone, an e-mail or an id; nothing is changed.

    An e-mail or an id leads to the phones of the records that have it, and these to the same people as if they had been
    given.

    Theirs are the contacts and customers that have the phone, the customers that such a contact names, all contacts
    that name one of these customers, and their orders. Where several people share a phone, all are meant:
    the phone is all that is known of the person who asked.

    Args:
        who: a phone, or what else names them.
    """
    with run.open() as db:
        traces = _find(db, _names(who), connectors, own)
        with db.batch({"contact_id": sorted(traces.contacts)}) as batch:
            unsettled = db.value(
                f"select count(*) from synced.writes where outcome is null and id in (select contact_id from {batch})"
            )
    return Stored(traces, int(unsettled), quarantined_files(run.file()))


def forget(run: Run, who: str | Identifiers, connectors: Sequence[Connector[Any]], own: OwnTraces = NO_OWN) -> Stored:
    """Forget the people behind a phone, an e-mail or an id, whether anything is stored of them or not.

    Raises:
        TryLater: a sync of the merchant is running, and did not end in time.
        BadSettings: the file cannot be read or written.
    """
    with run.sync_lock():
        forget_quiet(run)
        begin(run, connectors, own)
        found = find(run, who, connectors, own)
        with run.open() as db, db.transaction():
            names = list(dict.fromkeys([*_names(who).names(), *found.traces.names()]))  # also of whom nothing is stored
            suppress(db, names, run.now())
            erase(db, names, run.now())
            own.erase(db, read_suppressed(db))
            # Also where nothing was found: an earlier sync may have deleted rows of the person.
            set_state(db, REWRITE, True, run.now())
        begin(run, connectors, own)
        if run.inbox is not None:
            run.inbox.forget(run.merchant.id, [*names, *_as_hinted(names, connectors)])
    return found


def _as_hinted(names: Sequence[tuple[str, str]], connectors: Sequence[Connector[Any]]) -> list[tuple[str, str]]:
    """Return these names as hints have them, where a system's hints have another word for its records."""
    words = {stream.kind: stream.hinted for one in connectors for stream in one.streams if stream.hinted}
    return [(words[kind], value) for kind, value in names if kind in words]


def begin(run: Run, connectors: Sequence[Connector[Any]], own: OwnTraces = NO_OWN) -> None:
    """Bring the hashes in the file and their copy in step, and finish an erasure; call it before anything is read."""
    bring_in_step(run, connectors, own)
    finish(run, own)


def bring_in_step(run: Run, connectors: Sequence[Connector[Any]], own: OwnTraces = NO_OWN) -> None:
    """Bring the hashes in the file and their copy in step; an erasure that was begun stays so."""
    keep_two_copies(run, lambda db: _erase_again(db, run, connectors, own))


def is_begun(db: Db) -> bool:
    """Say whether an erasure has yet to be finished: what was erased may still lie in files, or in the file's bytes."""
    return get_state(db, REWRITE) is not None


def finish(run: Run, own: OwnTraces = NO_OWN) -> None:
    """Remove what was erased from the disk: from the file, and with it what a rebuild has set aside."""
    with run.open() as db:
        forgotten = read_suppressed(db) if is_begun(db) else None
    if forgotten is not None:
        own.rewrite(run, forgotten)
        for path in quarantined_files(run.file()):
            path.unlink(missing_ok=True)
        shutil.rmtree(work_dir(run), ignore_errors=True)
        for name in (FINDINGS, f"{FINDINGS}.new"):
            (run.warehouse.folder(run.merchant.id) / named_for(run.route, name)).unlink(missing_ok=True)
        remove_stale(run.warehouse.data_dir / "tmp")
        run.rewrite()
        with run.open() as db:
            clear_state(db, REWRITE)


def quarantined_files(path: Path) -> list[Path]:
    """Return the files that `vs-st rebuild` has set aside beside this file, logs included."""
    return sorted(path.parent.glob(f"{path.name}.*.bak*"))


def work_dir(run: Run) -> Path:
    """Return the folder where `vs-st rebuild` makes a new file; one that was killed leaves it, with what it copied."""
    return run.warehouse.folder(run.merchant.id) / named_for(run.route, "rebuild.new")


def _erase_again(db: Db, run: Run, connectors: Sequence[Connector[Any]], own: OwnTraces) -> None:
    """Erase forgotten people from an older file that was put back.

    A person who is deleted at both systems by now is in no answer that comes in, so nothing else would find them."""
    forget_quiet(run)
    forgotten = read_suppressed(db)
    names = known_names(db, forgotten)
    for connector in _present(db, connectors):
        names += connector.find_suppressed(db, forgotten)
    suppress(db, names, run.now())
    erase(db, names, run.now())
    if own.erase(db, read_suppressed(db)):
        set_state(db, REWRITE, True, run.now())


def _names(who: str | Identifiers) -> Identifiers:
    return Identifiers(phones={phone_name(who) or who}) if isinstance(who, str) else who


def _find(db: Db, given: Identifiers, connectors: Sequence[Connector[Any]], own: OwnTraces) -> Identifiers:
    """Collect the person's names until no system's records add any: one record leads to the next."""
    found = Identifiers(phones=set(given.phones), emails=set(given.emails))
    for connector in _present(db, connectors):
        # Once, and not of what is found on the way: people who share an e-mail need not be the same.
        connector.find_named(db, given, found)
    known = -1
    while (count := len(found.names())) != known:
        known = count
        for connector in _present(db, connectors):
            connector.find_person(db, found)
        own.find(db, found)
    return found


def _present(db: Db, connectors: Sequence[Connector[Any]]) -> list[Connector[Any]]:
    """Return the systems whose records this file has."""
    tables = {f"{row[0]}.{row[1]}" for row in db.rows("select schema_name, table_name from duckdb_tables()")}
    return [one for one in connectors if tables.issuperset(stream.table for stream in one.streams)]
