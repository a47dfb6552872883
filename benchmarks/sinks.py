"""Starts what counts whatever it is told, and asks it; `sink` and `notices_sink` are such programs."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.worlds import ROOT, end

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "BENCH_KEY": "made up"}
"""Of whatever talks to a sink: every key that its settings name is behind `env:BENCH_KEY`."""


@contextmanager
def sink(module: str) -> Iterator[str]:
    """Run a sink, a module of `benchmarks`, while the block lasts; gives its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    finally:
        end(process, 5)


def ask(url: str, path: str) -> dict[str, Any]:
    """Return what a sink answers to `GET path`."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    connection.request("GET", path)
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found
