"""What the tests of onboarding share: an agency with an empty merchants file, its tables, and wineries of the world."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import yaml
from click.testing import CliRunner

from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.onboarding.memory import Content, read_content
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.process import SandboxMerchant
from vs_st_pipeline_tests.support.commanding import forget_files
from vs_st_pipeline_tests.support.story import NOW_AND_ALWAYS, Ran, Record

STEPS = (
    "secrets", "vinoshipper", "simpletexting", "names", "service", "entry",
    "fields", "webhooks", "plan", "sync", "confirmation",
)  # fmt: skip
COLUMNS = (
    "id", "name", "time_zone", "vs_api_key", "vs_api_secret", "st_api_token", "bought_on", "paid_texting_since",
)  # fmt: skip
PAID = "2026-01-02"


class Agency:
    """A folder with a merchants file that has nothing but defaults, and an empty data folder."""

    def __init__(self, box: Sandbox, folder: Path) -> None:
        self.box, self.folder, self.data = box, folder, folder / "data"
        self.merchants_file = folder / "merchants.yaml"
        self.environ: dict[str, str | None] = {}
        self.defaults()

    def defaults(self, **more: Any) -> None:
        """Write the merchants file: where the systems are, and how fast they may be asked."""
        defaults: Record = {
            "give_up_after": "2s",
            "vinoshipper": {
                "base_url": self.box.vinoshipper.url, "requests_per_second": 500, "refresh": NOW_AND_ALWAYS,
            },
            "simpletexting": {"base_url": self.box.simpletexting.url + "/v2", "requests_per_second": 500},
            **more,
        }  # fmt: skip
        self.merchants_file.write_text(yaml.safe_dump({"defaults": defaults}, sort_keys=False))

    def winery(self, merchant_id: str) -> SandboxMerchant:
        return next(one for one in self.box.merchants if one.id == merchant_id)

    def row(self, merchant_id: str, *, of: str | None = None, **changes: Any) -> Record:
        """A row of a table, with the keys of a winery of the world; a column that is None is not in it."""
        winery = self.winery(of or merchant_id)
        row = {
            "id": merchant_id,
            "name": winery.name,
            "vs_api_key": winery.vs_key,
            "vs_api_secret": winery.vs_secret,
            "st_api_token": winery.st_token,
            "bought_on": PAID,
            "paid_texting_since": PAID,
            **changes,
        }
        return {name: value for name, value in row.items() if value is not None}

    def table(self, *rows: Mapping[str, Any], name: str = "wineries.csv", mode: int = 0o600) -> Path:
        """Write a table that its owner alone can read."""
        path = self.folder / name
        if name.endswith(".csv"):
            text = io.StringIO()
            writer = csv.DictWriter(text, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
            path.write_text(text.getvalue())
        else:
            path.write_text(json.dumps(list(rows)) if name.endswith(".json") else yaml.safe_dump(list(rows)))
        path.chmod(mode)
        return path

    def run(self, *arguments: str, now: str | None = None) -> Ran:
        """Run the command in this process; nobody sits at a terminal."""
        environ = {
            "VS_ST_MERCHANTS": str(self.merchants_file),
            "VS_ST_DATA_DIR": str(self.data),
            "VS_ST_NOW": now,
            **dict.fromkeys(("VS_ST_PUBLIC_URL", "VS_ST_HOOK_SECRET", "VS_ST_TELL", "VS_ST_ALERTS")),
            **self.environ,
        }
        done = CliRunner().invoke(cli, list(arguments), env=environ)
        if isinstance(done.exception, BadSettings):  # the console script turns it into this code
            return Ran(2, done.stdout, done.exception.message)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.exit_code, done.stdout, done.stderr)

    def onboard(self, *rows: Mapping[str, Any], options: Sequence[str] = (), **how: Any) -> Ran:
        """`vs-st onboard --from TABLE --json` with these rows."""
        table = self.table(*rows, **how)
        return self.run("onboard", "--from", str(table), "--json", *options)

    def entry(self, merchant_id: str) -> Record:
        """The entry as our own command wrote it."""
        [entry] = yaml.safe_load((self.folder / "merchants.d" / f"{merchant_id}.yaml").read_text())["merchants"]
        return dict(entry)

    def memory(self, merchant_id: str) -> Content | None:
        return read_content(self.data / "merchants" / merchant_id / "onboarding.json")

    def requests(self) -> dict[str, int]:
        """Requests that both systems got from anybody since their journals were cleared."""
        return {
            "vinoshipper": len(self.box.vinoshipper.control.journal(None)),
            "simpletexting": len(self.box.simpletexting.control.journal(None)),
        }

    def clear_journals(self) -> None:
        self.box.vinoshipper.control.clear_journal()
        self.box.simpletexting.control.clear_journal()

    def webhooks(self, merchant_id: str) -> list[Record]:
        """What is registered at the shop."""
        winery = self.winery(merchant_id)
        answer = requests.get(
            f"{self.box.vinoshipper.url}/api/v3/p/profile/webhooks", auth=(winery.vs_key, winery.vs_secret), timeout=10
        )
        return list(answer.json())

    def lose_process(self) -> None:
        """The next command is another process."""
        forget_files()


def states(row: Record) -> dict[str, str]:
    """How each step of a row ended."""
    return {one["step"]: one["state"] for one in row["steps"]}


def step(row: Record, name: str) -> Record:
    return next(one for one in row["steps"] if one["step"] == name)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(os.lstat(path).st_mode)
