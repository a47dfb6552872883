"""What an account's callbacks say: notices.md 3.4, 7.4-7.6, 8.1; each is taken once, and moves what it is about."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vs_st_pipeline.connectors.gupshup.names import REPLY
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.pipeline.hinted import HintDesk
from vs_st_pipeline.routes.notices import hinting, readiness, targeted
from vs_st_pipeline.routes.notices.account import claims, consents, forgetting, pauses, taking
from vs_st_pipeline.routes.notices.account import store as account_store
from vs_st_pipeline.routes.notices.account.claim import Claim, Held
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.consent import Row
from vs_st_pipeline.routes.notices.messages import Message
from vs_st_pipeline.routes.notices.reply_rules import ReplyRules
from vs_st_pipeline.routes.notices.systems import GUPSHUP, NAME
from vs_st_pipeline_tests.routes.notices.account_office import ASHA, NOON, RAVI, Office, PowerCut, account, message


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Merchants of a house's account."""
    return Office(tmp_path)


def take(office: Office, merchant: str = "one") -> taking.Taken:
    return taking.take_waiting(office.store(merchant), office.inbox, run=office.run(merchant))


def find(office: Office, what: Message) -> Claim:
    found = claims.find(office.store(), what.notice_id)
    assert found is not None
    return found


def accepted(office: Office, unit: str = "s1", message_id: str = "m1", **more: str) -> Message:
    what = message(office.account, unit, **more)
    merchant = more.get("merchant", "one")
    office.claim(what, merchant)
    claims.settle(office.store(merchant), what.notice_id, "accepted", now=office.at, message_id=message_id)
    return what


def clear_pauses(office: Office) -> None:
    with office.store().write() as db:
        db.execute("delete from pauses")


def unknown(office: Office, unit: str = "s1", **more: str) -> Message:
    what = message(office.account, unit, **more)
    office.claim(what)
    claims.settle(office.store(), what.notice_id, "unknown", now=office.at)
    return what


# --- receipts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
def test_7_5_the_state_is_the_highest_whatever_the_order(office: Office, order: tuple[int, ...]) -> None:
    what = accepted(office)
    kinds = ("enqueued", "sent", "delivered", "read")
    seen = []
    for place in order:
        office.receipt(kinds[place], "m1")
        take(office)
        seen.append(max(order[: order.index(place) + 1]))
        assert find(office, what).state == kinds[seen[-1]]
    assert find(office, what).wa_id == "wa-m1"


def test_13_6_a_receipt_proves_app_and_number_but_not_that_they_do_not_belong_together(office: Office) -> None:
    session = cast(Any, SimpleNamespace(store=lambda _: office.store()))

    def is_proven(**settings: str) -> bool:
        return readiness.is_proven(session, office.account.model_copy(update=settings))

    assert not is_proven()
    for id in ("m1", "m2"):
        accepted(office, id, message_id=id)
    office.receipt("failed", "m1", code="1001")
    take(office)
    assert not is_proven(), "1001: number and app do not belong together"
    office.receipt("sent", "m2")
    take(office)
    assert is_proven()
    assert not is_proven(app_name="Another")
    assert not is_proven(number="+919810000009")
    with office.store().write() as db:
        db.execute("delete from facts where name = 'proven'")
    assert is_proven(), "a file of before knows no more than that a receipt has come"


def test_3_4_a_receipt_counts_once(office: Office) -> None:
    accepted(office)
    for _ in range(2):
        office.receipt("delivered", "m1")
        take(office)
    office.receipt("delivered", "m1", at=NOON + timedelta(seconds=5))  # another body
    take(office)
    assert office.of_account("select type from receipts") == ["delivered"]


def test_7_5_receipts_before_their_answer_wait_for_it(office: Office) -> None:
    what = message(office.account)
    office.claim(what)
    office.receipt("delivered", "m1")
    office.receipt("sent", "m1")
    take(office)
    assert find(office, what).state == "open"
    settled = claims.settle(office.store(), what.notice_id, "accepted", now=office.at, message_id="m1")
    assert (settled.state, settled.wa_id) == ("delivered", "wa-m1")
    assert office.of_account("select distinct merchant, matched_by from receipts") == [("one", "gs_id")]


