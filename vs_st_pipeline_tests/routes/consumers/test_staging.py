"""Sections 3.6, 3.9, 3.10, 4, 5.1, 5.2, 7.1, 7.6, 7.11, 7.12 of consumers.md: what orders are staged as."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.sopost.settings import StatusNames
from vs_st_pipeline.routes.consumers.evidence_checks import subscribed_without_consent
from vs_st_pipeline_tests.routes.consumers.staged_world import BRAND, NEWS, NOW, OWN, TRIAL, World, consent

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.cursor.close()


def staged(world: World, order_id: str = "o1") -> dict[str, Any]:
    return world.row("staged.sopost_orders", order_id)


def consents_of(world: World, order_id: str = "o1") -> dict[str, dict[str, Any]]:
    return {row["consent_id"]: row for row in world.rows("staged.consents", order_id)}


def test_c4_an_order_is_one_row_in_our_words(world: World) -> None:
    world.event("o1", "PENDING")
    world.event("o1", "APPROVED")
    world.read("o1", email=" Ada@Example.COM ", full_name="Ada  von Lovage")
    assert world.stage().staged == 1
    row = staged(world)
    told = {key: row[key] for key in ("email_key", "email", "status", "class", "counts", "source", "territory")}
    assert told == {
        **{"email_key": "ada@example.com", "email": "Ada@Example.COM", "status": "APPROVED", "class": "approved"},
        **{"counts": True, "source": "webhook", "territory": "GBR"},
    }
    assert (json.loads(row["products"]), json.loads(row["event_ids"])) == (["p1", "p2"], ["e1", "e2"])
    person = world.row("staged.consumers", "ada@example.com")
    assert (person["first_name"], person["last_name"], person["country_2"]) == ("Ada von", "Lovage", "GB")
    assert person["key"].startswith("sp_") and len(person["key"]) == 43  # noqa: PT018  # one thing


def test_c4_one_word_is_a_first_name(world: World) -> None:
    world.read("o1", full_name="Cher")
    world.stage()
    person = world.row("staged.consumers", "o1@example.com")
    assert (person["first_name"], person["last_name"]) == ("Cher", None)


def test_c3_9_an_order_may_stand_in_an_envelope_and_half_an_emoji_spoils_nothing(world: World) -> None:
    body = '{"data": {"id": "o1", "status": "APPROVED", "email": "a@b.c", "full_name": "Ada \\ud83c"}}'
    world.read("o1", body=body)
    world.stage()
    assert (staged(world)["email_key"], staged(world)["full_name"]) == ("a@b.c", "Ada \ufffd")


@pytest.mark.parametrize(
    ("status", "events", "kind", "counts"),
    [
        ("approved", (), "approved", True),
        (" Approved ", (), "approved", True),
        ("DISPATCHED", ("APPROVED",), "later", True),
        ("DISPATCHED", ("approved",), "later", True),
        ("DISPATCHED", ("PENDING", "DISPATCHED"), "later", False),
        ("ON_HOLD", (), "later", False),
        ("PENDING", ("APPROVED",), "pending", False),
        ("REJECTED", ("APPROVED",), "rejected", False),
    ],
)
def test_c3_6_what_counts_as_approved(
    world: World, status: str, events: tuple[str, ...], kind: str, counts: bool
) -> None:
    for word in events:
        world.event("o1", word)
    world.read("o1", status)
    world.stage()
    assert (staged(world)["class"], staged(world)["counts"]) == (kind, counts)
    assert len(world.rows("staged.consumers")) == counts


def test_c3_6_an_earlier_read_that_was_approved_is_enough(world: World) -> None:
    world.read("o1", "APPROVED")
    world.read("o1", "DELIVERED")
    world.stage()
    assert staged(world)["counts"]


def test_c3_6_a_name_that_is_added_to_the_statuses_is_applied_without_a_new_read(world: World) -> None:
    world.read("o1", "SHIPPED")
    assert world.stage().orders == {"unknown_status": 1}
    assert (world.rows("staged.consumers"), world.due()) == ([], set())
    world.sopost["statuses"] = {"approved": ("APPROVED", "SHIPPED"), "pending": (), "rejected": ()}
    assert world.stage().orders == {"approved": 1}
    assert world.due() == {("hubspot", "o1@example.com"), ("klaviyo", "o1@example.com")}


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({}, "approved"),
        ({"status": "REJECTED"}, "rejected"),
        ({"status": "ON_HOLD", "email": None}, "unknown_status"),
        ({"email": None}, "no_email"),
        ({"email": "two@at@example.com"}, "bad_email"),
        ({"status": "PENDING"}, None),  # what reading counts
        ({"activity_id": "other"}, None),
    ],
)
def test_c8_each_order_is_counted_once_by_the_first_word_that_fits(
    world: World, said: dict[str, Any], word: str | None
) -> None:
    world.sopost["activities"] = ("A1",)
    world.read("o1", **said)
    assert world.stage("O1").orders == ({word: 1} if word else {})
    assert world.stage("o1").orders == ({word: 1} if word else {})  # also where nothing was staged anew
    assert world.stage().orders == {}


def test_c4_an_order_of_another_activity_does_not_count(world: World) -> None:
    world.sopost["activities"] = ("a2",)
    world.read("o1")
    world.stage()
    assert not staged(world)["counts"]


def test_staging_takes_only_what_changed(world: World) -> None:
    for name in ("o1", "o2"):
        world.read(name)
    assert world.stage().staged == 2
    assert world.stage().staged == 0
    world.settled()
    world.at = LATER
    world.read("o2", full_name="Bea Newer")
    assert world.stage().staged == 1
    assert world.row("staged.consumers", "o2@example.com")["full_name"] == "Bea Newer"
    assert world.due() == {("hubspot", "o2@example.com"), ("klaviyo", "o2@example.com")}


# --- 3.10, 5.1, 5.2: order, addresses and names ---


def test_c3_10_the_newest_order_has_the_greatest_time_unknown_before_all_and_equals_by_id(world: World) -> None:
    world.read("o1", email="a@b.c", raw_first_seen_at=NOW - timedelta(days=2))
    world.read("o2", email="A@b.c", raw_first_seen_at=NOW - timedelta(days=1))
    world.read("o9", email="a@b.c", raw_first_seen_by="import", raw_first_seen_at=NOW)
    world.stage()
    assert world.row("staged.consumers", "a@b.c")["newest_order_id"] == "o2"
    world.read("o3", email="a@B.c", raw_first_seen_at=NOW - timedelta(days=1))
    world.stage()
    person = world.row("staged.consumers", "a@b.c")
    assert (person["newest_order_id"], person["email"], person["order_count"]) == ("o3", "a@B.c", 4)


def test_c3_10_an_order_has_its_own_time_where_the_settings_say_so(world: World) -> None:
    world.sopost["order_time"] = "meta.created_at"
    world.read("o1", meta={"created_at": "2026-05-18T10:00:00+02:00"})
    world.read("o2", meta={"created_at": "2026-05-18T10:00:00"})  # without a zone: absent
    world.read("o3", meta={"created_at": "2026-06-18T10:00:00Z"})  # never later than the first receipt
    world.read("o4", meta={"created_at": "2026-05-18"})
    world.stage()
    first = NOW - timedelta(minutes=1)
    assert [staged(world, f"o{n}")["ordered_at"] for n in (1, 2, 3, 4)] == [
        *(datetime(2026, 5, 18, 8), first, first, first),
    ]
    assert staged(world)["earliest_at"] == datetime(2026, 5, 18, 8)
    world.at = LATER
    world.read("o1", meta={})  # what it was does not change
    world.stage()
    assert staged(world)["ordered_at"] == datetime(2026, 5, 18, 8)


def test_c5_1_the_address_of_the_first_read_that_counts_stays(world: World) -> None:
    world.read("o1", "ON_HOLD", email="first@b.c")
    world.stage()
    world.read("o1", email="second@b.c")
    assert world.stage().noted == {}
    world.read("o1", email="third@b.c")
    assert world.stage().noted == {"address_changed": 1}
    assert (staged(world)["email_key"], staged(world)["address_changed"]) == ("second@b.c", True)
    world.read("o1", email="SECOND@b.c ")
    assert world.stage().noted == {}
    assert [row["email_key"] for row in world.rows("staged.consumers")] == ["second@b.c"]


def test_c5_1_an_address_that_cannot_be_used_is_written_nowhere(world: World) -> None:
    world.read("o1", email=None)
    world.read("o2", email="no-address")
    world.stage()
    assert [staged(world, name)["email_state"] for name in ("o1", "o2")] == ["no_email", "bad_email"]
    assert (world.rows("staged.consumers"), world.due()) == ([], set())


def test_c5_2_one_address_and_several_names_is_noted_loosely(world: World) -> None:
    world.read("o1", email="a@b.c", full_name="Anna Elder", raw_first_seen_at=NOW - timedelta(days=3))
    world.read("o2", email="a@b.c", full_name=" anna   ELDER", raw_first_seen_at=NOW - timedelta(days=2))
    assert world.stage().noted == {}
    world.read("o3", email="a@b.c", full_name="Anna Newest", raw_first_seen_at=NOW - timedelta(days=1))
    assert world.stage().noted == {"several_names": 1}
    person = world.row("staged.consumers", "a@b.c")
    assert person["full_name"] == "Anna Newest"
    assert json.loads(person["names_seen"]) == ["Anna Elder", "Anna Newest", "anna   ELDER"]


def test_c5_2_one_identity_and_several_addresses_is_several_consumers(world: World) -> None:
    for name in ("o1", "o2"):
        world.read(name, identity="vesper")
    world.read("o3")
    assert world.stage().noted == {"several_emails": 2}
    assert len(world.rows("staged.consumers")) == 3


# --- 3.9, 7.1: consents and questions ---


def test_c3_9_parts_that_cannot_be_read_give_nothing_and_are_noted(world: World) -> None:
    odd = ["yes", {"consent_id": None, "data_handler": BRAND}, {"consent_id": NEWS}, consent(TRIAL)]
    world.read("o1", consents=odd)
    world.read("o2", custom_questions=[5, {"question_id": "q", "answer": ["text", {"answer_text": "Dry"}]}])
    world.read("o3", consents=[])
    assert world.stage().noted == {"unreadable_part": 2}
    assert list(consents_of(world)) == [TRIAL]
    assert [row["answer_text"] for row in world.rows("staged.answers")] == ["Dry"]


@pytest.mark.parametrize("nothing", [None, [], ...])
def test_c3_9_absent_or_null_consents_and_questions_are_empty(world: World, nothing: Any) -> None:
    world.read("o1", consents=nothing, custom_questions=nothing)
    world.stage()
    assert staged(world)["counts"]
    assert (world.rows("staged.consents"), world.rows("staged.answers")) == ([], [])


def test_c4_an_answer_may_be_one_object_and_without_id_has_its_position(world: World) -> None:
    world.read(
        "o1",
        custom_questions=[
            {"question_id": "q1", "question_text": "Skin?", "answer": {"answer_id": "dry", "answer_text": "Dry"}},
            {"question_id": 2, "answer": [{"answer_text": "Because"}, {"answer_text": "Why not"}]},
            {"question_id": "q3", "answer": None},
        ],
    )
    world.stage()
    found = [(row["question_id"], row["answer_id"], row["answer_text"]) for row in world.rows("staged.answers")]
    assert found == [("2", "#0", "Because"), ("2", "#1", "Why not"), ("q1", "dry", "Dry")]


@pytest.mark.parametrize(
    ("entry", "as_", "given"),
    [
        (consent(), "mapped", True),
        (consent(f" {NEWS.upper()}", "  GLOW   skin "), "mapped", True),
        (consent(status=" approved "), "mapped", True),
        (consent(status="REJECTED"), "mapped", False),
        (consent(status="MAYBE"), "mapped", False),
        (consent(status=True), "mapped", False),
        (consent(status=...), "mapped", False),
        (consent(OWN, "SoPost"), "ignored", False),
        (consent("c-new"), "unmapped", False),
        (consent(NEWS, "Another Brand"), "handler_mismatch", False),
    ],
)
def test_c7_1_given_is_a_given_status_and_id_and_handler_of_one_entry(
    world: World, entry: dict[str, Any], as_: str, given: bool
) -> None:
    world.read("o1", consents=[entry])
    world.stage()
    (row,) = world.rows("staged.consents")
    assert (row["entry"], row["given"], row["ever_given"]) == (as_, given, given)
    if as_ == "mapped":
        assert (row["consent_id"], row["data_handler"], row["text_version"]) == (NEWS, BRAND, "2026-05")


@pytest.mark.parametrize("status", [..., None, "", "  "])
@pytest.mark.parametrize(("setting", "given"), [("hold", False), ("given", True)])
def test_c2_a_consent_without_a_status_is_what_the_settings_say(
    world: World, status: Any, setting: str, given: bool
) -> None:
    world.sopost["consent_without_status"] = setting
    world.read("o1", consents=[consent(status=status)])
    noted = world.stage().noted
    assert consents_of(world)[NEWS]["given"] == given
    assert noted == ({} if given else {"unknown_consent_status": 1})


def test_c7_1_an_entry_of_an_order_that_does_not_count_gives_nothing(world: World) -> None:
    world.read("o1", "ON_HOLD")
    world.stage()
    assert not consents_of(world)[NEWS]["given"]


@pytest.mark.parametrize(("second", "given"), [("APPROVED", True), ("REJECTED", False), ("MAYBE", False)])
def test_c7_1_the_same_pair_twice_is_given_only_if_each_is(world: World, second: str, given: bool) -> None:
    world.read("o1", consents=[consent(), consent(NEWS.upper(), status=second)])
    world.read("o2", consents=[consent(status=second), consent()])
    world.stage()
    assert [consents_of(world, name)[NEWS]["given"] for name in ("o1", "o2")] == [given, given]


def test_c7_1_words_about_consents_are_noted_each_consumer_once(world: World) -> None:
    world.read("o1", consents=[consent("c-new"), consent("c-newer"), consent(NEWS, "Another Brand")])
    world.read("o2", consents=[consent(status="MAYBE"), consent(OWN, "SoPost", "MAYBE")])
    world.read("o3", "ON_HOLD", consents=[consent("c-new")])  # it does not count
    assert world.stage().noted == {"unmapped_consent": 1, "handler_mismatch": 1, "unknown_consent_status": 1}
    assert world.stage().noted["unmapped_consent"] == 1  # as long as it lasts


def test_c2_a_consent_that_is_listed_later_counts_without_a_new_read(world: World) -> None:
    known = world.settings["consents"]
    world.settings["consents"] = ()
    world.read("o1")
    world.stage()
    assert consents_of(world)[NEWS]["entry"] == "unmapped"
    world.settled()
    world.settings["consents"] = known
    world.stage()
    assert consents_of(world)[NEWS]["given"]
    assert ("hubspot", "o1@example.com") in world.due()


# --- 7.6: before which no consent was given ---


@pytest.mark.parametrize(
    ("raw", "earliest"),
    [
        ({"raw_first_class": "approved"}, NOW - timedelta(minutes=1, hours=24)),
        ({"raw_first_class": "pending"}, NOW - timedelta(minutes=1, hours=24)),
        ({"raw_first_class": "later"}, None),
        ({"raw_first_class": "rejected"}, None),
        ({"raw_first_seen_by": "import", "raw_first_class": None}, None),
        ({"raw_first_seen_by": "import", "raw_first_class": None, "raw_consented_at": datetime(2026, 1, 2)},
         datetime(2026, 1, 2)),
        ({"raw_consented_at": datetime(2026, 1, 2)}, NOW - timedelta(minutes=1, hours=24)),
    ],
)  # fmt: skip
def test_c7_6_earliest_at(world: World, raw: dict[str, Any], earliest: datetime | None) -> None:
    world.read("o1", **raw)
    world.stage()
    assert staged(world)["earliest_at"] == earliest
    assert consents_of(world)[NEWS]["earliest_at"] == earliest


@pytest.mark.parametrize(("listed", "word"), [("approved", "Confirmed"), ("pending", "Waiting")])
def test_c7_6_c3_6_what_a_first_event_means_may_be_listed_after_it_came(world: World, listed: str, word: str) -> None:
    world.event("o1", word, NOW - timedelta(minutes=1))
    world.event("o1", "APPROVED")
    world.read("o1", raw_first_class="later")
    world.stage()
    assert staged(world)["earliest_at"] is None
    world.sopost["statuses"] = StatusNames(**{listed: (listed.upper(), word)})
    world.stage()
    assert staged(world)["earliest_at"] == NOW - timedelta(minutes=1, hours=24)


def test_c7_6_the_delay_of_webhooks_is_a_setting(world: World) -> None:
    world.sopost["webhook_delay"] = timedelta(hours=1)
    world.read("o1")
    world.stage()
    assert staged(world)["earliest_at"] == NOW - timedelta(minutes=61)


# --- 7.11, 7.12: withdrawn and vanished ---


def read_again(world: World, **said: Any) -> dict[str, Any]:
    world.at = LATER
    world.read("o1", **said)
    world.stage()
    return consents_of(world)[NEWS]


def test_c7_11_a_refused_status_in_a_later_read_is_a_withdrawal(world: World) -> None:
    world.read("o1")
    world.stage()
    row = read_again(world, consents=[consent(status="WITHDRAWN")])
    assert (row["given"], row["ever_given"], row["withdrawn_at"]) == (False, True, LATER)


def test_c7_11_a_withdrawal_is_seen_though_the_clock_stands_still(world: World) -> None:
    world.read("o1")
    world.stage()
    world.read("o1", consents=[consent(status="WITHDRAWN")])
    world.stage()
    assert consents_of(world)[NEWS]["withdrawn_at"] == NOW


def test_c7_11_what_was_never_given_cannot_be_withdrawn(world: World) -> None:
    world.read("o1", consents=[consent(status="MAYBE")])
    world.stage()
    row = read_again(world, consents=[consent(status="WITHDRAWN")])
    assert (row["ever_given"], row["withdrawn_at"]) == (False, None)


def test_c7_11_given_again_in_the_same_order_it_stands_again(world: World) -> None:
    world.read("o1")
    world.stage()
    read_again(world, consents=[consent(status="WITHDRAWN")])
    row = read_again(world)
    assert (row["given"], row["withdrawn_at"]) == (True, None)


@pytest.mark.parametrize("now", [[], [consent(status=...)], [consent(status="MAYBE")], [consent(TRIAL)]])
def test_c7_12_gone_without_status_or_unknown_is_vanished(world: World, now: list[Any]) -> None:
    world.read("o1")
    world.stage()
    row = read_again(world, consents=now)
    assert (row["given"], row["ever_given"], row["vanished_at"], row["withdrawn_at"]) == (False, True, LATER, None)
    assert world.stage().noted == {"consent_vanished": 1}
    world.at = LATER + timedelta(hours=1)
    world.read("o1", consents=now)
    world.stage()
    assert consents_of(world)[NEWS]["vanished_at"] == LATER


def test_r23_a_consent_that_an_answer_omitted_stands_and_subscribes_nobody_until_it_is_shown_again(
    world: World,
) -> None:
    """It is not gone yet, so nothing is noted or cleared; nobody is subscribed by what was not said just now."""
    world.read("o1")
    world.stage()
    row = read_again(world, consents=[consent(_carried=True)])
    assert (row["given"], row["ever_given"], row["vanished_at"], row["withdrawn_at"]) == (False, True, None, None)
    assert world.stage().noted == {}
    (offer,) = world.load()["o1@example.com"].offers
    assert (offer.standing, offer.usable) == (True, False)
    world.at = LATER + timedelta(hours=1)
    world.read("o1", consents=[consent()])
    world.stage()
    (offer,) = world.load()["o1@example.com"].offers
    assert (offer.standing, offer.usable) == (True, True)


def test_c7_12_what_was_withdrawn_stays_so_when_it_vanishes(world: World) -> None:
    world.read("o1")
    world.stage()
    read_again(world, consents=[consent(status="WITHDRAWN")])
    world.at = LATER + timedelta(hours=1)
    world.read("o1", consents=[])
    world.stage()
    assert consents_of(world)[NEWS]["withdrawn_at"] == LATER
    assert world.stage().noted == {}


def test_c7_12_rejected_after_its_write_is_noted_and_approved_again_counts(world: World) -> None:
    world.read("o1")
    world.stage()
    world.store("synced.consumers", crm="hubspot", key="k", email_key="o1@example.com", known_at=NOW)
    world.at = LATER
    world.read("o1", "REJECTED")
    assert world.stage().noted == {"rejected_after_write": 1}
    assert (staged(world)["counts"], staged(world)["counted"]) == (False, True)
    row = consents_of(world)[NEWS]
    assert (row["given"], row["ever_given"], row["vanished_at"], row["withdrawn_at"]) == (False, True, None, None)
    assert world.rows("staged.consumers") == []
    assert ("hubspot", "o1@example.com") in world.due()
    world.read("o1", "APPROVED")
    assert world.stage().noted == {}
    assert consents_of(world)[NEWS]["given"]


def test_c7_12_rejected_before_any_write_is_not_worth_a_note(world: World) -> None:
    world.read("o1")
    world.stage()
    world.read("o1", "REJECTED")
    assert world.stage().noted == {}


def test_c7_11_a_withdrawal_that_is_read_while_the_consent_is_not_listed_counts_when_it_is_again(world: World) -> None:
    world.read("o1")
    world.stage()
    listed = world.settings["consents"]
    world.settings["consents"] = tuple(one for one in listed if one.consent_id != NEWS)
    world.stage()
    read_again(world, consents=[consent(status="WITHDRAWN")])
    world.settings["consents"] = listed
    world.stage()
    row = consents_of(world)[NEWS]
    assert (row["given"], row["ever_given"], row["withdrawn_at"]) == (False, True, LATER)
    (offer,) = world.load()["o1@example.com"].offers
    assert offer.withdrawn


def test_c7_11_changed_settings_withdraw_nothing(world: World) -> None:
    """A status that means something else now is the merchant's doing, and no word of the person."""
    world.read("o1")
    world.stage()
    world.sopost |= {"consent_given": ("YES",), "consent_refused": ("APPROVED",)}
    world.stage()
    row = consents_of(world)[NEWS]
    assert (row["given"], row["ever_given"], row["vanished_at"], row["withdrawn_at"]) == (False, False, None, None)
    world.evidence("o1")  # who was subscribed before was so by a consent
    assert subscribed_without_consent("hubspot")(world.run, world.db).count == 0
    world.sopost.clear()
    world.stage()
    assert consents_of(world)[NEWS]["given"]


