"""Tells customers of their order's and return's journey on WhatsApp, and acts on their answers (notices.md)."""

from __future__ import annotations

from vs_st_pipeline.routes.notices.route import ROUTE

__all__ = ["ROUTE"]
