"""`make proof`: run them all, or those named; `kills 17` does only the kills in the random world 17 again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Protocol

from proof import answers, distributed, kills, machine, switches
from proof.kills import opened
from proof.world import World


class _Figures(Protocol):
    def lines(self) -> Iterator[str]: ...


ALL: dict[str, Callable[[World], _Figures]] = {
    "kills": kills.long,
    "machine": machine.long,
    "answers": answers.long,
    "switches": switches.long,
}
ALONE: dict[str, Callable[[], _Figures]] = {"distributed": distributed.long}
"""Those that bring a world of their own."""


def main(names: list[str]) -> None:
    """Run and print."""
    seeds = [int(name) for name in names if name.isdecimal()]
    for name in [name for name in names if name in {*ALL, *ALONE}] or [*ALL, *ALONE]:
        print(f"== {name}", flush=True)
        if name in ALONE:
            for line in ALONE[name]().lines():
                print(line, flush=True)
            continue
        with opened() as world:
            if seeds and name == "kills":
                kills.at_random_moments(world, kills.Figures(), seeds, kills.KILLS_IN_EACH)
                continue
            for line in ALL[name](world).lines():
                print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
