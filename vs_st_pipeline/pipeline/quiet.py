"""Lets a sync that finds everything as it was end without opening the merchant's file: the quiet path.

Data flow: what an ordinary sync asked and heard (`Tape`), what comes next in turn (`Rereads`) -> `quiet.bin` -> the
same questions once more -> "nothing changed", or an ordinary sync that takes over what was heard.

Most syncs find nothing. A small file per merchant and route holds what such a sync asks, with a digest of each answer,
and what a report says of it. The next sync asks the same. If every answer is the same, everything that an ordinary sync
would have done comes to what is stored already, so it is done. At the first answer that differs, at any error, and
whenever something is due that is not in turn, the ordinary sync runs: it is the only one that changes anything.

The file is only a cache. It counts while the DuckDB file is the one that was left behind, unwritten (`file_stamp`), the
settings, the map, the versions and the day are the same, and nothing is due. Losing it costs one ordinary sync. It is
voided where an ordinary sync begins, so that one that dies leaves none. What was read again in turn is kept in it
(`seen`) until an ordinary sync stores when; if it is lost, that is read once more.

It is long because what is left, when it counts, and what is asked and told by it must agree in every line.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec

from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.forgotten_copy import COPY
from vs_st_pipeline.pipeline.route_files import named_for
from vs_st_pipeline.pipeline.session import Session
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.http.tape import EVERY_SYNC, Exchange, Turn
from vs_st_pipeline.platform.rereads import Heard, Reread, Rotation, Seen
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.stamp import file_stamp
from vs_st_pipeline.platform.warehouse.state import rotation_state, set_rotation_state

FILE: Final = "quiet.bin"
VERSION: Final = 1
"""Raised when the file's form changes, or when a sync asks for something that it did not ask for before."""

MOST_SEEN: Final = 2_000  # then an ordinary sync stores when they were read


class Told(msgspec.Struct):
    """What a report of a sync that hears the same says."""

    seen: dict[str, int]
    planned: dict[str, int]
    held: dict[str, int]
    noted: dict[str, int]
    waiting: tuple[int, int] | None
    unseen: list[str]
    orders_unseen: bool
    plan: str


class Quiet(msgspec.Struct):
    """What is kept between syncs; times are epoch seconds (UTC).

    Attributes:
        key: names settings, map and versions. day: the days that it counts for.
        file: the stamp of the DuckDB file, empty where all this does not count.
        forgotten: that of the copy of who was forgotten.
        saved_at: when an ordinary sync left it. due_at: when something is due that only an ordinary sync does.
        asks: what every sync asks, by stage. log: what it says that it asked, by stage.
        rotations: what comes next in turn, by system.
        seen: what was read again since, by system; not yet in the DuckDB file.
    """

    version: int
    key: bytes
    file: bytes
    forgotten: bytes
    day: str
    saved_at: float
    due_at: float
    asks: dict[str, list[Exchange]]
    log: dict[str, list[tuple[str, str, int, str]]]
    rotations: dict[str, list[Rotation]]
    told: Told
    seen: dict[str, list[Seen]] = {}


_ENCODER, _DECODER = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Quiet)


