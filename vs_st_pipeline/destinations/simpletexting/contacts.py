"""Reads the account's own contacts and custom fields, and lands them in raw.

Data flow: API pages -> raw.simpletexting_contacts, raw.simpletexting_custom_fields.

The listing is no snapshot: rows shift while it is read, and nothing reports a deletion. So a listing counts as
complete only if it holds as many contacts as it says; only then is anybody taken for gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any

import msgspec

from vs_st_pipeline.account_fields import CustomField, ReadNames, resolve
from vs_st_pipeline.database import Db
from vs_st_pipeline.destinations.simpletexting.client import PAGE_SIZE, CustomFieldItem, SimpleTextingClient
from vs_st_pipeline.drift import drift_of
from vs_st_pipeline.errors import SIMPLETEXTING, BadAnswer, Refused
from vs_st_pipeline.field_map import FieldMap, MapField
from vs_st_pipeline.forgotten import CONTACT, CUSTOMER, PHONE, admit, phone_name, read_forgotten
from vs_st_pipeline.marks import is_due, read_mark, record_drift, write_mark
from vs_st_pipeline.run import Asked, Run
from vs_st_pipeline.schema import utc_now_naive
from vs_st_pipeline.text_forms import instant, parse_moment

BUILTINS = ("firstName", "lastName", "email", "birthday", "comment")
CUSTOMER_ID_LABEL = "VScustomerID"
OUR_OWN_SOURCE = "PUBLIC_API"  # `updateSource` of a contact that was last touched through the API
OVERLAP = timedelta(hours=1)  # rows may be shown late, and `since` may be exclusive
OVERLAP_ROWS = PAGE_SIZE - 20  # room for what is new
FULL, SINCE = "contacts_full", "contacts_since"


@dataclass(frozen=True, slots=True)
class LiveContact:
    """A contact as it was last read.

    Attributes:
        contact_id: SimpleTexting's id.
        phone: as it was read (ten digits as a rule).
        status: `subscriptionStatus`, open set; empty if none was told.
        builtin: the contact's own fields as text, empty where blank, null or absent.
        custom: custom fields as text by the key that a write uses (merge tag where known).
        odd: those of them that are no text, as they were read: they go back as they came.
        created, updated: SimpleTexting's own times as text, empty where absent.
        source: `updateSource`, by whom it was last touched; empty where absent.
        read_run: the run that read it last.
    """

    contact_id: str
    phone: str
    status: str
    builtin: dict[str, str]
    custom: dict[str, str]
    odd: dict[str, Any]
    created: str
    updated: str
    source: str
    read_run: str

    def value(self, kind: str, key: str) -> str:
        """The live text of a field; empty where there is none."""
        return (self.builtin if kind == "builtin" else self.custom).get(key, "")

    @property
    def may_be_ours(self) -> bool:
        """Whether it shows no sign that anybody but the API has touched it: what we made looks so."""
        return self.source in ("", OUR_OWN_SOURCE)


def fetch_custom_fields(run: Run, st: SimpleTextingClient) -> int:
    """Read the account's custom fields anew; returns how many there are."""
    fields = list_custom_fields(st)
    rows = [(item.label.strip(), item.mergeTag) for item in fields if item.label and item.label.strip()]
    with run.open() as db:
        if rows == db.rows("select label, merge_tag from raw.simpletexting_custom_fields order by rowid"):
            return len(rows)
    columns: dict[str, list[str | None]] = {"label": [row[0] for row in rows], "merge_tag": [row[1] for row in rows]}
    with run.open() as db, db.transaction(), db.batch(columns) as batch:
        db.execute("delete from raw.simpletexting_custom_fields")
        db.execute(f"insert into raw.simpletexting_custom_fields select label, merge_tag from {batch}")
    return len(rows)


