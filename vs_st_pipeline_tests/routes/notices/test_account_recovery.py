"""Whatever ends a run, or is lost: nothing is claimed twice, nothing is lost (notices.md 7.1, 7.6; R19, R21)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.routes.notices import billed, by_hand, ledger, recovery
from vs_st_pipeline.routes.notices.account import claims, copying, forgetting, taking
from vs_st_pipeline.routes.notices.account.claim import Claim, Held
from vs_st_pipeline.routes.notices.report import new_report
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.settings import Cap
from vs_st_pipeline_tests.routes.notices.account_office import ASHA, NOON, RAVI, Office, PowerCut, account, message


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """Merchants of a house's account."""
    return Office(tmp_path)


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], bool]:
    """Return what runs something until the power goes at its nth place, and says whether it did."""

    def kill(*_: object) -> None:
        failpoints._armed = False
        raise PowerCut

    def until(place: int, work: Callable[[], object]) -> bool:
        with monkeypatch.context() as context:
            context.setattr(os, "kill", kill)
            failpoints.enable(f"any:{place}")
            try:
                work()
            except PowerCut:
                return True
            finally:
                failpoints._armed = False
        return False

    return until


Cuts = Callable[[int, Callable[[], object]], bool]


def test_7_1_the_power_may_go_at_any_place_of_a_send(tmp_path: Path, cuts: Cuts) -> None:
    """Where nothing left, it is sent by the next sync; where it may have left, it is unknown and never sent again."""
    place, states = 0, set()
    while True:
        place += 1
        office = Office(tmp_path / str(place))
        what = message(office.account)
        office.sync()
        if not cuts(place, lambda: office.send(what)):  # noqa: B023
            break
        left = list(office.sent)
        told = office.sync()
        state, claimed = office.state(what)
        states.add(state)
        if claimed is None:
            assert (state, left) in (("waiting", []), (None, []))
        elif state == "unknown":
            assert claimed == "unknown"
            assert told.unknown == 1
        else:
            assert (state, claimed) == ("accepted", "accepted")
        office.send(what)
        office.sync()
        assert office.sent in ([what.notice_id], [])
        assert office.sent or office.state(what) == ("unknown", "unknown")
        assert office.state(what)[0] in ("accepted", "unknown")
        assert office.sync().unknown == 0
        assert office.rows("select count(*) from staged.activity where what = 'sent'") == [1]
    assert place > 8
    assert states == {None, "waiting", "unknown", "accepted"}


@pytest.mark.parametrize("again", ["same", "lost database", "lost account"])
def test_3_4_the_power_may_go_at_any_place_of_a_taking(tmp_path: Path, cuts: Cuts, again: str) -> None:
    """Each callback is taken once, told of and counted once, whatever was lost besides."""
    place = 0
    while True:
        place += 1
        office = Office(tmp_path / str(place))
        what = message(office.account)
        office.sync()
        office.send(what)
        for kind in ("sent", "delivered"):
            office.receipt(kind, "m1")
        office.reply("r1", "STOP", gs_id="m1")
        office.reply("r2", "reattempt", gs_id="m1")
        done = not cuts(place, office.sync)
        if again == "lost database":
            office.lose_database()
        elif again == "lost account":
            office.lose_account()
            office.sync()
        told = office.sync()
        assert office.state(what) == ("delivered", "delivered")
        assert sorted(office.rows("select type from staged.receipts")) == ["delivered", "sent"]
        assert sorted(office.rows("select message_id from staged.replies")) == ["r1", "r2"]
        assert office.rows("select state from staged.consents where source = 'stop_word'") == ["out"]
        assert office.rows("select count(*) from staged.activity where what = 'receipt'") == [2]
        assert told.counts["delivered"] <= 1
        assert not office.inbox.waiting([office.account.inbox_name])
        assert not isinstance(office.claim(message(office.account, "s2")), Claim)
        if done:
            break
        if again == "lost account" and place > 12:
            break
    assert place > 8


