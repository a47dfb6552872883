"""Asks a person at a terminal, and shows tables and colors where the terminal has them.

Questions go to stderr, so that stdout holds results alone. What is typed unseen is shown nowhere. Colors are left out
where `NO_COLOR` is set, where TERM says that there are none, and where nobody looks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TextIO

import click

from vs_st_pipeline.cli.output import is_terminal, shown, tell

GREEN, YELLOW, RED, DIM, BOLD = "green", "yellow", "red", "bright_black", "bold"
COLORS: Final = {
    "complete": GREEN, "done": GREEN, "waiting": YELLOW, "skipped": DIM, "failed": RED, "not_reached": DIM,
}  # fmt: skip


def can_ask() -> bool:
    """Say whether a person sits there: both what is typed and what is asked go through a terminal."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def has_colors(stream: TextIO | None) -> bool:
    """Say whether colors show on this stream."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def painted(text: str, color: str | None, *, colors: bool) -> str:
    """Return a text that acts on no terminal but by its color."""
    safe = shown(text)
    if not colors or color is None:
        return safe
    return click.style(safe, bold=True) if color == BOLD else click.style(safe, fg=color)


def table(names: Sequence[str], rows: Sequence[Sequence[str]], *, colors: bool = False) -> list[str]:
    """Return the lines of a table; a cell that is a state has its color."""
    cells = [[shown(cell) for cell in row] for row in (names, *rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(names))]
    lines = []
    for number, row in enumerate(cells):
        parts = []
        for place, cell in enumerate(row):
            color = BOLD if number == 0 else COLORS.get(cell)
            gap = "" if place == len(row) - 1 else " " * (widths[place] - len(cell))
            parts.append(painted(cell, color, colors=colors) + gap)
        lines.append("  ".join(parts).rstrip())
    return lines


def write(stream: TextIO, *lines: str) -> None:
    """Write lines that were made safe and painted here."""
    try:
        stream.write("".join(f"{line}\n" for line in lines))
        stream.flush()
    except (OSError, ValueError):
        tell("what was to be shown could not be written")


class Terminal:
    """A person at a terminal (`pipeline.onboarding.Person`)."""

    def ask(self, question: str, default: str = "") -> str:
        """Return what is typed, without outer blanks; the default where nothing is."""
        typed = _typed(click.prompt, shown(question), default=default, show_default=bool(default))
        return str(typed).strip() or default

    def ask_secret(self, question: str) -> str:
        """Return what is typed, unseen."""
        unseen = f"{shown(question)} (typing is not shown)"
        return str(_typed(click.prompt, unseen, default="", hide_input=True, show_default=False)).strip()

    def agrees(self, question: str, *, default: bool = False) -> bool:
        """Return whether a person says yes."""
        return bool(_typed(click.confirm, shown(question), default=default))

    def show(self, *lines: str) -> None:
        """Show lines beside the questions."""
        tell(*lines)

    def show_table(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show a table beside the questions."""
        write(sys.stderr, *(f"  {line}" for line in table(names, rows, colors=has_colors(sys.stderr))))


def _typed(ask: Callable[..., Any], question: str, **options: Any) -> Any:
    try:
        return ask(question, err=True, **options)
    except click.Abort:  # Ctrl-C or the end of input; an ordinary error would be taken for the step's
        raise KeyboardInterrupt from None
