"""Judges a call of ndrResolution: what is refused, and what no client may do (notices.md 8.4, 11)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.eshopbox.shown import phone
from vs_st_pipeline.sandbox.eshopbox.workspace import FAILED, Workspace, status_of

REQUIRED = ("customerOrderNumber", "resolutionCode", "trackingId", "contactPhoneNumber")
NEW_DATE = "ACTF002"
CODES = ("ACTF001", NEW_DATE, "ACTF003", "ACTF004")
DATES = {"yyyy-mm-dd": r"\d{4}-\d{2}-\d{2}", "dd-mm-yyyy": r"\d{2}-\d{2}-\d{4}"}


@dataclass(frozen=True)
class Verdict:
    """What becomes of a call.

    Attributes:
        refusal: why it is refused; None: it is done. status: of the refusal.
        finding: what no client may have sent; None: nothing.
        order, parcel: which it is about, where they are there.
    """

    refusal: str | None = None
    status: int = 400
    finding: str | None = None
    order: Record | None = None
    parcel: Record | None = None


def judged(body: Record, space: Workspace, switches: Record) -> Verdict:
    """Return what becomes of a call."""
    missing = [name for name in REQUIRED if not str(body.get(name) or "").strip()]
    if missing:
        return Verdict(f"{missing[0]} is required")
    order = space.orders.get(str(body["customerOrderNumber"]))
    if order is None:
        return Verdict("order not found", 404)
    tracking = str(body["trackingId"])
    parcel = next((one for one in order["shipments"].values() if one.get("trackingId") == tracking), None)
    if parcel is None:
        return Verdict("trackingId does not belong to the order", order=order)
    if str(body["contactPhoneNumber"]) != str(phone(order["shippingAddress"]["contactPhone"], switches)):
        return Verdict("contactPhoneNumber does not match", finding="wrong_phone", order=order, parcel=parcel)
    code = str(body["resolutionCode"])
    if code not in CODES:
        return Verdict("resolutionCode is not valid", order=order, parcel=parcel)
    refusal = _date_refused(code, body, switches)
    if refusal is None and "actionSource" in body and switches["action_source"] == "refused":
        refusal = "actionSource is not allowed"
    if refusal is None and status_of(parcel) != FAILED:
        refusal = "shipment is not in failed delivery"
    if refusal is not None:
        return Verdict(refusal, order=order, parcel=parcel)
    ndr = parcel["ndr"] or {}
    offered = ndr.get("resolutions")
    if offered is not None and code not in offered:
        # Who was never shown what is offered cannot know it.
        told = "not_offered" if switches["ndr_details"] == "present" else None
        return Verdict("resolutionCode is not offered", finding=told, order=order, parcel=parcel)
    if ndr.get("taken") and switches["ndr_twice"] == "refused":
        return Verdict("a resolution was submitted already", order=order, parcel=parcel)
    return Verdict(order=order, parcel=parcel)


def _date_refused(code: str, body: Record, switches: Record) -> str | None:
    given = body.get("deferredDate")
    if code != NEW_DATE:
        return None if given is None else "deferredDate is for ACTF002 only"
    if not re.fullmatch(DATES[str(switches["deferred_date"])], str(given or "")):
        return f"deferredDate must be {switches['deferred_date']}"
    return None
