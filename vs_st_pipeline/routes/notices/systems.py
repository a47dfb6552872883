"""Names the route and the systems that it joins."""

from __future__ import annotations

from typing import Final

NAME: Final = "notices"
GUPSHUP: Final = "gupshup"
ESHOPBOX: Final = "eshopbox"
VINOSHIPPER: Final = "vinoshipper"
COMMERCE7: Final = "commerce7"
SOURCES: Final = (ESHOPBOX, COMMERCE7, VINOSHIPPER)
