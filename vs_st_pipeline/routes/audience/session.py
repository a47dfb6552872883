"""Holds what the steps of one run of this route share: the clients, what was read, what the brake said."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, cast

from vs_st_pipeline.connectors import commerce7, shop, vinoshipper, waymore
from vs_st_pipeline.connectors.waymore.client import WaymoreClient
from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.errors import PipelineError, Unsafe
from vs_st_pipeline.pipeline.session import Session, StageDone, opened
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.audience.registration import Registration
from vs_st_pipeline.routes.audience.report import AudienceReport, new_report
from vs_st_pipeline.routes.audience.sources import Seen, source_name
from vs_st_pipeline.routes.audience.stage_names import PUSH

SYSTEMS: Final = (waymore.CONNECTOR, vinoshipper.CONNECTOR, commerce7.CONNECTOR, shop.CONNECTOR)


@dataclass(slots=True)
class AudienceSession(Session):
    """One merchant's run of this route under way.

    Attributes:
        registration: as this run found it, and has brought it on.
        registered: whether mass and event calls may be made in this run.
        seen: what the source said. only: records (kind, id) that a targeted run is about; None: all.
        trouble: the first error that the run goes on in spite of; it ends as failed with it.
        planned: whether this run has judged people and planned, so that what is staged may be sent.
        tried: keys of events that this run has tried: none of them goes again in it.
        slice_began: when this run began to send history, by the monotonic clock; None: not yet.
        verdicts, refused: what the brake found, and why it lets nothing of this plan be sent; None: it does.
    """

    registration: Registration = field(default_factory=Registration)
    registered: bool = False
    seen: Seen = field(default_factory=Seen)
    only: frozenset[tuple[str, str]] | None = None
    trouble: PipelineError | None = None
    planned: bool = False
    tried: set[str] = field(default_factory=set)
    slice_began: float | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    refused: Unsafe | None = None

    @property
    def told(self) -> AudienceReport:
        """Return the report, as this route's."""
        return cast(AudienceReport, self.report)

    @property
    def settings(self) -> WaymoreSettings:
        """Return the merchant's settings of this route."""
        return self.run.merchant.section(WaymoreSettings)

    @property
    def waymore(self) -> WaymoreClient:
        """Return the destination's client."""
        return self.client(waymore.CONNECTOR)

    def made_client(self) -> WaymoreClient | None:
        """Return the destination's client, where this run has made one."""
        found = self._clients.get(waymore.CONNECTOR.name)
        return cast("WaymoreClient | None", found)

    @property
    def writes(self) -> bool:
        """Say whether this run may call WayMore: no dry run, no part of a sync."""
        return not self.run.dry_run and PUSH in self.selected

    @property
    def over_budget(self) -> bool:
        """Say whether what can wait is left for the next run (routes.md R54, R63); never an event that is due."""
        return self.run.over_budget(sum(calls.total() for calls in self.report.calls.values()))


def open_session(
    run: Run, selected: Collection[str] = (), on_stage: Callable[[StageDone], None] = lambda _: None
) -> AbstractContextManager[AudienceSession]:
    """Open a session; an error inside becomes its report's error, and its clients are closed."""
    return opened(
        AudienceSession(run, new_report(run.merchant.id, run.run_id, source_name(run.merchant)), selected, on_stage)
    )
