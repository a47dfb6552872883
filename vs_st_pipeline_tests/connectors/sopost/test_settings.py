"""Settings are as consumers.md section 2 says, as changed by routes.md R9, R10; what is wrong is told with its line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.statuses import APPROVED, LATER, PENDING, REJECTED, classify, wants_body
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.settings.merchants import House, RouteNeeds, Section, read_merchants

HOUSE = House((Section("sopost", SoPostSettings, True),), (RouteNeeds("reading", (frozenset({"sopost"}),)),))
ID = "00000000-0000-4000-9000-000000000001"
URL = "base_url: https://api.sopost.example"


def read(folder: Path, *lines: str, secrets: bool = True) -> SoPostSettings:
    path = folder / "merchants.yaml"
    text = "\n".join(
        ["merchants:", "  - id: glow", "    name: Glow", "    sopost:", *(f"      {one}" for one in lines)]
    )
    path.write_text(text + "\n")
    found = read_merchants(path, {"KEY": "k-123"}, HOUSE, secrets=secrets)
    if found.bad:
        raise found.bad[0].error
    [merchant] = found.merchants
    return merchant.section(SoPostSettings)


def test_c2_defaults(tmp_path: Path) -> None:
    found = read(tmp_path, URL, "token: env:KEY")
    assert found.model_dump(exclude={"token", "base_url"}) == {
        "auth": "bearer", "header": None, "user": None, "password": None, "client_id": None, "client_secret": None,
        "token_url": None, "requests_per_second": 5.0, "entity_type": "Organisation", "entity_ids": (),
        "activities": (), "statuses": {"approved": ("APPROVED",), "pending": ("PENDING",), "rejected": ("REJECTED",)},
        "consent_given": ("APPROVED",), "consent_refused": ("REJECTED", "DECLINED", "WITHDRAWN", "REVOKED"),
        "consent_without_status": "hold", "order_time": None, "webhook_delay": timedelta(days=1),
        "quiet_after": timedelta(days=7),
    }  # fmt: skip
    assert found.secret.reveal() == "k-123"


def test_c2_each_kind_of_key_is_written(tmp_path: Path) -> None:
    basic = read(tmp_path, URL, "auth: basic", "user: brand@example.com", "password: env:KEY")
    assert basic.user is not None
    assert (basic.user.reveal(), basic.secret.reveal()) == ("brand@example.com", "k-123")
    referred = read(tmp_path, URL, "auth: basic", "user: env:KEY", "password: env:KEY")
    assert referred.user is not None
    assert referred.user.reveal() == "k-123"
    token = read(
        tmp_path, URL, "auth: client_credentials", "client_id: env:KEY", "client_secret: env:KEY",
        "token_url: https://auth.sopost.example/token",
    )  # fmt: skip
    assert token.secret.reveal() == "k-123"
    assert read(tmp_path, URL, "auth: header", "token: env:KEY", "header: X-Api-Key").header == "X-Api-Key"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([URL], "token is missing"),
        ([URL, "auth: header", "token: env:KEY"], "header is missing"),
        ([URL, "auth: basic", "user: brand"], "password is missing"),
        ([URL, "auth: basic", "password: env:KEY"], "user is missing"),
        ([URL, "auth: client_credentials", "client_id: x", "client_secret: env:KEY"], "token_url is missing"),
        (["token: env:KEY"], "base_url is missing"),
        ([URL, "token: env:KEY", "consent_given: []"], "line 7"),
        ([URL, "token: env:KEY", "statuses: {approved: []}"], "line 7"),
        ([URL, "token: env:KEY", "statuses: {approved: [Sent], rejected: [' sent ']}"], "two lists"),
        ([URL, "token: env:KEY", "consent_refused: [approved]"], "two lists"),
        ([URL, "token: env:KEY", "entity_ids: [one]"], "UUID"),
        ([URL, "token: env:KEY", f"entity_ids: [{ID}, {ID.replace('0', '1')}]"], "entity_type: Campaign"),
        ([URL, "token: env:KEY", "entity_type: Campaign", f"entity_ids: [{ID}, {ID}]"], "twice"),
        ([URL, "token: env:KEY", "auth: digest"], "client_credentials"),
        ([URL, "token: env:KEY", "webhook_key: env:KEY"], "webhook_key"),
        ([URL, "token: env:KEY", "webhook_signature: none"], "webhook_signature"),
        ([URL, "token: env:KEY", "order_time: 'a b'"], "created_at"),
        ([f"{URL}/orders", "token: env:KEY"], "/orders"),
        (["base_url: http://api.sopost.example", "token: env:KEY"], "https"),
    ],
)  # fmt: skip
def test_c2_what_is_wrong_is_told_with_file_and_line(tmp_path: Path, lines: list[str], says: str) -> None:
    with pytest.raises(BadSettings) as caught:
        read(tmp_path, *lines)
    assert "merchants.yaml, line" in caught.value.message
    assert says in caught.value.message
    assert "k-123" not in caught.value.message


def test_c2_names_are_compared_loosely_and_what_no_list_has_is_later(tmp_path: Path) -> None:
    settings = read(tmp_path, URL, "token: env:KEY", "statuses: {approved: [APPROVED, 'Sent  Out', GRÜẞE]}")
    words = ["approved", " Sent out", "sent\u00a0OUT", "GRÜSSE", "PENDING", "Rejected ", "DISPATCHED", ""]
    classes = ["approved"] * 4 + ["pending", "rejected", "later", "later"]
    assert [classify(settings, word) for word in words] == classes
    assert loosely(" A \t b\n") == "a b"


def test_bodies_are_kept_of_orders_that_count_or_may_once_the_word_is_known() -> None:
    assert [one for one in (APPROVED, PENDING, REJECTED, LATER) if wants_body(one)] == [APPROVED, LATER]


def test_c2_what_may_not_be_intended_is_doubted(tmp_path: Path) -> None:
    settings = read(tmp_path, URL, "token: env:KEY", "user: brand")
    assert [one.split()[0] for one in settings.doubts()] == ["sopost.user", "sopost.entity_ids"]
    assert settings.wants_activity(None)
    only = read(tmp_path, URL, "token: env:KEY", "activities: [Act-1]")
    assert [only.wants_activity(one) for one in (" act-1", "act-2", None)] == [True, False, False]


def test_r30_settings_are_read_without_secrets(tmp_path: Path) -> None:
    assert read(tmp_path, URL, "auth: basic", "user: env:NONE", "password: env:NONE", secrets=False).auth == "basic"
