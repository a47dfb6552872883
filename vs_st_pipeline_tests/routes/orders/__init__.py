"""Tests of route `orders`."""
