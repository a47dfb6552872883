"""Tests of WayMore's connector."""
