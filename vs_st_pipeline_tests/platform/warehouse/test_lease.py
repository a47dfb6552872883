"""One use of a file for several steps of a run: who gets the file, and when."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pytest

from vs_st_pipeline.pipeline import forgotten_copy
from vs_st_pipeline.platform.cpu_slots import waiting
from vs_st_pipeline.platform.locks import file_lock
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.lease import Lease
from vs_st_pipeline_tests.support.story import OTHER, TEST, Story


@pytest.fixture
def run(story: Story) -> Run:
    return story.as_run()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The openings so far."""
    found: list[str] = []
    open_ = Warehouse.open

    def counted(self: Warehouse, *arguments: str) -> object:
        found.append("opened")
        return open_(self, *arguments)

    monkeypatch.setattr(Warehouse, "open", counted)
    return found


def in_use(run: Run) -> bool:
    """Whether another thread would have to wait for the file."""
    held, found = run.warehouse._held(TEST, run.route), list[bool]()

    def look() -> None:
        if free := held.lock.acquire(blocking=False):
            held.lock.release()
        found.append(not free)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


def step(run: Run, do: Callable[[Db], object] = lambda db: db.value("select 1")) -> None:
    with run.open() as db:
        do(db)


def test_steps_that_follow_one_another_share_one_opening(run: Run, opened: list[str]) -> None:
    with run.keeping():
        for _ in range(3):
            step(run)
        assert len(opened) == 1
        assert in_use(run)
    assert not in_use(run)
    step(run)
    step(run)
    assert len(opened) == 3, "nobody keeps it"
    assert not in_use(run)


def test_whoever_waits_holds_no_file(run: Run, opened: list[str]) -> None:
    with run.keeping():
        step(run)
        with waiting():
            assert not in_use(run)
        step(run)
        assert in_use(run)
    assert len(opened) == 2


def test_a_step_under_way_is_not_ended_by_waiting_in_it(run: Run) -> None:
    with run.keeping(), run.open() as db:
        with waiting():
            assert in_use(run)
        assert db.value("select 1") == 1


def test_a_step_within_a_step_is_an_opening_of_its_own(run: Run, opened: list[str]) -> None:
    with run.keeping(), run.open() as db, run.open() as same:
        assert db is same
        assert len(opened) == 2


def test_a_step_that_fails_ends_the_use_with_its_error(run: Run) -> None:
    with run.keeping():
        with pytest.raises(duckdb.CatalogException):
            step(run, lambda db: db.execute("select * from nowhere"))
        assert not in_use(run)
        with pytest.raises(ZeroDivisionError):
            step(run, lambda db: 1 / 0)
        assert not in_use(run)
        step(run)


def test_a_file_is_copied_while_it_is_kept(run: Run) -> None:
    with run.keeping():
        step(run, lambda db: db.execute("create table kept as select 5 as five"))
        before = run.file().stat().st_ino
        run.rewrite()
        assert run.file().stat().st_ino != before
        step(run, lambda db: db.execute("insert into kept values (6)"))
        with run.open() as db:
            assert db.rows("select * from kept order by all") == [(5,), (6,)]


def test_another_thread_has_openings_of_its_own(run: Run, opened: list[str]) -> None:
    with run.keeping():
        step(run)
        thread = threading.Thread(target=step, args=[run])
        thread.start()
        thread.join(0.2)
        assert thread.is_alive(), "it waits for the file"
        with waiting():
            thread.join(5)
        assert not thread.is_alive()
    assert len(opened) == 2


def test_whoever_asks_for_the_file_gets_it_between_two_steps() -> None:
    ended: list[str] = []
    asked = False

    @contextmanager
    def open_file() -> Iterator[Db]:
        try:
            yield Db(duckdb.connect())
        finally:
            ended.append("ended")

    lease = Lease(open_file, lambda: asked)
    for _ in range(2):
        with lease.step():
            pass
    assert ended == []
    asked = True
    with lease.step():
        assert ended == ["ended"]
    lease.let_go()
    lease.let_go()
    assert ended == ["ended"] * 2


