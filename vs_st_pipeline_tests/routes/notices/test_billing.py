"""What messages cost: whose month, what is charged, and that a final month never changes (notices.md 7.7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors.gupshup.settings import Price
from vs_st_pipeline.pipeline.route import Person
from vs_st_pipeline.routes.notices import billed, billing, forgetting, recovery, sending
from vs_st_pipeline.routes.notices.account import claim_rows, consents
from vs_st_pipeline.routes.notices.account.claim import Claim, Claimed
from vs_st_pipeline_tests.support.sending import Gupshup, Rig, plan_made_up

INDIA = ZoneInfo("Asia/Kolkata")
MARCH = datetime(2026, 3, 10, 12)


def claim(id: str, state: str = "accepted", at: datetime | None = MARCH, **more: Any) -> Claim:
    usual: dict[str, Any] = {
        "kind": "notice", "merchant": "kapaskraft", "tries": 1, "claimed_at": at or MARCH, "accepted_at": at,
        "phone_hash": "h", "changed": 1, "message_id": f"m-{id}", "order_number": "O1", "evidence": "answer",
    }  # fmt: skip
    return Claim(id, state=state, **{**usual, **more})


@pytest.mark.parametrize(
    ("state", "house", "client"),
    [
        *((str(one), "charged", "free") for one in ("accepted", "enqueued", "sent", "delivered", "read")),
        ("failed", "failed", "failed"),
        ("rejected", "rejected", "rejected"),
        ("unknown", "unknown", "unknown"),
        ("open", "unknown", "unknown"),
        ("refused", None, None),
        ("released", None, None),
    ],
)
def test_7_7_what_a_message_counts_as(state: str, house: str | None, client: str | None) -> None:
    assert billed.bucket_of(claim("a", state), "house") == house
    assert billed.bucket_of(claim("a", state), "client") == client


def test_7_7_every_state_of_a_claim_has_a_row() -> None:
    for state in Claimed:
        billed.bucket_of(claim("a", str(state)), "house")


@pytest.mark.parametrize(
    ("accepted", "claimed", "month"),
    [
        (datetime(2026, 3, 31, 18, 29), MARCH, "2026-03"),  # 23:59 in India
        (datetime(2026, 3, 31, 18, 30), MARCH, "2026-04"),
        (None, datetime(2026, 2, 28, 18, 30), "2026-03"),
    ],
)
def test_7_7_a_message_is_of_a_month_in_the_merchant_s_zone(
    accepted: datetime | None, claimed: datetime, month: str
) -> None:
    assert billed.month_of(claim("a", accepted_at=accepted, claimed_at=claimed), INDIA) == month


@pytest.mark.parametrize(
    ("month", "today", "final"),
    [
        ("2026-03", date(2026, 4, 7), False),
        ("2026-03", date(2026, 4, 8), True),
        ("2026-12", date(2027, 1, 7), False),
        ("2026-12", date(2027, 1, 8), True),
    ],
)
def test_7_7_a_month_is_final_from_the_8th_of_the_next_one(month: str, today: date, final: bool) -> None:
    assert billed.is_final(month, today) == final


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    gupshup = Gupshup()
    yield Rig(tmp_path, gupshup, kind="house")
    gupshup.close()


def put(rig: Rig, *claims: Claim) -> None:
    with rig.session() as session, session.store(rig.account).write() as db:
        for one in claims:
            claim_rows.put(db, one)


def bill(rig: Rig, month: str, **how: Any) -> dict[str, Any]:
    told = billing.bill([rig.run], month, **how)["bills"]
    assert len(told) <= 1
    return told[0] if told else {}


def sums(told: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(told[name] for name in ("messages", "charged", "failed", "unknown", "amount"))


def test_7_7_a_month_s_sums(rig: Rig) -> None:
    rig.now = datetime(2026, 3, 20)
    put(rig, claim("a"), claim("b", "read"), claim("c", "failed"), claim("d", "rejected", accepted_at=None),
        claim("e", "unknown", accepted_at=None, message_id=None), claim("f", "refused"),
        claim("g", at=datetime(2026, 2, 1)), claim("h", merchant="another"))  # fmt: skip
    told = bill(rig, "2026-03")
    assert sums(told) == (5, 2, 2, 1, "1.60")
    assert (told["account"], told["account_kind"], told["currency"], told["final"]) == (
        "our-house",
        "house",
        "INR",
        False,
    )
    assert sums(told["adjustment"]) == (0, 0, 0, 0, "0")
    assert bill(rig, "2026-05") == {}


def test_7_7_a_client_s_own_messages_are_not_charged(tmp_path: Path) -> None:
    gupshup = Gupshup()
    rig = Rig(tmp_path, gupshup)
    put(rig, claim("a"), claim("b", "failed"))
    assert sums(bill(rig, "2026-03")) == (2, 0, 1, 0, None)
    gupshup.close()


def test_7_7_a_final_month_never_changes_and_what_comes_later_adjusts_the_open_one(rig: Rig) -> None:
    rig.now = datetime(2026, 4, 8, 12)
    put(rig, claim("a"), claim("b"), claim("c", "unknown", accepted_at=None))
    march = bill(rig, "2026-03", rows=True)
    assert (march["final"], sums(march)) == (True, (3, 2, 0, 1, "1.60"))

    rig.keys["price"] = Price(amount=Decimal("9.99"), currency="INR")
    put(rig, claim("b", "failed"), claim("c", "delivered"), claim("d", at=datetime(2026, 4, 3)))
    assert bill(rig, "2026-03", rows=True) == march
    april = bill(rig, "2026-04")
    assert (april["final"], sums(april)) == (False, (1, 1, 0, 0, "9.99"))
    assert sums(april["adjustment"]) == (0, 0, 1, -1, "9.19")  # one failed at 0.80, one at the price of now

    rig.now = datetime(2026, 5, 8, 12)
    assert bill(rig, "2026-04") == april | {"final": True}
    put(rig, claim("b", "delivered"))
    assert bill(rig, "2026-04") == april | {"final": True}
    assert sums(bill(rig, "2026-05")["adjustment"]) == (0, 1, -1, 0, "9.99")
    assert bill(rig, "2026-06") == {}


def test_7_7_between_two_months_both_are_open_and_adjustments_are_of_the_earlier(rig: Rig) -> None:
    rig.now = datetime(2026, 4, 8, 12)
    put(rig, claim("a"))
    bill(rig, "2026-03")
    rig.now = datetime(2026, 5, 3)
    put(rig, claim("a", "failed"), claim("b", at=datetime(2026, 4, 3)), claim("c", at=datetime(2026, 5, 2)))
    assert sums(bill(rig, "2026-04")["adjustment"]) == (0, -1, 1, 0, "-0.80")
    assert sums(bill(rig, "2026-05")["adjustment"]) == (0, 0, 0, 0, "0")


def test_7_7_forgotten_people_keep_their_line_without_the_order(rig: Rig) -> None:
    rig.now = datetime(2026, 4, 8, 12)
    put(rig, claim("a"))
    assert [row["order"] for row in bill(rig, "2026-03", rows=True)["rows"]] == ["O1"]
    put(rig, claim("a", order_number=None))
    assert [row["order"] for row in bill(rig, "2026-03", rows=True)["rows"]] == [None]


def test_7_7_a_row_shows_what_gupshup_has_deducted_and_no_phone(rig: Rig) -> None:
    put(rig, claim("a"))
    said = '{"deductions": {"type": "UTILITY", "billable": true}, "references": {"destination": "919810000001"}}'
    with rig.session() as session, session.store(rig.account).write() as db:
        db.execute(
            "insert into billing (seq, key, gs_id, type, detail, at) values (99, 'k', 'm-a', 'x', ?, '')", [said]
        )
    [row] = bill(rig, "2026-03", rows=True)["rows"]
    assert row["deduction"] == {"type": "UTILITY", "billable": True}
    assert (row["message_id"], row["counts_as"], row["amount"], row["evidence"]) == ("m-a", "charged", "0.80", "answer")


def test_the_bill_for_people_and_as_csv(rig: Rig) -> None:
    rig.now = datetime(2026, 4, 8, 12)
    put(rig, claim("a"))
    told = billing.bill([rig.run], "2026-03")
    assert billing.lines(told) == [
        "kapaskraft, account our-house, 2026-03, final: 1 message, 1 charged, 0 failed, 0 unknown, 0.80 INR"
    ]
    head, row = billing.csv(told)
    assert head.startswith("merchant,account,account_kind,number,messages,charged,failed,unknown,amount,currency,final")
    assert row.startswith("kapaskraft,our-house,house,+919810000002,1,1,0,0,0.80,INR,True")
    head, row = billing.csv(billing.bill([rig.run], "2026-03", rows=True))
    assert head.startswith("notice_id,merchant,account")
    assert row.startswith("a,kapaskraft,our-house")
    assert billing.lines(billing.bill([rig.run], "2026-09")) == ["no message in 2026-09"]
    assert billing.csv(billing.bill([rig.run], "2026-09")) == []


def test_7_7_a_sync_stores_what_has_become_final(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_made_up(rig, monkeypatch)
    put(rig, claim("a"))
    for day, closed in ((7, None), (8, "2026-03")):
        rig.now = datetime(2026, 4, day, 12)
        with rig.session() as session:
            sending.send(session)
            with session.store(rig.account).read() as db:
                assert billed.closed_through(db, "kapaskraft") == closed


def test_7_7_an_account_that_the_merchant_has_left_is_billed_all_the_same(rig: Rig) -> None:
    """2.2: the entry names another account now; what was sent by the one before is charged, and becomes final."""
    put(rig, claim("a"), claim("b", "failed"), claim("h", merchant="another"))
    with rig.session() as session:
        recovery.begin(session)
    rig.kind, rig.now = "client", datetime(2026, 4, 7, 12)
    march = bill(rig, "2026-03", rows=True)
    assert (march["account"], march["account_kind"], march["number"], march["final"]) == (
        "our-house", "house", "+919810000002", False,
    )  # fmt: skip
    assert (sums(march), march["currency"]) == ((2, 1, 1, 0, "0.80"), "INR")
    rig.now = datetime(2026, 4, 8, 12)
    billed.close_all(rig.run)
    assert bill(rig, "2026-03")["final"]
    assert sums(bill(rig, "2026-03")) == (2, 1, 1, 0, "0.80")
    rig.merchant = "third"
    assert billing.bill([rig.run], "2026-03")["bills"] == []


def test_9_4_who_is_forgotten_is_forgotten_by_an_account_that_the_merchant_has_left(rig: Rig) -> None:
    phone = "+919810000777"
    with rig.session() as session:
        store = session.store(rig.account)
        recovery.begin(session)
        consents.put(store, [consents.Consent(phone, "stop_word", consents.OUT, MARCH)])
        with store.write() as db:
            claim_rows.put(db, claim("a", phone_hash=store.hashed(phone)))
    rig.kind = "client"
    forgetting.forget(rig.run, Person(phone=phone))
    with store.read() as db:
        assert [tuple(row) for row in db.execute("select phone, state from consents")] == [(None, "out")]
        assert db.execute("select order_number from claims").fetchone()[0] is None
    assert phone not in store.evidence.path.read_text(encoding="utf-8")
