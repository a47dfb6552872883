"""Section 2 of audience.md: what stands under `waymore`, and what is refused with file and line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.connectors.waymore.settings import EVENTS, WaymoreSettings, same_site
from vs_st_pipeline.platform.settings.merchants import House, MerchantsFile, RouteNeeds, Section, read_merchants
from vs_st_pipeline.platform.settings.model import SettingsModel

KEYS = ("username: env:WM_USER", "password: env:WM_PASSWORD")
DOMAIN = "domain: https://www.hillside.example"
ENVIRONMENT = {"WM_USER": "ann", "WM_PASSWORD": "very-secret", "WM_UUID": "a-uuid"}
Read = Callable[..., MerchantsFile]


class Source(SettingsModel):
    """A section of a source that says nothing: what it holds is its own tests'."""


SOURCES = ("vinoshipper", "commerce7", "shop")
HOUSE = House(
    (*(Section(name, Source) for name in SOURCES), Section("waymore", WaymoreSettings)),
    (RouteNeeds("audience", (frozenset({"waymore"}), frozenset(SOURCES))),),
)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_text(*waymore: str, keys: tuple[str, ...] = (*KEYS, DOMAIN), sources: str = "shop") -> MerchantsFile:
        """Read a merchant whose section `waymore` has these lines, from line 4 on, then the keys."""
        path = tmp_path / "merchants.yaml"
        lines = "".join(f"      {line}\n" for line in (*waymore, *keys))
        entry = "".join(f"    {name}: {{}}\n" for name in sources.split())
        path.write_text(f"merchants:\n  - id: hillside\n    waymore:\n{lines}{entry}")
        return read_merchants(path, ENVIRONMENT, HOUSE, all_bad=True)

    return read_text


def settings(file: MerchantsFile) -> WaymoreSettings:
    assert file.bad == ()
    return file.merchants[0].section(WaymoreSettings)


def refused(file: MerchantsFile, line: int, said: str) -> None:
    (bad,) = file.bad
    assert bad.error.kind == "config"
    assert bad.error.message.startswith(f"merchants.yaml, line {line}: ")
    assert said in bad.error.message
    for value in ENVIRONMENT.values():
        assert value not in bad.error.message.split()


def test_a2_the_defaults(read: Read) -> None:
    found = settings(read())
    assert found.endpoints.model_dump() == {
        "auth": "https://waymore.routee.net/api/authenticate",
        "data": "https://idata.routee.net/api/data",
        "event": "https://idata.routee.net/api/event",
    }
    assert found.register_as.model_dump() == {
        "source": "Custom", "type": "E-Commerce", "version": "1.0", "plugin_version": "1.0",
    }  # fmt: skip
    plain = found.model_dump(exclude={"endpoints", "register_as", "username", "password", "links"})
    assert plain == {
        "source": None, "uuid": None, "domain": "https://www.hillside.example", "discover": None,
        "requests_per_second": 5.0, "part_records": 100, "part_bytes": 1_048_576, "history": "send",
        "history_slice": timedelta(minutes=5), "block_names": "lower", "dates": "iso", "extras": True,
        "ack": "message", "on_unknown": "resend", "late_after": timedelta(hours=24), "people": "all",
        "minimum_age": None, "require_age_evidence": False, "guest_carts": False, "events": {}, "only": None,
    }  # fmt: skip
    assert found.links.model_dump() == {"product": None, "cart": None}
    assert all(found.is_on(event) for event in EVENTS)
    assert [found.least_age(source) for source in SOURCES] == [21, 21, 0]


def test_a2_a_least_age_of_zero_is_no_rule(read: Read) -> None:
    assert settings(read("minimum_age: 0")).least_age("vinoshipper") == 0


