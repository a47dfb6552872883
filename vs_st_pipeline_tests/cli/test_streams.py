"""What the command's streams may do to it, and what it may do to them: real processes, with real streams that fail."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.cli.output import shown
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations import settings
from vs_st_pipeline.platform.settings import environment
from vs_st_pipeline.platform.settings.secrets import resolve_secret
from vs_st_pipeline_tests.connectors.vinoshipper.test_read_queue import IGNORED
from vs_st_pipeline_tests.operations.fleet.test_alerts import Receiver
from vs_st_pipeline_tests.support.story import MARISOL, OTHER, TEST, Story

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_c30_alerts_are_sent_though_neither_stream_takes_anything(story: Story, receiver: Receiver) -> None:
    done = shell(story, '"$@" >/dev/full 2>/dev/full', "sync", "--all", **in_trouble(story, receiver))
    assert receiver.titles == ["Test Winery: failing (auth)"]
    assert done.returncode == 1


# --- C31: a stream that is closed -------------------------------------------------------------------------------------


@pytest.mark.slow
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


@pytest.mark.slow
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


FORGED = "\x1b[31m\n  7075550151 is held\u202e\u2066\u009b2J\u2028\U000e0041"


def forge(story: Story) -> str:
    """A first name that would turn a terminal red and forge a line; the same as it is to be shown."""
    customer = next(one for one in story.shop.customers(TEST) if one["firstName"] == "Marisol")
    story.shop.patch_customer(customer["id"], firstName=f"Mari{FORGED}sol")
    return shown(f"Mari{FORGED}sol")


def acting(text: str) -> set[str]:
    return {char for char in text if char != "\n" and shown(char) != char}


def test_c32_plan_why_and_history_show_what_would_act(story: Story) -> None:
    named = forge(story)
    planned = story.run("plan", "--merchant", TEST)
    assert named in planned.out
    story.synced()
    why = story.run("why", "--merchant", TEST, MARISOL)
    history = story.run("history", "--merchant", TEST, MARISOL)
    at = story.run("history", "--merchant", TEST, "--at", "2100-01-01", MARISOL)
    for done in (planned, why, history, at):
        assert named in done.out, done.out
        assert not acting(done.out)
        assert not [line for line in done.out.split("\n") if line.startswith("  7075550151 is held\\")]


def test_c32_json_is_the_same_value_and_harmless_too(story: Story) -> None:
    forge(story)
    done = story.run("plan", "--merchant", TEST, "--json")
    assert not acting(done.out)
    values = {change["new"] for contact in done.of()["contacts"] for change in contact["changes"]}
    assert f"Mari{FORGED}sol" in values


def test_c32_what_was_typed_and_what_a_file_says_is_shown_too(story: Story) -> None:
    done = shell(story, '"$@"', "plan", "--merchant", "no\x1b[31mbody")
    assert done.returncode == 2
    assert rb"no\x1b[31mbody" in done.stderr
    assert b"\x1b" not in done.stderr


# --- C33: an encoding that lacks a character --------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "latin-1:strict", "ascii:surrogateescape", "cp1252"])
def test_c33_what_an_encoding_lacks_is_a_backslash_escape(story: Story, encoding: str) -> None:
    customer = next(one for one in story.shop.customers(TEST) if one["firstName"] == "Marisol")
    story.shop.patch_customer(customer["id"], firstName="Zoë Łucja 🍷")
    text = shell(story, '"$@"', "plan", "--merchant", TEST, PYTHONIOENCODING=encoding)
    assert (text.returncode, b"fault" in text.stderr) == (0, False), text.stderr
    first = rb"Zo\xeb" if "ascii" in encoding else "Zoë".encode("latin-1")
    assert first + rb" \u0141ucja \U0001f377" in text.stdout
    given = shell(story, '"$@"', "plan", "--merchant", TEST, "--json", PYTHONIOENCODING=encoding)
    rows = json.loads(given.stdout.decode(encoding.partition(":")[0]))["merchants"][0]["contacts"]
    assert "Zoë Łucja 🍷" in {change["new"] for contact in rows for change in contact["changes"]}
    wrong = shell(story, '"$@"', "plan", "--merchant", "Łucja", PYTHONIOENCODING=encoding)
    assert (wrong.returncode, rb"'\u0141ucja'" in wrong.stderr) == (2, True), wrong.stderr


# --- C34: settings as they stand in a .env file -----------------------------------------------------------------------


def test_c34_a_home_folder_and_the_end_of_a_line_in_a_setting(story: Story) -> None:
    done = shell(
        story, '"$@"', "sync", "--merchant", TEST, "--json",
        HOME=str(story.folder), VS_ST_DATA_DIR="~/state\r", VS_ST_MERCHANTS=" ~/merchants.yaml\r",
        VS_ST_NOW="2026-01-31T12:00:00Z\r", VS_ST_VINOSHIPPER_RATE="200\r", VS_ST_ALERTS="\r",
    )  # fmt: skip
    assert done.returncode == 0, done
    assert (story.folder / "state" / "merchants" / TEST / "warehouse.duckdb").exists()
    assert sorted(path.name for path in story.folder.iterdir() if "state" in path.name) == ["state"]


@pytest.mark.parametrize("system", ["VINOSHIPPER", "SIMPLETEXTING"])
def test_c37_a_rate_for_all_that_cannot_be_meant_is_refused(system: str) -> None:
    name = f"VS_ST_{system}_RATE"
    for written in ("0.0000001", "0.00099", "1e300", "0", "-1", "nan", "inf", "many"):
        with pytest.raises(BadSettings) as caught:
            settings.fleet_rates({name: written})
        assert caught.value.message.startswith(f"{name} must be ")
        assert caught.value.message.endswith("such as 20")
    assert settings.fleet_rates({name: "0.001"}) == {system.lower(): 0.001}


def test_c34_the_end_of_a_line_in_a_secret() -> None:
    assert resolve_secret("env:KEY", Path(), {"KEY": " value \r\n"}) == "value"


def test_c34_every_setting_is_stripped() -> None:
    plain = {
        "VS_ST_MERCHANTS": "m.yaml", "VS_ST_DATA_DIR": "d", "VS_ST_NOW": "2026-01-31T12:00:00Z",
        "VS_ST_VINOSHIPPER_RATE": "3", "VS_ST_SIMPLETEXTING_RATE": "4", "VS_ST_SYNC_FASTEST": "6m",
        "VS_ST_SYNC_SLOWEST": "2h", "VS_ST_KEEP_RUNS": "9d", "VS_ST_LATE_AFTER": "40m", "VS_ST_ALERTS": "env:NONE",
    }  # fmt: skip
    padded = {name: f"  {value} \r" for name, value in plain.items()}
    blank = dict.fromkeys(plain, " \r")
    readers = (
        environment.settings_path, environment.data_dir, settings.fleet_rates, environment.sync_bounds,
        environment.keep_runs, environment.late_after, environment.alert_addresses,
    )  # fmt: skip
    for read in (*readers, environment.now):
        assert read(padded) == read(plain)
    for read in readers:
        assert read(blank) == read({})


@pytest.mark.slow
def test_c34_a_home_folder_that_is_not_known_is_refused_with_a_sentence(story: Story) -> None:
    for name in ("VS_ST_DATA_DIR", "VS_ST_MERCHANTS"):
        commands = [("sync", "--all"), ("merchants",), ("check", "--all")]
        commands += [("alerts",)] * (name == "VS_ST_DATA_DIR")  # of a merchants file it says that it will be told
        for command in commands:
            known = {name: "~nobody-of-this-name/x", "VS_ST_ALERTS": "env:ALERT_URL", "ALERT_URL": "json://127.0.0.1:9"}
            done = shell(story, '"$@"', *command, **known)
            assert done.returncode == 2, (command, done)
            assert f"{name} begins with a home folder that is not known".encode() in done.stderr, (command, done)


# --- ruling 4 ---------------------------------------------------------------------------------------------------------


def test_ruling_4_sync_says_what_it_cannot_see_beside_what_it_planned(story: Story) -> None:
    report = story.synced()
    assert report["unseen"] == []
    assert list(report).index("unseen") == list(report).index("planned") + 1
    story.shop.set_switch("date_filter", "ignored")
    (sentence,) = story.sync("--full").of()["unseen"]
    assert IGNORED in sentence


# --- Ctrl-C before there is anything to stop --------------------------------------------------------------------------

SLOW_IMPORT = """
import signal, sys, time
from vs_st_pipeline.cli import entry

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job of a shell's background begins with Ctrl-C ignored

