"""Judges people: whose address is subscribed and by what evidence, and who is held (audience.md 8.1-8.4).

Data flow: staged.shop_customers, shop_subscribers, shop_orders -> planned.audience_addresses, planned.audience_held.

One row per address, one reason per person, worked out in SQL over sets, a share of the addresses at a time: a million
people cost no more memory than a quarter of them.

An address is subscribed where a record says yes and none says no. A post that says no stands until a signed yes, or a
record that went from no to yes, came after it; a signed yes that is newer than all records wins over them. Consent that
nothing proves is none.

It is long because who is subscribed and who is held are two halves of one judgment: each reads the other's tables.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection
from typing import Final

from vs_st_pipeline.domain.birth import OLDEST, last_birth_date
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import (
    EMAIL,
    PHONE,
    Suppressed,
    email_name,
    phone_name,
    read_suppressed,
    suppressed_hashes,
)
from vs_st_pipeline.routes.audience import facts
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.sources import source_name
from vs_st_pipeline.routes.audience.words import FORGOTTEN_CUSTOMER, FORGOTTEN_ORDER, SHOPPERS, Held, Kind, Noted

BATCH: Final = 10_000
_JUDGED: Final = "judged"  # fact: of what people were judged last
_SHARE: Final = (
    250_000  # records judged at once: texts in a group's state can neither be put on disk nor are they counted
)
OWN_NOTES: Final = (Noted.MIXED_CONSENT,)
HOLDS_IN_TURN: Final = tuple(Held)
"""A person is held once, by the first of these that fits (8.4)."""


def judge(session: AudienceSession) -> None:
    """Make `planned.audience_addresses` and `planned.audience_held` anew, and count them in the report.

    Where all that they depend on is as it was, they stand as they are.
    """
    with session.run.open() as db, db.transaction():
        by = _made_of(session, db)
        if facts.read(db, _JUDGED) != by:
            _judge_addresses(db)
            _judge_holds(session, db)
            _note_mixed(db)
            facts.keep(db, _JUDGED, by, session.run.now())
        held = db.rows("select reason, count(*) from planned.audience_held where counted group by 1")
    session.told.held = Counter(dict(held))


def judge_anew(db: Db) -> None:
    """Have the next plan judge everybody anew: what it judged was changed apart from `staged.shop_generation`."""
    facts.drop(db, _JUDGED)


def _made_of(session: AudienceSession, db: Db) -> str:
    """Return a hash of all that the judgment of people depends on: what is staged, rules, settings, day, forgotten."""
    settings, source = session.settings, source_name(session.run.merchant)
    told = (
        db.value("select max(generation) from staged.shop_generation"),
        (_ADDRESSES, _PERSONS, _HOLDS, _ADDRESS_HOLDS, HOLDS_IN_TURN),
        (source, settings.least_age(source), settings.require_age_evidence, settings.people),
        None if settings.only is None else sorted(settings.only),
        session.run.today(),
        sorted(suppressed_hashes(db)),
    )
    return hashlib.blake2b(repr(told).encode(), digest_size=16).hexdigest()


# --- addresses ----------------------------------------------------------------------------------------------------

# What each record says of its address. changed_at: when it was last seen to change, or its own time of that.
_SAYS: Final = """
    select lower(trim(email)) as address, email, customer_id, null::varchar as subscriber_id, opted_in as yes,
        opted_at as since, opted_changed_at as changed_at, evidence, seen_at, lacked_at, 'customers' as kind
    from staged.shop_customers where gone_at is null and nullif(trim(email), '') is not null
        and hash(lower(trim(email))) % $shares = $share
    union all
    select address, coalesce(email, address), customer_id, subscriber_id, subscribed, since, changed_at, evidence,
        seen_at, lacked_at, 'subscribers'
    from staged.shop_subscribers where gone_at is null and subscribed is not null
        and hash(address) % $shares = $share
