"""Connects to Salesforce, a CRM."""
