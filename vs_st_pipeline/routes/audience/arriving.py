"""Gives what a source said as temporary tables of the columns of 4.1, for `merging` (audience.md 4.1, 10).

Data flow: id and JSON of each record, values as texts -> temporary tables, typed in SQL: no float, and flat memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.words import Noted

TEXT, DAY, TIME, FLAG = "varchar", "date", "timestamp", "boolean"
MONEY, NUMBER, PLACE, WORDS = "decimal(18, 2)", "double", "integer", "varchar[]"

_STOCK: Final = {"stock": NUMBER, "in_stock": FLAG, "price": MONEY, "discount_price": MONEY}
PERSON: Final = {
    **dict.fromkeys(("first_name", "last_name"), TEXT),
    "birth_date": DAY,
    **dict.fromkeys(("email", "phone"), TEXT),
    "opted_in": FLAG,
    "evidence": TEXT,
    "created_at": TIME,
    "updated_at": TIME,
}
ADDRESS: Final = dict.fromkeys(("country", "city", "address1", "address2", "postcode", "company", "extra"), TEXT)
PRODUCT: Final = {
    **dict.fromkeys(("sku", "slug", "name", "description", "short_description"), TEXT),
    "categories": WORDS,
    **_STOCK,
    **dict.fromkeys(("image_link", "product_link"), TEXT),
    "updated_at": TIME,
}
OPTION: Final = {"option_id": TEXT, "position": PLACE, **_STOCK, "attributes": TEXT}
CART: Final = {"customer_id": TEXT, "updated_at": TIME}
CART_LINE: Final = {"product_id": TEXT, "option_id": TEXT, "quantity": NUMBER}
ORDER: Final = {
    **dict.fromkeys(("customer_id", "status"), TEXT),
    "paid": FLAG,
    **dict.fromkeys(("shipping_method", "payment_method"), TEXT),
    "total": MONEY,
    "created_at": TIME,
    "updated_at": TIME,
    **dict.fromkeys(("email", "first_name", "last_name"), TEXT),
    "birth_date": DAY,
    **dict.fromkeys(("company", "address1", "address2", "postcode", "phone", "city", "country", "extra"), TEXT),
}
ORDER_LINE: Final = {"position": PLACE, **CART_LINE}


def typed(columns: Mapping[str, str], value: str = "m") -> str:
    """Return the select list of these columns of a struct of texts; one that is none of its type is unknown."""
    return ", ".join(
        f"{value}.{name} as {name}" if kind in (TEXT, WORDS) else f"try_cast({value}.{name} as {kind}) as {name}"
        for name, kind in columns.items()
    )


def struct(columns: Mapping[str, str], parts: Mapping[str, Mapping[str, str]] | None = None) -> str:
    """Return the shape by which `json_transform` reads a record: texts, lists of texts, and lists of parts."""
    own = [f'"{name}": {_LIST if kind == WORDS else _WORD}' for name, kind in columns.items()]
    own += [f'"{name}": [{struct(inside)}]' for name, inside in (parts or {}).items()]
    return "{" + ", ".join(own) + "}"


_WORD, _LIST = '"VARCHAR"', '["VARCHAR"]'


def rows_of(
    db: Db, table: str, key: str, source: str, columns: Mapping[str, str], parts: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Make a temporary table of records, and one of each kind of their parts; returns these by their word.

    Args:
        table: the name of the records' table. key: of their id. source: a select of `id` and `mapped`.
        parts: columns of each kind of part, by the key under which a record holds it.
    """
    spec = struct(columns, parts)
    db.execute(
        f"create or replace temp table {table}_read as select id, json_transform(mapped, '{spec}') as m from ({source})"
    )
    db.execute(f"create or replace temp table {table} as select id as {key}, {typed(columns)} from {table}_read")
    found: dict[str, str] = {}
    for word, inside in parts.items():
        found[word] = f"{table}_{word}"
        db.execute(
            f"""create or replace temp table {found[word]} as select id as {key}, {typed(inside, "p")}
                from (select id, unnest(m.{word}) as p from {table}_read)"""
        )
    db.execute(f"drop table {table}_read")
    return found


def note_bad_values(db: Db, kind: str, source: str) -> None:
    """Note, inside the caller's transaction, records with a value that is given and cannot be read, as they stand (10).

    Args:
        source: a select of `id` and `mapped`, whose list `bad` names such columns.
    """
    db.execute(
        f"delete from staged.shop_notes where word = ? and kind = ? and id in (select id from ({source}))",
        [Noted.BAD_VALUE, kind],
    )
    db.execute(
        f"""insert into staged.shop_notes select ?, ?, id from ({source})
            where json_array_length(json_extract(mapped, '$.bad')) > 0""",
        [Noted.BAD_VALUE, kind],
    )


def note(db: Db, word: str, kind: str, ids: Sequence[str]) -> None:
    """Have exactly these records noted by a word, inside the caller's transaction."""
    known = {row[0] for row in db.rows("select id from staged.shop_notes where word = ? and kind = ?", [word, kind])}
    if known == set(ids):
        return
    db.execute("delete from staged.shop_notes where word = ? and kind = ?", [word, kind])
    with db.batch({"id": sorted(set(ids))}) as batch:
        db.execute(f"insert into staged.shop_notes select ?, ?, id from {batch}", [word, kind])
