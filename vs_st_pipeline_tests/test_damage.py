"""Damaged files, a full disk, a folder nobody can write, a clock that jumps: said clearly, and nobody is harmed."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.warehouse import Warehouse
from vs_st_pipeline_tests.stories import MARISOL, OTHER, PIPER, RENSKE, SYNCED, TEST, Ran, Story


def file_of(story: Story, merchant: str = TEST) -> Path:
    return story.data / "merchants" / merchant / "warehouse.duckdb"


@pytest.fixture
def both(story: Story) -> Story:
    """Two wineries in sync; the test winery's customer has moved since."""
    assert story.sync(every=True).exit_code == 0
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.shop.patch_customer(700101, merchant=OTHER, shippingAddress={"city": "Elsewhere"})
    story.clear_journals()
    return story


def failed_alone(story: Story, done: Ran, *said: str) -> None:
    """The test winery failed as `config`, in a sentence with these words, and wrote nobody; the other was synced."""
    report = done.of(TEST)
    assert (report["status"], report["error"]["kind"]) == ("failed", "config"), report
    for words in said:
        assert words in report["error"]["message"]
    assert done.of(OTHER)["status"] == "ok"
    assert done.of(OTHER)["synced"]["accepted"] == 1
    assert story.writes() == []
    assert done.exit_code == 1
    assert "Traceback" not in done.err


def made_good(story: Story) -> None:
    """One sync, or a rebuilding, writes what had changed and nothing else."""
    assert story.contact(MARISOL)["City"] == "Occidental"
    assert set(story.written_phones()) == {MARISOL}
    assert len(story.everybody()) == 14
    story.clean()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("garbage", lambda path: path.write_bytes(b"rubbish" * 4096)),
        pytest.param("nothing in it", lambda path: path.write_bytes(b""), marks=pytest.mark.slow),
        pytest.param("only its head", lambda path: os.truncate(path, 9_000), marks=pytest.mark.slow),
        ("half of it", lambda path: os.truncate(path, path.stat().st_size // 2)),
    ],
)
def test_a_file_that_cannot_be_opened_is_named_with_its_remedy_which_works(
    both: Story, name: str, damage: Callable[[Path], object]
) -> None:
    damage(file_of(both))
    failed_alone(both, both.sync(every=True), str(file_of(both)), f"vs-st rebuild --merchant {TEST}")
    assert both.run("rebuild", "--merchant", TEST, "--yes").exit_code == 0, name
    made_good(both)


@pytest.mark.slow
def test_a_log_that_is_garbage_costs_nothing_but_what_stood_in_it(both: Story) -> None:
    file_of(both).with_name("warehouse.duckdb.wal").write_bytes(b"rubbish" * 4096)
    done = both.sync(every=True)
    assert done.exit_code == 0
    made_good(both)


def test_a_file_of_a_newer_version_is_left_alone_and_named(both: Story) -> None:
    with Warehouse(both.data).open(TEST) as db:
        db.execute("insert into schema_version values (999, now()::timestamp)")
    before = file_of(both).read_bytes()
    failed_alone(both, both.sync(every=True), str(file_of(both)), "upgrade", "vs-st rebuild")
    assert file_of(both).read_bytes() == before


# --- a disk and a folder ------------------------------------------------------------------------------------------


