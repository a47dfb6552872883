"""Gathers what is known besides an order when it is judged: settings, day, linked orders, catalogue (orders.md 4.1).

Data flow: the merchant's file, settings -> `Known`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from vs_st_pipeline.connectors.commerce7 import stored
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import evidence, ledger, outbox
from vs_st_pipeline.routes.orders.known import Known
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.states import State, ThereCode
from vs_st_pipeline.routes.orders.systems import SHIPPER

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

DONT_SEND: Final = "dont_send"
DROPPED_KEYS: Final = "dropped_keys"  # a fact: keys that the shipper calls unknown (5.1)


def tenant_of(run: Run) -> str:
    """Return the merchant's tenant at the shop."""
    return run.merchant.section(Commerce7Settings).tenant


def dropped_keys(db: Db) -> frozenset[str]:
    """Return the keys that the shipper refused before for this merchant."""
    return frozenset(ledger.fact(db, DROPPED_KEYS) or ())


def known_of(
    session: OrdersSession,
    db: Db,
    order: ShopOrder,
    row: OrderRow | None,
    *,
    accept: Collection[str] = (),
    lifted: bool = False,
    absent: Collection[str] = (),
) -> Known:
    """Return what an order is judged by.

    Args:
        row: how it stands; None: it is new.
        accept: codes that a person passes, this once.
        lifted: a person wants it to go, though somebody said it should not.
        absent: ids of linked orders that the shop says are not there.
    """
    run, settings = session.run, session.settings
    tenant = tenant_of(run)
    first_seen = run.now() if row is None else row.first_seen_at
    kept_back = is_kept_back(row) or order.id in evidence.kept_back(db)
    return Known(
        settings=settings,
        number_prefix=settings.prefix(tenant),
        tenant=tenant,
        zone=run.merchant.time_zone,
        today=run.today(),
        now=run.now(),
        linked=stored.linked_to(db, order),
        catalogue=_catalogue(db, first_seen),
        dont_send=kept_back and not lifted,
        forgotten=_is_forgotten(db, order.id, row),
        accept=frozenset(accept),
        dropped_keys=dropped_keys(db),
        absent=frozenset(absent),
        vs_number=(row.vs_number if row else None) or outbox.number_of(db, order.id),
    )


def is_kept_back(row: OrderRow | None) -> bool:
    """Say whether the ledger has an order as kept back by a person."""
    return row is not None and row.state is State.NOT_REQUIRED and row.code == DONT_SEND


def _catalogue(db: Db, first_seen: object) -> frozenset[str] | None:
    """Return the SKUs that the shipper sells, as far as it was read since the order was first seen (`unknown_sku`)."""
    if not db.value("select count(*) from raw.catalogues where system = ? and read_at >= ?", [SHIPPER, first_seen]):
        return None
    return frozenset(str(row[0]) for row in db.rows("select sku from raw.vinoshipper_products"))


def _is_forgotten(db: Db, order_id: str, row: OrderRow | None) -> bool:
    erased = db.value("select erased from staged.shop_orders where order_id = ?", [order_id])
    return bool(erased) or (row is not None and row.code == ThereCode.FORGOTTEN)
