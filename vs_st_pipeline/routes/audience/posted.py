"""Applies what a site posted, by `at`, then arrival: onto the records that stand, through `merging` (audience.md 4.4).

Data flow: raw.shop_posts -> records that they name, read in one look -> changed in order -> merging, shop_passed_on.

Which posts are settled is stored with what they brought, in one transaction. One that changes a record that is not
known waits for it for `late_after`.

It is long because each event is a rule of its own, and all share what was looked up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.domain.hints import CUSTOMER, ORDER
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import merging, post_data
from vs_st_pipeline.routes.audience.post_data import Reader, Record, id_of
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.shapes import SHAPES
from vs_st_pipeline.routes.audience.words import Event, Kind, Noted

WAITING, APPLIED, OLDER, UNUSABLE, ORPHAN = "waiting", "applied", "older", "unusable", "orphan"
HINT, UNSIGNED = "hint", "unsigned"
EVERYWHERE: Final = frozenset(
    {Event.CART_UPDATE, Event.WISHLIST_ADD, Event.WISHLIST_DELETE, Event.SEARCH, Event.NEWSLETTER}
)
"""What counts as content beside a source that shows the rest itself."""

_AT_ONCE: Final = 5_000
_BYTES_AT_ONCE: Final = 33_554_432  # of their data: one post may be as long as a call, 1 MiB
_KINDS: Final = {"Customer": "customers", "Product": "products", "Order": "orders", "Wishlist": "wishlists"}
_HINTED: Final = {"customers": CUSTOMER, "orders": ORDER, "products": str(Kind.PRODUCT)}
_PART_OF: Final = {"customers": "shop_addresses", "products": "shop_options", "orders": "shop_order_lines",
                   "carts": "shop_cart_lines"}  # fmt: skip
_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Post:
    """One post that waits."""

    number: int
    event: str
    at: datetime
    signed: bool
    data: Mapping[str, Any]


@dataclass(slots=True)
class _Batch:
    """What the posts of one look found, and what they leave."""

    posts: list[Post]
    records: dict[tuple[str, _Key], Record] = field(default_factory=dict)
    since: dict[tuple[str, _Key], datetime] = field(default_factory=dict)  # what is older than this counts no more
    touched: dict[tuple[str, _Key], datetime] = field(default_factory=dict)
    states: dict[int, str] = field(default_factory=dict)
    passed: list[tuple[str, str, str, dict[str, Any], datetime]] = field(default_factory=list)
    by_post: dict[tuple[str, _Key], bool] = field(default_factory=dict)  # what stands was written by a post
    letters: list[tuple[Post, str, bool]] = field(default_factory=list)  # post, e-mail, subscription
    bad: set[tuple[str, str]] = field(default_factory=set)


Named = tuple[int, str, str]
"""A record that a post hints at: the post's number, the kind of the record (as hints name it), its id."""


def apply(
    session: AudienceSession, *, all_events: bool, hint: Callable[[Sequence[Named]], None] = lambda _named: None
) -> int:
    """Apply the posts that wait; returns how many were settled.

    Args:
        all_events: there is no other way to read this source; else only those of `EVERYWHERE` are content.
        hint: told of what the others name, once they are settled.
    """
    run, settled, after = session.run, 0, (datetime.min, -1)
    while True:
        with run.open() as db:
            posts, after = _next(db, after)
            if not posts:
                break
            batch = _Batch(posts)
            _look_up(db, batch)
            for post in posts:
                state = _state_of(session, batch, post, all_events=all_events)
                if state == WAITING and run.now() - post.at > session.settings.late_after:
                    state = ORPHAN
                batch.states[post.number] = state
            with db.transaction():
                _store(session, db, batch)
                failpoint("posts_applied")
        if named := [one for post in posts if batch.states[post.number] == HINT and (one := _named(post)) is not None]:
            hint(named)
        settled += sum(1 for state in batch.states.values() if state != WAITING)
    return settled


def _next(db: Db, after: tuple[datetime, int]) -> tuple[list[Post], tuple[datetime, int]]:
    rows = db.rows(
        f"""select number, event, at_, signed, data from (
                select *, sum(strlen(data)) over (order by at_, number) - strlen(data) as before from (
                    select number, event, at_, signed, data from raw.shop_posts
                    where state = '{WAITING}' and (at_ > $at or (at_ = $at and number > $number))
                    order by at_, number limit {_AT_ONCE}))
            where before < {_BYTES_AT_ONCE} order by at_, number""",
        {"at": max(after[0], datetime(1, 1, 2)), "number": after[1]},
    )
    posts = [Post(row[0], row[1], row[2], row[3], post_data.read(row[4])) for row in rows]
    return posts, (posts[-1].at, posts[-1].number) if posts else after


