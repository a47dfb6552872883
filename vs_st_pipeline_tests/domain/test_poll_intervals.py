"""Polling: intervals are the optimum within bounds and budget, rates are learnt, and together they beat equal ones."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.polling import Winery, fleet, simulate
from vs_st_pipeline.domain.poll_intervals import (
    DAY,
    HALF_LIFE,
    PRIOR_RATE,
    History,
    due,
    intervals,
    observe,
    rate,
)

HOUR = 3600.0
LOWEST, HIGHEST = 300.0, 6 * HOUR


def expected_age(rates: Mapping[str, float], intervals: Mapping[str, float]) -> float:
    """Return the mean seconds that a change waits to be seen, all changes counted alike."""
    return math.fsum(one * intervals[name] / 2 for name, one in rates.items()) / (math.fsum(rates.values()) or 1)


rates_of_fleets = st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1.0)), min_size=1, max_size=25).map(
    lambda values: {str(number): value for number, value in enumerate(values)}
)
budgets_each = st.floats(1e-6, 1e-2)  # per second and merchant; the bounds stand at 4.6e-5 and 3.3e-3
costs_of_syncs = st.floats(0.1, 50.0)
checked = settings(deadline=None, max_examples=100)


def planned(rates: dict[str, float], each: float, costs: dict[str, float] | None = None) -> dict[str, float]:
    budget = each * len(rates)
    return intervals(rates, budget_per_second=budget, lowest=LOWEST, highest=HIGHEST, costs=costs)


def spending(plan: dict[str, float], costs: dict[str, float] | None = None) -> float:
    return math.fsum((costs[name] if costs else 1) / interval for name, interval in plan.items())


def after(days: float, per_day: float, history: History = History(), every: float = HOUR) -> History:  # noqa: B008
    """A history after steady days; a count per sync need not be whole for the arithmetic."""
    for _ in range(round(days * DAY / every)):
        history = observe(history, every, per_day * every / DAY)  # type: ignore[arg-type]
    return history


# Intervals


@checked
@given(rates_of_fleets, budgets_each, st.data())
def test_bounds_hold_always_and_the_budget_is_spent_whole_between_them(
    rates: dict[str, float], each: float, data: st.DataObject
) -> None:
    costs = {name: data.draw(costs_of_syncs) for name in rates}
    plan = planned(rates, each, costs)
    assert list(plan) == list(rates)
    assert all(LOWEST <= interval <= HIGHEST for interval in plan.values())
    budget, most, least = each * len(rates), sum(costs.values()) / LOWEST, sum(costs.values()) / HIGHEST
    if budget >= most:
        assert set(plan.values()) == {LOWEST}
    elif budget <= least:
        assert set(plan.values()) == {HIGHEST}
    else:
        assert spending(plan, costs) == pytest.approx(budget, rel=1e-9)


@checked
@given(rates_of_fleets, budgets_each)
def test_the_more_active_is_never_asked_less_often_and_equal_ones_are_asked_alike(
    rates: dict[str, float], each: float
) -> None:
    plan = planned(rates, each)
    for one, busier in zip(
        sorted(rates, key=rates.__getitem__), sorted(rates, key=rates.__getitem__)[1:], strict=False
    ):
        assert plan[busier] <= plan[one]
        assert rates[busier] != rates[one] or plan[busier] == plan[one]


@checked
@given(rates_of_fleets, budgets_each, st.integers(0, 2**32), st.floats(1e-3, 1.0))
def test_no_other_way_to_spend_the_budget_gives_less_age(
    rates: dict[str, float], each: float, seed: int, share: float
) -> None:
    dice = random.Random(seed)
    costs = {name: dice.uniform(0.5, 20) for name in rates}
    least = sum(costs.values()) / HIGHEST
    budget = max(each * len(rates), least)
    best = intervals(rates, budget_per_second=budget, lowest=LOWEST, highest=HIGHEST, costs=costs)
    # Any frequencies within the bounds, drawn towards the rarest until they can be paid, then mixed with the best.
    other = {name: dice.uniform(1 / HIGHEST, 1 / LOWEST) for name in rates}
    spent = sum(costs[name] * frequency for name, frequency in other.items())
    pull = min(1.0, (budget - least) / (spent - least))
    plan = {
        name: 1 / ((1 - share) / best[name] + share * (1 / HIGHEST + pull * (other[name] - 1 / HIGHEST)))
        for name in rates
    }
    assert spending(plan, costs) <= budget * (1 + 1e-9)
    assert expected_age(rates, best) <= expected_age(rates, plan) * (1 + 1e-9)


@checked
@given(rates_of_fleets, budgets_each, st.floats(1.0, 1000.0))
def test_only_ratios_of_rates_count_and_the_unit_of_time_does_not(
    rates: dict[str, float], each: float, factor: float
) -> None:
    plan = planned(rates, each)
    budget = each * len(rates)
    in_other_unit = intervals(
        rates, budget_per_second=budget / factor, lowest=LOWEST * factor, highest=HIGHEST * factor
    )
    assert in_other_unit == pytest.approx({name: one * factor for name, one in plan.items()}, rel=1e-6)
    if all(rates.values()):
        assert planned({name: one * factor for name, one in rates.items()}, each) == pytest.approx(plan, rel=1e-6)


def test_four_times_the_changes_are_worth_twice_the_syncs_and_four_times_the_cost_half() -> None:
    plan = planned({"a": 1e-4, "b": 4e-4, "c": 4e-4}, 1 / HOUR, {"a": 1.0, "b": 1.0, "c": 4.0})
    assert plan["a"] == pytest.approx(2 * plan["b"])
    assert plan["c"] == pytest.approx(2 * plan["b"])


def test_what_a_bound_saves_or_costs_goes_to_the_others() -> None:
    rates = {"silent": 0.0, "busy": 1.0, "a": 1e-5, "b": 4e-5}
    plan = planned(rates, 1.5e-3)
    assert (plan["silent"], plan["busy"]) == (HIGHEST, LOWEST)
    assert plan["a"] == pytest.approx(2 * plan["b"])
    assert spending(plan) == pytest.approx(4 * 1.5e-3)
    # More than enough for all who change: the rest goes to those who are not known to.
    assert planned({"busy": 1.0, "silent": 0.0}, 2e-3)["silent"] == pytest.approx(1 / (4e-3 - 1 / LOWEST))


def test_edges_of_the_arguments() -> None:
    assert intervals({}, budget_per_second=1, lowest=1, highest=2) == {}
    assert intervals({"a": 1}, budget_per_second=0, lowest=1, highest=2) == {"a": 2}
    assert intervals({"a": 1, "b": 9}, budget_per_second=1, lowest=2, highest=2) == {"a": 2, "b": 2}
    for wrong in ({"lowest": 0}, {"lowest": 3}, {"highest": math.nan}, {"budget_per_second": -1}, {"costs": {"a": 0}}):
        with pytest.raises(ValueError, match="at least 0"):
            intervals({"a": 1}, **({"budget_per_second": 1, "lowest": 1, "highest": 2} | wrong))
    with pytest.raises(ValueError, match="at least 0"):
        intervals({"a": math.nan}, budget_per_second=1, lowest=1, highest=2)


# Histories


@pytest.mark.parametrize("per_day", [20, 100, 400])
def test_a_poisson_stream_is_learnt_at_whatever_intervals_it_is_watched(per_day: int) -> None:
    dice = random.Random(per_day)
    history = patient = History()
    quick = []
    for _ in range(600):
        elapsed = dice.uniform(300, 6 * HOUR)
        changes, until = 0, dice.expovariate(per_day / DAY)
        while until < elapsed:
            changes, until = changes + 1, until + dice.expovariate(per_day / DAY)
        history = observe(history, elapsed, changes)
        patient = observe(patient, elapsed, changes, half_life=60 * DAY)
        quick.append(rate(history) * DAY)
    assert rate(patient) * DAY == pytest.approx(per_day, rel=0.1)
    assert quick[-1] == pytest.approx(per_day, rel=0.4)
    assert math.fsum(quick[100:]) / len(quick[100:]) == pytest.approx(per_day, rel=0.15)


def test_the_new_are_middling_the_silent_decay_and_never_to_nought() -> None:
    assert rate(History()) == PRIOR_RATE
    days = [rate(after(day, 0)) for day in range(0, 16, 2)]
    assert days == sorted(days, reverse=True)
    assert PRIOR_RATE / 8 < days[-1] < PRIOR_RATE / 6
    assert rate(after(3650, 0, every=DAY)) > PRIOR_RATE / 8
    assert rate(History(), prior_rate=1.0) == 1.0


def test_a_change_counts_half_after_a_half_life() -> None:
    busy = after(60, 100)
    later = after(HALF_LIFE / DAY, 0, busy)
    assert later.changes == pytest.approx(busy.changes / 2)
    assert later.seconds == pytest.approx(busy.seconds)
    assert rate(after(30, 0, busy)) < rate(busy) / 50
    assert rate(after(14, 100, after(60, 1))) == pytest.approx(rate(busy), rel=0.1)


@given(st.floats(1, 30 * DAY), st.integers(0, 500), st.floats(0.01, 0.99))
def test_a_watch_cut_in_two_teaches_the_same(elapsed: float, changes: int, cut: float) -> None:
    start = after(5, 10, every=DAY)
    first = observe(start, elapsed * cut, changes * cut)  # type: ignore[arg-type]
    both = observe(first, elapsed * (1 - cut), changes * (1 - cut))  # type: ignore[arg-type]
    assert asdict(both) == pytest.approx(asdict(observe(start, elapsed, changes)))


def test_an_outage_is_one_long_watch_and_not_a_silence() -> None:
    busy = after(30, 48)
    assert rate(observe(busy, 5 * DAY, 5 * 48)) == pytest.approx(rate(busy), rel=0.01)


def test_clock_jumps_teach_nothing_and_tiny_times_do_no_harm() -> None:
    history = after(3, 10)
    for elapsed in (0, -1, -1e9, math.nan, math.inf):
        assert observe(history, elapsed, 5) is history
    assert observe(history, 1e-9, 1).changes == pytest.approx(history.changes + 1)
    for changes, half_life in ((-1, 1.0), (0, 0.0)):
        with pytest.raises(ValueError, match="at least 0"):
            observe(history, 1, changes, half_life=half_life)


def test_a_yes_or_no_keeps_the_order_of_merchants_though_not_their_rates() -> None:
    dice = random.Random(5)
    said = {}
    for per_day in (2, 10, 50):
        history = History()
        for _ in range(400):
            history = observe(history, HOUR, int(dice.random() < 1 - math.exp(-per_day / 24)))
        said[per_day] = rate(history) * DAY
    assert said[2] < said[10] < said[50] < 24


@given(st.lists(st.tuples(st.floats(-DAY, 10 * DAY), st.integers(0, 10_000)), max_size=20))
def test_a_history_survives_json_and_stays_sane(syncs: list[tuple[float, int]]) -> None:
    history = History()
    for elapsed, changes in syncs:
        history = observe(history, elapsed, changes)
        assert 0 <= history.seconds <= 1.45 * HALF_LIFE
        assert rate(history) > 0
    assert History(**json.loads(json.dumps(asdict(history)))) == history


# Who is due


def test_the_most_overdue_by_their_own_interval_come_first() -> None:
    plan = {"slow": 100.0, "fast": 10.0, "new": 50.0, "fresh": 10.0, "busy": 10.0, "unheard": 9.0}
    last = {"slow": 0.0, "fast": 170.0, "new": None, "fresh": 191.0, "busy": 0.0, "gone": 0.0}
    assert due(plan, last, 200.0, waiting={"busy"}) == ["new", "unheard", "fast", "slow"]
    assert due(plan, last, 200.0, waiting=plan) == []
    assert due({"a": 10.0}, {"a": 190.0}, 200.0) == ["a"]


def test_a_clock_set_back_does_not_silence_a_merchant() -> None:
    assert due({"a": 10.0}, {"a": 1e9}, 100.0) == ["a"]
    assert due({"a": 10.0}, {"a": 100.5}, 100.0) == []  # two machines' clocks may differ a little


# All together


@pytest.mark.parametrize("seed", [1, 2])
def test_learnt_intervals_give_a_quarter_less_age_than_equal_ones_for_the_same_syncs(seed: int) -> None:
    wineries = fleet(seed, 300, 8)
    equal = simulate(wineries, "equal", days=8, syncs_per_hour=300)
    learnt = simulate(wineries, "learnt", days=8, syncs_per_hour=300)
    assert len(learnt.ages) >= 0.95 * len(equal.ages)
    assert learnt.syncs <= equal.syncs * 1.002
    assert learnt.mean <= 0.75 * equal.mean


def test_half_of_the_wineries_turning_round_midway_is_learnt_again() -> None:
    dice = random.Random(3)
    days, quiet, busy = 14, 2 / DAY, 200 / DAY

    def stream(first: float, later: float) -> Winery:
        changes, now = [], 0.0
        while now < days * DAY:
            now += dice.expovariate(first if now < days * DAY / 2 else later)
            changes.append(now)
        return Winery(changes, first, later)

    wineries = [stream(quiet, busy) for _ in range(40)] + [stream(busy, quiet) for _ in range(40)]
    equal = simulate(wineries, "equal", days=days, syncs_per_hour=80)
    learnt = simulate(wineries, "learnt", days=days, syncs_per_hour=80)
    assert learnt.syncs <= equal.syncs * 1.002
    assert learnt.mean <= 0.75 * equal.mean


def test_run_by_due_alone_the_budget_is_kept_and_nobody_is_forgotten() -> None:
    dice = random.Random(7)
    true = {f"w{number}": 10 / DAY * math.exp(dice.gauss(0, 1.5)) for number in range(50)}
    histories = dict.fromkeys(true, History())
    last: dict[str, float | None] = dict.fromkeys(true)
    budget, tick, days, syncs, longest = 50 / HOUR, 60.0, 5, 0, 0.0
    for number in range(int(days * DAY / tick)):
        now = number * tick
        if number % 60 == 0:
            learnt = {name: rate(history) for name, history in histories.items()}
            plan = intervals(learnt, budget_per_second=budget, lowest=LOWEST, highest=HIGHEST)
        for name in due(plan, last, now)[:2]:  # a queue that takes two a minute
            before = last[name]
            elapsed = now - before if before is not None else 0.0
            longest = max(longest, elapsed)
            seen = sum(dice.random() < true[name] * tick for _ in range(int(elapsed / tick)))
            histories[name] = observe(histories[name], elapsed, seen)
            last[name] = now
            syncs += 1
    assert 0.9 * budget * days * DAY <= syncs <= budget * days * DAY
    assert longest <= HIGHEST + 30 * tick
    assert expected_age(true, plan) < 0.8 * HOUR / 2
