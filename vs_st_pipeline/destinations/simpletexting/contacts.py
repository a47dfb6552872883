"""Reads the account's own contacts and custom fields, and lands them in raw.

Data flow: API pages -> raw.simpletexting_contacts, raw.simpletexting_custom_fields.

The listing is no snapshot: rows shift while it is read, and nothing reports a deletion. So a listing counts as
complete only if it holds as many contacts as it says; only then is anybody taken for gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import md5
from typing import Any

import msgspec

from vs_st_pipeline.destinations.simpletexting.client import CustomFieldItem, SimpleTextingClient
from vs_st_pipeline.errors import SIMPLETEXTING, BadAnswer, Refused
from vs_st_pipeline.field_map import CustomField, custom_values
from vs_st_pipeline.run import Run
from vs_st_pipeline.warehouse import Db, utc_now_naive

BUILTINS = ("firstName", "lastName", "email", "birthday", "comment")
CUSTOMER_ID_LABEL = "VScustomerID"


@dataclass(frozen=True, slots=True)
class LiveContact:
    """A contact as it was last read.

    Attributes:
        contact_id: SimpleTexting's id.
        phone: as it was read (ten digits as a rule).
        status: `subscriptionStatus`, open set; empty if none was told.
        builtin: the contact's own fields as text, empty where blank, null or absent.
        custom: custom fields as text by the key that a write uses (merge tag where known).
        created, updated: SimpleTexting's own times as text, empty where absent.
        read_run: the run that read it last.
    """

    contact_id: str
    phone: str
    status: str
    builtin: dict[str, str]
    custom: dict[str, str]
    created: str
    updated: str
    read_run: str

    def value(self, kind: str, key: str) -> str:
        """The live text of a field; empty where there is none."""
        return (self.builtin if kind == "builtin" else self.custom).get(key, "")


def fetch_custom_fields(run: Run, st: SimpleTextingClient) -> int:
    """Read the account's custom fields anew; returns how many there are."""
    fields: list[CustomFieldItem] = []
    page = 0
    while True:
        items, pages = st.list_custom_fields(page)
        if page and items and items == fields[-len(items) :]:
            break  # the same page again: all of it was on the first
        fields += items
        page += 1
        if not items or (pages is not None and page >= pages):
            break
    rows = [(item.label.strip(), item.mergeTag) for item in fields if item.label and item.label.strip()]
    columns: dict[str, list[str | None]] = {"label": [row[0] for row in rows], "merge_tag": [row[1] for row in rows]}
    with run.open() as db, db.transaction(), db.batch(columns) as batch:
        db.execute("delete from raw.simpletexting_custom_fields")
        db.execute(f"insert into raw.simpletexting_custom_fields select label, merge_tag from {batch}")
    return len(rows)


def fetch_contacts(run: Run, st: SimpleTextingClient) -> int:
    """Read all contacts and land them; those that a complete listing does not have are marked gone.

    Returns:
        How many distinct contacts the listing holds.

    Raises:
        BadAnswer: the listing said more contacts than it gave, or paging had no effect, twice over.
    """
    found, told, moved = _list(run, st)
    if moved or (told is not None and len(found) < told):
        found, told, _ = _list(run, st)
    if told is not None and len(found) < told:
        raise BadAnswer(
            f"the contact list says it has {told} but gave {len(found)}; nothing is taken from it",
            system=SIMPLETEXTING,
            call="list_contacts",
        )
    with run.open() as db, db.transaction():
        land_contacts(run, db, found)
        db.execute("update raw.simpletexting_contacts set gone = true where read_run <> ? and not gone", [run.run_id])
        db.execute("delete from raw.reads where what = 'contacts'")
        db.execute("insert into raw.reads values ('contacts', ?, ?, ?)", [run.run_id, len(found), run.now()])
    return len(found)


def _list(run: Run, st: SimpleTextingClient) -> tuple[dict[str, bytes], int | None, bool]:
    """One listing: bodies by id, the total last told, and whether the total moved meanwhile."""
    found: dict[str, bytes] = {}
    totals: set[int] = set()
    told: int | None = None
    before: list[str] = []
    page = 0
    while True:
        answer = st.list_contacts(page)
        if answer.contacts and answer.total_elements is not None:  # past the end the totals may be missing
            told = answer.total_elements
            totals.add(told)
        ids = []
        for text in answer.contacts:
            contact_id = contact_id_of(text)
            ids.append(contact_id)
            found[contact_id] = text
        if page and ids and ids == before:
            raise BadAnswer(
                "the contact list gave the same page twice: paging has no effect",
                system=SIMPLETEXTING,
                call="list_contacts",
            )
        run.progress(f"contacts {len(found)}" + (f" of {told}" if told else ""))
        page += 1
        if not ids or (answer.total_pages is not None and page >= answer.total_pages):
            return found, told, len(totals) > 1
        before = ids


