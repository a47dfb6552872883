"""Imitates SoPost."""
