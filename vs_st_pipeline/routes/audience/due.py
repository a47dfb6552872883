"""Counts what stands at the end of a run, and says when the route is due next by time alone (routes.md R16, R68).

Data flow: the registration, outbox, parts, late history -> the report; their times -> `merchants/ID/audience.due`.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.domain.errors import GiveUp
from vs_st_pipeline.domain.records import LARGEST_GAP
from vs_st_pipeline.pipeline.schedule import SOON
from vs_st_pipeline.platform.inbox.store import UNUSABLE
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import blocks, facts, part_ids
from vs_st_pipeline.routes.audience.registration import State
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.systems import SHOP
from vs_st_pipeline.routes.audience.words import Noted

EVERY: Final = timedelta(minutes=5)
"""How often a source is asked what is new, of which no hint came."""
REFUSED: Final = """select kind, id from synced.audience_outbox where state in ('rejected', 'dead')
    union select block, id from synced.audience_late where why = 'rejected'"""
UNKNOWN: Final = f"""select kind, id from synced.audience_outbox where state = 'unknown'
    union select block, unnest({part_ids.LIST}) from synced.audience_parts where state = 'unknown'"""


def count(session: AudienceSession, db: Db) -> None:
    """Count what stands open over all runs, and what is noted of what is staged."""
    told = session.told
    blocks.fill_report(db, told)
    told.registration = str(session.registration.state)
    refused, unknown = (int(db.value(f"select count(*) from ({sql})")) for sql in (REFUSED, UNKNOWN))
    told.waiting = (refused, unknown)
    if refused:
        told.noted[Noted.WAITING_RETRY] = refused
    for word, found in db.rows(_NOTED):
        told.noted[word] = found
    told.noted.update(_unknown(session, db))
    if session.run.dry_run and (posts := _posts_that_wait(session.run)):
        told.noted[Noted.POSTS_WAIT] = posts


def _posts_that_wait(run: Run) -> int:
    """Count what a site has posted that no sync has taken in: a dry run takes nothing (R27)."""
    if run.inbox is None or not run.inbox.exists:
        return 0
    with suppress(*UNUSABLE):
        return sum(one.system == SHOP for one in run.inbox.unclaimed(run.merchant.id, run.route))
    return 0


_NOTED: Final = """select word, count(distinct (kind, id)) from (
    select word, kind, id from staged.shop_notes union all select word, kind, id from planned.audience_notes)
    group by 1"""
_UNKNOWN: Final = {
    Noted.UNKNOWN_PRODUCT: """
        select 'order', order_id from staged.shop_order_lines as r
            anti join staged.shop_products as p on p.product_id = r.product_id
        union select 'cart', cart_id from staged.shop_cart_lines as r
            anti join staged.shop_products as p on p.product_id = r.product_id
        union select 'wish', to_json([customer_id, r.product_id])::varchar from staged.shop_wishlists as r
            anti join staged.shop_products as p on p.product_id = r.product_id where r.gone_at is null""",
    Noted.UNKNOWN_CUSTOMER: """
        select 'order', order_id from staged.shop_orders as r
            anti join staged.shop_customers as c on c.customer_id = r.customer_id where r.customer_id is not null
        union select 'cart', cart_id from staged.shop_carts as r
            anti join staged.shop_customers as c on c.customer_id = r.customer_id
            where r.customer_id is not null and r.gone_at is null
        union select 'wish', to_json([r.customer_id, product_id])::varchar from staged.shop_wishlists as r
            anti join staged.shop_customers as c on c.customer_id = r.customer_id where r.gone_at is null""",
}
_COUNTED: Final = "unknown_counted"


def _unknown(session: AudienceSession, db: Db) -> dict[str, int]:
    """Count what names a product or a customer that is not there (10); not again where nothing staged has changed."""
    generation = int(db.value("select generation from staged.shop_generation") or 0)
    kept = facts.read(db, _COUNTED)
    if not isinstance(kept, dict) or kept.get("generation") != generation:
        counts = {str(word): int(db.value(f"select count(*) from ({sql})")) for word, sql in _UNKNOWN.items()}
        kept = {"generation": generation, "counts": counts}
        if not session.run.dry_run:
            facts.keep(db, _COUNTED, kept, session.run.now())
    found: dict[str, int] = kept["counts"]
    return found


def next_due_at(session: AudienceSession, db: Db) -> datetime:
    """Return when the route is due by time alone (UTC without zone): the history goes on, a gap ends, or a look."""
    run, known = session.run, session.registration
    now = run.now()
    if known.state is State.DISCONNECTED:  # nothing is called until `vs-st connect`
        return now + LARGEST_GAP
    if known.state is not State.REGISTERED:  # other keys end a gap, so each sync looks at them (3.3)
        return now + EVERY
    error = session.refused or session.trouble
    if isinstance(error, GiveUp):
        return now + EVERY
    times: list[datetime | None] = [
        db.value("select min(next_at) from synced.audience_outbox where state in ('rejected', 'unknown', 'waiting')"),
        db.value("select min(next_at) from synced.audience_late where not dead"),
        now if _goes_on(session, db) else None,
    ]
    return min([now + EVERY, *(max(at, now + SOON) for at in times if at is not None)])


def _goes_on(session: AudienceSession, db: Db) -> bool:
    """Say whether something waits for the next slice alone: a part of the history, or events behind it."""
    if db.value("select 1 from synced.audience_parts limit 1") is not None:
        return True
    if session.told.history_state == "sending":
        return True
    waits = "select 1 from synced.audience_outbox where state = 'waiting' and next_at is null limit 1"
    late = "select 1 from synced.audience_late where why = 'late' and next_at is null and not dead limit 1"
    return blocks.is_done(db) and any(db.value(sql) is not None for sql in (waits, late))
