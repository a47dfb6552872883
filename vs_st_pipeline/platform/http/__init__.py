"""Requests to any vendor: timeouts, tries, pace, kinds of error."""
