"""The merchants file: what is taken, what is refused with which line and words, and that no secret ever shows."""

from __future__ import annotations

import copy
import dataclasses
import os
import re
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vs_st_pipeline.connectors.simpletexting.settings import SimpleTextingSettings
from vs_st_pipeline.connectors.vinoshipper.settings import Refresh, VinoshipperSettings
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform.settings.environment import data_dir, now, settings_path, sync_bounds
from vs_st_pipeline.platform.settings.forms import OwnFile, parse_duration
from vs_st_pipeline.platform.settings.merchants import Merchant, MerchantsFile
from vs_st_pipeline.platform.settings.model import fields_of
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.settings.yaml_source import Node, load_with_lines
from vs_st_pipeline.routes.contacts.map_file import load_field_map
from vs_st_pipeline.routes.contacts.settings import ContactsSettings

CLEAR = "zq8-Swordfish-77"  # a secret that must show nowhere
ENV = {"KEY": CLEAR, "OTHER": f"  {CLEAR}2\n", "EMPTY": " \t", "TWO_LINES": f"{CLEAR}\nmore"}
ROOT = Path(__file__).parents[3]

# Lines 1-8; what a test adds to the entry begins on line 9.
ENTRY = """\
merchants:
  - id: hill
    name: Hill
    vinoshipper:
      api_key: env:KEY
      api_secret: env:OTHER
    simpletexting:
      api_token: env:KEY
"""

