"""Proves each quiet sync of a test: the ordinary sync, over the very same answers, must come to the same.

The merchant's folder is copied as it was before, and an ordinary sync runs on the copy. It takes the answers that the
quiet one heard and may ask for nothing else. What it reports, what it says that it asked and what it leaves to be
written must be what the quiet one said, and it must have used every answer: none was asked for in vain.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from vs_st_pipeline.domain.report import OK, PARTIAL
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline.quiet import QuietPath, path_of
from vs_st_pipeline.platform.http.client import HttpClient
from vs_st_pipeline.platform.http.tape import Tape
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.stamp import file_stamp
from vs_st_pipeline.routes.contacts import sync as contacts

NOTHING_CHANGED = QuietPath.nothing_changed
WHY: list[str] = []
"""Why each sync that tried it did not take the quiet path, `""` where it did."""
FAULTS: list[str] = []
"""What was found wrong with quiet syncs."""


def proved(path: QuietPath) -> bool:
    """Take the quiet path, and prove it where it led to the end."""
    run = path.session.run
    kept = path_of(run).read_bytes() if path_of(run).exists() else b""
    if not NOTHING_CHANGED(path):
        WHY.append(path.why)
        return False
    WHY.append("")
    with tempfile.TemporaryDirectory() as folder:
        try:
            _prove(path, run, kept, Path(folder))
        except AssertionError as fault:  # its text would be lost: the sync's report tells only where a fault was
            FAULTS.append(str(fault))
            raise
    return True


def _prove(path: QuietPath, run: Run, kept: bytes, folder: Path) -> None:
    shutil.copytree(run.file().parent, folder / "merchants" / run.merchant.id)
    now = run.clock()
    copy = replace(run, warehouse=warehouse_at(folder), clock=lambda: now, request_log=[], run_id=f"{run.run_id}-again")
    path_of(copy).write_bytes(kept)
    ready, left, more = dict(path.session.tape._ready), dict[Any, Any](), list[str]()

    def ordinary(other: QuietPath) -> bool:
        other.kept = other._read()
        if other.kept is not None:  # the copy stands for the file
            other.kept.file = file_stamp(copy.file()) or b""
        other.session.tape._ready = dict(ready)
        return False

    def forget_ready(tape: Tape) -> None:
        left.update(tape._ready)
        tape._ready.clear()

    def ask(client: HttpClient, ask: Any) -> Any:
        # Right after a sync that saw updates the list of what was updated begins where that one's began: it shows more.
        for key in [
            key for key in client.tape._ready if _since(key[2]) == _since(ask.prepared.url) != ask.prepared.url
        ]:
            return client.tape.take(key)
        more.append(f"{ask.prepared.method} {ask.prepared.url}")
        raise AssertionError

    changes: list[tuple[Any, str, Callable[..., Any]]] = [
        (QuietPath, "nothing_changed", ordinary),
        (Tape, "forget_ready", forget_ready),
        (HttpClient, "_ask", ask),
        (contacts, "record_run", lambda _run, _report: None),
    ]
    with _ONE_AT_A_TIME, ExitStack() as patched:
        for place, name, other in changes:
            patched.enter_context(patch.object(place, name, _in_this_thread(other, getattr(place, name))))
        report = contacts.sync(copy)
    copy.warehouse.release(run.merchant.id)
    assert not more, f"the ordinary sync asks what the quiet one did not: {more}"
    assert report.error is None, report.error
    assert not left, f"asked for in vain: {[key[2] for key in left]}"
    told, said = report.as_json(), path.session.report.as_json()
    said["status"] = PARTIAL if path.session.report.is_partial() else OK  # as at the end of the session
    for one in (told, said):
        del one["seconds"], one["calls"]
    assert said == told, {name: (said[name], told[name]) for name in said if said[name] != told[name]}
    assert _rows(run) == _rows(copy)


_ONE_AT_A_TIME = threading.Lock()  # a tick syncs many merchants at once, and what is changed for a proof is everybody's


def _in_this_thread(other: Callable[..., Any], usual: Callable[..., Any]) -> Callable[..., Any]:
    mine = threading.get_ident()

    def call(*arguments: Any, **named: Any) -> Any:
        return (other if threading.get_ident() == mine else usual)(*arguments, **named)

    return call


def _since(url: str) -> str:
    """Return an address without the moment from which on it asks."""
    return re.sub(r"^.*/api/|(?<=[?&]since=)[^&]*", "", url)


def _rows(run: Run) -> list[tuple[Any, ...]]:
    return sorted((row.what, row.why, row.records, row.found) for row in run.request_log)
