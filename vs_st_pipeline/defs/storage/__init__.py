"""Housekeeping in Dagster's own storage: the one room that uses its private modules."""
