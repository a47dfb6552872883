"""Explains how one record stands at WayMore, from what is stored; calls no system (audience.md 9).

Data flow: staged.shop_*, planned.audience_held, synced.base_*, the outbox, the ledger -> one answer.

It shows data in full: the person who asks has the customer on the line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import part_ids
from vs_st_pipeline.routes.audience.words import MEANINGS, Block, Kind

Record = dict[str, Any]
ARGUMENTS: Final = ("KIND", "ID")
_HOUSE: Final = frozenset(
    ("own_at", "posted_at", "written_at", "seen_at", "lacked_at", "digest", "changed_at", "opted_changed_at", "others")
)
_JSON: Final = frozenset(("extra", "evidence", "attributes", "posted_evidence"))
_HELD: Final = """select reason from planned.audience_held where kind = $kind and id = $id
    union all select h.reason from planned.audience_held as h where h.kind = 'customer' and h.id = $customer limit 1"""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a kind of record stands.

    Attributes:
        staged, base: tables; key: its column in both. parts: staged tables of what belongs to it, by name.
        part_key: the column by which they name it. block: its block of the history; None: it has none.
    """

    staged: str
    base: str
    key: str
    block: Block | None
    parts: Mapping[str, str]
    order: str = "1"


_PLACES: Final = {
    Kind.CUSTOMER: _Place(
        "staged.shop_customers", "synced.base_customers", "customer_id", Block.CUSTOMERS,
        {"addresses": "staged.shop_addresses"}, "position",
    ),
    Kind.ADDRESS: _Place("staged.shop_subscribers", "synced.base_subscribers", "address", Block.SUBSCRIBERS, {}),
    Kind.PRODUCT: _Place(
        "staged.shop_products", "synced.base_products", "product_id", Block.PRODUCTS,
        {"options": "staged.shop_options"}, "position, option_id",
    ),
    Kind.ORDER: _Place(
        "staged.shop_orders", "synced.base_orders", "order_id", Block.ORDERS,
        {"lines": "staged.shop_order_lines"}, "position",
    ),
    Kind.CART: _Place("staged.shop_carts", "synced.base_carts", "customer_id", None, {}),
}  # fmt: skip
KINDS: Final = tuple(str(kind) for kind in _PLACES)


def named(words: Sequence[str]) -> tuple[Kind, str]:
    """Return the kind and the id that were typed.

    Raises:
        BadArguments: there is no such kind.
    """
    kind, record_id = words
    if kind not in KINDS:
        raise BadArguments(f"KIND is one of {', '.join(KINDS)}")
    found = Kind(kind)
    return found, record_id.strip().lower() if found is Kind.ADDRESS else record_id


def check(_merchant: Merchant, words: Sequence[str]) -> None:
    """Raise where the words name no kind of record."""
    named(words)


def explain(run: Run, words: Sequence[str], at: datetime | None = None) -> Record:
    """Return how a record stands: the object of `vs-st why --json` and `vs-st history --json`.

    Args:
        at: only what was told by then; None: all.
    """
    kind, record_id = named(words)
    answer: Record = {
        "merchant": run.merchant.id, "route": run.route, "kind": str(kind), "id": record_id,
        "held": None, "staged": None, "base": None, "waiting": [], "told": [],
    }  # fmt: skip
    if not run.file().exists():
        return answer
    with run.open() as db:
        place = _PLACES[kind]
        answer["staged"] = _staged(db, kind, place, record_id)
        base = _rows(db, f"select * from {place.base} where {place.key} = ?", [record_id])
        answer["base"] = base[0] if base else None
        answer["held"] = _held(db, kind, record_id, answer["staged"])
        answer["waiting"] = _waiting(db, kind, record_id, place.block)
        answer["told"] = _told(db, kind, record_id, place.block, at)
    return answer


def _staged(db: Db, kind: Kind, place: _Place, record_id: str) -> Record | None:
    newest = "order by gone_at is not null, updated_at desc nulls last" if kind is Kind.CART else ""
    found = _rows(db, f"select * from {place.staged} where {place.key} = ? {newest}", [record_id])
    if kind is Kind.ADDRESS:
        found = [one | {"posted": one["posted"]} for one in found]
        found += (
            _rows(db, "select * from planned.audience_addresses where address = ?", [record_id]) if not found else []
        )
    if not found:
        return None
    whole = found[0]
    for name, table in place.parts.items():
        whole[name] = [
            {key: value for key, value in part.items() if key != place.key}
            for part in _rows(db, f"select * from {table} where {place.key} = ? order by {place.order}", [record_id])
        ]
    if kind is Kind.CART:
        whole["lines"] = [
            {key: value for key, value in line.items() if key != "cart_id"}
            for line in _rows(db, "select * from staged.shop_cart_lines where cart_id = ?", [whole["cart_id"]])
        ]
    return whole


