"""Holds that each test of `long_tests.txt` is there, so that none is left out of `make test` by a name of nothing."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from vs_st_pipeline_tests.support import long_tests


@functools.cache
def defined_in(path: Path) -> frozenset[str]:
    """Return the names of the functions and classes of a file; of one that is not there, none."""
    there = ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])
    return frozenset(one.name for one in ast.walk(there) if isinstance(one, ast.FunctionDef | ast.ClassDef))


def test_each_listed_test_is_there_and_listed_once() -> None:
    folder, lost = long_tests.LIST.parent, []
    for name in sorted(long_tests.names()):
        file, *inner = name.split("[", 1)[0].split("::")
        lost += [] if inner and set(inner) <= defined_in(folder / file) else [name]
    assert lost == []
    lines = [line for line in long_tests.LIST.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    assert lines == sorted(set(lines))
