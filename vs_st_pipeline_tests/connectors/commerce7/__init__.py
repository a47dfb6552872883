"""Tests of vs_st_pipeline/connectors/commerce7."""
