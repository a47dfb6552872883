"""Imitates WayMore."""
