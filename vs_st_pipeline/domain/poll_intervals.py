"""Decides how often each merchant is polled: more often where more happens, so that the budget buys the least age.

Pure: no clock, no file, no network. Nobody can ask the two APIs what changed, so a change waits for the next sync.

The optimum. Merchant i changes `l_i` times a second and is synced every `T_i` seconds at the fixed cost `c_i`. A
change falls anywhere between two syncs, so it waits `T_i / 2` on average, whatever the other changes do: no Poisson
process is needed for that, only that changes do not know the sync times. The waiting of all
together is `sum l_i T_i / 2` per second, minimized under `sum c_i / T_i = B`. Setting the derivative of the Lagrangian
to 0 gives
`l_i / 2 = m c_i / T_i^2`, so `T_i = s sqrt(c_i / l_i)` with `s = sum sqrt(c_j l_j) / B`; the problem is convex in the
frequencies `1 / T_i`, so that is the minimum. With bounds, convexity keeps the form for all merchants between them:
`T_i = clamp(s sqrt(c_i / l_i))`, with the one `s` that spends the budget (water-filling). Four times the changes are
thus worth twice the syncs. The square root is the result of Sia, Cho and Cho, "Efficient Monitoring Algorithm for Fast
News Alerts", for the delay of postings; it is not the one of Cho and Garcia-Molina, "Effective Page Refresh Policies
for Web Crawlers", whose unweighted freshness gives up on pages that change too often. Writing the changes themselves
costs about the same at any interval, so only the fixed part of a sync belongs in `c_i`.

Out of scope: the time of day and the calendar (a rate here is a mean over day and night).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Container, Mapping
from dataclasses import dataclass
from operator import truediv

DAY = 86_400.0  # seconds
# Measured in simulated fleets: half a week gains under 1 % of the age where no merchant changes its rate, and a week
# costs three tenths more where half of the merchants change theirs midway. Below a day the rate would follow day and
# night.
HALF_LIFE = DAY
PRIOR_RATE = 5 / DAY  # changes per second that are assumed of a merchant about which nothing is known
PRIOR_SECONDS = DAY / 4  # of watching that this assumption is worth
LEAST_RATE = 1e-12  # once in 30,000 years; keeps roots and quotients finite, and lets leftover budget be used


@dataclass(frozen=True, slots=True)
class History:
    """What was learned about a merchant: two numbers, so `dataclasses.asdict` and `History(**read)` are its JSON.

    Attributes:
        changes: changes seen, each halved with every half-life since.
        seconds: time watched, discounted the same way; never above 1.45 half-lives.
    """

    changes: float = 0.0
    seconds: float = 0.0


def observe(history: History, elapsed_seconds: float, changes: int, *, half_life: float = HALF_LIFE) -> History:
    """Return the history after one more complete sync.

    A sync tells how many changes fell into the time since the one before, not when; they are spread evenly over it, so
    an outage of days is one long watch and not a silence, and splitting a watch in two does not change what is
    learned. The count is a lower bound (two changes of one customer between two syncs look like one), which understates
    a busy merchant at long intervals a little, and less the more often it is polled. A mere yes or no would cap the
    rate at one per sync (Cho and Garcia-Molina, "Estimating Frequency of Change"), so pass the count.

    Args:
        history: before this sync.
        elapsed_seconds: since the sync before. Zero or less (a clock set back, or a first sync, whose changes are a
            backlog and not a rate) teaches nothing.
        changes: seen by this sync, at least 0.
        half_life: seconds after which a change counts half.

    Raises:
        ValueError: `changes` is below 0, or `half_life` is not above 0.
    """
    if changes < 0 or not half_life > 0:
        raise ValueError("changes must be at least 0 and the half-life above 0")
    if not 0 < elapsed_seconds < math.inf:
        return history
    halvings = elapsed_seconds / half_life
    kept = 0.5**halvings
    # Integral of the discount over the elapsed time; `expm1` because a short time would vanish in 1 - kept.
    watched = -math.expm1(-halvings * math.log(2)) * half_life / math.log(2)
    return History(history.changes * kept + changes * watched / elapsed_seconds, history.seconds * kept + watched)


def rate(history: History, *, prior_rate: float = PRIOR_RATE) -> float:
    """Return the changes per second to expect: those seen, mixed with the prior as if watched for six hours.

    It is the mean of a gamma distribution after Poisson counts (Gelman et al., "Bayesian Data Analysis"). The prior is
    not discounted, so a merchant that stays silent comes down to a seventh of it (at `HALF_LIFE`), never to 0.
    """
    return (prior_rate * PRIOR_SECONDS + history.changes) / (PRIOR_SECONDS + history.seconds)


def intervals(
    rates: Mapping[str, float],
    *,
    budget_per_second: float,
    lowest: float,
    highest: float,
    costs: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Return the seconds between syncs of each merchant that give the least total age for the budget.

    Bounds win over the budget: where it cannot pay `highest` for all, all are at `highest` and it is exceeded, and
    where it pays more than `lowest` for all, all are at `lowest` and some is left. Otherwise it is spent whole.

    Args:
        rates: changes per second by merchant.
        budget_per_second: cost that may be spent per second by all together; syncs per second where `costs` is None.
        lowest, highest: bounds in seconds.
        costs: of one quiet sync by merchant (say, its requests), in the budget's unit; 1 where None.

    Raises:
        ValueError: a rate, a cost, a bound or the budget is out of range or not finite.
    """
    if not (0 < lowest <= highest < math.inf and 0 <= budget_per_second < math.inf):
        raise ValueError("bounds and budget must be finite, with 0 < lowest <= highest and a budget of at least 0")
    cost = {name: 1.0 if costs is None else costs[name] for name in rates}
    if not all(0 <= rates[name] < math.inf and 0 < cost[name] < math.inf for name in rates):
        raise ValueError("rates must be at least 0, costs above 0, and all finite")
    paid = list(cost.values())
    shapes = [math.sqrt(cost[name]) / math.sqrt(max(rates[name], LEAST_RATE)) for name in rates]

    def at(scale: float) -> list[float]:
        free = [scale * shape for shape in shapes]  # calling `min` and `max` would double the time of all of this
        return [lowest if one < lowest else highest if one > highest else one for one in free]

    def spent(scale: float) -> float:
        return math.fsum(map(truediv, paid, at(scale)))

    # Between two neighboring corners the same merchants are at their bounds; spending falls from corner to corner.
    corners = sorted({bound / shape for shape in shapes for bound in (lowest, highest)})
    index = bisect_left(corners, -budget_per_second, key=lambda scale: -spent(scale))
    if index == 0:
        return dict.fromkeys(rates, lowest)
    if index == len(corners):
        return dict.fromkeys(rates, highest)
    dear, cheap = corners[index - 1], corners[index]
    spent_dear, spent_cheap = spent(dear), spent(cheap)
    # Between them it is a straight line in 1 / scale, so the line through both ends is exact, and numerically stable.
    part = (budget_per_second - spent_cheap) / (spent_dear - spent_cheap)
    return dict(zip(rates, at(1 / (part / dear + (1 - part) / cheap)), strict=True))


def due(
    intervals: Mapping[str, float],
    last_synced: Mapping[str, float | None],
    now: float,
    *,
    waiting: Container[str] = (),
) -> list[str]:
    """Return the merchants to sync now: never synced first, then by how many of its own intervals each has waited.

    Args:
        intervals: seconds by merchant; only these merchants are considered.
        last_synced: when each last synced, in seconds of the clock of `now`; None or missing where never.
        now: the time.
        waiting: merchants already queued or running, left out.
    """
    waited: dict[str, float] = {}
    for name, interval in intervals.items():
        if name in waiting:
            continue
        last = last_synced.get(name)
        # A sync "in the future" by a whole interval means that the clock was set back; waiting for it could take years.
        share = math.inf if last is None else abs(now - last) / interval
        if share >= 1:
            waited[name] = share
    return sorted(waited, key=lambda name: -waited[name])
