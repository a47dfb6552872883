"""Runs the stand-in for Klaviyo as a process of its own."""

from vs_st_pipeline.sandbox.core.serve import main
from vs_st_pipeline.sandbox.klaviyo.server import Klaviyo

if __name__ == "__main__":
    main(Klaviyo)
