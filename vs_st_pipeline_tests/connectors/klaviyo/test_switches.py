"""Whatever Klaviyo turns out to do: nobody is subscribed who opted out, and what is done is told, or unknown.

One small sync, by the simplest rules that a route could have, under a covering set of the stand-in's switches, and
(slow) under each value alone.
"""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.connectors.klaviyo.client import PAGE_SIZE
from vs_st_pipeline.domain.crm import Ended, Item, Result, State, Step
from vs_st_pipeline.domain.errors import Refused
from vs_st_pipeline.sandbox.core.consumer_switches import CONSUMER_SWITCHES
from vs_st_pipeline_tests.connectors.klaviyo.world import NEWS, TRIAL, World, consenting, days_ago, sought, writing
from vs_st_pipeline_tests.sandbox.served import GLOW, Served

OPEN = {name: values for name, values in CONSUMER_SWITCHES["klaviyo"].items() if name != "revision_retired"}
COVERING = [{name: values[n % len(values)] for name, values in OPEN.items()} for n in range(4)]
ALONE = [{name: value} for name, values in OPEN.items() for value in values]

NEW = [f"new{n}@example.com" for n in range(24)]
KEPT_OUT = ["out@example.com", "spam@example.com", "bounced@example.com", "listout@example.com"]
VALUES = {"first_name": "Ada", "SoPost Order Count": "2", "SoPost Consents": '["News"]'}


def world_under(box: Served, switches: dict[str, Any]) -> World:
    box.control.reset()
    box.control.set_switches(switches)
    world = World(box)
    world.add("never@example.com"), world.add("on@example.com", "SUBSCRIBED", NEWS)
    world.add("unlisted@example.com", "SUBSCRIBED")
    world.add("out@example.com", "UNSUBSCRIBED"), world.add("spam@example.com", "SUBSCRIBED", NEWS)
    world.add("bounced@example.com"), world.add("listout@example.com", "SUBSCRIBED")
    world.control.suppress("spam@example.com", reason="SPAM_COMPLAINT")
    world.control.suppress("bounced@example.com", reason="HARD_BOUNCE")
    world.control.unsubscribe("listout@example.com", list=NEWS.id)
    world.add("kept@example.com"), world.add("merged@example.com")
    world.control.merge("kept@example.com", "merged@example.com")
    world.add("erased@example.com")
    world.control.erase("erased@example.com", for_good=True)
    return world


def sent(world: World, step: Step, items: list[Item]) -> dict[str, Result]:
    """Send items as the route does: halves of what is refused as a whole, and again what was not done."""
    results: dict[str, Result] = {}
    queue = world.crm.requests(step, items)
    while queue:
        some = queue.pop(0)
        try:
            told = world.crm.send(step, some)
        except Refused:
            queue += [some[: len(some) // 2], some[len(some) // 2 :]]
            continue
        results |= {id_: one for id_, one in told.items() if one.ended is not Ended.NOT_DONE}
        if again := [item for item in some if item.id in told and told[item.id].ended is Ended.NOT_DONE]:
            queue.append(again)
    return results


def sync(world: World, switches: dict[str, Any]) -> None:
    confirms = world.crm.begin([NEWS, TRIAL]).targets[NEWS].confirms
    people = [
        *("never@example.com", "On@Example.com", "unlisted@example.com", *KEPT_OUT, "kept@example.com"),
        *("merged@example.com", "erased@example.com", *NEW),
    ]
    world.control.clear_journal()
    seen = world.look(*people)
    assert list(seen) == [email.lower() for email in people], "everybody is covered"
    found = len(world.asked("/api/profiles"))
    assert found <= 2 * len(people) + 20, "and not by asking for ever"
    merged = switches.get("merge_resolves") != 404
    assert (seen["merged@example.com"].held is not None) is merged
    states = {email: one.standings[NEWS].state for email, one in seen.items() if not one.held}
    assert {states[email] for email in KEPT_OUT} <= {State.UNSUBSCRIBED, State.SUPPRESSED}
    assert all(states[email] is State.NEVER for email in NEW)
    unlisted, on = seen["unlisted@example.com"], seen["on@example.com"]
    assert (unlisted.standings[NEWS].missing, on.standings[NEWS].missing) == ((NEWS.id,), ())

    subscribing = [
        consenting(email, confirms=confirms, at=None if confirms or n % 2 else days_ago(30))
        for n, (email, state) in enumerate(states.items())
        if state is State.NEVER
    ]
    told = sent(world, Step.CONSENT, subscribing)
    assert {one.ended for one in told.values()} <= {Ended.TAKEN, Ended.REJECTED}
    refused = [id_ for id_, one in told.items() if one.ended is Ended.REJECTED]
    if switches.get("bad_profile") != "item_skipped":
        assert len(refused) == (switches.get("deleted_write") == 400)
    assert unlisted.record is not None
    if not confirms:
        item = Item("unlisted", sought("unlisted@example.com"), unlisted.record.id, target=NEWS, lists=(NEWS.id,))
        assert sent(world, Step.LISTS, [item])["unlisted"].ended is Ended.TAKEN

    records = {email: one.record.id if one.record else None for email, one in seen.items() if not one.held}
    fields = [writing(email, VALUES, records[email], numbers=frozenset({"SoPost Order Count"})) for email in NEW]
    done = sent(world, Step.FIELDS, fields)
    ends = switches.get("job_lag_polls") != "never"
    assert {one.ended for one in done.values()} == {Ended.ACCEPTED if ends else Ended.TAKEN}
    assert len(done) == len(NEW)

    for _ in range(8):
        seen = world.look(*NEW)
    shown = {one.standings[NEWS].state for one in seen.values()}
    shows = not confirms and switches.get("subscribe_lag_polls") != "never"
    assert shown == {State.SUBSCRIBED if shows else State.NEVER}
    if ends:
        wanted = {"SoPost Order Count": 2, "SoPost Consents": ["News"]}
        assert all(world.profile(email)["attributes"]["properties"] == wanted for email in NEW)

    assert world.control.findings(GLOW) == []
    asked = world.books("subscribe_asked")
    assert [one for one in asked if one["opted_out"]] == []
    assert len({one["email"] for one in asked}) == len(asked), "nobody twice"
    assert not {one["email"] for one in asked} & {*KEPT_OUT, *(["merged@example.com"] if merged else [])}
    assert {one["email"] for one in world.books("list_added")} <= {"unlisted@example.com"}


@pytest.mark.parametrize("switches", COVERING, ids=range(len(COVERING)))
def test_every_value_of_every_switch(box: Served, switches: dict[str, Any]) -> None:
    sync(world_under(box, switches), switches)


def test_the_worlds_above_have_every_value() -> None:
    for name, values in OPEN.items():
        assert {str(world[name]) for world in COVERING} == {str(value) for value in values}, name
    assert len(NEW) > 20, "so many are not imported one by one"
    assert max(OPEN["any_max"]) == PAGE_SIZE


@pytest.mark.slow
@pytest.mark.parametrize("switches", ALONE, ids=str)
def test_each_value_alone(box: Served, switches: dict[str, Any]) -> None:
    sync(world_under(box, switches), switches)
