"""Reads the account's own contacts and custom fields, and lands them in raw.

Data flow: API pages -> raw.simpletexting_contacts, raw.simpletexting_custom_fields.

The listing is no snapshot: rows shift while it is read, and nothing reports a deletion. So a listing counts as
complete only if it holds as many contacts as it says; only then is anybody taken for gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import Any, Final

import msgspec

from vs_st_pipeline.account_fields import CUSTOMER_ID_LABEL, CustomField, ReadNames, live_text, resolve
from vs_st_pipeline.database import Db
from vs_st_pipeline.destinations.simpletexting.client import (
    CONTACT,
    PAGE_SIZE,
    CustomFieldItem,
    SimpleTextingClient,
    contact_id_in,
    is_whole,
    understood,
)
from vs_st_pipeline.drift import drift_of
from vs_st_pipeline.errors import SIMPLETEXTING, BadAnswer, BadRecord, Refused
from vs_st_pipeline.field_map import FieldMap, MapField
from vs_st_pipeline.forgotten import CONTACT as CONTACTS
from vs_st_pipeline.forgotten import CUSTOMER, PHONE, admit, phone_name, read_forgotten
from vs_st_pipeline.gates import status_reason
from vs_st_pipeline.marks import CLOCK_SLACK, is_due, read_mark, record_drift, write_mark
from vs_st_pipeline.matching import carried_id
from vs_st_pipeline.records import SingleReads
from vs_st_pipeline.run import Asked, Run
from vs_st_pipeline.schema import utc_now_naive
from vs_st_pipeline.text_forms import instant, parse_moment
from vs_st_pipeline.unreadable import forget_unreadable, record_unreadable, unreadable_ids
from vs_st_pipeline.wire_forms import BEYOND, read_json

BUILTINS = ("firstName", "lastName", "email", "birthday", "comment")
OUR_OWN_SOURCE = "PUBLIC_API"  # `updateSource` of a contact that was last touched through the API
OVERLAP = timedelta(hours=1)  # rows may be shown late, and `since` may be exclusive
OVERLAP_ROWS = PAGE_SIZE - 20  # room for what is new
FULL, SINCE, FIELDS, LONGEST = "contacts_full", "contacts_since", "custom_fields", "contacts_page"
HEADER_STEP = timedelta(seconds=1)  # a `Date` is told in whole seconds
MOST_WALKS, FRUITLESS_WALKS = 12, 2
STALE_PAGES = 3  # pages in a row that brought nobody new: it goes round
OF_ALL = 80  # per cent of the known contacts: what a listing of all has at least


@dataclass(frozen=True, slots=True)
class LiveContact:
    """A contact as it was last read.

    Attributes:
        contact_id: SimpleTexting's id.
        phone: as it was read (ten digits as a rule).
        status: `subscriptionStatus`, open set; empty if none was told.
        builtin: the contact's own fields as text, empty where blank, null or absent.
        custom: custom fields as text by the key that a write uses (merge tag where known).
        odd: those of them that are no text, by their exact JSON text: they go back as they came.
        created, updated: SimpleTexting's own times as text, empty where absent.
        source: `updateSource`, by whom it was last touched; empty where absent.
        read_run: the run that read it last.
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

    def value(self, kind: str, key: str) -> str:
        """The live text of a field; empty where there is none."""
        return (self.builtin if kind == "builtin" else self.custom).get(key, "")

    @property
    def may_be_ours(self) -> bool:
        """Whether it shows no sign that anybody but the API has touched it: what we made looks so."""
        return self.source in ("", OUR_OWN_SOURCE)


