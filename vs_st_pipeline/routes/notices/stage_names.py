"""Names the stages of route `notices`; each is the key of the first asset that it makes (notices.md 9.1, R15)."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.routes.notices.systems import NAME

READ: Final = f"{NAME}/raw/eshopbox/orders"  # and raw/gupshup/templates, receipts, replies
STAGED: Final = f"{NAME}/staged/journey_events"  # and staged/recipients, staged/consents
PLAN: Final = f"{NAME}/planned/gupshup/messages"  # and planned/eshopbox/actions
PUSH: Final = f"{NAME}/synced/gupshup/messages"  # and synced/eshopbox/actions
STAGES: Final = (READ, STAGED, PLAN, PUSH)
