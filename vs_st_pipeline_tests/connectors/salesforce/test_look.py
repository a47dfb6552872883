"""Who is found, and how they stand to a campaign (consumers.md 6, 6.1, 6.2, 7.4, 7.5, 10.2, 10.3)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from vs_st_pipeline.connectors.salesforce import asking
from vs_st_pipeline.domain.crm import (
    DELETED_THERE,
    MERGED_THERE,
    OTHER_PRIMARY_EMAIL,
    SEVERAL_CONTACTS,
    Standing,
    State,
    Target,
)
from vs_st_pipeline_tests.connectors.salesforce.org import CAMPAIGN, FIELDS, KEY, NEWS, Org, person
from vs_st_pipeline_tests.sandbox.served import Served

NOBODY = Standing(State.NEVER)


def added(box: Served, email: str, **fields: Any) -> str:
    id: str = box.control.add("contacts", {"Email": email, "LastName": "Added", **fields})["Id"]
    return id


def test_c6_people_are_found_in_one_request_and_their_memberships_in_another(org: Org) -> None:
    since = org.box.control.journal()[-1]["seq"]
    before = time.monotonic()
    emails = ("known@example.com", "already@example.com", "new@example.com", "upper.case@example.com")
    seen = org.look(*map(person, emails))
    assert org.routes(since) == ["POST /composite", "POST /composite"]
    known, member, new, upper = (seen[email] for email in emails)
    assert known.record is not None
    assert known.record.id == org.box.control.contact("known@example.com")["Id"]
    assert known.record.email == "known@example.com"
    assert known.record.values == {
        "FirstName": "Kalinda", "LastName": "Known", "SoPost_Identity__c": "", "SoPost_Order_Count__c": ""
    }  # fmt: skip
    assert known.record.body["HasOptedOutOfEmail"] is False
    assert known.standings == {NEWS: NOBODY}
    assert member.standings == {NEWS: Standing(State.SUBSCRIBED)}
    assert (new.record, new.held, new.gone, new.standings) == (None, None, False, {NEWS: NOBODY})
    assert upper.record is not None
    assert before <= known.at <= time.monotonic()


def test_c6_a_composite_request_has_up_to_five_queries_of_200_addresses(org: Org) -> None:
    org.box.control.clear_journal()
    assert len(org.look(*(person(f"p{i}@example.com") for i in range(1201)))) == 1201
    asked = [entry["body"]["compositeRequest"] for entry in org.box.control.journal()]
    assert [len(queries) for queries in asked] == [5, 2]
    assert [query["url"].count("@example.com") for query in asked[0] + asked[1]] == [200] * 6 + [1]
    assert all(query["url"].count("sp_") == query["url"].count("@example.com") for query in asked[0])


@pytest.mark.parametrize("value", [1, 0])
def test_c6_without_composite_urls_stay_under_2000_characters(box: Served, value: int) -> None:
    box.control.set_switch("composite_query_max", value)
    org = Org(box)
    org.begin()
    people = [person(f"somebody.number{i}@example.com") for i in range(400)]
    for _ in range(2):
        box.control.clear_journal()
        assert len(org.look(*people, person("already@example.com"))) == 401
        asked = [entry for entry in box.control.journal() if entry["method"] == "GET"]
        urls = [f"{box.url}{entry['path']}?{entry['query']}" for entry in asked]
        assert len(urls) <= 26, "as many people in each as fit"
        assert all(len(url) < 2000 for url in urls)
        assert "POST /composite" not in org.routes()[1:], "it is tried once a sync"


def test_c10_3_no_address_ends_a_query(org: Org) -> None:
    for email in (
        "o'neil@example.com",
        "back\\slash@example.com",
        "x') OR Email != ('@example.com",
        'q"uote@example.com',
    ):
        id = added(org.box, email) if "(" not in email else None
        seen = org.see(person(email))
        assert (seen.record.id if seen.record else None) == id, email


def test_c5_1_an_address_is_found_in_any_letters(org: Org) -> None:
    decomposed = "re\u0301my@example.com"
    for stored, sought in (("Some.One@Example.com", "some.ONE@example.com"), (decomposed, decomposed)):
        id = added(org.box, stored)
        seen = org.see(person(sought))
        assert seen.record is not None
        assert seen.record.id == id


def test_c6_2_several_contacts_with_one_address(org: Org) -> None:
    double = person("double@example.com")
    seen = org.see(double)
    assert (seen.record, seen.held) == (None, SEVERAL_CONTACTS)
    id = added(org.box, "Double@example.com", **{KEY: double.key})
    seen = org.see(double)
    assert seen.record is not None
    assert (seen.record.id, seen.held) == (id, None)


def test_c6_2_our_key_on_a_contact_with_another_address(org: Org) -> None:
    moved = person("moved@example.com")
    seen = org.see(moved)
    assert (seen.record, seen.held) == (None, OTHER_PRIMARY_EMAIL)
    id = added(org.box, "moved@example.com")
    seen = org.see(moved)  # found by the address: followed, and the key stays where it is
    assert seen.record is not None
    assert seen.record.id == id
    assert org.write(moved, id, FirstName="Mo").ended == "accepted"
    assert org.box.control.contact("moved@example.com").get(KEY) is None


def test_c6_2_a_known_contact_that_has_another_address_now(org: Org) -> None:
    id = added(org.box, "before@example.com")
    org.box.control.edit("before@example.com", {"Email": "after@example.com"})
    sought = person("before@example.com", id[:15])
    seen = org.see(sought)
    assert (seen.record, seen.held, seen.gone) == (None, OTHER_PRIMARY_EMAIL, False)
    org.box.control.edit("after@example.com", {"Email": None})
    assert org.see(sought).held == OTHER_PRIMARY_EMAIL
    other = added(org.box, "before@example.com")
    seen = org.see(sought)
    assert seen.record is not None
    assert (seen.record.id, seen.held) == (other, None)


def test_c6_2_a_known_contact_that_was_merged(org: Org) -> None:
    id = added(org.box, "loser@example.com")
    winner = org.box.control.merge("known@example.com", "loser@example.com")["Id"]
    seen = org.see(person("loser@example.com", id))
    assert (seen.record, seen.held) == (None, MERGED_THERE)
    org.box.control.edit("known@example.com", {"Email": "loser@example.com"})
    seen = org.see(person("loser@example.com", id))
    assert seen.record is not None
    assert (seen.record.id, seen.held) == (winner, None)


@pytest.mark.parametrize("shown", [("MasterRecordId",), ("IsDeleted",), ()])
def test_c6_2_a_merge_is_seen_also_where_a_describe_leaves_out_system_fields(org: Org, shown: tuple[str, ...]) -> None:
    id = added(org.box, "loser@example.com")
    org.box.control.merge("known@example.com", "loser@example.com")
    whole = org.client.describe("Contact")
    own = {"Id", "IsDeleted", "MasterRecordId"} - set(shown)
    fields = [one for one in whole["fields"] if one["name"] not in own]
    org.client.describe = lambda _object: {"fields": fields}  # type: ignore[method-assign]
    org.begin()
    hidden = shown == ("IsDeleted",)  # this one alone, so the query would be refused
    assert org.see(person("loser@example.com", id)).held == (DELETED_THERE if hidden else MERGED_THERE)


def test_c9b_a_known_contact_that_was_merged_is_not_gone_where_its_master_has_the_address(org: Org) -> None:
    """Or whoever joins their doubles is stopped, as if most records had been lost."""
    id = added(org.box, "loser@example.com")
    winner = org.box.control.merge("known@example.com", "loser@example.com")["Id"]
    org.box.control.edit("known@example.com", {"Email": "loser@example.com"})
    seen = org.see(person("loser@example.com", id))
    assert seen.record is not None
    assert (seen.record.id, seen.held, seen.gone) == (winner, None, False)


@pytest.mark.parametrize("for_good", [False, True])
def test_c6_2_a_known_contact_that_is_gone(org: Org, for_good: bool) -> None:
    id = added(org.box, "gone@example.com")
    org.box.control.erase("gone@example.com", for_good=for_good)
    seen = org.see(person("gone@example.com", id))
    assert (seen.record, seen.held, seen.gone) == (None, DELETED_THERE, True)
    assert len(org.pauses) == (2 if for_good else 0), "what no bin shows is looked for some times"
    other = added(org.box, "gone@example.com")
    seen = org.see(person("gone@example.com", id))
    assert seen.record is not None
    assert (seen.record.id, seen.held, seen.gone) == (other, None, True)


def test_a_contact_in_the_bin_that_the_ledger_does_not_know_is_none(org: Org) -> None:
    seen = org.see(person("binned@example.com"))
    assert (seen.record, seen.held, seen.gone) == (None, None, False)


def test_c7_5_who_opted_out_is_suppressed_whichever_contact_says_so(org: Org) -> None:
    optout = Standing(State.SUPPRESSED, reason="HasOptedOutOfEmail")
    org.box.control.unsubscribe("already@example.com")
    assert org.see(person("already@example.com")).standings == {NEWS: optout}
    double = person("double@example.com")
    added(org.box, "double@example.com", **{KEY: double.key})
    assert org.see(double).standings == {NEWS: NOBODY}
    other = org.box.control.all("contacts")
    org.box.control.act("unsubscribe", id=next(c["Id"] for c in other if c["Email"] == "double@example.com"))
    assert org.see(double).standings == {NEWS: optout}


def test_c7_5_a_member_who_withdrew_is_unsubscribed_and_has_no_time(box: Served) -> None:
    box.control.unsubscribe("already@example.com", campaign=CAMPAIGN, status="Opted  Out")
    for status, state in (("opted out", State.UNSUBSCRIBED), ("Left", State.SUBSCRIBED), (None, State.SUBSCRIBED)):
        org = Org(box, withdrawn_status=status)
        org.begin()
        standing = org.see(person("already@example.com")).standings[NEWS]
        assert (standing.state, standing.since) == (state, None)


def test_r4_ids_of_15_and_18_characters_are_one(org: Org) -> None:
    short = Target(CAMPAIGN[:15])
    id = org.box.control.contact("already@example.com")["Id"]
    for known in (id, id[:15]):
        seen = org.see(person("already@example.com", known), targets=(short, NEWS))
        assert seen.standings == dict.fromkeys((short, NEWS), Standing(State.SUBSCRIBED))
        assert (seen.gone, seen.held) == (False, None)


def test_c6_rows_beyond_a_page_are_read_too(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vs_st_pipeline.sandbox.salesforce.server.ROWS_A_PAGE", 2)
    emails = [f"page{i}@example.com" for i in range(5)]
    ids = [added(org.box, email) for email in emails]
    seen = org.look(*map(person, emails))
    assert [one.record.id for one in seen.values() if one.record] == ids
    assert org.routes()[-3:-1] == ["GET /query", "GET /query"]


@pytest.mark.parametrize("queries", [5, 0])
@pytest.mark.parametrize("kind", ["hollow", "error_body", "two_keys", "other_record"])
def test_r22_an_answer_that_says_nothing_leaves_its_people_out(box: Served, kind: str, queries: int) -> None:
    box.control.set_switch("composite_query_max", queries)
    org = Org(box)
    org.begin()
    people = [person(email) for email in ("known@example.com", "already@example.com")]
    box.control.set_fault(kind, path_regex="query" if queries == 0 else "composite")
    assert org.look(*people) == {}
    box.control.clear_faults()
    assert len(org.look(*people)) == 2


def test_c10_2_a_part_that_the_answer_does_not_name_leaves_its_people_out(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = org.client.ask

    def cut(call: str, *args: Any, **more: Any) -> Any:
        said = ask(call, *args, **more)
        return {"compositeResponse": said["compositeResponse"][1:]} if call == "find_contacts" else said

    monkeypatch.setattr(org.client, "ask", cut)
    people = [person(f"p{i}@example.com") for i in range(250)]
    assert list(org.look(*people)) == [one.email_key for one in people[200:]]


def test_one_row_that_is_nobodys_hides_nobody_else(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may find equal what we do not: who was asked about by that name is left out, the others are not."""
    added(org.box, "odd@example.com")
    folded = asking.folded_value
    monkeypatch.setattr(
        asking, "folded_value", lambda f, v: "?" if v == "odd@example.com" and f == "Email" else folded(f, v)
    )
    known = org.box.control.contact("known@example.com")["Id"]
    people = [person(f"p{i}@example.com") for i in range(20)] + [person("known@example.com", known)]
    seen = org.look(*people[:7], person("odd@example.com"), *people[7:])
    assert len(seen) in (21, 22)
    assert all(one.email_key in seen for one in people)


