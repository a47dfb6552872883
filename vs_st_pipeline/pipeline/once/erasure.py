"""Says what a say-once route keeps of people beside their records: the outbox, the ledger, the evidence file.

Data flow: who is forgotten (`pipeline.erasure`) -> rows and lines without the person; keys, ids, states and times stay,
so that nothing is said twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress as ignoring
from typing import Any

from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.pipeline.erasure import OwnTraces
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile, Line
from vs_st_pipeline.pipeline.once.items import FORGOTTEN
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import Identifiers, Suppressed

Connectors = Sequence[Connector[Any]]


def forget(run: Run, who: Identifiers, connectors: Connectors = ()) -> int:
    """Forget these people in this route, their stored records too; returns how many rows of the outbox named one.

    Raises:
        TryLater: a sync of the route is running.
    """
    gone = count(run, who, connectors)
    erasure.forget(run, who, connectors, _own(run))
    return gone


def count(run: Run, who: Identifiers, connectors: Connectors = ()) -> int:
    """Return how many rows of the outbox or the ledger name one of these people; nothing is changed."""
    named = {*who.names(), *erasure.find(run, who, connectors).traces.names()}
    with run.open() as db:
        return len(_keys_naming(db, lambda kind, value: (kind, value) in named))


def begin(run: Run, connectors: Connectors = ()) -> None:
    """Bring the hashes in the file and the merchant's copy in step, and finish an erasure."""
    erasure.begin(run, connectors, _own(run))


def _own(run: Run) -> OwnTraces:
    return OwnTraces(erase=lambda db, forgotten: _erase(db, forgotten, run), rewrite=_rewrite_file)


def _rewrite_file(run: Run, forgotten: Suppressed) -> None:
    EvidenceFile.of(run).rewrite(lambda line: _without(line, forgotten))
    with run.open() as db:
        db.execute("delete from once.evidence_read")  # it is another file now, and none of it is lost


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
