"""What a tick tells of a merchant of whom there is no news: what the checks look at, once it changes, and no more."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.defs.check_results import StoredResult
from vs_st_pipeline.defs.checks import results
from vs_st_pipeline.defs.merchant_pool import Part, run_one
from vs_st_pipeline.defs.reporting import Detail, ReportLog
from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.pipeline.metrics import Metric
from vs_st_pipeline.routes import contacts
from vs_st_pipeline.routes.contacts.audit import audit
from vs_st_pipeline.routes.contacts.checks import CHECKS
from vs_st_pipeline.routes.contacts.sync import STAGES
from vs_st_pipeline_tests.support.story import NOW_AND_ALWAYS, TEST, Story

pytestmark = pytest.mark.unproved  # it is about a plan that stands

FIELDS, DRIFT = "planned/simpletexting/contacts:custom_fields_exist", "raw/vinoshipper/customers:answers_are_as_known"
LIVE = "synced/simpletexting/contacts:ledger_matches_live"


def test_a_number_that_is_a_share_of_nothing_stands_alone_and_says_what_was_looked_at() -> None:
    check, now = next(one for one in CHECKS if one.id == DRIFT), datetime.now(UTC)
    found = StoredResult(2, 0, "unknown field customer.x (3 times), in 4 customers", "", now.timestamp())
    [result] = results([check], {"hill": [DRIFT]}, {DRIFT: {"hill": found}}, now, allow_unsafe=False)
    assert result.description is not None
    assert result.description.startswith("2: fields, and words that a field may hold, that first came up in answers")
    assert result.metadata["number"].value == 2
    assert not {"of", "share"} & result.metadata.keys()
    [row] = [record.data for record in result.metadata["by merchant"].value.records]
    assert (row["result"], row["detail"]) == ("look at this: 2", found.detail)


class Ticks:
    """The merchant's part of one tick after another, five minutes apart."""

    def __init__(self, story: Story) -> None:
        self.story, self.now = story, datetime.now(UTC)

    def tick(self) -> tuple[bool, dict[str, Metric]]:
        """Whether his pages were told anew, and what the checks found; nothing where they did not look."""
        self.now += timedelta(minutes=5)
        news = ReportLog(self.story.data / "reported.json", "storage", f"run at {self.now:%H.%M}")
        part = Part(
            contacts.ROUTE, lambda _: self.story.as_run(self.now), list(STAGES), CHECKS,
            lambda report: news.of(report, self.now),
        )  # fmt: skip
        walked = run_one(part, TEST, threading.Event())
        assert walked.report is not None
        told, measured = [walked.report] * walked.told, [walked.report] * bool(walked.measures)
        news.remember(told, self.now, measured=measured)
        return walked.told, walked.measures


def test_what_the_checks_look_at_is_told_by_the_next_tick_and_nothing_is_looked_at_without_need(story: Story) -> None:
    story.settings(vinoshipper={"refresh": {**NOW_AND_ALWAYS, "reconcile": "7d"}})
    story.begin_synced()
    ticks = Ticks(story)
    for _ in range(3):
        last = ticks.tick()
    assert last == (False, {}), "he was told of, nothing has changed since, and his plan stands"

    assert audit(story.as_run(ticks.now)).how == "listing"
    pages, found = ticks.tick()
    assert not pages
    assert found[LIVE].detail.startswith(f"{ticks.now - timedelta(minutes=5):%Y-%m-%d %H:%M} UTC, listing, ")

    story.texting.delete_custom_field("City")
    story.shop.patch_customer(700101, loyaltyTier="gold")
    for _ in range(2):  # somebody syncs by hand until all is quiet again, so the tick itself finds nothing new
        story.synced()
    pages, found = ticks.tick()
    assert not pages, "nobody is held back, refused or written otherwise than before"
    assert "City" in found[FIELDS].detail
    assert found[DRIFT].detail.startswith("unknown field customer.loyaltyTier (")


def test_a_refused_plan_that_was_told_is_not_measured_in_every_tick(tmp_path: Path) -> None:
    """It is made anew each time, and the check that it fails blocks: every tick would fail because of one winery."""
    now = datetime.now(UTC)
    ReportLog(tmp_path / "reported.json", "storage", "first").remember([Report(TEST, status=FAILED, plan="first")], now)
    news = ReportLog(tmp_path / "reported.json", "storage", "second")
    assert news.of(Report(TEST, status=FAILED, plan="second"), now) == Detail.NOTHING
    assert news.of(Report(TEST, plan="second"), now) == Detail.PAGES
