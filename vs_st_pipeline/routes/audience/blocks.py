"""Keeps how far the five blocks of the history are: which begins when, what it pins, when it is done (5.1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases, facts, part_ids, registration, sources_table
from vs_st_pipeline.routes.audience.report import AudienceReport
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.words import BLOCKS, SHOPPERS, Block, Noted

SKIP: Final = "skip"
REFUSALS: Final = "refusals_in_a_row"
_NOT_GONE: Final = "gone_at is null"
_ALL: Final = {
    Block.CUSTOMERS: f"select customer_id as id from staged.shop_customers where {_NOT_GONE}",
    Block.SUBSCRIBERS: "select address as id from planned.audience_addresses where subscribed",
    Block.PRODUCTS: f"select product_id as id from staged.shop_products where {_NOT_GONE}",
    Block.WISHLIST: f"select distinct customer_id as id from staged.shop_wishlists where {_NOT_GONE}",
    Block.ORDERS: f"select order_id as id from staged.shop_orders where {_NOT_GONE}",
}
_HELD: Final = "select id from planned.audience_held where kind = 'customer'"
_NOBODY: Final = "select id from planned.audience_held where false"
_HELD_BY_BLOCK: Final = {
    Block.CUSTOMERS: _HELD,
    Block.SUBSCRIBERS: "select id from planned.audience_held where kind = 'subscriber'",
    Block.PRODUCTS: _NOBODY,
    Block.WISHLIST: f"select id from planned.audience_held where kind in {SHOPPERS}",
    Block.ORDERS: f"""select id from planned.audience_held where kind = 'order'
        union all select order_id from staged.shop_orders where customer_id in ({_HELD})""",
}


class State(StrEnum):
    """How a block stands."""

    WAITING = "waiting"
    SENDING = "sending"
    DONE = "done"
    SKIPPED = "skipped"


ENDED: Final = (State.DONE, State.SKIPPED)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a block is, as synced.audience_blocks says."""

    block: Block
    state: State = State.WAITING
    pinned: int = 0
    position: int = 0
    accepted: int = 0
    rejected: int = 0
    left_out: int = 0
    parts: int = 0

    @property
    def rest(self) -> int:
        """Return how many pinned ids are in no part yet."""
        return self.pinned - self.position


def waiting(db: Db) -> dict[str, int]:
    """Count what the blocks that have not begun would send, of what is staged and planned now."""
    return {
        str(one.block): int(
            db.value(f"select count(*) from ({_ALL[one.block]}) where id not in ({_HELD_BY_BLOCK[one.block]})")
        )
        for one in read(db).values()
        if one.state is State.WAITING
    }


def read(db: Db) -> dict[Block, Standing]:
    """Return how all blocks stand, in their order."""
    rows = db.rows(
        "select block, state, pinned, position, accepted, rejected, left_out, parts from synced.audience_blocks"
    )
    found = {row[0]: Standing(Block(row[0]), State(row[1]), *row[2:]) for row in rows}
    return {block: found.get(block, Standing(block)) for block in BLOCKS}


def store(db: Db, standing: Standing) -> None:
    """Store how a block stands; its times stay."""
    db.execute(
        """update synced.audience_blocks set state = ?, pinned = ?, position = ?, records = ?, accepted = ?,
               rejected = ?, left_out = ?, parts = ? where block = ?""",
        [
            standing.state, standing.pinned, standing.position, standing.pinned, standing.accepted, standing.rejected,
            standing.left_out, standing.parts, standing.block,
        ],
    )  # fmt: skip


def counted(standing: Standing, *, accepted: int = 0, rejected: int = 0, left_out: int = 0) -> Standing:
    """Return how a block stands with what became of a part, or of records that go with none."""
    return replace(
        standing,
        accepted=standing.accepted + accepted,
        rejected=standing.rejected + rejected,
        left_out=standing.left_out + left_out,
        parts=standing.parts + bool(accepted or rejected),
    )


def is_done(db: Db) -> bool:
    """Say whether all blocks are done or skipped."""
    return all(standing.state in ENDED for standing in read(db).values())


def current(session: AudienceSession, db: Db) -> Standing | None:
    """Bring on the first block that is not done, as far as can be without a request; return it if it has parts to send.

    Call it in a transaction, while no part is under way. `note_done` tells the registration after that.
    """
    source = sources_table.source_of(session.run.merchant)
    for standing in read(db).values():
        if standing.state in ENDED:
            continue
        if standing.state is State.WAITING:
            if not source.can_have(session, standing.block):
                _begin(db, standing.block, State.DONE, session.run.now())
                continue
            if not source.is_complete(session, standing.block):
                return None
            standing = _opened(session, db, standing.block)
        if standing.state is State.SENDING and standing.rest:
            return standing
        if standing.state is State.SENDING:
            _end(db, standing.block, session.run.now())
    return None