@pytest.mark.parametrize(
    ("kind", "gs_id", "id", "by"),
    [("delivered", "m1", "w9", "gs_id"), ("enqueued", None, "m1", "id"), ("read", None, "wa-m1", "wa_id")],
)
def test_7_5_a_receipt_is_matched_by_gs_id_then_id_then_wa_id(
    office: Office, kind: str, gs_id: str | None, id: str, by: str
) -> None:
    accepted(office)
    office.receipt("sent", "m1")
    take(office)
    office.receipt(kind, gs_id, id)
    take(office)
    assert office.of_account("select matched_by from receipts where type = ?", kind) == [by]


def test_7_5_receipts_of_nobody_are_foreign_after_7_days_and_once(office: Office) -> None:
    office.receipt("delivered", "theirs")
    take(office)
    office.later(days=7, seconds=-1)
    assert not take(office).noted["foreign_receipts"]
    office.later(seconds=1)
    assert take(office).noted["foreign_receipts"] == 1
    assert not take(office).noted["foreign_receipts"]


def test_7_5_failed_counts_unless_it_was_delivered_and_delivery_after_it_stands(office: Office) -> None:
    what = accepted(office)
    office.receipt("delivered", "m1")
    office.receipt("failed", "m1", code="500")
    take(office)
    assert find(office, what).state == "delivered"
    other = accepted(office, "s2", "m2")
    office.receipt("failed", "m2", code=500, reason="odd")
    take(office)
    assert (find(office, other).state, find(office, other).code) == ("failed", "500")
    office.receipt("sent", "m2")
    take(office)
    assert find(office, other).state == "failed"
    office.receipt("read", "m2")
    take(office)
    assert (find(office, other).state, find(office, other).code) == ("read", None)


def test_5_a_deleted_one_moves_nothing(office: Office) -> None:
    what = accepted(office)
    office.receipt("deleted", "m1")
    take(office)
    assert find(office, what).state == "accepted"


# --- codes ------------------------------------------------------------------------------------------------------------


def _failed(office: Office, code: str, **more: str) -> Claim:
    what = accepted(office)
    office.receipt("failed", "m1", code=code, **more)
    take(office)
    return find(office, what)


@pytest.mark.parametrize(
    ("code", "source", "state"),
    [
        ("1002", "code_1002", "absent"),
        ("131026", "code_1002", "absent"),
        ("1012", "code_1012", "out"),
        ("131050", "code_1012", "out"),
        ("1006", "code_1006", "void"),
        ("1007", "code_1006", "void"),
        ("1008", "code_1006", "void"),
    ],
)
def test_7_4_what_a_code_says_of_a_phone_is_a_row_of_its_consents(
    office: Office, code: str, source: str, state: str
) -> None:
    assert _failed(office, code).retry_at is None
    assert office.of_account("select phone, source, state from consents") == [(ASHA, source, state)]
    assert [line["state"] for line in office.store().evidence.read() if line["what"] == "consent"] == [state]


@pytest.mark.parametrize("code", ["1003", "1001", "1004", "4004", "368", "131031"])
def test_7_4_codes_that_stop_the_account(office: Office, code: str) -> None:
    failed = _failed(office, code)
    found = pauses.state(office.store("two"), office.at)
    assert found is not None
    assert (found.reason, found.kind) == ("account_stopped", "config")
    assert failed.retry_at == (NOON + timedelta(minutes=15) if code == "1003" else None)


@pytest.mark.parametrize("code", ["4001", "130429"])
def test_7_4_codes_that_slow_the_account(office: Office, code: str) -> None:
    assert _failed(office, code).retry_at == NOON + timedelta(minutes=15)
    assert pauses.half_rate(office.store(), office.at)


@pytest.mark.parametrize(
    ("code", "state"),
    [("1005", "refused"), ("132012", "refused"), ("4005", "paused"), ("132015", "paused"), ("132016", "disabled")],
)
def test_7_4_codes_that_refuse_a_template(office: Office, code: str, state: str) -> None:
    _failed(office, code)
    [fault] = pauses.template_faults(office.store())["t1"]
    assert (fault.state, fault.since, fault.code) == (state, NOON, code)


def test_7_4_a_retry_needs_proof_that_whatsapp_never_had_it(office: Office) -> None:
    what = accepted(office)
    office.receipt("failed", "m1", id="w1", code="4001")  # its id is not our message id
    take(office)
    assert find(office, what).retry_at is None
    clear_pauses(office)
    second = accepted(office, "s2", "m2")
    office.receipt("sent", "m2")
    office.receipt("failed", "m2", code="4001")
    take(office)
    assert (find(office, second).state, find(office, second).retry_at) == ("failed", None)


