"""Measures what must never be: a subscription that no consent covers, or that left without evidence (consumers.md 7.9).

Both are counted from what is stored, so they hold for whatever wrote it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vs_st_pipeline.domain.crm import Step
from vs_st_pipeline.domain.phone import mask_email
from vs_st_pipeline.pipeline.metrics import SAMPLED, Metric
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

_SENT: Final = "action in ('subscribe', 'add_to_list') and outcome <> 'not_done'"
_STEPS: Final = (Step.CONSENT, Step.LISTS, Step.WITHDRAW, Step.UNLIST)


def subscribed_without_consent(crm: str) -> Callable[[Run, Db], Metric]:
    """Measure people with a subscription that no consent covers, or that was made against what had just been read.

    An order of which nothing is stored any more (forgotten, a new file) is covered by its evidence alone.
    """
    sql = f"""
        from synced.consent_evidence as e
        left join staged.consents as c using (order_id, consent_id, data_handler)
        where e.crm = $crm and e.{_SENT} and (
            e.consent_id = '' or e.data_handler = '' or e.order_id = ''
            or (c.order_id is not null and not (c.ever_given and c.entry = 'mapped'))
            or e.state_before not in ('never', 'subscribed', 'unsubscribed')
            or (e.state_before = 'unsubscribed' and e.earliest_at is null))"""

    def find(run: Run, db: Db) -> Metric:
        rows = db.rows(f"select distinct e.key, e.email {sql} order by 1", {"crm": crm})
        of = db.value(f"select count(distinct key) from synced.consent_evidence where crm = ? and {_SENT}", [crm])
        return Metric(len(rows), int(of), sample=", ".join(mask_email(row[1]) for row in rows[:SAMPLED]))

    return find


def evidence_missing(crm: str) -> Callable[[Run, Db], Metric]:
    """Measure requests about consent that are in the outbox and have no evidence of the same person and run."""
    calls = ", ".join(f"'{step}'" for step in _STEPS)
    sql = f"""from (select distinct id, run_id from synced.writes where system = $crm and call in ({calls})) as w
              left join (select distinct key, run_id from synced.consent_evidence where crm = $crm) as e
              on e.key = w.id and e.run_id = w.run_id"""

    def find(run: Run, db: Db) -> Metric:
        missing, of = db.row(f"select count(*) filter (e.key is null), count(*) {sql}", {"crm": crm}) or (0, 0)
        return Metric(int(missing), int(of))

    return find
