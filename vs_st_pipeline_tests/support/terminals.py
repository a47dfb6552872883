"""Stands in for a terminal: runs a command in this process, and shows what a person would see."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass

import click
import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.cli.layout import width_of
from vs_st_pipeline.cli.main import cli

PAINT = re.compile(r"\x1b\[[0-9;]*m")


class Screen(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Seen:
    """What came on a screen."""

    painted: str

    @property
    def rows(self) -> list[str]:
        """The rows without their colors."""
        return PAINT.sub("", self.painted).splitlines()

    def too_wide(self, width: int) -> list[str]:
        """Rows that are wider than the screen, but for a single word that cannot be broken."""
        return [row for row in self.rows if width_of(row) > width and " " in row.strip()]


@contextmanager
def screen(columns: int, **environ: str) -> Iterator[Screen]:
    """Give a screen of that many columns in place of stdout and stderr."""
    found = Screen()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(found), redirect_stderr(found):
        patch.delenv("NO_COLOR", raising=False)
        patch.setattr(cli_sync, "_warehouse", None)
        for name, value in {"COLUMNS": str(columns), "TERM": "xterm", **environ}.items():
            patch.setenv(name, value)
        yield found


def seen(columns: int, *words: str, environ: Mapping[str, str]) -> Seen:
    """Run a command before such a screen."""
    with screen(columns, **environ) as found, suppress(SystemExit, click.exceptions.Exit):
        cli.main(list(words), prog_name="vs-st", standalone_mode=False)
    return Seen(found.getvalue())
