"""What the page of `fleet/hints` shows of an inbox."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetCheckEvaluation, AssetMaterialization

from vs_st_pipeline.defs.charts import SHORTEST, by_hour
from vs_st_pipeline.defs.fleet_hints import page, reported
from vs_st_pipeline.defs.reporting import Detail, ReportLog
from vs_st_pipeline.domain.hints import Outcome
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.operations.fleet.hints import InboxUnreadable
from vs_st_pipeline.platform.inbox import statistics
from vs_st_pipeline_tests.operations.fleet.test_hints import hinted_routes
from vs_st_pipeline_tests.support.hints import Hints
from vs_st_pipeline_tests.support.statuses import MINUTE, Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    for merchant in ("hill", "vale"):
        made.merchant(merchant)
        made.synced(merchant, MINUTE)
    return made


@pytest.fixture
def hints(files: Files) -> Hints:
    return Hints(files.folder / "data", at=time.time())


def rows(shown: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [record.data for record in shown[name].records]


def told(files: Files) -> dict[str, Any]:
    return page(files.environ, hinted_routes())[0]


def test_what_came_what_became_of_it_and_how_long_it_took(files: Files, hints: Hints) -> None:
    with hints.ago(600):
        hints.inbox.beat("worker")
    hints.inbox.beat("receiver")
    for place, number in enumerate((5, 3)):
        with hints.ago(3600 * (1 - place)):
            for one in range(number):
                hints.comes(str(one), system=("vinoshipper", "simpletexting")[place])
            hints.settles(Outcome.WRITTEN, lag=4.0)
            hints.comes("no news")
            hints.settles(Outcome.UNCHANGED)
    hints.comes("x", merchant="vale")
    hints.settles(Outcome.OVER_LIMIT, merchant="vale")
    hints.comes("y", merchant="vale")
    hints.inbox.rest("vale", "contacts", "auth")
    shown = told(files)
    assert shown["in short"] == (
        "receiver alive 0 s ago; worker alive 10 min ago; 12 entries and 11 hints settled in 24 h; hints that wait: 1; "
        "written in the last hour after 4.0 s, 4.0 s, 4.0 s (p50, p95, p99)"
    )
    assert "nobody_floods" in shown["what to do first"].value
    for picture, says in (
        ("entries by hour", "12 entries within 48 hours"),
        ("outcomes by hour", "settled within 48 hours: 8 written, 1 lost, 2 other"),
        ("lag by hour", "seconds from the call to the accepted value, of 8 hints"),
    ):
        assert shown[picture].value.startswith("![](data:image/svg+xml,<svg"), picture
        assert shown[picture].value.endswith(says)
        assert len(shown[picture].value) < SHORTEST
    now, before, *rest = rows(shown, "by hour")
    assert (now["hour"], now["entries"], before["hour"], before["entries"]) == ("this hour", 6, "-1 h", 6)
    lags = {"p50": "4.0 s", "p95": "4.0 s", "p99": "4.0 s"}
    assert before == {"hour": "-1 h", "entries": 6, "outcomes": "5 written, 1 unchanged", **lags}
    assert rest == [], "hours in which nothing happened are left out"
    assert rows(shown, "merchants with most hints in 24 h") == [
        {"merchant": "hill", "hints": 10, "written": 8, "waiting": 0},
        {"merchant": "vale", "hints": 1, "written": 0, "waiting": 1},
    ]
    [waits] = rows(shown, "merchants whose hints wait")
    assert (waits["merchant"], waits["waiting"]) == ("vale", 1)
    assert rows(shown, "merchants with most drops") == [
        {"merchant": "vale", "dropped in 24 h": 1, "expired in 24 h": 0}
    ]
    assert rows(shown, "at rest until a whole sync ends well") == [{"merchant": "vale", "error": "auth"}]
    numbers = {
        name: shown[name] for name in ("entries in 24 h", "written in 24 h", "over_limit in 24 h", "hints waiting")
    }
    assert numbers == {"entries in 24 h": 12, "written in 24 h": 8, "over_limit in 24 h": 1, "hints waiting": 1}
    assert shown["lag p95 of the last hour"] == 4.0


def test_an_empty_inbox_has_a_page_too(files: Files, hints: Hints) -> None:
    shown = told(files)
    assert shown["in short"].startswith("receiver never seen; worker never seen; 0 entries and 0 hints settled in 24 h")
    assert shown["lag by hour"].value == "no hint led to a write within 48 hours"
    assert shown["what to do first"] == "nothing: all checks of this page passed"
    assert not hints.inbox.exists, "looking makes nothing"


def test_what_is_reported_is_the_page_and_all_five_checks(files: Files, hints: Hints) -> None:
    hints.comes("1")
    made, *checks = reported({**files.environ, "VS_ST_PUBLIC_URL": "https://hooks.example.com"}, hinted_routes())
    assert isinstance(made, AssetMaterialization)
    results = {one.check_name: one.passed for one in checks if isinstance(one, AssetCheckEvaluation)}
    assert results == {
        "receiver_is_up": False,
        "hints_are_in_time": True,
        "webhooks_are_registered": True,
        "no_hint_expired": True,
        "nobody_floods": True,
    }


def test_an_inbox_that_cannot_be_read_is_told_as_that(files: Files, hints: Hints) -> None:
    hints.inbox.path.write_bytes(b"no database" * 100)
    with pytest.raises(InboxUnreadable):
        told(files)


def test_a_picture_of_percentiles_takes_the_highest_of_hours_taken_together_and_stacks_nothing() -> None:
    low, high = [hour % 7 for hour in range(48)], [100 + 10 * (hour % 5) for hour in range(48)]
    drawn = by_hour("seconds", {"p50": low, "p99": high}, stacked=False)
    assert ">140</text>" in drawn
    stacked = by_hour("seconds", {"p50": low, "p99": high})
    assert ">140</text>" not in stacked


# --- merchants that were written for hints are news ---------------------------------------------------------------


def test_whoever_was_written_for_a_hint_since_it_was_told_of_is_news_once(files: Files, hints: Hints) -> None:
    now, log = datetime.now(UTC), files.folder / "reported.json"

    def news() -> ReportLog:
        return ReportLog(log, "storage", "run", statistics.last_written(hints.inbox, "contacts"))

    quiet = Report("hill", plan="one")
    for _ in range(2):
        news().remember([quiet], now, measured=[quiet])
        assert news().of(quiet, now) == Detail.NOTHING
        hints.at += 1
        hints.comes("1")
        hints.settles(Outcome.UNCHANGED)
        assert news().of(quiet, now) == Detail.NOTHING, "nothing was written"
        hints.comes("1")
        hints.settles(Outcome.WRITTEN)
        assert news().of(quiet, now) == Detail.PAGES
        assert news().of(Report("vale", plan="one"), now) == Detail.PAGES, "never told of"


def test_what_is_written_after_a_run_began_is_news_for_the_next(files: Files, hints: Hints) -> None:
    now, quiet = datetime.now(UTC), Report("hill", plan="one")
    path = files.folder / "reported.json"
    under_way = ReportLog(path, "storage", "run", statistics.last_written(hints.inbox, "contacts"))
    hints.comes("1")
    hints.settles(Outcome.WRITTEN)
    under_way.remember([quiet], now, measured=[quiet])
    later = ReportLog(path, "storage", "next", statistics.last_written(hints.inbox, "contacts"))
    assert later.of(quiet, now) == Detail.PAGES
