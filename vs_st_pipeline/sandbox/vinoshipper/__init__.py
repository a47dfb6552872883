"""Imitates Vinoshipper."""
