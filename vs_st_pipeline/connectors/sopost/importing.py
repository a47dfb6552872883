"""Queues orders of an export, so that the next sync reads those that no webhook brought (consumers.md 3.11).

Data flow: lines (an id, an object with one, a whole order) -> rows of raw.sopost_orders that wait to be read.

Nothing of a line counts but the id and the time: what an order holds is read from SoPost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from vs_st_pipeline.connectors.sopost.events import IMPORT, peek, raise_changed, waiting
from vs_st_pipeline.connectors.sopost.hooks import ORDER_ID
from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.connectors.sopost.streams import ORDERS, STORED
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order
from vs_st_pipeline.platform.warehouse.suppression import read_suppressed

NO_ID: Final = "names no order"
NOT_AN_ID: Final = "its order id is not 1 to 100 letters, digits, - or _"
NOT_JSON: Final = "is neither an id nor a JSON object"
NO_TIME: Final = "its consented_at is no ISO time with a zone, such as 2026-05-01T12:00:00Z"
FUTURE: Final = "its consented_at lies in the future"


@dataclass(slots=True)
class Imported:
    """What an import found.

    Attributes:
        new: orders that were never read; they are queued. known: orders that were read before.
        unusable: number (from 1) and reason of each line that was left out.
    """

    new: int = 0
    known: int = 0
    unusable: list[tuple[int, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the object of `vs-st consumers import --json`."""
        return {
            "new": self.new,
            "known": self.known,
            "unusable": [{"line": line, "reason": reason} for line, reason in self.unusable],
        }


class _Unusable(Exception):
    """Why a line cannot be used; it repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class _Line:
    asked_id: str
    consented_at: datetime | None  # UTC without zone


def read_time(text: str) -> datetime:
    """Return the time of `--consented-at` (aware). Raises BadSettings where it is no ISO time with a zone."""
    found = _time(text)
    if found is None:
        raise BadSettings("expected an ISO time with a zone, such as 2026-05-01T12:00:00Z")
    return found.replace(tzinfo=UTC)


def queue_orders(
    run: Run, lines: Iterable[str], consented_at: datetime | None = None, *, create: bool = False, dry_run: bool = False
) -> Imported:
    """Queue the orders of these lines; the next sync reads them. It takes the route's sync lock.

    Args:
        consented_at: when all consents were given of which no line says so, aware; None: not known.
        create: people may be created in a CRM because of these orders (7.14).
        dry_run: only say how many there are.

    Raises:
        BadSettings: `consented_at` has no zone, or lies in the future.
    """
    for_all = None
    if consented_at is not None:
        if consented_at.tzinfo is None:
            raise BadSettings(f"--consented-at: {NO_TIME.removeprefix('its consented_at ')}")
        for_all = consented_at.astimezone(UTC).replace(tzinfo=None)
        if for_all > run.now():
            raise BadSettings(f"--consented-at: {FUTURE.removeprefix('its consented_at ')}")
    found = Imported()
    orders = dict[str, _Line]()
    for number, line in enumerate(lines, 1):
        if text := line.strip().removeprefix("\ufeff"):
            try:
                _merge(orders, _understand(text, run.now()))
            except _Unusable as why:
                found.unusable.append((number, str(why)))
    with run.sync_lock():
        if not dry_run:  # what was told before the import was seen before it
            peek(run, waiting(run))
        with run.open() as db:
            _queue(run, db, orders, for_all, found, create=create, dry_run=dry_run)
    return found


def _understand(text: str, now: datetime) -> _Line:
    if not text.startswith("{"):
        if text[0] in "[\"'":
            raise _Unusable(NOT_JSON)
        return _Line(_id(text), None)
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise _Unusable(NOT_JSON) from None
    inner = said.get("data")
    order = inner if isinstance(inner, Mapping) and not said.keys() & {"order_id", "id"} else said
    asked = order.get("order_id", order.get("id"))
    if asked is None:
        raise _Unusable(NO_ID)
    written = said.get("consented_at", order.get("consented_at"))
    if written is None:
        return _Line(_id(asked), None)
    at = _time(written)
    if at is None:
        raise _Unusable(NO_TIME)
    if at > now:
        raise _Unusable(FUTURE)
    return _Line(_id(asked), at)


def _id(asked: object) -> str:
    if not isinstance(asked, str) or not ORDER_ID.fullmatch(asked):
        raise _Unusable(NOT_AN_ID)
    return asked


def _time(written: object) -> datetime | None:
    """Return a time as UTC without zone; None where it is none, or has no zone."""
    try:
        found = datetime.fromisoformat(written.strip()) if isinstance(written, str) else None
        return found.astimezone(UTC).replace(tzinfo=None) if found is not None and found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _merge(orders: dict[str, _Line], line: _Line) -> None:
    """Take an order once; of several times the earliest, which is the last to go before an unsubscription."""
    key = line.asked_id.lower()
    known = orders.get(key)
    times = [one.consented_at for one in (known, line) if one is not None and one.consented_at is not None]
    orders[key] = _Line((known or line).asked_id, min(times, default=None))


def _queue(
    run: Run,
    db: Db,
    orders: Mapping[str, _Line],
    for_all: datetime | None,
    found: Imported,
    *,
    create: bool,
    dry_run: bool,
) -> None:
    forgotten = read_suppressed(db)
    wanted = {key: line for key, line in orders.items() if not forgotten.knows(STORED, key)}
    times = {key: line.consented_at or for_all for key, line in wanted.items()}
    columns: dict[str, list[Any]] = {
        "id": list(wanted),
        "asked_id": [line.asked_id for line in wanted.values()],
        "moment": [at.isoformat() if (at := times[key]) is not None else None for key in wanted],
    }
    with db.batch(columns) as batch:
        rows = db.rows(
            f"""select id, read_at is not null, first_seen_by = '{IMPORT}',
                       (o.may_create, o.consented_at) is distinct from
                         (o.may_create or $create, coalesce(b.moment::timestamp, o.consented_at))
                from {ORDERS.table} as o join {batch} as b using (id)""",
            {"create": create},
        )
        read = {row[0] for row in rows if row[1]}
        found.known = len(read) + len(orders) - len(wanted)
        found.new = len(wanted) - len(read)
        if dry_run or not wanted:
            return
        with db.transaction():
            # What the import says of when and whether counts where it was the first to name the order.
            db.execute(
                f"""update {ORDERS.table} as o
                    set imported = imported or read_at is null,
                        may_create = may_create or ($create and first_seen_by = '{IMPORT}'),
                        consented_at = case when first_seen_by = '{IMPORT}'
                                            then coalesce(b.moment::timestamp, consented_at) else consented_at end,
                        gave_up = gave_up and read_at is not null,
                        next_try_at = case when read_at is null and left_at is not null
                                           then $now::timestamp else next_try_at end
                    from {in_row_order(ORDERS.table, batch, "id")} as b where o.rowid = b.rowid_""",
                {"create": create, "now": run.now()},
            )
            db.execute(
                f"""insert into {ORDERS.table} (system, object, id, asked_id, first_seen_at, first_seen_by, imported,
                                               consented_at, may_create)
                    select '{SOPOST}', '{ORDERS.name}', id, asked_id, $now::timestamp, '{IMPORT}', true,
                           moment::timestamp, $create
                    from {batch} anti join {ORDERS.table} using (id)""",
                {"create": create, "now": run.now()},
            )
            raise_changed(db, [row[0] for row in rows if row[1] and row[2] and row[3]])
