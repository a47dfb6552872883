"""Provides what every run needs from its surroundings: the merchants file, the data folder and the time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations import settings
from vs_st_pipeline.operations.fleet.schedule import due_merchants, due_times
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.inbox.store import Inbox, inbox_in
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings import environment
from vs_st_pipeline.platform.settings.merchants import Merchant, MerchantsFile
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE, Warehouse
from vs_st_pipeline.routes import faults_of

TICK = timedelta(minutes=5)  # the interval at which merchants are looked at that are due as often as settings say
LOOK = timedelta(minutes=1)  # the interval of the schedule: a route that says when it is due is looked at each time


class Settings:
    """Reads the environment when asked, not when loaded, so that definitions load before there is anything to read.

    A plain object, which Dagster takes for a resource as it is: there is nothing here to configure in a launchpad.
    """

    def merchants_file(self) -> MerchantsFile:
        """Read the merchants file as it is now.

        Raises:
            BadSettings: it cannot be read, or no merchant of it is usable.
        """
        return settings.read_merchants(environment.settings_path(os.environ), os.environ)

    def now(self) -> datetime:
        """Return the present, or the time that VS_ST_NOW sets; aware.

        Raises:
            BadSettings: VS_ST_NOW is not a time.
        """
        return environment.now(os.environ)

    def warehouse(self) -> Warehouse:
        """Return the one warehouse of the whole run: its merchants share one DuckDB instance."""
        return warehouse_at(environment.data_dir(os.environ))

    def run(
        self,
        merchant: Merchant,
        warehouse: Warehouse,
        run_id: str,
        *,
        full: bool = False,
        allow_unsafe: bool = False,
        dry_run: bool = False,
        budget: int | None = None,
        trigger: str = "backfill",
    ) -> Run:
        """Make a run of one merchant under the id of the Dagster run."""
        environment.now(os.environ)  # finds a VS_ST_NOW that is not a time before any request is made
        return Run(
            merchant,
            warehouse,
            lambda: environment.now(os.environ),
            run_id=run_id,
            started_by="dagster",
            trigger=trigger,
            inbox=inbox_in(warehouse.data_dir),
            full=full,
            allow_unsafe=allow_unsafe,
            dry_run=dry_run,
            budget=budget,
            fleet_rates=settings.fleet_rates(os.environ),
        )

    def run_for_hints(
        self, merchant: Merchant, route: Route, warehouse: Warehouse, inbox: Inbox, stop: Callable[[], bool]
    ) -> Run:
        """Make the run of one targeted sync, with an id of its own; a lock that another sync holds is not waited for.

        Args:
            stop: asked before every request.
        """
        return Run(
            merchant,
            warehouse,
            lambda: environment.now(os.environ),
            route=route.name,
            started_by="dagster",
            trigger="hint",
            inbox=inbox,
            lock_wait=0.0,
            stop=stop,
            fleet_rates=settings.fleet_rates(os.environ),
        )


def broken(file: MerchantsFile, route: Route) -> list[str]:
    """Return the ids of the merchants whose entry of this route is wrong, or their settings of it.

    There is nothing to sync, but it has to be reported. An entry of which nobody knows what it means is shown under the
    first route, so that it is shown once.
    """
    at_fault = [merchant.id for merchant in file.enabled if route.name in faults_of(merchant)]
    bad = [one for one in file.bad if route.name in (one.routes or (DEFAULT_ROUTE,))]
    return [*(one.id for one in bad if one.id and file.get(one.id) is None), *at_fault]


def due_now(file: MerchantsFile, route: Route) -> list[str]:
    """Return the ids of the enabled merchants of a route that are due, the longest overdue first.

    A merchant that falls due before half a tick is over is taken now: a sync ends some time after its tick, and waiting
    for the tick after next would make ten minutes of five.

    Raises:
        BadSettings: a setting of the environment is wrong.
    """
    return due_merchants(
        route,
        environment.data_dir(os.environ),
        [merchant.id for merchant in file.enabled if route.is_on(merchant)],
        environment.now(os.environ) + (TICK if route.next_due_at is None else LOOK) / 2,
        bounds=environment.sync_bounds(os.environ),
        requests_per_second=settings.fleet_rates(os.environ).get(route.paced_by),
    )


def next_due(file: MerchantsFile, routes: Sequence[Route]) -> tuple[datetime, str, str] | None:
    """Return when a tick takes somebody next, as things stand now, and whom: merchant's id and route; None: nobody.

    Raises:
        BadSettings: a setting of the environment is wrong.
    """
    now, found = environment.now(os.environ), list[tuple[datetime, str, str]]()
    for route in routes:
        at = due_times(
            route,
            environment.data_dir(os.environ),
            [merchant.id for merchant in file.enabled if route.is_on(merchant)],
            now,
            bounds=environment.sync_bounds(os.environ),
            requests_per_second=settings.fleet_rates(os.environ).get(route.paced_by),
        )
        every = TICK if route.next_due_at is None else LOOK
        found += [(_tick_of(moment or now, now, every), merchant_id, route.name) for merchant_id, moment in at.items()]
    return min(found, default=None)


def _tick_of(moment: datetime, now: datetime, every: timedelta) -> datetime:
    """Return the first tick after now that takes what is due at a moment (`due_now`)."""
    last = _floor(now, every)
    ticks = max(1, -((last - (moment - every / 2)) // every))
    return last + ticks * every


def _floor(moment: datetime, every: timedelta) -> datetime:
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // every * every


def merchant_of(file: MerchantsFile, merchant_id: str) -> Merchant:
    """Return the merchant of a partition.

    Raises:
        BadSettings: the file has no usable entry for it.
    """
    merchant = file.get(merchant_id)
    if merchant is not None:
        return merchant
    for bad in file.bad_of(merchant_id):
        raise bad.error
    raise BadSettings(
        f"{file.path} has no merchant {merchant_id}: add it again, or wait until its partition is removed"
    )
