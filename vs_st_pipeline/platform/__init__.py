"""Holds the machine room: settings, HTTP, the warehouse, locks and limits."""
