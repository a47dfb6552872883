"""Runs the tests of a table once as it is, and once for each mutant: a child each, forked from a warm process.

    python -m proof.mutation_runs TABLE [CHANGE]

That process (one per table) has all modules of the project loaded that the tests load. A child drops the mutated one
and what imports it, and loads these anew; the rest is shared. It never opens a DuckDB file, a thread or a connection,
so what it forks is whole. Its last line is what came of it, as JSON.

Tests that are marked slow are not run, as in `make test`, whatever the project's settings of pytest say: a change
counts as noticed only if what everybody runs notices it.
"""

from __future__ import annotations

import builtins
import gc
import importlib
import json
import os
import resource
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

from proof.mutants import Mutant, mutants
from proof.mutated_tables import TABLES, Table
from vs_st_pipeline_tests.support import long_tests

ROOT = Path(__file__).resolve().parents[1]
TESTS = "vs_st_pipeline_tests"
OURS = ("vs_st_pipeline.", "vs_st_pipeline_tests.")
AS_IT_IS, NOTICED, NOT_READ, TOO_LONG = "as it is", "noticed", "not even read", "too long"
CPU_SECONDS = 300  # of the first run of a table's tests; each further one gets ten times what that took
_CHOSEN = ("-m", "not slow", "--strict-markers", "-p", "no:cacheprovider")
_PASSED, _FAILED, _INTERRUPTED, _USAGE = 0, 1, 2, 4  # exit codes of pytest
Edges = dict[str, set[str]]


class Mutated(MetaPathFinder):
    """Finds one module, and has it run other code than its file's."""

    def __init__(self, name: str, code: CodeType) -> None:
        self._name, self._code = name, code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the module is, if it is this one."""
        if fullname != self._name:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        assert found is not None
        assert found.origin is not None
        found.loader = _WithCode(fullname, found.origin, self._code)
        return found


class _WithCode(SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        return self._code


def dependents(module: str, imports: Edges) -> set[str]:
    """Return a module and all that import it, by whatever way; `imports`: what each one imports."""
    of: dict[str, set[str]] = defaultdict(set)
    for importer, imported in imports.items():
        for one in imported:
            of[one].add(importer)
    found, open_ = set(), [module]
    while open_:
        one = open_.pop()
        if one not in found:
            found.add(one)
            open_ += of[one]
    return found


def run(table: Table, change: str = "*") -> dict[str, Any]:
    """Run all of it.

    Returns:
        `came`: counts of mutants by kind and by how they ended; `survived`: names of those that no test noticed, but
        the equivalent ones; `broken`: what is wrong with the table's own entry.
    """
    path = ROOT / table.path
    made = mutants(path.read_text(encoding="utf-8"), table.names, ordered=table.ordered)
    chosen = [one for one in made if fnmatchcase(one.name, change) or one.name == change]
    alone = _stand_alone(table)
    first = _forked(partial(_baseline, table, alone=alone))
    if first.code != _PASSED and alone:  # they want a fixture of a conftest
        alone = False
        first = _forked(partial(_baseline, table, alone=False))
    if first.code != _PASSED:
        return {"came": {}, "survived": [], "broken": [f"its tests fail as it is: {' '.join(table.tests)}"]}
    most = 20 + 10 * round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime)
    known: Edges = {name: set(imported) for name, imported in json.loads(first.told).items()}
    _load(known)
    gone = dependents(table.module, known)
    came: Counter[str] = Counter()
    survived, needless = [], []
    for one in chosen:
        ended = _forked(partial(_mutated, table, one, gone, alone), most)
        how = {_PASSED: AS_IT_IS, _FAILED: NOTICED, None: TOO_LONG}.get(ended.code, NOT_READ)
        equivalent = one.name in table.equivalent
        came[one.kind] += 1
        came[how if how != AS_IT_IS else "equivalent" if equivalent else "survived"] += 1
        if how == AS_IT_IS and not equivalent:
            survived.append(one.name)
            print(f"survived: {one.name}", file=sys.stderr, flush=True)
        elif how != AS_IT_IS and equivalent:
            needless.append(f"is noticed, and listed as equivalent: {one.name}")
    if _forked(partial(_baseline, table, alone=alone)).code != _PASSED:  # then what failed may have failed by itself
        needless.append("its tests fail by now as it is: nothing of this run counts")
    if change == "*":
        needless += [f"no such change: {name}" for name in table.equivalent if name not in {one.name for one in made}]
    return {"came": came, "survived": survived, "broken": needless}


def _stand_alone(table: Table) -> bool:
    """Say whether the tests may do without any conftest, which loads all of the project: it chooses none of them."""
    files = [(ROOT / TESTS / one.partition("::")[0]).read_text(encoding="utf-8") for one in table.tests]
    is_chosen = any(name.startswith(one) for name in long_tests.names() for one in table.tests)
    return not is_chosen and not any("SAMPLE" in text for text in files)


# --- children ---------------------------------------------------------------------------------------------------------


class _Ended:
    """A child that is gone: its exit code (None: it took too long) and what it told."""

    def __init__(self, code: int | None, told: str) -> None:
        self.code, self.told = code, told


def _forked(work: Callable[[int], int], cpu_seconds: int = CPU_SECONDS) -> _Ended:
    """Do something in a child: whoever uses more of the CPU hangs, however busy the machine is."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        _child(theirs, work, cpu_seconds)
    os.close(theirs)
    with open(ours, encoding="utf-8") as pipe:
        told = pipe.read()
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return _Ended(None if code == -signal.SIGXCPU else code, told)


