"""Runs the stand-in for Gupshup as a process of its own."""

from vs_st_pipeline.sandbox.core.serve import main
from vs_st_pipeline.sandbox.gupshup.server import Gupshup

if __name__ == "__main__":
    main(Gupshup)
