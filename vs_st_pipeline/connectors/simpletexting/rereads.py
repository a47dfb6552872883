"""Says until when every sync asks SimpleTexting the same: nothing of it is read again in turn."""

from __future__ import annotations

from datetime import UTC, timedelta

from vs_st_pipeline.connectors.simpletexting.client import CONTACT
from vs_st_pipeline.connectors.simpletexting.contacts import FIELDS, FULL
from vs_st_pipeline.connectors.simpletexting.settings import SimpleTextingSettings
from vs_st_pipeline.platform.rereads import Heard, Rereading, Rereads
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import state_set_at
from vs_st_pipeline.platform.warehouse.unreadable import next_tries


def _plan(run: Run, db: Db, _heard: Heard) -> Rereads | None:
    every = run.merchant.section(SimpleTextingSettings).full_read
    read = [state_set_at(db, name) for name in (FULL, FIELDS)]
    if None in read or every <= timedelta(0):
        return None
    due = [*(at + every for at in read if at is not None), *next_tries(db, CONTACT.name)]
    return Rereads(min(due).replace(tzinfo=UTC).timestamp(), [])


REREADING = Rereading(_plan)
