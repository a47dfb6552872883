"""The rate holds in every one-second window, whoever shares it."""

from __future__ import annotations

import fcntl
import math
import os
import signal
import subprocess
import sys
import time
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.platform.http import rate_limit as pace_module
from vs_st_pipeline.platform.http.rate_limit import RateLimiter

ASK = """
import sys, time
from pathlib import Path
from vs_st_pipeline.platform.http.rate_limit import RateLimiter
pace = RateLimiter(Path(sys.argv[1]), float(sys.argv[2]))
until = time.monotonic() + float(sys.argv[3])
while time.monotonic() < until:
    pace.wait()
    print(time.monotonic(), flush=True)
"""
HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def start(script: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])


def ask_for(pace: RateLimiter, seconds: float) -> list[float]:
    until = time.monotonic() + seconds
    times = []
    while time.monotonic() < until:
        pace.wait()
        times.append(time.monotonic())
    return times


def assert_promise(times: list[float], rate: float) -> None:
    times = sorted(times)
    assert len(times) <= rate * (times[-1] - times[0]) + rate + 1
    for first, begin in enumerate(times):
        assert bisect_left(times, begin + 1) - first <= rate + max(1, 0.2 * rate)


@pytest.mark.parametrize("rate", [20, 300])
def test_threads_of_one_pace_and_of_two(tmp_path: Path, rate: float) -> None:
    paces = [RateLimiter(tmp_path / "pace", rate), RateLimiter(tmp_path / "pace", rate)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda pace: ask_for(pace, 1.2), paces * 2))
    assert_promise([at for times in found for at in times], rate)
    assert sum(map(len, found)) > 2  # a slow machine may fall behind, but turns are given
    for pace in paces:
        pace.close()


