"""Connects to Vinoshipper, where customers and orders come from."""
