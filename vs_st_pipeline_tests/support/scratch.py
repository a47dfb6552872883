"""Puts what tests write into memory, where the machine has a folder for that: tests wait for disks more than they work.

Each commit of a database waits until its disk has it, and tests make thousands. That a power cut loses nothing is not
what they show: they kill processes, and a killed process loses nothing that lies in memory either.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

IN_MEMORY: Final = Path("/dev/shm")
LEAST: Final = 4 << 30
"""Bytes that must be free there."""


def use() -> None:
    """Make temporary folders of this process and its children lie in memory, unless `TMPDIR` says where."""
    if "TMPDIR" in os.environ or not os.access(IN_MEMORY, os.W_OK) or shutil.disk_usage(IN_MEMORY).free < LEAST:
        return
    os.environ["TMPDIR"] = str(IN_MEMORY)
    tempfile.tempdir = None  # what was found before is asked again
