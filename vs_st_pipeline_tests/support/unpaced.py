"""Runs the command with Commerce7's pace lifted, which no setting does: `python -m ... ARGUMENTS`."""

from __future__ import annotations

from vs_st_pipeline.platform.http import rate_limit

WINDOW = 0.01
"""Seconds over which a minute's requests are spread."""


def lift() -> None:
    """Lift the pace in this process."""
    rate_limit.MINUTE = WINDOW  # type: ignore[misc]


if __name__ == "__main__":
    lift()
    from vs_st_pipeline.cli.main import main

    main()
