"""`vs-st demo` shows all of it on made-up wineries, without a setting, and is over soon."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

import pytest


def demo(*route: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("VS_ST_")}
    return subprocess.run(
        [sys.executable, "-m", "vs_st_pipeline.cli.main", "demo", *route],
        env=environ, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def acts(said: str) -> list[str]:
    return [line for line in said.splitlines() if re.match(r"\d\. ", line)]


@pytest.mark.slow
def test_r26_the_demo_ends_with_a_webhook_and_is_over_within_two_minutes() -> None:
    """R61: it waits for nothing longer than needed."""
    began = time.monotonic()
    done = demo("--route", "contacts")
    assert done.returncode == 0, done
    assert time.monotonic() - began < 80
    assert len(acts(done.stdout)) == 4
    end = done.stdout[done.stdout.index(acts(done.stdout)[-1]) :]
    assert re.search(r"  - \d+\.\d seconds later the contact \*\*\*-\*\*\*-\d{4} says:\n    Order Status Shipped", end)
    assert re.search(r"^POST vinoshipper \.\.\.\([0-9a-f]{4}\) hillside-cellars 204 ", done.stderr, re.MULTILINE)
    assert not re.search(r"/hooks/\w+/[\w-]{43}", done.stdout + done.stderr)  # H2
    assert not re.search(r"\b\d{3}555\d{4}\b", done.stdout + done.stderr)


@pytest.mark.slow
def test_r59_the_demo_of_consumers_subscribes_who_came_and_leaves_alone_who_opted_out() -> None:
    """R61: time is moved between its acts, so that none waits."""
    began = time.monotonic()
    done = demo("--route", "consumers")
    assert done.returncode == 0, done
    assert time.monotonic() - began < 40
    assert len(acts(done.stdout)) == 5
    end = done.stdout[done.stdout.index(acts(done.stdout)[-1]) :]
    assert re.search(r"  n\*\*\*@e\*\*\*\.com +subscribe 123456: accepted", end)
    assert re.search(r"  p\*\*\*@e\*\*\*\.com +left alone: unsubscribed_there", end)
    assert not re.search(r"/hooks/\w+/[\w-]{43}", done.stdout + done.stderr)


@pytest.mark.slow
def test_r26_the_demo_of_orders_ends_with_one_mail() -> None:
    """R61: time is moved between its acts. One order fails and is mended, one is voided."""
    began = time.monotonic()
    done = demo("--route", "orders")
    assert done.returncode == 0, done
    assert time.monotonic() - began < 60
    assert len(acts(done.stdout)) == 5
    assert "Failed to Send (zip_state)" in done.stdout
    assert "1203 is voided: Vinoshipper shows it cancelled" in done.stdout
    end = done.stdout[done.stdout.index(acts(done.stdout)[-1]) :]
    assert end.count("Commerce7 has mailed the buyer of order 1204 once") == 1
    assert not re.search(r"/hooks/\w+/[\w-]{43}", done.stdout + done.stderr)
