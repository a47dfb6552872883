"""Each row of each table of rules is changed, one thing at a time, and a test that holds the table must fail.

A row goes, changes places with the next one, has another outcome, another bound, or one part of its condition less.
What no test notices is a finding, unless `proof/mutated_tables.py` says why it is no change at all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from proof.code import ROOT
from proof.mutants import KINDS
from proof.mutated_tables import TABLES, Table
from proof.units import Figures, Opener, Proof, Unit
from proof.world import Finding, told


@dataclass
class Mutations(Figures):
    """What the mutants came to."""

    changed: Counter[str] = field(default_factory=Counter)
    came: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"rows changed                  {self.changed.total()}: " + told(self.changed)
        yield "tests                         " + told(self.came)
        yield from super().lines()


def change(table: Table, only: str = "*") -> Mutations:
    """Change each row of a table, in a process of its own.

    Args:
        only: the change with this name, or those that a pattern (`*`) fits.

    Raises:
        Finding: no test noticed a change, or the table's entry is wrong.
    """
    began = time.monotonic()
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    ran = subprocess.run(
        [sys.executable, "-m", "proof.mutation_runs", table.name, only],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        raise Finding(f"mutations of {table.name}", [ran.stderr[-2000:]])
    found = json.loads(ran.stdout.splitlines()[-1])
    wrong = [f"no test noticed: {name}" for name in found["survived"]] + found["broken"]
    if wrong:
        raise Finding(f"mutations of {table.name}, tests {' '.join(table.tests)}", wrong)
    figures = Mutations(time.monotonic() - began)
    for name, count in found["came"].items():
        (figures.changed if name in KINDS else figures.came)[name] += count
    return figures


def _unit(table: Table) -> Unit:
    def run(_: Opener) -> Figures:
        return change(table)

    return Unit(table.name, run)


def units() -> list[Unit]:
    """One a table."""
    return [_unit(table) for table in TABLES]


PROOF = Proof("mutations", Mutations, units, tests=True)
