"""Shows this route on a made-up winery: paid, sent, shipped, mailed; one fails and is mended, one is voided."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from vs_st_pipeline.pipeline.demo import Act, Demo
from vs_st_pipeline.routes.orders.systems import NAME

_WINERY, _PLAIN, _WRONG, _VOIDED = "hillside", "1204", "1205", "1203"
_SYNC = ("sync", "--merchant", _WINERY, "--route", NAME)

DEMO: Final = Demo(
    "orders:3",
    "what is paid at Commerce7 and goes to a chosen state is shipped by Vinoshipper, once.",
    (
        Act(
            "Both systems are told whom to call. Orders are read, judged, and sent.",
            before=(("webhooks", "register", "--merchant", _WINERY),),
            orders=("orders_on",),
            commands=(_SYNC,),
            outcome=True,
        ),
        Act(
            "Two people buy. One order goes; the other one waits, and its page says what to do.",
            orders=("orders_buy",),
            commands=(_SYNC,),
            looks=((NAME, "show", "--merchant", _WINERY, _WRONG),),
            outcome=True,
        ),
        Act(
            "The address is put right, and the order goes by itself. A person voids another one.",
            orders=("orders_mend",),
            commands=(
                _SYNC,
                (NAME, "void", "--merchant", _WINERY, _VOIDED, "--reason", "The customer moved away.", "--yes"),
            ),
            outcome=True,
        ),
        Act(
            "A day later a parcel is scanned. The order is fulfilled at Commerce7, which mails its buyer.",
            timedelta(days=1),
            orders=("orders_parcel",),
            commands=(_SYNC,),
            looks=(
                (NAME, "show", "--merchant", _WINERY, _PLAIN),
                (NAME, "list", "--merchant", _WINERY, "--limit", "5"),
            ),
        ),
    ),
    decided={"send": "to send", "fulfil": "to fulfill"},
    written={
        "sent": "sent to Vinoshipper",
        "failed": "not sent",
        "fulfilled": "fulfilled at Commerce7",
        "messages": "notes on orders at Commerce7",
        "unknown": "of unknown outcome",
    },
)