Read = Callable[..., MerchantsFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_text(text: str | bytes, environ: dict[str, str] | None = None) -> MerchantsFile:
        path = tmp_path / "merchants.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_merchants(path, ENV if environ is None else environ)

    return read_text


def entry_lines(merchant_id: str, *more: str) -> str:
    """One more good entry, in flow style, on one line."""
    shown = "".join(f", {line}" for line in more)
    return (
        f"  - {{id: {merchant_id}, vinoshipper: {{api_key: env:KEY, api_secret: env:KEY}},"
        f" simpletexting: {{api_token: env:KEY}}{shown}}}\n"
    )


def shop(merchant: Merchant) -> VinoshipperSettings:
    return merchant.section(VinoshipperSettings)


def texting(merchant: Merchant) -> SimpleTextingSettings:
    return merchant.section(SimpleTextingSettings)


def changed(old: str, new: str) -> str:
    assert ENTRY.count(old) == 1
    return ENTRY.replace(old, new)


# --- what is taken ---


def test_what_nobody_says_is_as_documented(read: Read) -> None:
    file = read(ENTRY)
    assert file.bad == ()
    assert file.merchants == (
        Merchant(
            id="hill",
            name="Hill",
            enabled=True,
            time_zone=ZoneInfo("America/Los_Angeles"),
            give_up_after=timedelta(seconds=60),
            keep_raw_bodies=None,
            routes=("contacts",),
            paused=frozenset(),
            faults={},
            sections={
                "vinoshipper": VinoshipperSettings(
                    base_url="https://vinoshipper.com",
                    api_key=Secret(CLEAR, "env:KEY"),
                    api_secret=Secret(f"{CLEAR}2", "env:OTHER"),
                    requests_per_second=1.0,
                    history_from=date(2005, 1, 1),
                    refresh=Refresh(
                        customer_list=timedelta(hours=1),
                        customer_details=timedelta(hours=24),
                        open_orders=timedelta(hours=1),
                        settled_orders=timedelta(days=7),
                        reconcile=timedelta(hours=24),
                    ),
                ),
                "simpletexting": SimpleTextingSettings(
                    base_url="https://api-app2.simpletexting.com/v2",
                    api_token=Secret(CLEAR, "env:KEY"),
                    requests_per_second=2.0,
                    full_read=timedelta(hours=24),
                    write_one_by_one_up_to=100,
                    batch_wait=timedelta(seconds=120),
                ),
                "contacts": ContactsSettings(
                    field_map=OwnFile(), on_ambiguous_phone="newest_order", require_age_evidence=False
                ),
            },
            doubts=("service is not recorded",),
        ),
    )


def test_the_example_says_what_the_defaults_are_and_needs_what_env_example_lists(read: Read, tmp_path: Path) -> None:
    names = re.findall(r"^([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    environ = dict.fromkeys(names, CLEAR)
    (tmp_path / "token").write_text(CLEAR)
    text = (ROOT / "merchants.example.yaml").read_text()
    assert text.count("file:/run/secrets/hillside_st_token") == 1

    file = read(text.replace("file:/run/secrets/hillside_st_token", "file:token"), environ)

    assert file.bad == ()
    hillside, oak, glow, river, corner, kapas = file.merchants
    beside = (glow, river, corner, kapas)
    assert [set(one.routes) for one in beside] == [{"consumers"}, {"orders"}, {"audience"}, {"notices"}]
    # What has no default that an example could show.
    chosen = {"consents", "source", "drop", "accounts", "notifications"}
    for name, section in (pair for one in beside for pair in one.sections.items()):
        for key, field in fields_of(type(section)).items() if not section.implied else ():
            value = getattr(section, key)
            is_default = field.is_required() or isinstance(value, Secret) or key in chosen or value == field.default
            assert is_default, f"{name}.{key} is no default"
    assert without_secrets(hillside) == without_secrets(oak) | {"id": "hillside-cellars", "name": "Hillside Cellars"}


def without_secrets(merchant: Merchant) -> dict[str, object]:
    values = dataclasses.asdict(merchant)
    values["sections"] = {name: settings.model_dump() for name, settings in merchant.sections.items()}
    for section, key in (("vinoshipper", "api_key"), ("vinoshipper", "api_secret"), ("simpletexting", "api_token")):
        del values["sections"][section][key]
    return values


@pytest.mark.parametrize(
    ("added", "where", "value"),
    [
        ("enabled: false", "enabled", False),
        ("enabled: no", "enabled", False),
        ("time_zone: Europe/Vienna", "time_zone", ZoneInfo("Europe/Vienna")),
        ("give_up_after: 90s", "give_up_after", timedelta(seconds=90)),
        ("on_ambiguous_phone: hold", "contacts.on_ambiguous_phone", "hold"),
        ("require_age_evidence: true", "contacts.require_age_evidence", True),
        ("keep_raw_bodies: always", "keep_raw_bodies", None),
        ("keep_raw_bodies: 90d", "keep_raw_bodies", timedelta(days=90)),
        ("  full_read: 0s", "simpletexting.full_read", timedelta()),
        ("  write_one_by_one_up_to: 0", "simpletexting.write_one_by_one_up_to", 0),
        ("  batch_wait: 1s", "simpletexting.batch_wait", timedelta(seconds=1)),
        ("  requests_per_second: 0.5", "simpletexting.requests_per_second", 0.5),
        ("  requests_per_second: 3", "simpletexting.requests_per_second", 3.0),
        ("  base_url: https://example.com/v2///", "simpletexting.base_url", "https://example.com/v2"),
        ("  base_url: http://localhost:8080/", "simpletexting.base_url", "http://localhost:8080"),
        ("  base_url: http://127.9.0.1/x", "simpletexting.base_url", "http://127.9.0.1/x"),
        ("  base_url: https://api.example.com/apis", "simpletexting.base_url", "https://api.example.com/apis"),
        ('  base_url: "http://[::1]:9"', "simpletexting.base_url", "http://[::1]:9"),
    ],
)
def test_a_value_is_taken(read: Read, added: str, where: str, value: object) -> None:
    merchant = read(f"{ENTRY}    {added}\n").merchants[0]
    section, _, name = where.rpartition(".")
    found = getattr(merchant.sections[section] if section else merchant, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("written", ["2019-03-04", "'2019-03-04'"])
def test_history_from_with_and_without_quotes(read: Read, written: str) -> None:
    file = read(changed("      api_key", f"      history_from: {written}\n      api_key"))
    assert shop(file.merchants[0]).history_from == date(2019, 3, 4)


@pytest.mark.parametrize(
    ("now", "zone", "day", "good"),
    [
        ("2026-05-31T12:00:00Z", "America/Los_Angeles", "2026-05-31", True),
        ("2026-05-31T12:00:00Z", "America/Los_Angeles", "2026-06-01", False),
        ("2026-05-31T12:00:00Z", "Pacific/Auckland", "2026-06-01", True),  # it is the first of June there
        ("2026-05-31T03:00:00Z", "America/Los_Angeles", "2026-05-31", True),
        ("2026-05-31", "UTC", "2036-01-01", False),
        ("2040-05-31", "UTC", "2036-01-01", True),
        ("", "UTC", "2196-01-01", False),
        ("no time", "UTC", "2196-01-01", False),
    ],
)
@pytest.mark.parametrize("place", ["its own", "defaults"])
def test_c15_history_from_lies_not_after_today(
    read: Read, now: str, zone: str, day: str, good: bool, place: str
) -> None:
    if place == "defaults":
        line, text = 2, f"defaults:\n  vinoshipper: {{history_from: {day}}}\n" + ENTRY
    else:
        line, text = 5, changed("      api_key", f"      history_from: {day}\n      api_key")
    text += f"    time_zone: {zone}\n"
    own = "  - {id: own, vinoshipper: {api_key: env:KEY, api_secret: env:KEY, history_from: 2005-01-01}, "
    file = read(text + own + "simpletexting: {api_token: env:KEY}}\n", ENV | {"VS_ST_NOW": now})
    assert file.ids == (("hill", "own") if good else ("own",))
    for bad in file.bad:
        assert bad.error.message.startswith(f"merchants.yaml, line {line}: history_from: this is after today")


@pytest.mark.parametrize(
    ("written", "advised"),
    [
        *(
            (name, "America/Los_Angeles")
            for name in ("PST", "PDT", "pst", "Pacific", "Pacific Time", "PT", "US Pacific")
        ),
        *((name, "America/Denver") for name in ("MDT", "Mountain", "Mountain Standard Time", "MT")),
        *((name, "America/Chicago") for name in ("CST", "CDT", "Central", "Central Daylight Time", "Texas")),
        *((name, "America/New_York") for name in ("EDT", "Eastern", "Eastern Time (US and Canada)", "ET")),
        ("AKST", "America/Anchorage"),
        ("HAST", "Pacific/Honolulu"),
        ("America/Los_Angles", "America/Los_Angeles"),
        ("Nonsense", "America/Los_Angeles"),
    ],
)
def test_c37_a_zone_in_common_words_is_advised_as_the_place_that_keeps_it(
    read: Read, written: str, advised: str
) -> None:
    (bad,) = read(ENTRY + f"    time_zone: {written}\n" + entry_lines("good")).bad
    assert bad.error.message == f"merchants.yaml, line 9: time_zone: no such time zone; write one such as {advised}"


@pytest.mark.parametrize("name", ["MST", "EST", "HST", "UTC", "EST5EDT", "America/Phoenix"])
def test_c37_what_the_time_zone_database_has_is_taken(read: Read, name: str) -> None:
    assert read(ENTRY + f"    time_zone: {name}\n").merchants[0].time_zone == ZoneInfo(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere/map.yaml", "No such file"),
        ("folder", "Is a directory"),
        ("pipe", "not a regular file"),
        ("latin", "it is not UTF-8"),
        ("a" * 300, "File name too long"),
        ('"a\\0b"', "not a path"),
    ],
)
def test_c24_a_field_map_that_cannot_be_read_names_file_and_line(
    read: Read, tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes(b"version: 1 # Ch\xe2teau\n")
    own, inherits = read(
        f"defaults:\n  field_map: {name}\n" + ENTRY + f"    field_map: {name}\n" + entry_lines("dale")
    ).merchants
    for merchant, line in ((own, 11), (inherits, 2)):
        with pytest.raises(BadSettings) as caught:
            load_field_map(merchant)
        assert caught.value.message.startswith(f"merchants.yaml, line {line}: field_map: the field map ")
        assert reason in caught.value.message


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_byte_order_marks_and_windows_line_ends_are_fine(read: Read, start: bytes, newline: str) -> None:
    text = ENTRY + entry_lines("dale", "give_up_after: soon")
    file = read(start + text.replace("\n", newline).encode())
    assert file.ids == ("hill",)
    assert file.bad[0].error.message.startswith("merchants.yaml, line 9: give_up_after: ")


def test_a_name_is_not_needed(read: Read) -> None:
    assert read(changed("    name: Hill\n", "")).merchants[0].name == "hill"


def test_paths_are_relative_to_the_file(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "token").write_text(f"\ufeff {CLEAR}\r\n\n", encoding="utf-8")
    text = changed("api_token: env:KEY", "api_token: file:keys/token") + "    field_map: maps/mine.yaml\n"
    read(text)
    monkeypatch.chdir(tmp_path)

    for path in (tmp_path / "merchants.yaml", Path("merchants.yaml")):
        merchant = read_merchants(path, ENV).merchants[0]
        assert texting(merchant).api_token.reveal() == CLEAR
        assert texting(merchant).api_token.reference == "file:keys/token"
        assert merchant.section(ContactsSettings).field_map.path == tmp_path / "maps" / "mine.yaml"


def test_absolute_paths_stand(read: Read, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(CLEAR)
    text = changed("api_token: env:KEY", f"api_token: file:{token}") + "    field_map: /maps/mine.yaml\n"
    merchant = read(text).merchants[0]
    assert texting(merchant).api_token.reveal() == CLEAR
    assert merchant.section(ContactsSettings).field_map.path == Path("/maps/mine.yaml")


# --- defaults ---


def test_r33_defaults_are_merged_key_by_key_and_the_merchant_wins(read: Read) -> None:
    file = read(
        """\
defaults:
  time_zone: UTC
  require_age_evidence: true
  vinoshipper:
    requests_per_second: 4
    api_secret: env:OTHER
    refresh: {customer_list: 2h, open_orders: 3h}
  simpletexting:
    api_token: env:KEY
    full_read: 5h
merchants:
  - id: own
    time_zone: Europe/Paris
    require_age_evidence: false
    vinoshipper: {api_key: env:KEY, requests_per_second: 9, refresh: {open_orders: 0s}}
    simpletexting: {full_read: 0s}
  - id: plain
    vinoshipper: {api_key: env:KEY}
    simpletexting: {}
"""
    )
    assert file.bad == ()
    own, plain = file.merchants

    assert (own.time_zone.key, plain.time_zone.key) == ("Europe/Paris", "UTC")
    assert tuple(one.section(ContactsSettings).require_age_evidence for one in (own, plain)) == (False, True)
    assert (shop(own).requests_per_second, shop(plain).requests_per_second) == (9.0, 4.0)
    assert shop(own).refresh == shop(plain).refresh.model_copy(update={"open_orders": timedelta()})
    assert shop(plain).refresh == Refresh(
        customer_list=timedelta(hours=2),
        customer_details=timedelta(hours=24),
        open_orders=timedelta(hours=3),
        settled_orders=timedelta(days=7),
        reconcile=timedelta(hours=24),
    )
    assert shop(own).api_secret == shop(plain).api_secret == Secret(f"{CLEAR}2", "env:OTHER")
    assert texting(own).api_token.reveal() == CLEAR
    assert (texting(own).full_read, texting(plain).full_read) == (timedelta(), timedelta(hours=5))


def test_a_secret_of_the_defaults_need_not_be_there_for_those_who_have_their_own(read: Read) -> None:
    defaults = "defaults:\n  simpletexting: {api_token: env:NOBODY_SET_IT}\n"
    dale = "  - {id: dale, vinoshipper: {api_key: env:KEY, api_secret: env:KEY}, simpletexting: {}}\n"
    file = read(defaults + ENTRY + dale)
    assert file.ids == ("hill",)
    assert file.bad[0].id == "dale"
    assert file.bad[0].error.message.startswith("merchants.yaml, line 2: api_token: ")
    assert "NOBODY_SET_IT is not set" in file.bad[0].error.message


@pytest.mark.parametrize("nothing", ["", " {}", " null", "  # time_zone: UTC"])
def test_empty_defaults_say_nothing(read: Read, nothing: str) -> None:
    assert read(f"defaults:{nothing}\n{ENTRY}").merchants == read(ENTRY).merchants


# --- files that are refused whole ---

DEFAULTS = "defaults:\n  {}\n" + ENTRY


@pytest.mark.parametrize(
    ("text", "line", "phrase"),
    [
        ("", 1, "no merchant is listed"),
        ("# nothing yet\n", 1, "no merchant is listed"),
        ("defaults: {}\n", 1, "no merchant is listed"),
        ("\nmerchants: []\n", 2, "no merchant is listed"),
        ("\nmerchants:\n", 2, "no merchant is listed"),
        ("merchants: {hill: {}}\n", 1, "expected a list (lines that begin with `- `), got a mapping"),
        ("merchants: hill\n", 1, "expected a list (lines that begin with `- `), got a text"),
        ("- id: hill\n", 1, "expected a mapping (lines of `key: value`), got a list"),
        ("hill\n", 1, "expected a mapping (lines of `key: value`), got a text"),
        ("12\n", 1, "expected a mapping (lines of `key: value`), got a number"),
        (ENTRY + "merchant: []\n", 9, "`merchant` is not a key that is known here; did you mean `merchants`?"),
        (ENTRY + "colour: red\n", 9, "`colour` is not a key that is known here; known: defaults, merchants"),
        (ENTRY + "merchants: []\n", 9, "`merchants` is here twice (first on line 1)"),
        (ENTRY + "---\n" + ENTRY, 9, "a second document"),
        ("merchants:\n\t- id: hill\n", 2, "not YAML: found character that cannot start any token"),
        ("merchants:\n  - id: a: b\n", 2, "not YAML: mapping values are not allowed in this context"),
        ("merchants:\n  - id: 'hill\n", 3, "(while scanning a quoted scalar that begins on line 2)"),
        ("merchants:\n  - id: \x01hill\n", 2, "a control character"),
        ("\nmerchants: " + "[" * 200_000 + "]" * 200_000, 2, "nested deeper than 100 levels"),
        (b"merchants:\n  - id: hill\n    name: Ch\xe2teau\n", 3, "this is not UTF-8"),
        ("merchants:\n".encode("utf-16"), 1, "this is not UTF-8"),
        (DEFAULTS.format("colour: red"), 2, "`colour` is not a key that is known here"),
        (DEFAULTS.format("timezone: UTC"), 2, "did you mean `time_zone`?"),
        (DEFAULTS.format("vinoshipper: {rate: 1}"), 2, "`rate` is not a key that is known here"),
        (DEFAULTS.format("id: hill"), 2, "id: this is a merchant's own; delete it from `defaults`"),
        (DEFAULTS.format("name: Hill"), 2, "name: this is a merchant's own"),
        (DEFAULTS.format("time_zone: Mars/Base"), 2, "time_zone: no such time zone"),
        (DEFAULTS.format("give_up_after: 0s"), 2, "give_up_after: must be above zero"),
        (DEFAULTS.format("simpletexting: {api_token: " + CLEAR + "}"), 2, "api_token: a secret in clear is refused"),
        (DEFAULTS.format("[UTC]"), 1, "defaults: expected a mapping (lines of `key: value`), got a list"),
        (DEFAULTS.format("enabled: true\n  enabled: true"), 3, "`enabled` is here twice (first on line 2)"),
    ],
)
def test_the_whole_file_is_refused(read: Read, text: str | bytes, line: int, phrase: str) -> None:
    with pytest.raises(BadSettings) as caught:
        read(text)
    assert caught.value.message.startswith(f"merchants.yaml, line {line}: ")
    assert phrase in caught.value.message
    assert CLEAR not in caught.value.message
    assert caught.value.kind == "config"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"other\.yaml cannot be read: No such file or directory"):
        read_merchants(tmp_path / "other.yaml", ENV)


def test_r64_an_empty_folder_lists_nobody(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="no merchant is listed"):
        read_merchants(tmp_path, ENV)


def test_a_file_of_bad_entries_only_is_refused_with_all_they_are_told(read: Read) -> None:
    entries = "".join(f"  - {{id: m{number}, give_up_after: soon}}\n" for number in range(7))
    with pytest.raises(BadSettings) as caught:
        read(f"merchants:\n{entries}")
    message = caught.value.message
    assert message.startswith("merchants.yaml, line 2: give_up_after: ")
    assert [f"line {line}:" in message for line in range(2, 9)] == [True] * 5 + [False] * 2
    assert message.endswith("; and 2 more. No merchant of the file is usable")


# --- entries that are refused, while the others stay ---

SECRET_FORMS = "expected env:NAME or file:PATH, got "
DURATION_FORMS = "expected a duration: a whole number and s, m, h or d, such as 0s, 90s, 15m, 6h or 7d"

BAD_ENTRIES: list[tuple[str, int, str]] = [
    # ids and names
    (changed("  - id: hill\n    name", "  - name"), 2, "this merchant has no id"),
    (changed("id: hill", "id: 123"), 2, 'id: expected a text, got a number; quote it ("...")'),
    (changed("id: hill", "id: no"), 2, 'id: expected a text, got true or false; quote it ("...")'),
    (changed("id: hill", "id: 2020-01-01"), 2, "id: expected a text, got a date; quote it"),
    (changed("id: hill", "id:"), 2, "id: expected a text, got nothing"),
    (changed("id: hill", "id: ''"), 2, "id: expected a text, got an empty text"),
    (changed("id: hill", "id: [hill]"), 2, "id: expected a text, got a list"),
    (changed("id: hill", "id: Hill"), 2, "id: an id is 1-63 of a-z, 0-9 and -"),
    (changed("id: hill", "id: hill_top"), 2, "id: an id is 1-63 of a-z, 0-9 and -"),
    (changed("id: hill", "id: ../hill"), 2, "id: an id is 1-63 of a-z, 0-9 and -"),
    (changed("id: hill", 'id: "hill\\nx"'), 2, "id: an id is 1-63 of a-z, 0-9 and -"),
    (changed("id: hill", "id: hügel"), 2, "id: an id is 1-63 of a-z, 0-9 and -"),
    (changed("id: hill", f"id: {'h' * 64}"), 2, "id: an id is 1-63 of a-z, 0-9 and -"),
    (changed("id: hill", "id: --all"), 2, "id: an id is 1-63 of a-z, 0-9 and -, no - first"),  # C37
    (changed("id: hill", "id: -hill"), 2, "id: an id is 1-63 of a-z, 0-9 and -, no - first"),
    (changed("name: Hill", "name: 1789"), 3, "name: expected a text, got a number; quote it"),
    (changed("name: Hill", "name: ~"), 3, "name: expected a text, got nothing"),
    (changed("name: Hill", "name: ' '"), 3, "name: expected a text, got an empty text"),
    # keys
    (ENTRY + "    enabeld: true\n", 9, "`enabeld` is not a key that is known here; did you mean `enabled`?"),
    (ENTRY + "      timeout: 1s\n", 9, "`timeout` is not a key that is known here; known: base_url, api_token, "),
    (ENTRY + "      full_reed: 1s\n", 9, "`full_reed` is not a key that is known here; did you mean `full_read`?"),
    (changed("api_key:", "api_keys:"), 5, "`api_keys` is not a key that is known here; did you mean `api_key`?"),
    (ENTRY + f"    {CLEAR}:\n", 9, "this key is not a key that is known here"),
    (ENTRY + "    name: Hill\n", 9, "`name` is here twice (first on line 3)"),
    (ENTRY + "      api_token: env:KEY\n", 9, "`api_token` is here twice (first on line 8)"),
    (ENTRY + "    [a, b]: 1\n", 9, "a key must be a word"),
    (ENTRY + "    ? {a: b}\n    : 1\n", 9, "a key must be a word"),
    (ENTRY + "    !!str enabled: true\n", 9, "a key can have no tag"),
    # sections
    (
        changed("    simpletexting:\n      api_token: env:KEY\n", ""),
        2,
        "simpletexting.api_token is missing; write env:",
    ),
    (changed("      api_secret: env:OTHER\n", ""), 4, "vinoshipper: api_secret is missing; write env:NAME or file:"),
    (changed("      api_token: env:KEY\n", ""), 7, "simpletexting: api_token is missing"),
    (changed("    simpletexting:\n      api_token: env:KEY\n", "    simpletexting: x\n"), 7, "got a text"),
    # secrets
    (changed("api_secret: env:OTHER", f"api_secret: {CLEAR}"), 6, "api_secret: a secret in clear is refused"),
    (changed("api_secret: env:OTHER", f"api_secret: ENV:{CLEAR}"), 6, "a secret in clear is refused; write env:NAME"),
    (changed("api_secret: env:OTHER", "api_secret: 8675309"), 6, "api_secret: a secret in clear is refused"),
    (changed("api_secret: env:OTHER", "api_secret:"), 6, f"api_secret: {SECRET_FORMS}nothing"),
    (changed("api_secret: env:OTHER", f"api_secret: [{CLEAR}]"), 6, f"api_secret: {SECRET_FORMS}a list"),
    (changed("api_secret: env:OTHER", f"api_secret: {{env: {CLEAR}}}"), 6, f"api_secret: {SECRET_FORMS}a mapping"),
    (changed("api_secret: env:OTHER", f"api_secret: env:{CLEAR}"), 6, "not the name of an environment variable"),
    (changed("api_secret: env:OTHER", "api_secret: 'env:'"), 6, "not the name of an environment variable"),
    (changed("api_secret: env:OTHER", "api_secret: 'file: '"), 6, "the path after file: is missing"),
    (changed("api_secret: env:OTHER", "api_secret: env:NONE"), 6, "the environment variable NONE is not set"),
    (changed("api_secret: env:OTHER", "api_secret: env:EMPTY"), 6, "the secret env:EMPTY is empty"),
    (changed("api_secret: env:OTHER", "api_secret: env:TWO_LINES"), 6, "must be one line of plain ASCII"),
    (
        changed("api_secret: env:OTHER", "api_secret: file:no/such"),
        6,
        "the secret file:no/such cannot be read: No such file",
    ),
    (changed("api_secret: env:OTHER", "api_secret: file:."), 6, "the secret file:. cannot be read: not a regular file"),
    (changed("api_secret: env:OTHER", 'api_secret: "file:a\\0b"'), 6, "api_secret: the secret file:a"),
    # true and false, choices, zones
    (ENTRY + "    enabled: 1\n", 9, "enabled: expected true or false, got a number"),
    (ENTRY + "    enabled: 'true'\n", 9, "enabled: expected true or false, got a text"),
    (ENTRY + "    keep_raw_bodies: 89d\n", 9, "keep_raw_bodies: expected always, or a duration of 90d or more"),
    (ENTRY + "    require_age_evidence: {}\n", 9, "require_age_evidence: expected true or false, got a mapping"),
    (
        ENTRY + "    on_ambiguous_phone: newest\n",
        9,
        "expected one of: newest_order, hold; did you mean `newest_order`?",
    ),
    (ENTRY + "    on_ambiguous_phone: []\n", 9, "expected one of: newest_order, hold, got a list"),
    (ENTRY + "    time_zone: America/Los_Angles\n", 9, "no such time zone; write one such as America/Los_Angeles"),
    (ENTRY + "    time_zone: America\n", 9, "time_zone: no such time zone"),
    (ENTRY + "    time_zone: ../UTC\n", 9, "time_zone: no such time zone"),
    (ENTRY + "    time_zone: /etc/localtime\n", 9, "time_zone: no such time zone"),
    (ENTRY + "    time_zone: -8\n", 9, "time_zone: expected a text, got a number"),
    (ENTRY + "    field_map:\n", 9, "field_map: expected a text, got nothing"),
    # numbers
    (ENTRY + "      requests_per_second: 0\n", 9, "requests_per_second: must be a number above 0"),
    (ENTRY + "      requests_per_second: -1.5\n", 9, "requests_per_second: must be a number above 0"),
    *(
        (ENTRY + f"      requests_per_second: {rate}\n", 9, "requests_per_second: must be from 0.001")  # C37
        for rate in ("0.0000001", "1.0e-300", "0.00099", "1.0e+300", "9999999")
    ),
    (ENTRY + "      requests_per_second: yes\n", 9, "requests_per_second: expected a number, got true or false"),
    *(  # YAML's octal, sixties, hexadecimal and binary
        (ENTRY + f"      requests_per_second: {number}\n", 9, "requests_per_second: YAML reads this as another number")
        for number in ("010", "1:30", "0x1F", "0b11", "1:30.5", "00", "+010")
    ),
    *(
        (ENTRY + f"      write_one_by_one_up_to: {number}\n", 9, "write_one_by_one_up_to: YAML reads this as another")
        for number in ("010", "1:30", "0x1F")
    ),
    *((ENTRY + f"    field_map: {number}\n", 9, 'quote it ("...")') for number in ("010", "1:30")),
    (ENTRY + "      requests_per_second: fast\n", 9, "requests_per_second: expected a number, got a text"),
    (ENTRY + "      requests_per_second: .inf\n", 9, "requests_per_second: expected a finite number"),
    (ENTRY + "      requests_per_second: .nan\n", 9, "requests_per_second: expected a finite number"),
    (ENTRY + f"      requests_per_second: {'9' * 400}\n", 9, "requests_per_second: expected a finite number"),
    (ENTRY + f"      requests_per_second: {'9' * 5000}\n", 9, "requests_per_second: expected a number, got a text"),
    (ENTRY + "      write_one_by_one_up_to: -1\n", 9, "write_one_by_one_up_to: must be a whole number, 0 or more"),
    (ENTRY + "      write_one_by_one_up_to: 1.0\n", 9, "write_one_by_one_up_to: expected a whole number, got a number"),
    (ENTRY + "      write_one_by_one_up_to: true\n", 9, "write_one_by_one_up_to: expected a whole number"),
    # durations
    (ENTRY + "    give_up_after: 0s\n", 9, "give_up_after: must be above zero"),
    (ENTRY + "      batch_wait: 0m\n", 9, "batch_wait: must be above zero"),
    (ENTRY + "    give_up_after: 60\n", 9, f"give_up_after: {DURATION_FORMS}"),
    (ENTRY + "    give_up_after: 1.5h\n", 9, f"give_up_after: {DURATION_FORMS}"),
    (ENTRY + "    give_up_after: [60s]\n", 9, f"give_up_after: {DURATION_FORMS}, got a list"),
    (ENTRY + "    give_up_after:\n", 9, f"give_up_after: {DURATION_FORMS}, got nothing"),
    (ENTRY + "    give_up_after: 36501d\n", 9, "give_up_after: too long; the longest duration is 36500d"),
    (ENTRY + "    give_up_after: 2d\n", 9, "give_up_after: too long; at most 1d"),  # C15: a typo that becomes data
    (ENTRY + "      batch_wait: 1200h\n", 9, "batch_wait: too long; at most 1d"),
    (ENTRY + "      full_read: 24000d\n", 9, "full_read: too long; at most 3660d"),
    (ENTRY + "      write_one_by_one_up_to: 100000000\n", 9, "write_one_by_one_up_to: must be at most 1000000"),
    *(
        (changed("      api_key", f"      refresh: {{{key}: 36000d}}\n      api_key"), 5, f"{key}: too long; at most")
        for key in ("customer_list", "customer_details", "open_orders", "settled_orders", "reconcile")
    ),
    (changed("      api_key", "      refresh: {reconcile: 1w}\n      api_key"), 5, f"reconcile: {DURATION_FORMS}"),
    # dates
    *(
        (changed("      api_key", f"      history_from: {written}\n      api_key"), 5, f"history_from: {phrase}")
        for written, phrase in (
            ("2005", "expected a date written YYYY-MM-DD"),
            ("20050101", "expected a date written YYYY-MM-DD"),
            ("2005-02-30", "expected a date written YYYY-MM-DD"),
            ("2005-1-1", "expected a date written YYYY-MM-DD"),
            ("2005-01-01 12:00:00", "expected a date written YYYY-MM-DD"),
            ("2196-01-01", "this is after today"),  # C15
            ("9999-12-31", "expected a date between"),
            ("01/31/2005", "expected a date written YYYY-MM-DD"),
            ("", "expected a date written YYYY-MM-DD, such as 2005-01-01, got nothing"),
        )
    ),
    # URLs
    *(
        (ENTRY + f"      base_url: {url}\n", 9, f"base_url: {phrase}")
        for url, phrase in (
            ("http://example.com", "http:// is for loopback only"),
            ("http://127.0.0.1.example.com", "http:// is for loopback only"),
            ("http://localhost.example.com", "http:// is for loopback only"),
            ("http://10.0.0.1", "http:// is for loopback only"),
            ("http://0.0.0.0", "http:// is for loopback only"),
            ("ftp://example.com", "expected an https:// URL with a host"),
            ("example.com/v2", "expected an https:// URL with a host"),
            ("https:///v2", "expected an https:// URL with a host"),
            (f"https://me:{CLEAR}@example.com", "a user or password in the URL is refused"),
            ("http://localhost@example.com", "a user or password in the URL is refused"),
            ("'http://localhost\\@example.com'", "a URL has no blanks, backslashes"),
            (f"https://example.com?key={CLEAR}", "a base URL has no ? and no #"),
            ("https://example.com/#", "a base URL has no ? and no #"),
            ("'https://exa mple.com'", "a URL has no blanks"),
            ("https://bücher.example", "a URL has no blanks, backslashes or characters beyond ASCII"),
            ("https://example.com:port", "this is not a URL"),
            ("https://example.com:99999", "this is not a URL"),
            ("'https://[::1'", "this is not a URL"),
        )
    ),
    # A base URL that holds what every call adds: each path would be there twice.
    *(
        (changed("      api_key", f"      base_url: {url}\n      api_key"), 5, f"base_url: leave out {part} and what")
        for url, part in (
            ("https://vinoshipper.com/api/v3/p", "/api/v3/p"),
            ("https://vinoshipper.com/api/v3/p/", "/api/v3/p"),
            ("https://vinoshipper.com/API//v3/p", "/api/v3/p"),
            ("https://vinoshipper.com/api/v3/p/customers/list", "/api/v3/p"),
            ("https://gateway.example.com/shop/api/v3/p", "/api/v3/p"),
            ("https://vinoshipper.com/api/v3", "/api/v3"),
            ("https://vinoshipper.com/api", "/api"),
        )
    ),
    *(
        (ENTRY + f"      base_url: {url}\n", 9, "base_url: leave out /api and what")
        for url in (
            "https://api-app2.simpletexting.com/v2/api",
            "https://api-app2.simpletexting.com/v2/api/",
            "https://api-app2.simpletexting.com/v2/api/contacts",
        )
    ),
    # entries that are no entries, and YAML's own ways
    ("merchants:\n  - hill\n", 2, "expected a mapping (lines of `key: value`), got a text"),
    ("merchants:\n  - [hill]\n", 2, "expected a mapping (lines of `key: value`), got a list"),
    ("merchants:\n  -\n", 2, "this merchant has no id"),
    ("merchants:\n  - *who\n", 2, "this alias has no anchor above it"),
    ("merchants:\n  - &me {id: hill, vinoshipper: *me}\n", 2, "this alias stands inside its own anchor"),
    ("merchants:\n  - {id: hill, <<: 5}\n", 2, "`<<` takes an alias of a mapping"),
    ("merchants:\n  - {id: hill, <<: *who}\n", 2, "this alias has no anchor above it"),
    (changed("name: Hill", "name: !!str Hill"), 3, "tags (`!...`) are not supported"),
    (changed("name: Hill", "name: !!python/name:os.system x"), 3, "tags (`!...`) are not supported"),
    ("merchants:\n  - !mine {id: hill}\n", 2, "tags (`!...`) are not supported"),
]


@pytest.mark.parametrize(("text", "line", "phrase"), BAD_ENTRIES)
def test_a_bad_entry_leaves_the_good_ones(read: Read, text: str, line: int, phrase: str) -> None:
    file = read(text + entry_lines("good"))

    assert file.ids == ("good",)
    (bad,) = file.bad
    assert bad.line == 2
    assert bad.error.message.startswith(f"merchants.yaml, line {line}: ")
    assert phrase in bad.error.message
    assert bad.error.__traceback__ is None
    assert_hidden(repr(bad), str(bad.error), repr(bad.error))


@pytest.mark.parametrize(("text", "line", "phrase"), BAD_ENTRIES)
def test_a_bad_entry_alone_is_no_file_to_work_with(read: Read, text: str, line: int, phrase: str) -> None:
    with pytest.raises(BadSettings) as caught:
        read(text)
    assert caught.value.message.startswith(f"merchants.yaml, line {line}: ")
    assert phrase in caught.value.message
    assert caught.value.message.endswith(" No merchant of the file is usable")
    assert_hidden("".join(traceback.format_exception(caught.value)))


def assert_hidden(*shown: str) -> None:
    for text in shown:
        assert text
        assert CLEAR not in text
        assert "8675309" not in text


def test_a_bad_entry_tells_its_id_and_name_where_they_are_good(read: Read) -> None:
    file = read(
        changed("api_key", "api_kee")
        + "  - {id: Not An Id, name: Dale}\n"
        + "  - {id: dale, name: 5}\n"
        + "  - just a word\n"
        + entry_lines("good")
    )
    assert [(bad.id, bad.name, bad.line) for bad in file.bad] == [
        ("hill", "Hill", 2),
        (None, "Dale", 9),
        ("dale", None, 10),
        (None, None, 11),
    ]
    assert [bad.line for bad in file.bad_of("dale")] == [10]
    assert file.bad_of("good") == ()


def test_of_a_duplicate_id_the_first_is_good(read: Read) -> None:
    file = read(ENTRY + entry_lines("dale") + entry_lines("hill") + entry_lines("hill"))
    assert file.ids == ("hill", "dale")
    hill = file.get("hill")
    assert hill is not None
    assert hill.name == "Hill"
    assert [(bad.id, bad.line) for bad in file.bad] == [("hill", 10), ("hill", 11)]
    message = file.bad[0].error.message
    assert message == "merchants.yaml, line 10: id hill is that of line 2 already; give this one its own"


def test_the_second_is_bad_even_where_the_first_is_too(read: Read) -> None:
    file = read(ENTRY + "    give_up_after: soon\n" + entry_lines("hill") + entry_lines("dale"))
    assert file.ids == ("dale",)
    assert [bad.line for bad in file.bad] == [2, 10]


@pytest.mark.parametrize("again", ["  - *it\n", "  - {<<: *it, name: Other}\n"])
def test_an_alias_of_a_merchant_is_a_duplicate(read: Read, again: str) -> None:
    file = read(changed("  - id", "  - &it\n    id") + again)
    assert file.ids == ("hill",)
    assert [(bad.id, bad.line) for bad in file.bad] == [("hill", 10)]


def test_a_secret_file_that_is_empty_long_or_not_text(read: Read, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "binary").write_bytes(CLEAR.encode() + b"\xff\xfe")
    (tmp_path / "long").write_text(f"{CLEAR}\n" * 100_000)
    for name, phrase in (("empty", "is empty"), ("binary", "one line of plain"), ("long", "one line of plain")):
        file = read(changed("api_token: env:KEY", f"api_token: file:{name}") + entry_lines("good"))
        (bad,) = file.bad
        assert bad.error.message.startswith(f"merchants.yaml, line 8: api_token: the secret file:{name} ")
        assert phrase in bad.error.message
        assert_hidden(bad.error.message)


def test_a_pipe_for_a_secret_is_not_waited_for(read: Read, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    file = read(changed("api_token: env:KEY", "api_token: file:pipe") + entry_lines("good"))
    assert "the secret file:pipe cannot be read: not a regular file" in file.bad[0].error.message


def test_a_route_to_pause_that_is_not_known_is_told_with_its_key(read: Read) -> None:
    file = read(ENTRY + entry_lines("good", "paused: [contact]"))
    assert file.bad[0].error.message.split(": ", 1)[1].startswith("paused: expected one of: contacts")


def test_a_pipe_in_the_folder_of_more_merchants_is_not_waited_for(read: Read, tmp_path: Path) -> None:
    (tmp_path / "merchants.d").mkdir()
    os.mkfifo(tmp_path / "merchants.d" / "pipe.yaml")
    file = read(ENTRY)
    assert "pipe.yaml cannot be read: not a regular file" in file.bad[0].error.message


def test_an_unreadable_secret_file(read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text(CLEAR)
    really_open = os.open

    def refuse(path: str, flags: int) -> int:  # not by mode 0, because root may read that
        if path == str(token):
            raise PermissionError(13, "Permission denied")
        return really_open(path, flags)

    monkeypatch.setattr(os, "open", refuse)
    file = read(changed("api_token: env:KEY", "api_token: file:token") + entry_lines("good"))
    (bad,) = file.bad
    assert bad.error.message == (
        "merchants.yaml, line 8: api_token: the secret file:token cannot be read: Permission denied; "
        "put the key there, readable"
    )


# --- disabled merchants ---


def test_a_disabled_merchant_may_have_lost_his_secrets(read: Read) -> None:
    text = ENTRY.replace("env:KEY", "env:GONE").replace("env:OTHER", "file:gone") + "    enabled: false\n"
    file = read(text + entry_lines("good"))
    assert file.bad == ()
    assert file.ids == ("hill", "good")
    assert [merchant.id for merchant in file.enabled] == ["good"]
    secret = shop(file.merchants[0]).api_secret
    assert repr(secret) == "Secret(file:gone)"
    with pytest.raises(BadSettings, match="file:gone was not read, because its merchant is disabled"):
        secret.reveal()


def test_a_file_of_disabled_merchants_is_a_usable_file(read: Read) -> None:
    assert read(ENTRY + "    enabled: false\n").enabled == ()


def test_a_disabled_merchant_is_still_checked(read: Read) -> None:
    text = changed("api_key: env:KEY", f"api_key: {CLEAR}") + "    enabled: false\n"
    (bad,) = read(text + entry_lines("good")).bad
    assert "line 5: api_key: a secret in clear is refused" in bad.error.message


# --- aliases and merges ---


def test_aliases_and_merges_work_as_in_any_yaml(read: Read) -> None:
    file = read(
        """\
merchants:
  - id: hill
    time_zone: &zone UTC
    vinoshipper: &shop {api_key: env:KEY, api_secret: env:KEY, requests_per_second: 5}
    simpletexting: &texts {api_token: env:KEY}
  - id: dale
    time_zone: *zone
    vinoshipper:
      requests_per_second: 7
      <<: *shop
    simpletexting: {<<: [*texts, {api_token: env:OTHER, full_read: 3h}]}
"""
    )
    assert file.bad == ()
    hill, dale = file.merchants
    assert dale.time_zone is hill.time_zone
    assert shop(dale) == shop(hill).model_copy(update={"requests_per_second": 7.0})
    assert texting(dale) == texting(hill).model_copy(update={"full_read": timedelta(hours=3)})


def test_a_fault_behind_an_alias_is_named_for_each_who_uses_it(read: Read) -> None:
    aliases = entry_lines("dale", "field_map: *map") + entry_lines("glen", "give_up_after: *soon")
    file = read(ENTRY + "    give_up_after: &soon soon\n    field_map: &map !mine x\n" + aliases + entry_lines("good"))
    assert file.ids == ("good",)
    assert [bad.error.message.split(";")[0] for bad in file.bad] == [
        f"merchants.yaml, line 9: give_up_after: {DURATION_FORMS}",
        "merchants.yaml, line 10: tags (`!...`) are not supported",
        f"merchants.yaml, line 12: give_up_after: {DURATION_FORMS}",
    ]


@pytest.mark.parametrize("place", ["defaults", "merchants"])
def test_a_bomb_of_aliases_does_not_go_off(read: Read, place: str) -> None:
    levels = ["  - &l0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"  - &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 60)]
    with pytest.raises(BadSettings, match=r"^merchants\.yaml, line \d+: .*expected a mapping .*, got a list"):
        read(f"{place}:\n" + "\n".join(levels) + ("\nmerchants: [*l59]\n" if place == "defaults" else "\n"))


def test_a_bomb_of_merges_does_not_go_off(read: Read) -> None:
    wide = ", ".join(f"k{n}: 1" for n in range(3000))
    with pytest.raises(BadSettings, match=r"line 3: <<: too much is merged"):
        read(f"defaults: &d {{{wide}}}\nmerchants:\n  - {{<<: [{', '.join(['*d'] * 3000)}]}}\n")


# --- secrets stay secret ---


def test_a_secret_shows_in_no_text_of_it(read: Read) -> None:
    file = read(ENTRY + entry_lines("hill"))
    secret = shop(file.merchants[0]).api_key
    assert secret.reveal() == CLEAR
    assert repr(secret) == str(secret) == f"{secret}" == "Secret(env:KEY)"
    assert_hidden(repr(file), str(file.merchants[0]), repr(dataclasses.asdict(file.merchants[0])))
    assert copy.deepcopy(secret).reveal() == CLEAR
    with pytest.raises(TypeError):
        vars(secret)


def test_secrets_are_equal_by_value_and_reference() -> None:
    secret = Secret("a", "env:A")
    assert secret == Secret("a", "env:A")
    assert hash(secret) == hash(Secret("a", "env:A"))
    assert secret != Secret("b", "env:A")
    assert secret != Secret("a", "env:B")
    assert secret != "a"


# --- many ---


def test_three_thousand_merchants(read: Read, tmp_path: Path) -> None:
    entry = """\
  - id: winery-{0}
    name: Winery {0}
    time_zone: America/New_York
    vinoshipper:
      api_key: env:KEY_{0}
      api_secret: file:secret-{1}
      requests_per_second: 0.{2}
      refresh:
        customer_list: {2}h
        settled_orders: 9d
    simpletexting:
      api_token: env:TOKEN_{0}
      batch_wait: 90s
    give_up_after: 45s
"""
    count = 3000
    environ = {f"{kind}_{n}": f"{kind}-{n}" for kind in ("KEY", "TOKEN") for n in range(count)}
    for n in range(10):
        (tmp_path / f"secret-{n}").write_text(f"shared-{n}\n")
    text = "merchants:\n" + "".join(entry.format(n, n % 10, n % 9 + 1) for n in range(count))

    file = read(text, environ)

    assert file.bad == ()
    assert file.ids == tuple(f"winery-{n}" for n in range(count))
    for n, merchant in enumerate(file.merchants):
        assert merchant is file.get(f"winery-{n}")
        assert shop(merchant).api_key.reveal() == f"KEY-{n}"
        assert shop(merchant).api_secret.reveal() == f"shared-{n % 10}"
        assert texting(merchant).api_token.reveal() == f"TOKEN-{n}"
        assert shop(merchant).requests_per_second == (n % 9 + 1) / 10
        assert shop(merchant).refresh.customer_list == timedelta(hours=n % 9 + 1)
    assert file.get("winery-3000") is None


# --- durations, and the settings of the environment ---


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("90s", 90),
        ("15m", 900),
        ("6h", 21_600),
        ("7d", 604_800),
        ("007d", 604_800),
        ("36500d", 3_153_600_000),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "s", "0", "60", "-1s", "+1s", "1.5h", "1 h", " 1h", "1h ", "1h\n", "1h30m", "1H", "1w", "1_0s", "١s", "²s"],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(BadSettings, match="such as 0s, 90s, 15m, 6h or 7d"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=36_500), st.sampled_from("smhd"))
def test_every_whole_number_is_a_duration(number: int, unit: str) -> None:
    name = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[unit]
    assert parse_duration(f"{number}{unit}") == timedelta(**{name: number})


@given(st.text())
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    if re.fullmatch("[0-9]+[smhd]", text):
        return
    with pytest.raises(BadSettings):
        parse_duration(text)


@pytest.mark.parametrize("text", ["36501d", "999999999999d", "999999999999s"])
def test_durations_beyond_a_century(text: str) -> None:
    with pytest.raises(BadSettings, match="too long"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("environ", "settings", "data"),
    [
        ({}, "merchants.yaml", "data"),
        ({"VS_ST_MERCHANTS": "", "VS_ST_DATA_DIR": ""}, "merchants.yaml", "data"),
        ({"VS_ST_MERCHANTS": "/a/b.yaml", "VS_ST_DATA_DIR": "c/d"}, "/a/b.yaml", "c/d"),
    ],
)
def test_where_things_are(environ: dict[str, str], settings: str, data: str) -> None:
    assert settings_path(environ) == Path(settings)
    assert data_dir(environ) == Path(data)


@pytest.mark.parametrize(
    "written",
    ["2026-01-31T12:00:00", "2026-01-31T12:00:00Z", "2026-01-31T04:00:00-08:00", " 2026-01-31 12:00 "],
)
def test_now_as_the_environment_says(written: str) -> None:
    moment = now({"VS_ST_NOW": written})
    assert moment == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert moment.tzinfo is UTC


@pytest.mark.parametrize("environ", [{}, {"VS_ST_NOW": ""}])
def test_now_by_the_clock(environ: dict[str, str]) -> None:
    before = datetime.now(UTC)
    moment = now(environ)
    assert before <= moment <= datetime.now(UTC)
    assert moment.tzinfo is UTC


@pytest.mark.parametrize("written", ["yesterday", "1769860800", "2026-02-30T00:00:00", "0001-01-01T00:00:00+01:00"])
def test_now_that_is_no_time(written: str) -> None:
    with pytest.raises(BadSettings, match="VS_ST_NOW is not an ISO time") as caught:
        now({"VS_ST_NOW": written})
    assert caught.value.kind == "config"


@pytest.mark.parametrize("written", ["1969-12-31T00:00:00", "9999-12-31T23:00:00", "0001-01-02T00:00:00"])
def test_now_at_the_ends_of_the_calendar(written: str) -> None:
    with pytest.raises(BadSettings, match="between the years 1970 and 2200"):
        now({"VS_ST_NOW": written})


@pytest.mark.parametrize(
    ("environ", "bounds"),
    [
        ({}, (300, 3600)),
        ({"VS_ST_SYNC_FASTEST": "90s", "VS_ST_SYNC_SLOWEST": ""}, (90, 3600)),
        ({"VS_ST_SYNC_FASTEST": " 15m ", "VS_ST_SYNC_SLOWEST": "15m"}, (900, 900)),
    ],
)
def test_how_often_the_schedule_may_sync(environ: dict[str, str], bounds: tuple[int, int]) -> None:
    assert tuple(bound.total_seconds() for bound in sync_bounds(environ)) == bounds


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"VS_ST_SYNC_FASTEST": "often"}, "VS_ST_SYNC_FASTEST: expected a duration"),
        ({"VS_ST_SYNC_FASTEST": "0s"}, "must be above 0"),
        ({"VS_ST_SYNC_SLOWEST": "1m"}, "no longer than VS_ST_SYNC_SLOWEST"),
    ],
)
def test_bounds_of_the_schedule_that_are_wrong(environ: dict[str, str], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        sync_bounds(environ)


# --- the tree with lines, for other files ---


def test_a_tree_names_its_lines() -> None:
    tree = load_with_lines("version: 1\nfields:\n  - {to: a}\n  - to:\n      b\n  - 5.5\n", "map.yaml")
    children = tree.mapping(("version", "fields"))
    first, second, third = children["fields"].items()
    assert children["version"].integer() == 1
    assert third.scalar() == third.number() == 5.5
    assert [node.line for node in (tree, children["fields"], first, second, third)] == [1, 2, 3, 4, 6]
    to = second.mapping(("to",))["to"]
    assert (to.text(), to.line, to.key) == ("b", 4, "to")
    assert str(to.problem("wrong; write c")) == "map.yaml, line 4: to: wrong; write c"
    assert repr(to) == "Node(map.yaml, line 4, 'to')"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("'1'", "1"),
        ("1.5", 1.5),
        ("on", True),
        ("~", None),
        ("", None),
        ("2024-01-31", date(2024, 1, 31)),
        ("2024-13-45", "2024-13-45"),
        ("=", "="),
        ("a b", "a b"),
    ],
)
def test_scalars_as_yaml_takes_them(written: str, value: object) -> None:
    node = load_with_lines(f"key: {written}\n", "x.yaml").child("key")
    assert isinstance(node, Node)
    assert node.scalar() == value
    assert type(node.scalar()) is type(value)
    assert node.is_null() == (value is None)


@pytest.mark.parametrize("written", ["[1]", "{a: 1}"])
def test_a_collection_is_no_scalar(written: str) -> None:
    node = load_with_lines(written, "x.yaml")
    for ask in (node.scalar, node.text, node.number, node.integer, node.boolean, lambda: node.written("it")):
        with pytest.raises(BadSettings, match=r"^x\.yaml, line 1: expected .*, got a "):
            ask()


@given(st.text(alphabet="ab:-[]{}&*<!'\"#|>?,%@ \n\t1~=\\", max_size=40))
def test_any_text_is_a_tree_or_refused_with_a_line(text: str) -> None:
    fault: BadSettings | None = None
    try:
        tree = load_with_lines(text, "x.yaml")
    except BadSettings as error:
        fault = error
    if fault is None:
        assert 1 <= tree.line <= text.count("\n") + 1
    else:
        assert re.match(r"x\.yaml, line \d+: .", fault.message)
