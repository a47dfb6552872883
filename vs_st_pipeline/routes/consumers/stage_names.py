"""Names the stages of route `consumers`; each is the key of an asset that it makes, or of the first of several."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.routes.consumers.systems import CRM_NAMES, NAME

EVENTS: Final = f"{NAME}/raw/sopost/events"
ORDERS: Final = f"{NAME}/raw/sopost/orders"
STAGED: Final = f"{NAME}/staged/consumers"
CONTACTS: Final = {crm: f"{NAME}/raw/{crm}/contacts" for crm in CRM_NAMES}
PLANNED: Final = {crm: f"{NAME}/planned/{crm}/consumers" for crm in CRM_NAMES}
SYNCED: Final = {crm: f"{NAME}/synced/{crm}/consumers" for crm in CRM_NAMES}

PLAN: Final = f"{NAME}/planned"  # people are looked at and planned, some hundreds at a time, CRM after CRM
PUSH: Final = f"{NAME}/synced"  # and written, before the next ones are looked at
STAGES: Final = (EVENTS, ORDERS, STAGED, PLAN, PUSH)
