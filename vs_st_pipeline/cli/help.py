"""Shows a group's commands under headings, one line each, in the order in which a person needs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

NO_HEADING = "Commands"


class Sections(click.Group):
    """A group whose commands stand under headings; without any, in the order in which they were added.

    Attributes:
        headings: by the command's name.
        usual: the command that is meant where no other one is named; None: one must be.
    """

    def __init__(self, *arguments: Any, usual: str | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.headings: dict[str, str] = {}
        self.usual = usual

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take everything for the usual command that does not begin with the name of another one."""
        asked_what_may_come = ctx.resilient_parsing and not args
        if (
            self.usual
            and not asked_what_may_come
            and (not args or (args[0] not in self.commands and args[0] not in ctx.help_option_names))
        ):
            args = [self.usual, *args]
        return super().parse_args(ctx, args)

    def add_section(self, heading: str, commands: Iterable[click.Command]) -> None:
        """Add commands under a heading. A command stands under one heading alone."""
        for command in commands:
            assert command.name is not None
            assert command.name not in self.commands, f"{command.name} stands under two headings"
            self.add_command(command)
            self.headings[command.name] = heading

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete what the usual command takes, too."""
        found = super().shell_complete(ctx, incomplete)
        if self.usual:
            usual = self.commands[self.usual]
            with usual.make_context(self.usual, [], parent=ctx, resilient_parsing=True) as inner:
                found = [*found, *usual.shell_complete(inner, incomplete)]
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they are shown."""
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every command under its heading, all in the same columns; none is cut."""
        sections: dict[str, list[click.Command]] = {}
        for name, command in self.commands.items():
            if not command.hidden:
                sections.setdefault(self.headings.get(name, NO_HEADING), []).append(command)
        width = max(len(command.name or "") for commands in sections.values() for command in commands)
        for heading, commands in sections.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{one.name:{width}}", one.short_help or "") for one in commands])
