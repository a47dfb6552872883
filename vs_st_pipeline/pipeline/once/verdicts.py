"""Keeps what the brake said, and lets pass exactly that where a person allows it (routes.md R38).

Data flow: this sync's verdicts, the last sync's, `--allow-unsafe` -> the parts that are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vs_st_pipeline.platform.run import Run

MORE_THAN_A_TENTH = 1.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the brake says about a part of a plan.

    Attributes:
        part: what is refused, such as a kind, a destination or `all`.
        rule: the rule that refused it.
        loss: how much would be lost, by the rule's own measure.
        sentence: for people; without anybody's data.
    """

    part: str
    rule: str
    loss: float
    sentence: str


def refused(run: Run, found: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdicts that hold; those that a person lets pass are noted, and the rest kept for the next sync.

    `--allow-unsafe` lets pass a verdict of the same part and rule as the last sync stored, if its loss is at most a
    tenth greater. A dry run stores nothing.
    """
    with run.open() as db:
        stored = {(row[0], row[1]): row[2] for row in db.rows("select part, rule, loss from once.verdicts")}
        passing = [
            one
            for one in found
            if run.allow_unsafe
            and (one.part, one.rule) in stored
            and one.loss <= stored[one.part, one.rule] * MORE_THAN_A_TENTH
        ]
        holding = [one for one in found if one not in passing]
        if not run.dry_run:
            with db.transaction():
                if stored:
                    db.execute("delete from once.verdicts")
                for one in holding:
                    db.execute(
                        "insert or replace into once.verdicts values (?, ?, ?, ?, ?, ?)",
                        [one.part, one.rule, one.loss, one.sentence, run.run_id, run.now()],
                    )
                for one in passing:
                    db.execute(
                        "insert into once.allowed values (?, ?, ?, ?, ?, ?)",
                        [one.part, one.rule, one.loss, run.started_by, run.now(), run.run_id],
                    )
    return holding
