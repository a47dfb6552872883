"""Runs the stand-in for WayMore as a process of its own."""

from vs_st_pipeline.sandbox.core.serve import main
from vs_st_pipeline.sandbox.waymore.server import Waymore

if __name__ == "__main__":
    main(Waymore)
