"""How somebody stands to a list, from what Klaviyo says of them; what it does not say, or we do not know, protects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from vs_st_pipeline.connectors.klaviyo.consent import marketing_of
from vs_st_pipeline.domain.crm import Standing, State
from vs_st_pipeline_tests.connectors.klaviyo.world import NEWS, TRIAL, World

AT, LATER = "2026-03-01T10:00:00.000001Z", "2026-03-02T10:00:00"
WHEN, AFTER = datetime(2026, 3, 1, 10, 0, 0, 1, UTC), datetime(2026, 3, 2, 10, tzinfo=UTC)
LIST, OTHER = "L1", "L2"


def attributes(**marketing: Any) -> dict[str, Any]:
    said = {"consent": "NEVER_SUBSCRIBED", "suppression": [], "list_suppressions": [], **marketing}
    return {"email": "ann@example.com", "subscriptions": {"email": {"marketing": said}, "sms": None}}


def standing(is_member: bool = False, **marketing: Any) -> Standing:
    found = marketing_of(attributes(**marketing))
    assert found is not None
    return found.standing(LIST, is_member)


@pytest.mark.parametrize("word", ["SUBSCRIBED", "Subscribed", " subscribed "])
def test_c7_4_subscribed_in_any_case_of_letters(word: str) -> None:
    assert standing(True, consent=word) == Standing(State.SUBSCRIBED)
    assert standing(False, consent=word) == Standing(State.SUBSCRIBED, missing=(LIST,))


@pytest.mark.parametrize("word", ["NEVER_SUBSCRIBED", "Never_Subscribed", "never subscribed"])
def test_c7_4_never_even_as_a_member(word: str) -> None:
    assert standing(True, consent=word) == Standing(State.NEVER)


@pytest.mark.parametrize(
    "reason",
    ["SPAM_COMPLAINT", "HARD_BOUNCE", "INVALID_EMAIL", "USER_SUPPRESSED", "hard_bounce", "SOMETHING_NEW", None],
)
@pytest.mark.parametrize("consent", ["SUBSCRIBED", "UNSUBSCRIBED", "NEVER_SUBSCRIBED"])
def test_c7_5_suppressed_whatever_the_consent(reason: str | None, consent: str) -> None:
    found = standing(True, consent=consent, suppression=[{"reason": "UNSUBSCRIBE"}, {"reason": reason}])
    assert (found.state, found.reason) == (State.SUPPRESSED, (reason or "UNKNOWN").upper())


def test_c7_5_what_we_do_not_know_suppresses() -> None:
    assert standing(consent="PAUSED").state is State.SUPPRESSED
    assert standing(consent="SUBSCRIBED", can_receive_email_marketing=False).state is State.SUPPRESSED
    assert standing(consent="UNSUBSCRIBED", can_receive_email_marketing=False).state is State.UNSUBSCRIBED


def test_c7_5_unsubscribed_by_consent_by_suppression_and_of_a_list() -> None:
    assert standing(consent="Unsubscribed").state is State.UNSUBSCRIBED
    assert standing(consent="SUBSCRIBED", suppression=[{"reason": "UNSUBSCRIBE"}]).state is State.UNSUBSCRIBED
    row = {"list_id": LIST, "reason": "UNSUBSCRIBE", "timestamp": AT}
    assert standing(consent="SUBSCRIBED", list_suppressions=[row]) == Standing(
        State.UNSUBSCRIBED, WHEN, (), "UNSUBSCRIBED"
    )
    assert standing(consent="SUBSCRIBED", list_suppressions=[{**row, "list_id": OTHER}]).state is State.SUBSCRIBED


def test_c7_6_the_latest_of_all_its_times() -> None:
    out: dict[str, Any] = {"consent": "UNSUBSCRIBED"}
    assert standing(**out, consent_timestamp=AT).since == WHEN
    assert standing(**out, last_updated=LATER).since == AFTER, "UTC where no zone stands"
    assert standing(**out, consent_timestamp=AT, last_updated=LATER).since == AFTER
    by_hand = [{"reason": "UNSUBSCRIBE", "timestamp": LATER}]
    assert standing(**out, consent_timestamp=AT, suppression=by_hand).since == AFTER
    assert standing(**out, consent_timestamp="2026-03-01T12:00:00.000001+02:00").since == WHEN
    of_list = [{"list_id": LIST, "timestamp": AT}]
    assert standing(consent="SUBSCRIBED", last_updated=LATER, list_suppressions=of_list).since == AFTER


@pytest.mark.parametrize("no_time", [None, "", "yesterday", "2026-03-01", 5, {"at": AT}])
def test_c7_6_an_opt_out_without_a_time_has_none(no_time: Any) -> None:
    assert standing(consent="UNSUBSCRIBED", consent_timestamp=no_time).since is None
    by_hand = [{"reason": "UNSUBSCRIBE", "timestamp": no_time}]
    assert standing(consent="UNSUBSCRIBED", consent_timestamp=AT, suppression=by_hand).since is None
    assert standing(consent="UNSUBSCRIBED", suppression=[{"reason": "UNSUBSCRIBE", "timestamp": AT}]).since is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"subscriptions": None},
        {"subscriptions": {"email": {"marketing": {}}}},
        attributes(consent=None),
        attributes(consent=" "),
        attributes(suppression="HARD_BOUNCE"),
        attributes(list_suppressions=[{"reason": "UNSUBSCRIBE"}]),
        {"subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}},
    ],
)
def test_r22_what_does_not_say_how_somebody_stands_says_nothing(body: dict[str, Any]) -> None:
    assert marketing_of(body) is None


# --- over a socket ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["upper", "title"])
@pytest.mark.parametrize("times", ["microseconds_z", "no_zone", "absent"])
def test_c7_6_times_and_words_as_klaviyo_may_write_them(world: World, words: str, times: str) -> None:
    world.add("out@example.com", "UNSUBSCRIBED"), world.add("on@example.com", "SUBSCRIBED")
    world.add("never@example.com")
    world.control.unsubscribe("on@example.com", list=NEWS.id)
    world.control.suppress("never@example.com", reason="HARD_BOUNCE")
    world.control.set_switches({"consent_words": words, "timestamps": times})
    out, on = world.standing("out@example.com"), world.standing("on@example.com")
    assert (out.state, on.state) == (State.UNSUBSCRIBED, State.UNSUBSCRIBED)
    assert (out.since is None, on.since is None) == ((times == "absent"),) * 2
    if out.since:
        assert out.since == datetime(2025, 1, 2, 3, 4, 5, 6, UTC)
    assert world.standing("on@example.com", TRIAL).missing == (TRIAL.id,), "subscribed elsewhere, not confirmed there"
    assert world.standing("never@example.com").state is State.SUPPRESSED
