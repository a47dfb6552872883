"""Klaviyo's stand-in behaves as its fact sheet says, and each thing that is unknown of it as its switch says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.sandbox.klaviyo.server import Klaviyo
from vs_st_pipeline_tests.sandbox.served import GLOW, SOAP, Api, Record, Reply, Served, not_tried, served

NEWS, TRIAL = "X7aBcD", "Y8bCdE"


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Klaviyo) as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    return running


def api_of(box: Served, merchant: str = GLOW) -> Api:
    return box.api(Authorization=f"Klaviyo-API-Key pk_of_{merchant}", revision="2026-07-15")


@pytest.fixture
def api(box: Served) -> Api:
    return api_of(box)


def asked(api: Api, *emails: str, path: str = "/api/profiles", how: str = "any") -> Reply:
    value = json.dumps(list(emails) if how == "any" else emails[0])
    more = {"additional-fields[profile]": "subscriptions", "page[size]": 100}
    return api("GET", path, filter=f"{how}(email,{value})", **more)


def found(api: Api, *emails: str, **more: Any) -> list[str]:
    return [row["attributes"]["email"] for row in asked(api, *emails, **more).json["data"]]


def marketing(api: Api, email: str) -> Record:
    attributes: Record = asked(api, email).json["data"][0]["attributes"]
    told: Record = attributes["subscriptions"]["email"]["marketing"]
    return told


def imported(api: Api, email: str | None, id: str | None = None, meta: Record | None = None, **values: Any) -> Reply:
    data: Record = {"type": "profile", "attributes": {"email": email, **values}}
    return api(
        "POST", "/api/profile-import", {"data": data | ({"id": id} if id else {}) | ({"meta": meta} if meta else {})}
    )


def job(api: Api, *profiles: Record) -> Reply:
    rows = [{"type": "profile", "attributes": attributes} for attributes in profiles]
    data = {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": rows}}}
    return api("POST", "/api/profile-bulk-import-jobs", {"data": data})


def subscribed(
    api: Api, *emails: str, to: str | None = NEWS, historical: bool = False, at: str | None = None, what: str = "create"
) -> Reply:
    consent: Record = {"consent": "SUBSCRIBED" if what == "create" else "UNSUBSCRIBED"}
    consent |= {"consented_at": at} if at else {}
    rows = [
        {"type": "profile", "attributes": {"email": email, "subscriptions": {"email": {"marketing": consent}}}}
        for email in emails
    ]
    attributes: Record = {"profiles": {"data": rows}}
    if what == "create":
        attributes |= {"custom_source": "SoPost consent"} | ({"historical_import": True} if historical else {})
    data: Record = {"type": f"profile-subscription-bulk-{what}-job", "attributes": attributes}
    data |= {"relationships": {"list": {"data": {"type": "list", "id": to}}}} if to else {}
    return api("POST", f"/api/profile-subscription-bulk-{what}-jobs", {"data": data})


def on_list(api: Api, email: str, list_id: str = NEWS) -> bool:
    return bool(found(api, email, path=f"/api/lists/{list_id}/profiles"))


def settled(box: Served) -> None:
    """Let subscriptions take effect as soon as they are asked for."""
    box.control.set_switch("subscribe_lag_polls", 0)


def test_a_profile_is_created_updated_cleared_and_found(box: Served, api: Api) -> None:
    answer = imported(api, "new@example.com", first_name="Ada", properties={"SoPost Identity": "x", "Kept": [1, "two"]})
    assert answer.status == 201
    assert answer.headers["content-type"] == "application/vnd.api+json"
    id = answer.json["data"]["id"]
    meta = {"patch_properties": {"unset": ["SoPost Identity"], "append": {"Kept": 3}}}
    assert imported(api, "NEW@example.com", first_name=None, last_name="Lovage", meta=meta).status == 200
    attributes = api("GET", f"/api/profiles/{id}").json["data"]["attributes"]
    assert (attributes["first_name"], attributes["last_name"]) == (None, "Lovage")
    assert attributes["properties"] == {"Kept": [1, "two", 3]}
    assert imported(api, "not an address").json["errors"][0]["source"]["pointer"] == "/data/attributes/email"
    taken = imported(api, "already@example.com", id=id)
    assert (taken.status, taken.json["errors"][0]["code"]) == (404, "not_found")
    assert [entry["what"] for entry in box.control.books()] == ["created", "updated"]


def test_a_key_a_revision_and_a_filter_are_needed(box: Served, api: Api) -> None:
    assert box.api(Authorization="Klaviyo-API-Key no", revision="2026-07-15")("GET", "/api/accounts").status == 401
    assert api("GET", "/api/accounts", headers={"revision": "now"}).status == 400
    assert api("GET", "/api/profiles", filter="greater-than(updated,2026)").status == 400
    assert api("GET", "/api/nonsense").status == 404
    page = api("GET", "/api/profiles", **{"page[size]": 5}).json
    assert len(page["data"]) == 5
    next_page = api("GET", page["links"]["next"].partition(api.place)[2]).json
    assert len({row["id"] for row in page["data"] + next_page["data"]}) == 10


def test_each_limit_of_a_filter(box: Served) -> None:
    for most, _ in box.each("any_max", [None] * 3):
        api = api_of(box)
        emails = ["already@example.com", *[f"n{i}@example.com" for i in range(100)]]
        if most:
            assert len(found(api, *emails[:most])) == 1
        assert asked(api, *emails[: most + 1]).status == 400
        assert found(api, "already@example.com", how="equals") == ["already@example.com"]
    for most, statuses in box.each("url_max", [(200, 414), (414, 414)]):
        api = api_of(box)
        told = tuple(asked(api, *[f"person{i:03d}@example.com" for i in range(n)]).status for n in (90, 300))
        assert told[0] == statuses[0], most
        assert told[1] == statuses[1], most


def test_each_way_with_letters(box: Served) -> None:
    for how, rows in box.each("email_case", [1, 0]):
        assert len(found(api_of(box), "upper.case@example.com")) == rows, how
        assert len(found(api_of(box), "Upper.Case@Example.com")) == 1
        assert imported(api_of(box), "upper.case@example.com", first_name="Una").status == 200


def test_each_lag_of_a_subscription(box: Served) -> None:
    for polls, _ in box.each("subscribe_lag_polls", [None] * 4):
        api = api_of(box)
        assert subscribed(api, "new@example.com").status == 202
        seen = [bool(found(api, "new@example.com")) for _ in range(7)]
        count = 7 if polls == "never" else int(polls)
        assert seen == [False] * count + [True] * (7 - count), polls
    box.control.reset()
    settled(box)
    api = api_of(box)
    subscribed(api, "new@example.com")
    told = marketing(api, "new@example.com")
    assert (told["consent"], told["custom_method_detail"], told["double_optin"]) == (
        "SUBSCRIBED",
        "SoPost consent",
        False,
    )
    assert on_list(api, "new@example.com")
    assert [e["what"] for e in box.control.books()] == ["subscribe_asked", "created", "subscribed"]


def test_each_answer_to_subscribing_who_is_suppressed(box: Served) -> None:
    for how, kept in box.each("subscribe_on_suppressed", [False, True]):
        settled(box)
        api = api_of(box)
        subscribed(api, "user_suppressed@example.com", "spam_complaint@example.com", "hard_bounce@example.com")
        for email in ("user_suppressed@example.com", "spam_complaint@example.com"):
            assert bool(marketing(api, email)["suppression"]) is kept, how
        bounced = marketing(api, "hard_bounce@example.com")
        assert [one["reason"] for one in bounced["suppression"]] == ["HARD_BOUNCE"]
        assert bounced["can_receive_email_marketing"] is False


def test_each_way_onto_a_list(box: Served) -> None:
    for way, direct in box.each("list_opt_in", [True, False]):
        settled(box)
        api = api_of(box)
        assert api("GET", f"/api/lists/{NEWS}").json["data"]["attributes"]["opt_in_process"] == way
        assert api("GET", f"/api/lists/{TRIAL}").json["data"]["attributes"]["opt_in_process"] == "double_opt_in"
        subscribed(api, "new@example.com")
        assert on_list(api, "new@example.com") is direct
        assert marketing(api, "new@example.com")["consent"] == ("SUBSCRIBED" if direct else "NEVER_SUBSCRIBED")
        if not direct:
            assert [one["list"] for one in box.control.report("awaiting")] == [NEWS]
            box.control.confirm("new@example.com", list=NEWS)
            assert on_list(api, "new@example.com")
            assert marketing(api, "new@example.com")["double_optin"] is True


def test_a_second_subscription_within_half_an_hour_is_passed_over(box: Served, api: Api) -> None:
    settled(box)
    for seconds, consent in ((60, "UNSUBSCRIBED"), (1800, "SUBSCRIBED")):
        subscribed(api, "already@example.com")
        box.control.unsubscribe("already@example.com")
        box.control.move_clock(seconds)
        subscribed(api, "already@example.com")
        assert marketing(api, "already@example.com")["consent"] == consent
        box.control.move_clock(1900)
    assert "subscribe_passed_over" in [entry["what"] for entry in box.control.books()]


def test_each_way_of_a_historical_import(box: Served) -> None:
    past = (datetime.now(UTC) - timedelta(days=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for how, consent in box.each("historical_respects_unsubscribe", ["SUBSCRIBED", "UNSUBSCRIBED"]):
        settled(box)
        api = api_of(box)
        subscribed(api, "optedout0@example.com", historical=True, at=past)
        assert marketing(api, "optedout0@example.com")["consent"] == consent, how
        for wrong in (None, past.removesuffix("Z"), "2099-01-01T00:00:00Z"):
            assert subscribed(api, "new@example.com", historical=True, at=wrong).status == 400
        subscribed(api, "new@example.com", to=TRIAL, historical=True, at=past)
        told = marketing(api, "new@example.com")
        assert (told["consent"], told["consent_timestamp"][:10]) == ("SUBSCRIBED", past[:10])


def test_unsubscriptions_are_of_a_list_or_of_everything(box: Served, api: Api) -> None:
    assert on_list(api, "already@example.com")
    assert subscribed(api, "already@example.com", what="delete").status == 202
    told = marketing(api, "already@example.com")
    assert (told["consent"], told["suppression"], on_list(api, "already@example.com")) == ("SUBSCRIBED", [], False)
    assert told["list_suppressions"][0]["list_id"] == NEWS
    subscribed(api, "offlist@example.com", what="delete")
    told = marketing(api, "offlist@example.com")
    assert (told["consent"], told["suppression"][0]["reason"]) == ("UNSUBSCRIBED", "UNSUBSCRIBE")
    assert subscribed(api, *[f"n{i}@example.com" for i in range(101)], what="delete").status == 400
    box.control.suppress("already@example.com", reason="INVALID_EMAIL")
    assert marketing(api, "already@example.com")["can_receive_email_marketing"] is False


def test_each_answer_to_a_bad_profile(box: Served) -> None:
    for how, status in box.each("bad_profile", [400, 202]):
        box.control.set_switches({"job_lag_polls": 0, "subscribe_lag_polls": 0})
        api = api_of(box)
        answer = job(api, {"email": "good@example.com"}, {"email": "bad"})
        assert answer.status == status, how
        if status == 400:
            pointer = "/data/attributes/profiles/data/1/attributes/email"
            assert answer.json["errors"][0]["source"]["pointer"] == pointer
        assert len(found(api, "good@example.com")) == (status == 202)
        assert subscribed(api, "other@example.com", "bad").status == status
        assert len(found(api, "other@example.com")) == (status == 202)


def test_each_lag_of_a_job(box: Served) -> None:
    for polls, _ in box.each("job_lag_polls", [None] * 4):
        api = api_of(box)
        id = job(api, {"email": "new@example.com", "first_name": None}, {"email": "known@example.com"}).json["data"][
            "id"
        ]
        told = [api("GET", f"/api/profile-bulk-import-jobs/{id}").json["data"]["attributes"] for _ in range(7)]
        count = 7 if polls == "never" else int(polls)
        assert [one["status"] for one in told] == ["processing"] * count + ["complete"] * (7 - count), polls
        assert len(found(api, "new@example.com")) == (polls != "never")
    assert (told[-1]["total_count"], told[-1]["failed_count"]) == (2, 0)
    assert box.control.report("jobs")[0]["attributes"]["status"] == "processing"
    assert api_of(box)("GET", "/api/profile-bulk-import-jobs/none").status == 404


def test_null_clears_nothing_in_a_job(box: Served, api: Api) -> None:
    box.control.set_switch("job_lag_polls", 0)
    job(api, {"email": "known@example.com", "first_name": None, "last_name": "New", "properties": {"a": None, "b": 1}})
    attributes = asked(api, "known@example.com").json["data"][0]["attributes"]
    assert (attributes["first_name"], attributes["last_name"]) == ("Kalinda", "New")
    assert attributes["properties"] == {"b": 1}


def test_each_way_of_naming_what_failed(box: Served) -> None:
    ends = ["/data/attributes/profiles/data/1/attributes/email", "/data", None]
    for how, pointer in box.each("job_errors", ends):
        box.control.set_switches({"bad_profile": "item_skipped", "job_lag_polls": 0})
        api = api_of(box)
        id = job(api, {"email": "good@example.com"}, {"email": "bad"}).json["data"]["id"]
        told = api("GET", f"/api/profile-bulk-import-jobs/{id}").json["data"]["attributes"]
        assert (told["completed_count"], told["failed_count"]) == (1, 1)
        errors = api("GET", f"/api/profile-bulk-import-jobs/{id}/import-errors").json["data"]
        assert [one["attributes"]["source"]["pointer"] for one in errors] == ([pointer] if pointer else []), how
        if how == "by_payload":
            assert errors[0]["attributes"]["original_payload"]["attributes"]["email"] == "bad"
    box.control.set_switch("job_errors", "by_pointer")
    id = job(api, *[{"email": f"bad{i}"} for i in range(45)]).json["data"]["id"]
    path, count = f"/api/profile-bulk-import-jobs/{id}/import-errors", 0
    while path:
        page = api("GET", path).json
        count, link = count + len(page["data"]), page["links"]["next"]
        path = link.partition(api.place)[2] if link else ""
    assert count == 45


def test_each_answer_to_writing_who_was_erased(box: Served) -> None:
    for how, status in box.each("deleted_write", [201, 400]):
        assert imported(api_of(box), "erased@example.com").status == status, how
        box.control.erase("known@example.com", for_good=True)
        assert imported(api_of(box), "known@example.com").status == status
    box.control.erase("already@example.com")
    assert imported(api_of(box), "already@example.com").status == 201


def test_each_answer_about_who_was_merged(box: Served) -> None:
    for how, there in box.each("merge_resolves", [True, False]):
        api = api_of(box)
        gone, kept = (box.control.profile(f"{name}@example.com")["id"] for name in ("offlist", "known"))
        box.control.merge("known@example.com", "offlist@example.com")
        assert found(api, "offlist@example.com") == (["known@example.com"] if there else []), how
        answer = api("GET", f"/api/profiles/{gone}")
        assert answer.status == (200 if there else 404)
        assert not there or answer.json["data"]["id"] == kept


def test_each_form_of_what_is_told(box: Served) -> None:
    for how, end in box.each("timestamps", ["Z", "0", None]):
        told = marketing(api_of(box), "optedout400@example.com")
        assert (told.get("consent_timestamp") or "")[-1:] == (end or "") or how == "no_zone"
        assert ("timestamp" in told["suppression"][0]) is (end is not None), how
        if how == "no_zone":
            assert datetime.fromisoformat(told["last_updated"]).tzinfo is None
    for _, word in box.each("consent_words", ["NEVER_SUBSCRIBED", "Never_Subscribed"]):
        assert marketing(api_of(box), "known@example.com")["consent"] == word
    for how, status in box.each("accounts", [200, 403]):
        answer = api_of(box)("GET", "/api/accounts")
        assert (answer.status, "GlowAc" in answer.text) == (status, status == 200), how
    for _, status in box.each("revision_retired", [200, 410]):
        assert api_of(box)("GET", "/api/accounts").status == status


def test_each_limit(box: Served) -> None:
    for every, last in box.each("rate_limit_every", [200, 429]):
        api = api_of(box)
        answers = [api("GET", "/api/accounts") for _ in range(7)]
        assert answers[-1].status == last, every
        assert "ratelimit-remaining" in answers[0].headers
    for how, wait in box.each("rate_429", ["1", None]):
        box.control.set_fault("429")
        answer = api_of(box)("GET", "/api/accounts")
        assert (answer.status, answer.headers.get("retry-after")) == (429, wait), how
        assert answer.json["errors"][0]["code"] == "throttled"


def test_each_lag_of_a_write(box: Served) -> None:
    for polls, _ in box.each("read_after_write_lag_polls", [None, None]):
        api = api_of(box)
        imported(api, "new@example.com")
        seen = [bool(found(api, "new@example.com")) for _ in range(3)]
        assert seen == [False] * polls + [True] * (3 - polls)


def test_a_list_takes_and_loses_members_without_a_consent(box: Served, api: Api) -> None:
    id = box.control.profile("known@example.com")["id"]
    path = f"/api/lists/{NEWS}/relationships/profiles"
    for method, there in (("POST", True), ("POST", True), ("DELETE", False)):
        assert api(method, path, {"data": [{"type": "profile", "id": id}]}).status == 204
        assert on_list(api, "known@example.com") is there
    assert marketing(api, "known@example.com")["consent"] == "NEVER_SUBSCRIBED"
    assert [entry["what"] for entry in box.control.books()] == ["list_added", "list_removed"]
    assert api("POST", path, {"data": [{"type": "profile", "id": "nobody"}]}).status == 404


def test_hooks_and_edits_change_people_between_two_calls(box: Served, api: Api) -> None:
    change = {"kind": "marketing", "id": "known@example.com", "fields": {"consent": "UNSUBSCRIBED"}}
    box.control.add_hook(change, on="batch_apply")
    subscribed(api, "known@example.com", to=None)
    for _ in range(2):
        asked(api, "known@example.com")
    assert [entry["before"] for entry in box.control.books() if entry["what"] == "subscribed"] == ["UNSUBSCRIBED"]
    box.control.edit("known@example.com", {"first_name": "By Hand", "properties": {"x": 1}})
    attributes = asked(api, "known@example.com").json["data"][0]["attributes"]
    assert (attributes["first_name"], attributes["properties"]) == ("By Hand", {"x": 1})
    box.control.add("profiles", {"email": "by.hand@example.com", "marketing": {"consent": "SUBSCRIBED"}})
    assert marketing(api, "by.hand@example.com")["consent"] == "SUBSCRIBED"
    box.control.add("lists", {"id": "NEW111", "name": "New"})
    assert api("GET", "/api/lists/NEW111").status == 200


def test_another_accounts_records_are_findings(box: Served, api: Api) -> None:
    other = box.control.profile("known.here@example.com", SOAP)["id"]
    assert subscribed(api, "known@example.com", to="S7oApX").status == 404
    assert api("GET", f"/api/profiles/{other}").status == 404
    api("POST", f"/api/lists/{NEWS}/relationships/profiles", {"data": [{"type": "profile", "id": other}]})
    assert [f["what"] for f in box.control.findings(GLOW)] == ["other_merchants_record"] * 3


def test_faults_of_the_core_work_here(box: Served, api: Api) -> None:
    emails = ("known@example.com", "already@example.com")
    good = asked(api, *emails)
    for kind in ("hollow", "other_record", "two_keys", "truncated", "500"):
        box.control.set_fault(kind, count=1)
        answer = asked(api, *emails)
        assert answer.text != good.text
        assert answer.status == (500 if kind == "500" else 200)
    box.control.set_fault("other_record", count=1)
    assert api("GET", f"/api/lists/{NEWS}").json["data"]["id"] == TRIAL
    box.control.set_fault("other_record", count=1)
    assert found(api, emails[0]) not in ([], [emails[0]])
    box.control.set_fault("reset", count=1, when="after")
    with pytest.raises((ConnectionError, OSError)):
        imported(api_of(box), "arrived@example.com")
    assert found(api, "arrived@example.com") == ["arrived@example.com"]
    entry = next(one for one in box.control.journal() if one["fault"] == "reset")
    assert (entry["route"], entry["items"]) == ("POST /api/profile-import", 1)


def test_every_switch_is_tried() -> None:
    assert not_tried(__file__, "klaviyo") == []