def list_custom_fields(st: SimpleTextingClient) -> list[CustomFieldItem]:
    """All custom fields of the account, page by page."""
    fields: list[CustomFieldItem] = []
    page = 0
    while True:
        items, pages = st.list_custom_fields(page)
        if page and items and items == fields[-len(items) :]:
            return fields  # the same page again: all of it was on the first
        fields += items
        page += 1
        if not items or (pages is not None and page >= pages):
            return fields


def fetch_contacts(run: Run, st: SimpleTextingClient, *, fresh: bool = False) -> int:
    """Read the contacts that were updated since the last look, or all of them where that is due.

    Args:
        fresh: read all, whatever is due: right before a batch, and to settle what a batch left unknown.

    Returns:
        How many distinct contacts were seen.

    Raises:
        BadAnswer: the listing said more contacts than it gave, or paging had no effect, twice over.
    """
    with run.open() as db:
        mark = read_mark(db, SINCE)
        full = fresh or run.full or mark is None or is_due(db, FULL, run.merchant.simpletexting.full_read, run.now())
    if full:
        return _fetch_all(run, st, "before a batch" if fresh else "due")
    return _fetch_since(run, st, mark)


def _fetch_all(run: Run, st: SimpleTextingClient, why: str) -> int:
    """A complete listing; those that it does not have are marked gone."""
    listing = _list(run, st)
    if listing.moved or listing.short:  # rows shift while they are read: together two walks miss nobody
        listing = _list(run, st).with_those_of(listing)
    if listing.short:
        raise BadAnswer(
            f"the contact list says it has {listing.told} but gave {len(listing.found)}; nothing is taken from it",
            system=SIMPLETEXTING,
            call="list_contacts",
        )
    _land_complete(run, listing)
    run.asked.append(Asked("contact list", why, len(listing.found), f"{listing.pages} pages"))
    return len(listing.found)


def _land_complete(run: Run, listing: _Listing) -> None:
    with run.open() as db, db.transaction():
        land_contacts(run, db, listing.found)
        with db.batch({"contact_id": list(listing.found)}) as batch:
            db.execute(
                f"""update raw.simpletexting_contacts set gone = true
                    where not gone and contact_id not in (select contact_id from {batch})"""
            )
        db.execute("delete from raw.reads where what = 'contacts'")
        db.execute("insert into raw.reads values ('contacts', ?, ?, ?)", [run.run_id, len(listing.found), run.now()])
        if not run.dry_run:
            write_mark(db, FULL, run.run_id, run.now())
        _move_mark(db, run, listing.newest, None)


def _fetch_since(run: Run, st: SimpleTextingClient, mark: str) -> int:
    """Contacts updated since the mark less an overlap; what does not keep to that is taken for what it is."""
    with run.open() as db:
        since = _overlapping(db, datetime.fromisoformat(mark))
    listing = _list(run, st, since=since)
    if listing.moved or listing.short:
        listing = _list(run, st, since=since).with_those_of(listing)
    if listing.short:  # it told more than it gave, twice: only a listing of all can tell what is not there
        return _fetch_all(run, st, "the list of updated contacts was not whole")
    if listing.oldest is not None and listing.oldest < since - timedelta(seconds=1):
        # `since` had no effect: then this is a listing of all, and is treated as one.
        _land_complete(run, listing)
        run.asked.append(Asked("contact list", "`since` has no effect here", len(listing.found), "all contacts"))
        return len(listing.found)
    with run.open() as db, db.transaction():
        land_contacts(run, db, listing.found)
        _move_mark(db, run, listing.newest, mark)
    run.asked.append(Asked("contact list", "updated since the last look", len(listing.found), f"{listing.pages} pages"))
    return len(listing.found)


def _overlapping(db: Db, mark: datetime) -> datetime:
    """Where to read from: an hour before the mark, or as far back as contacts fill most of a page.

    Right after many were written the hour holds them all; a page is overlap enough, and one request.
    """
    since = mark - OVERLAP
    if db.value("select count(*) from raw.simpletexting_contacts") <= OVERLAP_ROWS:
        return since
    row = db.row(
        """select updated from (select json_extract_string(body, '$.updated') as updated
               from raw.simpletexting_contacts where not gone)
           where updated is not null order by updated desc limit 1 offset ?""",
        [OVERLAP_ROWS],
    )
    moment = parse_moment(row[0]) if row else None
    return max(since, min(instant(moment), mark)) if moment is not None else since


