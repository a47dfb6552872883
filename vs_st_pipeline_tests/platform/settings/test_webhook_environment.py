"""The settings of the environment that webhooks need, and what a slip in one is told as (section 2, ruling 5)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.environment import inbox_keep, taken, tell_addresses
from vs_st_pipeline.platform.settings.hook_secrets import hook_secrets
from vs_st_pipeline.platform.settings.public_url import normalized, public_url

SECRET = "s" * 32


def test_the_public_url_is_an_origin_and_a_path() -> None:
    assert public_url({}) is None
    for good in (
        "https://hooks.example.com",
        "https://h.example.com:8443/a/b",
        "http://127.0.0.1:8088",
        "http://[::1]",
    ):
        assert public_url({"VS_ST_PUBLIC_URL": f" {good} "}) == good


@pytest.mark.parametrize(
    "written",
    ["hooks.example.com", "http://hooks.example.com", "https://h.example.com/", "https://h.example.com/a/",
     "https://u:geheim@h.example.com", "https://h.example.com/?a=b", "https://h.example.com#a", "ftp://h.example.com",
     "https://", "https://h.example.com:99999"],
)  # fmt: skip
def test_what_it_may_not_be_is_told_without_repeating_it(written: str) -> None:
    with pytest.raises(BadSettings) as refused:
        public_url({"VS_ST_PUBLIC_URL": written})
    assert "VS_ST_PUBLIC_URL" in refused.value.message
    assert "geheim" not in refused.value.message


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://Hooks.Example.com", "HTTPS://hooks.example.com:443", True),
        ("http://127.0.0.1:80/a", "http://127.0.0.1/a", True),
        ("https://h.example.com/a", "https://h.example.com/A", False),
        ("https://h.example.com", "https://h.example.com:8443", False),
        ("https://h.example.com", "http://h.example.com", False),
        ("https://h.example.com", "https://u@h.example.com", False),
        ("https://h.example.com", "https://h.example.com.evil.example", False),
    ],
)
def test_ruling_5_urls_are_compared_by_what_they_mean(one: str, other: str, same: bool) -> None:
    """Ruling 5: case and default port do not count."""
    assert (normalized(one) == normalized(other)) is same


def test_all_secrets_are_taken_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f" {SECRET}\n")
    environ = {"VS_ST_HOOK_SECRET": f"file:{tmp_path / 'secret'}  env:OTHER", "OTHER": "o" * 40}
    assert hook_secrets(environ) == (SECRET, "o" * 40)
    assert hook_secrets({}) == ()


@pytest.mark.parametrize("value", ["s" * 31, "é" * 40, None])
def test_a_secret_that_cannot_be_used_is_told_without_repeating_it(value: str | None) -> None:
    environ = {"VS_ST_HOOK_SECRET": "env:ONE", **({"ONE": value} if value else {})}
    with pytest.raises(BadSettings) as refused:
        hook_secrets(environ)
    assert value is None or value not in refused.value.message
    with pytest.raises(BadSettings) as refused:
        hook_secrets({"VS_ST_HOOK_SECRET": SECRET})
    assert SECRET not in refused.value.message


def test_how_long_entries_are_kept_and_who_is_told() -> None:
    assert inbox_keep({}) == timedelta(days=7)
    assert inbox_keep({"VS_ST_INBOX_KEEP": "36h"}) == timedelta(hours=36)
    with pytest.raises(BadSettings):
        inbox_keep({"VS_ST_INBOX_KEEP": "0d"})
    environ = {"VS_ST_ALERTS": "env:A", "A": "json://a", "B": "json://b"}
    assert list(tell_addresses(environ).urls) == ["env:A"]
    assert list(tell_addresses({**environ, "VS_ST_TELL": "env:B"}).urls) == ["env:B"]


def test_each_of_them_is_in_what_the_check_settings_are_understood_lists() -> None:
    """Section 2: `settings_are_understood` lists it like the others; nobody's sync is stopped by it."""
    environ = {
        "VS_ST_PUBLIC_URL": "http://h.example.com",
        "VS_ST_HOOK_SECRET": "env:NONE",
        "VS_ST_INBOX_KEEP": "soon",
        "VS_ST_TELL": "env:NONE",
    }
    found = taken(environ, ()).misunderstood
    assert [one.says.split(":")[0].split(",")[0] for one in found] == [
        "VS_ST_INBOX_KEEP", "VS_ST_PUBLIC_URL", "VS_ST_HOOK_SECRET", "VS_ST_TELL",
    ]  # fmt: skip
    assert not any(one.stops_all or one.defaulted for one in found)
