"""Shows this route on made-up wineries: a first sync, a day's changes, and a webhook that hurries one of them."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.pipeline.demo import Act, Demo
from vs_st_pipeline.routes.contacts.systems import NAME

_FIRST, _SECOND = "hillside-cellars", "blue-oak-vineyards"
_SYNC: Final = ("sync", "--merchant", _FIRST, _SECOND, "--route", NAME)

DEMO: Final = Demo(
    "demo",
    "what customers bought becomes fields of their contacts, so that a text can be about it.",
    (
        Act("The first sync reads everything, and writes to the contacts of opted-in customers.", commands=(_SYNC,)),
        Act(
            "People order, and text. The next sync writes what changed, and no more.",
            orders=("change",),
            commands=(_SYNC,),
            outcome=True,
        ),
        Act(
            "The shop calls when an order ships. A worker writes it at once; no sync is started.",
            before=(("webhooks", "register", "--merchant", _FIRST),),
            orders=("ship",),
            worker=True,
            answered="told",
        ),
    ),
    decided={"contacts": "contacts to write"},
    written={"accepted": "contacts accepted by SimpleTexting", "rejected": "refused", "unknown": "of unknown outcome"},
)
