"""Connects to HubSpot, a CRM."""
