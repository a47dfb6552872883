"""Nobody's data and no key in anything that is written but the databases: by any command, any failure, any crash.

`plan` and `why` show people, on stdout alone.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from vs_st_pipeline_tests.defs.test_dagster import RANGE_END, RANGE_START
from vs_st_pipeline_tests.support.story import MARISOL, OTHER, RENSKE, TEST, Story, personal_and_secret

WRONG_KEY = "wrong-and-secret-key-4711"
NAMES = {"vantongeren", "brightwater", "ostrowski", "halloran", "marchetti", "duquesne", "lindqvist", "elsewhere-road"}


@pytest.fixture
def log() -> Iterator[StringIO]:
    """All that anybody logs, at the loudest."""
    stream, root = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def canaries(story: Story) -> set[str]:
    """Phones in every form, e-mails, keys, names: nothing of it may be written where it does not belong."""
    found = personal_and_secret(story.box) | NAMES | {WRONG_KEY, "555-0142", "555-0147"}
    assert len(found) > 45
    return {canary.casefold() for canary in found}


def leaks(story: Story, text: str) -> list[str]:
    lower = text.casefold()
    return sorted(canary for canary in canaries(story) if canary in lower)


def files(story: Story) -> str:
    """All files below the data folder but the databases."""
    return "\n".join(
        f"{path.name} {path.read_bytes().decode('latin-1')}"
        for path in sorted(story.data.rglob("*"))
        if path.is_file() and "warehouse.duckdb" not in path.name
    )


ALL_COMMANDS = [
    ("sync", "--all"),
    ("sync", "--all", "--json", "--verbose"),
    ("plan", "--all"),
    ("plan", "--all", "--json"),
    ("check", "--all"),
    ("check", "--all", "--json"),
    ("why", "--merchant", TEST, MARISOL),
    ("why", "--merchant", TEST, RENSKE, "--json"),
    ("merchants",),
    ("merchants", "--json"),
    ("why", "--merchant", TEST, "marisol.vantongeren@example.com"),
    ("rebuild", "--merchant", TEST),
    ("rebuild", "--merchant", TEST, "--json", "--yes"),
    ("forget", "--merchant", TEST, RENSKE),
    ("forget", "--merchant", TEST, RENSKE, "--yes"),
    ("forget", "--merchant", TEST, RENSKE, "--yes", "--json"),
    ("forget", "--merchant", TEST, "marisol.vantongeren@example.com", "--yes"),
    ("offboard", "--merchant", TEST, "--yes"),
]
SHOWING = ("plan", "why")


def all_said(story: Story, *, but: tuple[str, ...] = ()) -> str:
    """What every command writes; of those that show people, what they write beside it."""
    said = []
    for arguments in ALL_COMMANDS:
        if arguments[0] not in but:
            done = story.run(*arguments)
            said += [done.err, "" if arguments[0] in SHOWING else done.out]
    return "\n".join(said)


def test_no_command_says_more_than_it_may(story: Story, log: StringIO) -> None:
    story.texting.set_switch("reject", {RENSKE: "CONTACT_UPDATE_FAILED"})
    said = all_said(story)
    shown = story.run("plan", "--merchant", OTHER).out + story.run("why", "--merchant", TEST, MARISOL).out
    assert "7075550142" in shown, "else the canaries would not sing where they may"
    assert leaks(story, said) == []
    assert leaks(story, files(story)) == []
    assert leaks(story, log.getvalue()) == []


def _auth(story: Story) -> None:
    (story.folder / "wrong").write_text(WRONG_KEY)
    story.settings(
        {TEST: {"vinoshipper": {"api_secret": "file:wrong"}}, OTHER: {"simpletexting": {"api_token": "file:wrong"}}}
    )


def _config(story: Story) -> None:
    (story.data / "merchants" / TEST / "warehouse.duckdb").write_bytes(b"rubbish" * 4096)
    story.settings({OTHER: {"vinoshipper": {"api_key": WRONG_KEY}}})


FAILURES: dict[str, Any] = {
    "auth": _auth,
    "try_later": lambda story: story.texting.set_fault("reset"),
    "bad_answer": lambda story: story.shop.set_fault("truncated"),
    "bad_answer, wrong shape": lambda story: story.texting.set_fault("wrong_shape"),
    "config": _config,
}


@pytest.mark.parametrize("kind", ["auth", *(pytest.param(k, marks=pytest.mark.slow) for k in FAILURES if k != "auth")])
def test_no_failure_says_more_than_it_may(story: Story, log: StringIO, kind: str) -> None:
    assert story.sync(every=True).exit_code == 0
    story.settings(give_up_after="1s")
    FAILURES[kind](story)
    done = story.sync(every=True)
    assert done.exit_code == 1
    kinds = {row["error"]["kind"] for row in done.json["merchants"] if row["error"]}
    assert kinds == {kind.partition(",")[0]}
    said = done.out + done.err + all_said(story, but=("offboard",))
    assert leaks(story, said) == []
    assert leaks(story, files(story)) == []
    assert leaks(story, log.getvalue()) == []


def test_the_brake_says_counts_alone(story: Story, log: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vs_st_pipeline.domain.brake.FEWEST", 5)
    story.synced()
    for phone in (MARISOL, RENSKE, "7075550151", "5035550143", "7075550144"):
        story.texting.delete_contact(story.id_of(phone))
    report = story.failed("unsafe", "--full")
    assert leaks(story, str(report) + story.run("merchants").out + files(story) + log.getvalue()) == []


# --- crashes ------------------------------------------------------------------------------------------------------

CRASHING = """
import os, sys, threading
from vs_st_pipeline.routes.contacts import planning, sync as pipeline
from vs_st_pipeline.cli import main

