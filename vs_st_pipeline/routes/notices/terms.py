"""Keeps since when a merchant is told of anything, and since when of each status (notices.md 2.3, 5.1; rulings 28).

Data flow: the begin of a run -> synced.notice_facts, and a line with fsync in the merchant's evidence (routes.md R35);
a lost database is filled from there.

    started_at           begin of the first run; `vs-st notices baseline` sets it anew
    baseline_done        the first complete read was seen, all that it showed is `in_baseline`
    enabled_since:KEY    begin of the first sync that planned to its end with KEY enabled; gone while it is disabled
    source_since:NAME    begin of the sync in which that source's first complete read was seen; gone while it is not
                         in the settings. Of the sources that were there at the start: `started_at`; of one whose times
                         are read by another zone: begin of the sync that did so first
    times_read_by:NAME   that zone; not in the evidence, since an older database has read by an older one
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

STARTED_AT: Final = "started_at"
BASELINE_DONE: Final = "baseline_done"
ENABLED_SINCE: Final = "enabled_since:"
SOURCE_SINCE: Final = "source_since:"
TIMES_READ_BY: Final = "times_read_by:"
_KIND: Final = "notice_fact"  # of a line of evidence
_READ_TO: Final = "evidence_read_to"  # fact: how far the evidence was read, as this database knows


@dataclass(frozen=True, slots=True)
class Terms:
    """Since when what is told. Times are UTC without zone.

    Attributes:
        started_at: of the merchant. has_baseline: the first complete read was seen; until then nothing is due.
        enabled_since: by status, of those that are enabled now; one that this run sees first: the run's begin.
        source_since: by system; what occurred there before is not told.
    """

    started_at: datetime
    has_baseline: bool
    enabled_since: Mapping[str, datetime] = field(default_factory=dict)
    source_since: Mapping[str, datetime] = field(default_factory=dict)

    def since(self, merchant_order: str) -> datetime:
        """Return since when an order (SOURCE:ID) may be told of: the merchant's begin, or its source's, if later."""
        return max(self.started_at, self.source_since.get(merchant_order.partition(":")[0], self.started_at))

    def enabled_at(self, status: str) -> datetime:
        """Return since when a status is enabled; one of which nobody knows that, since the merchant's begin."""
        return self.enabled_since.get(status, self.started_at)


def load(db: Db, run: Run, enabled: Collection[str], begun: datetime) -> Terms:
    """Return what holds for this run; nothing is stored yet.

    Args:
        enabled: statuses that are enabled now. begun: when the run began.
    """
    stored = {name: datetime.fromisoformat(value) for name, value in _stored(db, run).items()}
    names = {ENABLED_SINCE + one: one for one in enabled}
    return Terms(
        started_at=stored.get(STARTED_AT, begun),
        has_baseline=BASELINE_DONE in stored,
        enabled_since={status: stored.get(name, begun) for name, status in names.items()},
        source_since={
            name.removeprefix(SOURCE_SINCE): at for name, at in stored.items() if name.startswith(SOURCE_SINCE)
        },
    )


def begun_at(db: Db) -> datetime | None:
    """Return since when the merchant is told of anything; None: nothing was planned yet."""
    found = db.value("select value from synced.notice_facts where name = ?", [STARTED_AT])
    return None if found is None else datetime.fromisoformat(found)


def _stored(db: Db, run: Run) -> dict[str, str]:
    """Return the facts that stand here; of a database that has none, those of the evidence but the baseline.

    A baseline is of what was staged, and a lost database has staged nothing: it is seen anew.
    """
    found = {
        name: value
        for name, value in db.rows("select name, value from synced.notice_facts")
        if name in (STARTED_AT, BASELINE_DONE) or name.startswith((ENABLED_SINCE, SOURCE_SINCE))
    }
    if STARTED_AT in found:
        return found
    told: dict[str, str | None] = {}
    for line in EvidenceFile.of(run).read():
        if line.get("kind") == _KIND:
            told[str(line["name"])] = line["value"]
    return found | {name: value for name, value in told.items() if value is not None and not _is_of_staged(name)}


def _is_of_staged(name: str) -> bool:
    """Say whether a fact is about what this database has staged: another one knows nothing of it."""
    return name == BASELINE_DONE or name.startswith(SOURCE_SINCE)


