"""People are found by address and by id in few requests, whatever a filter takes; who is not named is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.connectors.klaviyo.profile import Profile
from vs_st_pipeline.domain.crm import DELETED_THERE, OTHER_PRIMARY_EMAIL, SEVERAL_CONTACTS, Ended, Item, State, Step
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, Refused, TryLater
from vs_st_pipeline.sandbox.scenarios.consumer_accounts import ACCOUNTS
from vs_st_pipeline_tests.connectors.klaviyo.world import NEWS, TRIAL, World, sought
from vs_st_pipeline_tests.sandbox.served import GLOW, SOAP, Served

PEOPLE = [f"person{n:03d}@example.com" for n in range(150)]


def test_c6_people_are_found_a_hundred_at_a_time(world: World) -> None:
    ids = [world.add(email) for email in PEOPLE]
    seen = world.look(*PEOPLE)
    assert [seen[email].record.id for email in PEOPLE] == ids
    asked = world.asked("/api/profiles")
    assert [len(one["query"]["filter"].split(",")) - 1 for one in asked] == [100, 50]
    assert {one["query"]["additional-fields[profile]"] for one in asked} == {"subscriptions"}
    assert {one["query"]["page[size]"] for one in asked} == {"100"}
    assert all("subscriptions" in one.record.body["attributes"] for one in seen.values())


def test_c6_nobody_there_takes_one_request(world: World) -> None:
    assert [one.record for one in world.look(*PEOPLE[:100]).values()] == [None] * 100
    assert len(world.asked("/api/profiles")) == 1


@pytest.mark.parametrize(("switch", "value", "most"), [("any_max", 20, 13), ("any_max", 0, 1), ("url_max", 2000, 50)])
def test_c6_a_filter_that_is_refused_is_halved_and_that_is_remembered(
    world: World, switch: str, value: Any, most: int
) -> None:
    for email in PEOPLE[:30]:
        world.add(email)
    world.control.set_switch(switch, value)
    assert world.crm.chunk == 100, "until it is known what a filter takes"
    seen = world.look(*PEOPLE[:100])
    assert [one.record is not None for one in seen.values()] == [True] * 30 + [False] * 70
    assert world.crm.chunk == {1: 20, 13: 260, 50: 1000}[most]
    world.control.clear_journal()
    world.look(*PEOPLE[100:])
    assert len(world.asked("/api/profiles")) == -(-50 // most)
    filters = [one["query"]["filter"] for one in world.asked("/api/profiles")]
    assert filters[0].startswith("any(email,[") if most > 1 else filters[0] == f'equals(email,"{PEOPLE[100]}")'


@pytest.mark.parametrize(
    "email",
    ["o'hara@example.com", "joe+x@example.com", 'quo"te)@example.com', "back\\slash],@example.com", "ü@müßig.example"],
)
def test_c10_3_no_address_ends_a_filter(world: World, email: str) -> None:
    id_ = world.add(email)
    assert world.one(email).record.id == id_  # type: ignore[union-attr]
    both = world.look(email, "else@example.com")
    assert (both[email].record.id, both["else@example.com"].record) == (id_, None)


@pytest.mark.parametrize(
    ("there", "written"), [("joe@example.com", "Joe@Example.com"), ("Joe@example.com", "JOE@example.com")]
)
def test_an_address_is_found_in_any_case(world: World, there: str, written: str) -> None:
    id_ = world.add(there)
    assert world.one(written).record.id == id_  # type: ignore[union-attr]


def test_where_case_counts_the_address_is_asked_for_in_lower_case_too(world: World) -> None:
    world.control.set_switch("email_case", "exact")
    low, odd = world.add("joe@example.com"), world.add("Ann@example.com")
    assert world.one("Joe@Example.com").record.id == low  # type: ignore[union-attr]
    assert world.one("Ann@example.com").record.id == odd  # type: ignore[union-attr]
    assert world.one(sought("ann@example.com", odd)).record.id == odd, "by its id"  # type: ignore[union-attr]


def test_two_profiles_of_an_address_are_not_guessed_at(world: World) -> None:
    world.control.set_switch("email_case", "exact")
    first, _ = world.add("Joe@example.com"), world.add("joe@example.com")
    account = world.box.app.accounts[GLOW]  # type: ignore[attr-defined]
    account._by_email = {}
    account.asked_for = lambda email, switches: next(
        (one for one in account.profiles.values() if one["attributes"]["email"] == email), None
    )
    assert world.one("Joe@example.com").held == SEVERAL_CONTACTS
    assert world.one(sought("Joe@example.com", first)).record.id == first  # type: ignore[union-attr]


# --- by id ------------------------------------------------------------------------------------------------------------


def test_c6_2_a_profile_that_is_gone_is_told(world: World) -> None:
    id_ = world.add("gone@example.com")
    world.control.erase("gone@example.com")
    seen = world.one(sought("gone@example.com", id_))
    assert (seen.held, seen.gone, seen.record) == (DELETED_THERE, True, None)
    assert len(world.asked(f"/api/profiles/{id_}")) == 2, "believed when it is said twice"


def test_c6_2_a_profile_with_another_address_is_told(world: World) -> None:
    id_ = world.add("old@example.com")
    world.control.edit("old@example.com", {"email": "new@example.com"})
    seen = world.one(sought("old@example.com", id_))
    assert (seen.held, seen.gone) == (OTHER_PRIMARY_EMAIL, False)


def test_c6_2_a_profile_of_the_address_under_another_id_is_followed(world: World) -> None:
    id_ = world.add("ann@example.com")
    seen = world.one(sought("ann@example.com", "01GONE"))
    assert (seen.held, seen.record.id) == (None, id_)  # type: ignore[union-attr]


def test_c7_11_who_has_another_address_now_stands_by_the_profile_that_is_known(world: World) -> None:
    id_ = world.add("renamed@example.com", "SUBSCRIBED", listed=NEWS)
    never = world.add("plain@example.com")
    seen = world.one(sought("before@example.com", id_))
    assert (seen.held, seen.record) == (OTHER_PRIMARY_EMAIL, None)
    assert (seen.standings[NEWS].state, seen.standings[NEWS].missing) == (State.SUBSCRIBED, ())
    assert world.one(sought("other@example.com", never)).standings[NEWS].state is State.NEVER
    item = Item("w", sought("before@example.com", id_), id_, target=NEWS, wholly=True)
    assert world.send(Step.WITHDRAW, item)["w"].ended is Ended.TAKEN
    assert world.standing("renamed@example.com").state is State.UNSUBSCRIBED


def test_r4_a_merged_profile_of_another_address_is_told(world: World) -> None:
    winner, loser = world.add("kept@example.com"), world.add("merged@example.com")
    world.control.merge("kept@example.com", "merged@example.com")
    for person in (
        sought("merged@example.com"),
        sought("merged@example.com", loser),
        sought("merged@example.com", winner),
    ):
        assert world.one(person).held == OTHER_PRIMARY_EMAIL
    both = world.look("merged@example.com", "kept@example.com", "new@example.com")
    assert {email: (one.held, one.record and one.record.id) for email, one in both.items()} == {
        "merged@example.com": (OTHER_PRIMARY_EMAIL, None),
        "kept@example.com": (None, winner),
        "new@example.com": (None, None),
    }, "also where an answer shows the profile once for both addresses"
    world.control.set_switch("merge_resolves", 404)
    assert world.one(sought("merged@example.com", loser)).held == DELETED_THERE
    assert world.one("merged@example.com").held is None


def test_one_merged_profile_among_many_is_found_by_halving(world: World) -> None:
    world.add("kept@example.com"), world.add(PEOPLE[77])
    world.control.merge("kept@example.com", PEOPLE[77])
    seen = world.look(*PEOPLE[:100])
    assert [email for email, one in seen.items() if one.held] == [PEOPLE[77]]
    assert len(seen) == 100
    assert len(world.asked("/api/profiles")) <= 18


def test_what_was_written_a_moment_ago_is_not_gone(world: World) -> None:
    world.control.set_switch("read_after_write_lag_polls", 2)
    told = world.client.import_profile({"type": "profile", "attributes": {"email": "fresh@example.com"}})
    assert told is not None
    seen = world.one(sought("fresh@example.com", told.id))
    assert (seen.held, seen.record.id) == (None, told.id)  # type: ignore[union-attr]


# --- answers that say nothing -----------------------------------------------------------------------------------------


def test_r22_an_answer_that_is_no_list_says_nothing_of_anybody(world: World) -> None:
    world.add("ann@example.com", "UNSUBSCRIBED")
    for kind in ("hollow", "error_body"):
        world.control.set_fault(kind, count=1)
        with pytest.raises(BadAnswer):
            world.look("ann@example.com", "bob@example.com")


def test_r40_an_address_that_is_refused_is_left_out_and_a_request_that_is_always_refused_is_told(world: World) -> None:
    world.add(PEOPLE[0])
    real = world.client.profiles

    def refusing(values: Any) -> list[Profile | None]:
        if PEOPLE[3] in values:
            raise Refused("The system refused the request", http_status=400)
        return list(real(values))

    world.client.profiles = refusing  # type: ignore[method-assign,assignment]
    assert list(world.look(*PEOPLE[:8])) == [email for email in PEOPLE[:8] if email != PEOPLE[3]]
    assert world.crm._finder.filter.most == 100, "it was not their number"
    world = World(world.box)
    world.control.set_fault("400")
    with pytest.raises(Refused):
        world.look(*PEOPLE)
    assert len(world.asked("/api/profiles")) < 30


@pytest.mark.parametrize("fault", ["500", "403", "hollow"])
def test_r40_one_profile_that_cannot_be_read_stops_nobody_and_five_do(world: World, fault: str) -> None:
    world.add("ann@example.com")
    lost = [sought(email, f"01LOST{n}") for n, email in enumerate(PEOPLE[:6])]
    world.control.set_fault(fault, path_regex="/api/profiles/01LOST0")
    seen = world.look(lost[0], sought("ann@example.com"), lost[1])
    assert [one.held for one in seen.values()] == [None, DELETED_THERE]
    world.control.set_fault(fault, path_regex="/api/profiles/01LOST.*")
    with pytest.raises((TryLater, Forbidden, BadAnswer)):
        world.look(*lost)


def test_r22_a_row_of_somebody_else_makes_nobody_absent(world: World) -> None:
    """Who is taken for absent is taken for never unsubscribed, and would be subscribed."""
    people = ["ann@example.com", "bob@example.com", "cid@example.com"]
    for email in people:
        world.add(email, "UNSUBSCRIBED")
    for count in (1, 2, 3):
        for asked in (people, people[:1]):
            world.control.set_fault("other_record", count=count)
            seen = world.look(*asked)
            told = [one.held or one.standings[NEWS].state.value for one in seen.values()]
            assert set(told) <= {"unsubscribed", OTHER_PRIMARY_EMAIL}
            if count < len(asked):
                assert told == ["unsubscribed"] * len(asked), "asked once more, and then it was right"
            world.control.clear_faults()


def test_r22_another_profile_in_place_of_the_one_with_the_id_says_nothing(world: World) -> None:
    world.add("ann@example.com"), world.add("bob@example.com")
    known = world.add("cid@example.com")
    world.control.edit("cid@example.com", {"email": None})
    world.control.set_fault("other_record", count=1, path_regex=f"/api/profiles/{known}")
    assert world.one(sought("cid@example.com", known)).held == OTHER_PRIMARY_EMAIL
    world.control.set_fault("hollow", count=1, path_regex=f"/api/profiles/{known}")
    assert world.look(sought("cid@example.com", known)) == {}


def test_pages_are_followed_by_their_cursor_and_never_by_their_host(world: World) -> None:
    for email in PEOPLE[:3]:
        world.add(email)
    real = world.client.http.request

    def in_pages(call: str, method: str, path: str, **more: Any) -> Any:
        return real(call, method, path.replace("page%5Bsize%5D=100", "page%5Bsize%5D=1"), **more)

    world.client.http.request = in_pages  # type: ignore[method-assign]
    assert all(one.record for one in world.look(*PEOPLE[:3]).values())
    assert len(world.asked("/api/profiles")) == 3


def test_r22_two_reads_that_do_not_agree_say_nothing(world: World) -> None:
    def profile(id_: str, email: str) -> Profile:
        consent = {"consent": "NEVER_SUBSCRIBED", "suppression": []}
        attributes = {"email": email, "subscriptions": {"email": {"marketing": consent}}}
        return Profile(id_, email, {"id": id_, "attributes": attributes})

    ann, bob, own = profile("01A", "ann@x.example"), profile("01B", "bob@x.example"), profile("01C", "cid@x.example")
    for reads, told in (
        ([ann, bob], None),
        ([ann, None], None),
        ([None, ann], None),
        ([ann, ann], OTHER_PRIMARY_EMAIL),
        ([None, None], DELETED_THERE),
        ([ann, own], "found"),
        ([None, own], "found"),
    ):
        left = list(reads)
        world.client.profile = lambda id_, left=left: left.pop(0)  # type: ignore[method-assign,misc]
        seen = world.look(sought("cid@x.example", "01C"))
        assert [one.held or "found" for one in seen.values()] == ([told] if told else []), reads


# --- of a list --------------------------------------------------------------------------------------------------------


def test_only_those_for_whom_it_decides_are_asked_for_on_a_list(world: World) -> None:
    world.add("never@example.com", listed=NEWS)
    world.add("out@example.com", "UNSUBSCRIBED")
    world.add("on@example.com", "SUBSCRIBED", NEWS), world.add("off@example.com", "SUBSCRIBED")
    seen = world.look("never@example.com", "out@example.com", "on@example.com", "off@example.com", "new@example.com")
    [asked] = world.asked(f"/api/lists/{NEWS.id}/profiles")
    assert asked["query"]["filter"] == 'any(email,["on@example.com","off@example.com"])'
    states = {email: (one.standings[NEWS].state.value, one.standings[NEWS].missing) for email, one in seen.items()}
    assert states == {
        "never@example.com": ("never", ()),
        "out@example.com": ("unsubscribed", ()),
        "on@example.com": ("subscribed", ()),
        "off@example.com": ("subscribed", (NEWS.id,)),
        "new@example.com": ("never", ()),
    }


def test_r22_an_answer_about_a_list_that_shows_others_says_nothing_of_the_rest(world: World) -> None:
    for email in ("on@example.com", "also@example.com", "off@example.com"):
        world.add(email, "SUBSCRIBED", None if email.startswith("off") else NEWS)
    world.control.set_fault("other_record", count=1, path_regex="/api/lists/.*")
    seen = world.look("on@example.com", "also@example.com")
    assert [one.standings[NEWS].missing for one in seen.values()] == [(), ()]
    world.control.set_fault("other_record", count=2, path_regex="/api/lists/.*")
    assert world.look("off@example.com", "on@example.com").keys() <= {"on@example.com"}
    world.control.set_fault("hollow", count=1, path_regex="/api/lists/.*")
    with pytest.raises(BadAnswer):
        world.look("on@example.com")


def test_begin_reads_the_lists(box: Served) -> None:
    world = World(box)
    other = type(NEWS)(ACCOUNTS[SOAP].klaviyo_list)
    setup = world.crm.begin([NEWS, TRIAL, other])
    assert setup.fields is not None
    told = {
        name: (setup.fields[name].type.value, setup.fields[name].read_only) for name in ("first_name", "location.zip")
    }
    assert told == {"first_name": ("text", False), "location.zip": ("text", False)}
    told = {name: (setup.fields[name].type.value, setup.fields[name].read_only) for name in ("SoPost Consents", "x.y")}
    assert told == {"SoPost Consents": ("any", False), "x.y": ("any", False)}
    for name in (
        "email",
        "phone_number",
        "external_id",
        "_kx",
        "id",
        "subscriptions",
        "subscriptions.email",
        "location",
    ):
        assert name in setup.fields
        assert setup.fields[name].read_only
    assert {"first_name", "phone_number"} <= set(setup.fields)
    assert len(setup.fields) == len(list(setup.fields))
    lists = {target.id: (info.missing, info.confirms, info.name) for target, info in setup.targets.items()}
    assert lists[NEWS.id] == (None, False, "Newsletter")
    assert lists[TRIAL.id] == (None, True, "Trials")
    assert lists[other.id] == ("there is no such list", False, "")
    assert list(setup.doubts) == []
    box.control.patch("lists", NEWS.id, {"opt_in_process": "who knows"})
    setup = world.crm.begin([NEWS])
    assert setup.targets[NEWS].confirms
    assert len(setup.doubts) == 1
    box.control.set_fault("other_record", count=1)
    with pytest.raises(BadAnswer):
        world.crm.begin([NEWS, TRIAL])


def test_c9a_the_account_behind_the_key(world: World) -> None:
    assert world.crm.account() == "GlowAc"
    world.control.set_switch("accounts", 403)
    assert world.crm.account() is None
