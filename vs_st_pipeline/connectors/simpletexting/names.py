"""Names the system, for errors, tables and reports."""

from __future__ import annotations

from typing import Final

SIMPLETEXTING: Final = "simpletexting"
TITLE: Final = "SimpleTexting"
