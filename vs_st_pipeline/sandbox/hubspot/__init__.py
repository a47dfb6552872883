"""Imitates HubSpot."""
