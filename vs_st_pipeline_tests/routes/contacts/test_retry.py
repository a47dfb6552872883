"""`vs-st retry` and `vs-st reconcile`: what was refused is tried now; what stands there is compared with the ledger."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from vs_st_pipeline.domain.diff import Drift, LedgerEntry, classify_drift
from vs_st_pipeline.pipeline.checks import measure
from vs_st_pipeline.routes.contacts import checks
from vs_st_pipeline.sandbox.scenarios.fixtures import instant_text
from vs_st_pipeline_tests.support.between import Told, between
from vs_st_pipeline_tests.support.story import (
    BRAM,
    MARISOL,
    OTHER,
    RENSKE,
    SYNCED,
    TEST,
    Ran,
    Story,
    personal_and_secret,
)

# --- retry --------------------------------------------------------------------------------------------------------


def refused(story: Story, *phones: str) -> str:
    """These are refused, twice, so that they wait a while; the time when they wait."""
    story.texting.set_switch("reject", dict.fromkeys(phones, "CONTACT_UPDATE_FAILED"))
    start = story.box.now
    story.sync(now=start.isoformat())
    story.sync(now=(start + timedelta(minutes=1)).isoformat())
    story.texting.set_switch("reject", {})
    story.clear_journals()
    return (start + timedelta(minutes=2)).isoformat()


@pytest.mark.slow
def test_refused_contacts_are_tried_now_whatever_their_gap(story: Story) -> None:
    now = refused(story, RENSKE, BRAM)
    done = story.run("retry", "--merchant", TEST, "--json", now=now)
    assert done.exit_code == 0
    assert done.json["nothing_waits"] == []
    assert done.of()["synced"] == {"accepted": 2, "rejected": 0, "unknown": 0}
    assert story.written_phones() == {RENSKE: 1, BRAM: 1}
    story.clean()


@pytest.mark.slow
def test_one_phone_is_tried_and_the_others_keep_their_gap(story: Story) -> None:
    now = refused(story, RENSKE, BRAM)
    done = story.run("retry", "--merchant", TEST, "(707) 555-0147", "--json", now=now)
    assert done.of()["synced"]["accepted"] == 1
    assert story.written_phones() == {RENSKE: 1}
    assert done.of()["planned"]["noted"]["waiting_retry"] == 1


@pytest.mark.slow
def test_what_is_refused_again_goes_on_counting(story: Story) -> None:
    now = refused(story, RENSKE)
    story.texting.set_switch("reject", {RENSKE: "INVALID_CONTACT"})
    done = story.run("retry", "--merchant", TEST, now=now)
    assert done.exit_code == 1
    assert "1 rejected" in done.out
    told = story.run("why", "--merchant", TEST, RENSKE, "--json").json["rejected"]
    assert (told["attempts"], told["code"]) == (3, "INVALID_CONTACT")


def test_where_nothing_waits_it_is_said_and_nobody_is_called(story: Story) -> None:
    done = story.run("retry", "--all")  # not even a data folder yet
    assert done.exit_code == 0
    assert done.out.count("no refused contact waits") == 2
    now = refused(story, RENSKE)
    done = story.run("retry", "--merchant", TEST, MARISOL, now=now)
    assert done.exit_code == 0
    assert "no refused contact with this phone waits" in done.out
    assert story.run("retry", "--merchant", TEST, MARISOL, "--json", now=now).json == {
        "merchants": [],
        "nothing_waits": [TEST],
    }
    assert story.texting.journal() == story.shop.journal() == []


def test_retry_without_a_merchant_or_with_an_unknown_one_ends_with_2(story: Story) -> None:
    assert story.run("retry").exit_code == 2
    assert story.run("retry", "--merchant", "nobody").exit_code == 2
    assert story.run("retry", "--merchant", TEST, "12345").exit_code == 2  # neither a merchant nor a phone


# --- three sides of one value -------------------------------------------------------------------------------------

SENT = LedgerEntry("Fulton", stored="Fulton")


@pytest.mark.parametrize(
    ("wanted", "live", "accepted", "side"),
    [
        ("Fulton", "Fulton", SENT, "same"),
        ("Fulton", "Ful", LedgerEntry("Fulton", stored="Ful"), "same"),  # what SimpleTexting made of it
        ("Fulton", "", None, "ours"),
        ("Graton", "Fulton", SENT, "ours"),
        ("Graton", "Graton", SENT, "same"),  # somebody was faster, with the right value
        ("Fulton", "Edited", SENT, "theirs"),
        ("Fulton", "", SENT, "theirs"),
        ("Graton", "Edited", SENT, "both"),
        ("", "Edited", SENT, "both"),
    ],
)
def test_who_has_moved(wanted: str, live: str, accepted: LedgerEntry | None, side: Drift) -> None:
    assert classify_drift("mirror", wanted, live, accepted) == side


def test_a_filled_field_that_somebody_changed_is_his_right_and_one_that_was_emptied_is_not_as_left() -> None:
    assert classify_drift("fill", "Fulton", "Edited", SENT) == "same"
    assert classify_drift("fill", "Fulton", "", SENT) == "theirs"
    assert classify_drift("fill", "Fulton", "", None) == "ours"


# --- reconcile ----------------------------------------------------------------------------------------------------


def reconciled(story: Story, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
    done = story.run("reconcile", "--merchant", TEST, "--json", *arguments)
    assert done.exit_code == exit_code, done
    assert done.of()["error"] is None
    return done.of()


def test_where_all_is_as_it_was_left_one_listing_proves_it(story: Story) -> None:
    story.begin_synced()
    found = reconciled(story)
    assert (found["how"], found["requests"], found["contacts"]) == (
        "listing",
        2,
        len(SYNCED),
    )  # the second page is empty: C10
    assert len(story.texting.journal(TEST)) == 2
    assert story.shop.journal(TEST) == []
    assert found["values"]["same"] > 100
    assert {side: found["values"][side] for side in ("ours", "theirs", "both")} == {"ours": 0, "theirs": 0, "both": 0}
    assert found["left_out"] == {"opted_out": 1, "not_confirmed": 1, "under_age": 1}
    assert found["differing"] == []


def test_edits_there_and_changes_here_are_told_apart_by_field(story: Story) -> None:
    story.begin_synced()
    story.shop.patch_customer(700103, shippingAddress={"city": "Fulton"})
    story.shop.patch_customer(700108, shippingAddress={"city": "Fulton"})
    story.run("plan", "--merchant", TEST)  # what is wanted has changed, nothing is written
    for phone in (MARISOL, RENSKE):
        story.texting.patch_contact(phone, customFields={"city": "Elsewhere"})
    story.clear_journals()
    found = reconciled(story, exit_code=1)
    assert found["fields"]["City"] == {"same": len(SYNCED) - 3, "ours": 1, "theirs": 1, "both": 1}
    assert {row["contact_id"]: row["fields"] for row in found["differing"]} == {
        story.id_of(MARISOL): {"City": "theirs"},
        story.id_of(BRAM): {"City": "ours"},
        story.id_of(RENSKE): {"City": "both"},
    }
    assert story.writes() == []
    text = story.run("reconcile", "--merchant", TEST).out
    assert "NOT as it was left" in text
    assert "theirs: edited at SimpleTexting (City 1)" in text
    story.synced()
    assert reconciled(story)["values"]["theirs"] == 0


def test_a_sample_is_read_singly_where_that_is_cheaper_and_is_the_same_all_day(story: Story) -> None:
    story.begin_synced()
    with story.as_run().open() as db:  # as in an account of 1,400 contacts: three pages, seven of them ours
        db.execute(
            """insert into raw.simpletexting_contacts (contact_id, body, body_hash, read_at, read_run)
               select 'made-up-' || i, '{}', '', now()::timestamp, 'test' from range(1400) as r(i)"""
        )
    found = reconciled(story, "--sample", "2")
    assert (found["how"], found["requests"], found["contacts"]) == ("single reads", 2, 2)
    read = {entry["path"] for entry in story.texting.journal(TEST)}
    assert len(read) == 2
    story.clear_journals()
    reconciled(story, "--sample", "2")
    assert {entry["path"] for entry in story.texting.journal(TEST)} == read
    assert reconciled(story, "--sample", "3")["how"] == "listing"  # as dear as three pages, and shows all


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["hollow", "other_record", "500_empty"])
def test_one_contact_that_cannot_be_read_is_left_out_and_stops_nobody(story: Story, fault: str) -> None:
    story.begin_synced()
    story.settings(give_up_after="1s")
    with story.as_run().open() as db:
        db.execute(
            """insert into raw.simpletexting_contacts (contact_id, body, body_hash, read_at, read_run)
               select 'made-up-' || i, '{}', '', now()::timestamp, 'test' from range(1400) as r(i)"""
        )
    reconciled(story, "--sample", "2")
    ids = [entry["path"].rpartition("/")[2] for entry in story.texting.journal(TEST)]
    story.texting.set_fault(fault, path_regex=f"/contacts/{ids[0]}$")
    found = reconciled(story, "--sample", "2", exit_code=1)
    assert (found["status"], found["contacts"], found["left_out"]) == ("partial", 1, {"gone": 0, "unreadable": 1})
    assert found["differing"] == []
    story.texting.set_fault(fault, path_regex=f"/contacts/({ids[0]}|{ids[1]})$")
    found = reconciled(story, "--sample", "2", exit_code=1)  # another one can be read, so it is these two
    assert (found["status"], found["contacts"], found["left_out"]["unreadable"]) == ("partial", 0, 2)
    story.texting.set_fault(fault, path_regex="/contacts/.+$")
    done = story.run("reconcile", "--merchant", TEST, "--json", "--sample", "2")
    assert (done.exit_code, done.of()["status"], done.of()["error"]["system"]) == (1, "failed", "simpletexting")


def test_a_listing_leaves_out_who_is_not_understood(story: Story) -> None:
    story.begin_synced()
    with between(story.box.simpletexting.url) as wire:
        story.settings({TEST: {"simpletexting": {"base_url": wire.url + "/v2"}}})

        def other_shape(told: Told) -> None:
            if told.ends("/api/contacts") and told.method == "GET":
                body = told.json
                for row in body["content"]:
                    if row["contactId"] == story.id_of(MARISOL):
                        row["customFields"] = ["?"]
                told.json = body

        wire.rules.append(other_shape)
        found = reconciled(story, exit_code=1)
    assert (found["status"], found["how"], found["contacts"]) == ("partial", "listing", len(SYNCED) - 1)
    assert found["left_out"]["unreadable"] == 1


@pytest.mark.slow
def test_samples_of_many_days_meet_everybody(story: Story) -> None:
    story.begin_synced()
    with story.as_run().open() as db:
        db.execute(
            """insert into raw.simpletexting_contacts (contact_id, body, body_hash, read_at, read_run)
               select 'made-up-' || i, '{}', '', now()::timestamp, 'test' from range(1400) as r(i)"""
        )
    for day in range(1, 11):
        done = story.run("reconcile", "--merchant", TEST, "--sample", "2", now=f"2027-02-{day:02d}T12:00:00-08:00")
        assert done.exit_code == 0, done
    read = {entry["path"].rpartition("/")[2] for entry in story.texting.journal(TEST)}
    assert read == {story.id_of(phone) for phone in SYNCED}


def test_it_takes_nothing_from_the_next_sync(story: Story) -> None:
    # Contacts are read by what was updated since the last look. An edit that only reconcile has seen, older than an
    # hour before the newest update, must be read again by the next sync.
    story.settings(simpletexting={"full_read": "24h"})
    story.synced()
    edited_at = instant_text(story.box.now - timedelta(hours=3))
    story.texting.patch_contact(MARISOL, touch=False, customFields={"city": "Elsewhere"}, updated=edited_at)
    assert reconciled(story, exit_code=1)["fields"]["City"]["theirs"] == 1
    assert story.synced()["planned"]["noted"]["edited_there"] == 1
    assert story.contact(MARISOL)["City"] == "Sebastopol"


def test_a_contact_that_is_gone_and_one_that_said_stop_are_left_out(story: Story) -> None:
    story.begin_synced()
    story.texting.opt_out(MARISOL)
    story.texting.delete_contact(BRAM)
    found = reconciled(story)
    assert found["contacts"] == len(SYNCED) - 2
    assert found["left_out"]["opted_out"] == 2


def test_where_nothing_was_synced_nobody_is_called(story: Story) -> None:
    found = reconciled(story)
    assert (found["how"], found["requests"]) == (None, 0)
    assert "nothing to compare" in story.run("reconcile", "--all").out
    assert story.texting.journal() == []


def test_one_merchants_trouble_is_his_own_and_ends_with_1(story: Story) -> None:
    story.sync(every=True)
    story.texting.set_switch("short_list", True, merchant=OTHER)
    done = story.run("reconcile", "--all", "--json")
    assert done.exit_code == 1
    assert done.of(OTHER)["error"]["kind"] == "bad_answer"
    assert done.of(TEST)["status"] == "ok"


def test_nobody_is_named_by_it(story: Story) -> None:
    story.begin_synced()
    story.texting.patch_contact(MARISOL, customFields={"city": "Elsewhere"})
    ran: list[Ran] = [story.run("reconcile", "--all"), story.run("reconcile", "--all", "--json")]
    text = "".join(done.out + done.err for done in ran)
    assert "***-***-0142" in text
    assert [secret for secret in personal_and_secret(story.box) if secret in text] == []


def test_the_check_tells_the_last_comparison_and_its_time(story: Story) -> None:
    [check] = [check for check in checks.CHECKS if check.name == "ledger_matches_live"]

    def measured() -> tuple[bool, str]:
        found = measure(story.as_run(), [check])[check.id]
        return check.fails(found), re.sub(r"^20\d\d-\d\d-\d\d \d\d:\d\d UTC", "then", found.detail)

    story.begin_synced()
    assert measured() == (False, "never compared; vs-st reconcile does it")
    story.texting.patch_contact(MARISOL, customFields={"city": "Elsewhere"})
    reconciled(story, exit_code=1)
    assert measured() == (True, f"then, listing, {len(SYNCED)} contacts, City 1")
    story.synced()
    reconciled(story)
    assert measured() == (False, f"then, listing, {len(SYNCED)} contacts")
