"""Takes away what is kept no longer: bodies of settled events, and rows of the ledger after 7 years (routes.md R67).

Data flow: synced.audience_told -> the same, without `data`, then without the row. The base, which says what WayMore was
told, stays for good: without it everything would be told again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.state import is_due, set_state
from vs_st_pipeline.routes.audience import from_shop

EVERY, STATE = timedelta(days=1), "audience retention"
KEPT: Final = timedelta(days=7 * 365)


def prune(run: Run) -> int:
    """Take away what is due, once a day; a dry run takes nothing.

    Returns:
        How many rows lost their body, which they do only where the merchant has set `keep_raw_bodies`.
    """
    if run.dry_run:
        return 0
    with run.open() as db:
        if not is_due(db, STATE, EVERY, run.now()):
            return 0
        reduced = 0
        with db.transaction():
            db.execute('delete from synced.audience_told where "at" < ?', [run.now() - KEPT])
            if run.merchant.keep_raw_bodies is not None:
                reduced = len(
                    db.rows(
                        """update synced.audience_told set data = null where data is not null and "at" < ?
                           returning 1""",
                        [run.now() - run.merchant.keep_raw_bodies],
                    )
                )
            from_shop.prune(run, db)
            set_state(db, STATE, True, run.now())
    return reduced
