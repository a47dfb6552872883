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
    "who consented to a brand's news reaches the right list of its CRMs, and nobody else.",
    (
        Act(
            "SoPost tells of orders of samples. People are looked at in each CRM, and subscribed.",
            before=((NAME, "register", "--merchant", _BRAND),),
            orders=("send",),
            commands=(_SYNC,),
            looks=(
                (NAME, "inbox", "--merchant", _BRAND, "--limit", "3"),
                ("why", "--merchant", _BRAND, "--route", NAME, _FIRST),
                (NAME, "evidence", "--merchant", _BRAND, _FIRST),
            ),
            outcome=True,
        ),
        Act(
            "A day later. Who came is subscribed; who opted out there stays out, whatever came since.",
            timedelta(days=1),
            orders=("later", "people", "send"),
            commands=(_SYNC,),
            looks=(("why", "--merchant", _BRAND, "--route", NAME, _NEW),),
            outcome=True,
        ),
    ),
    decided={"consumers": "records to write", "subscriptions": "subscriptions"},
    written={
        "accepted": "accepted by the three CRMs",
        "rejected": "refused",
        "unknown": "of unknown outcome",
    },
)