# --- what is known ----------------------------------------------------------------------------------------------------


def _key_of(post: Post) -> tuple[str, _Key] | None:
    """Return the kind and the key of the record that a post is about; None: none, or it names none."""
    data = post.data
    customer = id_of(data.get("customer_id"))
    if post.event == Event.CART_UPDATE:
        return "carts", (f"post {customer or '0'}",)
    if post.event in (Event.WISHLIST_ADD, Event.WISHLIST_DELETE):
        product = id_of(data.get("product_id"))
        return ("wishlists", (customer, product)) if customer and product else None
    if post.event in (Event.NEWSLETTER, Event.SEARCH):
        return None
    kind = next(kind for word, kind in _KINDS.items() if post.event.startswith(word))
    inner = {"customers": "customer", "orders": "order_details"}.get(kind, "")
    said = data.get(inner) if isinstance(data.get(inner), dict) else data
    assert isinstance(said, Mapping)
    name = SHAPES[kind].key[0]
    own = id_of(data.get(name)) or id_of(said.get(name)) or (id_of(said.get("id")) if kind == "customers" else None)
    return (kind, (own,)) if own else None


def _named(post: Post) -> Named | None:
    """Return the record that is to be read because of a post; None: it names none."""
    if post.event == Event.NEWSLETTER:
        customer = id_of(post.data.get("customer_id"))
        return (post.number, CUSTOMER, customer) if customer else None
    found = _key_of(post)
    return (post.number, _HINTED[found[0]], found[1][0]) if found is not None and found[0] in _HINTED else None


def _look_up(db: Db, batch: _Batch) -> None:
    keys = dict[str, set[_Key]]()
    for post in batch.posts:
        found = _key_of(post)
        if found is not None:
            keys.setdefault(found[0], set()).add(found[1])
    for kind, wanted in keys.items():
        shape = SHAPES[kind]
        listed = sorted(wanted)
        names = ", ".join(shape.key)
        last = db.value("select max(written_at) from staged.shop_reads where kind = ?", [kind])
        with db.batch({name: [one[place] for one in listed] for place, name in enumerate(shape.key)}) as table:
            columns = [*shape.key, *shape.columns, "own_at", "written_at", "posted_at", "gone_at"]
            for row in db.rows(
                f"select {', '.join(columns)} from staged.shop_{kind} semi join {table} using ({names})"
            ):
                found_row = dict(zip(columns, row, strict=True))
                key = (kind, tuple(found_row[name] for name in shape.key))
                written, posted = found_row.pop("written_at"), found_row.pop("posted_at")
                batch.since[key] = max(written, last) if last is not None else written
                batch.by_post[key] = posted == batch.since[key]
                batch.records[key] = Record(found_row, [] if kind in _PART_OF else None)
            if kind not in _PART_OF:
                continue
            part = shape.parts[_PART_OF[kind]]
            for row in db.rows(
                f"select {names}, {', '.join(part.all)} from staged.{_PART_OF[kind]} semi join {table} using ({names})"
            ):
                known = batch.records.get((kind, (row[0],)))
                if known is not None and known.parts is not None:
                    known.parts.append(dict(zip(part.all, row[1:], strict=True)))


# --- event by event ---------------------------------------------------------------------------------------------------


def _state_of(session: AudienceSession, batch: _Batch, post: Post, *, all_events: bool) -> str:
    """Apply one post to what is looked up; returns what became of it."""
    if not all_events and post.event not in EVERYWHERE:
        return HINT
    reader = Reader(session.settings.dates, session.run.merchant.time_zone)
    if post.event == Event.SEARCH:
        return _search(batch, post)
    if post.event == Event.NEWSLETTER:
        return _newsletter(batch, post, all_events=all_events)
    found = _key_of(post)
    if found is None:
        return UNUSABLE
    known = batch.records.get(found)
    if known is not None and post.at < (since := batch.since.get(found, datetime.min)):
        return _paid_before(batch, post, found, since)
    if known is None:
        if post.event not in (
            Event.CUSTOMER_ADD,
            Event.PRODUCT_ADD,
            Event.ORDER_ADD,
            Event.WISHLIST_ADD,
            Event.CART_UPDATE,
        ):
            return WAITING
        shape = SHAPES[found[0]]
        row = dict.fromkeys(shape.columns) | dict(zip(shape.key, found[1], strict=True)) | {"own_at": None}
        known = Record(row, [] if found[0] in _PART_OF else None)
    state = _RULES[post.event](batch, post, known, reader)
    if reader.bad:
        batch.bad.add((SHAPES[found[0]].kind, found[1][0]))
    if state == APPLIED:
        if found[0] == "orders" and None in (known.row["status"], known.row["total"]):
            return UNUSABLE
        batch.records[found] = known
        batch.touched[found] = post.at
        batch.since[found] = post.at
        batch.by_post[found] = True
    return state


