"""Says by what a plan compares: settings, the clock, and the small tables that every part of it joins (audience.md 6).

Data flow: planned.audience_held, synced.audience_parts, audience_late, audience_was_held -> temporary tables `aud_*`.

What is found goes to `temp.aud_news`, sorted at the end (`diffing`), to planned.audience_moves and audience_notes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import part_ids
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.words import BLOCKS, SHOPPERS, Block, Event, Noted

OWN_NOTES: Final = (Noted.GONE, Noted.GUEST_CART, Noted.ORDER_CHANGED, Noted.PRODUCT_GONE, Noted.TOLD_BEFORE)

# What an entity's block is called where its records are pinned, late or under way; a wish is in its customer's list.
KIND_OF_BLOCK: Final = {
    Block.CUSTOMERS: "customer",
    Block.SUBSCRIBERS: "subscriber",
    Block.PRODUCTS: "product",
    Block.WISHLIST: "wish",
    Block.ORDERS: "order",
}
BLOCK_OF_KIND: Final = {kind: block for block, kind in KIND_OF_BLOCK.items()}

_NEWS: Final = """create or replace temp table aud_news (
    rank varchar, place integer, sub varchar, event varchar, kind varchar, id varchar, part varchar, about varchar,
    changed varchar[], late boolean, silent boolean, seen_at timestamp, own_at timestamp)"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What one plan goes by.

    Attributes:
        late_before: what is older is history (6.4). begun: when each block began; None: it never did.
        off: events that are switched off. done: whether all five blocks are, so that events may go.
        rehearses: a few named addresses alone are told of (`only`): no guest is.
    """

    now: datetime
    late_before: datetime
    begun: Mapping[Block, datetime | None]
    off: frozenset[Event]
    guest_carts: bool
    done: bool
    rehearses: bool = False

    def is_old(self, block: Block, own: str, lacked: str) -> str:
        """Return the SQL that says whether a record without base is old (6.4)."""
        begun = self.begun[block]
        before_block = "false" if begun is None else f"{own} < timestamp '{begun}'"
        return f"""case when {own} is not null then {own} < timestamp '{self.late_before}' or {before_block}
                   else coalesce({lacked} < timestamp '{self.late_before}', true) end"""

    def is_off(self, event: Event) -> str:
        """Return the SQL that says whether an event is switched off."""
        return "true" if event in self.off else "false"


def terms(session: AudienceSession, db: Db) -> Terms:
    """Return what this plan goes by."""
    run, settings = session.run, session.settings
    blocks = {row[0]: row[1:] for row in db.rows("select block, state, begun_at, done_at from synced.audience_blocks")}
    now = run.now()
    return Terms(
        now,
        now - settings.late_after,
        {block: next((at for at in blocks.get(block, ())[1:] if at is not None), None) for block in BLOCKS},
        frozenset(Event(name) for name, on in settings.events.items() if not on),
        settings.guest_carts and settings.only is None,
        sum(row[0] in ("done", "skipped") for row in blocks.values()) == len(BLOCKS),
        settings.only is not None,
    )


def made_of(session: AudienceSession, db: Db, by: Terms) -> str:
    """Return in one text all that a plan depends on: where it is the same, so is the plan."""
    generation = db.value("select max(generation) from staged.shop_generation")
    people = db.row(
        "select count(*), bit_xor(hash(address, subscribed, customer_id, own_at)) from planned.audience_addresses"
    )
    held = db.row("select count(*), bit_xor(hash(kind, id)) from planned.audience_held")
    told = (session.run.today(), session.settings.late_after, sorted(by.off), by.guest_carts, by.done, by.rehearses)
    return repr((generation, people, held, *map(str, told)))


def prepare(db: Db) -> None:
    """Make the temporary tables that all parts of a plan join: who is held, released, or not decided yet."""
    db.execute(_NEWS)
    db.execute("create or replace temp table aud_held as select distinct kind, id from planned.audience_held")
    db.execute(
        """create or replace temp table aud_released as
           select kind, id from synced.audience_was_held anti join temp.aud_held using (kind, id)"""
    )
    named = " ".join(f"when '{block}' then '{kind}'" for block, kind in KIND_OF_BLOCK.items())
    db.execute(
        f"""create or replace temp table aud_open as
            select distinct case block {named} end as kind, id
            from (select block, unnest({part_ids.LIST}) as id from synced.audience_parts)"""
    )
    db.execute(
        f"""create or replace temp table aud_left as
            select kind, id from temp.aud_open union select case block {named} end, id from synced.audience_late"""
    )


def held(kind: str) -> str:
    """Return a query for the ids of a kind that are held now, as `id`."""
    return f"(select id from temp.aud_held where kind = '{kind}')"


def held_shoppers() -> str:
    """Return a query for the customers who are held now, those too whom only carts, wishes and searches name."""
    return f"(select distinct id from temp.aud_held where kind in {SHOPPERS})"


def released(kind: str) -> str:
    """Return a query for the ids of a kind that were held and are no more, as `id`."""
    return f"(select id from temp.aud_released where kind = '{kind}')"


def released_shoppers() -> str:
    """Return a query for the customers who were held and are no more, however they were known."""
    return f"""(select distinct id from temp.aud_released
                where kind in {SHOPPERS} and id not in {held_shoppers()})"""


def left(kind: str) -> str:
    """Return a query for the ids of a kind whose history record is under way, late or refused, as `id`."""
    return f"(select id from temp.aud_left where kind = '{kind}')"


def is_empty(db: Db, table: str) -> bool:
    """Say whether a temporary table has no row: then nothing that is made of it alone need be asked for.

    Each statement costs a millisecond to plan, whatever it finds; on most days most kinds have no news.
    """
    return db.row(f"select 1 from temp.{table} limit 1") is None


def note(db: Db, word: Noted, kind: str, query: str) -> None:
    """Note the records that a query gives as its only column."""
    db.execute(f"insert into planned.audience_notes select '{word}', '{kind}', * from ({query})")


def remember_held(db: Db) -> None:
    """Remember whom a plan that is taken holds, and forget whom it holds no more."""
    db.execute(
        "delete from synced.audience_was_held where (kind, id) not in (select kind, id from planned.audience_held)"
    )
    db.execute(
        """insert into synced.audience_was_held select distinct kind, id from planned.audience_held
           anti join synced.audience_was_held using (kind, id)"""
    )