def test_7_1_a_lost_database_gets_what_the_claims_say(office: Office) -> None:
    whats = {state: message(office.account, state, phone=f"+9198100004{place:02}")
             for place, state in enumerate(("accepted", "unknown", "rejected", "refused"))}  # fmt: skip
    for state, what in whats.items():
        office.claim(what)
        claims.settle(office.store(), what.notice_id, state, now=office.at)
    office.sync()
    office.lose_database()
    office.sync()
    for state, what in whats.items():
        assert office.state(what) == ("waiting" if state == "refused" else state, state)
    row = office.rows("select unit_key, status, occurrence, order_number, template_id, account_kind, number from "
                      "synced.notices where notice_id = ?", whats["accepted"].notice_id)  # fmt: skip
    assert row == [("accepted", "failed_delivery", 1, "accepted", "t1", "house", "+919810000001")]
    assert office.send(whats["accepted"]) == "out"


def test_7_1_an_older_database_takes_the_claims_word(office: Office) -> None:
    what = message(office.account)
    office.sync()
    office.warehouse.db("one").execute("create table memory.copied as from synced.account_copied")
    office.send(what)
    office.sync()
    db = office.warehouse.db("one")
    db.execute("delete from synced.notices")
    db.execute("delete from synced.account_copied")
    db.execute("insert into synced.account_copied from memory.copied")
    db.execute(
        """insert into synced.notices (notice_id, kind, state, reason, first_seen_at, changed_at)
           values (?, 'notice', 'waiting', 'settling', ?, ?)""",
        [what.notice_id, NOON, NOON],
    )
    office.sync()
    assert office.state(what) == ("accepted", "accepted")
    assert office.send(what) == "out"


def test_7_1_a_lost_account_is_filled_from_its_evidence_before_anything_is_sent(office: Office) -> None:
    """Another merchant's message is known from the evidence alone: its cap, and that it is not sent again."""
    mine, theirs = message(office.account), message(office.account, "s2", merchant="two")
    office.sync()
    office.sync("two")
    office.send(mine)
    office.receipt("delivered", "m1")
    office.sync()
    office.send(theirs, "m2", "two")
    office.lose_account()
    assert office.state(mine, "one")[1] == "unknown"
    office.sync("one")
    assert office.state(mine) == ("delivered", "delivered")
    assert office.state(theirs, "two") == ("accepted", "unknown")
    again = office.claim(theirs, "two")
    assert isinstance(again, Claim)
    assert not again.is_mine
    assert office.sync("two").unknown == 0
    assert office.state(theirs, "two") == ("accepted", "accepted")
    office.receipt("read", "m2")
    office.receipt("read", None, "wa-m1")
    office.sync("one")
    office.sync("two")
    assert (office.state(mine)[0], office.state(theirs, "two")[0]) == ("read", "read")


def test_7_1_with_the_evidence_lost_too_the_ledger_fills_it(office: Office) -> None:
    whats = [message(office.account, f"s{place}", phone=f"+91981000050{place}") for place in range(3)]
    office.sync()
    office.send(whats[0])
    office.send(whats[1], None)
    run = office.run()
    with run.open() as db, db.transaction():
        ledger.about_to_send(db, run, whats[2])  # and then everything was lost: nobody knows whether it left
    shutil.rmtree(office.path / "accounts")
    told = office.sync()
    assert [office.state(what) for what in whats] == [
        ("accepted", "accepted"), ("unknown", "unknown"), ("unknown", "unknown"),
    ]  # fmt: skip
    assert told.unknown == 1
    for what in whats:
        assert office.send(what) == "out"
    office.receipt("sent", "m1", phone="+919810000500")
    office.sync()
    assert office.state(whats[0])[0] == "sent"


