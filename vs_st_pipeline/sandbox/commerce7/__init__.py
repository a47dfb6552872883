"""Imitates Commerce7."""
