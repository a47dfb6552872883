"""A STOP in the middle of a sync: whoever this very sync has seen opted out is not written, however the plan reads.

What nobody has read, nobody can know: between the last reading of a contact and its write lies a race that only the
known status decides (test_the_way.py). These stories hold how old that reading may be, and that it is believed.
"""

from __future__ import annotations

import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from vs_st_pipeline.connectors.simpletexting import push_batches, write_set
from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline_tests.support.story import FFION_AGAIN, HALLORANS, MARISOL, RENSKE, SYNCED, TEST, Story

LISTED = r"/v2/api/contacts$"


def rows(story: Story, sql: str) -> list[tuple[Any, ...]]:
    with warehouse_at(story.data).open(TEST) as db:
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
    assert rows(story, f"select * from synced.writes where id = '{contact_id}'") == []
    assert set(story.written_phones()) == set(SYNCED) - {phone}
    story.clean()


def by_batches_of_two(story: Story, monkeypatch: pytest.MonkeyPatch, **texting: Any) -> None:
    monkeypatch.setattr(push_batches, "BATCH_SIZE", 2)
    story.texting.set_switch("tasks_delay_polls", 0)
    story.settings(simpletexting={"write_one_by_one_up_to": 0, **texting})


def first_batch_takes(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """So long, on the clock of the push, that is: after it contacts are listed again, after the next ones not."""
    passed = [0.0, seconds]
    send = SimpleTextingClient.batch_update

    def sent(self: SimpleTextingClient, updates: Any, may_leave: Any) -> str:
        task_id = send(self, updates, may_leave)
        passed[:] = [sum(passed)]
        return task_id

    monkeypatch.setattr(push_batches, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + passed[0]))
    monkeypatch.setattr(SimpleTextingClient, "batch_update", sent)


def meanwhile(story: Story, phone: str, **fields: Any) -> None:
    """Somebody edits the contact at SimpleTexting while the first write is taken."""
    story.texting.add_hook(
        {"kind": "contacts", "op": "patch", "id": story.id_of(phone), "fields": fields},
        merchant=TEST,
        on="write",
        nth=1,
    )


def bodies_written(story: Story, contact_id: str) -> list[dict[str, Any]]:
    """What was sent to this contact by itself."""
    return [entry["body"] for entry in story.writes() if entry["path"].endswith(contact_id)]


def test_one_by_one_a_reading_that_is_too_old_is_made_again_and_believed(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_set, "READ_AGAIN_AFTER", timedelta(0))  # as if the listing were over a minute ago
    stops(story, RENSKE, on="write", nth=1)  # while the first is written, long after the plan
    report = story.synced()
    assert report["planned"]["contacts"] == len(SYNCED)
    assert report["synced"] == {"accepted": len(SYNCED) - 1, "rejected": 0, "unknown": 0}
    assert report["planned"]["held"]["opted_out"] == 2  # who had before, and she
    stopped(story, RENSKE)


def test_one_by_one_a_stop_between_listing_and_plan_is_found_where_the_listing_is_too_old(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_set, "READ_AGAIN_AFTER", timedelta(0))
    # The first single read comes after the plan; she had said STOP before it, after the listing.
    stops(story, MARISOL, on="request", method="GET", path_regex="/v2/api/contacts/.+")
    report = story.synced()
    assert report["planned"]["held"]["opted_out"] == 2
    stopped(story, MARISOL)


