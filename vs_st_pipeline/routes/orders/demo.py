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
    "A winery sells at Commerce7; what is paid and goes to a chosen state is shipped by Vinoshipper, once.",
    (
        Act(
            "Both systems are told whom to call; then the first sync. Orders are read, judged, and sent.",
            before=(("webhooks", "register", "--merchant", _WINERY),),
            orders=("orders_on",),
            commands=(_SYNC,),
            outcome=True,
        ),
        Act(
            "Two people buy. One order goes; the other one is not forced past anything, and its page says what to do.",
            orders=("orders_buy",),
            commands=(_SYNC, (NAME, "show", "--merchant", _WINERY, _WRONG)),
            outcome=True,
        ),
        Act(
            "The address is put right, and the order goes by itself. Another one is voided.",
            orders=("orders_mend",),
            commands=(
                _SYNC,
                (NAME, "void", "--merchant", _WINERY, _VOIDED, "--reason", "The customer moved away.", "--yes"),
            ),
            outcome=True,
        ),
        Act(
            "A day later a parcel is scanned. The order is fulfilled at Commerce7, which mails its buyer, once.",
            timedelta(days=1),
            orders=("orders_parcel",),
            commands=(_SYNC, (NAME, "show", "--merchant", _WINERY, _PLAIN)),
        ),
        Act(
            "What is left to do, and what Commerce7 did:",
            orders=("orders_mails",),
            commands=((NAME, "list", "--merchant", _WINERY, "--limit", "5"),),
        ),
    ),
)
