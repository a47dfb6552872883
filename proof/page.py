"""Writes what the proofs came to into the table of `docs/proofs.md`: `python -m proof --page`.

A proof of which this state of the code has a unit behind it gets its row anew; any other keeps the row that it had,
with the commit of that run.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from proof.code import ROOT
from proof.units import Memory, Proof

PAGE = ROOT / "docs" / "proofs.md"
BEGIN, END = "<!-- proofs: begin (python -m proof --page) -->\n", "<!-- proofs: end -->"


def write(proofs: Sequence[Proof], known: Memory, page: Path = PAGE) -> None:
    """Write the rows of the proofs that have run."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    table, end, after = rest.partition(END)
    lines = [_row(line, proofs, known) for line in table.splitlines(keepends=True)]
    page.write_text("".join([before, begin, *lines, end, after]), encoding="utf-8")


def _row(line: str, proofs: Sequence[Proof], known: Memory) -> str:
    """Return a line of the table: a new one where it is the row of a proof that has run."""
    named = re.match(r"\| `([^`]+)` \| ([^|]+) \|", line)
    proof = next((one for one in proofs if named and one.name == named[1]), None)
    if named is None or proof is None:
        return line
    units = proof.units()
    done = [unit for unit in units if (proof.name, unit.name) in known.done]
    if not done:
        return line
    found = len(known.findings(proof, units))
    figures = [" ".join(said.split()) for said in known.added(proof, units).lines()]
    told = "; ".join([f"{len(done)} of {len(units)} units, {found} found something", *figures]).replace("|", "/")
    whole = "yes" if len(done) == len(units) else "no"
    return f"| `{proof.name}` | {named[2]} | {told} | {whole} | {_commit()}, {datetime.now(UTC):%Y-%m-%d} |\n"


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    return f"`{done.stdout.strip()}`"
