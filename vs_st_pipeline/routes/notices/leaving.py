"""Says what keeps a merchant from being removed, and takes it out of the accounts' files (routes.md R57).

What keeps it: messages under 48 h old of which nobody knows, and actions under way.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Final

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.platform.settings.environment import now
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.notices.account import forgetting
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.systems import NAME
from vs_st_pipeline.routes.notices.words import ActionState, State

SETTLES: Final = timedelta(hours=48)


def under_way(warehouse: Warehouse, merchant_id: str) -> list[str]:
    """Say what nobody would bring to an end any more."""
    if not warehouse.file(merchant_id, NAME).exists():
        return []
    since = now(os.environ).replace(tzinfo=None) - SETTLES  # claims are by VS_ST_NOW, too
    with warehouse.open(merchant_id, NAME) as db:
        messages = db.value(
            "select count(*) from synced.notices where state in (?, ?) and claimed_at > ?",
            [State.UNKNOWN, State.SENDING, since],
        )
        actions = db.value("select count(*) from synced.actions where state = ?", [ActionState.SENDING])
    found = []
    if messages:
        found.append(f"{counted(messages, 'messages')} may be with customers, and nobody knows yet whether that is so")
    if actions:
        found.append(f"{counted(actions, 'answers')} being acted on, and whether Eshopbox did it is not known")
    return found


def leave(warehouse: Warehouse, merchant_id: str) -> None:
    """Take what is this merchant's out of the accounts' files; claims stay, as hashes (R57)."""
    for folder in sorted((warehouse.data_dir / "accounts").glob("*")):
        # Whichever accounts it had: its entry may be out of the file by now.
        account = GupshupAccount.model_construct(id=folder.name)
        forgetting.leave(AccountStore(folder, account, merchant_id))


def count_stored(warehouse: Warehouse, merchant_id: str) -> int:
    """Count the orders that are kept of a merchant."""
    if not warehouse.file(merchant_id, NAME).exists():
        return 0
    with warehouse.open(merchant_id, NAME) as db:
        return int(db.value("select count(*) from staged.notice_orders"))
