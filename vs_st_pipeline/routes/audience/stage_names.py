"""Names the stages of route `audience`; each is the key of the first asset that it makes (audience.md 9, R15)."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.routes.audience.systems import NAME

READ: Final = f"{NAME}/raw/shop/tables"  # and all other raw assets: which of them, the merchant's source says
STAGED: Final = f"{NAME}/staged/shop_customers"  # and all other staged assets
PLAN: Final = f"{NAME}/planned/waymore/events"  # and planned/waymore/history
PUSH: Final = f"{NAME}/synced/waymore/events"  # and synced/waymore/registration, synced/waymore/history
STAGES: Final = (READ, STAGED, PLAN, PUSH)
