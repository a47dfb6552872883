"""Holds what the steps of one run of this route share: clients, accounts' files, what was read, what the plan says."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from vs_st_pipeline.connectors import commerce7, eshopbox, gupshup, vinoshipper
from vs_st_pipeline.connectors.eshopbox.client import EshopboxClient
from vs_st_pipeline.connectors.gupshup.client import GupshupClient
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, GupshupSettings
from vs_st_pipeline.domain.errors import PipelineError, Unsafe
from vs_st_pipeline.pipeline.session import Session, StageDone, opened
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.report import NoticesReport, new_report
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.stage_names import PUSH

SYSTEMS: Final = (gupshup.CONNECTOR, eshopbox.CONNECTOR, commerce7.CONNECTOR, vinoshipper.CONNECTOR)


@dataclass(slots=True)
class NoticesSession(Session):
    """One merchant's run of this route under way.

    Attributes:
        only: orders (SOURCE:ID) that a targeted run is about; None: all.
        trouble: the first error that the run goes on in spite of; it ends as failed with it.
        refused: why the brake lets messages wait.
        begun: when the run began, UTC without zone, by VS_ST_NOW.
        stopped: accounts (ids) that took no message any more in this run, and why (7.3, 7.4).
    """

    only: frozenset[str] | None = None
    trouble: PipelineError | None = None
    refused: Unsafe | None = None
    stopped: dict[str, PipelineError] = field(default_factory=dict)
    begun: datetime = field(init=False)
    _stores: dict[str, AccountStore] = field(default_factory=dict)
    _gupshups: dict[str, GupshupClient] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begun = self.run.now()

    @property
    def told(self) -> NoticesReport:
        """Return the report, as this route's."""
        return cast(NoticesReport, self.report)

    @property
    def settings(self) -> NoticesSettings:
        """Return the merchant's settings of this route."""
        return self.run.merchant.section(NoticesSettings)

    @property
    def gupshup(self) -> GupshupSettings:
        """Return the accounts that the merchant has installed, and the selected one (2.2)."""
        return self.run.merchant.section(GupshupSettings)

    @property
    def eshopbox(self) -> EshopboxClient:
        """Return the source's client; only where the entry has section `eshopbox`.

        Its token is kept beside the pace, which a dry run shares with the others too.
        """
        client = self.client(eshopbox.CONNECTOR)
        client.keep_token_in(self.run.warehouse.pace_dir.parent / "tokens", self.run.now, self.run.stop)
        return client

    @property
    def writes(self) -> bool:
        """Say whether this run may call what changes something: no dry run, no part of a sync."""
        return not self.run.dry_run and PUSH in self.selected

    def store(self, account: GupshupAccount) -> AccountStore:
        """Return an account's file, for this merchant."""
        if account.id not in self._stores:
            self._stores[account.id] = AccountStore.of(self.run, account)
        return self._stores[account.id]

    def sender(self, account: GupshupAccount) -> GupshupClient:
        """Return the client of one account; a message goes by the account that was chosen at its claim (2.2)."""
        if account.id not in self._gupshups:
            limiter = self._limiter(gupshup.CONNECTOR.name, gupshup.account_of(account))
            seconds = self.run.merchant.give_up_after.total_seconds()
            self._gupshups[account.id] = client = GupshupClient(account, limiter, seconds)
            client.http.tape = self.tape
            client.http.calls = self.report.calls[gupshup.CONNECTOR.name]  # all accounts' calls are counted together
        return self._gupshups[account.id]

    def close(self) -> None:
        """Close the clients and limiters that were made."""
        for client in self._gupshups.values():
            client.http.close()
        for store in self._stores.values():
            store.close()
        Session.close(self)


def open_session(
    run: Run, selected: Collection[str] = (), on_stage: Callable[[StageDone], None] = lambda _: None
) -> AbstractContextManager[NoticesSession]:
    """Open a session; an error inside becomes its report's error, and its clients are closed."""
    report = new_report(run.merchant.id, run.run_id)
    report.zone = run.merchant.time_zone
    return opened(NoticesSession(run, report, selected, on_stage))
