"""Keeps claims alive while a process works on them: one thread renews the leases of all that is under way (H25).

A process that is killed renews nothing, and after a minute its hints go on with another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from vs_st_pipeline.platform.inbox.store import LEASE_SECONDS, UNUSABLE, Inbox


class Leases:
    """The leases of one process.

    Args:
        every: seconds between two renewals.
    """

    def __init__(self, every: float = LEASE_SECONDS / 4) -> None:
        self._every = every
        self._held: dict[str, Inbox] = {}
        self._guard = threading.Lock()
        self._changed = threading.Condition(self._guard)
        self._thread: threading.Thread | None = None

    @contextmanager
    def kept(self, inbox: Inbox, owner: str) -> Iterator[None]:
        """Renew what this owner has claimed, or will, while the block lasts."""
        with self._guard:
            self._held[owner] = inbox
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="vs-st leases", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._guard:
                del self._held[owner]
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._guard:
                self._changed.wait_for(lambda: not self._held, timeout=self._every)
                if not self._held:
                    self._thread = None
                    return
                held = dict(self._held)
            for owner, inbox in held.items():
                with suppress(*UNUSABLE):  # tried again long before the lease is over
                    inbox.renew(owner)


LEASES = Leases()
"""Those of this process."""
