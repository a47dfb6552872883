"""Runs what `make ui` shows: a fleet of fifty wineries in the sandbox, and Dagster on it; Ctrl-C stops all of it.

So that there is something to see at once, the wineries have a past: all were synced three hours ago, then trouble came
to some of them. The first tick is run before the page is announced; from then on sync_schedule is on, and now and then
somebody orders something, of which the shop tells a receiver at once: a worker does not wait for the next tick.

It has a Dagster of its own below data/sandbox, new at every start, because the sandbox forgets everything too:
partitions, runs and files of real merchants are neither shown nor touched, and nobody is alerted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vs_st_pipeline.defs.names import TICK_JOB, TICK_STEP
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform.hooks import hook_url, make_token
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.scenarios import consumer_acts, fleet, order_acts, parcels_acts, shop_acts
from vs_st_pipeline.sandbox.scenarios.entries_beside import write_beside
from vs_st_pipeline.sandbox.scenarios.fifty import STORIES

ROOT = Path(__file__).resolve().parents[1]
OURS = ("dagster", "state", "merchants.d", "brands", "shops", "sites", "parcels")
LOG, HOOK_LOG = "dagster.log", "webhooks.log"
NOT_OURS = (
    *("VS_ST_ALERTS", "VS_ST_TELL", "VS_ST_NOW", "VS_ST_VINOSHIPPER_RATE", "VS_ST_SIMPLETEXTING_RATE"),
    *("VS_ST_PUBLIC_URL", "VS_ST_HOOK_SECRET"),
)

WELCOME = """
Fifty wineries are synced every five minutes, against stand-ins on this machine; all people are made up. Most are well.
Some are not, and now the pages have to tell you which ones, why, and what to do:

{stories}

  1. {url}/assets/fleet/health
     the whole fleet on one page: who is in trouble, why, and what to do; the pictures; and the tab "Checks".
  2. {url}/assets/synced/simpletexting/contacts?view=partitions
     one line per winery, red where it failed. Click a green one: what was written for whom.
  3. {url}/assets/raw/simpletexting/contacts?view=partitions&partition={revoked}
     how far {revoked} came, and why no further: the key.
  4. {url}/assets/planned/simpletexting/contacts?view=checks
     the data-quality dashboard: what a person should look at, as a number, with what it means and what to do.
     Every asset has one: the refused contacts are at synced/..., the unknown words at raw/vinoshipper/orders.
  5. {url}/asset-groups
     the graph: raw, staged, planned, synced, from left to right. A click on a group opens it.
  6. {url}/assets/fleet/hints
     what webhooks brought, and how soon it was written: every minute somebody orders something, and a worker does not
     wait for the next tick.
  7. {url}/assets/consumers/synced/hubspot/consumers?view=partitions&partition=glow-skin
     another route: a brand's samples. SoPost told of its orders; whoever consented is on HubSpot's list, with evidence.
     The group `consumers` is the whole way, to Klaviyo and Salesforce too; its checks say what nobody has listed yet.
  8. {url}/assets/orders/synced/vinoshipper/orders?view=partitions&partition=hillside
     a third one: a winery's orders. What was paid at Commerce7 is at Vinoshipper, once; three failed, and say why. Its
     tab "Checks" is the desk of whoever ships. The job `order_command` does with one order what `vs-st orders` does:
     {url}/locations/vs_st_pipeline.definitions/jobs/order_command/playground
  9. {url}/assets/audience/synced/waymore/events?view=partitions&partition=corner-shop
     a fourth one: a shop's website. WayMore knows its history, block by block, and since then one event per change. Its
     tab "Checks" says what nobody can buy, because it lost its price.
 10. {url}/assets/notices/synced/gupshup/messages?view=partitions&partition=kapaskraft
     a fifth one: an order's journey. A delivery has failed, so the customer was told on WhatsApp, once ("what went").
     notices/planned/gupshup/messages says of every other message why it waits or does not go.
 11. {url}/automation
     sync_schedule is on. Put {broken}'s entry right in
     {settings}
     and see it become well at the next tick.