"""

# `believed`: what the newest post says, where it counts: false always, true if it is signed (4.4).
_ADDRESSES: Final = f"""
    with says as ({_SAYS}),
    records as (
        select address,
            bool_or(yes is not distinct from false) as no,
            bool_or(yes and evidence is not null) as yes,
            max(coalesce(changed_at, since, seen_at)) filter (where yes is not null) as newest,
            max(changed_at) filter (where yes and evidence is not null) as turned,
            min(customer_id) as customer_id,
            arg_min(email, customer_id) as customers_email, any_value(email) as any_email,
            any_value(subscriber_id) as subscriber_id,
            arg_min({{'since': since, 'evidence': evidence, 'seen_at': seen_at, 'lacked_at': lacked_at,
                      'changed_at': changed_at, 'kind': kind}}, (customer_id is null, coalesce(customer_id, '')))
                filter (where yes and evidence is not null) as proof
        from says group by address
    ),
    posts as (
        select address, email, customer_id, subscriber_id, posted as believed, posted_since as at_,
            posted_evidence as evidence
        from staged.shop_subscribers
        where (not posted or (posted and gone_at is null and posted_signed and posted_evidence is not null))
            and hash(address) % $shares = $share
    ),
    both_ as (
        select coalesce(records.address, posts.address) as address,
            coalesce(customers_email, any_email, posts.email, posts.address) as email,
            coalesce(records.subscriber_id, posts.subscriber_id) as subscriber_id,
            coalesce(records.customer_id, posts.customer_id) as customer_id,
            coalesce(no, false) as no, coalesce(yes, false) as yes, newest, turned, proof,
            believed, posts.at_, posts.evidence as posted_evidence,
            believed and (newest is null or posts.at_ > newest) as post_wins,
            believed is not distinct from false and not coalesce(turned > posts.at_, false) as post_forbids
        from records full join posts on records.address = posts.address
    ),
    judged as (
        select *,
            case when post_wins then true when post_forbids or no then false
                 else yes or coalesce(believed, false) end as subscribed,
            case when post_wins then true when post_forbids or no then false
                 when yes or believed then true end as says,
            post_wins or (not yes and coalesce(believed, false)) as by_post
        from both_
    )
    select address, email, subscriber_id, customer_id, subscribed, says,
        case when not subscribed then null when by_post then at_ else proof.since end as since,
        case when not subscribed then null when by_post then posted_evidence else proof.evidence end as evidence,
        yes and no and not coalesce(post_wins, false) as mixed,
        case when not subscribed then null when by_post then at_ else proof.since end as own_at,
        case when not subscribed then null when by_post then at_
             else coalesce(proof.changed_at, proof.seen_at) end as seen_at,
        case when not subscribed or by_post then null else coalesce(lacking.ended_at, proof.lacked_at) end as lacked_at
    from judged asof left join staged.shop_reads as lacking
        on lacking.kind = judged.proof.kind and lacking.ended_at < judged.proof.changed_at