def test_7_1_an_older_account_file_learns_what_the_evidence_and_the_ledgers_know(office: Office) -> None:
    first, second, third = (message(office.account, f"s{place}", phone=f"+91981000060{place}") for place in range(3))
    office.sync()
    office.send(first)
    office.sync()
    folder, kept = office.path / "accounts" / office.account.id, office.path / "kept"
    with office.store().write() as db:
        db.execute("pragma user_version")
    office.store().checkpoint()
    shutil.copytree(folder, kept)
    office.send(second, "m2")
    office.claim(third)  # of which the ledger knows nothing
    office.sync()
    office.lose_account()
    shutil.copy(kept / "account.sqlite", folder / "account.sqlite")
    office.sync()
    assert office.state(second) == ("accepted", "accepted")
    assert office.state(third) == ("unknown", "unknown")
    for what in (first, second, third):
        found = office.claim(what)
        assert isinstance(found, Claim)
        assert not found.is_mine


def test_r35_a_lost_evidence_file_is_made_again(office: Office) -> None:
    what = message(office.account)
    office.sync()
    office.send(what)
    office.reply("r1", "STOP", phone=RAVI)
    office.sync()
    office.store().evidence.path.unlink()
    office.sync()
    office.lose_account()
    assert office.state(what)[1] == "unknown"
    office.sync()
    assert office.state(what) == ("accepted", "accepted")
    held = office.claim(message(office.account, "s2", phone=RAVI))
    assert not isinstance(held, Claim)
    assert held.reason == "opted_out"


def test_7_1_an_older_file_does_not_claim_anew_what_was_refused_and_then_sent(office: Office) -> None:
    what = message(office.account)
    office.sync()
    office.claim(what)
    claims.settle(office.store(), what.notice_id, "refused", now=office.at)
    office.sync()
    office.store().checkpoint()
    kept = office.store().path.read_bytes()
    office.send(what)
    office.sync()
    office.lose_account()
    office.store().path.write_bytes(kept)
    office.sync()
    assert office.state(what) == ("accepted", "accepted")
    assert office.send(what) == "out"


def test_r27_a_dry_run_looks_at_a_copy(office: Office) -> None:
    office.sync()
    office.send(message(office.account))
    office.receipt("delivered", "m1")
    aside = Office(office.path / "aside")
    aside.warehouse.pace_dir = office.path / "pace"
    aside.inbox = office.inbox
    run = replace(aside.run(), dry_run=True)
    session = NoticesSession(run, new_report("one", run.run_id))
    recovery.begin(session)
    taking.take(session, office.account)
    copying.copy(session, office.account)
    assert session.told.counts["delivered"] == 1
    assert aside.rows("select state from synced.notices") == ["delivered"]
    assert office.of_account("select state from claims") == ["accepted"]
    assert len(office.inbox.waiting([office.account.inbox_name])) == 1
    assert office.sync().counts["delivered"] == 1


def test_r57_a_merchant_that_leaves_leaves_hashes(office: Office) -> None:
    office.sync()
    office.send(message(office.account))
    office.send(message(office.account, "s2", merchant="two", phone=RAVI), "m2", "two")
    office.reply("r1", "hello", gs_id="m1")
    office.sync()
    forgetting.leave(office.store())
    told = office.store().evidence.path.read_text()
    assert ASHA not in told
    assert RAVI in told
    assert office.of_account("select count(*) from replies") == [0]
    office.lose_account()
    again = office.claim(message(office.account))
    assert isinstance(again, Claim)
    assert not again.is_mine


def test_7_1_between_a_and_b_it_waits_again_and_says_so_nowhere(office: Office) -> None:
    what, run = message(office.account), office.run()
    office.sync()
    with run.open() as db, db.transaction():
        ledger.about_to_send(db, run, what)
    told = office.sync()
    assert office.state(what) == ("waiting", None)
    assert told.unknown == 0
    assert office.send(what) == "accepted"


def test_7_1_an_account_that_is_gone_leaves_its_message_unknown(office: Office) -> None:
    what, run = message(office.account), office.run()
    office.sync()
    with run.open() as db, db.transaction():
        ledger.about_to_send(db, run, what)
    office.account = account("client")
    office.sync()
    assert office.rows("select state from synced.notices") == ["unknown"]


