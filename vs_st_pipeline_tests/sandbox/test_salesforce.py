"""Salesforce's stand-in behaves as its fact sheet says, and each thing that is unknown of it as its switch says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from vs_st_pipeline.sandbox.salesforce.org import long_id
from vs_st_pipeline.sandbox.salesforce.server import Salesforce
from vs_st_pipeline.sandbox.salesforce.soql import BadQuery, read
from vs_st_pipeline_tests.sandbox.served import GLOW, SOAP, Api, Record, Reply, Served, not_tried, served

DATA = "/services/data/v67.0"
KEY = "SoPost_Key__c"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CAMPAIGN = long_id("701Gs0000000001")


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Salesforce) as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    return running


def token(box: Served, merchant: str = GLOW, secret: str | None = None) -> Reply:
    form = {"grant_type": "client_credentials", "client_id": f"sf-client-of-{merchant}"}
    form["client_secret"] = secret or f"sf-secret-of-{merchant}"
    return box.api()("POST", "/services/oauth2/token", urlencode(form), FORM)


def api_of(box: Served, merchant: str = GLOW) -> Api:
    return box.api(Authorization=f"Bearer {token(box, merchant).json['access_token']}")


@pytest.fixture
def api(box: Served) -> Api:
    return api_of(box)


def key_of(email: str) -> str:
    return "sp_" + hashlib.sha256(email.encode()).hexdigest()[:40]


def query(api: Api, soql: str, how: str = "query") -> Reply:
    return api("GET", f"{DATA}/{how}", q=soql)


def contacts(api: Api, email: str, fields: str = "Id", how: str = "query") -> list[Record]:
    escaped = email.replace("\\", "\\\\").replace("'", "\\'")
    found: list[Record] = query(api, f"SELECT {fields} FROM Contact WHERE Email = '{escaped}'", how).json["records"]
    return found


def row(email: str, keyed: bool = True, **fields: Any) -> Record:
    key = {KEY: key_of(email)} if keyed else {}
    return {"attributes": {"type": "Contact"}, "Email": email, "LastName": "Lovage", **key, **fields}


def created(api: Api, *rows: Record, all_or_none: bool = False, headers: dict[str, str] | None = None) -> Reply:
    body = {"allOrNone": all_or_none, "records": rows}
    return api("POST", f"{DATA}/composite/sobjects", body, headers)


def upserted(api: Api, *rows: Record) -> Reply:
    return api("PATCH", f"{DATA}/composite/sobjects/Contact/{KEY}", {"allOrNone": False, "records": rows})


def updated(api: Api, id: str, **fields: Any) -> Reply:
    record = {"attributes": {"type": "Contact"}, "Id": id, **fields}
    return api("PATCH", f"{DATA}/composite/sobjects", {"allOrNone": False, "records": [record]})


def member(contact: str, **fields: Any) -> Record:
    return {"attributes": {"type": "CampaignMember"}, "CampaignId": CAMPAIGN, "ContactId": contact, **fields}


def codes(answer: Reply) -> list[str | None]:
    return [one["errors"][0]["statusCode"] if one["errors"] else None for one in answer.json]


def test_a_token_names_instance_and_org(box: Served) -> None:
    body = token(box).json
    assert body["instance_url"] == box.url
    assert body["id"].split("/")[-2] == box.control.keys()["org"]
    answer = box.api(Authorization=f"Bearer {body['access_token']}")("GET", f"{DATA}/sobjects/Contact/describe")
    assert answer.headers["sforce-limit-info"] == "api-usage=1/100000"
    assert box.api(Authorization="Bearer no")("GET", f"{DATA}/limits").json[0]["errorCode"] == "INVALID_SESSION_ID"
    assert "sf-secret" not in str(box.control.journal())


def test_each_answer_to_bad_credentials_and_each_life_of_a_token(box: Served) -> None:
    for how, _ in box.each("token_error", [None, None]):
        answer = token(box, secret="wrong")
        assert (answer.status, answer.json["error"]) == (how, "invalid_client")
    for calls, last in box.each("token_life_calls", [200, 401]):
        api = api_of(box)
        assert [api("GET", f"{DATA}/limits").status for _ in range(6)] == [200] * 5 + [last], calls
        box.control.expire_tokens()
        assert api("GET", f"{DATA}/limits").status == 401
        assert api_of(box)("GET", f"{DATA}/limits").status == 200


def test_contacts_are_created_found_and_updated(box: Served, api: Api) -> None:
    answer = created(api, row("new@example.com", FirstName="Ada"), row("bad", keyed=False))
    assert answer.status == 200
    assert codes(answer) == [None, "INVALID_EMAIL_ADDRESS"]
    id = answer.json[0]["id"]
    assert len(id) == 18
    found = contacts(api, "NEW@example.com", f"Id, Name, {KEY}, HasOptedOutOfEmail, LastModifiedDate")[0]
    assert (found["Id"], found["Name"], found["HasOptedOutOfEmail"]) == (id, "Ada Lovage", False)
    assert found["attributes"]["type"] == "Contact"
    assert updated(api, id[:15], LastName="Newer").json[0] == {"success": True, "errors": [], "id": id}
    assert api("GET", f"{DATA}/sobjects/Contact/{id}", fields="LastName").json["LastName"] == "Newer"
    both = api("POST", f"{DATA}/composite/sobjects/Contact", {"ids": [id, "003000000000000"], "fields": ["Email"]})
    assert [one and one["Email"] for one in both.json] == ["new@example.com", None]
    assert [entry["what"] for entry in box.control.books()] == ["created", "updated"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"LastName": ""}, "REQUIRED_FIELD_MISSING"),
        ({"LastName": "x" * 81}, "STRING_TOO_LONG"),
        ({"Id": None, "CreatedDate": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Birthdate": "someday"}, "JSON_PARSER_ERROR"),
        ({"SoPost_Order_Count__c": "three"}, "JSON_PARSER_ERROR"),
    ],
)
def test_rows_are_refused_one_by_one(api: Api, fields: Record, code: str) -> None:
    assert codes(created(api, row("new@example.com", **fields), row("good@example.com"))) == [code, None]


def test_what_spoils_a_whole_request(api: Api) -> None:
    unknown = created(api, row("new@example.com", Nonsense__c="x"), row("good@example.com"))
    assert (unknown.status, unknown.json[0]["errorCode"]) == (400, "INVALID_FIELD")
    assert created(api, *[row(f"n{i}@example.com") for i in range(201)]).status == 400
    rolled = created(api, row("new@example.com"), row("bad", keyed=False), all_or_none=True)
    assert codes(rolled) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "INVALID_EMAIL_ADDRESS"]
    assert contacts(api, "new@example.com") == []
    assert query(api, "SELECT Id FROM Nothing").json[0]["errorCode"] == "INVALID_TYPE"
    assert query(api, "SELECT Nonsense__c FROM Contact").json[0]["errorCode"] == "INVALID_FIELD"
    assert query(api, "SELECT Id FROM Contact WHERE").json[0]["errorCode"] == "MALFORMED_QUERY"


def test_queries_read_what_they_say(api: Api) -> None:
    created(api, row("o'neil@example.com", LastName="O'Neil \\ Sons"), row("b@example.com", LastName="Beta"))
    assert len(contacts(api, "o'neil@example.com")) == 1
    ends = {
        "Email IN ('B@EXAMPLE.COM', 'o\\'neil@example.com')": 2,
        f"Email = 'b@example.com' OR {KEY} = '{key_of(chr(111) + chr(39) + 'neil@example.com')}'": 2,
        "Email = 'b@example.com' AND NOT (LastName = 'Beta')": 0,
        "LastName LIKE 'o\\'neil%' AND HasOptedOutOfEmail = false": 1,
        "Email NOT IN ('b@example.com') AND LastName != null AND LastName = 'Beta'": 0,
        "LastName = 'Beta' AND CreatedDate > 2020-01-01T00:00:00Z ORDER BY Email DESC NULLS LAST, Id LIMIT 1": 1,
    }
    for where, count in ends.items():
        assert query(api, f"SELECT Id, Email FROM Contact WHERE {where}").json["totalSize"] == count, where
    id = contacts(api, "b@example.com")[0]["Id"]
    for one in (id, id[:15]):
        assert query(api, f"SELECT Email FROM Contact WHERE Id IN ('{one}', '003000000000000')").json["totalSize"] == 1
    members = query(api, f"SELECT Id, Contact.Email FROM CampaignMember WHERE CampaignId = '{CAMPAIGN[:15]}'").json
    assert [one["Contact"]["Email"] for one in members["records"]] == ["already@example.com"]


def test_rows_come_in_pages(box: Served, api: Api) -> None:
    for i in range(0, 2200, 200):
        created(api, *[row(f"page{j}@example.com") for j in range(i, i + 200)])
    page = query(api, "SELECT Id FROM Contact WHERE Email LIKE 'page%'").json
    assert (page["totalSize"], page["done"], len(page["records"])) == (2200, False, 2000)
    rest = api("GET", page["nextRecordsUrl"]).json
    assert (rest["done"], len(rest["records"])) == (True, 200)
    assert api_of(box, SOAP)("GET", page["nextRecordsUrl"]).status == 400


@pytest.mark.parametrize(
    "text", ["SELECT", "SELECT Id FROM Contact LIMIT x", "SELECT Id FROM Contact x", "SELECT Id ; x"]
)
def test_bad_queries_are_refused(text: str) -> None:
    with pytest.raises(BadQuery):
        read(text, lambda record, name: record.get(name))


def test_each_limit_of_queries(box: Served) -> None:
    url = f"{DATA}/query?q=" + quote("SELECT Id FROM Contact WHERE Email = 'known@example.com'")
    for most, status in box.each("composite_query_max", [200, 400, 404]):
        parts = [{"method": "GET", "url": url, "referenceId": f"r{i}"} for i in range(5)]
        answer = api_of(box)("POST", f"{DATA}/composite", {"compositeRequest": parts})
        assert answer.status == status, most
        if status == 200:
            told = answer.json["compositeResponse"]
            assert [(one["referenceId"], one["body"]["totalSize"]) for one in told] == [(f"r{i}", 1) for i in range(5)]
            bad = {"method": "GET", "url": f"{DATA}/query?q=nonsense", "referenceId": "bad"}
            one = api_of(box)("POST", f"{DATA}/composite", {"compositeRequest": [bad]}).json["compositeResponse"][0]
            assert (one["httpStatusCode"], one["body"][0]["errorCode"]) == (400, "MALFORMED_QUERY")
    emails = ", ".join(f"'person{i:04d}@example.com'" for i in range(180))
    for most, status in box.each("soql_max", [200, 400]):
        assert query(api_of(box), f"SELECT Id FROM Contact WHERE Email IN ({emails})").status == status, most
    for most, status in box.each("uri_max", [200, 414]):
        assert query(api_of(box), f"SELECT Id FROM Contact WHERE Email IN ({emails})").status == status, most


def test_each_kind_of_external_id(box: Served) -> None:
    ends = [[None, "DUPLICATE_VALUE"], [None, None], None]
    for how, wanted in box.each("external_id", ends):
        api = api_of(box)
        fields = {one["name"]: one for one in api("GET", f"{DATA}/sobjects/Contact/describe").json["fields"]}
        if wanted is None:
            assert KEY not in fields
            assert upserted(api, row("new@example.com")).status == 404
            assert created(api, row("new@example.com")).status == 400
            continue
        assert (fields[KEY]["externalId"], fields[KEY]["unique"]) == (True, how == "unique")
        first, second = row("new@example.com"), row("new@example.com", LastName="Other")
        assert codes(created(api, first, second)) == wanted
        doubled = upserted(api, row("new@example.com", LastName="Third"))
        assert codes(doubled) == [None if how == "unique" else "DUPLICATE_EXTERNAL_ID"]
        assert [one.get("created") for one in upserted(api, row("more@example.com"), row("more@example.com")).json] == [
            True,
            False,
        ]


def test_each_duplicate_rule(box: Served) -> None:
    allow = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    found = "DUPLICATES_DETECTED"
    for how, (plain, allowed) in box.each("duplicate_rule", [(None, None), (found, found), (found, None)]):
        api = api_of(box)
        assert codes(created(api, row("known@example.com"))) == [plain], how
        assert codes(created(api, row("known@example.com", keyed=False), headers=allow)) == [allowed], how


def test_each_answer_to_a_second_member(box: Served) -> None:
    for how, code in box.each("member_duplicate", ["DUPLICATE_VALUE", None]):
        api = api_of(box)
        id = contacts(api, "already@example.com")[0]["Id"]
        other = contacts(api, "offlist@example.com")[0]["Id"]
        answer = created(api, member(id), member(other), member("003000000000000"))
        assert codes(answer) == [code, None, "INVALID_CROSS_REFERENCE_KEY"], how
        added = [entry["email"] for entry in box.control.books() if entry["what"] == "member_added"]
        assert added == ([] if code else ["already@example.com"]) + ["offlist@example.com"]
        gone = api("DELETE", f"{DATA}/composite/sobjects", ids=answer.json[1]["id"], allOrNone="false")
        assert gone.json[0]["success"] is True
        assert query(api, f"SELECT Id FROM CampaignMember WHERE ContactId = '{other}'").json["totalSize"] == 0
        assert codes(created(api, member(other, Status="Nonsense"))) == ["INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"]


def test_each_lock_and_each_rule(box: Served) -> None:
    for locked, _ in box.each("lock_rows", [None, None]):
        rows = [row(f"n{i}@example.com") for i in range(5)]
        assert codes(created(api_of(box), *rows)) == ["UNABLE_TO_LOCK_ROW"] * locked + [None] * (5 - locked)
    for how, code in box.each("restricted_picklist", ["INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", None]):
        assert codes(created(api_of(box), row("new@example.com", SoPost_Skin__c="dry;wet"))) == [code], how
    for how, code in box.each("validation_rule", [None, "FIELD_CUSTOM_VALIDATION_EXCEPTION"]):
        assert codes(created(api_of(box), row("new@example.com", LastName="[not provided]"))) == [code], how


def test_each_sight_of_the_opt_out(box: Served) -> None:
    for how, there in box.each("opted_out_field", [True, False]):
        api = api_of(box)
        names = [one["name"] for one in api("GET", f"{DATA}/sobjects/Contact/describe").json["fields"]]
        assert ("HasOptedOutOfEmail" in names) is there, how
        assert query(api, "SELECT HasOptedOutOfEmail FROM Contact").status == (200 if there else 400)
    box.control.reset()
    box.control.unsubscribe("known@example.com")
    assert contacts(api_of(box), "known@example.com", "HasOptedOutOfEmail")[0]["HasOptedOutOfEmail"] is True
    box.control.unsubscribe("already@example.com", campaign=CAMPAIGN, status="Responded")
    told = query(api_of(box), "SELECT Status FROM CampaignMember").json["records"]
    assert [one["Status"] for one in told] == ["Responded"]
    box.control.unsubscribe("already@example.com", campaign=CAMPAIGN)
    assert query(api_of(box), "SELECT Status FROM CampaignMember").json["totalSize"] == 0


def test_each_answer_to_a_key_of_who_was_deleted(box: Served) -> None:
    for how, code in box.each("deleted_by_key", [None, "ENTITY_IS_DELETED"]):
        api = api_of(box)
        id = created(api, row("new@example.com")).json[0]["id"]
        box.control.erase("new@example.com")
        assert contacts(api, "new@example.com") == []
        assert contacts(api, "new@example.com", "Id, IsDeleted", "queryAll")[0]["IsDeleted"] is True
        assert codes(updated(api, id, LastName="x")) == ["ENTITY_IS_DELETED"]
        assert codes(upserted(api, row("new@example.com"))) == [code], how
    box.control.erase("known@example.com", for_good=True)
    assert contacts(api_of(box), "known@example.com", "Id", "queryAll") == []


def test_each_end_of_a_key_in_a_merge(box: Served) -> None:
    for how, kept in box.each("merge_keeps_key", [None, key_of("new@example.com")]):
        api = api_of(box)
        loser = created(api, row("new@example.com")).json[0]["id"]
        winner = box.control.merge("known@example.com", "new@example.com")["Id"]
        assert contacts(api, "known@example.com", KEY)[0][KEY] == kept, how
        gone = contacts(api, "new@example.com", "Id, MasterRecordId, IsDeleted", "queryAll")[0]
        assert (gone["Id"], gone["MasterRecordId"], gone["IsDeleted"]) == (loser, winner, True)
        assert api("GET", f"{DATA}/sobjects/Contact/{loser}").status == 404


def test_each_limit_of_a_day(box: Served) -> None:
    for how, there in box.each("limit_info", [True, False]):
        assert ("sforce-limit-info" in api_of(box)("GET", f"{DATA}/limits").headers) is there, how
    for most, last in box.each("limit_at", [200, 403]):
        api = api_of(box)
        answers = [api("GET", f"{DATA}/limits") for _ in range(11)]
        assert [answer.status for answer in answers] == [200] * 10 + [last], most
        assert last == 200 or answers[-1].json[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"
    box.control.set_switch("limit_at", None)
    box.control.set_usage(81000)
    assert api_of(box)("GET", f"{DATA}/limits").headers["sforce-limit-info"] == "api-usage=81001/100000"


def test_each_lag_of_a_write(box: Served) -> None:
    for polls, _ in box.each("read_after_write_lag_polls", [None, None]):
        api = api_of(box)
        created(api, row("new@example.com"))
        seen = [bool(contacts(api, "new@example.com")) for _ in range(3)]
        assert seen == [False] * polls + [True] * (3 - polls)


def test_people_and_fields_may_be_changed_by_hand(box: Served, api: Api) -> None:
    box.control.add("contacts", {"Email": "by.hand@example.com", "LastName": "Hand"})
    box.control.edit("by.hand@example.com", {"Email": "another@example.com", KEY: "sp_by_hand"})
    assert contacts(api, "by.hand@example.com") == []
    assert contacts(api, "another@example.com", KEY)[0][KEY] == "sp_by_hand"
    box.control.add_hook({"kind": "contacts", "id": "another@example.com", "fields": {"HasOptedOutOfEmail": True}})
    created(api, row("new@example.com"))
    assert contacts(api, "another@example.com", "HasOptedOutOfEmail")[0]["HasOptedOutOfEmail"] is True
    box.control.add("fields", {"name": "New__c", "length": 5})
    assert codes(created(api, row("x@example.com", New__c="longer"))) == ["STRING_TOO_LONG"]
    box.control.delete("fields", "New__c")
    assert created(api, row("x@example.com", New__c="short")).status == 400
    names = [one["name"] for one in api_of(box, SOAP)("GET", f"{DATA}/sobjects/Contact/describe").json["fields"]]
    assert "SoPost_Answers__c" not in names


def test_another_orgs_records_are_findings(box: Served, api: Api) -> None:
    other = box.control.contact("soap.out@example.com", SOAP)["Id"]
    assert api("GET", f"{DATA}/sobjects/Contact/{other}").status == 404
    assert codes(updated(api, other, LastName="x")) == ["INVALID_CROSS_REFERENCE_KEY"]
    assert [(f["what"], f["owner"]) for f in box.control.findings(GLOW)] == [("other_merchants_record", SOAP)] * 2


def test_faults_of_the_core_work_here(box: Served, api: Api) -> None:
    soql = "SELECT Id, Email FROM Contact WHERE Email IN ('known@example.com', 'already@example.com')"
    good = query(api, soql)
    for kind in ("hollow", "other_record", "truncated", "500", "403"):
        box.control.set_fault(kind, count=1)
        answer = query(api, soql)
        assert answer.text != good.text
        assert answer.status == (int(kind) if kind.isdigit() else 200)
    box.control.set_fault("other_record", count=1)
    assert contacts(api, "known@example.com", "Id, Email")[0]["Email"] != "known@example.com"
    box.control.set_fault("reset", count=1, when="after", path_regex="composite")
    with pytest.raises((ConnectionError, OSError)):
        created(api_of(box), row("arrived@example.com"))
    assert len(contacts(api, "arrived@example.com")) == 1
    entry = next(one for one in box.control.journal() if one["fault"] == "reset")
    assert (entry["route"], entry["items"]) == ("POST /services/data/{v}/composite/sobjects", 1)


def test_every_switch_is_tried() -> None:
    assert not_tried(__file__, "salesforce") == []
