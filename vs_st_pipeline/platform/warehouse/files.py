"""Opens DuckDB files, one per merchant and route: for moments, migrated, locked per sync. The only door to DuckDB.

Data flow: merchant id, route -> its file, attached -> `Db`.

One in-memory DuckDB instance per process attaches a merchant's file and detaches it again after use: attaching costs
4 ms where an instance of its own costs 20 ms and 8 threads. Detaching after a write costs another 9 (a checkpoint), so
a sync, which reads and writes dozens of times, keeps its file attached while it lasts (`keeping`). DuckDB lets one
process hold a file at a time: a process that finds a file held waits and says so (`requesting_release`), and the sync
releases it at the next moment in which it does not use it, so that `vs-st why` can read. Other programs do not say so,
and get the file where a sync waits long.

A route never writes another one's file; it may read in it for a moment (`peek`), and does without news when it cannot
have it in time (routes.md R18).

A damaged file can stop the whole instance, which refuses every statement about every file from then on. Then a new
instance takes its place: one merchant's file is no trouble of the others.

It is long because one file has one state (attached or not, kept, used, replaced, lost), and every step of opening,
releasing, peeking, rewriting and recovering reads and changes it under the same two locks; in separate modules these
steps could not be read against each other.
"""

from __future__ import annotations

import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import duckdb

from vs_st_pipeline.domain.errors import BadSettings, Interrupted, LockHeld, TryLater
from vs_st_pipeline.platform.atomic_file import replace_durably
from vs_st_pipeline.platform.cpu_slots import letting_go, waiting
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.locks import FileLock, Timeout, file_lock, is_release_requested, requesting_release
from vs_st_pipeline.platform.own_folder import make_own_folder, take_from_others
from vs_st_pipeline.platform.warehouse import spill
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.lease import Lease
from vs_st_pipeline.platform.warehouse.migrations import MOST_MEMORY_MB, Layout, migrate, remedy

LOCK_WAIT_SECONDS = 60.0
POLL_SECONDS = 0.05
WATCH_SECONDS = 0.1  # how often a kept file is checked for release requests
PEEK_SECONDS = 5.0  # how long a route waits for another route's file before it does without news
REST_SECONDS = 30.0  # a kept file that was not used for so long is released, requested or not

DEFAULT_ROUTE = "contacts"  # its files and names are older than routes are: they stay as they are
FILE, LOCK = "warehouse.duckdb", "sync.lock"  # of the default route; others have `<route>.duckdb` and `<route>.lock`

T = TypeVar("T")

_INVALIDATED = "database has been invalidated"  # DuckDB's words for an instance that is stopped


class _Instance:
    """The in-memory DuckDB that files are attached to. Use it under the warehouse's guard."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.files: set[Path] = set()  # attached to it, or about to be
        self.stopped = False

    def is_stopped(self) -> bool:
        """Say whether a damaged file has stopped it; asked only after an error."""
        if not self.stopped:
            try:
                self.connection.execute("select 1").fetchall()
            except duckdb.Error:
                self.stopped = True
        return self.stopped


class _Held:
    """A file as this process holds it, or does not hold it now. Use it under its lock."""

    def __init__(self, merchant_id: str, route: str, path: Path) -> None:
        self.merchant_id, self.route = merchant_id, route
        self.alias = _alias(merchant_id, route)
        self.path = path  # kept: to build it costs more than many uses of the file
        self.log = log_of(path)
        self.lock = threading.RLock()
        self.keepers = 0  # callers that want it to stay attached between two uses
        self.users = 0
        self.used_at = 0.0  # monotonic
        self.db: Db | None = None
        self.cursor: duckdb.DuckDBPyConnection | None = None
        self.instance: _Instance | None = None
        self.memory_mb = 0  # how much DuckDB could take when it was attached
        self.inode = self.log_inode = 0
        self.asked_at = 0.0  # monotonic; when it was last checked for a release request
        self.granted = False  # it was released because of a request

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock; a thread that waits for it frees its CPU slot, which the thread that holds it may need."""
        if not self.lock.acquire(blocking=False):
            with waiting():
                self.lock.acquire()
        try:
            yield
        finally:
            self.lock.release()


class _Leases(threading.local):
    """Leases of each thread, by merchant and route."""

    def __init__(self) -> None:
        self.of_thread: dict[tuple[str, str], Lease] = {}


