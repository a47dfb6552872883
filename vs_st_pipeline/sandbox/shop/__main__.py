"""Runs the stand-in for the generic shop as a process of its own."""

from vs_st_pipeline.sandbox.core.serve import main
from vs_st_pipeline.sandbox.shop.server import Shop

if __name__ == "__main__":
    main(Shop)
