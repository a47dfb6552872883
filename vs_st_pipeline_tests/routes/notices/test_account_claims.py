"""A message is claimed once for good, whoever asks: notices.md 7.1, 5.16, 2.1, 7.3."""

from __future__ import annotations

import multiprocessing
import os
import stat
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.routes.notices import accounts_seen
from vs_st_pipeline.routes.notices.account import claims, consents, pauses, taking
from vs_st_pipeline.routes.notices.account.claim import MOVES, Claim, Claimed, Held, may_move
from vs_st_pipeline.routes.notices.account.consents import Consent
from vs_st_pipeline.routes.notices.messages import Message
from vs_st_pipeline.routes.notices.settings import Cap
from vs_st_pipeline.routes.notices.words import MessageKind, Wait
from vs_st_pipeline_tests.routes.notices.account_office import ASHA, CAP, NOON, RAVI, Office, account, message


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Merchants of a house's account."""
    return Office(tmp_path)


def made(found: Claim | Held) -> Claim:
    assert isinstance(found, Claim)
    return found


def why_not(found: Claim | Held) -> Held:
    assert isinstance(found, Held), found.state
    return found


def notices(office: Office, count: int, *, phone: str = ASHA, state: str | None = "accepted", **more: Any) -> None:
    """Claim and settle some notices."""
    for place in range(count):
        unit = f"shipment:eshopbox:{phone}{state}{office.at.isoformat()}{place}"
        what = message(office.account, unit, phone=phone, **more)
        assert made(office.claim(what, cap=Cap(messages=1000))).is_mine
        if state is not None:
            claims.settle(office.store(), what.notice_id, state, now=office.at)


def test_7_1_a_file_is_for_its_owner_alone_and_durable(office: Office) -> None:
    office.claim(message(office.account))
    path = office.store().path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with office.store().read() as db:
        assert db.execute("pragma journal_mode").fetchone()[0] == "wal"
        assert db.execute("pragma synchronous").fetchone()[0] == 2  # full


def test_7_1_a_second_claim_is_told_of_the_first(office: Office) -> None:
    first = made(office.claim(message(office.account)))
    second = made(office.claim(message(office.account)))
    assert (first.is_mine, second.is_mine, second.state, second.tries) == (True, False, "open", 1)


@pytest.mark.parametrize("state", sorted(Claimed))
def test_7_1_only_refused_released_and_retryable_ones_are_claimed_anew(office: Office, state: str) -> None:
    office.claim(message(office.account))
    if state == "released":
        claims.settle(office.store(), message(office.account).notice_id, "refused", now=office.at)
        claims.release(office.store(), message(office.account).notice_id)
    elif state != "open":
        claims.settle(office.store(), message(office.account).notice_id, state, now=office.at)
    again = made(office.claim(message(office.account)))
    assert again.is_mine == (state in ("refused", "released"))
    assert again.tries == (2 if again.is_mine else 1)


def test_7_4_a_retry_is_due_at_its_second_and_twice_at_most(office: Office) -> None:
    what = message(office.account)
    for gap, retries in ((timedelta(minutes=15), 1), (timedelta(hours=1), 2)):
        assert made(office.claim(what)).is_mine
        failed = claims.settle(office.store(), what.notice_id, "failed", now=office.at, code="4001")
        assert failed.retry_at == office.at + gap
        office.later(seconds=gap.total_seconds() - 1)
        assert not made(office.claim(what)).is_mine
        office.later(seconds=1)
        with office.store().write() as db:
            db.execute("delete from pauses")
        assert retries == failed.retries + 1
    assert made(office.claim(what)).is_mine
    assert claims.settle(office.store(), what.notice_id, "failed", now=office.at, code="4001").retry_at is None
    office.later(days=2)
    assert not made(office.claim(what)).is_mine


# --- 5.16: the cap ----------------------------------------------------------------------------------------------------