def fetch_custom_fields(run: Run, st: SimpleTextingClient) -> int:
    """Read the account's custom fields anew; returns how many there are."""
    with run.open() as db:
        kept = db.rows("select label, merge_tag from raw.simpletexting_custom_fields order by rowid")
        proved = read_mark(db, FIELDS) is not None and not run.full
        proved = proved and not is_due(db, FIELDS, run.merchant.simpletexting.full_read, run.now())
    rows = _labels(list_custom_fields(st, kept if proved else ()))
    if kept and not rows and not run.full:
        raise BadAnswer(
            f"the list of custom fields names none, where there were {len(kept)}; nothing is taken from it. If they "
            "were all deleted there, a full sync (`--full`) believes it",
            system=SIMPLETEXTING,
            call="list_custom_fields",
        )
    if rows == kept and proved:
        return len(rows)
    columns: dict[str, list[str | None]] = {"label": [row[0] for row in rows], "merge_tag": [row[1] for row in rows]}
    with run.open() as db, db.transaction(), db.batch(columns) as batch:
        if rows != kept:
            db.execute("delete from raw.simpletexting_custom_fields")
            db.execute(f"insert into raw.simpletexting_custom_fields select label, merge_tag from {batch}")
        write_mark(db, FIELDS, len(rows), run.now())
    return len(rows)


def list_custom_fields(st: SimpleTextingClient, known: Sequence[tuple[str, str | None]] = ()) -> list[CustomFieldItem]:
    """All custom fields of the account, page by page.

    Args:
        known: labels and merge tags of a list that was read to its end not long ago: where the first page is all of it
            again, and says of no more, the end is not asked for anew.
    """
    rows: list[bytes] = []
    longest = pages = 0
    while True:
        page = st.list_custom_fields(pages)
        if pages and page.rows and page.rows == rows[-len(page.rows) :]:
            break  # the same page again: all of it was on the first
        rows += page.rows
        pages += 1
        longest = max(longest, len(page.rows))
        more = (page.total_elements or 0) > len(rows) or (page.total_pages or 0) > pages
        if not page.rows or (len(page.rows) < longest and not more):
            break
        if pages == 1 and known and not more and _labels([CustomFieldItem.read(row) for row in rows]) == [*known]:
            break
    return [CustomFieldItem.read(row) for row in rows]


def _labels(fields: Iterable[CustomFieldItem]) -> list[tuple[str, str | None]]:
    return [(item.label.strip(), item.mergeTag) for item in fields if item.label and item.label.strip()]


def fetch_contacts(run: Run, st: SimpleTextingClient, *, fresh: bool = False) -> int:
    """Read the contacts that were updated since the last look, or all of them where that is due.

    Args:
        fresh: read all, whatever is due: right before a batch, and to settle what a batch left unknown.

    Returns:
        How many distinct contacts were seen.

    Raises:
        BadAnswer: the listing said more contacts than it gave, however often it was walked; paging had no effect; or
            too many of the contacts are of a shape that is not understood.
    """
    with run.open() as db:
        mark = read_mark(db, SINCE)
        full = fresh or run.full or mark is None or is_due(db, FULL, run.merchant.simpletexting.full_read, run.now())
    if full or datetime.fromisoformat(mark) > _latest(st):  # a mark in the future has hidden whom nobody knows
        return _fetch_all(run, st, "before a batch" if fresh else "due")
    return _fetch_since(run, st, mark)


def _latest(st: SimpleTextingClient) -> datetime:
    """What no `updated` can rightly be after: SimpleTexting's own `Date`, where it says none the machine's clock."""
    here = datetime.now(UTC)
    if st.server_time is None:
        return here
    try:
        return min(datetime.fromtimestamp(st.server_time, UTC) + HEADER_STEP, here + CLOCK_SLACK)
    except (ValueError, OverflowError, OSError):
        return here


def _fetch_all(run: Run, st: SimpleTextingClient, why: str) -> int:
    """A complete listing; those that it does not have are marked gone."""
    listing = _walked(run, st, enough=lambda rows: _holds_all(run, rows))
    if listing.short:
        raise BadAnswer(
            f"the contact list says it has {listing.told} but gave {listing.count}; nothing is taken from it",
            system=SIMPLETEXTING,
            call="list_contacts",
        )
    _judge_unusable(run, st, listing, of_all=True)
    _land_complete(run, st, listing)
    run.asked.append(Asked("contact list", why, listing.count, f"{listing.pages} pages"))
    return listing.count


