"""Defines everything in Dagster: merchants as partitions, stages as assets. Only this folder imports Dagster."""