def test_5_16_the_cap_counts_all_merchants_in_a_rolling_window(office: Office) -> None:
    notices(office, 3)
    office.later(hours=1)
    for place in range(3):
        what = message(office.account, f"u{place}", merchant="two")
        made(office.claim(what, "two"))
        claims.settle(office.store("two"), what.notice_id, "accepted", now=office.at)
    held = why_not(office.claim(message(office.account, "one more")))
    assert (held.reason, held.rule, held.until) == (Wait.CAP, 16, NOON + timedelta(hours=24))
    assert made(office.claim(message(office.account, "another's", phone=RAVI))).is_mine
    office.at = NOON + timedelta(hours=24)
    assert made(office.claim(message(office.account, "one more"))).is_mine  # the first three are out of the window


def test_5_16_one_second_before_the_window_ends_it_still_counts(office: Office) -> None:
    notices(office, 6)
    office.at = NOON + timedelta(hours=24, seconds=-1)
    assert why_not(office.claim(message(office.account, "one more"))).reason == Wait.CAP


@pytest.mark.parametrize("state", ["refused", "rejected"])
def test_5_16_refused_and_rejected_ones_do_not_count(office: Office, state: str) -> None:
    notices(office, 2, state=state)
    assert made(office.claim(message(office.account, "one more"), cap=Cap(messages=1))).is_mine


@pytest.mark.parametrize("state", ["unknown", "failed", "read", None])
def test_5_16_all_others_count(office: Office, state: str | None) -> None:
    notices(office, 1, state=state)
    assert why_not(office.claim(message(office.account, "one more"), cap=Cap(messages=1))).reason == Wait.CAP


def test_5_16_exempt_ones_count_and_are_not_held(office: Office) -> None:
    notices(office, 1, exempt=True)
    assert why_not(office.claim(message(office.account, "usual"), cap=Cap(messages=1))).reason == Wait.CAP
    assert made(office.claim(message(office.account, "exempt", exempt=True), cap=Cap(messages=1))).is_mine


def test_rulings_24_answers_count_in_no_cap(office: Office) -> None:
    what = message(office.account, notice_id="x_1", kind=MessageKind.EXCEPTION)
    office.claim(what)
    claims.settle(office.store(), "x_1", "accepted", now=office.at)
    assert made(office.claim(message(office.account, "one more"), cap=Cap(messages=1))).is_mine


def test_7_1_two_merchants_with_the_same_order_ids_do_not_meet_in_an_account(office: Office) -> None:
    """A workspace is a merchant's: its orders' ids are told apart by the merchant's, here as in the notice's id."""
    first, second = (message(office.account, "shipment:eshopbox:7", merchant=one) for one in ("one", "two"))
    assert first.notice_id != second.notice_id
    assert made(office.claim(first)).is_mine
    assert made(office.claim(second, "two")).is_mine
    for merchant, own in (("one", first), ("two", second)):
        told = accounts_seen.told(office.session(merchant), "eshopbox:shipment:eshopbox:7")
        assert [one.notice_id for one in told] == [own.notice_id]


def test_8_5_the_limits_of_answers_are_counted_with_the_claim(office: Office) -> None:
    """Two processes that found nobody answered yet do not both answer: the second is told at its claim."""

    def answer(id: str, why: str, reply: str) -> Message:
        return message(office.account, notice_id=id, kind=MessageKind.EXCEPTION, status=why, reply_id=reply)

    assert made(office.claim(answer("x_1", "media", "r1"))).is_mine
    assert why_not(office.claim(answer("x_2", "too_late", "r1"))).reason == "answered_before"
    assert why_not(office.claim(answer("x_3", "media", "r2"), "two")).reason == "kind_limit"
    assert made(office.claim(answer("x_4", "too_late", "r3"))).is_mine
    assert made(office.claim(answer("x_5", "not_offered", "r4"))).is_mine
    assert why_not(office.claim(answer("x_6", "not_understood", "r5"))).reason == "phone_limit"
    claims.settle(office.store(), "x_5", "refused", now=office.at)
    assert made(office.claim(answer("x_6", "not_understood", "r5"))).is_mine
    office.later(hours=24, seconds=1)
    claims.settle(office.store(), "x_1", "accepted", now=office.at)  # of four that are open at most
    assert made(office.claim(answer("x_3", "media", "r2"), "two")).is_mine