def _paid_before(batch: _Batch, post: Post, found: tuple[str, _Key], since: datetime) -> str:
    """Take a payment that is told to be older than its order, where only posts tell of that order.

    A site may send its payment before its order, or by a clock that is a little behind. No later post says again that
    it is paid; a drop would, and a newer one wins.
    """
    if post.event != Event.ORDER_PAYMENT_CONFIRMED or not batch.by_post.get(found):
        return OLDER
    batch.records[found].row["paid"] = True
    batch.touched[found] = since
    return APPLIED


def _customer(batch: _Batch, post: Post, known: Record, reader: Reader) -> str:
    post_data.customer(reader, post.data, known)
    return APPLIED


def _product(batch: _Batch, post: Post, known: Record, reader: Reader) -> str:
    post_data.product(reader, post.data, known)
    return APPLIED


def _order(batch: _Batch, post: Post, known: Record, reader: Reader) -> str:
    before = known.row.get("status")
    post_data.order(reader, post.data, known, post.at)
    if before is not None and known.row["status"] != before:
        _pass_status(batch, post, known, before)
    return APPLIED


def _status(batch: _Batch, post: Post, known: Record, reader: Reader) -> str:
    said = reader.text(post.data.get("order_status"))
    if said is None:
        return UNUSABLE
    before = known.row["status"]
    if said != before:
        known.row["status"] = said
        _pass_status(batch, post, known, before)
    return APPLIED


def _pass_status(batch: _Batch, post: Post, known: Record, before: str) -> None:
    value = {"status": known.row["status"], "before": before}
    batch.passed.append((Event.ORDER_STATUS_UPDATE, Kind.ORDER, known.row["order_id"], value, post.at))


def _paid(batch: _Batch, post: Post, known: Record, reader: Reader) -> str:
    known.row["paid"] = True
    return APPLIED


def _stock(batch: _Batch, post: Post, known: Record, reader: Reader) -> str:
    """Take a stock; one without number is passed on as such an event, and the column stays (rulings, audience 4)."""
    option = id_of(post.data.get("option_id"))
    row = known.row
    if option is not None:
        found = [one for one in known.parts or () if one["option_id"] == option]
        if not found:
            return WAITING
        row = found[0]
    number = reader.number(post.data.get("stock_quantity"))
    if number is None:
        value = {"option_id": option}
        batch.passed.append((Event.PRODUCT_STOCK_UPDATE, Kind.PRODUCT, known.row["product_id"], value, post.at))
    else:
        row["stock"] = number
        if row.get("in_stock") is not None:
            row["in_stock"] = number > 0
    return APPLIED


def _out_of_stock(batch: _Batch, post: Post, known: Record, reader: Reader) -> str:
    for row in (known.row, *(known.parts or ())):
        if row.get("stock") is None:  # an option that a post has just brought has no such key
            row["in_stock"] = False
        else:
            row["stock"] = 0.0
            row["in_stock"] = None if row.get("in_stock") is None else False
    return APPLIED


def _wish(batch: _Batch, post: Post, known: Record, reader: Reader) -> str:
    known.row["gone_at"] = post.at if post.event == Event.WISHLIST_DELETE else None
    return APPLIED


def _cart(batch: _Batch, post: Post, known: Record, reader: Reader) -> str:
    listed = post.data.get("cart_products")
    known.row |= {"customer_id": id_of(post.data.get("customer_id")), "updated_at": post.at}
    if "cart_url" in post.data:
        known.row["cart_url"] = reader.text(post.data["cart_url"])
    if isinstance(listed, list):
        known.parts = post_data.lines(reader, listed)
    return APPLIED


