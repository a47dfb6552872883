"""Reads what the destination has accepted, value by value, and records an outcome in one transaction with its proof.

Data flow: answers, planned.* -> synced.ledger, synced.history, synced.runs, synced.links, synced.losses,
synced.baseline, synced.settled.

What is sent is stored before it is sent (`enqueue`), and the ledger changes only after the answer. Every change of
it is in the append-only history as well, so that the ledger of any time can be made again from it (`replay`).
Everything here runs inside the caller's transaction, so that an outcome is remembered whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from vs_st_pipeline.domain.diff import LedgerEntry
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order
from vs_st_pipeline.platform.warehouse.keys import KEY, key_columns
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry, record_outcome
from vs_st_pipeline.platform.warehouse.retries import record_rejected, request_hash

ACCEPTED, FOUND, STORED = "accepted", "found", "stored"


# --- the ledger and its history -----------------------------------------------------------------------------------


def read_accepted(db: Db, targets: Iterable[Ref]) -> dict[Ref, dict[str, LedgerEntry]]:
    """Return the ledger of these records: record -> field -> entry."""
    found: dict[Ref, dict[str, LedgerEntry]] = {}
    with db.batch(key_columns(sorted(set(targets)))) as batch:
        rows = db.rows(
            f"""select {KEY}, field, sent, stored, before, resent, put_back
                from synced.ledger semi join {batch} using ({KEY})"""
        )
    for system, kind, id_, field, sent, stored, before, resent, put_back in rows:
        found.setdefault(Ref(system, kind, id_), {})[field] = LedgerEntry(sent, stored, before or "", resent, put_back)
    return found


def replay(db: Db, until: datetime | None = None) -> dict[tuple[Ref, str], LedgerEntry]:
    """Return the ledger by the history, by record and field: as it is now, or as it was at a time (UTC)."""
    ledger: dict[tuple[Ref, str], LedgerEntry] = {}
    for system, kind, id_, field, event, old, new, stored in db.rows(
        f"""select {KEY}, field, event, old, new, stored from synced.history
            where $until is null or written_at <= $until order by seq""",
        {"until": until},
    ):
        key = Ref(system, kind, id_), field
        before = ledger.get(key)
        if event == ACCEPTED:
            same = before is not None and before.sent == new
            seen = before.stored if before is not None else None
            ledger[key] = LedgerEntry(new, None, old or "", same and seen is None, same and seen == new)
        elif event == FOUND:
            ledger[key] = LedgerEntry(new, stored, stored or "", False)
        elif before is not None and before.sent == new:
            ledger[key] = replace(before, stored=stored)
    return ledger


_NEXT = "(select coalesce(max(seq), 0) from synced.history) + row_number() over ()"


def record_accepted(db: Db, accepted: Sequence[OutboxEntry], *, at: datetime) -> None:
    """Record these records' changes as accepted, in ledger and history; delete their rejects and settled rows."""
    names = ("system", "object", "id", "field", "old", "new", "rule", "sources", "send_id", "run_id", "call")
    rows = [
        (
            *(*sent.target, change.field, change.old or "", change.new, change.rule, change.sources),
            *(sent.send_id, sent.run_id, sent.call),
        )
        for sent in accepted
        for change in sent.changes
    ]
    with db.batch({name: [row[index] for row in rows] for index, name in enumerate(names)}) as batch:
        db.execute(
            f"""insert into synced.history by name
                select {_NEXT} as seq, 'accepted' as event, {KEY}, field, old, new, $at::timestamp as written_at,
                       run_id, call, rule, sources, send_id from {batch}""",
            {"at": at},
        )
        db.execute(
            f"""insert or replace into synced.ledger by name
                select b.system, b.object, b.id, b.field, b.new as sent, null as stored, b.old as before,
                       coalesce(l.sent = b.new and l.stored is null, false) as resent,
                       coalesce(l.sent = b.new and l.stored = b.new, false) as put_back,
                       $at::timestamp as accepted_at, b.run_id, b.call
                from {batch} as b left join synced.ledger as l using ({KEY}, field)""",
            {"at": at},
        )
        if db.row("select 1 from synced.rejects limit 1"):
            db.execute(f"delete from synced.rejects where ({KEY}) in (select ({KEY}) from {batch})")
        db.execute(f"delete from synced.settled where ({KEY}) in (select ({KEY}) from {batch})")
    record_outcome(db, accepted, "accepted", at)


