"""One folder per route: what joins two systems, and nothing else."""
