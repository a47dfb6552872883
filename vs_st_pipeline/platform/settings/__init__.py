"""Reads and checks the merchants file, the environment and secrets."""