def _move_mark(db: Db, run: Run, newest: datetime | None, before: str | None) -> None:
    """The greatest `updated` seen, in SimpleTexting's own time; it never goes back.

    A rehearsal does not move it: the next sync shall list the same contacts itself, or it could not write them.
    """
    if run.dry_run:
        return
    known = [moment for moment in (newest, datetime.fromisoformat(before) if before else None) if moment]
    if known:
        write_mark(db, SINCE, max(known).isoformat(), run.now())


@dataclass(slots=True)
class _Listing:
    """One walk over the pages: bodies by id, the total last told, whether it moved, and the updates' range."""

    found: dict[str, bytes] = field(default_factory=dict)
    told: int | None = None
    totals: set[int] = field(default_factory=set)
    pages: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None

    @property
    def moved(self) -> bool:
        return len(self.totals) > 1

    @property
    def short(self) -> bool:
        return self.told is not None and len(self.found) < self.told

    def with_those_of(self, former: _Listing) -> _Listing:
        """Add contacts that only the former walk met, a moment ago."""
        for contact_id, text in former.found.items():
            if contact_id not in self.found:
                self.take(contact_id, text)
        self.pages += former.pages
        return self

    def take(self, contact_id: str, text: bytes) -> None:
        self.found[contact_id] = text
        moment = parse_moment(_decode(text).get("updated"))
        if moment is not None:
            at = instant(moment)
            self.oldest = at if self.oldest is None else min(self.oldest, at)
            self.newest = at if self.newest is None else max(self.newest, at)


