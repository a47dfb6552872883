"""Counts the house: rooms, floors, imports between rooms, modules, lines and the largest modules.

    python scripts/house.py [FOLDER]

FOLDER holds the package `vs_st_pipeline`; another checkout of it can be counted beside this one.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "vs_st_pipeline"
LARGEST = 8


def modules(folder: Path) -> dict[str, Path]:
    """Return the package's modules by dotted name."""
    found = {}
    for path in sorted((folder / PACKAGE).rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    """Return what stands directly in the package: a folder, or a module that lies in the hall."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else PACKAGE


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Return the package's modules that this one imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            found |= {name if (name := f"{node.module}.{one.name}") in known else node.module for one in node.names}
        elif isinstance(node, ast.Import):
            found |= {one.name for one in node.names if one.name in known}
    return found


def floors(arrows: Iterable[tuple[str, str]]) -> int:
    """Return the number of rooms in the longest chain in which each imports the next one; 0 where one is a circle."""
    below: dict[str, set[str]] = {}
    for room, other in arrows:
        below.setdefault(room, set()).add(other)
        below.setdefault(other, set())
    try:
        order = list(TopologicalSorter(below).static_order())  # who imports nothing comes first
    except CycleError:
        return 0
    height: dict[str, int] = {}
    for name in order:
        height[name] = 1 + max((height[other] for other in below[name]), default=0)
    return max(height.values(), default=0)


def main(folder: Path) -> None:
    """Print the figures."""
    known = modules(folder)
    lines = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in known.items()}
    pairs: Counter[tuple[str, str]] = Counter()
    for name, path in known.items():
        for other in imports(path, known):
            if room(name) != room(other):
                pairs[room(name), room(other)] += 1
    circles = sum((b, a) in pairs for a, b in pairs) // 2
    rooms = {room(name) for name in known} - {PACKAGE}
    print(f"entries in the package   {len(rooms)}")
    print(f"floors                   {floors(pair for pair in pairs if PACKAGE not in pair)}")
    print(f"arrows between them      {len(pairs)}, for {pairs.total()} imports; {circles} both ways")
    print(f"modules, lines           {len(known)}, {sum(lines.values())}")
    print(f"modules over 300 lines   {sum(count > 300 for count in lines.values())}")
    for name in sorted(lines, key=lambda one: -lines[one])[:LARGEST]:
        print(f"  {lines[name]:4}  {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
