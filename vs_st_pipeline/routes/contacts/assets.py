"""Lists what the stages of this route make, as Dagster shows it."""

from __future__ import annotations

from vs_st_pipeline.pipeline.route import Asset
from vs_st_pipeline.routes.contacts.stage_names import CONTACTS, CUSTOMERS, ORDERS, PLANNED, STAGED, SYNCED

_API, _PYTHON = frozenset({"api", "duckdb"}), frozenset({"python", "duckdb"})
_PLAN, _DONE = "planned/simpletexting/contacts", "synced/simpletexting/contacts"

ASSETS = (
    Asset(
        CONTACTS, CONTACTS, "The account's contacts and custom fields, as SimpleTexting says them.", kinds=_API,
    ),
    Asset(
        CUSTOMERS, CUSTOMERS,
        "The shop's customers as Vinoshipper lists them, and details of those that an opted-in contact may stand for.",
        (CONTACTS,), _API,
    ),
    Asset(
        ORDERS, ORDERS,
        "The shop's orders as Vinoshipper finds them, and details of those same customers' orders.",
        (CUSTOMERS,), _API,
    ),
    Asset("staged/customers", STAGED, "One row per customer, in our words.", (CUSTOMERS,), _PYTHON),
    Asset("staged/orders", STAGED, "One row per order, in our words.", (ORDERS,), _PYTHON),
    Asset(
        _PLAN, PLANNED,
        "What must change at SimpleTexting, contact by contact and field by field; who is held back, and why.",
        ("staged/customers", "staged/orders", CONTACTS), _PYTHON,
    ),
    Asset(
        _DONE, SYNCED,
        "What SimpleTexting has accepted, value by value. Making it is the only thing here that writes to the account. "
        "Why a partition is red, and what to do, stands in fleet/health and in the log of the run that its page names.",
        (_PLAN,), _API,
    ),
)  # fmt: skip
