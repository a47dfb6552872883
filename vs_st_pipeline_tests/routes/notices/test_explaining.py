"""What `vs-st why` says of an order to a person (notices.md 9)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.routes.notices import explain

MERCHANT = cast(Any, SimpleNamespace(name="KapasKraft"))


def _told(flag: bool | None, consents: list[dict[str, Any]], statuses: list[dict[str, Any]]) -> str:
    order = {"order_number": "KK1", "source": "eshopbox", "read_at": "2026-03-01T00:00:00Z", "whatsapp_flag": flag}
    answer = {"order": order, "recipient": None, "consents": consents, "statuses": statuses}
    return "\n".join(explain.lines({**answer, "actions": [], "activity": []}, ["KK1"], MERCHANT))


@pytest.mark.parametrize(("flag", "nothing"), [(True, False), (False, True), (None, True)])
def test_the_flag_of_the_order_is_an_evidence(flag: bool | None, nothing: bool) -> None:
    told = _told(flag, [], [])
    assert ("nothing says that this phone may be written" in told) == nothing
    assert ("(eshopbox_flag)" in told) != nothing


def test_an_opt_out_stands_beside_the_flag() -> None:
    told = _told(True, [{"state": "out", "source": "stop", "at": "2026-03-01T00:00:00Z"}], [])
    assert "consent  out by stop" in told
    assert "(eshopbox_flag)" in told


def test_a_status_whose_notification_is_off_is_not_said_to_be_waited_for() -> None:
    one = {"status": "created", "unit_key": "order:1", "occurred_at": None, "state": None, "reason": None}
    told = _told(None, [], [{**one, "rule": None, "means": "", "until": None, "text": None}])
    assert "its notification is off" in told


def test_a_status_that_there_is_not_is_refused_with_the_names() -> None:
    with pytest.raises(BadArguments, match="there are: created, packed"):
        explain._check_status("shipped", [])
    explain._check_status("restocked", [])  # not reached yet
    explain._check_status("shipped", [{"status": "shipped"}])  # of a map of the merchant's own


def test_what_is_said_of_the_whole_order_has_a_name() -> None:
    assert explain.by_unit({"": {"reason": "x"}, "S1": {"reason": "y"}}) == {
        "order": {"reason": "x"}, "S1": {"reason": "y"},
    }  # fmt: skip
    assert explain.by_unit(None) is None
