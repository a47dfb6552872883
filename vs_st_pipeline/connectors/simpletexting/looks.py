"""Looks for contacts that are new or were changed: no webhook tells of an opt-in by form, import or Mailchimp."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from vs_st_pipeline.connectors.simpletexting.client import PAGE_SIZE, SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.contact_list import latest_update
from vs_st_pipeline.connectors.simpletexting.custom_fields import FieldKeys
from vs_st_pipeline.connectors.simpletexting.stored_contacts import OUR_OWN_SOURCE, contact_item
from vs_st_pipeline.domain.formats import instant, parse_moment
from vs_st_pipeline.domain.hints import CONTACT
from vs_st_pipeline.platform.looking import OVERLAP, Looking, Page, Row
from vs_st_pipeline.platform.warehouse.connection import Db

OPT_IN_LOOK: Final = "OPT_IN_LOOK"


def page(client: SimpleTextingClient, since: datetime | None) -> Page:
    """Ask for the contacts that were updated since a time, oldest first: one request."""
    text = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{since.microsecond // 1000:03d}Z" if since else None
    found = client.list_contacts(0, since=text)
    items = [contact_item(row, FieldKeys(())) for row in found.rows]
    rows = [Row(item.contact_id, item.updated, item.source == OUR_OWN_SOURCE) for item in items if item.contact_id]
    more = len(found.rows) >= PAGE_SIZE or (found.total_pages or 0) > 1
    return Page(rows, more, latest_update(client))


def known(db: Db) -> Sequence[Row]:
    """Return the stored contacts that were updated in the last ten minutes of all their updates."""
    rows = db.rows(
        """select contact_id, updated from (
               select contact_id, json_extract_string(body, '$.updated') as updated
               from raw.simpletexting_contacts where not gone)
           where updated is not null order by updated desc limit 1000"""
    )
    found = [Row(row[0], instant(moment)) for row in rows if (moment := parse_moment(row[1])) is not None]
    newest = max((row.updated for row in found if row.updated), default=None)
    return [row for row in found if newest and row.updated and row.updated >= newest - OVERLAP]


def stored(db: Db, ids: Collection[str]) -> set[str]:
    """Return those of these contacts that are stored."""
    with db.batch({"contact_id": sorted(ids)}) as batch:
        sql = f"select contact_id from raw.simpletexting_contacts semi join {batch} using (contact_id) where not gone"
        return {row[0] for row in db.rows(sql)}


LOOKING = Looking(CONTACT, OPT_IN_LOOK, page, known, stored)
