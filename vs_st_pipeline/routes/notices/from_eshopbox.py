"""Eshopbox as a source: what is read of it and when, and what it does not show (notices.md 3, 11).

Data flow: hooks, the list, orders, tracking -> raw.eshopbox_* -> `eshopbox_staging`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vs_st_pipeline.connectors.eshopbox import hook_queue, landing, reading, stored
from vs_st_pipeline.connectors.eshopbox.order_record import SHIPMENT
from vs_st_pipeline.connectors.eshopbox.streams import HOOKS, KNOWN
from vs_st_pipeline.domain.errors import BadRecord
from vs_st_pipeline.domain.plan import UNREADABLE
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices.eshopbox_staging import PREFIX, hooks_count, numbers_of, stage
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.sources import Seen
from vs_st_pipeline.routes.notices.systems import ESHOPBOX
from vs_st_pipeline.routes.notices.words import Noted


class EshopboxSource:
    """A workspace."""

    system = ESHOPBOX

    def read(self, session: NoticesSession) -> Seen:
        if session.only is not None:
            return Seen()  # hinted orders are read one by one, before
        run, told = session.run, session.told
        with run.open() as db:
            told.seen["hooks"] = int(db.value(f"select count(*) from {HOOKS} where read_at is null and bad is null"))
            unconfirmed = numbers_of(db, "select merchant_order from staged.journey_events where not confirmed")
        found = reading.read_due(run, session.eshopbox, also=unconfirmed)
        told.seen["orders"] = len(found.read | found.listed.numbers)
        told.noted[Noted.ORDER_MISMATCH] += len(found.mismatched)
        told.noted[UNREADABLE] += len(found.unreadable)
        told.noted.update(found.listed.faults)
        return Seen(found.error)

    def stage(self, session: NoticesSession, only: Collection[str] | None) -> None:
        self._stage(session, only)

    def _stage(self, session: NoticesSession, only: Collection[str] | None) -> None:
        session.told.noted[Noted.HOOK_NOT_CONFIRMED] += stage(session.run, session.settings, only=only).given_up

    def is_complete(self, session: NoticesSession) -> bool:
        with session.run.open() as db:
            return stored.is_complete(db)

    def read_again(self, session: NoticesSession, own: str) -> bool:
        run = session.run
        with run.open() as db:
            numbers = numbers_of(db, "select ?", [PREFIX + own])
        if not numbers:
            return False
        found = reading.read_some(run, session.eshopbox, numbers)
        if not found.read.issuperset(numbers):
            raise BadRecord("the order is not there any more, or is another one", system=ESHOPBOX, call="order")
        self._stage(session, [PREFIX + own])
        return True

    def hint(self, session: NoticesSession, own: Sequence[str]) -> None:
        run = session.run
        if run.dry_run:
            return
        with run.open() as db, db.batch({"own": [PREFIX + one for one in own]}) as batch:
            numbers = numbers_of(db, f"select own from {batch}")
        hook_queue.ask_for(run, numbers)

    def read_hinted(self, session: NoticesSession, record: str) -> bool | None:
        found = reading.read_some(session.run, session.eshopbox, [record])
        return None if record in found.gone else record in found.news

    def merchant_order(self, session: NoticesSession, record: str) -> str | None:
        with session.run.open() as db:
            key = landing.keys_of(db, [record]).get(record)
        return None if key is None else PREFIX + key


def doubts(run: Run) -> list[str]:
    """Say what the workspace does not show, as far as it was read, and what cannot be done because of it."""
    with run.open() as db:
        read = db.value(f"select count(*) from {KNOWN} where read_at is not null")
        parcels = db.value(
            "select count(distinct unit_key) from staged.journey_events where unit_key like ?", [f"{SHIPMENT}:%"]
        )
        tracked = db.value(
            "select count(*) from staged.notice_orders where source = ? and tracking_id is not null", [ESHOPBOX]
        )
        blind = bool(read) and not landing.shows(db, SHIPMENT)
        counts = hooks_count(run.merchant, db)
    found: list[str] = []
    if blind and SHIPMENT not in counts:
        found.append(
            "no order that was read shows where its parcels are, and a hook's word does not count: nothing but "
            "`created` is announced (eshopbox.status_basis auto, with webhooks.eshopbox.header)"
        )
    elif blind:
        found.append(
            "no order that was read shows where its parcels are: what hooks say is announced, at the time of receipt"
        )
    if parcels and not tracked:
        found.append("no parcel that was read has a tracking id: no reply can be acted on at Eshopbox")
    return found
