"""Rule 10.6 of consumers.md: orders that led to no write and wait for nothing keep ids, statuses and consent ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from vs_st_pipeline.domain.emails import person_key
from vs_st_pipeline.routes.consumers import retention
from vs_st_pipeline_tests.routes.consumers.staged_world import NEWS, NOW, World, consent

KEY = "o1@example.com"
STAYS = {"order_id": "o1", "short_id": "S-o1", "activity_id": "a1", "status": "APPROVED", "class": "approved"}


@pytest.fixture
def world() -> Iterator[World]:
    world = World(hubspot="skip", klaviyo="skip")
    yield world
    world.cursor.close()


def read_long_ago(world: World, **said: Any) -> None:
    """Have an order read and planned, a month ago."""
    world.read("o1", **{"consents": [consent(status="REJECTED")], **said})
    world.stage()
    world.settled()
    world.at = NOW + timedelta(days=30, seconds=1)


def whole(world: World) -> bool:
    """Say whether anything of the person is left."""
    row, raw = world.row("staged.sopost_orders", "o1"), world.rows("raw.sopost_orders")[0]
    personal = {row[name] for name in ("email", "email_key", "full_name", "telephone", "line_1", "town", "identity")}
    left = {personal != {None}, raw["body"] is not None, not row["reduced"]}
    assert len(left) == 1
    return left.pop()


def test_c10_6_ids_statuses_and_consent_ids_stay_and_the_person_goes(world: World) -> None:
    question = {"question_id": "q", "answer": [{"answer_text": "Dry"}]}
    read_long_ago(world, custom_questions=[question])
    assert retention.prune(world.run) == 1
    assert not whole(world)
    row = world.row("staged.sopost_orders", "o1")
    assert {name: row[name] for name in STAYS} == STAYS
    (kept,) = world.rows("staged.consents")
    assert (kept["consent_id"], kept["status"]) == (NEWS, "REJECTED")
    assert (world.rows("staged.consumers"), world.rows("staged.answers"), world.load("hubspot", KEY)) == ([], [], {})
    told = str([world.rows(table) for table in ("staged.sopost_orders", "raw.sopost_orders", "staged.consents")])
    assert ("Lovage" in told, "example.com" in told, "4477" in told) == (False, False, False)
    assert retention.prune(world.run) == 0


def test_c10_6_not_before_its_time_and_never_where_it_is_always_kept(world: World) -> None:
    read_long_ago(world)
    world.at = NOW + timedelta(days=30)
    assert retention.prune(world.run) == 0
    world.at = NOW + timedelta(days=400)
    world.settings["keep_unconsented"] = None
    assert retention.prune(world.run) == 0
    world.settings["keep_unconsented"] = timedelta(days=500)
    assert retention.prune(world.run) == 0
    assert whole(world)


def test_r27_a_dry_run_reduces_nothing(world: World) -> None:
    read_long_ago(world)
    assert retention.prune(replace(world.run, dry_run=True)) == 0
    assert whole(world)


def test_c10_6_an_order_that_led_to_a_write_stays_whole(world: World) -> None:
    read_long_ago(world, consents=[consent()])
    world.store("synced.consumers", crm="hubspot", key=person_key(KEY), email_key=KEY, known_at=NOW)
    assert retention.prune(world.run) == 0
    world.cursor.execute("delete from synced.consumers")
    assert retention.prune(world.run) == 1


def test_c10_6_evidence_keeps_its_order_whole(world: World) -> None:
    read_long_ago(world, consents=[consent(status="WITHDRAWN")])
    world.evidence("o1")
    assert retention.prune(world.run) == 0


def test_c10_6_of_a_written_person_an_order_that_was_told_to_nobody_goes_all_the_same(world: World) -> None:
    read_long_ago(world)
    world.at = NOW
    world.read("o2", email=KEY)
    world.stage()
    world.settled()
    world.store("synced.consumers", crm="hubspot", key=person_key(KEY), email_key=KEY, known_at=NOW)
    world.at = NOW + timedelta(days=31)
    assert retention.prune(world.run) == 1
    assert not whole(world)
    person = world.load("hubspot", KEY)[KEY]
    assert (person.orders, world.row("staged.consumers", KEY)["order_count"]) == (("o2",), 1)


def test_c10_6_where_a_crm_records_everybody_an_order_without_consent_led_to_the_write(world: World) -> None:
    world.crms = {"hubspot": "record"}
    read_long_ago(world)
    world.store("synced.consumers", crm="hubspot", key=person_key(KEY), email_key=KEY, known_at=NOW)
    assert retention.prune(world.run) == 0


@pytest.mark.parametrize("waits", ["due", "held", "refused", "refused there", "sent", "read again", "event"])
def test_c10_6_what_waits_stays_whole(world: World, waits: str) -> None:
    read_long_ago(world, consents=[consent()])
    key = person_key(KEY)
    if waits == "due":
        world.store("planned.consumers_due", crm="hubspot", email_key=KEY, why="retry", since=NOW)
    elif waits == "held":
        row: dict[str, Any] = {
            "noted": "[]",
            "without_consent": False,
            "changes": "[]",
            "run_id": "r",
            "planned_at": NOW,
        }
        world.store("planned.klaviyo_consumers", key=key, email_key=KEY, held="suppressed_there", **row)
    elif waits == "refused":
        times = {"first_at": NOW, "last_at": NOW, "next_at": NOW}
        row = {"crm": "hubspot", "key": key, "target": "1", "asked": "a", "code": "C", "attempts": 1}
        world.store("synced.subscription_rejects", **row, **times)
    elif waits == "refused there":
        times = {"first_at": NOW, "last_at": NOW, "next_at": NOW}
        row = {"system": "hubspot", "object": "consumer", "id": key, "changes_hash": "h", "attempts": 1}
        world.store("synced.rejects", **row, **times)
    elif waits == "sent":
        row = {"send_id": "s", "system": "hubspot", "object": "consumer", "id": key, "run_id": "r", "call": "c"}
        world.store("synced.writes", **row, evidence="{}", sent_at=NOW)
    elif waits == "read again":
        world.cursor.execute("update raw.sopost_orders set next_try_at = now()")
    else:
        tell(world, "REJECTED")
    assert retention.prune(world.run) == 0
    assert whole(world)


def tell(world: World, word: str) -> None:
    """Have an event come that no read has followed."""
    event = {"event_key": word, "seq": 5, "order_id": "o1", "event_id": word, "event": word, "activity_id": ""}
    world.store("raw.sopost_events", **event, word=word.lower(), received_at=NOW)
    world.cursor.execute("update raw.sopost_orders set last_seq = 5, seen_seq = 4, left_at = now(), last_try = 'read'")


def test_c10_6_an_order_that_was_delivered_since_waits_for_nothing(world: World) -> None:
    read_long_ago(world)
    tell(world, "DELIVERED")
    assert retention.prune(world.run) == 1
    assert not whole(world)


def test_c10_6_what_waits_for_somebody_else_or_was_told_to_nobody_does_not_wait(world: World) -> None:
    read_long_ago(world)
    row: dict[str, Any] = {"noted": "[]", "without_consent": False, "changes": "[]", "run_id": "r", "planned_at": NOW}
    world.store("planned.hubspot_consumers", key=person_key(KEY), email_key=KEY, held="not_there", **row)
    assert retention.prune(world.run) == 1
    assert world.rows("planned.hubspot_consumers") == []


def test_c10_6_a_reduced_order_is_whole_again_once_it_was_read_again(world: World) -> None:
    read_long_ago(world)
    retention.prune(world.run)
    assert world.stage().staged == 0
    world.read("o1")
    world.stage()
    assert whole(world)
    assert world.load()[KEY].values["consumer.full_name"] == "Ada Lovage"


def test_c10_6_settings_that_change_bring_nobody_back(world: World) -> None:
    read_long_ago(world)
    retention.prune(world.run)
    world.sopost["consent_given"] = ("REJECTED",)
    world.sopost["consent_refused"] = ()
    assert world.stage("o1").orders == {"approved": 1}
    assert (world.rows("staged.consumers"), world.due()) == ([], set())


def test_c10_6_of_activities_that_are_not_wanted_any_more_no_body_stays(world: World) -> None:
    world.read("o1")
    world.read("o2", activity_id="a2")
    world.stage()
    world.sopost["activities"] = ("A2",)
    retention.prune(world.run)
    bodies = {row["id"]: row["body"] is not None for row in world.rows("raw.sopost_orders")}
    assert bodies == {"o1": False, "o2": True}
