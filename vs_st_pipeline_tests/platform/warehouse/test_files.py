"""One DuckDB file per merchant: modes, migrations, locks, and what a stranger finds when a file is unusable."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from vs_st_pipeline.domain.errors import BadSettings, Interrupted, TryLater
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.failpoints import enable, reached
from vs_st_pipeline.platform.locks import is_release_requested
from vs_st_pipeline.platform.warehouse import files
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import REST_SECONDS, log_of
from vs_st_pipeline.platform.warehouse.migrations import SHARED
from vs_st_pipeline.platform.warehouse.state import clear_state, get_state, set_state

NOON = datetime(2026, 3, 1, 12)
HOLDER = """
import sys, duckdb
db = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""


def test_a_new_file_is_private_and_at_the_newest_schema(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "data")
    with warehouse.open("a-winery") as db:
        assert db.value("select max(version) from schema_version") == SHARED.newest
        assert db.value("select count(*) from synced.ledger") == 0
    assert stat.S_IMODE(warehouse.file("a-winery").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert stat.S_IMODE(warehouse.folder("a-winery").stat().st_mode) == 0o700
    # As a process leaves it that is killed right after DuckDB has made it, and as a backup may have it.
    warehouse.file("a-winery").chmod(0o644)
    with warehouse.open("a-winery"):
        assert stat.S_IMODE(warehouse.file("a-winery").stat().st_mode) == 0o600


def test_merchants_do_not_see_each_other(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one") as db:
        db.execute("insert into synced.baseline values ('customers', 7, now()::timestamp)")
    with warehouse.open("two") as db:
        assert db.rows("select * from synced.baseline") == []
    with warehouse.open("one") as db:
        assert db.value("select rows from synced.baseline") == 7


def test_a_file_is_let_go_between_two_uses(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one"):
        pass
    with duckdb.connect(str(warehouse.file("one"))) as other:
        assert other.execute("select count(*) from synced.ledger").fetchall() == [(0,)]


VISITOR = """
import sys
from pathlib import Path
from vs_st_pipeline.operations.warehouse import warehouse_at
with warehouse_at(Path(sys.argv[1]), wait_seconds=float(sys.argv[2])).open("one") as db:
    print(db.value("select rows from synced.baseline"))
"""


WISHER = """
import sys, time
from pathlib import Path
from vs_st_pipeline.platform.locks import requesting_release
with requesting_release(Path(sys.argv[1])):
    print("wished", flush=True)
    time.sleep(60)
"""


def visited(folder: Path, wait_seconds: float) -> subprocess.CompletedProcess[str]:
    """Another process looks at the file."""
    return subprocess.run(
        [sys.executable, "-c", VISITOR, str(folder), str(wait_seconds)], capture_output=True, text=True, timeout=30
    )


@pytest.mark.slow
def test_a_kept_file_is_let_go_when_somebody_wishes_for_it_and_when_it_is_kept_no_more(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.keeping("one"):
        with warehouse.open("one") as db:
            db.execute("insert into synced.baseline values ('customers', 7, now()::timestamp)")
            assert "held by another process" in visited(tmp_path, 0).stderr
        # It is let go while it is kept, but not used; without a wish it would rest for longer than that.
        assert visited(tmp_path, REST_SECONDS / 2).stdout == "7\n"
        with warehouse.open("one") as db:
            assert db.value("select rows from synced.baseline") == 7
    assert visited(tmp_path, 0).stdout == "7\n"


@pytest.mark.slow
def test_who_wishes_for_a_file_gets_it_from_one_who_uses_it_all_the_time(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.keeping("one"), ThreadPoolExecutor(1) as pool:
        with warehouse.open("one") as db:
            db.execute("insert into synced.baseline values ('customers', 7, now()::timestamp)")
        visit = pool.submit(visited, tmp_path, 20)
        uses = 0
        while not visit.done():
            with warehouse.open("one") as db:
                uses += bool(db.value("select rows from synced.baseline"))
        assert visit.result().stdout == "7\n"
        assert uses > 1


def test_the_wish_of_a_process_that_was_killed_is_none(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    assert not is_release_requested(path)
    with subprocess.Popen([sys.executable, "-c", WISHER, str(path)], stdout=subprocess.PIPE, text=True) as wisher:
        assert wisher.stdout
        assert wisher.stdout.readline() == "wished\n"
        assert is_release_requested(path)
        wisher.kill()
    assert not is_release_requested(path)


def test_a_kept_file_that_is_moved_away_is_not_written_any_more(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.keeping("one"):
        with warehouse.open("one") as db:
            db.execute("insert into synced.baseline values ('customers', 7, now()::timestamp)")
        warehouse.file("one").rename(tmp_path / "elsewhere")
        with warehouse.open("one") as db:
            assert db.rows("select * from synced.baseline") == []


@pytest.mark.parametrize("waiting", ["a mark", "rows in the log"])
def test_a_backup_that_is_put_back_while_a_file_is_kept_is_found_whole(tmp_path: Path, waiting: str) -> None:
    """What is yet to be written of the file that was moved away would go to the log at its name: by now the backup's;
    and a log is removed by its name once all of it is in the file."""
    backup, warehouse = warehouse_at(tmp_path / "elsewhere"), warehouse_at(tmp_path / "here")
    saved, path = backup.file("one"), warehouse.file("one")
    with backup.keeping("one"), backup.open("one") as db:
        db.execute("checkpoint")
        db.execute("insert into synced.baseline values ('customers', 7, now()::timestamp)")
        for name in (saved, log_of(saved)):
            shutil.copy(name, tmp_path / name.name)
    with warehouse.keeping("one"):
        with warehouse.open("one") as db:
            db.execute("checkpoint")
            if waiting == "a mark":
                set_state(db, "how far", 1, NOON)
            else:
                db.execute("insert into synced.baseline values ('customers', 8, now()::timestamp)")
        for name in (path, log_of(path)):
            (tmp_path / name.name).replace(name)
    with warehouse.open("one") as db:
        assert db.value("select rows from synced.baseline") == 7
        assert get_state(db, "how far") is None


def test_a_file_whose_waiting_marks_cannot_be_written_is_let_go_all_the_same(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with pytest.raises(BadSettings, match="is the disk full"), warehouse.keeping("one"), warehouse.open("one") as db:
        db.defer("marks", lambda: db.execute("insert into raw.nowhere values (1)"))
    with warehouse.open("one") as db:  # somebody has made room
        assert db.value("select count(*) from raw.marks") == 0


def test_a_new_file_under_the_number_of_the_old_one_is_made_ready_like_any_other(tmp_path: Path) -> None:
    """The kernel gives the number of a removed file to the next one that is made; a process may have known the old."""
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one"):
        pass
    duckdb.connect(str(tmp_path / "new")).close()
    warehouse.file("one").write_bytes((tmp_path / "new").read_bytes())  # the same number, and nothing in it
    with warehouse.open("one") as db:
        assert db.value("select count(*) from synced.ledger") == 0


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)

    def dies_midway() -> None:
        with warehouse.open("one") as db, db.transaction():
            db.execute("insert into synced.baseline values ('customers', 7, now()::timestamp)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        dies_midway()
    with warehouse.open("one") as db:
        assert db.rows("select * from synced.baseline") == []


def stored_marks(tmp_path: Path) -> dict[str, str]:
    """As another process finds them."""
    with duckdb.connect(str(tmp_path / "merchants" / "one" / "warehouse.duckdb"), read_only=True) as other:
        return dict(other.execute("select name, value from raw.marks").fetchall())


def test_marks_wait_for_the_next_writing_transaction_or_for_the_file_to_be_let_go(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one"):
        pass
    enable("any:0")
    with warehouse.keeping("one"), warehouse.open("one") as db:
        with db.transaction():
            set_state(db, "first", 1, NOON)
        assert not reached["begun"]  # alone it is not worth a transaction
        assert get_state(db, "first") == 1
        with db.transaction():
            assert db.value("select count(*) from raw.marks") == 0
            assert not reached["begun"]  # nor is reading
            db.execute("insert into synced.baseline values ('customers', 7, now()::timestamp)")
            set_state(db, "second", 2, NOON)
        assert reached["committed"] == 1
        assert db.value("select count(*) from raw.marks") == 2
        set_state(db, "first", 3, NOON)
        set_state(db, "third", 3, NOON)
        clear_state(db, "second")
    assert stored_marks(tmp_path) == {"first": "3", "third": "3"}


def test_a_mark_of_a_transaction_that_fails_is_not_kept_and_the_older_one_counts(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)

    def dies_midway(db: Db, *statements: str) -> None:
        with db.transaction():
            set_state(db, "how far", 2, NOON)
            for statement in statements:
                db.execute(statement)
            raise ZeroDivisionError

    with warehouse.keeping("one"), warehouse.open("one") as db:
        with db.transaction():
            set_state(db, "how far", 1, NOON)
            db.execute("delete from synced.baseline")
        with pytest.raises(ZeroDivisionError):
            dies_midway(db, "insert into synced.baseline values ('customers', 7, now()::timestamp)")
        with pytest.raises(ZeroDivisionError):
            dies_midway(db)
        assert get_state(db, "how far") == 1
    assert stored_marks(tmp_path) == {"how far": "1"}


def test_what_was_handed_to_a_transaction_that_fails_is_not_kept_in_memory(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)

    def dies(db: Db, statement: str) -> None:
        with db.transaction(), db.batch({"phone": ["7075550100"]}):
            db.execute("delete from synced.baseline")
            db.execute(statement)
            raise ZeroDivisionError

    with warehouse.open("one") as db:
        for statement in ("delete from synced.links", "insert into synced.baseline values ('a', 1, null)"):
            with pytest.raises((ZeroDivisionError, duckdb.ConstraintException)):
                dies(db, statement)
        assert db.rows("select view_name from duckdb_views() where not internal") == []


def test_a_file_held_by_another_process_is_waited_for_and_then_named(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path, wait_seconds=0.2)
    with warehouse.open("one"):
        pass
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(warehouse.file("one"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdin
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(TryLater, match="held by another process"), warehouse.open("one"):
            pass
        holder.communicate("\n")
    with warehouse.open("one") as db:
        assert db.value("select 1") == 1


def test_a_second_sync_of_one_merchant_waits_and_then_says_so(tmp_path: Path) -> None:
    first, second = warehouse_at(tmp_path), warehouse_at(tmp_path, wait_seconds=0.1)
    with first.sync_lock("one"):
        with pytest.raises(TryLater, match="another sync"), second.sync_lock("one"):
            pass
        with second.sync_lock("two"):
            pass
    with second.sync_lock("one"):
        pass


NEEDS_MUCH = "select len(list(md5(i::varchar))) from range(900_000) as r(i)"  # some 60 MB that cannot be put aside


def test_duckdb_gets_more_memory_where_it_had_too_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.Warehouse, "_memory_of", lambda *_: 30)
    warehouse = warehouse_at(tmp_path)
    with pytest.raises(Interrupted, match=r"less memory than it needed \(30 MB\)"), warehouse.open("one") as db:
        db.value(NEEDS_MUCH)
    with warehouse.open("one") as db:
        assert db.value(NEEDS_MUCH) == 900_000


def test_routes_that_need_little_memory_get_little_until_one_comes_that_needs_more(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    limit = "select current_setting('memory_limit')"
    with warehouse.open("one", "audience") as db:
        little = db.value(limit)
    with warehouse.open("one", "contacts") as db:
        most = db.value(limit)
    with warehouse.open("one", "audience") as db:
        assert (little, most, db.value(limit)) == ("213.6 MiB", "488.2 MiB", most)


def test_more_memory_than_duckdb_may_ever_take_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_MEMORY_MB", 30)
    monkeypatch.setattr(files.Warehouse, "_memory_of", lambda *_: 30)
    with pytest.raises(BadSettings, match="sync fewer merchants at once"), warehouse_at(tmp_path).open("one") as db:
        db.value(NEEDS_MUCH)


def test_a_file_that_is_no_database_is_named_with_a_remedy_and_others_work(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    (warehouse.folder("one") / "warehouse.duckdb").write_bytes(b"rubbish" * 4096)
    with (
        pytest.raises(BadSettings, match=r"one/warehouse\.duckdb.*vs-st rebuild --merchant one"),
        warehouse.open("one"),
    ):
        pass
    with warehouse.open("two") as db:
        assert db.value("select 1") == 1


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one") as db:
        db.execute("insert into schema_version values ('shared', 999, now()::timestamp)")
    with pytest.raises(BadSettings, match="schema 999.*upgrade"), warehouse.open("one"):
        pass


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder must be")
    with pytest.raises(BadSettings, match="VS_ST_DATA_DIR"), warehouse_at(tmp_path / "data").open("one"):
        pass


def test_a_commit_that_finds_no_room_is_told_as_a_full_disk_and_another_as_what_it_is(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    no_room = "TransactionContext Error: Failed to commit: Could not write file: No space left on device"
    with pytest.raises(BadSettings, match="is the disk full"), warehouse.open("one"):
        raise duckdb.TransactionException(no_room)
    with pytest.raises(duckdb.TransactionException), warehouse.open("one"):
        raise duckdb.TransactionException("TransactionContext Error: Conflict on tuple deletion!")