def record_observed(db: Db, *, at: datetime, run_id: str, among: str | None = None) -> None:
    """Record what planning saw proved: the stored form of a value we sent, or a wanted value found there already.

    Args:
        among: a table of records (`Db.batch`): only of them; None: of all.
    """
    if not db.row("select 1 from planned.learned limit 1"):
        return
    values = {"at": at, "run": run_id}
    learned = _of("planned.learned", among)
    found = db.rows(
        f"""insert into synced.history by name
            select {_NEXT} as seq, case when l.sent = p.sent then 'stored' else 'found' end as event,
                   p.system, p.object, p.id, p.field, l.sent as old, p.sent as new, p.stored,
                   $at::timestamp as written_at, $run as run_id, 'read' as call
            from {learned} as p left join synced.ledger as l using ({KEY}, field)
            where l.sent is distinct from p.sent or l.stored is distinct from p.stored
            returning event""",
        values,
    )
    if ("stored",) in found:
        db.execute(
            f"""update synced.ledger as l set stored = p.stored
                from {in_row_order("synced.ledger", learned, f"{KEY}, field, sent")} as p
                where l.rowid = p.rowid_"""
        )
    if ("found",) in found:
        db.execute(
            f"""insert or replace into synced.ledger by name
                select p.system, p.object, p.id, p.field, p.sent, p.stored, p.stored as before, false as resent,
                       $at::timestamp as accepted_at, $run as run_id, 'read' as call
                from {learned} as p left join synced.ledger as l using ({KEY}, field)
                where l.sent is distinct from p.sent""",
            values,
        )


def _of(table: str, among: str | None) -> str:
    """Return a table, or its rows that are about these records."""
    return table if among is None else f"(select * from {table} semi join {among} using ({KEY}))"


# --- rejects ------------------------------------------------------------------------------------------------------


def record_partly(
    db: Db, accepted: OutboxEntry, dropped: Sequence[Change], *, code: str | None, http_status: int | None, at: datetime
) -> None:
    """Record that a record was accepted without some changes: the ledger changes, and these wait for another try."""
    rest = replace(accepted, changes=tuple(dropped))
    hashed = request_hash(dropped)
    before = db.rows(
        "select * from synced.rejects where system = ? and object = ? and id = ? and changes_hash = ?",
        [*accepted.target, hashed],
    )
    record_accepted(db, [accepted], at=at)
    for row in before:  # the same changes were refused before: their gap keeps growing
        db.execute("insert into synced.rejects values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", list(row))
    record_rejected(db, rest, code=code, http_status=http_status, at=at)


# --- what the next sync is measured by ----------------------------------------------------------------------------


def record_doubted(db: Db, target: Ref, why: str, *, at: datetime) -> None:
    """Record that we may have created this record: it is not written until it shows a sign of its own."""
    db.execute("insert or replace into synced.doubted values (?, ?, ?, ?, ?)", [*target, why, at])


def read_doubted(db: Db) -> set[Ref]:
    """Return the records that we may have created."""
    return {Ref(*row) for row in db.rows(f"select {KEY} from synced.doubted")}


