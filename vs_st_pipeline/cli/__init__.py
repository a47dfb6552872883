"""The `vs-st` command: a thin face over the pipeline, one file per group of commands."""
