"""Says which files a proof rests on, and hashes them: what a change does not touch is not proved again.

A proof rests on itself and on what it imports of `proof` and of the tests, and on the whole of `vs_st_pipeline` but the
rooms that none of its routes can reach: other routes (no route knows another one, an import contract), the connectors
that none of its routes imports, and the stand-ins of those.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
HOUSE, TESTS, PROOFS = "vs_st_pipeline", "vs_st_pipeline_tests", "proof"
SUFFIXES = (".py", ".yaml", ".sql", ".json", ".txt")


def code_hash(name: str, routes: Sequence[str] | None = None, *, tests: bool = False) -> str:
    """Return twelve hex digits that are others as soon as any file is that the proof rests on.

    Args:
        name: of the proof, as its module in `proof` is called.
        routes: that the proof runs; None for all.
        tests: whether it runs all tests.
    """
    total = hashlib.sha256()
    for path in files_of(name, routes, tests=tests):
        total.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:12]


def files_of(name: str, routes: Sequence[str] | None = None, *, tests: bool = False) -> list[Path]:
    """Return the files that a proof rests on, sorted; arguments as `code_hash`."""
    found = {path for path in _below(HOUSE) if routes is None or not _is_foreign(path, routes)}
    if tests:
        found |= {path for room in (TESTS, PROOFS) for path in _below(room)}
    else:
        found |= set(_imported(f"{PROOFS}.{name}"))
    return sorted(found)


def _below(room: str) -> Iterator[Path]:
    return (path for path in (ROOT / room).rglob("*") if path.suffix in SUFFIXES)


def _is_foreign(path: Path, routes: Sequence[str]) -> bool:
    """Whether a file lies in a room that none of the routes can reach."""
    floor, _, rest = str(path.relative_to(ROOT / HOUSE)).partition("/")
    room, below, _ = rest.partition("/")
    if not below:
        return False
    if floor == "routes":
        return room not in routes
    connectors = {one.name for one in (ROOT / HOUSE / "connectors").iterdir() if one.is_dir()}
    return floor in ("connectors", "sandbox") and room in connectors - _connectors(tuple(routes))


@cache
def _connectors(routes: tuple[str, ...]) -> frozenset[str]:
    """Return the connectors that any of the routes imports."""
    graph, found = _graph(), set[str]()
    for route in routes:
        for module in graph.find_upstream_modules(f"{HOUSE}.routes.{route}", as_package=True):
            if module.startswith(f"{HOUSE}.connectors."):
                found.add(module.split(".")[2])
    return frozenset(found)


def _imported(module: str) -> Iterator[Path]:
    """Give the files of `proof` and of the tests that a module imports, itself and its packages among them."""
    graph = _graph()
    for one in sorted({module, *graph.find_upstream_modules(module)}):
        if one.split(".")[0] in (TESTS, PROOFS):
            path = ROOT.joinpath(*one.split("."))
            yield path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(HOUSE, TESTS, PROOFS, include_external_packages=False, cache_dir=None)
