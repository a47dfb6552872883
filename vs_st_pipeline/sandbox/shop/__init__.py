"""Imitates a shop of any kind: its own tables, its drops and its posts."""
