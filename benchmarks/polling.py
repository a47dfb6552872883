"""Mean age of unseen changes in a simulated fleet of 3,000 wineries: learnt intervals against equal ones.

Peer: every winery at the same interval, the same budget of syncs per hour. For orientation a third row is told each
winery's true everyday rate, which no sync can know; it is not told of club releases, so learning may beat it.

The fleet is invented, to the pattern that wineries are known for: everyday rates spread over orders of magnitude (a
median of 4 changes a day, one winery in sixty above 100), days and nights in four time zones, a club release of
dozens to hundreds of orders within two hours once a quarter, and a fifth of the wineries with another rate from
half-time on. Nothing is known at the start: the cost of learning is part of the figure.
"""

from __future__ import annotations

import math
import random
import time
from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal, TypeAlias

from benchmarks.bars import median
from benchmarks.options import Figures, Options
from vs_st_pipeline.domain.poll_intervals import DAY, History, intervals, observe, rate

WINERIES = 3_000
DAYS = 14
SEEDS = (1, 2, 3)
HOUR = 3_600.0
LOWEST, HIGHEST = 300.0, 6 * HOUR  # seconds

How: TypeAlias = Literal["equal", "learnt", "told"]
TITLES: dict[How, str] = {"equal": "equal (peer)", "learnt": "learnt", "told": "told true rates"}


@dataclass(frozen=True, slots=True)
class Winery:
    """When its changes happen (seconds from the start, ascending), and its everyday rates per second."""

    changes: list[float]
    rate_at_first: float
    rate_later: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How long changes waited for the sync that saw them, in seconds, ascending, and how many syncs there were."""

    ages: list[float]
    syncs: int

    @property
    def mean(self) -> float:
        return math.fsum(self.ages) / len(self.ages)

    def percentile(self, percent: int) -> float:
        return self.ages[(len(self.ages) - 1) * percent // 100]


def fleet(seed: int, wineries: int = WINERIES, days: int = DAYS) -> list[Winery]:
    """Wineries whose changes are drawn from the seed."""
    dice = random.Random(seed)
    return [_winery(dice, days) for _ in range(wineries)]


def _winery(dice: random.Random, days: int) -> Winery:
    first = later = 4 / DAY * math.exp(dice.gauss(0, 1.5))
    if dice.random() < 0.2:
        later = 4 / DAY * math.exp(dice.gauss(0, 1.5))
    end, zone, now, changes = days * DAY, dice.randrange(4) * HOUR, 0.0, []
    while True:
        usual = first if now < end / 2 else later
        # Thinning: candidates at twice the mean rate, kept by the time of day (most at 15:00, hardly any at 3:00).
        now += dice.expovariate(2 * usual)
        if now >= end:
            break
        if dice.random() < (1 + 0.95 * math.cos(2 * math.pi * (now - zone - 15 * HOUR) / DAY)) / 2:
            changes.append(now)
    if dice.random() < days / 91:
        release = dice.randrange(days) * DAY + 10 * HOUR + dice.random() * 6 * HOUR
        orders = int(80 * math.exp(dice.gauss(0, 0.8)))
        changes += [release + dice.random() * 2 * HOUR for _ in range(orders)]
    return Winery(sorted(changes), first, later)


def simulate(wineries: list[Winery], how: How, *, days: int = DAYS, syncs_per_hour: float) -> Outcome:
    """Sync the fleet through all days, with intervals planned anew every hour."""
    dice = random.Random(0)
    equal = len(wineries) / syncs_per_hour * HOUR
    last = [-dice.random() * equal for _ in wineries]
    seen = [0] * len(wineries)
    histories = [History()] * len(wineries)
    ages: list[float] = []
    syncs = 0
    for hour in range(days * 24):
        begin, end = hour * HOUR, (hour + 1) * HOUR
        if how == "learnt":
            rates = {str(number): rate(history) for number, history in enumerate(histories)}
        else:
            early = hour < days * 12
            rates = {str(number): one.rate_at_first if early else one.rate_later for number, one in enumerate(wineries)}
        if how == "equal":
            plan = [equal] * len(wineries)
        else:
            budget = syncs_per_hour / HOUR
            plan = list(intervals(rates, budget_per_second=budget, lowest=LOWEST, highest=HIGHEST).values())
        for number, interval in enumerate(plan):
            changes = wineries[number].changes
            now = max(last[number] + interval, begin)
            while now < end:
                before = seen[number]
                seen[number] = bisect_right(changes, now, lo=before)
                ages += [now - change for change in changes[before : seen[number]]]
                if how == "learnt":
                    # The stagger lies before the start, where nothing happened, and so is not watched time.
                    watched = now - max(last[number], 0.0)
                    histories[number] = observe(histories[number], watched, seen[number] - before)
                last[number] = now
                now += interval
                syncs += 1
    return Outcome(sorted(ages), syncs)


def main(options: Options) -> Figures:
    """Print ages by policy and seed, and what planning costs."""
    ratios = []
    print(f"{WINERIES} wineries, {DAYS} days, one sync per winery and hour on average, minutes until a change is seen")
    for seed in SEEDS[:1] if options.quick else SEEDS:
        wineries = fleet(seed)
        peer = None
        for how, title in TITLES.items():
            outcome = simulate(wineries, how, syncs_per_hour=WINERIES)
            peer = peer or outcome
            if how == "learnt":
                ratios.append(outcome.mean / peer.mean)
            print(
                f"seed {seed}  {title:16} mean {outcome.mean / 60:5.1f}   median {outcome.percentile(50) / 60:5.1f}   "
                f"95 % {outcome.percentile(95) / 60:5.1f}   longest {outcome.ages[-1] / 60:5.0f}   "
                f"ratio {outcome.mean / peer.mean:.3f}   syncs {outcome.syncs}",
                flush=True,
            )
    dice = random.Random(0)
    rates = {f"winery-{number}": 4 / DAY * math.exp(dice.gauss(0, 1.5)) for number in range(WINERIES)}
    times = []
    for _ in range(20):
        start = time.perf_counter()
        intervals(rates, budget_per_second=WINERIES / HOUR, lowest=LOWEST, highest=HIGHEST)
        times.append(time.perf_counter() - start)
    planning_ms = 1000 * median(times)
    print(f"intervals of {WINERIES} wineries: {planning_ms:.1f} ms (median of {len(times)})")
    return {"mean_age_ratio": median(ratios), "intervals_ms": planning_ms}
