"""HubSpot's stand-in behaves as its fact sheet says, and each thing that is unknown of it as its switch says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from vs_st_pipeline.sandbox.hubspot.server import HubSpot
from vs_st_pipeline_tests.sandbox.served import GLOW, SOAP, Api, Record, Reply, Served, not_tried, served

CONTACTS = "/crm/objects/2026-03/contacts"
STATUSES = "/communication-preferences/2026-03/statuses/batch"
LIST = "/crm/lists/2026-03/42"
NEWS = 123456


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(HubSpot) as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    return running


def api_of(box: Served, merchant: str = GLOW) -> Api:
    return box.api(Authorization=f"Bearer hubspot-token-of-{merchant}", Content_Type="application/json")


@pytest.fixture
def api(box: Served) -> Api:
    return api_of(box)


def created(api: Api, *emails: str, traced: bool = True, version: str = "2026-03", **properties: Any) -> Reply:
    inputs: list[Record] = [{"properties": {"email": email, **properties}} for email in emails]
    for i, one in enumerate(inputs if traced else ()):
        one["objectWriteTraceId"] = f"t{i}"
    return api("POST", f"/crm/objects/{version}/contacts/batch/create", {"inputs": inputs})


def read(api: Api, *keys: str, by: str | None = "email", properties: tuple[str, ...] = ("email",)) -> Reply:
    form = {"inputs": [{"id": key} for key in keys], "properties": properties}
    return api("POST", f"{CONTACTS}/batch/read", form if by is None else {**form, "idProperty": by})


def updated(api: Api, id: str, **properties: Any) -> Reply:
    inputs = [{"id": id, "properties": properties, "objectWriteTraceId": "t"}]
    return api("POST", f"{CONTACTS}/batch/update", {"inputs": inputs})


def subscribed(api: Api, email: str, state: str = "SUBSCRIBED", subscription: int = NEWS, **more: Any) -> Reply:
    wish = {"subscriberIdString": email, "channel": "EMAIL", "subscriptionId": subscription, "statusState": state}
    basis = {"legalBasis": "CONSENT_WITH_NOTICE", "legalBasisExplanation": "SoPost consent"}
    return api("POST", f"{STATUSES}/write", {"inputs": [{**wish, **basis, **more}]})


def state(api: Api, *emails: str) -> list[Record]:
    found: list[Record] = api("POST", f"{STATUSES}/read", {"inputs": emails}, channel="EMAIL").json["results"]
    return found


def news_of(api: Api, email: str) -> str:
    return next(row["status"] for row in state(api, email)[0]["statuses"] if row["subscriptionId"] == NEWS)


def test_contacts_are_created_read_and_updated(box: Served, api: Api) -> None:
    answer = created(api, "New.One@Example.com", "new.two@example.com", firstname="Ada")
    assert answer.status == 201
    first, second = answer.json["results"]
    assert (first["properties"]["email"], first["objectWriteTraceId"]) == ("new.one@example.com", "t0")
    found = read(api, "new.two@example.com", "NEW.ONE@example.com", "nobody@example.com")
    assert found.status == 207
    assert [row["id"] for row in found.json["results"]] == [first["id"], second["id"]]
    assert found.json["errors"][0]["context"] == {"ids": ["nobody@example.com"]}
    assert updated(api, first["id"], firstname="", lastname="Lovage").status == 200
    one = api("GET", f"{CONTACTS}/{first['id']}", properties="firstname,lastname").json
    assert (one["properties"]["firstname"], one["properties"]["lastname"]) == (None, "Lovage")
    assert [entry["what"] for entry in box.control.books()] == ["created", "created", "updated"]
    assert read(api, "1", by=None).status == 207
    assert api("GET", f"{CONTACTS}/1").status == 404
    assert api("GET", "/crm/objects/v3/contacts/1").status == 404
    assert api("POST", f"{CONTACTS}/batch/read", "no json").status == 400


def test_upsert_says_who_is_new(api: Api) -> None:
    inputs = [
        {"id": email, "idProperty": "email", "properties": {"firstname": "Kay"}}
        for email in ("known@example.com", "another@example.com")
    ]
    rows = api("POST", f"{CONTACTS}/batch/upsert", {"inputs": inputs}).json["results"]
    assert [row["new"] for row in rows] == [False, True]


def test_what_spoils_a_batch(api: Api) -> None:
    twice = created(api, "a@example.com", "A@example.com")
    assert (twice.status, "Duplicate IDs found in batch input: [a@example.com]" in twice.text) == (400, True)
    inputs = [{"id": "known@example.com", "idProperty": "email", "properties": {}}]
    refused = api("POST", f"{CONTACTS}/batch/update", {"inputs": inputs})
    assert (refused.status, "non-unique" in refused.text) == (400, True)
    untraced = created(api, "ok@example.com", "known@example.com", traced=False)
    assert (untraced.status, untraced.json["category"]) == (409, "CONFLICT")
    assert "Contact already exists. Existing ID: " in untraced.json["message"]
    assert read(api, "ok@example.com").json["results"] == []


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("email", "x@example.con", "INVALID_EMAIL"),
        ("sopost_skin", "dry;wet", "INVALID_OPTION"),
        ("sopost_order_count", "many", "INVALID_NUMBER"),
        ("sopost_last_order_date", "yesterday", "INVALID_DATE"),
        ("hs_object_id", "7", "READ_ONLY_VALUE"),
        ("lastname", "x" * 65537, "INVALID_STRING"),
    ],
)
def test_values_are_checked_by_their_property(box: Served, api: Api, name: str, value: str, error: str) -> None:
    box.control.set_switch("create_multi_status", "whole_400")
    answer = created(api, "new@example.com", **{name: value})
    assert (answer.status, answer.json["category"], error in answer.text) == (400, "VALIDATION_ERROR", True)
    assert created(api, "new@example.com", sopost_skin="dry;oily", sopost_order_count="3").status == 201


def test_each_version(box: Served) -> None:
    for _, status in box.each("version", [201, 207]):
        assert created(api_of(box), "new@example.com").status == status
        assert created(api_of(box), "other@example.com", lastname="Lovage").status == 201
        assert created(api_of(box), "third@example.com", version="2026-09").status == 207


def test_each_cap_of_a_batch(box: Served) -> None:
    emails = [f"n{i}@example.com" for i in range(101)]
    for most, _ in box.each("batch_cap", [None, None]):
        api = api_of(box)
        assert created(api, *emails[: most + 1]).status == 400
        assert created(api, *emails[:most]).status == 201
        assert read(api, *emails[:most]).status == 200
        assert read(api, *emails[: most + 1]).status == 400


def test_each_answer_to_a_batch_with_a_bad_item(box: Served) -> None:
    for _, status in box.each("create_multi_status", [207, 409]):
        api = api_of(box)
        assert created(api, "good@example.com", "known@example.com").status == status
        assert len(read(api, "good@example.com").json["results"]) == (status == 207)
    for _, status in box.each("update_multi_status", [207, 404]):
        api = api_of(box)
        known = read(api, "known@example.com").json["results"][0]["id"]
        inputs = [{"id": id, "properties": {"firstname": "New"}} for id in (known, "1")]
        assert api("POST", f"{CONTACTS}/batch/update", {"inputs": inputs}).status == status
        assert (box.control.contact(known)["properties"]["firstname"] == "New") is (status == 207)
    contexts = [{"objectWriteTraceId": ["t1"]}, {"ids": ["known@example.com"]}, None]
    for how, context in box.each("errors_mapped", contexts):
        (error,) = created(api_of(box), "good@example.com", "known@example.com").json["errors"]
        assert (error["category"], error.get("context")) == ("CONFLICT", context), how
    for how, status in box.each("missing_property", [400, 207]):
        answer = created(api_of(box), "good@example.com", nonsense="x")
        assert (answer.status, "nonsense" in answer.text) == (status, True), how


def test_each_answer_about_a_status(box: Served) -> None:
    for most, _ in box.each("status_batch_cap", [None] * 3):
        api = api_of(box)
        emails = [f"n{i}@example.com" for i in range(most + 1)]
        assert len(state(api, *emails[:-1])) == most
        assert api("POST", f"{STATUSES}/read", {"inputs": emails}, channel="EMAIL").status == 400
    for how, rows in box.each("status_unknown_address", [1, 0]):
        assert len(state(api_of(box), "nobody@example.com")) == rows, how
        assert len(state(api_of(box), "statusonly@example.com")) == 1
    for how, rows in box.each("wide_opt_out", [0, 1]):
        form = {"inputs": ["wide@example.com", "known@example.com"]}
        answer = api_of(box)("POST", f"{STATUSES}/unsubscribe-all/read", form, channel="EMAIL").json["results"]
        assert [row["status"] for row in answer[0]["wideStatuses"]] == ["UNSUBSCRIBED"]
        assert len(answer[1]["wideStatuses"]) == rows, how


def test_a_status_belongs_to_the_address_and_outlives_its_contact(box: Served, api: Api) -> None:
    assert news_of(api, "STATUSONLY@example.com") == "SUBSCRIBED"
    row = subscribed(api, "nobody@example.com").json["results"][0]
    assert (row["status"], row["setStatusSuccessReason"]) == ("SUBSCRIBED", "REQUESTED_CHANGE_OCCURRED")
    assert subscribed(api, "nobody@example.com").json["results"][0]["setStatusSuccessReason"] == "NO_STATUS_CHANGE"
    box.control.erase("already@example.com")
    assert news_of(api, "already@example.com") == "SUBSCRIBED"
    assert (
        subscribed(api, "x@example.com", subscription=123458).json["errors"][0]["category"] == "SUBSCRIPTION_NOT_FOUND"
    )
    assert subscribed(api, "not an address").json["numErrors"] == 1
    assert subscribed(api, "x@example.com", subscription="123456").json["numErrors"] == 1  # type: ignore[arg-type]
    names = [row["name"] for row in api("GET", "/communication-preferences/2026-03/definitions").json["results"]]
    assert names == ["News", "Trials", "Old news"]
    assert box.control.books()[0]["explanation"] == "SoPost consent"


def test_each_setting_of_privacy(box: Served) -> None:
    for _, (bare, with_basis) in box.each("gdpr", [(1, 0), (0, 0), (0, 400)]):
        api = api_of(box)
        answer = subscribed(api, "known@example.com", legalBasis=None, legalBasisExplanation=None)
        assert answer.json["numErrors"] == bare
        told = subscribed(api, "plain@example.com")
        assert told.status == (with_basis or 200)


def test_each_answer_to_subscribing_who_opted_out(box: Served) -> None:
    ends = [("SUBSCRIBED", "RESUBSCRIBE_OCCURRED"), ("UNSUBSCRIBED", None), ("UNSUBSCRIBED", "NO_STATUS_CHANGE")]
    for _, (status, reason) in box.each("resubscribe", ends):
        api = api_of(box)
        box.control.unsubscribe("known@example.com", subscription=NEWS)
        answer = subscribed(api, "known@example.com").json
        assert [row["setStatusSuccessReason"] for row in answer["results"]] == ([reason] if reason else [])
        assert news_of(api, "known@example.com") == status
        (row,) = [one for one in state(api, "known@example.com")[0]["statuses"] if one["subscriptionId"] == NEWS]
        assert (row["source"] == "PUBLIC_STATUS_PAGE") is (status == "UNSUBSCRIBED")
        wide = subscribed(api, "wide@example.com").json["results"]
        assert [row["setStatusSuccessReason"] for row in wide] == ([reason] if reason else [])


def test_somebody_may_opt_out_between_the_look_and_the_write(box: Served, api: Api) -> None:
    change = {"kind": "subscriptions", "id": "known@example.com", "fields": {str(NEWS): "UNSUBSCRIBED"}}
    box.control.add_hook(change, on="write", path_regex="statuses/batch/write")
    assert news_of(api, "known@example.com") == "NOT_SPECIFIED"
    assert subscribed(api, "known@example.com").json["results"][0]["setStatusSuccessReason"] == "RESUBSCRIBE_OCCURRED"
    assert [entry["before"] for entry in box.control.books()] == ["UNSUBSCRIBED"]


def test_each_look_up_by_another_address(box: Served) -> None:
    for how, found in box.each("secondary_lookup", [1, 0]):
        answer = read(api_of(box), "second.address@example.com", properties=("email", "hs_additional_emails"))
        assert len(answer.json["results"]) == found, how
        assert created(api_of(box), "second.address@example.com").json["errors"][0]["category"] == "CONFLICT"


def test_each_answer_to_writing_who_was_deleted(box: Served) -> None:
    for how, status in box.each("deleted_write", [201, 207]):
        assert created(api_of(box), "binned@example.com").status == status, how
    for how, category in box.each("blocklisted_write", ["VALIDATION_ERROR", "CONFLICT", None]):
        answer = created(api_of(box), "erased@example.com")
        assert [one["category"] for one in answer.json.get("errors", ())] == ([category] if category else []), how
        assert read(api_of(box), "erased@example.com").json["results"] == []
    box.control.reset()
    box.control.erase("known@example.com", for_good=True)
    assert created(api_of(box), "known@example.com").status == 207


def test_each_id_of_a_merge(box: Served) -> None:
    for how, new in box.each("merge_id", [True, False]):
        api = api_of(box)
        winner, loser = (box.control.contact(f"{name}@example.com")["id"] for name in ("known", "offlist"))
        merged = box.control.merge("known@example.com", "offlist@example.com")
        assert (merged["id"] != winner) is new, how
        answer = read(api, loser, by=None, properties=("email", "hs_merged_object_ids", "hs_additional_emails"))
        (row,) = answer.json["results"]
        assert row["id"] == merged["id"]
        assert loser in row["properties"]["hs_merged_object_ids"].split(";")
        assert row["properties"]["hs_additional_emails"] == "offlist@example.com"
        assert read(api, "offlist@example.com").json["results"][0]["id"] == merged["id"]


def test_each_kind_of_list(box: Served) -> None:
    for kind, status in box.each("list_kind", [200, 400]):
        api = api_of(box)
        assert api("GET", LIST).json["list"]["processingType"] == kind
        id = box.control.contact("known@example.com")["id"]
        answer = api("PUT", f"{LIST}/memberships/add", [id, "1"])
        assert answer.status == status
        if status == 200:
            assert answer.json == {"recordsIdsAdded": [id], "recordIdsMissing": ["1"], "recordIdsRemoved": []}
            assert api("PUT", f"{LIST}/memberships/add", [id]).json["recordsIdsAdded"] == []
            assert api("GET", f"/crm/lists/2026-03/records/0-1/{id}/memberships").json["results"][0]["listId"] == "42"
            assert api("PUT", f"{LIST}/memberships/remove", [id]).json["recordIdsRemoved"] == [id]
            assert box.control.journal()[-1]["route"] == "PUT /crm/lists/{v}/{list}/memberships/remove"
    assert api_of(box)("GET", "/crm/lists/2026-03/43").status == 404


def test_each_lag(box: Served) -> None:
    for polls, _ in box.each("list_lag_polls", [None, None]):
        api, id = api_of(box), box.control.contact("known@example.com")["id"]
        api("PUT", f"{LIST}/memberships/add", [id])
        seen = [
            id in [row["recordId"] for row in api("GET", f"{LIST}/memberships", limit=1000).json["results"]]
            for _ in range(3)
        ]
        assert seen == [False] * polls + [True] * (3 - polls)
    for polls, _ in box.each("read_after_write_lag_polls", [None, None]):
        api = api_of(box)
        created(api, "new@example.com")
        seen = [bool(read(api, "new@example.com").json["results"]) for _ in range(3)]
        assert seen == [False] * polls + [True] * (3 - polls)


def test_members_come_in_pages(box: Served, api: Api) -> None:
    ids = [row["id"] for row in created(api, *[f"n{i}@example.com" for i in range(5)]).json["results"]]
    api("PUT", f"{LIST}/memberships/add", ids)
    page = api("GET", f"{LIST}/memberships", limit=4).json
    rest = api("GET", f"{LIST}/memberships", limit=4, after=page["paging"]["next"]["after"]).json
    found = [row["recordId"] for row in page["results"] + rest["results"]]
    assert set(ids) < set(found)
    assert "paging" not in rest


def test_each_answer_about_the_account(box: Served) -> None:
    for how, status in box.each("account_info", [200, 403]):
        answer = api_of(box)("GET", "/account-info/2026-03/details")
        assert (answer.status, answer.json.get("portalId")) == (status, 6100001 if status == 200 else None), how
    for how, _ in box.each("expired_token", [None, None]):
        assert box.api(Authorization="Bearer no")("GET", "/account-info/2026-03/details").status == how


def test_each_limit(box: Served) -> None:
    for every, last in box.each("rate_limit_every", [200, 429]):
        api = api_of(box)
        assert [api("GET", LIST).status for _ in range(7)][-1] == last, every
    ends = [("TEN_SECONDLY_ROLLING", "1"), ("TEN_SECONDLY_ROLLING", None), ("DAILY", None)]
    for how, (policy, wait) in box.each("rate_429", ends):
        box.control.set_fault("429")
        answer = api_of(box)("GET", LIST)
        assert (answer.status, answer.json["category"], answer.json["policyName"]) == (429, "RATE_LIMITS", policy), how
        assert answer.headers.get("retry-after") == wait


def test_properties_and_what_a_person_edits(box: Served, api: Api) -> None:
    found = {one["name"]: one for one in api("GET", "/crm/properties/2026-03/contacts").json["results"]}
    assert [option["value"] for option in found["sopost_skin"]["options"]] == ["dry", "oily", "mixed"]
    assert found["hs_object_id"]["modificationMetadata"] == {"readOnlyValue": True}
    assert "_required" not in found["email"]
    names = {one["name"] for one in api_of(box, SOAP)("GET", "/crm/properties/2026-03/contacts").json["results"]}
    assert "sopost_answers" not in names
    box.control.edit("known@example.com", {"email": "changed@example.com", "firstname": "By Hand"})
    assert read(api, "known@example.com").json["results"] == []
    assert read(api, "changed@example.com").json["results"][0]["properties"]["email"] == "changed@example.com"
    box.control.add("properties", {"name": "sopost_new", "type": "number"})
    assert created(api, "n@example.com", sopost_new="x").status == 207
    box.control.delete("properties", "sopost_new")
    assert created(api, "n@example.com", sopost_new="1").status == 400
    box.control.add("contacts", {"email": "by.hand@example.com"})
    assert len(read(api, "by.hand@example.com").json["results"]) == 1


def test_another_portals_records_are_findings(box: Served, api: Api) -> None:
    other = box.control.contact("known.here@example.com", SOAP)["id"]
    read(api, other, by=None)
    updated(api, other, firstname="x")
    api("PUT", "/crm/lists/2026-03/52/memberships/add", [other])
    assert {(f["what"], f["owner"]) for f in box.control.findings(GLOW)} == {("other_merchants_record", SOAP)}
    assert len(box.control.findings()) == 3


def test_faults_of_the_core_work_here(box: Served, api: Api) -> None:
    emails = ("known@example.com", "already@example.com")
    good = read(api, *emails)
    for kind in ("hollow", "other_record", "two_keys", "truncated", "500"):
        box.control.set_fault(kind, count=1)
        answer = read(api, *emails)
        assert answer.text != good.text
        assert answer.status == (500 if kind == "500" else 200)
    box.control.set_fault("other_record", count=2)
    assert read(api, emails[0]).json["results"][0]["properties"]["email"] != emails[0]
    assert state(api, emails[0])[0]["subscriberIdString"] != emails[0]
    box.control.set_fault("reset", count=1, when="after")
    with pytest.raises((ConnectionError, OSError)):
        created(api_of(box), "arrived@example.com")
    assert len(read(api, "arrived@example.com").json["results"]) == 1
    entry = next(one for one in box.control.journal() if one["fault"] == "reset")
    assert (entry["route"], entry["items"]) == ("POST /crm/objects/{v}/contacts/batch/create", 1)


def test_every_switch_is_tried() -> None:
    assert not_tried(__file__, "hubspot") == []