def test_a_file_that_a_person_puts_back_between_two_steps_is_used_from_the_next_one_on(run: Run) -> None:
    with run.keeping():
        step(run, lambda db: db.execute("create table kept as select 'before' as what"))
    backup = run.file().with_name("backup")
    shutil.copy(run.file(), backup)
    with run.keeping():
        step(run, lambda db: db.execute("update kept set what = 'replaced'"))
        backup.replace(run.file())
        with run.open() as db:
            assert db.value("select what from kept") == "before"
            db.execute("update kept set what = 'after'")
    with run.open() as db:
        assert db.value("select what from kept") == "after"


def test_a_file_that_was_removed_between_two_steps_is_made_anew(run: Run) -> None:
    with run.keeping():
        step(run, lambda db: db.execute("create table kept as select 1 as one"))
        run.file().unlink()
        with run.open() as db:
            assert db.rows("select 1 from duckdb_tables() where table_name = 'kept'") == []
        assert run.file().exists()


def test_a_stopped_instance_between_two_steps_is_no_trouble_of_the_next_one(run: Run) -> None:
    """Another merchant's damaged file stops the instance that all files are attached to."""
    with run.keeping():
        step(run)
        instance = run.warehouse._held(TEST, run.route).instance
        assert instance is not None
        instance.stopped = True
        with run.warehouse._guard:
            run.warehouse._retire(instance)
        step(run)
        assert run.warehouse._held(TEST, run.route).instance is not instance


@pytest.mark.slow
def test_another_process_gets_the_file_from_a_thread_that_never_waits(run: Run) -> None:
    """As `vs-st why` does while a sync works."""
    look = """
import sys
from pathlib import Path
from vs_st_pipeline.operations.warehouse import warehouse_at
with warehouse_at(Path(sys.argv[1]), wait_seconds=20).open(sys.argv[2]) as db:
    print(db.value("select one from kept"))
"""
    with run.keeping():
        step(run, lambda db: db.execute("create table kept as select 1 as one"))
        arguments = [sys.executable, "-c", look, str(run.warehouse.data_dir), TEST]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as visitor:
            while visitor.poll() is None:
                step(run)
            assert visitor.stdout is not None
            assert visitor.stdout.read() == "1\n"
        step(run)


def test_whoever_waits_for_who_was_forgotten_holds_no_file(run: Run) -> None:
    folder = run.warehouse.folder(TEST)
    (folder / forgotten_copy.COPY).write_text("[]")
    lock, found = file_lock(folder / forgotten_copy.LOCK), list[str]()

    def work() -> None:
        with run.keeping():
            step(run)
            forgotten_copy.keep_two_copies(run, lambda db: None)
            found.append("done")

    with lock:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive()
        assert not in_use(run)
    thread.join(10)
    assert found == ["done"]


def test_a_stop_in_a_step_ends_the_use(run: Run) -> None:
    with run.keeping():

        def stopped(db: Db) -> None:
            with db.transaction():
                db.execute("create table never as select 1 as one")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            step(run, stopped)
        assert not in_use(run)
        with run.open() as db:
            assert db.rows("select 1 from duckdb_tables() where table_name = 'never'") == []


def test_an_error_of_a_step_within_a_step_leaves_the_outer_one_as_it_was(run: Run) -> None:
    with run.keeping():
        with run.open() as db, db.transaction():
            db.execute("create table kept as select 1 as one")
            with pytest.raises(ZeroDivisionError), run.open():
                raise ZeroDivisionError
            db.execute("insert into kept values (2)")
        step(run)
        assert in_use(run)
        with waiting():
            assert not in_use(run)
        with run.open() as db:
            assert db.value("select sum(one) from kept") == 3


def test_two_threads_that_keep_two_files_and_want_each_others_do_not_block_one_another(run: Run) -> None:
    warehouse, met = run.warehouse, threading.Barrier(2, timeout=10)
    done: list[str] = []

    def work(mine: str, theirs: str) -> None:
        with warehouse.keeping(mine), warehouse.keeping(theirs):
            with warehouse.use(mine) as db:
                db.value("select 1")
            met.wait()  # both have their own, and neither has said that it waits
            with warehouse.use(theirs) as db:
                db.value("select 1")
            with waiting():
                met.wait()
            warehouse.peek(theirs, run.route, lambda db: db.value("select 1"))
            done.append(mine)

    threads = [threading.Thread(target=work, args=pair, daemon=True) for pair in ((TEST, OTHER), (OTHER, TEST))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(done) == sorted([TEST, OTHER])
