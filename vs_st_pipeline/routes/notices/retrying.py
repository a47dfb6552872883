"""Lets rejected messages be sent again, because a person says so, while they are fresh (notices.md 7.3, R29).

Data flow: NOTICE..., or all with one code -> the claims are released, the ledger waits -> a sync, with all its rules.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.gupshup.settings import GupshupSettings
from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.pipeline.route import Again, Retry
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import ledger
from vs_st_pipeline.routes.notices.account import claims
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.session import open_session
from vs_st_pipeline.routes.notices.sync import sync
from vs_st_pipeline.routes.notices.words import State

NOTHING: Final = ("no rejected message waits", "no rejected message of that name waits")
Row = tuple[str, str, str | None, str | None, str | None]
"""notice_id, account, order_number, status, code."""


def find(run: Run, again: Again) -> list[str]:
    """Return what would be tried again, a line each. Raises BadArguments: a word names no message."""
    rows = _rows(run, again)
    count = f"{len(rows)} rejected {'message is' if len(rows) == 1 else 'messages are'}"
    told = [f"{run.merchant.id}: {count} judged again, and sent where that may be"]
    return told + [
        f"  {notice_id}: order {order or '-'}, {status or '-'}{f', code {code}' if code else ''}"
        for notice_id, _, order, status, code in rows
    ]


def retry(run: Run, again: Again) -> Report | None:
    """Release these messages, and sync; None where none is rejected, and then no system was called.

    Raises:
        BadArguments: a word names no message.
    """
    rows = _rows(run, again)
    if not rows:
        return None
    with open_session(run, ()) as session, run.sync_lock():
        for row in rows:
            _release(run, row)
    return session.report if session.report.status == FAILED else sync(run)


def _release(run: Run, row: Row) -> None:
    """Release the claim, then let the ledger wait; killed in between, the next sync's copy of the claim does it."""
    notice_id, account_id, *_ = row
    account = next((one for one in run.merchant.section(GupshupSettings).accounts if one.id == account_id), None)
    if account is None:
        return
    released = claims.release(AccountStore.of(run, account), notice_id)
    if released is not None:
        with run.open() as db, db.transaction():
            ledger.from_claim(db, run, released, account)


def _rows(run: Run, again: Again) -> list[Row]:
    if not run.file().exists():
        if again.records:
            raise _unknown()
        return []
    with run.open() as db:
        if again.code is not None:
            return _rejected(db, "code = ?", again.code)
        found = []
        for word in again.records:
            if db.value("select 1 from synced.notices where notice_id = ?", [word]) is None:
                raise _unknown()
            found += _rejected(db, "notice_id = ?", word)
        return found


def _rejected(db: Db, which: str, value: str) -> list[Row]:
    rows = db.rows(
        f"""select notice_id, account, order_number, status, code from synced.notices
            where state = ? and {which} order by claimed_at, notice_id""",
        [State.REJECTED, value],
    )
    return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]


def _unknown() -> BadArguments:
    return BadArguments(
        "no message of this name is held here; `vs-st why --route notices ORDER` shows those of an order"
    )


RETRY: Final = Retry(
    "NOTICE...",
    takes=lambda word: word.startswith(("n_", "x_")),
    go=retry,
    most=None,
    nothing=NOTHING,
    find=find,
)
