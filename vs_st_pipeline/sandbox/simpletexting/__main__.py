"""Runs the stand-in for SimpleTexting as a process of its own."""

from vs_st_pipeline.sandbox.core.serve import main
from vs_st_pipeline.sandbox.simpletexting.server import SimpleTexting

if __name__ == "__main__":
    main(SimpleTexting)
