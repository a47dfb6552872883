"""Imitates Gupshup."""
