"""Runs what the demo plays on: stand-ins as processes of their own, and commands of this program as forks of it.

Starting Python and importing all of this program costs a second, which a show of fifty commands has not got. A fork has
everything imported already. Nothing here opens a database or starts a thread, so what is forked is whole.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click

_FORKS: Final = multiprocessing.get_context("fork")
_LATE: Final = (
    *("pandas", "nanoarrow", "duckdb", "encodings.idna", "uvicorn", "yaml"),
    *("vs_st_pipeline.operations.receiver.processes", "vs_st_pipeline.operations.worker.rounds"),
)
"""What commands import at their first use."""
_MEMORY: Final = Path("/dev/shm")  # what lies there is gone after a power cut, and nobody misses it
_ENOUGH: Final = 1 << 30


class StandIns:
    """A world of stand-ins with a folder of its own; it starts at once, and who needs it waits until it is there."""

    def __init__(self, scenario: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="vs-st-demo-", dir=_fast_disk(), ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.log = self.folder / "stderr"
        self._box = subprocess.Popen(
            [*sandbox_command(self.folder, scenario), "--on-stdin"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._is_ready = False

    def tell(self, order: str) -> list[str]:
        """Return what the stand-ins say to an order, once they have carried it out."""
        self.wait()
        assert self._box.stdin is not None
        self._box.stdin.write(f"{order}\n")
        self._box.stdin.flush()
        return self._answer()

    def wait(self) -> None:
        """Wait until they are there."""
        if not self._is_ready:
            self._answer()
            self._is_ready = True

    def _answer(self) -> list[str]:
        assert self._box.stdout is not None
        line = self._box.stdout.readline()
        if not line:
            raise click.ClickException("the stand-ins ended early; see their message above")
        said: list[str] = json.loads(line)
        return said

    @property
    def pipes(self) -> list[int]:
        """Return what no fork may hold open: the stand-ins end when their input does."""
        return [pipe.fileno() for pipe in (self._box.stdin, self._box.stdout) if pipe is not None and not pipe.closed]

    def stop(self) -> None:
        """Tell them to end, and do not wait."""
        assert self._box.stdin is not None
        self._box.stdin.close()

    def close(self) -> None:
        """Wait until they are gone, and delete the folder."""
        self.stop()
        try:
            self._box.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._box.kill()
            self._box.wait()
        assert self._box.stdout is not None
        self._box.stdout.close()
        self._folder.cleanup()


def sandbox_command(folder: Path, scenario: str) -> list[str]:
    """Return the command that runs stand-ins."""
    return [sys.executable, "-m", "vs_st_pipeline.sandbox", "--scenario", scenario, "--data-dir", str(folder)]


def import_all() -> None:
    """Import what commands import at their first use, so that it is done once."""
    for name in _LATE:
        importlib.import_module(name)


def run(environ: Mapping[str, str], world: StandIns, pipes: Sequence[int], work: Callable[[], None]) -> tuple[int, str]:
    """Do something in a fork; its exit code, and what it said on stdout."""
    with tempfile.TemporaryFile(dir=world.folder) as out, world.log.open("ab") as log:
        fork = _FORKS.Process(target=_fork, args=(work, dict(environ), out.fileno(), log.fileno(), pipes))
        fork.start()
        fork.join()
        out.seek(0)
        return fork.exitcode or 0, out.read().decode("utf-8", "replace")


@contextmanager
def beside(
    environ: Mapping[str, str], world: StandIns, pipes: Sequence[int], work: Callable[[], None]
) -> Iterator[int]:
    """Do something in a fork until the end of the block; gives a descriptor to read its stdout from."""
    ours, theirs = os.pipe()
    with world.log.open("ab") as log:
        fork = _FORKS.Process(target=_fork, args=(work, dict(environ), theirs, log.fileno(), [*pipes, ours]))
        fork.start()
    os.close(theirs)
    try:
        yield ours
    finally:
        fork.terminate()
        fork.join(30)
        if fork.is_alive():
            fork.kill()
            fork.join()
        os.close(ours)


def command(*arguments: str) -> Callable[[], None]:
    """Return what is `vs-st` with these arguments."""
    return partial(_command, arguments)


def _command(arguments: tuple[str, ...]) -> None:
    from vs_st_pipeline.cli.main import main

    sys.argv = ["vs-st", *arguments]
    main()


def _fork(work: Callable[[], None], environ: dict[str, str], out: int, log: int, pipes: Sequence[int]) -> None:
    for pipe in pipes:
        os.close(pipe)
    # Streams of its own: those of the parent believe that they still write where they wrote before.
    for number, descriptor in ((1, out), (2, log)):
        os.dup2(descriptor, number)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environ)
    work()


def _fast_disk() -> str | None:
    """Return a folder in memory, where there is one with room; what databases flush there costs nothing."""
    try:
        return str(_MEMORY) if shutil.disk_usage(_MEMORY).free > _ENOUGH and os.access(_MEMORY, os.W_OK) else None
    except OSError:
        return None
