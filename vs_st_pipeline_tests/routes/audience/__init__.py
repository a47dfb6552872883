"""Tests of route `audience`."""