@pytest.mark.parametrize("kind", ["sent", "delivered", "read"])
def test_7_4_a_receipt_that_still_comes_ends_the_retry(office: Office, kind: str) -> None:
    what = accepted(office)
    office.receipt("failed", "m1", code="4001")
    take(office)
    assert find(office, what).retry_at is not None
    office.receipt(kind, "m1")
    take(office)
    assert find(office, what).retry_at is None
    office.later(hours=2)
    clear_pauses(office)
    again = office.claim(what)
    assert isinstance(again, Claim)
    assert not again.is_mine


@pytest.mark.parametrize("kind", ["sent", "delivered", "read"])
def test_7_4_a_receipt_of_the_first_try_ends_the_second_that_was_refused(office: Office, kind: str) -> None:
    what = accepted(office)
    office.receipt("failed", "m1", code="1003")
    take(office)
    pauses.resume(office.store())
    office.later(minutes=15)
    office.claim(what)
    claims.settle(office.store(), what.notice_id, "refused", now=office.at, reason="try_later")
    office.receipt(kind, "m1")
    take(office)
    again = office.claim(what)
    assert isinstance(again, Claim)
    assert (again.is_mine, again.state) == (False, kind)
    office.sync()
    assert office.state(what) == (kind, kind)


@pytest.mark.parametrize("stood", ["failed", "refused", "released", "rejected"])
def test_7_4_a_reply_that_names_it_ends_every_further_try(office: Office, stood: str) -> None:
    """Its customer has it, whatever an answer, a receipt or a person said."""
    what = message(office.account)
    office.claim(what)
    first = {"failed": "accepted", "released": "refused"}.get(stood, stood)
    claims.settle(
        office.store(), what.notice_id, first, now=office.at, message_id="m1" if first == "accepted" else None
    )
    if stood == "failed":
        office.receipt("failed", "m1", code="4001")
    elif stood == "released":
        claims.release(office.store(), what.notice_id)
    office.reply("r1", button="Reattempt", postback=f"vs:{what.notice_id}:0")
    take(office)
    clear_pauses(office)
    office.later(hours=2)
    again = office.claim(what)
    assert isinstance(again, Claim)
    assert (again.is_mine, again.state, again.retry_at) == (False, "delivered", None)


def test_7_4_a_late_failed_of_the_first_try_does_not_fail_the_second(office: Office) -> None:
    what = accepted(office)
    office.receipt("failed", "m1", code="1003")
    take(office)
    pauses.resume(office.store())
    office.later(minutes=15)
    office.claim(what)
    claims.settle(office.store(), what.notice_id, "accepted", now=office.at, message_id="m1-again")
    office.receipt("failed", "m1", id="w", code="500")
    take(office)
    assert (find(office, what).state, find(office, what).retries) == ("accepted", 1)


# --- unknown ones -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "settled"),
    [(timedelta(minutes=-2, seconds=-1), False), (timedelta(minutes=-2), True), (timedelta(minutes=30), True),
     (timedelta(minutes=30, seconds=1), False)],
)  # fmt: skip
def test_7_6_the_one_id_in_the_window_settles_the_one_unknown(office: Office, after: timedelta, settled: bool) -> None:
    what = unknown(office)
    at = office.at + after
    office.later(hours=1)
    office.receipt("sent", "m7", at=at)
    take(office)
    found = find(office, what)
    assert (found.state, found.evidence, found.message_id) == (
        ("sent", "phone_window", "m7") if settled else ("unknown", None, None)
    )
    assert found.accepted_at == (NOON if settled else None)


def test_7_6_two_ids_settle_nothing(office: Office) -> None:
    what = unknown(office)
    office.receipt("sent", "m7")
    office.receipt("sent", "m8")
    take(office)
    assert find(office, what).state == "unknown"


def test_7_6_two_unknown_ones_are_not_settled(office: Office) -> None:
    whats = [unknown(office, "s1"), unknown(office, "s2")]
    office.receipt("sent", "m7")
    take(office)
    assert [find(office, what).state for what in whats] == ["unknown", "unknown"]


