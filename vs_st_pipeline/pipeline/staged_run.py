"""Runs a route's stages for one merchant: all of them, those that are asked for, or all but the last as a dry run.

What every route does around its own steps stands here; the steps stand in the route's `sync`. A dry run works in a copy
of the merchant's file that is thrown away, so it moves nothing (routes.md R27).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from vs_st_pipeline.domain.errors import Interrupted, PipelineError
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline import whole_hints
from vs_st_pipeline.pipeline.hinted import HintDesk, Queue
from vs_st_pipeline.pipeline.session import Session, StageDone, again_if_interrupted, at_rest, in_a_copy
from vs_st_pipeline.pipeline.status_file import record_run, was_synced
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.platform.run import Run

SessionT = TypeVar("SessionT", bound=Session)
BegunT = TypeVar("BegunT")
OnStage = Callable[[StageDone], None]


class Troubled(Protocol):
    """A session that keeps the trouble in spite of which it goes on."""

    run: Run
    trouble: PipelineError | None


@dataclass(frozen=True)
class StagedRun(Generic[SessionT]):
    """How a route's stages are run for one merchant; nothing of it raises, what went wrong is in the report.

    Attributes:
        name: of the route. stages: their names, in order. reads: the first that asks a source.
        writes: the one that writes; without it nothing is written, and no hint is taken.
        open_session: opens what the steps share; an error inside becomes the report's.
        queue: takes the hints in which a sync of everything is asked for; it takes them where it reads and writes.
        steps: does the stages that the session has selected, in the route's own order.
        new_report: makes the report of a merchant (its id) and a run (its id).
        nothing: what a dry run shows where there is nothing to show. rows: what it shows of a plan, by the same names.
    """

    name: str
    stages: tuple[str, ...]
    reads: str
    writes: str
    open_session: Callable[[Run, Collection[str], OnStage], AbstractContextManager[SessionT]]
    queue: Queue
    steps: Callable[[SessionT], None]
    new_report: Callable[[str, str], Report]
    nothing: Mapping[str, Any]
    rows: Callable[[SessionT], Mapping[str, Any]]

    def sync(self, run: Run) -> Report:
        """Run all stages for one merchant: the main job."""
        return self.run_stages(run, self.stages)

    def run_stages(self, run: Run, selected: Collection[str], on_stage: OnStage = lambda _: None) -> Report:
        """Run these stages for one merchant, in order.

        A run that was interrupted by something outside of it (`Interrupted`) is run again at once, and only once.

        Args:
            selected: names in `stages`.
            on_stage: told of each stage as it is done, and again, with the sum, where it is done in parts.
        """
        if self.is_off(run):
            return self.off(run)
        if run.dry_run:
            selected = [one for one in selected if one != self.writes]
            return in_a_copy(run, self._open_aside, lambda aside: self._once(aside, selected, on_stage))
        run, report = again_if_interrupted(run, lambda run: self._once(run, selected, on_stage))
        if self.writes in selected:
            record_run(run, report)  # a view for `vs-st merchants`
        return report

    def dry_run(self, run: Run) -> tuple[Report, dict[str, Any]]:
        """Run all stages but the last; a later sync does all that it would have done without the dry run.

        Returns:
            The report, and what the plan holds, by the names of `nothing`.
        """
        if self.is_off(run):
            return self.off(run), dict(self.nothing)
        rows = dict(self.nothing)

        def work(aside: Run) -> Report:
            return self._once(aside, self.stages[:-1], lambda _: None, lambda session: rows.update(self.rows(session)))

        return in_a_copy(replace(run, dry_run=True), self._open_aside, work), rows

    def run_hinted(
        self,
        run: Run,
        desk: HintDesk,
        begin: Callable[[SessionT], BegunT],
        work: Callable[[SessionT, BegunT], None],
        end: Callable[[SessionT], None],
    ) -> Report:
        """Sync what is hinted at, by all stages.

        Before the merchant's first good whole sync nothing is claimed: the hints wait for it.

        Args:
            begin: brings in step what a crash has left. work: claims the hints, and does what they ask for.
            end: counts what stands, whatever came of the work.
        """
        if self.is_off(run):
            return self.off(run)
        run = replace(run, trigger="hint", inbox=run.inbox or desk.inbox)
        with self.open_session(run, self.stages, lambda _: None) as session, run.sync_lock():
            session.urgency = Urgency.HINT
            if was_synced(run):
                begun = begin(session)
                try:
                    work(session, begun)
                finally:
                    end(session)
                    desk.finish(session.report)
        session.report.add_up()
        return session.report

    def is_off(self, run: Run) -> bool:
        """Say whether the route is off for a merchant: not named, paused, faulty, or off by its own settings."""
        return self.name not in run.merchant.routes

    def off(self, run: Run) -> Report:
        """Return the report of a run for a merchant whose route is off: nothing is called, nothing made (R51)."""
        return at_rest(run, self.new_report(run.merchant.id, run.run_id))

    def _open_aside(self, run: Run) -> AbstractContextManager[SessionT]:
        return self.open_session(run, (), lambda _: None)

    def _once(
        self,
        run: Run,
        selected: Collection[str],
        on_stage: OnStage,
        at_end: Callable[[SessionT], None] = lambda _: None,
    ) -> Report:
        with self.open_session(run, selected, on_stage) as session:
            try:
                queue = self.queue if self.reads in selected and self.writes in selected else None
                with run.sync_lock(), whole_hints.taken(run, queue) as hints:
                    session.report.hints |= {"taken": hints.counts.total(), "records": hints.records}
                    self.steps(session)
            finally:
                at_end(session)
        session.report.add_up()
        return session.report


def in_spite_of_trouble(session: Troubled, work: Callable[[], object]) -> None:
    """Do some work, and keep its trouble in the session: what else there is to do goes on all the same.

    Raises:
        PipelineError: the run was interrupted, or is to stop.
    """
    try:
        work()
    except Interrupted:
        raise
    except PipelineError as error:
        if session.run.stop():
            raise
        session.trouble = session.trouble or error
