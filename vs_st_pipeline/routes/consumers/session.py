"""Holds what the stages of one sync of this route share: the clients, and each CRM's desk."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Final, cast

from vs_st_pipeline.connectors import hubspot, klaviyo, salesforce, sopost
from vs_st_pipeline.connectors.hubspot.crm import connect_crm as connect_hubspot
from vs_st_pipeline.connectors.klaviyo.crm import connect_crm as connect_klaviyo
from vs_st_pipeline.connectors.salesforce.crm import connect_crm as connect_salesforce
from vs_st_pipeline.connectors.sopost.client import SoPostClient
from vs_st_pipeline.connectors.sopost.reading import OrdersRead
from vs_st_pipeline.domain.crm import Crm, Setup
from vs_st_pipeline.pipeline.session import Session, StageDone, opened
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers import consumers, evidence, map_file, values
from vs_st_pipeline.routes.consumers.judging import Rules
from vs_st_pipeline.routes.consumers.looking import Desk
from vs_st_pipeline.routes.consumers.report import ConsumersReport, new_report
from vs_st_pipeline.routes.consumers.settings import ConsumersSettings, targets_of
from vs_st_pipeline.routes.consumers.staging import crms_of

CONNECTORS: Final[dict[str, tuple[Connector[Any], Callable[[Any, Merchant], Crm]]]] = {
    hubspot.CONNECTOR.name: (hubspot.CONNECTOR, connect_hubspot),
    klaviyo.CONNECTOR.name: (klaviyo.CONNECTOR, connect_klaviyo),
    salesforce.CONNECTOR.name: (salesforce.CONNECTOR, connect_salesforce),
}
SYSTEMS: Final = (sopost.CONNECTOR, *(connector for connector, _ in CONNECTORS.values()))


@dataclass(slots=True)
class ConsumersSession(Session):
    """One merchant's run of this route under way.

    Attributes:
        orders: what came of the orders that were due.
    """

    orders: OrdersRead = field(default_factory=OrdersRead)
    _evidence: evidence.Book | None = None

    @property
    def evidence_in_step(self) -> bool:
        """Say whether each row of evidence that this run has stored has its line in the file."""
        return self._evidence is None or self._evidence.in_step

    @property
    def told(self) -> ConsumersReport:
        """Return the report, as this route's."""
        return cast(ConsumersReport, self.report)

    @property
    def crms(self) -> tuple[str, ...]:
        """Return the merchant's CRMs, in the order in which they are asked."""
        return tuple(self.told.crms)

    @property
    def sopost(self) -> SoPostClient:
        """Return the source's client."""
        return self.client(sopost.CONNECTOR)

    def crm(self, name: str) -> Crm:
        """Return a CRM of the merchant, as the route speaks to it; nothing is sent yet."""
        connector, connect = CONNECTORS[name]
        return connect(self.client(connector), self.run.merchant)

    def desk(self, name: str, *, writes: bool) -> Desk:
        """Return a CRM's desk; nothing is asked yet, and of its account nothing is known.

        Raises:
            BadSettings: the field map cannot be used.
        """
        run, merchant = self.run, self.run.merchant
        connector, _ = CONNECTORS[name]
        settings = merchant.section(ConsumersSettings)
        field_map = map_file.load(merchant, name)
        crm = self.crm(name)
        rules = Rules(
            records_all=crm.records_all,
            resubscribe=settings.resubscribe == "newer_consent",
            unsubscribe_withdrawn=settings.on_withdrawn == "unsubscribe",
            only=None if settings.only is None else frozenset(settings.only),
            shows_late=crm.shows_within.total_seconds() > 0,
            oldest=run.now() - evidence.USED_FOR,
        )

        def load(db: Db, email_keys: Collection[str]) -> list[consumers.Consumer]:
            return consumers.load(run, db, name, email_keys)

        if self._evidence is None:
            with run.open() as db:
                self._evidence = evidence.Book(run, db)
        desk = Desk(
            run=run,
            crm=crm,
            part=self.told.crms[name],
            rules=rules,
            setup=Setup(None, {}),
            stream=connector.streams[0],
            field_map=field_map,
            load=load,
            wanted=lambda consumer: values.wanted(consumer, field_map, desk.setup.fields, merchant.time_zone),
            evidence=self._evidence,
            writes=writes,
            is_open=False,
            http=self.client(connector).http,
        )
        return desk

    def targets(self, name: str) -> set[Any]:
        """Return all targets that the settings name at a CRM."""
        return {target for entry in targets_of(self.run.merchant, name) if (target := entry.target(name)) is not None}


def open_session(
    run: Run, selected: Collection[str] = (), on_stage: Callable[[StageDone], None] = lambda _: None
) -> AbstractContextManager[ConsumersSession]:
    """Open a session; an error inside becomes its report's error, and its clients are closed."""
    report = new_report(run.merchant.id, run.run_id, crms_of(run.merchant))
    return opened(ConsumersSession(run, report, selected, on_stage))