def _holds_all(run: Run, rows: Sequence[bytes]) -> bool:
    """Whether a page holds everybody who was in a whole listing of this run: then nobody is gone, whatever follows."""
    ids = [contact_id_in(_decode(text)) or "" for text in rows]
    with run.open() as db, db.batch({"contact_id": ids}) as batch:
        whole = db.value("select count(*) from raw.reads where what = 'contacts' and run_id = ?", [run.run_id])
        missing = db.value(
            f"""select count(*) from raw.simpletexting_contacts
                where not gone and contact_id not in (select contact_id from {batch})"""
        )
    return bool(whole) and not missing


def _land_complete(run: Run, st: SimpleTextingClient, listing: _Listing) -> None:
    with run.open() as db, db.transaction():
        land_contacts(run, db, listing.found)
        _keep_unusable(run, db, listing)
        if listing.proved and not listing.unusable:
            with db.batch({"contact_id": list(listing.found)}) as batch:
                db.execute(
                    f"""update raw.simpletexting_contacts set gone = true
                        where not gone and contact_id not in (select contact_id from {batch})"""
                )
        if listing.proved:
            db.execute("delete from raw.reads where what = 'contacts'")
            db.execute("insert into raw.reads values ('contacts', ?, ?, ?)", [run.run_id, listing.count, run.now()])
            if not run.dry_run:
                write_mark(db, FULL, run.run_id, run.now())
                write_mark(db, LONGEST, listing.longest, run.now())
        _move_mark(db, run, st, listing, None)


def _fetch_since(run: Run, st: SimpleTextingClient, mark: str) -> int:
    """Contacts updated since the mark less an overlap; what does not keep to that is taken for what it is."""
    with run.open() as db:
        since = _overlapping(db, datetime.fromisoformat(mark))
        known = int(db.value("select count(*) from raw.simpletexting_contacts where not gone"))
        longest = int(read_mark(db, LONGEST) or 0)
    newest = datetime.fromisoformat(mark)

    def enough(rows: Sequence[bytes]) -> bool:
        """A page shorter than this account's pages are, with the newest known in it and no news, is all there is."""
        with run.open() as db:
            return len(rows) < longest and _no_news(db, rows, newest)

    listing = _walked(run, st, since=since, enough=enough)
    if listing.short:  # it told more than it gave, again and again: only a listing of all can tell what is not there
        return _fetch_all(run, st, "the list of updated contacts was not whole")
    if datetime.fromisoformat(mark) > _latest(st):
        return _fetch_all(run, st, "the last look was dated in the future")
    _judge_unusable(run, st, listing, of_all=False)
    before = sum(moment < since - timedelta(seconds=1) for moment in listing.updated.values())
    if before * 2 > listing.count and listing.count * 100 >= known * OF_ALL:
        # `since` had no effect: then this is a listing of all, and is treated as one. One old row proves nothing.
        _land_complete(run, st, listing)
        run.asked.append(Asked("contact list", "`since` has no effect here", listing.count, "all contacts"))
        return listing.count
    with run.open() as db, db.transaction():
        land_contacts(run, db, listing.found)
        _keep_unusable(run, db, listing)
        _move_mark(db, run, st, listing, mark)
    run.asked.append(Asked("contact list", "updated since the last look", listing.count, f"{listing.pages} pages"))
    return listing.count


def _no_news(db: Db, rows: Sequence[bytes], newest: datetime) -> bool:
    """Whether these are stored as they are, or were written by us since, and the newest that is known is among them."""
    hashes = {contact_id_in(_decode(text)): md5(text, usedforsecurity=False).hexdigest() for text in rows}
    with db.batch({"contact_id": [name or "" for name in hashes], "hash": list(hashes.values())}) as batch:
        known, ours, ours_in_all = db.rows(
            f"""with ours as (
                    select distinct contact_id from synced.writes as w join raw.simpletexting_contacts as c
                    using (contact_id) where w.outcome = 'accepted' and w.run_id = c.read_run and not c.gone)
                select count(*) filter (c.body_hash = b.hash or o.contact_id is not null), count(o.contact_id),
                       (select count(*) from ours)
                from {batch} as b join raw.simpletexting_contacts as c using (contact_id)
                left join ours as o using (contact_id) where not c.gone"""
        )[0]
    if known != len(rows) or ours != ours_in_all:
        return False
    moments = [parse_moment(_decode(text).get("updated")) for text in rows]
    return bool(ours) or any(moment is not None and instant(moment) >= newest for moment in moments)


