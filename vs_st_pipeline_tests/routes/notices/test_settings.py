"""Settings of notices: what is taken, what is refused with line and names, and whom a bad account spoils."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.connectors.gupshup.settings import GupshupSettings, Said
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.merchants import House, MerchantsFile, RouteNeeds, Section, read_merchants
from vs_st_pipeline.platform.settings.model import secrets_of
from vs_st_pipeline.routes.notices.settings import NoticesSettings

SECRET = "zq8-Swordfish-77"
ENV = {"KEY": SECRET, "HOUSE_KEY": f"{SECRET}-house"}
NEEDS = (frozenset({"notices"}), frozenset({"eshopbox", "commerce7", "vinoshipper"}))
HOUSE = House(
    (*(Section(one.name, one.settings, bool(one.hooks)) for one in CONNECTORS), Section("notices", NoticesSettings)),
    (RouteNeeds("notices", NEEDS),),
    tuple(one.shared for one in CONNECTORS if one.shared is not None),
)  # fmt: skip

# Lines 1-5; a house account's own keys begin on line 6.
TOP = """\
gupshup_accounts:
  our-house:
    api_key: env:HOUSE_KEY
    app_name: OurHouse
    app_id: 1f0c7a52
"""
NUMBER = '    number: "+919810000001"\n'
# The first merchant; what a test adds to its `notices` ends the text.
ENTRY = """\
merchants:
  - id: kapaskraft
    time_zone: Asia/Kolkata
    eshopbox: {workspace: kapaskraft, client_id: env:KEY, client_secret: env:KEY, refresh_token: env:KEY, workspace_url: "https://kapaskraft.myeshopbox.com"}
    notices:
      countries: [IN]
