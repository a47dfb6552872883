"""`make bench`: run them all, or those named."""

from __future__ import annotations

import sys

from benchmarks import delivery, first_sync, landing, polling, settings, tick

ALL = {
    "delivery": delivery.main,
    "first_sync": first_sync.main,
    "landing": landing.main,
    "polling": polling.main,
    "settings": settings.main,
    "tick": tick.main,
}

if __name__ == "__main__":
    for name in sys.argv[1:] or ALL:
        print(f"== {name}", flush=True)
        ALL[name]()
