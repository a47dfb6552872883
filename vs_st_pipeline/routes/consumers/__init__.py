"""Joins SoPost orders and consents to the CRMs of a brand: HubSpot, Klaviyo, Salesforce."""

from __future__ import annotations

from vs_st_pipeline.routes.consumers.route import ROUTE

__all__ = ["ROUTE"]