def test_r22_a_campaign_that_was_not_asked_for_proves_nothing(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = org.client.rows

    def other(call: str, page: Any) -> Any:
        found = rows(call, page)
        return [{**row, "CampaignId": "701000000000000AAA"} if "CampaignId" in row else row for row in found or []]

    monkeypatch.setattr(org.client, "rows", other)
    assert list(org.look(person("already@example.com"), person("new@example.com"))) == ["new@example.com"]


def test_an_opt_out_that_is_neither_true_nor_false_proves_nothing(org: Org) -> None:
    org.box.control.edit("known@example.com", {"HasOptedOutOfEmail": "no"})
    assert list(org.look(person("known@example.com"), person("already@example.com"))) == ["already@example.com"]


def test_r6_not_provided_counts_as_empty(org: Org) -> None:
    added(org.box, "nameless@example.com", LastName="[not provided]", SoPost_Order_Count__c=3.0)
    seen = org.see(person("nameless@example.com"))
    assert seen.record is not None
    assert seen.record.values == {**dict.fromkeys(FIELDS, ""), "SoPost_Order_Count__c": "3"}


def test_without_targets_nobody_asks_who_is_a_member(org: Org) -> None:
    since = org.box.control.journal()[-1]["seq"]
    assert org.see(person("already@example.com"), targets=()).standings == {}
    assert len(org.routes(since)) == 1
