"""The stand-in for Vinoshipper."""