def _overlapping(db: Db, mark: datetime) -> datetime:
    """Where to read from: an hour before the mark, or as far back as contacts fill most of a page.

    Right after many were written the hour holds them all; a page is overlap enough, and one request. Contacts that say
    to be newer than the mark take no place in it.
    """
    since = mark - OVERLAP
    if db.value("select count(*) from raw.simpletexting_contacts") <= OVERLAP_ROWS:
        return since
    row = db.row(
        """select updated from (select json_extract_string(body, '$.updated') as updated
               from raw.simpletexting_contacts where not gone)
           where updated is not null and updated <= ? order by updated desc limit 1 offset ?""",
        [f"{mark + timedelta(days=1):%Y-%m-%dT%H:%M:%S}", OVERLAP_ROWS],
    )
    moment = parse_moment(row[0]) if row else None
    return max(since, min(instant(moment), mark)) if moment is not None else since


def _move_mark(db: Db, run: Run, st: SimpleTextingClient, listing: _Listing, before: str | None) -> None:
    """The greatest `updated` seen, in SimpleTexting's own time, and never later than its clock; it never goes back.

    Who says to have been updated in the future is passed over. Where nobody says anything that can be read, it is
    SimpleTexting's clock when the listing began. A rehearsal does not move it: the next sync shall list the same
    contacts itself, or it could not write them.
    """
    if run.dry_run:
        return
    latest = _latest(st)
    known = [moment for moment in listing.updated.values() if moment <= latest]
    if not known and listing.found and listing.began is not None:
        known = [listing.began]
    if before:
        known.append(datetime.fromisoformat(before))
    if known:
        clock = latest if st.server_time is None else latest - HEADER_STEP
        write_mark(db, SINCE, min(max(known), clock).isoformat(), run.now())


@dataclass(slots=True)
class _Listing:
    """One walk over the pages, or several joined.

    Attributes:
        found: bodies by id.
        unusable: rows that cannot be believed, by id where they name one, else by number.
        order: for each row in turn, what it is named by, so that it is known which follow one another.
        updated: by id, what could be read of it.
        told: the total last told, as far as it was not less than what had come already.
        began: SimpleTexting's clock at the first page.
        longest: rows of the longest page.
        moved: the total changed, or a contact came twice: rows were moved while they were read.
        proved: nothing shows that anybody was missed.
    """

    found: dict[str, bytes] = field(default_factory=dict)
    unusable: dict[str, bytes] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    updated: dict[str, datetime] = field(default_factory=dict)
    told: int | None = None
    pages: int = 0
    longest: int = 0
    began: datetime | None = None
    moved: bool = False
    proved: bool = True

    @property
    def count(self) -> int:
        return len(self.found) + len(self.unusable)

    @property
    def names(self) -> set[str]:
        return {*self.found, *self.unusable}

    @property
    def short(self) -> bool:
        return self.told is not None and self.count < self.told

    def join(self, later: _Listing) -> bool:
        """Add another walk, whose bodies are newer; whether it brought anybody new."""
        new = bool(later.names - self.names)
        for name in later.names:
            self.found.pop(name, None)
            self.unusable.pop(name, None)
            self.updated.pop(name, None)
        self.found |= later.found
        self.unusable |= later.unusable
        self.updated |= later.updated
        self.order = later.order + [name for name in self.order if name not in set(later.order)]
        self.told = later.told if later.told is not None else self.told
        self.pages += later.pages
        return new

    def take(self, text: bytes) -> str:
        """Take a row; returns what it is named by."""
        body = _decode(text)
        contact_id = contact_id_in(body)
        if contact_id is None or not understood(body) or not is_whole(body):
            name = contact_id or f"#{sum(one.startswith('#') for one in self.unusable)}"
            if name not in self.found:
                self.unusable[name] = text
            return name
        self.unusable.pop(contact_id, None)
        if contact_id in self.found and not _takes_its_place(_decode(self.found[contact_id]), body):
            return contact_id
        self.found[contact_id] = text
        moment = parse_moment(body.get("updated"))
        if moment is not None:
            self.updated[contact_id] = instant(moment)
        return contact_id