def test_7_6_one_whose_request_is_under_way_may_be_meant(office: Office) -> None:
    what = unknown(office, "s1")
    other = message(office.account, "s2")
    office.claim(other)
    office.receipt("sent", "m7")
    take(office)
    assert find(office, what).state == "unknown"
    claims.settle(office.store(), other.notice_id, "accepted", now=office.at, message_id="m7")
    assert find(office, other).state == "sent"


def test_7_6_another_phones_receipt_settles_nothing(office: Office) -> None:
    what = unknown(office)
    office.receipt("sent", "m7", phone=RAVI)
    take(office)
    assert find(office, what).state == "unknown"


def test_7_6_a_failed_one_by_the_window_is_failed(office: Office) -> None:
    what = unknown(office)
    office.receipt("failed", "m7", code="1012")
    take(office)
    assert find(office, what).state == "failed"


@pytest.mark.parametrize(("hours", "state"), [(48, "sent"), (48.01, "unknown")])
def test_7_6_after_48_h_it_stays_so(office: Office, hours: float, state: str) -> None:
    what = unknown(office)
    at = office.at
    office.later(hours=hours)
    office.receipt("sent", "m7", at=at)
    take(office)
    assert find(office, what).state == state


def test_7_6_a_reply_that_names_it_settles_it(office: Office) -> None:
    what = unknown(office)
    office.receipt("sent", "m7")
    office.receipt("sent", "m8")
    office.reply("r1", button="Reattempt", postback=f"vs:{what.notice_id}:0", gs_id="m7", wa_id="wa-m7")
    take(office)
    found = find(office, what)
    assert (found.state, found.evidence, found.message_id) == ("delivered", "reply", "m7")


# --- replies ----------------------------------------------------------------------------------------------------------


def matched(office: Office, id: str = "r1") -> tuple[str | None, str | None, str | None, str | None]:
    [row] = office.of_account("select notice_id, merchant, matched_by, outcome from replies where message_id = ?", id)
    found: tuple[str | None, str | None, str | None, str | None] = row
    return found


def test_8_1_a_reply_goes_by_its_postback_then_its_context(office: Office) -> None:
    first, second = accepted(office, "s1", "m1"), accepted(office, "s2", "m2", merchant="two")
    office.receipt("sent", "m2")
    office.reply("r1", button="Yes", postback=f"vs:{first.notice_id}:0", gs_id="m2")
    office.reply("r2", "hello", gs_id="m2")
    office.reply("r3", "hello", wa_id="wa-m2")
    answered = list(take(office))
    assert [(one.merchant, one.message_id) for one in answered] == [("one", "r1"), ("two", "r2"), ("two", "r3")]
    assert matched(office, "r1") == (first.notice_id, "one", "postback", None)
    assert matched(office, "r2") == (second.notice_id, "two", "gs_id", None)
    assert matched(office, "r3") == (second.notice_id, "two", "id", None)


def test_8_1_another_phone_answers_nothing(office: Office) -> None:
    what = accepted(office)
    office.reply("r1", button="Yes", postback=f"vs:{what.notice_id}:0", phone=RAVI)
    take(office)
    assert matched(office) == (what.notice_id, "one", "postback", "other_phone")


@pytest.mark.parametrize("kind", ["text", "image"])
def test_8_1_without_context_it_is_the_one_that_waits_for_an_answer(office: Office, kind: str) -> None:
    what = accepted(office)
    office.reply("r1", "reattempt", kind=kind)
    take(office)
    assert matched(office) == (what.notice_id, "one", "phone", None)


def test_8_1_two_attempts_of_one_shipment_are_one_and_the_newest(office: Office) -> None:
    accepted(office)
    office.later(hours=5)
    newest = message(office.account, "s1", occurrence=2)
    office.claim(newest)
    claims.settle(office.store(), newest.notice_id, "accepted", now=office.at, message_id="m2")
    office.reply("r1", "reattempt")
    take(office)
    assert matched(office) == (newest.notice_id, "one", "phone", None)


@pytest.mark.parametrize("merchant", ["one", "two"])
def test_8_1_two_shipments_are_ambiguous_whoever_sent(office: Office, merchant: str) -> None:
    accepted(office)
    office.later(minutes=1)
    accepted(office, "s2", "m2", merchant=merchant)
    office.reply("r1", "reattempt")
    take(office)
    assert matched(office) == (None, merchant, None, "ambiguous")  # who wrote last is told


