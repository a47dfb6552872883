"""Finds targets that the settings do not name any more, and where something that we did may have to be undone.

Data flow: synced.consent_evidence, withdrawn rows of staged.consents, settings -> targets by consent.

Whoever takes a consent back takes back what was done because of it (consumers.md 7.11), wherever that was: the settings
may have led it to another list then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from vs_st_pipeline.domain.crm import Target
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers.settings import targets_of

Spent = tuple[str, str, str]
"""Order, and consent and handler as they are compared."""


def targets_by_consent(db: Db, merchant: Merchant, crm: str) -> Mapping[Spent, set[Target]]:
    """Return where else than the settings say now something of ours may stand, by consent.

    It is of withdrawn consents, and of what was sent without a known outcome.
    """
    entries = targets_of(merchant, crm)
    own = {one.pair: target.id for one in entries if (target := one.target(crm)) is not None}
    current = {target.id: target for one in reversed(entries) if (target := one.target(crm)) is not None}
    rows = db.rows(
        """select e.order_id, e.consent_id, e.data_handler, e.target, e.lists from synced.consent_evidence as e
           where e.crm = $crm and e.action in ('subscribe', 'add_to_list')
             and (e.outcome = 'unknown' or (e.outcome in ('accepted', 'awaiting_confirmation', 'undone')
                  and e.order_id in (select order_id from staged.consents where withdrawn_at is not null)))
             and not exists (select 1 from synced.consent_evidence as u
                             where u.crm = e.crm and u.key = e.key and u.target = e.target and u.seq > e.seq
                               and u.action = 'unsubscribe' and u.outcome = 'accepted')
           order by e.seq""",
        {"crm": crm},
    )
    lists: dict[str, set[str]] = {}
    for *_, target_id, names in rows:
        lists.setdefault(target_id, set()).update(json.loads(names))
    found: dict[Spent, set[Target]] = {}
    for order_id, consent_id, handler, target_id, _ in rows:
        pair = loosely(consent_id), loosely(handler)
        if own.get(pair) != target_id:
            target = current.get(target_id) or Target(target_id, tuple(sorted(lists[target_id])))
            found.setdefault((order_id, *pair), set()).add(target)
    return found
