"""Says how webhooks and their hints fare: who is alive, whose hints are due, how long they take, what was dropped.

Data flow: inbox, merchants file, status files -> `Look` -> `hint_findings` (checks), `hint_decision` (what follows).

A look is cheap, since it is taken every half minute: it reads the merchants file only where somebody's hints are due
and that matters. All of it goes by the machine's clock, as waits and lags do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.hints import Outcome
from vs_st_pipeline.operations.fleet.health import systems_kept
from vs_st_pipeline.operations.fleet.inbox_troubles import RECEIVER, WORKER, Concern, concerns
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.pipeline.hinted import takers_of
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.inbox import statistics
from vs_st_pipeline.platform.inbox.statistics import Key, Lags
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox
from vs_st_pipeline.platform.settings import environment
from vs_st_pipeline.platform.settings.public_url import PUBLIC_URL
from vs_st_pipeline.routes import faults_of

WORKER_ALIVE: Final = 60.0  # seconds since a worker's last sign of life in which no run is started
DUE_AT_MOST: Final = 600.0  # seconds for which a hint may be due
WRITTEN_WITHIN: Final = 60.0  # seconds from when a hint is due to what it led to
HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Attributes:
        at: when; epoch seconds.
        is_public: whether the world is told where to call us.
        alive: seconds since a receiver, a worker was last alive, by its name; None: never seen.
        due: seconds for which a merchant's and route's oldest hint has been due that can be worked on now.
        resting: error of each merchant and route at rest (H30).
        lags: of the last hour, without those at rest. late: how many of them were written a minute or more after they
            were due.
        expired: how many hints have expired. flooded: how many were dropped in the last hour.
        concerns: what a person is to be told of; None where that is not known.
        problem: why nobody's hints can be worked on.
    """

    at: float
    is_public: bool = False
    alive: Mapping[str, float | None] = field(default_factory=dict)
    due: Mapping[Key, float] = field(default_factory=dict)
    resting: Mapping[Key, str] = field(default_factory=dict)
    lags: Lags | None = None
    late: int = 0
    expired: Mapping[Key, int] = field(default_factory=dict)
    flooded: Mapping[Key, int] = field(default_factory=dict)
    concerns: tuple[Concern, ...] | None = ()
    problem: str = ""

    def is_alive(self, who: str, within: float) -> bool:
        """Say whether one gave a sign of life in the last seconds."""
        age = self.alive.get(who)
        return age is not None and age <= within

    @property
    def has_worker(self) -> bool:
        """Say whether hints are in a worker's hands."""
        return self.is_alive(WORKER, WORKER_ALIVE)


class InboxUnreadable(Exception):
    """The inbox cannot be read now; the text says why."""


def is_used(environ: Mapping[str, str]) -> bool:
    """Say whether webhooks play any part here: something was received, or the world is told where to call.

    Raises:
        BadSettings: the data folder's setting is wrong.
    """
    return Inbox(environment.data_dir(environ)).exists or is_public(environ)


def look(environ: Mapping[str, str], routes: Sequence[Route], inbox: Inbox) -> Look:
    """Look at the inbox.

    Args:
        routes: all that there are.
        inbox: of the data folder that the environment names.

    Raises:
        InboxUnreadable: it cannot be read; the next look may.
        BadSettings: the data folder's setting is wrong.
    """
    try:
        now, resting = inbox.clock(), inbox.resting()
        beats = {who: inbox.last_beat(who) for who in (RECEIVER, WORKER)}
        alive = {who: None if at is None else max(0.0, now - at) for who, at in beats.items()}
        due = {
            key: now - one.due_since
            for key, one in statistics.waiting(inbox).items()
            if one.due_since is not None and key not in resting
        }
        due = {key: 0.0 for key in statistics.left_behind(inbox) if key not in resting} | due
        problem = ""
        worker = alive[WORKER]
        if due and (worker is None or worker > WORKER_ALIVE or max(due.values()) >= DUE_AT_MOST):
            try:
                due = _workable(environ, routes, due)
            except BadSettings as error:
                due, problem = {}, error.message
        return Look(
            now,
            is_public(environ),
            alive,
            due,
            resting,
            statistics.lags(inbox, now - HOUR),
            statistics.overdue(inbox, now - HOUR, WRITTEN_WITHIN),
            {key: count for key, (count, _) in statistics.expired(inbox).items()},
            statistics.with_outcome(inbox, Outcome.OVER_LIMIT, now - HOUR),
            concerns(inbox, systems_kept(routes)),
            problem,
        )
    except UNUSABLE as error:
        raise InboxUnreadable(f"the inbox cannot be read now: {type(error).__name__}") from None


def _workable(environ: Mapping[str, str], routes: Sequence[Route], due: Mapping[Key, float]) -> dict[Key, float]:
    """Return those whose hints a targeted sync may take: of an enabled merchant, after its first good sync (H21).

    Of an account that several merchants share it is enough that one of them is on.
    """
    file = read_merchants(environment.settings_path(environ), environ)
    by_name, data_dir, found = {route.name: route for route in routes}, environment.data_dir(environ), {}
    takers = {
        route.name: takers_of(route.hinted, [one for one in file.enabled if route.is_on(one)]) for route in routes
    }
    for (merchant_id, name), seconds in due.items():
        if merchant_id in takers.get(name, ()):
            found[merchant_id, name] = seconds
            continue
        merchant, route = file.get(merchant_id), by_name.get(name)
        if merchant is None or route is None or route.hinted is None or not route.is_on(merchant):
            continue
        if name not in faults_of(merchant) and read_status(data_dir, merchant_id, name).last_good_sync_at is not None:
            found[merchant_id, name] = seconds
    return found


def is_public(environ: Mapping[str, str]) -> bool:
    """Say whether the world is told where to call us, rightly or not."""
    return bool(environ.get(PUBLIC_URL, "").strip())
