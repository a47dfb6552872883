"""Tests of route `consumers`."""
