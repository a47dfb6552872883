"""Says how an order's parcel stands right now: the order is read again, then what is staged of it is looked at (8.3).

Data flow: sources_table.read_again -> staged.notice_orders, staged.journey_events -> `OrderNow` of one unit.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import journey, journeys, sources_table, status_map
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.systems import ESHOPBOX

FAILED_DELIVERY: Final = "failed_delivery"
JUST_NOW: Final = 60.0  # seconds of the machine's clock (rulings 1): a read that young need not be made again


@dataclass(frozen=True, slots=True)
class OrderNow:
    """How one unit of an order stands.

    Attributes:
        source: the system that has the order. number: by which it knows it. phone: exactly as it has it.
        is_failing: the status that counts is a failed delivery (rulings, notices 14).
        failed_at: when it last failed; None: not known, or it does not.
        resolutions: codes that are offered; None: not told, so any.
        submitted, submitted_at: a resolution that is shown, and its time where that is told.
        answered_at: when one was handed in for this failed delivery, whichever.
        read_at: of the read that all this rests on, UTC without zone.
    """

    source: str
    number: str
    phone: str | None = field(default=None, repr=False)
    tracking_id: str | None = None
    is_failing: bool = False
    failed_at: datetime | None = None
    resolutions: tuple[str, ...] | None = None
    submitted: str | None = None
    submitted_at: datetime | None = None
    answered_at: datetime | None = None
    read_at: datetime | None = None

    def before(self) -> dict[str, str | None]:
        """Return what must have changed for an unknown call to be known as taken."""
        return {
            "submitted": self.submitted,
            "submitted_at": None if self.submitted_at is None else self.submitted_at.isoformat(),
            "answered_at": None if self.answered_at is None else self.answered_at.isoformat(),
        }


def look(session: NoticesSession, merchant_order: str, unit_key: str, *, within: float = 0.0) -> OrderNow | None:
    """Read an order, unless that was done within so many seconds of the machine's clock, and say how a unit stands.

    Returns:
        None where this route cannot read the order by itself, or it is not known.

    Raises:
        PipelineError: it could not be read.
    """
    with session.run.open() as db:
        read_real = db.value("select read_real from staged.notice_orders where merchant_order = ?", [merchant_order])
    age = None if read_real is None else time.time() - read_real
    if (age is None or not 0 <= age < within) and not sources_table.read_again(session, merchant_order):
        return None
    with session.run.open() as db:
        return of(session, db, merchant_order, unit_key)


def of(session: NoticesSession, db: Db, merchant_order: str, unit_key: str) -> OrderNow | None:
    """Say how a unit stands by what is staged; None: the order is not known."""
    row = db.row(
        """select source, order_number, contact_phone, tracking_id, ndr, more, read_at
           from staged.notice_orders where merchant_order = ?""",
        [merchant_order],
    )
    if row is None:
        return None
    source, number, phone, tracking_id, ndr, more, read_at = row
    statuses = status_map.read(session.settings.statuses)
    newest = journey.newest(journeys.of_units(db, statuses, [unit_key]).get(unit_key, ()))
    failing = newest is not None and newest.status == FAILED_DELIVERY
    about = _of_unit(ndr, unit_key)
    submitted = about.get("submitted")
    submitted = submitted if isinstance(submitted, dict) else {}
    resolutions = about.get("resolutions")
    return OrderNow(
        source,
        number,
        phone,
        _tracking(db, merchant_order, unit_key, more, tracking_id),
        is_failing=failing,
        failed_at=newest.last_at if newest is not None and failing else None,
        resolutions=tuple(str(one) for one in resolutions) if isinstance(resolutions, list) else None,
        submitted=submitted["code"] if isinstance(submitted.get("code"), str) else None,
        submitted_at=read_time(submitted.get("at")),
        answered_at=newest.answered_at if newest is not None and failing else None,
        read_at=read_at,
    )


def is_readable(source: str) -> bool:
    """Say whether a failed delivery of this system can be acted on at all."""
    return source == ESHOPBOX


def _of_unit(ndr: str | None, unit_key: str) -> Mapping[str, Any]:
    """Return what the order says of this unit's failed delivery, else what it says of itself."""
    told = try_object(ndr) or {}
    found = told.get(unit_key) or told.get("")
    return found if isinstance(found, dict) else {}


def _tracking(db: Db, merchant_order: str, unit_key: str, more: str | None, of_order: str | None) -> str | None:
    """Return the unit's own tracking id; the order's only where it has no other parcel that could be meant."""
    units = (try_object(more) or {}).get("units")
    own = units.get(unit_key) if isinstance(units, dict) else None
    if isinstance(own, dict) and isinstance(own.get("tracking_id"), str) and own["tracking_id"].strip():
        return str(own["tracking_id"])
    parcels = db.value(
        "select count(distinct unit_key) from staged.journey_events where merchant_order = ? and unit_key like 'ship%'",
        [merchant_order],
    )
    return of_order if of_order and parcels == 1 else None


def read_time(value: object) -> datetime | None:
    """Return a time of a staged JSON, UTC without zone; None: none is told."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo is not None else found