"""  # noqa: E501
CLIENT = '{kind: client, api_key: env:KEY, app_name: KapasApp, app_id: 77aa, number: "+919810000002"}'
USES_HOUSE = "{kind: house, account: our-house, charges_confirmed: {by: Asha Rao, date: 2026-03-01}}"

Read = Callable[..., MerchantsFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_text(text: str, environ: dict[str, str] | None = None) -> MerchantsFile:
        path = tmp_path / "merchants.yaml"
        path.write_text(text)
        return read_merchants(path, ENV if environ is None else environ, HOUSE, all_bad=True)

    return read_text


def notices(found: MerchantsFile, merchant: str = "kapaskraft") -> NoticesSettings:
    one = found.get(merchant)
    assert one is not None, [bad.error.message for bad in found.bad]
    return one.section(NoticesSettings)


def refusal(found: MerchantsFile) -> str:
    [bad] = found.bad
    assert SECRET not in bad.error.message
    return bad.error.message


def test_defaults_are_the_contracts(read: Read) -> None:
    found = notices(read(ENTRY))
    assert (found.quiet_hours.start, found.quiet_hours.end) == (time(21), time(8))  # type: ignore[union-attr]
    assert (found.cap.messages, found.cap.window, found.cap.exempt) == (6, timedelta(hours=24), ("failed_delivery",))
    assert (found.settle, found.confirm_wait) == (timedelta(seconds=60), timedelta(minutes=15))
    assert (found.flood_limit, found.shared_phone_limit, found.source_max_age) == (500, 5, timedelta(hours=1))
    assert found.max_age("created") == timedelta(hours=12)
    assert found.max_age("packed") == timedelta(hours=24)
    assert found.charges_confirmed is None
    assert found.accounts == ()


def test_everything_may_be_said(read: Read) -> None:
    text = TOP + NUMBER + (
        "    generation: 2\n    previous_until: 2026-11-30T12:00:00Z\n    daily_recipients: unlimited\n"
        '    price: {amount: "0.80", currency: INR}\n'
        "    exceptions: {media: {text: 'Hi {customer_name}'}, too_late: null}\n"
        "    templates: {failed_delivery: {id: c6ae, params: [customer_name, {variable: brand, else: us}, "
        "{text: Hello}], buttons: [reattempt, null]}}\n"
    ) + ENTRY + (
        f"      accounts: [{CLIENT}, {USES_HOUSE}]\n      use: house\n      quiet_hours: none\n"
        "      opt_in: [attestation]\n      attestation: {text: On ordering, by: Asha, from: 2026-01-01}\n"
        '      only_to: ["+919812345678"]\n      notifications: {failed_delivery: {enabled: true, max_age: 15m}}\n'
        "      confirmations: {reattempt: {template: {id: aa, params: [customer_order_id]}}}\n"
        "      activity: {push_url: 'https://example.com/a?b=1', push_headers: {X-Key: env:KEY}}\n"
    )  # fmt: skip
    found = read(text)
    said = notices(found)
    client, house = said.accounts
    assert (client.id, client.kind, client.inbox_name) == ("client:kapaskraft", "client", "kapaskraft")
    assert (house.id, house.inbox_name, house.daily_recipients) == ("our-house", "account:our-house", None)
    assert house.webhooks.generation == 2
    assert house.price is not None
    assert house.price.amount == Decimal("0.80")
    assert house.exceptions == {"media": Said(text="Hi {customer_name}"), "too_late": None}
    _, brand, fixed = house.templates["failed_delivery"].params
    assert (brand.variable, brand.fallback, fixed.text) == ("brand", "us", "Hello")
    assert said.charges_confirmed is not None
    assert said.charges_confirmed.date == date(2026, 3, 1)
    assert said.quiet_hours is None
    assert said.attestation is not None
    assert said.attestation.since == date(2026, 1, 1)
    merchant = found.merchants[0]
    assert merchant.section(GupshupSettings).selected == house
    assert merchant.sections["gupshup"] == said.gupshup()
    assert [one.id for one in found.shared] == ["our-house"]
    assert any("rehearsal" in doubt for doubt in merchant.doubts)


SELECTION = [
    ("", None),
    (f"[{USES_HOUSE}]", "house"),
    (f"[{CLIENT}]", "client"),
    (f"[{USES_HOUSE}, {CLIENT}]", "house"),
    (f"[{CLIENT}, {USES_HOUSE}]", "client"),
]


@pytest.mark.parametrize(("accounts", "kind"), SELECTION)
def test_the_first_installed_account_is_selected(read: Read, accounts: str, kind: str | None) -> None:
    said = notices(read(TOP + NUMBER + ENTRY + (f"      accounts: {accounts}\n" if accounts else "")))
    selected = said.gupshup().selected
    assert (None if selected is None else selected.kind) == kind


# What stands under `notices`, and what the refusal says. Line 13 is the first that a test adds.
REFUSED: list[tuple[str, str]] = [
    (f"accounts: [{CLIENT}]\n      use: house", "line 14: use: there is no account of this kind in `accounts`; inst"),
    (f"accounts: [{CLIENT}, {CLIENT}]", "an account of kind client already; at most one of a kind"),
    ("accounts: [{kind: house, account: ours}]", "account: no such account; there are our-house"),
    ("accounts: [{kind: partner}]", "kind: expected one of: client, house"),
    ("accounts: [{api_key: env:KEY}]", "line 13: accounts: kind is missing"),
    (
        "accounts: [{kind: house, account: our-house, charges_confirmed: {by: A}}]",
        "line 13: charges_confirmed: date is missing",
    ),
    ("accounts: [{kind: client, api_key: clear, app_name: A, app_id: b}]", "api_key: "),
    (f"accounts: [{CLIENT.replace('+9198', '98')}]", "number: expected a number in E.164"),
    (
        f"accounts: [{CLIENT.replace('10000002', '10000001')}]",
        "this number is that of line 6 already; it may stand once",
    ),
    (f"accounts: [{CLIENT.replace('77aa', '1f0c7a52')}]", "line 13: app_id: this app_id is that of line 5 already"),
    (f"accounts: [{CLIENT[:-1]}, daily_recipients: 0}}]", "daily_recipients: expected unlimited"),
    (f"accounts: [{CLIENT[:-1]}, daily_recipients: lots}}]", "daily_recipients: expected unlimited, or a number"),
    ('only_to: ["+919810000001", "98"]', "line 13: only_to: expected a number in E.164"),
    ('quiet_hours: {from: "21:00", to: "21:00"}', "line 13: to: `from` and `to` may not be the same"),
    ('quiet_hours: {from: "24:00", to: "08:00"}', 'from: expected a time in quotes, such as "21:00"'),
    ("quiet_hours: never", "quiet_hours: expected none, or {from"),
    ("cap: {messages: 0}", "messages: must be a whole number, 1 or more"),
    ("cap: {exempt: [rained]}", "exempt: there is no such status; there are: created, packed"),
    ("settle: 11m", "settle: expected a duration from 0s to 10m"),
    ("notifications: {packed: {max_age: 14m}}", "max_age: expected a duration from 15m to 7d"),
    ("notifications: {packed: {max_age: 8d}}", "max_age: expected a duration from 15m to 7d"),
    ("notifications: {rained: {enabled: true}}", "line 13: rained: there is no such status; there are: created, pack"),
    ("notifications: {forward_ended: {enabled: true}}", "there is no such status"),
    ("notifications: {packed: {template: {id: a, params: [nme]}}}", "expected one of: customer_order_id, brand"),
    ("notifications: {packed: {template: {id: a, params: [{variable: brand, text: b}]}}}", "or `text` alone"),
    ("notifications: {packed: {template: {id: a, params: [{text: b, else: c}]}}}", "needs no `else`"),
    ("notifications: {packed: {template: {id: a, buttons: [dance]}}}", "no such action of a button; there are: reatt"),
    ("confirmations: {dance: {text: hi}}", "line 13: dance: there is no such action; there are: reattempt"),
    ("confirmations: {cancel: {}}", "cancel: write one of `text` and `template`"),
    ("confirmations: {cancel: {text: 'Hi {nme}'}}", "what stands in braces is no variable"),
    ("unexpected: {enabled: true}", "unexpected: enabled needs one of `text` and `template`"),
    ("opt_in: [attestation]", "`attestation` counts only with who attests it"),
    ("opt_in: [email]", "opt_in: expected one of: eshopbox_flag"),
    ("opt_in: []", "nobody could be messaged"),
    ("default_country: NO", 'YAML reads this as true or false; quote the country: "NO"'),
    ("default_country: India", "a country's two letters in capitals"),
    ("samples: {nme: x}", "nme: there is no such variable"),
    ('only_to: ["98123"]', "expected a number in E.164"),
    ("statuses: nowhere.yaml", "statuses: "),
    ("replies: nowhere.yaml", "replies: "),
    ("activity: {push_headers: {X-Key: clear-text-key}}", "a secret in clear is refused"),
    ("hook_token: env:KEY", "`hook_token` is not a key that is known here"),
]


@pytest.mark.parametrize(("said", "why"), REFUSED)
def test_what_cannot_be_meant_is_refused_with_its_line(read: Read, said: str, why: str) -> None:
    message = refusal(read(f"{TOP}{NUMBER}{ENTRY}      {said}\n"))
    assert why in message
    assert message.startswith("merchants.yaml, line ")
    assert message.count("merchants.yaml, line ") == 1


def test_countries_are_named(read: Read) -> None:
    assert "countries: YAML reads" not in refusal(read(ENTRY.replace("      countries: [IN]\n", "      use: auto\n")))
    assert "countries is missing" in refusal(read(ENTRY.replace("      countries: [IN]\n", "      use: auto\n")))
    assert 'quote the country: "NO"' in refusal(read(ENTRY.replace("[IN]", "[IN, NO]")))
    assert notices(read(ENTRY.replace("[IN]", '[IN, "NO"]'))).countries == ("IN", "NO")


BAD_HOUSES = [
    ('    number: "981"\n', "line 6: number: expected a number in E.164"),
    (NUMBER + "    hook_headers: {}\n", "line 7: `hook_headers` is not a key that is known here"),
    (NUMBER + "    templates: {rained: {id: a}}\n", "has templates.rained, and there is no such status"),
    (NUMBER + "    templates: {packed: {id: a, buttons: [dance]}}\n", "no such action of a button"),
    (
        NUMBER + "    templates: {packed: {id: a, params: [nme]}}\n",
        "line 7: params: expected one of: customer_order",
    ),
    (NUMBER + "    exceptions: {rain: {text: a}}\n", "has exceptions.rain, and there is no such kind of reply"),
    (NUMBER + "    price: {amount: -1, currency: INR}\n", "line 7: amount: expected an amount in quotes"),
    (
        NUMBER + "    price: {amount: 0.8, currency: INR}\n",
        'line 7: amount: expected an amount in quotes, such as "0.80"',
    ),
    (NUMBER + "    header: X-Proof\n", "header_value is missing beside header"),
]


@pytest.mark.parametrize(("rest", "why"), BAD_HOUSES)
def test_a_bad_house_account_spoils_only_those_who_use_it(read: Read, rest: str, why: str) -> None:
    other = ENTRY.replace("kapaskraft", "other").replace("merchants:\n", "") + f"      accounts: [{CLIENT}]\n"
    found = read(f"{TOP}{rest}{ENTRY}      accounts: [{USES_HOUSE}]\n{other}")
    assert why in refusal(found)
    assert [one.id for one in found.merchants] == ["other"]


NOTICES = "    notices:"
BAD_WORKSPACES = [
    ("workspace: kapaskraft,", "workspace: kapas kraft,", "workspace: expected the workspace's slug without blanks"),
    (
        NOTICES,
        "    webhooks: {eshopbox: {header: x-api-key}}\n    notices:",
        "header_value is missing beside header",
    ),
    (
        NOTICES,
        "    webhooks: {shop: {header_value: env:KEY}}\n    notices:",
        "header is missing beside header_value",
    ),
]


@pytest.mark.parametrize(("written", "wrong", "why"), BAD_WORKSPACES)
def test_what_would_do_nothing_is_refused(read: Read, written: str, wrong: str, why: str) -> None:
    assert why in refusal(read(ENTRY.replace(written, wrong)))
    assert read(ENTRY.replace("kapaskraft,", "kapaskraft, refresh: {orders: 0s, reconcile: 1m},")).merchants


def test_of_two_house_accounts_with_one_number_the_later_one_is_refused(read: Read) -> None:
    second = TOP.split("\n", 1)[1].replace("our-house", "second").replace("1f0c7a52", "22aa")
    uses = f"      accounts: [{USES_HOUSE.replace('our-house', 'second')}]\n"
    found = read(TOP + NUMBER + second + NUMBER + ENTRY + uses)
    assert "line 11: number: this number stands on line 6 already" in refusal(found)
    assert [one.fault is None for one in found.shared] == [True, False]


def test_a_number_stands_once_also_of_who_is_disabled(read: Read) -> None:
    other = ENTRY.replace("kapaskraft", "other").replace("merchants:\n", "").replace("77aa", "88bb")
    gone = ENTRY.replace("    time_zone", "    enabled: false\n    time_zone")
    found = read(f"{gone}      accounts: [{CLIENT}]\n{other}      accounts: [{CLIENT}]\n")
    assert [bad.id for bad in found.bad] == ["other"]
    assert "this number is that of line 8 already; it may stand once" in refusal(found)


def test_an_account_of_defaults_counts_where_the_entry_names_the_section(read: Read) -> None:
    """R33: what stands in `defaults` fills the entry's own section, a list of accounts too."""
    usual = f"defaults:\n  notices: {{countries: [IN], accounts: [{CLIENT}]}}\n"
    entry = ENTRY.replace("    notices:\n      countries: [IN]\n", "    notices: {}\n")
    assert notices(read(usual + entry)).accounts[0].id == "client:kapaskraft"
    other = entry.replace("kapaskraft", "other").replace("merchants:\n", "")
    assert "line 11: notices: this number is that of line 7 already; it may stand once" in refusal(
        read(usual + entry + other)
    )