@pytest.mark.parametrize(
    "line",
    [
        "part_records: 1000", "part_bytes: 10000", "part_bytes: 10485760", "history_slice: 0s", "late_after: 1h",
        "events: {CustomerAdd: false, Newsletter: true}", "events: {}",
        "links: {product: 'https://hillside.example/p/{slug}?id={product_id}&sku={sku}', cart: 'https://x.example/c'}",
        "endpoints: {event: 'http://127.0.0.1:8090/api/event'}", "only: [ann@example.com]", "source: shop",
        "uuid: env:WM_UUID",
    ],
)  # fmt: skip
def test_a2_what_is_taken(read: Read, line: str) -> None:
    settings(read(line))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("part_records: 0", "1"), ("part_records: 1001", "1000"), ("part_bytes: 9999", "10"),
        ("part_bytes: 10485761", "10"), ("late_after: 59m", "1h or more"), ("requests_per_second: 0", ""),
        ("block_names: upper", "capitalised"), ("dates: us", "dmy"), ("ack: 200", "status"),
        ("on_unknown: drop", "hold"), ("people: some", "opted_in"), ("history: none", "skip"),
        ("minimum_age: -1", ""), ("extras: maybe", ""),
        ("discover: http://eu.api.wm.amdtelecom.net/x", "https"),
        ("endpoints: {event: 'http://idata.routee.net/api/event'}", "https"),
        ("links: {product: 'https://x.example/{name}'}", "{product_id}, {sku}, {slug}"),
        ("links: {product: 'https://x.example/{'}", "placeholder"),
        ("links: {cart: 'https://x.example/{product_id}'}", "placeholder"),
        ("links: {product: 'http://x.example/{sku}'}", "https"),
        ("events: {OrderPaid: true}", "OrderPaymentConfirmed"),
        ("events: {Uninstall: true}", "vs-st disconnect"),
        ("events: {Newsletter: false}", "must always be able to go"),
        ("uuid: 3f2504e0-4f89-11d3-9a0c-0305e82c3301", "env:"),
        ("source: magento", "vinoshipper"),
        ("source: vinoshipper", "needs the section vinoshipper"),
        ("sourcee: shop", "source"),
    ],
)  # fmt: skip
def test_a2_what_is_refused_with_its_line(read: Read, line: str, said: str) -> None:
    refused(read(line), 4, said if "placeholder" not in said else "")


@pytest.mark.parametrize(("key", "line"), [("username", 4), ("password", 5)])
def test_a2_a_secret_in_clear_is_refused_and_not_shown(read: Read, key: str, line: int) -> None:
    keys = [f"{key}: very-secret" if one.startswith(key) else one for one in KEYS]
    refused(read(keys=(*keys, DOMAIN)), line, "in clear")


@pytest.mark.parametrize("missing", [0, 1])
def test_a2_a_key_without_the_other_is_refused(read: Read, missing: int) -> None:
    keys = [one for place, one in enumerate(KEYS) if place != missing]
    refused(read(keys=(*keys, DOMAIN)), 4, "is missing beside")


def test_a2_a_uuid_stands_alone(read: Read) -> None:
    assert settings(read("uuid: env:WM_UUID", keys=(DOMAIN,))).username is None
    (bad,) = read(keys=(DOMAIN,)).bad
    assert "username and password are missing" in bad.error.message


def test_a2_the_domain_is_required(read: Read) -> None:
    (bad,) = read(keys=KEYS).bad
    assert "domain" in bad.error.message


def test_a2_which_source_is_meant_must_be_said_where_several_stand(read: Read) -> None:
    (bad,) = read(sources="vinoshipper shop").bad
    assert "source is missing" in bad.error.message
    assert settings(read("source: vinoshipper", sources="vinoshipper shop")).source == "vinoshipper"


def test_the_secrets_are_in_no_repr(read: Read) -> None:
    assert "very-secret" not in repr(settings(read()))
    assert "a-uuid" not in repr(settings(read("uuid: env:WM_UUID")))


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("https://www.hillside.example/", True),
        ("https://WWW.Hillside.example", True),
        ("http://www.hillside.example", False),
        ("https://hillside.example", False),
        ("https://www.hillside.example/de", False),
    ],
)
def test_a3_4_a_slash_at_the_end_apart(one: str, same: bool) -> None:
    assert (same_site(one) == same_site("https://www.hillside.example")) is same
