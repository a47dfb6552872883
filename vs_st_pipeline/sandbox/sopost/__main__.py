"""Runs the stand-in for SoPost as a process of its own."""

from vs_st_pipeline.sandbox.core.serve import main
from vs_st_pipeline.sandbox.sopost.server import SoPost

if __name__ == "__main__":
    main(SoPost)
