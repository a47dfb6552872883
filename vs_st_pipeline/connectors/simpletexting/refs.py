"""Names SimpleTexting's contacts as the plan, the ledger and the outbox do."""

from __future__ import annotations

from collections.abc import Sequence

from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.domain.refs import Ref

CONTACTS = "contacts"


def contact_ref(contact_id: str) -> Ref:
    """Return the name of the contact with this id."""
    return Ref(SIMPLETEXTING, CONTACTS, contact_id)


def contact_columns(contact_ids: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return these contacts as the key columns of a batch."""
    count = len(contact_ids)
    return {"system": [SIMPLETEXTING] * count, "object": [CONTACTS] * count, "id": contact_ids}