def fetch_contact(run: Run, st: SimpleTextingClient, contact_id: str) -> float | None:
    """Read one contact by itself and land it; one that answers 404 is marked gone.

    Returns:
        SimpleTexting's clock at the answer (epoch seconds), where it was told.
    """
    try:
        text, server_time = st.contact(contact_id)
    except Refused as refused:
        if refused.http_status != 404:
            raise
        with run.open() as db:
            db.execute("update raw.simpletexting_contacts set gone = true where contact_id = ?", [contact_id])
        return refused.server_time
    with run.open() as db, db.transaction():
        land_contacts(run, db, {contact_id_of(text): text})
    return server_time


def land_contacts(run: Run, db: Db, contacts: Mapping[str, bytes]) -> None:
    """Store these bodies as this run's reading; the source first seen stays, our own writes overwrite it there.

    When they were read is a fact, not a rule about dates, so it is the machine's time and never `VS_ST_NOW`.
    """
    columns: dict[str, list[Any]] = {
        "contact_id": list(contacts),
        "body": [text.decode() for text in contacts.values()],
        "body_hash": [md5(text, usedforsecurity=False).hexdigest() for text in contacts.values()],
        "source": [_text(_decode(text).get("updateSource")) or None for text in contacts.values()],
    }
    with db.batch(columns) as batch:
        db.execute(
            f"""update raw.simpletexting_contacts as c
                set body = b.body, body_hash = b.body_hash, read_at = $now, read_run = $run, gone = false
                from {batch} as b where c.contact_id = b.contact_id""",
            {"now": utc_now_naive(), "run": run.run_id},
        )
        db.execute(
            f"""insert into raw.simpletexting_contacts
                    (contact_id, body, body_hash, read_at, read_run, first_source)
                select b.contact_id, b.body, b.body_hash, $now, $run, b.source from {batch} as b
                anti join raw.simpletexting_contacts as c using (contact_id)""",
            {"now": utc_now_naive(), "run": run.run_id},
        )


def read_custom_fields(db: Db) -> list[CustomField]:
    """The account's custom fields as last read."""
    return [
        CustomField(label, merge_tag or "")
        for label, merge_tag in db.rows("select label, merge_tag from raw.simpletexting_custom_fields")
    ]


def read_contacts(
    db: Db, custom_fields: Iterable[CustomField], contact_ids: Iterable[str] | None = None
) -> dict[str, LiveContact]:
    """Contacts as last read, gone ones left out; all of them, or these."""
    fields = list(custom_fields)
    sql = "select contact_id, body, read_run from raw.simpletexting_contacts"
    if contact_ids is None:
        rows = db.rows(f"{sql} where not gone")
    else:
        with db.batch({"contact_id": sorted(set(contact_ids))}) as batch:
            rows = db.rows(f"{sql} semi join {batch} using (contact_id) where not gone")
    return {row[0]: live_contact(row[0], row[1], row[2], fields) for row in rows}


def live_contact(contact_id: str, text: str | bytes, read_run: str, custom_fields: list[CustomField]) -> LiveContact:
    """A contact from its JSON; absent, null and empty all read as empty."""
    body = _decode(text)
    custom = body.get("customFields")
    return LiveContact(
        contact_id=contact_id,
        phone=_text(body.get("contactPhone")),
        status=_text(body.get("subscriptionStatus")),
        builtin={name: _text(body.get(name)) for name in BUILTINS},
        custom=custom_values(custom if isinstance(custom, dict) else {}, custom_fields),
        created=_text(body.get("created")),
        updated=_text(body.get("updated")),
        read_run=read_run,
    )


def contact_id_of(text: bytes) -> str:
    """The id of a contact's JSON.

    Raises:
        BadAnswer: it is no object or names no id; without one nothing can be said about a whole listing.
    """
    body = _decode(text)
    contact_id = body.get("contactId") or body.get("id")
    if not isinstance(contact_id, str) or not contact_id:
        raise BadAnswer("a contact without an id came", system=SIMPLETEXTING, call="list_contacts")
    return contact_id


def _decode(text: str | bytes) -> dict[str, Any]:
    value = msgspec.json.decode(text)
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)
