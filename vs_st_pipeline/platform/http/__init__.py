"""Sends requests to any vendor: timeouts, tries, rate limits, kinds of error."""
