"""R49 counted from the stand-in's own journal: who is given the permits of one shop that several processes ask."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter

import pytest

from vs_st_pipeline.connectors import vinoshipper
from vs_st_pipeline.connectors.vinoshipper.order_desk import VinoshipperDesk
from vs_st_pipeline.domain.order_desk import Done
from vs_st_pipeline.pipeline.session import Session
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.routes.contacts.report import new_report
from vs_st_pipeline_tests.stories.test_orders_of_ours import ours
from vs_st_pipeline_tests.stories.test_trust import ADULT_ID
from vs_st_pipeline_tests.support.story import TEST, Story

pytestmark = pytest.mark.slow

RATE = 8.0
SLACK = 2  # permits that were on their way when somebody more urgent came
ASK = f"""
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from vs_st_pipeline.connectors import vinoshipper
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline.session import Session
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.contacts.report import new_report

settings, data, urgency, count = sys.argv[1:]
merchant = read_merchants(Path(settings), os.environ).get("{TEST}")
run = Run(merchant, warehouse_at(Path(data)), lambda: datetime.now(UTC))
session = Session(run, new_report(merchant.id, run.run_id), urgency=Urgency[urgency])
shop = session.client(vinoshipper.CONNECTOR)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(count)):
    if urgency == "WRITE":
        shop.order("90000000017")
    elif urgency == "HINT":
        shop.customer({ADULT_ID})
    elif urgency == "TURN":
        shop.profile()
    else:
        shop.memberships(0, 5)
session.close()
"""
KINDS = {"orders": Urgency.WRITE, "customers": Urgency.HINT, "profile": Urgency.TURN, "clubs": Urgency.FIRST_WALK}


def asking(story: Story, urgency: Urgency, count: int) -> subprocess.Popen[str]:
    """A process that is about to make so many requests, one after the other."""
    command = [
        sys.executable,
        "-c",
        ASK,
        str(story.folder / "merchants.yaml"),
        str(story.data),
        urgency.name,
        str(count),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def journal(story: Story) -> list[Urgency]:
    """Whose requests came, in their order."""
    return [KINDS[entry["path"].split("/")[4]] for entry in story.shop.journal(TEST)]


def while_asking(came: list[Urgency], urgency: Urgency) -> Counter[Urgency]:
    """What came from the first to the last request of this urgency."""
    first, last = came.index(urgency), len(came) - came[::-1].index(urgency)
    return Counter(came[first:last])


def test_r49_the_order_of_precedence_at_a_shared_rate(story: Story) -> None:
    story.settings(vinoshipper={"requests_per_second": RATE})
    plans = [(Urgency.TURN, 400), (Urgency.FIRST_WALK, 400), (Urgency.HINT, 30), (Urgency.WRITE, 12)]
    processes = {urgency: asking(story, urgency, count) for urgency, count in plans}
    story.clear_journals()
    try:
        for urgency in (Urgency.TURN, Urgency.FIRST_WALK):
            go(processes[urgency])
        while len(journal(story)) < 20:
            time.sleep(0.1)
        go(processes[Urgency.HINT])
        while Urgency.HINT not in journal(story):
            time.sleep(0.02)
        go(processes[Urgency.WRITE])
        for urgency in (Urgency.WRITE, Urgency.HINT):
            processes[urgency].communicate(timeout=60)
        enough = len(journal(story)) + 20
        while len(journal(story)) < enough:
            time.sleep(0.1)
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()
    came = journal(story)
    writing = while_asking(came, Urgency.WRITE)
    assert writing.total() - writing[Urgency.WRITE] <= SLACK, came
    hinting = while_asking(came, Urgency.HINT)
    assert hinting[Urgency.TURN] + hinting[Urgency.FIRST_WALK] <= SLACK, came
    for others in (came[: came.index(Urgency.HINT)], came[-15:]):  # before, and after all more urgent ones are done
        found = Counter(others)
        assert found[Urgency.FIRST_WALK] <= found[Urgency.TURN] + 1, came
        assert found[Urgency.FIRST_WALK] > 0, "last is not never"


def test_r49_writes_go_before_the_first_walk_of_contacts(story: Story) -> None:
    story.crowd(40)
    story.settings(vinoshipper={"requests_per_second": RATE})
    story.clear_journals()
    walking = story.start("sync", "--merchant", TEST, "--json")
    try:
        while len(story.shop.journal(TEST)) < 12:
            time.sleep(0.05)
        run, email = story.as_run(), story.shop.customer(ADULT_ID)["email"]
        with_orders = Session(run, new_report(TEST, run.run_id))
        with with_orders.urgent(Urgency.WRITE):
            desk = VinoshipperDesk(with_orders.client(vinoshipper.CONNECTOR))
            for number in range(8):
                body = ours(story, email, f"TEST-{number}")
                assert desk.read(body["orderNumber"]) is None
                assert isinstance(desk.create(body), Done)
        with_orders.close()
        came = ["/orders/TEST-" in one["path"] or one["method"] == "POST" and one["path"].endswith("/orders")
                for one in story.shop.journal(TEST)]  # fmt: skip
        between = came[came.index(True) : len(came) - came[::-1].index(True)]
        assert between.count(True) == 16
        assert between.count(False) <= SLACK
        assert walking.poll() is None, "it was still under way"
    finally:
        walking.kill()
        walking.communicate()
