"""Any sixty seconds hold at most so many requests, whoever sends them and however they come (rulings, orders 5)."""

from __future__ import annotations

import struct
import threading
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.platform.http import rate_limit as pace_module
from vs_st_pipeline.platform.http.rate_limit import MINUTE, RateLimiter, WindowLimiter


class Clock:
    """Time that goes by only while somebody sleeps, or is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000_000_000  # nanoseconds
        self.started = 0  # of the machine
        monkeypatch.setattr(pace_module, "time", self)  # there alone: other threads may sleep meanwhile

    def time_ns(self) -> int:
        return self.now

    def monotonic_ns(self) -> int:
        return self.now - self.started

    def monotonic(self) -> float:
        return self.monotonic_ns() / 1e9

    def sleep(self, seconds: float) -> None:
        self.now += int(seconds * 1e9) + 1

    @property
    def seconds(self) -> float:
        return self.now / 1e9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def worst(given: list[float], window: float = MINUTE) -> int:
    return max(sum(1 for at in given if start <= at < start + window - 1e-3) for start in given)


@pytest.mark.parametrize("most", [1, 2, 10, 90, 100])
@pytest.mark.parametrize("pause", [0.0, 0.3, 20.0])
def test_ruling_5_at_most_so_many_in_any_minute(tmp_path: Path, clock: Clock, most: int, pause: float) -> None:
    limiters = [WindowLimiter(tmp_path / "pace", most) for _ in range(2)]
    given = []
    for number in range(3 * most + 3):
        if number % 7 == 0:
            clock.sleep(pause)
        limiters[number % 2].wait()
        given.append(clock.seconds)
    assert worst(given) <= most
    if not pause:
        assert given[-1] - given[0] <= MINUTE * (len(given) - 1) / most + 1, "and no slower than that"


def test_half_of_them_leave_at_once_and_a_long_walk_leaves_room(clock: Clock) -> None:
    limiter = WindowLimiter(None, 90)
    assert sum(limiter.wait() for _ in range(45)) == 0
    given = [clock.seconds]
    for _ in range(300):
        limiter.wait()
        given.append(clock.seconds)
    gaps = [after - before for before, after in zip(given, given[1:], strict=False)]
    assert min(gaps) > 0.6
    assert max(gaps[60:]) < 1.0, "after a minute nobody waits long"


def test_a_file_of_another_machine_is_read_by_the_wall_clock(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "pace"
    WindowLimiter(path, 1).wait()
    clock.sleep(20)
    clock.started = 400_000_000_000
    other = WindowLimiter(path, 1)
    other._machine = b"another machine."
    began = clock.seconds
    other.wait()
    assert clock.seconds - began == pytest.approx(MINUTE - 20, abs=0.1)


@pytest.mark.parametrize("found", [b"", b"x", b"x" * 500, struct.pack("<qq16s", 99, 0, b""), b"\xff" * 32])
def test_whatever_the_file_holds_a_window_is_the_longest_wait(tmp_path: Path, clock: Clock, found: bytes) -> None:
    (tmp_path / "pace").write_bytes(found)
    limiter = WindowLimiter(tmp_path / "pace", 2)
    began = clock.seconds
    limiter.wait()
    assert clock.seconds - began <= MINUTE + 1


def test_another_number_counts_what_was_given_before(tmp_path: Path, clock: Clock) -> None:
    many, few = WindowLimiter(tmp_path / "pace", 100), WindowLimiter(tmp_path / "pace", 10)
    given = []
    for _ in range(30):
        many.wait()
        given.append(clock.seconds)
    began = clock.seconds
    few.wait()
    assert clock.seconds - began > 50
    many.wait()
    assert worst([*given, clock.seconds]) <= 100


def test_a_permit_is_taken_from_both_or_from_neither(clock: Clock) -> None:
    fleet = RateLimiter(None, 0.1)
    one, other = WindowLimiter(None, 100, fleet=fleet), WindowLimiter(None, 100, fleet=fleet)
    one.wait()
    began = clock.seconds
    other.wait()
    assert clock.seconds - began == pytest.approx(10, abs=0.1)


def test_stop_ends_the_wait_and_threads_share_it(tmp_path: Path, clock: Clock) -> None:
    limiter = WindowLimiter(tmp_path / "pace", 1)
    limiter.wait()
    with pytest.raises(TryLater):
        limiter.wait(lambda: True)
    limiter.close()
    free = WindowLimiter(tmp_path / "other", 40)
    threads = [threading.Thread(target=free.wait) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert struct.unpack_from("<q", (tmp_path / "other").read_bytes(), 32)[0] == 20  # behind the marks