def test_8_1_one_that_was_answered_waits_no_more(office: Office) -> None:
    first, second = accepted(office), accepted(office, "s2", "m2")
    office.reply("r1", button="Yes", postback=f"vs:{first.notice_id}:0")
    take(office)
    taking.note_outcome(office.store(), "r1", "action", "a1")
    office.reply("r2", "reattempt")
    take(office)
    assert matched(office, "r2") == (second.notice_id, "one", "phone", None)


@pytest.mark.parametrize(("hours", "outcome"), [(71.99, None), (72, "unsolicited")])
def test_8_1_after_72_h_nothing_waits(office: Office, hours: float, outcome: str | None) -> None:
    accepted(office)
    office.later(hours=hours)
    office.reply("r1", "reattempt")
    take(office)
    assert matched(office)[3] == outcome


def test_8_1_a_reply_that_quotes_another_message_does_not_answer_ours(office: Office) -> None:
    """A button of a campaign that somebody else sent from this number says nothing of our message."""
    accepted(office)
    office.receipt("sent", "m1")
    office.reply("r1", button="Cancel order", gs_id="campaign", wa_id="wa-campaign")
    office.reply("r2", button="Cancel order", wa_id="wa-campaign")
    take(office)
    assert matched(office, "r1")[3] == matched(office, "r2")[3] == "unsolicited"


def test_8_1_other_statuses_do_not_wait_for_an_answer(office: Office) -> None:
    accepted(office, status="delivered")
    office.reply("r1", "thanks")
    take(office)
    assert matched(office) == (None, "one", None, "unsolicited")


def test_8_1_nobody_is_told_of_a_strangers_text_to_the_house(office: Office) -> None:
    office.reply("r1", "hello")
    assert list(take(office)) == []
    assert matched(office) == (None, None, None, "unsolicited")


def test_8_1_a_strangers_text_to_a_merchants_own_number_is_its_own(tmp_path: Path) -> None:
    office = Office(tmp_path, account("client"))
    office.reply("r1", "hello")
    assert [one.merchant for one in take(office)] == ["one"]


def test_3_4_a_reply_is_stored_once_and_told_of_each_time(office: Office) -> None:
    accepted(office)
    office.reply("r1", "reattempt")
    hints = office.inbox.unclaimed(office.account.inbox_name, "notices")
    for _ in range(2):  # the power may go before its merchant is told
        assert [one.message_id for one in taking.keep(office.store(), hints, run=office.run())] == ["r1"]
    assert office.of_account("select count(*) from replies") == [1]


