"""Each row of the table of states (orders.md 4.2), by the real command: what happens, and how the order stands then.

It is long because the table is: one story for each row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vs_st_pipeline_tests.support.orders import FAILED, NOT_REQUIRED, SENT, VINOSHIPPER, VOIDED, WAITING, Record, Scene

WRITTEN = ("POST orders", "PUT orders/{number}")
VIOLATION = {"code": "STATE_VOLUME", "type": "COMPLIANCE_VIOLATION"}


def written(scene: Scene) -> list[int]:
    """Creates and updates at Vinoshipper since the journals were cleared."""
    asked = scene.asked(VINOSHIPPER)
    return [asked[what] for what in WRITTEN]


def after(scene: Scene, *, wrong: bool = True, **gap: float) -> Record:
    """Let time go by and sync; the judge has nothing to say."""
    if gap:
        scene.later(**gap)
    report = scene.sync()
    if wrong:
        assert scene.wrong() == []
    return report


# --- new, waiting, failed by a rule -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_o4_2_new_waiting_and_failed_by_a_rule_are_judged_in_every_sync(scene: Scene) -> None:
    plain = scene.place("PINOT22")
    owed = scene.place("PINOT22", paymentStatus="Authorized", orderPaidDate=None)
    nowhere = scene.place("PINOT22", shipTo={"city": " "})
    unknown = scene.place("NEWONE")
    pickup = scene.place("PINOT22", orderDeliveryMethod="Pickup")
    report = after(scene)
    assert report["planned"]["send"] == report["synced"]["sent"] == 1
    listed = scene.listed()
    assert {name: (listed[one["id"]]["state"], listed[one["id"]]["code"]) for name, one in {
        "plain": plain, "owed": owed, "nowhere": nowhere, "unknown": unknown, "pickup": pickup,
    }.items()} == {
        "plain": (SENT, None), "owed": (WAITING, "not_paid"), "nowhere": (FAILED, "address"),
        "unknown": (FAILED, "unknown_sku"), "pickup": (NOT_REQUIRED, "pickup"),
    }  # fmt: skip
    # A change, a catalog, and content that changed count.
    scene.shop.pay(owed["id"])
    scene.change(nowhere, shipTo={"city": "Sebastopol"})
    scene.shipper.add_product("NEWONE", price="30.00", approved=True, inventory=100)
    scene.change(pickup, orderDeliveryMethod="Ship")
    report = after(scene, hours=2)
    assert report["status"] == "ok", report
    assert report["synced"]["sent"] == 4
    assert {one["state"] for one in scene.listed().values()} == {SENT}


@pytest.mark.slow
def test_o4_2_what_waits_says_why_and_goes_by_itself(scene: Scene) -> None:
    scene.settings(send_at_most=2)
    three = [scene.place("PINOT22", hours=3 - i) for i in range(3)]
    report = after(scene)
    assert (report["planned"]["send"], report["synced"]["sent"]) == (3, 2), "planned is before send_at_most"
    assert scene.stands(three[2]) == (WAITING, "queued"), "oldest paid first"
    assert after(scene)["synced"]["sent"] == 1
    scene.settings(mode="shadow")
    four = scene.place("PINOT22")
    after(scene)
    assert scene.stands(four) == (WAITING, "shadow")
    assert scene.orders("send", four, exits=1)[0]["done"] is False
    scene.settings()
    assert after(scene)["synced"]["sent"] == 1


# --- sending ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (VIOLATION, None, "compliance"),
        ({"code": "AGE", "type": "AGE"}, "AGE_VERIFICATION_FAILED", "age_verification"),
        ({"code": "AGE", "type": "AGE"}, "AGE_VERIFICATION_LOCKED", "age_verification"),
        ({"code": "CARD", "type": "PAYMENT"}, "PAYMENT_CAPTURE_FAILED", "payment"),
        ({"code": "STOCK", "type": "PRODUCT"}, "PROBLEM", "problem"),
    ],
)
def test_o4_2_refused_by_vinoshipper_is_failed_and_time_alone_does_nothing(
    scene: Scene, problem: Record, status: str | None, code: str
) -> None:
    order = scene.place("PINOT22")
    scene.shipper.set_problems(scene.number(order), problem, status=status, merchant=scene.merchant)
    assert after(scene)["synced"]["failed"] == 1
    assert scene.stands(order) == (FAILED, code)
    assert scene.listed()[order["id"]]["compliance"] == ("not_compliant" if code == "compliance" else "compliant")
    scene.clear_journals()
    for _ in range(4):
        report = after(scene, hours=9)
        assert (report["synced"]["failed"], report["planned"]["noted"]["failed_before"]) == (0, 1)
    assert written(scene) == [0, 0]
    # Content that changed is judged and sent again by PUT, and refused again; mended there, it goes.
    scene.change(order, giftMessage="To you")
    after(scene)
    assert written(scene) == [0, 1]
    scene.shipper.set_problems(scene.number(order), merchant=scene.merchant)
    done = scene.orders("send", order)
    assert (done[0]["done"], done[0]["state"]) == (True, SENT)
    assert written(scene) == [0, 2]
    assert after(scene)["status"] == "ok"


def test_o4_2_an_id_that_is_approved_lets_the_order_be_sent_again(scene: Scene) -> None:
    order = scene.place("PINOT22")
    scene.shipper.fail_age(scene.number(order), scene.merchant)
    after(scene)
    assert scene.stands(order) == (FAILED, "age_verification")
    scene.shipper.approve_age(scene.number(order), scene.merchant)
    report = after(scene, minutes=16)
    assert (scene.stands(order), report["synced"]["sent"]) == ((SENT, None), 1)


@pytest.mark.slow
def test_o4_2_success_with_a_problem_is_sent_and_noted(scene: Scene) -> None:
    order = scene.place("PINOT22")
    scene.shipper.set_problems(scene.number(order), VIOLATION, status="SUCCESS", merchant=scene.merchant)
    after(scene)
    assert scene.stands(order) == (SENT, None)
    assert "problem_there" in scene.listed()[order["id"]]["noted"]


@pytest.mark.slow
def test_o4_2_unpaid_is_noted(scene: Scene) -> None:
    scene.shipper.set_switch("paid_key", "Paid")
    order = scene.place("PINOT22")
    after(scene)
    assert "unpaid_there" in scene.listed()[order["id"]]["noted"]
    scene.settings(paid_key="Paid")
    other = scene.place("PINOT22")
    after(scene)
    assert "unpaid_there" not in scene.listed()[other["id"]]["noted"]


@pytest.mark.slow
@pytest.mark.parametrize("word", ["pending", "PAYMENT_AUTHORIZED", "unknown"])
def test_o4_2_pending_is_read_in_each_sync_fails_after_an_hour_and_is_sent_by_success(scene: Scene, word: str) -> None:
    scene.shipper.set_switch("status_after_create", word)
    order, other = scene.place("PINOT22"), scene.place("ZIN21")
    report = scene.sync()
    assert scene.stands(order)[0] == "sending"
    assert "pending" in scene.listed()[order["id"]]["noted"]
    assert report["synced"]["sent"] == report["synced"]["failed"] == 0
    scene.shipper.settle(scene.number(other), scene.merchant)
    scene.later(minutes=5)
    scene.sync()
    assert scene.stands(other) == (SENT, None)
    after(scene, minutes=61)
    assert scene.stands(order) == (FAILED, "pending_there")
    scene.shipper.settle(scene.number(order), scene.merchant)
    after(scene, minutes=61)
    assert scene.stands(order) == (SENT, None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["reset", "500_empty", "truncated", "hollow", "404", "html_other"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_o6_4_an_answer_that_never_came_is_settled_by_reading(scene: Scene, kind: str, when: str) -> None:
    scene.synced()
    order = scene.place("PINOT22")
    scene.shipper.set_fault(kind, method="POST", path_regex="/orders$", when=when, count=1)
    report = scene.sync()
    scene.shipper.clear_faults()
    assert scene.wrong(settled=False) == []
    if scene.accepted(order):
        assert (report["synced"]["sent"] + report["synced"]["adopted"], scene.stands(order)[0]) == (1, SENT), report
    else:
        assert (scene.stands(order)[0], report["synced"]["unknown"], report["status"]) == ("sending", 1, "partial")
    for _ in range(4):
        after(scene, wrong=False, minutes=7)
    assert scene.wrong() == []
    assert scene.stands(order) == (SENT, None)
    assert len(scene.accepted(order)) == 1


@pytest.mark.slow
def test_o4_2_not_reached_for_a_day_is_failed_and_goes_when_vinoshipper_is_back(scene: Scene) -> None:
    scene.synced()
    order = scene.place("PINOT22")
    scene.shipper.set_fault("cloudflare_429", method="POST", path_regex="/orders$")
    assert scene.sync()["synced"]["sent"] == 0
    for _ in range(3):
        scene.later(hours=9)
        scene.sync()
    assert scene.stands(order) == (FAILED, "not_reachable")
    scene.shipper.clear_faults()
    after(scene, minutes=11)
    assert scene.stands(order) == (SENT, None)


@pytest.mark.slow
@pytest.mark.parametrize("what", [None, "POST"])
@pytest.mark.parametrize("kind", ["401", "403", "login_page"])
def test_o4_2_a_key_that_is_refused_stops_the_merchant_and_the_order_waits(
    scene: Scene, kind: str, what: str | None
) -> None:
    scene.place("ZIN21")
    scene.synced()
    order = scene.place("PINOT22")
    scene.shipper.set_fault(kind, method=what, path_regex="/orders$" if what else "")
    report = scene.sync()
    assert (report["status"], report["error"]["kind"], report["error"]["system"]) == ("failed", "auth", VINOSHIPPER)
    # A read that is forbidden may be about that one record (R40); a write that is, is not.
    assert scene.stands(order) == (WAITING, "try_later" if (kind, what) == ("403", None) else "auth")
    scene.shipper.clear_faults()
    assert after(scene)["synced"]["sent"] == 1


# --- failed by Vinoshipper --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_o4_2_failed_and_accepted_there_all_the_same_is_seen_by_reading(scene: Scene) -> None:
    order = scene.place("PINOT22")
    scene.shipper.set_problems(scene.number(order), VIOLATION, merchant=scene.merchant)
    after(scene)
    scene.shipper.settle(scene.number(order), scene.merchant)
    report = after(scene, minutes=16)
    assert (scene.stands(order), report["synced"]["sent"]) == ((SENT, None), 1)


@pytest.mark.slow
def test_o4_2_kept_back_and_accepted_there_all_the_same_is_an_alert(scene: Scene) -> None:
    order = scene.place("PINOT22")
    scene.shipper.set_problems(scene.number(order), VIOLATION, merchant=scene.merchant)
    after(scene)
    assert scene.orders("dont-send", order)[0]["state"] == NOT_REQUIRED
    scene.shipper.settle(scene.number(order), scene.merchant)
    after(scene, minutes=16)
    assert scene.stands(order) == (NOT_REQUIRED, "dont_send")
    assert "accepted_there" in scene.listed()[order["id"]]["noted"]


@pytest.mark.slow
@pytest.mark.parametrize("seen", ["by a webhook", "by reading"])
@pytest.mark.parametrize("held_back", ["refunded", "address"])
def test_o4_2_what_a_rule_holds_back_and_vs_accepts_all_the_same_is_seen(
    scene: Scene, seen: str, held_back: str
) -> None:
    order = scene.place("PINOT22")
    scene.shipper.set_problems(scene.number(order), VIOLATION, merchant=scene.merchant)
    after(scene)
    if held_back == "refunded":
        scene.refund(order)
    else:
        scene.change(order, shipTo={"city": " "})
    after(scene, minutes=5)
    stood = (NOT_REQUIRED if held_back == "refunded" else FAILED, held_back)
    assert scene.stands(order) == stood
    scene.clear_journals()
    after(scene, minutes=11)
    assert scene.asked(VINOSHIPPER)["GET orders/{number}"] == 1, "as 4.2 reads what failed there"
    assert scene.stands(order) == stood, "it is no news that it is not accepted"
    if seen == "by a webhook":
        with scene.receiving_here():
            scene.shipper.settle(scene.number(order), scene.merchant)
            scene.called()
            scene.worked()
    else:
        scene.shipper.settle(scene.number(order), scene.merchant)
        after(scene, minutes=31)
    assert scene.stands(order) == (SENT, None)
    after(scene, minutes=1)
    alert = "refunded_after_sent" if held_back == "refunded" else "changed_after_sent"
    assert alert in scene.listed()[order["id"]]["noted"]
    assert written(scene) == [0, 0]


# --- not required, don't send -----------------------------------------------------------------------------------------


def test_o4_2_a_person_keeps_an_order_back_for_good_and_lets_it_go(scene: Scene) -> None:
    order = scene.place("NOSUCH")
    after(scene)
    assert scene.orders("dont-send", order)[0] == {
        "order_number": str(order["orderNumber"]), "done": True, "state": NOT_REQUIRED,
        "message": "Not Required to Send", "code": "dont_send",
    }  # fmt: skip
    scene.orders("dont-send", order)
    scene.shipper.add_product("NOSUCH", price="30.00", approved=True, inventory=100)
    scene.change(order, giftMessage="To you")
    after(scene, hours=2)
    assert scene.stands(order) == (NOT_REQUIRED, "dont_send")
    assert scene.told(order)[-1] == "Don't Send"
    assert scene.orders("send", order)[0]["state"] == SENT
    scene.orders("send", order)
    assert len(scene.accepted(order)) == 1
    assert scene.orders("dont-send", order, exits=1)[0]["done"] is False
    assert after(scene)["status"] == "ok"


@pytest.mark.slow
def test_o2_a_changed_setting_never_reopens_what_is_decided(scene: Scene) -> None:
    elsewhere = scene.place("PINOT22", state="FL")
    after(scene)
    assert scene.stands(elsewhere) == (NOT_REQUIRED, "state_not_chosen")
    scene.settings(states=["CA", "NY", "TX", "FL"])
    after(scene, hours=2)
    assert scene.stands(elsewhere) == (NOT_REQUIRED, "state_not_chosen")
    assert scene.orders("send", elsewhere)[0]["state"] == SENT, "`orders send` names it"
    assert scene.wrong() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "made"),
    [
        ("late", {"hours": 24 * 15}),
        ("carrier_pickup", {"carrierPickupLocation": {"carrier": "UPS", "id": "U1"}}),
        ("zip_state", {"shipTo": {"zipCode": "10014"}}),
    ],
)
def test_o4_1_a_person_may_pass_our_own_cautions_and_nothing_else(scene: Scene, code: str, made: Record) -> None:
    order, young = scene.place("PINOT22", **made), scene.place("PINOT22", billTo={"birthDate": "2015-02-03"})
    after(scene)
    assert (scene.stands(order), scene.stands(young)) == ((FAILED, code), (FAILED, "under_age"))
    assert scene.orders("send", order, exits=1)[0]["code"] == code
    assert scene.run("orders", "send", "--merchant", scene.merchant, str(young["orderNumber"]), "--accept",
                     "under_age").exit_code == 2  # fmt: skip
    assert scene.orders("send", young, accept=code, exits=1)[0]["code"] == "under_age"
    assert scene.orders("send", order, accept=code)[0]["state"] == SENT
    assert scene.wrong() == []


# --- sent, voided -----------------------------------------------------------------------------------------------------


def test_o4_2_cancelled_there_is_voided_whoever_did_it_and_final(scene: Scene) -> None:
    order = scene.place("PINOT22")
    after(scene)
    scene.cancel_there(order)
    assert after(scene)["synced"]["voided"] == 1
    assert scene.stands(order) == (VOIDED, None)
    assert scene.told(order)[-1] == "Voided in Vinoshipper"
    scene.change(order, giftMessage="To you")
    scene.clear_journals()
    after(scene, hours=3)
    assert scene.orders("send", order, exits=1)[0]["state"] == VOIDED
    assert written(scene) == [0, 0]
    scene.go(order, "OPEN")
    scene.later(hours=3)
    scene.sync()
    assert scene.stands(order)[0] == VOIDED
    assert "revived_there" in scene.listed()[order["id"]]["noted"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("act", "note"),
    [
        (lambda scene, order: scene.shipper.set_problems(
            scene.number(order), VIOLATION, status="PROBLEM", merchant=scene.merchant), "problem_there"),
        (lambda scene, order: scene.shipper.delete_order(scene.number(order), scene.merchant), "missing_there"),
    ],
)  # fmt: skip
def test_o4_2_a_sent_order_that_is_no_more_is_told_and_never_made_again(
    scene: Scene, act: Callable[[Scene, Any], Any], note: str
) -> None:
    order = scene.place("PINOT22")
    after(scene)
    act(scene, order)
    scene.clear_journals()
    for _ in range(3):
        scene.later(minutes=61)
        scene.sync()
    assert scene.stands(order) == (SENT, None)
    assert note in scene.listed()[order["id"]]["noted"]
    scene.orders("send", order, exits=None)
    assert written(scene) == [0, 0]


@pytest.mark.slow
def test_o4_2_a_sent_order_that_the_shop_has_no_more_is_told(scene: Scene) -> None:
    order = scene.place("PINOT22")
    after(scene)
    scene.shop.delete("orders", order["id"], scene.merchant)
    scene.scan(order)
    scene.later(hours=7)
    scene.sync()
    assert scene.stands(order) == (SENT, None)
    assert "gone_at_commerce7" in scene.listed()[order["id"]]["noted"]


@pytest.mark.slow
def test_o6_2_an_order_whose_create_was_answered_is_ours_whatever_a_read_shows(scene: Scene) -> None:
    """Vinoshipper drops meta fields and merges lines away; the create was answered 2xx with our number, and waits."""
    scene.shipper.set_switches({
        "meta_fields": "dropped", "duplicate_lines": "last_wins", "status_after_create": "pending"
    })  # fmt: skip
    order = scene.place(lines=[{"sku": "PINOT22", "quantity": 1}, {"sku": "PINOT22", "quantity": 2, "price": 3900}])
    scene.sync()
    scene.later(minutes=5)
    scene.sync()
    assert scene.stands(order)[0] == "sending"
    scene.shipper.settle(scene.number(order), scene.merchant)
    scene.later(minutes=5)
    scene.sync()
    assert scene.stands(order) == (SENT, None)
    assert "differs_there" in scene.listed()[order["id"]]["noted"]
