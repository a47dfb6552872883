"""Runs the stand-in for HubSpot as a process of its own."""

from vs_st_pipeline.sandbox.core.serve import main
from vs_st_pipeline.sandbox.hubspot.server import HubSpot

if __name__ == "__main__":
    main(HubSpot)
