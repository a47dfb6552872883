"""Holds what unexpected replies are answered with, when, and when not; and confirmations (notices.md 8.4, 8.5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.gupshup.settings import ChargesConfirmed, GupshupAccount, Said, TemplateSettings
from vs_st_pipeline.routes.notices import answering, listing, sending, unexpected
from vs_st_pipeline.routes.notices.account import claims
from vs_st_pipeline.routes.notices.answering import Hold, Standing, held, wanted
from vs_st_pipeline.routes.notices.messages import Message, answer_id
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.settings import Cap, NoticesSettings, QuietHours, Unexpected
from vs_st_pipeline.routes.notices.standard_texts import STANDARD
from vs_st_pipeline.routes.notices.words import MessageKind, ReplyOutcome, State
from vs_st_pipeline_tests.routes.notices.replies_world import ACCOUNT, NOW, PHONE, SECRET, World

HOUSE = GupshupAccount(id="house", kind="house", api_key=SECRET, app_name="H", app_id="h1", number="+919810000002")
CONFIRMED = HOUSE.model_copy(update={"charges_confirmed": ChargesConfirmed(by="Asha Rao", date=NOW.date())})
SIX = {"not_understood", "media", "not_failed_now", "already_answered", "not_offered", "too_late"}
NINE = SIX | {"unsolicited", "ambiguous", "other_phone"}
SORRY = Unexpected(enabled=True, text="Sorry, {customer_order_id}")


# --- the rule of the account ------------------------------------------------------------------------------------------


def _answered(settings: NoticesSettings, account: GupshupAccount) -> set[str]:
    return {kind for kind in NINE if wanted(settings, account, ReplyOutcome(kind)) is not None}


@pytest.mark.parametrize(
    ("account", "own", "kinds"),
    [
        (HOUSE, Unexpected(), SIX),
        (HOUSE, SORRY, SIX),  # the house's account goes by the house's rule
        (HOUSE.model_copy(update={"exceptions": {}}), SORRY, set()),
        (HOUSE.model_copy(update={"exceptions": {"ambiguous": Said(text="x"), "media": None}}), SORRY, {"ambiguous"}),
        (ACCOUNT, Unexpected(), set()),
        (ACCOUNT, Unexpected(enabled=False, text="x"), set()),
        (ACCOUNT, SORRY, SIX),
        (ACCOUNT, Unexpected(enabled=True, template=TemplateSettings(id="t1")), SIX),
        (ACCOUNT, Unexpected(enabled=True), set()),
    ],
)
def test_what_is_answered_goes_by_the_rule_of_the_account(
    account: GupshupAccount, own: Unexpected, kinds: set[str]
) -> None:
    assert _answered(NoticesSettings(countries=("IN",), unexpected=own), account) == kinds


def test_a_clients_own_words_are_what_is_answered() -> None:
    found = wanted(NoticesSettings(countries=("IN",), unexpected=SORRY), ACCOUNT, ReplyOutcome.MEDIA)
    assert found == Said(text=SORRY.text)


def test_standard_texts_are_six_and_fit_a_message() -> None:
    assert {str(kind) for kind in STANDARD} == SIX
    assert all(0 < len(text) < 1024 for text in STANDARD.values())


# --- what holds an answer ---------------------------------------------------------------------------------------------

OPEN = Standing(NOW, NOW - timedelta(minutes=5), MessageKind.EXCEPTION, "media")


@pytest.mark.parametrize(
    ("change", "hold"),
    [
        ({}, None),
        ({"replied_at": NOW - timedelta(hours=24)}, None),
        ({"replied_at": NOW - timedelta(hours=24, seconds=1)}, ("stale", True)),
        ({"rehearsed": True}, ("rehearsal", True)),
        ({"is_out": True}, ("opted_out", True)),
        ({"answered": True}, ("answered_before", True)),
        ({"answers": ("media",)}, ("kind_limit", True)),
        ({"answers": ("too_late", "not_offered")}, None),
        ({"answers": ("too_late", "not_offered", "not_understood")}, ("phone_limit", True)),
        ({"charged_unconfirmed": True}, ("charges_not_confirmed", False)),
        ({"quiet": True}, None),
        ({"quiet": True, "replied_at": NOW - timedelta(minutes=15, seconds=-1)}, None),
        ({"quiet": True, "replied_at": NOW - timedelta(minutes=15)}, ("quiet_hours", False)),
        # a confirmation is no answer to an unexpected reply
        ({"kind": MessageKind.CONFIRMATION, "answered": True, "answers": ("media",) * 3}, None),
        ({"kind": MessageKind.CONFIRMATION, "is_out": True}, ("opted_out", True)),
    ],
)
def test_what_holds_an_answer(change: dict[str, Any], hold: tuple[str, bool] | None) -> None:
    found = held(replace(OPEN, **change))
    assert found == (None if hold is None else Hold(*hold))


def test_the_first_that_holds_an_answer_is_said() -> None:
    worst = replace(
        OPEN, replied_at=NOW - timedelta(days=2), rehearsed=True, is_out=True, answered=True,
        answers=("media",) * 3, charged_unconfirmed=True, quiet=True,
    )  # fmt: skip
    mended: tuple[dict[str, Any], ...] = (
        {"replied_at": NOW - timedelta(hours=1)},
        {"rehearsed": False},
        {"is_out": False},
        {"answered": False},
        {"answers": ("too_late",) * 3},
        {"answers": ()},
        {"charged_unconfirmed": False},
        {"quiet": False},
    )
    found = [held(worst)]
    for change in mended:
        worst = replace(worst, **change)
        found.append(held(worst))
    assert [None if hold is None else hold.reason for hold in found] == [
        *("stale", "rehearsal", "opted_out", "answered_before", "kind_limit", "phone_limit"),
        *("charges_not_confirmed", "quiet_hours", None),
    ]


# --- sending ----------------------------------------------------------------------------------------------------------


class Sent:
    """Claims what is sent in the account's file and notes it in the ledger; sends nothing."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.state = State.ACCEPTED

    def __call__(self, session: NoticesSession, message: Message) -> State:
        self.messages.append(message)
        store, run = session.store(message.account), session.run
        found = claims.claim(store, message, now=run.now(), cap=Cap(), is_stop=lambda _: False, inbox=None)
        assert isinstance(found, claims.Claim)
        claims.settle(store, message.notice_id, "accepted", now=run.now(), message_id=f"g{len(self.messages)}")
        with run.open() as db:
            db.execute(
                """insert into synced.notices (notice_id, kind, state, first_seen_at, changed_at)
                   values (?, ?, ?, ?, ?)""",
                [message.notice_id, str(message.kind), str(self.state), run.now(), run.now()],
            )
        return self.state

    @property
    def texts(self) -> list[str]:
        return [one.text for one in self.messages]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    found = Sent()
    monkeypatch.setattr(sending, "send_one", found)
    return found


