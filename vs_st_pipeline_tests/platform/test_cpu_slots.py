"""Few compute at once, many are under way: who waits leaves the seat to somebody else."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.cpu_slots import CpuSlots, releasing, waiting


def test_no_more_compute_than_there_are_seats_and_all_come_to_their_turn() -> None:
    seats, guard, done = CpuSlots(2), threading.Lock(), threading.Event()
    seated, most = 0, 0

    def compute(change: int) -> None:
        nonlocal seated, most
        with guard:
            seated += change
            most = max(most, seated)

    def work(_: int) -> None:
        with seats.taken():
            compute(+1)
            compute(-1)
            with waiting():
                done.wait(0.001)
            compute(+1)
            compute(-1)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(64)))
    assert 1 <= most <= 2


def test_who_waits_leaves_the_only_seat_to_another() -> None:
    seats, sat = CpuSlots(1), threading.Event()

    def other() -> None:
        with seats.taken():
            sat.set()

    with ThreadPoolExecutor(1) as pool, seats.taken():
        begun = pool.submit(other)
        assert not sat.is_set()
        assert releasing(sat.wait)(20)
        begun.result(20)


def test_a_seat_is_free_again_after_whatever_went_wrong() -> None:
    seats = CpuSlots(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), seats.taken(), waiting():
            raise ZeroDivisionError
    with waiting():  # without a seat it means nothing
        pass
    with seats.taken():
        pass


def test_who_waits_for_a_file_that_another_thread_uses_leaves_his_seat_to_it(tmp_path: Path) -> None:
    """Else that one, who has the file and waits for a seat, and this one would wait for each other."""
    seats, warehouse, used, wanted = CpuSlots(1), warehouse_at(tmp_path), threading.Event(), threading.Event()

    def use() -> None:
        with seats.taken(), warehouse.open("one"):
            used.set()
            with waiting():
                wanted.wait(20)

    def want() -> None:
        with seats.taken():
            wanted.set()
            with warehouse.open("one"):
                pass

    threads = [threading.Thread(target=work, daemon=True) for work in (use, want)]
    threads[0].start()
    assert used.wait(20)
    threads[1].start()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


def test_there_are_seats_where_the_system_does_not_say_which_processors_are_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    with CpuSlots().taken():
        pass
