"""Reads the account's own contacts and custom fields, and lands them in raw.

Data flow: API pages -> raw.simpletexting_contacts, raw.simpletexting_custom_fields.

The list is not a snapshot: rows shift while it is read, and nothing reports a deletion. So a listing counts as
complete only if it has as many contacts as it says; only then is a contact taken for gone.

It is long because a list of all and a list of what was updated prove each other.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from vs_st_pipeline.connectors.simpletexting import opt_outs
from vs_st_pipeline.connectors.simpletexting.client import CONTACT, PAGE_SIZE, CustomFieldItem, SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.contact_list import HEADER_STEP, Listing, latest_update, walk_list
from vs_st_pipeline.connectors.simpletexting.custom_fields import FieldKeys
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.simpletexting.settings import SimpleTextingSettings
from vs_st_pipeline.connectors.simpletexting.stored_contacts import (
    ContactItem,
    contact_item_of,
    in_another_form,
    land_contacts,
    mark_gone,
    read_custom_fields,
    without_suppressed,
)
from vs_st_pipeline.domain.errors import BadAnswer, BadRecord, Refused
from vs_st_pipeline.domain.formats import instant, parse_moment
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import UNREAD_EMAILS, clear_state, get_state, is_due, set_state
from vs_st_pipeline.platform.warehouse.unreadable import forget_unreadable, record_unreadable, unreadable_ids

OVERLAP = timedelta(hours=1)  # rows may be shown late, and `since` may be exclusive
OVERLAP_ROWS = PAGE_SIZE - 20  # leaves room for new rows
MOST_BEYOND = 15  # contacts known to be updated after the cursor, before it moves on: each list has them once more
# Stored states (cursors), each set in the transaction that stores what was read:
FULL = "contacts_full"  # when all contacts were listed last; deleted where the custom fields have changed
SINCE = "contacts_since"  # the greatest `updated` seen: from here the next list asks
OVERLAPPING = "contacts_overlap"  # the cursor, and from where its list begins: bodies tell that, and are many
FIELDS = "custom_fields"  # when the list of custom fields was read to its end last
LONGEST = "contacts_page"  # how many rows the longest page had: a shorter one may be the end
OF_ALL = 80  # percent of the known contacts: the least that a listing of all contacts has


def fetch_custom_fields(run: Run, st: SimpleTextingClient) -> int:
    """Read the account's custom fields again; return how many there are."""
    with run.open() as db:
        kept = db.rows("select label, merge_tag from raw.simpletexting_custom_fields order by rowid")
        proved = get_state(db, FIELDS) is not None and not run.full
        proved = proved and not is_due(db, FIELDS, run.merchant.section(SimpleTextingSettings).full_read, run.now())
    if not proved:
        st.http.tape.asks_otherwise("the custom fields were read to their end")
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
            # A renamed merge tag changes no contact's `updated`, and contacts carry their customer's id under a tag.
            clear_state(db, FULL)
        set_state(db, FIELDS, len(rows), run.now())
    return len(rows)


def list_custom_fields(st: SimpleTextingClient, known: Sequence[tuple[str, str | None]] = ()) -> list[CustomFieldItem]:
    """List all custom fields of the account, page by page.

    Args:
        known: labels and merge tags of a list that was recently read to its end: where the first page is all of it
            again, and shows no sign of more, the end is not asked for again.
    """
    rows: list[bytes] = []
    longest = pages = told = pages_told = 0
    while True:
        try:
            page = st.list_custom_fields(pages)
        except Refused:  # what is past the end may be refused
            if not pages or (len(rows) != told if told else pages != pages_told):
                raise
            break
        if pages and page.rows and page.rows == rows[-len(page.rows) :]:
            break  # the same page again: the first page has all of it
        rows += page.rows
        pages += 1
        longest = max(longest, len(page.rows))
        told, pages_told = page.total_elements or told, page.total_pages or pages_told
        more = (page.total_elements or 0) > len(rows) or (page.total_pages or 0) > pages
        if not page.rows or (len(page.rows) < longest and not more):
            break
        if pages == 1 and known and not more and _labels([CustomFieldItem.read(row) for row in rows]) == [*known]:
            break
    return [CustomFieldItem.read(row) for row in rows]


def _labels(fields: Iterable[CustomFieldItem]) -> list[tuple[str, str | None]]:
    return [(item.label.strip(), item.mergeTag) for item in fields if item.label and item.label.strip()]