# --- 2.1: the tier ----------------------------------------------------------------------------------------------------


def test_2_1_the_tier_counts_people_once_in_a_rolling_day(tmp_path: Path) -> None:
    office = Office(tmp_path, account(daily_recipients=2))
    notices(office, 2)
    office.later(hours=1)
    notices(office, 1, phone=RAVI)
    third = message(office.account, "third", phone="+919810000333")
    held = why_not(office.claim(third))
    assert (held.reason, held.until) == (Wait.DAILY_RECIPIENTS, NOON + timedelta(hours=24))
    assert made(office.claim(message(office.account, "known", phone=RAVI))).is_mine
    claims.settle(office.store(), message(office.account, "known", phone=RAVI).notice_id, "accepted", now=office.at)
    session = message(office.account, phone="+919810000444", template_id=None, notice_id="x_2", kind="exception")
    assert made(office.claim(session)).is_mine  # it begins no conversation
    office.at = NOON + timedelta(hours=24)
    assert made(office.claim(third)).is_mine


# --- what is open -----------------------------------------------------------------------------------------------------


def test_7_1_at_most_four_are_open(office: Office) -> None:
    notices(office, 4, state=None)
    held = why_not(office.claim(message(office.account, "fifth")))
    assert (held.reason, held.crowded) == (Wait.TRY_LATER, True)
    claims.settle(
        office.store(), office.of_account("select notice_id from claims limit 1")[0], "accepted", now=office.at
    )
    assert made(office.claim(message(office.account, "fifth"))).is_mine


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("real = real - 89", "open"),
        ("real = real - 91", "unknown"),
        ("pid = 4194399", "unknown"),  # there is no such process
    ],
)
def test_7_1_an_open_one_is_unknown_after_90_s_or_with_its_process(office: Office, change: str, state: str) -> None:
    what = message(office.account)
    office.claim(what)
    with office.store().write() as db:
        db.execute(f"update claims set {change}")
    office.claim(message(office.account, "another", phone=RAVI))
    found = claims.find(office.store(), what.notice_id)
    assert found is not None
    assert found.state == state
    if state == "unknown":  # its answer came all the same
        assert (
            claims.settle(office.store(), what.notice_id, "accepted", now=office.at, message_id="m").state == "accepted"
        )


# --- consents and STOPs -----------------------------------------------------------------------------------------------


def test_5_8_an_opt_out_that_the_rules_did_not_see_holds_it(office: Office) -> None:
    consents.put(office.store(), [Consent(ASHA, "stop_word", "out", office.at)])
    assert why_not(office.claim(message(office.account))).reason == Wait.OPTED_OUT


def test_7_4_a_code_voids_the_consent_that_was_used(office: Office) -> None:
    consents.put(office.store(), [Consent(ASHA, "code_1006", "void", NOON)])
    assert why_not(office.claim(message(office.account))).reason == Wait.NOT_OPTED_IN
    later = message(
        office.account, consent={"source": "gupshup_event", "at": (NOON + timedelta(seconds=1)).isoformat()}
    )
    assert made(office.claim(later)).is_mine


@pytest.mark.parametrize("text", ["STOP", "stop.", "Unsubscribe"])
def test_7_1_a_stop_that_waits_in_the_inbox_holds_it(office: Office, text: str) -> None:
    office.reply("r1", text)
    assert why_not(office.claim(message(office.account))).reason == Wait.OPTED_OUT
    assert made(office.claim(message(office.account, "another", phone=RAVI))).is_mine


def test_7_1_a_stop_that_another_process_is_taking_holds_it(office: Office) -> None:
    office.reply("r1", "STOP")
    office.inbox.claim(office.inbox.waiting([office.account.inbox_name]), "another worker")
    assert why_not(office.claim(message(office.account))).reason == Wait.OPTED_OUT


def test_7_1_an_opted_out_event_that_waits_in_the_inbox_holds_it(office: Office) -> None:
    office.call("user-event", {"phone": ASHA[1:], "type": "opted-out"})
    assert why_not(office.claim(message(office.account))).reason == Wait.OPTED_OUT


