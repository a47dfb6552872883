"""`vs-st demo` shows all of it on made-up merchants, without a setting, on two screens, and is over soon."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from vs_st_pipeline.cli import demo_summary
from vs_st_pipeline.cli.demo_summary import WIDTH
from vs_st_pipeline.pipeline.demo import Act, Demo
from vs_st_pipeline.routes import ROUTES

SCREENS, ROWS = 2, 50
FACTS = ["came in", "decided", "written", "proof"]
SHOW = Demo(
    "parcels", "", (),
    decided={"send": "orders to send", "events": "events"},
    written={"sent": "orders sent", "failed": "failed"},
)  # fmt: skip


def demo(*options: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("VS_ST_")}
    return subprocess.run(
        [sys.executable, "-m", "vs_st_pipeline.cli.main", "demo", *options],
        env=environ, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


def acts(said: str) -> list[str]:
    return re.split(r"^(?= ?\d+\. )", said, flags=re.MULTILINE)[1:]


def facts(act: str) -> Iterator[tuple[str, str]]:
    for name, text in re.findall(r"^    (\S.{6}) ((?:.|\n {13})*)", act, re.MULTILINE):
        yield name.strip(), re.sub(r"\n +", " ", text)


# --- the words of an act ----------------------------------------------------------------------------------------------


def test_an_act_says_what_came_in_was_decided_and_written_and_the_proof() -> None:
    report = {
        "planned": {"send": 1, "events": {"OrderAdd": 2}, "held": {"zip_state": 1}, "noted": {"new": 3}},
        "synced": {"sent": 1, "failed": 0},
    }
    said = demo_summary.lines(SHOW, Act("It goes."), 1, ["Two buy.", "One errs."], [[report]], "One order, once.")
    assert said == [
        " 1. It goes.",
        "    came in  Two buy. One errs.",
        "    decided  1 order to send, 2 events (2 OrderAdd); held back: 1 zip state",
        "    written  1 order sent",
        "    proof    One order, once.",
    ]


def test_reports_of_several_merchants_add_up_and_what_was_read_came_in_where_nobody_did_anything() -> None:
    report = {"raw": {"orders": 600, "hooks": 0}, "planned": {"send": 2}, "synced": {"sent": 2}}
    said = demo_summary.lines(SHOW, Act("It goes."), 1, [], [[report, report]], "Once.")
    assert said[1:4] == [
        "    came in  1,200 orders",
        "    decided  4 orders to send",
        "    written  4 orders sent",
    ]


def test_a_second_sync_that_wrote_nothing_is_part_of_the_proof_and_one_that_wrote_is_not() -> None:
    wrote: dict[str, dict[str, int]] = {"synced": {"sent": 1}}
    quiet: dict[str, dict[str, int]] = {"synced": {"sent": 0}}
    *_, proof = demo_summary.lines(SHOW, Act("."), 1, [], [[wrote], [quiet]], "Once.")
    assert proof == "    proof    A second sync wrote nothing. Once."
    *_, proof = demo_summary.lines(SHOW, Act("."), 1, [], [[quiet], [wrote]], "Once.")
    assert proof == "    proof    Once."


def test_a_long_text_goes_on_below_itself_and_nothing_of_it_is_cut() -> None:
    words = [f"word{number}" for number in range(60)]
    said = demo_summary.lines(SHOW, Act("It goes."), 1, [" ".join(words)], [], "Once.")
    assert max(map(len, said)) <= WIDTH
    assert dict(facts("\n".join(said)))["came in"].split() == words


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_has_a_show_whose_acts_have_titles_of_one_line(route: object) -> None:
    show = next(one.demo for one in ROUTES if one is route)
    assert show is not None
    assert show.acts
    assert all(len(f" 1. {act.title}") <= WIDTH for act in show.acts)
    assert all(act.commands or act.answered for act in show.acts)
    assert all(act.later >= timedelta(0) for act in show.acts)


# --- the show -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_r26_the_demo_shows_every_route_on_two_screens_and_each_act_has_its_proof() -> None:
    """R61: time is moved between its acts. Nobody is told twice, by the stand-ins' own books."""
    done = demo()
    assert done.returncode == 0, done
    lines = done.stdout.splitlines()
    assert len(lines) <= SCREENS * ROWS, len(lines)
    assert max(map(len, lines)) <= WIDTH
    assert [line.partition(":")[0] for line in lines if re.match(r"[a-z]+: ", line)] == [one.name for one in ROUTES]
    assert all([name for name, _ in facts(act)] == FACTS for act in acts(done.stdout)), done.stdout
    assert not re.search(r"/hooks/\w+/[\w-]{43}", done.stdout + done.stderr)  # H2
    assert not re.search(r"\b\d{3}555\d{4}\b", done.stdout + done.stderr)
    said = dict(_by_route(done.stdout))
    assert re.search(
        r"\d+\.\d seconds later the contact \*\*\*-\*\*\*-\d{4} says: Order Status Shipped", said["contacts"]
    )
    assert "held back: 1 zip state" in said["orders"]
    assert "Commerce7 mailed the buyer of 1204, once." in said["orders"]
    assert "A second sync wrote nothing." in said["audience"]
    assert "1 message to 1 phone, none twice. Eshopbox: asked about KK1001, once." in said["notices"]
    assert "held back: 1 unsubscribed there" in said["consumers"]


def _by_route(said: str) -> Iterator[tuple[str, str]]:
    for part in said.split("\n\n"):
        yield part.partition(":")[0], re.sub(r"\s+", " ", part)


@pytest.mark.slow
def test_verbose_shows_each_command_with_all_that_it_says() -> None:
    done = demo("--route", "consumers", "--verbose")
    assert done.returncode == 0, done
    first, second = acts(done.stdout)
    assert "  $ vs-st sync --merchant glow-skin --route consumers\n    glow-skin: partial\n" in done.stdout
    assert "SoPost calls for 128 events." in first, "what happened belongs to the act in which it did"
    assert "Nora N. orders, and ticks the news. SoPost calls for 4 events." in re.sub(r"\s+", " ", second)
    assert re.search(r"  n\*\*\*@e\*\*\*\.com +subscribe 123456: accepted", done.stdout)
    assert re.search(r"  p\*\*\*@e\*\*\*\.com +left alone: unsubscribed_there", done.stdout)
