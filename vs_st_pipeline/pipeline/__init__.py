"""Holds what routes are made of: a route, sessions, plans, brake, hints, erasure, status. It names no system."""