"""


def _judge_addresses(db: Db) -> None:
    db.execute("delete from planned.audience_addresses")
    rows = db.value(
        "select (select count(*) from staged.shop_customers) + (select count(*) from staged.shop_subscribers)"
    )
    shares = 1 + int(rows) // _SHARE
    for share in range(shares):
        db.execute(
            f"""insert into planned.audience_addresses (address, email, subscriber_id, customer_id, subscribed, says,
                    since, evidence, mixed, own_at, seen_at, lacked_at) {_ADDRESSES}""",
            {"shares": shares, "share": share},
        )


def _note_mixed(db: Db) -> None:
    db.execute(
        "delete from planned.audience_notes where list_contains($words::varchar[], word)",
        {"words": [str(word) for word in OWN_NOTES]},
    )
    db.execute(
        "insert into planned.audience_notes select $word, $kind, address from planned.audience_addresses where mixed",
        {"word": str(Noted.MIXED_CONSENT), "kind": str(Kind.ADDRESS)},
    )


# --- holds --------------------------------------------------------------------------------------------------------

# Customers, guests by their order, and addresses that are nobody's. An order of an unknown customer is a guest's here.
# Who is gone from a complete read is held like anybody, and not counted. Of a customer whom only a cart, a wish or a
# search names nothing is known but the id: by it they may be forgotten, and nothing shows that they are subscribed.
_PERSONS: Final = """
    create or replace temp table audience_persons as
    select 'customer' as kind, customer_id as id, customer_id, lower(trim(email)) as address,
        phone, null::varchar as mobile, birth_date, gone_at is null as counted
    from staged.shop_customers
    union all
    select 'order', order_id, customer_id, lower(trim(email)), phone, phone_mobile, birth_date, gone_at is null
    from staged.shop_orders
    where customer_id is null
        or customer_id not in (select customer_id from staged.shop_customers)
    union all
    select 'subscriber', address, customer_id, address, null, null, null, true from planned.audience_addresses
    where customer_id is null
        or customer_id not in (select customer_id from staged.shop_customers)
    union all
    select 'cart', customer_id, customer_id, null, null, null, null, false
    from (
        select customer_id from staged.shop_carts union select customer_id from staged.shop_wishlists
        union select value ->> '$.customer_id' from staged.shop_passed_on where event = 'Search'
    )
    where customer_id <> '' and customer_id not in (select customer_id from staged.shop_customers)
"""

_HOLDS: Final = """
    insert into planned.audience_held by name
    select kind, id, case
        when forgotten.id is not null then 'forgotten'
        when $years > 0 and birth_date > $cutoff then 'under_age'
        when $evidence and (birth_date is null or birth_date < $oldest or birth_date = date '1900-01-01')
            then 'age_unknown'
        when $opted_in and kind <> 'subscriber' and not coalesce(addresses.subscribed, false) then 'not_opted_in'
        when $rehearsal and not list_contains($only::varchar[], coalesce(person.address, '')) then 'rehearsal'
        end as reason, counted
    from audience_persons as person
    left join audience_forgotten as forgotten using (kind, id)
    left join planned.audience_addresses as addresses on addresses.address = person.address
    where reason is not null
"""

# An address is held where anybody who has it, or is named with it (8.2: the least id), is held for what they are; that
# person is counted.
_ADDRESS_HOLDS: Final = """
    insert into planned.audience_held by name
    select 'subscriber' as kind, address as id, arg_min(reason, list_position($turn::varchar[], reason)) as reason,
        false as counted
    from (
        select person.address, held.reason
        from audience_persons as person
        join planned.audience_held as held on held.kind = 'customer' and held.id = person.id
        where person.kind = 'customer' and person.address <> '' and held.reason <> 'not_opted_in'
        union all
        select named.address, held.reason
        from planned.audience_addresses as named
        join planned.audience_held as held on held.kind = 'customer' and held.id = named.customer_id
        where held.reason <> 'not_opted_in'
    )
    where address not in (select id from planned.audience_held where kind = 'subscriber')
    group by address