def fetch_contacts(run: Run, st: SimpleTextingClient, *, fresh: bool = False) -> int:
    """Read the contacts that were updated since the last read, or all of them where that is due.

    Args:
        fresh: read all, whatever is due: right before a batch, and to settle what a batch left unknown.

    Returns:
        How many distinct contacts were seen.

    Raises:
        BadAnswer: the list said more contacts than it gave, however often it was walked; paging had no effect; or
            too many of the contacts have a shape that is not understood.
    """
    with run.open() as db:
        cursor = get_state(db, SINCE)
        full = fresh or run.full or cursor is None or get_state(db, UNREAD_EMAILS) is None
        full = full or is_due(db, FULL, run.merchant.section(SimpleTextingSettings).full_read, run.now())
    if full or datetime.fromisoformat(cursor) > latest_update(st):  # a cursor in the future has hidden unknown contacts
        return _fetch_all(run, st, "before a batch" if fresh else "due")
    return _fetch_since(run, st, cursor)


def _lift_opt_outs(run: Run, st: SimpleTextingClient, listing: Listing) -> None:
    """Let whoever a list shows as opted in be written again; an answer of it may be as old as the run."""
    began = opt_outs.clock(run, time.monotonic() - st.http.tape.began)
    opt_outs.lift(run, ((item.contact_id, item.phone, item.status) for item in listing.found.values()), began)


def _fetch_all(run: Run, st: SimpleTextingClient, why: str) -> int:
    """Read a complete list; contacts that are not in it are marked gone."""
    st.http.tape.asks_otherwise("all contacts were listed")
    listing = walk_list(run, st, enough=lambda page, _: _holds_all(run, page))
    if listing.short:
        raise BadAnswer(
            f"the contact list says it has {listing.told} but gave {listing.count}; nothing is taken from it",
            system=SIMPLETEXTING,
            call="list_contacts",
        )
    _set_other_forms_apart(run, listing)
    _judge_unusable(run, st, listing, of_all=True)
    _land_complete(run, st, listing)
    _lift_opt_outs(run, st, listing)
    run.request_log.append(RequestLogEntry("contact list", why, listing.count, f"{listing.pages} pages"))
    return listing.count


def _holds_all(run: Run, page: Sequence[str]) -> bool:
    """Return whether a page has every contact of an earlier whole listing of this run: then no contact is gone."""
    with run.open() as db, db.batch({"contact_id": page}) as batch:
        whole = db.value("select count(*) from raw.reads where what = 'contacts' and run_id = ?", [run.run_id])
        missing = db.value(
            f"""select count(*) from raw.simpletexting_contacts
                where not gone and contact_id not in (select contact_id from {batch})"""
        )
    return bool(whole) and not missing


def _land_complete(run: Run, st: SimpleTextingClient, listing: Listing) -> None:
    with run.open() as db, db.transaction():
        land_contacts(run, db, listing.found.values())
        _keep_unusable(run, db, listing, of_all=listing.proved)
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
                set_state(db, FULL, run.run_id, run.now())
                set_state(db, LONGEST, listing.longest, run.now())
        _move_cursor(db, run, st, listing, None)


def _fetch_since(run: Run, st: SimpleTextingClient, cursor: str) -> int:
    """Read contacts updated since the cursor less an overlap; detect a list that does not obey `since`."""
    with run.open() as db:
        since = _beginning(run, db, datetime.fromisoformat(cursor))
        known = int(db.value("select count(*) from raw.simpletexting_contacts where not gone"))
        longest = int(get_state(db, LONGEST) or 0)
    newest = datetime.fromisoformat(cursor)
    first: list[str] = []

    def enough(page: Sequence[str], listing: Listing) -> bool:
        """Say whether a page shorter than this account's pages, with the newest known contact and no news, is all."""
        first[:] = page
        items = [listing.found[name] for name in page if name in listing.found]
        with run.open() as db:
            return len(page) < longest and len(items) == len(page) and _no_news(db, items, newest)

    listing = walk_list(run, st, since=since, enough=enough)
    if listing.short:  # it gave fewer than it said, again and again: only a list of all shows which are not there
        return _fetch_all(run, st, "the list of updated contacts was not whole")
    if datetime.fromisoformat(cursor) > latest_update(st):
        return _fetch_all(run, st, "the last look was dated in the future")
    _set_other_forms_apart(run, listing)
    _judge_unusable(run, st, listing, of_all=False)
    before = sum(moment < since - timedelta(seconds=1) for moment in listing.updated)
    if before * 2 > listing.count and listing.count * 100 >= known * OF_ALL:
        # `since` had no effect: this is a list of all contacts, and is treated as one. One old row proves nothing.
        _land_complete(run, st, listing)
        _lift_opt_outs(run, st, listing)
        entry = RequestLogEntry("contact list", "`since` has no effect here", listing.count, "all contacts")
        run.request_log.append(replace(entry, again=entry))
        return listing.count
    with run.open() as db, db.transaction():
        land_contacts(run, db, listing.found.values())
        _keep_unusable(run, db, listing, of_all=False)
        if listing.count >= PAGE_SIZE:
            clear_state(db, OVERLAPPING)
        # Where it stays, the next list asks the same, and tells by its answer alone that nothing was updated.
        if listing.count >= PAGE_SIZE or sum(moment > newest for moment in listing.updated) > MOST_BEYOND:
            _move_cursor(db, run, st, listing, cursor)
        if get_state(db, SINCE) != cursor:
            st.http.tape.asks_otherwise("contacts were updated: the next list begins later")
    _lift_opt_outs(run, st, listing)
    if listing.pages > 1 and enough(first, listing):
        st.http.tape.asks_otherwise("contacts were updated: the same page would be enough now")
    entry = RequestLogEntry("contact list", "updated since the last look", listing.count, f"{listing.pages} pages")
    run.request_log.append(replace(entry, again=entry))
    return listing.count


