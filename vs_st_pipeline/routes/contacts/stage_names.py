"""Names the stages of this route."""

from __future__ import annotations

CONTACTS, CUSTOMERS, ORDERS = "raw/simpletexting/contacts", "raw/vinoshipper/customers", "raw/vinoshipper/orders"
STAGED, PLANNED, SYNCED = "staged", "planned", "synced"
STAGES = (CONTACTS, CUSTOMERS, ORDERS, STAGED, PLANNED, SYNCED)
"""Every stage by name, in the order in which they are run."""
