"""Holds what a reply asks for, by what its message said then (8.1, 8.2; rulings, notices 5 and 20)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from vs_st_pipeline.routes.notices import meaning
from vs_st_pipeline.routes.notices.meaning import Reply, Said
from vs_st_pipeline.routes.notices.messages import Button
from vs_st_pipeline.routes.notices.reply_rules import Asked, default
from vs_st_pipeline.routes.notices.words import ReplyOutcome

ID = "n_abcdefghijklmnopqrstuvwxyz"
AT = datetime(2026, 3, 1, 10)
BUTTONS = (Button("reattempt", "Try again"), Button("cancel", "Stop the delivery"), Button(None, "Deliver again"))
SAID = Said(ID, "notice", "client:a", AT, "shipment:eshopbox:1", "failed_delivery", 1, "eshopbox:A1", "+919", BUTTONS)
REPLY = Reply("client:a", "m1", "+919", "button", None, None, None, AT, ID, "postback")


def asked(said: Said = SAID, **of_reply: Any) -> str:
    found = meaning.of(replace(REPLY, **of_reply), said, default(), date(2026, 3, 1))
    return found.action.key if isinstance(found, Asked) else str(found)


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        ({"postback": f"vs:{ID}:0"}, "reattempt"),
        ({"postback": f"vs:{ID}:1", "button_text": "Stop the delivery"}, "cancel"),
        ({"postback": f"vs:{ID}:0", "button_text": "try again!"}, "reattempt"),
        (
            {"postback": f"vs:{ID}:0", "button_text": "Stop the delivery"},
            "not_understood",
        ),  # they contradict each other
        ({"postback": f"vs:{ID}:0", "button_text": "Another title"}, "reattempt"),
        ({"postback": f"vs:{ID}:2"}, "reattempt"),  # no action of ours, but the rules know its title
        ({"postback": f"vs:{ID}:3", "button_text": "Try again"}, "reattempt"),
        ({"postback": f"vs:{ID}:3"}, "not_understood"),
        ({"postback": "vs:n_zzzzzzzzzzzzzzzzzzzzzzzzzz:1", "button_text": "Try again"}, "reattempt"),
        ({"postback": "cancel", "button_text": "nothing"}, "not_understood"),
        ({"button_text": "Stop the delivery", "matched_by": "id"}, "cancel"),
        ({"button_text": "Cancel order", "matched_by": "phone"}, "cancel"),  # the first rule that matches
        ({"kind": "text", "text": "TRY AGAIN.", "matched_by": "gs_id"}, "reattempt"),  # with context it is the button
        ({"kind": "text", "text": "Stop the delivery", "matched_by": "id"}, "cancel"),
        ({"kind": "text", "text": "Stop the delivery", "matched_by": "phone"}, "not_understood"),
        ({"kind": "text", "text": "cancel order", "matched_by": "id"}, "not_understood"),  # no title of this message
        ({"kind": "text", "text": "reattempt", "matched_by": "phone"}, "reattempt"),
        ({"kind": "text", "text": "02-03-2026", "matched_by": "phone"}, "new_date"),
        ({"kind": "text", "text": "thanks", "matched_by": "id"}, "not_understood"),
        ({"kind": "text", "text": None}, "not_understood"),
        ({"kind": "media", "postback": f"vs:{ID}:0"}, "media"),
    ],
)
def test_what_a_reply_asks_for(reply: dict[str, Any], means: str) -> None:
    assert asked(**reply) == means


@pytest.mark.parametrize("change", [{"status": "delivered"}, {"kind": "exception", "status": "not_understood"}])
def test_a_reply_to_anything_else_is_not_understood(change: dict[str, Any]) -> None:
    assert asked(replace(SAID, **change), postback=f"vs:{ID}:0") == ReplyOutcome.NOT_UNDERSTOOD


def test_an_action_that_the_rules_do_not_know_any_more_is_none() -> None:
    said = replace(SAID, buttons=(Button("gone", "Something"),))
    assert asked(said, postback=f"vs:{ID}:0") == ReplyOutcome.NOT_UNDERSTOOD


@pytest.mark.parametrize("stored", [None, "", "[", "{}", '[1, "a"]', '[{"action": 5}]'])
def test_buttons_that_cannot_be_read_mean_nothing(stored: str | None) -> None:
    assert all(one.action is None for one in meaning.read_buttons(stored))


def test_stored_buttons_are_read_back() -> None:
    assert meaning.read_buttons('[{"action": "cancel", "title": "No"}]') == (Button("cancel", "No"),)