def _list(run: Run, st: SimpleTextingClient, *, since: datetime | None = None) -> _Listing:
    listing = _Listing()
    text_since = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{since.microsecond // 1000:03d}Z" if since else None
    before: list[str] = []
    while True:
        answer = st.list_contacts(listing.pages, since=text_since)
        if answer.contacts and answer.total_elements is not None:  # past the end the totals may be missing
            listing.told = answer.total_elements
            listing.totals.add(listing.told)
        ids = []
        for text in answer.contacts:
            contact_id = contact_id_of(text)
            ids.append(contact_id)
            listing.take(contact_id, text)
        if listing.pages and ids and ids == before:
            raise BadAnswer(
                "the contact list gave the same page twice: paging has no effect",
                system=SIMPLETEXTING,
                call="list_contacts",
            )
        listing.pages += 1
        run.progress(f"contacts {len(listing.found)}" + (f" of {listing.told}" if listing.told else ""))
        if not ids or (answer.total_pages is not None and listing.pages >= answer.total_pages):
            return listing
        if answer.total_pages is None and listing.told is not None and not listing.short:
            return listing
        before = ids


def fetch_contact(run: Run, st: SimpleTextingClient, contact_id: str) -> None:
    """Read one contact by itself and land it; one that answers 404 is marked gone."""
    try:
        text = st.contact(contact_id)
    except Refused as refused:
        if refused.http_status != 404:
            raise
        with run.open() as db:
            mark_gone(db, contact_id)
        return
    with run.open() as db, db.transaction():
        land_contacts(run, db, {contact_id_of(text): text})


def mark_gone(db: Db, contact_id: str) -> None:
    """SimpleTexting does not have this contact any more."""
    db.execute("update raw.simpletexting_contacts set gone = true where contact_id = ?", [contact_id])


def land_contacts(run: Run, db: Db, contacts: Mapping[str, bytes]) -> None:
    """Store these bodies as this run's reading; the source first seen stays, our own writes overwrite it there.

    When they were read is a fact, not a rule about dates, so it is the machine's time and never `VS_ST_NOW`.
    """
    contacts = _of_people_not_forgotten(run, db, contacts)
    if not contacts:
        return
    columns: dict[str, list[Any]] = {
        "contact_id": list(contacts),
        "body": [text.decode() for text in contacts.values()],
        "body_hash": [md5(text, usedforsecurity=False).hexdigest() for text in contacts.values()],
        "source": [_text(_decode(text).get("updateSource")) or None for text in contacts.values()],
    }
    with db.batch(columns) as batch:
        new = db.rows(
            f"""select b.body, c.contact_id is null
                from {batch} as b left join raw.simpletexting_contacts as c using (contact_id)
                where c.body_hash is distinct from b.body_hash"""
        )
        drift = sum((drift_of("contact", _decode(row[0])) for row in new), Counter[str]())
        record_drift(db, SIMPLETEXTING, drift, run.now())
        read = {"now": utc_now_naive(), "run": run.run_id}
        body = "body = b.body, body_hash = b.body_hash," if new else ""  # to set what is there already costs as much
        db.execute(
            f"""update raw.simpletexting_contacts as c
                set {body} read_at = $now, read_run = $run, gone = false
                from {batch} as b where c.contact_id = b.contact_id""",
            read,
        )
        if any(unknown for _, unknown in new):
            db.execute(
                f"""insert into raw.simpletexting_contacts
                        (contact_id, body, body_hash, read_at, read_run, first_source)
                    select b.contact_id, b.body, b.body_hash, $now, $run, b.source from {batch} as b
                    anti join raw.simpletexting_contacts as c using (contact_id)""",
                read,
            )


def _of_people_not_forgotten(run: Run, db: Db, contacts: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """A person is known by his contact, his phone, or the customer that the contact says he is."""
    if not read_forgotten(db):
        return contacts
    custom_fields = read_custom_fields(db)
    key, read_names = customer_id_key(custom_fields), ReadNames(custom_fields)

    def names(contact_id: str) -> tuple[str, list[tuple[str, object]], None]:
        contact = live_contact(contact_id, contacts[contact_id], "", read_names)
        customer_id = contact.custom.get(key, "").strip()
        return contact_id, [(PHONE, phone_name(contact.phone)), (CUSTOMER, customer_id)], None

    admitted = admit(db, list(contacts), CONTACT, names, run.now())
    return contacts if len(admitted) == len(contacts) else {name: contacts[name] for name in admitted}


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
    names = ReadNames(custom_fields)
    sql = "select contact_id, body, read_run from raw.simpletexting_contacts"
    if contact_ids is None:
        rows = db.rows(f"{sql} where not gone")
    else:
        with db.batch({"contact_id": sorted(set(contact_ids))}) as batch:
            rows = db.rows(f"{sql} semi join {batch} using (contact_id) where not gone")
    return {row[0]: live_contact(row[0], row[1], row[2], names) for row in rows}


def customer_id_key(custom_fields: Sequence[CustomField]) -> str:
    """The key under which contacts carry `VScustomerID` in this account."""
    probe = FieldMap(1, (MapField(CUSTOMER_ID_LABEL, "custom", "mirror", "customer.id", None, "text", 0),), "", "")
    available = resolve(probe, custom_fields).available
    return available[0][1] if available else CUSTOMER_ID_LABEL


def live_contact(contact_id: str, text: str | bytes, read_run: str, names: ReadNames) -> LiveContact:
    """A contact from its JSON; absent, null and empty all read as empty."""
    body = _decode(text)
    found = body.get("customFields")
    custom = found if isinstance(found, dict) else {}
    return LiveContact(
        contact_id=contact_id,
        phone=_text(body.get("contactPhone")),
        status=_text(body.get("subscriptionStatus")),
        builtin={name: _text(body.get(name)) for name in BUILTINS},
        custom=names.values(custom),
        odd={names.key(k): v for k, v in custom.items() if v is not None and not isinstance(v, str)},
        created=_text(body.get("created")),
        updated=_text(body.get("updated")),
        source=_text(body.get("updateSource")),
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
