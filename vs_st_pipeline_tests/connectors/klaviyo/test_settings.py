"""The section `klaviyo`: what stands in it, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.connectors.klaviyo import CONNECTOR
from vs_st_pipeline.connectors.klaviyo.settings import KlaviyoSettings
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.merchants import House, Merchant, RouteNeeds, Section, read_merchants

HOUSE = House((Section("klaviyo", KlaviyoSettings),), (RouteNeeds("consumers", (frozenset({"klaviyo"}),), None),))
ENTRY = "merchants:\n  - id: glow-skin\n    klaviyo: {api_key: env:GLOW_KL%s}\n"


def read(folder: Path, text: str) -> Merchant:
    path = folder / "merchants.yaml"
    path.write_text(text)
    [merchant] = read_merchants(path, {"GLOW_KL": "pk_1"}, HOUSE).merchants
    if merchant.faults:
        raise merchant.faults["consumers"]
    return merchant


def test_c2_defaults(tmp_path: Path) -> None:
    merchant = read(tmp_path, ENTRY % "")
    found = merchant.section(KlaviyoSettings)
    assert (found.base_url, found.revision) == ("https://a.klaviyo.com", "2026-07-15")
    assert (found.requests_per_second, found.batch_wait) == (2.0, timedelta(seconds=120))
    assert (found.write_one_by_one_up_to, found.field_map.path) == (20, None)
    account = CONNECTOR.account(merchant)
    assert (account.base_url, account.key.reveal(), account.requests_per_second) == (found.base_url, "pk_1", 2.0)


def test_c2_a_revision_is_a_text_with_or_without_quotes(tmp_path: Path) -> None:
    for written in ('"2026-10-15"', "'2026-10-15'"):
        assert read(tmp_path, ENTRY % f", revision: {written}").section(KlaviyoSettings).revision == "2026-10-15"


@pytest.mark.parametrize("word", ["skip", "record", "null"])
def test_c2_people_without_consent_are_never_stored_here(tmp_path: Path, word: str) -> None:
    for text in (
        ENTRY % f", without_consent: {word}",
        f"defaults:\n  klaviyo: {{without_consent: {word}}}\n" + ENTRY % "",
    ):
        with pytest.raises(BadSettings) as caught:
            read(tmp_path, text)
        line = next(n for n, one in enumerate(text.splitlines(), 1) if "without_consent" in one)
        assert f"merchants.yaml, line {line}: without_consent: " in caught.value.message
        assert "Klaviyo mails everybody who is not suppressed" in caught.value.message