def test_7_1_a_merchant_is_told_of_an_answer_though_the_power_goes_before(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another merchant's run has taken it: nothing is settled before its own merchant has a hint of it."""
    accepted(office, merchant="two")
    office.warehouse.folder("two")
    office.reply("r1", "reattempt", gs_id="m1")

    def cut(*_: object) -> None:
        raise PowerCut

    monkeypatch.setattr(hinting, "tell", cut)
    with pytest.raises(PowerCut):
        taking.take(office.session(), office.account)
    monkeypatch.undo()
    taking.take(office.session(), office.account)
    [hint] = office.inbox.unclaimed("two", "notices")
    assert (hint.kind, hint.id) == ("answered", "r1")
    assert office.inbox.waiting([office.account.inbox_name]) == []


# --- STOP and START ---------------------------------------------------------------------------------------------------


def out(office: Office, phone: str = ASHA) -> bool:
    with office.store().read() as db:
        return consents.is_out(consents.rows_of(db, office.store().hashed(phone)))


def test_8_5_a_stop_opts_out_at_once_and_keeps_its_evidence(office: Office) -> None:
    what = accepted(office)
    office.reply("r1", "STOP!", gs_id="m1")
    take(office)
    assert out(office)
    assert matched(office) == (what.notice_id, "one", "gs_id", "opted_out")
    [line] = [line for line in office.store().evidence.read() if line["what"] == "consent"]
    assert (line["source"], line["phone"]) == ("stop_word", ASHA)
    assert "STOP" not in line["evidence"]
    office.lose_account()
    assert out(office)


def test_8_1_a_button_may_be_a_stop_and_a_merchants_own_words_count_for_all(office: Office) -> None:
    office.reply("r1", button="Unsubscribe")
    office.reply("r2", "bas karo", phone=RAVI)
    own = ReplyRules({}, (), frozenset({"bas karo"}), frozenset())
    taking.note_words(office.store("two"), own)
    take(office, "one")
    assert out(office)
    assert out(office, RAVI)


def _said(source: str, state: str, after: float) -> Row:
    return Row(source, state, NOON + timedelta(seconds=after))


def test_5_8_what_brings_back_one_merchants_customers_is_no_start_to_anothers(office: Office) -> None:
    """What protects people is shared; what exposes them is not."""
    accepted(office, "s1", "m1", merchant="one")
    taking.note_words(office.store("two"), ReplyRules({}, (), frozenset(), frozenset({"haan"})))
    office.reply("r1", "STOP", gs_id="m1")
    office.later(minutes=1)
    office.reply("r2", "Haan", gs_id="m1")
    take(office)
    assert out(office)
    accepted(office, "s2", "m2", merchant="two", phone=RAVI)
    office.reply("r3", "STOP", phone=RAVI, gs_id="m2")
    office.later(minutes=1)
    office.reply("r4", "Haan", phone=RAVI, gs_id="m2")
    take(office)
    assert not out(office, RAVI)


def test_r31_a_stop_that_waits_when_the_account_is_taken_out_holds_when_it_is_back(tmp_path: Path) -> None:
    office = Office(tmp_path, account("client"))
    office.reply("r1", "STOP")
    hints = office.inbox.open_of("one", NAME, GUPSHUP, {REPLY})
    office.account = account("house")
    hinting.hand_over(office.run(), hints)
    office.account = account("client")
    assert out(office)


def _event(phone: object = ASHA[1:], word: str = "opted-out") -> dict[str, object]:
    return {"phone": phone, "type": word}


def _text(inner: dict[str, object], **payload: object) -> dict[str, object]:
    return {"id": "r1", "source": ASHA[1:], "type": "text", "payload": inner, **payload}


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("message", _text({"text": "STOP"})),
        ("message", _text({"text": "STOP"}, id=None)),
        ("message", _text({"text": "STOP"}, id="w" * 300)),
        ("message", _text({"text": "STOP"}, type=None)),
        ("message", _text({"text": "STOP"}, type="interactive")),
        ("message", _text({"url": "x", "caption": "Stop!"}, type="image")),
        ("message", _text({"text": "STOP"}, source="+91 98100-00111")),
        ("user-event", _event()),
        ("user-event", _event(word="opted_out")),
        ("user-event", _event(word="OptedOut")),
        ("user-event", _event(phone=int(ASHA[1:]))),
    ],
)
def test_5_8_a_stop_counts_in_whatever_form_it_comes(office: Office, kind: str, payload: dict[str, object]) -> None:
    """Nothing of it can be asked for again; and it counts while it waits in the inbox, too (7.1)."""
    office.call(kind, payload)
    held = office.claim(message(office.account))
    assert isinstance(held, Held)
    assert held.reason == "opted_out"
    take(office)
    assert out(office)
    take(office)


@pytest.mark.parametrize(
    ("from_whatsapp", "as_written"),
    [("5215512345678", "+525512345678"), ("551187654321", "+5511987654321"), ("5491123456789", "+5491123456789"),
     ("919810000111", ASHA), ("525512345678", "+525512345678"), ("551133334444", "+551133334444")],
)  # fmt: skip
def test_5_8_a_stop_counts_by_the_number_that_whatsapp_knows(
    office: Office, from_whatsapp: str, as_written: str
) -> None:
    """In Mexico and Brazil that is not the one by which the phone was written."""
    office.reply("r1", "STOP", phone="+" + from_whatsapp)
    take(office)
    assert out(office, as_written)


@pytest.mark.parametrize(
    ("rows", "is_out"),
    [
        ([], False),
        ([_said("eshopbox_flag", "in", 99)], False),
        ([_said("stop_word", "out", 0)], True),
        ([_said("stop_word", "out", 0), _said("eshopbox_flag", "in", 99)], True),
        ([_said("stop_word", "out", 0), _said("gupshup_list", "in", 99)], True),
        ([_said("stop_word", "out", 0), _said("attestation", "in", 99)], True),
        ([_said("stop_word", "out", 0), _said("start_word", "in", 1)], False),
        ([_said("stop_word", "out", 0), _said("start_word", "in", 0)], True),  # at one time: STOP (rulings 23)
        ([_said("stop_word", "out", 2), _said("start_word", "in", 1)], True),
        ([_said("stop_word", "out", 0), _said("operator", "in", 1)], False),
        ([_said("stop_word", "out", 0), _said("gupshup_event", "in", 60)], True),
        ([_said("stop_word", "out", 0), _said("gupshup_event", "in", 61)], False),
        ([_said("stop_word", "out", 0), _said("start_word", "in", 1), _said("code_1012", "out", 2)], True),
        ([_said("gupshup_list", "out", 0)], True),
        ([_said("operator", "out", 0)], True),
        ([_said("code_1006", "void", 0), _said("code_1002", "absent", 0)], False),
    ],
)
def test_5_8_what_opts_out_and_what_brings_back(rows: list[Row], is_out: bool) -> None:
    assert consents.is_out(rows) is is_out


