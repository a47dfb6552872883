"""A real web server and daemon of Dagster, on a home and a data folder of their own, asked as the browser asks them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vs_st_pipeline.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
WORKSPACE = ("--workspace", str(ROOT / "workspace.yaml"))
STAND_STILL = "stand-still"  # see every_minute.py
SYNCED, PLANNED = "synced/simpletexting/contacts", "planned/simpletexting/contacts"

KEYS = """
query Keys($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { partitionKeys } } }"""
PARTITIONS = """
query Partitions($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetPartitionStatuses {
        ... on DefaultPartitionStatuses { materializedPartitions failedPartitions }
      }
    }
  }
}"""


@dataclass
class Ui:
    """`dagster dev`.

    Attributes:
        folder: of the merchants file and the data folder.
        loads: what Dagster is told to load, as arguments.
        variables: of the environment, besides.
    """

    box: Sandbox
    folder: Path
    home: Path
    loads: Sequence[str] = WORKSPACE
    variables: dict[str, str] = field(default_factory=dict)
    _groups: list[int] = field(default_factory=list)  # of processes, all that were ever started

    def __post_init__(self) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = int(one.getsockname()[1])
        settings = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
        settings = settings.replace("data/dagster", str(self.home / "storage"))
        (self.home / "dagster.yaml").write_text(settings, encoding="utf-8")

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start it, also again; it answers, and knows who is to be synced."""
        environment = {
            **os.environ,
            "DAGSTER_HOME": str(self.home),
            "VS_ST_MERCHANTS": str(self.folder / "merchants.yaml"),
            "VS_ST_DATA_DIR": str(self.data),
            "PYTHONPATH": str(ROOT),
            **self.variables,
        }
        command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), *self.loads, "--log-level", "error"]
        self.process = subprocess.Popen(command, cwd=self.folder, env=environment, start_new_session=True)
        self._groups.append(self.process.pid)
        wait_for(self.answers)
        everybody = {merchant.id for merchant in self.box.merchants}
        wait_for(lambda: set(self._of(SYNCED, KEYS).get("partitionKeys") or []) == everybody)

    def answers(self) -> bool:
        try:
            return bool(self.ask("{ version }"))
        except OSError:
            return False

    def stop(self) -> None:
        """Gently at first; nothing is left, not even of what a killed one has left behind."""
        self.process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self.process.wait()

    def kill(self) -> None:
        """As a power cut does: the web server, the daemon, the code server and all runs."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        url = f"http://127.0.0.1:{self.port}/graphql"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        [found] = answer["data"].values()
        return found

    def partitions(self, asset: str) -> tuple[set[str], set[str]]:
        """Partitions that the asset's page shows as materialized, and as failed."""
        shown = self._of(asset, PARTITIONS)["assetPartitionStatuses"]
        return set(shown["materializedPartitions"]), set(shown["failedPartitions"])

    def _of(self, asset: str, query: str) -> Any:
        return self.ask(query, key={"path": asset.split("/")})


@contextmanager
def running(ui: Ui) -> Iterator[Ui]:
    """While the block lasts."""
    try:
        ui.start()
        yield ui
    finally:
        ui.stop()


def wait_for(happened: Callable[[], Any], seconds: float = 240) -> Any:
    """What `happened` answers, once that is true."""
    give_up_at = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < give_up_at, "it did not come to that"
        time.sleep(0.3)
    return found
