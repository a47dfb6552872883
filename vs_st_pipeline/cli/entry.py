"""Begins `vs-st`: help and completion come from the index of commands, at once; all else is done by `cli/main.py`."""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

HELP = ("-h", "--help")
INTERRUPTED = 128 + signal.SIGINT  # what a shell shows of a command that Ctrl-C ended


def main() -> None:
    """Run the console script."""
    # Until there is something to do, Ctrl-C ends the process at once: half an import is nobody's traceback to read.
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # whoever began it may have it ignored
    if raises:
        signal.signal(signal.SIGINT, _leave)
    from vs_st_pipeline.cli.completion import PROGRAM, VARIABLE, completion
    from vs_st_pipeline.cli.output import make_ready

    words = sys.argv[1:]
    if VARIABLE in os.environ or not words or not set(HELP).isdisjoint(words) or words[0] == completion.name:
        make_ready()
        _describe(PROGRAM, VARIABLE)
    from vs_st_pipeline.cli import ending
    from vs_st_pipeline.cli.main import main as command

    try:
        if raises:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        ending.run(command)
    except KeyboardInterrupt:  # before or after the command itself, which says that it stops
        ending.leave(INTERRUPTED)


def _leave(_number: int, _frame: object) -> NoReturn:
    os._exit(INTERRUPTED)


def _describe(program: str, variable: str) -> None:
    """Help or complete, and end; return where the command itself has to say something, such as what is wrong."""
    import click
    from click.shell_completion import shell_complete

    from vs_st_pipeline.cli.completing import read_index
    from vs_st_pipeline.cli.completion import completion
    from vs_st_pipeline.cli.index import NotDescribed, build
    from vs_st_pipeline.cli.output import tell

    top = build(read_index())
    top.add_command(completion)
    if asked := os.environ.get(variable):
        sys.exit(shell_complete(top, {}, program, variable, asked))
    try:
        top.main(prog_name=program, standalone_mode=False)
        sys.exit(0)
    except click.exceptions.NoArgsIsHelpError as error:
        tell(*error.format_message().split("\n"))
        sys.exit(2)
    except (click.ClickException, NotDescribed):
        return


if __name__ == "__main__":
    main()