def test_7_1_another_text_in_the_inbox_holds_nothing(office: Office) -> None:
    office.reply("r1", "please stop by tomorrow")
    assert made(office.claim(message(office.account))).is_mine


def test_7_1_who_cannot_look_into_the_inbox_claims_nothing(office: Office) -> None:
    office.sync()
    office.inbox.close()
    office.inbox.path.write_bytes(b"no database at all" * 100)
    assert why_not(office.claim(message(office.account))).reason == Wait.TRY_LATER


def test_7_1_a_damaged_file_is_said_to_be_so(office: Office) -> None:
    office.store().path.parent.mkdir(parents=True)
    office.store().path.write_bytes(b"no database at all" * 100)
    with pytest.raises(BadSettings, match="damaged"):
        office.claim(message(office.account))


def test_r35_the_consent_used_is_on_the_disk_with_the_claim(office: Office) -> None:
    office.claim(message(office.account))
    [line] = [line for line in office.store().evidence.read() if line["what"] == "claim"]
    assert line["notice_id"] == message(office.account).notice_id
    assert line["consent"]["source"] == "eshopbox_flag"
    assert stat.S_IMODE(office.store().evidence.path.stat().st_mode) == 0o600


# --- pauses -----------------------------------------------------------------------------------------------------------


def test_7_3_a_stopped_account_claims_nothing_until_it_is_ended(office: Office) -> None:
    pauses.stop(office.store(), office.at, kind="auth", why="bad key")
    assert why_not(office.claim(message(office.account), "two")).reason == Wait.ACCOUNT_STOPPED
    assert pauses.good_list(office.store())
    assert made(office.claim(message(office.account))).is_mine


def test_7_4_only_a_person_ends_another_stop(office: Office) -> None:
    pauses.stop(office.store(), office.at, kind="auth", why="bad key")
    pauses.stop(office.store(), office.at, kind="config", why="wallet")
    assert not pauses.good_list(office.store())
    assert pauses.state(office.store(), office.at) is not None
    assert pauses.resume(office.store())
    assert pauses.state(office.store(), office.at) is None


def test_rulings_18_three_rejected_in_a_row_stop_the_account_for_their_merchant(office: Office) -> None:
    notices(office, 2, state="rejected")
    assert pauses.state(office.store(), office.at) is None
    notices(office, 1, state="accepted", phone=RAVI)
    notices(office, 2, state="rejected", phone=RAVI)
    assert pauses.state(office.store(), office.at) is None
    notices(office, 1, state="rejected", phone="+919810000333")
    found = pauses.state(office.store(), office.at)
    assert found is not None
    assert (found.reason, found.kind) == (Wait.ACCOUNT_STOPPED, "config")
    assert pauses.state(office.store("two"), office.at) is None


