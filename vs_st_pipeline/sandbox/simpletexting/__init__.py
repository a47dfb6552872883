"""Imitates SimpleTexting."""
