"""Keeps the evidence of every subscription, in the database and in a file that outlives it (consumers.md 7.9, R35).

Data flow: a subscription about to be sent -> synced.consent_evidence -> a line of `consumers.evidence.jsonl`, with
fsync -> the send -> outcome. After a loss, the other way.

A row is stored before its line, and its line before the send. So after a crash a row without a line was not sent, and a
line without a row (an older database was put back) may have been. What each of them lacks it gets from the other
before anything is decided (`recover`).

It is long because what is stored, put back after a loss and forgotten must name the same things.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.domain.crm import Sought
from vs_st_pipeline.domain.emails import email_key, person_key
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile, Line, Position
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, Suppressed, hash_of
from vs_st_pipeline.routes.consumers.consumers import Offer
from vs_st_pipeline.routes.consumers.judging import Act, Action, Outcome, Subscription

USED_FOR: Final = timedelta(days=7 * 365)  # an order that is older subscribes nobody: its evidence may be removed
KEPT_FOR: Final = timedelta(days=7 * 366)  # R67
_AT_ONCE: Final = 2_000  # lines that are taken in together

_TIMES = ("first_seen_at", "order_read_at", "ordered_at", "earliest_at", "state_before_at", "sent_at", "outcome_at")
COLUMNS: Final = (
    *("evidence_id", "seq", "crm", "target", "lists", "contact_id", "key", "email", "consent_id", "consent_name"),
    *("data_handler", "consent_status", "text_version", "order_id", "short_id", "activity_id", "event_ids"),
    *("first_seen_at", "order_read_at", "ordered_at", "earliest_at", "body_sha256", "state_before", "state_before_at"),
    *("action", "run_id", "sent_at", "outcome", "outcome_at", "code", "tries", "lists_open", "from_target", "wholly"),
)
_TYPES = {"seq": "int", "tries": "int", "lists_open": "bool", "from_target": "bool", "wholly": "bool"}
_USUAL: Final = {
    **{"lists": "[]", "event_ids": "[]", "tries": 1},
    **{"lists_open": False, "from_target": True, "wholly": False},
}
"""What a line of an earlier version lacks."""
_NOT_NULL = (
    *("evidence_id", "crm", "target", "key", "consent_id", "data_handler", "order_id", "state_before"),
    *("state_before_at", "action", "run_id", "sent_at", "outcome"),
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one row.

    Attributes:
        lists_open: its lists are still to be added. contact_id: the record's, where it was not known before.
    """

    evidence_id: str
    outcome: Outcome
    code: str | None = None
    lists_open: bool = False
    contact_id: str | None = None