class _Watcher:
    """Calls a function at intervals on its own thread, until `end`: none is left when Python exits."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[work], name="vs-st-files", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            work()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


class Warehouse:
    """All merchants' files below one data folder; each route of a merchant has its own.

    Args:
        data_dir: `VS_ST_DATA_DIR`; made with mode 0700 if it is not there.
        layouts: what a file holds, by its route.
        wait_seconds: how long to wait for a file or sync lock that another process holds.
    """

    def __init__(
        self, data_dir: Path, layouts: Mapping[str, Layout], *, wait_seconds: float = LOCK_WAIT_SECONDS
    ) -> None:
        self.data_dir = data_dir
        self.pace_dir = data_dir / "pace"  # permits that all processes with this data folder share
        self.origin: Warehouse | None = None  # of a trial: what it was copied from; other routes are looked at there
        self.layouts = layouts
        self.wait_seconds = wait_seconds
        self._instance: _Instance | None = None
        self._memory_mb = 0
        self._stopped: list[_Instance] = []  # and still with files attached
        self._scratch: int | None = None  # held open as long as this process lives
        self._folder = data_dir
        self._guard = threading.Lock()
        self._files: dict[tuple[str, str], _Held] = {}
        self._watcher: _Watcher | None = None
        self._leases = _Leases()

    def folder(self, merchant_id: str) -> Path:
        """Return the merchant's own folder (0700), made if it is not there.

        Raises:
            BadSettings: the data folder cannot be made or written.
        """
        return self.make(self.data_dir / "merchants", self.data_dir / "merchants" / merchant_id)

    def make(self, *folders: Path) -> Path:
        """Make the data folder and these folders in it (0700), as far as they are not there; return the last one.

        Raises:
            BadSettings: the data folder cannot be made or written.
        """
        paths = (self.data_dir, *folders)
        try:
            for path in paths:
                make_own_folder(path)
                take_from_others(path)
        except OSError as error:
            raise BadSettings(
                f"the data folder {self.data_dir} cannot be used ({error.strerror}): "
                "make it writable or set VS_ST_DATA_DIR"
            ) from None
        return paths[-1]

    def file(self, merchant_id: str, route: str = DEFAULT_ROUTE) -> Path:
        """Return where the route's DuckDB file of this merchant is or would be."""
        name = FILE if route == DEFAULT_ROUTE else f"{route}.duckdb"
        return self.data_dir / "merchants" / merchant_id / name

    def files(self, merchant_id: str) -> dict[str, Path]:
        """Return the merchant's DuckDB files that are there, by route: the default one first, then by name."""
        found = (self.data_dir / "merchants" / merchant_id).glob("*.duckdb")
        routes = {DEFAULT_ROUTE if path.name == FILE else path.stem: path for path in found}
        return {route: routes[route] for route in sorted(routes, key=lambda name: (name != DEFAULT_ROUTE, name))}

    @contextmanager
    def all_sync_locks(self, merchant_id: str) -> Iterator[None]:
        """Hold the sync locks of all routes that keep anything of this merchant, always in the same order.

        Raises:
            TryLater: a sync of one of them is running.
        """
        with ExitStack() as held:
            held.enter_context(self.sync_lock(merchant_id))  # first: what it makes anew is the merchant's folder
            # A lock with a dot in its name (`orders.standing.lock`) is no sync's.
            locks = {path.stem for path in self.folder(merchant_id).glob("*.lock") if "." not in path.stem}
            routes = (locks | set(self.files(merchant_id))) - {Path(LOCK).stem, DEFAULT_ROUTE, *_LOCKS_OF_NO_ROUTE}
            for route in sorted(routes):
                held.enter_context(self.sync_lock(merchant_id, route))
            yield

    @contextmanager
    def sync_lock(
        self, merchant_id: str, route: str = DEFAULT_ROUTE, *, wait_seconds: float | None = None
    ) -> Iterator[None]:
        """Hold the route's sync lock of this merchant: one sync of the two at a time on this machine.

        Args:
            wait_seconds: how long to wait for another sync to end; None: as long as for a file.

        Raises:
            LockHeld: another sync held it for so long.
            TryLater: the merchant was removed just now.
        """
        wait_seconds = self.wait_seconds if wait_seconds is None else wait_seconds
        folder = self.folder(merchant_id)
        before = _inode(folder)
        lock = file_lock(folder / (LOCK if route == DEFAULT_ROUTE else f"{route}.lock"))
        try:
            self._acquire(lock, wait_seconds)
        except FileNotFoundError:
            raise TryLater("the merchant's folder was removed just now; try again") from None
        except Timeout:
            raise LockHeld(
                f"another sync of this merchant has been running for over {wait_seconds:.0f} s; "
                "try again when it is done"
            ) from None
        try:
            if _inode(folder) != before:  # removed during the wait, and made again by the lock
                shutil.rmtree(folder, ignore_errors=True)
                raise TryLater("what was kept of this merchant has just been removed; nothing was done")
            yield
        finally:
            lock.release()

    def _acquire(self, lock: FileLock, wait_seconds: float) -> None:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if wait_seconds <= 0:
                raise
            with waiting():
                lock.acquire(timeout=wait_seconds, poll_interval=POLL_SECONDS)

    @contextmanager
    def open(self, merchant_id: str, route: str = DEFAULT_ROUTE) -> Iterator[Db]:
        """Open the route's file of this merchant, attached and at this version's schema; hold it briefly.

        Raises:
            TryLater: another process held the file for `wait_seconds`.
            Interrupted: another merchant's damaged file stopped DuckDB while this one was in use.
            BadSettings: the file is damaged or cannot be opened, or comes from a newer version.
        """
        held = self._held(merchant_id, route)
        path = held.path
        with held.locked():
            moved = held.inode != _inode(path)  # removed, or put back by a person
            if held.db is not None and (moved or (_is_lost(held) and not held.users)):
                self._detach(held, ignoring=True)
            db = held.db
            if db is None:
                self.folder(merchant_id)
                db = self._attach(held)
            held.users += 1
            broken = False
            try:
                yield db
            except duckdb.Error as error:
                told = self._told(held, error)
                if told is None:
                    raise
                broken = True
                raise told from None
            finally:
                held.users -= 1
                held.used_at = time.monotonic()
                if not held.users:
                    held.log_inode = _inode(held.log)
                    failpoint("closed")
                    # Asked here too: the watcher never gets the lock of a file that is used without a pause.
                    if broken or not held.keepers or _is_lost(held) or _is_requested(held):
                        self._detach(held, ignoring=broken, broken=broken)

    def peek(self, merchant_id: str, route: str, read: Callable[[Db], T], *, wait_seconds: float = PEEK_SECONDS) -> T:
        """Return what `read` reads of another route's file; nothing is written or migrated, whatever `read` tries.

        Keep it short: the route cannot use its file meanwhile. Never from within `open`, where two routes could wait
        for each other.

        Raises:
            TryLater: the file is not there, cannot be had in time, is damaged, or lacks what `read` looks for. The
                caller goes on without news.
        """
        if self.origin is not None and not self.file(merchant_id, route).exists():
            return self.origin.peek(merchant_id, route, read, wait_seconds=wait_seconds)
        held = self._held(merchant_id, route)
        give_up_at = time.monotonic() + wait_seconds
        with waiting():
            if not held.lock.acquire(timeout=wait_seconds):
                raise TryLater(f"route {route} of this merchant has been using its file for over {wait_seconds:.0f} s")
        try:
            if not held.path.exists():
                raise TryLater(f"route {route} of this merchant has no file yet")
            usable = held.db is not None and held.inode == _inode(held.path) and not _is_lost(held)
            if held.db is not None and not usable and not held.users:
                self._detach(held, ignoring=True)
            return self._peek(held, read, give_up_at, attached=usable)
        finally:
            held.lock.release()

    def _peek(self, held: _Held, read: Callable[[Db], T], give_up_at: float, *, attached: bool) -> T:
        instance = held.instance
        cursor = instance.connection.cursor() if attached and instance else self._join(held)
        try:
            if not attached:
                self._attach_when_free(cursor, held.path, held.alias, give_up_at, read_only=True)
            try:
                cursor.execute(f"use {held.alias}")
                cursor.execute("begin transaction read only")
                try:
                    return read(Db(cursor, self.layouts[held.route].streams))
                finally:
                    with suppress(duckdb.Error):  # the first error is the one to report
                        cursor.execute("rollback")
            finally:
                if not attached:
                    with suppress(duckdb.Error):  # the first error is the one to report
                        _detach(cursor, held.alias)
        except (duckdb.CatalogException, duckdb.BinderException):
            raise TryLater(f"the file of route {held.route} does not have what is looked for yet") from None
        except duckdb.Error as error:
            if self._told(held, error) is None:
                raise
            raise TryLater(f"the file of route {held.route} cannot be read now") from None
        except BadSettings as error:
            raise TryLater(error.message) from None
        finally:
            cursor.close()
            if not attached:
                self._leave(held)

    def rewrite(self, merchant_id: str, route: str = DEFAULT_ROUTE) -> None:
        """Copy all rows into a new file that takes the old one's place, so that what was deleted leaves the disk.

        DuckDB keeps deleted rows in free blocks and in its log. Under the sync lock only: what is written to the
        old file meanwhile is lost. If the power fails on the way, the old file stands as it was.

        Raises:
            BadSettings: there is no room for a second file, or the old one's log could not be merged into it.
        """
        held = self._held(merchant_id, route)
        path = held.path
        draft = temp_path(path)
        if lease := self._leases.of_thread.get((merchant_id, route)):
            lease.let_go()
        with held.locked():
            with self.open(merchant_id, route) as db:
                db.flush()
                _copy_rows(db, held.alias, draft)
            self._detach(held)
            if logs := [log.name for log in (log_of(path), log_of(draft)) if log.exists()]:
                # It would be read into the new file the next time.
                raise BadSettings(f"the log {logs[0]} beside {path} was not taken in: close whatever has the file open")
            replace_durably(draft, path)

    @contextmanager
    def trial(self, merchant_id: str, route: str = DEFAULT_ROUTE) -> Iterator[Warehouse]:
        """Give a warehouse that holds a copy of one route's files, in which a dry run may do whatever a run does.

        It is thrown away at the end, and by the next process if this one dies. Requests keep the pace of this one.
        Under the sync lock only.

        Raises:
            BadSettings: there is no room for a copy.
        """
        spill.remove_stale(self.data_dir / "tmp")
        folder, handle = spill.claim_dir(self.data_dir / "tmp")
        aside = Warehouse(folder, self.layouts, wait_seconds=self.wait_seconds)
        aside.pace_dir, aside.origin = self.pace_dir, self
        try:
            self._copy(merchant_id, route, aside)
            yield aside
        finally:
            aside.close()
            shutil.rmtree(folder, ignore_errors=True)
            if handle is not None:
                os.close(handle)

    def _copy(self, merchant_id: str, route: str, aside: Warehouse) -> None:
        """Copy the route's rows, and the small files beside them, into another warehouse."""
        for path in self.folder(merchant_id).iterdir():
            if path.is_file() and ".duckdb" not in path.name and path.suffix not in (".lock", ".new"):
                shutil.copy2(path, aside.folder(merchant_id) / path.name)
        if not self.file(merchant_id, route).exists():
            return
        path = aside.file(merchant_id, route)
        aside.folder(merchant_id)
        with self.open(merchant_id, route) as db:
            db.flush()
            _copy_rows(db, self._held(merchant_id, route).alias, path)

    def close(self) -> None:
        """Let go of DuckDB, and of the folder that it used beside memory; nothing may be open."""
        with self._guard:
            instance, self._instance = self._instance, None
            scratch, self._scratch = self._scratch, None
        if instance is not None:
            instance.connection.close()
        if scratch is not None:
            os.close(scratch)

    @contextmanager
    def keeping(self, merchant_id: str, route: str = DEFAULT_ROUTE) -> Iterator[None]:
        """Keep the file attached between two uses while the block lasts, unless another process requests it.

        Uses by this thread (`use`) are shared until it waits for anything (`lease`).
        """
        held = self._held(merchant_id, route)
        lease = Lease(lambda: self.open(merchant_id, route), lambda: _must_end(held))
        with self._guard:
            held.keepers += 1
            if self._watcher is None:
                self._watcher = _Watcher(self._idle_check)
        try:
            with self._leasing(merchant_id, route, lease), letting_go(lease.let_go):
                yield
        finally:
            watcher = None
            with self._guard:
                held.keepers -= 1
                if not any(other.keepers for other in self._files.values()):
                    watcher, self._watcher = self._watcher, None
            if watcher:
                watcher.end()
            with held.locked():
                if not held.keepers and not held.users:
                    self._detach(held)

    def release(self, merchant_id: str, route: str = DEFAULT_ROUTE) -> None:
        """Close a kept file now, whatever keeps it; the next use opens it again. A file in use stays open."""
        lease = self._leases.of_thread.get((merchant_id, route))
        if lease is not None:
            lease.let_go()
        held = self._held(merchant_id, route)
        with held.locked():
            if not held.users:
                self._detach(held)

    @contextmanager
    def _leasing(self, merchant_id: str, route: str, lease: Lease) -> Iterator[None]:
        key, leases = (merchant_id, route), self._leases.of_thread
        before = leases.get(key)
        if before is not None:  # this thread keeps it already
            yield
            return
        leases[key] = lease
        try:
            yield
        finally:
            del leases[key]
            lease.let_go()

    def use(self, merchant_id: str, route: str = DEFAULT_ROUTE) -> AbstractContextManager[Db]:
        """Open the file as `open` does; within `keeping`, together with the steps before and after (`lease`)."""
        lease = self._leases.of_thread.get((merchant_id, route))
        return lease.step() if lease is not None else self.open(merchant_id, route)

    def _idle_check(self) -> None:
        """Detach kept files that another process requests, or that were not used for a while."""
        with self._guard:
            kept = [held for held in self._files.values() if held.keepers]
        for held in kept:
            if held.lock.acquire(blocking=False):  # else it is in use
                try:
                    rested = time.monotonic() - held.used_at >= REST_SECONDS
                    if held.db is not None and not held.users and (rested or _is_lost(held) or _is_requested(held)):
                        self._detach(held, ignoring=True)
                finally:
                    held.lock.release()

    def _held(self, merchant_id: str, route: str) -> _Held:
        with self._guard:
            held = self._files.get((merchant_id, route))
            if held is None:
                held = _Held(merchant_id, route, self.file(merchant_id, route))
                self._files[merchant_id, route] = held
            return held

    def _told(self, held: _Held, error: duckdb.Error) -> BadSettings | TryLater | None:
        """Return what DuckDB's error means for the caller; None where the file has no part in it."""
        if not _is_of_a_file(error):
            return None
        with self._guard:
            if held.instance is not None:
                self._retire(held.instance)
            short = "ut of memory" in str(error).lower()
            if short and held.memory_mb != MOST_MEMORY_MB:  # another merchant's thread may have got more meanwhile
                self._allow(MOST_MEMORY_MB)
                return Interrupted(
                    f"DuckDB had less memory than it needed ({held.memory_mb} MB); the next try has {MOST_MEMORY_MB}"
                )
        if short:
            return BadSettings(
                f"DuckDB needed more than {MOST_MEMORY_MB} MB of memory and could not put the rest aside below "
                f"{self.data_dir / 'tmp'}: is the disk full? Make room, or sync fewer merchants at once; nothing is "
                "lost"
            )
        if _INVALIDATED in str(error):
            return Interrupted(
                "the damaged file of another merchant stopped DuckDB in this process; this merchant's file has no part "
                "in it, and the next try takes a new one"
            )
        return _unusable(held.path, error)

    def _allow(self, megabytes: int) -> None:
        """Let DuckDB take so much from now on, unless it may take more. Under the guard."""
        if megabytes > self._memory_mb:
            self._memory_mb = megabytes
            if self._instance is not None:
                self._instance.connection.execute(f"set memory_limit = '{megabytes}MB'")

    def _memory_of(self, route: str) -> int:
        return self.layouts[route].memory_mb

    def _retire(self, instance: _Instance) -> None:
        """Let no other file attach to an instance that is stopped. Under the guard."""
        if instance.is_stopped() and self._instance is instance:
            self._instance = None
            self._stopped.append(instance)

    def _join(self, held: _Held) -> duckdb.DuckDBPyConnection:
        """Return a cursor of the instance that files are attached to, made if it is not there."""
        give_up_at = time.monotonic() + self.wait_seconds
        while True:
            with self._guard:
                # A file is not attached to two instances: the old one's end would take the new one's lock from it.
                if not any(held.path in old.files for old in self._stopped):
                    self._allow(self._memory_of(held.route))
                    instance = self._connect()
                    cursor = instance.connection.cursor()
                    instance.files.add(held.path)
                    held.instance, held.memory_mb = instance, self._memory_mb
                    return cursor
            if time.monotonic() >= give_up_at:
                raise TryLater("DuckDB was stopped in this process by a damaged file, and is still in use; try again")
            with waiting():
                time.sleep(POLL_SECONDS)

    def _leave(self, held: _Held) -> None:
        """Note that the file is not attached any more; a stopped instance is closed when its last file has left."""
        with self._guard:
            instance, held.instance = held.instance, None
            if instance is None:
                return
            instance.files.discard(held.path)
            if instance.stopped and not instance.files:
                instance.connection.close()
                if instance in self._stopped:
                    self._stopped.remove(instance)

    def _connect(self) -> _Instance:
        if self._instance is None:
            if self._scratch is None:
                spill.remove_stale(self.data_dir / "tmp")
                self._folder, self._scratch = spill.claim_dir(self.data_dir / "tmp")
            self._instance = _Instance(
                duckdb.connect(
                    ":memory:",
                    config={
                        "threads": 1,  # its own; the calling thread works too, and many merchants call at once
                        "memory_limit": f"{self._memory_mb}MB",
                        "temp_directory": str(self._folder),
                        "autoinstall_known_extensions": False,
                        "autoload_known_extensions": False,
                        "checkpoint_threshold": "64MB",  # a checkpoint rewrites what changed, row group by row group
                    },
                )
            )
        return self._instance

    def _attach(self, held: _Held) -> Db:
        path, alias = held.path, held.alias
        cursor = self._join(held)
        try:
            if held.granted:  # the process that requested it checks at intervals whether it is free
                held.granted = False
                with waiting():
                    time.sleep(2 * POLL_SECONDS)
            self._attach_when_free(cursor, path, alias, time.monotonic() + self.wait_seconds)
            try:
                # DuckDB makes it by the process's umask. A process that was killed before this line has left an empty
                # file so, and one that was put back from a backup may be anything.
                if stat.S_IMODE(path.stat().st_mode) & 0o077:
                    path.chmod(0o600)
                cursor.execute(f"use {alias}")
                layout = self.layouts[held.route]
                db = Db(cursor, layout.streams)
                migrate(db, path, layout)
            except BaseException:
                with suppress(duckdb.Error):  # the first error is the one to report
                    _detach(cursor, alias)
                raise
        except duckdb.Error as error:
            told = self._told(held, error)
            cursor.close()
            self._leave(held)
            if told is None:
                raise
            raise told from None
        except BaseException:
            cursor.close()
            self._leave(held)
            raise
        held.db, held.cursor, held.inode = db, cursor, _inode(path)
        return db

    def _attach_when_free(
        self,
        cursor: duckdb.DuckDBPyConnection,
        path: Path,
        alias: str,
        give_up_at: float,
        *,
        read_only: bool = False,
    ) -> None:
        if _attached(cursor, path, alias, read_only=read_only):
            return
        began = time.monotonic()
        with waiting(), requesting_release(path):
            while not _attached(cursor, path, alias, read_only=read_only):
                if time.monotonic() >= give_up_at:
                    raise TryLater(
                        f"the file {path} has been held by another process for over {give_up_at - began:.0f} s: close "
                        "the program that has it open (a DuckDB shell, an editor or a notebook), or let the other "
                        "vs-st command end"
                    )
                time.sleep(POLL_SECONDS)

    def _detach(self, held: _Held, *, ignoring: bool = False, broken: bool = False) -> None:
        """Detach the file. What cannot be checkpointed now stays in its log, which the next attaching reads."""
        db, cursor, alias = held.db, held.cursor, held.alias
        held.db = held.cursor = None
        if cursor is None:
            return
        try:
            if _is_lost(held):  # it refuses every statement; what was committed stands in the file or its log
                return
            try:
                # A file that is not in its place any more is not written to: its log would have the new one's name.
                in_place = held.inode == _inode(held.path)
                if in_place and db is not None and not broken:
                    db.flush()
                elif not in_place and _inode(held.log) not in (0, held.log_inode):  # nor is the new one's log removed
                    cursor.execute("set session checkpoint_on_detach = 'DISABLED'")
            finally:  # else this process could never attach it again, and no other one either
                _detach(cursor, alias)
        except duckdb.Error as error:
            told = self._told(held, error) or _unusable(held.path, error)
            if not ignoring and isinstance(told, BadSettings):
                raise told from None
        finally:
            cursor.close()
            self._leave(held)


