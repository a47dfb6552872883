"""The file that must outlive the database: whole lines, on the disk before anything leaves (routes.md R35)."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile, evidence_files, evidence_path


@pytest.fixture
def file(tmp_path: Path) -> EvidenceFile:
    return EvidenceFile(evidence_path(tmp_path, "parcels"))


def test_a_file_that_is_not_there_has_no_lines_and_no_length(file: EvidenceFile) -> None:
    assert list(file.read()) == []
    assert file.position().size == 0
    assert evidence_files(file.path.parent) == []


def test_lines_are_added_for_the_owner_alone_and_read_from_where_one_was(file: EvidenceFile) -> None:
    file.append([{"n": 1}])
    before = file.position()
    file.append([{"n": 2}, {"n": 3}], durable=False)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert [line["n"] for line in file.read()] == [1, 2, 3]
    assert [line["n"] for line in file.read(before.size)] == [2, 3]
    assert evidence_files(file.path.parent) == [file.path]


def test_a_line_that_was_cut_is_skipped_and_spoils_no_other(file: EvidenceFile) -> None:
    file.append([{"n": 1}])
    with open(file.path, "ab") as raw:
        raw.write(b'{"n": 2, "sa')
    file.append([{"n": 3}])
    with open(file.path, "ab") as raw:
        raw.write(b"7\n")  # no line of ours
    assert [line["n"] for line in file.read()] == [1, 3]


def test_lines_are_changed_or_taken_away_and_a_file_that_stays_is_not_written(file: EvidenceFile) -> None:
    file.append([{"n": 1}, {"n": 2}, {"n": 3}])
    stands = file.position()
    assert not file.rewrite(lambda line: line)
    assert file.position() == stands
    assert file.rewrite(lambda line: None if line["n"] == 2 else {**line, "erased": True})
    assert list(file.read()) == [{"n": 1, "erased": True}, {"n": 3, "erased": True}]
    assert file.position().inode != stands.inode