class Book:
    """Hands out the rows of one run, in order; all CRMs of the run share one, so that each row has its own number.

    Attributes:
        run: the run that sends. in_step: each row that was stored has its line.
    """

    def __init__(self, run: Run, db: Db) -> None:
        self.run = run
        self._next = int(db.value("select coalesce(max(seq), 0) from synced.consent_evidence")) + 1
        self._file = EvidenceFile.of(run)
        self.in_step = True

    def rows(
        self, crm: str, person: Sought, subscription: Subscription, *, contact_id: str | None, read_at: datetime
    ) -> list[Line]:
        """Return the rows of one subscription: of its consent, as about to be sent, or as found.

        Args:
            contact_id: of the record, where there is one. read_at: when the state was read; UTC without zone.
        """
        done = subscription.action is Action.ALREADY
        return [
            self._row(crm, person, subscription, subscription.offer, subscription.action, contact_id, read_at, done)
        ]

    def further_rows(
        self, crm: str, person: Sought, subscription: Subscription, *, contact_id: str | None, read_at: datetime
    ) -> list[Line]:
        """Return the rows of the consents that are spent with a subscription that was accepted."""
        return [
            self._row(crm, person, subscription, offer, Action.ALREADY, contact_id, read_at, True)
            for offer in subscription.also
        ]

    def _row(
        self,
        crm: str,
        person: Sought,
        subscription: Subscription,
        offer: Offer,
        action: Action,
        contact_id: str | None,
        read_at: datetime,
        done: bool,
    ) -> Line:
        seq, self._next = self._next, self._next + 1
        now = self.run.now()
        lists = () if action is Action.ALREADY else subscription.lists
        return {
            "evidence_id": f"{self.run.run_id}-{seq}",
            "seq": seq,
            "crm": crm,
            "target": subscription.target.id,
            "lists": json.dumps(lists),
            "contact_id": contact_id or subscription.contact_id,
            "key": person.key,
            "email": person.email,
            "consent_id": offer.consent_id,
            "consent_name": offer.consent_name,
            "data_handler": offer.data_handler,
            "consent_status": offer.consent_status,
            "text_version": offer.text_version,
            "order_id": offer.order_id,
            "short_id": offer.short_id,
            "activity_id": offer.activity_id,
            "event_ids": json.dumps(offer.event_ids),
            "first_seen_at": _iso(offer.first_seen_at),
            "order_read_at": _iso(offer.order_read_at),
            "ordered_at": _iso(offer.ordered_at),
            "earliest_at": _iso(offer.earliest_at),
            "body_sha256": offer.body_sha256,
            "state_before": subscription.state.value,
            "state_before_at": _iso(read_at),
            "action": action.value,
            "run_id": self.run.run_id,
            "sent_at": _iso(now),
            "outcome": (Outcome.ACCEPTED if done else Outcome.UNKNOWN).value,
            "outcome_at": _iso(now) if done else None,
            "code": None,
            "tries": subscription.tries,
            "lists_open": bool(lists) and action is Action.SUBSCRIBE,
            "from_target": subscription.from_target or action is not Action.UNSUBSCRIBE,
            "wholly": subscription.wholly,
        }

    def append(self, rows: Sequence[Line], *, durable: bool = True) -> None:
        """Write the lines of rows that are stored.

        Args:
            durable: they are on the disk when this returns; so it must be before anything is sent.
        """
        if rows:
            self._add([{"what": "evidence", **row} for row in rows], durable=durable)

    def append_outcomes(self, settled: Sequence[Settled], at: datetime) -> None:
        """Write what became of rows; a line that is lost makes the outcome unknown again, and it is looked at."""
        if settled:
            self._add([_outcome_line(one, at) for one in settled], durable=False)

    def _add(self, lines: Sequence[Line], *, durable: bool) -> None:
        self.in_step = False
        self._file.append(lines, durable=durable)
        self.in_step = True


def insert(db: Db, rows: Sequence[Line]) -> None:
    """Store rows, inside the caller's transaction; none of them may be there already."""
    if not rows:
        return
    columns = {name: [row.get(name) for row in rows] for name in COLUMNS}
    with db.batch(columns, _TYPES) as batch:
        chosen = ", ".join(f"cast({name} as timestamp) as {name}" if name in _TIMES else name for name in COLUMNS)
        db.execute(f"insert into synced.consent_evidence by name select {chosen} from {batch}")


def record(db: Db, settled: Sequence[Settled], at: datetime) -> None:
    """Record what became of rows, inside the caller's transaction."""
    if not settled:
        return
    columns: dict[str, list[Any]] = {
        "evidence_id": [one.evidence_id for one in settled],
        "outcome": [one.outcome.value for one in settled],
        "code": [one.code for one in settled],
        "lists_open": [one.lists_open for one in settled],
        "contact_id": [one.contact_id for one in settled],
    }
    with db.batch(columns, {"lists_open": "bool"}) as batch:
        db.execute(
            f"""update synced.consent_evidence as e
                set outcome = b.outcome, code = b.code, lists_open = b.lists_open, outcome_at = $at::timestamp,
                    contact_id = coalesce(e.contact_id, b.contact_id)
                from {batch} as b where e.evidence_id = b.evidence_id""",
            {"at": at},
        )


_ACT: Final = (
    "evidence_id, order_id, consent_id, data_handler, target, action, outcome, lists, lists_open, state_before, "
    "contact_id, sent_at, tries, code, from_target, wholly"
)


