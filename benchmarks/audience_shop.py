"""Writes the drops of a made-up shop of any size, by SQL: as many customers as orders, each of three lines."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb

GOODS = 1_000
_TABLES = {
    "customers": """
        select i::varchar as customer_id, 'Ann' || i as first_name, 'Grower' || i as last_name,
            (date '1960-01-01' + (i % 12000)::integer) as birth_date, 'p' || i || '@example.com' as email,
            '+1707' || lpad((i % 10000000)::varchar, 7, '0') || {changed} as phone, i % 3 = 0 as opted_in,
            null::varchar as opted_at, '2025-01-01T00:00:00Z' as created_at, '2025-01-01T00:00:00Z' as updated_at
        from range(1, {n} + 1) as t (i)""",
    "addresses": """
        select i::varchar as customer_id, 0 as position, 'US' as country, 'Napa' as city,
            i || ' Sample Street' as address1, null::varchar as address2, '94558' as postcode, null::varchar as company
        from range(1, {n} + 1) as t (i)""",
    "products": """
        select 'p' || i as product_id, 'SKU' || i as sku, 'wine-' || i as slug, 'Wine ' || i as name,
            'A wine of the year.' as description, 'A wine.' as short_description, ['Red', 'Dry'] as categories,
            100 as stock, true as in_stock, (10 + i % 90)::decimal(18, 2) as price, '2025-01-01T00:00:00Z' as created_at
        from range(1, {goods} + 1) as t (i)""",
    "orders": """
        select 'o' || i as order_id, (1 + i % {n})::varchar as customer_id,
            case when {changed} = '' then 'paid' else 'sent' end as status, true as paid, 'Ground' as shipping_method,
            'Card' as payment_method, (20 + i % 300)::decimal(18, 2) as total, '2025-06-01T00:00:00Z' as created_at,
            'p' || (1 + i % {n}) || '@example.com' as email
        from range(1, {n} + 1) as t (i)""",
    "order_lines": """
        select 'o' || i as order_id, j as position, 'p' || (1 + (i * 7 + j) % {goods}) as product_id, 1 as quantity
        from range(1, {n} + 1) as t (i), range(3) as l (j)""",
}


def write_drop(home: Path, name: str, number: int, changed: int = 0) -> Path:
    """Write a complete drop.

    Args:
        number: of customers, and of orders.
        changed: so many of the customers have another phone, and so many of the orders another status.
    """
    folder = home / name
    folder.mkdir(parents=True)
    news = f"case when i <= {changed} then '9' else '' end"
    rows = {}
    with duckdb.connect() as db:
        for table, query in _TABLES.items():
            filled = query.format(n=number, goods=GOODS, changed=news)
            db.execute(f"copy ({filled}) to '{folder / (table + '.parquet')}' (format parquet)")
            rows[table] = {
                "rows": db.execute(f"select count(*) from '{folder / (table + '.parquet')}'").fetchall()[0][0]
            }
    ready = {"taken_at": datetime.now(UTC).isoformat(), "complete": True, "tables": rows}
    draft = folder / "_READY.draft"
    draft.write_text(json.dumps(ready), encoding="utf-8")
    os.replace(draft, folder / "_READY.json")
    return folder
