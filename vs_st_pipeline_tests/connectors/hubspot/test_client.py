"""What is not written anywhere is learned from refusals: how many fit into a batch, and whom an error is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from vs_st_pipeline.connectors.hubspot import client as api
from vs_st_pipeline.connectors.hubspot.answers import Answers
from vs_st_pipeline.connectors.hubspot.memory import Memory
from vs_st_pipeline.connectors.hubspot.setup import SETUP
from vs_st_pipeline.domain.crm import Ended
from vs_st_pipeline.domain.errors import Refused
from vs_st_pipeline_tests.connectors.hubspot.portals import Portal, fields, sought
from vs_st_pipeline_tests.sandbox.served import Served

KEYS = [f"k{number}" for number in range(40)]


def refusing(most: int, culprit: str | None = None, said: Any = None) -> Any:
    """A call that takes so many, and never this one."""

    def ask(keys: Sequence[str]) -> int:
        if len(keys) > most or culprit in keys:
            raise Refused("no", http_status=400, said=said)
        return len(keys)

    return ask


def test_a_cap_that_is_not_told_is_found_by_halving_once(portal: Portal) -> None:
    answers = portal.client.in_batches(api.CONTACTS, KEYS, refusing(12))
    assert [key for some, _ in answers for key in some] == KEYS
    assert portal.client.most(api.CONTACTS) == 10
    assert portal.client.most(api.STATUSES) == 100
    assert [told for _, told in portal.client.in_batches(api.CONTACTS, KEYS, refusing(12))] == [10] * 4


def test_a_cap_that_is_told_is_taken(portal: Portal) -> None:
    said = {"message": "The maximum number of inputs supported in a batch request is 15. Requested 40 inputs."}
    answers = portal.client.in_batches(api.STATUSES, KEYS, refusing(15, said=said))
    assert [told for _, told in answers] == [15, 15, 10]


def test_one_key_that_is_refused_is_left_out_and_lowers_no_cap(portal: Portal) -> None:
    answers = portal.client.in_batches(api.CONTACTS, KEYS, refusing(100, "k7"))
    assert [key for some, _ in answers for key in some] == [key for key in KEYS if key != "k7"]
    assert portal.client.most(api.CONTACTS) == 100


def test_a_call_that_is_not_there_is_nobodys_fault(portal: Portal) -> None:
    def ask(keys: Sequence[str]) -> int:
        raise Refused("no", http_status=404)

    with pytest.raises(Refused):
        portal.client.in_batches(api.CONTACTS, KEYS, ask)


@pytest.mark.parametrize(
    ("text", "ends", "record_id"),
    [
        ("Contact already exists. Existing ID: 77", Ended.EXISTS, "77"),
        ("Contact already exists", Ended.EXISTS, None),
        ("Contact was deleted. Restore it instead", Ended.REJECTED, None),
    ],
)
def test_c6_1_a_conflict_is_somebody_who_is_there_or_was(text: str, ends: Ended, record_id: str | None) -> None:
    answers = Answers(Memory(), lambda item: {item.person.email_key})
    result = answers.refusal({"category": "CONFLICT", "message": text}, fields(sought("a@example.com")), 409)
    assert (result.ended, result.record_id, result.code) == (ends, record_id, "CONFLICT")


def test_an_account_is_known_by_its_portal_where_the_token_may_ask(box: Served, portal: Portal) -> None:
    assert SETUP.look(portal.client, portal.merchant).says == "the token is good: account 6100001"
    box.control.set_switch("account_info", 403)
    assert "the token is good; it may not" in SETUP.look(portal.client, portal.merchant).says


def test_nothing_secret_is_shown(portal: Portal) -> None:
    assert "token-of" not in repr(portal.client.__dict__)
    assert "a@example.com" not in repr(portal.crm)
