"""`vs-st --help` and its pages: for a person who looks for a command, and fast enough to be asked often."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from vs_st_pipeline.cli.completing import read_index
from vs_st_pipeline.cli.help import Sections
from vs_st_pipeline.cli.index import build
from vs_st_pipeline.cli.main import SECTIONS, cli


def groups(group: click.Group, *names: str) -> Iterator[tuple[str, click.Group]]:
    yield " ".join(names), group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from groups(command, *names, name)


def pages(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    context = click.Context(command, parent, name, **{"terminal_width": 78, **command.context_settings})
    # click keeps `--help` as it was named where it was asked for first: a test that calls a command alone has no `-h`
    command._help_option = None
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for inner, one in command.commands.items():
            yield from pages(one, inner, context)


def test_every_command_stands_under_one_heading() -> None:
    """A new command has to choose one, in `cli/main.py`."""
    assert sorted(cli.headings) == sorted(cli.commands)
    assert list(dict.fromkeys(cli.headings.values())) == [*SECTIONS, "One route"]
    shown = dict(pages(cli, "vs-st"))["vs-st"]
    for name, heading in cli.headings.items():
        assert re.search(rf"^{heading}:\n(?:  .*\n)*  {name} ", shown, re.MULTILINE), name


def test_every_command_has_a_line_of_its_own_that_is_not_cut_at_80_columns() -> None:
    for words, group in groups(cli):
        assert isinstance(group, Sections), words
        names = [name for name, one in group.commands.items() if not one.hidden]
        for name in names:
            said = group.commands[name].short_help or ""
            assert re.fullmatch(r"[A-Z].*[^.][.?]", said), (words, name, said)
            assert 2 + max(map(len, names)) + 2 + len(said) <= 78, (words, name, said)


def test_the_opening_says_in_two_sentences_what_it_is() -> None:
    opening, settings = (cli.help or "").strip().split("\n\n")
    assert len(re.findall(r"\.(?: |$)", opening)) == 2
    assert settings.startswith("Settings: ")


def test_help_from_the_index_is_the_help_of_the_commands() -> None:
    assert dict(pages(build(read_index()), "vs-st")) == dict(pages(cli, "vs-st")), "run python scripts/reference.py"
