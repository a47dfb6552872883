"""A STOP in the middle of a sync: whoever this very sync has seen opted out is not written, however the plan reads.

What nobody has read, nobody can know: between the last reading of a contact and its write lies a race that only the
known status decides (test_the_way.py). These stories hold how old that reading may be, and that it is believed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from vs_st_pipeline.destinations.simpletexting import items, push
from vs_st_pipeline.warehouse import Warehouse
from vs_st_pipeline_tests.stories import MARISOL, RENSKE, SYNCED, TEST, Story

LISTED = r"/v2/api/contacts$"


def rows(story: Story, sql: str) -> list[tuple[Any, ...]]:
    with Warehouse(story.data).open(TEST) as db:
        return db.rows(sql)


def stops(story: Story, phone: str, **when: Any) -> None:
    """The person texts STOP right before that request is answered."""
    story.texting.add_hook(
        {"kind": "contacts", "op": "patch", "id": story.id_of(phone), "fields": {"subscriptionStatus": "OPT_OUT"}},
        merchant=TEST,
        **when,
    )


def stopped(story: Story, phone: str) -> None:
    """The hook was carried out, nobody but this one was left out, and nothing shows that he was ever to be written."""
    assert [hook["left"] for hook in story.texting.hooks()] == [0], "the STOP never came"
    contact_id = story.id_of(phone)
    assert story.texting.contact(phone)["subscriptionStatus"] == "OPT_OUT"
    assert phone not in story.written_phones()
    assert rows(story, f"select * from synced.writes where contact_id = '{contact_id}'") == []
    assert set(story.written_phones()) == set(SYNCED) - {phone}
    story.clean()


def by_batches_of_two(story: Story, monkeypatch: pytest.MonkeyPatch, **texting: Any) -> None:
    monkeypatch.setattr(push, "BATCH_SIZE", 2)
    story.texting.set_switch("tasks_delay_polls", 0)
    story.settings(simpletexting={"write_one_by_one_up_to": 0, **texting})


def test_one_by_one_a_reading_that_is_too_old_is_made_again_and_believed(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "READ_AGAIN_AFTER", timedelta(0))  # as if the listing were over a minute ago
    stops(story, RENSKE, on="write", nth=1)  # while the first is written, long after the plan
    report = story.synced()
    assert report["planned"]["contacts"] == len(SYNCED)
    assert report["synced"] == {"accepted": len(SYNCED) - 1, "rejected": 0, "unknown": 0}
    assert report["planned"]["held"]["opted_out"] == 2  # who had before, and she
    stopped(story, RENSKE)


def test_one_by_one_a_stop_between_listing_and_plan_is_found_where_the_listing_is_too_old(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "READ_AGAIN_AFTER", timedelta(0))
    # The first single read comes after the plan; she had said STOP before it, after the listing.
    stops(story, MARISOL, on="request", method="GET", path_regex="/v2/api/contacts/.+")
    report = story.synced()
    assert report["planned"]["held"]["opted_out"] == 2
    stopped(story, MARISOL)


def test_no_write_stands_on_a_reading_older_than_a_minute(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.synced()
    [(oldest, youngest, count)] = rows(
        story, "select max(sent_at - read_at), min(sent_at - read_at), count(*) from synced.writes"
    )
    assert timedelta(0) <= youngest <= oldest <= timedelta(seconds=61)  # a second for what lies between look and send
    assert count == len(SYNCED)
    story.clear_journals()
    monkeypatch.setattr(items, "READ_AGAIN_AFTER", timedelta(0))
    for customer_id in (700101, 700103):
        story.shop.patch_customer(customer_id, shippingAddress={"city": "Fulton"})
    story.synced()
    ways = [
        (e["method"], e["path"].rpartition("/")[2]) for e in story.texting.journal(TEST) if "/contacts/" in e["path"]
    ]
    written = [who for method, who in ways if method == "PUT"]
    assert len(written) == 2
    assert ways == [way for who in written for way in (("GET", who), ("PUT", who))], "each read right before its write"


def test_by_batch_the_listing_right_before_is_believed_and_not_the_plan(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_batches_of_two(story, monkeypatch)
    stops(story, MARISOL, on="request", method="GET", path_regex=LISTED, nth=2)  # the first was for the plan
    report = story.synced()
    assert report["planned"]["contacts"] == len(SYNCED)
    assert report["synced"]["accepted"] == len(SYNCED) - 1
    assert report["planned"]["held"]["opted_out"] == 2
    stopped(story, MARISOL)


@pytest.mark.parametrize("full_read", ["0s", "24h"])
def test_between_two_batches_a_listing_that_is_too_old_is_made_again_and_believed(
    story: Story, monkeypatch: pytest.MonkeyPatch, full_read: str
) -> None:
    by_batches_of_two(story, monkeypatch, full_read=full_read)
    monkeypatch.setattr(push, "LIST_AGAIN_AFTER_SECONDS", -1.0)
    stops(story, RENSKE, on="write", nth=1)  # while the first batch is taken; she is in the last
    report = story.synced()
    assert sum(entry["path"].endswith("batch-update") for entry in story.writes()) >= 3
    assert report["synced"]["accepted"] == len(SYNCED) - 1
    assert report["planned"]["held"]["opted_out"] == 2
    stopped(story, RENSKE)


@pytest.mark.slow
def test_who_is_seen_opted_out_in_one_sync_is_written_again_only_when_a_later_one_sees_him_opted_in(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_batches_of_two(story, monkeypatch)
    stops(story, RENSKE, on="request", method="GET", path_regex=LISTED, nth=2)
    story.synced()
    story.texting.clear_hooks()
    story.clear_journals()
    assert story.synced()["planned"]["held"]["opted_out"] == 2
    assert story.writes() == []
    story.texting.patch_contact(RENSKE, subscriptionStatus="OPT_IN")
    story.synced()
    assert story.written_phones() == {RENSKE: 1}
    [(status,)] = rows(story, f"select status from synced.writes where contact_id = '{story.id_of(RENSKE)}'")
    assert status == "OPT_IN"
    story.clean()


def test_a_write_by_batch_keeps_the_evidence_of_the_reading_that_it_stands_on(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_batches_of_two(story, monkeypatch)
    story.synced()
    kept = rows(story, "select status, read_at <= sent_at, outcome, count(*) from synced.writes group by all")
    assert kept == [("OPT_IN", True, "accepted", len(SYNCED))]
