"""Moves one row of the outbox from state to state, with its history, inside the caller's transaction.

Data flow: answers, claims, a person's word -> once.outbox, once.ledger, once.history.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from vs_st_pipeline.domain.single_reads import gap_after
from vs_st_pipeline.pipeline.once.claims import Claim, Claimed
from vs_st_pipeline.pipeline.once.items import Accepted, Kind, OnUnknown, Rejected, Row, State, Unknown
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

_COLUMNS = """key, seq, kind, entity, state, reason, tries, reads, refusals, tried_at, refused_at, next_at, may_be_out,
              forgotten, body is not null"""

Settled = Callable[[Db, Row, Accepted | Rejected], None]


class Rows:
    """The rows of one run's route.

    Args:
        settled: what of the route's own tables moves with an answer, whichever way it came (a send, a read, a receipt,
            a person, the claims after a crash): called inside the same transaction.
    """

    def __init__(self, run: Run, kinds: Mapping[str, Kind], settled: Settled) -> None:
        self._run, self._kinds, self._settled = run, kinds, settled

    def accept(self, db: Db, row: Row, answer: Accepted, settled_by: str) -> None:
        """Move the ledger, inside the caller's transaction."""
        db.execute(
            """insert or ignore into once.ledger
               select key, kind, entity, ?, evidence, people, ?, ?, ? from once.outbox where key = ?""",
            [dump(answer.detail), settled_by, self._run.now(), self._run.run_id, row.key],
        )
        self.settle(db, row, State.ACCEPTED, None, code=settled_by)
        self._settled(db, row, answer)

    def reject(self, db: Db, row: Row, answer: Rejected) -> None:
        """Record a refusal: tried again at the next sync, then with growing gaps, unless the kind says otherwise."""
        kind, now = self._kinds[row.kind], self._run.now()
        first = row.refused_at or now
        is_dead = kind.dead_after is not None and now - first >= kind.dead_after
        self.move(db, row, State.REJECTED, answer.code, None if is_dead else now + gap_after(row.refusals + 1))
        db.execute("update once.outbox set refusals = refusals + 1, refused_at = ? where key = ?", [first, row.key])
        self.note(db, row.key, row.kind, row.entity, State.REJECTED, answer)
        self._settled(db, row, answer)

    def mark_unknown(self, db: Db, row: Row, answer: Unknown) -> None:
        """Record that nobody knows, inside the caller's transaction; the kind's rule says what comes next."""
        kind, now = self._kinds[row.kind], self._run.now()
        state = State.HELD if kind.on_unknown is OnUnknown.HOLD else State.UNKNOWN
        next_at = now + gap_after(row.tries) if kind.on_unknown is OnUnknown.RESEND else None
        self.move(db, row, state, answer.code, next_at)
        db.execute("update once.outbox set may_be_out = true where key = ?", [row.key])
        self.note(db, row.key, row.kind, row.entity, state, answer)

    def back_to_waiting(self, db: Db, row: Row, reason: str) -> None:
        """Record that a try was certainly not taken; what may be out of an earlier one stays unknown."""
        stays = row.may_be_out and self._kinds[row.kind].on_unknown is OnUnknown.RESEND
        self.move(db, row, State.UNKNOWN if stays else State.WAITING, reason, None)
        self.note(db, row.key, row.kind, row.entity, "not taken", Unknown(reason))

    def withdraw(self, db: Db, row: Row) -> None:
        """Record that a stored try never left: a crash came first. What may be out of earlier tries stays unknown."""
        self.back_to_waiting(db, row, "not sent")
        db.execute("update once.outbox set tries = greatest(tries - 1, 0) where key = ?", [row.key])

    def take_over(self, db: Db, claim: Claim) -> None:
        """Put what a claim says into the outbox, inside the caller's transaction: after a crash, or a lost database."""
        found = read_rows(db, "key = ?", [claim.key])
        if not found:
            if claim.state is Claimed.RELEASED:
                return  # nothing of it is out: the route plans it anew
            seq = int(db.value("select coalesce(max(seq), 0) + 1 from once.outbox"))
            db.execute(
                """insert into once.outbox (key, seq, kind, entity, evidence, people, state, tries, reads, refusals,
                                            stored_at, tried_at, may_be_out, forgotten)
                   values (?, ?, ?, ?, ?, ?, 'sending', ?, 0, 0, ?, ?, false, ?)""",
                [
                    *(claim.key, seq, claim.kind, claim.entity, dump(claim.evidence)),
                    *(dump([list(one) for one in claim.people]), claim.tries, self._run.now(), claim.at),
                    claim.forgotten,
                ],
            )
            found = read_rows(db, "key = ?", [claim.key])
        row = found[0]
        if row.state in (State.ACCEPTED, State.DROPPED):
            return
        if claim.tries > row.tries:  # an older database was put back
            db.execute(
                "update once.outbox set tries = ?, tried_at = ?, reads = 0 where key = ?",
                [claim.tries, claim.at, row.key],
            )
            row = self.again(db, row)
        elif claim.state in (Claimed.OPEN, Claimed.RELEASED) and row.state is not State.SENDING:
            return  # nothing that the outbox does not know
        if claim.state is Claimed.ACCEPTED:
            self.accept(db, row, Accepted(claim.detail), "evidence")
        elif claim.state is Claimed.DROPPED:
            self.settle(db, row, State.DROPPED, "evidence")
        elif claim.state is Claimed.OPEN and claim.tries == row.tries:
            self.mark_unknown(db, row, Unknown("interrupted"))
        elif claim.tries < row.tries:
            self.withdraw(db, row)
        else:
            self.back_to_waiting(db, row, "interrupted")

    def release(self, db: Db, row: Row, who: str, *, is_out: bool | None = None) -> None:
        """Let an item be sent at the next sync, inside the caller's transaction.

        Args:
            is_out: False where it is certain that no earlier try was taken.
        """
        self.move(db, row, State.WAITING, "resend" if row.tries else None, None)
        db.execute("update once.outbox set refusals = 0, refused_at = null where key = ?", [row.key])
        if is_out is False:
            db.execute("update once.outbox set may_be_out = false where key = ?", [row.key])
        self.note(db, row.key, row.kind, row.entity, "released", who=who)

    def settle_by_hand(self, db: Db, row: Row, state: State, reason: str, who: str) -> None:
        """Record a person's word about an item, inside the caller's transaction."""
        if state is State.ACCEPTED:
            self.accept(db, row, Accepted(), "person")
        else:
            self.settle(db, row, state, reason)
        self.note(db, row.key, row.kind, row.entity, "person", who=who)

    def again(self, db: Db, row: Row) -> Row:
        """Return a row as it stands now."""
        return read_rows(db, "key = ?", [row.key])[0]

    def move(self, db: Db, row: Row, state: State, reason: str | None, next_at: datetime | None) -> None:
        db.execute(
            "update once.outbox set state = ?, reason = ?, next_at = ? where key = ?",
            [state.value, reason, next_at, row.key],
        )

    def settle(self, db: Db, row: Row, state: State, reason: str | None, *, code: str | None = None) -> None:
        db.execute(
            """update once.outbox set state = ?, reason = ?, next_at = null, body = null, settled_at = ?
               where key = ?""",
            [state.value, reason, self._run.now(), row.key],
        )
        self.note(db, row.key, row.kind, row.entity, state, Unknown(code or reason or ""))

    def note(
        self, db: Db, key: str, kind: str, entity: str, event: str, answer: object = None, *, who: str | None = None
    ) -> None:
        code = getattr(answer, "code", None) or None
        db.execute(
            """insert into once.history
               select coalesce((select max(seq) from once.history), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?""",
            [
                *(key, kind, entity, str(event), self._run.now(), code, getattr(answer, "http_status", None)),
                *(getattr(answer, "trace_id", None), who or self._run.started_by, self._run.run_id),
            ],
        )


def read_rows(db: Db, where: str, params: Sequence[Any]) -> list[Row]:
    """Return rows of the outbox in the order of storing."""
    return [
        Row(row[0], row[1], row[2], row[3], State(row[4]), *row[5:])
        for row in db.rows(f"select {_COLUMNS} from once.outbox where {where} order by seq", list(params))
    ]


def read_history(db: Db, entity: str) -> list[dict[str, Any]]:
    """Return all that happened to an entity's items, the oldest first, for `why` and `history`."""
    names, rows = db.columns(
        """select key, kind, event, happened_at, code, http_status, trace_id, who, run_id from once.history
           where entity = ? order by seq""",
        [entity],
    )
    return [dict(zip(names, row, strict=True)) for row in rows]


def count_open(db: Db) -> dict[str, int]:
    """Count what stands open, for R68: rejected, unknown, held."""
    rows = db.rows(
        "select state, count(*) from once.outbox where state in ('rejected', 'unknown', 'held') group by state"
    )
    return {state: int(count) for state, count in rows}


def dump(value: object) -> str:
    """Return a value as the JSON text that is stored."""
    return json.dumps(value, ensure_ascii=False, default=str)
