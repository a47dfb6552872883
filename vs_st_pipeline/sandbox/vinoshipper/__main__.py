"""Runs the stand-in for Vinoshipper as a process of its own."""

from vs_st_pipeline.sandbox.core.serve import main
from vs_st_pipeline.sandbox.vinoshipper.server import Vinoshipper

if __name__ == "__main__":
    main(Vinoshipper)
