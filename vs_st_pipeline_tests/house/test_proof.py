"""A slice of each proof of `make proof`; what they prove is said there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proof import __main__ as command
from proof import (
    answers,
    code,
    consumers,
    kills,
    machine,
    notices,
    orders,
    receiver,
    structure,
    switches,
    units,
    worker,
)
from proof.code import ROOT
from proof.forks import Forks
from proof.units import Figures, Opener, Proof, Unit
from proof.world import Finding, World
from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.commanding import forget_files
from vs_st_pipeline_tests.support.opened_files import opened


@pytest.fixture(scope="module")
def world(small_world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Forks() as forks:
        yield World(small_world, forks, tmp_path_factory.mktemp("proof"))
    small_world.reset()


@pytest.mark.slow
def test_a_sync_that_is_killed_is_made_good_by_the_next_one(world: World) -> None:
    figures = kills.short(world)
    assert figures.killed >= figures.trials.total() * 2 // 3, "the places lie elsewhere by now"
    assert figures.settled["not applied"] + figures.settled["accepted"] > 0


@pytest.mark.slow
def test_a_worker_that_is_killed_is_made_good_by_the_next_one(world: World) -> None:
    figures = worker.trials(lambda: world, 0, 2)
    assert (figures.killed + figures.ended_before, figures.sent_twice) == (2, 0)


@pytest.mark.slow
def test_a_key_that_is_missing_or_of_another_type_changes_nothing_and_is_made_good(world: World) -> None:
    figures = structure.short(world)
    assert figures.trials.total() == structure.SAMPLE
    assert figures.trials["not met"] < structure.SAMPLE // 4, "the answers have other keys by now"
    assert figures.ended["partial"] > 0


@pytest.mark.slow
def test_whatever_happens_in_any_order_nothing_forbidden_does(world: World) -> None:
    figures = machine.short(world)
    assert figures.steps.total() > 10
    assert figures.ended["ok"] > 0


@pytest.mark.slow
def test_spoilt_answers_are_no_fault_of_ours_and_leave_nothing_wrong(world: World) -> None:
    figures = answers.short(world)
    assert figures.mutations > 20
    assert figures.ended["bad_answer"] > 0


@pytest.mark.slow
def test_pairs_of_switches_with_failing_answers_come_right_or_are_told(world: World) -> None:
    assert sum(switches.short(world).after.values()) == 2


@pytest.mark.slow
def test_whoever_had_a_204_is_in_the_inbox_whenever_the_receiver_was_killed() -> None:
    figures = receiver.short()
    assert (figures.killed, figures.restarted) == (3, 2)
    assert figures.answered["204"] > 50


@pytest.mark.slow
def test_a_sync_of_consumers_that_is_killed_is_made_good_by_the_next_ones() -> None:
    figures = consumers.short()
    assert figures.killed == figures.trials.total() == 4, "the places lie elsewhere by now"


@pytest.mark.slow
def test_a_sync_or_a_void_of_orders_that_is_killed_is_made_good_by_the_next_ones() -> None:
    figures = orders.short()
    assert figures.killed == figures.trials.total() == 3, "the places lie elsewhere by now"


@pytest.mark.slow
def test_a_sync_of_notices_that_is_killed_is_made_good_by_the_next_ones() -> None:
    figures = notices.short()
    assert figures.killed == figures.trials.total() == len(notices.CASES), "the places lie elsewhere by now"
    assert figures.taken > 0


# --- unit by unit -----------------------------------------------------------------------------------------------------


@dataclass
class Trials(Figures):
    trials: Counter[str] = field(default_factory=Counter)
    places: set[tuple[str, int]] = field(default_factory=set)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Names of units that were run; `u3` finds something, and the world is never wanted."""
    done: list[str] = []

    def unit(number: int) -> Unit:
        def run(_: Opener) -> Figures:
            done.append(f"u{number}")
            if number == 3:
                raise Finding("u3", ["what must not be was"])
            return Trials(1.5, Counter({"good": 2}), {("place", number // 2)})

        return Unit(f"u{number}", run)

    proof = Proof("made up", Trials, lambda: [unit(number) for number in range(6)])
    monkeypatch.setattr(command, "PROOFS", (proof,))
    monkeypatch.setattr(units, "FOLDER", tmp_path)
    monkeypatch.setattr(units, "code_hash", lambda *_, **__: "abc")
    return done


def test_a_finding_is_kept_and_the_run_goes_on(ran: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 1
    assert ran == ["u0", "u1", "u2", "u3", "u4", "u5"]
    assert "what must not be was" in capsys.readouterr().out
    assert command.main([]) == 1, "what was found stays found"
    assert len(ran) == 6
    assert command.main(["--again"]) == 1
    assert ran[6:] == ["u3"]
    assert command.main(["--unit", "u4"]) == 0
    assert ran[7:] == ["u4"]


def test_shares_add_up(ran: list[str]) -> None:
    assert command.main(["--share", "1/2"]) == 0
    assert command.main(["made up", "--share", "2/2"]) == 1
    assert ran == ["u0", "u2", "u4", "u1", "u3", "u5"]
    assert command.main(["--report"]) == 1
    assert len(ran) == 6
    [proof] = command.PROOFS
    figures = units.memory([proof]).added(proof, proof.units())
    assert figures == Trials(7.5, Counter({"good": 10}), {("place", 0), ("place", 1), ("place", 2)})


def test_a_run_that_was_killed_goes_on_where_it_was(ran: list[str], tmp_path: Path) -> None:
    command.main(["--share", "1/2"])
    path = tmp_path / "made up-abc.jsonl"
    path.write_text(path.read_text()[:-20])  # the kill cut the last line
    command.main(["--share", "1/2"])
    assert ran == ["u0", "u2", "u4", "u4"]
    command.main(["--share", "1/2", "--fresh"])
    assert ran[4:] == ["u0", "u2", "u4"]


def test_time_that_is_up_leaves_units_and_says_so(ran: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--minutes", "0"]) == 0
    assert ran == []
    assert "6 units are left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("u 3", "no unit `u 3`; did you mean `u3`"),
        ("no such thing", "no unit `no such thing`; there are such as `u0` of made up"),
        ("x*", "no unit `x*`; there are such as `u0` of made up"),
    ],
)
def test_a_unit_that_is_none_is_told_with_those_nearest(
    ran: list[str], capsys: pytest.CaptureFixture[str], said: str, told: str
) -> None:
    assert command.main(["--unit", said]) == 2
    assert capsys.readouterr().out.startswith(told)
    assert ran == []


def test_a_world_that_has_ended_leaves_no_file_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_sync, "_warehouse", None)

    def open_ones() -> list[str]:
        found = []
        for one in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                found.append(str(one.readlink()))
        return [one for one in found if one.startswith(str(tmp_path))]

    for number in range(3):
        data = tmp_path / str(number)
        with opened(data, "hillside", "orders") as db:
            assert db.value("select 1") == 1
        forget_files()
        cli_sync._warehouse = warehouse_at(data)
        with cli_sync._warehouse.open("hillside", "orders") as db:
            assert db.value("select 1") == 1
        assert {Path(one).relative_to(tmp_path).parts[0] for one in open_ones()} == {str(number)}
    forget_files()
    assert open_ones() == []


def test_a_proof_rests_on_all_that_it_can_reach_and_not_on_other_routes() -> None:
    def rested(proof: Proof) -> set[str]:
        found = code.files_of(proof.name, proof.routes, tests=proof.tests)
        return {str(path.relative_to(code.ROOT)) for path in found}

    of = {proof.name: rested(proof) for proof in command.PROOFS}
    everywhere = {
        "vs_st_pipeline/pipeline/delivery.py",
        "vs_st_pipeline/cli/main.py",
        "vs_st_pipeline/sandbox/__init__.py",
    }
    assert all(everywhere <= files for files in of.values())
    assert {"vs_st_pipeline/routes/orders/__init__.py", "proof/orders.py"} <= of["orders"]
    assert "vs_st_pipeline/connectors/vinoshipper/__init__.py" in of["orders"] & of["kills"] & of["audience"]
    assert "vs_st_pipeline/sandbox/commerce7/__init__.py" in of["orders"] - of["kills"]
    assert "vs_st_pipeline/connectors/hubspot/__init__.py" in of["consumers"] - of["orders"]
    assert "vs_st_pipeline/routes/contacts/__init__.py" in (of["kills"] & of["receiver"]) - of["orders"]
    assert "vs_st_pipeline_tests/support/orders.py" in of["orders"] - of["kills"]
    assert not any("/test_" in path for path in of["orders"])
    whole = {
        str(path.relative_to(code.ROOT)) for room in ("vs_st_pipeline", "proof") for path in (ROOT / room).rglob("*.py")
    }
    assert whole <= of["slow"] & of["mutations"]
    assert "vs_st_pipeline_tests/house/test_proof.py" in of["slow"]


def test_another_file_is_another_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = code.code_hash("once", ())
    assert before == code.code_hash("once", ()) != code.code_hash("once", ("orders",))
    path = ROOT / "vs_st_pipeline" / "domain" / "brake.py"
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda one: whole(one) + (b"#" if one == path else b""))
    assert code.code_hash("once", ()) != before


def test_units_have_names_of_their_own_and_always_the_same() -> None:
    for proof in command.PROOFS:
        names = [unit.name for unit in proof.units()]
        assert len(set(names)) == len(names) > 0
        assert names == [unit.name for unit in proof.units()]
        shares = [unit.name for number in (1, 2, 3) for unit in proof.shared((number, 3))]
        assert sorted(shares) == sorted(names)
