"""A contact that is as documented is read the quick way, and the same as by the way that expects anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vs_st_pipeline.connectors.simpletexting import stored_contacts
from vs_st_pipeline.connectors.simpletexting.custom_fields import CustomField, FieldKeys
from vs_st_pipeline.connectors.simpletexting.known_fields import KNOWN_CONTACT
from vs_st_pipeline.connectors.simpletexting.stored_contacts import contact_item, live_contact

NAMES = FieldKeys(
    [CustomField("VScustomerID", "vscustomerid"), CustomField("Channel", "channel"), CustomField("City", "")]
)
USUAL: dict[str, Any] = {
    "contactId": "c1",
    "contactPhone": "7075550142",
    "firstName": "Marisol",
    "email": " Marisol@Example.com ",
    "lists": [{"id": "l1", "name": "Newsletter"}],
    "customFields": {"vscustomerid": "700101", "channel": "WEB", "City": "Sebastopol"},
    "subscriptionStatus": "OPT_IN",
    "created": "2024-12-26T16:30:50.132Z",
    "updated": "2026-01-29T15:48:22.602Z",
    "updateSource": "PUBLIC_API",
}


def same_both_ways(text: bytes) -> bool:
    """Compare the two ways; says whether the quick one took it."""
    quick = stored_contacts._usual(text)
    found = contact_item(text, NAMES), live_contact("c1", text, "run", NAMES, "hash")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored_contacts, "_usual", lambda text: None)
        assert found == (contact_item(text, NAMES), live_contact("c1", text, "run", NAMES, "hash"))
    assert live_contact("c1", text.decode(), "run", NAMES, "hash") == found[1]
    return quick is not None


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"contactPhone": None},
        {"email": None, "firstName": "", "updateSource": None},
        {"updated": "yesterday"},
        {"updated": None},
        {"customFields": None},
        {"customFields": {"VScustomerID": "1", "vscustomerid": "2"}},
        {"customFields": {"vscustomerid": "2", "VScustomerID": "1"}},
        {"customFields": {"VSCUSTOMERID": " 700101.0 "}},
        {"customFields": {"vscustomerid": None, "somethingElse": "x"}},
        {"contactId": " c1 "},
        {"lists": []},
        {"comment": "é 日本 \U0001f377"},
    ],
)
def test_what_is_as_documented_is_read_the_quick_way(changed: dict[str, Any]) -> None:
    assert same_both_ways(json.dumps({**USUAL, **changed}).encode())


@pytest.mark.parametrize(
    "changed",
    [
        {"contactId": ""},
        {"contactId": 5},
        {"contactPhone": 7075550142},
        {"contactPhone": "", "subscriptionStatus": None},
        {"subscriptionStatus": ""},
        {"subscriptionStatus": "PAUSED"},
        {"updateSource": "A_NEW_ONE"},
        {"customFields": {"channel": 1.10}},
        {"customFields": {"channel": ["a"]}},
        {"customFields": {"channel": {"a": 1}}},
        {"customFields": []},
        {"customFields": "none"},
        {"lists": "all"},
        {"lists": [{"id": 1}]},
        {"error": "no"},
        {"nickname": "M"},
        {"comment": 1e300},
    ],
)
def test_what_is_not_takes_the_way_that_expects_anything(changed: dict[str, Any]) -> None:
    assert not same_both_ways(json.dumps({**USUAL, **changed}).encode())


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b"{", b'{"contactId":"c1","contactPhone":"\\ud800"}', b"1" * 5000]
)
def test_what_is_no_contact_is_the_same_both_ways(text: bytes) -> None:
    assert not same_both_ways(text)


_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.sampled_from(["OPT_IN", "PUBLIC_API", "700101", "2026-01-29T15:48:22.602Z"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "channel", "VScustomerID"]), inner)
    ),
    max_leaves=4,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # two cores may be busy with something else
@given(st.dictionaries(st.sampled_from([*sorted(KNOWN_CONTACT.names), "id", "error"]), _VALUES))
def test_whatever_comes_is_the_same_both_ways(changed: dict[str, Any]) -> None:
    same_both_ways(json.dumps({**USUAL, **changed}).encode())
