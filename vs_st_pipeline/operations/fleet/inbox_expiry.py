"""Has entries of the inbox go when they are old: at the end of every tick, since not everybody has a worker (H19)."""

from __future__ import annotations

from collections.abc import Mapping

from vs_st_pipeline import routes
from vs_st_pipeline.operations.fleet.health import systems_kept
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox
from vs_st_pipeline.platform.settings import environment


def expire(environ: Mapping[str, str]) -> str:
    """Delete what was settled longer ago than `VS_ST_INBOX_KEEP`, and give up what has waited longer.

    Returns:
        What a person should read of it; `""` where there is nothing.

    Raises:
        BadSettings: a setting of the environment is wrong.
    """
    inbox = Inbox(environment.data_dir(environ))
    try:
        expired = inbox.expire(environment.inbox_keep(environ).total_seconds(), systems_kept(routes.ROUTES))
    except UNUSABLE as error:  # another process may hold it; the next tick does it
        return f"old entries of the inbox stay: {type(error).__name__}"
    finally:
        inbox.close()
    return f"hints that nobody took have expired: {expired}" if expired else ""
