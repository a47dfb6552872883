"""Reduces profiles that were last read long ago to what names them.

Data flow: raw.klaviyo_profiles -> the same, with less in them.
"""

from __future__ import annotations

from datetime import datetime

from vs_st_pipeline.platform.warehouse.connection import Db


def prune(db: Db, before: datetime) -> None:
    """Reduce the bodies that were read before this moment; whoever is planned again is read again."""
    db.execute("update raw.klaviyo_profiles set body = '{}' where read_at < ? and body <> '{}'", [before])
