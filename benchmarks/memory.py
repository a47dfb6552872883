"""Says how much memory a measured process took."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_mb() -> float:
    """Return the largest resident memory that this process had so far, in MB.

    By the kernel's mark of this program's own memory: `ru_maxrss` begins at what the process that started this one had
    in memory by then, so a benchmark that holds its orders would be measured in place of the sync.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # no Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024
