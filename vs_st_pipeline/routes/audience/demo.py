"""Shows this route on a made-up shop: registered once, its history sent, then one event per change."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from vs_st_pipeline.pipeline.demo import Act, Demo
from vs_st_pipeline.routes.audience.systems import NAME

_SHOP: Final = "corner-shop"
_SYNC: Final = ("sync", "--merchant", _SHOP, "--route", NAME)

DEMO: Final = Demo(
    "shop_small",
    "A custom website drops its data; WayMore is told the history once, and then what changes, as it changes.",
    (
        Act(
            "The shop drops its data for the first time. The first sync registers it, then sends the history in order.",
            orders=("shop_open",),
            commands=(_SYNC,),
            outcome=True,
        ),
        Act(
            "A day's business. Each change is one event; whoever opted out is told off before all else.",
            timedelta(hours=6),
            orders=("shop_day",),
            commands=(("plan", "--merchant", _SHOP, "--route", NAME), _SYNC),
            outcome=True,
        ),
        Act(
            "A parcel leaves; and a sync in which nothing changed tells nobody anything:",
            timedelta(hours=6),
            orders=("shop_shipped",),
            commands=(_SYNC, _SYNC),
        ),
        Act("What WayMore knows, and what its automations would have sent:", orders=("shop_told",)),
    ),
)
