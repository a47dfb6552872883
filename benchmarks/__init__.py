"""Benchmarks, run by `make bench`: figures of this machine, and ratios against a named peer of the same run."""
