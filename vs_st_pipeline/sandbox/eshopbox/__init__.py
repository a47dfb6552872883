"""Imitates Eshopbox."""
