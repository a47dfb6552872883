"""`vs-st work`: what a webhook hints at stands in the contact seconds later, by the real command and the real route."""

from __future__ import annotations

import json
import signal
import threading
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from vs_st_pipeline.domain.hints import CONTACT, CUSTOMER, ORDER, Call
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline_tests.support.story import MARISOL, TEST, Story, wait_until

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

KEYS = (
    "merchant", "route", "status", "error", "raw", "planned", "unseen", "synced", "open", "calls", "seconds",
    "trigger", "hints", "lag_seconds",
)  # fmt: skip


@pytest.fixture
def synced(story: Story) -> Story:
    story.begin_synced()
    return story


def put(story: Story, *calls: Call, ago: float = 10.0) -> Inbox:
    """Webhooks have come some seconds ago, so that nothing is waited for."""
    inbox = Inbox(story.data, lambda: time.time() - ago)
    system = {CONTACT: "simpletexting"}
    at = datetime.now(UTC).isoformat()
    inbox.put([Arrival(TEST, system.get(one.kind, "vinoshipper"), one, ("contacts",), at) for one in calls])
    return Inbox(story.data)


def shipped(story: Story, number: str = "NEW1") -> Call:
    story.shop.add_order(700101, orderNumber=number, total="33.00", orderStatus="LABELS_GENERATED", cartType="WEB")
    return Call(ORDER, number, event="UPDATED")


def test_an_order_that_ships_is_in_the_contact_by_one_targeted_sync(synced: Story) -> None:
    before = synced.contact(MARISOL)
    put(synced, shipped(synced))
    done = synced.run("work", "--once", "--json")
    assert done.exit_code == 0, done
    [report] = done.json["merchants"]
    assert tuple(report) == KEYS
    assert (report["merchant"], report["route"], report["status"], report["trigger"]) == (
        TEST,
        "contacts",
        "ok",
        "hint",
    )
    assert report["hints"] == {"taken": 1, "records": 1, "handed_over": 0, "dropped": 0}
    assert report["lag_seconds"] >= 10
    assert synced.contact(MARISOL) != before
    assert synced.writes()
    again = synced.run("work", "--once", "--json", "--merchant", TEST)
    assert (again.exit_code, again.json) == (0, {"merchants": []})
    listed = synced.run("inbox", "--json").json
    assert [(row["state"], row["outcome"]) for row in listed["entries"]] == [("done", "written")]
    synced.clean()


@pytest.mark.slow
def test_h25_more_than_one_targeted_sync_may_ask_for_is_done_by_several_at_once(synced: Story) -> None:
    people = (700101, 700103, 700105, 700108, 700110, 700111, 700101, 700103)
    for number, customer_id in enumerate(people):
        synced.shop.add_order(customer_id, orderNumber=f"NEW{number}", total="33.00", orderStatus="SHIPPED")
    put(synced, *(Call(ORDER, f"NEW{number}", event="CREATED") for number in range(len(people))))
    done = synced.run("work", "--once", "--json")
    assert done.exit_code == 0, done
    assert [max(report["calls"].values()) <= 20 for report in done.json["merchants"]] == [True, True]
    listed = synced.run("inbox", "--json").json
    assert {row["outcome"] for row in listed["entries"]} == {"written"}


def test_what_is_due_within_three_seconds_is_waited_for_and_nothing_else(synced: Story) -> None:
    put(synced, shipped(synced, "LATER"), ago=-600.0)
    inbox = put(synced, shipped(synced), ago=0.0)
    began = time.monotonic()
    done = synced.run("work", "--once")
    assert done.exit_code == 0
    assert time.monotonic() - began > 1.5
    assert "1 hint of 1 record, written after" in done.out
    assert "7075550" not in done.out + done.err
    states = dict(inbox.ask("select record, state from hints"))
    assert states == {"LATER": "waiting", "NEW1": "done"}


def test_h30_a_sync_that_fails_is_exit_1_and_the_merchant_rests(synced: Story) -> None:
    inbox = put(synced, shipped(synced))
    synced.shop.set_fault("401", path_regex="/orders/NEW1")
    done = synced.run("work", "--once", "--json")
    assert (done.exit_code, done.of()["error"]["kind"]) == (1, "auth"), done
    assert inbox.resting() == {(TEST, "contacts"): "auth"}
    assert synced.run("work", "--once", "--json").json == {"merchants": []}, "at rest it has no entry"


def test_an_unknown_merchant_is_refused_before_anything_is_done(synced: Story) -> None:
    inbox = put(synced, shipped(synced))
    done = synced.run("work", "--once", "--merchant", "nobody")
    assert done.exit_code == 2
    assert inbox.ask("select state from hints") == [("waiting",)]
    assert synced.run("work", "--jobs", "0").exit_code == 2


def test_a_worker_works_until_it_is_told_to_stop_and_prints_a_line_for_each_sync(synced: Story) -> None:
    inbox = put(synced, Call(CUSTOMER, "700108", event="UPDATED"))
    synced.shop.patch_customer(700108, shippingAddress={"city": "Napa"})
    with synced.start("work", "--json") as process:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
        reader.start()
        wait_until(lambda: bool(lines), process)
        report: Any = json.loads(lines[0])
        assert (report["merchant"], report["status"], report["hints"]["taken"]) == (TEST, "ok", 1)
        assert inbox.last_beat("worker") is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        reader.join(5)
        assert process.stderr is not None
        assert "nanobind" not in process.stderr.read(), "DuckDB's module has nothing to say to a person"
    assert len(lines) == 1, "one line each"
