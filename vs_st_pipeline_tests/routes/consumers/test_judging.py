"""Who may be subscribed to what, and who is held: consumers.md 6.1, 6.2, 7.3 to 7.8 and 7.11 to 7.14, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from vs_st_pipeline.domain.crm import (
    DELETED_THERE,
    MERGED_THERE,
    OTHER_PRIMARY_EMAIL,
    SEVERAL_CONTACTS,
    Seen,
    Standing,
    State,
    Target,
    TargetInfo,
)
from vs_st_pipeline.routes.consumers import judging
from vs_st_pipeline.routes.consumers.consumers import Consumer
from vs_st_pipeline.routes.consumers.judging import Act, Action, Decision, Known, Outcome, Rules
from vs_st_pipeline_tests.routes.consumers.people import (
    NEWS,
    NOW,
    TRIAL,
    act,
    ago,
    consumer,
    offer,
    seen,
    unsubscribed,
)

LIST = Target("X7aBcD")  # a target that is a list itself


def judge(
    who: Consumer,
    what: Seen,
    *acts: Act,
    known: Known | None = None,
    infos: Mapping[Target, TargetInfo] | None = None,
    **rules: Any,
) -> Decision:
    return judging.judge(who, what, acts, known or Known(), infos or {}, Rules(**rules))


def done(found: Decision) -> list[tuple[str, str, str]]:
    return [(one.action.value, one.target.id, one.offer.order_id) for one in found.subscriptions]


# --- 7.2, 7.3: only consents ---


def test_c7_2_a_consent_subscribes_its_own_target_and_nothing_else() -> None:
    found = judge(consumer(offer()), seen())
    assert done(found) == [("subscribe", NEWS.id, "o1")]
    assert found.fields
    assert found.held is None
    assert found.subscriptions[0].lists == ("42",)


def test_c7_3_without_a_consent_nothing_is_written_unless_the_crm_records_everybody() -> None:
    nobody = consumer()
    skipped = judge(nobody, seen())
    assert skipped.without_consent
    assert not skipped.fields
    assert not skipped.creates
    assert not skipped.subscriptions
    recorded = judge(nobody, seen(record=False), records_all=True)
    assert recorded.without_consent
    assert recorded.fields
    assert recorded.creates
    assert not recorded.subscriptions


@pytest.mark.parametrize("standing", [True, False])
def test_c7_12_a_vanished_consent_that_was_never_used_subscribes_nobody(standing: bool) -> None:
    found = judge(consumer(offer(usable=False, standing=standing)), seen())
    assert found.without_consent
    assert not found.fields
    assert not found.subscriptions


def test_c7_12_a_vanished_consent_that_was_used_stands_for_fields() -> None:
    gone = offer(usable=False)
    found = judge(consumer(gone), seen(State.SUBSCRIBED), act(gone))
    assert found.fields
    assert not found.without_consent
    assert not found.subscriptions


def test_c7_12_an_approved_order_again_leaves_what_is_spent_spent() -> None:
    again = offer()
    assert done(judge(consumer(again), seen(State.SUBSCRIBED), act(again))) == []


# --- 7.4, 7.5: states ---


def test_c7_4_a_suppressed_person_is_held() -> None:
    found = judge(consumer(offer()), seen(Standing(State.SUPPRESSED, reason="HARD_BOUNCE")))
    assert found.held == "suppressed_there"
    assert not found.subscriptions
    assert not found.fields


def test_c7_4_subscribed_already_is_evidence_alone() -> None:
    found = judge(consumer(offer()), seen(State.SUBSCRIBED))
    assert done(found) == [("already", NEWS.id, "o1")]
    assert found.fields


def test_c7_4_subscribed_and_not_on_the_list_is_added_to_it() -> None:
    found = judge(consumer(offer()), seen(Standing(State.SUBSCRIBED, missing=("42",))))
    assert done(found) == [("add_to_list", NEWS.id, "o1")]
    assert found.subscriptions[0].lists == ("42",)


def test_c7_4_each_target_is_judged_by_itself_and_the_reason_is_noted_where_another_one_lets_fields_pass() -> None:
    standings = {NEWS: Standing(State.SUPPRESSED), TRIAL: Standing(State.NEVER)}
    found = judge(consumer(offer(), offer(target=TRIAL)), seen(standings=standings))
    assert done(found) == [("subscribe", TRIAL.id, "o1")]
    assert found.held is None
    assert found.fields
    assert "suppressed_there" in found.noted


def test_c7_8_the_reason_is_noted_and_fields_are_written_where_everybody_is_recorded() -> None:
    found = judge(consumer(offer()), seen(State.SUPPRESSED), records_all=True)
    assert found.held is None
    assert found.fields
    assert "suppressed_there" in found.noted
    assert not found.subscriptions


# --- 7.6: again, only by a newer consent ---


@pytest.mark.parametrize(
    ("earliest", "since", "again"),
    [
        (ago(hours=1), ago(hours=1, minutes=6), True),
        (ago(hours=1), ago(hours=1, minutes=5), False),  # not more than five minutes
        (ago(hours=2), ago(hours=1), False),
        (None, ago(days=400), False),  # unknown is never later
        (ago(hours=1), None, False),  # one unsubscription has no time
    ],
)
def test_c7_6_an_unsubscribed_person_is_subscribed_again_only_by_a_surely_newer_consent(
    earliest: Any, since: Any, again: bool
) -> None:
    found = judge(consumer(offer(earliest_at=earliest)), seen(unsubscribed(since)))
    assert bool(done(found)) == again
    assert found.held == (None if again else "unsubscribed_there")


def test_c7_6_resubscribe_never() -> None:
    newer = consumer(offer(earliest_at=NOW))
    assert judge(newer, seen(unsubscribed(ago(days=9))), resubscribe=False).held == "unsubscribed_there"


def test_c7_6_an_imported_order_without_a_time_subscribes_nobody() -> None:
    found = judge(consumer(offer(imported=True, earliest_at=None)), seen())
    assert found.held == "consent_time_unknown"
    assert not found.subscriptions
    known = judge(consumer(offer(imported=True, earliest_at=ago(days=3))), seen())
    assert done(known) == [("subscribe", NEWS.id, "o1")]


def test_c7_6_an_order_by_webhook_with_its_time_unknown_subscribes_who_never_was() -> None:
    assert done(judge(consumer(offer(earliest_at=None)), seen())) == [("subscribe", NEWS.id, "o1")]


# --- 7.7: one consent, one subscription ---


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.UNDONE])
@pytest.mark.parametrize("action", [Action.SUBSCRIBE, Action.ALREADY, Action.ADD_TO_LIST])
def test_c7_7_a_spent_consent_is_never_used_again(action: Action, outcome: Outcome) -> None:
    one = offer()
    found = judge(consumer(one), seen(State.NEVER), act(one, action, outcome))
    assert found.held == "removed_there"
    assert not found.subscriptions


@pytest.mark.parametrize("state", [State.SUBSCRIBED, Standing(State.SUBSCRIBED, missing=("42",))])
def test_c7_7_what_became_of_a_spent_consent_is_left_alone(state: Any) -> None:
    one = offer()
    found = judge(consumer(one), seen(state), act(one))
    assert not found.subscriptions
    assert found.fields
    assert found.held is None


def test_c7_7_only_a_consent_of_another_order_counts_anew() -> None:
    one, other = offer("o1"), offer("o2")
    found = judge(consumer(one, other), seen(State.NEVER), act(one))
    assert done(found) == [("subscribe", NEWS.id, "o2")]


def test_c7_7_of_several_the_latest_is_used_and_the_others_are_spent_with_it() -> None:
    offers = (offer("o1", earliest_at=ago(days=1)), offer("o3", earliest_at=None), offer("o2", earliest_at=ago(days=1)))
    [one] = judge(consumer(*offers), seen()).subscriptions
    assert one.offer.order_id == "o2"  # ties by greater order id
    assert {other.order_id for other in one.also} == {"o1", "o3"}
    later = offer("o0", earliest_at=ago(hours=1))  # before the order id the time counts
    [one] = judge(consumer(*offers, later), seen()).subscriptions
    assert one.offer.order_id == "o0"


def test_r67_a_consent_of_which_the_evidence_may_be_gone_subscribes_nobody() -> None:
    found = judge(consumer(offer()), seen(), oldest=ago(minutes=59))
    assert not found.subscriptions
    assert done(judge(consumer(offer()), seen(), oldest=ago(minutes=60)))


def test_c7_7_the_same_consent_at_another_target_is_not_spent() -> None:
    one = offer(target=TRIAL)
    other = act(offer(target=NEWS, consent_id=one.consent_id))
    assert done(judge(consumer(one), seen(), other)) == [("subscribe", TRIAL.id, "o1")]


@pytest.mark.parametrize(
    ("outcome", "code", "again"),
    [
        (Outcome.REJECTED, "INVALID_EMAIL", True),
        (Outcome.NOT_DONE, None, True),
        (Outcome.REJECTED, "not_applied", False),
        (Outcome.REJECTED, "kept_unsubscribed", False),
    ],
)
def test_c7_7_what_was_not_done_is_not_spent_but_for_what_the_crm_did_not_apply(
    outcome: Outcome, code: str | None, again: bool
) -> None:
    one = offer()
    assert bool(done(judge(consumer(one), seen(), act(one, outcome=outcome, code=code)))) == again


def test_c6_nothing_is_sent_for_a_target_whose_last_outcome_is_unknown() -> None:
    one, other = offer("o1"), offer("o2")
    found = judge(consumer(one, other), seen(), act(one, outcome=Outcome.UNKNOWN))
    assert found.unsettled
    assert not found.subscriptions


def test_c7_4_lists_that_were_left_open_are_added_later() -> None:
    one = offer()
    found = judge(consumer(one), seen(Standing(State.SUBSCRIBED, missing=("42",))), act(one, lists_open=True))
    assert done(found) == [("add_to_list", NEWS.id, "o1")]


# --- 7.13: double opt-in ---


CONFIRMS = {LIST: TargetInfo(confirms=True)}


def test_c7_13_a_double_opt_in_list_gets_its_job_once_also_for_somebody_subscribed_elsewhere() -> None:
    elsewhere = seen(standings={LIST: Standing(State.SUBSCRIBED, missing=(LIST.id,))})
    one = offer(target=LIST)
    [made] = judge(consumer(one), elsewhere, infos=CONFIRMS).subscriptions
    assert made.action is Action.SUBSCRIBE
    assert made.confirms
    waiting = act(one, outcome=Outcome.AWAITING)
    found = judge(consumer(one), elsewhere, waiting, infos=CONFIRMS)
    assert not found.subscriptions
    assert found.fields


def test_c7_13_while_one_consent_awaits_confirmation_another_is_spent_without_a_job() -> None:
    one, other = offer("o1", target=LIST), offer("o2", target=LIST)
    never = seen(standings={LIST: Standing(State.NEVER)})
    found = judge(consumer(one, other), never, act(one, outcome=Outcome.AWAITING), infos=CONFIRMS)
    assert done(found) == [("already", LIST.id, "o2")]


def test_c7_13_whoever_opted_out_and_consents_anew_must_confirm_on_a_double_opt_in_list() -> None:
    """Without that the job of an import would say `historical_import`, which asks nobody."""
    out = seen(standings={LIST: unsubscribed(ago(days=90))})
    [made] = judge(consumer(offer(target=LIST, imported=True)), out, infos=CONFIRMS).subscriptions
    assert (made.action, made.confirms) == (Action.SUBSCRIBE, True)


def test_c7_13_whoever_opted_out_awaits_confirmation_like_anybody() -> None:
    one, other = offer("o1", target=LIST), offer("o2", target=LIST)
    sent = act(one, outcome=Outcome.AWAITING, state_before="unsubscribed")
    out = seen(standings={LIST: unsubscribed(ago(days=90))})
    found = judge(consumer(one), out, sent, infos=CONFIRMS)
    assert (found.held, found.fields, found.subscriptions) == (None, True, ())
    assert done(judge(consumer(one, other), out, sent, infos=CONFIRMS)) == [("already", LIST.id, "o2")]


@pytest.mark.parametrize(
    ("since", "before"), [(ago(hours=20), "unsubscribed"), (None, "unsubscribed"), (ago(days=1), "never")]
)
def test_c7_6_an_opt_out_after_the_message_to_confirm_counts(since: Any, before: str) -> None:
    one = offer("o1", target=LIST)
    out = seen(standings={LIST: unsubscribed(since)})
    sent = act(one, outcome=Outcome.AWAITING, state_before=before)
    assert judge(consumer(one), out, sent, infos=CONFIRMS).held == "unsubscribed_there"


def test_c7_4_a_single_opt_in_list_is_added_to_alone_where_the_person_is_subscribed() -> None:
    elsewhere = seen(standings={LIST: Standing(State.SUBSCRIBED, missing=(LIST.id,))})
    assert done(judge(consumer(offer(target=LIST)), elsewhere)) == [("add_to_list", LIST.id, "o1")]


# --- 6.2, 7.14: records ---


@pytest.mark.parametrize("held", [SEVERAL_CONTACTS, MERGED_THERE, OTHER_PRIMARY_EMAIL])
def test_c6_2_a_record_that_may_not_be_written_holds_its_person(held: str) -> None:
    for rules in ({}, {"records_all": True}):
        found = judge(consumer(offer()), seen(held=held), **rules)
        assert found.held == held
        assert not found.subscriptions
        assert not found.fields


def test_c6_2_a_deleted_person_is_not_made_again_until_a_newer_order_consents() -> None:
    gone = seen(held=DELETED_THERE)
    first = judge(consumer(offer(first_seen_at=ago(minutes=1))), gone)
    assert first.held == DELETED_THERE
    assert first.deleted
    assert not first.subscriptions
    noticed = Known("r1", deleted_at=ago(hours=2))
    older = offer("o1", first_seen_at=ago(hours=3))
    assert judge(consumer(older), gone, known=noticed).held == DELETED_THERE
    found = judge(consumer(older, offer("o2", first_seen_at=ago(hours=1))), gone, known=noticed)
    assert found.held is None
    assert found.creates
    assert done(found) == [("subscribe", NEWS.id, "o2")]
    assert found.subscriptions[0].also == ()  # the older consent does not count for the new record
    at_once = offer("o1", first_seen_at=ago(hours=2))
    [made] = judge(consumer(at_once, offer("o2", first_seen_at=ago(hours=1))), gone, known=noticed).subscriptions
    assert (made.offer.order_id, made.also) == ("o2", ())


def test_c6_2_a_person_who_was_deleted_stays_so_when_the_crm_has_forgotten_the_record() -> None:
    known = Known(None, deleted_at=ago(hours=2))
    assert judge(consumer(offer(first_seen_at=ago(hours=3))), seen(record=False), known=known).held == DELETED_THERE


def test_c6_2_found_under_another_id_is_followed() -> None:
    found = judge(consumer(offer()), seen(gone=True), known=Known("old", deleted_at=ago(hours=2)))
    assert found.held is None
    assert found.fields


def test_c7_14_somebody_known_by_imports_alone_is_not_created() -> None:
    imported = offer(imported=True, may_create=False)
    found = judge(consumer(imported), seen(record=False))
    assert found.held == "not_there"
    assert not found.creates
    assert not found.subscriptions
    assert judge(consumer(imported), seen()).held is None  # who is there is written
    assert judge(consumer(imported, offer("o2")), seen(record=False)).creates
    without = consumer(may_create=False)
    assert judge(without, seen(record=False), records_all=True).held == "not_there"


def test_r66_a_rehearsal_holds_everybody_else() -> None:
    found = judge(consumer(offer()), seen(), only=frozenset({"somebody@else.example"}))
    assert found.held == "rehearsal"
    assert not found.subscriptions
    assert not found.fields
    assert done(judge(consumer(offer()), seen(), only=frozenset({"jane@example.com"})))


def test_c8_a_consumer_is_held_by_the_first_reason() -> None:
    standings = {NEWS: unsubscribed(NOW), TRIAL: Standing(State.SUPPRESSED)}
    found = judge(consumer(offer(), offer(target=TRIAL)), seen(standings=standings))
    assert found.held == "suppressed_there"
    assert found.held_consent == "c-777"


# --- 6.5: a target that is not there ---


def test_c6_5_a_missing_target_waits_and_fields_are_written_all_the_same() -> None:
    found = judge(consumer(offer()), seen(standings={}), infos={NEWS: TargetInfo(missing="no such list")})
    assert found.fields
    assert not found.subscriptions
    assert [one[0] for one in found.missing] == [NEWS]


def test_c6_a_refused_subscription_waits_for_its_next_try_and_another_wish_does_not() -> None:
    one = offer()
    waits = Known("r1", waits={NEWS.id: judging.asked_as(Action.SUBSCRIBE, one)})
    found = judge(consumer(one), seen(), known=waits)
    assert not found.subscriptions
    assert found.waits
    assert "waiting_retry" in found.noted
    assert found.fields
    assert done(judge(consumer(one, offer("o2", earliest_at=NOW)), seen(), known=waits))


# --- what each part of a rule is for ---


def test_r66_nothing_is_undone_of_whom_a_rehearsal_leaves_out() -> None:
    gone = withdrawn()
    assert not judge(
        consumer(gone), seen(State.SUBSCRIBED), act(gone), only=frozenset({"a@else.example"})
    ).subscriptions


def test_c7_3_whoever_has_no_consent_is_held_by_nothing_else() -> None:
    assert judge(consumer(), seen(held=SEVERAL_CONTACTS)).held is None
    assert judge(consumer(offer()), seen(held=SEVERAL_CONTACTS)).held_consent == f"c-{NEWS.id}"


def test_c7_11_an_undo_that_was_refused_waits_for_its_next_try() -> None:
    gone = withdrawn()
    waits = Known("r1", waits={NEWS.id: judging.asked_as(Action.UNSUBSCRIBE, gone)})
    for people in (consumer(gone), consumer(gone, offer("o2", TRIAL))):
        found = judge(people, seen(State.SUBSCRIBED), act(gone), known=waits)
        assert Action.UNSUBSCRIBE not in {one.action for one in found.subscriptions}
        assert found.waits
        assert "waiting_retry" in found.noted
    assert "waiting_retry" not in judge(consumer(gone), seen(State.SUBSCRIBED), act(gone)).noted


def test_c6_what_is_unknown_at_one_target_is_unsettled_and_stops_no_other() -> None:
    one, other = offer(), offer(target=TRIAL)
    for people, expected in ((consumer(one, other), 1), (consumer(one), 1), (consumer(withdrawn()), 0)):
        found = judge(people, seen(), act(other, outcome=Outcome.UNKNOWN))
        assert found.unsettled
        assert len(done(found)) == expected
    assert not judge(consumer(one, other), seen(), act(other)).unsettled


def test_c6_2_a_record_that_is_back_is_not_deleted() -> None:
    found = judge(consumer(offer(first_seen_at=ago(hours=5))), seen(), known=Known("r1", deleted_at=ago(hours=1)))
    assert not found.deleted
    assert done(found) == [("subscribe", NEWS.id, "o1")]


def test_c6_2_only_a_usable_consent_seen_after_the_loss_makes_a_record_anew() -> None:
    lost = Known("r1", deleted_at=ago(hours=2))
    used = offer(usable=False)
    assert judge(consumer(used), seen(record=False), act(used), known=lost).held == DELETED_THERE
    assert judge(consumer(offer(first_seen_at=ago(hours=2))), seen(record=False), known=lost).held == DELETED_THERE
    assert judge(consumer(offer(first_seen_at=ago(hours=1.9))), seen(record=False), known=lost).held is None


def test_c7_10_what_is_undone_is_not_joined_in_the_same_sync() -> None:
    one = offer()
    found = judge(consumer(one, offer("o2")), seen(State.SUBSCRIBED), act(one, outcome=Outcome.UNDONE))
    assert done(found) == [("unsubscribe", NEWS.id, "o1")]


def test_c6_5_what_waits_is_not_asked_of_a_missing_target() -> None:
    one = offer()
    waits = Known("r1", waits={NEWS.id: judging.asked_as(Action.SUBSCRIBE, one)})
    found = judge(consumer(one), seen(standings={}), infos={NEWS: TargetInfo(missing="no such list")}, known=waits)
    assert (found.waits, found.missing) == (True, ())


def test_c8_only_a_consent_that_counts_is_named_as_held() -> None:
    vanished = offer(standing=False, usable=False, consent_id="c-gone")
    found = judge(consumer(vanished, offer("o2")), seen(State.SUPPRESSED))
    assert (found.held, found.held_consent) == ("suppressed_there", f"c-{NEWS.id}")


def test_c7_13_whoever_is_on_a_double_opt_in_list_is_there_already() -> None:
    double = {LIST: TargetInfo(confirms=True)}
    on_it = seen(standings={LIST: Standing(State.SUBSCRIBED)})
    assert done(judge(consumer(offer(target=LIST)), on_it, infos=double)) == [("already", LIST.id, "o1")]
    off_it, spent = seen(standings={LIST: Standing(State.SUBSCRIBED, missing=(LIST.id,))}), offer(target=LIST)
    found = judge(consumer(spent), off_it, act(spent), infos=double)
    assert (found.held, found.fields, found.subscriptions) == (None, True, ())


def test_c7_4_an_open_list_is_added_by_its_own_consent_and_by_a_newer_one_instead() -> None:
    lacks, one, older = Standing(State.SUBSCRIBED, missing=("42",)), offer(), offer("o0")
    acts = (act(older, Action.ALREADY), act(one, lists_open=True))
    twin = offer("o1", TRIAL, consent_id=one.consent_id)
    found = judge(consumer(older, twin, one), seen(lacks), *acts, act(twin))
    assert [(at.offer.order_id, at.offer.target) for at in found.subscriptions if at.target == NEWS] == [("o1", NEWS)]
    assert done(judge(consumer(one, offer("o2")), seen(lacks), *acts)) == [("add_to_list", NEWS.id, "o2")]
    vanished = offer(usable=False)
    assert done(judge(consumer(vanished), seen(lacks), act(vanished, lists_open=True))) == []
    refused = act(one, outcome=Outcome.REJECTED, code=judging.NOT_APPLIED, lists_open=True)
    assert done(judge(consumer(one), seen(lacks), refused)) == []


def test_c7_7_further_consents_are_spent_with_the_one_that_is_used() -> None:
    found = judge(consumer(offer(), offer("o2", earliest_at=NOW)), seen(State.SUBSCRIBED))
    [one] = found.subscriptions
    assert (one.offer.order_id, [other.order_id for other in one.also]) == ("o2", ["o1"])


def test_c7_12_a_vanished_consent_that_was_used_at_another_target_counts_for_none() -> None:
    gone = offer(target=TRIAL, usable=False)
    assert judge(consumer(gone), seen(), act(offer(consent_id=gone.consent_id))).without_consent


def test_c7_4_targets_of_their_own_are_subscribed_each() -> None:
    found = judge(consumer(offer(), offer(target=TRIAL)), seen())
    assert done(found) == [("subscribe", NEWS.id, "o1"), ("subscribe", TRIAL.id, "o1")]
    assert [one.also for one in found.subscriptions] == [(), ()]


def test_c7_4_what_is_there_already_is_joined_by_no_subscription() -> None:
    either = seen(standings={NEWS: Standing(State.SUBSCRIBED), ALSO: Standing(State.NEVER)})
    found = judge(consumer(offer(), offer("o2", ALSO)), either)
    assert done(found) == [("already", NEWS.id, "o1"), ("subscribe", NEWS.id, "o2")]


@pytest.mark.parametrize("state", [State.SUBSCRIBED, Standing(State.SUBSCRIBED, missing=("42",))])
def test_c7_13_what_is_no_subscription_is_a_first_try_and_counts_for_none(state: Any) -> None:
    [one] = judge(consumer(offer()), seen(state)).subscriptions
    assert one.tries == 1
    added = act(offer(), Action.ADD_TO_LIST, Outcome.NOT_DONE, tries=2)
    [one] = judge(consumer(offer()), seen(), added).subscriptions
    assert (one.action, one.tries) == (Action.SUBSCRIBE, 1)


def test_a_type_and_a_list_of_one_number_are_two_things() -> None:
    both = Target("42", ("42",))
    assert settled(unknown(target=both), Standing(State.SUBSCRIBED, missing=("42",)), both) == (
        *(Outcome.ACCEPTED, None, True),
    )


def test_whoever_withdrew_nothing_is_noted_for_nothing() -> None:
    assert judge(consumer(offer()), seen()).noted == frozenset()


# --- 7.11: withdrawn ---


def withdrawn(order_id: str = "o1", target: Target = NEWS) -> Any:
    return offer(order_id, target, standing=False, usable=False, withdrawn=True, consent_status="WITHDRAWN")


def test_c7_11_what_we_did_is_undone_and_no_more() -> None:
    gone = withdrawn()
    found = judge(consumer(gone), seen(State.SUBSCRIBED), act(gone))
    [one] = found.subscriptions
    assert (one.action, one.from_target, one.lists, one.wholly) == (Action.UNSUBSCRIBE, True, ("42",), True)
    assert "withdrawn" in found.noted
    assert not found.fields
    added = judge(consumer(gone), seen(State.SUBSCRIBED), act(gone, Action.ADD_TO_LIST))
    assert [(one.from_target, one.lists) for one in added.subscriptions] == [(False, ("42",))]
    assert not judge(consumer(gone), seen(State.SUBSCRIBED), act(gone, Action.ALREADY)).subscriptions


@pytest.mark.parametrize("state", [State.NEVER, unsubscribed(NOW), State.SUPPRESSED])
def test_c7_11_what_the_person_did_after_us_is_left_alone(state: Any) -> None:
    gone = withdrawn()
    assert not judge(consumer(gone), seen(state), act(gone)).subscriptions


def test_c7_11_nothing_is_undone_while_another_consent_names_the_target() -> None:
    gone, stands = withdrawn("o1"), offer("o2")
    acts = (act(gone), act(stands, Action.ALREADY))
    assert not judge(consumer(gone, stands), seen(State.SUBSCRIBED), *acts).subscriptions
    both = consumer(gone, withdrawn("o2"))
    assert [one.action for one in judge(both, seen(State.SUBSCRIBED), *acts).subscriptions] == [Action.UNSUBSCRIBE]


def test_c7_11_note_alone() -> None:
    gone = withdrawn()
    found = judge(consumer(gone), seen(State.SUBSCRIBED), act(gone), unsubscribe_withdrawn=False)
    assert not found.subscriptions
    assert "withdrawn" in found.noted


def test_c7_11_undone_once_and_a_later_consent_begins_anew() -> None:
    gone = withdrawn()
    acts = [act(gone), act(gone, Action.UNSUBSCRIBE)]
    assert not judge(consumer(gone), seen(State.SUBSCRIBED), *acts).subscriptions
    later = offer("o2")
    acts.append(act(later))
    assert not judge(consumer(gone, later), seen(State.SUBSCRIBED), *acts).subscriptions
    again = judge(consumer(gone, withdrawn("o2")), seen(State.SUBSCRIBED), *acts)
    assert [one.action for one in again.subscriptions] == [Action.UNSUBSCRIBE]


def test_c7_11_nobody_is_unsubscribed_wholly_who_was_subscribed_before_us_or_stands_elsewhere_by_us() -> None:
    gone = withdrawn(target=LIST)
    on_it = seen(standings={LIST: Standing(State.SUBSCRIBED), NEWS: Standing(State.SUBSCRIBED)})
    [one] = judge(consumer(gone), on_it, act(gone, state_before="subscribed")).subscriptions
    assert not one.wholly
    other = offer("o1", NEWS)
    [two] = judge(consumer(gone, other), on_it, act(gone), act(other)).subscriptions
    assert not two.wholly


def test_c7_11_whoever_withdraws_from_all_lists_at_once_is_unsubscribed_wholly() -> None:
    other = Target("Y8zQwE")
    on_both = seen(standings={LIST: Standing(State.SUBSCRIBED), other: Standing(State.SUBSCRIBED)})
    gone, too = withdrawn(target=LIST), withdrawn(target=other)
    found = judge(consumer(gone, too), on_both, act(gone), act(too)).subscriptions
    assert [one.from_target for one in found] == [True, True]
    assert sum(one.wholly for one in found) == 1


def test_c7_11_the_last_list_unsubscribes_wholly_also_where_another_one_had_made_the_person_subscribed() -> None:
    other = Target("Y8zQwE")
    on_it = seen(standings={LIST: Standing(State.SUBSCRIBED, missing=(LIST.id,)), other: Standing(State.SUBSCRIBED)})
    gone, too = withdrawn(target=LIST), withdrawn("o2", other)
    acts = [
        act(gone),
        act(too, Action.ADD_TO_LIST, lists=(other.id,), state_before="subscribed"),
        act(gone, Action.UNSUBSCRIBE),
    ]
    [last] = judge(consumer(gone, too), on_it, *acts).subscriptions
    assert (last.target, last.from_target, last.lists, last.wholly) == (other, True, (), True)
    # What is done for somebody who came back alone is not more than ours.
    acts[2] = act(gone, Action.UNSUBSCRIBE, wholly=True)
    [last] = judge(consumer(gone, too), on_it, *acts).subscriptions
    assert (last.from_target, last.lists, last.wholly) == (False, (other.id,), False)


def test_c7_11_off_the_list_is_not_yet_unsubscribed_wholly() -> None:
    off = Standing(State.SUBSCRIBED, missing=(LIST.id,))
    wholly = unknown(Action.UNSUBSCRIBE, target=LIST, wholly=True)
    assert settled(wholly, off, LIST)[0] is Outcome.NOT_DONE
    assert settled(unknown(Action.UNSUBSCRIBE, target=LIST), off, LIST)[0] is Outcome.ACCEPTED


def test_c7_11_whoever_never_confirmed_was_not_subscribed_by_us() -> None:
    gone = withdrawn(target=LIST)
    elsewhere = seen(standings={LIST: Standing(State.SUBSCRIBED, missing=(LIST.id,))})
    assert not judge(consumer(gone), elsewhere, act(gone, outcome=Outcome.AWAITING)).subscriptions


def test_c7_11_a_list_that_shows_late_is_not_said_to_be_not_done() -> None:
    added = unknown(Action.ADD_TO_LIST, target=LIST, lists=(LIST.id,))
    off = Standing(State.SUBSCRIBED, missing=(LIST.id,))
    assert settled(added, off, LIST, LATE) is None
    assert settled(added, Standing(State.SUBSCRIBED), LIST, LATE)[0] is Outcome.ACCEPTED
    assert settled(replace(added, sent_at=NOW - timedelta(hours=1)), off, LIST, LATE)[0] is Outcome.NOT_DONE
    assert settled(added, off, LIST)[0] is Outcome.NOT_DONE


ALSO = Target(NEWS.id, ("43",))  # the same subscription, with a list of its own


def test_c7_9_two_consents_of_one_subscription_subscribe_once_and_each_adds_its_own_list() -> None:
    never = seen(standings={NEWS: Standing(State.NEVER), ALSO: Standing(State.NEVER)})
    first, second = offer(), offer(target=ALSO, consent_id="c-2")
    found = judge(consumer(first, second), never)
    assert [(one.action.value, one.lists, one.offer.consent_id) for one in found.subscriptions] == [
        ("subscribe", ("42",), "c-123456"),
        ("add_to_list", ("43",), "c-2"),
    ]
    more = offer(target=Target(NEWS.id, ("42", "43")), consent_id="c-3")
    of_all = seen(standings={NEWS: Standing(State.NEVER), more.target: Standing(State.NEVER)})
    found = judge(consumer(second, more), replace(of_all, standings={**of_all.standings, ALSO: Standing(State.NEVER)}))
    [one] = found.subscriptions
    assert (one.offer.consent_id, [also.consent_id for also in one.also]) == ("c-3", ["c-2"])
    newer = offer("o2", ALSO, consent_id="c-2", earliest_at=NOW)
    [_, joined] = judge(consumer(first, second, newer), never).subscriptions
    assert (joined.offer.order_id, [also.order_id for also in joined.also]) == ("o2", ["o1"])


def test_c7_11_nothing_is_undone_while_another_consent_names_the_subscription_or_the_list() -> None:
    gone, stands = withdrawn(), offer("o2", ALSO, consent_id="c-2")
    on_both = seen(standings={NEWS: Standing(State.SUBSCRIBED), ALSO: Standing(State.SUBSCRIBED)})
    acts = act(gone), act(stands, Action.ADD_TO_LIST)
    assert not judge(consumer(gone, stands), on_both, *acts).subscriptions
    [both] = judge(consumer(gone, replace(stands, standing=False, withdrawn=True)), on_both, *acts).subscriptions
    assert (both.from_target, both.lists) == (True, ("42", "43"))
    listed = offer("o2", Target("777", ("42",)))
    elsewhere = seen(standings={NEWS: Standing(State.SUBSCRIBED), listed.target: Standing(State.SUBSCRIBED)})
    [one] = judge(consumer(gone, listed), elsewhere, act(gone), act(listed)).subscriptions
    assert (one.from_target, one.lists) == (True, ())


def test_c7_12_a_withdrawal_that_was_followed_undoes_nothing_that_came_later() -> None:
    gone, rejected = withdrawn(), offer("o2", standing=False, usable=False)
    acts = act(gone), act(gone, Action.UNSUBSCRIBE), act(rejected)
    assert not judge(consumer(gone, rejected), seen(State.SUBSCRIBED), *acts).subscriptions


def test_c7_12_a_rejected_order_unsubscribes_nobody() -> None:
    gone = offer(standing=False, usable=False)
    found = judge(consumer(gone, noted=frozenset({"rejected_after_write"})), seen(State.SUBSCRIBED), act(gone))
    assert not found.subscriptions
    assert found.without_consent


def test_c7_10_an_opt_out_that_was_overridden_is_undone_until_it_is() -> None:
    one = offer()
    met = act(one, outcome=Outcome.UNDONE)
    found = judge(consumer(one), seen(State.SUBSCRIBED), met)
    assert [made.action for made in found.subscriptions] == [Action.UNSUBSCRIBE]
    assert not judge(consumer(one), seen(State.SUBSCRIBED), met, act(one, Action.UNSUBSCRIBE)).subscriptions


def test_c7_10_what_is_undone_rests_on_the_consent_that_overrode_whatever_became_of_it() -> None:
    gone = offer("o2", standing=False, usable=False)
    found = judge(consumer(offer("o1", usable=False), gone), seen(State.SUBSCRIBED), act(gone, outcome=Outcome.UNDONE))
    assert done(found) == [("unsubscribe", NEWS.id, "o2")]
    found = judge(consumer(gone), seen(State.SUBSCRIBED), act(gone, outcome=Outcome.UNDONE))
    assert done(found) == [("unsubscribe", NEWS.id, "o2")]


def test_c7_11_only_what_is_ours_may_owe_undoing() -> None:
    gone = withdrawn()
    assert judging.may_owe_undoing(consumer(gone), [act(gone)], Rules())
    assert not judging.may_owe_undoing(consumer(gone), [act(gone, Action.ALREADY)], Rules())


@pytest.mark.parametrize(
    ("outcome", "again"),
    [(Outcome.ACCEPTED, 0), (Outcome.UNKNOWN, 0), (Outcome.NOT_DONE, 1), (Outcome.REJECTED, 1)],
)
def test_c7_11_an_undo_is_sent_again_unless_it_was_taken_or_may_have_been(outcome: Outcome, again: int) -> None:
    gone = withdrawn()
    found = judge(consumer(gone), seen(State.SUBSCRIBED), act(gone), act(gone, Action.UNSUBSCRIBE, outcome))
    assert len(done(found)) == again


def test_c7_11_nothing_is_undone_at_a_target_that_is_not_there() -> None:
    gone = withdrawn()
    infos = {NEWS: TargetInfo(missing="no such list")}
    assert not judge(consumer(gone), seen(standings={}), act(gone), infos=infos).subscriptions


def test_c7_11_lists_are_taken_back_that_were_added_and_still_have_the_person() -> None:
    gone = withdrawn()
    [off] = judge(consumer(gone), seen(Standing(State.SUBSCRIBED, missing=("42",))), act(gone)).subscriptions
    assert (off.from_target, off.lists) == (True, ())
    [left_open] = judge(consumer(gone), seen(State.SUBSCRIBED), act(gone, lists_open=True)).subscriptions
    assert (left_open.from_target, left_open.lists) == (True, ())
    elsewhere = {NEWS: Standing(State.SUBSCRIBED), TRIAL: Standing(State.SUBSCRIBED, missing=("42",))}
    [on] = judge(consumer(gone), seen(standings=elsewhere), act(gone)).subscriptions
    assert on.lists == ("42",)  # what is said of another target says nothing of this one


def test_c7_11_what_is_undone_names_the_record_that_the_evidence_knew_last() -> None:
    gone = withdrawn()
    acts = act(gone, contact_id="r7"), act(gone, Action.ADD_TO_LIST, contact_id=None)
    [one] = judge(consumer(gone), seen(State.SUBSCRIBED), *acts).subscriptions
    assert one.contact_id == "r7"


def test_c7_11_the_last_subscription_is_undone_wholly_and_no_mere_list() -> None:
    more = Target("777", ("43",))
    on_both = seen(standings={NEWS: Standing(State.SUBSCRIBED), more: Standing(State.SUBSCRIBED)})
    gone, too = withdrawn(), withdrawn("o2", more)
    acts = act(gone), act(too, Action.ADD_TO_LIST, state_before="subscribed")
    found = judge(consumer(gone, too), on_both, *acts).subscriptions
    assert [(one.from_target, one.wholly) for one in found] == [(True, True), (False, False)]


def test_c7_11_a_list_of_a_subscription_is_no_target_though_their_numbers_are_one() -> None:
    both = Target("42", ("42",))
    on_it = seen(standings={LIST: Standing(State.SUBSCRIBED, missing=(LIST.id,)), both: Standing(State.SUBSCRIBED)})
    gone, too = withdrawn(target=LIST), withdrawn("o2", both)
    acts = act(gone), act(too, Action.ADD_TO_LIST, state_before="subscribed"), act(gone, Action.UNSUBSCRIBE)
    [one] = judge(consumer(gone, too), on_it, *acts).subscriptions
    assert (one.target, one.from_target, one.lists, one.wholly) == (both, False, ("42",), False)


OFF = {LIST: Standing(State.SUBSCRIBED, missing=(LIST.id,))}


def test_c7_11_whoever_left_the_list_is_unsubscribed_wholly_where_nobody_else_made_it() -> None:
    gone = withdrawn(target=LIST)
    [one] = judge(consumer(gone), seen(standings=OFF), act(gone)).subscriptions
    assert (one.from_target, one.lists, one.wholly) == (True, (), True)


ON = {LIST: Standing(State.SUBSCRIBED), NEWS: Standing(State.SUBSCRIBED)}
GONE, TOO = withdrawn(target=LIST), withdrawn("o2", LIST)
BEFORE: dict[str, Any] = {"state_before": "subscribed"}
ADDED: dict[str, Any] = {"action": Action.ADD_TO_LIST, "lists": (LIST.id,)}


@pytest.mark.parametrize(
    ("offers", "acts", "wholly"),
    [
        ([GONE], [act(GONE)], True),
        # the order was rejected: what was done because of it stays, and is ours
        ([GONE, offer("o3", standing=False, usable=False)], [act(GONE), act(offer("o3"))], False),
        ([GONE, offer("o3", standing=False, usable=False)], [act(GONE), act(offer("o3"), Action.ALREADY)], True),
        ([GONE, offer("o3")], [act(GONE), act(offer("o3"), Action.ALREADY)], False),  # another consent stands
        ([GONE, TOO], [act(GONE, **BEFORE), act(GONE, Action.UNSUBSCRIBE), act(TOO, **BEFORE)], False),
        ([GONE, TOO], [act(GONE, outcome=Outcome.REJECTED), act(TOO, **ADDED, **BEFORE)], False),
        ([GONE], [act(GONE, **ADDED)], False),
        ([GONE, TOO], [act(GONE), act(TOO, outcome=Outcome.AWAITING)], True),
    ],
)
def test_c7_11_wholly_only_whom_we_made_subscribed_and_of_whom_nothing_else_stands(
    offers: Any, acts: Any, wholly: bool
) -> None:
    found = judge(consumer(*offers), seen(standings=ON), *acts).subscriptions
    assert [one.wholly for one in found if one.action is Action.UNSUBSCRIBE] == [wholly]


# --- what a look says of what was unknown ---


LATE = Rules(shows_late=True)


def settled(one: Act, standing: Standing, target: Target = NEWS, rules: Rules | None = None, **given: Any) -> Any:
    confirms = given.get("confirms", False)
    return judging.settle(one, standing, target, confirms=confirms, rules=rules or Rules(), now=NOW)


def unknown(action: Action = Action.SUBSCRIBE, target: Target = NEWS, **given: Any) -> Act:
    return act(offer(target=target), action, Outcome.UNKNOWN, **{"sent_at": ago(seconds=5), **given})


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Standing(State.SUBSCRIBED), (Outcome.ACCEPTED, None, False)),
        (Standing(State.SUBSCRIBED, missing=("42",)), (Outcome.ACCEPTED, None, True)),
        (Standing(State.NEVER), (Outcome.NOT_DONE, None, False)),
        (unsubscribed(NOW), (Outcome.NOT_DONE, None, False)),
    ],
)
def test_c6_an_unknown_subscription_is_settled_by_the_next_look(standing: Standing, expected: Any) -> None:
    assert settled(unknown(), standing) == expected


def test_c7_13_what_a_crm_does_not_show_stays_unknown_for_an_hour_and_is_sent_three_times_at_most() -> None:
    never = Standing(State.NEVER)
    assert settled(unknown(target=LIST), never, LIST, LATE) is None
    hour = {"target": LIST, "sent_at": NOW - timedelta(hours=1)}
    assert settled(unknown(**hour), never, LIST, LATE)[0] is Outcome.NOT_DONE
    assert settled(unknown(**hour, tries=3), never, LIST, LATE) == (Outcome.REJECTED, "not_applied", False)
    kept = unknown(**hour, state_before="unsubscribed")
    assert settled(kept, unsubscribed(ago(days=9)), LIST, LATE) == (Outcome.REJECTED, "kept_unsubscribed", False)


def test_c7_13_tries_of_another_consent_are_not_counted() -> None:
    [one] = judge(consumer(offer("o2")), seen(), act(offer(), outcome=Outcome.NOT_DONE, tries=2)).subscriptions
    assert one.tries == 1


def test_c7_13_a_second_try_is_counted() -> None:
    one = offer(target=LIST)
    never = seen(standings={LIST: Standing(State.NEVER)})
    tried = act(one, outcome=Outcome.NOT_DONE, tries=2)
    [made] = judge(consumer(one), never, tried).subscriptions
    assert made.tries == 3


def test_c7_13_an_unknown_double_opt_in_is_never_sent_again() -> None:
    found = settled(unknown(target=LIST), Standing(State.NEVER), LIST, LATE, confirms=True)
    assert found == (Outcome.AWAITING, None, False)


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (unsubscribed(NOW), Outcome.ACCEPTED),
        (Standing(State.NEVER), Outcome.ACCEPTED),
        (Standing(State.SUBSCRIBED), Outcome.NOT_DONE),
    ],
)
def test_rulings_5_an_unknown_undo_is_settled_by_reading(standing: Standing, expected: Outcome) -> None:
    assert settled(unknown(Action.UNSUBSCRIBE), standing)[0] is expected


ACCEPTED, NOT_DONE = (Outcome.ACCEPTED, None, False), (Outcome.NOT_DONE, None, False)
LACKS, THERE = Standing(State.SUBSCRIBED, missing=("42",)), Standing(State.SUBSCRIBED)


@pytest.mark.parametrize(
    ("one", "standing", "expected"),
    [
        (unknown(Action.UNSUBSCRIBE), Standing(State.NEVER), ACCEPTED),
        (unknown(Action.UNSUBSCRIBE), THERE, NOT_DONE),
        (unknown(Action.UNSUBSCRIBE), LACKS, NOT_DONE),  # off the list, and subscribed still
        (unknown(Action.UNSUBSCRIBE, from_target=False), LACKS, ACCEPTED),
        (unknown(Action.UNSUBSCRIBE, from_target=False), THERE, NOT_DONE),
        (unknown(Action.ADD_TO_LIST), THERE, ACCEPTED),
        (unknown(Action.ADD_TO_LIST), LACKS, NOT_DONE),
        (unknown(Action.ADD_TO_LIST), Standing(State.NEVER), NOT_DONE),
    ],
)
def test_c6_an_unknown_list_or_undo_is_settled_by_what_it_was_about(
    one: Act, standing: Standing, expected: Any
) -> None:
    assert settled(one, standing) == expected


def test_c7_13_a_subscription_that_is_not_on_its_list_was_not_done() -> None:
    assert settled(unknown(target=LIST), Standing(State.SUBSCRIBED, missing=(LIST.id,)), LIST) == NOT_DONE


def test_c7_13_after_an_hour_what_still_does_not_show_was_not_done() -> None:
    for action in (Action.UNSUBSCRIBE, Action.ADD_TO_LIST):
        shows = THERE if action is Action.UNSUBSCRIBE else LACKS
        assert settled(unknown(action), shows, rules=LATE) is None
        assert settled(unknown(action, sent_at=NOW - timedelta(hours=1)), shows, rules=LATE) == NOT_DONE
    hour = unknown(target=LIST, sent_at=NOW - timedelta(hours=1), tries=2)
    assert settled(hour, unsubscribed(ago(days=9)), LIST, LATE) == NOT_DONE  # who was not unsubscribed before
    assert settled(hour, Standing(State.NEVER), LIST, LATE) == NOT_DONE


def acts_and_offers() -> Sequence[Outcome]:
    return list(Outcome)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("outcome", [None, *Outcome])
@pytest.mark.parametrize("usable", [True, False])
def test_nobody_is_subscribed_but_by_a_fresh_usable_consent_and_an_allowing_state(
    state: State, outcome: Outcome | None, usable: bool
) -> None:
    one = offer(usable=usable, standing=usable)
    acts = [] if outcome is None else [act(one, outcome=outcome)]
    for rules in ({}, {"records_all": True}):
        for made in judge(consumer(one), seen(state), *acts, **rules).subscriptions:
            if made.action in (Action.SUBSCRIBE, Action.ADD_TO_LIST):
                assert usable
                assert state is State.NEVER
                assert outcome in (None, Outcome.REJECTED, Outcome.NOT_DONE)
