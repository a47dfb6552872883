"""Names whoever runs this process, for rows that say who did something."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """Return who runs this process: the user's name, or the number of one who has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return f"user {os.getuid()}"
