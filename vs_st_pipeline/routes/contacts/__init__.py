"""Joins Vinoshipper customers and orders to SimpleTexting contacts."""
