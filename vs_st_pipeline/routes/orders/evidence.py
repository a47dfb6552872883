"""Keeps which order numbers are in use in a file that outlives the database (routes.md R35, orders.md 6).

Data flow: a write's row -> a line of `orders.evidence.jsonl`, with fsync -> the request. After a loss, the other way.

A row is committed before its line is written, and its line before the request leaves. So a row without a line was not
sent, and a line without a row (the database was lost, or an older one was put back) may have been: its row is put back
(`recover`), and the order is read before anything is sent. How a write ended is added as a line without fsync: if that
is lost, it is unknown, and read.

Which orders a person keeps back stands there too, before the command ends: in an older database such an order may be
about to leave. And which orders were fulfilled: the shop shows that, unless somebody removed the fulfillment, and then
a lost database would have the customer mailed again (7.2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile, Line
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import ledger, outbox
from vs_st_pipeline.routes.orders.outbox import Outcome, Write
from vs_st_pipeline.routes.orders.states import State
from vs_st_pipeline.routes.orders.systems import SHIPPER

NUMBER, ENDED, FULFILLED, KEPT_BACK = "number", "ended", "fulfilled", "kept_back"
_POSITION: Final = "evidence"
_AT_ONCE: Final = 2_000  # lines that are taken in together


def account_of(run: Run) -> str:
    """Return a name of the shipper's account that tells nothing of its key."""
    settings = run.merchant.section(VinoshipperSettings)
    told = f"{settings.base_url} {settings.api_key.reveal()}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def append(run: Run, write: Write) -> None:
    """Write down that a number is about to be used; on the disk when this returns.

    Raises:
        OSError: it cannot be: then nothing may be sent.
    """
    line = {
        "what": NUMBER, "order_id": write.order_id, "number": write.vs_number, "call": write.call,
        "time": f"{write.at.isoformat()}Z", "account": account_of(run), "send_id": write.send_id,
    }  # fmt: skip
    EvidenceFile.of(run).append([line])


def append_end(run: Run, write: Write) -> None:
    """Write down how a write ended; a line that is lost makes it unknown again, after a loss of the database alone."""
    line = {"what": ENDED, "order_id": write.order_id, "send_id": write.send_id, "outcome": write.outcome}
    EvidenceFile.of(run).append([line], durable=False)


def append_fulfilled(run: Run, order_id: str, fulfillment_id: str | None, *, mailed: bool) -> None:
    """Write down that the shop has taken our fulfillment of an order, once the ledger says so."""
    line = {"what": FULFILLED, "order_id": order_id, "fulfillment_id": fulfillment_id, "mailed": mailed}
    EvidenceFile.of(run).append([{**line, "time": f"{run.now().isoformat()}Z"}])


def append_kept_back(run: Run, order_id: str, *, kept: bool) -> None:
    """Write down that a person keeps an order back, or not any more; on the disk when this returns."""
    line = {"what": KEPT_BACK, "order_id": order_id, "kept": kept, "time": f"{run.now().isoformat()}Z"}
    EvidenceFile.of(run).append([line])


def kept_back(db: Db) -> frozenset[str]:
    """Return the orders that a person keeps back, as far as the file was taken in, whatever the ledger says of them."""
    return frozenset(ledger.fact(db, KEPT_BACK) or ())


