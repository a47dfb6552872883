"""Each request is sent once, and what became of each of its items is what the answer names, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from vs_st_pipeline.connectors.hubspot.writing import NO_BASIS
from vs_st_pipeline.domain.crm import Ended, Item, Step
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, NotSent, PipelineError, Refused, TryLater
from vs_st_pipeline_tests.connectors.hubspot.portals import (
    CONSENT,
    NEWS,
    TRIAL,
    Portal,
    consent,
    ended,
    fields,
    listed,
    people,
    sought,
)
from vs_st_pipeline_tests.sandbox.served import GLOW, Served


def id_of(box: Served, email: str) -> str:
    found: str = box.control.contact(email)["id"]
    return found


def creates(*emails: str, **values: str) -> list[Item]:
    return [fields(person, firstname="New", **values) for person in people(*emails)]


def update(box: Served, email: str, **values: str) -> Item:
    id_ = id_of(box, email)
    return fields(sought(email, id_), id_, **values)


# --- requests ---------------------------------------------------------------------------------------------------------


def test_c6_requests_are_a_hundred_and_creates_are_not_beside_updates(box: Served, portal: Portal) -> None:
    items = [*creates(*(f"n{i}@example.com" for i in range(101))), update(box, "known@example.com", firstname="K")]
    assert [len(one) for one in portal.crm.requests(Step.FIELDS, items)] == [100, 1, 1]
    both = [consent(person, target) for person in people("a@example.com", "b@example.com") for target in (NEWS, TRIAL)]
    packs = portal.crm.requests(Step.CONSENT, both)
    assert [[item.target for item in one] for one in packs] == [[NEWS, NEWS], [TRIAL, TRIAL]], "nobody twice in one"
    joins = [
        listed(person, str(at), *lists)
        for at, person in enumerate(people("a@x.io", "b@x.io", "c@x.io"))
        for lists in [("42", "43") if at else ("42",)]
    ]
    assert [len(one) for one in portal.crm.requests(Step.LISTS, joins)] == [1, 2]
    assert portal.crm.requests(Step.FIELDS, []) == []
    twins = [*creates("a@example.com"), replace(creates("a@example.com")[0], id="twin")]
    assert [len(one) for one in portal.crm.requests(Step.FIELDS, twins)] == [1, 1]


def test_c6_a_cap_that_was_learned_by_reading_holds_for_writes(box: Served, portal: Portal) -> None:
    box.control.set_switches({"batch_cap": 10, "status_batch_cap": 10})
    portal.begin()
    emails = [f"n{i}@example.com" for i in range(25)]
    portal.look(*people(*emails))
    box.control.clear_journal()
    portal.send(Step.FIELDS, creates(*emails))
    portal.send(Step.CONSENT, [consent(person) for person in people(*emails)])
    assert [(entry["items"], entry["status"]) for entry in box.control.journal()] == [
        (10, 201), (10, 201), (5, 201), (10, 200), (10, 200), (5, 200),
    ]  # fmt: skip


# --- fields -----------------------------------------------------------------------------------------------------------


def test_c6_a_contact_is_made_under_the_address_as_the_order_writes_it(box: Served, portal: Portal) -> None:
    [item] = [fields(sought("New.One@Example.com"), firstname="Ada", lastname="")]
    result = portal.send(Step.FIELDS, [item])[item.id]
    assert (result.ended, result.record_id) == (Ended.ACCEPTED, id_of(box, "new.one@example.com"))
    [sent] = portal.writes()
    properties = {"email": "New.One@Example.com", "firstname": "Ada"}
    assert sent["body"]["inputs"] == [{"properties": properties, "objectWriteTraceId": item.id}]


def test_c6_an_update_goes_by_id_with_changed_fields_alone_and_clears(box: Served, portal: Portal) -> None:
    item = update(box, "already@example.com", firstname="", sopost_order_count="3")
    assert portal.send(Step.FIELDS, [item])[item.id].ended is Ended.ACCEPTED
    [sent] = portal.writes()
    values = {"firstname": "", "sopost_order_count": "3"}
    assert sent["body"]["inputs"] == [{"id": item.record_id, "properties": values, "objectWriteTraceId": item.id}]
    kept = box.control.contact("already@example.com")["properties"]
    assert (kept.get("firstname"), kept["sopost_order_count"]) == (None, "3")


def test_c6_1_creating_never_overwrites(box: Served, portal: Portal) -> None:
    items = creates("known@example.com", "fresh@example.com")
    told = portal.send(Step.FIELDS, items)
    assert ended(told, items) == ["exists", "accepted"]
    assert told[items[0].id].record_id == id_of(box, "known@example.com")
    assert box.control.contact("known@example.com")["properties"]["firstname"] == "Kalinda"


def test_c6_1_a_refused_batch_says_who_is_there_by_an_id_alone(box: Served, portal: Portal) -> None:
    box.control.set_switch("create_multi_status", "whole_400")
    items = creates("a@example.com", "known@example.com", "b@example.com")
    first = portal.crm.send(Step.FIELDS, items)
    assert ended(first, items) == ["not_done", "exists", "not_done"]
    assert ended(portal.send(Step.FIELDS, [items[0], items[2]]), [items[0], items[2]]) == ["accepted", "accepted"]


def test_c6_1_who_is_there_but_never_found_is_refused_the_second_time(box: Served, portal: Portal) -> None:
    [item] = creates("known@example.com")
    assert portal.send(Step.FIELDS, [item])[item.id].ended is Ended.EXISTS
    again = portal.send(Step.FIELDS, [item])[item.id]
    assert (again.ended, again.code) == (Ended.REJECTED, "CONFLICT")


@pytest.mark.parametrize("value", [400, 409])
@pytest.mark.parametrize("mapped", ["trace_id", "id", "none"])
def test_c6_3_the_blocklist_is_never_overridden(box: Served, portal: Portal, value: int, mapped: str) -> None:
    box.control.set_switches({"blocklisted_write": value, "errors_mapped": mapped})
    items = creates("erased@example.com", "fresh@example.com")
    told = portal.send(Step.FIELDS, items)
    assert ended(told, items) == ["rejected", "accepted"]
    assert told[items[0].id].code == ("CONFLICT" if value == 409 else "VALIDATION_ERROR")


def test_c6_one_mistyped_address_does_not_spoil_a_batch(box: Served, portal: Portal) -> None:
    box.control.set_switch("create_multi_status", "whole_400")
    items = creates(*(f"n{i}@example.com" for i in range(6)), "typo@example.con")
    told = portal.send(Step.FIELDS, items)
    assert ended(told, items) == ["accepted"] * 6 + ["rejected"]
    assert told[items[-1].id].code == "INVALID_EMAIL"
    assert [entry["status"] for entry in portal.writes()] == [400, 201], "the refusal names it, so nothing is halved"


def test_c6_a_bad_value_that_is_not_named_is_found_by_halving(box: Served, portal: Portal) -> None:
    box.control.set_switches({"create_multi_status": "whole_400", "update_multi_status": "whole_400"})
    items = [*creates(*(f"n{i}@example.com" for i in range(5))), *creates("bad@example.com", sopost_order_count="many")]
    told = portal.send(Step.FIELDS, items)
    assert ended(told, items) == ["accepted"] * 5 + ["rejected"]
    assert told[items[-1].id].code == "INVALID_NUMBER"
    both = [
        update(box, "known@example.com", sopost_order_count="1"),
        update(box, "wide@example.com", sopost_skin="green"),
    ]
    assert ended(portal.send(Step.FIELDS, both), both) == ["accepted", "rejected"]


@pytest.mark.parametrize("how", [400, 207])
def test_a_property_that_went_away_is_told_of_those_who_have_it(box: Served, portal: Portal, how: int) -> None:
    box.control.set_switch("missing_property", how)
    items = [*creates("a@example.com", "b@example.com"), *creates("c@example.com", nonsense="x")]
    told = portal.send(Step.FIELDS, items)
    assert ended(told, items) == ["accepted", "accepted", "rejected"]


def test_c10_2_errors_that_name_nobody_are_told_apart_by_number(box: Served, portal: Portal) -> None:
    box.control.set_switch("errors_mapped", "none")
    one = creates("a@example.com", "known@example.com")
    assert ended(portal.send(Step.FIELDS, one), one) == ["accepted", "exists"]
    alike = [*creates("b@example.com"), *creates("c@example.com", "d@example.com", sopost_order_count="x")]
    assert ended(portal.send(Step.FIELDS, alike), alike) == ["accepted", "rejected", "rejected"]
    mixed = [*creates("e@example.com", "wide@example.com"), *creates("f@example.com", sopost_order_count="x")]
    assert ended(portal.send(Step.FIELDS, mixed), mixed) == ["accepted", "exists", "exists"], "look, and plan anew"


def test_a_contact_that_went_away_meanwhile_is_told_as_not_there(box: Served, portal: Portal) -> None:
    items = [update(box, at, firstname="New") for at in ("known@example.com", "wide@example.com")]
    box.control.erase("known@example.com")
    for mode in (207, "whole_400"):
        box.control.set_switch("update_multi_status", mode)
        told = portal.send(Step.FIELDS, items)
        assert ended(told, items) == ["rejected", "accepted"], mode
        assert told[items[0].id].http_status == 404


@pytest.mark.parametrize("kind", ["hollow", "error_body", "other_record"])
def test_c10_2_an_answer_that_names_nobody_leaves_them_unknown(box: Served, portal: Portal, kind: str) -> None:
    box.control.set_fault(kind, path_regex="batch/(create|update|write)|memberships/", method=None)
    for step, item in (
        (Step.FIELDS, creates("a@example.com")[0]),
        (Step.FIELDS, update(box, "known@example.com", firstname="New")),
        (Step.CONSENT, consent(sought("b@example.com"))),
        (Step.LISTS, listed(sought("known@example.com"), id_of(box, "known@example.com"))),
    ):
        told = portal.crm.send(step, [item])
        assert told == {}, (step, kind)


def test_c10_2_an_answer_about_another_one_leaves_them_unknown(box: Served, portal: Portal) -> None:
    """The second row stands in the place of the first one as well."""
    box.control.set_fault("other_record", path_regex="batch/(create|write)")
    items = creates("a@example.com", "b@example.com")
    assert ended(portal.crm.send(Step.FIELDS, items), items) == ["-", "accepted"]
    wishes = [consent(item.person) for item in items]
    assert ended(portal.crm.send(Step.CONSENT, wishes), wishes) == ["-", "accepted"]


def test_a_row_whose_trace_and_address_contradict_is_no_answer(portal: Portal) -> None:
    items = creates("a@example.com", "b@example.com")
    rows = [
        {"id": "1", "objectWriteTraceId": items[0].id, "properties": {"email": "somebody.else@example.com"}},
        {"id": "2", "properties": {"email": "B@example.com"}},
    ]
    portal.client.create_contacts = lambda inputs: _Said({"results": rows})  # type: ignore[method-assign,assignment,return-value]
    assert ended(portal.crm.send(Step.FIELDS, items), items) == ["-", "accepted"]


class _Said:
    def __init__(self, value: Any) -> None:
        self.value, self.status = value, 201


# --- subscriptions ----------------------------------------------------------------------------------------------------


def test_c7_9_a_subscription_says_what_it_rests_on(box: Served, portal: Portal) -> None:
    item = consent(sought("Known@Example.com"))
    assert portal.send(Step.CONSENT, [item])[item.id].ended is Ended.ACCEPTED
    [sent] = portal.writes()
    assert sent["body"]["inputs"] == [
        {
            "subscriberIdString": "Known@Example.com",
            "channel": "EMAIL",
            "subscriptionId": 123456,
            "statusState": "SUBSCRIBED",
            "legalBasis": "CONSENT_WITH_NOTICE",
            "legalBasisExplanation": CONSENT.explanation,
        }
    ]


def test_c6_4_where_privacy_is_off_it_is_sent_without_a_legal_basis(box: Served, portal: Portal) -> None:
    box.control.set_switch("gdpr", "off_refused")
    setup = portal.begin()
    items = [consent(person) for person in people("known@example.com", "b@example.com")]
    assert ended(portal.send(Step.CONSENT, items), items) == ["accepted", "accepted"]
    later = [consent(person) for person in people("c@example.com")]
    assert ended(portal.send(Step.CONSENT, later), later) == ["accepted"]
    assert [entry["status"] for entry in portal.writes()] == [400, 200, 200], "it is learned once"
    assert not any("legalBasis" in one for entry in portal.writes()[1:] for one in entry["body"]["inputs"])
    assert NO_BASIS in setup.doubts


def test_c6_4_a_legal_basis_that_single_items_are_refused_for_is_left_out(portal: Portal) -> None:
    sent: list[bool] = []

    def write(inputs: Any) -> Any:
        sent.append("legalBasis" in inputs[0])
        rows = [{"subscriberIdString": one["subscriberIdString"], "subscriptionId": 123456, "status": "SUBSCRIBED",
                 "setStatusSuccessReason": "REQUESTED_CHANGE_OCCURRED"} for one in inputs]  # fmt: skip
        error = {"category": "VALIDATION_ERROR", "message": "legal basis cannot be set"}
        return _Said({"results": [], "errors": [error] * len(rows)} if sent[-1] else {"results": rows})

    portal.client.write_statuses = write  # type: ignore[method-assign]
    items = [consent(person) for person in people("a@example.com", "b@example.com")]
    assert ended(portal.crm.send(Step.CONSENT, items), items) == ["accepted", "accepted"]
    assert sent == [True, False]


def test_c6_4_what_was_accepted_stands_though_the_other_way_fails(portal: Portal) -> None:
    said = [
        _Said({"results": [_row("a@example.com", "SUBSCRIBED")], "errors": [_error("b@example.com")]}),
        TryLater("busy"),
    ]

    def write(inputs: Any) -> Any:
        answer = said.pop(0)
        if isinstance(answer, TryLater):
            raise answer
        return answer

    portal.client.write_statuses = write  # type: ignore[method-assign]
    items = [consent(person) for person in people("a@example.com", "b@example.com")]
    assert ended(portal.crm.send(Step.CONSENT, items), items) == ["accepted", "-"]


def test_c7_11_an_undo_has_a_legal_basis_where_the_portal_wants_one(portal: Portal) -> None:
    sent: list[bool] = []

    def write(inputs: Any) -> Any:
        sent.append("legalBasis" in inputs[0])
        rows = [_row("a@example.com", "UNSUBSCRIBED")] if sent[-1] else []
        return _Said({"results": rows, "errors": [] if sent[-1] else [_error("a@example.com")]})

    portal.client.write_statuses = write  # type: ignore[method-assign]
    items = [consent(person) for person in people("a@example.com")]
    assert ended(portal.crm.send(Step.WITHDRAW, items), items) == ["accepted"]
    assert sent == [False, True]


def _row(email: str, status: str) -> dict[str, Any]:
    return {"subscriberIdString": email, "subscriptionId": 123456, "status": status}


def _error(email: str) -> dict[str, Any]:
    context = {"subscriberIdString": [email]}
    return {"category": "VALIDATION_ERROR", "message": "legalBasis is wrong", "context": context}


def test_c7_10_an_opt_out_that_the_look_had_not_shown_is_told(box: Served, portal: Portal) -> None:
    portal.begin()
    seen = portal.look(*people("known@example.com", "optedout400@example.com"))
    assert seen["known@example.com"].standings[NEWS].state.value == "never"
    box.control.unsubscribe("known@example.com", subscription=NEWS.id)
    items = [consent(sought(at)) for at in seen]
    told = portal.send(Step.CONSENT, items)
    assert ended(told, items) == ["opted_out", "accepted"], (
        "the second one was known, and subscribed by a newer consent"
    )
    assert told[items[0].id].code == "RESUBSCRIBE_OCCURRED"
    assert portal.send(Step.WITHDRAW, items[:1])[items[0].id].ended is Ended.ACCEPTED
    assert box.control.status("known@example.com")[NEWS.id]["status"] == "UNSUBSCRIBED"
    assert portal.crm.steps.index(Step.WITHDRAW) < portal.crm.steps.index(Step.LISTS)


@pytest.mark.parametrize(
    ("how", "code"), [("item_error", "CANNOT_RESUBSCRIBE"), ("silently_kept", "kept_unsubscribed")]
)
def test_c7_6_who_is_not_subscribed_again_is_rejected(box: Served, portal: Portal, how: str, code: str) -> None:
    box.control.set_switch("resubscribe", how)
    items = [consent(person) for person in people("optedout400@example.com", "known@example.com")]
    told = portal.send(Step.CONSENT, items)
    assert ended(told, items) == ["rejected", "accepted"]
    assert told[items[0].id].code == code


@pytest.mark.parametrize(
    ("word", "reason", "wanted"),
    [
        ("subscribed", "requested_change_occurred", "accepted"),
        ("Subscribed", "resubscribe_occurred", "opted_out"),
        ("unsubscribed", None, "rejected"),
        ("PENDING", None, None),
        ("", None, None),
        (None, "RESUBSCRIBE_OCCURRED", "opted_out"),
        (None, "REQUESTED_CHANGE_OCCURRED", "accepted"),
        (None, "NO_STATUS_CHANGE", None),
    ],
)
def test_c10_2_the_words_of_an_answer_count_in_any_case_and_an_unknown_one_says_nothing(
    portal: Portal, word: str | None, reason: str | None, wanted: str | None
) -> None:
    item = consent(sought("known@example.com"))
    row = {"subscriberIdString": "known@example.com", "subscriptionId": NEWS.id, "status": word}
    answer = _Said({"results": [{**row, "setStatusSuccessReason": reason}]})
    portal.client.write_statuses = lambda _inputs: answer  # type: ignore[method-assign]
    found = portal.send(Step.CONSENT, [item])
    assert {result.ended.value for result in found.values()} == ({wanted} if wanted else set())


def test_c6_5_a_type_that_went_away_is_rejected(box: Served, portal: Portal) -> None:
    box.control.patch("definitions", NEWS.id, {"isActive": False})
    items = [consent(sought("known@example.com")), consent(sought("known@example.com"), TRIAL)]
    assert ended(portal.send(Step.CONSENT, items), items) == ["rejected", "accepted"]


def test_c7_11_a_subscription_of_ours_is_undone(box: Served, portal: Portal) -> None:
    person = sought("known@example.com")
    wish, join = consent(person), listed(person, id_of(box, "known@example.com"))
    for step, item in ((Step.CONSENT, wish), (Step.LISTS, join), (Step.WITHDRAW, wish), (Step.UNLIST, join)):
        assert portal.send(step, [item])[item.id].ended is Ended.ACCEPTED
    assert box.control.status("known@example.com")[NEWS.id]["status"] == "UNSUBSCRIBED"
    assert id_of(box, "known@example.com") not in box.control.report("members")[GLOW]["42"]
    undone = portal.writes()[2]["body"]["inputs"][0]
    assert undone["statusState"] == "UNSUBSCRIBED"
    assert portal.send(Step.WITHDRAW, [wish])[wish.id].ended is Ended.ACCEPTED, "twice is as once"
    assert portal.send(Step.UNLIST, [join])[join.id].ended is Ended.ACCEPTED
    gone = listed(person, "1")
    assert portal.send(Step.UNLIST, [gone])[gone.id].ended is Ended.ACCEPTED


# --- lists ------------------------------------------------------------------------------------------------------------


def test_c6_lists_are_joined_by_id_and_who_is_there_already_is_read(box: Served, portal: Portal) -> None:
    people_ = [(at, id_of(box, at)) for at in ("known@example.com", "already@example.com")]
    items = [*(listed(sought(at), id_) for at, id_ in people_), listed(sought("gone@example.com"), "1")]
    told = portal.send(Step.LISTS, items)
    assert ended(told, items) == ["accepted", "accepted", "rejected"]
    assert told[items[2].id].code == "record_missing"
    assert [entry["body"] for entry in portal.writes()] == [[items[0].record_id, items[1].record_id, "1"]]


def test_c6_of_several_lists_the_worst_end_counts(box: Served, portal: Portal) -> None:
    box.control.add("lists", {"listId": "43", "name": "Second"})
    fine = listed(sought("known@example.com"), id_of(box, "known@example.com"), "42", "43")
    assert portal.send(Step.LISTS, [fine])[fine.id].ended is Ended.ACCEPTED
    half = listed(sought("wide@example.com"), id_of(box, "wide@example.com"), "42", "44")
    assert portal.send(Step.LISTS, [half])[half.id].ended is Ended.REJECTED
    members = box.control.report("members")[GLOW]
    assert half.record_id in members["42"]


def test_nobody_is_added_without_a_contact(box: Served, portal: Portal) -> None:
    item = replace(listed(sought("nobody@example.com"), "1"), record_id=None)
    assert portal.crm.send(Step.LISTS, [item]) == {}
    assert portal.writes() == []


# --- refusals of everything -------------------------------------------------------------------------------------------


def test_c6_4_429_was_never_taken_so_it_is_sent_again(box: Served, portal: Portal) -> None:
    box.control.set_switches({"rate_limit_every": 2, "rate_429": "retry_after"})
    for turn in range(3):
        items = creates(f"n{turn}@example.com")
        assert ended(portal.send(Step.FIELDS, items), items) == ["accepted"]
    assert portal.slept == [1.0, 1.0]
    assert [one[0] for one in portal.books("created")] == ["created"] * 3


def test_c6_4_a_day_without_requests_ends_the_sync(box: Served, portal: Portal) -> None:
    portal.begin()
    box.control.set_switches({"rate_limit_every": 1, "rate_429": "daily"})
    box.control.clear_journal()
    for ask in (lambda: portal.crm.send(Step.FIELDS, creates("a@example.com")), lambda: portal.look(sought("a@x.io"))):
        with pytest.raises(TryLater) as refused:
            ask()
        assert isinstance(refused.value, NotSent)
        assert refused.value.http_status == 429
    assert portal.slept == []
    assert len(box.control.journal()) == 1, "nothing more is asked"


def test_c6_4_a_rate_that_does_not_end_was_never_taken(box: Served, portal: Portal) -> None:
    box.control.set_switches({"rate_limit_every": 1, "rate_429": "policy_only"})
    portal.client._give_up_after = 0.0
    with pytest.raises(NotSent):
        portal.crm.send(Step.FIELDS, creates("a@example.com"))
    assert portal.books("created") == []


def test_what_is_locked_is_sent_again(box: Served, portal: Portal) -> None:
    box.control.set_fault("500_empty", status=423, path_regex="batch", count=1)
    items = creates("a@example.com")
    assert ended(portal.crm.send(Step.FIELDS, items), items) == ["locked"]
    assert portal.slept == [2.0]
    assert ended(portal.crm.send(Step.FIELDS, items), items) == ["accepted"]
    box.control.set_fault("500_empty", status=423, path_regex="batch/read", count=2)
    assert portal.look(sought("a@example.com"), targets=())["a@example.com"].record is not None
    box.control.set_fault("500_empty", status=423, path_regex="batch/read")
    with pytest.raises(TryLater):
        portal.look(sought("a@example.com"), targets=())


@pytest.mark.parametrize(
    ("kind", "error"),
    [("500", TryLater), ("401", BadKey), ("403", BadKey), ("truncated", BadAnswer), ("reset", TryLater)],
)
def test_a_write_leaves_once_whatever_comes(box: Served, portal: Portal, kind: str, error: type[PipelineError]) -> None:
    box.control.set_fault(kind, path_regex="batch/create")
    with pytest.raises(error) as raised:
        portal.crm.send(Step.FIELDS, creates("a@example.com"))
    assert not isinstance(raised.value, NotSent)
    assert len(portal.writes()) == 1
    assert "a@example.com" not in str(raised.value)


def test_a_refusal_that_names_nobody_is_raised_for_several_and_told_for_one(box: Served, portal: Portal) -> None:
    box.control.set_fault("422", path_regex="batch/create")
    items = creates("a@example.com", "b@example.com")
    with pytest.raises(Refused):
        portal.crm.send(Step.FIELDS, items)
    assert ended(portal.crm.send(Step.FIELDS, items[:1]), items[:1]) == ["rejected"]


def test_c10_3_an_address_with_odd_characters_is_found_and_written(portal: Portal) -> None:
    portal.begin()
    [item] = creates("o'hara+x&y%@example.com")
    id_ = portal.send(Step.FIELDS, [item])[item.id].record_id
    seen = portal.look(item.person)["o'hara+x&y%@example.com"]
    assert seen.record is not None
    assert seen.record.id == id_
    portal.client.read_contacts = lambda *_, **__: {"results": []}  # type: ignore[method-assign]
    assert portal.look(item.person)["o'hara+x&y%@example.com"].record is not None, "asked about alone"


def test_a_merchant_is_never_answered_as_another(box: Served, make: Callable[..., Portal]) -> None:
    soap = make(merchant="bare-soap")
    soap.send(Step.FIELDS, creates("plain@example.com"))
    assert box.control.findings() == []
