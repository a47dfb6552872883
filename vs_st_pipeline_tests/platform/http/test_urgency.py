"""R49: a permit goes to the most urgent who waits; one that is killed, and a clock that is wrong, keep nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline.platform.http import rate_limit as pace_module
from vs_st_pipeline.platform.http.rate_limit import PATIENCE_SECONDS, RateLimiter, Urgency, WindowLimiter
from vs_st_pipeline_tests.platform.http.test_rate_limit import Clock

WRITE, HINT, TURN, FIRST_WALK = Urgency


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(pace_module, "time", found)
    return found


class Waiter:
    """One that waits, step by step: `ask` takes a permit, or says that it has to ask again."""

    def __init__(self, path: Path | None, urgency: Urgency, rate: float = 2, shared: RateLimiter | None = None) -> None:
        self.pace = shared or RateLimiter(path, rate)
        self.urgency, self.mark, self.wake_at = urgency, 0, 0.0

    def ask(self, *, insists: bool = False) -> bool:
        """Ask at the time at which one asks again; say whether it was given a permit."""
        again = self.pace._take(self.urgency, self.mark, insists)
        if again is None:
            self.mark = 0
            return True
        self.wake_at, self.mark = again
        return False


def sleep_until(clock: Clock, at: float) -> None:
    clock.ns = max(clock.ns, int(at * 1e9) + 1000)


def take_turns(clock: Clock, waiters: list[Waiter], permits: int) -> list[Urgency]:
    """Let all ask again and again, each when it is woken, the least urgent first; return who was given permits."""
    given: list[Urgency] = []
    while len(given) < permits:
        for one in sorted(waiters, key=lambda one: -one.urgency):
            if one.wake_at <= clock.monotonic() and one.ask():
                given.append(one.urgency)
        clock.ns += 1_000_000
    return given[:permits]


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(
    ("urgencies", "expected"),
    [
        ((WRITE, TURN), [WRITE] * 12),
        ((WRITE, HINT, TURN, FIRST_WALK), [WRITE] * 12),
        ((HINT, TURN, FIRST_WALK), [HINT] * 12),
        ((WRITE, FIRST_WALK), [WRITE] * 12),
        ((TURN,), [TURN] * 12),
        ((FIRST_WALK,), [FIRST_WALK] * 12),
        ((TURN, FIRST_WALK), [TURN, FIRST_WALK] * 6),  # at most half
    ],
)
def test_r49_the_most_urgent_who_waits_is_given_the_permit(
    clock: Clock, tmp_path: Path, urgencies: tuple[Urgency, ...], expected: list[Urgency], in_memory: bool
) -> None:
    shared = RateLimiter(None, 2) if in_memory else None
    waiters = [Waiter(tmp_path / "pace", urgency, shared=shared) for urgency in urgencies]
    Waiter(tmp_path / "pace", TURN, shared=shared).ask()  # the first one, which nobody waits for
    given = take_turns(clock, waiters, 13)
    assert given[-12:] == expected or given[:12] == expected, given


def test_r49_two_of_the_same_urgency_both_get_on(clock: Clock, tmp_path: Path) -> None:
    first, second = Waiter(tmp_path / "pace", WRITE), Waiter(tmp_path / "pace", WRITE)
    walk = Waiter(tmp_path / "pace", FIRST_WALK)
    took = []
    for _ in range(3000):
        took += [one for one in (walk, first, second) if one.wake_at <= clock.monotonic() and one.ask()]
        clock.ns += 1_000_000
    assert len(took) in (6, 7)
    assert set(took[1:]) <= {first, second}


def test_one_that_was_killed_keeps_others_for_a_quarter_of_a_second(clock: Clock, tmp_path: Path) -> None:
    killed, other = Waiter(tmp_path / "pace", WRITE), Waiter(tmp_path / "pace", TURN)
    assert killed.ask()
    assert not killed.ask()
    free_at = killed.wake_at
    assert not other.ask()
    sleep_until(clock, free_at)
    assert not other.ask(), "somebody more urgent may be about to take it"
    assert 0 < other.wake_at - clock.monotonic() <= 0.26
    while not other.ask():
        sleep_until(clock, other.wake_at)
    assert 0.25 <= clock.monotonic() - free_at < 0.3
    sleep_until(clock, clock.monotonic() + 5)
    assert other.ask(), "and then nobody"


def test_r49_nobody_waits_for_ever(clock: Clock, tmp_path: Path) -> None:
    write, turn = Waiter(tmp_path / "pace", WRITE), Waiter(tmp_path / "pace", TURN)
    assert turn.ask()
    assert not write.ask()
    assert not turn.ask()
    sleep_until(clock, write.wake_at)
    assert not turn.ask()
    assert turn.ask(insists=True)

    def always_one_more() -> bool:
        other = Waiter(tmp_path / "pace", WRITE)
        other.ask()
        other.pace.close()
        return False

    pace = RateLimiter(tmp_path / "pace", 2)
    waited = pace.wait(always_one_more, FIRST_WALK)  # each of them dies while it waits, and the next one comes
    assert PATIENCE_SECONDS <= waited <= PATIENCE_SECONDS + 2
    pace.close()


@pytest.mark.parametrize("wrong_ms", [3_600_000, -3_600_000, 5_000])
def test_a_mark_of_a_wrong_clock_keeps_nobody(clock: Clock, tmp_path: Path, wrong_ms: int) -> None:
    turn, write = Waiter(tmp_path / "pace", TURN), Waiter(tmp_path / "pace", WRITE)
    assert turn.ask()
    clock.wrong = wrong_ms * 1_000_000
    assert not write.ask()
    clock.wrong = 0
    sleep_until(clock, write.wake_at + 0.01)
    assert turn.ask() or clock.monotonic() < write.wake_at


def test_a_file_of_an_earlier_version_has_no_marks(clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "pace"
    turn, write = Waiter(path, TURN), Waiter(path, WRITE)
    assert turn.ask()
    assert path.stat().st_size == 32, "where nobody waits there is no mark"
    assert not write.ask()
    assert path.stat().st_size == 64
    sleep_until(clock, write.wake_at)
    number = path.read_bytes()[:32]
    with path.open("r+b") as older:  # a process of an earlier version takes a permit: it leaves the marks alone
        older.write(number)
    assert not turn.ask()
    assert write.ask()


@pytest.mark.parametrize("junk", [b"\xff" * 32, b"\x7f" * 32, b"short", b"\x00" * 24 + b"\x01" + b"\x00" * 7])
def test_whatever_stands_in_place_of_marks_keeps_nobody(clock: Clock, tmp_path: Path, junk: bytes) -> None:
    (tmp_path / "pace").write_bytes(b"\x00" * 32 + junk)
    pace = RateLimiter(tmp_path / "pace", 2)
    for urgency in Urgency:
        assert pace.wait(urgency=urgency) <= 0.51
    pace.close()


def test_a_fleet_lets_no_merchant_pass(clock: Clock, tmp_path: Path) -> None:
    """The order is among those who share a key; of all merchants each has the same right (orders.md 12)."""
    fleet = RateLimiter(tmp_path / "fleet", 2)
    busy = Waiter(None, WRITE, shared=RateLimiter(tmp_path / "a", 100, fleet=fleet))
    other = Waiter(None, TURN, shared=RateLimiter(tmp_path / "b", 100, fleet=fleet))
    assert busy.ask()
    assert not busy.ask()
    assert not other.ask()
    sleep_until(clock, busy.wake_at)
    assert other.ask()
    assert len((tmp_path / "fleet").read_bytes()) == 32


def test_whoever_was_given_a_permit_takes_the_mark_away(clock: Clock, tmp_path: Path) -> None:
    write, turn = Waiter(tmp_path / "pace", WRITE, rate=50), Waiter(tmp_path / "pace", TURN, rate=50)
    assert write.ask()
    assert not write.ask()
    sleep_until(clock, write.wake_at)
    assert write.ask()
    assert not turn.ask(), "the next permit is not free yet"
    sleep_until(clock, turn.wake_at)
    assert turn.ask(), "nobody else waits"


def test_r49_where_requests_are_counted_by_the_minute_the_most_urgent_go_first_too(
    clock: Clock, tmp_path: Path
) -> None:
    write, turn = (Waiter(None, one, shared=WindowLimiter(tmp_path / "pace", 60)) for one in (WRITE, TURN))
    for _ in range(30):
        assert turn.ask()
    assert not turn.ask()
    assert not write.ask()
    sleep_until(clock, max(write.wake_at, turn.wake_at))
    assert not turn.ask()
    assert write.ask()
    given = take_turns(clock, [write, turn], 20)
    assert given == [WRITE] * 20
    again = take_turns(clock, [turn], 3)
    assert again == [TURN] * 3
