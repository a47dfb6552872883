"""Makes the `Idempotency-Key` of events and parts (audience.md 6.1)."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import datetime

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import facts

SALT = "salt"


def key_of(salt: str, event: str, entity: str, number: int) -> str:
    """Return 32 hex digits: of an event or block, an entity, and a running number that never comes twice."""
    told = json.dumps([salt, event, entity, number]).encode()
    return hashlib.blake2b(told, digest_size=16).hexdigest()


def salt_of(db: Db, now: datetime) -> str:
    """Return the merchant's salt; made anew with a new database, so that no key comes again after a loss."""
    found = facts.read(db, SALT)
    if not isinstance(found, str):
        found = secrets.token_hex(16)
        facts.keep(db, SALT, found, now)
    return found
