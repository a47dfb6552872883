"""Stores the account's contacts as they were read, with the pointers that identify a person, and reads them back.

Data flow: JSON of contacts -> raw.simpletexting_contacts -> ContactIdentity (no body is decoded), LiveContact (one is).

Each contact is decoded once on its way in (`contact_item`). The values that linking, planning and a person's question
use to find a contact (phone, e-mail, carried customer id, status) are stored beside the body, so that finding one never
decodes all bodies.

It is long because a body is taken apart in two ways, a quick one and one that expects anything, which must agree and
are read beside each other, and beside what is stored of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import md5
from typing import Any, Final

import msgspec

from vs_st_pipeline.connectors.simpletexting.builtin_fields import BUILTINS
from vs_st_pipeline.connectors.simpletexting.client import contact_id_in, is_whole, understood
from vs_st_pipeline.connectors.simpletexting.custom_fields import CustomField, FieldKeys, live_text, shows_customer_ids
from vs_st_pipeline.connectors.simpletexting.known_fields import KNOWN_CONTACT
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.simpletexting.streams import CONTACTS
from vs_st_pipeline.domain.codec import BEYOND, try_object
from vs_st_pipeline.domain.errors import BadRecord
from vs_st_pipeline.domain.formats import as_decimal, instant, parse_moment
from vs_st_pipeline.domain.matching import ContactIdentity, carried_id
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order
from vs_st_pipeline.platform.warehouse.schema_drift import unexpected_names
from vs_st_pipeline.platform.warehouse.state import record_drift
from vs_st_pipeline.platform.warehouse.suppression import (
    CUSTOMER,
    PHONE,
    filter_suppressed,
    phone_name,
    read_suppressed,
)

OUR_OWN_SOURCE = "PUBLIC_API"  # `updateSource` of a contact that was last touched through the API


class ContactItem(msgspec.Struct, frozen=True):
    """One contact as SimpleTexting gave it: its exact JSON text, and the values it is found by.

    Attributes:
        contact_id: empty where it has none.
        understood: all of it can be believed, so that it may be stored and written back.
        phone: as it was given. email: in lower case, None where blank.
        customer_id: what `VScustomerID` says, as text, None where blank.
        status: `subscriptionStatus`, empty if none was given.
        source: `updateSource`, None where absent.
        updated: None where it cannot be read.
        has_custom_fields: it shows in which form custom fields come.
        drift: names in it that are not documented.
        no_text: custom fields whose value is no text, and null neither.
    """

    contact_id: str
    text: bytes
    body_hash: str
    understood: bool
    phone: str
    email: str | None
    customer_id: str | None
    status: str
    source: str | None
    updated: datetime | None
    has_custom_fields: bool
    drift: tuple[str, ...]
    no_text: tuple[str, ...] = ()


class LiveContact(msgspec.Struct, frozen=True):
    """A contact as it was last read.

    Attributes:
        contact_id: SimpleTexting's id.
        phone: as it was read (usually ten digits).
        status: `subscriptionStatus`, open set; empty if none was given.
        builtin: the contact's own fields as text, empty where blank, null or absent.
        custom: custom fields as text by the key that a write uses (merge tag where known).
        odd: those of them that are not text, by their exact JSON text: they go back as they came.
        created, updated: SimpleTexting's own times as text, empty where absent.
        source: `updateSource`, what last touched it; empty where absent.
        read_run: the run that read it last.
        body_hash: of its JSON; empty where it was not stored.
    """

    contact_id: str
    phone: str
    status: str
    builtin: dict[str, str]
    custom: dict[str, str]
    odd: dict[str, msgspec.Raw]
    created: str
    updated: str
    source: str
    read_run: str
    body_hash: str = ""

    def value(self, kind: str, key: str) -> str:
        """Return the live text of a field; empty where there is none."""
        return (self.builtin if kind == "builtin" else self.custom).get(key, "")

    @property
    def may_be_ours(self) -> bool:
        """Say whether nothing shows that anything but the API touched it: a contact that we made looks like this."""
        return self.source in ("", OUR_OWN_SOURCE)


class _Usual(msgspec.Struct, forbid_unknown_fields=True):
    """A contact that has nothing but what is documented, as text: read at a third of what others cost.

    Whatever is not so fails here, and is read by the way that expects anything.
    """

    contactId: str  # noqa: N815 (the vendor's spelling)
    contactPhone: str | None = None  # noqa: N815
    firstName: str | None = None  # noqa: N815
    lastName: str | None = None  # noqa: N815
    email: str | None = None
    birthday: str | None = None
    comment: str | None = None
    lists: list[dict[str, str | None]] | None = None
    customFields: dict[str, str | None] | None = None  # noqa: N815
    subscriptionStatus: str | None = None  # noqa: N815
    updateSource: str | None = None  # noqa: N815
    created: str | None = None
    updated: str | None = None


_STATUSES, _SOURCES = KNOWN_CONTACT.words["subscriptionStatus"], KNOWN_CONTACT.words["updateSource"]
_USUAL: Final = msgspec.json.Decoder(_Usual)


def _usual(text: str | bytes) -> _Usual | None:
    try:
        found = _USUAL.decode(text)
    except (ValueError, RecursionError):
        return None
    status, source = found.subscriptionStatus, found.updateSource
    plain = (status is None or status in _STATUSES) and (source is None or source in _SOURCES)
    whole = found.contactId.strip() and (status or (found.contactPhone or "").strip())
    return found if plain and whole else None


def contact_item(text: bytes, names: FieldKeys) -> ContactItem:
    """Decode a contact's JSON and take its pointers."""
    if usual := _usual(text):
        moment = parse_moment(usual.updated)
        return ContactItem(
            contact_id=usual.contactId.strip(),
            text=text,
            body_hash=md5(text, usedforsecurity=False).hexdigest(),
            understood=True,
            phone=usual.contactPhone or "",
            email=(usual.email or "").strip().casefold() or None,
            customer_id=names.customer_id(usual.customFields or {}).strip() or None,
            status=usual.subscriptionStatus or "",
            source=usual.updateSource or None,
            updated=instant(moment) if moment is not None else None,
            has_custom_fields=bool(usual.customFields),
            drift=(),
        )
    body = try_object(text) or {}
    contact_id = contact_id_in(body)
    phone, email = _text(body.get("contactPhone")), _text(body.get("email")).strip().casefold()
    moment = parse_moment(body.get("updated"))
    custom = body.get("customFields")
    carried = names.customer_id(custom).strip() if isinstance(custom, Mapping) else ""
    return ContactItem(
        contact_id=contact_id or "",
        text=text,
        body_hash=md5(text, usedforsecurity=False).hexdigest(),
        understood=contact_id is not None and understood(body) and is_whole(body),
        phone=phone,
        email=email or None,
        customer_id=carried or None,
        status=_text(body.get("subscriptionStatus")),
        source=_text(body.get("updateSource")) or None,
        updated=instant(moment) if moment is not None else None,
        has_custom_fields=bool(custom),
        drift=tuple(unexpected_names(KNOWN_CONTACT, body)),
        no_text=_no_text(custom),
    )