_Rule = Callable[[_Batch, Post, Record, Reader], str]
_RULES: Final[Mapping[str, _Rule]] = {
    Event.CUSTOMER_ADD: _customer,
    Event.CUSTOMER_UPDATE: _customer,
    Event.PRODUCT_ADD: _product,
    Event.PRODUCT_UPDATE: _product,
    Event.PRODUCT_STOCK_UPDATE: _stock,
    Event.PRODUCT_OUT_OF_STOCK: _out_of_stock,
    Event.ORDER_ADD: _order,
    Event.ORDER_STATUS_UPDATE: _status,
    Event.ORDER_PAYMENT_CONFIRMED: _paid,
    Event.WISHLIST_ADD: _wish,
    Event.WISHLIST_DELETE: _wish,
    Event.CART_UPDATE: _cart,
}


def _search(batch: _Batch, post: Post) -> str:
    text = post.data.get("search_string")
    if not isinstance(text, str) or not text.strip():
        return UNUSABLE
    value = {"customer_id": id_of(post.data.get("customer_id")), "search_string": text}
    batch.passed.append((Event.SEARCH, Kind.SEARCH, str(post.number), value, post.at))
    return APPLIED


def _newsletter(batch: _Batch, post: Post, *, all_events: bool) -> str:
    """Take a Newsletter: false always counts, true only where it is signed."""
    email, said = post.data.get("email"), post.data.get("subscription")
    wants = isinstance(said, str | int) and str(said).strip().lower() in ("true", "1")
    if not isinstance(email, str) or "@" not in email or said is None:
        return UNUSABLE  # an unknown consent says nothing; one that cannot be read says no (rulings, audience 3)
    if wants and not all_events:
        return HINT
    if wants and not post.signed:
        batch.letters.append((post, email, True))
        return UNSIGNED
    batch.letters.append((post, email, wants))
    return APPLIED


# --- storing ----------------------------------------------------------------------------------------------------------


def _store(session: AudienceSession, db: Db, batch: _Batch) -> None:
    for kind in SHAPES:
        keys = [key for key in batch.touched if key[0] == kind]
        if keys:
            _merge(session, db, kind, [(batch.records[key], batch.touched[key]) for key in keys])
    _pass_on(db, batch)
    _store_letters(db, batch)
    _note(db, batch)
    now = session.run.now()
    with db.batch({"number": list(batch.states), "state": list(batch.states.values())}, {"number": "int"}) as states:
        db.execute(
            f"""update raw.shop_posts as p set state = s.state,
                    data = case when s.state = '{WAITING}' then p.data end,
                    settled_at = case when s.state <> '{WAITING}' then $now::timestamp end
                from {states} as s where p.number = s.number and s.state <> p.state""",
            {"now": now},
        )


def _merge(session: AudienceSession, db: Db, kind: str, found: list[tuple[Record, datetime]]) -> None:
    shape = SHAPES[kind]
    table, part_table = f"post_{kind}", f"post_{kind}_parts"
    columns = [*shape.key, *shape.columns, "own_at", "at"]
    rows = [{**record.row, "at": at} for record, at in found]
    _table(db, table, f"staged.{shape.table}", columns, rows)
    parts = {}
    if kind in _PART_OF:
        names = [shape.key[0], *shape.parts[_PART_OF[kind]].all]
        own = [{**part, shape.key[0]: record.row[shape.key[0]]} for record, _ in found for part in record.parts or ()]
        _table(db, part_table, f"staged.{_PART_OF[kind]}", names, own)
        parts = {_PART_OF[kind]: part_table}
    newest = max(at for _, at in found)
    merging.merge(session, db, merging.Incoming(kind, table, newest, parts, posted=True))
    if kind == "wishlists":  # the only records that a post takes away
        gone = [record.row for record, _ in found if record.row.get("gone_at")]
        if gone:
            with db.batch({name: [row[name] for row in gone] for name in shape.key}) as batch:
                db.execute(
                    f"""update staged.shop_wishlists as w set gone_at = written_at, seen_at = written_at
                        from {batch} as b where w.customer_id = b.customer_id and w.product_id = b.product_id"""
                )
                db.execute("update staged.shop_generation set generation = generation + 1")
    db.script(f"drop table {table}; drop table if exists {part_table}")


