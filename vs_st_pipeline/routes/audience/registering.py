"""Registers a merchant's shop at WayMore once, and takes it out again (audience.md 3, 7.9)."""

from __future__ import annotations

from vs_st_pipeline.routes.audience.session import AudienceSession


def begin(session: AudienceSession) -> bool:
    """Bring the registration as far as one sync may; say whether mass and event calls may be made.

    Compares what the settings name with what was registered (3.4); asks `discover`; asks once where the state is `none`
    or `asking` and its time has come; goes on with an uninstall that is under way. With `session.writes` false nobody is
    called and nothing is written: then it only compares.

    Returns:
        Whether the state is `registered`. Where it is `disconnected` the run ends `ok` and calls nobody.

    Raises:
        PipelineError: it is not registered, and why.
    """
    raise NotImplementedError
