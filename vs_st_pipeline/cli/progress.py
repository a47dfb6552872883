"""Progress on stderr: bars where stderr is a terminal, else one line per merchant that is done."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

import click


class Progress:
    """How far each merchant is; safe to call from many threads."""

    def __init__(self, merchant_ids: list[str]) -> None:
        self._tasks: dict[str, Any] = {}
        self._bars: Any = None
        if sys.stderr.isatty() and merchant_ids:
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
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, merchant_id: str, said: str) -> None:
        """What is being done for a merchant; holds counts only, never a person."""
        if self._bars is not None:
            self._bars.update(self._all, said=f"{merchant_id}: {said}")

    def done(self, merchant_id: str, report: Any) -> None:
        """A merchant is through."""
        if self._bars is not None:
            self._bars.advance(self._all)
        else:
            click.echo(f"{merchant_id}: {report.status} after {report.seconds:.1f} s", err=True)
