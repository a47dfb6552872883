"""The walk of one order, from the webhook to HubSpot's list, as docs/consumers.md tells it: made here, and kept true.

`WRITE_DOCS=1 pytest` on this file writes the page anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vs_st_pipeline_tests.routes.consumers.conftest import Tell
from vs_st_pipeline_tests.support.consumers import GLOW, HUBSPOT, SOPOST, Scene, without_crms

PAGE = Path(__file__).resolve().parents[3] / "docs" / "consumers.md"
EMAIL = "ada@example.com"
BEGIN = "<!-- held by vs_st_pipeline_tests/routes/consumers/test_walk.py -->"
END = "<!-- /held -->"


def walk(scene: Scene) -> str:
    """Return the walk: an order with a consent, told by a webhook, read, written, and what we say of it afterwards."""
    scene.settings(without_crms("klaviyo", "salesforce"))
    order = scene.order(EMAIL, full_name="Ada Lovage")
    waiting = scene.run("consumers", "inbox", "--merchant", GLOW).out
    scene.clear_journals()
    scene.synced()
    asked = [
        f"{system:8} {entry['method']} {entry['path'].split('?')[0]}"
        for system in (SOPOST, HUBSPOT)
        for entry in scene.journal(system)
    ]
    why = scene.run("why", "--merchant", GLOW, EMAIL).out
    evidence = scene.run("consumers", "evidence", "--merchant", GLOW, EMAIL).out
    assert EMAIL in scene.look().subscribed(HUBSPOT)
    assert scene.wrong() == []
    parts = (
        (
            "The webhook is stored, and answered; nothing is asked yet.",
            f"vs-st consumers inbox --merchant {GLOW}",
            waiting,
        ),
        ("The sync reads the order, looks at Ada in HubSpot, and writes.", None, "\n".join(asked)),
        ("Why she is on the list:", f"vs-st why --merchant {GLOW} {EMAIL}", why),
        ("What that rests on:", f"vs-st consumers evidence --merchant {GLOW} {EMAIL}", evidence),
    )
    told = "\n".join(
        f"{says}\n\n```{'console' if command else 'text'}\n{f'$ {command}' + chr(10) if command else ''}"
        f"{text.rstrip()}\n```\n"
        for says, command, text in parts
    )
    return _lasting(told.replace(order, "<order>"))


def _lasting(text: str) -> str:
    """Take out what is another one each time: times, hashes, ids that the stand-ins count."""
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?", "<time>", text)
    text = re.sub(r"\b[0-9a-f]{64}\b", "<sha256>", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\d\b", "<day>", text)
    text = re.sub(r"for \d+ s\b", "for <n> s", text)
    text = re.sub(r"(record )\S+", r"\1<id>", text)
    return re.sub(r"\bSP\d+", "<short id>", text)


def test_r28_the_walk_of_one_order_stands_in_the_docs_as_it_is(tell: Tell) -> None:
    made = tell("walk", walk)
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    whole = f"{before}{BEGIN}\n\n{made}\n{END}{after}"
    if os.environ.get("WRITE_DOCS"):
        PAGE.write_text(whole, encoding="utf-8")
    assert page == whole, "run it once with WRITE_DOCS=1"
