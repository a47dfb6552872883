"""Names the state of a DuckDB file without opening it, so that a cache beside it knows whether anybody wrote since."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Final

from vs_st_pipeline.platform.warehouse.files import log_of

HEADERS: Final = 3 * 4096  # DuckDB's main header and two others, one of which every checkpoint writes anew


def file_stamp(path: Path) -> bytes | None:
    """Return a digest of which file it is, its size, its time and its headers; None while it cannot be told.

    A file with a log beside it has something that is not in it yet, so its own bytes say nothing.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            known = os.fstat(file.fileno())
            headers = file.read(HEADERS)
    except OSError:
        return None
    if os.path.exists(log_of(path)):
        return None
    named = f"{known.st_dev} {known.st_ino} {known.st_size} {known.st_mtime_ns} "
    return blake2b(named.encode() + headers, digest_size=16).digest()
