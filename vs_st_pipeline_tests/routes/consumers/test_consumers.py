"""Sections 5.3-5.5, 7.1-7.3, 7.11, 7.12, 7.14 of consumers.md: what one CRM may be told of a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from vs_st_pipeline.domain.crm import Target
from vs_st_pipeline.routes.consumers import brake
from vs_st_pipeline_tests.routes.consumers.staged_world import NEWS, NOW, OWN, TRIAL, World, consent

DAY = timedelta(days=1)
ADA = "ada@example.com"
NOTHING_STANDS = {
    "consumer.order_count": 0,
    "consents.names": (),
    "consents.ids": (),
    "consents.handlers": (),
    "consents.newest_at": None,
}


@pytest.fixture
def world() -> Iterator[World]:
    world = World(hubspot="skip", klaviyo="skip", salesforce="record")
    yield world
    world.cursor.close()


def order(world: World, name: str, days_ago: float = 1, **said: Any) -> None:
    world.read(name, **{"email": ADA, "raw_first_seen_at": NOW - DAY * days_ago, **said})


def question(name: str, *answers: tuple[str | None, str | None]) -> dict[str, Any]:
    given = [{"answer_id": id, "answer_text": text} for id, text in answers]
    return {"question_id": name, "question_text": f"{name}?", "answer": given}


def test_c5_4_every_name_of_the_field_map_has_its_value(world: World) -> None:
    world.event("o1", "APPROVED")
    order(world, "o1", full_name="Ada Lovage", custom_questions=[question("q1", ("dry", "Dry"))])
    world.stage()
    (person,) = world.load().values()
    assert person.values == {
        "consumer.email": ADA,
        "consumer.full_name": "Ada Lovage",
        "consumer.first_name": "Ada",
        "consumer.last_name": "Lovage",
        "consumer.telephone": "+447700900001",
        "consumer.line_1": "1 Sample Street",
        "consumer.line_2": None,
        "consumer.town": "London",
        "consumer.country_3": "GBR",
        "consumer.country_2": "GB",
        "consumer.identity": "i-o1",
        "consumer.order_count": 1,
        "newest_order.id": "o1",
        "newest_order.short_id": "S-o1",
        "newest_order.activity_id": "a1",
        "newest_order.status": "APPROVED",
        "newest_order.provider": "Form",
        "newest_order.ordered_at": NOW - DAY,
        "newest_order.products": ("p1", "p2"),
        "consents.names": ("c-news name",),
        "consents.ids": (NEWS,),
        "consents.handlers": ("Glow Skin",),
        "consents.newest_at": NOW - DAY,
        "answers.all": "q1?: Dry",
        "answers.q1": ("Dry",),
        "answer_ids.q1": ("dry",),
    }
    assert (person.orders, person.newest_order_at, person.noted) == (("o1",), NOW - DAY, frozenset())
    (offer,) = person.offers
    assert (offer.spent_as, offer.target, offer.event_ids) == (
        ("o1", NEWS, "glow skin"),
        Target("1", ("42",)),
        ("e1",),
    )
    assert (offer.standing, offer.usable, offer.withdrawn, offer.imported, offer.may_create) == (
        *(True, True, False, False, True),
    )
    assert (offer.consent_name, offer.consent_status, offer.text_version) == ("c-news name", "APPROVED", "2026-05")
    assert len(offer.body_sha256) == 64


def test_c5_3_only_orders_with_a_standing_consent_of_their_own_that_leads_there_are_told(world: World) -> None:
    order(world, "o1", 3, consents=[consent()], full_name="Ada Told")
    order(world, "o2", 2, consents=[consent(TRIAL)], full_name="Ada HubSpot")
    order(world, "o3", 1, consents=[], full_name="Ada Silent", custom_questions=[question("q9", (None, "secret"))])
    world.stage()
    told = {crm: world.load(crm)[ADA] for crm in ("hubspot", "klaviyo", "salesforce")}
    assert {crm: one.orders for crm, one in told.items()} == {
        "hubspot": ("o2", "o1"),
        "klaviyo": ("o1",),
        "salesforce": ("o3", "o2", "o1"),  # it records everybody
    }
    names = {crm: (one.values["consumer.full_name"], one.values["consumer.order_count"]) for crm, one in told.items()}
    assert names == {"hubspot": ("Ada HubSpot", 2), "klaviyo": ("Ada Told", 1), "salesforce": ("Ada Silent", 3)}
    assert "answers.q9" not in told["hubspot"].values
    assert "secret" not in str(told["klaviyo"])
    assert told["hubspot"].values["consents.ids"] == (NEWS, TRIAL)
    assert told["klaviyo"].values["consents.ids"] == (NEWS,)
    assert (told["salesforce"].values["consents.ids"], told["salesforce"].offers) == ((), ())


@pytest.mark.parametrize(
    "entry",
    [
        consent(status="REJECTED"),
        consent(status="MAYBE"),
        consent(status=...),
        consent("c-new"),
        consent(NEWS, "Another"),
        consent(OWN, "SoPost"),
    ],
)
def test_c5_3_a_consent_that_gives_nothing_tells_nothing(world: World, entry: dict[str, Any]) -> None:
    order(world, "o1", consents=[entry])
    world.stage()
    person = world.load()[ADA]
    assert (person.values, person.offers, person.orders) == (NOTHING_STANDS, (), ())
    assert not person.has_standing


def test_c7_2_a_consent_subscribes_its_own_target_and_no_other(world: World) -> None:
    order(world, "o1", consents=[consent(TRIAL)])
    world.stage()
    assert [one.target for one in world.load()[ADA].offers] == [Target("2")]
    assert world.load("klaviyo")[ADA].offers == ()


def test_c7_3_an_order_without_consents_withdraws_no_earlier_one(world: World) -> None:
    order(world, "o1", 2)
    order(world, "o2", 1, consents=[])
    world.stage()
    person = world.load()[ADA]
    assert (person.has_standing, person.orders, len(person.offers)) == (True, ("o1",), 1)


def test_c7_3_when_the_last_consent_falls_away_counts_and_consents_are_cleared_and_the_rest_stays(world: World) -> None:
    order(world, "o1")
    world.stage()
    world.at = NOW + DAY
    order(world, "o1", status="REJECTED")
    world.stage()
    person = world.load()[ADA]
    assert person.values == NOTHING_STANDS
    assert person.person.email == ADA
    (offer,) = person.offers
    assert (offer.standing, offer.usable, offer.withdrawn) == (False, False, False)


def test_c7_11_a_withdrawn_consent_is_told_so_that_what_was_done_can_be_undone(world: World) -> None:
    order(world, "o1", consents=[consent(), consent(TRIAL)])
    world.stage()
    world.at = NOW + DAY
    order(world, "o1", consents=[consent(status="WITHDRAWN"), consent(TRIAL)])
    world.stage()
    person = world.load()[ADA]
    found = {one.consent_id: (one.standing, one.usable, one.withdrawn) for one in person.offers}
    assert found == {NEWS: (False, False, True), TRIAL: (True, True, False)}
    assert (person.noted, person.values["consents.ids"]) == (frozenset({"withdrawn"}), (TRIAL,))
    klaviyo = world.load("klaviyo")[ADA]
    assert (klaviyo.values, klaviyo.noted) == (NOTHING_STANDS, frozenset({"withdrawn"}))


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("accepted", True), ("awaiting_confirmation", True), ("unknown", True), ("rejected", False), (None, False)],
)
def test_c7_12_a_vanished_consent_stands_for_fields_once_it_was_used_and_subscribes_nobody(
    world: World, outcome: str | None, told: bool
) -> None:
    order(world, "o1")
    world.stage()
    if outcome:
        world.evidence("o1", NEWS.upper(), **{"outcome": outcome})
    world.at = NOW + DAY
    order(world, "o1", consents=[])
    world.stage()
    person = world.load()[ADA]
    (offer,) = person.offers
    assert (offer.standing, offer.usable) == (True, False)
    assert (person.orders, person.values["consents.ids"]) == ((("o1",), (NEWS,)) if told else ((), ()))


def test_c7_14_who_came_by_imports_alone_is_not_to_be_created(world: World) -> None:
    order(world, "o1", raw_may_create=False, raw_first_seen_by="import", raw_first_class=None)
    world.stage()
    person = world.load()[ADA]
    assert [(one.may_create, one.imported, one.earliest_at) for one in person.offers] == [(False, True, None)]
    assert [world.load(crm)[ADA].may_create for crm in ("hubspot", "salesforce")] == [False, False]
    order(world, "o2", consents=[])
    world.stage()
    assert [world.load(crm)[ADA].may_create for crm in ("hubspot", "salesforce")] == [False, True]


def test_c5_5_answers_are_those_of_the_newest_order_that_answered(world: World) -> None:
    first = [question("q2", ("a", "Shampoo"), ("b", "Mask; deep"), (None, "Oil"), ("a", "Shampoo")), question("q1.x")]
    order(world, "o1", 3, custom_questions=[*first, question("q3", (None, "Once"))])
    order(world, "o2", 2, custom_questions=[question("q3", (None, "Twice")), question("q1.x", ("z", "Last"))])
    order(world, "o3", 1, custom_questions=[question("q2"), question("q3", ("only-id", None))])
    world.stage()
    values = world.load()[ADA].values
    assert values["answers.q2"] == ("Mask; deep", "Oil", "Shampoo")
    assert values["answer_ids.q2"] == ("a", "b")
    assert (values["answers.q1.x"], values["answers.q3"]) == (("Last",), ())
    assert values["answers.all"] == "q1.x?: Last\nq2?: Shampoo, Mask; deep, Oil"


def test_c5_5_what_nobody_answered_is_not_cleared(world: World) -> None:
    order(world, "o1", custom_questions=[])
    world.stage()
    assert not [name for name in world.load()[ADA].values if name.startswith("answer")]


def test_c5_5_lists_are_sorted_and_each_value_stands_once(world: World) -> None:
    order(world, "o1", 2, consents=[consent(TRIAL, consent_name="Zebra"), consent(consent_name="Apple")])
    order(world, "o2", 1, consents=[consent(TRIAL, consent_name="Zebra")])
    world.stage()
    values = world.load()[ADA].values
    assert (values["consents.names"], values["consents.handlers"]) == (("Apple", "Zebra"), ("Glow Skin",))
    assert values["consents.newest_at"] == NOW - DAY


def test_r23_what_the_newest_order_is_silent_about_is_left_out_and_null_is_nothing(world: World) -> None:
    order(world, "o1", 2)
    order(world, "o2", 1, telephone=None, identity=..., full_name=..., address={"town": None}, line_items=...)
    world.stage()
    values = world.load()[ADA].values
    names = {name.split(".")[1] for name in values if name.startswith("consumer.")}
    assert names == {"email", "telephone", "town", "order_count"}
    assert (values["consumer.telephone"], values["consumer.town"]) == (None, None)
    assert ("newest_order.products" in values, values["newest_order.short_id"]) == (False, "S-o2")


def test_c3_10_an_unknown_time_of_the_newest_order_is_left_out(world: World) -> None:
    order(world, "o1", raw_first_seen_by="import")
    world.stage()
    assert "newest_order.ordered_at" not in world.load()[ADA].values


def test_r22_of_whom_no_order_is_known_there_is_nobody_so_nothing_is_cleared(world: World) -> None:
    order(world, "o1", status="ON_HOLD")
    world.stage()
    assert world.load("hubspot", ADA, "unknown@example.com") == {}


def test_rulings_the_address_goes_out_as_the_newest_told_order_writes_it(world: World) -> None:
    order(world, "o1", 2, email="Ada@Example.com")
    order(world, "o2", 1, email="ADA@example.com", consents=[])
    world.stage()
    assert [world.load(crm)[ADA].person.email for crm in ("hubspot", "salesforce")] == [
        "Ada@Example.com",
        "ADA@example.com",
    ]


def test_rulings_evidence_has_id_and_handler_as_the_map_writes_them_and_the_name_as_the_order_does(
    world: World,
) -> None:
    order(world, "o1", consents=[consent(" C-NEWS", "glow   SKIN", consent_name="News, as told")])
    world.stage()
    (offer,) = world.load()[ADA].offers
    assert (offer.consent_id, offer.data_handler, offer.consent_name) == (NEWS, "Glow Skin", "News, as told")


def test_c7_7_a_consent_that_is_spent_stays_so_when_the_map_writes_it_otherwise(world: World) -> None:
    order(world, "o1")
    world.stage()
    (before,) = world.load()[ADA].offers
    first, *others = world.settings["consents"]
    written = first.model_copy(update={"consent_id": NEWS.upper(), "data_handler": "GLOW  SKIN"})
    world.settings["consents"] = (written, *others)
    world.stage()
    (after,) = world.load()[ADA].offers
    assert after.spent_as == before.spent_as
    assert (after.consent_id, after.data_handler) == (NEWS.upper(), "GLOW  SKIN")


def test_c6_2_the_record_that_is_known_is_looked_for_by_its_id(world: World) -> None:
    order(world, "o1")
    world.stage()
    world.store("synced.consumers", crm="hubspot", key="k", email_key=ADA, record_id="77", known_at=NOW)
    assert [world.load(crm)[ADA].person.record_id for crm in ("hubspot", "klaviyo")] == ["77", None]


def test_c5_1_people_are_kept_apart(world: World) -> None:
    order(world, "o1", email="joe+x@example.com", full_name="Joe Tag")
    order(world, "o2", email="joe@example.com", full_name="Joe Plain", consents=[])
    world.stage()
    found = world.load()
    assert [found[key].orders for key in ("joe+x@example.com", "joe@example.com")] == [("o1",), ()]


def test_c9d_withdrawals_are_seen_however_the_map_writes_the_consent_now(world: World) -> None:
    for number in range(11):
        world.read(f"o{number}")
        world.evidence(f"o{number}", consent_id=NEWS.upper(), key=f"k{number}")
    world.stage()
    assert not brake._checks(world.db, "hubspot", {}, 0)
    world.cursor.execute("update staged.consents set withdrawn_at = now()::timestamp")
    assert brake._checks(world.db, "hubspot", {}, 0)
