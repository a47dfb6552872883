"""Bodies that are read by typed structs say what the long way of reading says of them: row for row, odd ones too."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vs_st_pipeline.connectors.vinoshipper import landing, landing_orders, order_search, staging_orders, typed_bodies
from vs_st_pipeline.connectors.vinoshipper.client import OrderPage
from vs_st_pipeline.connectors.vinoshipper.kinds import ORDER
from vs_st_pipeline.connectors.vinoshipper.known_fields import KNOWN_ORDER
from vs_st_pipeline.connectors.vinoshipper.parse import ZONE, shop_moment, usual_moment
from vs_st_pipeline.domain.codec import read_json
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline.domain.formats import parse_moment
from vs_st_pipeline.domain.order import without_what_is_to_come
from vs_st_pipeline.domain.records import may_lack
from vs_st_pipeline.platform.warehouse.schema_drift import unexpected_names
from vs_st_pipeline_tests.support import odd_bodies
from vs_st_pipeline_tests.support.odd_bodies import World, land_and_stage, tables

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

SHAPES = ("list_item", "search_row", "order_detail")
TODAY, LATEST = odd_bodies.NOW.date(), odd_bodies.NOW


def read_the_long_way(patch: pytest.MonkeyPatch) -> None:
    """Let no body be as documented."""
    for name in SHAPES:
        patch.setattr(typed_bodies, name, lambda _: None)


def all_that_comes_of(world: World, folder: Path) -> list[tuple[list[str], dict[str, Any]]]:
    """Return the errors and all rows of all tables after each round."""
    return [(errors, tables(run)) for run, errors in land_and_stage(world, folder)]


@pytest.mark.parametrize("seed", range(6))
def test_every_row_of_every_table_is_what_the_long_way_makes(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = dict.fromkeys(SHAPES, 0)
    with monkeypatch.context() as patch:
        for name in SHAPES:
            patch.setattr(typed_bodies, name, _counted(name, taken))
        typed = all_that_comes_of(World(seed), tmp_path / "typed")
    with monkeypatch.context() as patch:
        read_the_long_way(patch)
        long = all_that_comes_of(World(seed), tmp_path / "long")
    assert len(typed) == len(odd_bodies.ROUNDS)
    for (errors, found), (expected_errors, expected) in zip(typed, long, strict=True):
        assert errors == expected_errors
        assert found.keys() == expected.keys()
        for table, rows in expected.items():
            assert found[table] == rows, table
    assert min(taken.values()) > odd_bodies.World(0).count, "hardly any body was read by a struct: nothing is compared"
    last = long[-1][1]
    for table in ("raw.drift", "raw.hints", "raw.unreadable", "staged.unusable", "staged.customers", "staged.orders"):
        assert last[table], f"no body was odd in a way that shows in {table}"


def _counted(name: str, taken: dict[str, int]) -> Callable[[Any], Any]:
    read = getattr(typed_bodies, name)

    def counted(body: Any) -> Any:
        found = read(body)
        taken[name] += found is not None
        return found

    return counted


def _open(shape: type[msgspec.Struct]) -> Callable[[Any], Any]:
    return msgspec.json.Decoder(shape).decode


TOO_WIDE: dict[str, tuple[tuple[str, ...], str, Any]] = {
    "an order with new keys": (("surprise", "error"), "typed_bodies._order", _open(typed_bodies.Order)),
    "an order with new words": (("status", "orderStatus"), "typed_bodies._order", _open(typed_bodies.Order)),
    "a list item with new keys": (("surprise",), "typed_bodies._item", _open(typed_bodies.ListItem)),
    "a birth date under another key": (
        ("customer.dateOfBirth", "customer.DOB"),
        *("typed_bodies.names_birth", lambda _: False),
    ),
    "a total of any form": (("total",), "staging_orders._PLAIN_AMOUNT", lambda _: True),
    "a date of any time": (("purchasedAt", "shippedAt"), "typed_bodies.day_after", lambda _: "2998"),
    "an id of any size": (("customer.id", "id"), "typed_bodies._TOO_LARGE", 2**200),
}


@pytest.mark.parametrize("taken", TOO_WIDE)
def test_the_comparison_notices_a_shape_that_takes_too_much(
    taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, name, wide = TOO_WIDE[taken]
    for seed in range(8):
        usual = all_that_comes_of(World(seed, 30, places), tmp_path / f"usual-{seed}")
        with monkeypatch.context() as patch:
            patch.setattr(f"vs_st_pipeline.connectors.vinoshipper.{name}", wide)
            try:
                found = all_that_comes_of(World(seed, 30, places), tmp_path / f"wide-{seed}")
            except (OverflowError, duckdb.Error):  # it could not even be stored
                return
        if found != usual:
            return
    pytest.fail("nothing showed it")


# --- body by body ---------------------------------------------------------------------------------------------------


@st.composite
def bodies(draw: st.DrawFn, make: Callable[[random.Random], dict[str, Any]]) -> str:
    """An ordinary body, or one with up to three oddities."""
    rnd = random.Random(draw(st.integers(0, 2**32)))
    body = make(rnd)
    return odd_bodies.make_odd(body, rnd) if draw(st.booleans()) else odd_bodies.write(body)


usual = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@usual
@given(bodies(lambda rnd: odd_bodies.item(700_001, rnd)))
def test_a_list_item_says_the_same(text: str) -> None:
    item = landing.customer_item(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        read_the_long_way(patch)
        assert item == landing.customer_item(text.encode())


@usual
@given(bodies(lambda rnd: odd_bodies.row(odd_bodies.order("A-1", 700_001, rnd))))
def test_a_row_of_the_search_says_the_same(text: str) -> None:
    def read() -> Any:
        try:
            return order_search._page(OrderPage(None, [text.encode()]))
        except BadAnswer as error:
            return str(error)

    page = read()
    with pytest.MonkeyPatch.context() as patch:
        read_the_long_way(patch)
        assert page == read()


@usual
@given(bodies(lambda rnd: odd_bodies.order("A-1", 700_001, rnd)))
@example('{"orderNumber": "A-1"}')
@example("[]")
@example("{")
def test_an_order_says_the_same(text: str) -> None:
    told = landing_orders._told(text, TODAY)
    fields = landing_orders._order_fields(text)
    assert (told.owner, told.settled_at, told.has_parts) == (
        landing_orders._owner(fields),
        landing_orders._settled_since(fields),
        fields.has_parts,
    )
    if told.whole:
        assert not may_lack(ORDER, read_json(text), TODAY)
    before = typed_bodies.day_after(LATEST)
    row = staging_orders._typed_row("A-1", 7, text, "hash", (None, False), TODAY, before)
    if row is not None:
        detail = staging_orders._order_fields(text)
        order, lacking = staging_orders._order("A-1", detail or {}, None, TODAY, read_again=True)
        assert row == staging_orders._order_row(order, 7, "hash", None, False)
        assert not unexpected_names(KNOWN_ORDER, detail)
        assert not lacking
        assert not without_what_is_to_come(order, LATEST).unread


@given(
    st.one_of(
        st.from_regex(
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2}", fullmatch=True
        ),
        st.datetimes(datetime(1900, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC)).map(
            lambda at: at.isoformat(timespec="seconds")
        ),
        st.text(min_size=25, max_size=25),
        st.sampled_from([date for date in odd_bodies.DATES if isinstance(date, str)]),
    )
)
@settings(deadline=None)
def test_a_usual_moment_is_what_any_reader_finds(text: str) -> None:
    assert shop_moment(text) == parse_moment(text, ZONE)
    try:
        found = usual_moment(text)
    except ValueError:
        return
    assert found == parse_moment(text)
    assert found.tzinfo is UTC
