"""Takes a plan into the outbox, and moves the base with it, in one transaction (audience.md 6.3, 7.1).

Data flow: planned.audience_news -> `rendering` -> synced.audience_outbox, synced.base_*, synced.audience_late.

What melts into rows that wait is said by `melting`. A plan is taken once, whole, only while what it was made of still
stands, and only if the brake has let it pass, whichever run made it.
"""

from __future__ import annotations

import time
from typing import Any, Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import base_moves, difference, facts, keys, melting
from vs_st_pipeline.routes.audience.difference import BLOCK_OF_KIND
from vs_st_pipeline.routes.audience.diffing import TAKEN
from vs_st_pipeline.routes.audience.rendering import One, about_of, render
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.window import style_of
from vs_st_pipeline.routes.audience.words import Event

NUMBER: Final = "number"  # fact: the greatest number that an event ever had
BATCH: Final = 2_000  # events rendered at a time


def take(session: AudienceSession) -> None:
    """Take the news of this plan in: melt what waits and was never sent, add the rest, move the base.

    A power cut before its commit leaves everything as it was; after it nothing is lost and nothing comes twice.
    """
    run = session.run
    with run.open() as db, db.transaction():
        of = _passed(session, db)
        if of is None:
            return
        melting.melt(db, run)
        _enter(session, db)
        _late(db, session)
        base_moves.move(db)
        difference.remember_held(db)
        db.execute("delete from staged.shop_passed_on where number in (select number from planned.audience_looked_at)")
        undecided = db.value("select undecided from planned.audience_made")
        if not undecided and not db.value("select count(*) from synced.audience_late"):
            facts.keep(db, TAKEN, of, run.now())
        else:
            facts.drop(db, TAKEN)
        for table in ("audience_news", "audience_moves", "audience_looked_at", "audience_made"):
            db.execute(f"delete from planned.{table}")


def _passed(session: AudienceSession, db: Db) -> str | None:
    """Return of what the plan was made; None where there is none that may be taken."""
    made = db.row("select of, passed from planned.audience_made")
    if made is None or not made[1]:
        return None
    of: str = made[0]
    return of if of == difference.made_of(session, db, difference.terms(session, db)) else None


def _enter(session: AudienceSession, db: Db) -> None:
    """Render what goes, batch by batch, and put it into the outbox: anew, or in place of a row that was never sent."""
    run, style = session.run, style_of(session)
    salt = keys.salt_of(db, run.now())
    # By the real clock, so that none comes twice, whatever became of the file in between.
    number = max(int(facts.read(db, NUMBER) or 0), int(db.value("select max(number) from synced.audience_outbox") or 0))
    number = max(number, time.time_ns() // 1000)
    total = db.value("select count(*) from temp.aud_todo")
    for start in range(0, total, BATCH):
        rows = db.rows(
            """select turn, event, kind, id, about, key, again from temp.aud_todo
               where turn > ? and turn <= ? order by turn""",
            [start, start + BATCH],
        )
        wanted = [One(Event(row[1]), row[2], row[3], about_of(row[4])) for row in rows]
        told = render(db, wanted, style)
        made: dict[str, list[Any]] = {"turn": [], "number": [], "key": [], "data": []}
        for row, data in zip(rows, told, strict=True):
            number += 1
            fresh = row[5] is None or row[6]
            made["turn"].append(row[0])
            made["number"].append(number)
            made["key"].append(keys.key_of(salt, row[1], row[3], number) if fresh else row[5])
            made["data"].append(data)
        _store(session, db, made)
    facts.keep(db, NUMBER, number, run.now())


def _store(session: AudienceSession, db: Db, made: dict[str, list[Any]]) -> None:
    run = session.run
    with db.batch(made, {"turn": "int", "number": "int"}) as batch:
        db.execute(
            f"""insert into synced.audience_outbox by name
                select b.key, b.number, t.event, t.kind, t.id, t.rank, t.part, t.about, b.data,
                    case when t.event = '{Event.NEWSLETTER}' and t.rank = '2' then a.evidence end as evidence,
                    t.changed, t.seen_at, t.own_at, $now::timestamp as entered_at, $run_id as run_id
                from {batch} as b join temp.aud_todo as t using (turn)
                left join planned.audience_addresses as a on t.kind = 'subscriber' and a.address = t.id
                where t.key is null""",
            {"now": run.now(), "run_id": run.run_id},
        )
        db.execute(
            f"""update synced.audience_outbox as o set data = b.data, about = t.about, changed = t.changed,
                    seen_at = t.seen_at, own_at = t.own_at, run_id = $run_id
                from {batch} as b join temp.aud_todo as t using (turn)
                where o.key = t.key and not t.again""",
            {"run_id": run.run_id},
        )
        # One that was refused goes with new bytes and a new key (rulings, audience 2), in its old place.
        db.execute(
            f"""update synced.audience_outbox as o set key = b.key, data = b.data, about = t.about, changed = t.changed,
                    seen_at = t.seen_at, own_at = t.own_at, run_id = $run_id, state = 'waiting', tries = 0,
                    sent_at = null, http_status = null, next_at = null, first_refused_at = null,
                    refusals = 0, released = false
                from {batch} as b join temp.aud_todo as t using (turn)
                where o.key = t.key and t.again""",
            {"run_id": run.run_id},
        )


def _late(db: Db, session: AudienceSession) -> None:
    named = " ".join(f"when '{kind}' then '{block}'" for kind, block in BLOCK_OF_KIND.items())
    db.execute(
        f"""insert into synced.audience_late by name
            select distinct case kind {named} end as block, id, ?::timestamp as since, 'late' as why
            from planned.audience_news as n where late
            and not exists (select 1 from synced.audience_late as l
                            where l.id = n.id and l.block = case n.kind {named} end)""",
        [session.run.now()],
    )
