"""Tells customers of their order's and return's journey on WhatsApp, and acts on their answers (notices.md)."""
