"""What the scene of every route does with the command: runs it, here or as a process of its own, and reads reports."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

from click.testing import CliRunner

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline_tests.support.story import Ran

Record = dict[str, Any]


class Commanding:
    """A scene that runs the command.

    Attributes:
        route: whose sync is meant. shows_people: commands whose output may name people.
        said: what all other commands have said, and everything that was logged.
    """

    route: ClassVar[str]
    shows_people: ClassVar[tuple[str, ...]] = ("plan",)

    folder: Path
    data: Path
    merchant: str
    more_environment: dict[str, str]
    said: list[str]

    def clock(self) -> datetime | None:
        """What the command is to take for now; None: the machine's time."""
        raise NotImplementedError

    def module(self) -> str:
        """What a process of its own runs."""
        return "vs_st_pipeline_tests.support.unpaced"

    def environment(self) -> dict[str, str | None]:
        """The environment of the command."""
        now = self.clock()
        return {
            "VS_ST_MERCHANTS": str(self.folder / "merchants.yaml"),
            "VS_ST_DATA_DIR": str(self.data),
            "VS_ST_NOW": None if now is None else now.isoformat(),
            **self.more_environment,
        }

    def run(self, *arguments: str, input: str | None = None) -> Ran:
        """Run the command in this process."""
        _take_folder(self.data)
        with _logged() as log:
            done = CliRunner().invoke(cli, list(arguments), env=self.environment(), input=input)
        self.said += [log.getvalue(), done.stderr, done.stdout if arguments[0] not in self.shows_people else ""]
        if isinstance(done.exception, BadSettings):
            return Ran(2, done.stdout, done.exception.message)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(done.exit_code, done.stdout, done.stderr)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start the command as a process of its own."""
        whole = {**os.environ, **self.environment(), **environment}
        return subprocess.Popen(
            [sys.executable, "-m", self.module(), *arguments],
            env={name: value for name, value in whole.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sync(self, *arguments: str) -> Record:
        """`vs-st sync --route ROUTE --json`; the merchant's report."""
        done = self.run("sync", "--merchant", self.merchant, "--route", self.route, "--json", *arguments)
        report = done.of(self.merchant)
        assert done.exit_code == (0 if report["status"] == "ok" else 1), done
        return report

    def synced(self, *arguments: str) -> Record:
        """The same, and it must go well."""
        report = self.sync(*arguments)
        assert (report["status"], report["error"]) == ("ok", None), report
        return report

    def plan(self) -> Record:
        """`vs-st plan --route ROUTE --json`."""
        return self.run("plan", "--merchant", self.merchant, "--route", self.route, "--json").of(self.merchant)


def forget_files() -> None:
    """Let the command let go of all files: one of them is about to become another, or its folder ends."""
    kept, cli_sync._warehouse = cli_sync._warehouse, None
    if kept is not None:
        kept.close()


def _take_folder(data: Path) -> None:
    """Let the command take this data folder: it keeps the one that it met first, for the process."""
    kept = cli_sync._warehouse
    if kept is not None and kept.data_dir != data:
        forget_files()


@contextmanager
def _logged() -> Iterator[StringIO]:
    """All that anybody logs meanwhile."""
    stream, root = StringIO(), logging.getLogger()
    handler = logging.StreamHandler(stream)
    root.addHandler(handler)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