def test_7_1_another_merchants_open_claim_is_left_for_90_s(office: Office) -> None:
    what = message(office.account, merchant="two")
    office.claim(what, "two")
    office.sync("one")
    assert office.state(what, "two")[1] == "open"
    office.sync("two")
    assert office.state(what, "two") == ("unknown", "unknown")


def test_7_6_resolve_moves_claim_and_ledger_with_its_words(office: Office) -> None:
    what = message(office.account)
    office.sync()
    office.send(what, None)
    office.later(days=3)
    assert by_hand.resolve(office.run(), what.notice_id, sent=False, because="asked") == "waiting"
    assert office.state(what) == ("waiting", "released")
    assert office.rows("select what from staged.activity order by seq") == ["sent", "resolved"]
    assert office.send(what, "m2") == "accepted"
    assert office.sent == [what.notice_id] * 2  # by a person's word
    with pytest.raises(BadArguments, match="is accepted, and nothing is to be settled"):
        by_hand.resolve(office.run(), what.notice_id, sent=True, because="again")


# --- copying ----------------------------------------------------------------------------------------------------------


def test_rulings_15_a_message_counts_once_as_delivered_read_and_failed(office: Office) -> None:
    office.sync()
    office.send(message(office.account))
    office.receipt("delivered", "m1")
    office.receipt("read", "m1")
    told = office.sync()
    assert (told.counts["delivered"], told.counts["read"], told.seen["receipts"]) == (1, 1, 2)
    office.receipt("delivered", None, "wa-m1")  # another receipt of the same
    told = office.sync()
    assert (told.counts["delivered"], told.seen["receipts"]) == (0, 1)
    assert office.sync("two").seen["receipts"] == 0


@pytest.mark.parametrize(
    ("kind", "code", "noted"),
    [
        ("deleted", None, {"deleted": 1}),
        ("failed", 131999, {"unknown_code": 1}),
        ("failed", "131047", {}),
        ("failed", None, {}),
    ],
)
def test_7_4_7_5_what_is_deleted_and_codes_that_nobody_knows_are_counted_once(
    office: Office, kind: str, code: object, noted: dict[str, int]
) -> None:
    office.sync()
    office.send(message(office.account))
    for _ in range(2):
        office.receipt(kind, "m1", **({} if code is None else {"code": code}))
    told = office.sync().noted
    assert {word: told[word] for word in ("deleted", "unknown_code") if told[word]} == noted
    assert office.sync().noted["unknown_code"] == 0


def test_7_5_failed_then_delivered_is_noted(office: Office) -> None:
    office.sync()
    office.send(message(office.account))
    office.receipt("failed", "m1", code="500")
    assert office.sync().counts["failed"] == 1
    office.receipt("delivered", "m1")
    assert office.sync().noted["failed_then_delivered"] == 1
    assert office.sync().noted["failed_then_delivered"] == 0


def test_7_4_a_retry_waits_in_the_ledger_until_its_time(office: Office) -> None:
    what = message(office.account)
    office.sync()
    office.send(what)
    office.receipt("failed", "m1", code="1003")
    office.sync()
    assert office.rows("select state, reason, until, retries from synced.notices") == [
        ("waiting", "retry", NOON + timedelta(minutes=15), 0)
    ]
    office.receipt("sent", "m1")
    office.sync()
    assert office.rows("select state, reason from synced.notices") == [("failed", None)]


def test_5_8_each_merchant_copies_what_is_of_all_and_its_own(office: Office) -> None:
    office.sync()
    office.sync("two")
    office.send(message(office.account))
    office.reply("r1", "STOP", phone=RAVI)
    office.receipt("failed", "m1", code="1006")
    for merchant in ("one", "two"):
        office.sync(merchant)
        rows = office.rows("select phone, source, state from staged.consents order by all", merchant=merchant)
        assert rows == [(ASHA, "code_1006", "void"), (RAVI, "stop_word", "out")]
    assert office.rows("select count(*) from staged.receipts", merchant="two") == [0]


