"""Names the route and the systems that it joins."""

from __future__ import annotations

from typing import Final

NAME: Final = "audience"
DESTINATION: Final = "waymore"
SHOP: Final = "shop"  # the generic shop: files and posts
VINOSHIPPER: Final = "vinoshipper"
COMMERCE7: Final = "commerce7"
SOURCES: Final = (VINOSHIPPER, COMMERCE7, SHOP)