def acts_of(db: Db, crm: str, keys: Iterable[str]) -> dict[str, list[Act]]:
    """Return the rows of these people at one CRM, oldest first, by the people's keys."""
    found: dict[str, list[Act]] = {}
    with db.batch({"key": sorted(keys)}) as batch:
        rows = db.rows(
            f"""select key, {_ACT} from synced.consent_evidence semi join {batch} using (key)
                where crm = $crm order by seq""",
            {"crm": crm},
        )
    for key, *row in rows:
        found.setdefault(key, []).append(_act(row))
    return found


def _act(row: Sequence[Any]) -> Act:
    evidence_id, order_id, consent_id, handler, target, action, outcome, lists, *rest = row
    lists_open, state_before, contact_id, sent_at, tries, code, from_target, wholly = rest
    return Act(
        evidence_id, order_id, consent_id, handler, target, Action(action), Outcome(outcome),
        tuple(json.loads(lists)), lists_open, state_before, contact_id, sent_at, tries, code, from_target, wholly,
    )  # fmt: skip


def count_unknown(db: Db, crm: str, run_id: str) -> int:
    """Count what a run has sent whose outcome is not known."""
    return int(
        db.value(
            "select count(*) from synced.consent_evidence where crm = ? and run_id = ? and outcome = 'unknown'",
            [crm, run_id],
        )
    )


def unknown_people(db: Db, crm: str, run_id: str, after: int, most: int) -> list[tuple[int, str]]:
    """Return the people of whom a run has sent something without a known outcome, in the order in which it left.

    Args:
        after: the number of the last one of the page before.

    Returns:
        Of each the number of the last such row, and the address key.
    """
    rows = db.rows(
        """select max(seq) as last, any_value(email) from synced.consent_evidence
           where crm = $crm and run_id = $run and outcome = 'unknown' and email is not null
           group by key having last > $after order by last limit $most""",
        {"crm": crm, "run": run_id, "after": after, "most": most},
    )
    return [(last, email_key(email)) for last, email in rows]


def of_person(db: Db, address: str) -> list[dict[str, Any]]:
    """Return all rows of one address, oldest first, as `vs-st consumers evidence --json` shows them.

    Args:
        address: as `email_key` gives it.
    """
    names = [name for name in COLUMNS if name not in ("seq", "key", "lists_open", "from_target", "wholly")]
    rows = db.rows(
        f"select {', '.join(names)} from synced.consent_evidence where key = ? order by seq", [person_key(address)]
    )
    found = []
    for row in rows:
        line = dict(zip(names, row, strict=True))
        for name in _TIMES:
            line[name] = None if line[name] is None else f"{line[name].isoformat()}Z"
        line["lists"], line["event_ids"] = json.loads(line["lists"]), json.loads(line["event_ids"] or "[]")
        found.append(line)
    return found


# --- after a loss -------------------------------------------------------------------------------------------------


def recover(run: Run) -> int:
    """Bring rows and file in step before anything is decided; returns how many rows the database lacked."""
    file = EvidenceFile.of(run)
    now, lacked = file.position(), 0
    with run.open() as db:
        row = db.row("select inode, bytes, seq, noted_at from synced.evidence_read")
        highest = int(db.value("select coalesce(max(seq), 0) from synced.consent_evidence"))
    known, seq = (Position(row[0], row[1]), row[2]) if row else (Position(0, 0), 0)
    if known == now and seq == highest:
        return 0
    continues = known.inode == now.inode and known.size <= now.size and seq <= highest
    start, seq, since = (known.size, seq, row[3]) if continues and row else (0, 0, datetime.min)
    told: set[str] = set()
    settled: set[str] = set()  # whose outcome the lines know
    for lines in _in_parts(file.read(start)):
        with run.open() as db, db.transaction():
            lacked += _take_in(db, run, lines)
        told.update(line["evidence_id"] for line in lines if line["what"] == "evidence")
        settled.update(line["evidence_id"] for line in lines if line["outcome"] != Outcome.UNKNOWN)
    settled |= _write_missing(run, file, told, seq)
    _write_outcomes(run, file, settled, since)
    note_read(run)
    return lacked


