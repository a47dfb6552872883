"""Defines `vs-st completion`: a script by which a shell completes commands, options, merchants and routes."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from vs_st_pipeline.cli.output import say_exactly

VARIABLE = "_VS_ST_COMPLETE"
PROGRAM = "vs-st"


@click.command(short_help="Print a script that completes commands in your shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script by which SHELL completes commands, options, merchants and routes.

    bash: put `eval "$(vs-st completion bash)"` into ~/.bashrc (needs bash 4.4 or newer).

    zsh: put `eval "$(vs-st completion zsh)"` into ~/.zshrc, behind `compinit`.

    fish: `vs-st completion fish > ~/.config/fish/completions/vs-st.fish`
    """
    found = get_completion_class(shell)
    assert found is not None
    say_exactly(*found(click.Group(PROGRAM), {}, PROGRAM, VARIABLE).source().rstrip("\n").split("\n"))
