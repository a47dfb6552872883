"""Syncs what one system of a merchant knows into another one, by five routes, for many merchants.

Data walks through four stages; each route's `sync.py` tells it from top to bottom, such as `routes/contacts/sync.py`:

    stage     it holds                                             made by, in route contacts
    raw       what a system said, as it said it                    connectors/vinoshipper, connectors/simpletexting
    staged    one row per customer and one per order, our words    connectors/vinoshipper/staging
    planned   what must change over there, and who is held back    routes/contacts/planning, domain
    synced    what the destination has accepted, value by value    connectors/simpletexting/push, warehouse/ledger

Rooms stand on floors and import only from floors below (`pyproject.toml` lists them, `make check` holds them):

    7 definitions   6 cli, defs   5 operations   4 routes   3 pipeline, connectors   2 platform   1 domain
"""

from __future__ import annotations

from typing import Final

__version__: Final = "0.2.0"
"""The release, as `CHANGELOG.md` names it; `setup.py`, `vs-st --version`, Dagster and reports of faults say it."""
