"""Proofs of what the pipeline promises, by many trials against the sandbox: `make proof`. Tests run a slice of each."""