def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **notices: Any) -> World:
    world = World(tmp_path, monkeypatch, **{"unexpected": SORRY, "quiet_hours": None, **notices})
    world.store("staged.recipients", merchant_order="eshopbox:A1", phone=PHONE, name="Asha Rao", zones=["Asia/Kolkata"])
    return world


def _answer(world: World) -> NoticesSession:
    session = world.sync()
    unexpected.answer(session)
    return session


def test_an_unexpected_reply_is_answered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent) -> None:
    world = _world(tmp_path, monkeypatch)
    world.reply("What?", "m1")
    _answer(world)
    _answer(world)
    (message,) = sent.messages
    assert (message.kind, message.text, message.phone) == (MessageKind.EXCEPTION, "Sorry, A1", PHONE)
    assert message.notice_id == answer_id(ACCOUNT.id, "m1", "not_understood")
    assert (message.status, message.reply_id, message.exempt) == ("not_understood", "m1", True)
    assert (message.template_id, message.consent) == (None, {})


def test_there_is_no_loop_with_a_robot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent) -> None:
    world = _world(tmp_path, monkeypatch)
    for _ in range(5):
        world.at += timedelta(minutes=1)
        world.reply("What?")
        _answer(world)
    world.reply(kind="media")
    world.reply(outcome="too_late")
    world.reply(outcome="not_offered")
    _answer(world)
    assert len(sent.messages) == 3
    assert [one.status for one in sent.messages].count("not_understood") == 1
    world.at += timedelta(hours=24, minutes=10)
    world.reply("What?")
    _answer(world)
    assert len(sent.messages) == 4


