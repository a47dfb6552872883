"""Forgets a person in what a say-once route keeps: the outbox, the ledger, the evidence file, and the disk.

Data flow: names -> raw.forgotten, `forgotten.json` -> rows and lines without the person; keys, ids, states and times
stay, so that nothing is said twice. Records that were read of the person go whole.

Each step may be the last one before the power goes: the hashes and the erased rows are one transaction, which also sets
the state `REWRITE`; while it is set, the next sync or the next `forget` does the rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress as ignoring
from typing import Any

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile, Line
from vs_st_pipeline.pipeline.forgotten_copy import keep_two_copies
from vs_st_pipeline.pipeline.once.items import FORGOTTEN, Person
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import clear_state, get_state, set_state
from vs_st_pipeline.platform.warehouse.suppression import (
    REWRITE,
    Identifiers,
    Suppressed,
    erase,
    known_names,
    read_suppressed,
    suppress,
)


def forget(run: Run, people: Sequence[Person]) -> int:
    """Forget these names in this route, their stored records too; returns how many rows of the outbox named one.

    Raises:
        TryLater: a sync of the route is running.
    """
    with run.sync_lock():
        gone = count(run, people)  # first: another route may have forgotten them just now, and then `begin` erases them
        begin(run)
        with run.open() as db, db.transaction():
            suppress(db, people, run.now())
            erase(db, list(people), run.now())  # what was read of them, and what is to be read
            _erase(db, read_suppressed(db), run)
            set_state(db, REWRITE, True, run.now())
        begin(run)
        if run.inbox is not None:
            run.inbox.forget(run.merchant.id, people)
    return gone


def traces_of(db: Db, known: Identifiers, connectors: Sequence[Connector[Any]]) -> list[Person]:
    """Return all that names the same people in these systems' records: one record leads to the next."""
    before = -1
    while (count := len(known.names())) != before:
        before = count
        for connector in connectors:
            connector.find_person(db, known)
    return known.names()


def count(run: Run, people: Sequence[Person]) -> int:
    """Return how many rows of the outbox or the ledger name one of these; nothing is changed."""
    with run.open() as db:
        return count_naming(db, people)


def count_naming(db: Db, people: Sequence[Person]) -> int:
    """Return how many rows of the outbox or the ledger name one of these."""
    named = {tuple(one) for one in people}
    return len(_keys_naming(db, lambda kind, value: (kind, value) in named))


def begin(run: Run) -> None:
    """Bring the hashes in the file and the merchant's copy in step, and finish an erasure."""
    keep_two_copies(run, lambda db: _erase_again(db, run))
    with run.open() as db:
        wanted, forgotten = get_state(db, REWRITE), read_suppressed(db)
    if wanted:
        EvidenceFile.of(run).rewrite(lambda line: _without(line, forgotten))
        path = run.file()
        for aside in path.parent.glob(f"{path.name}.*.bak*"):  # a rebuild has set them aside, with the person in them
            aside.unlink(missing_ok=True)
        run.rewrite()
        with run.open() as db, db.transaction():
            db.execute("delete from once.evidence_read")  # it is another file now, and none of it is lost
            clear_state(db, REWRITE)


def _erase_again(db: Db, run: Run) -> None:
    forgotten = read_suppressed(db)
    erase(db, known_names(db, forgotten), run.now())
    if _erase(db, forgotten, run):
        set_state(db, REWRITE, True, run.now())


def _erase(db: Db, forgotten: Suppressed, run: Run) -> int:
    """Take forgotten people out of the rows that name them, inside the caller's transaction.

    What is not sent is dropped. What may be out stays unknown: how that is settled, its kind says.
    """
    keys = _keys_naming(db, forgotten.knows)
    if not keys:
        return 0
    with db.batch({"key": sorted(keys)}) as batch:
        db.execute(
            f"""insert into once.history by name
                select (select coalesce(max(seq), 0) from once.history) + row_number() over (order by o.seq) as seq,
                       key, kind, entity, 'forgotten' as event, $at::timestamp as happened_at, $who as who,
                       $run as run_id
                from once.outbox as o semi join {batch} using (key)""",
            {"at": run.now(), "who": run.started_by, "run": run.run_id},
        )
        db.execute(
            f"""update once.outbox set body = null, body_hash = null, evidence = '{{}}', people = '[]',
                       forgotten = true,
                       reason = case when state in ('accepted', 'dropped', 'unknown', 'sending') then reason
                                     else '{FORGOTTEN}' end,
                       state = case when state in ('accepted', 'dropped', 'unknown', 'sending') then state
                                    else 'dropped' end
                where key in (select key from {batch})"""
        )
        db.execute(
            f"""update once.ledger set answer = '{{}}', evidence = '{{}}', people = '[]'
                where key in (select key from {batch})"""
        )
    return len(keys)


def _keys_naming(db: Db, names: Callable[[str, str], bool]) -> set[str]:
    return {
        key
        for key, people in db.rows(
            "select key, people from once.outbox where people <> '[]' union select key, people from once.ledger"
        )
        if any(names(*name) for name in json.loads(people))
    }


def _without(line: Line, forgotten: Suppressed) -> Line:
    """Return a line of the evidence file without a forgotten person's data."""
    with ignoring(TypeError, ValueError):
        if any(forgotten.knows(str(kind), value) for kind, value in line.get("people") or ()):
            kept = {name: value for name, value in line.items() if name not in ("evidence", "people", "answer")}
            return {**kept, "erased": True}
    return line
