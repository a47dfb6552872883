"""Reduces what was read of contacts to their ids: a plan is made from a fresh look, never from a stored body."""

from __future__ import annotations

from datetime import datetime

from vs_st_pipeline.connectors.hubspot.streams import CONTACTS
from vs_st_pipeline.platform.warehouse.connection import Db


def prune(db: Db, before: datetime) -> None:
    """Reduce the bodies that were read before a moment (UTC without zone)."""
    db.execute(f"update {CONTACTS.table} set body = json_object('id', id) where read_at < ?", [before])