class Slow:
    def find_spec(self, name, *_):
        if name == "vs_st_pipeline.cli.main":
            print("importing", flush=True)
            time.sleep(60)

sys.meta_path.insert(0, Slow())
sys.argv = ["vs-st", "merchants"]
entry.main()
"""


def test_ctrl_c_while_the_command_is_imported_ends_it_at_once_without_a_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLOW_IMPORT], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"importing\n"
        process.send_signal(signal.SIGINT)
        said, complaint = process.communicate(timeout=30)
    assert (process.returncode, said, complaint) == (130, b"", b"")


# --- a system that is not there ---------------------------------------------------------------------------------------


AT_ONCE = """
from vs_st_pipeline.cli import entry
from vs_st_pipeline.platform.http import waits
waits.AFTER = 0.0
entry.main()
"""
UNANSWERED = """
merchants:
  - id: hill
    name: Hill
    give_up_after: 2s
    vinoshipper: {{base_url: "{url}", api_key: env:K, api_secret: env:K}}
    simpletexting: {{base_url: "{url}", api_token: env:K}}
"""


def test_a_system_that_does_not_answer_is_waited_for_aloud(tmp_path: Path) -> None:
    """It takes most of a minute by default, and looked like a hang; stdout is kept for the result."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = f"127.0.0.1:{listening.getsockname()[1]}"
    (tmp_path / "merchants.yaml").write_text(UNANSWERED.format(url=f"http://{place}"))
    known = {"VS_ST_MERCHANTS": "merchants.yaml", "VS_ST_DATA_DIR": "data", "K": "a-secret-key"}
    done = subprocess.run(
        [sys.executable, "-c", AT_ONCE, "sync", "--all", "--json"],
        cwd=tmp_path, env={**os.environ, **known}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert re.search(rf"^waiting for {re.escape(place)}, next try in 1 s$", done.stderr, re.MULTILINE), done.stderr
    assert json.loads(done.stdout)["merchants"][0]["error"]["kind"] == "try_later"
    assert "a-secret-key" not in done.stderr
