"""A person is found by address, phone and order, and erased; what nothing needs is taken away (10.5, 10.6)."""

from __future__ import annotations

from vs_st_pipeline.connectors.sopost import CONNECTOR, counts, retention
from vs_st_pipeline.connectors.sopost.due import next_due_at
from vs_st_pipeline.connectors.sopost.settings import StatusNames
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.platform.warehouse.suppression import Identifiers
from vs_st_pipeline_tests.connectors.sopost.world import NOON, World
from vs_st_pipeline_tests.sandbox.served import GLOW

PHONE = "+44 20 7946 0999"


def fill(world: World) -> dict[str, str]:
    """Two orders of one address, one of another with the same phone, one of somebody else."""
    made = {
        "ann": {"email": "Ann@Example.com", "telephone": PHONE},
        "ann2": {"email": " ann@example.com"},
        "bob": {"email": "bob@example.com", "telephone": PHONE},
        "eve": {"email": "eve@example.com"},
    }
    ids = {name: world.order(**fields) for name, fields in made.items()}
    for id in ids.values():
        world.event(id)
    world.sync()
    return ids


def left(world: World) -> set[str]:
    return {row[0] for row in world.rows("select id from raw.sopost_orders")}


def test_c10_5_forgetting_an_address_erases_its_orders_and_leaves_who_shares_its_phone(world: World) -> None:
    ids = fill(world)
    erasure.forget(world.run(), Identifiers(emails={"ann@example.com"}), [CONNECTOR])
    assert left(world) == {ids["bob"], ids["eve"]}
    assert world.rows("select count(*) from raw.sopost_events") == [(2,)]
    assert {row["id"] for row in _entries(world)} == {ids["bob"], ids["eve"]}
    later = world.order(email="ANN@example.com")
    world.event(later)
    assert world.told(world.sync()) == {"forgotten": 1}


def test_c10_5_forgetting_a_phone_means_all_addresses_with_it(world: World) -> None:
    ids = fill(world)
    erasure.forget(world.run(), PHONE, [CONNECTOR])
    assert left(world) == {ids["eve"]}


def test_c10_5_forgetting_an_order_means_its_person(world: World) -> None:
    ids = fill(world)
    erasure.forget(world.run(), Identifiers(records={"sopost_order": {ids["ann2"].upper()}}), [CONNECTOR])
    assert left(world) == {ids["bob"], ids["eve"]}


def test_c10_5_in_an_older_file_that_was_put_back_a_forgotten_person_is_found(world: World) -> None:
    ids = fill(world)
    old = world.run().file().read_bytes()
    erasure.forget(world.run(), Identifiers(emails={"eve@example.com"}), [CONNECTOR])
    world.run().file().write_bytes(old)
    assert ids["eve"] in left(world)
    erasure.begin(world.run(), [CONNECTOR])
    assert left(world) == set(ids.values()) - {ids["eve"]}


def test_c10_6_a_body_is_taken_away_and_the_order_is_not_read_for_that(world: World) -> None:
    ids = fill(world)
    with world.run().open() as db:
        with db.transaction():
            retention.reduce_orders(db, [ids["ann"], ids["bob"]])
        assert next_due_at(db, world.settings, world.run().now(), follow_status=True) is None
    row = world.row(ids["ann"])
    assert row["body"] is None
    assert (row["status"], len(str(row["body_sha256"]))) == ("APPROVED", 64)
    assert world.sync().tried == 0
    world.set(statuses=StatusNames(approved=("DISPATCHED",), rejected=("REJECTED", "CANCELLED")))
    assert world.told(world.sync()) == {"read": 2}  # what its status says is another thing now


def test_c10_6_of_activities_that_are_not_wanted_any_more_no_body_is_kept(world: World) -> None:
    ids = fill(world)
    with world.run().open() as db:
        assert retention.of_other_activities(db, []) == []
        assert set(retention.of_other_activities(db, ["another"])) == set(ids.values())
        own = str(world.row(ids["ann"])["activity_id"])
        assert retention.of_other_activities(db, [own.lower()]) == []


def test_c8_what_waits_is_counted_by_reason(world: World) -> None:
    assert counts.events(world.inbox, GLOW) == counts.Events()
    world.event("missing")
    world.post(b"no json")
    found = counts.events(world.inbox, GLOW)
    assert (found.waiting, found.oldest, found.unusable, found.last) == (1, NOON, 1, NOON)
    world.sync()
    world.event(world.order("PENDING"), "PENDING")
    world.take()
    assert world.waits() == {"new": 1, "not_found": 1}
    assert counts.events(world.inbox, GLOW).waiting == 0
    with world.run().open() as db:
        assert counts.count_waiting(db) == 2


def _entries(world: World) -> list[dict[str, object]]:
    return [{"id": row[0]} for row in world.inbox.ask("select id from entries")]
