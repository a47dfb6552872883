"""What may stand under `commerce7`, and how fast Commerce7 is asked (orders.md 2; rulings, orders 5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline.connectors.commerce7 import CONNECTOR
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.pipeline.session import limiter_of
from vs_st_pipeline.platform.connector import Account
from vs_st_pipeline.platform.http.rate_limit import WindowLimiter, limiter_path
from vs_st_pipeline.platform.settings.merchants import House, Merchant, RouteNeeds, Section, read_merchants

RIGHT = {"tenant": "hillside", "app_id": "env:ID", "app_secret": "env:KEY"}
ENVIRON = {"ID": "our-app", "KEY": "a-secret"}


def read(folder: Path, **changed: Any) -> Merchant:
    written = {key: value for key, value in {**RIGHT, **changed}.items() if value is not None}
    path = folder / "merchants.yaml"
    entry = {"id": "hillside", "name": "Hillside", "commerce7": written}
    path.write_text(yaml.safe_dump({"merchants": [entry]}, sort_keys=False))
    house = House(
        (Section("commerce7", Commerce7Settings),), (RouteNeeds("orders", (frozenset({"commerce7"}),), None),)
    )
    [merchant] = read_merchants(path, ENVIRON, house).merchants
    if merchant.faults:
        raise merchant.faults["orders"]
    return merchant


def account(folder: Path, **changed: Any) -> Account:
    return CONNECTOR.account(read(folder, **changed))


def test_o2_what_is_left_out_has_the_built_in_value(tmp_path: Path) -> None:
    found = read(tmp_path).section(Commerce7Settings)
    assert (found.base_url, found.requests_per_minute) == ("https://api.commerce7.com/v1", 90)
    assert (found.app_id.reveal(), found.app_secret.reveal()) == ("our-app", "a-secret")
    assert read(tmp_path, app_id="our-app").section(Commerce7Settings).app_id.reveal() == "our-app"
    assert found.doubts() == ()
    assert "/v1" in read(tmp_path, base_url="https://gateway.example").section(Commerce7Settings).doubts()[0]


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("tenant", None, 4), ("app_id", None, 4), ("app_secret", None, 4), ("tenant", "Hillside", 5),
        ("tenant", "hill_side", 5), ("tenant", "", 5), ("app_secret", "a-secret", 7), ("app_secret", "env:NONE", 7),
        ("app_id", "env:NONE", 6), ("requests_per_minute", 0, 8), ("requests_per_minute", 101, 8),
        ("requests_per_minute", 1.5, 8), ("requests_per_minute", "fast", 8), ("base_url", "http://x.example/v1", 8),
        ("base_url", "https://x.example/v1/order", 8), ("app_key", "x", 8),
    ],
)  # fmt: skip
def test_o2_each_refusal_names_file_line_and_key(tmp_path: Path, key: str, value: Any, line: int) -> None:
    with pytest.raises(Exception, match=rf"merchants.yaml, line {line}: .*{key}") as told:
        read(tmp_path, **{key: value})
    assert "a-secret" not in str(told.value)


def test_ruling_5_the_rate_is_the_tenants_whatever_the_key(tmp_path: Path) -> None:
    one, same = account(tmp_path), account(tmp_path, app_secret="env:ID")
    other = account(tmp_path, tenant="blue-oak")
    paths = [limiter_path(tmp_path, "commerce7", each.base_url, each.rate_key) for each in (one, same, other)]
    assert paths[0] == paths[1] != paths[2]


def test_ruling_5_what_commerce7_counts_is_requests_a_minute(tmp_path: Path) -> None:
    found = account(tmp_path, requests_per_minute=10)
    assert found.requests_per_minute == 10
    assert isinstance(limiter_of(found, tmp_path / "pace"), WindowLimiter)
