"""One winery from nothing to its first sync, and what is asked for no second time (webhooks-onboarding.md, 9)."""

from __future__ import annotations

import sys

import pytest

from vs_st_pipeline.connectors.simpletexting import opt_outs
from vs_st_pipeline.domain.hints import CONTACT, ORDER, Call
from vs_st_pipeline.pipeline.session import CancellableLimiter
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline_tests.operations.onboarding.agency import STEPS, Agency, mode_of, states, step
from vs_st_pipeline_tests.support.story import MARISOL, TEST


def test_9_a_winery_from_nothing_to_its_first_sync(agency: Agency) -> None:
    row = agency.row(TEST, time_zone="America/Los_Angeles")
    done = agency.onboard(row, options=["--plan", "--enable", "--first-sync"])
    told = done.of(TEST)
    assert (done.exit_code, told["status"], told["error"]) == (0, "complete", None), done
    assert tuple(states(told)) == STEPS
    assert states(told) == dict.fromkeys(STEPS, "done") | {"webhooks": "skipped", "confirmation": "skipped"}
    assert told["missing_fields"] == []
    assert (told["planned"]["contacts"], told["planned"]["fields"]) == (7, 136)
    assert told["calls"] == agency.requests()

    # Keys lie beside the merchants file, and nowhere else.
    keys = agency.folder / "secrets" / TEST
    assert {path.name: mode_of(path) for path in keys.iterdir()} == dict.fromkeys(
        ("vs_api_key", "vs_api_secret", "st_api_token"), 0o600
    )
    assert (mode_of(keys), mode_of(keys.parent)) == (0o700, 0o700)
    entry = agency.entry(TEST)
    assert (entry["enabled"], entry["name"], entry["time_zone"]) == (True, row["name"], row["time_zone"])
    assert {key: str(day) for key, day in entry["service"].items()} == {
        "bought_on": row["bought_on"], "paid_texting_since": row["paid_texting_since"], "ended_on": "None",
    }  # fmt: skip
    assert mode_of(agency.data / "merchants" / TEST / "onboarding.json") == 0o600

    # It is an ordinary merchant now.
    assert agency.box.simpletexting.control.contact(MARISOL, TEST)["firstName"] == "Marisol"
    assert agency.run("merchants", "--json").of(TEST)["state"] == "fine"
    assert agency.run("sync", "--all", "--json").of(TEST)["synced"]["accepted"] == 0


def test_h43_a_row_that_is_complete_costs_no_request(agency: Agency) -> None:
    row = agency.row(TEST)
    first = agency.onboard(row, options=["--enable"]).of(TEST)
    agency.clear_journals()
    done = agency.onboard(row, options=["--enable"])
    again = done.of(TEST)
    assert (done.exit_code, again["status"]) == (0, "complete")
    assert (again["calls"], agency.requests()) == (dict.fromkeys(agency.requests(), 0),) * 2
    assert states(again) == states(first)

    # A column that says something else is not taken, and not passed over either.
    other = agency.onboard(row | {"name": "Another Name"}, options=["--enable"]).of(TEST)
    assert (other["status"], step(other, "entry")["state"]) == ("waiting", "waiting")
    assert "name" in step(other, "entry")["says"]
    assert agency.entry(TEST)["name"] == row["name"]


def test_9_1_status_calls_nobody_and_says_how_each_stands(agency: Agency) -> None:
    assert agency.run("onboard", "status", "--json").json == {"merchants": []}
    first = agency.onboard(agency.row(TEST)).of(TEST)
    agency.clear_journals()
    done = agency.run("onboard", "status", "--json")
    assert (done.exit_code, agency.requests()) == (1, {"vinoshipper": 0, "simpletexting": 0})
    told = done.of(TEST)
    assert (told["status"], states(told)) == ("waiting", states(first))
    assert step(told, "sync") == {"step": "sync", "state": "waiting", "says": "it is not enabled yet", "do": "--enable"}
    agency.onboard(agency.row(TEST), options=["--enable"])
    assert agency.run("onboard", "status", "--merchant", TEST).exit_code == 0
    assert agency.run("onboard", "status", "--merchant", "nobody").exit_code == 2


def test_h23_h26_the_first_sync_takes_hints_and_writes_nobody_who_opted_out_by_one(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H23: in any kind of sync, the one of `--first-sync` too: her opt-out comes while the write waits to leave."""
    inbox = Inbox(agency.data)
    inbox.put([Arrival(TEST, "vinoshipper", Call(ORDER, "1"), ("contacts",), "")])
    monkeypatch.setattr(opt_outs, "LOOK_AGAIN_AFTER", 0.0)
    wait = CancellableLimiter.wait

    def waits(self: CancellableLimiter) -> float:
        if sys._getframe(1).f_locals["ask"].call in ("update_contact", "batch_update"):
            call = Call(CONTACT, None, phone=MARISOL, event="UNSUBSCRIBE_REPORT", opts_out=True)
            inbox.put([Arrival(TEST, "simpletexting", call, ("contacts",), "")])
        return wait(self)

    monkeypatch.setattr(CancellableLimiter, "wait", waits)
    done = agency.onboard(agency.row(TEST), options=["--enable", "--first-sync"]).of(TEST)
    assert done["status"] == "complete", done
    assert agency.box.simpletexting.control.contact(MARISOL, TEST)["firstName"] != "Marisol"
    assert inbox.ask("select 1 from hints where state = 'waiting' and kind = 'order'") == []