def note_read(run: Run) -> None:
    """Note that the rows and the file say the same, once the file is on the disk."""
    file = EvidenceFile.of(run)
    now = file.position()
    with run.open() as db:
        highest = db.value("select coalesce(max(seq), 0) from synced.consent_evidence")
        known = db.row("select inode, bytes, seq from synced.evidence_read")
    if known == (now.inode, now.size, highest) or (known is None and now.size == 0 and highest == 0):
        return
    file.append([])  # outcomes were written without waiting for the disk
    now = file.position()
    with run.open() as db, db.transaction():
        db.execute("delete from synced.evidence_read")
        values = [now.inode, now.size, highest, run.now()]
        db.execute("insert into synced.evidence_read values (?, ?, ?, ?)", values)


def _in_parts(lines: Iterator[Line]) -> Iterator[list[Line]]:
    part: list[Line] = []
    for line in lines:
        if not _is_whole(line):
            continue
        part.append(line)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _is_whole(line: Line) -> bool:
    """Say whether a line is of this version and undamaged; any other says nothing."""
    try:
        if line.get("what") == "outcome":
            Outcome(line["outcome"]), datetime.fromisoformat(line["at"]), line["evidence_id"]
            return isinstance(line["evidence_id"], str)
        if line.get("what") != "evidence" or any(not isinstance(line.get(name), str) for name in _NOT_NULL):
            return False
        Action(line["action"]), Outcome(line["outcome"])
        return all(line.get(name) is None or datetime.fromisoformat(line[name]) for name in _TIMES)
    except (KeyError, TypeError, ValueError):
        return False


def _take_in(db: Db, run: Run, lines: Sequence[Line]) -> int:
    """Add rows that the database lacks, and outcomes that it does not know; inside the caller's transaction."""
    rows = {line["evidence_id"]: line for line in lines if line["what"] == "evidence"}
    with db.batch({"id": sorted(rows)}) as batch:
        there = {row[0] for row in db.rows(f"select evidence_id from synced.consent_evidence "
                                           f"where evidence_id in (select id from {batch})")}  # fmt: skip
    lacking = [row for name, row in rows.items() if name not in there]
    seq = int(db.value("select coalesce(max(seq), 0) from synced.consent_evidence"))
    whole = [{**_USUAL, **row, "seq": seq + n} for n, row in enumerate(lacking, 1)]
    insert(db, whole)
    last = {line["evidence_id"]: line for line in lines if line["what"] == "outcome"}
    with db.batch({"id": sorted(last)}) as batch:
        open_ones = {row[0] for row in db.rows(f"select evidence_id from synced.consent_evidence where outcome = "
                                               f"'unknown' and evidence_id in (select id from {batch})")}  # fmt: skip
    for name in sorted(open_ones):
        line = last[name]
        settled = Settled(
            name, Outcome(line["outcome"]), line.get("code"), bool(line.get("lists_open")), line.get("contact_id")
        )
        record(db, [settled], datetime.fromisoformat(line["at"]))
    _look_again(db, run, whole)
    return len(lacking)


def _look_again(db: Db, run: Run, rows: Sequence[Line]) -> None:
    """Have people looked at of whom the lost database may have known more."""
    due = sorted({(row["crm"], email_key(row["email"]), row["key"]) for row in rows if row.get("email")})
    columns = {name: [one[index] for one in due] for index, name in enumerate(("crm", "email_key", "key"))}
    with db.batch(columns) as batch:
        db.execute(
            f"""insert or ignore into planned.consumers_due
                select b.crm, b.email_key, 'unknown', $at::timestamp from {batch} as b
                where exists (select 1 from synced.consent_evidence as e
                              where e.crm = b.crm and e.key = b.key and e.outcome = 'unknown')""",
            {"at": run.now()},
        )


