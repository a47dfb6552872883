"""The generic shop as a source: files that it drops, and events that it posts (audience.md 4.3, 4.4).

Data flow: hints of the inbox -> raw.shop_posts; drops -> `dropped`, then posts -> `posted` -> `merging` -> staged.

A post is kept once however often it comes, so taking the same hints again does no harm: the database's commit comes
first, then the inbox's. What a lost file lacks is taken again as long as the inbox keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.shop import hooks
from vs_st_pipeline.connectors.shop.names import SHOP
from vs_st_pipeline.connectors.shop.settings import ShopSettings
from vs_st_pipeline.domain.hints import Call, Hint
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Arrival
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.routes.audience import dropped, posted
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.sources import Seen, Size, source_name
from vs_st_pipeline.routes.audience.words import Block, Event

KIND: Final = hooks.POST
ONCE_IN: Final = timedelta(days=30)
AHEAD: Final = timedelta(minutes=5)
_TAKEN: Final = "shop_posts_taken"  # the state: the newest entry of the inbox that was taken
_AT_ONCE: Final = 2_000
_TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    Block.CUSTOMERS: ("customers",),
    Block.SUBSCRIBERS: ("subscribers", "customers"),  # whoever carries the consent (rulings, audience 5)
    Block.PRODUCTS: ("products",),
    Block.WISHLIST: ("wishlists",),
    Block.ORDERS: ("orders",),
}


class ShopSource:
    """A custom website."""

    system = SHOP
    lacks: Mapping[str, str] = {Event.SEARCH: "a drop shows no searches: let the site post them"}

    def read(self, session: AudienceSession, only: Collection[tuple[str, str]] | None = None) -> Seen:
        return Seen()

    def stage(self, session: AudienceSession) -> None:
        """Stage what was dropped, then what was posted: of one record the newer counts, whichever comes first."""
        if session.only is None:
            dropped.stage(session)
        session.told.seen["posts"] = count_posts(session)
        posted.apply(session, all_events=True)

    def is_complete(self, session: AudienceSession, block: str) -> bool:
        if session.run.merchant.section(ShopSettings).drop is None:
            return True
        with session.run.open() as db:
            return _first_complete(db) is not None

    def can_have(self, session: AudienceSession, block: str) -> bool:
        """Say whether the first complete drop names the block's table; a shop that only posts has no history."""
        if session.run.merchant.section(ShopSettings).drop is None:
            return False
        with session.run.open() as db:
            named = _first_complete(db)
        return named is None or any(table in named for table in _TABLES[block])

    def read_one(self, session: AudienceSession, kind: str, own: str) -> bool | None:
        raise KeyError(kind)

    def owner_to_read(self, db: Db, order_id: str) -> str | None:
        return None

    def is_known(self, db: Db, kind: str, own: str) -> bool:
        return True

    def first_walk(self, session: AudienceSession) -> Size | None:
        return None


def _first_complete(db: Db) -> set[str] | None:
    """Return which tables the first complete drop named, those too of which a newer drop counted."""
    if (named := get_state(db, dropped.FIRST)) is not None:
        return set(named)
    rows = db.rows(
        """select table_name from raw.shop_drops where complete
           and name = (select min(name) from raw.shop_drops where complete)"""
    )
    return {row[0] for row in rows} or None


def take(run: Run, hints: Sequence[Hint]) -> None:
    """Store posts durably, those too that a lost file lacks; in one transaction each, under the sync lock."""
    found = [*_lost(run), *(one for one in hints if (one.system, one.kind) == (SHOP, KIND))]
    for start in range(0, len(found), _AT_ONCE):
        part = found[start : start + _AT_ONCE]
        with run.open() as db, db.transaction():
            _store(run, db, part)
            set_state(db, _TAKEN, max(get_state(db, _TAKEN) or 0, *(one.entry for one in part)), run.now())