@dataclass(frozen=True, slots=True)
class Turns:
    """In which stage of a route a system's rotations are read, and what the report counts of their records.

    Attributes:
        stages: stage by rotation.
        counts: name of the report's count, by rotation, or by what else adds to it in one sync and not in the next.
    """

    stages: Mapping[str, str]
    counts: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class QuietPath:
    """The quiet path of one sync.

    Attributes:
        stages: all stages of the route, in their order.
        settings: what a sync asks and plans by, besides the systems; compared by its text.
        hinted: the sync has taken hints, which only an ordinary one reads.
        kept: what an earlier sync left, None where there is nothing usable. why: why it cannot be taken now.
    """

    session: Session
    connectors: Sequence[Connector[Any]]
    stages: Sequence[str]
    turns: Turns
    settings: tuple[object, ...]
    kept: Quiet | None = None
    why: str = ""
    hinted: bool = False
    _done: dict[str, dict[str, tuple[list[Reread], int]]] = field(default_factory=dict)
    _left: dict[tuple[str, str], float] = field(default_factory=dict)

    # --- asking the same once more ------------------------------------------------------------------------------------

    def nothing_changed(self) -> bool:
        """Ask what the last sync asked, and what is in turn; True if all is as it was: then the report is filled in.

        Nothing but `quiet.bin` is written. What was heard is kept for the ordinary sync that follows a False.

        Raises:
            TryLater: the run was stopped.
        """
        self.kept = self._read()
        self.why = self._why_not() or self._why_different()
        if self.why:
            return False
        self._tell()
        return True

    def _read(self) -> Quiet | None:
        try:
            kept = _DECODER.decode(path_of(self.session.run).read_bytes())
        except (OSError, msgspec.DecodeError):
            return None
        return kept if kept.version == VERSION else None

    def _why_not(self) -> str:
        run, kept = self.session.run, self.kept
        if run.full or run.dry_run or run.allow_unsafe or run.budget is not None:
            return "options"
        if self.hinted:
            return "hints"
        if kept is None:
            return "nothing kept"
        now = run.clock().timestamp()
        if kept.key != self._key():
            return "settings"
        if kept.day != day_of(run):
            return "day"
        if not kept.saved_at <= now < kept.due_at:
            return "due"
        if kept.file != file_stamp(run.file()) or kept.forgotten != _forgotten(run):
            return "file"
        if sum(map(len, kept.seen.values())) > MOST_SEEN:
            return "much seen"
        return self._take_turns(now)

    def _take_turns(self, now: float) -> str:
        """Work out what is in turn; return why an ordinary sync has to do it."""
        assert self.kept is not None
        for system, rotations in self.kept.rotations.items():
            for rotation in rotations:
                number, overdue, left = rotation.due(now)
                items = rotation.items[:number]
                if number > min(rotation.known, rotation.most) or any(not item.asks for item in items):
                    return f"turn of {rotation.name}"
                self._left[system, rotation.name] = left
                if items:
                    self._done.setdefault(system, {})[rotation.name] = (items, overdue)
        return ""

    def _why_different(self) -> str:
        """Ask; return at the first answer that is not as it was which call it answers."""
        assert self.kept is not None
        calls: dict[str, Counter[str]] = {}
        try:
            for stage in self.stages:
                for exchange in self._asks_of(stage):
                    if not self._ask(exchange, calls.setdefault(stage, Counter())):
                        return exchange.call
                    failpoint("asked again")
        finally:
            for stage, counted in calls.items():  # an ordinary sync takes the answers over, and so their requests
                self.session.done_of(stage).calls += counted
        return ""

    def _asks_of(self, stage: str) -> Iterable[Exchange]:
        assert self.kept is not None
        yield from self.kept.asks.get(stage, ())
        for rotations in self._done.values():
            for name, (items, _) in rotations.items():
                if self.turns.stages.get(name) == stage:
                    for item in items:
                        yield from item.asks

    def _ask(self, exchange: Exchange, calls: Counter[str]) -> bool:
        [connector] = [one for one in self.connectors if one.name == exchange.system]
        http = self.session.client(connector).http
        before = http.calls.total()
        try:
            same: bool = http.ask_again(exchange)
            return same
        finally:
            calls[f"{exchange.system} {exchange.call}"] += http.calls.total() - before

    def _tell(self) -> None:
        """Fill in the report, tell of each stage, and keep what was read again."""
        assert self.kept is not None
        session, report, told = self.session, self.session.report, self.kept.told
        fill(report, told)
        for rotations in self._done.values():
            for name, (items, _) in rotations.items():
                if name in self.turns.counts:
                    report.seen[self.turns.counts[name]] += sum(item.records for item in items)
        for stage in self.stages:
            session.do(stage, lambda session, stage=stage: session.run.request_log.extend(self._entries(stage)))
        self._keep_turns()

    def _entries(self, stage: str) -> list[RequestLogEntry]:
        assert self.kept is not None
        entries = [RequestLogEntry(*row) for row in self.kept.log.get(stage, ())]
        for connector in self.connectors:
            done = {
                name: found
                for name, found in self._done.get(connector.name, {}).items()
                if self.turns.stages.get(name) == stage
            }
            if done and connector.rereading is not None:
                entries += connector.rereading.say(done)
        return entries

    def _keep_turns(self) -> None:
        """Keep whose turn comes next, and what was read again."""
        kept, run = self.kept, self.session.run
        assert kept is not None
        now = run.clock().timestamp()
        for system, rotations in kept.rotations.items():
            for rotation in rotations:
                rotation.at, rotation.left = now, self._left[system, rotation.name]
                items, _ = self._done.get(system, {}).get(rotation.name, ([], 0))
                if not items:
                    continue
                kept.seen.setdefault(system, []).extend(
                    Seen(rotation.name, item.item, now, item.asks[0].digest) for item in items
                )
                for item in items:
                    item.at = now
                # Behind those that are known come others, before these have their turn again.
                again = [] if rotation.goes_on else sorted(items, key=lambda item: item.item)
                rotation.items = rotation.items[len(items) :] + again
        try:
            _write(path_of(run), kept)
        except OSError:  # a full disk: the next sync is an ordinary one, which tells of it
            forget_quiet(run)

    # --- the ordinary sync around it ----------------------------------------------------------------------------------

    def begin_ordinary(self) -> None:
        """Store when things were read again, and void what was kept: this sync may change anything.

        What was heard of things in turn stays: it counts again where they are stored as they were then. A dry run
        leaves all to the sync after it.
        """
        run, kept = self.session.run, self.kept
        if run.dry_run or kept is None:
            return
        # Another file need not hold what these were compared with.
        if kept.seen and kept.file == file_stamp(run.file()):
            with run.open() as db, db.transaction():
                self._store_seen(db)
        kept.file, kept.seen = b"", {}
        try:
            _write(path_of(run), kept)
        except OSError:  # a full disk
            forget_quiet(run)
        failpoint("quiet path left")

    def _store_seen(self, db: Db) -> None:
        assert self.kept is not None
        run = self.session.run
        for connector in self.connectors:
            if connector.rereading is not None and (seen := self.kept.seen.get(connector.name)):
                connector.rereading.note(db, seen)
        for rotations in self.kept.rotations.values():
            for rotation in rotations:
                at = datetime.fromtimestamp(rotation.at, UTC).replace(tzinfo=None)
                stored = rotation_state(db, rotation.name)
                if stored is not None and stored[0] < at <= run.now():
                    set_rotation_state(db, rotation.name, at, rotation.left, run.now())

    def record(self) -> None:
        """Record what this ordinary sync asks and hears."""
        self.session.tape.recording = True

    @property
    def may_be_left(self) -> bool:
        """Say whether the next sync asks what this one asked, as far as is known by now."""
        return self.session.tape.recording and self.session.tape.void is None and not self.session.report.to_write

    def leave(self, db: Db, *, due_at: Iterable[datetime] = ()) -> Callable[[], None] | None:
        """Work out what the next syncs may ask in place of an ordinary one; call it when nothing is to be written.

        Args:
            due_at: when something is due that the route does; UTC without zone.

        Returns:
            What writes it down: to be called when the file is closed, because closing it may write to it. None where
            the next sync has to be an ordinary one.
        """
        session, tape = self.session, self.session.tape
        run = session.run
        earlier = {
            (system, rotation.name, item.item): item
            for system, rotations in (self.kept.rotations if self.kept else {}).items()
            for rotation in rotations
            for item in rotation.items
        }
        rotations: dict[str, list[Rotation]] = {}
        ends = [at.replace(tzinfo=UTC).timestamp() for at in due_at if at < datetime.max]
        for connector in self.connectors:
            heard = Heard(
                {
                    (turn.name, turn.item): (tape.of_turn(turn.name, turn.item), tape.records.get(turn, 0))
                    for _, turn, exchange in tape.exchanges
                    if turn.name != EVERY_SYNC and exchange.system == connector.name
                },
                {
                    (name, item): found
                    for (system, name, item), found in earlier.items()
                    if system == connector.name and Turn(name, item) not in tape.dropped
                },
                tape.shown,
            )
            planned = connector.rereading.plan(run, db, heard) if connector.rereading is not None else None
            if planned is None:
                return None
            ends.append(planned.due_at)
            rotations[connector.name] = planned.rotations
        asks: dict[str, list[Exchange]] = {}
        for stage, turn, exchange in tape.exchanges:
            if turn.name == EVERY_SYNC:
                asks.setdefault(stage, []).append(exchange)
        log = {
            stage: [_row(entry.again) for entry in session.done_of(stage).asked if entry.again] for stage in self.stages
        }
        told = told_by(session.report)
        for name, count in self.turns.counts.items():
            told.seen[count] -= sum(added for turn, added in tape.records.items() if turn.name == name)
        now = run.clock().timestamp()
        kept = Quiet(
            *(VERSION, self._key(), b"", b"", day_of(run), now, min(ends, default=now)),
            *(asks, log, rotations, told),
        )
        return lambda: self._write_stamped(kept)

    def _write_stamped(self, kept: Quiet) -> None:
        run = self.session.run
        stamp = file_stamp(run.file())
        if stamp is None:
            return
        kept.file, kept.forgotten = stamp, _forgotten(run)
        with suppress(OSError):
            _write(path_of(run), kept)

    def _key(self) -> bytes:
        merchant = self.session.run.merchant
        accounts = [
            (account.base_url, account.key.reveal())
            for account in (connector.account(merchant) for connector in self.connectors)
        ]
        sections = sorted(merchant.sections.items())
        told = repr((accounts, sections, str(merchant.time_zone), merchant.keep_raw_bodies, self.settings))
        return blake2b(told.encode(), digest_size=16).digest()


