"""Cleans up Dagster's own storage: the one folder that uses its private modules."""
