"""Each request that changes something: what is in it, how many go into it, and what its answer means for whom."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.klaviyo import writing as module
from vs_st_pipeline.connectors.klaviyo.crm import STEPS
from vs_st_pipeline.connectors.klaviyo.profile import profile_of, written
from vs_st_pipeline.domain.codec import encode, read_json
from vs_st_pipeline.domain.crm import Ended, Item, Result, Standing, State, Step
from vs_st_pipeline.domain.errors import BadKey, BadSettings, Forbidden, KeptBack, PipelineError, Refused, TryLater
from vs_st_pipeline_tests.connectors.klaviyo.world import (
    NEWS,
    SOURCE,
    TRIAL,
    World,
    consenting,
    days_ago,
    sought,
    writing,
)
from vs_st_pipeline_tests.sandbox.served import Served

VALUES = {
    "first_name": "Ada",
    "SoPost Order Count": "3",
    "SoPost Last Order": "4711",
    "SoPost Consents": '["Glow Skin news","Trials"]',
    "SoPost Answers": "Skin?: dry\nAge?: 40",
}
NUMBERS = frozenset({"SoPost Order Count"})
AS_STORED = {
    "SoPost Order Count": 3,
    "SoPost Last Order": "4711",
    "SoPost Consents": ["Glow Skin news", "Trials"],
    "SoPost Answers": "Skin?: dry\nAge?: 40",
}


def ended(results: dict[str, Result]) -> dict[str, str]:
    return {id_: one.ended.value for id_, one in results.items()}


def by_jobs(box: Served) -> World:
    return World(box, write_one_by_one_up_to=0)


# --- fields -----------------------------------------------------------------------------------------------------------


def test_c6_few_profiles_are_imported_one_by_one_and_their_answer_names_them(world: World) -> None:
    id_ = world.add("known@example.com", first_name="Old")
    results = world.send(
        Step.FIELDS,
        writing("Known@Example.com", VALUES, id_, numbers=NUMBERS),
        writing("New@example.com", VALUES, numbers=NUMBERS),
    )
    new = world.profile("new@example.com")
    assert results == {
        "Known@Example.com": Result(Ended.ACCEPTED, record_id=id_),
        "New@example.com": Result(Ended.ACCEPTED, record_id=new["id"]),
    }
    for profile in (world.profile("known@example.com"), new):
        assert profile["attributes"]["first_name"] == "Ada"
        assert profile["attributes"]["properties"] == AS_STORED
    update, create = [one["body"]["data"] for one in world.asked("/api/profile-import")]
    assert "email" not in update["attributes"], "a record that is there is never told of its address"
    assert (update["id"], create["attributes"]["email"]) == (id_, "New@example.com")
    assert "id" not in create


def test_c6_more_than_so_many_a_sync_go_by_jobs(box: Served) -> None:
    world = World(box, write_one_by_one_up_to=3)
    people = [writing(f"p{n}@example.com", VALUES, numbers=NUMBERS) for n in range(8)]
    assert ended(world.send(Step.FIELDS, *people[:2])) == dict.fromkeys(
        ("p0@example.com", "p1@example.com"), "accepted"
    )
    assert set(ended(world.send(Step.FIELDS, *people[2:])).values()) == {"accepted"}
    assert [one["items"] for one in world.asked("/api/profile-bulk-import-jobs") if one["method"] == "POST"] == [6]
    assert len(world.asked("/api/profile-import")) == 2
    assert world.profile("p7@example.com")["attributes"]["properties"] == AS_STORED
    [job] = world.control.report("jobs")
    body = next(one["body"] for one in world.asked("/api/profile-bulk-import-jobs") if one["method"] == "POST")
    assert "relationships" not in body["data"], "no list: that would be membership without consent"
    assert job["attributes"]["status"] == "complete"


def test_c6_a_job_has_a_thousand_profiles_and_four_megabytes_at_most(box: Served) -> None:
    world = by_jobs(box)
    small = [writing(f"p{n}@example.com", {"a": "b"}) for n in range(2001)]
    assert [len(one) for one in world.crm.requests(Step.FIELDS, small)] == [1000, 1000, 1]
    large = [writing(f"p{n}@example.com", {"a": "ü" * 45_000}) for n in range(100)]
    sizes = [len(one) for one in world.crm.requests(Step.FIELDS, large)]
    assert (sum(sizes), len(sizes), max(sizes)) == (100, 3, 44)


def test_null_clears_in_an_import_of_one(world: World) -> None:
    id_ = world.add("known@example.com", last_name="Old", properties={"SoPost Consents": ["a"], "Theirs": 1})
    assert world.send(Step.FIELDS, writing("known@example.com", {"SoPost Consents": "", "last_name": ""}, id_))
    attributes = world.profile("known@example.com")["attributes"]
    assert (attributes["properties"], attributes["last_name"]) == ({"Theirs": 1}, None)


def test_c6_clearing_in_a_job_is_unsetting_and_own_fields_go_one_by_one(box: Served) -> None:
    world = by_jobs(box)
    one, two = (world.add(f"{n}@example.com", last_name="Old", properties={"P": ["a"], "Q": 1}) for n in ("one", "two"))
    items = [
        writing("one@example.com", {"P": "", "Q": "2"}, one),
        writing("two@example.com", {"P": "", "last_name": ""}, two),
    ]
    assert set(ended(world.send(Step.FIELDS, *items)).values()) == {"accepted"}
    assert world.profile("one@example.com")["attributes"]["properties"] == {"Q": 2}
    attributes = world.profile("two@example.com")["attributes"]
    assert (attributes["properties"], attributes["last_name"]) == ({"Q": 1}, None)
    [job] = [one["body"] for one in world.asked("/api/profile-bulk-import-jobs") if one["method"] == "POST"]
    assert job["data"]["attributes"]["profiles"]["data"][0]["meta"] == {"patch_properties": {"unset": ["P"]}}


@pytest.mark.parametrize("name", ["phone_number", "$phone_number", "email", "external_id", "subscriptions", "id"])
def test_what_a_profile_is_known_by_is_never_written(box: Served, name: str) -> None:
    for world in (World(box), by_jobs(box)):
        id_ = world.add(f"{world.crm.requests(Step.FIELDS, []) or ''}x@example.com")
        world.send(Step.FIELDS, writing("x@example.com", {name: "+447700900001", "Other": "1"}, id_))
        sent = json.dumps([one["body"] for one in world.control.journal() if one["method"] == "POST"])
        assert "447700900001" not in sent
        world.control.reset()


@pytest.mark.parametrize("how", ["by_pointer", "by_payload", "count_only"])
@pytest.mark.parametrize("bad_profile", ["whole_400", "item_skipped"])
def test_c10_2_one_that_is_refused_is_named_and_the_others_go_on(box: Served, how: str, bad_profile: str) -> None:
    world = by_jobs(box)
    world.control.set_switches({"job_errors": how, "bad_profile": bad_profile})
    known = world.add("known@example.com")
    items = [
        writing("a@example.com", VALUES),
        writing("bad@@example", VALUES),
        writing("known@example.com", VALUES, known),
    ]
    told = ended(world.send(Step.FIELDS, *items))
    if bad_profile == "whole_400":
        assert told == {"a@example.com": "not_done", "bad@@example": "rejected", "known@example.com": "not_done"}
    elif how == "count_only":
        assert told == {}, "one of three failed, and nothing says which: all are looked for"
    else:
        assert told == {"a@example.com": "accepted", "bad@@example": "rejected", "known@example.com": "accepted"}


def test_c10_2_many_errors_come_in_pages(box: Served) -> None:
    world = by_jobs(box)
    world.control.set_switch("bad_profile", "item_skipped")
    told = ended(
        world.send(Step.FIELDS, *(writing(f"p{n}@@example", VALUES) for n in range(45)), writing("a@b.example", {}))
    )
    assert list(told.values()) == ["rejected"] * 45 + ["accepted"]
    assert len(world.asked("/import-errors")) == 3


def test_an_error_is_matched_by_the_id_of_what_it_repeats(box: Served) -> None:
    item = writing("known@example.com", VALUES, "01KNOWN")
    error = {"code": "invalid", "original_payload": {"id": "01KNOWN"}, "source": {"pointer": "/data"}}
    assert module._rejected([item], [error]) == {item.id: Result(Ended.REJECTED, code="invalid")}
    assert module._rejected([item], [{"source": {"pointer": "/data/attributes/profiles/data/7"}}]) == {}
    assert module._rejected([item], [{"code": "a sentence about ann@example.com"}]) == {}


def test_a_job_that_does_not_end_was_taken(box: Served) -> None:
    world = by_jobs(box)
    read, world.client.import_job = world.client.import_job, lambda _id: {}  # type: ignore[method-assign]
    told = world.send(Step.FIELDS, writing("hollow@example.com", VALUES))
    assert ended(told) == {"hollow@example.com": "taken"}, "no answer says how far it is"
    world.client.import_job = read  # type: ignore[method-assign]
    world.crm._writer._patience = 0.3
    for polls, wanted in ((0, "accepted"), (1, "accepted"), (5, "accepted"), ("never", "taken")):
        world.control.set_switch("job_lag_polls", polls)
        began = time.monotonic()
        told = ended(world.send(Step.FIELDS, writing(f"p{polls}@example.com", VALUES)))
        assert told == {f"p{polls}@example.com": wanted}
        assert time.monotonic() - began < 1


def test_jobs_that_do_not_end_are_waited_for_less_and_less(box: Served) -> None:
    world = by_jobs(box)
    world.control.set_switch("job_lag_polls", "never")
    began = time.monotonic()
    for n in range(8):
        told = ended(world.send(Step.FIELDS, writing(f"p{n}@example.com", VALUES)))
        assert told == {f"p{n}@example.com": "taken"}
    assert time.monotonic() - began < 2 * 0.3
    world.control.set_switch("job_lag_polls", 0)
    assert set(ended(world.send(Step.FIELDS, writing("p@example.com", VALUES))).values()) == {"accepted"}
    assert world.crm._writer._patience == 0.3


@pytest.mark.parametrize(("call", "wanted"), [("import_job", {"a@example.com": "taken"}), ("import_errors", {})])
def test_a_job_that_cannot_be_read_was_begun_all_the_same(box: Served, call: str, wanted: dict[str, str]) -> None:
    def refuses(_job_id: str) -> Any:
        raise Refused("no", http_status=404)

    world = by_jobs(box)
    world.client.import_job = lambda job_id: {"status": "complete", "failed_count": 1}  # type: ignore[method-assign]
    setattr(world.client, call, refuses)
    assert ended(world.send(Step.FIELDS, writing("a@example.com", VALUES))) == wanted


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "cancelled", "failed_count": 0},
        {"status": "complete"},
        {"status": "complete", "failed_count": True},
        {"status": "complete", "failed_count": 0, "total_count": 7},
    ],
)
def test_a_job_that_says_too_little_says_nothing(box: Served, answer: dict[str, Any]) -> None:
    world = by_jobs(box)
    world.client.import_job = lambda job_id: answer  # type: ignore[method-assign]
    assert world.send(Step.FIELDS, writing("a@example.com", VALUES)) == {}


def test_r22_a_hollow_answer_to_a_write_says_nothing(box: Served) -> None:
    for world in (World(box), by_jobs(box)):
        world.control.set_fault("hollow", count=1, method="POST")
        assert world.send(Step.FIELDS, writing("a@example.com", VALUES)) == {}
        world.control.clear_faults()


def test_a_profile_that_is_gone_between_look_and_write_is_told(box: Served) -> None:
    for world in (World(box), by_jobs(box)):
        id_ = world.add("gone@example.com")
        world.control.erase("gone@example.com")
        told = world.send(Step.FIELDS, writing("gone@example.com", VALUES, id_))
        assert told == {"gone@example.com": Result(Ended.REJECTED, code="not_found", http_status=404)}


def test_an_address_that_was_erased_for_good_may_be_refused(world: World) -> None:
    world.add("erased@example.com")
    world.control.erase("erased@example.com", for_good=True)
    world.control.set_switch("deleted_write", 400)
    told = world.send(Step.FIELDS, writing("erased@example.com", VALUES))
    assert told == {"erased@example.com": Result(Ended.REJECTED, code="invalid", http_status=400)}
    told = world.subscribe("erased@example.com", "fine@example.com")
    assert ended(told) == {f"erased@example.com/{NEWS.id}": "rejected", f"fine@example.com/{NEWS.id}": "not_done"}
    world.control.set_switch("deleted_write", "recreates")
    assert ended(world.send(Step.FIELDS, writing("erased@example.com", VALUES))) == {"erased@example.com": "accepted"}


# --- consent ----------------------------------------------------------------------------------------------------------


def test_c6_a_subscription_is_looked_for_and_shows(world: World) -> None:
    assert ended(world.subscribe("New@Example.com")) == {f"New@Example.com/{NEWS.id}": "taken"}
    [asked] = world.asked("/api/profile-subscription-bulk-create-jobs")
    consent = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}
    profile = {"type": "profile", "attributes": {"email": "New@Example.com", "subscriptions": consent}}
    assert asked["body"] == {
        "data": {
            "type": "profile-subscription-bulk-create-job",
            "attributes": {"custom_source": SOURCE, "profiles": {"data": [profile]}},
            "relationships": {"list": {"data": {"type": "list", "id": NEWS.id}}},
        }
    }
    assert world.settled("new@example.com").state is State.SUBSCRIBED
    assert world.settled("new@example.com").missing == ()
    assert world.control.findings() == []


def test_c6_r4_one_job_per_list_source_and_kind_of_a_thousand_at_most(world: World) -> None:
    at = days_ago(9)
    items = [
        *(consenting(f"p{n}@example.com") for n in range(1001)),
        *(consenting(f"p{n}@example.com", source="another consent") for n in range(2)),
        *(consenting(f"p{n}@example.com", TRIAL, confirms=True) for n in range(2)),
        *(consenting(f"old{n}@example.com", at=at + timedelta(days=n)) for n in range(2)),
    ]
    formed = world.crm.requests(Step.CONSENT, items)
    assert [len(one) for one in formed] == [1000, 1, 2, 2, 2]
    assert sorted(item.id for one in formed for item in one) == sorted(item.id for item in items)


def test_c7_13_imported_orders_subscribe_without_a_welcome(world: World) -> None:
    world.look("old@example.com", "young@example.com")
    at = datetime(2026, 3, 1, 12, 30, 15, 7, UTC).astimezone()
    world.send(Step.CONSENT, consenting("old@example.com", at=at), consenting("young@example.com"))
    old, young = [one["body"]["data"]["attributes"] for one in world.asked("bulk-create-jobs")]
    assert (old["historical_import"], "historical_import" in young) == (True, False)
    marketing = old["profiles"]["data"][0]["attributes"]["subscriptions"]["email"]["marketing"]
    assert marketing == {"consent": "SUBSCRIBED", "consented_at": "2026-03-01T12:30:15Z"}
    assert world.settled("old@example.com").state is State.SUBSCRIBED
    assert [one["historical"] for one in world.books("subscribe_asked")] == [True, False]


def test_c7_13_never_historical_on_a_list_that_confirms(world: World) -> None:
    world.look("old@example.com", targets=(TRIAL,))
    world.send(Step.CONSENT, consenting("old@example.com", TRIAL, at=days_ago(9), confirms=True))
    [asked] = world.asked("bulk-create-jobs")
    assert "historical_import" not in asked["body"]["data"]["attributes"]
    assert "consented_at" not in json.dumps(asked["body"])
    assert world.settled("old@example.com", TRIAL).state is State.NEVER, "until the person confirms"
    world.control.confirm("old@example.com")
    assert world.settled("old@example.com", TRIAL) == Standing(State.SUBSCRIBED)


def test_c7_13_nobody_is_put_on_a_list_that_confirms(world: World) -> None:
    id_ = world.add("on@example.com", "SUBSCRIBED", NEWS)
    [missing] = world.one("on@example.com", targets=(TRIAL,)).standings[TRIAL].missing
    told = world.send(Step.LISTS, Item("i", sought("on@example.com"), id_, target=TRIAL, lists=(missing,)))
    assert told == {"i": Result(Ended.REJECTED, code="must_confirm")}
    assert ended(world.send(Step.CONSENT, consenting("on@example.com", TRIAL, confirms=True))) == {
        f"on@example.com/{TRIAL.id}": "taken"
    }
    assert world.settled("on@example.com", TRIAL).missing == (TRIAL.id,)
    assert [one["what"] for one in world.books("confirmation_sent")] == ["confirmation_sent"]


def test_c6_5_nobody_is_subscribed_to_a_list_that_is_gone(world: World) -> None:
    world.look("ann@example.com", "bob@example.com")
    world.control.delete("lists", NEWS.id)
    told = world.send(Step.CONSENT, consenting("ann@example.com"), consenting("bob@example.com"))
    assert {(one.ended, one.code) for one in told.values()} == {(Ended.REJECTED, "no_target")}


@pytest.mark.parametrize("step", [Step.CONSENT, Step.LISTS])
def test_c7_4_nobody_is_subscribed_without_a_look_in_the_last_minute(
    world: World, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = world.add("ann@example.com", "SUBSCRIBED")
    item = Item(
        "i", sought("ann@example.com"), id_, target=NEWS, consent=consenting("x@y.example").consent, lists=(NEWS.id,)
    )
    with pytest.raises(KeptBack):
        world.send(step, item)
    world.look("ann@example.com")
    assert ended(world.send(step, item)) == {"i": "taken"}
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 60.5)
    with pytest.raises(KeptBack):
        world.send(step, item)
    monkeypatch.undo()
    world.control.set_fault("hollow")
    with pytest.raises(Exception, match="no list"):
        world.look("ann@example.com")
    world.control.clear_faults()
    with pytest.raises(KeptBack):
        world.send(step, item)


def test_c7_4_a_member_is_added_to_a_list_by_the_relationship_alone(world: World) -> None:
    id_ = world.add("on@example.com", "SUBSCRIBED")
    [missing] = world.one("on@example.com").standings[NEWS].missing
    item = Item("i", sought("on@example.com"), id_, target=NEWS, lists=(missing,))
    assert ended(world.send(Step.LISTS, item)) == {"i": "taken"}
    [asked] = world.asked("/relationships/profiles")
    assert asked["body"] == {"data": [{"type": "profile", "id": id_}]}
    assert world.standing("on@example.com").missing == ()
    assert [one["what"] for one in world.control.books()] == ["list_added"]


def test_one_stale_id_refuses_a_list_as_a_whole_until_it_is_alone(world: World) -> None:
    good, bad = world.add("on@example.com", "SUBSCRIBED"), "01GONE"
    world.look("on@example.com", "bad@example.com")
    items = [
        Item(id_, sought(email), id_, target=NEWS, lists=(NEWS.id,))
        for email, id_ in (("on@example.com", good), ("bad@example.com", bad))
    ]
    with pytest.raises(Refused):
        world.send(Step.LISTS, *items)
    assert [world.crm.send(Step.LISTS, [item])[item.id].ended for item in items] == [Ended.TAKEN, Ended.REJECTED]


# --- undoing ----------------------------------------------------------------------------------------------------------


def test_c7_11_somebody_with_another_consent_of_ours_only_leaves_the_list(world: World) -> None:
    id_ = world.add("ann@example.com", "SUBSCRIBED", NEWS)
    item = Item("i", sought("ann@example.com"), id_, target=NEWS)
    assert ended(world.send(Step.WITHDRAW, item)) == {"i": "taken"}
    assert [one["method"] for one in world.asked("/relationships/profiles")] == ["DELETE"]
    assert world.asked("bulk-delete") == []
    found = world.standing("ann@example.com")
    assert (found.state, found.missing) == (State.SUBSCRIBED, (NEWS.id,))


def test_c7_11_whoever_is_subscribed_to_nothing_of_ours_any_more_is_unsubscribed(world: World) -> None:
    people = [f"p{n}@example.com" for n in range(101)]
    items = [
        Item(email, sought(email), world.add(email, "SUBSCRIBED", NEWS), target=NEWS, wholly=True) for email in people
    ]
    world.add("other@example.com", "SUBSCRIBED", NEWS)
    assert set(ended(world.send(Step.WITHDRAW, *items)).values()) == {"taken"}
    jobs = world.asked("bulk-delete-jobs")
    assert [one["items"] for one in jobs] == [100, 1]
    assert all("relationships" not in one["body"]["data"] for one in jobs), "no list is ever named"
    consent = {"subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}}
    assert jobs[1]["body"]["data"]["attributes"]["profiles"]["data"][0]["attributes"] == {
        "email": people[100],
        **consent,
    }
    assert {one.standings[NEWS].state for one in world.look(*people).values()} == {State.UNSUBSCRIBED}
    assert world.standing("other@example.com").state is State.SUBSCRIBED


def test_c7_11_nobody_is_off_the_list_alone_who_is_to_be_unsubscribed(world: World) -> None:
    item = Item("i", sought("ann@example.com"), world.add("ann@example.com", "SUBSCRIBED", NEWS), target=NEWS)
    world.control.set_fault("500", path_regex="relationships/profiles")
    with pytest.raises(PipelineError):
        world.send(Step.WITHDRAW, replace(item, wholly=True))
    world.control.clear_faults()
    assert world.standing("ann@example.com").state is State.UNSUBSCRIBED


def test_c7_11_what_was_added_to_a_list_is_taken_off_it(world: World) -> None:
    id_ = world.add("ann@example.com", "SUBSCRIBED", NEWS)
    assert world.send(Step.UNLIST, Item("i", sought("ann@example.com"), id_, target=NEWS, lists=(NEWS.id,)))
    found = world.standing("ann@example.com")
    assert (found.state, found.missing) == (State.SUBSCRIBED, (NEWS.id,))


def test_withdrawing_comes_before_subscribing() -> None:
    assert sorted(STEPS) == sorted(Step)
    assert STEPS.index(Step.WITHDRAW) < STEPS.index(Step.CONSENT) < STEPS.index(Step.FIELDS)


# --- the ways of the HTTP client --------------------------------------------------------------------------------------


def test_every_request_speaks_json_api_and_names_its_revision(world: World) -> None:
    sent = []
    real = world.client.http._built

    def built(method: str, url: str, body: bytes | None) -> Any:
        sent.append(prepared := real(method, url, body))
        return prepared

    world.client.http._built = built  # type: ignore[method-assign]
    world.look("ann@example.com")
    world.send(Step.FIELDS, writing("ann@example.com", VALUES))
    assert {one.headers["revision"] for one in sent} == {"2026-07-15"}
    assert {one.headers["Accept"] for one in sent} == {"application/vnd.api+json"}
    assert sent[-1].headers["Content-Type"] == "application/vnd.api+json"
    assert sent[-1].headers["Authorization"].startswith("Klaviyo-API-Key pk_")


def test_c10_1_a_retired_revision_is_a_matter_of_settings(world: World) -> None:
    world.control.set_switch("revision_retired", 410)
    for ask in (lambda: world.look("ann@example.com"), lambda: world.crm.begin([NEWS]), world.crm.account):
        with pytest.raises(BadSettings, match="revision retired"):
            ask()
    with pytest.raises(BadSettings, match="revision retired"):
        world.send(Step.FIELDS, writing("ann@example.com", VALUES))


def test_c10_1_keys(world: World) -> None:
    for status, kind in (("401", BadKey), ("403", Forbidden)):
        world.control.set_fault(status)
        with pytest.raises(kind):
            world.look("ann@example.com")
        with pytest.raises(kind):
            world.send(Step.FIELDS, writing("ann@example.com", VALUES))
        world.control.clear_faults()


@pytest.mark.parametrize("how", ["retry_after", "bare"])
def test_a_write_is_sent_again_after_a_429_alone(world: World, how: str) -> None:
    world.control.set_switches({"rate_429": how, "rate_limit_every": 2})
    assert ended(world.subscribe("a@example.com", "b@example.com")) == {
        f"a@example.com/{NEWS.id}": "taken",
        f"b@example.com/{NEWS.id}": "taken",
    }
    assert ended(world.send(Step.FIELDS, writing("a@example.com", VALUES))) == {"a@example.com": "accepted"}
    assert len(world.books("subscribe_asked")) == 2
    world.control.set_switch("rate_limit_every", 1)
    with pytest.raises(TryLater):
        world.send(Step.FIELDS, writing("a@example.com", VALUES))


@pytest.mark.parametrize("after", ["2", "0", "-3", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", None])
def test_a_retry_after_is_kept_and_one_that_is_none_does_no_harm(box: Served, after: str | None) -> None:
    world, waits = World(box), list[float]()
    world.client.sleep = waits.append
    world.client._heard({} if after is None else {"Retry-After": after})
    world.client._heard = lambda headers: None  # type: ignore[method-assign]
    world.client.http._on_answer = world.client._heard
    world.control.set_fault("cloudflare_429", count=1, method="POST")
    assert ended(world.send(Step.FIELDS, writing("a@example.com", VALUES))) == {"a@example.com": "accepted"}
    assert waits == [2.0 if after == "2" else 0.5]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_write_without_an_answer_is_not_sent_again(world: World, when: str) -> None:
    world.look("a@example.com")
    world.control.clear_journal()
    world.control.set_fault("reset", count=1, when=when, method="POST")
    with pytest.raises(TryLater):
        world.send(Step.CONSENT, consenting("a@example.com"))
    assert len(world.asked("bulk-create-jobs")) == 1


def test_no_error_has_an_address_in_it(world: World) -> None:
    world.look("ann@example.com")
    world.control.set_fault("500")
    with pytest.raises(TryLater) as caught:
        world.look("ann@example.com")
    assert "ann" not in str(caught.value) + json.dumps(caught.value.as_report())


def test_values_are_told_as_text_and_go_back_as_they_are(world: World) -> None:
    properties = {"n": 3, "f": 2.5, "flag": True, "list": ["b", "ä"], "none": None, "empty": [], "odd": {"x": [1]}}
    world.add("ann@example.com", first_name="Ann", last_name=None, properties=properties)
    record = world.one("ann@example.com", fields=(*properties, "first_name", "last_name", "absent")).record
    assert record is not None
    assert record.values == {
        **{"n": "3", "f": "2.5", "flag": "true", "list": '["b","ä"]', "none": "", "empty": ""},
        **{"odd": '{"x":"[\\"1\\"]"}', "first_name": "Ann", "last_name": "", "absent": ""},
    }
    sent = written(writing("x@y.example", {"n": "3", "f": "2.5", "list": '["b","ä"]'}), null_clears=True)
    assert sent["attributes"]["properties"] == {"n": 3, "f": 2.5, "list": ["b", "ä"]}


def test_an_address_stands_in_the_location(world: World) -> None:
    id_ = world.add("ann@example.com", location={"city": "Old", "region": "Kent"})
    values = {"location.city": "London", "location.zip": "N1 1AA", "location.region": ""}
    assert ended(world.send(Step.FIELDS, writing("ann@example.com", values, id_))) == {"ann@example.com": "accepted"}
    location = {"city": "London", "zip": "N1 1AA", "region": None}
    assert world.profile("ann@example.com")["attributes"]["location"] == location
    record = world.one("ann@example.com", fields=tuple(values)).record
    assert record is not None
    assert record.values == values


@pytest.mark.parametrize("text", ["007", "1e5", "+44", "1.", "12345678901234567890", "[1]", '["a", "b"]', "[x", "true"])
def test_a_text_that_is_not_surely_a_number_or_a_list_stays_one(text: str) -> None:
    sent = written(writing("x@y.example", {"P": text}), null_clears=True)
    assert sent["attributes"]["properties"] == {"P": text}


def test_a_number_that_nobody_can_hold_spoils_nothing(world: World) -> None:
    body = b'{"type":"profile","id":"01","attributes":{"email":"a@b.example","properties":{"p":1e999999999,"q":1.5}}}'
    profile = profile_of(read_json(body))
    assert profile is not None
    assert profile.values(["p", "q"]) == {"p": "", "q": "1.5"}
    assert json.loads(encode(profile.body) or b"")["attributes"]["properties"] == {"p": None, "q": 1.5}