def test_5_9_a_list_that_says_what_it_said_is_no_news(office: Office) -> None:
    assert consents.from_list(office.store(), {ASHA: False, RAVI: True}, office.at) == 2
    office.later(minutes=1)
    office.reply("r1", "START")
    take(office)
    assert not out(office)
    office.later(hours=1)
    assert consents.from_list(office.store(), {ASHA: False, RAVI: True}, office.at) == 0
    assert not out(office)
    assert consents.from_list(office.store(), {ASHA: True}, office.at) == 1
    assert consents.from_list(office.store(), {ASHA: False}, office.at + timedelta(hours=1)) == 1
    assert out(office)


def test_5_9_an_opt_in_is_of_the_number_that_the_account_has_then(office: Office) -> None:
    """The settings may give an account another number: who opted in to the former one has not opted in to it."""
    before, after = "+919810000001", "+919810000002"
    office.call("user-event", {"phone": ASHA[1:], "type": "opted-in"})
    office.sync()
    assert consents.from_list(office.store(), {RAVI: True}, office.at) == 1
    office.account = office.account.model_copy(update={"number": after})
    office.later(hours=1)
    assert consents.from_list(office.store(), {RAVI: True}, office.at) == 1, "the new number's list says so itself"
    assert consents.from_list(office.store(), {RAVI: True}, office.at + timedelta(hours=1)) == 0
    assert office.of_account("select source, number from consents order by seq") == [
        ("gupshup_event", before), ("gupshup_list", before), ("gupshup_list", after)
    ]  # fmt: skip
    office.lose_account()
    office.sync()
    assert office.of_account("select count(*) from consents where number = ?", before) == [2]
    assert office.rows("select source, number from staged.consents where phone = ?", ASHA) == [
        ("gupshup_event", before)
    ]


@pytest.mark.parametrize("call", ["stop", "event"])
def test_3_4_a_clock_that_is_wrong_dates_no_opt_out_back(office: Office, call: str) -> None:
    long_ago = NOON - timedelta(days=400)
    if call == "stop":
        office.reply("r1", "STOP", at=long_ago)
    else:
        office.call("user-event", {"phone": ASHA[1:], "type": "opted-out"}, at=NOON + timedelta(days=400))
    take(office)
    assert office.of_account("select at from consents") == [NOON.isoformat()]


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_3_4_another_apps_callbacks_are_dropped_and_counted(office: Office) -> None:
    office.call("message", {"id": "r1", "source": ASHA[1:], "type": "text", "payload": {"text": "STOP"}}, app="Other")
    office.body(b"{nonsense")
    office.body(b'{"app": "App", "type": "new-kind", "payload": {}}')
    taken = take(office)
    assert (taken.noted["foreign"], taken.noted["bad"]) == (1, 2)
    assert not out(office)


def test_2_4_a_template_event_makes_the_list_due_and_bills_are_kept_once(office: Office) -> None:
    office.call("template-event", {"id": "t1", "status": "paused", "type": "status-update"})
    for seconds in (0, 1):
        payload = {"deductions": {"type": "MKT", "billable": True}, "references": {"gsId": "m1"}}
        office.call("billing-event", payload, at=NOON + timedelta(seconds=seconds))
        take(office)
    assert office.of_account("select template_id, status from template_events") == [("t1", "paused")]
    assert office.of_account("select name from facts where name = 'template_event'") == ["template_event"]
    assert office.of_account("select gs_id, type from billing") == [("m1", "MKT")]


