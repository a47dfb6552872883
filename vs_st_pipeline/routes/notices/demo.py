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
    "A parcel's journey told on WhatsApp, at most once per status, and the answer to a failed delivery acted on.",
    (
        Act("The first sync looks at what is there. History is not announced:", commands=(_SYNC,)),
        Act(
            "A courier fails to deliver. What is new waits a minute: what comes within it may take its place.",
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
            "It is delivered to the phone, read, and the customer taps a button. That becomes the courier's order.",
            timedelta(minutes=10),
            orders=("customer_taps",),
            commands=(_SYNC, _SYNC),
            outcome=True,
        ),
        Act("What was said and done, and what the two systems have heard:", orders=("parcels_told",)),
    ),
    pasted=("eshopbox", "gupshup"),
)
