"""Forgets people here, and has them unsubscribed at WayMore first (audience.md 8.5).

Data flow: an e-mail, a phone, a customer's id -> Newsletter false -> raw.forgotten (hashes), every table, the evidence.

The unsubscribe goes before anything is erased. One that WayMore did not take stays alone in the outbox, is tried by
every sync, and is given up after 7 days. WayMore has no call that deletes: a person asks it, by the ids that are told.

A shop shows a forgotten person again with every complete read. What is staged of them then is the id, by which they are
held; `keep_out` takes everything else away in the same run.

It is long because all that the route keeps of people is found and erased in one place.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7.streams import STORED_CUSTOMER
from vs_st_pipeline.connectors.shop.names import SHOP
from vs_st_pipeline.domain.emails import is_usable, spellings
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.pipeline.erasure import OwnTraces
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.pipeline.route import Forget, Person
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import set_state
from vs_st_pipeline.platform.warehouse.suppression import (
    EMAIL,
    PHONE,
    REWRITE,
    Identifiers,
    Suppressed,
    hash_of,
    phone_name,
    read_suppressed,
    suppress,
)
from vs_st_pipeline.routes.audience import (
    delivery,
    facts,
    items,
    keys,
    part_ids,
    parts,
    people,
    post_people,
    registration,
)
from vs_st_pipeline.routes.audience.assets import TITLE
from vs_st_pipeline.routes.audience.registration import State
from vs_st_pipeline.routes.audience.session import SYSTEMS, AudienceSession, open_session
from vs_st_pipeline.routes.audience.stage_names import STAGES
from vs_st_pipeline.routes.audience.words import BLOCKS, FORGOTTEN_CUSTOMER, FORGOTTEN_ORDER, Block, Event, Kind, Rank

NOBODY: Final = Identifiers()
LAST_WORDS: Final = "last_words"  # fact: keys of unsubscribes that outlive their person, and since when
GIVEN_UP_AFTER: Final = timedelta(days=7)
NOT_TOLD: Final = "not_told"
_VINOSHIPPER_CUSTOMER: Final = "customer"
_CUSTOMERS: Final = """select customer_id, email, phone from staged.shop_customers
    union all select customer_id, email, phone from synced.base_customers"""
_GUESTS: Final = "select order_id, email, phone from staged.shop_orders where customer_id is null"
_OF_CUSTOMER: Final = (
    *("staged.shop_customers", "staged.shop_addresses", "staged.shop_wishlists", "synced.base_customers"),
    *("synced.base_wishes", "synced.base_carts"),
)
_OF_ORDER: Final = ("staged.shop_order_lines", "staged.shop_orders", "synced.base_orders")
_OF_ADDRESS: Final = ("staged.shop_subscribers", "planned.audience_addresses", "synced.base_subscribers")
_BLANK: Final = {
    "staged.shop_customers": ("first_name", "last_name", "birth_date", "email", "phone", "extra", "evidence"),
    "staged.shop_orders": (
        *("email", "first_name", "last_name", "birth_date", "company", "website", "address1", "address2", "postcode"),
        *("phone", "phone_mobile", "city", "country", "extra"),
    ),
}


def _names_of(person: Person) -> Identifiers | None:
    """Return what names the person here; None where it is no e-mail, no phone, and no id."""
    if person.email is not None:
        return Identifiers(emails=spellings(person.email)) if is_usable(person.email) else None
    if person.phone is not None:
        return Identifiers(phones={name}) if (name := phone_name(person.phone)) else None
    if person.customer is not None and person.customer.strip():
        own = person.customer.strip()
        return Identifiers(
            records={FORGOTTEN_CUSTOMER: {own}, STORED_CUSTOMER: {own.lower()}, _VINOSHIPPER_CUSTOMER: {own}}
        )
    return None


# --- what the names of columns do not tell ----------------------------------------------------------------------------


def _find(db: Db, found: Identifiers, given: Identifiers = NOBODY) -> None:
    """Add the customers and guests' orders of this person, and the addresses that these have.

    Args:
        given: what `forget` was asked for; an id of it counts where a customer, or an order of one, has it.
    """
    asked = given.records.get(FORGOTTEN_CUSTOMER, set())
    ids = found.of(FORGOTTEN_CUSTOMER)
    ids.update(found.of(STORED_CUSTOMER), found.of(_VINOSHIPPER_CUSTOMER))
    with db.batch({"customer_id": sorted(asked)}) as batch:
        rows = db.rows(
            f"""select customer_id from staged.shop_orders semi join {batch} using (customer_id)
                union select customer_id from staged.shop_subscribers semi join {batch} using (customer_id)"""
        )
        ids.update(row[0] for row in rows)
    for own, email, phone in db.rows(_CUSTOMERS):
        if own in ids or own in asked or _is_theirs(found, email, phone):
            ids.add(own)
            if email and email.strip():
                found.emails.update(spellings(email))
    for own, email, phone in db.rows(_GUESTS):
        if _is_theirs(found, email, phone):
            found.of(FORGOTTEN_ORDER).add(own)
    with db.batch({"customer_id": sorted(ids)}) as batch:
        rows = db.rows(f"select address from staged.shop_subscribers where customer_id in (from {batch})")
        orders = db.rows(f"select order_id from staged.shop_orders where customer_id in (from {batch})")
    found.emails.update(row[0] for row in rows)
    found.of(FORGOTTEN_ORDER).update(row[0] for row in orders)


def _is_theirs(found: Identifiers, email: str | None, phone: str | None) -> bool:
    return bool(
        (email and not found.emails.isdisjoint(spellings(email)))
        or (phone and found.phones and phone_name(phone) in found.phones)
    )


def _erase(db: Db, forgotten: Suppressed, found: Identifiers = NOBODY) -> int:
    """Erase whoever is forgotten, inside the caller's transaction; an unsubscribe on its way stays alone.

    Args:
        found: what named them before: by now rows that a column names are gone, and with them what led to the rest.
    """
    if not forgotten:
        return 0
    people.judge_anew(db)
    customers = _known(db, forgotten, FORGOTTEN_CUSTOMER, _CUSTOMERS)
    guests = _known(db, forgotten, FORGOTTEN_ORDER, "select order_id, email, phone from staged.shop_orders")
    customers |= found.records.get(FORGOTTEN_CUSTOMER, set())
    guests |= found.records.get(FORGOTTEN_ORDER, set())
    addresses = found.emails | {
        row[0]
        for table in (*_OF_ADDRESS, "synced.base_customers", "staged.shop_customers")
        for row in db.rows(
            f"select distinct {'address' if table in _OF_ADDRESS else 'lower(trim(email))'} from {table}"
        )
        if row[0] and any(forgotten.knows(EMAIL, one) for one in spellings(row[0]))
    }
    gone = 0
    with (
        db.batch({"id": sorted(customers)}) as theirs,
        db.batch({"id": sorted(guests)}) as orders,
        db.batch({"id": sorted(addresses)}) as mail,
        db.batch({"id": sorted(_last_words(db))}) as kept,
    ):
        of_them = f"""(kind in ('customer', 'cart') and id in (from {theirs}))
                      or (kind = 'order' and id in (select id from {orders}))
                      or (kind in ('wish', 'search')
                          and json_extract_string(about, '$.customer_id') in (select id from {theirs}))
                      or (kind = 'subscriber' and id in (select id from {mail}))"""
        gone += _count(db, f"delete from synced.audience_outbox where ({of_them}) and key not in (from {kept})")
        told = of_them.replace(
            "json_extract_string(about, '$.customer_id')", "json_extract_string(data, '$.customer_id')"
        )
        gone += _count(db, f"delete from synced.audience_told where {told}")
        for block, ids in (("subscribers", addresses), ("customers", customers), ("orders", guests)):
            gone += _take_out_of_parts(db, block, sorted(ids))
        for block, ids in zip(BLOCKS, (customers, addresses, set[str](), customers, guests), strict=True):
            if ids:
                gone += _take_out_of_history(db, block, ids)
        carts = f"select cart_id from staged.shop_carts where customer_id in (from {theirs})"
        gone += _count(db, f"delete from staged.shop_cart_lines where cart_id in ({carts})")
        gone += _count(db, f"delete from staged.shop_carts where customer_id in (from {theirs})")
        for table in _OF_CUSTOMER:
            gone += _count(db, f"delete from {table} where customer_id in (from {theirs})")
        for table in _OF_ORDER:
            gone += _count(db, f"delete from {table} where order_id in (from {orders})")
        for table in _OF_ADDRESS:
            gone += _count(db, f"delete from {table} where address in (from {mail})")
        for table in (
            *("planned.audience_held", "planned.audience_news", "planned.audience_moves", "planned.audience_notes"),
            *("staged.shop_notes", "staged.shop_passed_on", "staged.unusable", "synced.audience_was_held"),
        ):
            # Notes are also of a drop's tables, whose names are the words in the plural.
            gone += _count(
                db,
                f"""delete from {table} where id in (from {mail})
                    or (kind in ('customer', 'customers', 'cart', 'address', 'addresses') and id in (from {theirs}))
                    or (kind in ('order', 'orders', 'order_line', 'order_lines') and id in (from {orders}))
                    or (kind in ('wish', 'wishlists') and (id in (from {theirs}) or (json_valid(id)
                        and json_extract_string(case when json_valid(id) then id end, '$[0]') in (from {theirs}))))""",
            )
        for table, said in (("staged.shop_passed_on", "value"), ("planned.audience_news", "about")):
            gone += _count(
                db,
                f"""delete from {table} where json_extract_string({said}, '$.customer_id') in (from {theirs})
                    or json_extract_string({said}, '$.email') in (from {mail})""",
            )
        gone += post_people.erase(db, forgotten)
        gone += _count(
            db,
            f"""delete from synced.audience_late where (block in ('customers', 'wishlist') and id in (from {theirs}))
                or (block = 'orders' and id in (from {orders})) or (block = 'subscribers' and id in (from {mail}))""",
        )
    return gone


def _known(db: Db, forgotten: Suppressed, kind: str, rows: str) -> set[str]:
    return {
        own
        for own, email, phone in db.rows(rows)
        if forgotten.knows(kind, own)
        or (email and any(forgotten.knows(EMAIL, one) for one in spellings(email)))
        or (phone and forgotten.knows(PHONE, phone_name(phone)))
    }


def _take_out_of_parts(db: Db, block: str, ids: list[str]) -> int:
    """Take records out of the parts of the history that the ledger names, with the evidence of a subscription."""
    return len(
        db.rows(
            f"""update synced.audience_told
                set ids = to_json(list_filter({part_ids.LIST}, lambda one: not list_contains($ids, one)))::varchar,
                    evidence = null
                where block = $block and ids is not null and list_has_any({part_ids.LIST}, $ids) returning 1""",
            {"block": block, "ids": ids},
        )
    )


def _take_out_of_history(db: Db, block: Block, ids: set[str]) -> int:
    """Take records out of the parts under way, and out of what a block has pinned, whose places stay.

    Nobody would know in the next sync that they are to be taken out: nothing that is staged names them any more.
    """
    gone = 0
    for part in parts.all_open(db):
        out = ids.intersection(part.ids) if part.block is block else set[str]()
        if not out:
            continue
        less = parts.without(part, out, block_names=items.block_names_of(part.body))
        gone += len(out)
        if less.ids:
            parts.store_again(db, less)
        else:
            parts.remove(db, part.key)
        if not part.late:
            db.execute(
                "update synced.audience_blocks set left_out = left_out + ? where block = ?", [len(out), str(block)]
            )
    with db.batch({"id": sorted(ids)}) as batch:
        return gone + _count(
            db, f"update synced.audience_pins set id = '' where block = '{block}' and id in (from {batch})"
        )


def _count(db: Db, sql: str) -> int:
    return len(db.rows(f"{sql} returning 1"))


def _last_words(db: Db) -> dict[str, str]:
    found = facts.read(db, LAST_WORDS)
    return found if isinstance(found, dict) else {}


def _rewrite_file(run: Run, forgotten: Suppressed) -> None:
    """Take forgotten people out of the evidence file: their addresses become hashes, what was proved stays."""

    def without(line: dict[str, Any]) -> dict[str, Any]:
        address = line.get("address")
        if not isinstance(address, str) or not any(forgotten.knows(EMAIL, one) for one in spellings(address)):
            return line
        salt = next(iter(forgotten.by_salt))
        return {**line, "address": None, "address_hash": hash_of(salt, EMAIL, address), "evidence": None}

    EvidenceFile.of(run).rewrite(without)


OWN: Final = OwnTraces(_find, _erase, _rewrite_file)


def _traces_of(run: Run, person: Person) -> erasure.Stored:
    """Return all that is stored of a person: by an id, too, which no system of the generic shop knows."""
    given = _names_of(person) or Identifiers()
    own = OwnTraces(lambda db, found: _find(db, found, given), _erase, _rewrite_file)
    return erasure.find(run, given, SYSTEMS, own)


# --- in every run -----------------------------------------------------------------------------------------------------


def begin(run: Run) -> None:
    """Bring the hashes of forgotten people in step, finish an erasure, and let go of last words that are settled."""
    erasure.begin(run, SYSTEMS, OWN)
    if not run.dry_run:
        _settle_last_words(run)


def keep_out(session: AudienceSession) -> None:
    """Take away what a read has brought again of forgotten people, but the id by which they are held."""
    with session.run.open() as db:
        held = db.rows("select kind, id from planned.audience_held where reason = 'forgotten'")
        if not held:
            return
        customers = sorted(row[1] for row in held if row[0] == Kind.CUSTOMER)
        orders = sorted(row[1] for row in held if row[0] == Kind.ORDER)
        with db.transaction(), db.batch({"id": customers}) as theirs, db.batch({"id": orders}) as guests:
            people.judge_anew(db)
            known = read_suppressed(db)
            named = [*((FORGOTTEN_CUSTOMER, one) for one in customers), *((FORGOTTEN_ORDER, one) for one in orders)]
            suppress(db, [name for name in named if not known.knows(*name)], session.run.now())
            of_orders = f"customer_id in (from {theirs}) or order_id in (from {guests})"
            for table, whose in (
                ("staged.shop_customers", f"customer_id in (from {theirs})"),
                ("staged.shop_orders", of_orders),
            ):
                columns = _BLANK[table]
                blank = ", ".join(f"{column} = null" for column in columns)
                filled = ", ".join(f"{column}::varchar" for column in columns)
                db.execute(f"update {table} set {blank} where ({whose}) and coalesce({filled}) is not null")
            db.execute(f"delete from staged.shop_addresses where customer_id in (from {theirs})")
            db.execute(
                "delete from staged.shop_subscribers where address in "
                "(select id from planned.audience_held where reason = 'forgotten' and kind = 'subscriber')"
            )
            db.execute(
                "delete from planned.audience_addresses where address in "
                "(select id from planned.audience_held where reason = 'forgotten' and kind = 'subscriber')"
            )
            db.execute("delete from planned.audience_held where reason = 'forgotten' and kind = 'subscriber'")


def _settle_last_words(run: Run) -> None:
    with run.open() as db:
        words = _last_words(db)
        if not words:
            return
        with db.transaction():
            waiting = {row[0] for row in db.rows("select key from synced.audience_outbox")}
            old = {key for key, since in words.items() if run.now() - datetime.fromisoformat(since) >= GIVEN_UP_AFTER}
            ended = sorted(key for key in words if key in old or key not in waiting)
            with db.batch({"key": ended}) as batch:
                db.execute(f"delete from synced.audience_outbox where key in (from {batch})")
                db.execute(f"delete from synced.audience_told where key in (from {batch})")
            facts.keep(db, LAST_WORDS, {key: at for key, at in words.items() if key not in ended}, run.now())
            if ended:
                set_state(db, REWRITE, True, run.now())
    erasure.finish(run, OWN)


# --- what the house asks ----------------------------------------------------------------------------------------------


def _counted(run: Run, stored: erasure.Stored) -> dict[str, int]:
    with run.open() as db, db.batch({"address": sorted(stored.traces.emails)}) as batch:
        subscribed = db.value(
            f"select count(*) from synced.base_subscribers where subscribed and address in (from {batch})"
        )
    return {
        "customers": len(stored.traces.of(FORGOTTEN_CUSTOMER)),
        "orders": len(stored.traces.of(FORGOTTEN_ORDER)),
        "subscriptions": int(subscribed),
        "files_set_aside": len(stored.set_aside),
    }


def find(run: Run, person: Person) -> dict[str, int]:
    """Count what is stored of a person; nothing is changed."""
    return _counted(run, _traces_of(run, person))


def forget(run: Run, person: Person) -> dict[str, int]:
    """Unsubscribe a person at WayMore, then forget it here.

    Returns:
        What was stored; `not_told`: unsubscribes that WayMore did not take, which later syncs try.
    """
    stored = _traces_of(run, person)
    counts = _counted(run, stored)
    entered = _enter_unsubscribes(run, stored.traces.emails)
    failpoint("last words")
    if entered:
        _send(run)
    asked = _names_of(person) or Identifiers()
    names = Identifiers(
        stored.traces.phones | asked.phones,
        stored.traces.emails | asked.emails,
        {
            kind: stored.traces.records.get(kind, set()) | asked.records.get(kind, set())
            for kind in stored.traces.records.keys() | asked.records.keys()
        },
    )
    erasure.forget(run, names, SYSTEMS, OwnTraces(_find, lambda db, known: _erase(db, known, names), _rewrite_file))
    _forget_posts(run)
    with run.sync_lock():
        _settle_last_words(run)
        with run.open() as db:
            left = sum(key in _last_words(db) for key in entered)
    return {**counts, NOT_TOLD: left}


def _enter_unsubscribes(run: Run, addresses: Iterable[str]) -> list[str]:
    """Put a Newsletter false into the outbox for each address that was told, or maybe told, as subscribed."""
    entered: list[str] = []
    with run.sync_lock(), run.open() as db, db.batch({"address": sorted(addresses)}) as batch, db.transaction():
        if registration.read(run).state not in (State.REGISTERED, State.UNINSTALLING):
            return []
        # One whose Newsletter true was never sent was not told either.
        never = f"""select id from synced.audience_outbox where kind = 'subscriber' and rank = '{Rank.SUBSCRIBE}'
                    and state = 'waiting' and tries = 0"""
        due = db.rows(
            f"""select address, coalesce(email, address), customer_id from synced.base_subscribers
                where address in (from {batch}) and (maybe or (
                    subscribed and not (told = 'outbox' and address in ({never}))))
                order by address"""
        )
        waiting = dict(
            db.rows(
                f"select id, key from synced.audience_outbox where kind = 'subscriber' and rank = '{Rank.UNSUBSCRIBE}'"
            )
        )
        number = int(facts.read(db, NUMBER) or 0)
        number = max(number, int(db.value("select max(number) from synced.audience_outbox") or 0), _clock())
        salt = keys.salt_of(db, run.now())
        for address, email, customer_id in due:
            if address not in waiting:
                number += 1
                waiting[address] = keys.key_of(salt, Event.NEWSLETTER, address, number)
                _add(db, run, waiting[address], number, address, email, customer_id)
        facts.keep(db, NUMBER, number, run.now())
        theirs = set(addresses)
        entered = [key for address, key in waiting.items() if address in theirs]
        db.execute(
            f"delete from synced.audience_outbox where kind = 'subscriber' and rank = '{Rank.SUBSCRIBE}' "
            f"and id in (from {batch})"
        )
        words = _last_words(db)
        facts.keep(db, LAST_WORDS, words | {key: words.get(key, run.now().isoformat()) for key in entered}, run.now())
    return entered


def _forget_posts(run: Run) -> None:
    """Delete what the inbox keeps of the person: a shop's posts lie there whole."""
    if run.inbox is None:
        return
    with run.open() as db:
        forgotten = read_suppressed(db)
    run.inbox.forget_kept(run.merchant.id, SHOP, lambda kept: post_people.kept_names(forgotten, kept.get("post")))


