"""`deploy/backup.py` while a sync sends: what is put back from it loses nothing, and repeats no final write.

Other places where older files are put back: `test_settling.py` (a life of an order, the database lost or an older one
put back), `routes/notices/test_story_kills.py` (merchants' databases and the account's file), `routes/notices`'s
`test_account_recovery.py`, `pipeline/once/test_once.py`, and `make proof PROOFS="kills notices orders"`.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline_tests.support.commanding import forget_files
from vs_st_pipeline_tests.support.orders import Scene, until

SCRIPT = Path(__file__).resolve().parents[3] / "deploy" / "backup.py"


def backup(data: Path, target: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), str(data), str(target), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_backup_that_was_taken_while_a_sync_sends_loses_nothing_and_sends_nothing_twice(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [scene.place() for _ in range(3)]
    target, begun = scene.folder / "backup", []
    append = EvidenceFile.append

    def appending(self: EvidenceFile, *args: Any, **more: Any) -> Any:
        if not begun:  # the sync holds its lock, and is about to send the first order
            begun.append(backup(scene.data, target))
            until(target.exists)
        return append(self, *args, **more)

    monkeypatch.setattr(EvidenceFile, "append", appending)
    scene.synced()
    said, wrong = begun[0].communicate(timeout=60)
    assert (begun[0].returncode, wrong) == (0, ""), said
    orders.append(scene.place())  # after the backup, which knows nothing of it
    scene.synced()
    assert [len(scene.accepted(one)) for one in orders] == [1, 1, 1, 1]

    forget_files()
    shutil.rmtree(scene.data)
    shutil.copytree(target, scene.data)
    scene.clear_journals()
    scene.synced()
    assert [scene.stands(one) for one in orders] == [("sent", None)] * 4
    assert [len(scene.accepted(one)) for one in orders] == [1, 1, 1, 1]
    assert [one for one in scene.writes() if "POST" in one and "orders" in one] == []
    assert scene.wrong() == []


def test_a_merchant_that_is_synced_for_too_long_is_named_and_everything_else_is_copied(tmp_path: Path) -> None:
    data, target = tmp_path / "data", tmp_path / "backup"
    for merchant in ("busy", "quiet"):
        folder = data / "merchants" / merchant
        folder.mkdir(parents=True)
        with duckdb.connect(str(folder / "orders.duckdb")) as db:
            db.execute("create table told (what varchar)")
            db.execute("insert into told values ('x')")
        (folder / "orders.evidence.jsonl").write_text("{}\n", encoding="utf-8")
        (folder / "quiet.bin").write_bytes(b"")
    account = data / "accounts" / "house"
    account.mkdir(parents=True)
    with (
        closing(sqlite3.connect(account / "account.sqlite")) as db,
        duckdb.connect(str(data / "merchants" / "busy" / "orders.duckdb")),
    ):
        db.execute("pragma journal_mode = wal")
        db.execute("create table claims (key text)")
        db.execute("insert into claims values ('n1')")
        db.commit()
        done = backup(data, target, "--wait", "0.3")
        said, _ = done.communicate(timeout=60)
    assert done.returncode == 1
    assert "busy: orders.duckdb is in use" in said
    assert not (target / "merchants" / "busy" / "orders.duckdb").exists()
    assert sorted(path.name for path in (target / "merchants" / "quiet").iterdir()) == [
        "orders.duckdb", "orders.evidence.jsonl",
    ]  # fmt: skip
    with duckdb.connect(str(target / "merchants" / "quiet" / "orders.duckdb"), read_only=True) as copied:
        assert copied.execute("select * from told").fetchall() == [("x",)]
    with closing(sqlite3.connect(target / "accounts" / "house" / "account.sqlite")) as copied_account:
        assert copied_account.execute("select * from claims").fetchall() == [("n1",)]
    assert (target.stat().st_mode & 0o777, (target / "merchants").stat().st_mode & 0o777) == (0o700, 0o700)
