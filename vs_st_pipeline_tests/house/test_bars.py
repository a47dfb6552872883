"""What `python -m benchmarks --bars` tells is what was measured: lines, exit codes, and the file that keeps it."""

from __future__ import annotations

import json
import math
import re
import socket
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import bars, page, planning_bars, syncing
from benchmarks.bars import Bar, Held, apart, exponent, median
from benchmarks.options import CannotMeasure, Figures, Options
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline_tests.support.story import Story

LINE = re.compile(r"bar \S+ \S+ <= \S+ (ok|missed)")
TICK = {"cpu_ratio": 2.5, "peak_mb": 700.0}


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of results, elsewhere than that of real runs; no sizes of the environment."""
    monkeypatch.setattr(bars, "RESULTS", tmp_path / "results.json")
    for name in Options().chosen:
        monkeypatch.delenv(name)
    return bars.RESULTS


def found(figures: Figures) -> Callable[[Options], Figures]:
    return lambda _: dict(figures)


def test_a_bar_is_told_in_one_line() -> None:
    bar = Bar("tick", "cpu_ratio", 3)
    assert Held(bar, 2.123456).line() == "bar tick.cpu_ratio 2.123 <= 3 ok"
    assert Held(bar, 3.0).line() == "bar tick.cpu_ratio 3 <= 3 ok"
    assert Held(bar, 12345.6).line() == "bar tick.cpu_ratio 12346 <= 3 missed"
    assert Held(bar, None).line() == "bar tick.cpu_ratio unmeasured <= 3 missed"


def test_a_bar_that_is_missed_by_a_hair_does_not_look_as_if_it_were_held() -> None:
    assert Held(Bar("tick", "cpu_ratio", 3), 3.0000001).line() == "bar tick.cpu_ratio 3.0000001 <= 3 missed"


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_figure_that_is_no_number_holds_no_bar(value: float) -> None:
    held = bars.hold("tick", {"cpu_ratio": value, "peak_mb": 1.0})
    assert [(one.value, one.ok) for one in held] == [(None, False), (1.0, True)]


def test_all_bars_of_a_benchmark_are_told_after_it_and_the_command_says_by_its_exit_code_that_they_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["--bars"], {"tick": found(TICK)}) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["== tick", "bar tick.cpu_ratio 2.5 <= 3 ok", "bar tick.peak_mb 700 <= 800 ok"]


def test_a_missed_bar_ends_the_command_with_1_after_everything_else_was_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    benchmarks = {"tick": found(TICK | {"peak_mb": 801.0}), "polling": found({"mean_age_ratio": 0.6})}
    assert command.main(["--bars"], benchmarks) == 1
    out = capsys.readouterr().out
    assert "bar tick.peak_mb 801 <= 800 missed" in out
    assert "== polling" in out


def test_a_benchmark_whose_peer_is_not_there_says_so_and_misses_all_of_its_bars(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_peer(_: Options) -> Figures:
        raise CannotMeasure("the peer is not there")

    assert command.main(["--bars"], {"tick": without_peer, "polling": found({})}) == 1
    out = capsys.readouterr().out
    assert "tick was not measured: the peer is not there" in out
    assert {line.rsplit(" ", 1)[1] for line in out.splitlines() if LINE.fullmatch(line)} == {"missed"}
    assert "== polling" in out
    assert json.loads(results.read_text())["benchmarks"]["tick"]["failed"] == "the peer is not there"


def test_a_benchmark_that_breaks_is_kept_by_the_name_of_its_error_and_nothing_else(results: Path) -> None:
    def broken(_: Options) -> Figures:
        raise RuntimeError(f"a file of {Path.home()}")

    assert command.main(["--bars"], {"tick": broken}) == 1
    assert json.loads(results.read_text())["benchmarks"]["tick"]["failed"] == "RuntimeError"
    assert command.main([], {"tick": broken}) == 1, "without bars too"


def test_without_bars_nothing_is_held_and_nothing_kept(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([], {"tick": found({"cpu_ratio": 99.0})}) == 0
    assert capsys.readouterr().out == "== tick\n"
    assert not results.exists()


def test_a_name_that_is_none_is_refused_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["tock"], {"tick": found(TICK)})
    assert ended.value.code == 2
    assert "no benchmark 'tock'; there are tick" in capsys.readouterr().err


def test_options_reach_the_benchmarks_and_the_environment_has_the_last_word_on_sizes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Options] = []

    def looking(options: Options) -> Figures:
        seen.append(options)
        return dict(TICK)

    command.main(["--quick"], {"tick": looking})
    assert seen == [Options(bars=False, quick=True)]
    assert (seen[0].size("BENCH_X", 10, 5), Options().size("BENCH_X", 10, 5), seen[0].rounds) == (5, 10, 3)
    monkeypatch.setenv("BENCH_X", "30,7")
    assert seen[0].sizes("BENCH_X", "1", "2") == [7, 30]
    command.main(["--bars"], {"tick": looking})
    assert "at sizes of the environment: BENCH_X=30,7" in capsys.readouterr().out


def test_what_is_kept_has_figures_versions_machine_and_commit_and_neither_host_nor_path(results: Path) -> None:
    command.main(["--bars", "--quick"], {"tick": found(TICK | {"cpu_s_at_500": math.nan})})
    text = results.read_text(encoding="utf-8")
    kept: dict[str, Any] = json.loads(text)
    assert set(kept) == {"commit", "machine", "versions", "benchmarks"}
    assert set(kept["machine"]) == {"cores", "model", "memory_gb", "os"}
    assert {"python", "duckdb", "peers"} <= set(kept["versions"])
    tick = kept["benchmarks"]["tick"]
    assert tick["figures"] == {**TICK, "cpu_s_at_500": None}
    assert tick["bars"][0] == {"name": "tick.cpu_ratio", "value": 2.5, "limit": 3, "ok": True}
    assert (tick["quick"], tick["sizes"], tick["failed"], tick["commit"]) == (True, {}, None, kept["commit"])
    for private in (str(bars.ROOT), str(Path.home()), f'"{socket.gethostname()}"', f" {socket.gethostname()} "):
        assert private not in text


def test_a_run_of_one_benchmark_keeps_what_the_others_found_on_the_same_machine(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command.main(["--bars"], {"polling": found({"mean_age_ratio": 0.6})})
    command.main(["--bars"], {"tick": found(TICK)})
    assert list(json.loads(results.read_text())["benchmarks"]) == ["polling", "tick"]
    monkeypatch.setattr(bars, "machine", lambda: {"cores": 64})
    command.main(["--bars"], {"tick": found(TICK)})
    assert list(json.loads(results.read_text())["benchmarks"]) == ["tick"]


def test_the_arithmetic() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert (apart(1.15, 1.0), apart(1.0, 1.25)) == (1.15, 1.25)
    assert apart(0.0, 1.0) == math.inf
    assert exponent({300: 6.0, 3000: 60.0, 10_000: 200.0}, least=0.001) == pytest.approx(1)
    assert exponent({300: 0.1, 1000: 0.1, 10_000: 0.1}, least=0.001) == pytest.approx(0)
    assert exponent({100: 1.0, 10_000: 10.0}, least=0.001) == pytest.approx(0.5)
    assert exponent({100: -1.0, 10_000: 0.1}, least=0.001) == pytest.approx(1), "less than nothing is taken for least"


def test_every_bar_is_of_a_benchmark_that_runs_by_itself_and_every_benchmark_can_be_loaded() -> None:
    assert {bar.benchmark for bar in bars.BARS} <= set(command.USUAL)
    assert len({bar.name for bar in bars.BARS}) == len(bars.BARS)
    for name in (*command.USUAL, *command.BY_NAME):
        assert callable(import_module(f"benchmarks.{command.HOMES.get(name, name)}").main)


def test_the_page_shows_bars_and_figures_by_size_in_the_place_that_is_kept_for_them(
    results: Path, tmp_path: Path
) -> None:
    figures = {**TICK, "each_ms": 12.0, "cpu_s_at_500": 4.0, "cpu_s_at_3000": 24.0}
    command.main(["--bars", "--quick"], {"tick": found(figures)})
    scale = tmp_path / "scale.md"
    scale.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n", encoding="utf-8")
    page.write(bars.read(results), scale)
    text = scale.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{page.BEGIN}\nMeasured on ")
    assert text.endswith(f"\n{page.END}\nafter\n")
    assert "| `tick.cpu_ratio` | 2.5 | 3 | ok |" in text
    assert "| size | `cpu_s` |\n| --- | --- |\n| 500 | 4 |\n| 3,000 | 24 |" in text
    assert "syncs 20,000 merchants every five minutes" in text
    assert "old" not in text
    page.write({}, scale)
    assert "Nothing was measured yet." in scale.read_text(encoding="utf-8")


def test_docs_have_the_place_for_figures() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert text.count(page.BEGIN) == text.count(page.END) == 1


def test_a_sync_that_opens_the_warehouse_is_counted_as_one_that_did_not_take_the_quiet_path(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Warehouse, "open", Warehouse.open)  # put back at the end
    opened = syncing.Opened()
    story.sync()
    assert opened.count > 0


def test_the_dearer_of_two_plans_of_everybody_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of = {"linked": 100_000, "settled": 0.2, "changed": 0.4, "anew": 12.0, "peak_mb": 500.0}
    rounds = iter([{**of, "first": 21.0}, {**of, "first": 15.0}, {**of, "first": 18.0}])
    monkeypatch.setattr(planning_bars, "run", lambda _: next(rounds))
    monkeypatch.setattr(planning_bars, "is_there", lambda: True)
    assert command.main(["--bars"], {"planning": planning_bars.main}) == 0
    assert "bar planning.anew_s 18 <= 20 ok" in capsys.readouterr().out
