"""What every connector keeps, whatever its system: names, settings, tables of its own, and no need of any other."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import pytest
import yaml
from pydantic import Field

from vs_st_pipeline import connectors, routes
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.settings import house
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.settings.forms import (
    Choice,
    Duration,
    Flag,
    ListOf,
    MappingOf,
    OrNull,
    Text,
    TimeZone,
    Wait,
    Whole,
)
from vs_st_pipeline.platform.settings.merchants import House, Merchant, RouteNeeds, Section, read_merchants
from vs_st_pipeline.platform.settings.model import SettingsModel, fields_of
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout
from vs_st_pipeline.platform.warehouse.streams import Stream
from vs_st_pipeline.platform.warehouse.suppression import Identifiers, read_suppressed, suppress
from vs_st_pipeline_tests.contracts import rules, values
from vs_st_pipeline_tests.contracts.files import before, catalog, content, tables_of, warehouse_of
from vs_st_pipeline_tests.contracts.members import CONNECTORS_AND_TOYS, file_of
from vs_st_pipeline_tests.platform.settings.test_sections import CrmSettings, GiftSettings, Limits, ShopSettings

NOW = datetime(2026, 3, 1, 12)
each = pytest.mark.parametrize("connector", CONNECTORS_AND_TOYS.values(), ids=CONNECTORS_AND_TOYS)


def own_tables(connector: Connector[Any], folder: Path) -> list[str]:
    """The tables that its migrations make."""
    with warehouse_of(folder / "shared", Layout((SHARED,))).open("one") as db:
        shared = set(tables_of(db))
    with warehouse_of(folder / "own", file_of(connector)).open("one") as db:
        return [table for table in tables_of(db) if table not in shared]


# --- names ------------------------------------------------------------------------------------------------------------


def test_every_system_has_a_name_of_its_own() -> None:
    assert list(rules.of_all(connectors.CONNECTORS)) == []


@each
def test_names_are_as_names_are(connector: Connector[Any], tmp_path: Path) -> None:
    assert list(rules.of_connector(connector, own_tables(connector, tmp_path))) == []


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ({"name": "My-Shop"}, "no word in small letters"),
        ({"title": " "}, "cannot stand in a sentence"),
        ({"streams": (Stream("things", "thing", "raw.things", "id"),)}, "does not begin with raw.toyshop_"),
        ({"streams": (Stream("things", "thing", "raw.toyshop_things", "id"),)}, "no migration makes it"),
        ({"streams": (Stream("things", "a", "t", "id"), Stream("things", "b", "t", "id"))}, "two streams are called"),
        ({"streams": (Stream("Things", "thing", "raw.toyshop_things", "id"),)}, "no word in small letters"),
    ],
)
def test_a_connector_with_other_names_is_told(spoilt: dict[str, Any], said: str) -> None:
    toy = dataclasses.replace(CONNECTORS_AND_TOYS["toyshop"], **spoilt)
    assert any(said in sentence for sentence in rules.of_connector(toy, []))


def test_a_system_that_is_there_twice_is_told() -> None:
    assert list(rules.of_all([*connectors.CONNECTORS, connectors.CONNECTORS[0]])) != []


# --- settings: of connectors and of routes ----------------------------------------------------------------------------


class EveryKind(SettingsModel):
    """Kinds of values that no section of today has."""

    mode: Choice[Literal["live", "shadow", "off"]] = "live"
    from_: OrNull[Duration] = Field(default=None, alias="from")
    name: Text
    zone: TimeZone = ZoneInfo("UTC")
    lists: ListOf[Annotated[int, Whole(1, 1000)]] = ()
    limits: ListOf[Limits] = ()
    events: MappingOf[Flag] = {}
    keep: Wait = timedelta(seconds=1)


WRITTEN = [section for section in house().sections if not section.model.implied]
"""Sections that an entry has a key for."""
SECTIONS: dict[str, type[SettingsModel]] = {
    **{section.name: section.model for section in WRITTEN},
    "toyshop": CONNECTORS_AND_TOYS["toyshop"].settings,
    "madeup": ShopSettings,
    "kinds": EveryKind,
    "gifts": GiftSettings,
}
"""Sections of all connectors and routes, and made up ones that have every kind of value."""

each_section = pytest.mark.parametrize("name", SECTIONS)


class Base(SettingsModel):
    """A section beside the one that is asked about, so that the merchant has a route in any case."""


def read(folder: Path, name: str, model: type[SettingsModel], written: dict[str, Any]) -> Merchant:
    """What is read of an entry with this section; the line of each key is another one."""
    top = model.top_level
    sections = (Section("base", Base), Section(name, model))
    needs = RouteNeeds("walk", (frozenset({"base"}), *(() if top else (frozenset({name}),))), name if top else None)
    entry = {"id": "hillside", "base": {}, **(written if top else {name: written})}
    path = folder / "merchants.yaml"
    path.write_text(yaml.safe_dump({"merchants": [entry]}, sort_keys=False, default_flow_style=False))
    file = read_merchants(path, values.ENVIRON, House(sections, (needs,)))
    [merchant] = file.merchants
    if merchant.faults:
        raise merchant.faults["walk"]
    return merchant


@each_section
def test_a_section_with_every_key_is_read_back_as_it_was_written(name: str, tmp_path: Path) -> None:
    model = SECTIONS[name]
    written, meant = values.whole(model, tmp_path)
    found = read(tmp_path, name, model, written).section(model)
    assert found == meant
    unchanged = [key for key in fields_of(model) if key in written and _is_default(model, key, found)]
    assert unchanged == [], "each value was another one than the default, so each was read"
    assert values.WORD not in repr(found), "a secret shows nowhere"


def _is_default(model: type[SettingsModel], key: str, found: SettingsModel) -> bool:
    field = fields_of(model)[key]
    name = next(name for name, one in model.model_fields.items() if one is field)
    return not field.is_required() and getattr(found, name) == field.default


@pytest.mark.parametrize("name", [section.name for section in WRITTEN])
def test_every_key_has_a_form_so_that_its_messages_are_ours(name: str) -> None:
    for model in values.models_in(SECTIONS[name]):
        assert [key for key, field in fields_of(model).items() if not values.has_form(field)] == [], model


@each_section
def test_what_is_left_out_has_the_built_in_value(name: str, tmp_path: Path) -> None:
    model = SECTIONS[name]
    found = read(tmp_path, name, model, values.least(model, tmp_path)).section(model)
    names = {key: name for name, field in model.model_fields.items() for key in [field.alias or name]}
    for key, field in fields_of(model).items():
        if not field.is_required() and key not in values.NEEDED_BY_A_RULE.get(model.__name__, ()):
            assert getattr(found, names[key]) == field.default, key


WRONG = [
    pytest.param(name, place, value, id=f"{name} {'.'.join(place)}")
    for name, model in SECTIONS.items()
    for place, value in values.wrong(model, Path("."))
]


@pytest.mark.parametrize(("name", "place", "value"), WRONG)
def test_a_wrong_value_is_told_with_file_line_and_key_and_never_repeated(
    name: str, place: tuple[str, ...], value: Any, tmp_path: Path
) -> None:
    """routes.md R2."""
    model = SECTIONS[name]
    written, _ = values.whole(model, tmp_path)
    holder = written
    for part in place[:-1]:
        holder = holder[part]
    holder[place[-1]] = value
    said = refused(tmp_path, name, model, written)
    lines = (tmp_path / "merchants.yaml").read_text().splitlines()
    numbers = [number for number, line in enumerate(lines, 1) if line.strip().startswith(f"{place[-1]}:")]
    ends = len(yaml.safe_dump(value).splitlines()) + 1
    assert any(f"merchants.yaml, line {at + more}: " in said for at in numbers for more in range(ends)), said
    assert place[-1] in said
    assert values.WORD not in said
    assert values.DIGITS not in said


@each_section
def test_a_key_that_nobody_knows_is_told_with_the_nearest_one(name: str, tmp_path: Path) -> None:
    model = SECTIONS[name]
    written, _ = values.whole(model, tmp_path)
    near = next(iter(written), "none")
    said = refused(tmp_path, name, model, {**written, f"{near}x": values.WORD})
    assert "merchants.yaml, line" in said
    assert f"{near}x" in said
    assert not written or f"`{near}`" in said
    assert values.WORD not in said


@each_section
def test_what_is_missing_is_told_with_what_to_write(name: str, tmp_path: Path) -> None:
    model = SECTIONS[name]
    for key in (key for key, field in fields_of(model).items() if field.is_required()):
        written, _ = values.whole(model, tmp_path)
        del written[key]
        said = refused(tmp_path, name, model, written)
        assert "merchants.yaml, line" in said
        assert f"{key} is missing; write " in said


def refused(folder: Path, name: str, model: type[SettingsModel], written: dict[str, Any]) -> str:
    """The message by which a section is refused."""
    with pytest.raises(BadSettings) as found:
        read(folder, name, model, written)
    return found.value.message


def test_a_value_of_a_kind_that_is_not_known_is_asked_for(tmp_path: Path) -> None:
    class Odd(SettingsModel):
        weight: complex = 0j

    with pytest.raises(AssertionError, match="add one"):
        values.whole(Odd, tmp_path)


def test_a_rule_of_the_whole_section_is_told_too(tmp_path: Path) -> None:
    """The toy says so for `token` and `user`, of which one is needed: a whole of both is none."""
    written, _ = values.whole(CrmSettings, tmp_path)
    assert "either token or user" in refused(tmp_path, "crm", CrmSettings, written)


def test_every_section_of_the_house_is_asked_about() -> None:
    owners = {one.name: one.settings for one in connectors.CONNECTORS if not one.settings.implied}
    owners |= {one.name: one.settings for one in routes.ROUTES if one.settings}
    assert owners.items() <= SECTIONS.items()


# --- a file of its own ------------------------------------------------------------------------------------------------


@each
def test_declared_streams_are_there_with_their_columns(connector: Connector[Any], tmp_path: Path) -> None:
    with warehouse_of(tmp_path, file_of(connector)).open("one") as db:
        for stream in connector.streams:
            schema, table = stream.table.split(".")
            columns = db.rows(
                "select column_name from duckdb_columns() where schema_name = ? and table_name = ?", [schema, table]
            )
            assert (stream.key,) in columns, stream
            assert db.rows(f"select count(*), count({stream.key}) from {stream.table}") == [(0, 0)]


@each
def test_an_empty_file_without_other_systems_is_no_trouble(connector: Connector[Any], tmp_path: Path) -> None:
    """A route may read one system alone: nothing that a connector is asked may need another's tables, or any row."""
    with warehouse_of(tmp_path, file_of(connector)).open("one") as db:
        stored = content(db, tables_of(db))
        with db.transaction():
            connector.prune(db, NOW)
        records = {"customer": {"1"}, "contact": {"c"}}
        names = Identifiers(phones={"7075550142"}, emails={"mari@example.com"}, records=records)
        known = names.names()
        connector.find_person(db, names)
        assert names.names() == known, "it finds nobody where nobody is"
        for sql in connector.plan_inputs:
            assert len(db.rows(f"select {sql}")) == 1, sql
        assert list(connector.limitations(db)) == []
        assert list(connector.find_suppressed(db, read_suppressed(db))) == []
        assert content(db, tables_of(db)) == stored, "who only looks changes nothing"
        with db.transaction():
            suppress(db, known, NOW)
        assert list(connector.find_suppressed(db, read_suppressed(db))) == []


