"""Imitates Salesforce."""
