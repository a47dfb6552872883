"""Holds what the stages of one sync of this route share: both clients, and whose records are worth asking for."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass

from vs_st_pipeline.connectors import simpletexting, vinoshipper
from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.pipeline.session import Session, StageDone, opened
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.contacts.demand import Demand, demand_of
from vs_st_pipeline.routes.contacts.identity import Linked
from vs_st_pipeline.routes.contacts.report import new_report


@dataclass(slots=True)
class ContactsSession(Session):
    """One merchant's run of this route under way.

    Attributes:
        demand, links: whose records are worth asking for, and all links, as far as they were worked out in this run.
    """

    demand: Demand | None = None
    links: Linked | None = None

    @property
    def vinoshipper(self) -> VinoshipperClient:
        """Return the shop's client."""
        return self.client(vinoshipper.CONNECTOR)

    @property
    def simpletexting(self) -> SimpleTextingClient:
        """Return the texting account's client."""
        return self.client(simpletexting.CONNECTOR)

    def in_demand(self) -> Demand:
        """Work out whose records are worth asking for, by what is stored now."""
        self.demand, links = demand_of(self.run, self.demand)
        self.links = links or self.links
        return self.demand


def open_session(
    run: Run, selected: Collection[str] = (), on_stage: Callable[[StageDone], None] = lambda _: None
) -> AbstractContextManager[ContactsSession]:
    """Open a session; an error inside becomes its report's error, and its clients are closed.

    Args:
        selected, on_stage: as in `Session`.
    """
    return opened(ContactsSession(run, new_report(run.merchant.id, run.run_id), selected, on_stage))
