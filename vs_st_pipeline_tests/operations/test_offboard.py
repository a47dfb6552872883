"""A merchant who has left leaves nothing behind, and nobody is removed by mistake."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline_tests.operations.test_erase import PowerGone
from vs_st_pipeline_tests.support.story import OTHER, TEST, Record, Story


def folder(story: Story, merchant: str = TEST) -> Path:
    return story.data / "merchants" / merchant


def leave(story: Story, **entry: Any) -> None:
    story.settings({TEST: {"enabled": False, **entry}})


def without_entry(story: Story) -> None:
    """The merchants file as if it had never held the test winery."""
    import yaml

    path = story.folder / "merchants.yaml"
    found = yaml.safe_load(path.read_text())
    found["merchants"] = [entry for entry in found["merchants"] if entry["id"] != TEST]
    path.write_text(yaml.safe_dump(found))


def offboard(story: Story, merchant: str = TEST) -> Record:
    done = story.run("offboard", "--merchant", merchant, "--yes", "--json")
    assert done.exit_code == 0, done
    found: Record = done.json
    return found


@pytest.fixture
def both(story: Story) -> Story:
    assert story.sync(every=True).exit_code == 0
    story.clear_journals()
    return story


def rest(story: Story) -> dict[str, bytes]:
    return {
        str(path.relative_to(story.data)): path.read_bytes()
        for path in story.data.rglob("*")
        if path.is_file() and OTHER in str(path)
    }


def test_an_enabled_merchant_is_not_removed(both: Story) -> None:
    for change in (lambda: None, lambda: both.settings({TEST: {"no_such_key": 1}})):
        change()
        done = both.run("offboard", "--merchant", TEST, "--yes")
        assert done.exit_code == 2
        assert "set enabled: false" in done.err
        assert folder(both).is_dir()


@pytest.mark.parametrize("written", ["-", "-x", "--all", "a" * 64, "A", "../x"])
def test_what_is_no_id_is_refused(both: Story, written: str) -> None:
    done = both.run("offboard", f"--merchant={written}", "--yes")
    assert done.exit_code == 2
    assert "an id is 1-63 of a-z, 0-9 and -, no - first" in done.err


def test_a_disabled_one_leaves_nothing_and_others_stay(both: Story) -> None:
    before, turns = rest(both), set((both.data / "pace").iterdir())
    leave(both)
    done = both.run("offboard", "--merchant", TEST)
    assert done.exit_code == 2
    assert "--yes" in done.err
    assert folder(both).is_dir()
    removed = offboard(both)
    assert removed["contacts"] == 14
    assert removed["files"] >= 3
    assert [path.name for path in (both.data / "merchants").iterdir()] == [OTHER]
    assert len(turns) - len(set((both.data / "pace").iterdir())) == 2
    assert rest(both) == before
    assert both.shop.journal() == both.texting.journal() == []
    nothing = {
        "contacts": 0,
        "orders": 0,
        "records of the shop": 0,
        "orders told of": 0,
        "consumers": 0,
        "files": 0,
        "webhooks": {"removed": 0, "left": 0},
        "inbox": 0,
    }
    assert offboard(both) == {"merchant": TEST, **nothing}
    both.settings()
    assert both.synced()["synced"]["accepted"] == 0, "he may come back, and what is there is recognised"


@pytest.mark.slow
def test_one_who_is_in_the_file_no_more(both: Story) -> None:
    without_entry(both)
    assert offboard(both)["contacts"] == 14
    assert not folder(both).exists()
    assert both.run("offboard", "--merchant", TEST, "--yes").exit_code == 2, "and of whom nothing is kept"


@pytest.mark.slow
def test_the_last_merchant_can_leave(both: Story) -> None:
    (both.folder / "merchants.yaml").write_text("merchants: []\n")
    assert offboard(both)["contacts"] == 14
    (both.folder / "merchants.yaml").write_text("merchants: [\n")
    done = both.run("offboard", "--merchant", OTHER, "--yes")
    assert done.exit_code == 2, "nobody can say whether he is enabled"
    assert folder(both, OTHER).is_dir()


@pytest.mark.parametrize("merchant", ["..", "../../etc", ".", "", "a/b", "nobody"])
@pytest.mark.slow
def test_an_id_is_an_id_and_no_path(both: Story, merchant: str) -> None:
    without_entry(both)
    assert both.run("offboard", "--merchant", merchant, "--yes").exit_code == 2
    assert folder(both).is_dir()


@pytest.mark.slow
def test_turns_of_a_key_that_another_merchant_shares_stay(both: Story) -> None:
    key = {"api_token": f"file:keys/{OTHER}.st_token"}
    leave(both, simpletexting=key)
    turns = set((both.data / "pace").iterdir())
    offboard(both)
    assert len(turns) - len(set((both.data / "pace").iterdir())) == 1  # Vinoshipper's; the token is the other one's


@pytest.mark.slow
def test_a_database_that_cannot_be_read_goes_too(both: Story) -> None:
    (folder(both) / "warehouse.duckdb").write_bytes(b"rubbish" * 4096)
    leave(both)
    assert offboard(both)["contacts"] is None
    assert not folder(both).exists()


@pytest.mark.slow
def test_it_waits_for_a_sync(both: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(both)
    monkeypatch.setattr("vs_st_pipeline.platform.warehouse.files.LOCK_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(Warehouse.__init__, "__kwdefaults__", {"wait_seconds": 0.1})
    with (
        warehouse_at(both.data).sync_lock(TEST),
        pytest.raises(TryLater, match="another sync"),
    ):
        both.run("offboard", "--merchant", TEST, "--yes")
    assert folder(both).is_dir()


def test_a_sync_that_waited_meanwhile_makes_nothing_anew(both: Story) -> None:
    cli_sync._warehouse = None
    said: list[BaseException] = []

    def waits() -> None:
        try:
            with warehouse_at(both.data).sync_lock(TEST):
                said.append(AssertionError("it got the lock"))
        except TryLater as error:
            said.append(error)

    with warehouse_at(both.data).sync_lock(TEST):
        waiting = threading.Thread(target=waits)
        waiting.start()
        folder(both).rename(both.data / "merchants" / f".removed-{TEST}")
    waiting.join()
    # Either it began before and was told, or it began after and made its own folder, as a first sync does.
    assert [type(error) for error in said] == [TryLater] or not folder(both).joinpath("warehouse.duckdb").exists()


@pytest.mark.slow
def test_what_an_interrupted_removal_left_goes_with_the_next(both: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(both)

    def dies(path: Path, **_: object) -> None:
        if Path(path).exists():
            raise PowerGone

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", dies)
        with pytest.raises(PowerGone):
            both.run("offboard", "--merchant", TEST, "--yes")
    assert not folder(both).exists()
    assert offboard(both)["files"] >= 3
    assert [path.name for path in (both.data / "merchants").iterdir()] == [OTHER]