def test_r31_an_error_leaves_callbacks_waiting(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.reply("r1", "STOP")

    def full(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(AccountStore, "write", full)
    with pytest.raises(OSError, match="no room"):
        take(office)
    monkeypatch.undo()
    assert [one.count for one in office.inbox.waiting([office.account.inbox_name])] == [1]
    take(office)
    assert out(office)


def test_9_4_a_forgotten_phone_stays_out_by_its_hash_also_after_a_loss(office: Office) -> None:
    what = accepted(office)
    office.receipt("delivered", "m1")
    office.reply("r1", "STOP", gs_id="m1")
    take(office)
    assert forgetting.forget(office.store(), lambda phone: phone == ASHA) == 1
    for _ in range(2):
        assert out(office)
        everything = office.store().path.read_bytes() + office.store().evidence.path.read_bytes()
        assert ASHA[1:].encode() not in everything
        assert b"eshopbox:s1" not in everything.replace(what.notice_id.encode(), b"")
        assert not isinstance(office.claim(message(office.account, "s2")), Claim)
        office.lose_account()


def test_r67_texts_go_after_90_days_and_claims_2_years_after_the_last_message(office: Office) -> None:
    accepted(office)
    office.reply("r1", "hello", gs_id="m1")
    take(office)
    for days, text, count in ((90, "hello", 1), (91, None, 1), (730, None, 1), (731, None, 0)):
        forgetting.retention(office.store(), NOON + timedelta(days=days))
        assert office.of_account("select text from replies") == [text]
        assert office.of_account("select count(*) from claims") == [count]


def test_r67_claims_that_were_removed_are_not_made_again_from_their_evidence(office: Office) -> None:
    for place in range(2):
        accepted(office, f"s{place}", f"m{place}")
    forgetting.retention(office.store(), NOON + timedelta(days=2 * 365 + 1))
    assert office.of_account("select count(*) from claims") == [0]
    office.lose_account()
    assert office.of_account("select count(*) from claims") == [2], "a new file knows nothing of that"


def test_r67_evidence_of_messages_goes_after_7_years_and_opt_outs_stay(office: Office) -> None:
    accepted(office)
    office.reply("r1", "STOP", phone=RAVI)
    take(office)
    for days, kinds in ((7 * 365, {"salt", "claim", "consent"}), (7 * 365 + 1, {"salt", "consent"})):
        forgetting.retention(office.store(), NOON + timedelta(days=days))
        assert {line["what"] for line in office.store().evidence.read()} == kinds


@pytest.mark.parametrize(
    "told",
    [
        {
            "kind": "message",
            "payload": {"id": "r9", "source": ASHA[1:], "type": "text", "payload": {"text": "a\ud83d"}},
        },
        {"kind": "message-event", "payload": {"id": "g9", "type": "failed", "payload": {"reason": "a\ud83d"}}},
        {"kind": "billing-event", "payload": {"deductions": {"type": "x", "\udc00": float("nan")}}},
    ],
    ids=["reply", "receipt", "bill"],
)
def test_one_callback_that_no_database_takes_does_not_keep_a_stop_from_counting(tmp_path: Path, told: Any) -> None:
    """R40: half an emoji in one callback stops nobody; a STOP that comes with it counts."""
    office = Office(tmp_path)
    office.call(**told)
    office.reply("r-stop", "STOP", phone=RAVI)
    office.sync()
    found = office.claim(message(office.account, phone=RAVI))
    assert isinstance(found, Held)
    assert found.reason == "opted_out"


def test_a_file_that_another_process_holds_is_no_fault_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its callbacks wait for the next try."""
    monkeypatch.setattr(account_store, "WAIT_SECONDS", 0.05)
    office = Office(tmp_path)
    office.sync()
    office.reply("stop", "STOP")
    name = office.account.inbox_name
    records = office.inbox.waiting([name], route="notices")
    with office.store("two").write():
        report = targeted.run_shared(office.run(), HintDesk(office.inbox, name, "notices", records, "worker"))
    assert isinstance(report.error, TryLater)


def test_3_4_what_nobody_can_read_is_counted_where_a_worker_takes_it(office: Office) -> None:
    office.body(b"no JSON")
    office.call("message", {"id": "r1"}, app="Other")
    name = office.account.inbox_name
    records = office.inbox.waiting([name], route="notices")
    report = targeted.run_shared(office.run(), HintDesk(office.inbox, name, "notices", records, "worker"))
    assert {word: count for word, count in report.noted.items() if count} == {"bad": 1, "foreign": 1}
