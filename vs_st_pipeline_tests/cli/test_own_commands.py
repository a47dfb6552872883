"""A route may bring commands of its own; the house names none of them (routes.md R52)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
import pytest
from click.testing import CliRunner

from vs_st_pipeline.cli.inbox import inbox
from vs_st_pipeline.cli.own_commands import groups_of
from vs_st_pipeline.cli.webhooks import webhooks
from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.pipeline.own_commands import Option, OtherName, OwnCommand, Told
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline_tests.support.story import OTHER, TEST, Story
from vs_st_pipeline_tests.support.toy_route import SHOP, Toy, in_the_table

Typed = Mapping[str, Any]


def count(run: Run, typed: Typed) -> Told:
    if typed["things"] == "none":
        raise BadArguments("there is nothing to count")
    found = {"merchant": run.merchant.id, "route": run.route, **typed}
    return Told(found, [f"{typed['things']} counted"], well=not typed["strictly"])


@pytest.fixture
def run(story: Story) -> Iterator[Callable[..., Any]]:
    """Runs a command of the toy's own group, as `vs-st toy` does."""
    commands = (
        OwnCommand("count", "Count things.", count, ("THINGS",), (Option("--strictly", "Be strict."),)),
        OwnCommand("none", "Nothing.", count, (), (Option("--by-name", "Whose.", "NAME"),)),
        OtherName("calls", ("inbox", "list"), {"names": ("toy",)}),
    )
    house = click.Group("vs-st", commands=[inbox, webhooks])
    story.settings({TEST: {SHOP.name: {}}})
    with in_the_table(Toy(), commands=commands), pytest.MonkeyPatch.context() as patch:
        for name, value in story.environment().items():
            patch.setenv(name, value or "")
        group = next(one for one in groups_of(house) if one.name == "toy")

        def called(*words: str) -> Any:
            return CliRunner().invoke(group, list(words), prog_name="vs-st toy")

        yield called


def test_r52_a_command_of_a_route_is_given_what_was_typed(run: Callable[..., Any]) -> None:
    done = run("count", "--merchant", TEST, "cups", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"merchant": TEST, "route": "toy", "things": "cups", "strictly": False}
    done = run("count", "--merchant", TEST, "cups", "--strictly")
    assert (done.exit_code, done.stdout) == (1, "cups counted\n")
    assert "Count things." in run("count", "--help").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("count", "--merchant", TEST, "none"), "nothing to count"),
        (("count", "cups"), "--merchant"),
        (("count", "--merchant", OTHER, "cups"), f"{OTHER} does not have route toy"),
        (("count", "--merchant", "nobody", "cups"), "no merchant 'nobody'"),
        (("count", "--merchant", TEST), "THINGS"),
    ],
)
def test_wrong_use_is_said(run: Callable[..., Any], words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert (done.exit_code, said in done.output) == (2, True), done.output


def test_r52_a_command_of_the_house_has_another_name_and_does_not_ask_what_the_route_says(
    run: Callable[..., Any],
) -> None:
    done = run("calls", "--merchant", TEST, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["entries"] == []
    assert run("calls", "--route", "contacts").exit_code == 2
