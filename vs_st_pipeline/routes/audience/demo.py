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
    "a website drops its data; WayMore is told its history once, and then each change, once.",
    (
        Act(
            "The shop drops its data. The first sync registers it, and sends its history in order.",
            orders=("shop_open",),
            commands=(_SYNC,),
            outcome=True,
            decided="all of it is history, sent in five blocks, so that no automation takes it for news",
        ),
        Act(
            "A day's business. Each change is one event; opt-outs go before all else.",
            timedelta(hours=6),
            orders=("shop_day",),
            commands=(_SYNC,),
            outcome=True,
        ),
        Act(
            "A parcel leaves; and a sync in which nothing changed tells nobody anything.",
            timedelta(hours=6),
            orders=("shop_shipped",),
            commands=(_SYNC, _SYNC),
        ),
    ),
    decided={"events": "events", "late": "as late history"},
    written={"accepted": "taken by WayMore", "rejected": "refused", "unknown": "of unknown outcome"},
)
