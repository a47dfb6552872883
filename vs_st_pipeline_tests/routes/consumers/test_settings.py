"""Section 2 of consumers.md: what stands under `consumers`, and what is refused with file and line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.domain.crm import Target
from vs_st_pipeline.platform.settings.forms import Choice, DefaultOrFile, OwnFile
from vs_st_pipeline.platform.settings.merchants import (
    House,
    Merchant,
    MerchantsFile,
    RouteNeeds,
    Section,
    read_merchants,
)
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.routes.consumers.settings import ConsumersSettings, records_all, targets_of
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES


class System(SettingsModel):
    """A section that says nothing: what the systems' own hold is their own tests'."""


class Crm(SettingsModel):
    without_consent: Choice[str] = "skip"
    field_map: DefaultOrFile = OwnFile()


HOUSE = House(
    (Section("sopost", System), *(Section(crm, Crm) for crm in CRM_NAMES), Section("consumers", ConsumersSettings)),
    (RouteNeeds("consumers", (frozenset({"sopost"}), frozenset({"consumers"}), frozenset(CRM_NAMES))),),
)
NEWS = "consent_id: c1, data_handler: Glow Skin"

Read = Callable[..., MerchantsFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_text(*consumers: str, crms: tuple[str, ...] = CRM_NAMES, top: str = "") -> MerchantsFile:
        """Read a merchant whose section `consumers` has these lines, from line 3 on."""
        lines = [f"      {line}\n" for line in consumers]
        path = tmp_path / "merchants.yaml"
        entry = "".join(f"    {name}: {{}}\n" for name in ("sopost", *crms))
        path.write_text(f"merchants:\n  - id: glow\n    consumers:\n{''.join(lines)}{entry}{top}")
        return read_merchants(path, {}, HOUSE, all_bad=True)

    return read_text


def settings(file: MerchantsFile) -> ConsumersSettings:
    assert file.bad == ()
    return file.merchants[0].section(ConsumersSettings)


def refused(file: MerchantsFile, line: int, said: str) -> None:
    (bad,) = file.bad
    assert bad.error.kind == "config"
    assert bad.error.message.startswith(f"merchants.yaml, line {line}: ")
    assert said in bad.error.message
    for value in ("c1", "Glow", "X7aBcD", "bob"):
        assert value not in bad.error.message


def test_c2_the_values_shown_are_the_defaults(read: Read) -> None:
    assert settings(read()) == ConsumersSettings(
        follow_status=False,
        resubscribe="newer_consent",
        on_withdrawn="unsubscribe",
        keep_unconsented=timedelta(days=30),
        consents=(),
        only=None,
    )


def test_c2_the_example_of_the_contract_is_taken(read: Read) -> None:
    file = read(
        "consents:",
        "  - consent_id: d2271011-4d8a-47e7-9d4a-5045780fbce9",
        "    data_handler: Glow Skin",
        '    text_version: "2026-05"',
        "    hubspot: {subscription: 123456, lists: [42, 7, 42]}",
        "    klaviyo: {list: X7aBcD}",
        "    salesforce: {campaign: 701Qy00000AbCdE}",
        "  - {consent_id: 9b1c0d7e-0000-4000-8000-000000000001, data_handler: SoPost, ignore: true}",
    )
    first, second = settings(file).consents
    assert [first.target(crm) for crm in CRM_NAMES] == [
        Target("123456", ("42", "7")),
        Target("X7aBcD"),
        Target("701Qy00000AbCdE"),
    ]
    assert (second.ignore, [second.target(crm) for crm in CRM_NAMES]) == (True, [None] * 3)
    assert {crm: targets_of(file.merchants[0], crm) for crm in CRM_NAMES} == dict.fromkeys(CRM_NAMES, (first,))


@pytest.mark.parametrize(("written", "kept"), [("1d", timedelta(days=1)), ("always", None), ("400d", timedelta(400))])
def test_c2_unconsented_orders_are_kept_a_day_or_more_or_always(
    read: Read, written: str, kept: timedelta | None
) -> None:
    assert settings(read(f"keep_unconsented: {written}")).keep_unconsented == kept


@pytest.mark.parametrize("written", ["23h", "0s", "never", "null"])
def test_c2_less_than_a_day_is_refused(read: Read, written: str) -> None:
    refused(read(f"keep_unconsented: {written}"), 4, "keep_unconsented: expected ")


def test_c2_a_pair_that_stands_twice_loosely_is_refused_with_the_line(read: Read) -> None:
    file = read(
        "consents:",
        f"  - {{{NEWS}, ignore: true}}",
        "  - {consent_id: ' C1', data_handler: 'GLOW   skin ', klaviyo: {list: X7aBcD}}",
    )
    refused(file, 6, "are those of line 5 already")
    on_one_line = read(f"consents: [{{{NEWS}, ignore: true}}, {{{NEWS}, klaviyo: {{list: X7aBcD}}}}]")
    refused(on_one_line, 4, "are those of line 4 already")


def test_c2_one_id_of_two_handlers_is_two_consents(read: Read) -> None:
    both = f"consents: [{{{NEWS}, ignore: true}}, {{consent_id: c1, data_handler: SoPost, ignore: true}}]"
    assert len(settings(read(both)).consents) == 2


def test_c2_an_entry_with_neither_target_nor_ignore_or_with_both_is_refused(read: Read) -> None:
    refused(read("consents:", f"  - {{{NEWS}}}"), 5, "this consent leads nowhere")
    refused(read("consents:", f"  - {{{NEWS}, ignore: false, hubspot: null}}"), 5, "this consent leads nowhere")
    both = read("consents:", f"  - {{{NEWS}, ignore: true,", "     klaviyo: {list: X7aBcD}}")
    refused(both, 6, "a consent that is ignored leads nowhere")


@pytest.mark.parametrize(
    ("crm", "target"), [("hubspot", "subscription: 1"), ("klaviyo", "list: X7aBcD"), ("salesforce", "campaign: '7'")]
)
def test_c2_a_target_of_a_crm_that_has_no_section_is_refused(read: Read, crm: str, target: str) -> None:
    others = tuple(one for one in CRM_NAMES if one != crm)
    lines = ("consents:", f"  - {NEWS.split(', ')[0]}", "    data_handler: Glow", f"    {crm}: {{{target}}}")
    refused(read(*lines, crms=others), 7, f"has no section `{crm}`")
    assert settings(read(*lines)).consents[0].target(crm)


def test_c2_a_crm_that_only_the_defaults_name_is_not_there(read: Read) -> None:
    lines = ("consents:", f"  - {{{NEWS}, klaviyo: {{list: X7aBcD}}}}")
    refused(read(*lines, crms=("hubspot",), top="defaults: {klaviyo: {}}\n"), 5, "has no section `klaviyo`")


def test_c2_a_whole_section_that_is_missing_is_told_first(read: Read) -> None:
    refused(read("consents:", f"  - {{{NEWS}, klaviyo: {{list: X7aBcD}}}}", crms=()), 2, "hubspot or klaviyo or sales")


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("salesforce: {campaign: '7', purpose: 0ZW}", "`purpose` is not a key that is known here"),  # routes.md 8
        ("salesforce: {}", "campaign is missing"),
        ("hubspot: {lists: [42]}", "subscription is missing"),
        ("hubspot: {subscription: news}", "subscription: expected a whole number"),
        ("hubspot: {subscription: 1, lists: 42}", "lists: expected a list"),
        ("klaviyo: {list: 12}", "list: expected a text"),
        ("mailchimp: {list: a}", "`mailchimp` is not a key that is known here"),
    ],
)
def test_c2_what_a_target_may_not_say_is_refused(read: Read, target: str, said: str) -> None:
    refused(read("consents:", f"  - {{{NEWS}, {target}}}"), 5, said)


@pytest.mark.parametrize("key", ["consent_id", "data_handler"])
def test_c2_a_consent_is_named_by_id_and_handler(read: Read, key: str) -> None:
    rest = ", ".join(part for part in NEWS.split(", ") if not part.startswith(key))
    refused(read("consents:", f"  - {{{rest}, ignore: true}}"), 5, f"{key} is missing")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("webhook_key: a", "`webhook_key` is not a key that is known here"),
        ("resubscribe: always", "resubscribe: expected one of: newer_consent, never"),
        ("on_withdrawn: delete", "on_withdrawn: expected one of: unsubscribe, note"),
        ("follow_status: 1", "follow_status: expected true or false"),
        ("only: [bob]", "expected an e-mail address"),
    ],
)
def test_c2_other_words_are_refused_with_their_line(read: Read, line: str, said: str) -> None:
    refused(read(line), 4, said)


def test_c2_an_empty_list_of_consents_is_allowed(read: Read) -> None:
    assert settings(read("consents: []")).consents == ()


def test_r66_a_rehearsal_holds_everybody_else(read: Read) -> None:
    found = settings(read("only: [' Jane.Doe@Example.com']"))
    assert found.only == ("jane.doe@example.com",)
    assert "rehearsal" in found.doubts()[0]
    assert "jane" not in found.doubts()[0]
    assert (settings(read()).only, settings(read()).doubts()) == (None, ())
    assert settings(read("only: []")).only == ()  # nobody is written


def test_c5_3_whether_people_without_consent_are_recorded_is_the_crms_own_setting() -> None:
    merchant = Merchant("glow", "Glow", sections={"hubspot": Crm(without_consent="record"), "klaviyo": System()})
    assert [records_all(merchant, crm) for crm in CRM_NAMES] == [True, False, False]