def _opened(session: AudienceSession, db: Db, block: Block) -> Standing:
    """Begin a block: pin its ids; or, where nothing is to be sent, take what is staged as its base."""
    now = session.run.now()
    lost = block in session.registration.blocks_done
    if session.settings.history == SKIP or lost:
        take_silently(db, block, now)
        _begin(db, block, State.DONE if lost else State.SKIPPED, now)
        session.told.noted[Noted.BASE_LOST] += lost
        return read(db)[block]
    _begin(db, block, State.SENDING, now)
    db.execute("delete from synced.audience_pins where block = ?", [block])
    db.execute(
        f"""insert into synced.audience_pins
            select ?, row_number() over (order by id) - 1, id from ({_ALL[block]}) order by id""",
        [block],
    )
    pinned = int(db.value("select count(*) from synced.audience_pins where block = ?", [block]))
    standing = Standing(block, State.SENDING, pinned=pinned)
    store(db, standing)
    return standing


def _begin(db: Db, block: Block, state: State, now: datetime) -> None:
    db.execute(
        "insert or replace into synced.audience_blocks (block, state, begun_at, done_at) values (?, ?, ?, ?)",
        [block, state, now, now if state in ENDED else None],
    )


def _end(db: Db, block: Block, now: datetime) -> None:
    db.execute("update synced.audience_blocks set state = 'done', done_at = ? where block = ?", [now, block])
    db.execute("delete from synced.audience_pins where block = ?", [block])


def take_silently(db: Db, block: Block, now: datetime) -> None:
    """Take what is staged as a block's base without telling it, save of held people, who are told of once free.

    An address whose source says no may have been told as subscribed: it is taken as that, so that one Newsletter
    false goes (5.1.7).
    """
    held = _HELD_BY_BLOCK[block]
    db.execute(f"create or replace temp table audience_ids as select id from ({_ALL[block]}) where id not in ({held})")
    bases.remove(db, block, "temp.audience_ids")
    for ids in bases.shares(db, "temp.audience_ids"):
        bases.add(db, block, bases.ROWS[block](ids), "silent", None, None, now)
    if block is Block.SUBSCRIBERS:
        db.execute(
            """insert into synced.base_subscribers by name
               select address, email, customer_id, subscriber_id, true as subscribed, true as maybe, 'silent' as told,
                   ?::timestamp as told_at
               from planned.audience_addresses where says is false
                   and address not in (select address from synced.base_subscribers)""",
            [now],
        )


def note_done(session: AudienceSession) -> None:
    """Tell the registration which blocks are done for good, after the commit that says so (5.1.6)."""
    with session.run.open() as db:
        done = [block for block, standing in read(db).items() if standing.state in ENDED]
    news = [block for block in done if block not in session.registration.blocks_done]
    for block in news:
        registration.mark_block_done(session.run, block)
    if news:
        known = session.registration.blocks_done | {str(block): session.run.now().isoformat() for block in news}
        session.registration = replace(session.registration, blocks_done=known)


def begin_again(db: Db, some: Collection[Block]) -> None:
    """Let these blocks wait for their turn again, without the parts under way of them (5.1.6)."""
    for block in some:
        db.execute("delete from synced.audience_blocks where block = ?", [block])
        db.execute("delete from synced.audience_pins where block = ?", [block])
        db.execute("delete from synced.audience_parts where block = ? and not late", [block])


def again(run: Run, some: Collection[Block]) -> None:
    """Send the history of these blocks once more from their begin, at the next sync; under the sync lock (5.1.6)."""
    known = registration.read(run)
    left = {block: at for block, at in known.blocks_done.items() if block not in some}
    if left != known.blocks_done:  # first: a database that is lost after this must not take them as told
        registration.write(run, replace(known, blocks_done=left))
    with run.open() as db, db.transaction():
        begin_again(db, some or BLOCKS)


def start_over(db: Db) -> int:
    """Undo all that refusals have marked, while nothing was ever accepted: the settings were wrong, no record (5.1.4).

    Returns:
        How many records had been marked as rejected.
    """
    rejected = db.rows("select block, id from synced.audience_late where why = 'rejected'")
    for block in BLOCKS:
        under_way = db.rows(f"select unnest({part_ids.LIST}) from synced.audience_parts where block = ?", [block])
        ids = [row[1] for row in rejected if row[0] == block] + [row[0] for row in under_way]
        if ids:
            with db.batch({"id": ids}) as batch:
                bases.remove(db, block, batch)
    db.execute("delete from synced.audience_late where why = 'rejected'")
    db.execute("delete from synced.audience_parts")
    db.execute("delete from synced.audience_pins")
    db.execute("delete from synced.audience_blocks where state = 'sending' or rejected > 0")
    return len(rejected)


def fill_report(db: Db, told: AudienceReport) -> None:
    """Say in the report how far the history is."""
    all_of_them = read(db)
    states = {standing.state for standing in all_of_them.values()}
    told.blocks = {
        str(block): {
            "records": standing.pinned,
            "accepted": standing.accepted,
            "rejected": standing.rejected,
            "left_out": standing.left_out,
            "parts": standing.parts,
        }
        for block, standing in all_of_them.items()
    }
    under_way = next((standing for standing in all_of_them.values() if standing.state not in ENDED), None)
    if under_way is None:
        told.history_state = "skipped" if states == {State.SKIPPED} else "done"
    else:
        told.history_state = "waiting" if states == {State.WAITING} else "sending"
    told.block = str(under_way.block) if under_way is not None and told.history_state == "sending" else None


def forget_refusals(db: Db) -> None:
    """Count refusals in a row anew: something was accepted."""
    facts.drop(db, REFUSALS)