def _table(db: Db, name: str, like: str, columns: list[str], rows: list[dict[str, Any]]) -> None:
    """Make a temporary table of some columns of a staged one, from rows of Python values."""
    kinds = {row[0]: row[1] for row in db.rows(f"describe {like}")} | {"at": "TIMESTAMP"}
    values = {one: [_text(row.get(one)) for row in rows] for one in columns}
    with db.batch(values) as batch:
        typed = ", ".join(
            f"""json_transform("{one}", '["VARCHAR"]')::varchar[] as "{one}\""""
            if kinds[one] == "VARCHAR[]"
            else f'"{one}"::{kinds[one]} as "{one}"'
            for one in columns
        )
        db.execute(f"create or replace temp table {name} as select {typed} from {batch}")


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return json.dumps(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _pass_on(db: Db, batch: _Batch) -> None:
    if not batch.passed:
        return
    last = int(db.value("select coalesce(max(number), 0) from staged.shop_passed_on"))
    columns: dict[str, list[Any]] = {
        "number": [last + one for one in range(1, len(batch.passed) + 1)],
        "event": [str(one[0]) for one in batch.passed],
        "kind": [str(one[1]) for one in batch.passed],
        "id": [one[2] for one in batch.passed],
        "value": [json.dumps(one[3]) for one in batch.passed],
        "seen": [one[4].isoformat() for one in batch.passed],
    }
    with db.batch(columns, {"number": "int"}) as rows:
        db.execute(
            f"""insert into staged.shop_passed_on
                select number, event, kind, id, value, seen::timestamp from {rows} order by number"""
        )
    db.execute("update staged.shop_generation set generation = generation + 1")


def _store_letters(db: Db, batch: _Batch) -> None:
    """Store what the newest Newsletter post of each address says, beside what its record says."""
    newest: dict[str, tuple[Post, str, bool]] = {}
    for letter in batch.letters:
        if batch.states[letter[0].number] == APPLIED:
            newest[letter[1].strip().lower()] = letter
    if not newest:
        return
    lacked = db.value("select max(ended_at) from staged.shop_reads where kind = 'subscribers'")
    for address, (post, email, wants) in newest.items():
        evidence = {"system": "shop", "field": "Newsletter", "value": wants, "read_at": f"{post.at.isoformat()}Z",
                    "post": post.number, "signed": post.signed}  # fmt: skip
        params = {"address": address, "wants": wants, "at": post.at, "signed": post.signed,
                  "evidence": json.dumps(evidence)}  # fmt: skip
        if db.value("select count(*) from staged.shop_subscribers where address = ?", [address]):
            db.execute(
                """update staged.shop_subscribers
                   set posted = $wants, posted_since = $at, posted_signed = $signed, posted_evidence = $evidence,
                       posted_at = $at, seen_at = $at,
                       gone_at = case when $wants and $at > written_at then null else gone_at end,
                       written_at = greatest(written_at, $at)
                   where address = $address and coalesce(posted_since <= $at, true)""",
                params,
            )
        else:
            db.execute(
                """insert into staged.shop_subscribers by name
                   select $address as address, $email as email, $customer as customer_id, $wants as posted,
                       $at::timestamp as posted_since, $signed as posted_signed, $evidence as posted_evidence,
                       case when $wants then $at::timestamp end as own_at, $at::timestamp as posted_at,
                       $at::timestamp as written_at, $at::timestamp as seen_at, $lacked::timestamp as lacked_at,
                       hash($address) as digest""",
                params | {"email": email.strip(), "customer": id_of(post.data.get("customer_id")), "lacked": lacked},
            )
    db.execute("update staged.shop_generation set generation = generation + 1")


def _note(db: Db, batch: _Batch) -> None:
    noted: set[tuple[str, str, str]] = {(Noted.BAD_VALUE, kind, own) for kind, own in batch.bad}
    for post, email, wants in batch.letters:
        if wants and batch.states[post.number] == UNSIGNED:
            noted.add((Noted.UNSIGNED_CONSENT, Kind.ADDRESS, email.strip().lower()))
    for post in batch.posts:
        if batch.states[post.number] == ORPHAN and (found := _key_of(post)) is not None:
            noted.add((Noted.ORPHAN, SHAPES[found[0]].kind, found[1][0]))
        elif batch.states[post.number] == UNUSABLE and not _is_blank_search(post):
            db.execute(
                "insert into staged.unusable values (?, ?, ?)", ["post", str(post.number), f"{post.event} lacks"]
            )
    _insert(db, noted)


def _is_blank_search(post: Post) -> bool:
    """Say whether somebody looked for nothing: that is no fault of the site's."""
    return post.event == Event.SEARCH and isinstance(post.data.get("search_string"), str)


def _insert(db: Db, noted: Iterable[tuple[str, str, str]]) -> None:
    rows = sorted(noted)
    if rows:
        names = ("word", "kind", "id")
        with db.batch({name: [str(row[place]) for row in rows] for place, name in enumerate(names)}) as batch:
            db.execute(
                f"""insert into staged.shop_notes select word, kind, id from {batch}
                    anti join staged.shop_notes using (word, kind, id)"""
            )
