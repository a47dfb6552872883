"""Names the tests that cost much for what they add: `make proof` runs them, as it does slow ones.

`make test` has eight minutes on two cores. A line of `long_tests.txt` is a test's name below `vs_st_pipeline_tests`,
with or without one of its cases; a comment begins with `#`. What only one test shows stays in `make test`.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

LIST: Final = Path(__file__).resolve().parents[1] / "long_tests.txt"


@functools.cache
def names() -> frozenset[str]:
    """Return what is listed."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def is_long(nodeid: str) -> bool:
    """Say whether a test, by pytest's own name, is listed, or the test whose case it is."""
    name = nodeid.removeprefix(f"{LIST.parent.name}/")
    return name in names() or name.split("[", 1)[0] in names()
