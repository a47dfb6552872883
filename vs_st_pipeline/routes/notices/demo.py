"""Shows this route on made-up parcels: a failed delivery told once, and the customer's tap acted on."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from vs_st_pipeline.pipeline.demo import Act, Demo
from vs_st_pipeline.routes.notices.systems import NAME

_MERCHANT: Final = "kapaskraft"
_SYNC: Final = ("sync", "--merchant", _MERCHANT, "--route", NAME)

DEMO: Final = Demo(
    "parcels",
    "customers are told of a parcel's journey on WhatsApp, once; their answers are acted on.",
    (
        Act("The first sync looks at what is there. History is not announced.", commands=(_SYNC,)),
        Act(
            "A courier fails to deliver. News waits a minute: what comes meanwhile may take its place.",
            timedelta(minutes=30),
            orders=("parcel_fails",),
            commands=(_SYNC,),
        ),
        Act(
            "Then the customer is told, once, and asked what to do.",
            timedelta(minutes=2),
            commands=(("plan", "--merchant", _MERCHANT, "--route", NAME), _SYNC),
            outcome=True,
        ),
        Act(
            "The customer reads it, and taps a button. That becomes the courier's order.",
            timedelta(minutes=10),
            orders=("customer_taps",),
            commands=(_SYNC, _SYNC),
            outcome=True,
        ),
    ),
    decided={"messages": "messages to send", "actions": "actions to take"},
    written={
        "accepted": "messages taken by Gupshup",
        "delivered": "delivered to the phone",
        "read": "read",
        "actions_done": "actions taken by Eshopbox",
        "rejected": "refused",
        "unknown": "of unknown outcome",
    },
    pasted=("eshopbox", "gupshup"),
)
