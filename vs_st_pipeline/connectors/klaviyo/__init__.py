"""Connects to Klaviyo, a CRM."""