def _no_news(db: Db, items: Sequence[ContactItem], newest: datetime) -> bool:
    """Return whether all are stored just so or were written by us since, and the newest known one is among them."""
    ours = {
        row[0]
        for row in db.rows(
            """select contact_id from synced.writes as w join raw.simpletexting_contacts as c on c.contact_id = w.id
               where w.outcome = 'accepted' and w.run_id = c.read_run and not c.gone"""
        )
    }
    if not ours.issubset(item.contact_id for item in items):
        return False
    with db.batch({"contact_id": [item.contact_id for item in items]}) as batch:
        stored = dict(
            db.rows(
                f"""select contact_id, body_hash from raw.simpletexting_contacts semi join {batch} using (contact_id)
                    where not gone"""
            )
        )
    if any(
        item.contact_id not in stored or (item.contact_id not in ours and stored[item.contact_id] != item.body_hash)
        for item in items
    ):
        return False
    return bool(ours) or any(item.updated is not None and item.updated >= newest for item in items)


def _beginning(run: Run, db: Db, cursor: datetime) -> datetime:
    """Return where to read from (`_overlapping`), as it was worked out when the cursor came to where it is.

    Whoever is updated later leaves that page, so it stays one. To find it anew every body has to be looked at.
    """
    kept = get_state(db, OVERLAPPING)
    if kept is not None and kept[0] == cursor.isoformat():
        return datetime.fromisoformat(kept[1])
    since = _overlapping(db, cursor)
    if not run.dry_run:
        set_state(db, OVERLAPPING, [cursor.isoformat(), since.isoformat()], run.now())
    return since


def _overlapping(db: Db, cursor: datetime) -> datetime:
    """Return where to read from: an hour before the cursor, or as far back as contacts fill most of a page.

    Right after a large write the hour holds all of its contacts; a page is overlap enough, and one request. Contacts
    whose update time is after the cursor take no place in it. Contacts that were written at one moment, as by a batch,
    are within it all or not at all: half of them cannot be asked for, and all of them might need another page.
    """
    since = cursor - OVERLAP
    if db.value("select count(*) from raw.simpletexting_contacts") <= OVERLAP_ROWS:
        return since
    rows = db.rows(
        """select updated from (select json_extract_string(body, '$.updated') as updated
               from raw.simpletexting_contacts where not gone)
           where updated is not null and updated <= ? order by updated desc limit ?""",
        [f"{cursor + timedelta(days=1):%Y-%m-%dT%H:%M:%S}", OVERLAP_ROWS + 1],
    )
    moments = [instant(moment) for row in rows if (moment := parse_moment(row[0])) is not None]
    if len(rows) <= OVERLAP_ROWS or not moments:
        return since
    oldest = min(moments)
    fitting = min((moment for moment in moments if oldest < moment < cursor), default=oldest)
    return max(since, min(fitting, cursor))


def _move_cursor(db: Db, run: Run, st: SimpleTextingClient, listing: Listing, before: str | None) -> None:
    """Move the cursor to the greatest `updated` seen, in SimpleTexting's own time; never past its clock.

    A list of what was updated never moves it back; a list of all may, which mends a cursor from a clock that was wrong.

    A contact whose update time is in the future is ignored. Where no contact has a readable time, the cursor is
    SimpleTexting's clock when the listing began. A dry run does not move it: the next sync has to list the same
    contacts itself, or it could not write them.
    """
    if run.dry_run:
        return
    latest = latest_update(st)
    known = [moment for moment in listing.updated if moment <= latest]
    if not known and listing.found and listing.began is not None:
        known = [listing.began]
    if before:
        known.append(datetime.fromisoformat(before))
    if known:
        clock = latest if st.server_time is None else latest - HEADER_STEP
        set_state(db, SINCE, min(max(known), clock).isoformat(), run.now())


