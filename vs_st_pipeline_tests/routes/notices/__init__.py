"""Tests of route `notices`."""