def _no_text(custom: object) -> tuple[str, ...]:
    values = custom.items() if isinstance(custom, Mapping) else ()
    return tuple(name for name, value in values if value is not None and not isinstance(value, str))


def in_another_form(db: Db, items: Iterable[ContactItem]) -> set[str]:
    """Return the contacts that have something else than text in a custom field where other text is stored.

    It would go back with the next write as it came, in place of somebody's text. The number that the text names is the
    same value. Who edits a field in SimpleTexting writes text.
    """
    odd = {item.contact_id: item for item in items if item.no_text}
    if not odd:
        return set()
    with db.batch({"contact_id": list(odd)}) as batch:
        rows = db.rows(f"select contact_id, body from raw.simpletexting_contacts semi join {batch} using (contact_id)")
    found = set()
    for contact_id, body in rows:
        item = odd[contact_id]
        stored, now = _custom_of(body), _custom_of(item.text)
        if any(_is_other(stored.get(name), now[name]) for name in item.no_text):
            found.add(contact_id)
    return found


def _custom_of(text: str | bytes) -> Mapping[str, Any]:
    custom = (try_object(text) or {}).get("customFields")
    return custom if isinstance(custom, Mapping) else {}


def _is_other(stored: object, now: object) -> bool:
    if not isinstance(stored, str) or not stored.strip():
        return False
    return isinstance(now, Mapping | list) or _plain_value(_text(now)) != _plain_value(stored)