def test_c7_12_settings_are_applied_where_the_body_is_gone(world: World) -> None:
    world.read("o1", consents=[consent(TRIAL, "Other Handler")])
    world.stage()
    world.cursor.execute("update raw.sopost_orders set body = null")
    known = world.settings["consents"]
    moved = known[1].model_copy(update={"data_handler": "Other Handler"})
    world.settings["consents"] = (known[0], moved, known[2])
    world.stage()
    assert (consents_of(world)[TRIAL]["entry"], consents_of(world)[TRIAL]["given"]) == ("mapped", True)
    assert staged(world)["full_name"] == "Ada Lovage"


# --- silence ---


def test_r23_what_an_order_never_said_is_not_known_and_null_is_nothing(world: World) -> None:
    world.read("o1", telephone=..., identity=None, address=...)
    world.read("o2", address={"line_1": "1 Sample Street", "town": ["London"]}, full_name={"first": "Ada"}, telephone=7)
    world.stage()
    assert json.loads(staged(world)["silent"]) == [
        *("district", "line_1", "line_2", "order_time", "postcode", "telephone", "territory", "town"),
    ]
    row = staged(world, "o2")
    assert json.loads(row["silent"]) == [
        *("district", "full_name", "line_2", "order_time", "postcode", "territory", "town")
    ]
    assert (row["telephone"], row["line_1"]) == ("7", "1 Sample Street")


