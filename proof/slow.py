"""The tests that are too slow for `make test`, file by file; the large ones by shares of their tests."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from proof.code import ROOT
from proof.units import Figures, Opener, Proof, Unit
from proof.world import Finding, told
from vs_st_pipeline_tests.support import long_tests

TESTS = ROOT / "vs_st_pipeline_tests"
LARGE = {"sandbox/test_switches.py": 6, "stories/test_no_silence.py": 4, "stories/test_attack.py": 2}
"""Files whose slow tests take minutes: cut into so many units, by the tests' places in the file."""
_COUNTED = re.compile(r"(\d+) (passed|failed|skipped|error|xfailed|xpassed)")


@dataclass
class Slow(Figures):
    """What the tests came to."""

    tests: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"slow tests                    {told(self.tests)}"
        yield from super().lines()


def _run(file: str, part: int, parts: int) -> Slow:
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", "--strict-markers"]
    command += ["-m", "slow", "--timeout", "900"]
    chosen = [f"vs_st_pipeline_tests/{file}"]
    if parts > 1:
        listed = subprocess.run([*command, "--collect-only", "-q", *chosen], cwd=ROOT, capture_output=True, text=True)
        chosen = [line for line in listed.stdout.splitlines() if "::" in line][part::parts]
    ran = subprocess.run([*command, "-n", "2", "-q", *chosen], cwd=ROOT, capture_output=True, text=True)
    said = ran.stdout.splitlines()
    figures = Slow(time.monotonic() - began)
    figures.tests.update({word: int(count) for count, word in _COUNTED.findall(said[-1] if said else "")})
    if ran.returncode:
        wrong = [line for line in said if line.startswith(("FAILED", "ERROR"))]
        raise Finding(f"pytest -m slow {file}", wrong or [*said[-5:], ran.stderr[-500:]])
    return figures


def _unit(file: str, part: int, parts: int) -> Unit:
    def run(_: Opener) -> Figures:
        return _run(file, part, parts)

    return Unit(file if parts == 1 else f"{file} {part + 1}/{parts}", run)


def units() -> list[Unit]:
    """All files with slow tests."""
    files = sorted(
        path.relative_to(TESTS).as_posix()
        for path in TESTS.rglob("test_*.py")
        if "mark.slow" in path.read_text(encoding="utf-8")
    )
    files = sorted({*files, *(name.split("::")[0] for name in long_tests.names())})
    return [_unit(file, part, LARGE.get(file, 1)) for file in files for part in range(LARGE.get(file, 1))]


PROOF = Proof("slow", Slow, units, tests=True)
