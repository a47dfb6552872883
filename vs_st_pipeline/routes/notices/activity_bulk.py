"""Adds many rows of activity at once, in the caller's transaction: one by one, thousands of receipts took a minute."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import activity
from vs_st_pipeline.routes.notices.words import What


@dataclass(frozen=True, slots=True)
class Entry:
    """A row to add. key: what makes a second row of the same say nothing."""

    what: What
    key: str
    merchant_order: str | None = None
    notice_id: str | None = None
    message_id: str | None = None
    account_kind: str | None = None
    number: str | None = None
    mode: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def add_all(db: Db, run: Run, entries: Sequence[Entry]) -> None:
    """Add rows, in this order; one whose key is there already says nothing."""
    rows = {activity.id_of(run, one.key): one for one in entries}
    if not rows:
        return
    columns: dict[str, list[Any]] = {
        "activity_id": list(rows),
        "place": list(range(len(rows))),
        "merchant_order": [one.merchant_order for one in rows.values()],
        "what": [str(one.what) for one in rows.values()],
        "mode": [one.mode for one in rows.values()],
        "notice_id": [one.notice_id for one in rows.values()],
        "message_id": [one.message_id for one in rows.values()],
        "account_kind": [one.account_kind for one in rows.values()],
        "number": [one.number for one in rows.values()],
        "detail": [json.dumps(dict(one.detail), default=str) for one in rows.values()],
    }
    with db.batch(columns, {"place": "int"}) as batch:
        db.execute(
            f"""insert into staged.activity (activity_id, seq, merchant_order, "at", what, mode, notice_id, message_id,
                    account_kind, number, detail)
                select activity_id,
                    (select coalesce(max(seq), 0) from staged.activity) + row_number() over (order by place),
                    merchant_order, $at::timestamp, what, mode, notice_id, message_id, account_kind, number, detail
                from {batch} anti join staged.activity using (activity_id)""",
            {"at": run.now()},
        )
    activity.added_elsewhere(db)