def child(story: Story, *arguments: str, before: Callable[[], None]) -> Ran:
    """The command as a process of its own, which does something before it begins."""
    environment = {name: value for name, value in {**os.environ, **story.environment()}.items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-m", "vs_st_pipeline.cli.main", *arguments],
        env=environment, capture_output=True, text=True, preexec_fn=before, timeout=120,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def test_a_full_disk_is_said_and_nothing_is_lost_or_written_unrecorded(both: Story) -> None:
    # No file may grow past this size: to a program that is a disk without room, wherever the tests run.
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = child(both, "sync", "--merchant", TEST, "--json", before=full)
    report = done.of()
    assert (report["status"], report["error"]["kind"]) == ("failed", "config")
    assert "is the disk full" in report["error"]["message"]
    assert str(both.data) in report["error"]["message"]
    assert both.writes() == []
    assert "Traceback" not in done.err
    assert both.synced()["synced"]["accepted"] == 1
    made_good(both)


@pytest.mark.slow
def test_a_full_disk_while_somebody_is_forgotten_leaves_the_file_whole(both: Story) -> None:
    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = child(both, "forget", "--merchant", TEST, RENSKE, "--yes", before=full)
    assert done.exit_code == 2
    assert "is the disk full" in done.err
    assert RENSKE not in done.out + done.err
    assert both.run("forget", "--merchant", TEST, RENSKE, "--yes").exit_code == 0
    assert both.synced()["synced"]["accepted"] == 1
    made_good(both)
    assert b"renske" not in file_of(both).read_bytes().lower()


def without_power_over_files() -> None:
    """Root may write where it is forbidden by two powers; without them it is like anybody else."""
    libc = ctypes.CDLL(None, use_errno=True)
    for power in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if os.geteuid() == 0 and libc.prctl(24, power, 0, 0, 0):  # PR_CAPBSET_DROP; taken away by the exec
            os._exit(77)


@pytest.mark.skipif(sys.platform != "linux", reason="the powers of root are Linux's")
@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_named(both: Story) -> None:
    folder = file_of(both).parent
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in (*folder.iterdir(), folder):
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        done = child(both, "sync", "--all", "--json", before=without_power_over_files)
        if done.exit_code == 77:
            pytest.skip("the powers of root cannot be given up here")
        failed_alone(both, done, str(folder), "read-only")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    finally:
        for path in (folder, *folder.iterdir()):
            path.chmod(0o700 if path.is_dir() else 0o600)
    assert both.synced()["synced"]["accepted"] == 1
    made_good(both)


# --- a clock ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("years", [1, -1])
@pytest.mark.slow
def test_a_clock_that_jumps_and_comes_back_loses_nothing_and_clears_nothing(story: Story, years: int) -> None:
    story.settings(vinoshipper={"refresh": dict.fromkeys(("customer_list", "customer_details"), "1h")})
    now, away = story.box.now, story.box.now + timedelta(days=365 * years)
    story.synced(now=now.isoformat())
    before = story.everybody()
    story.synced(now=away.isoformat())
    told = {phone: says for phone, says in story.everybody().items() if phone != PIPER}  # she may come of age
    assert told == {phone: says for phone, says in before.items() if phone != PIPER}
    # What changed while the clock was wrong, and what changes after it: both are seen, without waiting for a year.
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.shop.add_order(700101, orderNumber="JUMP1", total="10.00")
    story.synced(now=(now + timedelta(hours=2)).isoformat())
    assert story.contact(MARISOL)["City"] == "Occidental"
    assert story.contact(MARISOL)["Order Count"] == "4"
    for later in (4, 6):
        assert story.synced(now=(now + timedelta(hours=later)).isoformat())["synced"]["accepted"] == 0
    assert story.texting.violations() == []


@pytest.mark.slow
def test_a_refused_contact_is_tried_again_after_a_clock_that_was_ahead_comes_back(story: Story) -> None:
    now = story.box.now
    story.texting.set_switch("reject", {RENSKE: "CONTACT_UPDATE_FAILED"})
    for days in (365, 366, 367):  # three tries, so that the next is a while off
        story.sync(now=(now + timedelta(days=days)).isoformat())
    story.texting.set_switch("reject", {})
    assert story.synced(now=now.isoformat())["synced"]["accepted"] == 1
    assert RENSKE in story.written_phones()


@pytest.mark.slow
def test_days_that_were_compared_in_a_wrong_future_are_compared_again(story: Story) -> None:
    story.settings(vinoshipper={"refresh": {"reconcile": "24h"}})
    now = story.box.now
    story.synced(now=now.isoformat())
    story.synced(now=(now + timedelta(days=30)).isoformat())
    story.synced(now=now.isoformat())
    with Warehouse(story.data).open(TEST) as db:
        assert db.value("select count(*) from raw.slices where compared_at > ?", [now.replace(tzinfo=None)]) == 0


@pytest.mark.slow
def test_a_receipt_that_was_not_there_in_a_wrong_future_is_asked_for_again(story: Story) -> None:
    now = story.box.now
    story.shop.set_switch("receipt", 404)
    story.synced(now=(now + timedelta(days=365)).isoformat())
    assert "Receipt URL" not in story.contact(MARISOL)
    story.shop.set_switch("receipt", "url")
    story.synced(now=now.isoformat())
    assert story.contact(MARISOL)["Receipt URL"]
    assert set(SYNCED) <= set(story.everybody())
