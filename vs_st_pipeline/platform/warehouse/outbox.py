"""Keeps what is sent before it is sent, and its outcome: the next run settles what has none.

Data flow: changes about to be written -> synced.writes. Everything here runs inside the caller's transaction.

Here is the last check before a write (`enqueue`): nothing is stored or sent for a record that this very run has not
read as one that may be written. What the system says of that, the connector hands in (`Proof`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from vs_st_pipeline.domain.errors import Internal
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns


class OutboxEntry(msgspec.Struct, frozen=True):
    """One record's part of a request, as it was stored before it was sent.

    Attributes:
        send_id: the request's name; it may have many records.
        run_id: the run that sent it.
        call: the request's kind.
        phone: that the record is known by in the request; None where it is known by its id.
        evidence: the connector's own words about the request; once stored, also on what it was sent.
        sent_at: UTC without zone; None before it is stored.
    """

    send_id: str
    target: Ref
    run_id: str
    call: str
    phone: str | None
    changes: tuple[Change, ...]
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What a run has read of a record itself: that it is there, and whether it may be written.

    Attributes:
        evidence: what it was read as, and when, as it is kept beside the write (JSON values).
        held: why it may not be written; None where it may.
    """

    evidence: Mapping[str, Any]
    held: str | None = None


def enqueue(db: Db, sending: Sequence[OutboxEntry], proofs: Mapping[Ref, Proof], *, at: datetime) -> None:
    """Store what is about to be sent, with the evidence that it may be: as read in this run, and as planned.

    Args:
        proofs: read from what is stored, and not from what the caller believes, in this same transaction.

    Raises:
        Internal: a record among them is not known as writable by a read of this very run; nothing is stored.
    """
    if not all((proof := proofs.get(sent.target)) and proof.held is None for sent in sending):
        raise Internal("a record was about to be written that this run has not read as writable; nothing was sent")
    columns: dict[str, list[Any]] = {
        **key_columns(sent.target for sent in sending),
        "send_id": [sent.send_id for sent in sending],
        "run_id": [sent.run_id for sent in sending],
        "call": [sent.call for sent in sending],
        "phone": [sent.phone for sent in sending],
        "changes": [_dump(sent.changes) for sent in sending],
        "said": _said(sending, proofs),
    }
    with db.batch(columns) as batch:
        db.execute(
            f"""insert into synced.writes by name
                select b.* exclude (said), json_merge_patch(coalesce(p.evidence, '{{}}'), b.said) as evidence,
                       $at::timestamp as sent_at
                from {batch} as b left join planned.targets as p using ({KEY})""",
            {"at": at},
        )
        # A doubted record is written only after a sign of its own. Our write hides that sign, so the doubt is deleted.
        if db.row("select 1 from synced.doubted limit 1"):
            db.execute(f"delete from synced.doubted where ({KEY}) in (select ({KEY}) from {batch})")


def record_acknowledged(db: Db, send_id: str, evidence: Mapping[str, Any]) -> None:
    """Record what a request was acknowledged with, so that its outcome can be asked for even if this run dies."""
    db.execute(
        "update synced.writes set evidence = json_merge_patch(evidence, ?) where send_id = ?",
        [json.dumps(evidence), send_id],
    )


def record_not_sent(db: Db, send_id: str) -> None:
    """Record that a request was refused as a whole, so nothing of it was done; its records are sent again."""
    db.execute("delete from synced.writes where send_id = ? and outcome is null", [send_id])


def _said(sending: Sequence[OutboxEntry], proofs: Mapping[Ref, Proof]) -> list[str]:
    """Return what is kept beside each write, as JSON: what it was read as, and what is said of the request."""
    texts: dict[tuple[int, int], str] = {}  # by the two objects, which the contacts of a batch mostly share
    found = []
    for sent in sending:
        read = proofs[sent.target].evidence
        key = id(read), id(sent.evidence)
        if key not in texts:
            texts[key] = msgspec.json.encode({**read, **sent.evidence}).decode()
        found.append(texts[key])
    return found


def is_settled(db: Db) -> bool:
    """Say whether every write has an outcome, and none that was given up may still come."""
    return db.row("select 1 from synced.writes where outcome is null or phone is not null limit 1") is None


_ENTRY = f"send_id, {KEY}, run_id, call, phone, changes, evidence, sent_at"


