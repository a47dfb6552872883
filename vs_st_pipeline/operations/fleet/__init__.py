"""Decides how all merchants are, when each is due, and which addresses receive an alert."""
