"""What a sync works out, it works out once: calls of the functions that cost most, in three syncs of `small`.

13 customers, 14 contacts, 14 orders in detail; 7 contacts are written in the first sync. Before links and live contacts
were handed from stage to stage these were 21, 28, 35 and 14 in a first sync, and 7, 13, 28 and 7 in the next; the file
was opened 87 and 33 times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import pytest

from vs_st_pipeline.connectors.simpletexting.stored_contacts import live_contact
from vs_st_pipeline.connectors.vinoshipper.parse import customer_from, order_from
from vs_st_pipeline.domain.diff import compare
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.contacts.demand import demand_of
from vs_st_pipeline.routes.contacts.identity import link_contacts
from vs_st_pipeline.routes.contacts.map_file import load_field_map
from vs_st_pipeline_tests.support.story import Story

COUNTED = (customer_from, order_from, live_contact, compare, link_contacts, load_field_map, demand_of)


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count the calls of `COUNTED`, in all threads that begin within the block."""
    codes: dict[CodeType, str] = {function.__code__: function.__name__ for function in COUNTED}
    calls: Counter[str] = Counter()

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code in codes:
            calls[codes[frame.f_code]] += 1

    open_ = Warehouse.open

    def counted(self: Warehouse, *arguments: str) -> Any:
        calls["open"] += 1
        return open_(self, *arguments)

    before = sys.getprofile()
    sys.setprofile(look)
    threading.setprofile(look)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Warehouse, "open", counted)
            yield calls
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


@pytest.mark.slow
def test_a_process_that_syncs_does_not_import_pandas(story: Story) -> None:
    story.settings()
    code = """
import atexit, sys
from vs_st_pipeline.cli.main import cli
atexit.register(lambda: sys.stderr.write("pandas" if "pandas" in sys.modules else "none"))
cli(["sync", "--merchant", "test-winery", "--json"])
"""
    environment = {k: v for k, v in {**os.environ, **story.environment()}.items() if v is not None}
    for accepted in (7, 0):
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["merchants"][0]["synced"]["accepted"] == accepted
        assert done.stderr.endswith("none"), "0.2 s of CPU and 40 MB in every process, for nothing"


@pytest.mark.unproved  # the plan that is made behind a sync's back would be counted
def test_each_record_is_turned_into_our_words_once(story: Story) -> None:
    story.settings(vinoshipper={"refresh": {}}, simpletexting={"full_read": "1d"})
    with counting() as first:
        assert story.synced()["synced"]["accepted"] == 7
    with counting() as second:
        assert story.synced()["synced"]["accepted"] == 0
    with counting() as third:
        story.synced()

    assert first["customer_from"] <= 10, "whose details nobody asked for are not made anything of"
    assert first["order_from"] <= 14, "each order that was read in detail, once"
    assert first["live_contact"] <= 14, "7 that are planned, and 7 as they were read right before the write"
    assert first["compare"] <= 7, "a contact that says what it said in the plan is not compared again"
    assert first["link_contacts"] <= 1
    assert first["load_field_map"] == 1
    assert first["open"] <= 40, "at most one use of the file between two requests"

    assert (second["customer_from"], second["order_from"]) == (0, 0), "nothing came that is to be put in our words"
    assert second["live_contact"] <= 7
    assert second["compare"] <= 7, "a write is settled by the next reading that shows it, so that one is compared"
    assert second["open"] <= 10
    assert second["link_contacts"] <= 1, "the ledger knows more ids now"

    assert (third["customer_from"], third["order_from"], third["compare"]) == (0, 0, 0)
    assert third["load_field_map"] == 1
    assert third["open"] <= 10
