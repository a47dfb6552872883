"""Merchants file, environment and secrets, read and checked."""
