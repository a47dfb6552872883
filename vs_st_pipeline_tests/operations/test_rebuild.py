"""A merchant's file is started anew: nothing is written twice, nobody comes back, and nothing under way is lost."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline_tests.operations.test_erase import PowerGone, forget, hers, in_bytes, places
from vs_st_pipeline_tests.support.story import MARISOL, OTHER, SYNCED, TEST, Ran, Story, kill, wait_until

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow


def file_of(story: Story, merchant: str = TEST) -> Path:
    return story.data / "merchants" / merchant / "warehouse.duckdb"


def set_aside(story: Story) -> list[Path]:
    return sorted(file_of(story).parent.glob("*.bak*"))


def rebuild(story: Story, *more: str) -> Ran:
    done = story.run("rebuild", "--merchant", TEST, "--json", *more)
    assert done.exit_code == 0, done
    assert done.of()["status"] == "ok"
    return done


def test_a_file_that_is_started_anew_writes_nothing_that_is_there(story: Story) -> None:
    story.begin_synced()
    before, contacts = file_of(story).read_bytes(), story.everybody()
    done = rebuild(story)
    assert (done.of()["planned"]["contacts"], done.of()["synced"]["accepted"]) == (0, 0)
    assert story.writes() == []
    assert story.everybody() == contacts
    [aside] = set_aside(story)
    assert aside.read_bytes() == before
    assert done.json["set_aside"] == str(aside)
    assert str(aside) in done.err
    story.clear_journals()
    assert story.synced()["synced"]["accepted"] == 0
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    assert story.synced()["planned"]["fields"] == 1
    story.clean()


@pytest.mark.slow
def test_what_is_wanted_and_not_there_is_written(story: Story) -> None:
    story.begin_synced()
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    assert rebuild(story).of()["synced"]["accepted"] == 1
    assert story.contact(MARISOL)["City"] == "Occidental"


@pytest.mark.slow
def test_who_was_forgotten_stays_so_and_forgetting_removes_what_was_set_aside(story: Story) -> None:
    story.begin_synced()
    rebuild(story)
    names = hers(story)
    assert forget(story)["files_set_aside"] == 1
    assert set_aside(story) == []
    rebuild(story)
    assert places(story, names) == {}
    assert in_bytes(story.data, names) == {}
    story.synced("--full")
    assert in_bytes(story.data, names) == {}


@pytest.mark.slow
def test_a_file_that_cannot_be_read_needs_a_yes_and_is_set_aside_with_its_log(story: Story) -> None:
    story.begin_synced()
    file_of(story).write_bytes(b"rubbish" * 4096)
    log = file_of(story).with_name("warehouse.duckdb.wal")
    log.write_bytes(b"rubbish")
    report = story.failed("config")
    assert f"vs-st rebuild --merchant {TEST}" in report["error"]["message"]
    refused = story.run("rebuild", "--merchant", TEST)
    assert refused.exit_code == 2
    assert "forgotten" in refused.err
    assert "--yes" in refused.err
    assert file_of(story).read_bytes().startswith(b"rubbish"), "nothing was done"
    done = rebuild(story, "--yes")
    assert done.of()["synced"]["accepted"] == 0
    assert "could not be read" in done.err
    assert [path.read_bytes()[:7] for path in set_aside(story)] == [b"rubbish", b"rubbish"]
    assert not log.exists()


@pytest.mark.slow
def test_the_copy_beside_a_file_that_cannot_be_read_keeps_out_who_was_forgotten(story: Story) -> None:
    story.begin_synced()
    forget(story)
    file_of(story).write_bytes(b"rubbish" * 4096)
    assert "copy beside it" in story.run("rebuild", "--merchant", TEST).err
    rebuild(story, "--yes")
    assert places(story, hers(story)) == {}


@pytest.mark.slow
def test_what_was_under_way_is_carried_over_and_settled(story: Story) -> None:
    story.texting.set_fault("slow", method="PUT", count=1, seconds=20, when="after")
    process = story.start("sync", "--merchant", TEST)
    wait_until(lambda: len(story.writes()) == 1, process)
    kill(process)
    done = rebuild(story)
    assert done.json["unsettled_writes"] == 1
    assert "1 write without an outcome" in done.err
    assert sum(story.written_phones().values()) == len(SYNCED), "nobody was written twice"
    with warehouse_at(story.data).open(TEST) as db:
        assert db.value("select count(*) from synced.writes where outcome is null") == 0
        assert db.value("select count(distinct run_id) from synced.writes where outcome = 'accepted'") == 2
    story.clean()


@pytest.mark.parametrize("at", ["_draft", "_give_second_name", "replace_durably"])
@pytest.mark.slow
def test_wherever_the_power_goes_a_whole_file_is_in_its_place(
    story: Story, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.begin_synced()
    forget(story)

    def dies(*_: object, **__: object) -> None:
        raise PowerGone

    with monkeypatch.context() as patch:
        patch.setattr(f"vs_st_pipeline.operations.rebuild.{at}", dies)
        with pytest.raises(PowerGone):
            story.run("rebuild", "--merchant", TEST)
    assert story.synced()["synced"]["accepted"] == 0
    rebuild(story)
    assert places(story, hers(story)) == {}
    assert not (file_of(story).parent / "rebuild.new").exists()


@pytest.mark.slow
def test_a_file_system_without_links_will_do(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    story.begin_synced()
    before = file_of(story).read_bytes()

    def no_links(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("vs_st_pipeline.operations.rebuild.os", SimpleNamespace(link=no_links))
    rebuild(story)
    assert set_aside(story)[0].read_bytes() == before


@pytest.mark.slow
def test_others_are_not_touched_and_a_first_file_is_made_as_by_a_sync(story: Story) -> None:
    assert story.sync(every=True).exit_code == 0
    before = file_of(story, OTHER).read_bytes()
    rebuild(story)
    assert file_of(story, OTHER).read_bytes() == before
    story.forget()
    assert rebuild(story).json["set_aside"] is None
    assert story.run("rebuild", "--merchant", "nobody").exit_code == 2
    story.settings({TEST: {"enabled": False}})
    assert story.run("rebuild", "--merchant", TEST).exit_code == 2


def test_a_damaged_copy_of_the_hashes_is_no_reason_to_throw_away_a_good_file(story: Story) -> None:
    story.begin_synced()
    forget(story)
    copy, before = file_of(story).with_name("forgotten.json"), file_of(story).read_bytes()
    copy.write_text("[[")
    refused = story.run("rebuild", "--merchant", TEST, "--yes")
    assert refused.exit_code == 2
    assert str(copy) in refused.err
    assert file_of(story).read_bytes() == before
    assert set_aside(story) == []
    copy.unlink()
    rebuild(story)
    assert places(story, hers(story)) == {}, "the file had the hashes too"


@pytest.mark.slow
def test_what_a_killed_rebuild_had_carried_over_is_removed_by_forgetting(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.begin_synced()
    story.settings(give_up_after="1s")
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.texting.set_fault("reset", path_regex="/contacts/")  # neither written nor read again: it stays in the outbox
    story.sync()

    def dies(*_: object) -> None:
        raise PowerGone

    with monkeypatch.context() as patch:
        patch.setattr("vs_st_pipeline.operations.rebuild._give_second_name", dies)
        with pytest.raises(PowerGone):
            story.run("rebuild", "--merchant", TEST)
    assert in_bytes(file_of(story).parent / "rebuild.new", {MARISOL}), "there she stands as well"
    forget(story)
    assert in_bytes(story.data, hers(story)) == {}
    assert not (file_of(story).parent / "rebuild.new").exists()
