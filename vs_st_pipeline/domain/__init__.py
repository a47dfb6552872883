"""Words and rules of the house; no clock, no file, no network."""
