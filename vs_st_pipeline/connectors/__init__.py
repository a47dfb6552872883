"""Connects to the systems: one folder per system; each knows its own API and nothing of its neighbors."""
