"""Keeps what the brake said, and lets pass exactly that where a person allows it (routes.md R38): for all routes.

Data flow: this sync's verdicts, the last sync's (synced.verdicts), `--allow-unsafe` -> those that hold, synced.allowed.

A route's file is its own, so the route needs no column. Where a part is refused by itself, the others go on
(`refused`); a plan that goes whole or not at all is refused whole (`is_refused`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vs_st_pipeline.domain.brake import LOSING, SHRANK, Verdict
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

MORE_THAN_A_TENTH = 1.1


def refused(run: Run, found: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts that hold; those that a person lets pass are noted, and the rest kept for the next sync.

    `--allow-unsafe` lets pass a verdict of the same part and rule as the last sync stored, if its loss is at most a
    tenth greater. A dry run stores nothing.
    """
    with run.open() as db:
        stored = _stored(db)
        holding = [one for one in found if not _passes(run, one, stored)]
        if not run.dry_run:
            _keep(run, db, stored, holding, [one.sentence for one in found if one not in holding])
    return holding


def is_refused(run: Run, db: Db, found: Sequence[Verdict], sentence: str | None) -> bool:
    """Say whether a plan with these verdicts is refused: it passes only if a person lets all of them pass.

    Else all are kept for the next sync, since nothing of the plan is done.

    Args:
        sentence: what is noted where a person lets the plan pass; None where there is no verdict.
    """
    stored = _stored(db)
    holds = not all(_passes(run, one, stored) or _follows(one, found, stored, run) for one in found)
    if not run.dry_run:
        _keep(run, db, stored, found if holds else [], [sentence] if sentence and not holds else [])
    return holds


def _stored(db: Db) -> dict[tuple[str, str], float]:
    return {(row[0], row[1]): row[2] for row in db.rows("select part, rule, loss from synced.verdicts")}


def _follows(one: Verdict, found: Sequence[Verdict], stored: dict[tuple[str, str], float], run: Run) -> bool:
    """Say whether a loss follows from what a person lets pass: as many as are gone may lose what came from them.

    The last sync could not see it, since it did not believe the list that shrank; asking a second time for the same
    would only teach people to ask twice.
    """
    if one.rule != LOSING or (one.part, one.rule) in stored:
        return False
    return one.loss <= sum(other.loss for other in found if other.rule == SHRANK and _passes(run, other, stored))


def _passes(run: Run, one: Verdict, stored: dict[tuple[str, str], float]) -> bool:
    before = stored.get((one.part, one.rule))
    return run.allow_unsafe and before is not None and one.loss <= before * MORE_THAN_A_TENTH


def _keep(
    run: Run, db: Db, stored: dict[tuple[str, str], float], holding: Iterable[Verdict], allowed: Iterable[str]
) -> None:
    """Store which verdicts hold, in place of the last sync's, and who let pass what the brake had said."""
    with db.transaction():
        if stored:
            db.execute("delete from synced.verdicts")
        for one in holding:
            db.execute(
                "insert or replace into synced.verdicts values (?, ?, ?, ?, ?, ?)",
                [one.part, one.rule, one.loss, one.sentence, run.run_id, run.now()],
            )
        for sentence in allowed:
            db.execute(
                "insert into synced.allowed values (?, ?, ?, ?)", [run.run_id, run.started_by, run.now(), sentence]
            )
