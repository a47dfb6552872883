"""Works out in SQL what differs from the base: the events of 6.2, in the order of 6.3, old and late by 6.4.

Data flow: staged.shop_*, planned.audience_addresses, planned.audience_held, synced.base_* -> planned.audience_news.

Records are compared by digest, and column by column only where digests differ. Where all that a plan depends on is as
it was when the last plan was taken (`difference.made_of`), there is nothing to find, and nothing is compared.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import diff_goods, diff_orders, diff_people, difference, facts
from vs_st_pipeline.routes.audience.difference import OWN_NOTES, Terms
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.words import Noted

TAKEN: Final = "taken"  # fact: of what the last plan was made that was taken whole
_TABLES: Final = ("audience_news", "audience_moves", "audience_looked_at", "audience_made")


def diff(session: AudienceSession) -> None:
    """Make `planned.audience_news` and `planned.audience_notes` anew, and count them in the report.

    Before all blocks are done it finds unsubscribes of told addresses alone (6.5). It costs what changed: records are
    compared by digest, and column by column only where digests differ; not at all where nothing changed since.
    """
    with session.run.open() as db, db.transaction():
        by = difference.terms(session, db)
        of = difference.made_of(session, db, by)
        for table in _TABLES:
            db.execute(f"delete from planned.{table}")
        if facts.read(db, TAKEN) == of:
            _forget_notes(db, Noted.ORDER_CHANGED)  # seen once, when it changed
        else:
            _forget_notes(db, *OWN_NOTES)
            difference.prepare(db)
            _find(db, by)
            _sort(db)
        undecided = db.value(
            "select (select count(*) from synced.audience_parts) + (select count(*) from synced.audience_late)"
        )
        db.execute("insert into planned.audience_made values (?, ?, false)", [of, bool(undecided)])
        _count(session, db)


def _find(db: Db, by: Terms) -> None:
    diff_people.unsubscribed(db, by)
    diff_people.told_before(db)
    if not by.done:
        return
    diff_people.customers(db, by)
    diff_people.subscribed(db, by)
    diff_goods.products(db, by)
    diff_goods.wishes(db, by)
    diff_goods.carts(db, by)
    diff_orders.orders(db, by)
    diff_orders.searches(db, by)
    diff_orders.gone(db)
    # A post about a record whose history is under way waits until that is decided.
    db.execute(
        """insert into planned.audience_looked_at
           select number from staged.shop_passed_on anti join temp.aud_open using (kind, id)"""
    )


def _sort(db: Db) -> None:
    """Sort what was found: by group, own time, id; the events of one entity as 6.3 lists them."""
    db.execute(
        """insert into planned.audience_news by name
           select row_number() over (order by rank, own_at nulls last, id, place, sub) as number,
               * exclude (place, sub)
           from temp.aud_news"""
    )
    db.execute("drop table temp.aud_news")


def _forget_notes(db: Db, *words: Noted) -> None:
    db.execute("delete from planned.audience_notes where list_contains(?::varchar[], word)", [[*map(str, words)]])


def _count(session: AudienceSession, db: Db) -> None:
    told = session.told
    told.events.update(
        dict(
            db.rows(
                """select event, count(*) from planned.audience_news where not late and not silent
                   group by event order by 1"""
            )
        )
    )
    told.late += db.value("select count(*) from planned.audience_news where late")
    # All words of a plan, those of `people` too; set, not added, so that each is counted once.
    for word, count in db.rows("select word, count(distinct (kind, id)) from planned.audience_notes group by word"):
        told.noted[word] = count
