"""An export's orders are queued, and read like any other (consumers.md 3.11; rulings, consumers 7)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from vs_st_pipeline.connectors.sopost.importing import (
    FUTURE,
    NO_ID,
    NO_TIME,
    NOT_AN_ID,
    NOT_JSON,
    Imported,
    queue_orders,
    read_time,
)
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.warehouse.suppression import suppress
from vs_st_pipeline_tests.connectors.sopost.world import NOON, World

MAY = datetime(2026, 5, 1, 12, tzinfo=UTC)


def do(world: World, *lines: str, at: datetime | None = None, create: bool = False, dry_run: bool = False) -> Imported:
    return queue_orders(world.run(), lines, at, create=create, dry_run=dry_run)


def test_c3_11_a_line_is_an_id_or_an_object_or_an_order_and_the_next_sync_reads_it(world: World) -> None:
    plain, other, third = world.id_of("plain@example.com"), world.order(), world.order()
    whole = json.dumps({"id": third, "status": "APPROVED", "email": "forged@example.com"})
    found = do(
        world, plain.upper(), "", json.dumps({"order_id": other}), json.dumps({"data": json.loads(whole)}), plain
    )
    assert found == Imported(new=3)
    assert world.rows("select count(*) from raw.sopost_orders") == [(3,)]
    row = world.row(plain)
    assert (row["first_seen_by"], row["first_seen_at"], row["first_event_at"], row["may_create"]) == (
        "import", NOON.replace(tzinfo=None), None, False,
    )  # fmt: skip
    assert world.told(world.sync()) == {"read": 3}
    assert "forged" not in str(world.row(third)["body"])
    assert (do(world, plain, other.upper()), world.sync().tried) == (Imported(known=2), 0)


def test_c3_11_unusable_lines_are_named_by_number_and_the_rest_goes_on(world: World) -> None:
    lines = [
        "good-1", "not an id", "{}", '{"order_id": 7}', "{broken", "[1]", '"quoted"',
        '{"order_id": "good-2", "consented_at": "2026-05-01T12:00:00"}',
        '{"order_id": "good-3", "consented_at": "2999-05-01T12:00:00Z"}',
        '{"order_id": "good-4", "consented_at": "yesterday"}', "x" * 101,
        '{"order_id": "good-5", "consented_at": null}',
    ]  # fmt: skip
    found = do(world, *lines)
    assert found.new == 2
    assert dict(found.unusable) == {
        2: NOT_AN_ID, 3: NO_ID, 4: NOT_AN_ID, 5: NOT_JSON, 6: NOT_JSON, 7: NOT_JSON, 8: NO_TIME, 9: FUTURE, 10: NO_TIME,
        11: NOT_AN_ID,
    }  # fmt: skip
    assert found.as_json()["unusable"][0] == {"line": 2, "reason": NOT_AN_ID}


def test_c3_11_a_line_s_time_goes_before_the_option_s_and_both_need_a_zone(world: World) -> None:
    do(world, "one", '{"order_id": "two", "consented_at": "2026-04-01T14:00:00+02:00"}', at=MAY)
    assert world.row("one")["consented_at"] == MAY.replace(tzinfo=None)
    assert world.row("two")["consented_at"] == datetime(2026, 4, 1, 12)
    with pytest.raises(BadSettings):
        do(world, "three", at=datetime(2026, 5, 1, 12))
    with pytest.raises(BadSettings):
        do(world, "three", at=NOON + timedelta(days=1))
    assert read_time("2026-05-01T14:00:00+02:00") == MAY
    with pytest.raises(BadSettings):
        read_time("2026-05-01T14:00:00")


def test_c3_11_create_and_a_time_are_taken_over_where_the_import_was_the_first_sight(world: World) -> None:
    imported, told = world.id_of("plain@example.com"), world.order()
    world.event(told)
    do(world, imported, told, at=MAY)
    world.sync()
    assert world.row(told)["consented_at"] is None
    before = {id: world.row(id)["changed"] for id in (imported, told)}
    assert do(world, imported, told, at=MAY) == Imported(known=2)
    assert {id: world.row(id)["changed"] for id in before} == before
    assert do(world, imported, told, create=True, at=MAY + timedelta(hours=1)) == Imported(known=2)
    row = world.row(imported)
    assert (row["may_create"], row["consented_at"]) == (True, datetime(2026, 5, 1, 13))
    assert row["changed"] > before[imported]
    assert (world.row(told)["changed"], world.row(told)["consented_at"]) == (before[told], None)
    do(world, imported)  # what was said stays said
    assert (world.row(imported)["may_create"], world.row(imported)["consented_at"]) == (True, datetime(2026, 5, 1, 13))


def test_c3_11_an_order_that_waits_is_due_at_once_where_an_import_names_it(world: World) -> None:
    pending, missing = world.order("PENDING"), "missing"
    world.event(pending, "PENDING")
    world.event(missing)
    assert world.told(world.sync()) == {"not_found": 1}
    assert do(world, pending, missing) == Imported(new=2)
    assert world.sync().tried == 2


def test_c3_11_a_dry_run_says_how_many_and_queues_nothing(world: World) -> None:
    id = world.id_of("plain@example.com")
    world.event(id)
    world.sync()
    assert do(world, id, "unheard-of", "!", dry_run=True) == Imported(1, 1, [(3, NOT_AN_ID)])
    assert world.rows("select count(*) from raw.sopost_orders") == [(1,)]


def test_c10_5_an_order_of_a_forgotten_person_is_not_queued(world: World) -> None:
    with world.run().open() as db, db.transaction():
        suppress(db, [("sopost_order", "theirs")], world.run().now())
    assert do(world, "Theirs", "other") == Imported(new=1, known=1)
    assert world.rows("select id from raw.sopost_orders") == [("other",)]
