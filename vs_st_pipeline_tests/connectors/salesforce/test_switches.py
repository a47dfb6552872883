"""Whatever is not known of Salesforce, the same people are written and subscribed once, and nobody else.

Each value of each switch alone is for `make proof`; `make test` has worlds in which several hold at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from vs_st_pipeline.domain.crm import Ended, Item, Seen, Sought, State, Step
from vs_st_pipeline.domain.errors import BadSettings, TryLater
from vs_st_pipeline.sandbox.core.consumer_switches import CONSUMER_SWITCHES
from vs_st_pipeline_tests.connectors.salesforce.org import FIELDS, GIVEN, KEY, NEWS, Org, person
from vs_st_pipeline_tests.sandbox.served import Served

SWITCHES = CONSUMER_SWITCHES["salesforce"]
CONFIG = [("external_id", "not_unique"), ("external_id", "missing"), ("opted_out_field", "hidden")]
USABLE = {name: [value for value in values if (name, value) not in CONFIG] for name, values in SWITCHES.items()}
WORLDS = [{name: values[turn % len(values)] for name, values in USABLE.items()} for turn in range(3)]
ALONE = [{name: value} for name, values in SWITCHES.items() for value in values[1:]]

WITHDRAWN = "Responded"
NEW = [f"new{number}@example.com" for number in range(30)]
THERE = ["known@example.com", "Upper.Case@Example.com", "offlist@example.com"]
OUT, ALREADY, DOUBLE, MOVED = (f"{name}@example.com" for name in ("optedout0", "already", "double", "moved"))
BINNED, NAMELESS, QUOTE, LEFT = (f"{name}@example.com" for name in ("binned", "nameless", "o'hara+x", "left"))
EVERYBODY = [*NEW, *THERE, OUT, ALREADY, DOUBLE, MOVED, BINNED, NAMELESS, QUOTE, LEFT]


class TinyRoute:
    """Writes and subscribes whom it is given, as the route does, and remembers their ids as the ledger does."""

    def __init__(self, people: Sequence[Sought]) -> None:
        self.people = {one.key: one for one in people}
        self.ids: dict[str, str] = {}
        self.spent: set[str] = set()
        self.ended: dict[tuple[str, Step], str] = {}
        self.held: dict[str, str] = {}
        self._items = count()

    def sync(self, org: Org) -> None:
        """One sync; who was there unexpectedly is looked at again, and who was locked is tried again."""
        self.held = {}
        todo = list(self.people)
        for _ in range(4):
            todo = self._round(org, todo) if todo else []

    def undo(self, org: Org, emails: Sequence[str]) -> None:
        """Take people out of the campaign again."""
        asked = [replace(one, record_id=self.ids.get(one.key)) for one in map(person, emails)]
        seen = org.crm.look(asked, (NEWS,), ())
        members = [one for one in asked if seen[one.key].standings[NEWS].state is State.SUBSCRIBED]
        self._sent(org, Step.WITHDRAW, [self._item(one, target=NEWS, consent=GIVEN) for one in members])

    def _round(self, org: Org, keys: Sequence[str]) -> list[str]:
        asked = [replace(self.people[key], record_id=self.ids.get(key)) for key in keys]
        looks = org.crm.look(asked, (NEWS,), FIELDS)
        assert len(looks) == len(asked)
        seen = {key: look for key, look in looks.items() if self._may(self.people[key], look)}
        self.ids.update({key: look.record.id for key, look in seen.items() if look.record is not None})
        items = [
            self._item(self.people[key], values=wanted)
            for key, look in seen.items()
            if (wanted := self._wanted(key, look)) or look.record is None
        ]
        told = self._sent(org, Step.FIELDS, items)
        refused = {item.person.key for item in items if told.get(item.id) is not Ended.ACCEPTED}
        open_ = {key: look.standings[NEWS].state for key, look in seen.items() if key not in refused | self.spent}
        wishes = [
            self._item(self.people[key], target=NEWS, consent=GIVEN)
            for key, state in open_.items()
            if state is State.NEVER
        ]
        told |= self._sent(org, Step.CONSENT, wishes)
        self.spent |= {key for key, state in open_.items() if state is State.SUBSCRIBED}
        self.spent |= {wish.person.key for wish in wishes if told.get(wish.id) is Ended.ACCEPTED}
        return [item.person.key for item in (*items, *wishes) if told.get(item.id) in (Ended.EXISTS, Ended.LOCKED)]

    def _may(self, one: Sought, look: Seen) -> bool:
        state = look.standings[NEWS].state
        barred = look.held or (state.value if state in (State.SUPPRESSED, State.UNSUBSCRIBED) else None)
        if barred:
            self.held[one.email] = barred
        return barred is None

    def _wanted(self, key: str, look: Seen) -> dict[str, str]:
        now = look.record.values if look.record is not None else dict.fromkeys(FIELDS, "")
        wanted = {"SoPost_Identity__c": f"identity of {key}", "SoPost_Order_Count__c": "2"}
        if self.people[key].email != NAMELESS:
            wanted |= {"FirstName": now["FirstName"] or "New", "LastName": now["LastName"] or "Person"}
        return {name: value for name, value in wanted.items() if value != now[name]}

    def _item(self, one: Sought, **more: Any) -> Item:
        return Item(f"i{next(self._items)}", one, self.ids.get(one.key), **more)

    def _sent(self, org: Org, step: Step, items: Sequence[Item]) -> dict[str, Ended]:
        told = org.send(step, *items) if items else {}
        for item in items:
            result = told[item.id]
            self.ended[item.person.email, step] = result.ended.value
            if result.record_id and step is Step.FIELDS:
                self.ids[item.person.key] = result.record_id
        return {id: result.ended for id, result in told.items()}


def test_each_value_is_in_some_world() -> None:
    for name, values in USABLE.items():
        assert [value for value in values if value not in [world[name] for world in WORLDS]] == [], name
    assert {name for name, _ in CONFIG} | {name for name, values in USABLE.items() if len(values) > 1} == set(SWITCHES)


@pytest.mark.parametrize("world", WORLDS, ids=["first", "second", "third"])
def test_several_at_once(box: Served, world: Mapping[str, Any]) -> None:
    the_same_happens(box, world)


@pytest.mark.slow
@pytest.mark.parametrize("world", ALONE, ids=lambda world: "_".join(map(str, *world.items())))
def test_each_value_alone(box: Served, world: Mapping[str, Any]) -> None:
    the_same_happens(box, world)


def the_same_happens(box: Served, world: Mapping[str, Any]) -> None:
    """Three syncs of the same people, of whom the last two have nothing new to say; then two are taken out again."""
    box.control.set_switches({name: value for name, value in world.items() if name != "limit_at"})
    is_ = {name: world.get(name, values[0]) for name, values in SWITCHES.items()}
    if any((name, is_[name]) in CONFIG for name in is_):
        with pytest.raises(BadSettings):
            Org(box).begin()
        return
    if world.get("limit_at"):
        the_day_is_over(box, world["limit_at"])
    box.control.add("contacts", {"Email": LEFT, "LastName": "Left", "FirstName": "Lea"})
    box.control.add(
        "members", {"ContactId": box.control.contact(LEFT)["Id"], "CampaignId": NEWS.id, "Status": WITHDRAWN}
    )

    route = TinyRoute([person(email) for email in EVERYBODY])
    for _ in range(3):
        org = Org(box, withdrawn_status=WITHDRAWN)
        org.begin()
        assert org.crm.account() == box.control.keys()["org"]
        route.sync(org)
        assert all(item == "accepted" or how[0] in refused(is_) for how, item in route.ended.items()), route.ended
    assert route.held == {
        OUT: "suppressed", DOUBLE: "several_contacts", MOVED: "other_primary_email", LEFT: "unsubscribed"
    }  # fmt: skip

    written = [email for email in EVERYBODY if email not in {*route.held, *refused(is_)}]
    of_key = {one[KEY]: one for one in box.control.all("contacts") if one.get(KEY) and not one["IsDeleted"]}
    assert {person(email).key for email in written} <= of_key.keys()
    for email in written:
        contact = of_key[person(email).key]
        assert (contact["SoPost_Order_Count__c"], contact["Email"].lower()) == (2, email.lower())
    assert of_key[person("known@example.com").key]["LastName"] == "Known"
    members = Counter(one["ContactId"] for one in box.control.all("members") if not one["IsDeleted"])
    mine = [of_key[person(email).key]["Id"] for email in written]
    assert {id: members[id] for id in mine} == dict.fromkeys(mine, 1)
    assert len(members) == len(mine) + 1, "and who had left"

    books = Counter((entry["what"], entry.get("email")) for entry in box.control.books() if entry["seq"])
    assert [entry for entry, number in books.items() if number > 1 and entry[0] != "updated"] == [], "once"
    assert {email for what, email in books if what == "created"} == {
        email for email in written if email in (*NEW, BINNED, NAMELESS, QUOTE)
    }
    assert not any(entry.get("told") for entry in box.control.books())
    assert box.control.findings() == []

    gone = [NEW[0], "known@example.com"]
    route.undo(org, gone)
    after = {one["ContactId"]: one["Status"] for one in box.control.all("members") if not one["IsDeleted"]}
    assert {after[of_key[person(email).key]["Id"]] for email in gone} == {WITHDRAWN}
    assert org.routes()[-1] == "PATCH /composite/sobjects"


def refused(is_: Mapping[str, Any]) -> set[str]:
    """Whom the org refuses by a rule of its own."""
    return {NAMELESS} if is_["validation_rule"] == "item" else set()


def look_so_often(org: Org, times: int) -> None:
    for _ in range(times):
        org.look(person(NEW[0]))


def the_day_is_over(box: Served, calls: int) -> None:
    """What the day's limit stops goes on when there is a day again."""
    box.control.set_switch("limit_at", calls)
    org = Org(box)
    org.begin()
    with pytest.raises(TryLater):
        look_so_often(org, calls)
    box.control.set_switch("limit_at", None)
