"""Stages a site's drops: texts of its files -> columns of 4.1 -> `merging` (audience.md 4.3, 5.5, 10).

Data flow: `connectors.shop.drops` -> temporary tables of texts -> typed in SQL -> staged.shop_*.

Each drop is one transaction: which tables of it counted (raw.shop_drops) is stored with what it brought. All that can
be worked out before is worked out before, table by table, so that what it takes does not grow with the whole drop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.shop import drops
from vs_st_pipeline.connectors.shop.drops import Drop
from vs_st_pipeline.connectors.shop.names import SHOP
from vs_st_pipeline.connectors.shop.settings import ShopSettings
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import set_state
from vs_st_pipeline.routes.audience import merging
from vs_st_pipeline.routes.audience.arriving import TEXT
from vs_st_pipeline.routes.audience.drop_columns import GUIDE, PLAIN_DAY, TYPES, typed_as
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.shapes import SHAPES
from vs_st_pipeline.routes.audience.words import Noted

_Note = tuple[str, str, list[str], bool]  # as `note` takes it

OWNERS: Final = {"addresses": "customers", "options": "products", "order_lines": "orders", "cart_lines": "carts"}
_PARTS: Final = {name: f"shop_{name}" for name in OWNERS}
_EXTRAS: Final = {"customers", "addresses", "products", "orders"}
FIRST: Final = "shop_first_drop"  # the state: which tables the first complete drop named


def stage(session: AudienceSession) -> None:
    """Stage the drops that count and were not staged yet; one that is refused is told as the source's trouble.

    What is staged stands then, and later drops wait, up to the next complete one.
    """
    folder = session.run.merchant.section(ShopSettings).drop
    if folder is None:
        return
    try:
        found = drops.find(folder, session.run.merchant.time_zone)
    except BadAnswer as error:
        session.seen.failed["tables"] = error
        return
    with session.run.open() as db:
        rows = db.rows("select name, table_name, complete from raw.shop_drops")
        taken = [(str(name), str(table)) for name, table, _ in rows]
        healed = max((str(name) for name, _, complete in rows if complete), default="")
        lists = {table: drops.next_to_read(found, taken, table) for table in drops.REQUIRED}
        refused, blocked, after = set[str](), False, dict[str, list[tuple[Drop, str]]]()
        for drop in found:
            tables = [table for table in drops.REQUIRED if drop in lists[table]]
            for table in () if drop.fault else tuple(tables):
                if (owners := _later_owners(lists, drop, table)) is not None:
                    tables.remove(table)
                    after.setdefault(owners.name, []).append((drop, table))
            parts = [one for one in after.pop(drop.name, []) if one[0].name not in refused]
            if not tables or (blocked and not drop.complete):
                continue
            try:
                _stage(session, db, drop, tables)
                blocked = False
                session.seen.failed.pop("tables", None)
            except BadAnswer as error:
                refused.add(drop.name)
                if drop.name < healed:  # a complete drop came after it, whichever tables that names
                    continue
                session.seen.failed["tables"] = error
                blocked = True
                continue
            for older, table in parts:
                with suppress(BadAnswer):  # one that is refused was healed by this drop
                    _stage(session, db, older, [table], at=drop.taken_at)
        whole = (one.tables for one in found if one.complete and not one.fault and one.name not in refused)
        if not healed and (named := next((one for one in whole if one), None)):
            set_state(db, FIRST, sorted(named), session.run.now())


def _later_owners(lists: Mapping[str, Sequence[Drop]], drop: Drop, table: str) -> Drop | None:
    """Return the complete drop after this one by whose records a table of parts counts; None: it stands as it is.

    For each table the newest complete drop counts, so the lines of an older one may belong to the orders of a newer.
    """
    owners = lists[OWNERS[table]] if table in OWNERS else ()
    return owners[0] if owners and owners[0].complete and owners[0].name > drop.name else None


def _stage(session: AudienceSession, db: Db, drop: Drop, tables: list[str], *, at: datetime | None = None) -> None:
    """Stage these tables of a drop, in one transaction; `at`: when they count, if not when it was taken.

    Raises:
        BadAnswer: the drop is refused.
    """
    if drop.fault:
        raise drops.refused(drop.name, drop.fault)
    notes: list[_Note] = []
    prepared: list[merging.Prepared] = []
    rows: dict[str, int] = {}
    try:
        for table in tables:  # all of it, or nothing
            columns = drops.load(db, drop, table, f"drop_{table}")
            notes += _type(session, db, drop, table, columns)
        for kind in SHAPES:
            named = [table for table in tables if OWNERS.get(table) == kind]
            if kind in tables or named:
                parts = {_PARTS[table]: f"drop_{table}" for table in named}
                prepared.append(_prepared(session, db, drop, kind, kind in tables, parts, at or drop.taken_at))
                for table in {kind, *named}.intersection(tables):
                    rows[table] = db.value(f"select count(*) from drop_{table}")
                if drop.complete and kind in tables:  # else what is noted asks them once more
                    _remove(db, kind, *named)
        with db.transaction():
            for one in notes:
                note(db, *one)
            for merge in prepared:
                merge.write()
            for table in tables:
                db.execute(
                    "insert into raw.shop_drops values (?, ?, ?, ?, ?)",
                    [drop.name, table, drop.complete, drop.taken_at, rows[table]],
                )
        session.told.seen.update({table: count for table, count in rows.items() if table in session.told.seen})
    finally:
        for merge in prepared:
            merge.clear()
        _remove(db, *SHAPES, *OWNERS)


def _remove(db: Db, *tables: str) -> None:
    db.script("; ".join(f"drop table if exists drop_{table}" for table in tables))


def _prepared(
    session: AudienceSession, db: Db, drop: Drop, kind: str, own: bool, parts: Mapping[str, str], at: datetime
) -> merging.Prepared:
    """Work out the merge of one kind; where a drop names the parts alone, the records that stand get these."""
    shape, table = SHAPES[kind], f"drop_{kind}"
    key = shape.key[0]
    if not own:
        named = " union ".join(f"select {key} from {one}" for one in parts.values())
        only = "" if drop.complete else f" and {key} in ({named})"
        there = f"select {key} from staged.{shape.table} where gone_at is null"  # parts bring back nobody who is gone
        db.execute(f"create or replace temp table {table} as {there}{only}")
    elif parts and not drop.complete:  # the parts of an order that is named by its lines alone are replaced, too
        for one in parts.values():
            db.execute(
                f"""insert into {table} by name select e.{key}, e.* exclude ({key}) from (
                        select {", ".join(_shared(db, table, shape.table))} from staged.{shape.table}
                        where gone_at is null) as e
                    where e.{key} in (select {key} from {one}) and e.{key} not in (select {key} from {table}
                        where {key} is not null)"""
            )
    complete = drop.complete and own
    ended_at = at if complete else None
    return merging.prepare(session, db, merging.Incoming(kind, table, at, parts, complete, ended_at))


def _shared(db: Db, table: str, staged: str) -> list[str]:
    own = db.columns(f"select * from {table} limit 0")[0]
    there = set(db.columns(f"select * from staged.{staged} limit 0")[0])
    return [one for one in own if one in there]


def _type(session: AudienceSession, db: Db, drop: Drop, table: str, columns: set[str]) -> list[_Note]:
    """Replace a table of texts by one of the columns of 4.1; what cannot be read is unknown, and to be noted (10)."""
    name, zone = f"drop_{table}", str(session.run.merchant.time_zone)
    shape = SHAPES.get(table)
    key = (shape or SHAPES[OWNERS[table]]).key[0]
    own = set(shape.key + shape.columns) if shape else set(SHAPES[OWNERS[table]].parts[_PARTS[table]].all) | {key}
    own -= {"extra"}
    extras = sorted(one for one in columns if one.startswith(drops.EXTRA) and len(one) > 2 and table in _EXTRAS)
    if taken := [one for one in extras if one[2:].lower() in GUIDE[table]]:
        raise drops.refused(drop.name, f"{table} has a column {taken[0]}, whose name the guide has itself")
    notes: list[_Note] = [(Noted.EXTRA_COLUMN, table, sorted(columns - own - set(extras)), drop.complete)]
    typed = {one: typed_as(one, zone) for one in own & columns}
    chosen = [f"{value} as {one}" for one, value in typed.items()]
    bad = [f"({one} is not null and trim({one}) <> '' and ({value}) is null)" for one, value in typed.items()
           if TYPES.get(one, TEXT) not in (TEXT,)]  # fmt: skip
    if table == "subscribers":
        chosen = [one for one in chosen if not one.endswith(" as address")]
        source = (
            "coalesce(email, address)"
            if {"email", "address"} <= columns
            else next(iter(columns & {"email", "address"}))
        )
        chosen.append(f"lower(trim({source})) as address")
        if "email" not in columns:
            chosen.append("trim(address) as email")
    if extras:
        pairs = ", ".join(f"""'{one[2:].replace("'", "''")}', "{one}\"""" for one in extras)
        given = " or ".join(f'"{one}" is not null' for one in extras)
        chosen.append(f"case when {given} then json_merge_patch('{{}}', json_object({pairs}))::varchar end as extra")
    for at in ("created_at", "since", "added_at"):
        if shape and at == shape.own and at in typed:  # a plain date is its end, in the merchant's zone (6.4)
            end = f"(try_cast({at} as date) + interval 1 day)::timestamp at time zone '{zone}' at time zone 'UTC'"
            chosen.append(
                f"case when regexp_matches(trim({at}), '{PLAIN_DAY}') then {end} else {typed[at]} end as own_at"
            )
    if shape and shape.flag and shape.flag in typed:
        # A consent that cannot be read is a no, one that is not given says nothing (10).
        flag = f"case when trim({shape.flag}) <> '' then coalesce({typed[shape.flag]}, false) end"
        chosen = [one for one in chosen if not one.endswith(f" as {shape.flag}")] + [f"{flag} as {shape.flag}"]
        said = f"""json_object('system', '{SHOP}', 'field', '{table}.{shape.flag}', 'value', {flag},
                               'drop', $name, 'read_at', $at)::varchar"""
        chosen.append(f"case when {flag} is not null then {said} end as evidence")
    shown = f"lower(trim({source}))" if table == "subscribers" else key
    if bad:
        found = db.rows(f"select distinct {shown} from {name} where {shown} is not null and ({' or '.join(bad)})")
        notes.append((Noted.BAD_VALUE, table, [row[0] for row in found], drop.complete))
    sql = f"create or replace temp table {name} as select {', '.join(chosen)} from {name}"
    params = {"name": drop.name, "at": (drop.taken_at + timedelta()).isoformat() + "Z"}
    db.execute(sql, params if "$name" in sql else None)
    return notes


def note(db: Db, word: str, kind: str, ids: list[str], whole: bool) -> None:
    """Note these by a word; `whole`: and nobody else of this kind any more."""
    if whole:
        db.execute("delete from staged.shop_notes where word = ? and kind = ?", [word, kind])
    if ids:
        with db.batch({"id": ids}) as batch:
            db.execute(
                f"""insert into staged.shop_notes select ?, ?, id from {batch}
                    where id not in (select id from staged.shop_notes where word = ? and kind = ?)""",
                [word, kind, word, kind],
            )
