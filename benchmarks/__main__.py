"""Run them all, or those named: `python -m benchmarks [--bars] [--quick] [NAME...]`; `make bench` says `--bars`.

With `--bars` each benchmark ends with a line for each of its bars, `bar NAME VALUE <= LIMIT ok|missed`, and what was
found is kept in `benchmarks/results.json`. Exits 1 where a bar is missed, or where a benchmark could not be run.
`--quick` takes sizes that fit into 30 minutes. `--page` runs nothing, and writes the kept figures into `docs/scale.md`.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence

from benchmarks import bars, page
from benchmarks.options import CannotMeasure, Figures, Options

Benchmark = Callable[[Options], Figures]
USUAL = (
    "audience",
    "consumers",
    "delivery",
    "first_sync",
    "hints",
    "landing",
    "notices",
    "orders",
    "planning",
    "polling",
    "receiver",
    "settings",
    "syncs",
    "day",
    "tick",
)
BY_NAME = ("fleet",)  # only if it is named
HOMES = {"planning": "planning_bars"}  # of those whose module has another name


def main(arguments: Sequence[str], benchmarks: Mapping[str, Benchmark] | None = None) -> int:
    """Run what the command line asks for; returns the exit code."""
    names = [*USUAL, *BY_NAME] if benchmarks is None else list(benchmarks)
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--bars", action="store_true", help="hold the figures against the bars, and keep them")
    parser.add_argument("--quick", action="store_true", help="smaller sizes: all in 30 minutes on two cores")
    parser.add_argument("--page", action="store_true", help="only write the kept figures into docs/scale.md")
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.names if name not in names]:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(names)}")
    if given.page:
        page.write(bars.read(bars.RESULTS))
        return 0
    options = Options(bars=given.bars, quick=given.quick)
    well = True
    for name in given.names or [name for name in names if name not in BY_NAME]:
        print(f"== {name}", flush=True)
        well &= _one(name, benchmarks[name] if benchmarks else _benchmark(name), options)
    return 0 if well else 1


def _benchmark(name: str) -> Benchmark:
    from importlib import import_module

    found: Benchmark = import_module(f"benchmarks.{HOMES.get(name, name)}").main
    return found


def _one(name: str, benchmark: Benchmark, options: Options) -> bool:
    """Run one, and hold it against its bars where that is asked for; one that fails keeps none of the others back."""
    figures: Figures = {}
    failed = None
    try:
        figures = benchmark(options)
    except CannotMeasure as error:
        failed = str(error)
        print(f"{name} was not measured: {failed}", flush=True)
    except Exception as error:
        failed = type(error).__name__
        traceback.print_exc()
        print(f"{name} was not measured: {failed}", flush=True)
    if not options.bars:
        return failed is None
    if options.chosen:
        print("at sizes of the environment: " + ", ".join(f"{key}={value}" for key, value in options.chosen.items()))
    held = bars.hold(name, figures)
    for one in held:
        print(one.line(), flush=True)
    bars.keep(bars.RESULTS, name, figures, held, options=options, failed=failed)
    return failed is None and all(one.ok for one in held)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
