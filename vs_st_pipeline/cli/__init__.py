"""Defines the `vs-st` command: a thin layer over the pipeline, one file per group of commands."""