def test_2_4_templates_are_copied_and_keep_their_verdict(office: Office) -> None:
    office.sync()
    with office.store().write() as db:
        db.execute(
            """insert into templates (template_id, status, data, read_at)
               values ('t1', 'APPROVED', 'Hi {{1}}, order {{2}} of {{1}}', ?), ('t2', 'APPROVED', 'Hi', ?)""",
            [NOON.isoformat(), NOON.isoformat()],
        )
    office.sync()
    assert office.rows("select placeholders from staged.templates where template_id = 't1'") == [["{{1}}", "{{2}}"]]
    office.warehouse.db("one").execute("update staged.templates set fit = true")
    with office.store().write() as db:
        db.execute("update templates set status = 'PAUSED' where template_id = 't1'")
    office.sync()
    assert office.rows("select template_id, status, fit from staged.templates order by 1") == [
        ("t1", "PAUSED", None), ("t2", "APPROVED", True),
    ]  # fmt: skip


# --- the ledger -------------------------------------------------------------------------------------------------------


def _planned(office: Office, verdict: str, reason: str | None, rule: int | None = None) -> None:
    office.warehouse.db("one").execute("delete from planned.notices")
    office.warehouse.db("one").execute(
        """insert into planned.notices (notice_id, verdict, reason, rule, unit_key, status, occurrence, merchant_order,
               order_number, seq) values ('n_1', ?, ?, ?, 'u', 'packed', 1, 'eshopbox:1', '1', 1)""",
        [verdict, reason, rule],
    )


def test_7_8_a_verdict_is_stored_and_told_once_for_each_reason(office: Office) -> None:
    run = office.run()
    told = []
    for verdict, reason in (
        ("waiting", "settling"), ("waiting", "settling"), ("waiting", "cap"), ("waiting", "settling"), ("due", None),
        ("dropped", "stale"), ("dropped", "stale"),
    ):  # fmt: skip
        _planned(office, verdict, reason)
        with run.open() as db, db.transaction():
            told.append(ledger.verdicts(db, run))
    assert [dict(dropped) for dropped, _ in told] == [{}] * 5 + [{"stale": 1}, {}]
    assert office.rows("select state, reason from synced.notices") == [("dropped", "stale")]
    assert office.rows("select detail->>'reason' from staged.activity order by seq") == ["settling", "cap", "stale"]


@pytest.mark.parametrize(("reason", "stored"), [("not_enabled", 0), ("before_start", 1), ("before_enabled", 1)])
def test_rulings_12_a_disabled_status_is_not_stored(office: Office, reason: str, stored: int) -> None:
    run = office.run()
    _planned(office, "dropped", reason, 2)
    with run.open() as db, db.transaction():
        dropped, _ = ledger.verdicts(db, run)
    assert office.rows("select count(*) from synced.notices") == [stored]
    assert dropped["not_enabled"] == 0
    assert office.rows("select count(*) from staged.activity") == [int(reason == "before_enabled")]


def test_5_5_no_verdict_moves_what_may_be_out(office: Office) -> None:
    run = office.run()
    _planned(office, "due", None)
    with run.open() as db, db.transaction():
        ledger.verdicts(db, run)
        db.execute("update synced.notices set state = 'unknown'")
    _planned(office, "dropped", "stale")
    with run.open() as db, db.transaction():
        assert ledger.verdicts(db, run) == ({}, {})
        assert not ledger.held(db, run, "n_1", "stale", drops=True)
    assert office.rows("select state from synced.notices") == ["unknown"]


