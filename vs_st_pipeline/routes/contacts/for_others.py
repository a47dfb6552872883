"""Reads what no contact needs, for other routes of the same merchant: everybody's details, all orders (R34).

Data flow: raw.vinoshipper_customers, raw.vinoshipper_orders -> details that are due -> the same.

One route reads a winery for all. Whose details contacts need is read first, and written; the others' come last, so many
in one sync that the next one is not late. `audience` and `notices` look at the rows; `audience` says itself when it has
seen all of them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vs_st_pipeline.connectors.vinoshipper.details import fetch_customer_details, fetch_order_details
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.routes.contacts.everybody import everybody
from vs_st_pipeline.routes.contacts.session import ContactsSession

SLICE_SECONDS: Final = 300
"""At the merchant's own rate, for the others in one sync: a first walk takes a day, and no contact waits for it."""


def read(session: ContactsSession) -> None:
    """Read the due details of those whom no contact needs, and of all orders, as many as one sync may.

    Raises:
        PipelineError: the system's trouble; what was read is stored, and contacts were written before.
    """
    run, shop = session.run, session.vinoshipper
    if run.dry_run or run.over_budget(shop.sent):
        return
    most = shop.sent + max(1, int(SLICE_SECONDS * run.merchant.section(VinoshipperSettings).requests_per_second))
    sliced = replace(run, budget=most if run.budget is None else min(most, run.budget))
    linked = set((session.demand or session.in_demand()).customer_ids)
    with session.urgent(Urgency.FIRST_WALK):
        with run.open() as db:
            others = [id for id in everybody(db) if id not in linked]
        fetch_customer_details(sliced, shop, others)
        if not sliced.over_budget(shop.sent):
            fetch_order_details(sliced, shop, None, except_of=linked)
