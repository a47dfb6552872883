"""Runs the stand-in for Eshopbox as a process of its own."""

from vs_st_pipeline.sandbox.core.serve import main
from vs_st_pipeline.sandbox.eshopbox.server import Eshopbox

if __name__ == "__main__":
    main(Eshopbox)
