"""Walks the lists that show a whole shop, page by page and over several syncs (audience.md 4.2, 10; routes.md R54).

Data flow: a cursor -> a page -> raw.commerce7_walked, with the next cursor -> ... -> the end -> raw.commerce7_people,
commerce7_addresses, commerce7_goods, commerce7_carts.

It is long because a walk, what it believes, and what a walk that was broken off leaves are one story.

A page and the cursor after it are stored together, so a sync that dies goes on where it was. What a walk showed counts
only when it has come to its end: until then the last one stands. A list whose records move while it is walked shows one
twice and another one not at all, so a walk that shows either is made once more before anybody is gone; where that one
too shows a record twice, nobody is. Where a list knows no cursor, its pages are asked for by number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7.client import START, Commerce7Client, bad_answer
from vs_st_pipeline.connectors.commerce7.shop_lists import ShopList
from vs_st_pipeline.connectors.commerce7.walking import next_of
from vs_st_pipeline.domain.errors import BadAnswer, Refused
from vs_st_pipeline.domain.records import MANY, ONE_IN, id_text, is_error
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.kept_records import AT_ONCE, Came, land, next_change, sha_of, text_of
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db

WALKED: Final = "raw.commerce7_walked"
GOES_ON_FOR: Final = timedelta(days=1)
"""A walk that was broken off longer ago than this begins again: its cursor may lead anywhere."""
_ROUNDS: Final = 2
_MOST_PAGES: Final = 100_000
_FEW: Final = 5
_BAD_CURSOR: Final = (400, 404, 410, 422)
_FORMER_ROUND: Final = -1
"""The place of rows that an earlier round of a walk has shown."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How far the walk over one list has come; times are UTC without zone.

    Attributes:
        began_at, cursor, pages, rounds, blind: of the one that is under way.
        done_began_at, done_at, done_rows: of the last one that came to its end; None: none ever did.
        newest: of orders, the newest `updatedAt` seen. unreadable: the list is not there, or of another form.
    """

    began_at: datetime | None = None
    cursor: str | None = None
    pages: int = 0
    rounds: int = 0
    blind: bool = False
    done_began_at: datetime | None = None
    done_at: datetime | None = None
    done_rows: int | None = None
    newest: datetime | None = None
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Walked:
    """What one sync made of one list.

    Attributes:
        rows: distinct records that it showed. ended: it came to its end. complete: and who is not in it is not there.
        began_at: when it began. changed: records that are another now, came, or went.
    """

    rows: int
    ended: bool
    complete: bool
    began_at: datetime
    changed: int = 0


def walk_of(db: Db, name: str) -> Walk:
    """Return how far the walk over a list has come."""
    row = db.row(
        """select began_at, cursor, pages, rounds, blind, done_began_at, done_at, done_rows, newest, unreadable
           from raw.commerce7_walks where kind = ?""",
        [name],
    )
    return Walk(*row) if row else Walk()


def store_walk(db: Db, name: str, walk: Walk) -> None:
    """Store how far it has come, inside the caller's transaction."""
    db.execute(
        """insert or replace into raw.commerce7_walks (kind, began_at, cursor, pages, rounds, blind, done_began_at,
               done_at, done_rows, newest, unreadable) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            *(name, walk.began_at, walk.cursor, walk.pages, walk.rounds, walk.blind),
            *(walk.done_began_at, walk.done_at, walk.done_rows, walk.newest, walk.unreadable),
        ],
    )


def walk_list(run: Run, client: Commerce7Client, one: ShopList, may_go_on: Callable[[], bool]) -> Walked:
    """Walk a list to its end, or as far as this sync may; it goes on where an earlier sync has left it.

    Args:
        may_go_on: asked after each page; False: the next sync goes on.

    Raises:
        BadAnswer: the list cannot be believed; what was known stands. PipelineError: as the client does.
    """
    with run.open() as db:
        walk = walk_of(db, one.name)
    now = run.now()
    goes_on = (
        walk.cursor is not None
        and walk.began_at is not None
        and not run.full
        and timedelta(0) <= now - walk.began_at < GOES_ON_FOR
    )
    if goes_on:
        try:
            return _go_on(run, client, one, walk, may_go_on)
        except (Refused, BadAnswer) as error:
            if isinstance(error, Refused) and error.http_status not in _BAD_CURSOR:
                raise
            with run.open() as db:
                walk = walk_of(db, one.name)
    return _go_on(run, client, one, _begun(run, one, walk, now), may_go_on)


def _begun(run: Run, one: ShopList, walk: Walk, now: datetime) -> Walk:
    fresh = Walk(now, START, 0, 1, False, walk.done_began_at, walk.done_at, walk.done_rows, None, walk.unreadable)
    with run.open() as db, db.transaction():
        db.execute(f"delete from {WALKED} where kind = ?", [one.name])
        store_walk(db, one.name, fresh)
    return fresh


def _go_on(run: Run, client: Commerce7Client, one: ShopList, walk: Walk, may_go_on: Callable[[], bool]) -> Walked:
    last: list[Any] | None = None
    met = {walk.cursor}
    assert walk.began_at is not None
    for _ in range(_MOST_PAGES):
        cursor = walk.cursor
        assert cursor is not None
        answer = one.ask(client, cursor)
        rows = _rows_of(one, answer)
        if rows and rows == last:
            raise bad_answer("a page is equal to the one before it, so the cursor has no effect", one.call)
        following = next_of(answer, cursor, len(rows), one.call)
        if not rows and (last == [] or following in met):
            following = None  # some lists end with an empty page that has a cursor, a new one or its own again
        if following in met:
            raise bad_answer("a cursor came twice, so the list goes in circles", one.call)
        walk = _stored(run, one, walk, rows, following)
        met.add(following)
        last = rows
        if following is None:
            done = _end(run, one, walk)
            if done is not None:
                return done
            with run.open() as db:
                walk = walk_of(db, one.name)
            met, last = {walk.cursor}, None
        if not may_go_on():
            with run.open() as db:
                shown = _shown(db, one)
            run.request_log.append(RequestLogEntry(one.name, "the list is walked", shown, "it goes on next time"))
            assert walk.began_at is not None
            return Walked(shown, False, False, walk.began_at)
    raise bad_answer("the list has no end", one.call)


def _rows_of(one: ShopList, answer: Mapping[str, Any]) -> list[Any]:
    rows = next((answer[key] for key in one.key.split("|") if key in answer), None)
    if not isinstance(rows, list):
        raise bad_answer("the answer holds no list of records", one.call)
    return rows


def _stored(run: Run, one: ShopList, walk: Walk, rows: Sequence[Any], following: str | None) -> Walk:
    """Store a page together with the cursor after it."""
    usable: list[tuple[str, str | None, str | None, str, str | None]] = []
    blind = walk.blind
    for row in rows:
        own = id_text(row.get("id")) if isinstance(row, Mapping) and not is_error(row) else None
        if own is None:
            blind = True
            continue
        if not one.is_one(row):
            usable.append((own, None, None, "", None))  # it is there, and nothing is known of it
            continue
        text = text_of(one.kept, row)
        owner = id_text(row.get(one.owner)) if one.owner is not None else None
        version = row.get("updatedAt")
        usable.append((own, owner, text, sha_of(text), version if isinstance(version, str) else None))
    moved = Walk(
        *(walk.began_at, following, walk.pages + 1, walk.rounds, blind),
        *(walk.done_began_at, walk.done_at, walk.done_rows, walk.newest, walk.unreadable),
    )
    names = ("id", "shop_customer_id", "body", "sha", "version")
    columns: dict[str, list[Any]] = {name: [row[place] for row in usable] for place, name in enumerate(names)}
    first = walk.pages * 1000
    columns["place"] = list(range(first, first + len(usable)))
    with run.open() as db, db.transaction():
        with db.batch(columns, {"place": "int"}) as batch:
            db.execute(f"insert into {WALKED} by name select ? as kind, * from {batch}", [one.name])
        store_walk(db, one.name, moved)
    failpoint("commerce7 page")
    return moved


def _end(run: Run, one: ShopList, walk: Walk) -> Walked | None:
    """Believe a walk that has come to its end, or have it made once more (None).

    Raises:
        BadAnswer: too many of its rows are none (R40).
    """
    with run.open() as db:
        rows, good, distinct = db.rows(
            f"select count(*), count(body), count(distinct id) from {WALKED} where kind = ?", [one.name]
        )[0]
        bad = rows - good
        if (bad >= _FEW and not good) or (rows >= MANY and bad * ONE_IN > rows) or (walk.blind and not rows):
            _give_up(db, one, walk)
            raise bad_answer("too many of the listed records cannot be read", one.call)
        missing = db.value(
            f"""select count(*) from {one.table} where id not in (select id from {WALKED} where kind = ?)""",
            [one.name],
        )
        if walk.rounds < _ROUNDS and (missing or rows > distinct):
            again = Walk(
                *(walk.began_at, START, walk.pages, walk.rounds + 1, walk.blind),
                *(walk.done_began_at, walk.done_at, walk.done_rows, walk.newest, walk.unreadable),
            )
            with db.transaction():
                db.execute(f"update {WALKED} set place = ? where kind = ?", [_FORMER_ROUND, one.name])
                store_walk(db, one.name, again)
            return None
        assert walk.began_at is not None
        twice = db.value(
            f"select count(*) - count(distinct id) from {WALKED} where kind = ? and place > ?",
            [one.name, _FORMER_ROUND],
        )
        complete = not walk.blind and not twice
        with db.transaction():
            changed = _settle(run, db, one, gone=complete)
            db.execute(f"delete from {WALKED} where kind = ?", [one.name])
            done = Walk(None, None, 0, 0, False, walk.began_at, run.now(), distinct, None, False)
            store_walk(db, one.name, done)
    run.request_log.append(RequestLogEntry(one.name, "the list is walked", distinct, f"{walk.pages} pages"))
    return Walked(distinct, True, complete, walk.began_at, changed)


def _give_up(db: Db, one: ShopList, walk: Walk) -> None:
    with db.transaction():
        db.execute(f"delete from {WALKED} where kind = ?", [one.name])
        ended = (walk.done_began_at, walk.done_at, walk.done_rows, walk.newest, walk.unreadable)
        store_walk(db, one.name, Walk(None, None, 0, 0, False, *ended))


def _shown(db: Db, one: ShopList) -> int:
    return int(db.value(f"select count(distinct id) from {WALKED} where kind = ?", [one.name]))


def note_unreadable(run: Run, name: str, *, unreadable: bool) -> None:
    """Note whether a list is not there, or of another form; what is known of its records stands."""
    with run.open() as db:
        walk = walk_of(db, name)
        if walk.unreadable != unreadable:
            with db.transaction():
                db.execute(f"delete from {WALKED} where kind = ?", [name])
                ended = (walk.done_began_at, walk.done_at, walk.done_rows, walk.newest, unreadable)
                store_walk(db, name, Walk(None, None, 0, 0, False, *ended))


# --- what a walk changes --------------------------------------------------------------------------------------------


def _settle(run: Run, db: Db, one: ShopList, *, gone: bool) -> int:
    """Bring the records in step with what a whole walk showed, inside the caller's transaction."""
    number, changed = next_change(db, one.kept), 0
    if gone:
        changed += len(
            db.rows(
                f"""delete from {one.table} where id not in (select id from {WALKED} where kind = ?) returning 1""",
                [one.name],
            )
        )
    db.execute(
        f"""create or replace temp table commerce7_news as
            select id, body, shop_customer_id, row_number() over () as n from (
                select *, row_number() over (
                    partition by id order by body is null, version desc nulls last, place desc) as rank
                from {WALKED} where kind = $kind) as w
            where rank = 1 and body is not null and not exists (
                select 1 from {one.table} as r where r.id = w.id and r.sha = w.sha and r.kept is null)""",
        {"kind": one.name},
    )
    count = int(db.value("select count(*) from commerce7_news"))
    for first in range(0, count, AT_ONCE):
        rows = db.rows(
            "select id, body, shop_customer_id from commerce7_news where n > ? and n <= ? order by n",
            [first, first + AT_ONCE],
        )
        changed += land(run, db, one.kept, [Came(*row) for row in rows], number)
    db.execute("drop table commerce7_news")
    return changed