def _is_lost(held: _Held) -> bool:
    """Say whether the file is attached to an instance that is stopped."""
    return held.instance is not None and held.instance.stopped


def _is_requested(held: _Held) -> bool:
    """Say whether another process requests the file; checked at intervals."""
    now = time.monotonic()
    if now - held.asked_at < WATCH_SECONDS:
        return False
    held.asked_at, held.granted = now, is_release_requested(held.path)
    return held.granted


def _must_end(held: _Held) -> bool:
    """Say whether a lease must let go of the file before the next step; opening it asks the same."""
    if _is_lost(held) or held.inode != _inode(held.path):
        return True
    now = time.monotonic()
    if now - held.asked_at < WATCH_SECONDS:
        return False
    if is_release_requested(held.path):
        return True  # whoever lets go of it asks once more, and detaches it
    held.asked_at = now
    return False


_LOCKS_OF_NO_ROUTE = ("standing", "forgotten")  # other locks in a merchant's folder


def _alias(merchant_id: str, route: str) -> str:
    """Return the name, quoted, that a file is attached under; no merchant's id has a dot."""
    return f'"m_{merchant_id}"' if route == DEFAULT_ROUTE else f'"m_{merchant_id}.{route}"'


def _attached(cursor: duckdb.DuckDBPyConnection, path: Path, alias: str, *, read_only: bool = False) -> bool:
    """Attach the file; returns False where another process holds it."""
    quoted = str(path).replace("'", "''")
    try:
        cursor.execute(f"attach '{quoted}' as {alias}{' (read_only)' if read_only else ''}")
    except duckdb.IOException as error:
        if "Could not set lock on file" not in str(error):
            raise
        return False
    except duckdb.Error as error:
        if _is_of_a_file(error):
            raise
        raise BadSettings(
            f"the file {path} cannot be opened ({type(error).__name__}): if a newer DuckDB wrote it, upgrade; "
            f"else start it anew with {remedy(path)}"
        ) from None
    return True


