"""Looks for contacts that are new or were changed: no webhook tells of an opt-in by form, import or Mailchimp."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

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
    rows = [row for text_of_row in found.rows if (row := _row(text_of_row)) is not None]
    more = len(found.rows) >= PAGE_SIZE or (found.total_pages or 0) > 1
    return Page(rows, more, latest_update(client))


class _Listed(msgspec.Struct):
    contactId: str | None = None  # noqa: N815 (the vendor's spelling)
    updated: str | None = None
    updateSource: str | None = None  # noqa: N815


_DECODER = msgspec.json.Decoder(_Listed)


def _row(text: bytes) -> Row | None:
    """Return what a look needs of a contact; None where it has no id. Most are as documented, and read quickly."""
    try:
        listed = _DECODER.decode(text)
    except msgspec.DecodeError:
        listed = _Listed()
    if listed.contactId and listed.updated:
        moment = parse_moment(listed.updated)
        updated = instant(moment) if moment is not None else None
        return Row(listed.contactId.strip(), updated, listed.updateSource == OUR_OWN_SOURCE)
    item = contact_item(text, FieldKeys(()))
    return Row(item.contact_id, item.updated, item.source == OUR_OWN_SOURCE) if item.contact_id else None


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
