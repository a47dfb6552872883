"""Refuses a sync that would send what is history, or believe what looks like a fault (orders.md 9; rulings, orders 4).

    history   (a) over 10 orders to be sent were paid 48 h before they were seen here, and the shipper lacks them
    gone      (b) most open orders are gone there all at once: `watching` counts them
    window    (c) reconcile finds under 80 % of what is held of its days
    prefix    (d) orders were sent under another prefix of their numbers

Data flow: what is to be sent, reads of the shipper, `session.verdicts` -> `pipeline.verdicts` -> `session.refused`.

A refused sync writes nothing anywhere. Commands that name orders are not braked. A targeted sync sends nothing that (a)
would count, since its few orders never reach eleven: a whole sync looks at all of them.
"""

from __future__ import annotations

from collections.abc import Set
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import passes
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.domain.brake import Verdict, refusal
from vs_st_pipeline.domain.errors import Unsafe
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.pipeline import verdicts
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import after_sent, judging, ledger, reads, watching
from vs_st_pipeline.routes.orders.session import OrdersSession, Ready
from vs_st_pipeline.routes.orders.systems import SHIPPER, SHOP

HISTORY, WINDOW, PREFIX = "history", "window", "prefix"
MOST: Final = 10
HISTORY_AFTER: Final = timedelta(hours=48)
FEWEST_HELD: Final = 10
FOUND_AT_LEAST: Final = 80  # per cent
SENT_UNDER: Final = "sent_under"  # fact: the prefix that orders were sent under
LET_PASS: Final = "history_let_pass"  # fact: what was first seen up to then, a person has let pass
NOT_FOUND: Final = "window_missing"  # fact: ids of the orders that reconcile last missed when it was not believed
LET_MISS: Final = "window_let_pass"  # fact: ids of those that a person has let pass, as long as they are missing


def is_believed(session: OrdersSession, share: tuple[int, int], missing: Set[str]) -> bool:
    """Say whether reconcile is believed (c): enough is found of what is held, or a person has let pass what is missing.

    As in R38, a tenth more than what was let pass may be missing.

    Args:
        share: orders held for its days, and how many of them it found. missing: ids of the others.
    """
    if share[0] < FEWEST_HELD or share[1] * 100 >= share[0] * FOUND_AT_LEAST:
        return True
    with session.run.open() as db:
        excused = missing & _ids(db, LET_MISS)
    return len(missing) <= len(excused) * verdicts.MORE_THAN_A_TENTH and bool(missing)


def note_window(session: OrdersSession, share: tuple[int, int], missing: Set[str]) -> None:
    """Judge what reconcile found of the orders that are held for its days (c).

    What is not believed is walked again by the next sync, until the shop shows it or a person lets it pass. That is
    asked once: what is let pass counts no more until the shop has shown it again.

    Args:
        share: as in `is_believed`. missing: likewise.
    """
    session.window_judged = True
    is_safe = is_believed(session, share, missing)
    with session.run.open() as db, db.transaction():
        _keep_ids(session, db, LET_MISS, _ids(db, LET_MISS) & missing)
        _keep_ids(session, db, NOT_FOUND, frozenset() if is_safe else missing)
    if is_safe:
        return
    held, found = share
    says = f"{SHOP} shows {found} of the {held} orders held of the last days (less than {FOUND_AT_LEAST} %)"
    session.verdicts.append(Verdict(SHOP, WINDOW, held - found, says))


def ask(session: OrdersSession) -> None:
    """Ask the brake, before the first write; what it says is in `session.refused`."""
    run, is_hinted = session.run, session.run.trigger == "hint"
    found = [*session.verdicts, *watching.gone(session), *_prefix(session)]
    if is_hinted:
        _leave_history(session)
    elif session.settings.mode != "shadow":  # there nothing is sent: it is judged where that changes
        with session.asking_there():
            found += _history(session)
    with run.open() as db:
        standing = _standing(db, {(one.part, one.rule) for one in found})
    if is_hinted:
        found += standing
    elif not session.window_judged:  # nothing was found that would end it
        found += [one for one in standing if one.rule == WINDOW]
    holding = verdicts.refused(run, found)
    if holding:
        session.refused = Unsafe(refusal(holding) or "", system=holding[0].part)
        return
    if not run.dry_run:
        _passed(session, {one.rule for one in found})
    if session.there is None:
        with session.asking_there():
            for record in session.once_safe:
                record()


def hold(session: OrdersSession) -> None:
    """Raise what the brake said, once the plan can be looked at.

    What the shop says of sent orders is noted all the same.

    Raises:
        Unsafe: nothing may be written.
    """
    if session.refused is not None:
        after_sent.look(session, session.only)
        raise session.refused


