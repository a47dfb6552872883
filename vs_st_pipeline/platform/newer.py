"""Refuses a file that a newer version of this program has written, in one sentence for every kind of file."""

from __future__ import annotations

from pathlib import Path

from vs_st_pipeline import __version__
from vs_st_pipeline.domain.errors import BadSettings


def newer(path: Path, version: int | str, known: int | str) -> BadSettings:
    """Return the error that a file comes from a newer version.

    Args:
        version: of its schema. known: the newest one that this program knows, in words where it knows none.
    """
    return BadSettings(
        f"the file {path} is at schema {version}, this version ({__version__}) knows {known}: "
        "upgrade vs-st-pipeline, or put an older backup back"
    )
