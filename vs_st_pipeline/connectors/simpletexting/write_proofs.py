"""Says which contacts may be written, by what this run has read of them itself and stored.

Data flow: raw.simpletexting_contacts -> Proof, which the outbox asks for before anything is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from vs_st_pipeline.connectors.simpletexting.consent import consent_reason
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.outbox import Proof


def read_proofs(db: Db, run_id: str, contact_ids: Sequence[str]) -> dict[Ref, Proof]:
    """Return the status of these contacts as this run has read it, and when; one that is gone proves nothing."""
    with db.batch({"contact_id": list(contact_ids)}) as batch:
        rows = db.rows(
            f"""select contact_id, coalesce(status, ''), read_at from raw.simpletexting_contacts
                semi join {batch} using (contact_id) where not gone and read_run = ?""",
            [run_id],
        )
    shared: dict[tuple[str, datetime], Proof] = {}  # a listing reads all at one moment
    for _, status, read_at in rows:
        if (status, read_at) not in shared:
            evidence = {"status": status, "read_at": read_at.isoformat(timespec="microseconds")}
            shared[status, read_at] = Proof(evidence, consent_reason(status))
    return {contact_ref(contact_id): shared[status, read_at] for contact_id, status, read_at in rows}
