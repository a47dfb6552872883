"""Onboards merchants, one row each: keys, accounts, entry, what a person must make, webhooks, plan, first sync.

The order is generic; what is asked, and what is looked at, comes from the connectors and routes (routes.md R14).
"""
