"""Who has which DuckDB file open, as the kernel tells it of the workers and all that they started."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

LOOK_EVERY = 0.2


@dataclass
class Witness:
    """Looks again and again.

    Attributes:
        pids: of the workers, asked for at each look.
        looks: so many. seen: files seen open, over all looks. twice: files seen open by two processes.
    """

    pids: Callable[[], Iterable[int]]
    looks: int = 0
    seen: int = 0
    twice: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While the block lasts."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_EVERY):
            holders: dict[str, set[int]] = {}
            for pid in self._processes():
                with suppress(OSError):
                    for handle in os.scandir(f"/proc/{pid}/fd"):
                        with suppress(OSError):
                            path = os.readlink(handle.path)
                            if path.endswith("/warehouse.duckdb"):
                                holders.setdefault(path, set()).add(pid)
            self.looks += 1
            self.seen += len(holders)
            self.twice += [path for path, pids in holders.items() if len(pids) > 1]

    def _processes(self) -> list[int]:
        """The workers, and all that they started."""
        found = list(self.pids())
        for pid in found:  # grows as it goes
            with suppress(OSError):
                for task in os.scandir(f"/proc/{pid}/task"):
                    found += map(int, Path(task.path, "children").read_text(encoding="ascii").split())
        return found