def _passed(session: OrdersSession, rules: set[str]) -> None:
    """Remember what a run was judged by that may write now; whom a person has let pass is not asked again."""
    run = session.run
    prefix = _prefix_of(session)
    with run.open() as db, db.transaction():
        if HISTORY in rules:
            latest = max((one.first_seen_at for one in session.judged.ready.values()), default=run.now())
            ledger.keep_fact(db, run, LET_PASS, latest.isoformat())
        if WINDOW in rules:
            passes.note_reconciled(db, run, session.settings.start_at(run.merchant.time_zone))
            _keep_ids(session, db, LET_MISS, _ids(db, NOT_FOUND))
        is_used = PREFIX in rules or (session.judged.ready and session.writes)
        if is_used and ledger.fact(db, SENT_UNDER) != prefix:
            ledger.keep_fact(db, run, SENT_UNDER, prefix)


def _ids(db: Db, name: str) -> frozenset[str]:
    return frozenset(str(one) for one in ledger.fact(db, name) or ())


def _keep_ids(session: OrdersSession, db: Db, name: str, ids: Set[str]) -> None:
    if ids != _ids(db, name):
        ledger.keep_fact(db, session.run, name, sorted(ids))


def _standing(db: Db, known: set[tuple[str, str]]) -> list[Verdict]:
    """Return the verdicts that the last sync has stored, but these: a targeted one is bound by them, too."""
    rows = db.rows("select part, rule, loss, sentence from synced.verdicts")
    return [Verdict(*row) for row in rows if (row[0], row[1]) not in known]


# --- (d) the prefix -----------------------------------------------------------------------------------------------


def _prefix_of(session: OrdersSession) -> str:
    return session.settings.prefix(session.run.merchant.section(Commerce7Settings).tenant)


def _prefix(session: OrdersSession) -> list[Verdict]:
    prefix = _prefix_of(session)
    with session.run.open() as db:
        before = ledger.fact(db, SENT_UNDER) or _sent_under(db)
    if before is None or before == prefix:
        return []
    says = f"number_prefix is {prefix}, and orders were sent under {before}: those would not be found again"
    return [Verdict(SHIPPER, PREFIX, 1, says)]


def _sent_under(db: Db) -> str | None:
    """Return the prefix of the newest number that was used, where the ledger was lost and writes were found again."""
    row = db.row(
        """select w.vs_number, s.order_number
           from synced.order_writes as w join staged.shop_orders as s using (order_id)
           where w.call = 'create' and w.vs_number is not null and ends_with(w.vs_number, '-' || s.order_number)
           order by w.at desc, w.send_id desc limit 1"""
    )
    return None if row is None else str(row[0][: -len(row[1]) - 1])


# --- (a) history --------------------------------------------------------------------------------------------------


def _history(session: OrdersSession) -> list[Verdict]:
    """Read old orders at the shipper, oldest first, until eleven are found that it does not hold.

    What it holds is adopted by that read. If the reads of one sync do not reach all of them, those that are left wait,
    and so do those that it lacks: so no history is sent in small portions.
    """
    old = _old(session)
    if len(old) <= MOST or session.there is not None:
        return []
    asked, held = SingleReads(len(old)), 0
    missing: list[Ready] = []
    for place, one in enumerate(old):
        if place >= judging.MOST_READS or (place and len(missing) <= MOST and session.over_budget):
            _leave(session, old)
            return []
        there = judging.look_at(session, asked, one.order_id)
        if there is None:
            session.judged.ready.pop(one.order_id)  # nobody can say whether it is history: it waits
        elif there:
            held += 1
            session.judged.ready.pop(one.order_id)
        else:
            missing.append(one)
        if len(missing) > MOST:
            break
    reads.ask_another(session, asked)
    if len(missing) <= MOST:
        return []
    count = len(old) - held
    says = (
        f"{count} orders that are to be sent were paid more than 48 h before they were first seen here, and "
        f"{SHIPPER} does not hold them: is `orders.start` right?"
    )
    return [Verdict(SHIPPER, HISTORY, count, says)]


def _old(session: OrdersSession) -> list[Ready]:
    with session.run.open() as db:
        told: Any = ledger.fact(db, LET_PASS)
    passed = datetime.fromisoformat(told) if isinstance(told, str) else None
    return [
        one
        for one in session.judged.oldest_first()
        if one.first_seen_at - one.paid_at > HISTORY_AFTER and (passed is None or one.first_seen_at > passed)
    ]


def _leave_history(session: OrdersSession) -> None:
    _leave(session, _old(session))


def _leave(session: OrdersSession, orders: list[Ready]) -> None:
    """Have orders wait for a later sync."""
    for one in orders:
        session.judged.ready.pop(one.order_id, None)