def forget_quiet(run: Run) -> None:
    """Remove what is kept: it names records by their ids."""
    path = path_of(run)
    for one in (path, _draft(path)):
        one.unlink(missing_ok=True)


def path_of(run: Run) -> Path:
    """Return where a merchant's cache of this route is or would be."""
    return run.file().with_name(named_for(run.route, FILE))


def day_of(run: Run) -> str:
    """Return the days that a sync goes by: in the merchant's zone, by its clock, and by the machine's own."""
    return f"{run.today()} {run.now().date()} {datetime.now(UTC).date()}"


def told_by(report: Report) -> Told:
    """Return what a report says that a sync that hears the same would say too."""
    return Told(
        dict(report.seen), dict(report.planned), dict(report.held), dict(report.noted),
        report.waiting, list(report.unseen), report.orders_unseen, report.plan,
    )  # fmt: skip


def fill(report: Report, told: Told) -> None:
    """Say in a report what was told."""
    report.seen, report.planned = report.seen | told.seen, report.planned | told.planned
    report.held, report.noted = Counter(told.held), Counter(told.noted)
    report.waiting, report.unseen = told.waiting, list(told.unseen)
    report.orders_unseen, report.plan = told.orders_unseen, told.plan


def _row(entry: RequestLogEntry) -> tuple[str, str, int, str]:
    return entry.what, entry.why, entry.records, entry.found


def _forgotten(run: Run) -> bytes:
    """Return a stamp of the copy of who was forgotten, which other routes write too."""
    try:
        known = os.stat(run.file().with_name(COPY))
    except OSError:
        return b""
    return f"{known.st_ino} {known.st_size} {known.st_mtime_ns}".encode()


def _draft(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _write(path: Path, kept: Quiet) -> None:
    """Replace the file; it need not reach the disk before anything else, because losing it costs one ordinary sync."""
    draft = _draft(path)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=0) as file:
        file.write(_ENCODER.encode(kept))
    draft.replace(path)
