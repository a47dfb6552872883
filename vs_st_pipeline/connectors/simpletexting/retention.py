"""Reduces contacts that are gone to what they are found, linked and forgotten by.

Data flow: raw.simpletexting_contacts -> the same, with less in them.
"""

from __future__ import annotations

import json
from datetime import datetime

from vs_st_pipeline.connectors.simpletexting.custom_fields import customer_id_key
from vs_st_pipeline.connectors.simpletexting.stored_contacts import read_contacts, read_custom_fields
from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order
from vs_st_pipeline.platform.warehouse.streams import REDUCED


def prune(db: Db, before: datetime) -> None:
    """Reduce contacts that were gone before this moment."""
    custom_fields = read_custom_fields(db)
    key = customer_id_key(custom_fields)
    gone = [
        row[0]
        for row in db.rows(
            "select contact_id from raw.simpletexting_contacts where gone and read_at < ? and body_hash <> ?",
            [before, REDUCED],
        )
    ]
    rows = []
    for contact_id, contact in read_contacts(db, custom_fields, gone, also_gone=True).items():
        kept = {"contactId": contact_id, "contactPhone": contact.phone, "email": contact.builtin["email"]}
        rows.append((contact_id, json.dumps({**kept, "customFields": {key: contact.custom.get(key, "")}})))
    with db.batch({"contact_id": [row[0] for row in rows], "body": [row[1] for row in rows]}) as batch:
        db.execute(
            f"""update raw.simpletexting_contacts as c set body = b.body, body_hash = ?
                from {in_row_order("raw.simpletexting_contacts", batch, "contact_id")} as b
                where c.rowid = b.rowid_""",
            [REDUCED],
        )
