"""Connects to Commerce7, where wineries sell."""