def _set_other_forms_apart(run: Run, listing: Listing) -> None:
    """Count contacts that came in another form than before among those that are not understood."""
    if any(item.no_text for item in listing.found.values()):
        with run.open() as db:
            for contact_id in in_another_form(db, listing.found.values()):
                listing.unusable[contact_id] = listing.found.pop(contact_id)


def _judge_unusable(run: Run, st: SimpleTextingClient, listing: Listing, *, of_all: bool) -> None:
    """Leave alone one contact that is not understood; many mean that the API answers differently, and end the sync.

    Raises:
        BadAnswer: all of them, five in a row, or more than a fifth of 25 or more are not understood.
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
    # A contact without custom fields proves nothing about the form that they come in.
    proved = {name for name, item in listing.found.items() if item.has_custom_fields}
    if not proved:
        if of_all or row is None or row[0] in listing.unusable:
            raise error
        st.contact(row[0])  # a contact that was read well before; if it cannot be read now, it is the system's trouble
    reads = SingleReads(len(listing.order))
    for name in listing.order:
        if name in listing.unusable:
            reads.went_wrong(name, error, known=name in known)
        elif name in proved:
            reads.went_well()


def _keep_unusable(run: Run, db: Db, listing: Listing, *, of_all: bool) -> None:
    """Keep which contacts cannot be understood, and their e-mails: no other contact may be given one of them."""
    error = BadRecord("the contact is in the list in a shape that cannot be understood", system=SIMPLETEXTING)
    named = {name: error for name in listing.unusable if not name.startswith("#")}
    record_unreadable(db, CONTACT.name, named, run.now(), dry_run=run.dry_run)
    known: dict[str, str] = {} if of_all else get_state(db, UNREAD_EMAILS) or {}
    emails = {name: email for name, email in known.items() if name not in listing.found}
    for item in without_suppressed(run, db, list(listing.unusable.values())):
        if item.email:
            # Rows without an id are kept under their own e-mail: row numbers are only valid within one listing.
            emails[item.contact_id or f"# {item.email}"] = item.email
    if emails != get_state(db, UNREAD_EMAILS):
        set_state(db, UNREAD_EMAILS, emails, run.now())


def _understood_now(run: Run, db: Db, contact_id: str) -> None:
    """Drop what was kept of a contact because it could not be understood: it was read, or it is gone."""
    forget_unreadable(db, CONTACT.name, [contact_id])
    emails: dict[str, str] = get_state(db, UNREAD_EMAILS) or {}
    if emails.pop(contact_id, None) is not None:
        set_state(db, UNREAD_EMAILS, emails, run.now())


def fetch_contact(run: Run, st: SimpleTextingClient, contact_id: str, *, hinted: bool = False) -> None:
    """Read one contact alone and land it; one that answers 404 is marked gone.

    Args:
        hinted: a hint named it (`land_contact`).

    Raises:
        PipelineError: it could not be read; `is_of_one_record` says whose trouble that may be.
    """
    began = opt_outs.clock(run)
    try:
        text = st.contact(contact_id)
    except Refused as refused:
        if refused.http_status != 404:
            raise
        with run.open() as db, db.transaction():
            mark_gone(db, contact_id)
            _understood_now(run, db, contact_id)
        return
    land_contact(run, contact_id, text, began, hinted=hinted)


def land_contact(run: Run, contact_id: str, text: bytes, began: float, *, hinted: bool = False) -> None:
    """Land one contact that was read alone; an opt-out that came by webhook before that may be over (H23).

    Args:
        began: when its reading began (`opt_outs.clock`).
        hinted: a hint named it: it is kept in `raw.hints` until all that the hint asks for is done.

    Raises:
        BadRecord: a custom field came in another form than before.
    """
    with run.open() as db, db.transaction():
        item = contact_item_of(text, FieldKeys(read_custom_fields(db)))
        if in_another_form(db, [item]):
            raise BadRecord(
                "a custom field of a contact came in another form than before; what is known stands",
                system=SIMPLETEXTING,
                call="contact",
            )
        land_contacts(run, db, [item])
        _understood_now(run, db, contact_id)
        if hinted:
            db.execute(
                """insert or replace into raw.hints
                   select ?, contact_id, 'hinted', ?::timestamp from raw.simpletexting_contacts where contact_id = ?""",
                [CONTACT.name, run.now(), contact_id],
            )
    opt_outs.lift(run, [(item.contact_id, item.phone, item.status)], began)
