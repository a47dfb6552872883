"""Commerce7 as a source: orders, as the route that reads the shop for all has them (notices.md 3.5, 3.6; R34, R37).

Data flow: raw.commerce7_orders, and its people, of the reader's file -> `shop_said` -> `shop_staging`.

Where this route is the reader, it walks the list of orders itself: all once, then those that changed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors import commerce7
from vs_st_pipeline.connectors.commerce7 import reading, stored
from vs_st_pipeline.connectors.commerce7.shop_orders import walk_orders
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.domain.plan import UNREADABLE
from vs_st_pipeline.domain.records import id_text
from vs_st_pipeline.pipeline.once.readers import reader_of
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.routes.notices import shop_staging
from vs_st_pipeline.routes.notices.other_routes import hint_reader, look_at
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.shop_said import of_commerce7
from vs_st_pipeline.routes.notices.shop_staging import Looked
from vs_st_pipeline.routes.notices.sources import Seen
from vs_st_pipeline.routes.notices.systems import COMMERCE7, NAME

READERS: Final = ("audience", "orders", NAME)
"""Who reads a shop for all routes: the first that is on (R34)."""
_COMPLETE: Final = "notices_commerce7_complete"  # the state: all that was there once was looked at
_PREFIX: Final = f"{COMMERCE7}:"
_AT_ONCE: Final = 500


class Commerce7Source:
    """A winery's shop."""

    system = COMMERCE7

    def read(self, session: NoticesSession) -> Seen:
        run = session.run
        if session.only is None and _reads_itself(run):
            client = session.client(commerce7.CONNECTOR)
            walk_orders(run, client, lambda: not run.over_budget(client.http.calls.total()))
            session.told.noted[UNREADABLE] += reading.read_again(run, client)
        return Seen()

    def stage(self, session: NoticesSession, only: Collection[str] | None) -> None:
        run = session.run
        own = None if only is None else {one.removeprefix(_PREFIX) for one in only if one.startswith(_PREFIX)}
        if own is not None and not own:
            return
        with run.open() as db:
            before = shop_staging.hashes(db, COMMERCE7)
        try:
            looked, read_at, complete = look_at(run, READERS, lambda db: _look(run, db, before, own))
        except TryLater as error:  # without news (R18)
            run.request_log.append(RequestLogEntry(COMMERCE7, "read by another route", 0, error.message))
            return
        shop_staging.stage(run, session.settings, looked, read_at)
        if only is None and complete:
            with run.open() as db:
                if not get_state(db, _COMPLETE):
                    set_state(db, _COMPLETE, True, run.now())

    def is_complete(self, session: NoticesSession) -> bool:
        """Say whether what another route had staged was looked at once; of what this route reads, all of it (5.1)."""
        with session.run.open() as db:
            return bool(get_state(db, _COMPLETE))

    def read_again(self, session: NoticesSession, own: str) -> bool:
        if not _reads_itself(session.run):
            return False
        self.read_hinted(session, own)
        self.stage(session, [_PREFIX + own])
        return True

    def hint(self, session: NoticesSession, own: Sequence[str]) -> None:
        if not _reads_itself(session.run):
            hint_reader(session.run, READERS, COMMERCE7, own)

    def read_hinted(self, session: NoticesSession, record: str) -> bool | None:
        run = session.run
        if not _reads_itself(run):
            raise KeyError(record)
        with run.open() as db:
            before = _changed(db, record)
        if reading.read_one(run, session.client(commerce7.CONNECTOR), record, "hint") is None:
            return None
        with run.open() as db:
            return bool(_changed(db, record) != before)

    def merchant_order(self, session: NoticesSession, record: str) -> str | None:
        with session.run.open() as db:
            found: str | None = db.value(
                f"select merchant_order from {shop_staging.SEEN} where source = ? and own = ?", [COMMERCE7, record]
            )
        return found


def _reads_itself(run: Run) -> bool:
    return reader_of(READERS, run.merchant.routes) == NAME


def _changed(db: Db, own: str) -> Any:
    return db.value(f"select changed from {stored.TABLE} where id = ?", [own])


def _look(
    run: Run, db: Db, before: dict[str, str], only: Collection[str] | None
) -> tuple[list[Looked], dict[str, datetime], bool]:
    """Return the orders that say something else, when each was read last, and whether all that there are were read.

    A pass over what changed that lacks an order has read it too: it stands as it was.
    """
    today = run.today()
    passed = max((at for at in (_walked_at(db), _passed_at(db)) if at is not None), default=None)
    rows: dict[str, tuple[datetime, str]] = {}
    read_at: dict[str, datetime] = {}
    for own, at, sha, customer in db.rows(
        f"""select o.id, o.read_at, o.body_sha256, p.sha from {stored.TABLE} as o
            left join raw.commerce7_people as p on p.id = json_extract_string(o.body, '$.customerId')
            where o.body is not null and o.gone_at is null"""
    ):
        if only is None or own in only:
            rows[own] = (at, f"{sha} {customer or ''}")
            read_at[_PREFIX + own] = at if passed is None else max(at, passed)
    stale = sorted(own for own, (_, hash_) in rows.items() if before.get(own) != hash_)
    looked: list[Looked] = []
    for first in range(0, len(stale), _AT_ONCE):
        bodies = db.rows(
            f"select id, body from {stored.TABLE} where list_contains(?::varchar[], id)",
            [stale[first : first + _AT_ONCE]],
        )
        told = {own: body for own, text in bodies if (body := try_object(text)) is not None}
        people = _people(db, {name for body in told.values() if (name := id_text(body.get("customerId"))) is not None})
        for own, body in told.items():
            said = of_commerce7(body, people.get(id_text(body.get("customerId")) or ""), today)
            if said is not None:
                looked.append(Looked(COMMERCE7, own, rows[own][1], rows[own][0], said))
    return looked, read_at, not _reads_itself(run) or _walked_at(db) is not None


def _people(db: Db, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    rows = db.rows(
        "select id, body from raw.commerce7_people where list_contains(?::varchar[], id) and body is not null",
        [sorted(ids)],
    )
    return {own: body for own, text in rows if (body := try_object(text)) is not None}


def _walked_at(db: Db) -> datetime | None:
    found: datetime | None = db.value("select done_began_at from raw.commerce7_walks where kind = 'orders'")
    return found


def _passed_at(db: Db) -> datetime | None:
    found: datetime | None = db.value("select done_at from raw.commerce7_passes where pass = 'updated'")
    return found