def _takes_its_place(before: Mapping[str, Any], later: Mapping[str, Any]) -> bool:
    """Whether a row takes the place of one of the same contact that came before it.

    Where they differ in consent it is by when they were updated, and where that does not tell no consent is believed.
    """
    consented, consents = (status_reason(_text(row.get("subscriptionStatus"))) is None for row in (before, later))
    if consented == consents:
        return True
    first, second = (parse_moment(row.get("updated")) for row in (before, later))
    if first is not None and second is not None and instant(first) != instant(second):
        return instant(second) > instant(first)
    return consented


def _walked(
    run: Run,
    st: SimpleTextingClient,
    *,
    since: datetime | None = None,
    enough: Callable[[Sequence[bytes]], bool] = lambda rows: False,
) -> _Listing:
    """Walk the list, again while rows move and each walk brings somebody new: together they miss nobody."""
    listing = _list(run, st, since=since, enough=enough)
    restless, fruitless = listing.moved or listing.short, 0
    for _ in range(MOST_WALKS - 1):
        if not restless or fruitless >= FRUITLESS_WALKS:
            break
        again = _list(run, st, since=since)
        alone = not again.moved and not again.short and again.names >= listing.names
        fruitless = 0 if listing.join(again) else fruitless + 1
        # Whole is a walk in which nothing moved, or as many contacts together as the list says there are.
        restless = not alone and listing.told != listing.count
    listing.proved = not restless
    return listing


