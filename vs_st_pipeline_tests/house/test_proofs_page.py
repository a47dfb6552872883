"""Holds the page of proofs to the code: each proof has a row, and each proof and test that it names is there."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proof import page
from proof.__main__ import PROOFS
from proof.units import Done, Figures, Memory, Proof, Unit
from vs_st_pipeline_tests.support.doc_blocks import ROOT
from vs_st_pipeline_tests.support.doc_commands import faults_of

TEXT = (ROOT / "docs" / "proofs.md").read_text(encoding="utf-8")
TESTS = re.compile(r"`((?:vs_st_pipeline_tests/)?[\w/]+\.py(?:::\w+)?)`")


def test_each_proof_has_a_row_and_no_row_is_of_another() -> None:
    table = TEXT.partition(page.BEGIN)[2].partition(page.END)[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [proof.name for proof in PROOFS]
    assert all(len(row.split("|")) == 7 for row in table.splitlines())


def test_each_test_that_the_page_names_is_there() -> None:
    named = sorted(set(TESTS.findall(TEXT)))
    assert [fault for test in named for fault in faults_of(f"pytest {test}")] == []
    assert len(named) > 60


def test_each_proof_that_a_promise_names_is_there() -> None:
    rows = "\n".join(re.findall(r"proofs? (`\w+`(?:, `\w+`)*)", TEXT))
    assert set(re.findall(r"`(\w+)`", rows)) <= {proof.name for proof in PROOFS}


@dataclass
class Trials(Figures):
    trials: Counter[str] = field(default_factory=Counter)


def test_what_has_run_is_written_and_what_has_not_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_commit", lambda: "`abc1234`")
    proofs = [Proof(name, Trials, lambda: [Unit("u0", _never), Unit("u1", _never)]) for name in ("kills", "once")]
    known = Memory({}, {("kills", "u1"): Done("kills", "u1", {"seconds": 7.0}, "", 7.0)})
    row = "| `{}` | it does | 9 of 9 units, 0 found | yes | `old`, 2026-01-01 |\n"
    path = tmp_path / "page.md"
    path.write_text(f"before\n{page.BEGIN}| proof |\n{row.format('kills')}{row.format('once')}{page.END}\nafter\n")
    page.write(proofs, known, path)
    _, _, head, kills, once, *rest = path.read_text().splitlines(keepends=True)
    assert kills.startswith("| `kills` | it does | 1 of 2 units, 0 found something; seconds 7 | no | `abc1234`, 20")
    assert (head, once, rest) == ("| proof |\n", row.format("once"), [f"{page.END}\n", "after\n"])


def _never(_: object) -> Figures:
    raise AssertionError("nothing is run")
