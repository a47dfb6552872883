"""Imitates Klaviyo."""
