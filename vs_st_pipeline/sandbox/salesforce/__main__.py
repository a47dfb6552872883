"""Runs the stand-in for Salesforce as a process of its own."""

from vs_st_pipeline.sandbox.core.serve import main
from vs_st_pipeline.sandbox.salesforce.server import Salesforce

if __name__ == "__main__":
    main(Salesforce)
