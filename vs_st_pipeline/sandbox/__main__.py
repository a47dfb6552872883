"""Runs the stand-ins in the foreground (`python -m vs_st_pipeline.sandbox`), for `vs-st sandbox`, `demo`, `make ui`.

With `--on-stdin` it obeys lines instead of signals alone, and answers each with sentences, a JSON list on one line, the
first as soon as it is ready: `change` makes the demo's changes at the shop; `ship` ships an order, which the shop tells
by webhook; `told` waits until the contact says so. `send`, `later`, `people` are of consumers; what begins with
`orders_` is of orders, with `shop_` of audience, `parcel...` and `customer_taps` of notices. `proof` says by the
stand-ins' books what was told to whom. `paste SYSTEM MERCHANT URL` tells a system where to call that only a person can
tell. End of input stops it, so a parent that dies takes the sandbox with it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from vs_st_pipeline.sandbox.core.foreground import run_foreground
from vs_st_pipeline.sandbox.core.process import CONTROLS, NotStarted, Sandbox
from vs_st_pipeline.sandbox.scenarios import consumer_acts, order_acts, parcels_acts, shop_acts
from vs_st_pipeline.sandbox.scenarios.changes import ship, shop_changes, told
from vs_st_pipeline.sandbox.scenarios.demo_proofs import proof
from vs_st_pipeline.sandbox.scenarios.index import merchants_of


def main() -> None:
    """Parse the command line and run until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m vs_st_pipeline.sandbox", description=__doc__)
    for system in CONTROLS:
        parser.add_argument(f"--port-{system}", type=int, help="0: any free port; starts it whatever the world has")
    parser.add_argument(
        "--scenario",
        default="demo",
        help="demo, small, big, estate, fleet, consumers, orders, shop_small, parcels, mailing:N, fleet:N, "
        "consumers:N, orders:N, shop:N or parcels:N",
    )
    parser.add_argument("--data-dir", type=Path, required=True, help="where merchants.yaml and the keys are written")
    parser.add_argument("--on-stdin", action="store_true", help="obey lines on standard input")
    given = parser.parse_args()
    named = {system: getattr(given, f"port_{system}") for system in CONTROLS}
    ports = {system: port for system, port in named.items() if port is not None}
    if not given.on_stdin:
        _run_for_a_person(given.scenario, given.data_dir, ports)
        return
    with Sandbox(given.scenario, ports=ports) as box:
        box.write_settings(given.data_dir)
        print(json.dumps([]), flush=True)
        for line in sys.stdin:
            match line.strip():
                case "change":
                    said = shop_changes(box)
                case "ship":
                    said = [ship(box)]
                case "told":
                    said = told(box) or ["The contact does not say so."]
                case "send":
                    said = consumer_acts.send(box)
                case "later":
                    said = consumer_acts.later(box)
                case "people":
                    said = consumer_acts.people(box)
                case word if word in order_acts.ACTS:
                    said = order_acts.ACTS[word](box)
                case word if word in shop_acts.ACTS:
                    said = shop_acts.ACTS[word](box)
                case word if word in parcels_acts.ACTS:
                    said = parcels_acts.ACTS[word](box)
                case word if word.startswith("paste "):
                    said = parcels_acts.paste(box, *word.split()[1:])
                case "proof":
                    said = proof(box)
                case _:
                    continue
            print(json.dumps(said), flush=True)


def _run_for_a_person(scenario: str, data_dir: Path, ports: dict[str, int]) -> None:
    """Run in the foreground; what a person typed wrong ends with a sentence."""
    try:
        merchants_of(scenario)
    except ValueError as error:
        print(f"vs-st sandbox: {error}", file=sys.stderr)
        sys.exit(2)
    try:
        run_foreground(0, 0, scenario, data_dir, ports)
    except NotStarted as error:
        sys.exit(f"vs-st {error}; end what listens there, or name another port (0: any free one)")


if __name__ == "__main__":
    main()
