"""What ends a session: what was typed goes back to who typed it, a file that is busy or damaged becomes an error."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.pipeline.session import Session, opened
from vs_st_pipeline.platform.locks import file_lock
from vs_st_pipeline_tests.support.story import Story
from vs_st_pipeline_tests.support.toy_route import new_report


def _busy_lock(folder: Path) -> None:
    with file_lock(folder / "a.lock"), file_lock(folder / "a.lock", timeout=0):
        pass


def _damaged_file(folder: Path) -> None:
    (folder / "damaged").write_bytes(b"no database" * 100)
    sqlite3.connect(folder / "damaged").execute("select * from sqlite_master")


def _wrong_sql(_folder: Path) -> None:
    sqlite3.connect(":memory:").execute("select ?", [])


ENDS: list[tuple[Callable[[Path], None], str, str]] = [
    (_busy_lock, "try_later", "could not be read or written just now"),
    (_damaged_file, "config", "is damaged"),
    (_wrong_sql, "internal", "ProgrammingError"),
]


@pytest.mark.parametrize(("end", "kind", "said"), ENDS)
def test_what_ended_it_is_told(story: Story, tmp_path: Path, end: Callable[[Path], None], kind: str, said: str) -> None:
    session = Session(story.as_run(), new_report("test-winery"))
    with opened(session):
        end(tmp_path)
    error = session.report.error
    assert error is not None
    assert (error.kind, said in error.message) == (kind, True), error.message


def test_what_was_typed_is_no_error_of_the_run(story: Story) -> None:
    session = Session(story.as_run(), new_report("test-winery"))
    with pytest.raises(BadArguments, match="no such order"), opened(session):
        raise BadArguments("no such order")
    assert session.report.error is None