def recover(run: Run) -> int:
    """Put back what the database lacks of the file; returns how many writes. Under the sync lock, before all else.

    Orders that they are about are looked at again: what was decided without knowing of the write does not stand.
    """
    file = EvidenceFile.of(run)
    position = file.position()
    with run.open() as db:
        before = ledger.fact(db, _POSITION)
    here = [position.inode, position.size]
    if before == here or run.dry_run:
        return 0
    same = isinstance(before, list) and len(before) == 2 and before[0] == here[0] and before[1] <= here[1]
    numbers: dict[str, Line] = {}
    ends: dict[str, str] = {}
    fulfilled: dict[str, Line] = {}
    kept: dict[str, bool] = {}
    for line in file.read(before[1] if same else 0):
        if line.get("what") == FULFILLED and isinstance(line.get("order_id"), str):
            fulfilled[line["order_id"]] = line
        if line.get("what") == KEPT_BACK and isinstance(line.get("order_id"), str):
            kept[line["order_id"]] = line.get("kept") is True
        send_id = line.get("send_id")
        if not isinstance(send_id, str):
            continue
        if line.get("what") == NUMBER and _is_whole(line):
            numbers[send_id] = line
        elif line.get("what") == ENDED and line.get("outcome") in set(Outcome):
            ends[send_id] = line["outcome"]
    found = 0
    with run.open() as db, db.transaction():
        for ids in _portions(list(numbers)):  # as they were written: the last one is the newest
            lacking = set(ids) - outbox.known(db, ids)
            for send_id in ids:
                if send_id in lacking:
                    _put_back(db, run, numbers[send_id], ends.get(send_id))
            found += len(lacking)
        _put_back_fulfilled(db, run, fulfilled.values())
        if kept:
            known = kept_back(db) - kept.keys() | {order_id for order_id, is_kept in kept.items() if is_kept}
            ledger.keep_fact(db, run, KEPT_BACK, sorted(known))
        ledger.keep_fact(db, run, _POSITION, here)
    return found


def _put_back(db: Db, run: Run, line: Line, ended: str | None) -> None:
    order_id = str(line["order_id"])
    row = ledger.find(db, [order_id]).get(order_id)
    is_cancel = line["call"] == outbox.CANCEL
    if (
        ended is None
        and row is not None
        and row.state in ((State.VOIDED,) if is_cancel else (State.SENT, State.VOIDED))
    ):
        ended = Outcome.ADOPTED  # what stands was read there
    at = datetime.fromisoformat(line["time"]).replace(tzinfo=None)
    seq = int(db.value("select coalesce(max(seq), 0) + 1 from synced.order_writes"))
    write = Write(
        line["send_id"], SHIPPER, line["call"], order_id, line["number"], "", at, run.run_id,
        outcome=ended, outcome_at=None if ended is None else run.now(), seq=seq,
    )  # fmt: skip
    outbox.store(db, write)
    if row is None or row.state in (State.SENT, State.VOIDED):
        return
    text = f"found in the evidence file: {write.call} under {write.vs_number}"
    ledger.move(
        db, run, row, "settled", text, vs_number=row.vs_number or write.vs_number, looked_there=False,
        next_read_at=run.now() if row.state in (State.FAILED, State.NOT_REQUIRED) else row.next_read_at,
    )  # fmt: skip


def _put_back_fulfilled(db: Db, run: Run, lines: Iterable[Line]) -> None:
    """Put back what the database lacks, and end what it holds for unknown: an older one may have been put back."""
    for line in lines:
        db.execute(
            """update synced.order_writes set outcome = 'done', outcome_at = $now
               where order_id = $id and call = 'fulfil' and outcome is null""",
            {"id": line["order_id"], "now": run.now()},
        )
        fulfillment_id, mailed = line.get("fulfillment_id"), line.get("mailed")
        db.execute(
            """insert or ignore into synced.fulfilments (order_id, outcome, fulfillment_id, mailed, written_at)
               values (?, 'done', ?, ?, ?)""",
            [
                line["order_id"],
                fulfillment_id if isinstance(fulfillment_id, str) else None,
                mailed if isinstance(mailed, bool) else None,
                run.now(),
            ],
        )


def _is_whole(line: Line) -> bool:
    if not all(isinstance(line.get(key), str) and line[key] for key in ("order_id", "number", "call", "time")):
        return False
    try:
        datetime.fromisoformat(line["time"])
    except ValueError:
        return False
    return line["call"] in (*outbox.MAKING, outbox.CANCEL)


def _portions(ids: list[str]) -> Iterable[list[str]]:
    return (ids[i : i + _AT_ONCE] for i in range(0, len(ids), _AT_ONCE))
