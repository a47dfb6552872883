"""Dagster's Celery run launcher, and besides: a run whose worker is gone is found, and a run that is stopped ends well.

Only for several boxes (docs/scale.md); it needs the packages of `deploy/requirements.lock`, and nothing imports it but
`deploy/dagster.yaml`.

dagster-celery believes what the task's last state says. A worker that dies with its machine leaves "started" there, so
that its run would block the schedule until `max_runtime_seconds`. Here the worker is asked whether it still has the
task. And dagster-celery stops a run by SIGTERM, which ends the process on the spot and tells nobody; SIGINT is what
Dagster listens to: merchants at work end at their next request, and the run says itself that it was canceled.
"""

from __future__ import annotations

from typing import Any

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

TIMES_ASKED, ANSWER_SECONDS = 3, 5.0  # a living worker answers in milliseconds, also while it runs something


class WatchedCeleryRunLauncher(CeleryRunLauncher):
    """Runs as Celery tasks, one task each; configured as dagster-celery's own launcher is."""

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """How the run's task stands; failed, where the worker that has it does not answer or knows nothing of it.

        A worker that is cut off from Redis is taken for dead although it works on. The run is then started a second
        time; what keeps the two from each other's merchants is the sync lock, not this.
        """
        told = super().check_run_worker_health(run)
        if told.status != WorkerStatus.RUNNING:
            return told
        task = self.celery.AsyncResult(run.tags[DAGSTER_CELERY_TASK_ID_TAG])
        started: Any = task.info
        worker = started.get("hostname") if isinstance(started, dict) else None
        if worker is None:
            return told
        for _ in range(TIMES_ASKED):
            answer = self.celery.control.inspect([worker], timeout=ANSWER_SECONDS).query_task(task.id)
            if answer and answer.get(worker):
                return told
            now = super().check_run_worker_health(run)
            if now.status != WorkerStatus.RUNNING:
                return now  # it has just ended
            if answer:
                return CheckRunHealthResult(WorkerStatus.FAILED, f"worker {worker} has been started anew without it")
        return CheckRunHealthResult(WorkerStatus.FAILED, f"worker {worker} does not answer")

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run; Dagster asks this of runs that have started only."""
        run = self._instance.get_run_by_id(run_id)
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) if run else None
        if run is None or task_id is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        self.celery.AsyncResult(task_id).revoke(terminate=True, signal="SIGINT")
        return True
