"""Joins SoPost orders and consents to the CRMs of a brand: HubSpot, Klaviyo, Salesforce."""
