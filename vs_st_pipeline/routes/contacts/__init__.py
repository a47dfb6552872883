"""Vinoshipper customers and orders -> SimpleTexting contacts."""
