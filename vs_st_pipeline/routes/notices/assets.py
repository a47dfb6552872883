"""Lists what the stages of this route make, as Dagster shows it (notices.md 9.1; routes.md R15)."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors import eshopbox, gupshup
from vs_st_pipeline.pipeline.route import Asset
from vs_st_pipeline.routes.notices.stage_names import PLAN, PUSH, READ, STAGED
from vs_st_pipeline.routes.notices.systems import ESHOPBOX, NAME

SOURCE, SENDER = eshopbox.CONNECTOR.title, gupshup.CONNECTOR.title
TEMPLATES: Final = f"{NAME}/raw/gupshup/templates"
RECEIPTS: Final = f"{NAME}/raw/gupshup/receipts"
REPLIES: Final = f"{NAME}/raw/gupshup/replies"
RECIPIENTS: Final = f"{NAME}/staged/recipients"
CONSENTS: Final = f"{NAME}/staged/consents"
PLANNED_ACTIONS: Final = f"{NAME}/planned/eshopbox/actions"
ACTIONS: Final = f"{NAME}/synced/eshopbox/actions"

_API, _PYTHON = frozenset({"api", "duckdb"}), frozenset({"python", "duckdb"})
_CALLBACKS: Final = (RECEIPTS, REPLIES)

ASSETS: Final = (
    Asset(READ, READ, f"The orders of {SOURCE}, as it says them.", kinds=_API, system=ESHOPBOX),
    Asset(TEMPLATES, READ, f"The templates of the accounts at {SENDER}, as it lists them.", kinds=_API),
    Asset(RECEIPTS, READ, f"What became of each message, as {SENDER} calls us.", kinds=_API),
    Asset(REPLIES, READ, "What customers answered.", kinds=_API),
    Asset(
        STAGED, STAGED, "One row per status that an order, a shipment or a return has reached.",
        (READ,), _PYTHON,
    ),
    Asset(RECIPIENTS, STAGED, "One row per order: whose phone it is, and whether it can be written.", (READ,), _PYTHON),
    Asset(CONSENTS, STAGED, "What says that a phone may, or may not, be written.", (READ, *_CALLBACKS), _PYTHON),
    Asset(
        PLAN, PLAN, "The messages that would go now, and why each other one would not.",
        (STAGED, RECIPIENTS, CONSENTS, TEMPLATES), _PYTHON,
    ),
    Asset(PLANNED_ACTIONS, PLAN, "The answers that ask for an action.", (STAGED, REPLIES), _PYTHON, ESHOPBOX),
    Asset(
        PUSH, PUSH, "The messages that were sent, each at most once. Making it is what sends them.",
        (PLAN,), _API,
    ),
    Asset(
        ACTIONS, PUSH, f"What {SOURCE} was asked to do, at most once per message.",
        (PLANNED_ACTIONS,), _API, ESHOPBOX,
    ),
)  # fmt: skip