What Dagster says is in {log}, what receiver and worker say in {hook_log}.
Ctrl-C stops everything.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", nargs="?", type=int, default=3000, help="of the web page, on 127.0.0.1 (3000)")
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "sandbox", help="for everything that is written")
    given = parser.parse_args()
    port, folder = given.port, given.folder.absolute()
    for number in (signal.SIGINT, signal.SIGTERM):  # also where SIGINT is ignored, as behind a shell's &
        signal.signal(number, signal.default_int_handler)
    for name in NOT_OURS:
        os.environ.pop(name, None)
    os.environ |= {
        "DAGSTER_HOME": str(folder / "dagster"),
        "VS_ST_MERCHANTS": str(folder / "merchants.yaml"),
        "VS_ST_DATA_DIR": str(folder / "state"),
    }
    _fresh_home(folder)
    beside: list[subprocess.Popen[bytes]] = []
    ended = threading.Event()
    try:
        with (
            Sandbox("fleet") as box,
            Sandbox("consumers") as brands,
            Sandbox("orders:12") as shops,
            Sandbox("shop_small") as sites,
            Sandbox("parcels") as parcels,
        ):
            try:
                return _shown(box, Others(brands, shops, sites, parcels), folder, port, beside, ended)
            finally:  # while the stand-ins still answer, so that nothing fails on its way out
                ended.set()
                for process in reversed(beside):
                    _stop(process)
    except KeyboardInterrupt:
        return 0


@dataclass(frozen=True, slots=True)
class Others:
    """The worlds beside the fleet's, each for a route: samples and consents, orders, an audience, parcels."""

    brands: Sandbox
    shops: Sandbox
    sites: Sandbox
    parcels: Sandbox

    @property
    def merchants(self) -> list[str]:
        """Return the ids of all that are in them."""
        worlds = (self.brands, self.shops, self.sites, self.parcels)
        return [merchant.id for box in worlds for merchant in box.merchants]


def _shown(
    box: Sandbox,
    beside_it: Others,
    folder: Path,
    port: int,
    beside: list[subprocess.Popen[bytes]],
    ended: threading.Event,
) -> int:
    """Make all that there is to see, and wait for the end; the exit code."""
    try:
        merchants = _past(box, folder)
        write_beside(beside_it.brands, folder, "brands")
        write_beside(beside_it.shops, folder, "shops")
        write_beside(beside_it.sites, folder, "sites")
        write_beside(beside_it.parcels, folder, "parcels")
        order_acts.awkward(beside_it.shops)
        shop_acts.awkward(beside_it.sites)
        others = beside_it.merchants
        _register([*merchants, *others])
        _webhooks(box, folder, beside, merchants)
        _parcels(beside_it.parcels, folder)
        for merchant in beside_it.brands.merchants:
            beside_it.brands.sopost.control.send(merchant=merchant.id)
        print("Dagster starts, and the first tick with it ...", flush=True)
        dagster = _dagster_dev(folder, port)
        beside.append(dagster)
        wrong = _first_tick(dagster, port)
        if wrong:
            print(f"Dagster cannot load vs_st_pipeline.definitions: {wrong}", file=sys.stderr)
            return 1
        if dagster.poll() is not None:
            said = (folder / LOG).read_text(encoding="utf-8", errors="replace")
            print(f"Dagster has ended; the last of {folder / LOG}:\n{said[-2000:]}", file=sys.stderr)
            return 1
        beside.append(_worker(folder, others))
        print(_welcome(f"http://127.0.0.1:{port}", folder), flush=True)
        threading.Thread(target=_life, args=(box, beside_it, ended), daemon=True).start()
        return dagster.wait()
    except KeyboardInterrupt:
        print("\nstopping ...", flush=True)
        return 0


