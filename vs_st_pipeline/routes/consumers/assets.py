"""Lists what the stages of this route make, as Dagster shows it."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors import hubspot, klaviyo, salesforce, sopost
from vs_st_pipeline.pipeline.route import Asset
from vs_st_pipeline.routes.consumers.stage_names import CONTACTS, EVENTS, ORDERS, PLAN, PLANNED, PUSH, STAGED, SYNCED
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES, NAME

TITLES: Final = {one.CONNECTOR.name: one.CONNECTOR.title for one in (hubspot, klaviyo, salesforce)}
SOURCE: Final = sopost.CONNECTOR.title
STAGED_ORDERS, CONSENTS, ANSWERS = (f"{NAME}/staged/{what}" for what in ("sopost_orders", "consents", "answers"))

_API, _PYTHON = frozenset({"api", "duckdb"}), frozenset({"python", "duckdb"})


def _of(crm: str) -> tuple[Asset, ...]:
    title = TITLES[crm]
    return (
        Asset(
            CONTACTS[crm], PLAN,
            f"What {title} says of the consumers that were looked for: their records, and how they stand to each list.",
            (STAGED,), _API, crm,
        ),
        Asset(
            PLANNED[crm], PLAN,
            f"What must change at {title}, consumer by consumer; whom a consent subscribes to what; who is held, why.",
            (STAGED, CONSENTS, ANSWERS, CONTACTS[crm]), _PYTHON, crm,
        ),
        Asset(
            SYNCED[crm], PUSH,
            f"What {title} has accepted, and the evidence for every subscription. Making it is the only thing here "
            "that writes there.",
            (PLANNED[crm],), _API, crm,
        ),
    )  # fmt: skip


ASSETS: Final = (
    Asset(EVENTS, EVENTS, f"What {SOURCE}'s webhooks told: which order changed, and when that came.", kinds=_API),
    Asset(ORDERS, ORDERS, f"The orders that were told of or imported, as {SOURCE} says them.", (EVENTS,), _API),
    Asset(STAGED_ORDERS, STAGED, "One row per order, in our words.", (ORDERS,), _PYTHON),
    Asset(CONSENTS, STAGED, "One row per consent of an order, and what the settings make of it.", (ORDERS,), _PYTHON),
    Asset(ANSWERS, STAGED, "One row per answer to a question.", (ORDERS,), _PYTHON),
    Asset(STAGED, STAGED, "One row per e-mail address, from its newest order.", (STAGED_ORDERS,), _PYTHON),
    *(asset for crm in CRM_NAMES for asset in _of(crm)),
)
