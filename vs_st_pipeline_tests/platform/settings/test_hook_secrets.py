"""The secrets of hook URLs (webhooks-onboarding.md, 2): references apart by blanks, each to 32 characters or more."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.hook_secrets import hook_secrets

FIRST, SECOND = "a" * 32, "b" * 40


def test_all_are_read_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "second").write_text(f"  {SECOND}\n")
    environ = {"VS_ST_HOOK_SECRET": f" env:ONE \t file:{tmp_path}/second ", "ONE": FIRST}
    assert hook_secrets(environ) == (FIRST, SECOND)
    assert hook_secrets({}) == hook_secrets({"VS_ST_HOOK_SECRET": " "}) == ()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("env:SHORT", "secret 1: it is shorter than 32 characters"),
        ("env:ONE env:NONE", "secret 2: the environment variable NONE is not set"),
        ("env:ONE file:/no/such", "secret 2: the secret file:/no/such cannot be read"),
        ("env:ODD", "secret 1: the secret env:ODD must be one line of plain ASCII"),
        ("a" * 40, "secret 1: a secret in clear is refused"),
    ],
)
def test_one_that_is_not_understood_is_told_without_it(written: str, said: str) -> None:
    environ = {"VS_ST_HOOK_SECRET": written, "ONE": FIRST, "SHORT": "x" * 31, "ODD": "é" * 40}
    with pytest.raises(BadSettings) as found:
        hook_secrets(environ)
    assert said in found.value.message
    assert not any(value in found.value.message for value in (FIRST, "x" * 31, "é", "a" * 40))
