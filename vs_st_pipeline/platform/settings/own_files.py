"""Reads a file of a merchant's own that stands in the place of one that comes with the program, such as a field map."""

from __future__ import annotations

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.forms import OwnFile


def text_of(own: OwnFile, named: str) -> str:
    """Return what stands in a merchant's own file.

    Args:
        own: a file of the merchant's, not `default`.
        named: how a message names it, such as `the field map /etc/own.yaml of hillside`.

    Raises:
        BadSettings: it cannot be read; the message says why, and where its path is written.
    """
    assert own.path is not None
    try:
        if own.path.exists() and not own.path.is_file():  # a pipe would be waited for
            raise OSError(None, "Is a directory" if own.path.is_dir() else "not a regular file")
        return own.path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else "not a path"
        said_in = f"{own.said_in}: " if own.said_in else ""
        raise BadSettings(
            f"{said_in}{named} cannot be read: {getattr(error, 'strerror', None) or why}; put the file there, "
            "readable, or write `default`"
        ) from None
