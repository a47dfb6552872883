"""Shows this route on a made-up brand: its orders are told of, people are subscribed, and who opts out stays out."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from vs_st_pipeline.pipeline.demo import Act, Demo
from vs_st_pipeline.routes.consumers.systems import NAME

_BRAND, _FIRST, _NEW = "glow-skin", "plain@example.com", "newcomer@example.com"
_SYNC = ("sync", "--merchant", _BRAND, "--route", NAME)

DEMO: Final = Demo(
    "consumers",
    "A brand hands out samples; whoever consented reaches the right list of the right CRM, and nobody else.",
    (
        Act(
            "SoPost is told whom to call, and calls for each order:",
            before=((NAME, "register", "--merchant", _BRAND),),
            orders=("send",),
            commands=((NAME, "inbox", "--merchant", _BRAND, "--limit", "3"),),
        ),
        Act(
            "The first sync: orders are read, people are looked at in each CRM, and subscribed as they consented.",
            commands=(_SYNC,),
            outcome=True,
        ),
        Act(
            "How one person stands, and what each subscription rests on:",
            commands=(
                ("why", "--merchant", _BRAND, "--route", NAME, _FIRST),
                (NAME, "evidence", "--merchant", _BRAND, _FIRST),
            ),
        ),
        Act("A day later, at SoPost and in people's mailboxes:", timedelta(days=1), orders=("later", "people", "send")),
        Act(
            "The next sync: who came is subscribed; who opted out stays out, for nobody can say which wish is newer.",
            commands=(_SYNC, ("why", "--merchant", _BRAND, "--route", NAME, _NEW)),
            outcome=True,
        ),
    ),
)