def test_r23_what_was_said_and_is_absent_for_good_is_nothing(world: World) -> None:
    """Reading carries a value over until its absence is no slip; after that the stored answer is without it."""
    world.read("o1", identity=...)
    world.stage()
    world.at = LATER
    world.read("o1", telephone=..., identity=...)
    world.stage()
    row = staged(world)
    assert (row["telephone"], json.loads(row["silent"])) == (None, ["district", "identity", "order_time", "postcode"])


def test_r22_a_stored_body_that_says_nothing_leaves_what_is_known(world: World) -> None:
    world.read("o1")
    world.stage()
    world.at = LATER
    world.read("o1", body="[]")
    world.stage()
    assert (staged(world)["full_name"], staged(world)["counts"]) == ("Ada Lovage", True)
    assert consents_of(world)[NEWS]["given"]


def test_c10_3_texts_are_nfc_without_control_characters(world: World) -> None:
    world.read("o1", full_name="Leo\u0007pold\u0000ine Re\u0301my")
    world.stage()
    assert staged(world)["full_name"] == "Leopoldine R\u00e9my"


# --- who is planned ---


def test_c5_7_planned_is_whoever_has_an_order_newly_read(world: World) -> None:
    world.read("o1")
    assert world.stage().due == 1
    assert world.stage().due == 0
    world.settled()
    world.at = LATER
    world.read("o1")  # the same again
    assert world.stage().due == 1


def test_c5_7_a_changed_map_or_full_has_everybody_planned_at_that_crm(world: World) -> None:
    from vs_st_pipeline.routes.consumers import staging

    world.read("o1")
    world.stage()
    world.settled()
    world.store("synced.consumers", crm="hubspot", key="k", email_key="fell.away@example.com", known_at=NOW)
    with world.db.transaction():
        assert staging.requeue(world.run, world.db, "hubspot", "map") == 2
        assert staging.requeue(world.run, world.db, "hubspot", "map") == 0
    assert world.due() == {("hubspot", "o1@example.com"), ("hubspot", "fell.away@example.com")}


def test_c10_5_an_order_that_raw_has_no_more_is_not_staged_any_more(world: World) -> None:
    for name in ("o1", "o2"):
        world.read(name)
    world.stage()
    world.cursor.execute("delete from raw.sopost_orders where id = 'o1'")
    world.stage()
    assert [row["order_id"] for row in world.rows("staged.sopost_orders")] == ["o2"]
    assert [row["email_key"] for row in world.rows("staged.consumers")] == ["o2@example.com"]
    assert [row["order_id"] for row in world.rows("staged.consents")] == ["o2"]
