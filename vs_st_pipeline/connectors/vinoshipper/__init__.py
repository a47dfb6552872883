"""Vinoshipper: where customers and orders come from."""
