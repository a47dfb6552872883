"""What the command's streams may do to it, and what it may do to them: real processes, with real streams that fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.cli.terminal import shown
from vs_st_pipeline_tests.stories import MARISOL, OTHER, TEST, Story
from vs_st_pipeline_tests.test_alerts import Receiver

ACTING = "\x1b[31m\n\r\t\x00\x07\x7f\x9b\u202e\u2066\u200b\u2028\u2029\ufeff\u00ad\U000e0041"
ESCAPED = (
    r"\x1b[31m\n\r\t\x00\x07\x7f\x9b" + r"\u202e\u2066\u200b\u2028\u2029\ufeff" + r"\xad" + r"\U000e0041"
)  # a sentence that a stranger wrote, as a terminal must have it


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def shell(story: Story, script: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command by a shell, which stands as `"$@"` in the script and does with the streams what it says."""
    known = {k: v for k, v in {**os.environ, **story.environment(), **environ}.items() if v is not None}
    return subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "vs_st_pipeline.cli.main", *arguments],
        env=known, capture_output=True, check=False,
    )  # fmt: skip


def in_trouble(story: Story, receiver: Receiver) -> dict[str, str]:
    """A key has gone bad, of which somebody is to be told; the environment that says whom."""
    (story.folder / "keys" / f"{TEST}.vs_key").write_text("wrong\n")
    return {"VS_ST_ALERTS": "env:ALERT_URL", "ALERT_URL": receiver.url}


# --- C30: alerts come before anything is printed ----------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [(), ("--json",)], ids=["text", "json"])
def test_c30_alerts_are_sent_though_stdout_is_full(story: Story, receiver: Receiver, as_json: tuple[str, ...]) -> None:
    environ = in_trouble(story, receiver)
    done = shell(story, '"$@" >/dev/full', "sync", "--all", *as_json, **environ)
    assert receiver.titles == ["Test Winery: failing (auth)"]
    assert done.returncode == 1
    assert b"the result could not be printed: No space left on device" in done.stderr


def test_c30_a_full_stdout_is_told_and_fails_though_all_went_well(story: Story) -> None:
    done = shell(story, '"$@" >/dev/full', "sync", "--all")
    assert done.returncode == 1
    assert b"the result could not be printed" in done.stderr
    assert b"Exception" not in done.stderr
    assert story.contact(MARISOL)["firstName"]


def test_c30_alerts_are_sent_though_nobody_reads_the_pipe(story: Story, receiver: Receiver) -> None:
    known = {**os.environ, **story.environment(), **in_trouble(story, receiver)}
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "vs_st_pipeline.cli.main", "sync", "--all"],
            env={k: v for k, v in known.items() if v is not None}, stdout=writing, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert receiver.titles == ["Test Winery: failing (auth)"]
    assert done.returncode == 1
    assert b"the result could not be printed: Broken pipe" in done.stderr


def test_c30_alerts_are_sent_though_neither_stream_takes_anything(story: Story, receiver: Receiver) -> None:
    done = shell(story, '"$@" >/dev/full 2>/dev/full', "sync", "--all", **in_trouble(story, receiver))
    assert receiver.titles == ["Test Winery: failing (auth)"]
    assert done.returncode == 1


# --- C31: a stream that is closed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("streams", ["2>&-", ">&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_c31_all_is_synced_whatever_stream_is_closed(story: Story, streams: str) -> None:
    done = shell(story, f'"$@" {streams}', "sync", "--all")
    assert done.returncode == 0, done
    for merchant in (TEST, OTHER):
        assert story.texting.journal(merchant), merchant
    assert story.contact(MARISOL)["firstName"]
    if ">&-" not in streams.replace("2>&-", ""):
        assert b"test-winery: ok" in done.stdout
    # Numbers 0 to 2 were not given to a file of ours, into which others write by number.
    again = story.sync(every=True)
    assert again.exit_code == 0, again


@pytest.mark.parametrize("streams", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_c31_a_failure_is_one_though_it_can_be_told_to_nobody(story: Story, receiver: Receiver, streams: str) -> None:
    done = shell(story, f'"$@" {streams}', "sync", "--all", **in_trouble(story, receiver))
    assert done.returncode == 1
    assert receiver.titles == ["Test Winery: failing (auth)"]


@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full"])
def test_c31_wrong_use_keeps_its_code(story: Story, streams: str) -> None:
    assert shell(story, f'"$@" {streams}', "sync").returncode == 2
    assert shell(story, f'"$@" {streams}', "plan", "--merchant", "nobody").returncode == 2
    (story.folder / "merchants.yaml").write_text("]")
    assert shell(story, f'"$@" {streams}', "sync", "--all").returncode == 2


def test_c31_no_confirmation_is_asked_where_stdin_is_closed(story: Story) -> None:
    story.begin_synced()
    done = shell(story, '"$@" <&-', "forget", "--merchant", TEST, MARISOL)
    assert done.returncode == 2
    assert b"there is no terminal to ask at, so say --yes" in done.stderr


# --- C32: what a stranger wrote does not act on a terminal ------------------------------------------------------------


def test_c32_characters_that_act_or_hide_are_shown() -> None:
    assert shown(ACTING) == ESCAPED
    assert shown("\ud800") == r"\ud800"
    for text in ("", "Zoë O'Brien", "李小龍", "a\u00a0b", "🍷", "e\u0301"):
        assert shown(text) == text


def strange(story: Story) -> None:
    """A first name that would turn a terminal red and forge a line."""
    customer = next(
        one for one in story.shop.customers(TEST) if "0142" in (one["primaryPhone"] or {}).get("number", "")
    )
    story.shop.change_customer(customer["id"], firstName=f"Mari{FORGED}sol")


FORGED = "\x1b[31m\u202e\u2066\u009b2J\U000e0041"


@pytest.mark.parametrize("command", ["plan", "why", "history", "sync"])
def test_c32_every_text_shows_what_would_act(story: Story, command: str) -> None:
    strange(story)
    arguments = {
        "plan": ("plan", "--merchant", TEST),
        "why": ("why", "--merchant", TEST, MARISOL),
        "history": ("history", "--merchant", TEST, MARISOL),
        "sync": ("sync", "--merchant", TEST, "--verbose"),
    }[command]
    if command != "plan":
        story.sync()
    done = story.run(*arguments)
    acting = {char for char in done.out if char != "\n" and shown(char) != char}
    assert not acting, acting
    if command in ("plan", "why"):
        assert shown(FORGED) in done.out or "Mari" not in done.out.replace("Marisol", "")