def _plain_value(text: str) -> Decimal | str:
    """Return the number that a text names, however it is written, else the text without case."""
    number = as_decimal(text)
    return number if number is not None else text.strip().casefold()


def contact_item_of(text: bytes, names: FieldKeys) -> ContactItem:
    """Decode a contact that was proved to be understood when it was read.

    Raises:
        BadRecord: it is not understood, or has no id.
    """
    item = contact_item(text, names)
    if not item.understood:
        raise BadRecord("a contact without an id came", system=SIMPLETEXTING, call="contact")
    return item


def land_contacts(run: Run, db: Db, items: Iterable[ContactItem]) -> None:
    """Store these bodies as read by this run; the source first seen is kept, because our own writes change it there.

    The time of reading is a fact, not a rule about dates, so it is the machine's time and never `VS_ST_NOW`.
    """
    items = without_suppressed(run, db, list(items))
    if not items:
        return
    columns: dict[str, list[Any]] = {
        "contact_id": [item.contact_id for item in items],
        "body": [item.text.decode() for item in items],
        "body_hash": [item.body_hash for item in items],
        "phone": [parse_nanp(item.phone) for item in items],
        "email": [item.email for item in items],
        "customer_id": [item.customer_id for item in items],
        "status": [item.status for item in items],
        "source": [item.source for item in items],
    }
    with db.batch(columns) as batch:
        new = db.rows(
            f"""select b.contact_id, c.contact_id is null
                from {batch} as b left join raw.simpletexting_contacts as c using (contact_id)
                where c.body_hash is distinct from b.body_hash or c.phone is distinct from b.phone
                   or c.email is distinct from b.email or c.customer_id is distinct from b.customer_id
                   or c.status is distinct from b.status"""
        )
        ids = {row[0] for row in new}
        db.news = db.news or bool(ids)
        record_drift(
            db,
            SIMPLETEXTING,
            Counter(name for item in items if item.drift and item.contact_id in ids for name in item.drift),
            run.now(),
        )
        read = {"now": utc_now_naive(), "run": run.run_id}
        # Setting the same values again would cost as much.
        told = ["body", "body_hash", "phone", "email", "customer_id", "status"] if new else []
        db.execute(
            f"""update raw.simpletexting_contacts as c
                set {"".join(f"{name} = b.{name}, " for name in told)}
                    read_at = $now, read_run = $run, gone = false
                from {in_row_order("raw.simpletexting_contacts", batch, "contact_id")} as b
                where c.rowid = b.rowid_""",
            read,
        )
        if any(unknown for _, unknown in new):
            db.execute(
                f"""insert into raw.simpletexting_contacts
                        (contact_id, body, body_hash, phone, email, customer_id, status, read_at, read_run,
                         first_source)
                    select b.contact_id, b.body, b.body_hash, b.phone, b.email, b.customer_id, b.status, $now, $run,
                           b.source
                    from {batch} as b anti join raw.simpletexting_contacts as c using (contact_id)""",
                read,
            )


def without_suppressed(run: Run, db: Db, items: list[ContactItem]) -> list[ContactItem]:
    """Leave out contacts of erased persons: known by the contact, its phone, or the customer whose id it carries."""
    if not read_suppressed(db):
        return items

    def names(item: ContactItem) -> tuple[str, list[tuple[str, object]], None]:
        carried = carried_id(item.customer_id)
        customer_id = item.customer_id if carried is None else str(carried)
        return item.contact_id, [(PHONE, phone_name(item.phone)), (CUSTOMER, customer_id)], None

    return filter_suppressed(db, items, CONTACTS, names, run.now())


