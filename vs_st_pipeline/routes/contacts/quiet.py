"""Says what the quiet path of this route goes by (`pipeline/quiet.py`): its settings, its turns, and what is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from vs_st_pipeline.connectors.vinoshipper.customers import LIST, MEMBERSHIPS
from vs_st_pipeline.connectors.vinoshipper.details import receipts_due_at
from vs_st_pipeline.connectors.vinoshipper.orders import RECONCILE
from vs_st_pipeline.connectors.vinoshipper.rereads import CUSTOMER_DETAILS, OPEN_ORDERS, SETTLED_ORDERS
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.pipeline import raw_retention
from vs_st_pipeline.pipeline.quiet import QuietPath, Turns
from vs_st_pipeline.routes.contacts.plan_inputs import VERSIONS, changes_at
from vs_st_pipeline.routes.contacts.session import ContactsSession
from vs_st_pipeline.routes.contacts.stage_names import CUSTOMERS, ORDERS, STAGES
from vs_st_pipeline.routes.contacts.systems import SYSTEMS

TURNS: Final = Turns(
    {
        LIST: CUSTOMERS,
        CUSTOMER_DETAILS: CUSTOMERS,
        RECONCILE: ORDERS,
        OPEN_ORDERS: ORDERS,
        SETTLED_ORDERS: ORDERS,
    },
    {LIST: "customers", MEMBERSHIPS: "customers", RECONCILE: "orders"},
)


def quiet_path(session: ContactsSession, field_map: FieldMap) -> QuietPath:
    """Return the quiet path of this sync."""
    return QuietPath(session, SYSTEMS, STAGES, TURNS, (VERSIONS, field_map.fields))


def leave_quietly(quiet: QuietPath, receipts: Sequence[str]) -> None:
    """Leave what the next syncs may ask in place of an ordinary one, after a sync whose plan stands.

    Args:
        receipts: numbers of the orders whose receipts the map wants.
    """
    run = quiet.session.run
    if not quiet.may_be_left:
        return
    with run.open() as db:
        receipts_at, pruned_at = receipts_due_at(run, db, receipts), raw_retention.due_at(run, db)
        if receipts_at is None or pruned_at is None:
            return
        write = quiet.leave(db, due_at=[receipts_at, pruned_at, changes_at(run, db) or datetime.max])
    if write is not None:
        run.release()
        write()
