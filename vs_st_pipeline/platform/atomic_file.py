"""Replaces files whole or not at all, also if the power goes: the one place that knows how.

A new file is written beside the old one, brought to the disk, and takes its name; then the folder is brought to the
disk, because a name is kept there.
"""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` as the whole content of `path`, readable by its owner alone.

    Raises:
        OSError: the disk is full, or the folder is gone or read-only; the old file stands as it was.
    """
    draft = path.with_name(path.name + ".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    replace_durably(draft, path)


def replace_durably(draft: Path, path: Path) -> None:
    """Replace `path` by `draft`: at any moment, power or not, one of the two is there whole.

    Raises:
        OSError: one of them cannot be reached.
    """
    _sync(draft)
    draft.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