def test_no_write_stands_on_a_reading_older_than_a_minute(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.synced()
    [(oldest, youngest, count)] = rows(
        story,
        "select max(sent_at - read_at), min(sent_at - read_at), count(*) from "
        "(select sent_at, (evidence ->> 'read_at')::timestamp as read_at from synced.writes)",
    )
    assert timedelta(0) <= youngest <= oldest <= timedelta(seconds=61)  # a second for what lies between look and send
    assert count == len(SYNCED)
    story.clear_journals()
    monkeypatch.setattr(write_set, "READ_AGAIN_AFTER", timedelta(0))
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
    monkeypatch.setattr(push_batches, "LIST_AGAIN_AFTER_SECONDS", -1.0)
    stops(story, RENSKE, on="write", nth=1)  # while the first batch is taken; she is in the last
    report = story.synced()
    assert sum(entry["path"].endswith("batch-update") for entry in story.writes()) >= 3
    assert report["synced"]["accepted"] == len(SYNCED) - 1
    assert report["planned"]["held"]["opted_out"] == 2
    stopped(story, RENSKE)


def test_a_listing_between_two_batches_is_believed_by_all_batches_that_follow(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_batches_of_two(story, monkeypatch)
    first_batch_takes(11.0, monkeypatch)
    stops(story, RENSKE, on="write", nth=1)  # the second batch lists contacts anew and sees it; she is in the last
    report = story.synced()
    assert sum(entry["path"].endswith("batch-update") for entry in story.writes()) >= 3
    listed = sum(entry["path"].endswith("/contacts") for entry in story.texting.journal(TEST))
    assert listed == 4, "for the plan (and that there is no second page), before the first batch, and once after it"
    assert report["planned"]["held"]["opted_out"] == 2
    stopped(story, RENSKE)


def test_a_batch_carries_the_other_custom_fields_as_the_last_listing_had_them(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_batches_of_two(story, monkeypatch)
    first_batch_takes(11.0, monkeypatch)
    story.texting.set_switch("custom_fields_write", "replace")
    [tag] = [tag for tag, label in story.labels().items() if label == "Favorite Varietal"]
    meanwhile(story, RENSKE, customFields={tag: "Syrah"})
    story.synced()
    assert story.contact(RENSKE)["Favorite Varietal"] == "Syrah"
    assert story.contact(RENSKE)["VScustomerID"] == "700108"
    story.clean()


def test_who_goes_alone_after_the_batches_is_looked_at_again_as_well(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_batches_of_two(story, monkeypatch)
    first_batch_takes(11.0, monkeypatch)
    contact_id = story.id_of(RENSKE)
    # A phone by which no batch can name her; she is linked by the customer that she carries.
    story.texting.patch_contact(RENSKE, contactPhone="442079460000", customFields={"VScustomerID": "700108"})
    story.texting.add_hook(
        {"kind": "contacts", "op": "patch", "id": contact_id, "fields": {"subscriptionStatus": "OPT_OUT"}},
        merchant=TEST,
        on="write",
        nth=1,
    )
    report = story.synced()
    assert report["planned"]["held"]["opted_out"] == 2
    assert rows(story, f"select * from synced.writes where id = '{contact_id}'") == []
    assert story.texting.violations() == []


@pytest.mark.parametrize(
    ("most_alone", "read"), [(0, LISTED), (50, "/v2/api/contacts/.+")], ids=["by batch", "one by one"]
)
def test_an_email_that_somebody_took_meanwhile_is_left_out(
    story: Story, monkeypatch: pytest.MonkeyPatch, most_alone: int, read: str
) -> None:
    by_batches_of_two(story, monkeypatch, write_one_by_one_up_to=most_alone)
    monkeypatch.setattr(push_batches, "LIST_AGAIN_AFTER_SECONDS", -1.0)  # before each batch,
    monkeypatch.setattr(write_set, "READ_AGAIN_AFTER", timedelta(0))  # and before each single write
    email = "renske@example.com"
    story.texting.patch_contact(MARISOL, email="")
    story.texting.add_hook(
        {"kind": "contacts", "op": "patch", "id": story.id_of(MARISOL), "fields": {"email": email.upper()}},
        merchant=TEST,
        on="request",
        method="GET",
        path_regex=read,
        nth=1 if most_alone else 2,  # the first listing was for the plan
    )
    story.synced()
    assert story.texting.contact(MARISOL)["email"] == email.upper()
    assert story.texting.contact(RENSKE)["email"] in ("", None)
    assert story.contact(RENSKE)["VScustomerID"] == "700108", "the rest was written"
    story.clean()


def test_whose_phone_changes_to_that_of_another_goes_alone_and_gets_his_own_values(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_batches_of_two(story, monkeypatch)
    monkeypatch.setattr(push_batches, "BATCH_SIZE", 3)
    first_batch_takes(11.0, monkeypatch)
    theirs, his = story.id_of(HALLORANS), story.id_of(FFION_AGAIN)
    meanwhile(story, FFION_AGAIN, contactPhone=HALLORANS)
    story.sync()
    assert rows(story, "select count(*) from synced.writes where outcome is null") == [(0,)]
    sent = [phone for e in story.writes() if e["path"].endswith("batch-update") for phone in e["body"]["updates"]]
    assert HALLORANS not in {update["contactPhone"] for update in sent}
    says = {c["contactId"]: c["customFields"].get("vscustomerid") for c in story.texting.contacts(TEST)}
    assert says[theirs] != says[his]
    assert story.texting.violations() == []


def test_no_contact_is_sent_that_is_not_stored_as_opted_in_whoever_says_so(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_set, "consent_reason", lambda _: None)  # as if the look before the write were blind
    monkeypatch.setattr(write_set, "READ_AGAIN_AFTER", timedelta(0))
    stops(story, MARISOL, on="request", method="GET", path_regex="/v2/api/contacts/.+")
    story.failed("internal")
    assert MARISOL not in story.written_phones()
    assert rows(story, f"select * from synced.writes where id = '{story.id_of(MARISOL)}'") == []


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
    [(status,)] = rows(story, f"select evidence ->> 'status' from synced.writes where id = '{story.id_of(RENSKE)}'")
    assert status == "OPT_IN"
    story.clean()


def test_a_write_by_batch_keeps_the_evidence_of_the_reading_that_it_stands_on(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_batches_of_two(story, monkeypatch)
    story.synced()
    kept = rows(
        story,
        "select evidence ->> 'status', (evidence ->> 'read_at')::timestamp <= sent_at, outcome, count(*)"
        " from synced.writes group by all",
    )
    assert kept == [("OPT_IN", True, "accepted", len(SYNCED))]
