"""Stores webhook calls before they are answered, and hands their hints to syncs until they are settled.

Data flow: receiver, opt-in looks -> entries, hints -> claims by workers and whole syncs -> outcomes.

One SQLite file in the data folder, for any number of processes of one machine (routes.md R62). A commit is on the disk
(`synchronous=FULL`), also if the power goes. A read settles exactly the hints that were claimed before its request left
(webhooks-onboarding.md H18): a hint that is stored later waits for the next read.

It is long because every statement about the file stands here; who decides when to read what is `operations/worker`.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from sys import intern
from typing import Any, Final

from vs_st_pipeline.domain.hint_timing import ASKED_AGAIN, BARRED, FORGOTTEN, due_at
from vs_st_pipeline.domain.hints import OURS, WITHOUT_HINT, Call, Hint, HintState, Outcome
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.inbox.schema import STEPS
from vs_st_pipeline.platform.newer import newer
from vs_st_pipeline.platform.own_folder import make_own_folder
from vs_st_pipeline.platform.settings import environment

FILE: Final = "inbox.sqlite"
LEASE_SECONDS: Final = 60.0
AT_ONCE: Final = 1_000
"""Hints, or records with hints, that are changed in one transaction: whoever stores a call waits until it has ended."""
BUSY_SECONDS: Final = 5.0
_PAGES_IN_LOG: Final = 8000  # 32 MB: a call waits while the log is copied into the file, so that is done seldom
UNUSABLE: Final = (sqlite3.Error, OSError)
"""What the inbox raises where its file cannot be read or written."""

_OPEN = f"('{HintState.WAITING}', '{HintState.WORKING}')"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call to store.

    Attributes:
        routes: those that want its kind; the first one of the system where none does, so that it shows.
        at: by `VS_ST_NOW` where that is set; ISO.
        wanted: a route wants its kind; where none does, nothing is to be read.
        proves: the generation of the token by which it came, where that is not known to have reached its system.
    """

    merchant: str
    system: str
    call: Call
    routes: tuple[str, ...]
    at: str
    wanted: bool = True
    proves: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A record with waiting hints of one route.

    Attributes:
        first: when the first of its waiting hints was stored. count: how many wait.
        not_before: when a try that failed may be repeated; 0: at once.
        read_at: when it was read last for a hint; None: never, or more than an hour ago.
        fruitless: reads in a row that found nothing new.
        gone_at: when it answered 404 and was in no stored list.
        asked_again: 1: and was asked once more.
        opted_out: 1: it was told to have opted out, and its reading goes before others.
        held_until: a route of ours wrote it a moment ago: its hints wait until then (routes.md R49); 0: none does.
    """

    merchant: str
    route: str
    system: str
    kind: str
    record: str
    first: float
    count: int
    not_before: float
    read_at: float | None
    fruitless: int
    gone_at: float | None
    asked_again: int = 0
    opted_out: int = 0
    held_until: float = 0.0

    @property
    def due_at(self) -> float:
        """Return when it is due to be read (H28), or, where that is why, to be asked once more (H27)."""
        due = max(due_at(self.first, self.not_before, self.read_at, self.fruitless), self.held_until)
        if self.gone_at is not None and not self.asked_again:
            return max(due, self.gone_at + ASKED_AGAIN)
        return due

    def is_barred(self, now: float) -> bool:
        """Say whether its hints are dropped: it answered 404 twice, not long ago (H27)."""
        return self.gone_at is not None and bool(self.asked_again) and now < self.gone_at + BARRED


class Inbox:
    """The inbox of one data folder; any thread may use it.

    Attributes:
        path: of its file. clock: the machine's, epoch seconds.
    """

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self.path, self.clock = data_dir / FILE, clock
        self._threads = threading.local()

    @property
    def exists(self) -> bool:
        """Say whether anything was ever stored; where not, nothing waits."""
        return self.path.exists()

    def said_now(self) -> float:
        """Return now by `VS_ST_NOW` where that is set, else by the clock; epoch seconds."""
        if not os.environ.get("VS_ST_NOW", "").strip():
            return self.clock()
        return environment.now(os.environ).timestamp()

    # --- the file ---

    def _db(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._threads, "db", None)
        if found is not None and self._threads.of == (os.getpid(), _inode(self.path)):
            return found
        make_own_folder(self.path.parent)
        if not self.exists:
            # Never one that is there: closing any handle of it gives up the locks that this process holds by SQLite.
            # Then another process takes itself for the last one and removes the log, with what is written to it since.
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        db = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
        version = db.execute("pragma user_version").fetchone()[0]
        if version > len(STEPS):
            db.close()
            raise newer(self.path, version, len(STEPS))
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = full")
        db.execute(f"pragma wal_autocheckpoint = {_PAGES_IN_LOG}")
        db.execute("pragma secure_delete = on")
        db.execute("pragma foreign_keys = on")
        if version < len(STEPS):
            db.execute("begin immediate")
            at = db.execute("pragma user_version").fetchone()[0]
            if at < len(STEPS):
                for statement in ";".join(STEPS[at:]).split(";"):
                    db.execute(statement)
                db.execute(f"pragma user_version = {len(STEPS)}")
            db.execute("commit")
        self._threads.db, self._threads.of = db, (os.getpid(), _inode(self.path))
        return db

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        db = self._db()
        db.execute("begin immediate")
        try:
            yield db
            db.execute("commit")
        except BaseException:
            if db.in_transaction:  # where the disk is full, SQLite has rolled it back by itself
                db.execute("rollback")
            raise
        failpoint("inbox")

    def _write_each(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run a statement for each row, a thousand in a transaction: receivers wait for each to end."""
        left = iter(rows)
        while part := list(islice(left, AT_ONCE)):
            with self._write() as db:
                db.executemany(sql, part)

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db().execute(sql, values).fetchall() if self.exists else []

    def ask(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Return what a question of `questions` or `statistics` finds; nothing where nothing was ever stored."""
        return self._db().execute(sql, values).fetchall() if self.exists else []

    def close(self) -> None:
        """Close this thread's connection."""
        db: sqlite3.Connection | None = getattr(self._threads, "db", None)
        if db is not None:
            db.close()
            self._threads.db = None

    # --- what is stored ---

    def put(self, arrivals: Sequence[Arrival]) -> None:
        """Store calls in one commit; the same event id again counts up `times`, and is no second hint (H17)."""
        now = self.clock()
        with self._write() as db:
            for one in arrivals:
                self._put(db, one, now)

    def _put(self, db: sqlite3.Connection, one: Arrival, now: float) -> None:
        call = one.call
        if one.proves is not None:
            token = [one.merchant, one.system, one.proves, now]
            db.execute("insert or ignore into tokens values (?, ?, ?, ?)", token)
        row = db.execute(
            """insert into entries (merchant, system, stored_at, at, event_id, event, kind, id, phone, kept)
               values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
               on conflict (merchant, system, event_id) do update set times = times + 1 returning entry, times""",
            [one.merchant, one.system, now, one.at, call.event_id, call.event, call.kind, call.id, call.phone,
             json.dumps(call.kept)],
        ).fetchone()  # fmt: skip
        entry, times = row
        if times > 1:  # sent again: it says nothing that is not known, not even that somebody opted out anew
            return
        if call.opts_out:
            records = [one.merchant, call.id], [one.merchant, call.phone]
            db.executemany(
                "insert or replace into opt_outs values (?, ?, ?)",
                [(merchant, record, now) for merchant, record in records if record],
            )
        done = call.kind in WITHOUT_HINT or not one.wanted
        for route in one.routes:
            db.execute(
                """insert into hints (entry, merchant, route, system, kind, record, stored_at, state, outcome,
                                      settled_at)
                   values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                [entry, one.merchant, route, one.system, call.kind, call.id or call.phone or "", now,
                 HintState.DONE if done else HintState.WAITING, Outcome.NO_HINT if done else None,
                 now if done else None],
            )  # fmt: skip

    def refuse(self, refused: Iterable[tuple[str, str]]) -> None:
        """Note calls, by merchant and system, that had a right URL and a wrong header or signature."""
        now = self.clock()
        with self._write() as db:
            db.executemany("insert into refusals values (?, ?, ?)", [(*one, now) for one in refused])

    def proved_tokens(self) -> frozenset[tuple[str, str, int]]:
        """Return the tokens by which a call has come (merchant, system, generation), as far as `proves` asked for it.

        Where that cannot be read now there are none: older tokens are taken for longer then.
        """
        try:
            rows = self._rows("select merchant, system, generation from tokens")
        except sqlite3.Error:
            return frozenset()
        return frozenset((row[0], row[1], row[2]) for row in rows)

    def replay(self, entries: Iterable[int]) -> int:
        """Let settled hints of these entries wait again; return how many. What asked for nothing asks for nothing."""
        now, count = self.clock(), 0
        kinds = ", ".join(f"'{kind}'" for kind in sorted(WITHOUT_HINT))
        with self._write() as db:
            for entry in entries:
                count += db.execute(
                    f"""update hints set state = 'waiting', outcome = null, error = null, lag = null, settled_at = null,
                               not_before = 0, tries = 0, stored_at = ?, replayed = replayed + 1
                        where entry = ? and state in ('done', 'expired', 'dropped') and kind not in ({kinds})""",
                    [now, entry],
                ).rowcount
        return count

    # --- what is kept, and how long (H19, routes.md R31) ---

    def expire(self, keep: float, never: Iterable[str] = ()) -> int:
        """Delete what was settled so many seconds ago; return how many hints expired: they have waited longer.

        A hint that expires is settled by that, so that it shows for as long as any other.

        Args:
            never: systems whose calls cannot be asked for again: theirs wait for as long as it takes, but `OURS`.
        """
        if not self.exists:
            return 0
        before, never, expired = self.clock() - keep, list(never), 0
        ours = ", ".join(f"'{kind}'" for kind in sorted(OURS))
        may = f"and (system not in ({', '.join('?' * len(never))}) or kind in ({ours}))" if never else ""
        while changed := self._some(
            f"""update hints set state = 'expired', settled_at = ?, owner = null, lease_until = null where hint in
                    (select hint from hints where state = 'waiting' and stored_at < ? {may} limit {AT_ONCE})""",
            [self.clock(), before, *never],
        ):
            expired += changed
        while self._some(
            f"""delete from entries where entry in (
                    select entry from entries where stored_at < ? and not exists (
                        select 1 from hints where hints.entry = entries.entry
                          and (state in ('waiting', 'working') or settled_at >= ?)) limit {AT_ONCE})""",
            [before, before],
        ):
            pass
        with self._write() as db:
            for table, column in (("refusals", "at"), ("beats", "at"), ("gone_reads", "at"), ("records", "read_at")):
                db.execute(f"delete from {table} where {column} < ?", [min(before, self.clock() - 86_400)])
            db.execute("delete from written where until < ?", [self.clock()])
        return expired

    def _some(self, sql: str, values: Sequence[Any]) -> int:
        """Change some rows, and let others write before the next ones: calls wait for no more than a moment."""
        with self._write() as db:
            count = db.execute(sql, values).rowcount
        if count == AT_ONCE:
            time.sleep(0.02)
        return count

    # --- who waits ---

    def waiting(self, merchants: Sequence[str] = (), *, route: str | None = None) -> list[Record]:
        """Return the records with waiting hints, the longest waiting first.

        Args:
            merchants: only theirs; empty: all. route: only this route's; None: all.
        """
        wheres, values = ["h.state = 'waiting'"], list[Any]([self.clock(), self.said_now()])
        if merchants:
            wheres.append(f"h.merchant in ({', '.join('?' * len(merchants))})")
            values += merchants
        if route is not None:
            wheres.append("h.route = ?")
            values.append(route)
        rows = self._rows(
            f"""select h.merchant, h.route, h.system, h.kind, h.record, min(h.stored_at), count(*), max(h.not_before),
                       r.read_at, coalesce(r.fruitless, 0), r.gone_at, coalesce(r.asked_again, 0),
                       h.kind = 'contact' and exists (select 1 from opt_outs as o
                                                      where o.merchant = h.merchant and o.record = h.record),
                       {HELD_UNTIL.replace(":now", "?").replace(":said", "?")}
                from hints as h {READ_BEFORE}
                where {" and ".join(wheres)}
                group by h.merchant, h.route, h.system, h.kind, h.record order by 6""",
            values,
        )
        return [Record(*row) for row in rows]

    def unclaimed(self, merchant: str, route: str) -> list[Hint]:
        """Return the hints that wait, oldest first, for who only looks; nobody has claimed them by that."""
        which = "h.merchant = ? and h.route = ? and h.state = 'waiting' order by h.hint"
        rows = self._rows(f"{_HINTS_WHERE} {which}", [merchant, route])
        return [_hint(*row) for row in rows]

    def open_of(self, merchant: str, route: str, system: str, kinds: Collection[str]) -> list[Hint]:
        """Return hints of some kinds that are not settled, whether they wait or somebody has them; it claims none."""
        which = f"""h.merchant = ? and h.route = ? and h.system = ? and h.state in {_OPEN}
                    and h.kind in ({", ".join("?" * len(kinds))}) order by h.hint"""
        rows = self._rows(f"{_HINTS_WHERE} {which}", [merchant, route, system, *sorted(kinds)])
        return [_hint(*row) for row in rows]

    def is_open_elsewhere(self, hint: Hint) -> bool:
        """Say whether another route has a hint of the same record that it has not settled."""
        return bool(
            self._rows(
                f"""select 1 from hints where merchant = ? and route <> ? and system = ? and kind = ? and record = ?
                    and state in {_OPEN} limit 1""",
                [hint.merchant, hint.route, *hint.record],
            )
        )

    def newest_done(self, merchant: str, route: str, system: str) -> int:
        """Return the number of the newest entry of a system that was done for a route; 0: none is kept."""
        [(newest,)] = self._rows(
            "select max(entry) from hints where merchant = ? and route = ? and system = ? and state = 'done'",
            [merchant, route, system],
        )
        return int(newest or 0)

    def done(self, merchant: str, route: str, system: str) -> list[Hint]:
        """Return the hints of a system that are done and still kept, oldest first; it changes nothing."""
        which = "h.merchant = ? and h.route = ? and h.system = ? and h.state = 'done' order by h.hint"
        rows = self._rows(f"{_HINTS_WHERE} {which}", [merchant, route, system])
        return [_hint(*row) for row in rows]

    def to_ask_again(self, waiting: Iterable[Record] = ()) -> list[Record]:
        """Return records that answered 404 once and were in no stored list: they are asked once more, without a hint.

        Their `count` is 0. Those of them that wait by a hint are left out.
        """
        known = {(one.merchant, one.route, *_name(one)) for one in waiting}
        rows = self._rows(
            """select merchant, route, system, kind, record, gone_at, 0, 0.0, null, fruitless, gone_at from records
               where gone_at > ? and not asked_again""",
            [self.clock() - BARRED],
        )
        return [Record(*row) for row in rows if row[:5] not in known]

    def claim(
        self, records: Iterable[Record], owner: str, *, lease: float = LEASE_SECONDS, run_id: str | None = None
    ) -> list[Hint]:
        """Claim all waiting hints of these records, and return them; what others claimed meanwhile is left out.

        When a record was due is kept with its hints (`not_before`): how late they are is counted from then, since until
        then they waited because they were to (H28, R49).

        Args:
            owner: who claims: unique to a process's sync.
            lease: seconds until others may have them, if they are not renewed.
        """
        found, now = list[Hint](), self.clock()
        with self._write() as db:
            for one in records:
                rows = db.execute(
                    """update hints set state = 'working', owner = ?, lease_until = ?, run_id = ?,
                              not_before = max(not_before, ?)
                       where merchant = ? and route = ? and system = ? and kind = ? and record = ?
                         and state = 'waiting' returning hint""",
                    [
                        owner,
                        now + lease,
                        run_id,
                        min(one.due_at, now),
                        one.merchant,
                        one.route,
                        one.system,
                        one.kind,
                        one.record,
                    ],
                ).fetchall()
                found += self._hints(db, [row[0] for row in rows])
                if not one.count:
                    found += self._ask_again(db, one, len(found))
        return sorted(found, key=lambda hint: hint.hint)

    def _ask_again(self, db: sqlite3.Connection, one: Record, place: int) -> list[Hint]:
        """Take a record that is asked once more without a hint; what stands for one has a number below 0."""
        taken = db.execute(
            """update records set asked_again = 1 where merchant = ? and system = ? and kind = ? and record = ?
               and route = ? and not asked_again and gone_at is not null""",
            [one.merchant, *_name(one), one.route],
        ).rowcount
        if not taken:
            return []
        hint = Hint(
            -1 - place, 0, one.merchant, one.route, one.system, one.kind, one.record, None, None, None,
            one.first, datetime.fromtimestamp(self.clock(), UTC).isoformat(), 0, HintState.WORKING,
        )  # fmt: skip
        return [hint]

    def _hints(self, db: sqlite3.Connection, numbers: Sequence[int]) -> list[Hint]:
        if not numbers:
            return []
        these = ", ".join("?" * len(numbers))
        rows = db.execute(f"{_HINTS_WHERE} h.hint in ({these})", numbers).fetchall()
        return [_hint(*row) for row in rows]

    def renew(self, owner: str, lease: float = LEASE_SECONDS) -> None:
        """Keep what this owner has claimed."""
        with self._write() as db:
            db.execute(
                "update hints set lease_until = ? where owner = ? and state = 'working' and lease_until is not null",
                [self.clock() + lease, owner],
            )

    def take_back_dead(self) -> None:
        """Let hints wait again whose lease is over: their worker is dead."""
        if self._rows("select 1 from hints where state = 'working' and lease_until < ? limit 1", [self.clock()]):
            with self._write() as db:
                db.execute(
                    """update hints set state = 'waiting', owner = null, lease_until = null
                       where state = 'working' and lease_until < ?""",
                    [self.clock()],
                )

    def queued(self, merchant: str, route: str) -> list[Hint]:
        """Return the hints that an earlier whole sync took and whose records it left for the next one."""
        if not self.exists:
            return []
        db = self._db()
        rows = db.execute(
            """select hint from hints
               where merchant = ? and route = ? and state = 'working' and lease_until is null""",
            [merchant, route],
        ).fetchall()
        return self._hints(db, [row[0] for row in rows])

    def queue(self, hints: Iterable[Hint], run_id: str) -> None:
        """Leave claimed hints to the next whole sync: their records are in its queue. No lease ends."""
        self._write_each(
            "update hints set owner = 'queue', lease_until = null, run_id = ? where hint = ? and state = 'working'",
            ((run_id, one.hint) for one in hints),
        )

    def settle(
        self,
        hints: Iterable[Hint],
        outcome: Outcome,
        *,
        run_id: str | None = None,
        written_at: float | None = None,
        state: HintState = HintState.DONE,
    ) -> None:
        """Settle hints that were claimed.

        Args:
            written_at: when the last ledger commit was, for the lag; None where nothing was written.
        """
        now = self.clock()
        self._write_each(
            """update hints set state = ?, outcome = ?, error = null, owner = null, lease_until = null,
                      settled_at = ?, run_id = coalesce(?, run_id), lag = ? where hint = ?""",
            (
                (state, outcome, now, run_id, None if written_at is None else written_at - one.stored_at, one.hint)
                for one in hints
            ),
        )

    def settle_owned(self, owner: str, outcome: Outcome, *, run_id: str | None = None) -> None:
        """Settle all that an owner has claimed, and that nobody has settled, as done."""
        self._change_owned(
            """state = 'done', outcome = ?, error = null, owner = null, lease_until = null, settled_at = ?,
               run_id = coalesce(?, run_id), lag = null""",
            [outcome, self.clock(), run_id],
            owner,
        )

    def _change_owned(self, sets: str, values: Sequence[Any], owner: str) -> None:
        """Change all that an owner has claimed, a thousand in a transaction."""
        changed = AT_ONCE
        while changed == AT_ONCE:
            with self._write() as db:
                changed = db.execute(
                    f"""update hints set {sets} where hint in (
                            select hint from hints where owner = ? and state = 'working' limit {AT_ONCE})""",
                    [*values, owner],
                ).rowcount

    def give_back(self, hints: Iterable[Hint], *, not_before: float = 0.0, error: str | None = None) -> None:
        """Let claimed hints wait again.

        Args:
            not_before: for a try that failed: when the next one may be.
            error: its kind; then it counts as a try.
        """
        self._write_each(
            """update hints set state = 'waiting', owner = null, lease_until = null, not_before = ?, error = ?,
                      tries = tries + ? where hint = ? and state = 'working'""",
            ((not_before, error, int(error is not None), one.hint) for one in hints),
        )

    def release(self, owner: str) -> None:
        """Let all that an owner has claimed wait again: it is stopping."""
        self._change_owned("state = 'waiting', owner = null, lease_until = null", [], owner)

    # --- how soon a record is read again (H27, H28) ---

    def note_read(
        self,
        merchant: str,
        system: str,
        kind: str,
        record: str,
        *,
        route: str,
        news: bool,
        gone: bool = False,
    ) -> None:
        """Note that a route read a record for a hint; another route's reads are its own.

        Args:
            news: it was another body than the stored one.
            gone: it is in no stored list, and answered 404: asked once more for this route, and then not for a while.
        """
        now = self.clock()
        with self._write() as db:
            db.execute(
                """insert into records (merchant, system, kind, record, route, read_at, fruitless, gone_at)
                   values (?, ?, ?, ?, ?, ?, ?, ?)
                   on conflict do update set read_at = excluded.read_at, gone_at = excluded.gone_at,
                     asked_again = excluded.gone_at is not null and gone_at is not null and gone_at > ?,
                     fruitless = case when ? then 0 when read_at < ? then 1 else fruitless + 1 end""",
                [merchant, system, kind, record, route, now, int(not news), now if gone else None, now - BARRED, news,
                 now - FORGOTTEN],
            )  # fmt: skip
            if gone:
                db.execute("insert into gone_reads values (?, ?)", [merchant, now])

    def note_written(
        self, merchant: str, system: str, kind: str, record: str, *, but: Iterable[str] = (), seconds: float = 600.0
    ) -> None:
        """Note that a route of ours wrote a record: what calls of it tell for a while is known (routes.md R49).

        Its hints wait until then, in whatever route, by the machine's clock or by `VS_ST_NOW`, whichever comes first.
        Where nothing was ever stored, nobody calls, and nothing is noted.

        Args:
            but: events, in capital letters, that tell something else: a hint of one of them makes the record due.
        """
        if not self.exists:
            return
        with self._write() as db:
            db.execute(
                "insert or replace into written values (?, ?, ?, ?, ?, ?, ?)",
                [
                    merchant,
                    system,
                    kind,
                    record,
                    self.clock() + seconds,
                    self.said_now() + seconds,
                    json.dumps(list(but)),
                ],
            )

    def gone_reads(self, merchant: str, within: float = 3600.0) -> int:
        """Count the reads of a merchant that answered 404 for an id in no stored list, in the last seconds."""
        rows = self._rows(
            "select count(*) from gone_reads where merchant = ? and at > ?", [merchant, self.clock() - within]
        )
        return int(rows[0][0]) if rows else 0

    def spend(self, merchant: str, system: str, requests: int, rate: float, size: float = 60.0) -> bool:
        """Take requests from a bucket that is filled at this rate; False, and nothing is taken, where it has too few.

        Args:
            rate: requests a second.
        """
        now = self.clock()
        with self._write() as db:
            row = db.execute(
                "select requests, at from buckets where merchant = ? and system = ?", [merchant, system]
            ).fetchone()
            left = size if row is None else min(size, row[0] + max(0.0, now - row[1]) * rate)
            enough = left >= requests
            db.execute(
                "insert or replace into buckets values (?, ?, ?, ?)",
                [merchant, system, left - requests if enough else left, now],
            )
        return enough

    # --- rests, and whole syncs that are due ---

    def rest(self, merchant: str, route: str, error: str) -> None:
        """Have targeted syncs of a merchant and route rest until a whole sync ends well (H30)."""
        with self._write() as db:
            db.execute("insert or ignore into rests values (?, ?, ?, ?)", [merchant, route, error, self.clock()])

    def wake(self, merchant: str, route: str) -> None:
        """End a rest: a whole sync ended `ok` or `partial`."""
        if self._rows("select 1 from rests where merchant = ? and route = ?", [merchant, route]):
            with self._write() as db:
                db.execute("delete from rests where merchant = ? and route = ?", [merchant, route])

    def resting(self) -> dict[tuple[str, str], str]:
        """Return the error of each merchant and route at rest."""
        return {(row[0], row[1]): row[2] for row in self._rows("select merchant, route, error from rests")}

    def want_whole(self, merchant: str, route: str, *, every: float = 300.0) -> bool:
        """Make a whole sync due, at most once in so many seconds; say whether it is newly so.

        Where one was had for the last wish, and not long ago, the next one is due when the time is over: the hints that
        want it came after that one had begun.
        """
        now = self.clock()
        with self._write() as db:
            return bool(
                db.execute(
                    """insert into wholes (merchant, route, wanted_at) values (?, ?, ?)
                       on conflict do update set wanted_at = max(excluded.wanted_at, wanted_at + ?)
                       where wanted_at <= ? or wanted_at <= met_at""",
                    [merchant, route, now, every, now - every],
                ).rowcount
            )

    def wholes_due(self, route: str) -> set[str]:
        """Return the merchants of whom hints want a whole sync of a route, and none that began since has ended."""
        rows = self._rows(
            "select merchant from wholes where route = ? and wanted_at > met_at and wanted_at <= ?",
            [route, self.clock()],
        )
        return {row[0] for row in rows}

    def whole_ended(self, merchant: str, route: str, began: float, *, well: bool) -> None:
        """Note that a whole sync has ended: what wanted one before it began has it; a rest ends if it went well (H30).

        Args:
            began: by `clock`. well: it ended `ok` or `partial`.
        """
        rows = self._rows(
            "select 1 from wholes where merchant = ? and route = ? and wanted_at > met_at and wanted_at <= ?",
            [merchant, route, began],
        )
        if rows:
            with self._write() as db:
                db.execute("update wholes set met_at = ? where merchant = ? and route = ?", [began, merchant, route])
        if well:
            self.wake(merchant, route)

    def may_yield(self, merchant: str, route: str, every: float = 300.0) -> bool:
        """Say whether a whole sync may end its reading in turn for a hint, and note it: once in so long (R63)."""
        now = self.clock()
        with self._write() as db:
            return bool(
                db.execute(
                    """insert into yielded values (?, ?, ?)
                       on conflict do update set at = excluded.at where at <= ?""",
                    [merchant, route, now, now - every],
                ).rowcount
            )

    # --- opt-outs (H23) ---

    def opt_outs(self, merchant: str) -> dict[str, float]:
        """Return when an opt-out was stored of contacts that may not be written, by contact id or ten digits."""
        return dict(self._rows("select record, stored_at from opt_outs where merchant = ?", [merchant]))

    def lift_opt_outs(self, merchant: str, records: Iterable[str], read_began: float) -> None:
        """Let contacts be written again that a reading showed as opted in, if it began after the opt-out was stored."""
        with self._write() as db:
            db.executemany(
                "delete from opt_outs where merchant = ? and record = ? and stored_at < ?",
                [(merchant, one, read_began) for one in records],
            )

    # --- looks at lists (opt-in looks) ---

    def place_looks(self, first: Mapping[str, float], latest: Mapping[str, float]) -> None:
        """Place the first look of each merchant that has none so far.

        Args:
            latest: when each is due at the latest: one that stands later was placed by a longer period, or by a clock
                that was wrong, and is placed anew.
        """
        known = dict(self._rows("select merchant, next_at from looks where next_at >= 0"))
        new = [(merchant, at) for merchant, at in first.items() if known.get(merchant, math.inf) > latest[merchant]]
        if new:
            with self._write() as db:
                db.executemany(
                    "insert into looks values (?, ?, null) on conflict do update set next_at = excluded.next_at", new
                )

    def looks(self, until: float = math.inf) -> dict[str, float]:
        """Return when each merchant is looked at next, as far as that is placed, and by then."""
        return dict(self._rows("select merchant, next_at from looks where next_at between 0 and ?", [until]))

    def claim_look(self, merchant: str, next_at: float) -> bool:
        """Take a look that is due, and place the next one; False where another worker has taken it."""
        with self._write() as db:
            taken = db.execute(
                "update looks set next_at = ? where merchant = ? and next_at >= 0 and next_at < ?",
                [next_at, merchant, next_at],
            )
            return bool(taken.rowcount)

    def seen(self, merchant: str) -> tuple[str | None, dict[str, str]]:
        """Return the greatest time of an update that was seen of a merchant, and what was seen of the time before."""
        since = self._rows("select since from looks where merchant = ?", [merchant])
        rows = self._rows("select contact, updated from looked_at where merchant = ?", [merchant])
        return (since[0][0] if since else None), dict(rows)

    def note_seen(self, merchant: str, rows: Mapping[str, str], *, newest: str | None, forget_before: str) -> None:
        """Note what a look or a whole sync saw. Times are texts that sort as times do.

        Args:
            newest: the greatest time that can be right; None: there is none. forget_before: what is older is forgotten.
        """
        with self._write() as db:
            db.executemany(
                """insert into looked_at values (?, ?, ?)
                   on conflict do update set updated = max(updated, excluded.updated)""",
                [(merchant, one, updated) for one, updated in rows.items()],
            )
            db.execute("delete from looked_at where merchant = ? and updated < ?", [merchant, forget_before])
            db.execute(
                """insert into looks values (?, -1, ?)
                   on conflict do update set since = max(coalesce(since, ''), coalesce(excluded.since, ''))""",
                [merchant, newest],
            )

    # --- who is alive ---

    def beat(self, who: str) -> None:
        """Note that a `receiver` or `worker` of this process is alive."""
        with self._write() as db:
            db.execute("insert or replace into beats values (?, ?, ?)", [who, os.getpid(), self.clock()])

    def last_beat(self, who: str) -> float | None:
        """Return when one of them was last alive; None: never."""
        rows = self._rows("select max(at) from beats where who = ?", [who])
        return rows[0][0] if rows else None

    # --- leaving ---

    def forget(self, merchant: str, names: Iterable[tuple[str, str]]) -> int:
        """Delete what names a person, hints that wait too; return how many entries there were.

        Args:
            names: kind and value of each: a phone's ten digits, or the id of a record by its kind.
        """
        if not self.exists:
            return 0
        named = [(merchant, kind, value) for kind, value in names]
        count = 0
        with self._write() as db:
            for one in named:
                count += db.execute(
                    """delete from entries where merchant = ?1
                         and ((kind = ?2 and id = ?3) or (?2 = 'phone' and phone = ?3)
                              or (?2 = 'customer' and kind = 'membership'
                                  and instr(kept, '/customers/' || ?3 || '/')))""",
                    one,
                ).rowcount
                for table, which in (
                    ("records", "(kind = ?2 or ?2 = 'phone') and record = ?3"),
                    ("written", "kind = ?2 and record = ?3"),
                    ("opt_outs", "?2 in ('contact', 'phone') and record = ?3"),
                    ("looked_at", "?2 = 'contact' and contact = ?3"),
                ):
                    db.execute(f"delete from {table} where merchant = ?1 and {which}", one)
        self._leave_nothing()
        return count

    def forget_kept(self, merchant: str, system: str, names: Callable[[Mapping[str, Any]], bool]) -> int:
        """Delete entries of a system whose content names a person, hints that wait too; return how many there were.

        Args:
            names: says whether what is kept of a call does.
        """
        if not self.exists:
            return 0
        with self._write() as db:
            rows = db.execute("select entry, kept from entries where merchant = ? and system = ?", [merchant, system])
            found = [(entry,) for entry, kept in rows if names(json.loads(kept))]
            db.executemany("delete from entries where entry = ?", found)
        self._leave_nothing()
        return len(found)

    def _leave_nothing(self) -> None:
        """Have what was deleted leave the log beside the file as well; who reads it now keeps a part till then."""
        with suppress(sqlite3.OperationalError):
            self._db().execute("pragma wal_checkpoint(truncate)").fetchall()

    def remove(self, merchant: str) -> int:
        """Delete everything of a merchant; return how many entries there were."""
        if not self.exists:
            return 0
        with self._write() as db:
            count = int(db.execute("select count(*) from entries where merchant = ?", [merchant]).fetchone()[0])
            for table in ("hints", "entries", "records", "written", "gone_reads", "buckets", "rests", "wholes",
                          "yielded", "opt_outs", "looks", "looked_at", "refusals", "tokens"):  # fmt: skip
                db.execute(f"delete from {table} where merchant = ?", [merchant])
        self._leave_nothing()
        return count


def inbox_in(data_dir: Path) -> Inbox | None:
    """Return the inbox of a data folder, one object per process; None where nothing was ever stored: one look."""
    if not os.path.exists(data_dir / FILE):
        return None
    return _INBOXES.setdefault(data_dir, Inbox(data_dir))


_INBOXES: dict[Path, Inbox] = {}


def _inode(path: Path) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return 0


def _name(one: Record) -> tuple[str, str, str]:
    return one.system, one.kind, one.record


READ_BEFORE: Final = """left join records as r
  on (r.merchant, r.system, r.kind, r.record, r.route) = (h.merchant, h.system, h.kind, h.record, h.route)
left join written as w on (w.merchant, w.system, w.kind, w.record) = (h.merchant, h.system, h.kind, h.record)"""
"""Joins to hints when the route read the record last, and whether a route of ours has just written it."""

HELD_UNTIL: Final = """coalesce(max(case when w.until > :now and w.said_until > :said and not exists (
    select 1 from hints as g join entries as e using (entry), json_each(w.but) as u
    where (g.merchant, g.route, g.system, g.kind, g.record) = (h.merchant, h.route, h.system, h.kind, h.record)
      and g.state = 'waiting' and upper(trim(e.event)) = u.value) then w.until end), 0.0)"""
"""Until when the hints of a record wait because a route of ours wrote it; `:said` is now by `VS_ST_NOW`."""

_HINTS_WHERE: Final = """
select h.hint, h.entry, h.merchant, h.route, h.system, h.kind, e.id, e.phone, e.event, e.event_id, h.stored_at, e.at,
       h.tries, h.state, e.kept
from hints as h join entries as e using (entry) where"""
"""The columns of a hint, in the order in which `_hint` takes them; what follows says which."""


def _hint(
    number: int, entry: int, merchant: str, route: str, system: str, kind: str, id_: str | None, phone: str | None,
    event: str | None, event_id: str | None, stored_at: float, at: str, tries: int, state: str, kept: str,
) -> Hint:  # fmt: skip
    """Return a hint; of a word that thousands of hints share there is one."""
    words = intern(merchant), intern(route), intern(system), intern(kind)
    id_, event = None if id_ is None else intern(id_), None if event is None else intern(event)
    return Hint(
        number, entry, *words, id_, phone, event, event_id, stored_at, intern(at), tries, HintState(state), kept
    )
