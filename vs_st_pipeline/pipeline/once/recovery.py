"""Puts what the claims say into the outbox before anything is decided: after a crash, or with a lost or older database.

A send has five steps, and the power may go between any two of them:

    the outbox says `sending`    then: no claim of this try, so nothing left; it waits again
    the claim is made            then: it may be out; unknown, and the kind's rule holds
    the request, the answer      then: the same
    the claim has the answer     then: the outbox gets it from there
    the outbox, with the ledger  then: nothing is left to do

A lost database is filled from the claims; what they do not hold (texts of items that were not settled) comes back when
the route plans the same key again. A lost evidence file is made again from the database.
"""

from __future__ import annotations

import json

from vs_st_pipeline.pipeline.once.claims import Claim, Claimed, News
from vs_st_pipeline.pipeline.once.items import State, Unknown
from vs_st_pipeline.pipeline.once.outbox import Outbox
from vs_st_pipeline.pipeline.once.rows import read_rows
from vs_st_pipeline.platform.warehouse.connection import Db

_CLAIMED = {State.ACCEPTED: Claimed.ACCEPTED, State.DROPPED: Claimed.DROPPED}


def recover(outbox: Outbox) -> int:
    """Bring the outbox in step with the claims; returns how many claims were news."""
    with outbox.run.open() as db:
        news = outbox.claims.news(db)
        lost = news.lost or (news.whole and _knows_more(db, news))
        sending = read_rows(db, "state = 'sending'", [])
        missing = _not_in_claims(db, news) if lost else []
        in_step = not (sending or lost or _unsettled(db, news))
    if in_step and outbox.run.dry_run:
        return 0  # how far the claims have been read is noted by the next sync
    for claim in missing:
        (outbox.claims.settle if claim.state is not Claimed.OPEN else outbox.claims.claim)(claim)
    if not (news.claims or sending or lost):
        return 0
    with outbox.run.open() as db, db.transaction():
        unsettled = _unsettled(db, news)
        for claim in unsettled:
            if claim.kind in outbox.kinds:
                outbox.rows.take_over(db, claim)
        for row in sending:
            row = outbox.rows.again(db, row)
            if row.state is not State.SENDING:
                continue
            if lost:  # the claims cannot say that nothing left
                outbox.rows.mark_unknown(db, row, Unknown("interrupted"))
            else:
                outbox.rows.withdraw(db, row)
        if all(claim.kind in outbox.kinds for claim in unsettled):  # else a version that knows the kind needs them
            outbox.claims.seen(db)
    return len(news.claims)


def _knows_more(db: Db, news: News) -> bool:
    """Say whether the database knows the outcome of a try that no claim tells of: then claims have been lost."""
    return any(
        row.key not in news.claims for row in read_rows(db, "tries > 0 and state not in ('waiting', 'sending')", [])
    )


def _unsettled(db: Db, news: News) -> list[Claim]:
    """Return the claims whose rows are not settled; after an undisturbed sync there is none."""
    with db.batch({"key": list(news.claims)}) as batch:
        rows = db.rows(
            f"""select key from {batch} anti join
                (select key from once.outbox where state in ('accepted', 'dropped')) using (key)"""
        )
    unsettled = {row[0] for row in rows}
    return [claim for key, claim in news.claims.items() if key in unsettled]


def _not_in_claims(db: Db, news: News) -> list[Claim]:
    """Return what the database knows and the claims, which were lost or replaced, do not."""
    claims = []
    for row in read_rows(db, "tries > 0 or state = 'accepted'", []):
        state = _CLAIMED.get(row.state, Claimed.OPEN if row.may_be_out or row.state is State.SENDING else None)
        standing = news.claims.get(row.key)
        if state is None or (standing is not None and (standing.state is state or state is Claimed.OPEN)):
            continue
        [(evidence, people, at, answer)] = db.rows(
            """select o.evidence, o.people, coalesce(o.tried_at, o.stored_at), coalesce(l.answer, '{}')
               from once.outbox as o left join once.ledger as l using (key) where o.key = ?""",
            [row.key],
        )
        named = tuple((kind, value) for kind, value in json.loads(people))
        detail = json.loads(answer) if state is Claimed.ACCEPTED else {}
        claims.append(
            Claim(
                row.key, row.kind, row.entity, row.tries, state, at, json.loads(evidence), named, detail, row.forgotten
            )
        )  # fmt: skip
    return claims