def recover(db: Db, run: Run) -> None:
    """Take over what the evidence knows and this database does not: an older one may have been put back (R35).

    Of two times the later one counts, and a status that was disabled since then is enabled anew. What the first run
    has not stored yet is `load`'s.
    """
    file = EvidenceFile.of(run)
    position = file.position()
    here = json.dumps([position.inode, position.size])
    stored = dict(db.rows("select name, value from synced.notice_facts"))
    if STARTED_AT not in stored or stored.get(_READ_TO) == here:
        return
    inode, size = json.loads(stored.get(_READ_TO, "[0, 0]"))
    told: dict[str, str | None] = {}
    for line in file.read(size if inode == position.inode and size <= position.size else 0):
        if line.get("kind") == _KIND and not _is_of_staged(line["name"]):
            told[str(line["name"])] = line["value"]
    with db.transaction():
        for name, value in told.items():
            if name not in stored or value == stored[name]:
                continue
            if value is None:
                db.execute("delete from synced.notice_facts where name = ?", [name])
            elif value > stored[name]:
                db.execute("update synced.notice_facts set value = ? where name = ?", [value, name])
        db.execute("insert or replace into synced.notice_facts values (?, ?, ?)", [_READ_TO, here, run.now()])


def store_start(db: Db, run: Run, terms: Terms) -> None:
    """Store `started_at` where it does not stand here; on the disk before anything rests on it."""
    if db.row("select 1 from synced.notice_facts where name = ?", [STARTED_AT]) is None:
        _store(db, run, {STARTED_AT: terms.started_at.isoformat()})


def store_baseline(db: Db, run: Run) -> None:
    """Mark all that is staged as seen before anything could be told, for good (the first complete read, 5.1)."""
    db.execute("update staged.journey_events set in_baseline = true where not in_baseline")
    _store(db, run, {BASELINE_DONE: run.now().isoformat()})


def store_sources(db: Db, run: Run, terms: Terms, complete: Mapping[str, bool], begun: datetime) -> Terms:
    """Let nothing be told of a source that was added later which was there when it was first read (5.1).

    Until its first read is complete, all that it shows was there before: also what it says of another source's orders.

    Args:
        terms: as loaded, with a baseline. complete: by system of all sources, whether it was read once to its end.
        begun: when the run began.

    Returns:
        The terms with that.
    """
    known = terms.source_since
    facts: dict[str, str | None] = {SOURCE_SINCE + name: None for name in known.keys() - complete.keys()}
    if not known:
        facts |= {SOURCE_SINCE + name: terms.started_at.isoformat() for name in complete}
    else:
        for name in sorted(complete.keys() - known.keys()):
            db.execute(
                """update staged.journey_events set in_baseline = true where not in_baseline
                   and (source = $name or merchant_order in (select merchant_order from staged.source_orders
                                                             where source = $name and merchant_order is not null))""",
                {"name": name},
            )
            if complete[name]:
                facts[SOURCE_SINCE + name] = begun.isoformat()
    _store(db, run, facts)
    return load(db, run, terms.enabled_since.keys(), begun)


def store_zone(db: Db, run: Run, terms: Terms, name: str, zone: str, begun: datetime) -> Terms:
    """Let nothing be told again because a source's times, which carry no zone, have come to be read by another one.

    What it showed before shows anew at other times: a failed delivery would be a second one. So of this source only
    what occurs from now on is told, as of one that was added (5.1).

    Args:
        terms: with the sources stored. name: of the source. begun: when the run began.

    Returns:
        The terms with that.
    """
    known = db.value("select value from synced.notice_facts where name = ?", [TIMES_READ_BY + name])
    if known == zone:
        return terms
    db.execute("insert or replace into synced.notice_facts values (?, ?, ?)", [TIMES_READ_BY + name, zone, run.now()])
    if known is None:
        return terms
    _store(db, run, {SOURCE_SINCE + name: begun.isoformat()})
    return load(db, run, terms.enabled_since.keys(), begun)


def store_enabled(db: Db, run: Run, terms: Terms) -> None:
    """Store since when each status is enabled, and forget it of those that are not any more (rulings 28)."""
    now = {ENABLED_SINCE + status: at.isoformat() for status, at in terms.enabled_since.items()}
    before = dict(db.rows("select name, value from synced.notice_facts where starts_with(name, ?)", [ENABLED_SINCE]))
    _store(
        db,
        run,
        {name: value for name, value in now.items() if before.get(name) != value}
        | dict.fromkeys(sorted(before.keys() - now.keys())),
    )


def new_baseline(run: Run) -> None:
    """Let nothing be told that occurred before now, nor any answer be acted on (`vs-st notices baseline`)."""
    with run.open() as db, db.transaction():
        _store(db, run, {STARTED_AT: run.now().isoformat()})
        store_baseline(db, run)


def _store(db: Db, run: Run, facts: Mapping[str, str | None]) -> None:
    """Store facts in the caller's transaction; None removes one. The evidence comes first: it may only say too much."""
    if not facts:
        return
    if not run.dry_run:
        EvidenceFile.of(run).append({"kind": _KIND, "name": name, "value": value} for name, value in facts.items())
    for name, value in facts.items():
        if value is None:
            db.execute("delete from synced.notice_facts where name = ?", [name])
        else:
            db.execute("insert or replace into synced.notice_facts values (?, ?, ?)", [name, value, run.now()])
