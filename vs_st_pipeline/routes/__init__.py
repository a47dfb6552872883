"""Joins two systems: one folder per route, and nothing else."""