def _write_missing(run: Run, file: EvidenceFile, told: set[str], seq: int) -> set[str]:
    """Write the lines that the file lacks: it was lost, or the power went before they were written; returns whose."""
    written: set[str] = set()
    while True:
        with run.open() as db:
            rows = db.rows(
                f"select {', '.join(COLUMNS)} from synced.consent_evidence where seq > ? order by seq limit {_AT_ONCE}",
                [seq],
            )
        if not rows:
            return written
        seq = rows[-1][COLUMNS.index("seq")]
        lines = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        missing = [
            {"what": "evidence", **line, **{name: _iso(line[name]) for name in _TIMES}}
            for line in lines
            if line["evidence_id"] not in told
        ]
        if missing:
            file.append(missing)
            written.update(line["evidence_id"] for line in missing)


def _write_outcomes(run: Run, file: EvidenceFile, settled: set[str], since: datetime) -> None:
    """Write the outcomes that the file lacks: the power went between an answer's commit and its line."""
    with run.open() as db:
        rows = db.rows(
            """select evidence_id, outcome, code, lists_open, contact_id, outcome_at from synced.consent_evidence
               where outcome <> 'unknown' and outcome_at >= $since order by seq""",
            {"since": since},
        )
    lines = [
        _outcome_line(Settled(name, Outcome(outcome), code, lists_open, contact_id), at)
        for name, outcome, code, lists_open, contact_id, at in rows
        if name not in settled
    ]
    if lines:
        file.append(lines)


# --- forgetting, and the end of keeping ---------------------------------------------------------------------------


def take_out(db: Db, forgotten: Suppressed) -> int:
    """Take forgotten people out of the rows, inside the caller's transaction: ids, times, targets and a hash stay.

    Returns:
        How many rows were of such a person. `rewrite_file` does the same in the file, after the commit.
    """
    people = db.rows("select distinct key, email from synced.consent_evidence where email is not null")
    theirs = [(key, hashed) for key, email in people if (hashed := _hash_of(email, forgotten))]
    if not theirs:
        return 0
    with db.batch({"key": [one[0] for one in theirs], "hashed": [one[1] for one in theirs]}) as batch:
        return len(
            db.rows(
                f"""update synced.consent_evidence as e set email = null, key = b.hashed
                    from {batch} as b where e.key = b.key returning 1"""
            )
        )


def rewrite_file(run: Run, forgotten: Suppressed) -> None:
    """Take forgotten people out of the file; at any moment one whole file is there."""

    def without(line: Line) -> Line | None:
        email = line.get("email")
        hashed = _hash_of(email, forgotten) if isinstance(email, str) else None
        return line if hashed is None else {**line, "email": None, "key": hashed}

    _rewrite(run, without)


def prune(run: Run) -> None:
    """Remove rows and lines that have been kept for seven years (R67)."""
    before = run.now() - KEPT_FOR
    with run.open() as db:
        old = {row[0] for row in db.rows("select evidence_id from synced.consent_evidence where sent_at < ?", [before])}
        if not old:
            return
        with db.transaction():
            db.execute("delete from synced.consent_evidence where sent_at < ?", [before])
    _rewrite(run, lambda line: None if line.get("evidence_id") in old else line)


def _rewrite(run: Run, change: Callable[[Line], Line | None]) -> None:
    if EvidenceFile.of(run).rewrite(change):
        note_read(run)


def _hash_of(email: str, forgotten: Suppressed) -> str | None:
    """Return the salted hash under which a forgotten address is kept out; None for any other."""
    for value in dict.fromkeys((email_key(email), email.strip().casefold())):
        for salt, hashes in forgotten.by_salt.items():
            if (hashed := hash_of(salt, EMAIL, value)) in hashes:
                return hashed
    return None


def _outcome_line(one: Settled, at: datetime) -> Line:
    more: Mapping[str, Any] = {"code": one.code, "lists_open": one.lists_open, "contact_id": one.contact_id}
    line: Line = {"what": "outcome", "evidence_id": one.evidence_id, "outcome": one.outcome.value, "at": _iso(at)}
    return {**line, **{name: value for name, value in more.items() if value}}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
