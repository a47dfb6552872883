"""Brings a lost or older database in step with what is known besides it (audience.md 5.1.7; routes.md R21, R35).

Data flow: the evidence file -> synced.base_subscribers, as maybe told.

Which blocks of the history were sent stands in `waymore.json`: `history` takes these silently, noted `base_lost`. Here
is put back who may have been told as subscribed, so that an unsubscribe that was missed is told.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.routes.audience import evidence
from vs_st_pipeline.routes.audience.session import AudienceSession

_READ: Final = "audience_evidence_read"  # the state: inode and size of the evidence file when it was last compared


def begin(session: AudienceSession) -> None:
    """Compare with the evidence file where it is another one than this database has seen; else that costs one look."""
    run = session.run
    position = EvidenceFile.of(run).position()
    stands = [position.inode, position.size]
    with run.open() as db:
        if get_state(db, _READ) == stands:
            return
    told = evidence.subscribed_addresses(run)
    with run.open() as db, db.transaction():
        with db.batch({"address": told}) as batch:
            lost = db.value(f"select 1 from {batch} anti join synced.base_subscribers using (address) limit 1")
        if lost:
            evidence.restore(run, db)
        set_state(db, _READ, stands, run.now())
