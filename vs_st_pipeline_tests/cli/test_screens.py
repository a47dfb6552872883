"""What commands show before a terminal: nothing wider than it, states in color, tables under their names."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vs_st_pipeline.domain.hints import ORDER, Call
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline_tests.support.receiving import entry, write_settings
from vs_st_pipeline_tests.support.story import MARISOL, TEST, TOBIAS, Story
from vs_st_pipeline_tests.support.terminals import PAINT, Seen, seen

LONG = "a-winery-with-the-longest-name-that-anybody-ever-gave-to-a-hill"
NAMES = ("hillside", LONG)
COMMANDS = [
    ("merchants",),
    ("inbox",),
    ("check", "--merchant", "hillside"),
    ("sync", "--all"),
    ("plan", "--all"),
    ("alerts",),
    ("webhooks", "list", "--all"),
    ("onboard", "status"),
]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Merchants whose keys nobody can read, so that no command calls anybody and each has something to say."""
    write_settings(tmp_path, [*(entry(name) for name in NAMES), entry("quiet", enabled=False)])
    found = Inbox(tmp_path / "data")
    for name in NAMES:
        call = Call(ORDER, "90000000017", event="UPDATED")
        found.put([Arrival(name, "vinoshipper", call, ("contacts",), "2026-01-01T00:00:00+00:00")])
    found.close()
    return {
        "VS_ST_MERCHANTS": str(tmp_path / "merchants.yaml"), "VS_ST_DATA_DIR": str(tmp_path / "data"),
        "VS_ST_PUBLIC_URL": "https://hooks.example.com", "VS_ST_HOOK_SECRET": "env:S", "S": "s" * 40,
        "VS_ST_ALERTS": "env:S",
    }  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_is_wider_than_the_terminal(environ: dict[str, str], width: int) -> None:
    for words in COMMANDS:
        found = seen(width, *words, environ=environ)
        assert found.rows, words
        assert found.too_wide(width) == [], words


def test_merchants_are_a_table_with_states_in_color_and_below_what_to_do(environ: dict[str, str]) -> None:
    found = seen(120, "merchants", environ=environ)
    head, _, first, below, *_ = found.rows
    assert head.split() == ["merchant", "state", "for", "last", "good", "sync"]
    assert first.split() == ["hillside", "broken", "settings"]
    assert "\x1b[31mbroken settings\x1b[0m" in found.painted
    assert below.startswith("    merchants.yaml, line ")
    assert PAINT.search(seen(120, "merchants", environ={**environ, "NO_COLOR": "1"}).painted) is None


def test_what_is_the_matter_and_what_to_do_are_two_sentences(environ: dict[str, str]) -> None:
    [told] = [row for row in by_pipe(environ, "merchants").splitlines() if row.startswith("hillside ")]
    assert ". Put the setting right" in told


def test_what_a_check_found_stands_below_the_names_of_field_maps(environ: dict[str, str]) -> None:
    found = by_pipe(environ, "check", "--merchant", "hillside")
    assert found.index("Names that a field map may use:") < found.index("hillside: failed")
    assert found.splitlines()[-1].startswith("  config: merchants.yaml, line ")


def test_who_is_disabled_is_told_with_the_file_and_line_of_its_entry(environ: dict[str, str], tmp_path: Path) -> None:
    assert re.search(
        r"quiet is disabled in merchants\.yaml, line \d+: set enabled: true",
        by_pipe(environ, "sync", "--merchant", "quiet"),
    )
    (tmp_path / "merchants.d").mkdir()
    write_settings(tmp_path / "merchants.d", [entry("apart", enabled=False)])
    told = by_pipe(environ, "sync", "--merchant", "apart")
    assert "apart is disabled in merchants.d/merchants.yaml, line 2: set enabled: true" in told


@pytest.mark.parametrize("command", ["check", "plan", "sync"])
def test_where_nobody_is_enabled_all_says_so(environ: dict[str, str], tmp_path: Path, command: str) -> None:
    write_settings(tmp_path, [entry("apart", enabled=False)])
    words = [sys.executable, "-m", "vs_st_pipeline.cli.main", command, "--all", "--route", "contacts"]
    done = subprocess.run(words, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    said = "no merchant with route contacts is enabled, so nothing is done"
    assert (done.returncode, done.stderr.strip()) == (0, said)


def by_pipe(environ: dict[str, str], *words: str) -> str:
    """Return what a command prints where no terminal is."""
    command = [sys.executable, "-m", "vs_st_pipeline.cli.main", *words]
    return subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False).stdout


@pytest.mark.slow
def test_what_is_stored_of_people_fits_too(story: Story) -> None:
    story.shop.patch_customer(story.shop.customers(TEST)[0]["id"], firstName="Maria-Anunciada " * 12)
    story.begin_synced()
    known = {name: value for name, value in story.environment().items() if value is not None}
    commands = [
        ("plan", "--all"), ("sync", "--all", "--verbose"), ("why", "--merchant", TEST, MARISOL), ("merchants",),
        ("history", "--merchant", TEST, MARISOL), ("reconcile", "--merchant", TEST), ("retry", "--merchant", TEST),
        ("check", "--all"), ("forget", "--merchant", TEST, TOBIAS, "--yes"),
    ]  # fmt: skip
    for width in (60, 80, 120):
        for words in commands:
            found = seen(width, *words, environ=known)
            told = [row for row in found.too_wide(width) if "\x1b" not in row]  # rich draws the bars of progress
            assert (bool(found.rows), told) == (True, []), (width, words)


@pytest.mark.slow
@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_real_terminal_says_how_wide_it_is(environ: dict[str, str], width: int) -> None:
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    known = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    command = [sys.executable, "-m", "vs_st_pipeline.cli.main", "merchants"]
    with subprocess.Popen(command, env={**known, **environ, "TERM": "xterm"}, stdout=theirs) as process:
        os.close(theirs)
        told = b""
        while chunk := _read(ours):
            told += chunk
        process.wait(timeout=60)
    found = Seen(told.decode().replace("\r\n", "\n"))
    assert "\x1b[31mbroken" in found.painted
    assert found.too_wide(width) == []
    assert max(map(len, found.rows)) > width - 30


def _read(ours: int) -> bytes:
    try:
        return os.read(ours, 65536)
    except OSError:  # the other end is closed
        return b""
