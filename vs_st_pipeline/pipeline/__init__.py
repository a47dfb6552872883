"""Runs the stages: raw, staged, planned, synced."""
