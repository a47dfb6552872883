"""Loads consumers as one CRM is to know them: what is known of each, and which consents have a target there.

Data flow: staged.*, settings -> Consumer. How somebody stands at the CRM is not asked here.

An order's data are told to a CRM only if the order counts, and itself holds a consent that stands and leads there, or
the CRM takes everybody (consumers.md 5.3); all values are made of these orders alone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.domain.crm import Sought, Target
from vs_st_pipeline.domain.emails import person_key
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers.bodies import ADDRESS
from vs_st_pipeline.routes.consumers.consents import MAPPED
from vs_st_pipeline.routes.consumers.former import targets_by_consent
from vs_st_pipeline.routes.consumers.settings import ConsentEntry, records_all, targets_of
from vs_st_pipeline.routes.consumers.told import answers_of, values_of
from vs_st_pipeline.routes.consumers.words import WITHDRAWN

Value = str | int | datetime | Sequence[str] | None
"""What a name of the field map stands for; None: known to be nothing."""


def spent_as(order_id: str, consent_id: str, data_handler: str) -> tuple[str, str, str]:
    """Return what names a consent of an order, however the map writes it: other letters in it spend nothing anew."""
    return order_id, loosely(consent_id), loosely(data_handler)


@dataclass(frozen=True, slots=True)
class Offer:
    """One consent of one order, for its target at one CRM; times are UTC without zone.

    Attributes:
        standing: given, and not withdrawn since (a vanished one stands: consumers.md 7.12).
        usable: may subscribe somebody, as far as the order says: given in its last read.
        withdrawn: noted as such; what was done because of it is to be undone (7.11).
        imported: the order's first sight was an import. may_create: 7.14.
        earliest_at: None: unknown.
    """

    order_id: str
    short_id: str
    activity_id: str
    consent_id: str
    data_handler: str
    consent_name: str
    consent_status: str
    text_version: str | None
    target: Target
    standing: bool
    usable: bool
    withdrawn: bool
    imported: bool
    may_create: bool
    first_seen_at: datetime
    order_read_at: datetime
    ordered_at: datetime | None
    earliest_at: datetime | None
    body_sha256: str
    event_ids: tuple[str, ...] = ()

    @property
    def spent_as(self) -> tuple[str, str, str]:
        """Return what names it among spent consents of its CRM (7.7)."""
        return spent_as(self.order_id, self.consent_id, self.data_handler)


@dataclass(frozen=True, slots=True)
class Consumer:
    """A person, as one CRM is to know them: made from the orders that may be told there (5.3).

    Attributes:
        values: by name of the field map (`consumer.first_name`, `answers.all`); a name that is missing is not known.
        offers: all consents with a target here, standing or not; those of withdrawn and vanished entries too.
        orders: ids of the orders that `values` were made from, newest first.
        newest_order_at: first sight of the newest of them; None: there is none any more.
        noted: words of consumers.md 5 to 7 that hold for this CRM.
        may_create: a record may be made of one who gave no consent, where the CRM takes such people (7.14).
    """

    person: Sought
    values: Mapping[str, Value]
    offers: Sequence[Offer] = ()
    orders: Sequence[str] = ()
    newest_order_at: datetime | None = None
    noted: frozenset[str] = field(default_factory=frozenset)
    may_create: bool = True

    @property
    def has_standing(self) -> bool:
        """Say whether any consent with a target here stands (7.3)."""
        return any(offer.standing for offer in self.offers)


NEWEST_FIRST: Final = "ordered_at desc nulls last, order_id desc"
"""The newest order stands first: unknown times before all known ones, equals by id (3.10)."""

_ORDER: Final = (
    *("email_key", "order_id", "short_id", "activity_id", "email", "identity", "full_name", "telephone", *ADDRESS),
    *("silent", "provider", "status", "counts", "products", "first_seen_at", "ordered_at", "earliest_at", "source"),
    *("may_create", "read_at", "body_sha256", "event_ids"),
)
_CONSENT: Final = (
    *("order_id", "consent_id", "data_handler", "consent_name", "status", "given", "text_version", "vanished_at"),
    *("withdrawn_at",),
)
# What the evidence may say of a consent that subscribes nobody any more, and of one of which that is not known.
_SPENT: Final = ("accepted", "awaiting_confirmation", "undone", "unknown")


def load(run: Run, db: Db, crm: str, email_keys: Collection[str]) -> list[Consumer]:
    """Return these people as one CRM is to know them, in the order of their addresses.

    Of whom no order is known (all are erased or reduced) there is none: nothing is known, so nothing may be cleared.

    Args:
        crm: the connector's name. email_keys: at best a thousand, since each call looks through the whole tables.
    """
    with db.batch({"email_key": sorted(email_keys)}) as batch:
        orders = _rows(
            db,
            _ORDER,
            f"""staged.sopost_orders as o semi join {batch} using (email_key)
                where counted or counts order by email_key, {NEWEST_FIRST}""",
        )
        consents = _rows(
            db,
            _CONSENT,
            f"""staged.consents where (entry = '{MAPPED}' or withdrawn_at is not null) and ever_given and order_id in
                (select order_id from staged.sopost_orders semi join {batch} using (email_key))
                order by order_id, consent_id, data_handler""",
        )
        records = dict(
            db.rows(
                f"select email_key, record_id from synced.consumers semi join {batch} using (email_key) where crm = ?",
                [crm],
            )
        )
    entries = {one.pair: (one, target) for one in targets_of(run.merchant, crm) if (target := one.target(crm))}
    all_recorded = records_all(run.merchant, crm)
    withdrawn = any(one["withdrawn_at"] is not None for one in consents)
    elsewhere = targets_by_consent(db, run.merchant, crm) if withdrawn else {}
    spent = _spent(db, crm, [one for one in consents if one["vanished_at"] is not None])
    offers: dict[str, list[Offer]] = {}
    by_order = _grouped(consents, "order_id")
    people = _grouped(orders, "email_key")
    told: dict[str, list[dict[str, Any]]] = {}
    for key, of_person in people.items():
        offers[key] = []
        told[key] = []
        for order in of_person:
            own = [
                _offer(order, row, *entry)
                for row in by_order.get(order["order_id"], ())
                if (entry := entries.get(_pair(row))) is not None
            ]
            offers[key] += own
            offers[key] += [
                _offer(order, row, None, target)
                for row in by_order.get(order["order_id"], ())
                if row["withdrawn_at"] is not None
                for target in sorted(elsewhere.get((order["order_id"], *_pair(row)), ()), key=lambda one: one.id)
            ]
            if order["counts"] and (all_recorded or any(_counts(one, spent) for one in own)):
                told[key].append(order)
    answers = answers_of(db, [order["order_id"] for some in told.values() for order in some])
    return [
        Consumer(
            Sought(person_key(key), (told[key] or people[key])[0]["email"], key, records.get(key)),
            values_of(told[key], [one for one in offers[key] if all_recorded or _counts(one, spent)], answers),
            tuple(offers[key]),
            tuple(order["order_id"] for order in told[key]),
            told[key][0]["first_seen_at"] if told[key] else None,
            frozenset({WITHDRAWN} if any(one.withdrawn for one in offers[key]) else ()),
            any(order["may_create"] for order in told[key]),
        )
        for key in sorted(people)
    ]


def _counts(offer: Offer, spent: Collection[tuple[str, str, str]]) -> bool:
    """Say whether a consent counts as one: it stands, and was not gone from its order before it was used (7.12)."""
    return offer.standing and (offer.usable or offer.spent_as in spent)


def _spent(db: Db, crm: str, gone: Sequence[Mapping[str, Any]]) -> set[tuple[str, str, str]]:
    """Return which of these consents have, or may have, subscribed somebody at the CRM."""
    if not gone:
        return set()
    with db.batch({"order_id": sorted({one["order_id"] for one in gone})}) as batch:
        rows = db.rows(
            f"""select distinct order_id, consent_id, data_handler from synced.consent_evidence
                semi join {batch} using (order_id)
                where crm = $crm and action <> 'unsubscribe' and list_contains($outcomes::varchar[], outcome)""",
            {"crm": crm, "outcomes": list(_SPENT)},
        )
    return {spent_as(*row) for row in rows}


def _pair(row: Mapping[str, Any]) -> tuple[str, str]:
    return loosely(row["consent_id"]), loosely(row["data_handler"])


def _offer(order: Mapping[str, Any], consent: Mapping[str, Any], entry: ConsentEntry | None, target: Target) -> Offer:
    """Return a consent; without an entry it led to that target once, and was withdrawn."""
    withdrawn = consent["withdrawn_at"] is not None
    return Offer(
        order_id=order["order_id"],
        short_id=order["short_id"] or "",
        activity_id=order["activity_id"] or "",
        consent_id=entry.consent_id if entry else consent["consent_id"],
        data_handler=entry.data_handler if entry else consent["data_handler"],
        consent_name=consent["consent_name"] or "",
        consent_status=consent["status"] or "",
        text_version=consent["text_version"],
        target=target,
        standing=order["counts"] and not withdrawn,
        usable=order["counts"] and consent["given"] and entry is not None,
        withdrawn=withdrawn,
        imported=order["source"] == "import",
        may_create=order["may_create"],
        first_seen_at=order["first_seen_at"],
        order_read_at=order["read_at"],
        ordered_at=order["ordered_at"],
        earliest_at=order["earliest_at"],
        body_sha256=order["body_sha256"],
        event_ids=tuple(json.loads(order["event_ids"])),
    )


def _rows(db: Db, names: Sequence[str], source: str) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in db.rows(f"select {', '.join(names)} from {source}")]


def _grouped(rows: Iterable[dict[str, Any]], name: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row[name], []).append(row)
    return found
