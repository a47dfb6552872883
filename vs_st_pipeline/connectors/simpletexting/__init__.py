"""Connects to SimpleTexting, where contacts live and values are written."""
