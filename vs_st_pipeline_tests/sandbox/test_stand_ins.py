"""The stand-ins behave as the fact sheets say; asked over real sockets, as a client would."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

import pytest
import yaml

from vs_st_pipeline.sandbox import FAULT_KINDS, SWITCHES, Sandbox, shop_changes
from vs_st_pipeline.sandbox.scenarios.changes import ship, told
from vs_st_pipeline.sandbox.scenarios.index import load
from vs_st_pipeline_tests.sandbox.served import Reply

SLASHED = "TW 2026/0007"
PLAIN = "7075550142"


class Api:
    """A caller with one key and one kept connection."""

    opened: ClassVar[list[Api]] = []

    def __init__(self, url: str, prefix: str, authorization: str | None) -> None:
        self.connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        self.prefix = prefix
        self.headers = {"Authorization": authorization} if authorization else {}
        Api.opened.append(self)

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> Reply:
        target = self.prefix + path + (f"?{urlencode(query)}" if query else "")
        payload = None if body is None else body if isinstance(body, str) else json.dumps(body)
        self.connection.request(method, target, payload, self.headers)
        return Reply(self.connection.getresponse())


@pytest.fixture(autouse=True)
def _connections_closed() -> Iterator[None]:
    yield
    while Api.opened:
        Api.opened.pop().connection.close()


def shop_of(box: Sandbox, number: int = 0, authorization: str | None = None) -> Api:
    merchant = box.merchants[number]
    pair = base64.b64encode(f"{merchant.vs_key}:{merchant.vs_secret}".encode()).decode()
    return Api(box.vinoshipper.url, "/api/v3/p", authorization or f"Basic {pair}")


def texting_of(box: Sandbox, number: int = 0) -> Api:
    return Api(box.simpletexting.url, "/v2/api", f"Bearer {box.merchants[number].st_token}")


@pytest.fixture
def shop(box: Sandbox) -> Api:
    return shop_of(box)


@pytest.fixture
def texting(box: Sandbox) -> Api:
    return texting_of(box)


def search_numbers(shop: Api, **query: Any) -> list[str]:
    return [row["orderNumber"] for row in shop("GET", "/orders", **query).json["results"]]


def done(texting: Api, updates: list[dict[str, Any]], lists_replacement: bool = False) -> dict[str, Any]:
    """Send a batch and poll it to its end."""
    form = {"listsReplacement": lists_replacement, "updates": updates}
    task = texting("POST", "/contacts-batch/batch-update", form).json["id"]
    for _ in range(5):
        answer: dict[str, Any] = texting("GET", f"/contacts-batch/batch-update/{task}").json
        if answer["status"] == "DONE":
            return answer
    raise AssertionError("never done")


# Vinoshipper


@pytest.mark.parametrize(("how", "status"), [(401, 401), (302, 302), ("login_page", 200)])
def test_bad_credentials_come_in_three_forms(box: Sandbox, how: Any, status: int) -> None:
    box.vinoshipper.control.set_switch("bad_credentials", how)
    answer = shop_of(box, authorization="Basic bm90OmtleQ==")("GET", "/profile")
    assert answer.status == status
    if how == 401:
        assert answer.json["error"]["status"] == 401
    elif how == 302:
        assert answer.headers["location"] == "/login"
    else:
        assert "password" in answer.text
        assert answer.headers["content-type"].startswith("text/html")


def test_every_answer_has_date_and_trace_id(shop: Api) -> None:
    for path in ("/profile", "/customers/1", "/nonsense"):
        answer = shop("GET", path)
        assert answer.headers["date"]
        assert answer.headers["vs-trace-id"]


def test_unknown_paths_and_the_path_without_p(box: Sandbox, shop: Api) -> None:
    assert shop("GET", "/nonsense").json["error"]["status"] == 404
    shop.prefix = "/api/v3"
    assert shop("GET", "/customers", email="a@example.com").status == 405
    shop.prefix = "/__control__"
    assert (shop("GET", "/").status, "docs/development.md" in shop("GET", "/").json["error"]) == (404, True)


def test_a_key_never_sees_another_merchant(box: Sandbox) -> None:
    assert shop_of(box, 0)("GET", "/customers/700101").json["firstName"] == "Marisol"
    assert shop_of(box, 1)("GET", "/customers/700101").json["firstName"] == "Other"
    assert shop_of(box, 1)("GET", "/customers/700108").status == 404
    assert shop_of(box, 1)("GET", "/orders/90000000017").status == 404


def test_customer_list_shows_less_than_the_detail(shop: Api) -> None:
    page = shop("POST", "/customers/list", {"pageIndex": 0, "pageSize": 250}).json
    assert page["total"] == len(page["items"]) == 13
    marisol = page["items"][0]
    assert marisol["primaryPhone"] == {"number": PLAIN, "country": "1", "extension": None}
    assert [m["clubName"] for m in marisol["memberships"]] == ["Hillside Six"]
    assert not {"dateOfBirth", "shippingAddress"} & set(marisol)
    detail = shop("GET", "/customers/700101").json
    assert detail["dateOfBirth"] == {"day": 4, "month": 9, "year": 1981}


def test_customer_list_pages_from_zero(box: Sandbox, shop: Api) -> None:
    pages = [shop("POST", "/customers/list", {"pageIndex": i, "pageSize": 5}).json["items"] for i in range(4)]
    assert [len(page) for page in pages] == [5, 5, 3, 0]
    assert len({item["id"] for page in pages for item in page}) == 13
    box.vinoshipper.control.set_switch("customers_paging", "ignored")
    assert shop("POST", "/customers/list", {"pageIndex": 1, "pageSize": 5}).json["items"] == pages[0]


def test_short_list_says_more_than_it_shows(box: Sandbox, shop: Api) -> None:
    box.vinoshipper.control.set_switch("short_list", True)
    page = shop("POST", "/customers/list", {"pageSize": 250}).json
    assert (page["total"], len(page["items"])) == (13, 10)


def test_a_customer_joins_between_two_pages(box: Sandbox, shop: Api) -> None:
    box.vinoshipper.control.set_switch("list_changes_while_paged", True)
    pages = [shop("POST", "/customers/list", {"pageIndex": i, "pageSize": 5}).json for i in range(3)]
    assert [page["total"] for page in pages] == [13, 14, 14]
    assert pages[0]["items"][-1]["id"] == pages[1]["items"][0]["id"]


@pytest.mark.parametrize("style", ["pageIndex", "page", "offset", "none"])
def test_order_paging_obeys_only_its_own_names(box: Sandbox, shop: Api, style: str) -> None:
    box.vinoshipper.control.set_switches({"paging": style, "page_cap": 5})
    asked = {
        "pageIndex": {"pageIndex": 1, "pageSize": 5},
        "page": {"page": 1, "size": 5},
        "offset": {"offset": 5, "limit": 5},
    }
    first = search_numbers(shop)
    moved = {name for name, query in asked.items() if search_numbers(shop, **query) != first}
    assert moved == ({style} if style != "none" else set())
    assert len(first) == 5


def test_search_ignores_what_it_does_not_know_and_caps_rows(box: Sandbox, shop: Api) -> None:
    for i in range(20):
        box.vinoshipper.control.add_order(700101, orderNumber=f"777{i:03d}")
    assert len(search_numbers(shop, limit=500, startDate="2031-01-01")) == 25


def test_processed_range_inclusive_or_not(box: Sandbox, shop: Api) -> None:
    day = {"processed.start": "2026-05-28", "processed.end": "2026-05-28"}
    assert search_numbers(shop, **day) == ["90000000017"]
    box.vinoshipper.control.set_switch("inclusive_end", False)
    assert search_numbers(shop, **day) == []
    assert search_numbers(shop, **{**day, "processed.end": "2026-05-29"}) == ["90000000017"]


def test_bare_dates_are_of_the_zone(box: Sandbox, shop: Api) -> None:
    # Bram's order of 31 March 21:45 Pacific is already 1 April in UTC.
    april = {"processed.start": "2026-04-01", "processed.end": "2026-04-01"}
    assert search_numbers(shop, **april) == ["90000000014"]
    box.vinoshipper.control.set_switch("tz", "UTC")
    assert search_numbers(shop, **april) == ["90000000014", "90000000013"]


def test_shipped_range_sort_and_ignored_filter(box: Sandbox, shop: Api) -> None:
    assert search_numbers(shop, **{"shipped.start": "2026-05-30", "shipped.end": "2026-05-30"}) == ["90000000017"]
    ascending = search_numbers(shop, **{"sort[0].field": "ORDER_DATE", "sort[0].direction": "ASC"})
    assert ascending == search_numbers(shop)[::-1]
    box.vinoshipper.control.set_switch("date_filter", "ignored")
    assert len(search_numbers(shop, **{"processed.start": "2026-05-28", "processed.end": "2026-05-28"})) == 18


def test_post_search_takes_nested_and_dotted_forms(shop: Api) -> None:
    nested = {"processed": {"start": "2026-05-28", "end": "2026-05-28"}, "sort": [{"field": "ORDER_DATE"}]}
    dotted = {"processed.start": "2026-05-28", "processed.end": "2026-05-28"}
    for form in (nested, dotted):
        assert [row["orderNumber"] for row in shop("POST", "/orders/search", form).json["results"]] == ["90000000017"]
    assert shop("POST", "/orders/search", "{").status == 400
    assert "SHIPPED" in shop("GET", "/orders/search/ui-options").json["orderStatuses"]


@pytest.mark.parametrize("envelope", SWITCHES["vinoshipper"]["envelope"])
def test_envelopes(box: Sandbox, shop: Api, envelope: str) -> None:
    box.vinoshipper.control.set_switches({"envelope": envelope, "total_key": "totalCount"})
    answer = shop("GET", "/orders").json
    rows = answer if envelope == "array" else answer[envelope]
    assert len(rows) == 18
    assert envelope == "array" or answer["totalCount"] == 18


def test_rows_may_come_once_per_line_item(box: Sandbox, shop: Api) -> None:
    box.vinoshipper.control.set_switch("dup_rows", True)
    numbers = search_numbers(shop)
    assert len(numbers) == 25
    assert numbers[0] == numbers[1]


def test_an_order_comes_in_while_the_page_is_turned(box: Sandbox, shop: Api) -> None:
    box.vinoshipper.control.set_switches({"orders_change_while_paged": True, "page_cap": 5})
    pages = [search_numbers(shop, pageIndex=i) for i in range(3)]
    assert pages[0][-1] == pages[1][0]
    assert len({number for page in pages for number in page}) == 14


def test_unknown_status_shows_in_rows_and_details_alike(box: Sandbox, shop: Api) -> None:
    known = set(shop("GET", "/orders/search/ui-options").json["orderStatuses"])
    box.vinoshipper.control.set_switch("unknown_status", True)
    assert shop("GET", "/orders/90000000017").json["orderStatus"] not in known
    rows = {row["orderNumber"]: row["orderStatus"] for row in shop("GET", "/orders").json["results"]}
    assert rows["90000000017"] not in known
    assert rows["90000000009"] in known


def test_order_rows_and_details_name_the_amount_differently(shop: Api) -> None:
    row = shop("GET", "/orders", **{"processed.start": "2025-09-01", "processed.end": "2025-09-01"})
    assert '"saleAmount":1200.00' in row.text
    detail = shop("GET", "/orders/90000000017")
    assert '"total":128.71' in detail.text
    assert "saleAmount" not in detail.text


def test_order_number_with_slash_and_blank(shop: Api) -> None:
    assert shop("GET", f"/orders/{quote(SLASHED, safe='')}").json["orderNumber"] == SLASHED
    assert shop("GET", f"/orders/{quote(SLASHED)}").status == 404


def test_receipts(box: Sandbox, shop: Api) -> None:
    path = "/orders/90000000017/receipt"
    assert shop("GET", path).json["url"].startswith("https://")
    box.vinoshipper.control.set_switch("receipt", "nested")
    assert shop("GET", path).json["receipt"]["url"].startswith("https://")
    assert shop("GET", "/orders/90000000008/receipt").status == 404
    box.vinoshipper.control.set_switch("receipt", 500)
    assert shop("GET", path).status == 500


def test_membership_feed_newest_first_with_cancelled_ones(box: Sandbox, shop: Api) -> None:
    box.vinoshipper.control.set_switch("membership_modified_key", "modified_at")
    changed = box.vinoshipper.control.customer(700108)["memberships"][0]["id"]
    box.vinoshipper.control.patch_membership(changed, hold=False)
    feed = shop("GET", "/clubs/memberships").json["items"]
    assert feed[0]["id"] == changed
    assert {"CANCELLED", "ON_HOLD", "ACTIVE"} == {record["status"] for record in feed}
    assert len(shop("GET", "/customers/700109/memberships").json) == 1


def test_customer_exists_and_search(box: Sandbox, shop: Api) -> None:
    form = {"email": "Ines@Example.com"}
    assert [customer["id"] for customer in shop("POST", "/customers/exists", form).json] == [700104]
    box.vinoshipper.control.set_switch("exists_answer", "object")
    assert shop("POST", "/customers/exists", form).json["id"] == 700104
    found = shop("GET", "/customers", q="7075550144").json["items"]
    assert {customer["id"] for customer in found} == {700104, 700105}
    box.vinoshipper.control.set_switch("customer_search", "ignored")
    assert shop("GET", "/customers", q="7075550144").json["total"] == 13


# SimpleTexting


def test_tokens(box: Sandbox) -> None:
    token = box.merchants[0].st_token
    codes = []
    for authorization in (None, token, "Bearer wrong"):
        answer = Api(box.simpletexting.url, "/v2/api", authorization)("GET", "/tenant")
        assert answer.status == 401
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert isinstance(answer.json["timestamp"], float)
        codes.append(answer.json["errorCode"])
    assert codes == ["ERR_AUTH_TOKEN_MISSING", "ERR_AUTH_TOKEN_INVALID", "ERR_AUTH_TOKEN_INVALID"]
    assert texting_of(box)("GET", "/tenant").status == 200


def test_contacts_of_one_account_only(box: Sandbox, texting: Api) -> None:
    id = texting("GET", f"/contacts/{PLAIN}").json["contactId"]
    assert texting("GET", f"/contacts/{id}").json["contactPhone"] == PLAIN
    assert texting_of(box, 1)("GET", f"/contacts/{id}").status == 404


def test_since_and_direction(box: Sandbox, texting: Api) -> None:
    newest = texting("GET", "/contacts", size=500).json["content"]
    assert newest == texting("GET", "/contacts", size=500, direction="ASC").json["content"][::-1]
    since = newest[3]["updated"]
    assert len(texting("GET", "/contacts", since=since).json["content"]) == 4
    box.simpletexting.control.set_switch("since_inclusive", False)
    assert len(texting("GET", "/contacts", since=since).json["content"]) == 3


def test_page_sizes(box: Sandbox, texting: Api) -> None:
    assert texting("GET", "/contacts", size=501).json["totalElements"] == 14
    page = texting("GET", "/contacts", size=5, page=2).json
    assert (len(page["content"]), page["totalPages"], page["totalElements"]) == (4, 3, 14)
    box.simpletexting.control.set_switch("oversize_page", 409)
    refused = texting("GET", "/contacts", size=501)
    assert refused.status == 409
    assert refused.json["code"] == "INVALID_INPUT_VALUE"


@pytest.mark.parametrize(("style", "expected"), [("absent", "gone"), ("null", None), ("empty_string", "")])
def test_null_styles(box: Sandbox, texting: Api, style: str, expected: str | None) -> None:
    box.simpletexting.control.set_switch("null_style", style)
    assert texting("GET", f"/contacts/{PLAIN}").json.get("firstName", "gone") == expected


@pytest.mark.parametrize("how", ["merge", "replace"])
@pytest.mark.parametrize("by_batch", [False, True])
def test_custom_fields_merge_or_replace(box: Sandbox, texting: Api, how: str, by_batch: bool) -> None:
    box.simpletexting.control.set_switch("custom_fields_write", how)
    update = {"contactPhone": "5035550143", "customFields": {"City": "Bend"}}
    if by_batch:
        done(texting, [update])
    else:
        assert texting("PUT", "/contacts/5035550143?listsReplacement=false", update).status == 200
    fields = texting("GET", "/contacts/5035550143").json["customFields"]
    assert fields["city"] == "Bend"
    assert ("favorite_varietal" in fields) == (how == "merge")
    assert bool(box.simpletexting.control.lost()) == (how == "replace")


def test_labels_on_write_and_on_read(box: Sandbox, texting: Api) -> None:
    update = {"contactPhone": PLAIN, "customFields": {"order_count": "3", "Club Name": "Reserve"}}
    texting("PUT", f"/contacts/{PLAIN}?listsReplacement=false", update)
    assert texting("GET", f"/contacts/{PLAIN}").json["customFields"] == {"order_count": "3", "club_name": "Reserve"}
    box.simpletexting.control.set_switch("custom_fields_read_key", "label")
    assert texting("GET", f"/contacts/{PLAIN}").json["customFields"] == {"Order Count": "3", "Club Name": "Reserve"}


@pytest.mark.parametrize(("how", "expected"), [("clear", "gone"), ("store_empty", ""), ("ignore", "Bend")])
def test_empty_string(box: Sandbox, texting: Api, how: str, expected: str) -> None:
    box.simpletexting.control.set_switch("empty_string_value", how)
    for value in ("Bend", ""):
        texting("PUT", f"/contacts/{PLAIN}", {"contactPhone": PLAIN, "customFields": {"City": value}})
    found = texting("GET", f"/contacts/{PLAIN}").json.get("customFields", {})
    assert found.get("city", "gone") == expected


def test_a_write_changes_time_and_source(texting: Api) -> None:
    before = texting("GET", f"/contacts/{PLAIN}").json
    answer = texting("PUT", f"/contacts/{PLAIN}", {"contactPhone": PLAIN, "firstName": "Mari"})
    assert answer.json == {"id": before["contactId"]}
    after = texting("GET", f"/contacts/{PLAIN}").json
    assert after["updated"] > before["updated"]
    assert (after["created"], after["updateSource"]) == (before["created"], "PUBLIC_API")


def test_lists_are_lost_by_default(box: Sandbox, texting: Api) -> None:
    update = {"contactPhone": "5035550143", "comment": "x"}
    texting("PUT", "/contacts/5035550143?listsReplacement=false", update)
    assert len(texting("GET", "/contacts/5035550143").json["lists"]) == 2
    texting("PUT", "/contacts/5035550143", update)
    assert "lists" not in texting("GET", "/contacts/5035550143").json
    assert [v["what"] for v in box.simpletexting.control.violations()] == ["lists_stripped"]


def test_put_cannot_create_without_upsert(box: Sandbox, texting: Api) -> None:
    update = {"contactPhone": "7075550199"}
    assert texting("PUT", "/contacts/7075550199?upsert=false", update).status == 404
    assert box.simpletexting.control.created() == []
    assert texting("PUT", "/contacts/7075550199", update).status == 200
    assert [made["phone"] for made in box.simpletexting.control.created()] == ["7075550199"]


def test_put_wants_a_phone(box: Sandbox, texting: Api) -> None:
    refused = texting("PUT", f"/contacts/{PLAIN}", {"comment": "x"})
    assert refused.status == 409
    assert "must not be blank" in refused.json["message"]
    box.simpletexting.control.set_switch("put_requires_phone", False)
    assert texting("PUT", f"/contacts/{PLAIN}", {"comment": "x"}).status == 200


def test_batch_is_applied_later_and_creates(box: Sandbox, texting: Api) -> None:
    updates = [{"contactPhone": phone, "customFields": {"City": "Bend"}} for phone in (PLAIN, "7075550199")]
    answer = texting("POST", "/contacts-batch/batch-update", {"listsReplacement": False, "updates": updates})
    assert answer.status == 201
    path = f"/contacts-batch/batch-update/{answer.json['id']}"
    assert texting("GET", path).json == {"status": "IN_PROGRESS", "requestedCount": 2, "processedCount": 0}
    assert box.simpletexting.control.created() == []
    result = texting("GET", path).json
    assert (result["status"], result["processedCount"]) == ("DONE", 2)
    new = texting("GET", "/contacts/7075550199").json
    assert result["results"][1] == {"contactPhone": "7075550199", "done": True, "contactId": new["contactId"]}
    assert new["created"] == new["updated"]
    assert (new["subscriptionStatus"], new["updateSource"]) == ("OPT_IN", "PUBLIC_API")
    assert texting("DELETE", f"/contacts/{new['contactId']}").status == 204
    assert box.simpletexting.control.violations() == []


def test_rejected_items_and_spoilt_batches(box: Sandbox, texting: Api) -> None:
    box.simpletexting.control.set_switch("reject", {PLAIN: "CONTACT_UPDATE_FAILED"})
    update = {"contactPhone": PLAIN, "customFields": {"City": "Bend"}}
    assert done(texting, [update])["results"][0]["errorCode"] == "CONTACT_UPDATE_FAILED"
    refused = texting("PUT", f"/contacts/{PLAIN}", update)
    assert (refused.status, refused.json["errorCode"]) == (409, "CONTACT_UPDATE_FAILED")
    box.simpletexting.control.set_switch("reject", {PLAIN: "INVALID_INPUT_VALUE"})
    updates: list[dict[str, Any]] = [{"contactPhone": "7075550149"}, update]
    assert texting("POST", "/contacts-batch/batch-update", {"updates": updates}).status == 409
    box.simpletexting.control.set_switch("bad_item_in_batch", "item_fails")
    assert [result["done"] for result in done(texting, updates)["results"]] == [True, False]


def test_unknown_custom_fields_in_three_ways(box: Sandbox, texting: Api) -> None:
    update = {"contactPhone": PLAIN, "customFields": {"No Such Field": "x", "City": "Bend"}}
    assert done(texting, [update])["results"][0]["done"]
    assert texting("GET", f"/contacts/{PLAIN}").json["customFields"] == {"city": "Bend"}
    box.simpletexting.control.set_switch("unknown_custom_field", "fail_item")
    assert not done(texting, [update])["results"][0]["done"]
    box.simpletexting.control.set_switch("unknown_custom_field", "fail_request")
    assert texting("POST", "/contacts-batch/batch-update", {"updates": [update]}).status == 409
    assert texting("PUT", f"/contacts/{PLAIN}", update).json["code"] == "INVALID_INPUT_VALUE"


def test_batch_size_and_partial_results(box: Sandbox, texting: Api) -> None:
    box.simpletexting.control.set_switches({"oversize_batch": 400, "in_progress_results": "partial"})
    many = {"updates": [{"contactPhone": f"7075558{i:03d}"} for i in range(501)]}
    assert texting("POST", "/contacts-batch/batch-update", many).status == 400
    two = {"listsReplacement": False, "updates": [{"contactPhone": PLAIN}, {"contactPhone": "7075550149"}]}
    task = texting("POST", "/contacts-batch/batch-update", two).json["id"]
    answer = texting("GET", f"/contacts-batch/batch-update/{task}").json
    assert answer["status"] == "IN_PROGRESS"
    assert [result["contactPhone"] for result in answer["results"]] == [PLAIN]


def test_post_upserts_or_refuses(box: Sandbox, texting: Api) -> None:
    body = {"contactPhone": PLAIN, "comment": "x"}
    refused = texting("POST", "/contacts?upsert=false", body)
    assert (refused.status, refused.json["errorCode"]) == (409, "CONTACT_CREATE_FAILED")
    assert texting("POST", "/contacts?listsReplacement=false", body).status == 201
    box.simpletexting.control.set_switch("double_post_race", True)
    assert [texting("POST", "/contacts", body).status for _ in range(2)] == [409, 201]
    blank = texting("POST", "/contacts", {"comment": "x"})
    assert blank.json["details"] == "contactPhone: must not be blank"
    assert texting("POST", "/contacts", "{").status == 400


def test_put_may_change_the_phone(box: Sandbox, texting: Api) -> None:
    id = texting("GET", f"/contacts/{PLAIN}").json["contactId"]
    texting("PUT", f"/contacts/{id}?listsReplacement=false", {"contactPhone": "(707) 555-0198"})
    assert texting("GET", "/contacts/7075550198").json["contactId"] == id
    assert texting("GET", f"/contacts/{PLAIN}").status == 404
    taken = texting("PUT", f"/contacts/{id}?upsert=false", {"contactPhone": "7075550149"})
    assert taken.status == 409


def test_rate_limit_with_and_without_a_word_when(box: Sandbox, texting: Api) -> None:
    box.simpletexting.control.set_switch("rate_limit", "429_retry_after")
    answers = [texting("GET", "/tenant") for _ in range(8)]
    assert [answer.status for answer in answers] == [200] * 6 + [429, 200]
    assert answers[6].headers["retry-after"] == "1"


def test_lists_by_id_or_name(texting: Api) -> None:
    found = texting("GET", "/contact-lists/Newsletter%20list").json
    assert found["totalContactsCount"] == 1
    path = f"/contact-lists/{found['listId']}/contacts"
    assert texting("POST", path, {"contactPhoneOrId": PLAIN}).status == 200
    assert texting("GET", f"/contacts/{PLAIN}").json["lists"] == [{"id": found["listId"], "name": "Newsletter list"}]
    assert texting("DELETE", f"{path}/{PLAIN}").status == 204
    assert texting("GET", "/contact-lists/nothing").status == 404


def test_task_that_never_says_done_has_done_it(box: Sandbox, texting: Api) -> None:
    box.simpletexting.control.set_switches({"task_never_done": True, "unknown_task": 400, "poll_status_code": 201})
    with pytest.raises(AssertionError, match="never done"):
        done(texting, [{"contactPhone": PLAIN, "comment": "seen"}])
    assert texting("GET", f"/contacts/{PLAIN}").json["comment"] == "seen"
    assert texting("GET", "/contacts-batch/batch-update/none").status == 400


@pytest.mark.parametrize(
    ("mode", "status", "after"),
    [("ok_status_kept", 200, "OPT_OUT"), ("item_fails", 409, "OPT_OUT"), ("flips_to_opt_in", 200, "OPT_IN")],
)
def test_writing_to_the_opted_out(box: Sandbox, texting: Api, mode: str, status: int, after: str) -> None:
    box.simpletexting.control.set_switch("update_opted_out", mode)
    assert texting("DELETE", "/contacts/7075550146").status == 409
    assert texting("PUT", "/contacts/7075550146", {"contactPhone": "7075550146"}).status == status
    assert texting("GET", "/contacts/7075550146").json["subscriptionStatus"] == after
    assert [v["what"] for v in box.simpletexting.control.violations()] == ["wrote_not_opted_in"]


def test_opting_out_may_leave_the_time_alone(box: Sandbox) -> None:
    control = box.simpletexting.control
    before = control.contact(PLAIN)["updated"]
    control.set_switch("opt_out_touches_updated", False)
    assert control.opt_out(PLAIN)["updated"] == before
    control.set_switch("opt_out_touches_updated", True)
    assert control.opt_out("7075550149")["updated"] > before


def test_unique_email_cut_and_trimmed_values(box: Sandbox, texting: Api) -> None:
    box.simpletexting.control.set_switches({"email_unique": True, "max_value_length": 5, "trim_values": True})
    taken = {"contactPhone": PLAIN, "email": "ffion@example.com"}
    assert texting("PUT", f"/contacts/{PLAIN}", taken).status == 409
    texting("PUT", f"/contacts/{PLAIN}", {"contactPhone": PLAIN, "customFields": {"City": "  Sebastopol"}})
    assert texting("GET", f"/contacts/{PLAIN}").json["customFields"] == {"city": "Sebas"}


def test_contacts_move_while_paged(box: Sandbox, texting: Api) -> None:
    box.simpletexting.control.set_switch("contacts_change_while_paged", "touch")
    pages = [texting("GET", "/contacts", page=i, size=5, direction="ASC").json for i in range(3)]
    assert {page["totalElements"] for page in pages} == {14}
    assert len({contact["contactId"] for page in pages for contact in page["content"]}) == 13


def test_texting_webhooks_are_registered_replaced_and_removed(texting: Api) -> None:
    form = {"url": "http://127.0.0.1:9/x", "triggers": ["UNSUBSCRIBE_REPORT"]}
    id = texting("POST", "/webhooks", form).json["id"]
    assert texting("PUT", f"/webhooks/{id}", {**form, "requestPerSecLimit": 5}).json == {"id": id}
    assert texting("GET", "/webhooks").json["content"] == [{"webhookId": id, **form, "requestPerSecLimit": 5}]
    assert texting("DELETE", f"/webhooks/{id}").status == 204
    assert texting("PUT", f"/webhooks/{id}", form).status == 404


# Control, faults, handle


def test_journal(box: Sandbox, shop: Api) -> None:
    before = time.time()
    shop("POST", "/customers/list", {"pageIndex": 0})
    shop("GET", "/orders", limit=1)
    first, second = box.vinoshipper.control.journal("test-winery")
    assert (first["method"], first["path"], first["status"]) == ("POST", "/api/v3/p/customers/list", 200)
    assert (first["body"], second["query"], second["body"]) == ({"pageIndex": 0}, {"limit": "1"}, None)
    assert before <= first["time"] <= second["time"] <= time.time()
    assert box.vinoshipper.control.journal(since=first["seq"]) == [second]
    assert box.vinoshipper.control.journal("other-winery") == []


def test_reset_brings_everything_back(box: Sandbox, shop: Api) -> None:
    control = box.vinoshipper.control
    control.set_switch("envelope", "items")
    control.set_fault("500_empty")
    control.delete_customer(700101)
    assert shop("GET", "/profile").status == 500
    box.reset()
    assert shop("GET", "/customers/700101").status == 200
    assert "results" in shop("GET", "/orders").json


def test_switches_of_one_merchant_and_wrong_ones(box: Sandbox, shop: Api) -> None:
    control = box.vinoshipper.control
    control.set_switch("envelope", "items", "other-winery")
    assert "results" in shop("GET", "/orders").json
    assert "items" in shop_of(box, 1)("GET", "/orders").json
    with pytest.raises(Exception, match="no switch"):
        control.set_switch("envelop", "items")
    with pytest.raises(Exception, match="takes one of"):
        control.set_switch("envelope", "rows")


@pytest.mark.parametrize("system", ["simpletexting", "vinoshipper"])
def test_every_switch_value_is_taken(box: Sandbox, system: str) -> None:
    control = box.vinoshipper.control if system == "vinoshipper" else box.simpletexting.control
    for name, values in SWITCHES[system].items():
        for value in values:
            control.set_switch(name, value)
            assert control.switches()[name] == value


@pytest.mark.parametrize("kind", [kind for kind in FAULT_KINDS if kind not in ("slow", "reset")])
def test_faults_spoil_an_answer_once(box: Sandbox, shop: Api, kind: str) -> None:
    good = shop("GET", "/customers/700101")
    box.vinoshipper.control.set_fault(kind, path_regex="/customers/", skip=1, count=1, retry_after=2)
    texts = [shop("GET", "/customers/700101").text for _ in range(3)]
    assert texts[0] == texts[2] == good.text
    assert texts[1] != good.text
    assert [entry["fault"] for entry in box.vinoshipper.control.journal()][-2] == kind


def test_cloudflare_blocks_after_too_many_calls(box: Sandbox, shop: Api) -> None:
    box.vinoshipper.control.set_switches({"block_after_per_second": 3, "block_status": 403})
    answers = [shop("GET", "/profile") for _ in range(5)]
    assert [answer.status for answer in answers][:4] == [200, 200, 200, 403]
    assert answers[3].headers["cf-ray"]
    assert answers[3].headers["server"] == "cloudflare"


def test_reset_connection_may_come_after_the_effect(box: Sandbox, texting: Api) -> None:
    box.simpletexting.control.set_fault("reset", method="PUT", count=1, when="after")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        texting("PUT", f"/contacts/{PLAIN}", {"contactPhone": PLAIN, "comment": "arrived"})
    assert box.simpletexting.control.contact(PLAIN)["comment"] == "arrived"


def test_slow_answer_comes_late(box: Sandbox, texting: Api) -> None:
    box.simpletexting.control.set_fault("slow", seconds=0.2, count=1)
    assert texting("GET", "/tenant").status == 200
    entry = box.simpletexting.control.journal()[0]
    assert entry["answered"] - entry["time"] > 0.15


def test_hook_lets_a_contact_vanish_before_the_batch_is_applied(box: Sandbox, texting: Api) -> None:
    old = box.simpletexting.control.contact(PLAIN)["contactId"]
    box.simpletexting.control.add_hook({"kind": "contacts", "op": "delete", "id": PLAIN}, on="batch_apply")
    result = done(texting, [{"contactPhone": PLAIN}])["results"][0]
    assert result["contactId"] != old
    assert [made["contact_id"] for made in box.simpletexting.control.created()] == [result["contactId"]]


def test_settings_are_private_files(box: Sandbox, tmp_path: Path) -> None:
    path = box.write_settings(tmp_path, give_up_after="2s", simpletexting={"batch_wait": "3s"})
    settings = yaml.safe_load(path.read_text())
    assert settings["defaults"]["simpletexting"] == {"requests_per_second": 500, "batch_wait": "3s"}
    entry = settings["merchants"][0]
    assert entry["simpletexting"]["base_url"].endswith("/v2")
    key = tmp_path / entry["vinoshipper"]["api_key"].removeprefix("file:")
    assert key.read_text().strip() == box.merchants[0].vs_key
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_shop_changes_say_what_they_do_and_mask(box: Sandbox) -> None:
    said = shop_changes(box)
    assert len(said) == 5
    assert not any("707555" in sentence for sentence in said)
    assert box.vinoshipper.control.order(SLASHED)["orderStatus"] == "SHIPPED"
    assert box.simpletexting.control.contact("7075550149")["subscriptionStatus"] == "OPT_OUT"


def test_an_order_ships_and_is_waited_for_until_the_contact_says_so(box: Sandbox) -> None:
    said = ship(box)
    assert "Bram O." in said
    assert "707555" not in said
    shipped = [order for order in box.vinoshipper.control.orders() if order["orderStatus"] == "SHIPPED"]
    assert "EXAMPLE0000000077" in json.dumps(shipped, default=str)
    assert told(box, 0.1) == []
    box.simpletexting.control.patch_contact("5035550143", customFields={"Order Status": "Shipped"})
    first, second = told(box, 5)
    assert "seconds later the contact ***-***-0143 says:" in first
    assert second.startswith("Order Status Shipped")


@pytest.mark.parametrize(
    ("scenario", "counts"),
    [
        ("demo", [(40, 30), (400, 120), (4000, 500)]),
        ("big", [(4000, 1000)]),
        ("fleet:3", [(10, 7), (10, 7), (10, 7)]),
    ],
)
def test_scenarios_have_about_the_people_they_promise(scenario: str, counts: list[tuple[int, int]]) -> None:
    with Sandbox(scenario) as other:
        for merchant, (customers, contacts) in zip(other.merchants, counts, strict=True):
            page = shop_of(other, other.merchants.index(merchant))("POST", "/customers/list", {}).json
            assert abs(page["total"] - customers) <= 3
            assert abs(len(other.simpletexting.control.contacts(merchant.id)) - contacts) <= 5


def test_scenarios_come_out_the_same_every_time() -> None:
    now = datetime(2026, 6, 15, 12, tzinfo=UTC)
    assert load("demo", now) == load("demo", now)


def test_big_has_an_order_for_each_of_a_thousand_linked_contacts() -> None:
    with Sandbox("big") as other:
        phones = {contact["contactPhone"] for contact in other.simpletexting.control.contacts()}
        ordered = {order["customer"]["id"] for order in other.vinoshipper.control.orders()}
        linked = {
            customer["id"]
            for customer in other.vinoshipper.control.customers()
            if "".join(filter(str.isdigit, customer["primaryPhone"]["number"]))[-10:] in phones
        }
        assert len(linked) == 1000
        assert linked <= ordered


def test_a_taken_port_is_told() -> None:
    with (
        Sandbox("small") as first,
        pytest.raises(RuntimeError, match="port"),
        Sandbox("small", port_vinoshipper=int(first.vinoshipper.url.rsplit(":", 1)[1])),
    ):
        pass


def test_a_person_reads_a_sentence_where_a_port_is_taken_or_a_world_is_none(tmp_path: Path) -> None:
    def typed(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "vs_st_pipeline.cli.main", "sandbox", *words]
        environ = {**os.environ, "VS_ST_DATA_DIR": str(tmp_path)}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stderr

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = typed("--scenario", "orders:1", "--port-vinoshipper", port)
    assert code == 1
    assert said.startswith(f"vs-st sandbox: port {port}: ")
    assert said.endswith("; end what listens there, or name another port (0: any free one)\n")
    code, said = typed("--scenario", "oders")
    assert (code, said.partition(";")[0]) == (2, "vs-st sandbox: no scenario 'oders'")
    code, said = typed("--port-vinoshipper", "80000")
    assert (code, "'80000' is no whole number from 0 to 65535" in said) == (2, True)


# Lies


def truth(box: Sandbox) -> Any:
    """All records, as control shows them."""
    shop, texting = box.vinoshipper.control, box.simpletexting.control
    return shop.customers(), shop.orders(), shop.memberships(), texting.contacts(), texting.custom_fields()


@pytest.mark.parametrize("kind", ["hollow", "error_body", "two_keys", "other_record"])
def test_a_lie_is_told_of_one_record_and_not_of_the_next(box: Sandbox, shop: Api, texting: Api, kind: str) -> None:
    true = truth(box)
    id = box.simpletexting.control.contact(PLAIN)["contactId"]
    asked = [(shop, "/customers/700101"), (shop, "/orders/90000000017"), (shop, "/orders/90000000017/receipt"),
             (texting, f"/contacts/{id}")]  # fmt: skip
    names = [("id", 700101), ("orderNumber", "90000000017"), ("orderNumber", "90000000017"), ("contactId", id)]
    for (api, path), (key, right) in zip(asked, names, strict=True):
        control = box.vinoshipper.control if api is shop else box.simpletexting.control
        control.set_fault(kind, path_regex=f"{path}$", count=1)
        answer = api("GET", path)
        assert answer.status == 200
        if kind == "hollow":
            assert answer.json == {}
        elif kind == "error_body":
            assert answer.json == {"error": "temporarily unavailable"}
        elif kind == "two_keys":
            assert len(answer.json) == 2
            assert answer.json[key] == right
        else:
            assert answer.json[key] != right
            assert len(answer.json) > 2
        assert api("GET", path).json[key] == right
    assert truth(box) == true


@pytest.mark.parametrize("status", [400, 403, 410, 422, 500])
def test_one_record_fails_in_the_words_of_the_system(box: Sandbox, shop: Api, texting: Api, status: int) -> None:
    box.vinoshipper.control.set_fault(str(status), path_regex="/customers/700101$")
    box.simpletexting.control.set_fault(str(status), path_regex="/contacts/", count=1)
    answer = shop("GET", "/customers/700101")
    assert (answer.status, answer.json["error"]["status"]) == (status, status)
    assert shop("GET", "/customers/700103").status == 200
    answer = texting("GET", f"/contacts/{PLAIN}")
    assert answer.status == status
    assert "code" in answer.json
    assert texting("GET", f"/contacts/{PLAIN}").status == 200


@pytest.mark.parametrize(
    ("how", "told"),
    [("true", 12), ("page", 5), ("zero", 0), ("negative", -1), ("null", None), ("text", "5 or so"), ("huge", 10**12)],
)
def test_totals_lie_and_the_rows_do_not(box: Sandbox, shop: Api, texting: Api, how: str, told: Any) -> None:
    box.vinoshipper.control.set_switches({"customers_total": how, "customers_page_cap": 5})
    pages = [shop("POST", "/customers/list", {"pageIndex": i, "pageSize": 500}).json for i in range(4)]
    everybody = box.vinoshipper.control.customers()
    assert [row["id"] for page in pages for row in page["items"]] == [row["id"] for row in everybody]
    assert pages[0]["total"] == (len(everybody) if how == "true" else told)
    box.simpletexting.control.set_switches({"contacts_total_elements": how, "contacts_total_pages": "absent"})
    page = texting("GET", "/contacts", size=5).json
    assert "totalPages" not in page
    assert page["totalElements"] == (len(box.simpletexting.control.contacts()) if how == "true" else told)


@pytest.mark.parametrize(
    ("form", "born"),
    [
        ("object", {"day": 4, "month": 9, "year": 1981}),
        ("list", [1981, 9, 4]),
        ("iso", "1981-09-04"),
        ("iso_zone", "1981-09-04T00:00:00.000Z"),
        ("float_object", {"day": 4.0, "month": 9.0, "year": 1981.0}),
        ("text", "September 4, 1981"),
    ],
)
def test_a_birth_date_comes_in_many_forms(box: Sandbox, shop: Api, form: str, born: Any) -> None:
    box.vinoshipper.control.set_switch("birth_date_form", form)
    answer = shop("GET", "/customers/700101")
    assert answer.json["dateOfBirth"] == born
    assert shop("GET", "/orders/90000000017").json["customer"]["dateOfBirth"] == born
    assert ("4.0" in answer.text) == (form == "float_object")


def test_dates_and_money_come_in_many_forms(box: Sandbox, shop: Api) -> None:
    forms = {"zulu": "2026-05-29T02:31:00Z", "zone_suffix": "2026-05-28T19:31:00-07:00[America/Los_Angeles]",
             "no_offset": "2026-05-28T19:31:00"}  # fmt: skip
    for form, text in forms.items():
        box.vinoshipper.control.set_switch("date_time_form", form)
        assert shop("GET", "/orders/90000000017").json["purchasedAt"] == text
        assert text in [row["purchasedAt"] for row in shop("GET", "/orders").json["results"]]
    for form, text in {"text": "1200.00", "comma_text": "1,200.00", "dollar_text": "$1,200.00"}.items():
        box.vinoshipper.control.set_switches({"money_form": form, "total_key": "total", "page_cap": 100})
        assert shop("GET", "/orders/90000000009").json["total"] == text
        page = shop("GET", "/orders", pageSize="100").json
        assert page["total"] == len(box.vinoshipper.control.orders())
        assert text in [row["saleAmount"] for row in page["results"]]
    box.vinoshipper.control.set_switch("plain_date_form", "midnight_zulu")
    assert shop("GET", "/orders/90000000017").json["customer"]["customerSince"] == "2025-02-11T00:00:00.000Z"


def test_every_nth_answer_lacks_a_key(box: Sandbox, shop: Api, texting: Api) -> None:
    for api, control, path in ((shop, box.vinoshipper.control, "/customers/700101"),
                               (texting, box.simpletexting.control, f"/contacts/{PLAIN}")):  # fmt: skip
        whole = set(api("GET", path).json)
        control.set_switch("absent_keys", 3)
        assert [len(whole - set(api("GET", path).json)) for _ in range(3)] == [0, 0, 1]


def test_customers_come_in_another_order_with_every_request(box: Sandbox, shop: Api) -> None:
    box.vinoshipper.control.set_switch("customers_order", "shuffled")
    asked = [[row["id"] for row in shop("POST", "/customers/list", {"pageSize": 500}).json["items"]] for _ in range(3)]
    assert len({tuple(ids) for ids in asked}) > 1
    assert len({tuple(sorted(ids)) for ids in asked}) == 1


def test_numbers_and_custom_fields_are_of_no_form_that_anybody_knows(box: Sandbox, shop: Api, texting: Api) -> None:
    for how, number in (("exponent", "1e99999999999999999999"), ("digits", "9" * 4400)):
        box.vinoshipper.control.set_switch("numbers", f"unread_{how}")
        box.simpletexting.control.set_switch("numbers", f"unread_{how}")
        for answer in (shop("GET", "/customers/700101"), shop("GET", "/orders"), texting("GET", "/contacts")):
            assert f'"points":{number}' in answer.text
        box.vinoshipper.control.set_switch("numbers", f"read_{how}")
        hit = [
            customer["id"]
            for customer in box.vinoshipper.control.customers()
            if f'"year":{number}' in shop("GET", f"/customers/{customer['id']}").text
        ]
        assert 0 < len(hit) < 8
    box.simpletexting.control.set_switches({"numbers": "plain", "custom_fields_form": "list"})
    fields = [row.get("customFields") for row in texting("GET", "/contacts", size=500).json["content"]]
    assert all(isinstance(found, list) for found in fields)
    assert {"mergeTag": "vscustomerid", "value": "700107"} in [entry for found in fields for entry in found]


def test_a_write_is_taken_for_an_attack_and_a_bad_address_is_refused(box: Sandbox, texting: Api) -> None:
    control = box.simpletexting.control
    control.set_switches({"firewall": {"DROP TABLE": "cloudflare_403", "<script": "500"}, "email_checked": True})
    bodies = {"Robert'); DROP TABLE": 403, "<script>": 500, "Robert": 200}
    for name, status in bodies.items():
        update = {"contactPhone": PLAIN, "firstName": name}
        answer = texting("PUT", f"/contacts/{PLAIN}", update, upsert="false", listsReplacement="false")
        assert answer.status == status
        assert ("cf-ray" in answer.headers) == (status == 403)
    answer = texting("PUT", f"/contacts/{PLAIN}", {"contactPhone": PLAIN, "email": "n/a"}, listsReplacement="false")
    assert answer.status == 409
    assert control.contact(PLAIN)["email"] is None