def _held(db: Db, kind: Kind, record_id: str, staged: Record | None) -> str | None:
    customer = record_id if kind is Kind.CART else (staged or {}).get("customer_id") if kind is Kind.ORDER else None
    reason: str | None = db.value(_HELD, {"kind": str(kind), "id": record_id, "customer": customer})
    return reason


def _waiting(db: Db, kind: Kind, record_id: str, block: Block | None) -> list[Record]:
    events = _rows(
        db,
        """select 'event' as call, key, event, data, state, tries, http_status, next_at, seen_at, evidence
           from synced.audience_outbox where kind = ? and id = ? order by number""",
        [str(kind), record_id],
    )
    if block is None:
        return [_with_data(one) for one in events]
    parts = _rows(
        db,
        f"""select case when late then 'late' else 'history' end as call, key, block, state, tries
           from synced.audience_parts where block = ? and list_contains({part_ids.LIST}, ?) order by number""",
        [str(block), record_id],
    )
    late = _rows(
        db,
        """select 'late' as call, block, why as state, tries, http_status, next_at, since as seen_at, dead
           from synced.audience_late where block = ? and id = ?""",
        [str(block), record_id],
    )
    return [*parts, *late, *(_with_data(one) for one in events)]


def _told(db: Db, kind: Kind, record_id: str, block: Block | None, at: datetime | None) -> list[Record]:
    until = datetime.max if at is None else at.astimezone(UTC).replace(tzinfo=None)
    found = _rows(
        db,
        f"""select call, key, event, block, data, state, tries, http_status, "at", evidence, run_id
           from synced.audience_told
           where "at" <= $until and ((kind = $kind and id = $id)
                 or (ids is not null and list_contains({part_ids.LIST}, $id) and (block = $block or kind = $kind)))
           order by "at", rowid""",
        {"kind": str(kind), "id": record_id, "block": str(block), "until": until},
    )
    for one in found:
        if block is Block.SUBSCRIBERS and isinstance(one["evidence"], dict) and record_id in one["evidence"]:
            said = one["evidence"][record_id]
            one["evidence"] = json.loads(said) if isinstance(said, str) else said
    return [_with_data(one) for one in found]


def _with_data(row: Record) -> Record:
    return row | {"data": json.loads(row["data"]) if row.get("data") else None}


def _rows(db: Db, sql: str, values: Any) -> list[Record]:
    names, rows = db.columns(sql, values)
    return [
        {
            name: _plain(name, value)
            for name, value in zip(names, row, strict=True)
            if name not in _HOUSE or name == "seen_at"
        }
        for row in rows
    ]


def _plain(name: str, value: Any) -> Any:
    """Return a value as JSON has it: times with their zone, money as text, objects as they are."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return [_plain("", one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(key, one) for key, one in value.items()}
    if name in _JSON and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def lines(answer: Record, _words: Sequence[str], merchant: Merchant) -> list[str]:
    """Say it for people, in the merchant's time zone."""
    said = [f"{answer['kind']} {answer['id']} of {merchant.name}"]
    if answer["held"]:
        said.append(f"  held back: {answer['held']}: {MEANINGS.get(answer['held'], '')}")
    if answer["staged"] is None:
        said.append("  the shop shows no such record")
    else:
        said += ["  at the shop:", *_values(answer["staged"])]
    base = answer["base"]
    if base is None:
        said.append("  WayMore was not told of it")
    else:
        gone = {"told", "told_key", "told_call", "told_at", "gone_at"}
        said.append(f"  as it was last told, or taken to be told ({base['told']}):")
        said += _values({key: value for key, value in base.items() if key not in gone})
    for one in answer["waiting"]:
        what = one.get("event") or f"{one['call']} {one.get('block') or ''}".strip()
        status = f", HTTP {one['http_status']}" if one.get("http_status") else ""
        said.append(f"  waits: {what}, {one['state']}, {_tries(one['tries'])}{status}")
    for one in answer["told"]:
        at = datetime.fromisoformat(one["at"]).astimezone(merchant.time_zone)
        what = one["event"] or f"{one['call']} {one['block'] or ''}".strip()
        said.append(f"  {at:%Y-%m-%d %H:%M}  {what}: {one['state']}, {_tries(one['tries'])}")
        if one["evidence"]:
            said.append(f"      by {json.dumps(one['evidence'], ensure_ascii=False)}")
    return said


def _tries(count: int) -> str:
    return "1 try" if count == 1 else f"{count} tries"


def _values(record: Record) -> list[str]:
    return [
        f"    {name:18} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in record.items()
        if value not in (None, "", [], {})
    ]
