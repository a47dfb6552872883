"""What is written, and what an answer says of each item (consumers.md 6, 6.1, 6.3, 6.4, 7.11, 10.2; ruling 4)."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.domain.crm import Ended, Item, Result, State, Step, Target
from vs_st_pipeline.domain.errors import BadAnswer, Refused, TryLater
from vs_st_pipeline_tests.connectors.salesforce.org import CAMPAIGN, GIVEN, KEY, NEWS, Org, person
from vs_st_pipeline_tests.sandbox.served import Served


def contact(org: Org, email: str) -> dict[str, Any]:
    found: dict[str, Any] = org.box.control.contact(email)
    return found


def last(org: Org) -> dict[str, Any]:
    found: dict[str, Any] = org.box.control.journal()[-1]
    return found


def test_c6_a_new_contact_is_created_with_key_and_last_name(org: Org) -> None:
    new = person("New.One@example.com")
    result = org.write(new, FirstName="Ada", SoPost_Order_Count__c="2", SoPost_Last_Order_Date__c="2026-05-01")
    made = contact(org, "new.one@example.com")
    assert result == Result(Ended.ACCEPTED, record_id=made["Id"])
    assert (made["Email"], made["LastName"], made[KEY]) == ("New.One@example.com", "[not provided]", new.key)
    assert (made["SoPost_Order_Count__c"], made["SoPost_Last_Order_Date__c"]) == (2, "2026-05-01")
    entry = last(org)
    assert entry["route"] == "POST /services/data/{v}/composite/sobjects"
    assert entry["body"]["allOrNone"] is False
    assert "HasOptedOutOfEmail" not in entry["body"]["records"][0]
    assert "allowsave" not in str(entry).lower()


def test_c6_only_changed_fields_are_updated_by_id_and_the_key_is_given_once(org: Org) -> None:
    known = person("known@example.com")
    seen = org.see(known)
    assert seen.record is not None
    assert org.write(known, seen.record.id, FirstName="", SoPost_Identity__c="x") == Result(
        Ended.ACCEPTED, record_id=seen.record.id
    )
    record = {"attributes": {"type": "Contact"}, "Id": seen.record.id, "FirstName": None, "SoPost_Identity__c": "x"}
    assert last(org)["body"] == {"allOrNone": False, "records": [{**record, KEY: known.key}]}
    assert last(org)["route"] == "PATCH /services/data/{v}/composite/sobjects"
    assert contact(org, known.email)["LastName"] == "Known"
    assert org.write(known, seen.record.id, LastName="").ended is Ended.ACCEPTED
    assert last(org)["body"]["records"] == [
        {"attributes": {"type": "Contact"}, "Id": seen.record.id, "LastName": "[not provided]"}
    ]
    org.see(known)
    org.write(known, seen.record.id, SoPost_Identity__c="y")
    assert KEY not in last(org)["body"]["records"][0]


def test_c6_requests_have_up_to_200_records_of_one_kind(org: Org) -> None:
    items = [Item(str(i), person(f"p{i}@example.com"), "003" if i % 3 == 0 else None) for i in range(700)]
    requests = org.crm.requests(Step.FIELDS, items)
    assert sorted(len(request) for request in requests) == [34, 66, 200, 200, 200]
    assert all(len({item.record_id for item in request}) == 1 for request in requests)
    assert sorted(int(item.id) for request in requests for item in request) == list(range(700))
    assert [len(r) for r in org.crm.requests(Step.CONSENT, items)] == [200, 200, 200, 100]


def test_c6_1_creating_never_overwrites(org: Org) -> None:
    sought = person("race@example.com")
    assert org.see(sought).record is None
    there = org.box.control.add("contacts", {"Email": "race@example.com", "LastName": "There", KEY: sought.key})
    assert org.write(sought, LastName="Ours") == Result(Ended.EXISTS, code="DUPLICATE_VALUE")
    assert contact(org, "race@example.com")["LastName"] == "There"
    seen = org.see(sought)
    assert seen.record is not None
    assert seen.record.id == there["Id"]


def test_another_unique_field_that_is_taken_is_a_refusal_of_its_own(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    new, twin = person("new@example.com"), "duplicate value found: Loyalty__c duplicates value on record with id: 1"
    for message, fields, ended in (
        (twin, ["Loyalty__c"], Ended.REJECTED),
        (f"duplicate value found: {KEY.upper()}", [], Ended.EXISTS),
        ("duplicate value found: <unknown>", [], Ended.EXISTS),
    ):
        error = {"statusCode": "DUPLICATE_VALUE", "message": message, "fields": fields}
        monkeypatch.setattr(org.client, "write", lambda *_a, e=error, **_k: [{"success": False, "errors": [e]}])
        assert org.write(new) == Result(ended, code="DUPLICATE_VALUE"), message


def test_a_key_that_a_contact_has_which_we_cannot_see_is_left_out(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    known = person("known@example.com")
    record = org.see(known).record
    assert record is not None
    org.box.control.add("contacts", {"Email": "unseen@example.com", "LastName": "Unseen", KEY: known.key})
    assert org.write(known, record.id, FirstName="K").ended is Ended.EXISTS
    org.box.control.edit("unseen@example.com", {KEY: "hidden"})
    org.see(known)
    assert org.write(known, record.id, FirstName="K").ended is Ended.ACCEPTED
    assert contact(org, "known@example.com").get(KEY) is None


def test_c6_3_a_key_that_only_an_unseen_contact_has_is_rejected_and_not_tried_for_ever(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = person("new@example.com")
    error = {"statusCode": "DUPLICATE_VALUE", "message": f"duplicate value found: {KEY}", "fields": [KEY]}
    monkeypatch.setattr(org.client, "write", lambda *_a, **_k: [{"success": False, "errors": [error]}])
    assert [org.write(new).ended.value for _ in range(4)] == ["exists", "exists", "rejected", "rejected"]


@pytest.mark.parametrize("code", ["INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND"])
def test_c6_2_a_contact_that_was_erased_since_the_look_is_not_there(
    org: Org, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    known = person("known@example.com")
    record = org.see(known).record
    assert record is not None
    for fields, status in (([], 404), (["AccountId"], None)):
        error = {"statusCode": code, "message": "invalid cross reference id", "fields": fields}
        monkeypatch.setattr(org.client, "write", lambda *_a, e=error, **_k: [{"success": False, "errors": [e]}])
        told = org.write(known, record.id, FirstName="K")
        assert told == Result(Ended.REJECTED, code=code, http_status=status), fields


def test_a_contact_that_was_deleted_since_the_look_is_looked_for_anew(org: Org) -> None:
    known = person("known@example.com")
    record = org.see(known).record
    assert record is not None
    org.box.control.erase("known@example.com")
    gone = Result(Ended.REJECTED, code="ENTITY_IS_DELETED", http_status=404)
    assert org.write(known, record.id, FirstName="K") == gone, "as all CRMs say it, so that it is noted as gone"


def test_c6_3_what_the_org_refuses_is_rejected_with_its_code(box: Served) -> None:
    box.control.set_switches({"duplicate_rule": "alert", "validation_rule": "item"})
    org = Org(box)
    org.begin()
    items = [
        Item("rule", person("double@example.com"), values={"LastName": "D"}),
        Item("name", person("new@example.com")),
        Item("long", person("long" * 20 + "@example.com"), values={"LastName": "L"}),
        Item("good", person("good@example.com"), values={"LastName": "L"}),
    ]
    found = org.send(Step.FIELDS, *items)
    assert {id: (result.ended.value, result.code) for id, result in found.items()} == {
        "rule": ("rejected", "DUPLICATES_DETECTED"),
        "name": ("rejected", "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        "long": ("rejected", "STRING_TOO_LONG"),
        "good": ("accepted", None),
    }


def test_c6_4_locked_rows_are_named_as_such(box: Served) -> None:
    box.control.set_switch("lock_rows", 3)
    org = Org(box)
    org.begin()
    new = person("new@example.com")
    assert [org.write(new).ended for _ in range(4)] == [Ended.LOCKED] * 3 + [Ended.ACCEPTED]


def test_c6_4_a_request_that_is_locked_as_a_whole_is_locked_for_each(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_a: object, **_k: object) -> None:
        raise Refused("no", code="UNABLE_TO_LOCK_ROW", http_status=400)

    monkeypatch.setattr(org.client, "write", refuse)
    assert org.write(person("new@example.com")).ended is Ended.LOCKED


def test_a_field_that_is_not_there_refuses_the_request_as_a_whole(org: Org) -> None:
    org.box.control.delete("fields", "SoPost_Identity__c")
    with pytest.raises(Refused) as refused:
        org.write(person("new@example.com"), SoPost_Identity__c="x")
    assert refused.value.code == "INVALID_FIELD"
    assert "new@example" not in str(refused.value)


def test_c6_a_member_is_added_with_the_status_of_the_settings(box: Served) -> None:
    for status, stored in ((None, "Sent"), ("Responded", "Responded")):
        box.control.reset()
        org = Org(box, member_status=status)
        org.begin()
        known = person("known@example.com")
        record = org.see(known).record
        assert record is not None
        assert org.add(known, record.id[:15], Target(CAMPAIGN[:15])) == Result(Ended.ACCEPTED)
        members = [m for m in box.control.all("members") if m["ContactId"] == record.id]
        assert [(m["CampaignId"], m["Status"]) for m in members] == [(CAMPAIGN, stored)]
        assert org.see(known).standings[NEWS].state is State.SUBSCRIBED


def test_a_status_that_the_campaign_has_not_got_is_rejected(box: Served) -> None:
    org = Org(box, member_status="Nonsense")
    org.begin()
    id = contact(org, "known@example.com")["Id"]
    assert org.add(person("known@example.com"), id) == Result(
        Ended.REJECTED, code="INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"
    )


def test_who_is_a_member_meanwhile_is_looked_at_anew(org: Org) -> None:
    already = person("already@example.com")
    assert org.add(already, contact(org, already.email)["Id"]) == Result(Ended.EXISTS, code="DUPLICATE_VALUE")


def test_c7_11_undoing_deletes_all_memberships_of_the_pair(box: Served) -> None:
    box.control.set_switch("member_duplicate", "second_row")
    org = Org(box)
    org.begin()
    already = person("already@example.com")
    id = contact(org, already.email)["Id"]
    assert org.withdraw(already, id) == {}, "nothing is known of members before a look"
    org.add(already, id)
    assert org.see(already).standings[NEWS].state is State.SUBSCRIBED
    assert org.withdraw(already, id) == {"i": Result(Ended.ACCEPTED)}
    assert last(org)["method"] == "DELETE"
    assert org.see(already).standings[NEWS].state is State.NEVER
    assert org.withdraw(already, id) == {}


def test_c7_11_undoing_sets_the_status_of_who_withdrew(box: Served) -> None:
    org = Org(box, withdrawn_status="Responded")
    org.begin()
    already = person("already@example.com")
    record = org.see(already).record
    assert record is not None
    assert org.withdraw(already, record.id)["i"].ended is Ended.ACCEPTED
    assert org.see(already).standings[NEWS].state is State.UNSUBSCRIBED
    assert [m["IsDeleted"] for m in box.control.all("members")] == [False]


def test_c7_11_what_we_did_is_undone_of_who_has_another_address_now(org: Org) -> None:
    record = org.see(person("already@example.com")).record
    assert record is not None
    org.box.control.edit("already@example.com", {"Email": "other@example.com"})
    already = person("already@example.com", record.id)
    seen = org.see(already)
    assert (seen.record, seen.held, seen.standings[NEWS].state) == (None, "other_primary_email", State.SUBSCRIBED)
    assert org.withdraw(already, record.id)["i"].ended is Ended.ACCEPTED
    assert org.see(already).standings[NEWS].state is State.NEVER
    org.box.control.unsubscribe("other@example.com")
    assert org.see(already).standings[NEWS].state is State.SUPPRESSED


def test_c7_11_who_left_by_himself_meanwhile_is_undone(org: Org) -> None:
    already = person("already@example.com")
    record = org.see(already).record
    assert record is not None
    org.box.control.unsubscribe(already.email, campaign=CAMPAIGN)
    assert org.withdraw(already, record.id)["i"].ended is Ended.ACCEPTED


def test_undoing_asks_with_ids_that_fit_into_a_url(org: Org) -> None:
    items = []
    for i in range(90):
        one = person(f"p{i}@example.com")
        org.crm._parts[1]._memory.members[CAMPAIGN[:15], one.key] = [f"00vGs{i:010d}AAA"]  # type: ignore[attr-defined]
        items.append(Item(str(i), one, f"003Gs{i:010d}AAA", target=NEWS, consent=GIVEN))
    assert [len(request) for request in org.crm.requests(Step.WITHDRAW, items)] == [80, 10]


@pytest.mark.parametrize(
    "said",
    [
        [],
        {},
        [{"success": True, "id": "003000000000001AAA"}],
        [{"success": True, "id": "003000000000001AAA"}] * 2,
        [{"success": True}, {"success": "yes", "id": "003000000000001AAA"}],
        [None, {"success": False, "errors": []}],
        [{"success": False, "errors": [{"statusCode": "not a word: ann@example.com"}]}, "ok"],
        [{"success": False}, {"success": True, "id": "no id"}],
    ],
)
def test_c10_2_an_item_that_the_answer_does_not_name_is_unknown(
    org: Org, monkeypatch: pytest.MonkeyPatch, said: object
) -> None:
    monkeypatch.setattr(org.client, "write", lambda *_a, **_k: said)
    assert org.send(Step.FIELDS, *(Item(str(i), person(f"p{i}@example.com")) for i in range(2))) == {}


def test_c10_2_another_contact_in_the_answer_to_an_update_proves_nothing(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = ["003Gs0000000001AAA", "003Gs0000000002AAA"]
    items = [Item(id, person(f"{id}@example.com"), id, {"FirstName": "x"}) for id in ids]
    monkeypatch.setattr(org.client, "write", lambda *_a, **_k: [{"success": True, "id": ids[1]}] * 2)
    assert org.send(Step.FIELDS, *items) == {ids[1]: Result(Ended.ACCEPTED, record_id=ids[1])}


def test_a_write_is_sent_once_whatever_comes(org: Org) -> None:
    for kind, error in (("500", TryLater), ("reset", TryLater), ("truncated", BadAnswer)):
        org.box.control.clear_journal()
        org.box.control.set_fault(kind, count=1, when="after", method="POST", path_regex="sobjects")
        with pytest.raises(error):
            org.write(person(f"{kind}@example.com"))
        assert org.routes() == ["POST /composite/sobjects"], kind
