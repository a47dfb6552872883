"""Builds the worlds that the stand-ins begin with."""
