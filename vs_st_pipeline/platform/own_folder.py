"""Makes folders that only their owner can enter: the one place that knows how.

`Path.mkdir(mode=0o700, parents=True)` gives the mode to the last folder alone; those above it get the umask's.
"""

from __future__ import annotations

import stat
from pathlib import Path


def make_own_folder(folder: Path) -> None:
    """Make a folder, and those above it, as far as they are not there, each for its owner alone (0700).

    Raises:
        OSError: it cannot be made, or a file is in its place.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        make_own_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def take_from_others(folder: Path) -> None:
    """Let nobody but its owner enter a folder that other means made: a checkout, or a person who moves a merchant here.

    Raises:
        OSError: it is not there, or another user's.
    """
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)
