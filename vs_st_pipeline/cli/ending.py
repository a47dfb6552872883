"""Ends the process of a command that runs on, or that a signal stopped, without taking the interpreter apart.

Such a command ends beside threads of its own and with what its last syncs raised, and either may hold a DuckDB
connection until the very end. DuckDB's module then prints pages about objects that leaked, which is nobody's to read.
All that is to be kept is on the disk by then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from vs_st_pipeline.cli.output import flush

_at_once = False


def soon() -> None:
    """Note that this process is to end at once when its command has ended."""
    global _at_once  # it is about the process
    _at_once = True


def run(command: Callable[[], None]) -> None:
    """Run a command as the last thing that a process does; of one that is to end at once this does not return.

    Raises:
        SystemExit, KeyboardInterrupt: as the command does, where nothing speaks for ending at once.
    """
    try:
        command()
    except SystemExit as ended:
        if not _at_once:
            raise
        leave(ended.code if isinstance(ended.code, int) else int(ended.code is not None))


def leave(code: int) -> None:
    """End the process now, once what it has said is written."""
    flush(sys.stdout)
    flush(sys.stderr)
    os._exit(code)
