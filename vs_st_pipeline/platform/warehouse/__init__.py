"""Holds one DuckDB file per merchant and route, and the tables that every room may use."""