def dies(*arguments, **options):
    person = "marisol.vantongeren@example.com 7075550142 st-token-of-test-winery"
    {how}

{where} = dies
sys.argv = ["vs-st", "sync", "--merchant", "test-winery"]
main.main()
"""
RAISES = "raise LookupError(person)"


def crashed(story: Story, where: str, how: str, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in {**os.environ, **story.environment()}.items() if value is not None}
    code = CRASHING.format(where=where, how=how)
    # Its text would be a leak of the test's own making: Python shows lines of files, and this has none.
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        env=environment, capture_output=True, text=True, cwd=story.folder, timeout=120,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "how"),
    [
        ("planning.make_plan", RAISES),
        ("pipeline.sync", RAISES),
        ("pipeline.write_status", RAISES),
        ("pipeline.sync", "t = threading.Thread(target=lambda: [][person]); t.start(); t.join(); os._exit(1)"),
        ("pipeline.sync", "type('Odd', (), {'__del__': lambda self: [][person]})(); os._exit(1)"),
        ("main.cli.main", RAISES),
    ],
)
def test_an_error_that_nobody_caught_is_told_by_type_and_place(story: Story, where: str, how: str) -> None:
    done = crashed(story, where, how)
    assert done.returncode == 1
    assert "a fault of ours: " in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert leaks(story, done.stdout + done.stderr + files(story)) == []


def test_a_crash_of_the_interpreter_leaves_no_person_and_no_core(story: Story) -> None:
    done = crashed(story, "planning.make_plan", "os.abort()", "-X", "faulthandler")
    assert done.returncode == -6
    assert "Fatal Python error: Aborted" in done.stderr
    assert leaks(story, done.stdout + done.stderr + files(story)) == []
    assert not list(story.folder.glob("core*"))


def test_no_core_may_be_written() -> None:
    code = (
        "import resource; from vs_st_pipeline.platform.crash_reports import install; install(); "
        "print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "0\n"


# --- Dagster ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.xdist_group("dagster")
def test_nothing_in_dagsters_own_storage(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from vs_st_pipeline.definitions import defs

    for name, value in story.environment().items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    home = tmp_path / "dagster"
    home.mkdir()

    def dies(*_: object, **__: object) -> None:
        raise LookupError("marisol.vantongeren@example.com 7075550142")

    with DagsterInstance.local_temp(str(home)) as instance:
        instance.add_dynamic_partitions("merchants", [TEST, OTHER])
        for broken in (
            None,
            "vs_st_pipeline.routes.contacts.planning.make_plan",
            "vs_st_pipeline.defs.metadata.of_stage",
        ):
            with monkeypatch.context() as patch:
                if broken:
                    patch.setattr(broken, dies)
                done = defs.resolve_job_def("sync").execute_in_process(
                    instance=instance, tags={RANGE_START: TEST, RANGE_END: OTHER}, raise_on_error=False
                )
            assert done.success is (broken is None)
    stored = "\n".join(path.read_bytes().decode("latin-1") for path in home.rglob("*") if path.is_file())
    assert "***-***-0142" in stored, "the tables should show somebody, masked"
    said = capfd.readouterr()
    assert leaks(story, stored) == []
    assert leaks(story, said.out + said.err) == []
