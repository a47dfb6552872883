"""Profiles as they are stored: found for erasing, reduced; and what a person is told when the key is given."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from vs_st_pipeline.connectors.klaviyo import CONNECTOR
from vs_st_pipeline.connectors.klaviyo.streams import PROFILES
from vs_st_pipeline.domain.errors import BadKey
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, Identifiers, erase, read_suppressed, suppress
from vs_st_pipeline_tests.connectors.klaviyo.world import World
from vs_st_pipeline_tests.contracts.files import warehouse_of
from vs_st_pipeline_tests.contracts.members import file_of

THEN, NOW = datetime(2026, 1, 1), datetime(2026, 3, 1)


def test_c10_5_a_person_is_found_by_address_and_by_profile_and_erased(tmp_path: Path) -> None:
    layout = replace(file_of(CONNECTOR), streams=((CONNECTOR.name, PROFILES),))
    with warehouse_of(tmp_path, layout).open("one") as db:
        for id_, email, at in (("01A", "ann@example.com", THEN), ("01B", "bob@example.com", NOW)):
            db.execute(
                f"insert into {PROFILES.table} values ('klaviyo', 'profiles', ?, ?, '{{\"id\":1}}', ?, 'run')",
                [id_, email, at],
            )
        given, found = Identifiers(emails={"ann@example.com"}), Identifiers()
        CONNECTOR.find_named(db, given, found)
        assert found.of(PROFILES.kind) == {"01A"}
        given = Identifiers(records={PROFILES.kind: {"01B"}})
        CONNECTOR.find_person(db, given)
        assert given.emails == {"bob@example.com"}
        assert list(CONNECTOR.find_suppressed(db, read_suppressed(db))) == []
        suppress(db, [(EMAIL, "ann@example.com")], NOW)
        assert list(CONNECTOR.find_suppressed(db, read_suppressed(db))) == [(PROFILES.kind, "01A")]
        CONNECTOR.prune(db, datetime(2026, 2, 1))
        assert db.rows(f"select id, body from {PROFILES.table} order by id") == [("01A", "{}"), ("01B", '{"id":1}')]
        erase(db, [(PROFILES.kind, "01A")], NOW)
        assert db.rows(f"select id from {PROFILES.table}") == [("01B",)]


def test_r14_a_key_is_tried_by_the_account_it_opens(world: World) -> None:
    assert CONNECTOR.setup is not None
    seen = CONNECTOR.setup.look(world.client, world.merchant)
    assert ("GlowAc" in seen.says, seen.name) == (True, "Glow Skin")
    world.control.set_switch("accounts", 403)
    assert CONNECTOR.setup.look(world.client, world.merchant).name is None
    world.control.set_fault("401")
    with pytest.raises(BadKey):
        CONNECTOR.setup.look(world.client, world.merchant)