def test_7_3_pauses_double_up_to_15_min_and_an_accepted_one_ends_that(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = [1_000_000.0]
    monkeypatch.setattr(time, "time", lambda: real[0])
    lasts = []
    for _ in range(6):
        pauses.pause(office.store(), office.at)
        [until] = office.of_account("select real_until from pauses where name = 'paused'")
        lasts.append(until - real[0])
        assert pauses.state(office.store(), office.at) is not None
        real[0] = until
        assert pauses.state(office.store(), office.at) is None
    assert lasts == [60, 120, 240, 480, 900, 900]
    with office.store().write() as db:
        pauses.accepted_in(db, "one")
    pauses.pause(office.store(), office.at)
    assert office.of_account("select real_until from pauses where name = 'paused'") == [real[0] + 60]
    real[0] += 60
    pauses.pause(office.store(), office.at, 7)
    assert office.of_account("select real_until from pauses where name = 'paused'") == [real[0] + 7]


def test_7_3_a_pause_that_lasts_longer_is_not_made_shorter(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four messages that were under way at once the first was told an hour, and the others nothing."""
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    pauses.pause(office.store(), office.at, 3600)
    pauses.pause(office.store(), office.at)
    pauses.pause(office.store(), office.at, 7)
    assert office.of_account("select real_until from pauses where name = 'paused'") == [1_003_600.0]


def test_7_4_a_slow_account_rests_15_min_and_goes_at_half_its_rate_for_an_hour(office: Office) -> None:
    with office.store().write() as db:
        pauses.slow_in(db, office.at)
    for minutes, rests, halved in ((0, True, True), (14.99, True, True), (15, False, True), (75, False, False)):
        at = NOON + timedelta(minutes=minutes)
        assert (pauses.state(office.store(), at) is not None) is rests
        assert pauses.half_rate(office.store(), at) is halved


# --- answers ----------------------------------------------------------------------------------------------------------


def test_7_3_a_message_id_of_another_claim_is_no_answer(office: Office) -> None:
    first, second = message(office.account), message(office.account, "second")
    for what in (first, second):
        office.claim(what)
    claims.settle(office.store(), first.notice_id, "accepted", now=office.at, message_id="m1")
    found = claims.settle(office.store(), second.notice_id, "accepted", now=office.at, message_id="m1")
    assert (found.state, found.message_id, found.evidence) == ("unknown", None, None)


def test_7_1_a_late_answer_of_an_earlier_try_says_nothing_of_the_one_under_way(office: Office) -> None:
    """Else a third one would leave while the second does."""
    what = message(office.account)
    first = made(office.claim(what))
    claims.settle(office.store(), what.notice_id, "unknown", now=office.at)
    claims.resolve(office.store(), what.notice_id, sent=False)
    assert made(office.claim(what)).is_mine
    found = claims.settle(office.store(), what.notice_id, "refused", now=office.at, tries=first.tries)
    assert found.state == "open"
    assert not made(office.claim(what)).is_mine


def test_7_5_states_never_fall() -> None:
    rising = ("accepted", "enqueued", "sent", "delivered", "read")
    for place, state in enumerate(rising):
        assert {after for after in rising if may_move(state, after)} == set(rising[place + 1 :])
        assert may_move(state, "failed") is (state not in ("delivered", "read"))
    assert set(MOVES[Claimed.FAILED]) == {"delivered", "read"}
    assert all(not may_move(state, "unknown") for state in Claimed if state != "open")
    assert all(not may_move(state, "open") for state in Claimed)


@pytest.mark.parametrize("sent", [True, False])
def test_7_6_a_person_settles_an_unknown_one_alone(office: Office, sent: bool) -> None:
    what = message(office.account)
    office.claim(what)
    assert claims.resolve(office.store(), what.notice_id, sent=sent) is None
    claims.settle(office.store(), what.notice_id, "unknown", now=office.at)
    found = claims.resolve(office.store(), what.notice_id, sent=sent)
    assert found is not None
    assert (found.state, found.evidence) == ("accepted" if sent else "released", "person")
    assert found.accepted_at == (NOON if sent else None)
    assert made(office.claim(what)).is_mine is not sent


# --- processes --------------------------------------------------------------------------------------------------------


def _race(path: str, merchant: str, start: float, told: Any) -> None:
    office = Office(Path(path))
    store, mine = office.store(merchant), []
    while time.time() < start:
        time.sleep(0.001)
    for place in range(20):
        what = message(office.account, f"unit {place}")  # the same message, whoever sends it
        found = claims.claim(store, what, now=office.at, cap=Cap(messages=12), is_stop=lambda _: False, inbox=None)
        if isinstance(found, Claim) and found.is_mine:
            mine.append(what.notice_id)
            claims.settle(store, what.notice_id, "accepted", now=office.at, message_id=f"{os.getpid()}-{place}")
    told.put(mine)


def test_7_1_two_processes_claim_each_message_once_and_keep_one_cap(tmp_path: Path) -> None:
    """The file is not there when both begin: one of them makes it."""
    context = multiprocessing.get_context("fork")
    told, start = context.Queue(), time.time() + 0.3
    workers = [context.Process(target=_race, args=(str(tmp_path), who, start, told)) for who in ("one", "two")]
    for worker in workers:
        worker.start()
    mine = [told.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join(timeout=60)
    assert len(mine[0]) + len(mine[1]) == 12  # the cap, over both
    assert not set(mine[0]) & set(mine[1])
    assert CAP.messages == 6
    assert taking.is_stop(Office(tmp_path).store())("stop")
