"""`vs-st inbox`, `inbox show`, `inbox replay`: what came by webhooks, as a person and a program see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.domain.hints import CONTACT, ORDER, Call, Outcome
from vs_st_pipeline.pipeline.status_file import write_status
from vs_st_pipeline.platform.inbox.disk import InboxUnusable
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline_tests.support.receiving import entry, write_settings

Run = Callable[..., Result]
KEYS = {
    *("entry", "merchant", "route", "system", "stored_at", "times", "replayed", "event_id", "event", "kind", "id"),
    *("state", "outcome", "run_id", "lag_seconds", "error"),
}


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    """Three entries of two merchants; the first one is settled."""
    write_settings(tmp_path, [entry("hillside"), entry("other"), entry("quiet")])
    found = Inbox(tmp_path / "data")
    at = "2026-01-01T00:00:00+00:00"
    found.put([Arrival("hillside", "vinoshipper", Call(ORDER, "17", event="UPDATED"), ("contacts",), at)])
    hints = found.claim(found.waiting(), "me")
    found.settle(hints, Outcome.WRITTEN, run_id="run", written_at=hints[0].stored_at + 5.25)
    texted = Call(CONTACT, None, "7075550142", event="INCOMING_MESSAGE", kept={"contactPhone": "7075550142"})
    found.put([Arrival("hillside", "simpletexting", texted, ("contacts",), at)])
    found.put([Arrival("other", "vinoshipper", Call(ORDER, "\x1b[31m"), ("contacts",), at)])
    found.close()
    return found


@pytest.fixture
def run(tmp_path: Path) -> Run:
    environ = {"VS_ST_MERCHANTS": str(tmp_path / "merchants.yaml"), "VS_ST_DATA_DIR": str(tmp_path / "data")}
    return lambda *words: CliRunner().invoke(cli, ["inbox", *words], env=environ)


def told(done: Result) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.usefixtures("inbox")
def test_the_list_has_exactly_these_keys_newest_first(run: Run) -> None:
    found = told(run("--json"))
    assert set(found) == {"counts", "oldest_waiting_seconds", "entries"}
    assert found["counts"] == {"waiting": 2, "working": 0, "done": 1, "expired": 0, "dropped": 0}
    assert [set(one) == KEYS for one in found["entries"]] == [True] * 3
    assert [one["entry"] for one in found["entries"]] == [3, 2, 1]
    last = found["entries"][-1]
    assert last["stored_at"].endswith("Z")
    assert len(last["stored_at"]) == len("2026-11-29T01:00:00.123Z")
    assert (last["outcome"], last["run_id"], last["lag_seconds"]) == ("written", "run", 5.2)


@pytest.mark.usefixtures("inbox")
def test_what_can_be_chosen(run: Run) -> None:
    def chosen(*words: str) -> list[int]:
        return [one["entry"] for one in told(run(*words, "--json"))["entries"]]

    assert chosen("--merchant", "hillside") == [2, 1]
    assert chosen("--merchant", "hillside", "other") == [3, 2, 1]
    assert chosen("--merchant", "hillside", "--merchant", "quiet") == [2, 1]
    assert chosen("--merchant", "quiet") == []
    assert chosen("--state", "done") == [1]
    assert chosen("--since", "1h") == [3, 2, 1]
    assert chosen("--limit", "1") == [3]
    assert chosen("--route", "contacts", "--limit", "2") == [3, 2]


@pytest.mark.usefixtures("inbox")
def test_people_read_lines_that_cannot_act_on_a_terminal(run: Run) -> None:
    done = run()
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2 waiting, 0 working, 1 done, 0 expired, 0 dropped, the oldest for ")
    assert lines[3].endswith("hillside  vinoshipper UPDATED  order 17: written after 5.2 s")
    assert "***-***-0142" in lines[2]
    assert "\x1b" not in done.stdout
    assert "7075550142" not in done.stdout


@pytest.mark.usefixtures("inbox")
def test_one_entry_is_shown_with_what_is_kept(run: Run) -> None:
    found = told(run("show", "2", "--json"))
    assert found["kept"] == {"contactPhone": "***-***-0142"}
    assert found["state"] == "waiting"
    assert [set(one) == KEYS for one in found["hints"]] == [True]
    assert "contactPhone: ***-***-0142" in run("show", "2").stdout


def test_replay_lets_entries_wait_again(inbox: Inbox, run: Run) -> None:
    assert told(run("replay", "1", "--json")) == {"replayed": 1}
    [again] = [one for one in told(run("--json"))["entries"] if one["entry"] == 1]
    assert (again["state"], again["outcome"], again["replayed"]) == ("waiting", None, 1)
    inbox.settle(inbox.claim(inbox.waiting(), "me"), Outcome.UNCHANGED)
    inbox.close()
    assert told(run("replay", "--merchant", "hillside", "--since", "1h", "--json")) == {"replayed": 2}
    assert "0 hints wait again" in run("replay", "--merchant", "quiet", "--since", "1h").stdout


def test_replay_says_what_does_not_wait_again_and_why(inbox: Inbox, run: Run) -> None:
    assert run("replay", "3").stdout == "0 hints wait again\n#3 waits already\n"
    inbox.claim([one for one in inbox.waiting() if one.merchant == "other"], "me")
    assert run("replay", "3").stdout == "0 hints wait again\n#3 is being read\n"
    assert told(run("replay", "3", "--json")) == {"replayed": 0}


@pytest.mark.usefixtures("inbox")
@pytest.mark.parametrize(
    "words",
    [
        ["show", "9"], ["show", "x"], ["show"], ["replay", "9"], ["replay", "1", "9"], ["replay", "x"], ["replay"],
        ["replay", "--merchant", "hillside"], ["replay", "--since", "1h", "1"], ["--merchant", "nobody"],
        ["--state", "odd"], ["--since", "soon"], ["--limit", "-1"], ["hillside"], ["--route", "odd"],
        ["replay", "9" * 40], ["show", "9" * 40],
    ],
)  # fmt: skip
def test_wrong_use_is_2_and_changes_nothing(run: Run, words: list[str]) -> None:
    before = told(run("--json"))["entries"]
    assert run(*words).exit_code == 2
    assert told(run("--json"))["entries"] == before


def test_no_inbox_is_an_empty_one_and_a_broken_one_is_told(tmp_path: Path, run: Run) -> None:
    assert told(run("--json"))["entries"] == []
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "inbox.sqlite").write_bytes(b"no database" * 1000)
    done = run("--json")
    assert isinstance(done.exception, InboxUnusable)  # the console script turns it into 1
    assert "cannot be read" in done.exception.message


# --- why a hint waits -------------------------------------------------------------------------------------------------


def waiting_line(run: Run, number: int) -> str:
    """The line of an entry, as the list shows it; `show` says the same of it."""
    [line] = [one for one in run().stdout.splitlines() if one.startswith(f"{number}  ")]
    assert line in run("show", str(number)).stdout
    return line


def good_sync(tmp_path: Path, merchant_id: str) -> None:
    (tmp_path / "data" / "merchants" / merchant_id).mkdir(parents=True)
    report = ROUTES[0].report(merchant_id, "run").as_status()
    write_status(tmp_path / "data", merchant_id, datetime.now(UTC), report, good=True)


def test_a_hint_that_waits_says_why(inbox: Inbox, run: Run, tmp_path: Path) -> None:
    assert waiting_line(run, 3).endswith(": waiting (the merchant had no good sync yet: its first one takes it)")
    good_sync(tmp_path, "other")
    assert "waiting (it is read in " in waiting_line(run, 3) or "no `vs-st work`" in waiting_line(run, 3)
    inbox.note_written("other", "vinoshipper", ORDER, "\x1b[31m")
    said = "waiting (written by a sync of ours under 10 minutes ago, so it is read in 10 min)"
    assert waiting_line(run, 3).endswith(said)
    inbox.rest("other", "contacts", "auth")
    assert waiting_line(run, 3).endswith("waiting (the merchant rests after `auth`, until a sync ends well)")
    assert set(told(run("--json"))["entries"][0]) == KEYS, "programs see what they saw"


def test_a_hint_that_is_due_says_who_takes_it(inbox: Inbox, run: Run, tmp_path: Path) -> None:
    good_sync(tmp_path, "other")
    with inbox._write() as db:
        db.execute("update hints set stored_at = stored_at - 60")
    assert waiting_line(run, 3).endswith("waiting (no `vs-st work` is alive: the next sync takes it)")
    inbox.beat("worker")
    assert waiting_line(run, 3).endswith("waiting (its turn comes within seconds)")
    failed = inbox.claim([one for one in inbox.waiting() if one.merchant == "other"], "me")
    inbox.give_back(failed, not_before=inbox.clock() + 60, error="try_later")
    assert "waiting (the last try failed, and the next is in " in waiting_line(run, 3)


def test_a_hint_that_was_put_off_has_not_failed(inbox: Inbox, run: Run, tmp_path: Path) -> None:
    good_sync(tmp_path, "other")
    put_off = inbox.claim([one for one in inbox.waiting() if one.merchant == "other"], "me")
    inbox.give_back(put_off, not_before=inbox.clock() + 540)
    said = "waiting (a route of ours has just written it, or reads it first, so it is read in 9 min)"
    assert waiting_line(run, 3).endswith(said)


@pytest.mark.usefixtures("inbox")
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"enabled": False}, "the merchant is disabled"),
        ({"paused": ["contacts"]}, "route contacts is paused"),
        (None, "there is no entry of this merchant any more"),
    ],
)
def test_a_hint_that_nobody_may_take_says_so(run: Run, tmp_path: Path, more: dict[str, Any] | None, why: str) -> None:
    write_settings(tmp_path, [entry("hillside"), *([] if more is None else [entry("other", **more)])])
    assert waiting_line(run, 3).endswith(f"waiting ({why})")
