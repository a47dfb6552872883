"""The stages: raw, staged, planned, synced."""
