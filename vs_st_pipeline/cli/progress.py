"""Shows progress on stderr: bars where stderr is a terminal, otherwise one line per merchant that is done.

That a host does not answer is shown in both cases, so that nobody takes a wait for a hang.
"""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from types import TracebackType
from typing import Any

from vs_st_pipeline.cli.output import is_terminal, tell
from vs_st_pipeline.platform.http.waits import told_to

# A terminal that goes away while we work, or that never took a line.
_whatever_becomes_of_it = partial(contextlib.suppress, OSError, ValueError)


class Progress:
    """How far each merchant is; safe to call from many threads, and never delays or fails the work it reports on."""

    def __init__(self, merchant_ids: list[str]) -> None:
        self._tasks: dict[str, Any] = {}
        self._bars: Any = None
        self._waits = told_to(self._say_wait)
        if is_terminal(sys.stderr) and merchant_ids:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
            from rich.progress import Progress as Bars

            self._bars = Bars(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._all = self._bars.add_task("merchants", total=len(merchant_ids), said="")

    def __enter__(self) -> Progress:
        if self._bars is not None:
            with _whatever_becomes_of_it():
                self._bars.start()
        self._waits.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waits.__exit__(kind, error, trace)
        if self._bars is not None:
            with _whatever_becomes_of_it():
                self._bars.stop()

    def say(self, merchant_id: str, said: str) -> None:
        """Show what is being done for a merchant; holds counts only, never personal data."""
        if self._bars is not None:
            with _whatever_becomes_of_it():
                self._bars.update(self._all, said=f"{merchant_id}: {said}")

    def _say_wait(self, said: str) -> None:
        if self._bars is None:
            tell(said)
        else:
            with _whatever_becomes_of_it():
                self._bars.update(self._all, said=said)

    def done(self, merchant_id: str, report: Any) -> None:
        """Show that a merchant is done."""
        if self._bars is not None:
            with _whatever_becomes_of_it():
                self._bars.advance(self._all)
        else:
            tell(f"{merchant_id}: {report.status} after {report.seconds:.1f} s")
