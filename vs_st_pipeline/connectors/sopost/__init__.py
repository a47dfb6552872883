"""Connects to SoPost, where samples are ordered and consents given."""