@pytest.mark.parametrize(
    ("kind", "reply"),
    [
        ("other_phone", {"phone": "+919810000003"}),
        ("unsolicited", {"outcome": "unsolicited"}),
        ("ambiguous", {"outcome": "ambiguous"}),
    ],
)
def test_a_sender_who_may_be_anybody_is_told_nothing_of_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent, kind: str, reply: dict[str, str]
) -> None:
    account = CONFIRMED.model_copy(update={"exceptions": {kind: Said(text="{customer_name}, ask {brand}")}})
    world = _world(tmp_path, monkeypatch, accounts=(account,))
    world.reply(account=account.id, **reply)
    _answer(world)
    assert sent.messages == []  # the name is missing, for them
    plain = account.model_copy(update={"exceptions": {kind: Said(text="Ask {brand}")}})
    world.notices["accounts"] = (plain,)
    _answer(world)
    (message,) = sent.messages
    assert (message.text, message.merchant_order, message.unit_key) == ("Ask KapasKraft", None, None)


def test_nobody_is_answered_by_an_account_whose_charges_are_not_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    world = _world(tmp_path, monkeypatch, accounts=(HOUSE,))
    world.reply("What?", account=HOUSE.id)
    _answer(world)
    assert sent.messages == []
    world.notices["accounts"] = (CONFIRMED,)
    _answer(world)
    assert sent.texts == [STANDARD[ReplyOutcome.NOT_UNDERSTOOD].replace("{merchant_name}", "KapasKraft")]


def test_who_has_opted_out_is_not_answered_but_his_button_acts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    world = _world(tmp_path, monkeypatch, confirmations={"reattempt": Said(text="Done")})
    world.store(
        "staged.consents", phone=PHONE, account=ACCOUNT.id, source="stop_word", at=NOW, state="out", evidence="{}"
    )
    world.reply("Reattempt")
    world.reply(kind="media")
    _answer(world)
    assert (world.states(), sent.messages) == (["done"], [])
    told = world.rows("select what, detail from staged.activity where what = 'held' order by seq")
    assert len(told) == 2
    assert all("opted_out" in detail for _, detail in told)
    world.cursor.execute("delete from staged.consents")
    _answer(world)
    assert sent.messages == []  # it was given up for good


def test_in_quiet_hours_an_older_reply_is_answered_in_the_morning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    world = _world(tmp_path, monkeypatch, quiet_hours=QuietHours(start=time(11), end=time(12)))
    world.reply("What?", at=NOW - timedelta(minutes=20))  # 11:10 in India; it is 11:30
    _answer(world)
    assert sent.messages == []
    world.reply(kind="media", at=NOW - timedelta(minutes=14))
    _answer(world)
    assert [one.status for one in sent.messages] == ["media"]
    world.at = NOW + timedelta(minutes=30)
    _answer(world)
    assert [one.status for one in sent.messages] == ["media", "not_understood"]


def test_a_rehearsal_answers_its_own_phones_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent) -> None:
    world = _world(tmp_path, monkeypatch, only_to=("+919810000005",))
    world.reply("What?")
    _answer(world)
    assert sent.messages == []


