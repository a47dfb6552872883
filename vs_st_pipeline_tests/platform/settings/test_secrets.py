"""A package adds a way of keeping secrets, and no error tells one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.connectors.simpletexting.settings import SimpleTextingSettings
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform.settings import secrets
from vs_st_pipeline.platform.settings.merchants import MerchantsFile
from vs_st_pipeline_tests.support.story import TEST, Story

SECRET = "canary-4711-secret"
READER = f"""
def read(name):
    if name == "wineries/hillside":
        return "{SECRET}\\n"
    if name == "locked":
        raise PermissionError("the value was {SECRET}")
    return {{"odd": None, "empty": " ", "two lines": "{SECRET}\\nmore", "umlaut": "{SECRET}\\u00e4"}}[name]
"""


@pytest.fixture
def _vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with an entry point, as pip would leave it."""
    site = tmp_path / "site"
    (site / "our_vault-1.dist-info").mkdir(parents=True)
    (site / "our_vault.py").write_text(READER)
    (site / "our_vault-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: our-vault\nVersion: 1\n")
    (site / "our_vault-1.dist-info" / "entry_points.txt").write_text(f"[{secrets.GROUP}]\nvault = our_vault:read\n")
    monkeypatch.syspath_prepend(str(site))
    secrets._scheme.cache_clear()
    yield
    secrets._scheme.cache_clear()


def read(tmp_path: Path, token: str) -> MerchantsFile:
    file = tmp_path / "merchants.yaml"
    file.write_text(
        "merchants:\n  - id: one\n    vinoshipper: {api_key: env:KEY, api_secret: env:KEY}\n"
        f"    simpletexting:\n      api_token: {token}\n"
    )
    return read_merchants(file, {"KEY": "a-key"})


@pytest.mark.usefixtures("_vault")
def test_a_package_adds_a_scheme(tmp_path: Path) -> None:
    merchant = read(tmp_path, "vault:wineries/hillside").merchants[0]
    token = merchant.section(SimpleTextingSettings).api_token
    assert token.reveal() == SECRET
    assert token.reference == "vault:wineries/hillside"
    assert SECRET not in repr(merchant)


@pytest.mark.usefixtures("_vault")
@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("vault:locked", r"the secret vault:locked cannot be read \(PermissionError\)"),
        ("vault:unknown", r"\(KeyError\)"),
        ("vault:odd", "the reader of vault: gave no text"),
        ("vault:empty", "is empty"),
        ("vault:two lines", "one line of plain ASCII"),
        ("vault:umlaut", "one line of plain ASCII"),
        ("'vault:'", "nothing follows vault:"),
        (f"voult:{SECRET}", "a secret in clear is refused; write env:NAME or file:PATH"),
        (f"VAULT:{SECRET}", "a secret in clear is refused"),
        (SECRET, "a secret in clear is refused"),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_line_and_without_its_value(
    tmp_path: Path, token: str, said: str
) -> None:
    with pytest.raises(BadSettings, match=rf"merchants\.yaml.*line 5.*{said}") as caught:
        read(tmp_path, token)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_without_the_package_its_scheme_is_refused_as_a_secret_in_clear(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="a secret in clear is refused"):
        read(tmp_path, "vault:wineries/hillside")


@pytest.mark.usefixtures("_vault")
def test_a_sync_with_a_key_from_outside(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    token = next(merchant.st_token for merchant in story.box.merchants if merchant.id == TEST)
    monkeypatch.setattr("our_vault.read", lambda name: {"st": token}[name])
    story.settings({TEST: {"simpletexting": {"api_token": "vault:st"}}})
    assert story.synced()["synced"]["accepted"] == 7


def test_all_keys_that_are_not_there_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "merchants.yaml"
    file.write_text(
        "merchants:\n  - id: one\n    vinoshipper: {api_key: env:KEY, api_secret: env:SECRET}\n"
        "    simpletexting: {api_token: file:token}\n"
    )
    with pytest.raises(BadSettings) as found:
        read_merchants(file, {})
    assert found.value.message.split("; merchants.yaml, ") == [
        "merchants.yaml, line 3: api_key: the environment variable KEY is not set; set it",
        "line 3: api_secret: the environment variable SECRET is not set; set it",
        "line 4: api_token: the secret file:token cannot be read: No such file or directory; put the key "
        "there, readable. No merchant of the file is usable",
    ]
    file.write_text(file.read_text().replace("api_secret", "api_sekret"))
    with pytest.raises(BadSettings, match="did you mean `api_secret`") as found:
        read_merchants(file, {})
    assert "env" not in found.value.message, "what is wrong comes first"
