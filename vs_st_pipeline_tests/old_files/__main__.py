"""Keeps a file as it is now: `python -m vs_st_pipeline_tests.old_files FILE COMMIT-ROUTE`."""

from __future__ import annotations

import sys
from pathlib import Path

from vs_st_pipeline_tests.old_files import keep

if __name__ == "__main__":
    print(keep(Path(sys.argv[1]), sys.argv[2]))