def test_secrets_of_the_house_are_read_for_who_uses_it_and_is_enabled(read: Read) -> None:
    uses = f"      accounts: [{USES_HOUSE}]\n"
    none = {"KEY": SECRET}
    assert read(TOP + NUMBER + ENTRY, none).bad == ()
    assert (
        read(TOP + NUMBER + ENTRY.replace("    time_zone", "    enabled: false\n    time_zone") + uses, none).bad == ()
    )
    assert "HOUSE_KEY is not set" in refusal(read(TOP + NUMBER + ENTRY + uses, none))
    [secret] = secrets_of(notices(read(TOP + NUMBER + ENTRY + uses)).accounts[0])
    assert secret.reveal() == ENV["HOUSE_KEY"]


def test_accounts_stand_at_the_top_of_the_merchants_file_alone(read: Read, tmp_path: Path) -> None:
    (tmp_path / "merchants.d").mkdir()
    (tmp_path / "merchants.d" / "more.yaml").write_text(TOP + NUMBER)
    assert "`gupshup_accounts` is not a key" in refusal(read(ENTRY))


def test_a_merchant_of_another_file_uses_a_house_account(read: Read, tmp_path: Path) -> None:
    (tmp_path / "merchants.d").mkdir()
    (tmp_path / "merchants.d" / "more.yaml").write_text(f"{ENTRY}      accounts: [{USES_HOUSE}]\n")
    assert notices(read(TOP + NUMBER)).accounts[0].id == "our-house"


