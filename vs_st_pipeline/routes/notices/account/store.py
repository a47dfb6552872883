"""Opens an account's file; one transaction at a time, on the disk before the next step (notices.md 7.1, R46).

Data flow: claims, callbacks, lists of all merchants of an account <-> accounts/ID/account.sqlite, and what must outlive
it -> account.evidence.jsonl (R35).

A file that is not there is made from the evidence beside it, in the transaction that makes it: with its salt, so that
who opted out and was forgotten stays out, and with the messages that were claimed, so that none is sent twice.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.domain.errors import BadSettings, TryLater
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.locks import Timeout, file_lock
from vs_st_pipeline.platform.newer import newer
from vs_st_pipeline.platform.own_folder import make_own_folder, take_from_others
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices.account import evidence
from vs_st_pipeline.routes.notices.account.schema import STEPS

FILE: Final = "account.sqlite"
WAIT_SECONDS: Final = 60.0
SALT, NUMBER = "salt", "file"


class AccountStore:
    """One account's file, as one merchant's run uses it; any thread may.

    Attributes:
        account: whose file it is. merchant: id of the merchant whose run it is.
        evidence: the lines beside it that outlive it.
    """

    def __init__(self, folder: Path, account: GupshupAccount, merchant: str) -> None:
        """Name the place; made where it is not there, 0700 and 0600."""
        self.path = folder / FILE
        self.account = account
        self.merchant = merchant
        self.evidence = EvidenceFile(folder / "account.evidence.jsonl")
        self._salt: tuple[int, str] | None = None  # of the file with this inode
        self._threads = threading.local()

    @classmethod
    def of(cls, run: Run, account: GupshupAccount) -> AccountStore:
        """Return the file below the run's data folder: `accounts/ID/account.sqlite`; in a dry run, a copy of it."""
        store = cls(run.warehouse.data_dir / "accounts" / account.id, account, run.merchant.id)
        if run.dry_run and not store.exists:
            real = cls(run.warehouse.pace_dir.parent / "accounts" / account.id, account, run.merchant.id)
            if real.path != store.path and real.exists:
                real.copy_to(store)
        return store

    @property
    def exists(self) -> bool:
        """Say whether there is a file, or evidence of one that was lost, from which it is made again."""
        return self.path.exists() or self.evidence.path.exists()

    def copy_to(self, other: AccountStore) -> None:
        """Copy the file as it is now to another place, for a dry run."""
        other._make_place()
        with self.read() as here, closing(sqlite3.connect(other.path)) as there:
            here.backup(there)
        if self.evidence.path.exists():
            shutil.copyfile(self.evidence.path, other.evidence.path)

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for looking, at one moment of the file; inside of `write`, as it is being written."""
        db = self._open()
        if db.in_transaction:
            yield db
            return
        db.execute("begin")
        try:
            yield db
        finally:
            db.execute("rollback")

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in one transaction that is on the disk when the block ends; an error undoes it."""
        db = self._open()
        db.execute("begin immediate")
        try:
            yield db
            failpoint("account")
            db.execute("commit")
        except BaseException:
            if db.in_transaction:  # where the disk is full, SQLite has rolled it back by itself
                db.execute("rollback")
            raise
        failpoint("account")

    @contextmanager
    def lock(self, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
        """Hold the account's own lock, under which its inbox is taken (R46).

        Raises:
            TryLater: another process has it for longer than that.
        """
        self._make_place()
        lock = file_lock(self.path.with_name("account.lock"), timeout=wait_seconds)
        try:
            lock.acquire()
        except Timeout as error:
            raise TryLater("another process takes in the account's callbacks; the next sync goes on") from error
        try:
            yield
        finally:
            lock.release()

    def hashed(self, phone: str) -> str:
        """Return the salted hash of a phone (E.164), the same for all merchants of the account."""
        inode = _inode(self.path)
        if self._salt is None or self._salt[0] != inode or not inode:
            with self.read() as db:
                self._salt = _inode(self.path), about(db, SALT)
        return hash_of(self._salt[1], phone)

    def _make_place(self) -> None:
        make_own_folder(self.path.parent)
        for one in (self.path.parent.parent, self.path.parent):
            take_from_others(one)

    def checkpoint(self) -> None:
        """Have what was deleted leave the log beside the file as well; who reads it now keeps a part till then."""
        with suppress(sqlite3.OperationalError):
            self._open().execute("pragma wal_checkpoint(truncate)").fetchall()

    def close(self) -> None:
        """Close this thread's connection."""
        db: sqlite3.Connection | None = getattr(self._threads, "db", None)
        if db is not None:
            db.close()
            self._threads.db = None

    def _open(self) -> sqlite3.Connection:
        """Return this thread's connection: closing the last one of a file costs more than a commit does."""
        found: sqlite3.Connection | None = getattr(self._threads, "db", None)
        if found is not None and self._threads.of == (os.getpid(), _inode(self.path)):
            return found
        if not self.path.exists():
            self._make_place()
            # Never one that is there: closing any handle of it gives up the locks that this process holds by SQLite.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
                _on_disk(self.path.parent)
        db = sqlite3.connect(self.path, timeout=WAIT_SECONDS, isolation_level=None)
        try:
            version = db.execute("pragma user_version").fetchone()[0]
            if version > len(STEPS):
                db.close()
                raise newer(self.path, version, len(STEPS))
            self._prepare(db)
        except sqlite3.DatabaseError as error:
            db.close()
            if isinstance(error, sqlite3.OperationalError):  # busy, or no room
                raise
            raise BadSettings(
                f"{self.path} is damaged: stop all processes and move it away; what lies beside it makes it again"
            ) from error
        self._threads.db, self._threads.of = db, (os.getpid(), _inode(self.path))
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        db.row_factory = sqlite3.Row
        _patiently(db, "pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute("pragma secure_delete = on")
        if db.execute("pragma user_version").fetchone()[0] < len(STEPS):
            self._bring_forward(db)
        elif found := evidence.ahead(db, self.evidence):
            self._catch_up(db, is_older=found.is_older)

    def _catch_up(self, db: sqlite3.Connection, *, is_older: bool) -> None:
        """Let who asked to be left alone stay so where an older file was put back, whoever opens it first.

        Messages that it does not know count from then on, in caps and tiers, as unknown until their merchants' ledgers
        say more; by its new number they know that it is not the file that they have copied from.
        """
        db.execute("begin immediate")
        try:
            evidence.replay(db, self.evidence, claims=is_older)
            if is_older:
                db.execute("update about set value = ? where name = ?", [str(secrets.randbits(62)), NUMBER])
            db.execute("commit")
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise

    def _bring_forward(self, db: sqlite3.Connection) -> None:
        db.execute("begin immediate")
        try:
            version = db.execute("pragma user_version").fetchone()[0]
            for statement in ";".join(STEPS[version:]).split(";"):
                db.execute(statement)
            if not version:
                salt = evidence.salt_in(self.evidence) or secrets.token_hex(16)
                db.execute("insert into about values (?, ?), (?, ?)",
                           [SALT, salt, NUMBER, str(secrets.randbits(62))])  # fmt: skip
                evidence.put_salt(self.evidence, salt)
                evidence.replay(db, self.evidence)
            db.execute(f"pragma user_version = {len(STEPS)}")
            db.execute("commit")
        except BaseException:
            if db.in_transaction:
                db.execute("rollback")
            raise
        failpoint("account")


def about(db: sqlite3.Connection, name: str) -> str:
    """Return what the file says of itself: its salt, its number."""
    return str(db.execute("select value from about where name = ?", [name]).fetchone()[0])


def hash_of(salt: str, phone: str) -> str:
    """Return the salted hash of a phone."""
    return hashlib.blake2b(f"phone {phone}".encode(), key=bytes.fromhex(salt), digest_size=16).hexdigest()


def next_seq(db: sqlite3.Connection) -> int:
    """Return the number of the next change, of whatever table."""
    return int(db.execute("update counter set seq = seq + 1 returning seq").fetchone()[0])


def _patiently(db: sqlite3.Connection, pragma: str) -> None:
    """Run a pragma that does not wait for others by itself, though it says that the file is busy."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            db.execute(pragma)
            return
        except sqlite3.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.01)


def _on_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0