"""


def _judge_holds(session: AudienceSession, db: Db) -> None:
    settings, merchant = session.settings, session.run.merchant
    years, today = settings.least_age(source_name(merchant)), session.run.today()
    db.execute("delete from planned.audience_held")
    db.execute(_PERSONS)
    _find_forgotten(db)
    db.execute(
        _HOLDS,
        {
            "years": years,
            "cutoff": last_birth_date(today, years),
            "oldest": last_birth_date(today, OLDEST + 1),  # an older one is a placeholder: no evidence (domain/birth)
            "evidence": settings.require_age_evidence,
            "opted_in": settings.people == "opted_in",
            "rehearsal": settings.only is not None,
            "only": sorted(address.strip().lower() for address in settings.only or ()),
        },
    )
    db.execute(_ADDRESS_HOLDS, {"turn": [str(reason) for reason in HOLDS_IN_TURN]})
    for table in ("audience_persons", "audience_forgotten"):
        db.execute(f"drop table {table}")


def _find_forgotten(db: Db) -> None:
    """Find forgotten people by hash; where nobody was forgotten, nobody is looked at."""
    db.execute("create or replace temp table audience_forgotten (kind varchar, id varchar)")
    forgotten = read_suppressed(db)
    if not forgotten:
        return
    last = ("", "")
    while rows := db.rows(
        """select kind, id, customer_id, address, phone, mobile from audience_persons
           where (kind, id) > ($kind, $id) order by kind, id limit $most""",
        {"kind": last[0], "id": last[1], "most": BATCH},
    ):
        found = [(row[0], row[1]) for row in rows if _is_forgotten(forgotten, *row)]
        with db.batch({"kind": [one[0] for one in found], "id": [one[1] for one in found]}) as batch:
            db.execute(f"insert into audience_forgotten select kind, id from {batch}")
        last = (rows[-1][0], rows[-1][1])


def _is_forgotten(
    forgotten: Suppressed, kind: str, id: str, customer_id: str | None, address: str | None, *phones: str | None
) -> bool:
    return (
        (kind == "order" and forgotten.knows(FORGOTTEN_ORDER, id))
        or (customer_id is not None and forgotten.knows(FORGOTTEN_CUSTOMER, customer_id))
        or forgotten.knows(EMAIL, email_name({"email": address}))
        or any(forgotten.knows(PHONE, phone_name(phone)) for phone in phones if phone)
    )


# --- asked again before each sending ------------------------------------------------------------------------------


def may_be_subscribed(db: Db, addresses: Collection[str]) -> frozenset[str]:
    """Return those of these addresses that are subscribed and not held now: asked before each sending (8.3)."""
    with db.batch({"address": sorted(set(addresses))}) as batch:
        found = db.rows(
            f"""select here.address from (
                    select address, customer_id from planned.audience_addresses semi join {batch} using (address)
                    where subscribed) as here
                anti join (select id from planned.audience_held where kind = 'subscriber') as held
                    on held.id = here.address
                anti join (select id from planned.audience_held where kind = 'customer') as whose
                    on whose.id = here.customer_id"""
        )
    return frozenset(row[0] for row in found)


# Which record of each kind names the customer whose hold is its own.
_BY_CUSTOMER: Final = {
    Kind.CUSTOMER: "select id, id as customer_id from asked",
    Kind.CART: "select id, id as customer_id from asked",
    Kind.WISH: "select id, json_extract_string(id, '$[0]') as customer_id from asked",
    Kind.ORDER: "select id, customer_id from asked join staged.shop_orders on order_id = id",
    Kind.ADDRESS: "select id, customer_id from asked left join planned.audience_addresses on address = id",
}


def held_among(db: Db, kind: str, ids: Collection[str]) -> frozenset[str]:
    """Return those of these records (customer, order, subscriber, cart, wish: by its customer) that are held now."""
    if kind not in _BY_CUSTOMER:  # a product is nobody's; a search's person is looked at by whoever sends it
        return frozenset()
    whose = "('customer')" if kind in (Kind.ORDER, Kind.ADDRESS) else SHOPPERS
    with db.batch({"id": sorted(set(ids))}) as batch:
        found = db.rows(
            f"""with asked as (select id from {batch}), theirs as ({_BY_CUSTOMER[Kind(kind)]})
                select theirs.id from theirs semi join planned.audience_held as held
                    on held.kind = $kind and held.id = theirs.id
                union
                select theirs.id from theirs semi join planned.audience_held as held
                    on held.kind in {whose} and held.id = theirs.customer_id""",
            {"kind": str(kind)},
        )
    return frozenset(row[0] for row in found)
