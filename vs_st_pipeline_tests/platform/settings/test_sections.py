"""Settings of several systems and routes: what a fault spoils, what is paused, where files lie, and no value shows.

The systems and routes are made up: the reader knows none, and the house has one route only so far.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import pytest
from pydantic import Field, ValidationError, model_validator

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.defs.sensors import wanted_keys
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations import settings
from vs_st_pipeline.platform.settings.forms import (
    BaseUrl,
    Choice,
    DefaultOrFile,
    Duration,
    Flag,
    Interval,
    ListOf,
    MappingOf,
    OrNull,
    OwnFile,
    PastDate,
    Rate,
    SecretValue,
    Text,
    Wait,
    Whole,
)
from vs_st_pipeline.platform.settings.merchants import (
    House,
    MerchantsFile,
    RouteNeeds,
    Section,
    is_enabled,
    place_of_entry,
)
from vs_st_pipeline.platform.settings.merchants import read_merchants as read_by
from vs_st_pipeline.platform.settings.model import SettingsModel, fields_of, secrets_of
from vs_st_pipeline.platform.settings.yaml_source import Node
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline_tests.contracts.values import least_read

SECRET, PHONE = "zq8-Swordfish-77", "7075550142"
ENV = {"KEY": SECRET}


class Limits(SettingsModel):
    most: Annotated[int, Whole(1, 9)] = 3
    wait: Wait = timedelta(seconds=1)


class ShopSettings(SettingsModel):
    """A system that is read."""

    base_url: Annotated[str, BaseUrl("/api", usual="https://shop.example")] = "https://shop.example"
    key: SecretValue
    requests_per_second: Rate = 1.0
    since: PastDate = date(2020, 1, 1)
    refresh: Interval = timedelta(hours=1)
    limits: Limits = Limits()


class CrmSettings(SettingsModel):
    """A system that is written to, by a token or by user and password."""

    token: OrNull[SecretValue] = None
    user: OrNull[Text] = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.token is None) == (self.user is None):
            raise ValueError("either token or user is needed")
        return self


class MailSettings(SettingsModel):
    """Another system that is written to."""

    token: SecretValue


class Consent(SettingsModel):
    name: Text
    kind: Choice[Literal["mail", "text"]]
    lists: ListOf[Annotated[int, Whole(1, 1000)]] = ()


class NewsSettings(SettingsModel):
    """A route with a section of its own."""

    mode: Choice[Literal["live", "shadow", "off"]] = "live"
    from_: OrNull[Duration] = Field(default=None, alias="from")
    keep: Duration = timedelta(days=1)
    consents: ListOf[Consent] = ()
    events: MappingOf[Flag] = {}
    own: DefaultOrFile = OwnFile()
    plain: int = 1

    def check_entry(self, at: Node, named: Collection[str]) -> None:
        if "crm" in self.events and "crm" not in named:
            raise (at.child("events") or at).problem("no crm is here")


class GiftSettings(SettingsModel):
    """A route whose keys stand in the entry itself."""

    top_level: ClassVar[bool] = True

    gift_note: Flag = False
    gift_map: DefaultOrFile = OwnFile()


HOUSE = House(
    (
        Section("shop", ShopSettings),
        Section("crm", CrmSettings),
        Section("mail", MailSettings),
        Section("news", NewsSettings),
        Section("gifts", GiftSettings),
    ),
    (
        RouteNeeds("gifts", (frozenset({"shop"}), frozenset({"mail"})), "gifts"),
        RouteNeeds("news", (frozenset({"shop"}), frozenset({"news"}), frozenset({"crm", "mail"}))),
    ),
)

SHOP, MAIL, CRM, NEWS = "shop: {key: env:KEY}", "mail: {token: env:KEY}", "crm: {token: env:KEY}", "news: {}"
GOOD = f"  - {{id: good, {SHOP}, {MAIL}}}\n"

Read = Callable[..., MerchantsFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_text(
        *lines: str, top: str = "", environ: dict[str, str] | None = None, house: House = HOUSE
    ) -> MerchantsFile:
        """Read a file whose first merchant, `hill` on line 2, has these lines, from line 3 on."""
        entry = "".join(f"    {line}\n" for line in lines)
        path = tmp_path / "merchants.yaml"
        path.write_text(f"merchants:\n  - id: hill\n{entry}{GOOD}{top}")
        return read_by(path, ENV if environ is None else environ, house)

    return read_text


# --- R1: what a fault spoils ---


def test_r1_an_entry_has_the_routes_whose_sections_it_names(read: Read) -> None:
    assert read(SHOP, MAIL).merchants[0].routes == ("gifts",)
    assert read(SHOP, CRM, NEWS).merchants[0].routes == ("news",)
    both = read(SHOP, MAIL, NEWS).merchants[0]
    assert (both.routes, both.doubts, dict(both.faults)) == (("gifts", "news"), (), {})
    assert list(both.sections) == ["shop", "mail", "news", "gifts"]


@pytest.mark.parametrize(
    ("lines", "usable", "faults"),
    [
        ((SHOP, MAIL, "news: {mode: loud}"), ("gifts",), {"news": "merchants.yaml, line 5: mode: expected one of: "}),
        ((SHOP, MAIL, NEWS, "gift_note: 5"), ("news",), {"gifts": "merchants.yaml, line 6: gift_note: expected true"}),
        # Another destination of the route could be written to, but this one is meant as well.
        (
            (SHOP, "crm: {}", MAIL, NEWS),
            ("gifts",),
            {"news": "merchants.yaml, line 4: crm: either token or user is ne"},
        ),
    ],
)
def test_r1_a_fault_in_one_routes_section_fails_that_route_alone(
    read: Read, lines: tuple[str, ...], usable: tuple[str, ...], faults: dict[str, str]
) -> None:
    file = read(*lines)
    assert file.bad == ()
    merchant = file.merchants[0]
    assert merchant.routes == usable
    assert merchant.faults.keys() == faults.keys()
    for route, said in faults.items():
        assert merchant.faults[route].message.startswith(said)
        assert merchant.faults[route].kind == "config"
        assert merchant.faults[route].__traceback__ is None


def test_r1_a_section_that_cannot_be_used_says_why_to_who_asks_for_it(read: Read) -> None:
    merchant = read(SHOP, MAIL, "crm: {tokn: env:KEY}", NEWS).merchants[0]
    assert (merchant.has(CrmSettings), merchant.has(MailSettings), merchant.has(GiftSettings)) == (False, True, True)
    with pytest.raises(BadSettings, match=r"line 5: `tokn` is not a key that is known here; did you mean `token`\?"):
        merchant.section(CrmSettings)
    with pytest.raises(LookupError):
        read(SHOP, MAIL).merchants[0].section(NewsSettings)


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("time_zone: Mars", 6),
        ("enabled: 5", 6),
        ("give_up_after: soon", 6),
        ("paused: [new]", 6),
        ("colour: red", 6),  # an unknown section
        ("id: hill", 6),
    ],
)
def test_r1_a_fault_in_what_all_routes_use_fails_all(read: Read, line: str, where: int) -> None:
    file = read(SHOP, MAIL, NEWS, line)
    assert file.ids == ("good",)
    (bad,) = file.bad
    assert bad.id == "hill"
    assert bad.error.message.startswith(f"merchants.yaml, line {where}: ")


def test_r1_a_fault_in_a_shared_section_fails_all_that_use_it_once(read: Read) -> None:
    (bad,) = read("shop: {key: env:NONE}", MAIL, NEWS).bad
    assert bad.error.message == "merchants.yaml, line 3: key: the environment variable NONE is not set; set it"


def test_r1_where_each_route_has_its_own_fault_all_are_told(read: Read) -> None:
    (bad,) = read(SHOP, MAIL, "news: {mode: 5}", "gift_note: 5").bad
    assert [f"line {line}: " in bad.error.message for line in (5, 6)] == [True, True]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((SHOP, MAIL, CRM), "merchants.yaml, line 5: crm: no route of this merchant uses this; news needs news too"),
        ((SHOP, CRM, NEWS, "gift_note: true"), "merchants.yaml, line 6: gift_note: no route of this merchant uses thi"),
        ((SHOP, MAIL, "paused: [news]"), "merchants.yaml, line 5: paused: this merchant does not have this route"),
    ],
)
def test_r1_what_no_route_uses_is_a_doubt(read: Read, lines: tuple[str, ...], said: str) -> None:
    merchant = read(*lines).merchants[0]
    assert len(merchant.routes) == 1
    (doubt,) = merchant.doubts
    assert doubt.startswith(said)


def test_r1_what_no_route_uses_spoils_nothing_and_its_fault_is_told(read: Read) -> None:
    merchant = read(SHOP, MAIL, "crm: {}").merchants[0]
    assert (merchant.routes, dict(merchant.faults)) == (("gifts",), {})
    assert merchant.doubts[1] == "merchants.yaml, line 5: crm: either token or user is needed"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            (),
            "line 2: this merchant has no route; add the sections of one (gifts: shop, mail; news: shop, news, crm or",
        ),
        ((SHOP,), "line 2: mail.token is missing; write env:NAME or file:PATH"),
        ((MAIL,), "line 2: shop.key is missing; write env:NAME or file:PATH"),
        ((SHOP, CRM), "line 2: news is missing; write `news: {}`"),
        ((NEWS, SHOP), "line 2: crm or mail is missing"),
        ((CRM, "news: {mode: 5}"), "line 4: mode: expected one of"),  # what is wrong before what is missing
    ],
)
def test_r1_a_merchant_without_a_route_is_told_what_it_lacks(read: Read, lines: tuple[str, ...], said: str) -> None:
    (bad,) = read(*lines).bad
    assert bad.error.message.startswith(f"merchants.yaml, {said}")


def test_r1_who_names_a_route_s_own_section_means_the_route_and_what_it_lacks_fails_it_alone(read: Read) -> None:
    """orders.md 2: `orders` without one of the sections is `config`, naming it, whatever else the merchant has."""
    house = House(HOUSE.sections, (RouteNeeds("mail", (frozenset({"mail"}),)), HOUSE.routes[1]))
    merchant = read(MAIL, NEWS, house=house).merchants[0]
    assert merchant.routes == ("mail",)
    assert {name: fault.message for name, fault in merchant.faults.items()} == {
        "news": "merchants.yaml, line 2: shop.key is missing; write env:NAME or file:PATH (the entry's `mail` and "
        "`news` are of route news, which needs it)"
    }


@pytest.mark.parametrize(
    ("lines", "routes"),
    [
        ((SHOP, CRM, "news: {mode: 5}"), ("news",)),
        ((SHOP, MAIL, NEWS, "enabled: 5"), ("gifts", "news")),
        ((CRM, NEWS), ("news",)),
        ((MAIL,), ("gifts",)),
        ((), ()),
    ],
)
def test_r4_an_entry_that_cannot_be_used_still_says_which_routes_it_means(
    read: Read, lines: tuple[str, ...], routes: tuple[str, ...]
) -> None:
    (bad,) = read(*lines).bad
    assert bad.routes == routes


# --- R2: one strict reader for all ---


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("news: {consents: [{name: a, kind: mail}, {lists: [1]}]}", "name is missing; write a text"),
        ("news: {consents: [{name: a}]}", "kind is missing; write one of: mail, text"),
        ("news: {consents: [{name: a, lists: [0]}]}", "must be a whole number, 1 or more"),
        ("news: {consents: {name: a}}", "consents: expected a list (lines that begin with `- `), got a mapping"),
        ("news: {events: {OrderAdd: maybe}}", "OrderAdd: expected true or false, got a text"),
        ("news: {events: [OrderAdd]}", "events: expected a mapping (lines of `key: value`), got a list"),
        ("news: {keep: long}", "keep: expected a duration"),
        ("news: {consents: [{nam: a}]}", "`nam` is not a key that is known here; did you mean `name`?"),
        ("news: {from_: x}", "`from_` is not a key that is known here; did you mean `from`?"),
        ("news: {plain: 5}", "plain: Input should be a valid integer"),  # a field without a form of ours
    ],
)
def test_r2_lists_mappings_and_parts_are_checked_with_their_lines(read: Read, line: str, said: str) -> None:
    merchant = read(SHOP, MAIL, line).merchants[0]
    assert merchant.faults["news"].message.startswith("merchants.yaml, line 5: ")
    assert said in merchant.faults["news"].message


def test_r2_lists_mappings_and_parts_are_taken(read: Read, tmp_path: Path) -> None:
    found = read(
        SHOP,
        CRM,
        "news:",
        "  consents: [{name: a, kind: mail, lists: [1, 2]}]",
        "  events: {OrderAdd: true}",
        "  own: a.yaml",
    ).merchants[0]
    news = found.section(NewsSettings)
    assert news.consents == (Consent(name="a", kind="mail", lists=(1, 2)),)
    assert news.events == {"OrderAdd": True}
    assert news.own == OwnFile(tmp_path / "a.yaml")
    assert news.own.said_in == "merchants.yaml, line 8: own"
    assert [secret.reveal() for secret in secrets_of(found.section(CrmSettings))] == [SECRET]


def test_r2_null_is_taken_where_it_means_something(read: Read) -> None:
    assert read(SHOP, "crm: {token: null, user: me}", NEWS).merchants[0].section(CrmSettings).user == "me"


def test_r2_what_a_whole_section_must_be_is_checked_with_the_defaults_laid_under(read: Read) -> None:
    file = read(SHOP, "crm: {user: me}", NEWS, top="defaults: {crm: {token: env:KEY}}\n")
    assert "line 4: crm: either token or user is needed" in file.bad[0].error.message


def test_r2_a_section_may_check_the_rest_of_its_entry(read: Read) -> None:
    lines = ("news:", "  events: {crm: true}")
    assert read(SHOP, CRM, *lines).merchants[0].routes == ("news",)
    named = read(SHOP, "crm: {}", MAIL, *lines).merchants[0]  # though it cannot be used
    assert named.faults["news"].message == "merchants.yaml, line 4: crm: either token or user is needed"
    merchant = read(SHOP, MAIL, *lines).merchants[0]
    assert (merchant.routes, merchant.has(NewsSettings)) == (("gifts",), False)
    assert merchant.faults["news"].message == "merchants.yaml, line 6: events: no crm is here"
    by_default = read(SHOP, MAIL, "news: {}", top="defaults: {news: {events: {crm: true}}}\n").merchants[0]
    assert by_default.faults["news"].message.startswith("merchants.yaml, line 7: events: ")


# --- R33: what switches a section on ---


def test_r33_defaults_fill_a_section_and_switch_nothing_on(read: Read) -> None:
    top = "defaults: {mail: {token: env:KEY}, crm: {token: env:KEY}, news: {mode: shadow}}\n"
    file = read(SHOP, "crm: {}", "news: {}", top=top)
    merchant = file.merchants[0]
    assert merchant.routes == ("news",)
    assert list(merchant.sections) == ["shop", "crm", "news"]
    assert merchant.section(NewsSettings).mode == "shadow"
    assert merchant.doubts == ()


@pytest.mark.parametrize("nothing", ["", " {}", " null"])
def test_r33_an_empty_mapping_will_do(read: Read, nothing: str) -> None:
    top = "defaults: {mail: {token: env:KEY}}\n"
    assert read(SHOP, f"mail:{nothing}", top=top).merchants[0].routes == ("gifts",)
    (bad,) = read(SHOP, top=top).bad
    assert bad.error.message == (
        "merchants.yaml, line 2: mail is missing; what `defaults` say of it switches nothing on; write `mail: {}` "
        "(the entry's `shop` is of route gifts, which needs it)"
    )


# --- R51: pauses ---


def test_r51_a_paused_route_is_off_and_its_sections_stay_checked(read: Read) -> None:
    merchant = read(SHOP, MAIL, NEWS, "paused: [news]").merchants[0]
    assert (merchant.routes, merchant.paused, merchant.doubts) == (("gifts",), {"news"}, ())
    assert merchant.section(NewsSettings).mode == "live"
    faulty = read(SHOP, MAIL, "news: {mode: 5}", "paused: [news]").merchants[0]
    assert (faulty.routes, faulty.paused, list(faulty.faults)) == (("gifts",), {"news"}, ["news"])


def test_r51_a_merchant_may_pause_all_that_it_has(read: Read) -> None:
    merchant = read(SHOP, MAIL, "paused: [gifts]").merchants[0]
    assert (merchant.routes, merchant.paused) == ((), {"gifts"})


def test_r51_defaults_may_pause_a_route_for_all(read: Read) -> None:
    file = read(SHOP, MAIL, NEWS, top="defaults: {paused: [gifts]}\n")
    assert [(one.routes, one.paused, one.doubts) for one in file.merchants] == [
        (("news",), {"gifts"}, ()),
        ((), {"gifts"}, ()),
    ]
    assert read(SHOP, MAIL, "paused: []", top="defaults: {paused: [gifts]}\n").merchants[0].routes == ("gifts",)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[new]", "expected one of: gifts, news; did you mean `news`?"),
        ("news", "paused: expected a list (lines that begin with `- `), got a text"),
        ("[[news]]", "expected one of: gifts, news, got a list"),
    ],
)
def test_r51_a_pause_of_nothing_that_there_is_is_refused(read: Read, written: str, said: str) -> None:
    (bad,) = read(SHOP, MAIL, f"paused: {written}").bad
    assert said in bad.error.message


# --- R64: files of their own ---


def put(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def listing(merchant_id: str, *more: str) -> str:
    return "merchants:\n" + f"  - {{{', '.join((f'id: {merchant_id}', SHOP, MAIL, *more))}}}\n"


def ids_of(path: Path) -> tuple[str, ...]:
    return read_by(path, ENV, HOUSE).ids


def test_r64_files_beside_the_merchants_file_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    main = put(tmp_path, merchants=listing("main") + "defaults: {time_zone: UTC}\n") / "merchants.yaml"
    more = put(tmp_path / "merchants.d", b=listing("two"), a=listing("three") + listing("four")[11:], c="")
    (more / ".d.yaml").write_text("merchants: [half written")
    (more / "notes.txt").write_text("- no")
    assert ids_of(main) == ("main", "three", "four", "two")
    assert {str(one.time_zone) for one in read_by(main, ENV, HOUSE).merchants} == {"UTC"}


def test_r64_the_setting_may_name_such_a_folder(tmp_path: Path) -> None:
    folder = put(tmp_path / "wineries", b=listing("two"), a=listing("one"))
    assert ids_of(folder) == ("one", "two")


def test_r64_no_merchants_file_is_needed_beside_others(tmp_path: Path) -> None:
    put(tmp_path / "merchants.d", a=listing("one"))
    assert ids_of(tmp_path / "merchants.yaml") == ("one",)
    put(tmp_path, merchants="merchants: []\n")
    assert ids_of(tmp_path / "merchants.yaml") == ("one",)


def test_r64_paths_are_relative_to_the_file_that_they_stand_in(tmp_path: Path) -> None:
    defaults = "defaults: {mail: {token: file:shared}, gift_map: maps/all.yaml}\n"
    main = put(tmp_path, merchants=listing("main") + defaults) / "merchants.yaml"
    (tmp_path / "shared").write_text("shared-key")
    more = put(tmp_path / "merchants.d", a="merchants:\n  - {id: one, shop: {key: file:own}, mail: {}}\n")
    (more / "own").write_text("own-key")
    one = read_by(main, ENV, HOUSE).get("one")
    assert one is not None
    assert one.section(ShopSettings).key.reveal() == "own-key"
    assert one.section(MailSettings).token.reveal() == "shared-key"
    assert one.section(GiftSettings).gift_map.path == tmp_path / "maps" / "all.yaml"


def test_r64_an_id_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    main = put(tmp_path, merchants=listing("main")) / "merchants.yaml"
    put(tmp_path / "merchants.d", a=listing("one"), b="merchants:\n\n" + listing("one")[11:], c=listing("main"))
    file = read_by(main, ENV, HOUSE)
    assert file.ids == ("main", "one")
    assert [bad.error.message for bad in file.bad] == [
        "merchants.d/b.yaml, line 3: id one is that of merchants.d/a.yaml, line 2 already; give this one its own",
        "merchants.d/c.yaml, line 2: id main is that of merchants.yaml, line 2 already; give this one its own",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("merchants: [", "merchants.d/broken.yaml, line 2: not YAML"),
        ("defaults: {}\n" + listing("x"), "merchants.d/broken.yaml, line 1: defaults: a file of this folder has no"),
        ("merchant: []\n", "merchants.d/broken.yaml, line 1: `merchant` is not a key that is known here; did you mean"),
        ("merchants: 5\n", "merchants.d/broken.yaml, line 1: merchants: expected a list"),
    ],
)
def test_r64_a_file_that_cannot_be_read_is_one_bad_entry(tmp_path: Path, text: str, said: str) -> None:
    main = put(tmp_path, merchants=listing("main")) / "merchants.yaml"
    put(tmp_path / "merchants.d", broken=text, whole=listing("whole"))
    file = read_by(main, ENV, HOUSE)
    assert file.ids == ("main", "whole")
    (bad,) = file.bad
    assert (bad.id, bad.whole_file, file.names_all) == ("broken", True, False)
    assert bad.error.message.startswith(said)
    # Whoever was in it keeps the partition.
    assert wanted_keys(file, ["main", "was-in-it"]) == ["main", "whole", "was-in-it"]
    with pytest.raises(BadSettings):
        is_enabled(main, "was-in-it")


def test_r64_whether_a_merchant_is_enabled_is_looked_up_in_all_files(tmp_path: Path) -> None:
    main = put(tmp_path, merchants=listing("main") + "defaults: {enabled: false}\n") / "merchants.yaml"
    put(tmp_path / "merchants.d", a=listing("one"), b=listing("two", "enabled: true"))
    assert [is_enabled(main, name) for name in ("main", "one", "two", "three")] == [False, False, True, None]


def test_r64_where_an_entry_stands_is_told_by_file_and_line(tmp_path: Path) -> None:
    main = put(tmp_path, merchants=listing("main")) / "merchants.yaml"
    put(tmp_path / "merchants.d", a=listing("one"))
    told = [place_of_entry(main, name) for name in ("main", "one", "nobody")]
    assert told == ["merchants.yaml, line 2", "merchants.d/a.yaml, line 2", str(main)]


# --- no value shows ---

WRONG = [SECRET, PHONE, f"'{PHONE}'", f"[{SECRET}]", f"{{{SECRET}: {SECRET}}}", f"{{a: {SECRET}}}", f"!t {SECRET}"]


def places(model: type[SettingsModel]) -> list[str]:
    """What to write to have a value (`%s`) at each place of a model, parts included."""
    found = []
    for key, info in fields_of(model).items():
        found.append("{" + key + ": %s}")
        if isinstance(info.annotation, type) and issubclass(info.annotation, SettingsModel):
            found += ["{" + key + ": " + inner + "}" for inner in places(info.annotation)]
    return found


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize(
    ("house", "good"),
    [
        (HOUSE, [SHOP, MAIL, CRM, NEWS]),
        (
            settings.house(),
            ["vinoshipper: {api_key: env:KEY, api_secret: env:KEY}", "simpletexting: {api_token: env:KEY}"],
        ),
    ],
    ids=["made up", "ours"],
)
def test_no_message_repeats_a_value(tmp_path: Path, house: House, good: list[str], wrong: str) -> None:
    entries = [f"{key}: {wrong}" for key in house.keys] + [f"{wrong}: 1"]
    for section in house.sections:
        written = [place % wrong for place in places(section.model)]
        entries += [text[1:-1] if section.model.top_level else f"{section.name}: {text}" for text in written]
    path = tmp_path / "merchants.yaml"
    whole = ", ".join(good)
    for entry in entries:
        key = entry.partition(":")[0]
        others = ", ".join(line for line in ("id: hill", *good) if line.partition(":")[0] != key)
        for text in (
            f"merchants:\n  - {{id: good, {whole}}}\n  - {{{others}, {entry}}}\n",
            f"merchants:\n  - {{{others}, {entry}}}\n",
            f"merchants:\n  - {{{others}, paused: [{house.routes[0].name}], {entry}}}\n",
            f"defaults: {{{entry}}}\nmerchants:\n  - {{id: good, {whole}}}\n",
        ):
            path.write_text(text)
            said = []
            try:
                file = read_by(path, ENV, house)
            except BadSettings as error:
                said.append(error)
            else:
                said += [bad.error for bad in file.bad]
                for merchant in file.merchants:
                    said += [*merchant.faults.values(), *merchant.doubts]
            for error in said:
                shown = f"{error} {error!r}"
                assert SECRET not in shown, text
                assert PHONE not in shown, text


def test_pydantics_own_errors_repeat_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        ShopSettings(key=SECRET, limits=PHONE)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
    assert PHONE not in str(caught.value)


# --- every connector and route ---


@pytest.mark.parametrize("section", settings.house().sections, ids=lambda one: one.name)
def test_settings_come_back_as_they_were(section: Section) -> None:
    """Made from their own values they are equal; each field says how it is written, and no key is anybody else's."""
    values = least_read(section.model, Path("."))
    made = section.model.model_validate(values)
    assert section.model.model_validate(dict(made)) == made
    if not section.model.implied:  # no file has a key for these
        assert_forms(section.model)
    with pytest.raises(ValidationError):
        section.model.model_validate({**values, "colour": 1})
    with pytest.raises(ValidationError):
        made.colour = 1  # type: ignore[attr-defined]


def assert_forms(model: type[SettingsModel]) -> None:
    for key, field in fields_of(model).items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, SettingsModel):
            assert_forms(field.annotation)
        else:
            assert field.metadata, f"{model.__name__}.{key} does not say how it is written (`platform/settings/forms`)"


def test_no_key_of_an_entry_has_two_owners() -> None:
    keys = settings.house().keys
    assert len(keys) == len(set(keys))
    assert [one.name for one in settings.house().sections] == [
        *(connector.name for connector in CONNECTORS),
        *(route.name for route in ROUTES if route.settings is not None),
    ]


def test_every_route_needs_sections_that_there_are() -> None:
    names = {one.name for one in settings.house().sections}
    for route in settings.house().routes:
        assert route.needs
        assert frozenset().union(*route.needs) <= names


def test_a_merchant_can_be_copied_and_shows_no_secret(read: Read) -> None:
    merchant = read(SHOP, MAIL).merchants[0]
    assert SECRET not in repr(merchant)
    assert SECRET not in repr(dataclasses.asdict(merchant))
    assert dataclasses.replace(merchant, id="other").section(ShopSettings) is merchant.section(ShopSettings)