def test_an_action_that_was_done_is_confirmed_once_within_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    world = _world(tmp_path, monkeypatch, confirmations={"reattempt": Said(text="We try again, {customer_name}.")})
    world.reply("Reattempt", "m1")
    _answer(world)
    _answer(world)
    (message,) = sent.messages
    assert (message.kind, message.text) == (MessageKind.CONFIRMATION, "We try again, Asha Rao.")
    assert message.notice_id == answer_id(ACCOUNT.id, "m1", "confirmation:reattempt")


@pytest.mark.parametrize(("after", "confirmed"), [(timedelta(hours=24), 1), (timedelta(hours=24, seconds=1), 0)])
def test_what_was_done_later_than_a_day_after_the_reply_is_not_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent, after: timedelta, confirmed: int
) -> None:
    world = _world(tmp_path, monkeypatch, confirmations={"reattempt": Said(text="Done")})
    world.reply("Reattempt", at=world.at - after)
    world.cursor.execute("update synced.notices set accepted_at = ?", [world.at - after - timedelta(hours=1)])
    _answer(world)
    assert (world.states(), len(sent.messages)) == (["done"], confirmed)


def test_an_action_that_is_not_done_is_not_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent
) -> None:
    world = _world(tmp_path, monkeypatch, confirmations={"reattempt": Said(text="Done")})
    world.cursor.execute("update staged.notice_orders set contact_phone = null")
    world.reply("Reattempt")
    _answer(world)
    assert (world.states(), sent.messages) == (["refused"], [])


def test_what_certainly_did_not_leave_is_sent_again_while_its_day_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = _world(tmp_path, monkeypatch)
    tries: list[str] = []

    def busy(session: NoticesSession, message: Message) -> State:
        tries.append(message.notice_id)
        with session.run.open() as db:
            db.execute(
                """insert or ignore into synced.notices (notice_id, kind, state, reason, first_seen_at, changed_at)
                   values (?, 'exception', 'waiting', 'try_later', ?, ?)""",
                [message.notice_id, session.run.now(), session.run.now()],
            )
        return State.WAITING

    monkeypatch.setattr(sending, "send_one", busy)
    world.reply("What?", "m1")
    _answer(world)
    _answer(world)
    assert len(tries) == 2
    world.at += timedelta(hours=24, seconds=1)
    _answer(world)
    assert len(tries) == 2
    assert world.rows("select state, reason from synced.notices where kind = 'exception'") == [("dropped", "stale")]


@pytest.mark.parametrize(
    ("age", "columns", "goes"),
    [
        (timedelta(minutes=15), {}, True),
        (timedelta(minutes=15, seconds=1), {}, False),
        (timedelta(0), {"status": "PAUSED"}, False),
        (timedelta(0), {"template_id": "another"}, False),
        (timedelta(0), {"data": "Call {{1}}"}, False),
    ],
)
def test_a_template_as_an_answer_has_to_fit_by_a_young_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent, age: timedelta, columns: dict[str, str], goes: bool
) -> None:
    own = Unexpected(enabled=True, template=TemplateSettings(id="t9", params=()))
    world = _world(tmp_path, monkeypatch, unexpected=own)
    asked: list[str] = []
    monkeypatch.setattr(listing, "read_if_old", lambda _, account: asked.append(account.id))
    row = {"template_id": "t9", "status": "APPROVED", "category": "UTILITY", "type": "TEXT", "data": "Please call us"}
    with world.session().store(ACCOUNT).write() as file:
        file.execute(
            "insert into templates (template_id, status, category, type, data, read_at) values (?, ?, ?, ?, ?, ?)",
            [*(row | columns).values(), (NOW - age).isoformat()],
        )
    world.reply("What?")
    _answer(world)
    assert [(one.template_id, one.text) for one in sent.messages] == [("t9", "Please call us")] * goes
    assert asked == [ACCOUNT.id]


def test_a_dry_run_answers_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: Sent) -> None:
    world = _world(tmp_path, monkeypatch)
    world.reply("What?")
    world.sync()
    unexpected.answer(world.session(writes=False))
    assert sent.messages == []


def test_limits_hold_over_all_merchants_of_a_number() -> None:
    assert answering.PER_PHONE == 3
