"""Keeps SimpleTexting contacts saying what Vinoshipper knows, for many wineries.

The way of the data, four stops; `pipeline.py` tells it from top to bottom:

    stop      it holds                                             made by
    raw       what a system said, as it said it                    sources/vinoshipper, destinations/simpletexting
    staged    one row per customer and one per order, our words    staging
    planned   what must change over there, and who is held back    planning (field_map, matching, gates, diff, brake)
    synced    what the destination has accepted, value by value    destinations/simpletexting/push, ledger

A file imports only from floors below its own (`pyproject.toml` lists them, `make check` holds them).
"""