def _list(
    run: Run,
    st: SimpleTextingClient,
    *,
    since: datetime | None = None,
    enough: Callable[[Sequence[bytes]], bool] = lambda rows: False,
) -> _Listing:
    """One walk. The end is an empty page, or one shorter than the longest where no total says that more is there.

    No total says that this was all: some count the page alone.
    """
    listing = _Listing()
    text_since = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{since.microsecond // 1000:03d}Z" if since else None
    before: list[bytes] = []
    totals: set[int] = set()
    longest = rows = stale = 0
    while True:
        page = st.list_contacts(listing.pages, since=text_since)
        if listing.began is None and st.server_time is not None:
            listing.began = min(_latest(st), datetime.fromtimestamp(st.server_time, UTC)) if _sane(st) else None
        if listing.pages and page.rows and page.rows == before:
            if listing.told == listing.count and len(page.rows) < PAGE_SIZE and listing.pages == 1:
                return listing  # it has but one page, shows it whatever is asked for, and says that this is all
            raise BadAnswer(
                "the contact list gave the same page twice: paging has no effect",
                system=SIMPLETEXTING,
                call="list_contacts",
            )
        known = listing.count
        listing.order += [listing.take(text) for text in page.rows]
        rows += len(page.rows)
        stale = stale + 1 if page.rows and listing.count == known else 0
        if page.rows and page.total_elements is not None and page.total_elements >= rows:
            listing.told = page.total_elements  # past the end the totals may be missing
            totals.add(listing.told)
        listing.pages += 1
        longest = max(longest, len(page.rows))
        run.progress(f"contacts {listing.count}" + (f" of {listing.told}" if listing.told else ""))
        more = (listing.told or 0) > rows or (page.total_pages or 0) > listing.pages
        end = len(page.rows) < longest or (listing.pages == 1 and enough(page.rows))
        if not page.rows or stale >= STALE_PAGES or (end and not more):
            listing.longest = longest
            listing.moved = len(totals) > 1 or rows > listing.count
            return listing
        before = page.rows


def _sane(st: SimpleTextingClient) -> bool:
    return st.server_time is not None and 0 <= st.server_time < 4e9


def _judge_unusable(run: Run, st: SimpleTextingClient, listing: _Listing, *, of_all: bool) -> None:
    """One contact that is not understood is left alone; many are another way of answering, and stop the sync.

    Raises:
        BadAnswer: all of them, five in a row, or more than a fifth of 25 or more are so.
    """
    if not listing.unusable:
        return
    error = BadAnswer(
        "contacts came in a shape that is not understood: what they hold might be lost by a write, so none is made",
        system=SIMPLETEXTING,
        call="list_contacts",
    )
    with run.open() as db:
        known = unreadable_ids(db, CONTACT.name)
        row = db.row(
            """select contact_id from raw.simpletexting_contacts anti join
                   (select id as contact_id from raw.unreadable where kind = ?) using (contact_id)
               where not gone order by read_at desc, contact_id limit 1""",
            [CONTACT.name],
        )
    # Who has no custom fields proves nothing of the form that they come in.
    proved = {name for name, text in listing.found.items() if _decode(text).get("customFields")}
    if not proved:
        if of_all or row is None or row[0] in listing.unusable:
            raise error
        st.contact(row[0])  # of somebody who was read well before; if he cannot be read now, it is the system's trouble
    reads = SingleReads(len(listing.order))
    for name in listing.order:
        if name in listing.unusable:
            reads.went_wrong(name, error, known=name in known)
        elif name in proved:
            reads.went_well()


def _keep_unusable(run: Run, db: Db, listing: _Listing) -> None:
    error = BadRecord("the contact stands in the list in a shape that cannot be understood", system=SIMPLETEXTING)
    named = {name: error for name in listing.unusable if not name.startswith("#")}
    record_unreadable(db, CONTACT.name, named, run.now(), dry_run=run.dry_run)


def fetch_contact(run: Run, st: SimpleTextingClient, contact_id: str) -> None:
    """Read one contact by itself and land it; one that answers 404 is marked gone.

    Raises:
        PipelineError: it could not be read; `records.is_of_one_record` says whose trouble that may be.
    """
    try:
        text = st.contact(contact_id)
    except Refused as refused:
        if refused.http_status != 404:
            raise
        with run.open() as db, db.transaction():
            mark_gone(db, contact_id)
            forget_unreadable(db, CONTACT.name, [contact_id])
        return
    with run.open() as db, db.transaction():
        land_contacts(run, db, {contact_id: text})
        forget_unreadable(db, CONTACT.name, [contact_id])


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
        carried = carried_id(contact.custom.get(key))
        customer_id = contact.custom.get(key, "").strip() if carried is None else str(carried)
        return contact_id, [(PHONE, phone_name(contact.phone)), (CUSTOMER, customer_id)], None

    admitted = admit(db, list(contacts), CONTACTS, names, run.now())
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


def shows_customer_ids(custom_fields: Sequence[CustomField]) -> bool:
    """Whether the account's list of custom fields has the one that carries the customer's id."""
    probe = FieldMap(1, (MapField(CUSTOMER_ID_LABEL, "custom", "mirror", "customer.id", None, "text", 0),), "", "")
    return bool(resolve(probe, custom_fields).available)


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
    odd = [name for name, value in custom.items() if value is not None and not isinstance(value, str)]
    exact = _as_they_came(text) if odd else {}
    return LiveContact(
        contact_id=contact_id,
        phone=_text(body.get("contactPhone")),
        status=_text(body.get("subscriptionStatus")),
        builtin={name: _text(body.get(name)) for name in BUILTINS},
        custom=names.values(custom),
        odd={names.key(name): exact[name] for name in odd},
        created=_text(body.get("created")),
        updated=_text(body.get("updated")),
        source=_text(body.get("updateSource")),
        read_run=read_run,
    )


def contact_id_of(text: bytes) -> str:
    """The id of a contact's JSON.

    Raises:
        BadRecord: it is no object or names no id.
    """
    contact_id = contact_id_in(_decode(text))
    if contact_id is None:
        raise BadRecord("a contact without an id came", system=SIMPLETEXTING, call="list_contacts")
    return contact_id


class _Customs(msgspec.Struct):
    customFields: dict[str, msgspec.Raw]  # noqa: N815


def _as_they_came(text: str | bytes) -> dict[str, msgspec.Raw]:
    """The exact text of each custom field's value; a float would change `1.10`, and what is longer than one."""
    return {name: msgspec.Raw(bytes(raw)) for name, raw in _CUSTOMS.decode(text).customFields.items()}


_CUSTOMS: Final = msgspec.json.Decoder(_Customs)


def _decode(text: str | bytes) -> dict[str, Any]:
    try:
        value = read_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return "" if value is BEYOND else live_text(value)
