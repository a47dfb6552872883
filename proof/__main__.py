"""`make proof`: all proofs, or those named, unit by unit; what this state of the code has behind it is not done again.

    python -m proof [NAME...] [--share I/N] [--minutes M] [--unit UNIT] [--again] [--fresh] [--report | --page]

The exit code is 1 where anything was found, now or before, else 0, also where `--minutes` left something to do; 2 where
nothing is called so.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from difflib import get_close_matches
from fnmatch import fnmatchcase as fnmatch

from proof import (
    answers,
    audience,
    consumers,
    distributed,
    kills,
    machine,
    mutations,
    notices,
    once,
    orders,
    page,
    receiver,
    slow,
    structure,
    switches,
    worker,
)
from proof.kills import opened
from proof.units import Done, Memory, Proof, Unit, memory
from proof.world import Finding, World

MOST = 4000  # letters of a finding that are printed; all of it is in the file
PROOFS: tuple[Proof, ...] = (
    slow.PROOF,
    mutations.PROOF,
    kills.PROOF,
    once.PROOF,
    receiver.PROOF,
    worker.PROOF,
    consumers.PROOF,
    orders.PROOF,
    audience.PROOF,
    notices.PROOF,
    machine.PROOF,
    answers.PROOF,
    switches.PROOF,
    structure.PROOF,
    distributed.PROOF,
)


class _Worlds:
    """The world of this process: opened when it is first wanted, and anew after something went wrong in it."""

    def __init__(self) -> None:
        self._stack, self._world = ExitStack(), None

    _world: World | None

    def get(self) -> World:
        if self._world is None:
            self._world = self._stack.enter_context(opened())
        return self._world

    def close(self) -> None:
        self._world = None
        self._stack.close()


def share_of(text: str) -> tuple[int, int]:
    """`2/4` as (2, 4).

    Raises:
        ValueError: it is no share.
    """
    number, _, of = text.partition("/")
    share = int(number), int(of)
    if not 1 <= share[0] <= share[1]:
        raise ValueError(text)
    return share


def main(arguments: list[str]) -> int:
    """Run and print; the exit code."""
    asked = _parser().parse_args(arguments)
    unknown = set(asked.names) - {proof.name for proof in PROOFS}
    if unknown:
        print(f"no proof {', '.join(sorted(unknown))}; there are {', '.join(proof.name for proof in PROOFS)}")
        return 2
    chosen = [proof for proof in PROOFS if proof.name in asked.names or not asked.names]
    known = memory(chosen)
    if asked.fresh:
        known.forget()
    if asked.page:
        page.write(chosen, known)
        return 0
    whole = {proof.name: proof.units() for proof in chosen}
    if asked.unit and not any(_is_meant(unit, asked.unit) for units in whole.values() for unit in units):
        print(_no_unit(asked.unit, whole))
        return 2
    mine = whole if asked.report else {proof.name: proof.shared(asked.share) for proof in chosen}
    if asked.unit:
        mine = {name: [unit for unit in units if _is_meant(unit, asked.unit)] for name, units in mine.items()}
    left = 0
    if not asked.report:

        def behind(done: Done) -> bool:
            return not asked.unit and not (asked.again and done.finding)

        left = _run(chosen, mine, known, behind, asked.minutes)
    found = 0
    known.read()  # what other shares have done meanwhile
    for proof in chosen:
        found += _tell(proof, mine[proof.name], whole[proof.name], known)
    if left:
        print(f"{left} units are left; the same command goes on with them")
    return int(found > 0)


def _is_meant(unit: Unit, said: str) -> bool:
    return unit.name == said or fnmatch(unit.name, said)


def _no_unit(said: str, whole: dict[str, list[Unit]]) -> str:
    """That no unit is called so, and which may be meant: by their names, else the first of each proof."""
    names = [unit.name for units in whole.values() for unit in units]
    near = [name for name in names if said in name][:3] or get_close_matches(said, names, n=3, cutoff=0.5)
    if near:
        return f"no unit `{said}`; did you mean {', '.join(f'`{name}`' for name in near)}?"
    first = [f"`{units[0].name}` of {name}" for name, units in whole.items() if units]
    return f"no unit `{said}`; there are such as {', '.join(first)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m proof", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(proof.name for proof in PROOFS))
    parser.add_argument("--share", type=share_of, default=(1, 1), metavar="I/N", help="every Nth unit, from the Ith")
    parser.add_argument("--minutes", type=float, metavar="M", help="stop after the unit that ends later than this")
    parser.add_argument("--unit", metavar="UNIT", help="units of this name (`seed *` for many), done before or not")
    parser.add_argument("--again", action="store_true", help="units that found something are done again")
    parser.add_argument("--fresh", action="store_true", help="forget what is done")
    parser.add_argument("--report", action="store_true", help="run nothing: print what all shares came to together")
    parser.add_argument("--page", action="store_true", help="run nothing: write that into docs/proofs.md")
    return parser


def _run(
    chosen: list[Proof],
    mine: dict[str, list[Unit]],
    known: Memory,
    behind: Callable[[Done], bool],
    minutes: float | None,
) -> int:
    """Do what is not done; how many units are left because the time is up."""
    began, worlds, left = time.monotonic(), _Worlds(), 0
    try:
        for proof in chosen:
            print(f"== {proof.name}", flush=True)
            for unit in mine[proof.name]:
                done = known.done.get((proof.name, unit.name))
                if done is not None and behind(done):
                    continue
                if minutes is not None and time.monotonic() - began > 60 * minutes:
                    left += 1
                    continue
                known.note(_do(proof, unit, worlds))
    finally:
        worlds.close()
    return left


def _do(proof: Proof, unit: Unit, worlds: _Worlds) -> Done:
    began = time.monotonic()
    try:
        figures, finding = unit.run(worlds.get).as_json(), ""
    except SystemExit as missing:  # something that this machine lacks
        figures, finding = {}, f"not done: {missing}"
    except Exception as error:
        worlds.close()  # whatever state it is in
        said = [str(error)] if isinstance(error, Finding) else traceback.format_exception(error)[-4:]
        figures, finding = {}, "".join([*said, *getattr(error, "__notes__", [])])[:20_000]
    seconds = time.monotonic() - began
    if finding:
        print(f"FOUND in {proof.name}, {unit.name}: {finding[:MOST]}", flush=True)
    return Done(proof.name, unit.name, figures, finding, round(seconds, 1))


def _tell(proof: Proof, mine: list[Unit], whole: list[Unit], known: Memory) -> int:
    """Print what the units came to, of all shares; how many of mine found something."""
    done = [unit for unit in whole if (proof.name, unit.name) in known.done]
    found = known.findings(proof, mine)
    print(f"-- {proof.name}: {len(done)} of {len(whole)} units, {len(known.findings(proof, whole))} found something")
    for line in known.added(proof, whole).lines():
        print(line)
    for one in found:
        print(f"FOUND in {one.unit}: {chr(32).join(one.finding.split())[:300]}")
    sys.stdout.flush()
    return len(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
