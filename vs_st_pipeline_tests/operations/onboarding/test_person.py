"""A person at a terminal: what is asked, in which order, and that nothing typed unseen is ever shown (9.1, 9.2)."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from vs_st_pipeline.operations.onboarding.rows import Onboarding
from vs_st_pipeline.operations.onboarding.table import Row
from vs_st_pipeline.operations.onboarding.walk import Options, Place, RowResult
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline_tests.operations.onboarding.agency import Agency, mode_of, states
from vs_st_pipeline_tests.operations.onboarding.test_steps import drop_field, ended_at
from vs_st_pipeline_tests.support.story import MARISOL, TEST

YES, NO = True, False


@dataclass
class Scripted:
    """A person who answers what is asked: by the beginning of the question, each answer once."""

    answers: dict[str, list[str | bool | Callable[[], str]]]
    asked: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    defaults: dict[str, str] = field(default_factory=dict)

    def _answer(self, question: str) -> str | bool:
        self.asked.append(question)
        found = next((one for start, one in self.answers.items() if question.startswith(start)), None)
        assert found, f"not expected: {question}"
        answer = found.pop(0)
        return answer() if callable(answer) else answer

    def ask(self, question: str, default: str = "") -> str:
        self.defaults[question] = default
        return str(self._answer(question)) or default

    def ask_secret(self, question: str) -> str:
        return str(self._answer(question))

    def agrees(self, question: str, *, default: bool = False) -> bool:
        return bool(self._answer(question))

    def show(self, *lines: str) -> None:
        self.shown += lines

    def show_table(self, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.shown += [" ".join(row) for row in (names, *rows)]


def onboard(agency: Agency, person: Scripted, *, plan: bool = False, **options: object) -> RowResult:
    """One merchant, by a person."""
    place = Place(
        agency.merchants_file, {}, warehouse_at(agency.data), lambda: datetime(2026, 11, 29, 12, tzinfo=UTC),
        "somebody", {}, Options(plan=plan, **options), person,  # type: ignore[arg-type]
    )  # fmt: skip
    [result] = Onboarding(place, [Row(TEST)]).run(1)
    return result


def keys(agency: Agency) -> dict[str, list[str | bool | Callable[[], str]]]:
    winery = agency.winery(TEST)
    return {
        "Vinoshipper API key": [winery.vs_key],
        "Vinoshipper API secret": [winery.vs_secret],
        "SimpleTexting API token": [winery.st_token],
    }


def test_9_2_a_person_is_asked_once_for_each_thing(agency: Agency) -> None:
    person = Scripted(keys(agency) | {
        "Name": [""], "Bought on": ["tomorrow", "2026-11-28"], "Texting is paid since": [""],
        "Time zone": ["Pacific", ""], "There are": ["p"], "Switch test-winery on?": [YES],
        "Do the first sync now?": [YES],
    })  # fmt: skip
    done = onboard(agency, person, plan=True)
    assert done.status == "complete", done
    assert [re.split(r"[(?.]", question)[0].strip() for question in person.asked] == [
        "Vinoshipper API key", "Vinoshipper API secret", "SimpleTexting API token", "Name", "Bought on", "Bought on",
        "Texting is paid since", "Time zone", "Time zone",
        "There are 115 lines more, last who is held back", "Switch test-winery on", "Do the first sync now",
    ]  # fmt: skip
    assert person.defaults["Name"] == "Test Winery"
    assert "expected a date" in " ".join(person.shown)
    assert "no such time zone; write one such as America/Los_Angeles" in person.shown
    assert any("7 contacts to write" in line for line in person.shown), "the plan is shown"
    assert any("is held back: opted_out" in line for line in person.shown), "whole, to who wants that"
    assert str(agency.entry(TEST)["service"]["paid_texting_since"]) == "2026-11-29", "Enter takes today"
    assert agency.box.simpletexting.control.contact(MARISOL, TEST)["firstName"] == "Marisol"
    # The second run asks nothing, and calls nobody.
    agency.clear_journals()
    assert onboard(agency, Scripted({})).status == "complete"
    assert agency.requests() == {"vinoshipper": 0, "simpletexting": 0}


def test_9_2_a_key_that_was_refused_is_asked_for_anew_the_next_time(agency: Agency) -> None:
    wrong = keys(agency) | {"SimpleTexting API token": ["wrong"]}
    done = onboard(agency, Scripted(wrong))
    assert ended_at(done.as_json()) == ("failed", "simpletexting", "failed")
    assert done.steps["simpletexting"].do == "ask for the right SimpleTexting API token, and run it again"
    again = Scripted({
        "SimpleTexting API token": [agency.winery(TEST).st_token], "Name": [""], "Bought on": [""],
        "Texting is paid since": [""], "Time zone": [""], "Switch": [NO],
    })  # fmt: skip
    done = onboard(agency, again)
    assert ended_at(done.as_json()) == ("waiting", "sync", "waiting")
    assert again.asked[0].startswith("SimpleTexting API token, which was refused")


def test_9_2_a_key_of_an_entry_that_stands_is_asked_for_anew_when_it_was_refused(agency: Agency) -> None:
    agency.onboard(agency.row(TEST))
    kept = agency.folder / "secrets" / TEST / "st_api_token"
    kept.write_text("it was revoked")
    assert ended_at(onboard(agency, Scripted({})).as_json())[1] == "simpletexting"
    person = Scripted({"SimpleTexting API token": [agency.winery(TEST).st_token], "Switch": [NO]})
    done = onboard(agency, person)
    assert ended_at(done.as_json())[1] == "sync"
    assert done.steps["secrets"].says == "renewed: SimpleTexting API token"
    assert (kept.read_text().strip(), mode_of(kept)) == (agency.winery(TEST).st_token, 0o600)


def test_9_2_a_person_makes_the_fields_and_has_it_looked_again(agency: Agency) -> None:
    drop_field(agency, "VScustomerID")
    drop_field(agency, "City")

    def make_them() -> str:
        agency.box.simpletexting.control.add_custom_field("VScustomerID", "vscustomerid", TEST)
        return ""

    person = Scripted(keys(agency) | {
        "Name": [""], "Bought on": [""], "Texting is paid since": [""], "Time zone": [""],
        "Enter: look again": ["s", make_them, "s"], "Switch": [NO],
    })  # fmt: skip
    done = onboard(agency, person)
    assert ended_at(done.as_json())[1] == "sync"
    assert states(done.as_json())["fields"] == "skipped"
    assert "VScustomerID cannot be left out" in " ".join(person.shown)
    assert "VScustomerID text" in person.shown
    asked = [question for question in person.asked if question.startswith("Enter")]
    assert asked == ["Enter: look again, q: stop here"] * 2 + ["Enter: look again, s: leave these out, q: stop here"]


def test_9_2_q_stops_there_and_the_next_run_goes_on(agency: Agency) -> None:
    drop_field(agency, "City")
    person = Scripted(keys(agency) | {
        "Name": [""], "Bought on": [""], "Texting is paid since": [""], "Time zone": [""], "Enter": ["q"],
    })  # fmt: skip
    assert ended_at(onboard(agency, person).as_json()) == ("waiting", "fields", "waiting")
    assert ended_at(onboard(agency, Scripted({"Enter": ["s"], "Switch": [NO]})).as_json())[1] == "sync"


def test_9_2_a_person_may_agree_or_not(agency: Agency) -> None:
    answers = keys(agency) | {"Name": ["Hillside"], "the account's name is Test Winery, not Hillside": [NO]}
    assert ended_at(onboard(agency, Scripted(answers)).as_json())[1] == "names"
    answers = {
        "Name": ["Hillside"], "the account's name": [YES], "Bought on": [""], "Texting": [""], "Time zone": [""],
        "Switch": [NO],
    }  # fmt: skip
    assert ended_at(onboard(agency, Scripted(answers)).as_json())[1] == "sync"
    assert ended_at(onboard(agency, Scripted({"Switch": [NO]})).as_json())[1] == "sync", "agreed once"


@pytest.mark.parametrize("term", ["xterm", pytest.param("dumb", marks=pytest.mark.slow)])
def test_9_1_at_a_real_terminal(agency: Agency, term: str) -> None:
    """The command itself, typed at: no key is echoed, colors only where the terminal has them."""
    winery = agency.winery(TEST)
    typed = [
        ("Vinoshipper API key", winery.vs_key), ("Vinoshipper API secret", winery.vs_secret),
        ("SimpleTexting API token", winery.st_token), ("Name [Test Winery]", ""), ("Bought on", ""),
        ("Texting is paid since", ""), ("Time zone [America/Los_Angeles]", ""), ("Switch test-winery on?", "y"),
        ("Do the first sync now?", "n"),
    ]  # fmt: skip
    code, seen = at_a_terminal(agency, typed, term)
    assert code == 0, seen
    assert "test-winery: complete" in seen
    assert "nobody is told: neither VS_ST_TELL nor VS_ST_ALERTS names an address" in seen, "why it was skipped"
    for key in (winery.vs_key, winery.vs_secret, winery.st_token):
        assert key not in seen
    assert ("\x1b[3" in seen) == (term == "xterm")


def at_a_terminal(agency: Agency, typed: list[tuple[str, str]], term: str) -> tuple[int, str]:
    """Run the command at a terminal of its own; type each answer when its question is there."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "VS_ST_MERCHANTS": str(agency.merchants_file), "VS_ST_DATA_DIR": str(agency.data)}
    environ |= {"TERM": term, "COLUMNS": "200"}
    environ.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "vs_st_pipeline.cli.main", "onboard", "--merchant", TEST, "--skip-plan"],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environ, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen, met, until = "", 0, time.monotonic() + 60
    try:
        while time.monotonic() < until:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    data = os.read(ours, 65_536)
                except OSError:  # the other side is closed
                    break
                if not data:
                    break
                seen += data.decode()
            if typed and (place := seen.find(typed[0][0], met)) >= 0:
                met = place + 1
                os.write(ours, f"{typed.pop(0)[1]}\n".encode())
            if process.poll() is not None and not select.select([ours], [], [], 0.1)[0]:
                break
        return process.wait(10), seen
    finally:
        process.kill()
        os.close(ours)