NUMBER: Final = "number"  # as `taking` counts


def _clock() -> int:
    return time.time_ns() // 1000


def _add(db: Db, run: Run, key: str, number: int, address: str, email: str, customer_id: str | None) -> None:
    about = {"email": email, "subscription": False, "customer_id": customer_id}
    data = {"customer_id": customer_id if customer_id is not None else 0, "email": email, "subscription": False}
    db.execute(
        """insert into synced.audience_outbox
               (key, number, event, kind, id, rank, about, data, changed, seen_at, entered_at, run_id)
           values (?, ?, ?, ?, ?, ?, ?, ?, [], ?, ?, ?)""",
        [
            key, number, str(Event.NEWSLETTER), str(Kind.ADDRESS), address, str(Rank.UNSUBSCRIBE),
            items.encoded(about).decode(), items.encoded(data).decode(), run.now(), run.now(), run.run_id,
        ],
    )  # fmt: skip


def _send(run: Run) -> None:
    """Send the unsubscribes that wait; where that fails they stay, and the command says so."""
    with open_session(run, STAGES) as session, run.sync_lock():
        session.registration = registration.read(run)
        delivery.unsubscribe(session)


def there(run: Run, person: Person) -> list[str]:
    """Say under which ids WayMore has the person: somebody asks it to erase them there."""
    traces = _traces_of(run, person).traces
    with run.open() as db, db.batch({"id": sorted(traces.of(FORGOTTEN_CUSTOMER))}) as batch:
        told = [
            row[0]
            for row in db.rows(
                f"""select customer_id from synced.base_customers
                    where customer_id in (from {batch}) and told in ('told', 'outbox') order by 1"""
            )
        ]
    with run.open() as db, db.batch({"id": sorted(traces.of(FORGOTTEN_ORDER))}) as batch:
        orders = [
            row[0]
            for row in db.rows(
                f"""select order_id from synced.base_orders
                    where order_id in (from {batch}) and told in ('told', 'outbox') order by 1"""
            )
        ]
    return [*_ask(told, "customers"), *_ask(orders, "orders")]


def _ask(ids: Sequence[str], what: str) -> list[str]:
    if not ids:
        return []
    return [f"{TITLE} has the {what} {', '.join(ids)}: ask Routee to erase them; it has no call for that."]


FORGET: Final = Forget(
    ("customers", "orders", "subscriptions"),
    knows=lambda person: _names_of(person) is not None,
    find=find,
    forget=forget,
    elsewhere=(f"{TITLE} keeps what it was told of a person; it has no call that deletes.",),
    there=there,
)
