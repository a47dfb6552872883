"""Reads the secrets that tokens of hook URLs are made from: `VS_ST_HOOK_SECRET`, references apart by blanks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.secrets import SecretError, parse_reference, resolve_secret

HOOK_SECRET: Final = "VS_ST_HOOK_SECRET"
SHORTEST: Final = 32


def hook_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the secrets in their order: the first one makes tokens, all are accepted; none where none is set.

    Raises:
        BadSettings: one cannot be read, or is no line of 32 ASCII characters or more. The message holds nothing of it.
    """
    found = []
    for place, written in enumerate(environ.get(HOOK_SECRET, "").split(), 1):
        try:
            secret = resolve_secret(parse_reference(written), Path.cwd(), environ)
        except SecretError as error:
            raise BadSettings(f"{HOOK_SECRET}, secret {place}: {error}") from None
        if len(secret) < SHORTEST:
            raise BadSettings(
                f"{HOOK_SECRET}, secret {place}: it is shorter than {SHORTEST} characters; "
                "`vs-st webhooks secret PATH` makes one"
            )
        found.append(secret)
    return tuple(found)
