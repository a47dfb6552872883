"""Names the system, for errors, tables and reports."""

from __future__ import annotations

from typing import Final

VINOSHIPPER: Final = "vinoshipper"
TITLE: Final = "Vinoshipper"