def _child(pipe: int, work: Callable[[int], int], cpu_seconds: int) -> None:
    code = _INTERRUPTED
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 10))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1) if "VS_ST_PROOF_LOUD" in os.environ else (0, 1, 2):
            os.dup2(nothing, stream)
        code = work(pipe)
    finally:
        os._exit(code)


def _pytest(table: Table, *, alone: bool) -> int:
    import pytest  # late, as what it does to assertions is for a child alone

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    how = ["-o", "addopts=", *_CHOSEN, "-x", "-q", "--tb", "no", "-p", "pytest_timeout", "--timeout", "1800"]
    if alone:
        how.append("--noconftest")
    return int(pytest.main([*how, *(f"{TESTS}/{one}" for one in table.tests)]))


def _baseline(table: Table, pipe: int, *, alone: bool) -> int:
    """Run the tests, and tell which module imports which."""
    imports: Edges = defaultdict(set)
    with _recorded(imports):
        ended = _pytest(table, alone=alone)
    told = {name: sorted(imports[name]) for name in sys.modules if name.startswith((*OURS, "_pytest."))}
    with open(pipe, "w", encoding="utf-8") as file:
        json.dump(told, file)
    return ended


class _recorded:  # noqa: N801
    """Notes each import of ours, by its importer."""

    def __init__(self, imports: Edges) -> None:
        self._imports, self._import = imports, builtins.__import__

    def __enter__(self) -> None:
        real, imports = self._import, self._imports

        def noting(
            name: str,
            globals: dict[str, Any] | None = None,
            locals: dict[str, Any] | None = None,
            fromlist: Sequence[str] | None = (),
            level: int = 0,
        ) -> ModuleType:
            found = real(name, globals, locals, fromlist or (), level)
            importer = (globals or {}).get("__name__", "")
            if level == 0 and importer.startswith(OURS) and name.startswith(OURS):
                imports[importer].update((name, *(f"{name}.{one}" for one in fromlist or ())))
            return found

        builtins.__import__ = noting  # type: ignore[assignment]

    def __exit__(self, *_: object) -> None:
        builtins.__import__ = self._import


def _load(names: Iterable[str]) -> None:
    """Load what the tests load, but tests: pytest does that in its own way."""
    for name in names:
        if not name.rpartition(".")[2].startswith(("test_", "conftest")):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _mutated(table: Table, mutant: Mutant, gone: set[str], alone: bool, _pipe: int) -> int:
    """Run the tests of a table whose module is another one."""
    try:
        code = mutant.code(str(ROOT / table.path))
    except (SyntaxError, ValueError):
        return _INTERRUPTED
    for name in gone:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Mutated(table.module, code))
    importlib.invalidate_caches()
    return _pytest(table, alone=alone)


def main(arguments: list[str]) -> NoReturn:
    """Run one table, and end; the exit code is 0 whatever came of it."""
    table = next(one for one in TABLES if one.name == arguments[0])
    print(json.dumps(run(table, *arguments[1:2])), flush=True)
    os._exit(0)  # what was frozen would be called a leak


if __name__ == "__main__":
    main(sys.argv[1:])
