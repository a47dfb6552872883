"""Names the route and the systems that it joins."""

from __future__ import annotations

from typing import Final

NAME: Final = "orders"
SHOP: Final = "commerce7"
SHIPPER: Final = "vinoshipper"
ORDER: Final = "order"
