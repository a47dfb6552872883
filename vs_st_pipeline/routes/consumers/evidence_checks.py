"""Measures what must never be: a subscription that no consent covers, or that left without evidence (consumers.md 7.9).

Both are counted from what is stored, so they hold for whatever wrote it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from vs_st_pipeline.domain.crm import Step
from vs_st_pipeline.domain.phone import mask_email
from vs_st_pipeline.pipeline.metrics import SAMPLED, Metric
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

_SENT: Final = "action in ('subscribe', 'add_to_list') and outcome <> 'not_done'"
_STEPS: Final = (Step.CONSENT, Step.LISTS, Step.WITHDRAW, Step.UNLIST)
_LOOKED_BACK: Final = timedelta(days=30)
"""How far requests are looked at again, in every sync."""


def subscribed_without_consent(crm: str) -> Callable[[Run, Db], Metric]:
    """Measure people with a subscription that no consent covers, or that was made against what had just been read.

    An order of which nothing is stored any more (forgotten, a new file) is covered by its evidence alone. Settings that
    have changed since uncover nobody.
    """
    sql = f"""
        from synced.consent_evidence as e left join staged.consents as c
          on c.order_id = e.order_id and lower(trim(c.consent_id)) = lower(trim(e.consent_id))
             and lower(trim(c.data_handler)) = lower(trim(e.data_handler))
        where e.crm = $crm and e.{_SENT} and (
            e.consent_id = '' or e.data_handler = '' or e.order_id = ''
            or (c.order_id is not null and not c.once_given)
            or e.state_before not in ('never', 'subscribed', 'unsubscribed')
            or (e.state_before = 'unsubscribed' and e.earliest_at is null))"""

    def find(run: Run, db: Db) -> Metric:
        rows = db.rows(f"select distinct e.key, e.email {sql} order by 1", {"crm": crm})
        of = db.value(f"select count(distinct key) from synced.consent_evidence where crm = ? and {_SENT}", [crm])
        return Metric(len(rows), int(of), sample=", ".join(mask_email(row[1]) for row in rows[:SAMPLED]))

    return find


def evidence_missing(crm: str) -> Callable[[Run, Db], Metric]:
    """Measure requests about consent of the last month that name no evidence, or none that is stored."""
    calls = ", ".join(f"'{step}'" for step in _STEPS)
    sql = f"""
        with sent as (
            select send_id, id, from_json(json_extract(evidence, '$.evidence'), '["varchar"]') as ids
            from synced.writes where system = $crm and call in ({calls}) and sent_at >= $since::timestamp),
        named as (select send_id, id, unnest(ids) as evidence_id from sent)
        select (select count(*) from sent where coalesce(len(ids), 0) = 0)
             + (select count(distinct (send_id, id)) from named anti join synced.consent_evidence using (evidence_id)),
               (select count(*) from sent)"""

    def find(run: Run, db: Db) -> Metric:
        missing, of = db.row(sql, {"crm": crm, "since": run.now() - _LOOKED_BACK}) or (0, 0)
        return Metric(int(missing), int(of))

    return find
