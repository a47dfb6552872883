"""`vs-st why` and `vs-st history`: what a support person is told of one contact, and what a machine is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.simpletexting.error_codes import CATALOGUE
from vs_st_pipeline.routes.contacts.map_file import load_field_map
from vs_st_pipeline_tests.support.story import (
    BRAM,
    HALLORANS,
    MARISOL,
    PIPER,
    RENSKE,
    STRANGER,
    TEST,
    TOBIAS,
    WANDA,
    Story,
)

ENTRY = {
    *("at", "contact_id", "event", "field", "old", "new", "stored", "call", "run_id", "rule", "sources"),
    *("code", "means", "trigger"),
}


def why(story: Story, *arguments: str, now: str | None = None) -> dict[str, Any]:
    done = story.run("why", "--merchant", TEST, *arguments, "--json", now=now)
    assert done.exit_code == 0, done
    found: dict[str, Any] = done.json
    return found


def told(story: Story, command: str, *arguments: str) -> str:
    done = story.run(command, "--merchant", TEST, *arguments)
    assert done.exit_code == 0, done
    return done.out


def history(story: Story, *arguments: str) -> dict[str, Any]:
    done = story.run("history", "--merchant", TEST, *arguments, "--json")
    assert done.exit_code == 0, done
    found: dict[str, Any] = done.json
    assert {frozenset(entry) for entry in found["entries"]} <= {frozenset(ENTRY)}
    assert [e["at"] for e in found["entries"]] == sorted(e["at"] for e in found["entries"])
    return found


# --- why ----------------------------------------------------------------------------------------------------------


def test_a_value_is_told_with_rule_map_sources_run_and_call(story: Story) -> None:
    story.begin_synced()
    answer = why(story, MARISOL, "Lifetime Value")
    fingerprint = load_field_map(story.as_run().merchant).fingerprint
    assert answer["map"] == {
        "name": "field_map.yaml",
        "version": 1,
        "fingerprint": fingerprint,
        "last_planned_with": fingerprint,
    }
    assert (answer["rejected"], answer["because"], answer["more_contacts"]) == (None, None, [])
    written = answer["about"]["Lifetime Value"]["written"]
    assert (written["event"], written["call"]) == ("accepted", "update_contact")
    assert written["run_id"] == answer["fields"][0]["run_id"]
    assert written["sources"].startswith("order ")
    assert "90000000003" in written["sources"]
    text = told(story, "why", MARISOL, "Lifetime Value")
    for part in ("Lifetime Value: 1392.96", fingerprint[:12], "total: 1200.00", written["run_id"], "alone, run"):
        assert part in text


def test_the_evidence_of_the_last_write_is_told(story: Story) -> None:
    story.begin_synced()
    evidence = why(story, MARISOL)["evidence"]
    assert (evidence["status"], evidence["birth_date_known"]) == ("OPT_IN", True)
    last = evidence["last_write"]
    assert (last["status"], last["birth_date_known"], last["outcome"]) == ("OPT_IN", True, "accepted")
    assert last["read_at"] <= last["sent_at"]
    assert why(story, RENSKE)["evidence"]["birth_date_known"] is False
    assert why(story, TOBIAS)["evidence"] | {"read_at": None} == {
        "status": "OPT_OUT",
        "read_at": None,
        "birth_date_known": None,  # held people get no detail reads
        "last_write": None,
    }
    assert "on this evidence: OPT_IN, read " in told(story, "why", MARISOL, "City")


def test_a_refusal_is_told_with_its_meaning_and_what_to_do(story: Story) -> None:
    story.texting.set_switch("reject", {RENSKE: "INVALID_CONTACT"})
    start = story.box.now.replace(microsecond=0)
    story.sync(now=start.isoformat())
    story.sync(now=(start + timedelta(minutes=1)).isoformat())
    meaning = CATALOGUE["INVALID_CONTACT"]
    refused = why(story, RENSKE)["rejected"]
    assert refused == {
        "code": "INVALID_CONTACT",
        "means": meaning.means,
        "do": meaning.do,
        "then": meaning.next_step,
        "first_at": start.replace(tzinfo=None).isoformat() + "Z",
        "attempts": 2,
        "next_at": (start + timedelta(minutes=16)).replace(tzinfo=None).isoformat() + "Z",
    }
    text = told(story, "why", RENSKE)
    assert meaning.do in text
    assert meaning.next_step in text
    assert "2 times (INVALID_CONTACT)" in text
    story.texting.set_switch("reject", {})
    story.sync(now=(start + timedelta(days=2)).isoformat())
    assert why(story, RENSKE)["rejected"] is None


def test_who_is_held_back_is_told_in_words(story: Story) -> None:
    story.begin_synced()
    for phone, word in ((TOBIAS, "said STOP"), (WANDA, "has not confirmed"), (PIPER, "under 21")):
        assert word in why(story, phone)["because"]
        assert f"HELD BACK, {why(story, phone)['held']}: " in told(story, "why", phone)


@pytest.mark.slow
def test_who_is_not_there_is_told_apart(story: Story) -> None:
    assert "never read: run vs-st sync" in told(story, "why", MARISOL)
    # A customer whom nobody has signed up; one who signed up and was deleted there; a contact of no customer.
    story.shop.add_customer(firstName="New", primaryPhone={"number": "7075559901", "country": "1"})
    story.synced()
    story.texting.delete_contact(BRAM)
    story.synced()
    assert "nobody has signed up" in why(story, "7075559901")["because"]
    assert "it was deleted there" in why(story, BRAM)["because"]
    assert why(story, BRAM)["contact_id"] is None
    assert "no customer has it" in why(story, "7075559999")["because"]
    assert "carries no VScustomerID, and no customer has its phone" in why(story, STRANGER)["because"]
    assert "(999999) names no customer" in why(story, "7075550161")["because"]
    story.shop.delete_customer(700111)
    story.synced()
    story.synced()
    assert "was deleted at Vinoshipper" in why(story, "7075550151")["because"]


@pytest.mark.slow
def test_who_was_forgotten_is_told_as_such(story: Story) -> None:
    story.begin_synced()
    assert story.run("forget", "--merchant", TEST, MARISOL, "--yes").exit_code == 0
    for _ in range(2):
        assert "was forgotten here (vs-st forget)" in why(story, "(707) 555-0142")["because"]
        assert "was forgotten here" not in why(story, "7075559999")["because"]
        story.synced()  # and he does not come back


def test_what_is_not_read_yet_is_told_with_what_it_waits_for(story: Story) -> None:
    story.begin_synced()
    with story.as_run().open() as db:
        db.execute("update raw.vinoshipper_orders set detail_at = null where order_number = '90000000017'")
    answer = why(story, MARISOL, "City")
    assert answer["notes"] == ["not_read_yet"]
    assert answer["because"].startswith("1 of 3 orders wait to be read at Vinoshipper")
    assert answer["fields"][0]["value"] is None
    assert "WAITING: 1 of 3 orders" in told(story, "why", MARISOL, "City")


def test_of_several_contacts_with_one_phone_one_is_shown_and_the_others_are_named(story: Story) -> None:
    story.begin_synced()
    other = story.id_of(HALLORANS)
    story.texting.patch_contact(HALLORANS, contactPhone=MARISOL)
    story.synced()
    answer = why(story, MARISOL)
    assert answer["contact_id"] != other
    assert answer["more_contacts"] == [other]
    assert other in told(story, "why", MARISOL, "City")


def test_what_somebody_edited_or_a_fill_field_keeps_is_told(story: Story) -> None:
    story.begin_synced()
    story.texting.patch_contact(MARISOL, firstName="Mari", customFields={"city": "Elsewhere"})
    story.run("plan", "--merchant", TEST)
    answer = why(story, MARISOL)
    assert "puts it back" in answer["about"]["City"]["says"]
    assert "what stands there is kept" in answer["about"]["firstName"]["says"]
    assert "stands there now: Elsewhere" in told(story, "why", MARISOL, "City")


# --- history ------------------------------------------------------------------------------------------------------


def test_every_value_that_moved_is_told_newest_last_and_by_field(story: Story) -> None:
    story.begin_synced()
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.synced()
    answer = history(story, MARISOL, "city")
    assert [(e["event"], e["old"], e["new"], e["call"]) for e in answer["entries"]] == [
        ("accepted", "", "Sebastopol", "update_contact"),
        ("accepted", "Sebastopol", "Occidental", "update_contact"),
    ]
    assert answer["entries"][0]["rule"].startswith("from customer.city as text, mirror")
    assert answer["entries"][0]["sources"] == "customer 700101"
    assert len({entry["run_id"] for entry in answer["entries"]}) == 2
    everything = history(story, MARISOL)
    assert {"accepted", "stored"} <= {entry["event"] for entry in everything["entries"]}
    text = told(story, "history", "(707) 555-0142")
    assert text.index("City: (empty) -> Sebastopol") < text.index("City: Sebastopol -> Occidental")
    assert "values as sent" in text


@pytest.mark.slow
def test_refusals_and_writes_without_an_answer_are_in_it(story: Story) -> None:
    story.texting.set_switch("reject", {RENSKE: "INVALID_CONTACT"})
    story.sync()
    [refused] = [entry for entry in history(story, RENSKE)["entries"] if entry["event"] == "rejected"]
    assert (refused["code"], refused["means"]) == ("INVALID_CONTACT", CATALOGUE["INVALID_CONTACT"].means)
    assert "REFUSED by SimpleTexting (INVALID_CONTACT)" in told(story, "history", RENSKE)
    story.shop.patch_customer(700103, shippingAddress={"city": "Fulton"})
    story.texting.set_fault("reset", path_regex=f"/contacts/{story.id_of(BRAM)}")
    story.sync()
    unanswered = [entry for entry in history(story, BRAM, "City")["entries"] if entry["event"] == "unanswered"]
    assert [(entry["field"], entry["new"]) for entry in unanswered] == [("City", "Fulton")]
    assert "NO ANSWER" in told(story, "history", BRAM)
    assert "NO ANSWER YET" in told(story, "why", BRAM)


def test_the_ledger_is_shown_as_it_was_at_a_time(story: Story) -> None:
    story.begin_synced()
    between = datetime.now(UTC).isoformat()
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.synced()

    def city(*arguments: str) -> list[str]:
        return [row["sent"] for row in history(story, MARISOL, "City", *arguments)["ledger"]]

    assert city("--at", between) == ["Sebastopol"]
    assert city("--at", "2999-01-01") == ["Occidental"]
    assert city("--at", "2020-01-01") == []
    assert history(story, MARISOL, "City")["ledger"] is None
    assert len(history(story, MARISOL, "City", "--at", between)["entries"]) == 1
    assert "City: Sebastopol" in told(story, "history", MARISOL, "--at", between)
    assert "nothing was accepted yet" in told(story, "history", MARISOL, "--at", "2020-01-01")


def test_a_date_means_the_winerys_own_day_and_its_end(story: Story) -> None:
    story.synced(now="2026-03-31T23:30:00-07:00")
    assert history(story, MARISOL, "City", "--at", "2026-03-30")["ledger"] == []
    assert [r["sent"] for r in history(story, MARISOL, "City", "--at", "2026-03-31")["ledger"]] == ["Sebastopol"]
    assert history(story, MARISOL, "City", "--at", "2026-03-31T23:00")["ledger"] == []


def test_a_contact_that_is_gone_keeps_its_history_and_nobody_has_none(story: Story) -> None:
    story.begin_synced()
    contact_id = story.id_of(BRAM)
    story.texting.delete_contact(BRAM)
    story.synced()
    answer = history(story, BRAM)
    assert answer["contacts"] == [{"contact_id": contact_id, "gone": True}]
    assert answer["entries"]
    assert "there is no history" in told(story, "history", "7075559999")
    assert "nothing was ever written" in told(story, "history", TOBIAS)
    assert history(story, "7075559999") == {
        "merchant": TEST,
        "phone": "7075559999",
        "contacts": [],
        "at": None,
        "entries": [],
        "ledger": None,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("12345",), "is no North American phone number"),
        ((MARISOL, "--at", "yesterday"), "write it like 2026-03-31"),
    ],
)
def test_a_wrong_phone_or_time_ends_with_2(story: Story, arguments: tuple[str, ...], said: str) -> None:
    done = story.run("history", "--merchant", TEST, *arguments)
    assert done.exit_code == 2
    assert said in done.err


def test_when_the_order_that_a_value_comes_from_was_read_and_is_read_again_is_told(story: Story) -> None:
    """A change of a settled order that no list shows stays unseen for days: who asks must see how old the news is."""
    story.begin_synced()
    [read] = why(story, MARISOL, "Order Status")["reads"]
    assert (read["kind"], read["every"]) in (("order", "settled_orders"), ("order", "open_orders"))
    told_ = told(story, "why", MARISOL, "Order Status")
    assert f"order {read['id']} was read 20" in told_
    assert f"({read['every']})" in told_ or "read again by each sync" in told_
    assert "a webhook or vs-st sync --full reads it now" in told_
    assert why(story, MARISOL, "City")["reads"] == [], "no order says it"
    run = story.as_run()
    with run.open() as db:
        db.execute("update raw.vinoshipper_orders set settled_at = '2020-01-01' where order_number = ?", [read["id"]])
    assert why(story, MARISOL, "Order Status")["reads"][0]["every"] is None
    assert "settled long ago, so not read again in turn" in told(story, "why", MARISOL, "Order Status")