def test_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "merchants" / "a-b" / "pace"
    asking = [start(ASK, path, 20, 1.5) for _ in range(2)]
    found = [[float(line) for line in process.communicate()[0].splitlines()] for process in asking]
    assert [process.returncode for process in asking] == [0, 0]
    assert all(found)
    assert_promise(found[0] + found[1], 20)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size <= 64


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    path = tmp_path / "pace"
    path.touch()
    holder = start(HOLD, path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    pace = RateLimiter(path, 1000)
    tries: list[int] = []
    with pytest.raises(TryLater):
        pace.wait(lambda: len(tries) > 3 or tries.append(1) is not None)  # type: ignore[func-returns-value]
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    pace.wait()
    pace.close()


class Clock:
    """Stands in for the module `time`: sleeping is what moves it on."""

    def __init__(self) -> None:
        self.ns = 5_000_000_000_000
        self.since_boot = 0  # how much more the monotonic clock shows on the machine that is asked
        self.wrong = 0  # by how much its wall clock is ahead of the others'

    def monotonic(self) -> float:
        return (self.ns + self.since_boot) / 1e9

    def monotonic_ns(self) -> int:
        return self.ns + self.since_boot

    def time_ns(self) -> int:
        return 1_795_000_000_000_000_000 + self.ns + self.wrong

    def sleep(self, seconds: float) -> None:
        self.ns += math.ceil(seconds * 1e9) + 1000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(pace_module, "time", found)
    return found


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("rate", [0.1, 0.5, 1, 2, 3, 7.5, 20, 999, 2000])
def test_long_run(clock: Clock, tmp_path: Path, rate: float, in_memory: bool) -> None:
    pace = RateLimiter(None if in_memory else tmp_path / "pace", rate)
    began = clock.monotonic()
    times: list[float] = []
    while len(times) < 2 * rate + 20:
        pace.wait()
        times.append(clock.monotonic() - began)
    pace.close()
    assert_promise(times, rate)
    assert len(times) / (times[-1] + 1 / rate) > 0.97 * rate  # and it is used


def test_says_how_long_it_waited(clock: Clock) -> None:
    pace = RateLimiter(None, 0.5)
    assert pace.wait() == 0.0
    assert pace.wait() == pytest.approx(2, abs=0.01)
    clock.sleep(60)
    assert pace.wait() == 0.0  # an idle minute leaves no debt
    assert pace.wait() == pytest.approx(2, abs=0.01)  # and no credit


@pytest.mark.parametrize("found", [b"", b"eight: b", b"\xff" * 32, (b"\xff" * 7 + b"\x7f") * 4, b"\x00" * 32])
def test_whatever_the_file_holds_one_turn_is_the_longest_wait(clock: Clock, tmp_path: Path, found: bytes) -> None:
    (tmp_path / "pace").write_bytes(found)
    pace = RateLimiter(tmp_path / "pace", 2)
    assert pace.wait() <= 0.51
    assert pace.wait() == pytest.approx(0.5, abs=0.01)
    pace.close()


MINUTE = 60 * 10**9


@pytest.mark.parametrize("since_boot", [-70 * MINUTE, 50_000 * MINUTE])
@pytest.mark.parametrize(("wrong_ms", "rate"), [(0, 2), (40, 2), (-40, 2), (0, 300), (3 * 60_000, 2), (-3 * 60_000, 2)])
def test_machines_whose_monotonic_clocks_differ_share_a_file(
    clock: Clock, tmp_path: Path, since_boot: int, wrong_ms: int, rate: float
) -> None:
    """Turns are shorter by what the wall clocks differ; if that is minutes, each machine by itself keeps the rate."""
    here, there = RateLimiter(tmp_path / "pace", rate), RateLimiter(tmp_path / "pace", rate)
    there._machine = b"another machine."
    times: list[list[int]] = [[], []]
    clock.ns += 100 * MINUTE
    for turn in range(200):
        # Sometimes one asks alone for a while, as a merchant's run does; sometimes they take turns.
        machine = turn % 2 if turn < 100 else turn // 20 % 2
        clock.since_boot, clock.wrong = (since_boot, wrong_ms * 10**6) if machine else (0, 0)
        waited = (there if machine else here).wait()
        assert waited <= 1 / rate + 0.01
        times[machine].append(clock.ns)
    clock.since_boot = 0
    for found in times if abs(wrong_ms) > 1000 else [times[0] + times[1]]:
        shortest = 1 / rate - (abs(wrong_ms) / 1000 if len(found) == 200 else 0)
        assert_promise([at / 1e9 for at in found], 1 / shortest)
    here.close()
    there.close()


def test_stop_ends_the_wait_without_a_turn(clock: Clock) -> None:
    pace = RateLimiter(None, 0.1)
    pace.wait()
    answers = iter([False, False, True])
    with pytest.raises(TryLater):
        pace.wait(lambda: next(answers))
    assert pace.wait() == pytest.approx(10 - 0.4, abs=0.1)


def test_fleet(clock: Clock) -> None:
    fleet = RateLimiter(None, 3)
    merchants = [RateLimiter(None, 2, fleet=fleet) for _ in range(3)]
    found: list[list[float]] = [[], [], []]
    for turn in range(60):
        merchants[turn % 3].wait()
        found[turn % 3].append(clock.monotonic())
    for times in found:
        assert_promise(times, 2)
    assert_promise([at for times in found for at in times], 3)


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
def test_rate_that_is_none(rate: float) -> None:
    with pytest.raises(ValueError, match="requests_per_second"):
        RateLimiter(None, rate)


def test_nothing_is_open_before_the_first_wait_and_after_close(tmp_path: Path) -> None:
    pace = RateLimiter(tmp_path / "pace", 1000)
    assert not (tmp_path / "pace").exists()
    for _ in range(2):
        pace.wait()
        with (tmp_path / "pace").open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # not held between waits
        pace.close()
        pace.close()


def test_a_forked_child_takes_the_lock_for_itself(tmp_path: Path) -> None:
    pace = RateLimiter(tmp_path / "pace", 1000)
    pace.wait()
    with (tmp_path / "pace").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        child = os.fork()
        if child == 0:  # with its parent's open file it would find the lock free only if it were its own
            stops = iter([False, True])
            try:
                other.close()
                pace.wait(lambda: next(stops))
            except TryLater:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    pace.close()