def mark_gone(db: Db, contact_id: str) -> None:
    """Record that SimpleTexting does not have this contact any more."""
    db.execute("update raw.simpletexting_contacts set gone = true where contact_id = ?", [contact_id])


def read_custom_fields(db: Db) -> list[CustomField]:
    """Return the account's custom fields as last read."""
    table = "raw.simpletexting_custom_fields"
    rows = db.cached_of(table, lambda: db.rows(f"select label, merge_tag from {table}"))
    return [CustomField(label, merge_tag or "") for label, merge_tag in rows]


def read_identities(db: Db, contact_ids: Iterable[str] | None = None) -> list[ContactIdentity]:
    """Return what linking needs of all contacts that are not gone, or of these; no body is decoded."""
    carried = "coalesce(customer_id, '')" if shows_customer_ids(read_custom_fields(db)) else "null"
    sql = f"select contact_id, phone, {carried}, status from raw.simpletexting_contacts"
    if contact_ids is None:
        rows = db.rows(f"{sql} where not gone order by contact_id")
    else:
        with db.batch({"contact_id": sorted(set(contact_ids))}) as batch:
            rows = db.rows(f"{sql} semi join {batch} using (contact_id) where not gone order by contact_id")
    return [ContactIdentity(*row) for row in rows]


def read_contacts(
    db: Db, custom_fields: Iterable[CustomField], contact_ids: Iterable[str], *, also_gone: bool = False
) -> dict[str, LiveContact]:
    """Return these contacts as last read; those that are gone are left out."""
    names = FieldKeys(custom_fields)
    with db.batch({"contact_id": sorted(set(contact_ids))}) as batch:
        rows = db.rows(
            f"""select contact_id, body, read_run, body_hash from raw.simpletexting_contacts
                semi join {batch} using (contact_id) where not gone or ?""",
            [also_gone],
        )
    return {row[0]: live_contact(row[0], row[1], row[2], names, row[3]) for row in rows}


def live_contact(
    contact_id: str, text: str | bytes, read_run: str, names: FieldKeys, body_hash: str = ""
) -> LiveContact:
    """Return a contact from its JSON; absent, null and empty all read as empty."""
    if usual := _usual(text):
        return LiveContact(
            contact_id=contact_id,
            phone=usual.contactPhone or "",
            status=usual.subscriptionStatus or "",
            builtin={name: getattr(usual, name) or "" for name in BUILTINS.names},
            custom=names.values(usual.customFields or {}),
            odd={},
            created=usual.created or "",
            updated=usual.updated or "",
            source=usual.updateSource or "",
            read_run=read_run,
            body_hash=body_hash,
        )
    body = try_object(text) or {}
    found = body.get("customFields")
    custom = found if isinstance(found, dict) else {}
    odd = [name for name, value in custom.items() if value is not None and not isinstance(value, str)]
    exact = _as_they_came(text) if odd else {}
    return LiveContact(
        contact_id=contact_id,
        phone=_text(body.get("contactPhone")),
        status=_text(body.get("subscriptionStatus")),
        builtin={name: _text(body.get(name)) for name in BUILTINS.names},
        custom=names.values(custom),
        odd={names.key(name): exact[name] for name in odd},
        created=_text(body.get("created")),
        updated=_text(body.get("updated")),
        source=_text(body.get("updateSource")),
        read_run=read_run,
        body_hash=body_hash,
    )


class _Customs(msgspec.Struct):
    customFields: dict[str, msgspec.Raw]  # noqa: N815


def _as_they_came(text: str | bytes) -> dict[str, msgspec.Raw]:
    """Return the exact text of each custom field's value; a float would change `1.10` and numbers longer than it."""
    return {name: msgspec.Raw(bytes(raw)) for name, raw in _CUSTOMS.decode(text).customFields.items()}


_CUSTOMS: Final = msgspec.json.Decoder(_Customs)


def _text(value: object) -> str:
    return "" if value is BEYOND else live_text(value)
