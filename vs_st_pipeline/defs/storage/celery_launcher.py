"""Launches runs with Dagster's Celery run launcher, finds runs whose worker is gone, and ends stopped runs well.

Only for several machines (docs/scale.md); it needs the packages of `deploy/requirements.lock`, and nothing imports it
but `deploy/dagster.yaml`.

dagster-celery believes what the task's last state says. A worker that dies with its machine leaves "started" there, so
that its run would block the schedule until `max_runtime_seconds`. Here the worker is asked whether it still has the
task. And dagster-celery stops a run by SIGTERM, which ends the process on the spot without a report; SIGINT is what
Dagster listens to: merchants at work end at their next request, and the run itself reports that it was canceled.
"""

from __future__ import annotations

from typing import Any

from dagster import DagsterRun
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

TIMES_ASKED, ANSWER_SECONDS = 3, 5.0  # a living worker answers in milliseconds, also while it runs a task


class WatchedCeleryRunLauncher(CeleryRunLauncher):
    """Runs as Celery tasks, one task each; configured as dagster-celery's own launcher is."""

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return the status of the run's task: failed, where its worker does not answer or does not know it.

        A worker that is cut off from Redis is taken for dead although it works on. The run is then started a second
        time; what keeps the two from each other's merchants is the sync lock, not this method.
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
                return CheckRunHealthResult(WorkerStatus.FAILED, f"worker {worker} has been restarted without it")
        return CheckRunHealthResult(WorkerStatus.FAILED, f"worker {worker} does not answer")

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run; Dagster asks this only for runs that have started."""
        run = self._instance.get_run_by_id(run_id)
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) if run else None
        if run is None or task_id is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        self.celery.AsyncResult(task_id).revoke(terminate=True, signal="SIGINT")
        return True