def _past(box: Sandbox, folder: Path) -> list[str]:
    """What has happened until now; the ids of all enabled merchants."""
    print("Fifty wineries are synced for the first time; it takes half a minute ...", flush=True)
    settings = fleet.settings(box, folder, troubled=False)
    merchants = [merchant.id for merchant in read_merchants(settings, os.environ).enabled]
    _sync(180, "--all")
    print("Three hours pass, and trouble comes to some ...", flush=True)
    fleet.trouble(box)
    _sync(25, "--merchant", *fleet.TROUBLED)
    fleet.late_trouble(box)
    fleet.settings(box, folder, troubled=True)
    fleet.life(box, 9, random.Random(1))
    return merchants


def _sync(minutes_ago: int, *whom: str) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=minutes_ago)).isoformat()
    command = [sys.executable, "-m", "vs_st_pipeline.cli.main", "sync", *whom]
    subprocess.run(command, env={**os.environ, "VS_ST_NOW": at}, capture_output=True, check=False)


def _webhooks(box: Sandbox, folder: Path, beside: list[subprocess.Popen[bytes]], shops: list[str]) -> None:
    """Start a receiver and a worker, register webhooks, and let some orders be told by them.

    The worker is for the shops alone: what SoPost tells is left to the first tick, so that Dagster has it to show.
    """
    print("A receiver and a worker start, and the shops are told whom to call ...", flush=True)
    vs_st = [sys.executable, "-m", "vs_st_pipeline.cli.main"]
    secret = folder / "state" / "hook_secret"
    subprocess.run([*vs_st, "webhooks", "secret", str(secret)], capture_output=True, check=True)
    os.environ["VS_ST_HOOK_SECRET"] = f"file:{secret}"
    (folder / HOOK_LOG).unlink(missing_ok=True)
    with (folder / HOOK_LOG).open("ab") as log:
        beside.append(
            subprocess.Popen(
                [*vs_st, "receive", "--port", "0", "--json"],
                stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )
        )  # fmt: skip
        receiver = beside[-1].stdout
        assert receiver is not None
        os.environ["VS_ST_PUBLIC_URL"] = f"http://127.0.0.1:{json.loads(receiver.readline())['port']}"
        # Some cannot be called at all, and that is part of the picture.
        subprocess.run([*vs_st, "webhooks", "register", "--all"], capture_output=True, check=False)
    beside.append(_worker(folder, shops))
    box.vinoshipper.control.set_switch("auto_webhooks", "on")
    box.simpletexting.control.set_switch("auto_webhooks", "on")
    fleet.life(box, 12, random.Random(2))


def _parcels(box: Sandbox, folder: Path) -> None:
    """Tell Eshopbox and Gupshup where to call, as a person does; then a delivery fails, and the customer is told."""
    everybody = ("--merchant", *(merchant.id for merchant in box.merchants))
    _sync(90, *everybody)
    secret = (folder / "state" / "hook_secret").read_text(encoding="ascii")
    for system in ("eshopbox", "gupshup"):
        for merchant in box.merchants:
            token = make_token(secret, system, merchant.id, 1)
            parcels_acts.paste(box, system, merchant.id, hook_url(os.environ["VS_ST_PUBLIC_URL"], system, token))
    box.eshopbox.control.set_switch("auto_webhooks", "on")
    box.gupshup.control.set_switch("auto_callbacks", "on")
    failed = datetime.now(UTC) - timedelta(minutes=20)
    box.eshopbox.control.advance(
        parcels_acts.ORDER, "failed_delivery", parcels_acts.BRAND, reason="Nobody at home", at=failed
    )
    for minutes_ago in (18, 16):  # it is seen by the first, and told by the second
        _sync(minutes_ago, *everybody)


