"""The Dagster face: merchants as partitions, the four stops as assets. Dagster is imported here and nowhere else."""
