"""Reads what hints name, one record at a time, each only if the one before gives reason (webhooks-onboarding.md 5).

Data flow: HintedRecord -> single reads of orders, customers, contacts -> raw -> whose contacts are to be brought right.

    an order       the order; its customer, if a contact stands for them or nothing of them is stored; what of them was
                   never read
    a customer     the customer; what of them was never read
    a membership   its customer, by the webhook's path, by what is stored, or by the feed's first page
    a contact      the contact; customers with its phone, by what is stored, else by the shop's search

Receipts, and contacts that were found by an order or a customer, are read later: `targeted` says when. Before each
request the desk is asked whether hints may ask for more; where not, a whole sync does the rest.

It is long because each way from a hint to the contacts that stand for it must be seen beside the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from vs_st_pipeline.connectors.simpletexting import contacts, opt_outs
from vs_st_pipeline.connectors.simpletexting.consent import OPT_IN
from vs_st_pipeline.connectors.simpletexting.hooks import tells_new_phone, tells_opt_out
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.simpletexting.opt_outs import OptOuts
from vs_st_pipeline.connectors.vinoshipper import hinted as stored
from vs_st_pipeline.connectors.vinoshipper import landing, landing_orders
from vs_st_pipeline.connectors.vinoshipper.customers import look_up, looked_up
from vs_st_pipeline.connectors.vinoshipper.membership_feed import customer_in_feed
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.read_queue import HINTED, hint, is_hinted
from vs_st_pipeline.domain.errors import Forbidden, NotSent, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.hints import CONTACT, CUSTOMER, MEMBERSHIP, ORDER, Hint, Outcome
from vs_st_pipeline.domain.matching import ContactIdentity, Link
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.single_reads import IN_A_ROW, is_of_one_record
from vs_st_pipeline.pipeline.hinted import MOST_REQUESTS, HintDesk
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.contacts.everybody import are_wanted
from vs_st_pipeline.routes.contacts.identity import Linked, customers_to_read, link_opted_in, link_some
from vs_st_pipeline.routes.contacts.session import ContactsSession

T = TypeVar("T")
USUAL_REQUESTS: Final = 3  # an order, its customer, its receipt
WAIT_SECONDS: Final = 5.0
MOST_LOST: Final = 2  # reads that were waited for in vain; what failed before is then left to a later targeted sync
LOST_SECONDS: Final = 60.0
_READ_WELL: Final = {
    ORDER: ("raw.vinoshipper_orders", "order_number", "detail_at", "detail_status = 200"),
    CUSTOMER: ("raw.vinoshipper_customers", "customer_id", "detail_at", "detail_status = 200"),
    CONTACT: ("raw.simpletexting_contacts", "contact_id", "read_at", "not gone"),
}
_SHOWN_BY: Final = {"search_customers": CUSTOMER, "memberships": CUSTOMER}  # calls that are not of one record


class HandedOver(Exception):
    """Hints may ask for no more: a whole sync does the rest of this record."""


class Full(Exception):
    """This targeted sync may ask for no more: the next one reads this record."""


@dataclass(slots=True)
class HintedRecord:
    """One record and all hints of it that were claimed; one read is for all of them.

    Attributes:
        kind, name: as hints name it: by its id, or a contact by its phone.
        outcome: what became of it; None: nothing yet.
        error: why it could not be read, or it is not known whether it was written: it waits for another try.
        waits: seconds until a later targeted sync reads it, because this one may not; None: it need not wait.
        contacts: ids of those that are to be brought right, because the record says something new.
        settled: the desk was told.
    """

    hints: list[Hint]
    kind: str
    name: str
    outcome: Outcome | None = None
    error: PipelineError | None = None
    waits: float | None = None
    contacts: set[str] = field(default_factory=set)
    settled: bool = False
    _marks: set[tuple[str, str]] = field(default_factory=set)

    @property
    def is_open(self) -> bool:
        """Say whether it is still to be done in this sync."""
        return self.outcome is None and self.error is None and self.waits is None

    @property
    def opts_out(self) -> bool:
        """Say whether all that was told of it is an opt-out: it is read, and never a reason to write."""
        return all(map(tells_opt_out, self.hints))

    @property
    def says_opted_out(self) -> bool:
        """Say whether an opt-out was told of it, beside whatever else: it must be read, because it is held (H23)."""
        return any(map(tells_opt_out, self.hints))

    @property
    def failed_before(self) -> bool:
        """Say whether it could not be read before either."""
        return any(hint.tries for hint in self.hints)

    @property
    def has_new_phone(self) -> bool:
        """Say whether its phone changed: what was known of it says nothing."""
        return any(map(tells_new_phone, self.hints))

    def mark(self, kind: str, record_id: str) -> None:
        """Note that a record was stored at the head of the queue, until all is done."""
        self._marks.add((kind, record_id))

    def take_marks(self) -> set[tuple[str, str]]:
        """Return what was marked, once."""
        marks, self._marks = self._marks, set()
        return marks


def hinted_records(hints: Iterable[Hint]) -> list[HintedRecord]:
    """Return the hinted records, the longest waiting first."""
    found: dict[tuple[str, str, str], HintedRecord] = {}
    for one in hints:
        record = found.setdefault(one.record, HintedRecord([], one.kind, one.id or one.phone or ""))
        record.hints.append(one)
    return list(found.values())


@dataclass(slots=True)
class HintedReads:
    """What one targeted sync has read, so that nothing is read twice."""

    session: ContactsSession
    desk: HintDesk
    _orders: set[str] = field(default_factory=set)
    _customers: dict[int, bool | None] = field(default_factory=dict)  # news, or None: it answered 404
    _contacts: dict[str, str | None] = field(default_factory=dict)  # status, or None: it is not there
    _well: set[str] = field(default_factory=set)
    _answers: dict[str, bool | None] = field(default_factory=dict)  # whether another record of a kind can be read
    _asked_last: str = ""  # id of the record that was asked for last
    _linked: dict[str, tuple[ContactIdentity, Link]] = field(default_factory=dict)
    _failed: int = 0  # reads in a row
    _new_failed: int = 0
    _lost: int = 0  # reads for which all of `give_up_after` was waited
    _own: int = 0  # requests to the shop for the record that is read now
    _receipts: int = 0  # that are yet to be read, at most

    # --- what costs no request ----------------------------------------------------------------------------------------

    def settle_without_asking(self, db: Db, record: HintedRecord) -> None:
        """Say what becomes of a record for which no request is needed, if that is so."""
        if record.kind == ORDER:
            owner = stored.stored_owner(db, record.name)
            wanted = are_wanted(self.session.run.merchant)  # another route waits for it, whoever it is of (R34)
            if owner is not None and not wanted and not link_opted_in(db, [owner]).contacts:
                record.outcome = Outcome.NOT_LINKED
            elif self._is_over_limit(db, record):
                record.outcome = Outcome.OVER_LIMIT
        elif record.kind == CUSTOMER:
            if not stored.is_id(record.name):
                record.outcome = Outcome.GONE
            elif self._is_over_limit(db, record):
                record.outcome = Outcome.OVER_LIMIT
        elif record.kind == MEMBERSHIP:
            owner = self._owner_of_membership(db, record)
            if owner is not None and self.desk.is_flooded() and not stored.is_stored(db, CUSTOMER, str(owner)):
                record.outcome = Outcome.OVER_LIMIT
        elif record.kind == CONTACT:
            ids = _stored_contacts(db, record.name)
            if not ids and self.desk.is_flooded():
                record.outcome = Outcome.OVER_LIMIT
            elif (
                ids
                and not record.says_opted_out
                and not record.has_new_phone
                and all(self._is_known(db, one) for one in ids)
            ):
                record.outcome = Outcome.KNOWN
        else:
            record.outcome = Outcome.HANDED_OVER

    def _is_over_limit(self, db: Db, record: HintedRecord) -> bool:
        return self.desk.is_flooded() and not stored.is_stored(db, record.kind, record.name)

    def _is_known(self, db: Db, contact_id: str) -> bool:
        """Say whether a contact that is stored as opted in is linked, or its phone was just looked up (ruling 8)."""
        linked = link_some(db, [contact_id])
        if not linked.contacts or linked.contacts[0].status != OPT_IN or is_hinted(db, CONTACT, contact_id):
            return False
        phone = linked.contacts[0].phone
        if OptOuts(self.session.run).holds(contact_id, phone):
            return False  # a reading alone lets it be written again (H23)
        return bool(linked.links) or (phone is not None and looked_up(db, phone, self.session.run.now()))

    # --- reading ------------------------------------------------------------------------------------------------------

    def read(self, record: HintedRecord) -> None:
        """Read a record, and what follows from it; one that cannot be read holds up no other.

        Raises:
            PipelineError: it is the system's trouble.
        """
        read = {ORDER: self._order, CUSTOMER: self._customer, MEMBERSHIP: self._membership, CONTACT: self._contact}
        self._own = 0
        if (
            self._lost >= MOST_LOST and record.failed_before
        ):  # the merchant's lock is not held for minutes by what fails
            record.waits = LOST_SECONDS
            return
        try:
            if not record.opts_out:
                self._see_room()
            read[record.kind](record)
        except HandedOver:
            record.outcome = Outcome.HANDED_OVER
        except Full:
            record.waits = 0.0
        except PipelineError as error:
            self._went_wrong(record, error)
        self._receipts += bool(record.contacts)

    def read_contacts(self, record: HintedRecord) -> None:
        """Read the contacts of a record singly, as far as this sync has not; raises as `read`."""
        try:
            for contact_id in sorted(record.contacts - self._contacts.keys()) if record.is_open else ():
                if not self.desk.may_ask(SIMPLETEXTING, 2, most=None):  # to read it, and to write it
                    raise HandedOver
                self._read_contact(contact_id)
        except HandedOver:
            record.outcome = Outcome.HANDED_OVER
        except PipelineError as error:
            self._went_wrong(record, error)

    def linked(self, contact_ids: Collection[str]) -> Linked:
        """Return those of these contacts that were found opted in, with the customers that they stand for."""
        found = [self._linked[one] for one in sorted(contact_ids) if one in self._linked]
        return Linked([contact for contact, _ in found], {link.contact_id: link for _, link in found}, {})

    def status_of(self, contact_id: str) -> str | None:
        """Return the status of a contact as this sync has read it; None where it is not there, or was not read."""
        return self._contacts.get(contact_id)

    def judge(self, records: Sequence[HintedRecord]) -> None:
        """Raise the error of a record that could not be read, where that is so of all, and none of a kind is read."""
        failed = [record.error for record in records if record.error is not None]
        if any(self._answers.get(_kind_of(error)) for error in failed):
            return  # others are read well: it is about those records alone
        if failed and len(failed) == len(records):
            raise failed[0]

    def _went_wrong(self, record: HintedRecord, error: PipelineError) -> None:
        """Note that a record cannot be read; the others are read all the same (routes.md R40).

        Raises:
            PipelineError: the error itself: it is the system's trouble.
        """
        if not is_of_one_record(error):
            raise error
        self._failed += 1
        self._new_failed += not record.failed_before  # one that did says nothing new of the system
        self._lost += isinstance(error, TryLater)
        if self._new_failed >= IN_A_ROW:
            raise error
        well = error.system in self._well
        if self._failed > 1 or not well or isinstance(error, Forbidden):
            # Asked now and not at the end: where the system is down, no other record has to wait for its time to pass.
            others = None if isinstance(error, NotSent) else self._answers_others(error, record)
            if others is False or (others is None and (self._failed > 1 or (isinstance(error, TryLater) and not well))):
                raise error
        record.error = error

    def _answers_others(self, error: PipelineError, record: HintedRecord) -> bool | None:
        """Say whether a record that was read well can be read still: the one read last, or the one before it.

        None: there is none that may be asked.
        """
        kind = _kind_of(error)
        if kind in _READ_WELL and kind not in self._answers:
            table, key, read_at, well = _READ_WELL[kind]
            hinted = [hint.id or "" for hint in self.desk.hints.values() if hint.kind == kind]
            with self.session.run.open() as db, db.batch({"id": [*hinted, record.name, self._asked_last]}) as batch:
                rows = db.rows(
                    f"""select cast({key} as varchar) from {table}
                        where {well} and cast({key} as varchar) not in (select id from {batch})
                          and cast({key} as varchar) not in (select id from raw.unreadable where kind = ?)
                        order by {read_at} desc, {key} desc limit 2""",
                    [kind],
                )
            self._answers[kind] = self._is_any_shown(kind, [row[0] for row in rows])
        return self._answers.get(kind)

    def _is_any_shown(self, kind: str, ids: Sequence[str]) -> bool | None:
        shown: bool | None = None
        for record_id in ids:
            if not self.desk.may_ask(SIMPLETEXTING if kind == CONTACT else VINOSHIPPER, most=None):
                return shown
            try:
                shown = self._is_shown(kind, record_id)
            except TryLater:
                return False  # as long as this one took, so would the next
            except PipelineError as error:
                if not is_of_one_record(error):
                    return False
                shown = False
            if shown:
                return True
        return shown

    def _is_shown(self, kind: str, record_id: str) -> bool:
        shop, texting = self.session.vinoshipper, self.session.simpletexting
        try:
            if kind == CONTACT:
                texting.contact(record_id)
            elif kind == ORDER:
                shop.order(record_id)
            else:
                shop.customer(int(record_id))
        except Refused as refused:
            return refused.http_status == 404
        return True

    def _went_well(self, system: str) -> None:
        self._well.add(system)
        self._failed = self._new_failed = 0

    @property
    def room(self) -> int:
        """Return how many requests this sync may still send to the shop."""
        return MOST_REQUESTS - self.desk.asked.get(VINOSHIPPER, 0)

    def _see_room(self) -> None:
        """Begin no record that this sync could not end: an order or contact as a rule takes three requests at most."""
        if self.room < USUAL_REQUESTS + self._receipts:
            raise Full

    def _ask(self, requests: int = 1) -> bool:
        """Take requests at the shop.

        Raises:
            HandedOver: the record needs more than one sync may send, or hints have had their share.
            Full: the next targeted sync may send them.
        """
        if self._own + requests > MOST_REQUESTS:
            raise HandedOver
        if requests > self.room:
            raise Full
        if not self.desk.may_ask(VINOSHIPPER, requests):
            raise HandedOver
        self._own += requests
        return True

    # --- orders -------------------------------------------------------------------------------------------------------

    def _order(self, record: HintedRecord) -> None:
        number = record.name
        self._ask()
        landed = self._read_order(record, number)
        if landed is None:
            with self.session.run.open() as db:
                known = stored.is_stored(db, ORDER, number)
                if known:  # one that was there and is not any more is believed by a whole sync, which asks others too
                    hint(db, ORDER, [number], HINTED, self.session.run.now())
            self.desk.note_read(record.hints[0], news=False, gone=not known)
            record.outcome = Outcome.GONE
            return
        self.desk.note_read(record.hints[0], news=landed.news)
        if not landed.news:
            record.outcome = Outcome.UNCHANGED
        elif landed.owner is None:
            record.outcome = Outcome.NOT_LINKED
        else:
            self._of_order(record, landed.owner)

    def _read_order(self, record: HintedRecord, number: str) -> landing_orders.HintedOrder | None:
        """Read and store an order, once more where its answer was cut short; None where it answered 404."""
        run, shop = self.session.run, self.session.vinoshipper
        self._orders.add(number)
        self._asked_last = number
        landed, began = None, run.now()
        for _ in range(2):
            body = _unless_gone(lambda: shop.order(number))
            self._went_well(VINOSHIPPER)
            if body is None:
                return landed
            again = landing_orders.land_hinted_order(run, number, body.text, began)
            landed = again if landed is None else landing_orders.HintedOrder(True, again.owner)
            record.mark(ORDER, number)
            if not again.cut:
                break
            if landed is again:
                self._ask()
        self.session.report.seen["orders"] += 1
        return landed

    def _of_order(self, record: HintedRecord, customer_id: int) -> None:
        with self.session.run.open() as db:
            known, linked = stored.is_stored(db, CUSTOMER, str(customer_id)), link_opted_in(db, [customer_id])
        if linked.contacts or not known:
            if customer_id not in self._customers:
                self._ask()
                self._read_customer(record, customer_id)  # of one who answers 404 the last detail stands
            if self._customers[customer_id] is not False:  # else nobody else can stand for them now
                with self.session.run.open() as db:
                    linked = link_opted_in(db, [customer_id])
        self._of_contacts(record, linked)

    # --- customers ----------------------------------------------------------------------------------------------------

    def _customer(self, record: HintedRecord) -> None:
        self._of_customer(record, int(record.name))

    def _membership(self, record: HintedRecord) -> None:
        with self.session.run.open() as db:
            customer_id = self._owner_of_membership(db, record)
        if customer_id is None:
            self._ask()
            customer_id = customer_in_feed(self.session.vinoshipper, record.name)
            self._went_well(VINOSHIPPER)
        if customer_id is None:
            self.desk.note_read(record.hints[0], news=False)  # else each call would cost a request (H28)
            raise HandedOver
        self._of_customer(record, customer_id)
        self.desk.note_read(record.hints[0], news=bool(self._customers[customer_id]))

    def _of_customer(self, record: HintedRecord, customer_id: int) -> None:
        if customer_id not in self._customers:
            self._ask()
            self._read_customer(record, customer_id)
        news = self._customers[customer_id]
        if news is None:
            record.outcome = Outcome.GONE  # no proof by itself: nothing is written
        elif not news:
            record.outcome = Outcome.UNCHANGED
        else:
            with self.session.run.open() as db:
                linked = link_opted_in(db, [customer_id])
            self._of_contacts(record, linked)

    def _read_customer(self, record: HintedRecord, customer_id: int) -> None:
        run, shop, desk = self.session.run, self.session.vinoshipper, self.desk
        self._asked_last = str(customer_id)
        body = _unless_gone(lambda: shop.customer(customer_id))
        self._went_well(VINOSHIPPER)
        with run.open() as db:
            known = stored.is_stored(db, CUSTOMER, str(customer_id))
        news = landing.land_hinted_customer(run, customer_id, None if body is None else body.text)
        gone = body is None and not known
        if record.kind == CUSTOMER and int(record.name) == customer_id:
            desk.note_read(record.hints[0], news=news, gone=gone)
        else:  # a read for an order counts as one of the customer (ruling 9)
            known_as = VINOSHIPPER, CUSTOMER, str(customer_id)
            desk.inbox.note_read(desk.merchant, *known_as, route=desk.route, news=news, gone=gone)
        self._customers[customer_id] = None if body is None else news
        record.mark(CUSTOMER, str(customer_id))
        self.session.report.seen["customers"] += 1

    def _owner_of_membership(self, db: Db, record: HintedRecord) -> int | None:
        return stored.customer_of_membership(db, record.name, [one.kept.get("hrefV3") for one in record.hints])

    def _of_contacts(self, record: HintedRecord, linked: Linked) -> None:
        """Have these contacts brought right, and read what was never read of their customers."""
        if not linked.contacts:
            record.outcome = Outcome.NOT_LINKED
            return
        run = self.session.run
        with run.open() as db:
            customers, orders = stored.unread_of(run, db, customers_to_read(linked.contacts, linked.links))
        customers = [one for one in customers if one not in self._customers]
        orders = [one for one in orders if one not in self._orders]
        if customers or orders:
            self._ask(len(customers) + len(orders))
        for customer_id in customers:
            self._read_customer(record, customer_id)
        for number in orders:
            self._read_order(record, number)
        for one in linked.contacts:
            record.contacts.add(one.contact_id)
            self._linked[one.contact_id] = one, linked.links[one.contact_id]

    # --- contacts -----------------------------------------------------------------------------------------------------

    def _contact(self, record: HintedRecord) -> None:
        with self.session.run.open() as db:
            ids = _stored_contacts(db, record.name)
        known, before = bool(ids), self._bodies(ids)
        if not self.desk.may_ask(SIMPLETEXTING, max(1, len(ids)) * (1 if record.opts_out else 2), most=None):
            if not record.says_opted_out:
                raise HandedOver
            record.waits = WAIT_SECONDS  # nobody else reads it for this: it is held until then (H23, H27)
            return
        for contact_id in ids:
            if contact_id not in self._contacts:
                self._read_contact(contact_id, hinted=True)
        if not ids:
            ids = self._read_unknown(record.name)
        gone = not known and not self._there(ids)
        self.desk.note_read(record.hints[0], news=self._bodies(ids) != before, gone=gone)
        for contact_id in ids:
            record.mark(CONTACT, contact_id)
        if not self._there(ids):
            record.outcome = Outcome.GONE
        else:
            self._of_hinted_contacts(record, self._there(ids))

    def _read_unknown(self, name: str) -> list[str]:
        """Read a contact that is not stored, by its id or its phone; return its id, nothing where it is not there."""
        if parse_nanp(name) != name:
            self._read_contact(name, hinted=True)
            return [name]
        run, texting = self.session.run, self.session.simpletexting
        began = opt_outs.clock(run)
        found = _unless_gone(lambda: texting.contact_by_phone(name))
        self._went_well(SIMPLETEXTING)
        if found is None:
            return []
        contacts.land_contact(run, *found, began, hinted=True)
        self._note_status(found[0])
        return [found[0]]

    def _read_contact(self, contact_id: str, *, hinted: bool = False) -> None:
        self._asked_last = contact_id
        contacts.fetch_contact(self.session.run, self.session.simpletexting, contact_id, hinted=hinted)
        self._went_well(SIMPLETEXTING)
        self._note_status(contact_id)

    def _note_status(self, contact_id: str) -> None:
        run = self.session.run
        with run.open() as db:
            self._contacts[contact_id] = db.value(
                """select coalesce(status, '') from raw.simpletexting_contacts
                   where contact_id = ? and not gone and read_run = ?""",
                [contact_id, run.run_id],
            )
        self.session.report.seen["contacts"] += self._contacts[contact_id] is not None

    def _there(self, contact_ids: Iterable[str]) -> list[str]:
        return [one for one in contact_ids if self._contacts.get(one) is not None]

    def _bodies(self, contact_ids: Sequence[str]) -> dict[str, str]:
        with self.session.run.open() as db, db.batch({"contact_id": list(contact_ids)}) as batch:
            return dict(
                db.rows(
                    f"""select contact_id, body_hash from raw.simpletexting_contacts
                        semi join {batch} using (contact_id) where not gone"""
                )
            )

    def _of_hinted_contacts(self, record: HintedRecord, contact_ids: Sequence[str]) -> None:
        """Find whom these contacts stand for; for one who is not opted in nothing further is asked."""
        run = self.session.run
        opted_in = [one for one in contact_ids if self._contacts[one] == OPT_IN]
        with run.open() as db:
            linked = link_some(db, contact_ids)
        if not record.opts_out:
            for contact in linked.contacts:
                if contact.contact_id in opted_in and contact.contact_id not in linked.links and contact.phone:
                    self._look_up(contact.phone)
            with run.open() as db:
                linked = link_some(db, contact_ids)
        if not linked.links:
            record.outcome = Outcome.NOT_LINKED
        elif record.opts_out and opted_in == list(contact_ids):
            record.outcome = Outcome.UNCHANGED  # it is not so, and nothing else was told of them
        else:
            readable = [one for one in linked.contacts if one.contact_id in opted_in and one.contact_id in linked.links]
            if readable and not record.opts_out:
                self._of_contacts(record, Linked(readable, linked.links, linked.written))
            record.contacts.update(linked.links)

    def _look_up(self, phone: str) -> None:
        run = self.session.run
        with run.open() as db:
            if looked_up(db, phone, run.now()):
                return
        if not look_up(run, self.session.vinoshipper, phone, self._ask):
            raise HandedOver
        self._went_well(VINOSHIPPER)


def _kind_of(error: PipelineError) -> str:
    """Return the kind of record that shows whether what a request asks for is answered at all."""
    return _SHOWN_BY.get(error.call or "", error.call or "")


def _stored_contacts(db: Db, name: str) -> list[str]:
    """Return the ids of the stored contacts that a hint means, by id or by phone."""
    return [
        row[0]
        for row in db.rows(
            """select contact_id from raw.simpletexting_contacts
               where contact_id = $name or (phone = $name and not gone) order by contact_id""",
            {"name": name},
        )
    ]


def _unless_gone(ask: Callable[[], T]) -> T | None:
    """Return the answer, None where it is 404."""
    try:
        return ask()
    except Refused as refused:
        if refused.http_status != 404:
            raise
        return None
