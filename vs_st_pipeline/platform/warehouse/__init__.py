"""Holds one DuckDB file per merchant, and the tables that every room may use."""