def _detach(cursor: duckdb.DuckDBPyConnection, alias: str) -> None:
    cursor.execute("use memory")
    cursor.execute(f"detach {alias}")
    failpoint("detached")


def _copy_rows(db: Db, alias: str, target: Path) -> None:
    """Copy all rows of an attached file into a new one."""
    quoted, copy = str(target).replace("'", "''"), f'"new_{alias[1:]}'
    db.execute(f"attach '{quoted}' as {copy}")
    try:
        target.chmod(0o600)
        db.execute(f"copy from database {alias} to {copy}")
    finally:
        db.execute(f"detach {copy}")


def temp_path(path: Path) -> Path:
    """Return where to make a file that will replace `path`, after removing what an interrupted run left there."""
    draft = path.with_name(path.name + ".new")
    for leftover in (draft, log_of(draft)):
        leftover.unlink(missing_ok=True)
    return draft


def log_of(path: Path) -> Path:
    """Return the path of DuckDB's log, which holds what is not in the file yet."""
    return path.with_name(path.name + ".wal")


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _is_of_a_file(error: duckdb.Error) -> bool:
    """Say whether an error means that a file cannot be read or written, and not that a statement of ours is wrong.

    A block whose checksum is wrong is reported as a plain `duckdb.Error` where it is read, and as any other where it is
    met on the way to something else (a commit, a checkpoint, an index).
    """
    if type(error) is duckdb.Error or isinstance(error, _OF_A_FILE):
        return True
    return any(words in str(error) for words in _WORDS_OF_DAMAGE)


_OF_A_FILE = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.OutOfMemoryException,
    duckdb.InternalException,
    duckdb.SerializationException,
)
_WORDS_OF_DAMAGE = (
    "Corrupt",
    "corrupt",
    "checksum",
    "Failed to commit: Could not",  # write the log, for want of room
    "Failed to load metadata",
    _INVALIDATED,
)


def _unusable(path: Path, error: Exception) -> BadSettings:
    if "checksum" in str(error) or "orrupt" in str(error):
        return BadSettings(
            f"the file {path} is damaged (a part of it is not what was written there): start it anew with "
            f"{remedy(path)}: what is there already is then recognised"
        )
    return BadSettings(
        f"the file {path} cannot be read or written ({type(error).__name__}): is the disk full, the folder read-only "
        f"or the file damaged? Make room; a damaged file is started anew with {remedy(path)}: what is there "
        "already is then recognised"
    )
