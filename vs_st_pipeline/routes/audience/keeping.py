"""Takes people out of a part under way who must not be told any more; the base says what may have arrived (8.3)."""

from __future__ import annotations

from collections.abc import Collection

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases
from vs_st_pipeline.routes.audience.parts import Part
from vs_st_pipeline.routes.audience.words import Block


def take_out(db: Db, part: Part, ids: Collection[str]) -> None:
    """Take records of a part out of the base, inside the caller's transaction.

    An address stays as one that was maybe told: a process that was killed may have sent the part without a word of it,
    so a Newsletter false has to go.
    """
    with db.batch({"id": sorted(ids)}) as batch:
        if part.block is Block.SUBSCRIBERS:
            db.execute(f"update synced.base_subscribers set maybe = true where address in (select id from {batch})")
        else:
            bases.remove(db, part.block, batch)
