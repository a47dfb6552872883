"""Shares one use of a file among the steps of a run, until its thread waits for anything.

A run opens its file some forty times, mostly for steps that follow one another: each opening takes a lock, looks at the
file twice, and lets go again. A lease keeps the file in use between two steps of one thread. It lets go before that
thread waits (for an answer, a permit, another file), and where another process requests the file; so a file is never
held while waiting for an answer, as before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from vs_st_pipeline.platform.warehouse.connection import Db


class Lease:
    """One thread's use of one file.

    Args:
        open_file: opens the file for a moment.
        must_end: says whether the use must end before the next step: another process requests the file, or it is not
            the one any more that would be opened now.
    """

    def __init__(self, open_file: Callable[[], AbstractContextManager[Db]], must_end: Callable[[], bool]) -> None:
        self._open_file = open_file
        self._must_end = must_end
        self._opened: AbstractContextManager[Db] | None = None
        self._db: Db | None = None
        self._in_step = False

    @contextmanager
    def step(self) -> Iterator[Db]:
        """Give the file for one step; it stays in use after it, unless the step fails.

        Raises:
            PipelineError: as opening it.
        """
        if self._in_step:  # its errors are judged where they come from
            with self._open_file() as db:
                yield db
            return
        if self._opened is not None and self._must_end():
            self.let_go()
        if self._opened is None:
            opened = self._open_file()
            self._db = opened.__enter__()
            self._opened = opened
        assert self._db is not None
        self._in_step = True
        try:
            yield self._db
        except BaseException as error:
            self._in_step = False
            opened, self._opened, self._db = self._opened, None, None
            if not opened.__exit__(type(error), error, error.__traceback__):  # it may raise another in its place
                raise
        finally:
            self._in_step = False

    def let_go(self) -> None:
        """End the use, if there is one and no step is under way."""
        if self._opened is not None and not self._in_step:
            opened, self._opened, self._db = self._opened, None, None
            opened.__exit__(None, None, None)
