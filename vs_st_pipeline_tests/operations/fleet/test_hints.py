"""What a look at webhooks and hints finds, what is checked, and what follows: with a clock that the test sets."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline import routes
from vs_st_pipeline.domain.hints import Outcome
from vs_st_pipeline.operations.fleet import hint_findings, inbox_expiry
from vs_st_pipeline.operations.fleet.hint_decision import Decision, Memory, decide
from vs_st_pipeline.operations.fleet.hint_findings import findings
from vs_st_pipeline.operations.fleet.hints import InboxUnreadable, Look, is_used, look
from vs_st_pipeline.operations.fleet.inbox_troubles import Concern
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.pipeline.hinted import Hinted
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.inbox.statistics import Lags
from vs_st_pipeline_tests.support.hints import AT, Hints
from vs_st_pipeline_tests.support.statuses import MINUTE, Files

PUBLIC = {"VS_ST_PUBLIC_URL": "https://hooks.example.com"}
KEY = ("hill", "contacts")


def hinted_routes() -> list[Route]:
    """The routes, of which contacts takes hints, whatever it does with them."""
    made: Any = Hinted({}, lambda run, desk: None, lambda run, hints: None)  # type: ignore[arg-type]
    return [replace(route, hinted=route.hinted or made) for route in routes.ROUTES]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    made.merchant("hill")
    made.synced("hill", MINUTE)
    return made


@pytest.fixture
def hints(files: Files) -> Hints:
    return Hints(files.folder / "data")


def seen(files: Files, hints: Hints, **environ: str) -> Look:
    return look({**files.environ, **environ}, hinted_routes(), hints.inbox)


def passed(found: Look) -> dict[str, bool]:
    return {one.check.name: one.passed for one in findings(found)}


# --- a look -------------------------------------------------------------------------------------------------------


def test_without_an_inbox_and_a_public_url_there_is_nothing_to_look_at(files: Files, hints: Hints) -> None:
    assert not is_used(files.environ)
    assert is_used({**files.environ, **PUBLIC})
    assert not hints.inbox.exists
    hints.comes("1")
    assert is_used(files.environ)


def test_hints_are_due_of_an_enabled_merchant_after_its_first_good_sync(files: Files, hints: Hints) -> None:
    files.merchant("vale")  # never synced (H21)
    files.merchant("off", ", enabled: false")
    files.synced("off", MINUTE)
    for merchant in ("hill", "vale", "off", "unknown"):
        hints.comes("1", merchant=merchant)
    assert seen(files, hints).due == {}, "not due yet"
    hints.at += 3
    assert seen(files, hints).due == {KEY: pytest.approx(1)}
    hints.inbox.rest("hill", "contacts", "auth")
    assert seen(files, hints).due == {}
    assert seen(files, hints).resting == {KEY: "auth"}


def test_what_a_dead_worker_had_claimed_is_due(files: Files, hints: Hints) -> None:
    hints.comes("1")
    hints.inbox.claim(hints.inbox.waiting(), "a worker")
    hints.at += 61
    assert seen(files, hints).due == {KEY: 0}


def test_a_merchants_file_that_cannot_be_read_starts_nothing_and_is_told(files: Files, hints: Hints) -> None:
    hints.comes("1")
    hints.at += 3
    (files.folder / "merchants.yaml").write_text("merchants: [")
    found = seen(files, hints)
    assert found.due == {}
    assert "merchants.yaml" in found.problem
    decided = decide(found, Memory(found.at), under_way=lambda: None)
    assert not decided.run
    assert "merchants.yaml" in decided.says


def test_an_inbox_that_is_no_database_is_told(files: Files, hints: Hints) -> None:
    hints.inbox.path.write_bytes(b"no database" * 100)
    with pytest.raises(InboxUnreadable):
        seen(files, hints)


def test_h19_r31_what_waited_for_longer_than_it_is_kept_expires(files: Files, hints: Hints) -> None:
    assert inbox_expiry.expire(files.environ) == ""
    assert not hints.inbox.exists
    hints.at = time.time()
    with hints.ago(7.1 * 86_400):
        hints.comes("1")
    with hints.ago(6.9 * 86_400):
        hints.comes("2")
    assert inbox_expiry.expire({**files.environ, "VS_ST_INBOX_KEEP": "8d"}) == ""
    assert inbox_expiry.expire(files.environ) == "hints that nobody took have expired: 1"
    assert not passed(seen(files, hints))["no_hint_expired"]
    hints.inbox.close()
    hints.inbox.path.write_bytes(b"no database" * 100)
    assert inbox_expiry.expire(files.environ) == "old entries of the inbox stay: DatabaseError"


# --- the checks ---------------------------------------------------------------------------------------------------


def test_receiver_is_up_in_the_last_three_minutes_where_the_world_calls(files: Files, hints: Hints) -> None:
    hints.comes("1")
    assert passed(seen(files, hints))["receiver_is_up"], "nobody is told to call"
    assert not passed(seen(files, hints, **PUBLIC))["receiver_is_up"]
    hints.inbox.beat("receiver")
    for later, well in ((180, True), (1, False)):
        hints.at += later
        assert passed(seen(files, hints, **PUBLIC))["receiver_is_up"] is well


def test_hints_are_in_time_if_due_for_less_than_ten_minutes(files: Files, hints: Hints) -> None:
    hints.comes("1")
    for later, well in ((601, True), (1, False)):  # it is due two seconds after it came
        hints.at += later
        assert passed(seen(files, hints))["hints_are_in_time"] is well
    late = next(one for one in findings(seen(files, hints)) if one.check.name == "hints_are_in_time")
    assert "Look at hill." in late.says
    hints.inbox.rest("hill", "contacts", "unsafe")
    assert passed(seen(files, hints))["hints_are_in_time"], "merchants at rest aside (H30)"


@pytest.mark.parametrize(("late", "of", "well"), [(5, 100, True), (6, 100, False), (1, 20, True), (1, 1, False)])
def test_hints_are_in_time_if_95_in_100_of_the_hour_were_written_within_a_minute(
    late: int, of: int, well: bool
) -> None:
    found = Look(AT, lags=Lags(of, 3, 300, 300), late=late)
    assert passed(found)["hints_are_in_time"] is well
    finding = next(one for one in findings(found) if one.check.name == "hints_are_in_time")
    assert f"{late} of {of} were written a minute or more after they were due" in finding.says
    assert finding.serious is (not well and late > 1), "one alone is no sign of what all have"


def test_a_hint_that_was_put_off_on_purpose_is_in_time(files: Files, hints: Hints) -> None:
    """H28: its record was read just now, again and again, and had nothing new: it waits for up to five minutes."""
    hints.comes("1")
    for _ in range(6):
        hints.inbox.note_read("hill", "vinoshipper", "order", "1", news=False, gone=False, route="contacts")
    hints.at += 299
    hints.settles(Outcome.WRITTEN, lag=299)
    found = seen(files, hints)
    assert found.lags == Lags(1, 299, 299, 299)
    assert found.late == 0, "it was due a moment ago"
    assert passed(found)["hints_are_in_time"]
    hints.comes("2")
    hints.at += 63
    hints.settles(Outcome.WRITTEN, lag=63)
    assert (seen(files, hints).late, passed(seen(files, hints))["hints_are_in_time"]) == (1, False)


def test_no_hint_expired_as_long_as_the_inbox_keeps_none_that_did(files: Files, hints: Hints) -> None:
    hints.comes("1")
    assert passed(seen(files, hints))["no_hint_expired"]
    hints.expires()
    assert not passed(seen(files, hints))["no_hint_expired"]


def test_nobody_floods_if_nothing_was_dropped_over_the_limit_in_the_last_hour(files: Files, hints: Hints) -> None:
    hints.comes("1")
    hints.settles(Outcome.OVER_LIMIT)
    flood = next(one for one in findings(seen(files, hints)) if one.check.name == "nobody_floods")
    assert not flood.passed
    assert flood.says.startswith("Hints dropped in the last hour: 1. Look at hill.")
    hints.at += 3601
    assert passed(seen(files, hints))["nobody_floods"]


def test_webhooks_are_registered_as_they_were_last_seen(files: Files) -> None:
    files.merchant("vale")
    files.merchant("dale", ", webhooks: {enabled: false}")
    files.merchant("new")
    files.merchant("yet", ", service: {bought_on: null}")  # not active: as disabled
    states = {"hill": ("ok", "refused"), "vale": ("ok", "missing"), "dale": ("missing",), "yet": ("missing",)}
    for merchant, hooks in states.items():
        told = [{"system": "vinoshipper", "name": "ORDER", "state": state, "id": None, "url": ""} for state in hooks]
        path = files.folder / "data" / "merchants" / merchant / "webhooks.json"
        path.write_text(json.dumps({"systems": {"vinoshipper": {"at": 1.0, "hooks": told}}}))
    file = read_merchants(files.folder / "merchants.yaml", files.environ)
    assert hint_findings.registered(files.environ, file).passed, "nothing is registered where nobody is told to call"
    found = hint_findings.registered({**files.environ, **PUBLIC}, file)
    assert (found.passed, found.serious) == (False, False)
    assert found.says.startswith("1 of 3 merchants lack a wanted webhook. Of 1 it was not looked at yet. Look at vale.")
    assert found.rows == [{"merchant": "vale", "webhook": "vinoshipper ORDER", "state": "missing"}]


# --- what follows -------------------------------------------------------------------------------------------------

WORKS, WORKED = {"worker": 59.0}, {"worker": 61.0}


def after(found: Look, memory: Memory | None = None, under_way: str | None = None) -> Decision:
    return decide(found, memory or Memory(found.at), under_way=lambda: under_way)


@pytest.mark.parametrize(
    ("alive", "due", "under_way", "run", "says"),
    [
        (WORKS, {KEY: 5.0}, None, False, "hints are in a worker's hands"),
        (WORKED, {KEY: 5.0}, None, True, "no worker is alive, and hints of 1 are due: one run takes them"),
        ({}, {KEY: 5.0}, None, True, "no worker is alive, and hints of 1 are due: one run takes them"),
        (WORKED, {KEY: 5.0}, "abc", False, "hints of 1 are due, and run abc is still under way"),
        (WORKED, {}, None, False, "no worker is alive, and no hint is due"),
    ],
)
def test_one_run_takes_what_is_due_where_no_worker_was_alive_in_the_last_minute(
    alive: dict[str, float | None], due: dict[tuple[str, str], float], under_way: str | None, run: bool, says: str
) -> None:
    decided = after(Look(AT, alive=alive, due=due), under_way=under_way)
    assert decided.run is run
    assert says in decided.says


def test_runs_are_asked_about_only_where_one_would_be_started() -> None:
    def asked() -> str:
        raise AssertionError

    for found in (Look(AT, alive=WORKS, due={KEY: 5.0}), Look(AT)):
        assert not decide(found, Memory(AT), under_way=asked).run


@pytest.mark.parametrize(("ago", "report"), [(299, False), (300, True), (-301, True)])
def test_the_page_is_reported_every_five_minutes(ago: float, report: bool) -> None:
    decided = after(Look(AT, alive=WORKS), Memory(AT - ago))
    assert decided.report is report
    assert decided.memory.reported_at == (AT if report else AT - ago)


def test_the_page_is_reported_when_a_check_turns_and_only_then() -> None:
    flooded = Look(AT, alive=WORKS, flooded={KEY: 3})
    first = after(flooded, Memory(AT - 30))
    assert (first.report, first.memory.failing) == (True, ["nobody_floods"])
    assert "nobody_floods turned" in first.says
    assert not after(replace(flooded, at=AT + 30), first.memory).report
    well = after(Look(AT + 60, alive=WORKS), first.memory)
    assert (well.report, well.memory.failing) == (True, [])


def test_people_are_told_when_what_they_should_know_changes_and_not_while_nothing_is_known() -> None:
    down = Look(AT, concerns=(Concern("(worker)", "down"), Concern("(receiver)", None)))
    first = after(down)
    assert first.alert
    assert not after(down, first.memory).alert
    unknown = after(replace(down, concerns=None), first.memory)
    assert (unknown.alert, unknown.memory.troubles) == (False, first.memory.troubles)
    assert after(Look(AT), first.memory).alert


def test_memory_is_kept_as_text_and_what_cannot_be_read_was_never_there() -> None:
    kept = Memory(AT, ["nobody_floods"], ["(worker): down"])
    assert Memory.of(kept.as_text()) == kept
    assert Memory.of(None) == Memory.of("something else") == Memory()
