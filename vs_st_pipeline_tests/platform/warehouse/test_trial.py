"""A dry run works in a copy that is thrown away: it moves nothing (routes.md R27)."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline_tests.toys.world import warehouse_at

SET = "insert or replace into synced.baseline values (?, 7, now()::timestamp)"
GET = "select what from synced.baseline order by what"


def below(folder: Path) -> set[str]:
    """Return the files below a folder, but DuckDB's own."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and "lives" not in path.name}


def test_r27_a_trial_holds_a_copy_and_leaves_nothing(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one", "parcels") as db, db.transaction():
        db.execute(SET, ["before"])
    evidence = warehouse.folder("one") / "parcels.evidence.jsonl"
    evidence.write_text("{}\n")
    files = below(tmp_path)
    with warehouse.keeping("one", "parcels"), warehouse.trial("one", "parcels") as aside:
        assert aside.data_dir != warehouse.data_dir
        assert aside.pace_dir == warehouse.pace_dir
        assert (aside.folder("one") / evidence.name).read_text() == "{}\n"
        with aside.open("one", "parcels") as db, db.transaction():
            assert db.value(GET) == "before"
            db.execute(SET, ["tried"])
        (aside.folder("one") / evidence.name).write_text("other")
    assert not aside.data_dir.exists()
    assert evidence.read_text() == "{}\n"
    assert below(tmp_path) == files
    with warehouse.open("one", "parcels") as db:
        assert db.rows(GET) == [("before",)]


def test_r27_a_trial_of_what_is_not_there_begins_empty_and_makes_nothing(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.trial("one", "parcels") as aside, aside.open("one", "parcels") as db:
        assert db.rows(GET) == []
    assert not warehouse.file("one", "parcels").exists()


def test_r27_a_trial_that_fails_is_thrown_away_too(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with pytest.raises(ZeroDivisionError), warehouse.trial("one", "parcels") as aside, aside.open("one", "parcels"):
        1 / 0  # noqa: B018
    assert not aside.data_dir.exists()
