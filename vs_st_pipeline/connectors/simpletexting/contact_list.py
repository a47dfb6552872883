"""Walks the list of contacts, which is not a snapshot: rows shift while it is read, and nothing reports a deletion.

Data flow: API pages -> ContactItem by id, and whether any contact may be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from vs_st_pipeline.connectors.simpletexting.client import PAGE_SIZE, Page, SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.consent import consent_reason
from vs_st_pipeline.connectors.simpletexting.custom_fields import FieldKeys
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.simpletexting.stored_contacts import ContactItem, contact_item, read_custom_fields
from vs_st_pipeline.domain.errors import BadAnswer, Refused
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.state import CLOCK_SLACK

HEADER_STEP = timedelta(seconds=1)  # a `Date` header has whole seconds


MOST_WALKS, FRUITLESS_WALKS = 12, 2


STALE_PAGES = 3  # pages in a row that brought no new contact: the list repeats


def latest_update(st: SimpleTextingClient) -> datetime:
    """Return the latest time that `updated` can rightly have: SimpleTexting's `Date`, else this machine's clock."""
    here = datetime.now(UTC)
    if st.server_time is None:
        return here
    try:
        return min(datetime.fromtimestamp(st.server_time, UTC) + HEADER_STEP, here + CLOCK_SLACK)
    except (ValueError, OverflowError, OSError):
        return here


@dataclass(slots=True)
class Listing:
    """One walk over the pages, or several joined.

    Attributes:
        names: the account's custom fields, as contacts name them.
        found: contacts by id.
        unusable: rows that cannot be believed, by id where they name one, else by number.
        order: for each row in turn, the name it is kept under, so that it is known which rows follow one another.
        told: the last total, as far as it was not less than what had come already.
        began: SimpleTexting's clock at the first page.
        longest: rows of the longest page.
        moved: the total changed, or a contact came twice: rows moved while they were read.
        proved: nothing shows that a contact was missed.
    """

    names: FieldKeys
    found: dict[str, ContactItem] = field(default_factory=dict)
    unusable: dict[str, ContactItem] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    told: int | None = None
    pages: int = 0
    longest: int = 0
    began: datetime | None = None
    moved: bool = False
    proved: bool = True

    @property
    def count(self) -> int:
        """Return how many distinct contacts came, unusable rows included."""
        return len(self.found) + len(self.unusable)

    @property
    def ids(self) -> set[str]:
        """Return the names of all rows, unusable ones included."""
        return {*self.found, *self.unusable}

    @property
    def updated(self) -> list[datetime]:
        """Return the update times that the contacts give."""
        return [item.updated for item in self.found.values() if item.updated is not None]

    @property
    def short(self) -> bool:
        """Say whether the list gave fewer contacts than its total says."""
        return self.told is not None and self.count < self.told

    def join(self, later: Listing) -> bool:
        """Add another walk, whose bodies are newer; return whether it brought a new contact."""
        new = bool(later.ids - self.ids)
        for name in later.ids:
            self.found.pop(name, None)
            self.unusable.pop(name, None)
        self.found |= later.found
        self.unusable |= later.unusable
        self.order = later.order + [name for name in self.order if name not in set(later.order)]
        self.told = later.told if later.told is not None else self.told
        self.pages += later.pages
        return new

    def take(self, text: bytes) -> str:
        """Add a row; return the name it is kept under."""
        item = contact_item(text, self.names)
        if not item.understood:
            name = item.contact_id or f"#{sum(one.startswith('#') for one in self.unusable)}"
            if name not in self.found:
                self.unusable[name] = item
            return name
        self.unusable.pop(item.contact_id, None)
        known = self.found.get(item.contact_id)
        if known is None or _takes_its_place(known, item):
            self.found[item.contact_id] = item
        return item.contact_id


def _takes_its_place(before: ContactItem, later: ContactItem) -> bool:
    """Return whether a row replaces an earlier row of the same contact.

    Where they differ in consent, the later update decides, and where that does not tell, no consent is believed.
    """
    consented, consents = (consent_reason(row.status) is None for row in (before, later))
    if consented == consents:
        return True
    if before.updated is not None and later.updated is not None and before.updated != later.updated:
        return later.updated > before.updated
    return consented


def walk_list(
    run: Run,
    st: SimpleTextingClient,
    *,
    since: datetime | None = None,
    enough: Callable[[Sequence[str], Listing], bool] = lambda page, listing: False,
) -> Listing:
    """Walk the list, again while rows move and each walk brings a new contact: together the walks miss none."""
    listing = _list(run, st, since=since, enough=enough)
    restless, fruitless = listing.moved or listing.short, 0
    for _ in range(MOST_WALKS - 1):
        if not restless or fruitless >= FRUITLESS_WALKS:
            break
        again = _list(run, st, since=since)
        alone = not again.moved and not again.short and again.ids >= listing.ids
        fruitless = 0 if listing.join(again) else fruitless + 1
        # A walk is whole if nothing moved in it, or if all walks together have as many contacts as the list says.
        restless = not alone and listing.told != listing.count
    listing.proved = not restless
    return listing


def _list(
    run: Run,
    st: SimpleTextingClient,
    *,
    since: datetime | None = None,
    enough: Callable[[Sequence[str], Listing], bool] = lambda page, listing: False,
) -> Listing:
    """Walk the list once, to an empty page, or to one shorter than the longest where no total says that more is there.

    No total proves that this was all: some count the page alone.
    """
    with run.open() as db:
        listing = Listing(FieldKeys(read_custom_fields(db)))
    text_since = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{since.microsecond // 1000:03d}Z" if since else None
    before: list[bytes] = []
    totals: set[int] = set()
    longest = rows = stale = pages_told = 0
    while True:
        try:
            page = st.list_contacts(listing.pages, since=text_since)
        except Refused:
            # What is past the end may be refused: it is the end only if all came that the list says it has.
            if not listing.pages or (rows != listing.told if listing.told else listing.pages != pages_told):
                raise
            page = Page([], None, None)
        if listing.began is None and st.server_time is not None:
            listing.began = min(latest_update(st), datetime.fromtimestamp(st.server_time, UTC)) if _sane(st) else None
        if listing.pages and page.rows and page.rows == before:
            if listing.told == listing.count and len(page.rows) < PAGE_SIZE and listing.pages == 1:
                return listing  # there is only one page, given for every page number, and its total says this is all
            raise BadAnswer(
                "the contact list gave the same page twice: paging has no effect",
                system=SIMPLETEXTING,
                call="list_contacts",
            )
        known = listing.count
        named = [listing.take(text) for text in page.rows]
        listing.order += named
        rows += len(page.rows)
        stale = stale + 1 if page.rows and listing.count == known else 0
        if page.rows and page.total_elements is not None and page.total_elements >= rows:
            listing.told = page.total_elements  # past the end the totals may be missing
            totals.add(listing.told)
        listing.pages += 1
        longest = max(longest, len(page.rows))
        run.progress(f"contacts {listing.count}" + (f" of {listing.told}" if listing.told else ""))
        pages_told = page.total_pages or pages_told
        more = (listing.told or 0) > rows or (page.total_pages or 0) > listing.pages
        end = len(page.rows) < longest or (listing.pages == 1 and enough(named, listing))
        if not page.rows or stale >= STALE_PAGES or (end and not more):
            listing.longest = longest
            listing.moved = len(totals) > 1 or rows > listing.count
            return listing
        before = page.rows


def _sane(st: SimpleTextingClient) -> bool:
    return st.server_time is not None and 0 <= st.server_time < 4e9
