"""Runs both stand-ins in the foreground (`python -m vs_st_pipeline.sandbox`), for `vs-st sandbox`, `demo`, `make ui`.

With `--on-stdin` it obeys lines instead of signals alone, and answers each with sentences and a blank line: `change`
makes the demo's changes at the shop; `ship` ships an order, which the shop tells by webhook; `told` waits until the
contact says so. End of input stops it, so a parent that dies takes the sandbox with it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vs_st_pipeline.sandbox.core.foreground import run_foreground, welcome
from vs_st_pipeline.sandbox.core.process import Sandbox
from vs_st_pipeline.sandbox.scenarios.changes import ship, shop_changes, told


def main() -> None:
    """Parse the command line and run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m vs_st_pipeline.sandbox", description=__doc__)
    parser.add_argument("--port-vinoshipper", type=int, default=0, help="0: any free port")
    parser.add_argument("--port-simpletexting", type=int, default=0, help="0: any free port")
    parser.add_argument("--scenario", default="demo", help="demo, small, big, estate, fleet, mailing:N or fleet:N")
    parser.add_argument("--data-dir", type=Path, required=True, help="where merchants.yaml and the keys are written")
    parser.add_argument("--on-stdin", action="store_true", help="obey lines on standard input")
    given = parser.parse_args()
    if not given.on_stdin:
        run_foreground(given.port_vinoshipper, given.port_simpletexting, given.scenario, given.data_dir)
        return
    with Sandbox(given.scenario, None, given.port_vinoshipper, given.port_simpletexting) as box:
        settings = box.write_settings(given.data_dir)
        print(welcome(box, settings), end="\n\n", flush=True)
        for line in sys.stdin:
            match line.strip():
                case "change":
                    said = shop_changes(box)
                case "ship":
                    said = [ship(box)]
                case "told":
                    said = told(box) or ["The contact does not say so."]
                case _:
                    continue
            print("\n".join(said), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
