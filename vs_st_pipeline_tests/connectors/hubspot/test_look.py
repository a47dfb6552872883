"""People are found by address, else by id; how they stand is never guessed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from vs_st_pipeline.connectors.hubspot import lists
from vs_st_pipeline.connectors.hubspot.fields import fields_in, moment, text_of
from vs_st_pipeline.domain.crm import OTHER_PRIMARY_EMAIL, Ended, FieldType, State, Step, Target
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadSettings
from vs_st_pipeline.platform.http.client import Answer
from vs_st_pipeline.sandbox.hubspot.portal import column
from vs_st_pipeline_tests.connectors.hubspot.portals import NEWS, TRIAL, Portal, fields, listed, people, sought
from vs_st_pipeline_tests.sandbox.served import GLOW, SOAP, Served


def id_of(box: Served, email: str) -> str:
    found: str = box.control.contact(email)["id"]
    return found


# --- the account, its properties and targets --------------------------------------------------------------------------


def test_c9a_the_account_is_the_portal_and_a_403_of_that_call_is_no_trouble(box: Served, portal: Portal) -> None:
    assert portal.crm.account() == "6100001"
    box.control.set_switch("account_info", 403)
    assert portal.crm.account() is None
    assert portal.begin().doubts == []


@pytest.mark.parametrize("status", [401, 403])
def test_c10_1_a_token_that_is_no_good_is_auth(box: Served, make: Callable[..., Portal], status: int) -> None:
    box.control.set_switch("expired_token", status)
    with pytest.raises(BadKey):
        make(token="another").begin()


def test_a_version_that_hubspot_does_not_know_is_config(make: Callable[..., Portal]) -> None:
    with pytest.raises(BadSettings, match="api_version"):
        make(api_version="2019-01").begin()


def test_c5_6_properties_say_what_they_take(box: Served, portal: Portal) -> None:
    box.control.add("properties", column("old", "Old") | {"archived": True})
    found = portal.begin().fields
    assert found is not None
    assert {name: found[name].type for name in ("firstname", "sopost_order_count", "birthday", "createdate")} == {
        "firstname": FieldType.TEXT,
        "sopost_order_count": FieldType.NUMBER,
        "birthday": FieldType.DATE,
        "createdate": FieldType.TIME,
    }
    assert (found["lifecyclestage"].type, found["sopost_skin"].type) == (FieldType.CHOICE, FieldType.CHOICES)
    assert found["sopost_skin"].choices == (("dry", "Dry"), ("oily", "Oily"), ("mixed", "Mixed"))
    assert [
        name for name in ("createdate", "num_associated_deals", "hs_email_optout") if not found[name].read_only
    ] == []
    assert not found["firstname"].read_only
    assert "old" not in found
    assert found["firstname"].what == "string (text)"


def test_c5_6_odd_properties_are_read_as_far_as_they_go() -> None:
    owner = {"name": "owner", "type": "enumeration", "fieldType": "select", "externalOptions": True, "options": []}
    place = {"name": "place", "type": "object_coordinates", "fieldType": "text"}
    flag = {"name": "flag", "type": "bool", "fieldType": "booleancheckbox", "options": [{"value": "true"}]}
    found = fields_in([owner, place, flag, None, {"type": "string"}])
    assert (found["owner"].type, found["owner"].choices) == (FieldType.CHOICE, None)
    assert found["place"].read_only
    assert (found["flag"].type, found["flag"].choices) == (FieldType.FLAG, None)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("type_", "field", "value", "text"),
    [
        ("number", "number", "3.0", "3"),
        ("number", "number", 12, "12"),
        ("number", "number", "1E+3", "1000"),
        ("enumeration", "checkbox", "oily;dry", "dry;oily"),
        ("date", "date", "1772323200000", "2026-03-01"),
        ("date", "date", "2026-03-01", "2026-03-01"),
        ("datetime", "date", "2026-05-01T03:04:05.000Z", "2026-05-01T03:04:05Z"),
        ("datetime", "date", "2026-05-01T05:04:05+02:00", "2026-05-01T03:04:05Z"),
        ("datetime", "date", "1777604645000", "2026-05-01T03:04:05Z"),
        ("bool", "booleancheckbox", True, "true"),
        ("string", "text", None, ""),
        ("string", "text", "3.0", "3.0"),
    ],
)
def test_a_value_has_one_form_however_it_is_shown(type_: str, field: str, value: Any, text: str) -> None:
    one = fields_in([column("x", "X", type_, field)])["x"]
    assert text_of(value, one) == text


def test_c6_5_targets_that_nobody_can_be_subscribed_to_are_told(box: Served, portal: Portal) -> None:
    box.control.add("lists", {"listId": "43", "name": "Active", "processingType": "DYNAMIC"})
    box.control.add("lists", {"listId": "44", "name": "Companies", "objectTypeId": "0-2"})
    wanted = [NEWS, Target("123458"), Target("999"), *(Target("123456", (one,)) for one in ("43", "44", "45"))]
    found = portal.begin(*wanted).targets
    assert found[NEWS].missing is None
    assert found[NEWS].name == "News"
    said = ["not active", "no subscription type 999", "is dynamic", "not one of contacts", "no list 45"]
    for target, words in zip(wanted[1:], said, strict=True):
        assert words in str(found[target].missing)


def test_c7_3_people_without_a_consent_are_written_where_the_merchant_says_so(make: Callable[..., Portal]) -> None:
    assert make(without_consent="record").crm.records_all
    assert not make().crm.records_all


@pytest.mark.parametrize("path", ["/crm/properties", "/definitions", "/crm/lists"])
@pytest.mark.parametrize("kind", ["hollow", "error_body"])
def test_an_answer_that_says_nothing_ends_the_beginning(box: Served, portal: Portal, path: str, kind: str) -> None:
    box.control.set_fault(kind, path_regex=path)
    with pytest.raises(BadAnswer):
        portal.begin()


# --- who is there -----------------------------------------------------------------------------------------------------


def test_c6_people_are_found_in_any_case(box: Served, portal: Portal) -> None:
    portal.begin()
    seen = portal.look(*people("UPPER.case@example.com", "nobody@example.com", "o'hara+x@example.com"))
    record = seen["UPPER.case@example.com"].record
    assert record is not None
    assert record.email == "upper.case@example.com"
    assert record.values == {"firstname": "Uma", "lastname": "Known", "sopost_order_count": ""}
    assert [(one.record, one.held, one.gone) for at, one in seen.items() if at[0] in "no"] == [(None, None, False)] * 2
    assert seen["nobody@example.com"].standings == dict.fromkeys(
        (NEWS, TRIAL), seen["nobody@example.com"].standings[NEWS]
    )


def test_c6_a_hundred_are_looked_at_by_three_requests(box: Served, portal: Portal) -> None:
    portal.begin()
    box.control.clear_journal()
    assert len(portal.look(*people(*(f"n{i}@example.com" for i in range(100))))) == 100
    assert [entry["items"] for entry in box.control.journal()] == [100, 100, 100]


def test_c6_2_another_primary_address_is_held(box: Served, portal: Portal) -> None:
    portal.begin()
    main = id_of(box, "main.address@example.com")
    assert portal.look(sought("second.address@example.com"))["second.address@example.com"].held == "other_primary_email"
    box.control.set_switch("secondary_lookup", "misses")
    missed = portal.look(sought("second.address@example.com"))["second.address@example.com"]
    assert (missed.record, missed.held) == (None, None)
    by_id = portal.look(sought("second.address@example.com", main))["second.address@example.com"]
    assert (by_id.record, by_id.held, by_id.gone) == (None, "other_primary_email", False)
    box.control.edit("known@example.com", {"email": "renamed@example.com"})
    moved = portal.look(sought("known@example.com", id_of(box, "renamed@example.com")))["known@example.com"]
    assert (moved.record, moved.held) == (None, "other_primary_email")


def test_c7_11_who_has_another_address_now_is_on_the_lists_of_the_contact_that_is_known(
    box: Served, portal: Portal
) -> None:
    portal.begin()
    known = id_of(box, "already@example.com")
    box.control.edit("already@example.com", {"email": "renamed@example.com"})
    one = portal.look(sought("already@example.com", known))["already@example.com"]
    assert (one.held, one.record, one.standings[NEWS].missing) == (OTHER_PRIMARY_EMAIL, None, ())
    box.control.edit("renamed@example.com", {"email": "already@example.com"})


@pytest.mark.parametrize("for_good", [False, True])
def test_c6_2_a_known_contact_that_is_gone_is_held_and_one_that_was_made_anew_is_followed(
    box: Served, portal: Portal, for_good: bool
) -> None:
    portal.begin()
    before = id_of(box, "known@example.com")
    box.control.erase("known@example.com", for_good=for_good)
    gone = portal.look(sought("known@example.com", before))["known@example.com"]
    assert (gone.record, gone.held, gone.gone) == (None, "deleted_there", True)
    assert len(portal.slept) == 2, "it was looked for three times"
    if not for_good:
        after = box.control.add("contacts", {"email": "known@example.com"})["id"]
        anew = portal.look(sought("known@example.com", before))["known@example.com"]
        assert (anew.record and anew.record.id, anew.held, anew.gone) == (after, None, True)


@pytest.mark.parametrize("merge_id", ["new", "winner"])
def test_r22_a_contact_that_was_merged_answers_for_those_that_it_was_made_of(
    box: Served, portal: Portal, merge_id: str
) -> None:
    portal.begin()
    box.control.set_switches({"merge_id": merge_id, "secondary_lookup": "misses"})
    ids = {at: id_of(box, at) for at in ("known@example.com", "offlist@example.com")}
    merged = box.control.merge("known@example.com", "offlist@example.com")["id"]
    seen = portal.look(*(sought(at, id_) for at, id_ in ids.items()))
    winner, loser = seen["known@example.com"], seen["offlist@example.com"]
    assert (winner.record and winner.record.id, winner.gone, winner.held) == (merged, False, None)
    assert (loser.record, loser.gone, loser.held) == (None, False, "other_primary_email")


def test_a_contact_that_is_not_shown_yet_is_not_gone(box: Served, portal: Portal, make: Callable[..., Portal]) -> None:
    box.control.set_switch("read_after_write_lag_polls", 2)
    portal.begin()
    item = fields(sought("new@example.com"), firstname="New")
    made = portal.send(Step.FIELDS, [item])[item.id].record_id
    seen = make().look(sought("new@example.com", made), targets=())["new@example.com"]
    assert seen.record is not None
    assert seen.record.id == made


@pytest.mark.parametrize("kind", ["hollow", "error_body", "other_record"])
@pytest.mark.parametrize("path", ["batch/read", "statuses/batch/read", "unsubscribe-all"])
def test_r22_whom_an_answer_misses_is_left_out(box: Served, portal: Portal, kind: str, path: str) -> None:
    """And no answer makes a contact gone, or somebody free who opted out."""
    portal.begin()
    known = id_of(box, "known@example.com")
    box.control.set_fault(kind, path_regex=rf"{path}$|contacts/\w+(@|%40|$)" if path == "batch/read" else path)
    for one in (sought("known@example.com", known), sought("optedout0@example.com")):
        assert portal.look(one) == {}
    box.control.clear_faults()
    assert portal.look(sought("known@example.com", known))["known@example.com"].held is None
    assert (
        portal.look(sought("optedout0@example.com"))["optedout0@example.com"].standings[NEWS].state
        is State.UNSUBSCRIBED
    )


def test_r22_an_answer_that_is_none_is_not_asked_for_person_by_person(box: Served, portal: Portal) -> None:
    portal.begin()
    box.control.set_fault("hollow", path_regex="contacts/batch/read", count=1)
    box.control.clear_journal()
    assert portal.look(*people("known@example.com", "wide@example.com")) == {}
    assert len(box.control.journal()) == 1


def test_r22_a_single_bad_answer_is_made_good_by_asking_again(box: Served, portal: Portal) -> None:
    portal.begin()
    for path in ("contacts/batch/read", "statuses/batch/read", "unsubscribe-all"):
        box.control.set_fault("other_record", path_regex=path, count=1)
        seen = portal.look(*people("known@example.com", "optedout0@example.com"))
        assert len(seen) == 2, path
        assert seen["optedout0@example.com"].standings[NEWS].state is State.UNSUBSCRIBED, path


def test_a_contact_that_an_answer_named_is_not_gone_because_no_read_shows_it(box: Served, portal: Portal) -> None:
    portal.begin()
    [item] = [fields(sought("new@example.com"), firstname="New")]
    made = portal.send(Step.FIELDS, [item])[item.id].record_id
    box.control.erase("new@example.com")
    assert portal.look(sought("new@example.com", made)) == {}
    assert portal.look(sought("new@example.com")) == {}, "and none is made beside it"


def test_c6_3_a_conflict_with_a_contact_in_the_bin_is_a_refusal_and_hides_nobody(
    box: Served, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal.begin()
    binned = id_of(box, "known@example.com")
    box.control.erase("known@example.com")
    error = {"category": "CONFLICT", "message": f"Contact already exists. Existing ID: {binned}"}
    answer = Answer({"status": "COMPLETE", "results": [], "errors": [error]}, 207, None, None)
    monkeypatch.setattr(portal.client, "create_contacts", lambda _inputs: answer)
    item = fields(sought("known@example.com"), firstname="New")
    assert portal.send(Step.FIELDS, [item])[item.id].ended is Ended.EXISTS
    seen = portal.look(sought("known@example.com"))["known@example.com"]
    assert (seen.record, seen.held) == (None, None)
    told = portal.send(Step.FIELDS, [item])[item.id]
    assert (told.ended, told.code) == (Ended.REJECTED, "CONFLICT")


# --- how they stand ---------------------------------------------------------------------------------------------------


def test_c7_4_the_states(box: Served, portal: Portal) -> None:
    portal.begin()
    seen = portal.look(
        *people(
            "known@example.com", "already@example.com", "offlist@example.com", "statusonly@example.com",
            "optedout400@example.com", "wide@example.com",
        )
    )  # fmt: skip
    states = {
        at.split("@")[0]: (one.standings[NEWS].state.value, one.standings[NEWS].missing) for at, one in seen.items()
    }
    assert states == {
        "known": ("never", ()),
        "already": ("subscribed", ()),
        "offlist": ("subscribed", ("42",)),
        "statusonly": ("subscribed", ("42",)),  # ruling 3: without a contact
        "optedout400": ("unsubscribed", ()),
        "wide": ("unsubscribed", ()),
    }
    assert {one.standings[TRIAL].state for at, one in seen.items() if at != "wide@example.com"} == {State.NEVER}
    assert seen["wide@example.com"].standings[TRIAL].state is State.UNSUBSCRIBED, "from everything"
    since = seen["optedout400@example.com"].standings[NEWS].since
    assert since is not None
    assert (datetime.now(UTC) - since).days == 400


def test_c7_6_the_latest_of_all_opt_outs_counts_and_one_without_a_time_is_never_earlier(
    box: Served, portal: Portal
) -> None:
    portal.begin()
    box.control.unsubscribe("optedout400@example.com")  # from everything, today
    both = portal.look(sought("optedout400@example.com"))["optedout400@example.com"].standings[NEWS]
    assert both.since is not None
    assert (datetime.now(UTC) - both.since).days == 0
    assert both.reason == "PORTAL_WIDE"
    box.app.portals[GLOW].statuses["optedout400@example.com"][NEWS.id]["timestamp"] = None
    assert portal.look(sought("optedout400@example.com"))["optedout400@example.com"].standings[NEWS].since is None


def test_a_word_that_nobody_knows_is_an_opt_out(box: Served, portal: Portal) -> None:
    portal.begin()
    box.app.portals[GLOW].set_status("known@example.com", NEWS.id, "QUARANTINED")
    standing = portal.look(sought("known@example.com"))["known@example.com"].standings[NEWS]
    assert (standing.state, standing.reason) == (State.UNSUBSCRIBED, "QUARANTINED")


def test_an_address_that_hubspot_never_heard_of_is_left_out_of_two_answers(box: Served, portal: Portal) -> None:
    portal.begin()
    box.control.set_switch("status_unknown_address", "missing")
    seen = portal.look(*people("nobody@example.com", "statusonly@example.com", "known@example.com"))
    states = [seen[at].standings[NEWS].state.value for at in sorted(seen)]
    assert states == ["never", "never", "subscribed"]


def without_rows(portal: Portal, *emails: str, cut: bool = False) -> list[list[str]]:
    """Leave these out of what is said of subscriptions, or the last half of everybody; returns whom requests name."""
    asks: list[list[str]] = []
    whole = portal.client.statuses

    def statuses(addresses: Sequence[str]) -> Any:
        asks.append(list(addresses))
        rows = whole(addresses)["results"]
        kept = rows[: len(rows) // 2] if cut else [row for row in rows if row["subscriberIdString"] not in emails]
        return {"results": kept}

    portal.client.statuses = statuses  # type: ignore[method-assign]
    return asks


def test_c7_4_a_contact_without_any_status_has_never_said_anything(portal: Portal) -> None:
    """Somebody who is shown stands behind them, so an answer that shows nobody else does not say nothing."""
    portal.begin()
    asks = without_rows(portal, "statusonly@example.com", "offlist@example.com")
    asked = people("offlist@example.com", "known@example.com")
    seen = portal.look(*asked)
    assert seen["offlist@example.com"].record is not None
    assert seen["offlist@example.com"].standings[NEWS].state is State.NEVER
    assert asks[2:] == [["offlist@example.com", "known@example.com"]] * 2
    # In a later look of the sync the one who was shown before stands behind them.
    assert portal.look(sought("offlist@example.com"))["offlist@example.com"].standings[NEWS].state is State.NEVER


def test_r22_an_answer_that_is_cut_frees_nobody_with_a_contact(portal: Portal) -> None:
    portal.begin()
    without_rows(portal, cut=True)
    out = [f"optedout{days}@example.com" for days in (0, 400)]
    seen = portal.look(*people("known@example.com", "already@example.com", *out))
    assert State.NEVER not in {seen[at].standings[NEWS].state for at in out if at in seen}


def test_c7_4_whom_hubspot_had_not_heard_of_stays_so_when_a_contact_was_made(box: Served, portal: Portal) -> None:
    """Such as where a subscription had no answer, and the account has nobody else who could be shown."""
    portal.begin()
    without_rows(portal, "new@example.com")
    person = sought("new@example.com")
    assert portal.look(person)["new@example.com"].standings[NEWS].state is State.NEVER
    item = fields(person, firstname="New")
    assert portal.send(Step.FIELDS, [item])[item.id].ended is Ended.ACCEPTED
    seen = portal.look(person)["new@example.com"]
    assert seen.record is not None
    assert seen.standings[NEWS].state is State.NEVER


def test_somebody_with_a_contact_is_not_free_because_an_answer_lacks_them(box: Served, portal: Portal) -> None:
    portal.begin()
    portal.client.statuses = lambda emails: {"results": []}  # type: ignore[method-assign]
    assert portal.look(sought("known@example.com")) == {}
    assert portal.look(sought("nobody@example.com")) != {}


@pytest.mark.parametrize("second", [{}, {"results": [{"subscriberIdString": "else@example.com", "statuses": []}]}])
def test_an_address_is_never_heard_of_only_where_both_answers_are_whole(portal: Portal, second: Any) -> None:
    portal.begin()
    answers = [{"results": []}, second]
    portal.client.statuses = lambda emails: answers.pop(0)  # type: ignore[method-assign]
    assert portal.look(sought("nobody@example.com")) == {}
    assert answers == []


def test_an_answer_that_shows_somebody_twice_is_not_whole(portal: Portal) -> None:
    portal.begin()
    status = [{"subscriptionId": int(one.id), "status": "NOT_SPECIFIED"} for one in (NEWS, TRIAL)]
    row = {"subscriberIdString": "other@example.com", "statuses": status}
    answers = [{"results": [row, row]}, {"results": []}]
    portal.client.statuses = lambda emails: answers.pop(0)  # type: ignore[method-assign]
    assert set(portal.look(*people("nobody@example.com", "other@example.com"))) == {"other@example.com"}


@pytest.mark.parametrize("order", [1, -1])
def test_c7_5_an_opt_out_that_one_of_two_answers_shows_counts(portal: Portal, order: int) -> None:
    portal.begin()
    out = {"subscriptionId": int(NEWS.id), "status": "UNSUBSCRIBED", "timestamp": "2026-01-01T00:00:00Z"}
    rows = [{"subscriberIdString": "nobody@example.com", "statuses": some} for some in ([out], [])][::order]
    portal.client.statuses = lambda emails: {"results": [rows.pop(0)]}  # type: ignore[method-assign]
    standing = portal.look(sought("nobody@example.com"))["nobody@example.com"].standings[NEWS]
    assert standing.state is State.UNSUBSCRIBED
    assert rows == []


def test_an_opt_out_from_everything_counts_by_being_there(box: Served, portal: Portal) -> None:
    portal.begin()
    row = {"wideStatusType": "BUSINESS_UNIT_WIDE", "timestamp": "2026-01-01T00:00:00Z"}
    portal.client.wide_statuses = lambda emails: {  # type: ignore[method-assign]
        "results": [{"subscriberIdString": at.upper(), "wideStatuses": [row]} for at in emails]
    }
    standing = portal.look(sought("known@example.com"))["known@example.com"].standings[NEWS]
    assert (standing.state, standing.reason) == (State.UNSUBSCRIBED, "BUSINESS_UNIT_WIDE")


def test_ruling_3_a_list_that_shows_fewer_than_it_says_is_not_believed(portal: Portal) -> None:
    portal.begin()
    portal.client.members = lambda list_id, after=None: {"results": [], "total": 2}  # type: ignore[method-assign]
    seen = portal.look(*people("already@example.com", "offlist@example.com"))
    assert [seen[at].standings[NEWS].missing for at in sorted(seen)] == [(), ("42",)], "each was asked about alone"


@pytest.mark.parametrize(
    ("emails", "requests"),
    [
        (["already@example.com"], ["GET /crm/lists/{v}/records/{id}/memberships"]),
        (["already@example.com", "offlist@example.com"], ["GET /crm/lists/{v}/{list}/memberships"]),
        (["known@example.com"], []),
        (["statusonly@example.com"], []),
    ],
)
def test_ruling_3_memberships_are_read_of_who_is_subscribed(
    box: Served, portal: Portal, emails: list[str], requests: list[str]
) -> None:
    portal.begin()
    box.control.clear_journal()
    seen = portal.look(*people(*emails))
    assert len(seen) == len(emails)
    assert [entry["route"] for entry in box.control.journal() if "memberships" in entry["route"]] == requests


def test_ruling_3_a_list_that_is_long_is_not_walked_for_a_few(box: Served, portal: Portal) -> None:
    portal.begin()
    rows = {str(at): {"recordId": str(at)} for at in range(1, 800)}
    box.app.portals[GLOW].members["42"].update(rows)
    box.control.clear_journal()
    seen = portal.look(*people("already@example.com", "offlist@example.com"))
    assert [seen[at].standings[NEWS].missing for at in sorted(seen)] == [(), ("42",)]
    assert len([entry for entry in box.control.journal() if "memberships" in entry["route"]]) == 3


def test_ruling_3_a_list_is_walked_once_where_many_are_asked_about(
    box: Served, portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal.begin()
    rows = {str(at): {"recordId": str(at)} for at in range(1, 800)}
    box.app.portals[GLOW].members["42"].update(rows)
    known = id_of(box, "offlist@example.com")
    reads = []
    for turn in range(4):
        box.control.clear_journal()
        seen = portal.look(*people("already@example.com", "offlist@example.com"))
        assert [seen[at].standings[NEWS].missing for at in sorted(seen)] == [(), ("42",) if turn < 3 else ()]
        reads.append(len([entry for entry in box.control.journal() if "memberships" in entry["route"]]))
        if turn == 2:
            portal.send(Step.LISTS, [listed(sought("offlist@example.com"), known)])
    assert reads == [3, 4, 0, 0], "two contacts alone, and then four pages"
    monkeypatch.setattr(lists, "KEPT_SECONDS", -1.0)
    box.control.clear_journal()
    portal.look(*people("already@example.com", "offlist@example.com"))
    assert len([entry for entry in box.control.journal() if "memberships" in entry["route"]]) == 4


def test_ruling_3_a_list_is_walked_where_contacts_cannot_be_asked_about(box: Served, portal: Portal) -> None:
    portal.begin()
    rows = {str(at): {"recordId": str(at)} for at in range(1, 800)}
    box.app.portals[GLOW].members["42"].update(rows)
    box.control.set_fault("404", path_regex="/records/")
    assert portal.look(sought("already@example.com"))["already@example.com"].standings[NEWS].missing == ()


@pytest.mark.parametrize("kind", ["hollow", "error_body"])
def test_ruling_3_who_may_be_on_a_list_is_not_known_to_be_missing(box: Served, portal: Portal, kind: str) -> None:
    portal.begin()
    box.control.set_fault(kind, path_regex="memberships")
    assert set(portal.look(*people("already@example.com", "known@example.com"))) == {"known@example.com"}


def test_c6_5_nobody_is_asked_about_a_list_that_cannot_be_joined(box: Served, portal: Portal) -> None:
    box.control.set_switch("list_kind", "DYNAMIC")
    portal.begin()
    standing = portal.look(sought("offlist@example.com"))["offlist@example.com"].standings[NEWS]
    assert (standing.state, standing.missing) == (State.SUBSCRIBED, ())


def test_without_targets_nobody_is_asked_about(box: Served, portal: Portal) -> None:
    portal.begin()
    box.control.clear_journal()
    assert portal.look(sought("wide@example.com"), targets=())["wide@example.com"].standings == {}
    assert len(box.control.journal()) == 1


def test_two_merchants_see_their_own(make: Callable[..., Portal]) -> None:
    soap = make(merchant=SOAP)
    soap.begin(Target("223456", ("52",)))
    assert soap.look(sought("known.here@example.com"), targets=())["known.here@example.com"].record is not None
    assert soap.look(sought("known@example.com"), targets=())["known@example.com"].record is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2026-03-01T10:00:00.500Z", "2026-03-01T10:00:00.500000+00:00"),
        ("2026-03-01T12:00:00+02:00", "2026-03-01T10:00:00+00:00"),
        ("2026-03-01T10:00:00", "2026-03-01T10:00:00+00:00"),
        (1772359200000, "2026-03-01T10:00:00+00:00"),
        ("yesterday", None),
        (None, None),
    ],
)
def test_times_of_opt_outs(value: Any, said: str | None) -> None:
    found = moment(value)
    assert (found and found.isoformat()) == said