def _worker(folder: Path, merchant_ids: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "vs_st_pipeline.cli.main", "work", "--merchant", *merchant_ids]
    with (folder / HOOK_LOG).open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _life(box: Sandbox, beside_it: Others, ended: threading.Event) -> None:
    chance = random.Random()
    while not ended.wait(60):
        fleet.life(box, chance.randint(1, 4), chance)
        consumer_acts.life(beside_it.brands, chance)
        order_acts.life(beside_it.shops, chance)
        shop_acts.life(beside_it.sites, chance)
        parcels_acts.life(beside_it.parcels, chance)


def _welcome(url: str, folder: Path) -> str:
    stories = "\n".join(f"  {merchant:18} {story}" for merchant, story in STORIES.items())
    return WELCOME.format(
        url=url, stories=stories, settings=folder / "merchants.yaml", log=folder / LOG, hook_log=HOOK_LOG,
        revoked=fleet.REVOKED, broken=fleet.BROKEN,
    )  # fmt: skip


# --- Dagster ------------------------------------------------------------------------------------------------------


def _fresh_home(folder: Path) -> None:
    """A Dagster home with the project's own settings, but below the sandbox's folder."""
    for path in (folder.parent, folder):
        path.mkdir(mode=0o700, exist_ok=True)
    for name in OURS:
        shutil.rmtree(folder / name, ignore_errors=True)
    home = folder / "dagster"
    home.mkdir(mode=0o700)
    settings = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(settings.replace("data/dagster", str(home)), encoding="utf-8")


def _register(merchant_ids: list[str]) -> None:
    """Add the partitions now, so that there is something to click before the sensor's first look."""
    from dagster import DagsterInstance

    from vs_st_pipeline.defs.partitions import merchants

    with DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(str(merchants.name), merchant_ids)


def _dagster_dev(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "ignore:Function"]  # it recommends another command line, which nobody need hear
    command += ["-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workspace", str(ROOT / "workspace.yaml"), "--log-level", "warning"]
    # A session of its own, so that Ctrl-C reaches it once, from here, and it can put its own children away. Not in the
    # repository root, whose dagster.yaml and .env are for real merchants.
    with (folder / LOG).open("wb") as log:
        return subprocess.Popen(command, cwd=folder, start_new_session=True, stdout=log, stderr=subprocess.STDOUT)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


WHERE = {"repositoryLocationName": "vs_st_pipeline.definitions", "repositoryName": "__repository__"}
LAUNCH = "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename } }"
SWITCH_ON = "mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename } }"
LOADED = """{ workspaceOrError { ... on Workspace { locationEntries {
  locationOrLoadError { ... on PythonError { message } }
} } } }"""
RUNS = "{ runsOrError(limit: 1) { ... on Runs { results { status } } } }"


def _first_tick(dagster: subprocess.Popen[bytes], port: int) -> str:
    """Sync everybody in one run, as the schedule does (all are due), wait for its end, and switch the schedule on.

    Returns why our code cannot be loaded, `""` where it can.
    """
    tick = {
        "selector": {**WHERE, "jobName": TICK_JOB},
        "runConfigData": {"ops": {TICK_STEP: {"config": {"due_only": True, "routes": [one.name for one in ROUTES]}}}},
    }
    while dagster.poll() is None and "LaunchRunSuccess" not in _ask(port, LAUNCH, {"p": tick}):
        if '"message"' in (said := _ask(port, LOADED)):
            return said
        time.sleep(0.5)  # it does not answer yet
    while dagster.poll() is None and "SUCCESS" not in (ended := _ask(port, RUNS)) and "FAILURE" not in ended:
        time.sleep(0.5)
    _ask(port, SWITCH_ON, {"s": {**WHERE, "scheduleName": "sync_schedule"}})
    return ""


def _ask(port: int, query: str, variables: dict[str, Any] | None = None) -> str:
    """What Dagster's GraphQL answers; `""` while it does not."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query, "variables": variables or {}}).encode(),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
