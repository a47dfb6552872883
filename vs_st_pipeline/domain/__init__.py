"""Words and rules of the pipeline; no clock, no file, no network."""