def record_links(db: Db, *, at: datetime, among: str | None = None) -> None:
    """Record which record stands for which subject, for the next sync's brake; a loss let through is forgotten.

    Args:
        among: as in `record_observed`.
    """
    unlinked, other = db.rows(
        f"""select count(*) filter (t.subject_id is null), count(*) filter ({_LINKED_OTHERWISE})
            from {_of("planned.targets", among)} as t left join synced.links as l using ({KEY})
            where l.id is not null or t.subject_id is not null"""
    )[0]
    targets = _of("planned.targets", among)
    if unlinked:
        db.execute(
            f"delete from synced.links where ({KEY}) in (select ({KEY}) from {targets} where subject_id is null)"
        )
    if other:  # as a rule a few of all
        db.execute(
            f"""insert or replace into synced.links by name
                select {KEY}, t.subject_system, t.subject_object, t.subject_id, t.linked_by, t.subject_at,
                       ?::timestamp as linked_at
                from {targets} as t left join synced.links as l using ({KEY}) where {_LINKED_OTHERWISE}""",
            [at],
        )


_LINKED_OTHERWISE = """t.subject_id is not null and t.held is null and (
    t.subject_system, t.subject_object, t.subject_id, t.linked_by, t.subject_at) is distinct from (
    l.subject_system, l.subject_object, l.subject_id, l.linked_by, l.subject_at)"""


def record_run(db: Db, run_id: str, trigger: str) -> None:
    """Record what started a run that is about to write, or to record what it found."""
    db.execute("insert or ignore into synced.runs values (?, ?)", [run_id, trigger])


def record_losses(db: Db, targets: Iterable[Ref], *, at: datetime, run_id: str) -> None:
    """Record that these are about to lose something by a targeted sync."""
    with db.batch(key_columns(sorted(set(targets)))) as batch:
        db.execute(
            f"""insert or replace into synced.losses by name
                select {KEY}, $at::timestamp as lost_at, $run as run_id from {batch}""",
            {"at": at, "run": run_id},
        )


def forget_losses(db: Db, targets: Iterable[Ref], *, run_id: str) -> None:
    """Forget that this run took something from these, if none of its writes reached them."""
    with db.batch(key_columns(sorted(set(targets)))) as batch:
        db.execute(
            f"""delete from synced.losses where run_id = $run and ({KEY}) in (
                    select ({KEY}) from {batch} anti join (
                        from synced.writes where run_id = $run and (outcome is null or outcome = 'accepted'))
                    using ({KEY}))""",
            {"run": run_id},
        )


def forget_all_losses(db: Db) -> None:
    """Forget all losses: a person let a plan pass that counted them."""
    if db.row("select 1 from synced.losses limit 1"):
        db.execute("delete from synced.losses")


def record_baseline(db: Db, *, at: datetime) -> None:
    """Record this sync's complete reads, because the brake let it through: the next one is measured by them."""
    reads: dict[str, int] = json.loads(db.value("select reads from planned.plan") or "{}")
    if any(dict(db.rows("select what, rows from synced.baseline")).get(what) != rows for what, rows in reads.items()):
        places = ", ".join(["(?, ?, ?)"] * len(reads))
        values = [value for what, rows in reads.items() for value in (what, rows, at)]
        db.execute(f"insert or replace into synced.baseline values {places}", values)


def record_settled(db: Db, *, among: str | None = None) -> None:
    """Record targets with nothing to write and nothing to say as settled: not compared until they change.

    Only those that the plan's own run had read when it compared them: of the others nothing was proved, and a write
    that was accepted and lost leaves the body as it was.

    Args:
        among: as in `record_observed`.
    """
    db.execute(
        f"""insert or replace into synced.settled
            select {KEY}, p.fingerprint from {_of("planned.targets", among)} as p
            left join synced.settled as s using ({KEY})
            anti join planned.changes using ({KEY})
            anti join (from planned.notes where note in ('edited_there', 'cannot_clear', 'waiting_retry')) using ({KEY})
            where p.fingerprint is not null and p.held is null and p.compared is not null
              and s.fingerprint is distinct from p.fingerprint"""
    )