def _lost(run: Run) -> list[Hint]:
    """Return what the inbox keeps as done, where its newest entry is not known here: this is another file."""
    if run.inbox is None or not run.inbox.exists:
        return []
    with suppress(*UNUSABLE):
        newest = run.inbox.newest_done(run.merchant.id, run.route, SHOP)
        with run.open() as db:
            known = get_state(db, _TAKEN) or 0
        if newest > known:
            return [one for one in run.inbox.done(run.merchant.id, run.route, SHOP) if one.kind == KIND]
    return []


def _store(run: Run, db: Db, hints: Sequence[Hint]) -> None:
    rows: dict[str, list[Any]] = {
        name: [] for name in ("number", "entry", "key", "event", "moment", "received", "signed", "data")
    }
    entries = {one.entry: one for one in sorted(hints, key=lambda one: one.entry)}
    with db.batch({"entry": list(entries)}, {"entry": "int"}) as batch:
        known = set(db.rows(f"select entry, received_at from raw.shop_posts semi join {batch} using (entry)"))
    number = int(db.value("select coalesce(max(number), 0) from raw.shop_posts"))
    for entry, hint in entries.items():
        said = hint.kept.get("post")
        event = hooks.event_of(said) if isinstance(said, dict) else None
        received = _utc(datetime.fromisoformat(hint.at), UTC)
        # An inbox that was lost, or put back from a backup, gives numbers a second time.
        if (entry, received) in known or event is None or not isinstance(said, dict):
            continue
        number += 1
        at = _at(said.get("at"), run)
        values = (number, entry, hooks.key_of(said), event,
                  (received if at is None or at > received + AHEAD else at).isoformat(), received.isoformat(),
                  hint.kept.get("signed") is True, json.dumps(hooks.data_of(said)))  # fmt: skip
        for name, value in zip(rows, values, strict=True):
            rows[name].append(value)
    if rows["number"]:
        with db.batch(rows, {"number": "int", "entry": "int", "signed": "bool"}) as batch:
            db.execute(  # the same post within 30 days counts once
                f"""insert into raw.shop_posts
                    select number, entry, key, event, moment::timestamp, received::timestamp, signed, data,
                        'waiting', null
                    from {batch} as b where key is null or (
                        not exists (select 1 from raw.shop_posts as p where p.key = b.key
                                    and p.received_at > b.received::timestamp - interval 30 day)
                        and not exists (select 1 from {batch} as c where c.key = b.key and c.number < b.number))
                    order by number"""
            )


def _at(written: Any, run: Run) -> datetime | None:
    try:
        return _utc(datetime.fromisoformat(written.strip()), run.merchant.time_zone) if written else None
    except (ValueError, OverflowError, AttributeError):
        return None


def _utc(at: datetime, zone: Any) -> datetime:
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC).replace(tzinfo=None)


def stage_posts(session: AudienceSession) -> None:
    """Apply the posts that count for a source that shows the rest itself; what the others name is read soon (4.4)."""
    posted.apply(session, all_events=False, hint=lambda named: _hint_at(session.run, named))


def _hint_at(run: Run, named: Sequence[posted.Named]) -> None:
    """Hint at records of the source, for this route and the one that reads it for all (R34).

    Where the power goes before, or there is no inbox, the next lists show them.
    """
    from vs_st_pipeline.routes.audience import hinting  # which takes posts by this module

    if run.inbox is None or run.dry_run:
        return
    system = source_name(run.merchant)
    routes = hinting.routes_of(run, system)
    arrivals = [
        Arrival(run.merchant.id, system, Call(kind, own, event_id=f"{KIND} {number}"), routes, run.now().isoformat())
        for number, kind, own in named
        if kind in hinting.WANTS[system]
    ]
    with suppress(*UNUSABLE):
        if arrivals:
            run.inbox.put(arrivals)


def count_posts(session: AudienceSession) -> int:
    """Return how many posts wait to be applied."""
    with session.run.open() as db:
        return int(db.value("select count(*) from raw.shop_posts where state = 'waiting'"))


def prune(run: Run, db: Db) -> None:
    """Forget posts that are settled, and that cannot come a second time any more; inside the caller's transaction."""
    db.execute("delete from raw.shop_posts where settled_at is not null and received_at < ?", [run.now() - ONCE_IN])
