"""Removes what is kept no longer (notices.md 9.4, R67): texts of replies and hooks after 90 days, evidence after 7.

Data flow: staged.replies, synced.notices, staged.activity, the accounts' files -> the same without texts, then rows.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from vs_st_pipeline.connectors.eshopbox import hook_queue
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.state import is_due, set_state
from vs_st_pipeline.routes.notices.account import forgetting, left
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.systems import ESHOPBOX

EVERY, STATE = timedelta(days=1), "notices retention"
TEXTS: Final = timedelta(days=90)
KEPT: Final = timedelta(days=7 * 365)


def prune(run: Run) -> None:
    """Remove what is due, once a day; a dry run removes nothing."""
    if run.dry_run:
        return
    with run.open() as db:
        if not is_due(db, STATE, EVERY, run.now()):
            return
        with db.transaction():
            db.execute(
                """update staged.replies set text = null, button_text = null
                   where "at" < ? and (text is not null or button_text is not null)""",
                [run.now() - TEXTS],
            )
            db.execute('delete from staged.activity where "at" < ?', [run.now() - KEPT])
            if ESHOPBOX in run.merchant.sections:
                hook_queue.forget_before(db, run.now() - TEXTS)
            db.execute('delete from staged.receipts where "at" < ?', [run.now() - KEPT])
            set_state(db, STATE, True, run.now())
    for account in left.accounts_of(run):
        forgetting.retention(AccountStore.of(run, account), run.now())
