"""Runs the sandbox in the foreground for a person at a terminal, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

from vs_st_pipeline.sandbox.core.process import Sandbox

TITLES = {
    "vinoshipper": "Vinoshipper",
    "simpletexting": "SimpleTexting",
    "sopost": "SoPost",
    "hubspot": "HubSpot",
    "klaviyo": "Klaviyo",
    "salesforce": "Salesforce",
    "commerce7": "Commerce7",
    "shop": "Generic shop",
    "waymore": "WayMore",
    "gupshup": "Gupshup",
    "eshopbox": "Eshopbox",
}


def run_foreground(
    port_vinoshipper: int,
    port_simpletexting: int,
    scenario: str,
    data_dir: Path | str,
    ports: dict[str, int] | None = None,
) -> None:
    """Start the stand-ins, write a merchants file into data_dir, say what to paste, and wait."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Sandbox(scenario, None, port_vinoshipper, port_simpletexting, ports=ports) as box:
            settings = box.write_settings(data_dir)
            print(welcome(box, settings), flush=True)
            # In steps, because a wait without end may keep a signal handler from running on some platforms.
            while not ended.wait(0.5):
                pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def welcome(box: Sandbox, settings: Path) -> str:
    """Return what a newcomer reads: the addresses, the merchants, and the lines to paste into another terminal."""
    names = "\n".join(f"  {merchant.id:24} {merchant.name}" for merchant in box.merchants[:10])
    more = f"\n  ... and {len(box.merchants) - 10} more" if len(box.merchants) > 10 else ""
    calls = "\n\nSoPost tells of no order until it is told to: docs/consumers.md, `Try it`." * ("sopost" in box.running)
    stand_ins = "\n".join(f"{TITLES[name] + ' stand-in:':24} {handle.url}" for name, handle in box.running.items())
    return f"""\
{stand_ins}
Merchants file:          {settings}
{names}{more}

In another terminal:

  export VS_ST_MERCHANTS={settings.resolve()}
  vs-st check --all
  vs-st plan --all
  vs-st sync --all{calls}

All people are made up. Ctrl-C stops them all."""
