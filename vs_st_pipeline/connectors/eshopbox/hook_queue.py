"""Keeps what hooks said: whose order is to be read first, and the word, which may count (notices.md 3.4, 3.7, 3.8).

Data flow: hints of the inbox -> raw.eshopbox_hooks, raw.eshopbox_known -> read -> done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from vs_st_pipeline.connectors.eshopbox.landing import next_change, next_seq
from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX
from vs_st_pipeline.connectors.eshopbox.order_record import RETURN, SHIPMENT, SHIPMENT_KEYS, first, tracking_of
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.eshopbox.stored import hear_of
from vs_st_pipeline.connectors.eshopbox.streams import HOOKS, KNOWN, ORDER
from vs_st_pipeline.connectors.eshopbox.times import UnreadableTime, read_time
from vs_st_pipeline.domain.hints import Hint
from vs_st_pipeline.domain.records import id_text
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

HOOK, ASKED = "hook", "asked"  # why an order is to be read first
FOREIGN, ORDER_MISMATCH = "foreign", "order_mismatch"  # why a hook's word never counts
_RESOURCES: Final = {"shipment": SHIPMENT, "returnshipment": RETURN}


def keep(run: Run, hints: Sequence[Hint]) -> None:
    """Store what these hints say, each once, and have their orders read first; a foreign one's is not."""
    named = [one for one in hints if one.system == ESHOPBOX and one.kind == ORDER and one.id]
    if named:
        with run.open() as db, db.transaction():
            keep_in(run, db, named)


def keep_in(run: Run, db: Db, hints: Sequence[Hint]) -> None:
    """Do what `keep` does, inside the caller's transaction."""
    settings = run.merchant.section(EshopboxSettings)
    rows = {row["key"]: row for one in hints if (row := _row(one, settings))}
    with db.batch({"key": sorted(rows)}) as batch:
        for (known,) in db.rows(f"select key from {HOOKS} where key in (select key from {batch})"):
            del rows[known]
    if not rows:
        return
    seq = next_seq(db)
    new = [{**row, "seq": seq + place} for place, row in enumerate(rows.values())]
    with db.batch({name: [row[name] for row in new] for name in new[0]}, {"seq": "int"}) as batch:
        db.execute(
            f"""insert into {HOOKS} by name select * replace (placed_at::timestamp as placed_at,
                    received_at::timestamp as received_at) from {batch}"""
        )
    usable = [row for row in new if row["bad"] is None]
    hear_of(db, {row["parcel_id"]: row["placed_at"] for row in usable}, HOOK, run.now())
    with db.batch({"id": sorted({row["parcel_id"] for row in usable})}) as batch:
        db.execute(
            f"update {KNOWN} set changed = ? where parcel_id in (select id from {batch})",
            [next_change(db)],
        )


def ask_for(run: Run, numbers: Sequence[str]) -> None:
    """Have these orders read first, by whoever reads next."""
    if numbers:
        with run.open() as db, db.transaction():
            hear_of(db, dict.fromkeys(numbers), ASKED, run.now())


def unread(run: Run, hints: Sequence[Hint]) -> list[int]:
    """Return the numbers of those of these hints whose orders were not read since."""
    named = {_key(one): one.hint for one in hints if one.system == ESHOPBOX and one.kind == ORDER}
    if not named:
        return []
    with run.open() as db, db.batch({"key": sorted(named)}) as batch:
        rows = db.rows(
            f"select key from {HOOKS} where read_at is null and bad is null and key in (select key from {batch})"
        )
    return [named[key] for (key,) in rows]


def forget_before(db: Db, before: datetime) -> None:
    """Delete hooks that came before a moment (UTC without zone), inside the caller's transaction.

    Those of orders of which something may still come stay: a word of theirs may be what their journey rests on.
    """
    db.execute(
        f"""delete from {HOOKS} where received_at < ? and (read_at is not null or bad is not null)
            and parcel_id not in (select parcel_id from {KNOWN} where is_open)""",
        [before],
    )


def _key(hint: Hint) -> str:
    return f"{hint.entry}:{hint.at}"


def _row(hint: Hint, settings: EshopboxSettings) -> dict[str, Any] | None:
    said: Mapping[str, Any] = hint.kept
    slug = id_text(said.get("accountSlug"))
    word = id_text(first(said, ("eventSubType", "word", "event"))) or hint.event
    try:
        placed_at = read_time(said.get("orderDate"), settings.time_zone)
    except UnreadableTime:
        placed_at = None
    return {
        "key": _key(hint),
        "parcel_id": hint.id,
        "resource": _RESOURCES.get((id_text(said.get("resource")) or "").casefold().replace("_", "")),
        "word": word,
        "shipment_id": id_text(first(said, SHIPMENT_KEYS)),
        "tracking_id": tracking_of(said),
        "return_number": id_text(said.get("customerReturnNumber")),
        "order_id": id_text(said.get("order_id")),
        "placed_at": placed_at.isoformat() if placed_at is not None else None,
        "received_at": _utc(hint.at).isoformat(),
        "bad": FOREIGN if slug is not None and slug.casefold() != settings.workspace.casefold() else None,
    }


def _utc(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)
