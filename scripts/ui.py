"""Runs what `make ui` shows: the sandbox, and Dagster on it with everything ready to click; Ctrl-C stops all of it.

It has a Dagster of its own below data/sandbox, new at every start, because the sandbox forgets everything too:
partitions, runs and files of real merchants are neither shown nor touched. Nothing runs before somebody clicks.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from vs_st_pipeline.merchants import read_merchants
from vs_st_pipeline.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "data" / "sandbox"
OURS = ("dagster", "state")

WELCOME = """
{names}
are ready to sync, against stand-ins on this machine; all people are made up.

Open {url}/asset-groups and

  1. look at the graph: raw, staged, planned, synced, from left to right;
  2. click "Materialize all", then "Launch backfill": every merchant goes the whole way;
  3. click an asset, then one of its partitions: what changed for whom, and who was held back, and why;
  4. open the tab "Checks" of planned/simpletexting/contacts: what a person should look at.

Ctrl-C stops everything.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", nargs="?", type=int, default=3000, help="of the web page, on 127.0.0.1 (3000)")
    port = parser.parse_args().port
    for number in (signal.SIGINT, signal.SIGTERM):  # also where SIGINT is ignored, as behind a shell's &
        signal.signal(number, signal.default_int_handler)
    home = _fresh_home()
    with Sandbox("demo") as box:
        settings = box.write_settings(FOLDER)
        merchants = read_merchants(settings, os.environ).enabled
        os.environ |= {
            "DAGSTER_HOME": str(home),
            "VS_ST_MERCHANTS": str(settings),
            "VS_ST_DATA_DIR": str(FOLDER / "state"),
        }
        _register([merchant.id for merchant in merchants])
        names = "\n".join(f"  {merchant.id:24} {merchant.name}" for merchant in merchants)
        print(WELCOME.format(names=names, url=f"http://127.0.0.1:{port}"), flush=True)
        return _dagster_dev(port)


def _fresh_home() -> Path:
    """A Dagster home with the project's own settings, but below data/sandbox."""
    for path in (FOLDER.parent, FOLDER):
        path.mkdir(mode=0o700, exist_ok=True)
    for name in OURS:
        shutil.rmtree(FOLDER / name, ignore_errors=True)
    home = FOLDER / "dagster"
    home.mkdir(mode=0o700)
    settings = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(settings.replace("data/dagster", str(home)), encoding="utf-8")
    return home


def _register(merchant_ids: list[str]) -> None:
    """Add the partitions now, so that there is something to click before the sensor's first look."""
    from dagster import DagsterInstance

    from vs_st_pipeline.defs.partitions import merchants

    with DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(str(merchants.name), merchant_ids)


def _dagster_dev(port: int) -> int:
    # Dagster recommends another command line for a plain `dagster dev`, which a newcomer need not hear.
    command = [
        sys.executable,
        "-W",
        "ignore:Function",
        "-m",
        "dagster",
        "dev",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--workspace", str(ROOT / "workspace.yaml"), "--log-level", "warning"]
    # A session of its own, so that Ctrl-C reaches it once, from here, and it can put its own children away. Not in the
    # repository root, whose dagster.yaml and .env are for real merchants.
    process = subprocess.Popen(command, cwd=FOLDER, start_new_session=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        print("\nstopping ...", flush=True)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        return 0


if __name__ == "__main__":
    sys.exit(main())
