"""Records what was said and done, row by row, and tells `activity.push_url` (notices.md 7.8, 8.6).

Data flow: a move of a message, a reply or an action, in its own transaction -> staged.activity -> `activity_push`.

Rows are only ever added. A detail holds no phone, no text and no name: whose it is, the push looks up when it tells.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import activity_push
from vs_st_pipeline.routes.notices.words import What

if TYPE_CHECKING:
    from vs_st_pipeline.routes.notices.session import NoticesSession

WHATSAPP: Final = "whatsapp"  # modes of 8.6
AT_ESHOPBOX: Final = "eshopbox"
_SEQ: Final = "notices_activity_seq"


def add(
    db: Db,
    run: Run,
    what: What,
    *,
    merchant_order: str | None = None,
    notice_id: str | None = None,
    message_id: str | None = None,
    account_kind: str | None = None,
    number: str | None = None,
    mode: str | None = None,
    key: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> bool:
    """Add a row, in the caller's transaction.

    Args:
        key: what makes a second row of the same say nothing, such as `held NOTICE REASON`; None: always a row.

    Returns:
        False where the row of this key was there already.
    """
    activity_id = id_of(run, key) if key is not None else f"a_{uuid.uuid4().hex[:26]}"
    newest: list[int] = db.cached(_SEQ, lambda: [int(db.value("select coalesce(max(seq), 0) from staged.activity"))])
    added = db.row(
        """insert into staged.activity (activity_id, seq, merchant_order, "at", what, mode, notice_id, message_id,
                                        account_kind, number, detail) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
           on conflict do nothing returning 1""",
        [
            *(activity_id, newest[0] + 1, merchant_order, run.now(), str(what), mode, notice_id, message_id),
            *(account_kind, number, json.dumps(detail or {}, default=_plain)),
        ],
    )
    newest[0] += added is not None
    return added is not None


def added_elsewhere(db: Db) -> None:
    """Have the next row's number read anew: rows were added by SQL, with numbers from `max(seq) + 1` on."""
    db.uncache(_SEQ)


def id_of(run: Run, key: str) -> str:
    """Return the id of the row of a key, the same whatever was lost in between."""
    told = hashlib.sha256(f"v1|{run.merchant.id}|{key}".encode()).digest()
    return "a_" + base64.b32encode(told[:20]).decode("ascii").lower()[:26]


def is_there(db: Db, activity_id: str) -> bool:
    """Say whether a row is there."""
    return db.row("select 1 from staged.activity where activity_id = ?", [activity_id]) is not None


def push(session: NoticesSession) -> None:
    """Tell `push_url` each row, in order per order, at least once, until 2xx; nothing where none is set."""
    activity_push.push(session)


def _plain(value: object) -> str:
    return f"{value.isoformat()}Z" if isinstance(value, datetime) else str(value)