@each
def test_a_file_of_any_step_before_becomes_what_a_new_one_is(connector: Connector[Any], tmp_path: Path) -> None:
    layout = file_of(connector)
    with warehouse_of(tmp_path / "new", layout).open("one") as db:
        new = catalog(db)
    for lineage in layout.lineages[1:]:
        for version in range(lineage.newest):
            folder = tmp_path / f"{lineage.owner}{version}"
            with warehouse_of(folder, before(layout, lineage.owner, version)).open("one"):
                pass
            with warehouse_of(folder, layout).open("one") as db:
                assert catalog(db) == new, (lineage.owner, version)


def implying(name: str) -> tuple[str, type[SettingsModel]]:
    """The section of which a system's settings follow that no entry has a key for."""
    return next((one.name, one.model) for one in WRITTEN if name in one.model.implies)


@each
def test_its_account_is_what_the_settings_say_and_connecting_sends_nothing(
    connector: Connector[Any], tmp_path: Path
) -> None:
    name, model = (connector.name, connector.settings) if not connector.settings.implied else implying(connector.name)
    merchant = read(tmp_path, name, model, values.whole(model, tmp_path)[0])
    account = connector.account(merchant)
    assert account.requests_per_second > 0
    assert not account.base_url.endswith("/")
    assert values.WORD not in repr(account)
    if connector.name not in {one.name for one in connectors.CONNECTORS}:
        return  # the toy has no client
    if connector.name == "shop":
        return  # it is never called
    usual = {"waymore": "https://gateway.example", "gupshup": "https://api.gupshup.io"}
    assert account.base_url == usual.get(connector.name, values.URL)  # the host of one of three URLs; of an account
    assert account.key.reveal() == values.WORD

    class Never:
        def wait(self) -> float:
            raise AssertionError("a request was about to leave")

    client = connector.connect(merchant, Never())
    assert dict(client.http.calls) == {}
    assert values.WORD not in repr(client)
    client.http.close()
