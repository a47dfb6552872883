"""The whole world `consumers` is synced by the real command: sixty people, each for a reason, and what became of each.

Who is subscribed where is written down here by hand, from consumers.md and the reasons of the world, and not computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from vs_st_pipeline_tests.routes.consumers.conftest import Tell
from vs_st_pipeline_tests.support.consumers import (
    CRMS,
    HUBSPOT,
    KLAVIYO,
    NAMES,
    SALESFORCE,
    SOAP,
    SOPOST,
    Look,
    Record,
    Scene,
    address,
    is_write,
    key_of,
)

LONG = f"{'long' * 20}@example.com"
REMY = "r\u00e9my@example.com"
EVERYWHERE = {
    "plain", "both", "twice", "loose", "oddentries", "order.dispatched", "order.delivered", "othercampaign", "o'neil",
    "joe+gift", "joe", "mixed.case", "manynames", "first.of.two", "second.of.two", "answers", "noid", "wordy",
    "nowhere", "known", "already", "offlist", "upper.case", "optedout400", "binned",
}  # fmt: skip
NOWHERE = {
    "noconsent", "sopostonly", "unmapped", "handler", "rejected", "withdrawn", "maybe", "statusless", "halfgiven",
    "order.rejected", "order.pending", "order.onhold", "hidden",
}  # fmt: skip
BUT = {
    HUBSPOT: {
        "hard_bounce", "spam_complaint", "user_suppressed", "something_new", "listout", "double", "moved", "statusonly",
    },
    KLAVIYO: {"wide", "double", "moved", "second.address", "erased", "statusonly"},
    SALESFORCE: {
        "wide", "hard_bounce", "spam_complaint", "user_suppressed", "something_new", "listout", "second.address",
        "erased", "statusonly",
    },
}  # fmt: skip
"""Who is subscribed at one CRM and not everywhere, beside those with odd names."""
HELD = {
    HUBSPOT: {"optedout0": "unsubscribed_there", "wide": "unsubscribed_there", "second.address": "other_primary_email"},
    KLAVIYO: {
        "optedout0": "unsubscribed_there", "listout": "unsubscribed_there", "hard_bounce": "suppressed_there",
        "spam_complaint": "suppressed_there", "user_suppressed": "suppressed_there",
        "something_new": "suppressed_there",
    },
    SALESFORCE: {
        "optedout0": "suppressed_there", "double": "several_contacts", "moved": "other_primary_email",
    },
}  # fmt: skip
REJECTED = {HUBSPOT: {"erased@example.com", "typo@example.con"}, KLAVIYO: set(), SALESFORCE: {LONG}}


@dataclass
class Left:
    """What the story left."""

    plan: Record
    plan_writes: dict[str, list[Record]]
    waiting: list[Record]
    first: Record
    after: Look
    writes: dict[str, list[Record]]
    journal: dict[str, list[Record]]
    evidence: list[Record]
    lines: list[Record]
    wrong: list[str]
    second: Record
    second_writes: dict[str, list[Record]]
    third: Record
    third_writes: dict[str, list[Record]]
    third_wrong: list[str]
    soap: Record
    soap_after: Look
    soap_writes: dict[str, list[Record]]


def writes(scene: Scene) -> dict[str, list[Record]]:
    """What was written at each CRM since the journals were cleared."""
    return {crm: [one for one in scene.journal(crm) if is_write(one)] for crm in CRMS}


def story(scene: Scene) -> Left:
    """Plan in a folder beside; sync, sync again; and the brand that records everybody."""
    beside = Scene(scene.box, scene.folder / "beside")
    beside.settings()
    beside.tell_all()
    waiting = _stored(beside)
    plan = beside.plan()
    left: dict[str, Any] = {"plan": plan, "waiting": [waiting, _stored(beside)], "plan_writes": writes(beside)}
    scene.settings()
    scene.tell_all()
    scene.clear_journals()
    left["first"] = scene.sync()
    journal = {system: scene.journal(system) for system in (SOPOST, *CRMS)}
    left |= {"after": scene.look(), "writes": writes(scene), "journal": journal, "evidence": scene.evidence()}
    left |= {"lines": scene.evidence_lines(), "wrong": scene.wrong()}
    scene.clear_journals()
    left |= {"second": scene.sync(), "second_writes": writes(scene)}
    scene.clear_journals()
    left |= {"third": scene.sync(), "third_writes": writes(scene), "third_wrong": scene.wrong()}
    soap = Scene(scene.box, scene.folder, merchant=SOAP)
    soap.tell_all()
    left |= {"soap": soap.sync(), "soap_after": soap.look(), "soap_writes": writes(soap)}
    soap.inbox.close()
    left["third_wrong"] += soap.wrong()
    return Left(**left)


def _stored(scene: Scene) -> Record:
    """What waits in the inbox."""
    states = scene.inbox.ask("select state, count(*) from hints group by 1")
    scene.inbox.close()
    return dict(states)


@pytest.fixture(scope="module")
def left(tell: Tell) -> Left:
    found: Left = tell("world", story)
    return found


def _at(names: set[str]) -> set[str]:
    return {f"{name}@example.com" for name in names}


def expected(crm: str) -> set[str]:
    """Who must be subscribed to news at a CRM."""
    odd = {f"name{number}@example.com" for number in range(100)}
    return _at(EVERYWHERE | BUT[crm]) | {REMY} | ({LONG, "typo@example.con"} - REJECTED[crm]) | odd


@pytest.mark.parametrize("crm", CRMS)
def test_golden_path_subscribes_exactly_who_consented_and_may_be(left: Left, crm: str) -> None:
    found = left.after.subscribed(crm)
    odd = {email for email in found if email.startswith("name")}
    assert len(odd) == 5, "five people with odd names"
    assert {e for e in found if e not in odd} == {e for e in expected(crm) if not e.startswith("name")}


@pytest.mark.parametrize("crm", CRMS)
def test_c7_3_skip_makes_no_record_of_whoever_did_not_consent_and_asks_nothing_about_them(left: Left, crm: str) -> None:
    assert not left.after.known(crm) & _at(NOWHERE)
    said = repr([one["body"] for one in left.journal[crm]]) + repr([one["query"] for one in left.journal[crm]])
    assert [name for name in sorted(NOWHERE) if f"{name}@" in said] == []


@pytest.mark.parametrize("crm", CRMS)
def test_c8_each_is_held_by_the_first_reason_that_applies(left: Left, crm: str) -> None:
    plan = next(one for one in left.plan["crms"] if one["crm"] == crm)
    assert {one["email"].removesuffix("@example.com"): one["reason"] for one in plan["held"]} == HELD[crm]
    counts: Record = {}
    for word in HELD[crm].values():
        counts[word] = counts.get(word, 0) + 1
    assert left.first["crms"][crm]["planned"]["held"] == counts


@pytest.mark.parametrize("crm", CRMS)
def test_c7_8_under_skip_whoever_is_held_is_not_written_to_at_all(left: Left, crm: str) -> None:
    bodies = repr([one["body"] for one in left.writes[crm]])
    for name in HELD[crm]:
        assert f"'{name}@" not in bodies
        assert key_of(f"{name}@example.com") not in bodies


def test_c8_the_report_counts_each_order_once_by_the_first_word(left: Left) -> None:
    orders = left.first["orders"]
    assert {k: v for k, v in orders.items() if k != "approved"} == {
        "not_found": 1, "rejected": 1, "unknown_status": 1, "no_email": 1, "bad_email": 2,
    } | ({"pending": 1} if "pending" in orders else {})  # fmt: skip
    assert sum(orders.values()) == left.first["raw"]["orders"]
    assert set(left.first["crms"]) == set(CRMS)


def test_c8_sums_over_crms_and_the_status_are_what_the_parts_say(left: Left) -> None:
    whole, parts = left.first, left.first["crms"].values()
    for key in ("accepted", "rejected", "unknown"):
        assert whole["synced"][key] == sum(part["synced"][key] for part in parts)
    for key in ("consumers", "fields", "subscriptions", "without_consent"):
        assert whole["planned"][key] == sum(part["planned"][key] for part in parts)
    assert {crm: whole["crms"][crm]["synced"]["rejected"] for crm in CRMS} == {
        crm: len(people) for crm, people in REJECTED.items()
    }
    assert (whole["status"], whole["error"]) == ("partial", None)
    noted = whole["planned"]["noted"]
    assert (noted["handler_mismatch"], noted["unmapped_consent"]) == (1, 1)
    assert (noted["unknown_consent_status"], noted["several_names"], noted["several_emails"]) == (2, 1, 2)
    assert noted["unreadable_part"] == 1


@pytest.mark.parametrize("crm", CRMS)
def test_c7_9_there_is_evidence_for_each_subscription_and_the_file_has_it_too(left: Left, crm: str) -> None:
    rows = [one for one in left.evidence if one["crm"] == crm]
    subscribed = {one["key"] for one in rows if one["action"] in ("subscribe", "add_to_list", "already")}
    assert {key_of(email) for email in left.after.subscribed(crm)} <= subscribed
    said = repr(left.lines)
    for one in rows:
        assert one["evidence_id"] in said
        assert None not in (one["consent_id"], one["order_id"], one["order_read_at"], one["body_sha256"], one["run_id"])
        assert one["state_before"] in ("never", "subscribed", "unsubscribed", "suppressed")


def test_c7_4_whoever_is_subscribed_and_listed_is_sent_nothing_of_it_and_a_missing_list_alone(left: Left) -> None:
    actions = {
        name: {one["crm"]: one["action"] for one in left.evidence if one["key"] == key_of(f"{name}@example.com")}
        for name in ("already", "offlist", "statusonly", "plain")
    }
    assert actions == {
        "already": {HUBSPOT: "already", KLAVIYO: "already", SALESFORCE: "already"},
        "offlist": {HUBSPOT: "add_to_list", KLAVIYO: "add_to_list", SALESFORCE: "subscribe"},
        # Ruling 3: the status belongs to the address; the list alone is missing.
        "statusonly": {HUBSPOT: actions["statusonly"][HUBSPOT], KLAVIYO: "subscribe", SALESFORCE: "subscribe"},
        "plain": {HUBSPOT: "subscribe", KLAVIYO: "subscribe", SALESFORCE: "subscribe"},
    }
    assert actions["statusonly"][HUBSPOT] in ("already", "add_to_list")
    asked = [_asked(one) for one in left.writes[HUBSPOT] if one["path"].endswith("statuses/batch/write")]
    told = {email.lower() for emails in asked for email in emails}
    assert told.isdisjoint({"already@example.com", "offlist@example.com", "statusonly@example.com"})


def _read(entry: Record) -> set[str]:
    return {address(one) for one in entry["body"]["inputs"]}


def _asked(entry: Record) -> list[str]:
    return [str(one["subscriberIdString"]) for one in entry["body"]["inputs"]]


def test_c7_4_nobody_is_subscribed_without_a_look_in_the_same_sync_at_most_60_s_before(left: Left) -> None:
    journal = left.journal[HUBSPOT]
    subscribes = [one for one in journal if one["path"].endswith("statuses/batch/write")]
    assert subscribes
    for kind in ("statuses/batch/read", "statuses/batch/unsubscribe-all/read"):
        looks = [one for one in journal if one["path"].endswith(kind)]
        for write in subscribes:
            for email in map(address, _asked(write)):
                before = [look for look in looks if look["seq"] < write["seq"] and email in _read(look)]
                assert before, f"{email} was subscribed without {kind}"
                assert write["time"] - before[-1]["time"] <= 60


def test_c7_2_a_given_consent_subscribes_its_own_targets_alone(left: Left) -> None:
    assert left.after.on[NAMES.klaviyo_trial] == set()
    assert left.after.awaiting == {("both@example.com", NAMES.klaviyo_trial)}
    assert "sms" not in repr([one["body"] for one in left.writes[KLAVIYO]])


def test_c7_15_no_opt_out_no_marketing_flag_and_no_suppression_is_written(left: Left) -> None:
    said = repr([one["body"] for crm in CRMS for one in left.writes[crm]])
    for word in ("HasOptedOut", "hs_marketable", "hs_email_optout", "suppression", "DoNotCall", "phone_number"):
        assert word not in said


def test_c10_3_an_address_with_a_quote_is_found_and_written(left: Left) -> None:
    assert "o'neil@example.com" in left.after.members & left.after.listed & left.after.on[NAMES.klaviyo_list]


def test_c6_1_found_salesforce_contacts_get_the_key_and_none_is_made_twice(left: Left) -> None:
    people = left.after.people
    assert {email: len(rows) for email, rows in people.items() if len(rows) > 1} == {"double@example.com": 2}
    for email in ("known@example.com", "upper.case@example.com", "plain@example.com"):
        assert people[email][0]["SoPost_Key__c"] == key_of(email)
    assert people["upper.case@example.com"][0]["Email"] == "Upper.Case@Example.com", "the address there stays"


def test_c5_4_fill_keeps_what_stands_there_and_mirror_says_what_the_orders_say(left: Left) -> None:
    known, many = left.after.contacts["known@example.com"], left.after.contacts["manynames@example.com"]
    assert known["firstname"] == "Kalinda"
    assert known["sopost_order_count"] == "1"
    assert (many["firstname"], many["lastname"], many["sopost_order_count"]) == ("Anna", "Newest", "3")
    assert left.after.profiles["plain@example.com"]["attributes"]["properties"]["SoPost Consents"] == ["Glow Skin news"]
    cher = next(rows[0] for email, rows in left.after.people.items() if rows[0].get("FirstName") == "Cher")
    assert cher["LastName"] == "[not provided]"


def test_section_12_invariants_hold(left: Left) -> None:
    assert left.wrong == []
    assert left.third_wrong == []


def test_a_second_sync_sends_nothing_to_whoever_was_accepted(left: Left) -> None:
    """Whoever was rejected is tried again at the next sync, then after growing gaps (interface.md 7.8)."""
    for crm in CRMS:
        bodies = repr([one["body"] for one in left.second_writes[crm]])
        again = {email for email in REJECTED[crm] if email in bodies}
        assert again == REJECTED[crm]
        assert {email for email in expected(crm) if f"'{email}'" in bodies} == set()
    assert left.third_writes == {crm: [] for crm in CRMS}
    assert left.third["synced"] == {"accepted": 0, "rejected": 0, "unknown": 0}
    assert left.third["waiting"]["consumers"] == sum(map(len, REJECTED.values()))


def test_r27_a_plan_moves_nothing_and_takes_no_entry(left: Left) -> None:
    before, after = left.waiting
    assert before == after
    assert set(before) == {"waiting"}
    assert left.plan_writes == {crm: [] for crm in CRMS}
    planned = {one["crm"]: {row["email"] for row in one["consumers"]} for one in left.plan["crms"]}
    for crm in CRMS:
        # Whom the plan names is written, or told of as rejected.
        written = left.first["crms"][crm]["synced"]
        assert len(planned[crm]) == written["accepted"] + written["rejected"] + written["unknown"]


def test_c7_3_record_writes_fields_and_never_a_subscription(left: Left) -> None:
    people = {"both@example.com", "known.here@example.com"}
    for crm in (HUBSPOT, SALESFORCE):
        assert people <= left.soap_after.known(crm)
        assert not people & left.soap_after.subscribed(crm)
    assert left.soap_after.known(KLAVIYO) == {"plain@example.com", "known.here@example.com"}
    assert left.soap_after.contacts["known.here@example.com"]["sopost_order_count"] == "1"
    assert "known.here@" not in repr(left.soap_writes[KLAVIYO])
    assert left.soap["planned"]["without_consent"] >= len(people)


def test_orders_are_read_once_each(left: Left) -> None:
    reads: Sequence[str] = [one["path"] for one in left.journal[SOPOST] if one["path"].startswith("/orders/")]
    again = sorted({path for path in reads if reads.count(path) > 1})
    assert again == []
