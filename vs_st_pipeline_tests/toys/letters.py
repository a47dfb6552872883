"""A second toy route over the same shop: one letter per delivered parcel, claimed with an account, never sent again.

Another route reads the shop for it (R34); it reads for itself only while that one is off.
"""

from __future__ import annotations

import json
from typing import Any

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.pipeline import whole_hints
from vs_st_pipeline.pipeline.once import hints, readers
from vs_st_pipeline.pipeline.once.account_claims import AccountClaims
from vs_st_pipeline.pipeline.once.delivery import Delivered, deliver
from vs_st_pipeline.pipeline.once.items import Answer, Gate, Go, Item, Kind, Look, OnUnknown, Row, Unsaid, stable_key
from vs_st_pipeline.pipeline.once.session import opened
from vs_st_pipeline.pipeline.readers import reader_of
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline_tests.toys import parcels
from vs_st_pipeline_tests.toys.client import ROUTES, SYSTEM, Client

LETTER = Kind("letter", OnUnknown.NEVER, final_refusal=True)


class Sender:
    """What the route knows of its destination."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def gate(self, item: Item, row: Row) -> Gate:
        return Go()

    def send(self, item: Item, row: Row) -> Answer:
        return self._client.post(item)

    def look(self, item: Item | None, row: Row) -> Look:
        return Unsaid()


def account(run: Run) -> AccountClaims:
    """The account that all merchants send by."""
    return AccountClaims(run.warehouse.data_dir / "accounts" / "house", run.merchant.id, run.route)


def sync(run: Run) -> Delivered:
    """The story."""
    merchant: Any = run.merchant
    told, client = Delivered(), Client(merchant, run.route)
    if run.route in merchant.paused:
        return told
    reader = reader_of(ROUTES, merchant.on)
    try:
        with opened(run, [LETTER], account(run)) as outbox, whole_hints.taken(run, hints.QUEUE):
            with run.open() as db:
                waiting = hints.waiting(db, system=SYSTEM)
            if reader == run.route:
                settled, found = waiting, {hint.id: client.parcel(hint.id) for hint in waiting}
            else:
                settled, nothing = readers.settled_by_reader(run, reader or "", SYSTEM), dict[str, dict[str, Any]]()
                found, why = readers.read_other(run, reader or "", parcels.staged, nothing)
                settled = [] if why else settled
            items = [
                _letter(run.merchant.id, parcel, found[parcel])
                for parcel in sorted({hint.id for hint in settled} & set(found))
                if "delivered" in found[parcel]["journey"]
            ]
            told.waiting["planned"] = len(outbox.enqueue(items, lambda db: hints.settle(db, run, settled)).new)
            if not run.dry_run:
                deliver(outbox, Sender(client), told)
    except PipelineError as error:
        told.error = error
    finally:
        client.http.close()
    return told


def _letter(merchant: str, parcel: str, found: dict[str, Any]) -> Item:
    text = json.dumps({"to": found["phone"], "text": f"letter {parcel}"})
    return Item("letter", parcel, stable_key("letters", merchant, parcel), text, {}, (("phone", found["phone"]),))
