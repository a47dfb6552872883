"""Runs the stand-in for Commerce7 as a process of its own."""

from vs_st_pipeline.sandbox.commerce7.server import Commerce7
from vs_st_pipeline.sandbox.core.serve import main

if __name__ == "__main__":
    main(Commerce7)
