"""Keeps what is sent before it is sent, and its outcome: the next run settles what has none.

Data flow: changes about to be written -> synced.writes. Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.platform.warehouse.connection import Db

UPDATE, BATCH = "update_contact", "batch_update"  # the calls that write


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One contact's part of a request, as it was stored before it was sent.

    Attributes:
        send_id: the request's name; a batch has many contacts.
        run_id: the run that sent it.
        call: `update_contact` or `batch_update`.
        phone: ten digits that a batch knows the contact by, None where it has no clear phone.
        task_id: the task of a batch that was accepted.
        heard_before, heard_after: SimpleTexting's clock around the sending (epoch seconds), None where not heard.
        sent_at: UTC without zone; None before it is stored.
    """

    send_id: str
    contact_id: str
    run_id: str
    call: str
    phone: str | None
    changes: tuple[Change, ...]
    task_id: str | None = None
    heard_before: float | None = None
    heard_after: float | None = None
    sent_at: datetime | None = None


def enqueue(db: Db, sending: Sequence[OutboxEntry], *, at: datetime) -> None:
    """Store what is about to be sent, with the evidence that it may be: status as read and when, and the birth date."""
    names = ("send_id", "contact_id", "run_id", "call", "phone", "changes")
    rows = [
        (sent.send_id, sent.contact_id, sent.run_id, sent.call, sent.phone, _dump(sent.changes)) for sent in sending
    ]
    columns: dict[str, list[Any]] = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    with db.batch(columns) as batch:
        db.execute(
            f"""insert into synced.writes by name
                select b.*, coalesce(c.status, '') as status, c.read_at, s.birth_date,
                       $before::double as heard_before, $at::timestamp as sent_at
                from {batch} as b
                join raw.simpletexting_contacts as c using (contact_id)
                left join planned.contacts as p using (contact_id)
                left join staged.customers as s on s.customer_id = p.customer_id""",
            {"at": at, "before": sending[0].heard_before if sending else None},
        )
        # A doubted contact is written only after a sign of its own. Our write hides that sign, so the doubt is deleted.
        db.execute(f"delete from synced.doubted where contact_id in (select contact_id from {batch})")


def read_consents(db: Db, send_id: str) -> list[str]:
    """Return the status that a request's contacts were stored with, of those that are there and its run has read."""
    return [
        row[0]
        for row in db.rows(
            """select w.status from synced.writes as w join raw.simpletexting_contacts as c using (contact_id)
               where w.send_id = ? and not c.gone and c.read_run = w.run_id""",
            [send_id],
        )
    ]


def record_acknowledged(db: Db, send_id: str, task_id: str, heard_after: float | None) -> None:
    """Record that a batch was accepted: from now on its task can be asked, even if this run dies."""
    db.execute(
        "update synced.writes set task_id = ?, heard_after = ? where send_id = ?", [task_id, heard_after, send_id]
    )


def record_not_sent(db: Db, send_id: str) -> None:
    """Record that a request was refused as a whole, so nothing of it was done; its contacts are sent again."""
    db.execute("delete from synced.writes where send_id = ? and outcome is null", [send_id])


def read_open(db: Db) -> dict[str, list[OutboxEntry]]:
    """Return what was sent, or may have been, and has no outcome yet: by request, oldest first."""
    found: dict[str, list[OutboxEntry]] = {}
    for send_id, contact_id, run_id, call, phone, changes, task_id, before, after, at in db.rows(
        """select send_id, contact_id, run_id, call, phone, changes, task_id, heard_before, heard_after, sent_at
           from synced.writes where outcome is null order by sent_at, send_id, contact_id"""
    ):
        sent = OutboxEntry(send_id, contact_id, run_id, call, phone, _load(changes), task_id, before, after, at)
        found.setdefault(send_id, []).append(sent)
    return found


def read_late(db: Db, *, at: datetime, within: timedelta) -> list[OutboxEntry]:
    """Return contacts of batches that were given up but may still come (`may_come`), if they are gone by now."""
    return [
        OutboxEntry(send_id, contact_id, run_id, call, phone, _load(changes), task_id, before, after, sent_at)
        for send_id, contact_id, run_id, call, phone, changes, task_id, before, after, sent_at in db.rows(
            """select send_id, contact_id, w.run_id, call, w.phone, changes, task_id, heard_before, heard_after, sent_at
               from synced.writes as w join raw.simpletexting_contacts as c using (contact_id)
               where outcome is not null and w.phone is not null and c.gone
                 and abs(epoch(sent_at) - epoch($at::timestamp)) < $seconds
               order by sent_at, send_id, contact_id""",
            {"at": at, "seconds": within.total_seconds()},
        )
    ]


def forget_late(db: Db, *, at: datetime, within: timedelta) -> None:
    """Forget phones and changes of batches that came late, or will not come any more: they are not looked up again."""
    db.execute(
        """update synced.writes set phone = null, changes = null where outcome is not null and phone is not null
           and abs(epoch(sent_at) - epoch($at::timestamp)) >= $seconds""",
        {"at": at, "seconds": within.total_seconds()},
    )


def count_waiting(db: Db) -> tuple[int, int]:
    """Count contacts that were refused and wait for another try, and contacts with a write of unknown outcome."""
    row = db.row(
        """select (select count(*) from synced.rejects),
                  (select count(distinct contact_id) from synced.writes where outcome is null)"""
    )
    assert row is not None
    return int(row[0]), int(row[1])


def record_outcome(
    db: Db, settled: Sequence[OutboxEntry], outcome: str, at: datetime, *, may_come: bool = False
) -> None:
    """Record one outcome for all these contacts.

    Args:
        outcome: `accepted`, `rejected`, or as in `record_without_effect`.
        at: UTC without zone.
        may_come: as in `record_without_effect`.
    """
    columns = {"send_id": [sent.send_id for sent in settled], "contact_id": [sent.contact_id for sent in settled]}
    with db.batch(columns) as batch:
        db.execute(
            f"""update synced.writes as w
                set outcome = $outcome, settled_at = $at, changes = case when $may_come then changes end,
                    phone = case when $may_come then phone end
                from {batch} as b where w.send_id = b.send_id and w.contact_id = b.contact_id""",
            {"outcome": outcome, "at": at, "may_come": may_come},
        )


def record_without_effect(
    db: Db, settled: Sequence[OutboxEntry], outcome: str, *, at: datetime, may_come: bool = False
) -> None:
    """Record that these were not written: `gone`, `another contact` or `not applied`.

    Args:
        may_come: their batch may be carried out later all the same; phone and changes are kept, for `read_late`.
    """
    record_outcome(db, settled, outcome, at, may_come=may_come)


def _dump(changes: Iterable[Change]) -> str:
    return json.dumps(
        [[c.field, c.key, c.kind, c.policy, c.old, c.new, c.rule, c.sources] for c in changes], ensure_ascii=False
    )


def _load(text: str) -> tuple[Change, ...]:
    return tuple(Change(*row) for row in json.loads(text))
