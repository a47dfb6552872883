"""Asks a person at a terminal.

Questions go to stderr, so that stdout holds results alone. What is typed unseen is shown nowhere.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

from vs_st_pipeline.cli.output import is_terminal, shown, tell, tell_table


def can_ask() -> bool:
    """Say whether a person sits there: both what is typed and what is asked go through a terminal."""
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


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
        tell_table(names, rows)


def _typed(ask: Callable[..., Any], question: str, **options: Any) -> Any:
    try:
        return ask(question, err=True, **options)
    except click.Abort:  # Ctrl-C or the end of input; an ordinary error would be taken for the step's
        raise KeyboardInterrupt from None
