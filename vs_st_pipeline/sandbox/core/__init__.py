"""Provides what all stand-ins share: the server, its switches and faults."""
