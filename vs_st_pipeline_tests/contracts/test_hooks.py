"""What every connector keeps whose system calls us: whatever a body is, it is understood or kept as size and hash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vs_st_pipeline import connectors
from vs_st_pipeline.domain.hints import PING, WHOLE, WITHOUT_HINT
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.hooks import MOST_ELEMENTS

each = pytest.mark.parametrize(
    "connector", [one for one in connectors.CONNECTORS if one.hooks is not None], ids=lambda one: one.name
)
WORDS = st.sampled_from(
    ["identifier", "subject", "event", "event:", "hrefV3", "reportId", "type", "values", "contactId", "phone", "id"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=9), inner, max_size=6),
    max_leaves=12,
)
BODIES = st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode())


@each
@given(body=BODIES)
@settings(max_examples=60, deadline=None, database=None)
def test_no_body_is_refused_and_all_that_is_kept_can_be_stored_and_shown(
    connector: Connector[Any], body: bytes
) -> None:
    assert connector.hooks is not None
    calls = connector.hooks.read(body)
    assert 1 <= len(calls) <= MOST_ELEMENTS + 1
    for call in calls:
        assert call.kind in connector.hooks.kinds | WITHOUT_HINT | {WHOLE}
        assert (call.id or call.phone) or call.kind not in connector.hooks.kinds
        texts = [call.id, call.phone, call.event, call.event_id, *call.kept, *call.kept.values()]
        for text in (one for one in texts if isinstance(one, str)):
            assert text.isprintable()
            text.encode()
        assert len(json.dumps(call.kept)) < 6000


@each
def test_an_empty_body_is_one_ping_that_keeps_nothing(connector: Connector[Any]) -> None:
    assert connector.hooks is not None
    if connector.name == "shop":
        return  # whatever a site's developer posts is answered in words
    for body in (b"", b" \n", b"[]", b"null"):
        [call] = connector.hooks.read(body)
        assert (call.kind, dict(call.kept)) == (PING, {})


@each
def test_limits_are_those_of_the_rules(connector: Connector[Any]) -> None:
    assert connector.hooks is not None
    limits = {"gupshup": 262_144, "commerce7": 2**20, "eshopbox": 2**20, "shop": 2**20}
    rates = {"gupshup": (1000, 5000), "shop": (300, 3000), "sopost": (300, 3000)}
    assert connector.hooks.body_limit == limits.get(connector.name, 65_536)
    assert (connector.hooks.rate, connector.hooks.burst) == rates.get(connector.name, (50, 500))
    assert connector.hooks.stores_when_off == (connector.name in ("sopost", "gupshup", "shop"))
    assert connector.hooks.expires == (connector.name not in ("sopost", "gupshup", "shop"))
    assert connector.hooks.answers_get == (connector.name in ("gupshup", "eshopbox"))
