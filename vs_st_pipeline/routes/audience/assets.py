"""Lists what the stages of this route make, as Dagster shows it (audience.md 9; routes.md R15)."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors import commerce7, vinoshipper, waymore
from vs_st_pipeline.pipeline.route import Asset
from vs_st_pipeline.routes.audience.stage_names import PLAN, PUSH, READ, STAGED
from vs_st_pipeline.routes.audience.systems import COMMERCE7, NAME, SHOP, VINOSHIPPER

TITLE: Final = waymore.CONNECTOR.title
VS_TITLE, C7_TITLE = vinoshipper.CONNECTOR.title, commerce7.CONNECTOR.title
POSTS: Final = f"{NAME}/raw/{SHOP}/posts"
VS_PRODUCTS: Final = f"{NAME}/raw/{VINOSHIPPER}/products"
C7: Final = {
    what: f"{NAME}/raw/{COMMERCE7}/{what}" for what in ("customers", "addresses", "products", "carts", "orders")
}
KINDS: Final = ("customers", "subscribers", "products", "wishlists", "orders", "carts")
STAGED_KINDS: Final = {kind: f"{NAME}/staged/shop_{kind}" for kind in KINDS}
PLANNED_HISTORY: Final = f"{NAME}/planned/waymore/history"
REGISTRATION: Final = f"{NAME}/synced/waymore/registration"
HISTORY: Final = f"{NAME}/synced/waymore/history"

_API, _PYTHON = frozenset({"api", "duckdb"}), frozenset({"python", "duckdb"})
_RAW: Final = (READ, POSTS, VS_PRODUCTS, *C7.values())
_STAGED_SAYS: Final = {
    "customers": "One row per customer of the shop, in our words, with addresses.",
    "subscribers": "One row per e-mail address of which a record or a post says whether it is subscribed.",
    "products": "One row per product, with its options.",
    "wishlists": "One row per wish: who, and which product.",
    "orders": "One row per order, with its lines.",
    "carts": "One row per cart, with its lines.",
}
assert STAGED_KINDS["customers"] == STAGED

ASSETS: Final = (
    Asset(READ, READ, "What the site's drops hold, table by table.", kinds=_PYTHON, system=SHOP),
    Asset(POSTS, READ, "What the site has posted since.", kinds=_API, system=SHOP),
    Asset(VS_PRODUCTS, READ, f"What {VS_TITLE} sells, by its product feed.", kinds=_API, system=VINOSHIPPER),
    *(
        Asset(key, READ, f"The {what} of {C7_TITLE}, as it says them.", kinds=_API, system=COMMERCE7)
        for what, key in C7.items()
    ),
    *(Asset(STAGED_KINDS[kind], STAGED, _STAGED_SAYS[kind], _RAW, _PYTHON) for kind in KINDS),
    Asset(
        PLANNED_HISTORY, PLAN, f"What {TITLE} is told as history: who is held, and what turned up late.",
        tuple(STAGED_KINDS.values()), _PYTHON,
    ),
    Asset(
        PLAN, PLAN, f"What changed since {TITLE} was told: the events that would go now.",
        tuple(STAGED_KINDS.values()), _PYTHON,
    ),
    Asset(REGISTRATION, PUSH, f"Whether the shop is registered at {TITLE}, and since when.", kinds=_API),
    Asset(HISTORY, PUSH, f"The history that {TITLE} has accepted, in five blocks.", (PLANNED_HISTORY,), _API),
    Asset(
        PUSH, PUSH,
        f"The events that {TITLE} has accepted, and the evidence of each subscription. Making it is what tells it.",
        (PLAN,), _API,
    ),
)  # fmt: skip