def test_r35_a_stop_counts_though_an_older_file_was_put_back_and_went_on(tmp_path: Path) -> None:
    """Whoever opens it first, and whatever has come in since: its evidence is beside it."""
    office = Office(tmp_path)
    office.sync()
    store = office.store()
    store.checkpoint()
    store.close()
    older = store.path.read_bytes()
    office.reply("stop", "STOP", phone=RAVI)
    office.sync()
    for one in store.path.parent.glob("account.sqlite*"):
        one.unlink()
    store.path.write_bytes(older)
    for number in range(9):
        office.reply(f"r{number}", "hello")
    taking.take_waiting(office.store("two"), office.inbox, run=office.run("two"))
    found = office.claim(message(office.account, phone=RAVI), "two")
    assert isinstance(found, Held)
    assert found.reason == "opted_out"


@pytest.mark.parametrize("loss", ["file", "older", "evidence"])
def test_7_7_a_final_month_outlives_the_accounts_file(office: Office, loss: str) -> None:
    """R67: its lines are kept for seven years, and never change; what is learnt later is in no final month."""
    what = message(office.account)
    office.sync()
    office.send(what, None)
    store, after = office.store(), NOON.date() + timedelta(days=40)
    store.checkpoint()
    store.close()
    older = store.path.read_bytes()
    billed.close(store, UTC, after)

    def bill() -> list[tuple[str, str]]:
        with office.store().read() as db:
            return [(line.month, line.bucket) for line in billed.stored(db, "one")]

    assert bill() == [("2026-03", "unknown")]
    if loss == "evidence":
        store.evidence.path.unlink()
        office.sync()
    store.close()
    office.lose_account()
    if loss == "older":
        store.path.write_bytes(older)
    office.receipt("delivered", "m1")
    office.sync()
    assert bill() == [("2026-03", "unknown")]
    with office.store().read() as db:
        assert billed.closed_through(db, "one") == "2026-03"


def test_5_16_what_an_older_file_does_not_know_counts_in_the_cap_whoever_opens_it_first(office: Office) -> None:
    """A merchant that has copied nothing since then cannot know; the evidence beside the file does."""
    for merchant in ("one", "two"):
        office.sync(merchant)
    store = office.store()
    store.checkpoint()
    store.close()
    older = store.path.read_bytes()
    sent = [message(office.account, f"s{place}") for place in range(2)]
    for place, what in enumerate(sent):
        office.send(what, f"m{place}")
    office.sync("one")
    office.lose_account()
    store.path.write_bytes(older)
    office.sync("two")
    found = office.claim(message(office.account, "s9", merchant="two"), "two", cap=Cap(messages=2))
    assert isinstance(found, Held)
    assert found.reason == "cap"
    for number in range(30):  # whatever came in since, its own merchant learns that the file is another one
        office.reply(f"r{number}", "hello", gs_id="m0")
    office.sync("two")
    office.sync("one")
    assert [office.state(what) for what in sent] == [("accepted", "accepted")] * 2
    assert office.rows("select count(*) from staged.replies") == [30]


def test_lines_that_are_damaged_say_nothing_and_the_others_count(tmp_path: Path) -> None:
    """R35: whatever stands in a damaged line, a file that is lost is made again from all others."""
    office = Office(tmp_path)
    office.sync()
    lines = [
        b'{"what": "claim", "x":' + b"[" * 100_000,
        b'{"what": "claim", "notice_id": "n", "try": 99999999999999999999, "at": "2026-01-01", "phone": "+1"}',
        b'{"what": "claim", "notice_id": "n", "try": 1e400, "at": "2026-01-01", "phone": "\\ud800"}',
        b'{"what": "consent", "at": "2026-01-01", "phone": ["x"], "source": [], "state": {}}',
        b"\xff\x00",
    ]
    with open(office.store().evidence.path, "ab") as file:
        file.write(b"\n".join(lines) + b"\n")
    office.reply("stop", "STOP", phone=RAVI)
    office.sync()
    for one in office.store().path.parent.glob("account.sqlite*"):
        one.unlink()
    office.sync()
    found = office.claim(message(office.account, phone=RAVI))
    assert isinstance(found, Held)
    assert found.reason == "opted_out"
