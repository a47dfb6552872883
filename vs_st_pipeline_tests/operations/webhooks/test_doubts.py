"""`vs-st check` tells what stands of webhooks, what came, and what is doubtful (H39, R65, R4)."""

from __future__ import annotations

import time

from vs_st_pipeline.domain.hints import ORDER, Call
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline_tests.operations.webhooks.conftest import Hooked
from vs_st_pipeline_tests.support.story import TEST, Record

SHOP, TEXTING = "vinoshipper", "simpletexting"


def checked(hooked: Hooked) -> Record:
    done = hooked.run("check", "--merchant", TEST, "--json")
    assert done.exit_code == 0, done
    return done.of()


def test_h39_check_has_the_hooks_and_a_doubt_for_each_that_is_not_ok(hooked: Hooked) -> None:
    """H39: `"webhooks": [hooks]`; nothing is repaired unasked, and what was seen is kept."""
    before = checked(hooked)
    assert [row["state"] for row in before["webhooks"]] == ["missing"] * 4
    assert sum("is not registered" in doubt for doubt in before["doubts"]) == 4
    assert hooked.there(SHOP) == hooked.there(TEXTING) == []
    hooked.webhooks("register")
    after = checked(hooked)
    assert after["webhooks"] == hooked.webhooks("list")["hooks"]
    assert not any("webhook" in doubt for doubt in after["doubts"])
    hooked.story.shop.set_fault("401", path_regex="profile/webhooks")
    failing = checked(hooked)
    assert any("webhooks at vinoshipper cannot be listed" in doubt for doubt in failing["doubts"])
    assert sorted(row["name"] for row in failing["webhooks"]) == sorted(row["name"] for row in after["webhooks"])


def test_h39_where_webhooks_are_off_nobody_is_asked(hooked: Hooked) -> None:
    """H39: `[]` where off; a setting that is not understood is told once, with the settings."""
    hooked.story.settings({TEST: {"webhooks": {"enabled": False}}})
    assert checked(hooked)["webhooks"] == []
    hooked.story.settings()
    for slip in ({"VS_ST_HOOK_SECRET": ""}, {"VS_ST_PUBLIC_URL": ""}, {"VS_ST_PUBLIC_URL": "nothing"}):
        hooked.set(VS_ST_HOOK_SECRET="env:HOOK_SECRET", VS_ST_PUBLIC_URL="https://hooks.example.com")
        hooked.set(**slip)
        assert checked(hooked)["webhooks"] == []
    assert hooked.asked(SHOP) == hooked.asked(TEXTING) == ""


def test_r65_check_shows_what_came_last_and_what_was_refused(hooked: Hooked) -> None:
    """R65: for each system whose hooks are on: last entry, its age, refusals in 24 h."""
    hooked.webhooks("register")
    inbox = Inbox(hooked.story.data, clock=lambda: time.time() - 90)
    inbox.put([Arrival(TEST, SHOP, Call(ORDER, "1"), ("contacts",), "")])
    Inbox(hooked.story.data).refuse([(TEST, SHOP)])
    Inbox(hooked.story.data, clock=lambda: time.time() - 90_000).refuse([(TEST, SHOP)])
    found = checked(hooked)
    shop, texting = found["webhook_calls"]
    assert (shop["system"], shop["refusals_24h"], 90 <= shop["age_seconds"] < 120) == (SHOP, 1, True)
    assert texting == {"system": TEXTING, "last_entry_at": None, "age_seconds": None, "refusals_24h": 0}
    assert sum("wrong header or signature" in doubt for doubt in found["doubts"]) == 1
    told = hooked.run("check", "--merchant", TEST).out
    assert " ago; 1 calls refused in 24 h" in told
    assert "simpletexting has not called yet" in told
