"""Declares what a plan of this route depends on, besides what is stored of its systems.

Of the date only one thing matters: which customers are under age.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.domain.birth import last_birth_date
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.pipeline.plan_cache import PlanInputs
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.contacts.settings import ContactsSettings
from vs_st_pipeline.routes.contacts.systems import SYSTEMS

PLAN_VERSION: Final = 1
"""Raised when the same contacts, customers and orders are linked, held, planned or judged otherwise."""

VERSIONS: Final = PlanInputs(SYSTEMS, PLAN_VERSION, ()).versions

_UNDER_AGE = (
    "count(*), sum(hash(customer_id)) from staged.customers where birth_date > $born",
    "count(*), sum(hash(order_number)) from staged.orders where birth_date > $born",
    """count(*), $year
       from (select birth_year from staged.customers union all select birth_year from staged.orders)
       where birth_year is not null""",
)
_UNSETTLED = (
    "count(*) from raw.unreadable where kind = 'contact'",
    # A contact that was read in this run, and was never found settled.
    """count(*) from raw.simpletexting_contacts as c
       join planned.targets as p on p.id = c.contact_id
       left join synced.settled as s using (system, object, id)
       where c.read_run = $run and p.fingerprint is not null and s.fingerprint is distinct from p.fingerprint""",
)


def plan_inputs(run: Run, field_map: FieldMap) -> PlanInputs:
    """Return all that a plan made now depends on."""
    merchant, today = run.merchant, run.today()
    wanted = merchant.section(ContactsSettings)
    return PlanInputs(
        connectors=SYSTEMS,
        version=PLAN_VERSION,
        settings=(
            wanted.on_ambiguous_phone,
            wanted.require_age_evidence,
            str(merchant.time_zone),
            field_map.fields,  # not its fingerprint: of two rows that mean one field of the account the first has it
        ),
        stored=_UNDER_AGE,
        unsettled=_UNSETTLED,
        values={"born": last_birth_date(today), "year": today.year},
    )
