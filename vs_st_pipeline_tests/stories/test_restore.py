"""What `deploy/backup.py` and `deploy/restore.py` do where a disk fails, by files alone."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import duckdb
import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
EVIDENCE = "merchants/hillside/orders.evidence.jsonl"


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", DEPLOY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def run(name: str, *arguments: Path | str) -> Any:
    command = [sys.executable, str(DEPLOY / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def lines(*numbers: int) -> bytes:
    return b"".join(json.dumps({"n": number}).encode() + b"\n" for number in numbers)


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, told in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(told)
    return folder


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return put(tmp_path / "backup", {EVIDENCE: lines(1, 2), "merchants/hillside/orders.duckdb": b"the copy's"})


@pytest.mark.parametrize(
    ("broken", "then", "code"),
    [
        (lines(1, 2, 3), lines(1, 2, 3), 0),
        (lines(1, 2, 3) + b'{"n": 4', lines(1, 2, 3) + b'{"n": 4', 0),
        (lines(9), lines(9), 0),  # rewritten since, as `vs-st forget` does
        (lines(1), lines(1, 2), 0),  # its end is lost
        (b"", lines(1, 2), 0),
        (lines(1) + b"\0" * 40 + b"\n" + lines(3), lines(1, 2, 3), 1),
        (None, lines(1, 2), 0),
    ],
)
def test_evidence_of_the_broken_folder_is_taken_and_never_less_than_the_copy_has(
    backup: Path, tmp_path: Path, broken: bytes | None, then: bytes, code: int
) -> None:
    data = put(tmp_path / "data", {"merchants/hillside/orders.duckdb": b"damaged"})
    if broken is not None:
        put(data, {EVIDENCE: broken})
    done = run("restore", backup, data)
    assert (done.returncode, done.stderr) == (code, "")
    assert (data / EVIDENCE).read_bytes() == then
    assert (data / "merchants/hillside/orders.duckdb").read_bytes() == b"the copy's"
    assert (tmp_path / "data.broken/merchants/hillside/orders.duckdb").read_bytes() == b"damaged"
    assert ("orders.evidence.jsonl" in done.stdout) == bool(code)


def test_what_lies_behind_a_bad_block_does_not_cost_the_copys(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore, data = module("restore"), tmp_path / "data"
    data.mkdir()
    broken = put(tmp_path / "old", {EVIDENCE: lines(3), "merchants/hillside/forgotten.json": b"{}"})
    monkeypatch.setattr(restore, "read", lambda _path: (lines(3) + b'{"n"', "Input/output error"))
    left = restore.restore(backup, data, broken)
    assert (data / EVIDENCE).read_bytes() == lines(1, 2, 3)
    assert not (data / "merchants/hillside/forgotten.json").exists()
    assert [one.rpartition(": ")[2] for one in left] == [
        "Input/output error; 1 lines of it were added to the copy's, others may be lost",
        "Input/output error; the copy's stands",
    ]


def test_who_was_forgotten_and_which_shop_is_registered_are_taken_whole(backup: Path, tmp_path: Path) -> None:
    for name in ("forgotten", "waymore"):
        put(backup, {f"merchants/hillside/{name}.json": b'{"of": "backup"}'})
    old = put(tmp_path / "old", {
        "merchants/hillside/forgotten.json": b'{"of": "old"}', "merchants/hillside/waymore.json": b'{"of": "ol',
        "accounts/house/account.evidence.jsonl": lines(7),
    })  # fmt: skip
    done = run("restore", backup, tmp_path / "data", "--broken", old)
    assert done.returncode == 1
    assert "waymore.json: it is damaged; the copy's stands" in done.stdout
    home = tmp_path / "data" / "merchants" / "hillside"
    assert (home / "forgotten.json").read_bytes() == b'{"of": "old"}'
    assert (home / "waymore.json").read_bytes() == b'{"of": "backup"}'
    assert (tmp_path / "data/accounts/house/account.evidence.jsonl").read_bytes() == lines(7)


def test_all_that_is_put_back_is_its_owners_alone_and_the_next_step_is_named(backup: Path, tmp_path: Path) -> None:
    put(backup, {"merchants/kapaskraft/notices.duckdb": b""})
    for path in (backup, *backup.rglob("*")):
        path.chmod(0o755)
    done = run("restore", backup, tmp_path / "data")
    assert "before anything else runs: vs-st notices baseline --merchant kapaskraft\n" in done.stdout
    for path in (tmp_path / "data", *(tmp_path / "data").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_what_cannot_be_is_refused_and_changes_nothing(backup: Path, tmp_path: Path) -> None:
    data = put(tmp_path / "data", {EVIDENCE: lines(1), "merchants/hillside/orders.lock": b""})
    assert "it has no `merchants`" in run("restore", tmp_path, data).stderr
    assert "is not empty" in run("restore", backup, data, "--broken", backup).stderr
    assert "leave --broken out if nothing of it is left" in run("restore", backup, data, "--broken", tmp_path).stderr
    with open(data / "merchants/hillside/orders.lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("restore", backup, data)
    assert (done.returncode, done.stderr) == (2, "syncs run (hillside); stop everything first\n")
    (tmp_path / "data.broken").mkdir()
    assert "is there already, of a restore before" in run("restore", backup, data).stderr
    assert (data / EVIDENCE).read_bytes() == lines(1)


# --- the backup of a disk that fails ----------------------------------------------------------------------------------


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = put(tmp_path / "data", {EVIDENCE: lines(1, 2), "merchants/quiet/forgotten.json": b"{}"})
    for merchant in ("hillside", "quiet"):
        with duckdb.connect(str(folder / "merchants" / merchant / "orders.duckdb")) as db:
            db.execute("create table told as select 'x' as what")
    return folder


def test_a_file_that_cannot_be_read_is_named_and_all_else_is_copied(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, copy = module("backup"), shutil.copyfileobj

    def fails(there: Any, here: Any, length: int = 0) -> None:
        here.write(there.read(1))
        if os.fstat(there.fileno()).st_ino == (data / "merchants/hillside/orders.duckdb").stat().st_ino:
            raise OSError(5, "Input/output error")
        here.seek(0)
        there.seek(0)
        copy(there, here, length)

    monkeypatch.setattr(backup.shutil, "copyfileobj", fails)
    target = tmp_path / "target"
    assert backup.back_up(data, target, 0.0) == ["hillside: orders.duckdb was not copied whole: Input/output error"]
    assert not (target / "merchants/hillside/orders.duckdb").exists(), "a part of a database is no copy of it"
    assert (target / EVIDENCE).read_bytes() == lines(1, 2)
    assert (target / "merchants/quiet/orders.duckdb").exists()


def test_a_merchant_that_leaves_meanwhile_does_not_end_the_backup(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, copy = module("backup"), module("backup").copy_merchant

    def leaves(folder: Path, into: Path, wait: float) -> Any:
        if folder.name == "hillside":
            shutil.rmtree(folder)
        return copy(folder, into, wait)

    monkeypatch.setattr(backup, "copy_merchant", leaves)
    assert backup.back_up(data, tmp_path / "target", 0.0) == []
    assert (tmp_path / "target/merchants/quiet/orders.duckdb").exists()


def test_a_disk_that_can_only_be_read_is_copied_as_it_is(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = module("backup")
    put(data, {"inbox.sqlite": b"db", "inbox.sqlite-wal": b"log", "inbox.sqlite-shm": b"", "tokens/t.json": b"{}"})
    monkeypatch.setattr(backup.os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY))
    before = sorted(data.rglob("*"))
    target = tmp_path / "target"
    assert backup.back_up(data, target, 0.0) == []
    assert sorted(data.rglob("*")) == before, "no lock was made"
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()) == [
        "inbox.sqlite", "inbox.sqlite-wal", "merchants/hillside/orders.duckdb", EVIDENCE,
        "merchants/quiet/forgotten.json", "merchants/quiet/orders.duckdb",
    ]  # fmt: skip
    with closing(duckdb.connect(str(target / "merchants/hillside/orders.duckdb"), read_only=True)) as db:
        assert db.execute("from told").fetchall() == [("x",)]
