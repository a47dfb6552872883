"""Tells of resolutions that are shown at Eshopbox and are not ours: somebody acted there (notices.md 8.6).

Data flow: notice_orders, journey_events of the orders read since the last look -> staged.activity, mode `eshopbox`.

What was handed in before the first look is history, and told to nobody.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import activity, reply_rules
from vs_st_pipeline.routes.notices.order_now import read_time
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.words import What

_SINCE: Final = "resolutions_since"  # the first look
_LOOKED: Final = "resolutions_looked_at"  # newest read that was looked at


def look(session: NoticesSession) -> None:
    """Tell of them, each once."""
    run = session.run
    with run.open() as db, db.transaction():
        since, looked = _fact(db, _SINCE), _fact(db, _LOOKED)
        newest: datetime | None = db.value("select max(read_at) from staged.notice_orders")
        if since is None:
            _keep(db, _SINCE, run.now(), run.now())
            _keep(db, _LOOKED, newest or run.now(), run.now())
            return
        if newest is None or (looked is not None and newest < looked):
            return
        told: set[str] = set()
        for merchant_order, ndr in db.rows(
            "select merchant_order, ndr from staged.notice_orders where ndr is not null and read_at >= ?", [looked]
        ):
            for unit_key, about in (try_object(ndr) or {}).items():
                shown = about.get("submitted") if isinstance(about, dict) else None
                if isinstance(shown, dict) and isinstance(shown.get("code"), str):
                    told.add(unit_key)
                    _tell(session, db, since, merchant_order, unit_key, shown["code"], read_time(shown.get("at")))
        for merchant_order, unit_key, at in db.rows(
            """select merchant_order, unit_key, answered_at from staged.journey_events
               semi join (select merchant_order from staged.notice_orders where read_at >= ?) using (merchant_order)
               where answered_at is not null""",
            [looked],
        ):
            if unit_key not in told:
                _tell(session, db, since, merchant_order, unit_key, None, at)
        _keep(db, _LOOKED, newest, run.now())


def _tell(
    session: NoticesSession,
    db: Db,
    since: datetime,
    merchant_order: str,
    unit_key: str,
    code: str | None,
    at: datetime | None,
) -> None:
    if at is not None and at < since:
        return
    ours = db.row(
        """select 1 from synced.actions where merchant_order = ? and (code = ? or ?::varchar is null)
           and state in ('sending', 'unknown', 'done')""",
        [merchant_order, code, code],
    )
    if ours is not None:
        return
    actions = reply_rules.load(session.run.merchant).actions.values()
    activity.add(
        db,
        session.run,
        What.ACTION,
        merchant_order=merchant_order,
        mode=activity.AT_ESHOPBOX,
        key=f"eshopbox {merchant_order} {unit_key} {code} {at}",
        detail={"action": next((one.key for one in actions if one.code == code), None), "code": code, "at": at},
    )


def _fact(db: Db, name: str) -> datetime | None:
    return read_time(db.value("select value from synced.notice_facts where name = ?", [name]))


def _keep(db: Db, name: str, value: datetime, now: datetime) -> None:
    db.execute("insert or replace into synced.notice_facts values (?, ?, ?)", [name, value.isoformat(), now])