def test_gupshup_is_no_section_of_an_entry(read: Read) -> None:
    assert "`gupshup` is not a key that is known here" in refusal(read(ENTRY + "    gupshup: {}\n"))
    hooks = ENTRY + "    webhooks: {gupshup: {generation: 3}}\n"
    assert read(hooks).merchants[0].webhooks.of("gupshup").generation == 3


def test_what_a_bad_section_implies_cannot_be_used_either(read: Read) -> None:
    text = TOP + NUMBER + ENTRY + "      settle: 1d\n    paused: [notices]\n"
    merchant = read(text).merchants[0]
    assert merchant.names(GupshupSettings)
    assert not merchant.has(GupshupSettings)
    with pytest.raises(BadSettings, match="settle"):
        merchant.section(GupshupSettings)


def test_a_custom_map_of_statuses_counts(read: Read, tmp_path: Path) -> None:
    own: dict[str, Any] = {"version": 1, "statuses": [{"key": "left", "unit": "shipment", "rank": 5}]}
    own["statuses"][0]["from"] = ["eshopbox.shipment.dispatched"]
    (tmp_path / "own.yaml").write_text(json.dumps(own))
    more = "      statuses: own.yaml\n      cap: {exempt: []}\n"
    assert notices(read(f"{ENTRY}{more}      notifications: {{left: {{enabled: true}}}}\n")).enabled("left")
    assert "there are: left" in refusal(read(f"{ENTRY}{more}      notifications: {{packed: {{enabled: true}}}}\n"))
