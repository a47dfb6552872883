"""Reports what a run of this route did, with the counts that the contract names (interface.md, section 3)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.routes.contacts.systems import SYSTEMS


@dataclass(slots=True)
class ContactsReport(Report):
    """One merchant's line.

    `seen` counts customers, orders and contacts; `planned` the contacts with something to write, their fields, and
    the contacts that are linked to no customer (`unmatched`).
    """

    def lines(self) -> list[str]:
        seen, planned = self.seen, self.planned
        if self.error is not None and not seen["contacts"]:
            return []
        return [
            f"  read     {', '.join(counted(seen[what], what) for what in ('customers', 'orders', 'contacts'))}",
            f"  planned  {counted(planned['contacts'], 'contacts')} to write, {counted(planned['fields'], 'values')}; "
            f"{counted(planned['unmatched'], 'contacts')} of no customer",
            f"  synced   {self.accepted} accepted, {self.rejected} rejected, {self.unknown} unknown",
            *self.reason_lines(),
        ]

    def news(self) -> list[Any]:
        return [self.planned["unmatched"], sorted(self.held.items()), sorted(self.noted.items())]


def new_report(merchant_id: str, run_id: str = "") -> ContactsReport:
    """Return the report of a run that has not done anything yet."""
    return ContactsReport(
        merchant_id,
        run_id,
        seen={"customers": 0, "orders": 0, "contacts": 0},
        planned={"contacts": 0, "fields": 0, "unmatched": 0},
        calls={connector.name: Counter() for connector in SYSTEMS},
    )
