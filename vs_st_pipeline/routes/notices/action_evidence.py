"""Keeps which actions were taken in a file that outlives the database (routes.md R21, R35).

Data flow: a row `sending` (committed) -> a line of `notices.evidence.jsonl`, with fsync -> the call -> a line of how it
ended. After a crash or a loss, the other way.

A row without a line was not called: the line is on the disk before the call leaves. A line that no other one ends may
have been: its action is `unknown`, which only a read or a person settles. So neither a crash nor a database that was
lost or put back makes a second call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile, Line
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.words import ActionState, ReplyOutcome

CALLED, ENDED = "action", "action_ended"
_POSITION: Final = "action_evidence"


@dataclass(frozen=True, slots=True)
class Action:
    """An action about to be taken; columns as in `sql/0001_tables.sql`."""

    action_id: str
    notice_id: str
    attempt: int
    account: str
    reply_id: str
    merchant_order: str
    action: str
    code: str
    deferred_date: date | None
    sent_at: datetime


def append(run: Run, action: Action) -> None:
    """Write down that a call is about to leave; on the disk when this returns.

    Raises:
        OSError: it cannot be: then nothing may be called.
    """
    told: dict[str, Any] = asdict(action)
    deferred = None if action.deferred_date is None else action.deferred_date.isoformat()
    EvidenceFile.of(run).append(
        [{"what": CALLED, **told, "deferred_date": deferred, "sent_at": action.sent_at.isoformat()}]
    )


def append_end(run: Run, action_id: str, state: ActionState) -> None:
    """Write down how a call ended, before the database says so: else what may be called again would become unknown."""
    EvidenceFile.of(run).append([{"what": ENDED, "action_id": action_id, "state": str(state)}])


def recover(run: Run) -> int:
    """Bring the actions in step with the file; returns how many rows moved. Under the sync lock, before any is judged.

    In a dry run nothing moves.
    """
    if run.dry_run:
        return 0
    file = EvidenceFile.of(run)
    position = file.position()
    here = [position.inode, position.size]
    with run.open() as db:
        stored = db.value("select value from synced.notice_facts where name = ?", [_POSITION])
        left = [str(row[0]) for row in db.rows("select action_id from synced.actions where state = 'sending'")]
    before = json.loads(stored) if stored else None
    if before == here and not left:
        return 0
    grown = isinstance(before, list) and before[0] == here[0] and before[1] <= here[1]
    start = before[1] if grown and isinstance(before, list) and not left else 0
    # No line: it has not left. Where the file itself is lost or older, nobody knows.
    is_whole = not isinstance(before, list) or before[1] <= here[1]
    unsaid = ActionState.WAITING if is_whole else ActionState.UNKNOWN
    called: dict[str, Line] = {}
    ended: dict[str, ActionState | None] = {}
    for action_id, line, state in _lines(file, start):
        if line is not None:
            called[action_id] = line
        ended[action_id] = state
    moved = 0
    with run.open() as db, db.transaction():
        for action_id in left:
            state = ended.get(action_id, unsaid)
            moved += _end(db, run, action_id, state or ActionState.UNKNOWN)
        for action_id, line in called.items():
            moved += _put_back(db, run, line, ended[action_id] or ActionState.UNKNOWN)
        for action_id, state in ended.items():
            if action_id not in called and state is not None:
                moved += _learn(db, run, action_id, state)
        db.execute(
            "insert or replace into synced.notice_facts values (?, ?, ?)", [_POSITION, json.dumps(here), run.now()]
        )
    return moved


def _lines(file: EvidenceFile, start: int) -> Iterator[tuple[str, Line | None, ActionState | None]]:
    """Yield what lines say of actions: id, the line of a call, how it ended (None: that is not known)."""
    for line in file.read(start):
        action_id = line.get("action_id")
        if not isinstance(action_id, str):
            continue
        if line.get("what") == CALLED and _is_whole(line):
            yield action_id, line, None
        elif line.get("what") == ENDED and line.get("state") in set(ActionState):
            yield action_id, None, ActionState(line["state"])


def _is_whole(line: Line) -> bool:
    texts = ("notice_id", "account", "reply_id", "merchant_order", "action", "code", "sent_at")
    if not all(isinstance(line.get(name), str) and line[name] for name in texts):
        return False
    try:
        datetime.fromisoformat(line["sent_at"])
        if line.get("deferred_date") is not None:
            date.fromisoformat(line["deferred_date"])
    except (TypeError, ValueError):
        return False
    return isinstance(line.get("attempt"), int)


def _end(db: Db, run: Run, action_id: str, state: ActionState) -> int:
    """End a row that was left `sending` by a dead run; a reply whose call has not left is judged again."""
    settled = None if state in (ActionState.WAITING, ActionState.UNKNOWN) else run.now()
    db.execute(
        "update synced.actions set state = ?, settled_at = ?, settled_by = ? where action_id = ?",
        [str(state), settled, None if settled is None else "evidence", action_id],
    )
    if state is ActionState.WAITING:
        db.execute("update staged.replies set outcome = ? where action_id = ?", [str(ReplyOutcome.WAITING), action_id])
    return 1


def _put_back(db: Db, run: Run, line: Line, state: ActionState) -> int:
    """Put back the row of a call that the database does not know."""
    known = db.value("select state from synced.actions where action_id = ?", [line["action_id"]])
    if known is not None:
        if state is not ActionState.UNKNOWN:
            return _learn(db, run, line["action_id"], state)
        if known != ActionState.WAITING:
            return 0
        db.execute(  # an older database: it waits there for what was called later
            "update synced.actions set state = 'unknown', sent_at = ? where action_id = ?",
            [datetime.fromisoformat(line["sent_at"]), line["action_id"]],
        )
        return 1
    settled = None if state in (ActionState.WAITING, ActionState.UNKNOWN) else run.now()
    sent_at = datetime.fromisoformat(line["sent_at"])
    deferred = None if line.get("deferred_date") is None else date.fromisoformat(line["deferred_date"])
    db.execute(
        """insert into synced.actions (action_id, notice_id, attempt, account, reply_id, merchant_order, action, code,
               deferred_date, state, "at", sent_at, settled_at, settled_by, run_id)
           values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            *(line["action_id"], line["notice_id"], line["attempt"], line["account"], line["reply_id"]),
            *(
                line["merchant_order"],
                line["action"],
                line["code"],
                deferred,
                str(state),
                sent_at,
                sent_at,
                settled,
            ),
            *(None if settled is None else "evidence", run.run_id),
        ],
    )
    return 1


def _learn(db: Db, run: Run, action_id: str, state: ActionState) -> int:
    """Take over how a call ended that the database holds for unknown."""
    if state in (ActionState.UNKNOWN, ActionState.WAITING):
        return 0
    return int(
        db.value(
            """update synced.actions set state = ?, settled_at = ?, settled_by = 'evidence'
               where action_id = ? and state in ('unknown', 'waiting')""",
            [str(state), run.now(), action_id],
        )
        or 0
    )