def read_open(db: Db) -> dict[str, list[OutboxEntry]]:
    """Return what was sent, or may have been, and has no outcome yet: by request, oldest first."""
    found: dict[str, list[OutboxEntry]] = {}
    for row in db.rows(
        f"select {_ENTRY} from synced.writes where outcome is null order by sent_at, send_id, system, object, id"
    ):
        found.setdefault(row[0], []).append(_entry(row))
    return found


def read_late(db: Db, *, at: datetime, within: timedelta) -> list[OutboxEntry]:
    """Return what was given up but may still come (`may_come`), if it was sent no longer ago than `within`."""
    return [
        _entry(row)
        for row in db.rows(
            f"""select {_ENTRY} from synced.writes
                where outcome is not null and phone is not null
                  and abs(epoch(sent_at) - epoch($at::timestamp)) < $seconds
                order by sent_at, send_id, system, object, id""",
            {"at": at, "seconds": within.total_seconds()},
        )
    ]


def forget_late(db: Db, *, at: datetime, within: timedelta) -> None:
    """Forget phones and changes of what came late, or will not come any more: they are not looked up again."""
    db.execute(
        """update synced.writes set phone = null, changes = null where outcome is not null and phone is not null
           and abs(epoch(sent_at) - epoch($at::timestamp)) >= $seconds""",
        {"at": at, "seconds": within.total_seconds()},
    )


def erase_changes(db: Db, is_theirs: Callable[[Ref, Change], bool]) -> int:
    """Take changes out of what is not settled, inside the caller's transaction; returns of how many writes.

    The write itself stays: that it may be out is about its record, and the record is read before it is written again.
    """
    found = [
        (send_id, Ref(*ref), rest)
        for send_id, *ref, text in db.rows(
            f"select send_id, {KEY}, changes from synced.writes where changes is not null"
        )
        if len(rest := [one for one in _load(text) if not is_theirs(Ref(*ref), one)]) < len(_load(text))
    ]
    for send_id, ref, rest in found:
        db.execute(
            "update synced.writes set changes = ? where send_id = ? and system = ? and object = ? and id = ?",
            [_dump(rest), send_id, *ref],
        )
    return len(found)


def count_waiting(db: Db) -> tuple[int, int]:
    """Count records that were refused and wait for another try, and records with a write of unknown outcome."""
    row = db.row(
        f"""select (select count(*) from synced.rejects),
                   (select count(distinct ({KEY})) from synced.writes where outcome is null)"""
    )
    assert row is not None
    return int(row[0]), int(row[1])


def record_outcome(
    db: Db, settled: Sequence[OutboxEntry], outcome: str, at: datetime, *, may_come: bool = False
) -> None:
    """Record one outcome for all these.

    Args:
        outcome: `accepted`, `rejected`, or as in `record_without_effect`.
        at: UTC without zone.
        may_come: as in `record_without_effect`.
    """
    columns = {"send_id": [sent.send_id for sent in settled], **key_columns(sent.target for sent in settled)}
    with db.batch(columns) as batch:
        db.execute(
            f"""update synced.writes as w
                set outcome = $outcome, settled_at = $at, changes = case when $may_come then changes end,
                    phone = case when $may_come then phone end
                from {in_row_order("synced.writes", batch, f"send_id, {KEY}")} as b where w.rowid = b.rowid_""",
            {"outcome": outcome, "at": at, "may_come": may_come},
        )


def record_without_effect(
    db: Db, settled: Sequence[OutboxEntry], outcome: str, *, at: datetime, may_come: bool = False
) -> None:
    """Record that these were not written: `gone`, `another contact` or `not applied`.

    Args:
        may_come: their request may be carried out later all the same; phone and changes are kept, for `read_late`.
    """
    record_outcome(db, settled, outcome, at, may_come=may_come)


def _entry(row: Sequence[Any]) -> OutboxEntry:
    send_id, system, kind, id_, run_id, call, phone, changes, evidence, sent_at = row
    ref = Ref(system, kind, id_)
    return OutboxEntry(send_id, ref, run_id, call, phone, _load(changes), json.loads(evidence), sent_at)


def _dump(changes: Iterable[Change]) -> str:
    rows = [(c.field, c.key, c.kind, c.policy, c.old, c.new, c.rule, c.sources) for c in changes]
    return msgspec.json.encode(rows).decode()


def _load(text: str) -> tuple[Change, ...]:
    return tuple(Change(*row) for row in msgspec.json.decode(text))
