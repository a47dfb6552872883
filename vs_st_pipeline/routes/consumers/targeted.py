"""Syncs what a few hints name: a whole sync's own steps, restricted to these orders and their consumers (rulings 2).

Data flow: claimed hints -> raw.sopost_events -> their orders, as far as they are due -> their consumers, at each CRM.

It differs from a whole sync in whom it reads and plans. Whoever else is due stays so. An order that is only told to be
pending is read when its time has come: the route's next time says when. Before the first good whole sync nothing is
claimed, and a CRM that the last whole sync has refused is not written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from vs_st_pipeline.connectors.sopost import events
from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.domain.emails import person_key
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.hints import ORDER, Hint, Outcome
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.hinted import MOST_RECORDS, HintDesk, Hinted
from vs_st_pipeline.pipeline.status_file import was_synced
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers import crms, stages, sync
from vs_st_pipeline.routes.consumers.brake import Since
from vs_st_pipeline.routes.consumers.looking import OBJECT
from vs_st_pipeline.routes.consumers.session import ConsumersSession, open_session
from vs_st_pipeline.routes.consumers.stage_names import EVENTS, ORDERS, STAGED, STAGES
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES, NAME

WANTS: Final = {SOPOST: frozenset({ORDER})}


def run_hinted(run: Run, desk: HintDesk) -> Report:
    """Sync what is hinted at; never raises, what went wrong is in the report."""
    if NAME not in run.merchant.routes:
        return sync.off(run)
    run = replace(run, trigger="hint", inbox=run.inbox or desk.inbox)
    with open_session(run, STAGES) as session:
        report = session.told
        with run.sync_lock():
            if was_synced(run):
                since = stages.begin(session)
                claimed = desk.claim(run)
                try:
                    _Targeted(session, desk).sync(claimed, since)
                finally:
                    stages.end(session)
                    desk.finish(report)
                if session.orders.error is not None:
                    raise session.orders.error
    report.end()
    return report


class _Targeted:
    """One targeted sync under way."""

    def __init__(self, session: ConsumersSession, desk: HintDesk) -> None:
        self._session, self._desk, self._run = session, desk, session.run

    def sync(self, claimed: Sequence[Hint], since: Mapping[str, Since]) -> None:
        session, desk = self._session, self._desk
        events.take(self._run, claimed)
        session.do(EVENTS, stages.take_events, Counter((one.system, one.kind) for one in claimed))
        by_order: dict[str, list[Hint]] = {}
        for hint in claimed:
            by_order.setdefault((hint.id or "").lower(), []).append(hint)
        names = list(by_order)
        for name in names[MOST_RECORDS:]:
            desk.leave(by_order.pop(name))
        for name in [one for one in by_order if not desk.may_ask(SOPOST)]:
            desk.settle(by_order.pop(name), Outcome.HANDED_OVER)
        if not by_order:
            return
        try:
            session.do(ORDERS, stages.read_orders, list(by_order))
            session.do(STAGED, stages.stage)
            people = self._people(list(by_order))
            if people:
                crms.work(session, since, {key for keys in people.values() for key in keys})
        except PipelineError as error:
            desk.fail([hint for hints in by_order.values() for hint in hints], error.kind)
            raise
        self._say(by_order, people)

    def _people(self, order_ids: Sequence[str]) -> dict[str, set[str]]:
        """Return the address keys of these orders' consumers, by order."""
        found: dict[str, set[str]] = {}
        with self._run.open() as db, db.batch({"order_id": sorted(order_ids)}) as batch:
            for order_id, key in db.rows(
                f"""select order_id, email_key from staged.sopost_orders semi join {batch} using (order_id)
                    where email_key is not null"""
            ):
                found.setdefault(order_id, set()).add(key)
        return found

    def _say(self, by_order: dict[str, list[Hint]], people: dict[str, set[str]]) -> None:
        """Say what became of each hint; whose consumer is not done stays due, and a whole sync goes on with it.

        An order that is not there is tried again as consumers.md 3.8 says, and read for each event of it (3.7c): no
        event of SoPost is ever dropped, since none can be asked for again. Only what was asked for counts as a read.
        """
        error = self._session.orders.error
        read = {one.lower() for one in self._session.orders.read}
        with self._run.open() as db:
            for order_id, hints in by_order.items():
                gone = db.value("select last_try from raw.sopost_orders where id = ?", [order_id]) == "not_found"
                for hint in hints if order_id in self._session.orders.asked else ():
                    self._desk.note_read(hint, news=order_id in read)
                if error is not None and order_id not in read:
                    self._desk.fail(hints, error.kind)
                elif gone:
                    self._desk.settle(hints, Outcome.GONE)
                else:
                    self._desk.settle(hints, self._outcome(db, people.get(order_id, set())))

    def _outcome(self, db: Db, email_keys: set[str]) -> Outcome:
        keys = [person_key(one) for one in email_keys]
        with db.batch({"key": keys}) as batch, db.batch({"email_key": sorted(email_keys)}) as addresses:
            theirs = f"in (select key from {batch})"
            if db.row(
                f"""select 1 from synced.writes
                    where run_id = $run and object = $object and outcome = 'accepted' and id {theirs} limit 1""",
                {"run": self._run.run_id, "object": OBJECT},
            ):
                return Outcome.WRITTEN
            if db.row(f"select 1 from planned.consumers_due semi join {addresses} using (email_key) limit 1"):
                return Outcome.HANDED_OVER
            for crm in self._session.crms:
                assert crm in CRM_NAMES
                held = f"select 1 from planned.{crm}_consumers where held is not null and key {theirs} limit 1"
                if db.row(held):
                    return Outcome.HELD
        return Outcome.UNCHANGED


HINTED: Final = Hinted(WANTS, run_hinted, stages.QUEUE.hand_over)
