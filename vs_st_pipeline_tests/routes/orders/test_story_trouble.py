"""What is lost, down, wrong or too much: a ledger in mid-life, either shop, keys, history, and what `plan` may do.

It is long because trouble comes at any point of a life, and each is a story.
"""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from vs_st_pipeline_tests.support.orders import (
    COMMERCE7,
    FAILED,
    SENT,
    VINOSHIPPER,
    VOIDED,
    WAITING,
    Record,
    Scene,
)

STEPS = ("seen", "sent", "label", "scanned", "fulfilled", "delivered", "voided", "kept back", "refused")
"""Points of a life at which something is lost."""


def live_to(scene: Scene, step: str) -> Record:
    """Let an order live up to a step; what it was before its last sync is kept as `before`."""
    order = scene.place("PINOT22", "ZIN21")
    if step == "seen":
        scene.shipper.set_fault("cloudflare_503")
        scene.sync()
        scene.shipper.clear_faults()
        return order
    if step in ("refused", "kept back"):
        problem = {"code": "STATE_VOLUME", "type": "COMPLIANCE_VIOLATION"}
        scene.shipper.set_problems(scene.number(order), problem, merchant=scene.merchant)
    scene.sync()
    acts: dict[str, tuple[Any, ...]] = {
        "label": (scene.label,), "scanned": (scene.scan,), "fulfilled": (scene.scan, None),
        "delivered": (scene.scan, None, scene.deliver, None), "voided": (scene.cancel_there, None),
    }  # fmt: skip
    for act in acts.get(step, ()):
        scene.later(hours=1)
        if act is None:
            scene.sync()
        else:
            act(order)
    if step == "kept back":
        scene.orders("dont-send", order)
        scene.sync()
    return order


def judged(scene: Scene, order: Record, mails: int, before: int) -> None:
    """Sync until all is at rest, and judge."""
    for _ in range(4):
        scene.later(hours=3)
        scene.sync()
    assert scene.wrong() == []
    assert len(scene.accepted(order)) == before
    assert len(scene.mails(order)) <= 1
    there: Any = scene.there(order)
    if there and there["orderStatus"] in ("SHIPPED", "DELIVERED"):
        assert len(scene.mails(order)) == max(mails, 1)


LIVE = [pytest.param(step, marks=() if step in ("fulfilled", "kept back") else pytest.mark.slow) for step in STEPS]


@pytest.mark.parametrize("step", LIVE)
def test_o6_a_data_folder_that_is_lost_in_mid_life_sends_and_mails_nothing_twice(scene: Scene, step: str) -> None:
    order = live_to(scene, step)
    before, mails = len(scene.accepted(order)), len(scene.mails(order))
    stood = scene.stands(order)
    scene.lose()
    judged(scene, order, mails, 1 if step == "seen" else before)
    if step != "seen":
        assert scene.stands(order) == stood


@pytest.mark.slow
@pytest.mark.parametrize("meta", ["echoed", "dropped"])
@pytest.mark.parametrize("step", [step for step in STEPS if step != "kept back"])
def test_r35_a_database_that_is_lost_alone_or_without_meta_fields_sends_nothing_twice(
    scene: Scene, step: str, meta: str
) -> None:
    scene.shipper.set_switch("meta_fields", meta)
    order = live_to(scene, step)
    before, mails = len(scene.accepted(order)), len(scene.mails(order))
    scene.lose(database_alone=True)
    judged(scene, order, mails, 1 if step == "seen" else before)


@pytest.mark.slow
@pytest.mark.parametrize("evidence", [False, True])
@pytest.mark.parametrize("step", [step for step in STEPS if step not in ("seen", "kept back")])
@pytest.mark.parametrize("when", ["before it was seen", "when it was sent"])
def test_o6_an_older_database_that_is_put_back_sends_and_mails_nothing_twice(
    scene: Scene, step: str, when: str, evidence: bool
) -> None:
    other = scene.place("CHARD23")
    scene.sync()
    if when == "before it was seen":
        scene.keep("old")
        order = live_to(scene, step)
    else:
        order = scene.place("PINOT22", "ZIN21")
        if step == "refused":
            problem = {"code": "STATE_VOLUME", "type": "COMPLIANCE_VIOLATION"}
            scene.shipper.set_problems(scene.number(order), problem, merchant=scene.merchant)
        scene.sync()
        scene.keep("old")
        acts: dict[str, tuple[Any, ...]] = {
            "label": (scene.label,), "scanned": (scene.scan,), "fulfilled": (scene.scan,),
            "delivered": (scene.scan, scene.deliver), "voided": (scene.cancel_there,),
        }  # fmt: skip
        for act in acts.get(step, ()):
            scene.later(hours=1)
            act(order)
            scene.sync()
    before, mails = len(scene.accepted(order)), len(scene.mails(order))
    scene.put_back("old", evidence=evidence)
    judged(scene, order, mails, before)
    assert len(scene.accepted(other)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("evidence", [False, True])
def test_o6_what_a_person_kept_back_stays_kept_back_when_an_older_database_is_put_back(
    scene: Scene, evidence: bool
) -> None:
    order = scene.place("PINOT22", shipTo={"zipCode": "1"})
    scene.sync()
    scene.keep("old")
    scene.orders("dont-send", order)
    scene.sync()
    scene.later(hours=3)
    scene.change(order, shipTo={"zipCode": "95472"})
    scene.put_back("old", evidence=evidence)
    scene.sync()
    assert (scene.stands(order), scene.accepted(order)) == (("not_required", "dont_send"), [])


@pytest.mark.slow
def test_o6_a_cancellation_in_doubt_is_not_repeated_when_an_older_database_is_put_back(scene: Scene) -> None:
    scene.settings(on_refund="void")
    order = scene.place("PINOT22")
    scene.sync()
    scene.keep("old")
    scene.shipper.set_switches({"cancel_shows": "after_2_reads", "second_cancel": "second_negative"})
    scene.refund(order)
    scene.sync()
    scene.put_back("old")
    for _ in range(4):
        scene.sync()
        scene.later(minutes=11)
    assert (scene.stands(order), len(scene.shipper.cancellations(scene.merchant))) == (("voided", None), 1)


@pytest.mark.slow
def test_o7_3_nobody_is_mailed_about_a_refund_that_no_pass_has_shown_yet(scene: Scene) -> None:
    order = scene.place("PINOT22")
    scene.sync()
    scene.refund(order)
    scene.scan(order)
    scene.orders("check", order)
    assert (scene.show(order)["fulfilment"]["mailed"], scene.mails(order)) == (False, [])


@pytest.mark.slow
def test_o6_two_installations_send_nothing_twice(scene: Scene) -> None:
    other = Scene(scene.box, scene.folder / "other")
    other.folder.mkdir()
    other.settings()
    orders = [scene.place("PINOT22") for _ in range(6)]
    for number in range(4):
        (scene, other)[number % 2].sync()
        scene.later(hours=1)
        other.shift = scene.shift
        for order in orders[number::3]:
            there: Any = scene.there(order)
            if there and there["orderStatus"] == "OPEN":
                scene.scan(order)
    other.sync()
    assert scene.sync()["synced"]["sent"] == 0
    assert (scene.wrong(), other.wrong()) == ([], [])
    assert all(len(scene.accepted(order)) == 1 for order in orders)
    other.inbox.close()


# --- either shop is down, keys ----------------------------------------------------------------------------------------


def test_o8_commerce7_down_fails_the_route_and_vinoshipper_is_not_asked(scene: Scene) -> None:
    scene.synced()
    order = scene.place("PINOT22")
    scene.shop.set_fault("500")
    scene.clear_journals()
    report = scene.sync()
    assert (report["status"], report["error"]["kind"], report["error"]["system"]) == ("failed", "try_later", COMMERCE7)
    assert scene.journal(VINOSHIPPER) == []
    scene.shop.clear_faults()
    assert scene.synced()["synced"]["sent"] == 1
    assert scene.stands(order) == (SENT, None)
    assert scene.wrong() == []


def test_o8_vinoshipper_down_keeps_what_commerce7_said_and_fails_the_route(scene: Scene) -> None:
    scene.synced()
    order, pickup = scene.place("PINOT22"), scene.place("PINOT22", orderDeliveryMethod="Pickup")
    scene.shipper.set_fault("cloudflare_503")
    report = scene.sync()
    assert (report["status"], report["error"]["system"]) == ("failed", VINOSHIPPER)
    assert scene.stands(order) == (WAITING, "try_later")
    assert scene.stands(pickup)[0] == "not_required"
    scene.shipper.clear_faults()
    scene.later(hours=60)
    assert scene.synced()["synced"]["sent"] == 1, "what an outage at VS held back passes the brake"
    assert scene.wrong() == []


@pytest.mark.slow
@pytest.mark.parametrize("system", [COMMERCE7, VINOSHIPPER])
def test_o9_nothing_is_sent_before_both_keys_were_good_in_the_same_sync(scene: Scene, system: str) -> None:
    def wrong_key(entry: Record) -> None:
        (scene.folder / "keys" / "wrong").write_text("wrong-and-secret-4711\n")
        (scene.folder / "keys" / "wrong").chmod(0o600)
        entry[system]["app_secret" if system == COMMERCE7 else "api_secret"] = "file:keys/wrong"

    scene.settings(wrong_key)
    scene.place("PINOT22")
    scene.clear_journals()
    report = scene.sync()
    assert (report["status"], report["error"]["kind"], report["error"]["system"]) == ("failed", "auth", system)
    assert scene.writes() == []
    assert "4711" not in "".join(scene.said)
    scene.settings()
    assert scene.synced()["synced"]["sent"] == 1
    assert scene.wrong() == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hollow", "error_body", "two_keys", "other_record", "truncated", "html_other", "404"])
def test_r22_an_answer_that_says_nothing_sends_nothing(scene: Scene, kind: str) -> None:
    order, done = scene.place("PINOT22"), scene.place("ZIN21")
    scene.synced()
    scene.scan(done)
    late = scene.place("CHARD23")
    for path in (r"/v1/order/[^/]+$", r"/orders/HILLSIDE-[^/]+$", r"/v1/order$", "/search$", "/app-syncs/"):
        system = scene.shipper if "HILLSIDE" in path or "search" in path else scene.shop
        system.set_fault(kind, path_regex=path, method="GET" if "search" not in path else None)
        scene.later(minutes=16)
        scene.sync()
        system.clear_faults()
        assert scene.wrong(settled=False) == [], path
    for _ in range(4):
        scene.later(minutes=61)
        scene.sync()
    assert scene.wrong() == []
    assert {scene.stands(one)[0] for one in (order, late, done)} == {SENT}
    assert len(scene.mails(done)) == 1


# --- the brake --------------------------------------------------------------------------------------------------------


def test_o9_a_history_is_not_sent_until_somebody_lets_it_pass(scene: Scene) -> None:
    for i in range(12):
        scene.place("PINOT22", hours=50 + i)
    today = scene.place("ZIN21")
    scene.clear_journals()
    report = scene.sync()
    assert (report["status"], report["error"]["kind"]) == ("failed", "unsafe"), report
    assert scene.writes() == []
    assert scene.asked(VINOSHIPPER)["GET orders/{number}"] <= 11
    assert scene.orders("send", today)[0]["state"] == SENT, "commands that name orders are not braked"
    assert scene.sync("--allow-unsafe")["synced"]["sent"] == 12
    assert scene.wrong() == []


@pytest.mark.slow
def test_o9_ten_old_orders_and_a_club_run_of_today_pass(scene: Scene) -> None:
    for i in range(10):
        scene.place("PINOT22", hours=50 + i)
    for _ in range(12):
        scene.place("ZIN21", channel="Club")
    assert scene.synced()["synced"]["sent"] == 22
    assert scene.wrong() == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cancelled", "gone"])
def test_o9_many_open_orders_that_are_gone_at_once_are_not_believed(scene: Scene, how: str) -> None:
    orders = [scene.place("PINOT22") for _ in range(14)]
    scene.synced()
    for order in orders[:12]:
        if how == "cancelled":
            scene.cancel_there(order)
        else:
            scene.shipper.delete_order(scene.number(order), scene.merchant)
    scene.later(hours=2)
    scene.clear_journals()
    report = scene.sync()
    assert (report["status"], report["error"]["kind"]) == ("failed", "unsafe"), report
    assert scene.writes() == []
    assert {one["state"] for one in scene.listed().values()} == {SENT}
    scene.sync("--allow-unsafe")
    if how == "cancelled":
        assert [scene.stands(order)[0] for order in orders].count(VOIDED) == 12
        assert scene.wrong() == []


@pytest.mark.slow
def test_o9_another_prefix_is_not_believed(scene: Scene) -> None:
    scene.place("PINOT22")
    scene.synced()
    scene.settings(number_prefix="OTHER")
    scene.place("PINOT22")
    scene.clear_journals()
    report = scene.sync()
    assert (report["status"], report["error"]["kind"]) == ("failed", "unsafe"), report
    assert scene.writes() == []


# --- plan, mode, settings ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_r27_a_plan_moves_nothing(scene: Scene) -> None:
    sent = scene.place("PINOT22")
    scene.synced()
    scene.scan(sent)
    scene.place("ZIN21")
    scene.refund(sent)
    scene.later(hours=1)
    stood, orders = scene.listed(), scene.shipper.orders(scene.merchant)
    scene.clear_journals()
    plan = scene.plan()
    assert (len(plan["orders"]), len(plan["fulfilments"])) == (1, 1)
    assert scene.writes() == []
    assert scene.shipper.orders(scene.merchant) == orders
    assert {id: (one["state"], one["code"]) for id, one in scene.listed().items() if id in stood} == {
        id: (one["state"], one["code"]) for id, one in stood.items()
    }
    report = scene.sync()
    assert (report["synced"]["sent"], report["synced"]["fulfilled"]) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["tenant", "prefix"])
def test_o2_two_merchants_may_not_share_a_tenant_or_an_account_and_its_prefix(scene: Scene, what: str) -> None:
    path = scene.settings()
    whole = yaml.safe_load(path.read_text())
    first, second = whole["merchants"]
    if what == "tenant":
        second["commerce7"]["tenant"] = first["commerce7"]["tenant"]
    else:
        second["vinoshipper"] = dict(first["vinoshipper"])
        second["orders"]["number_prefix"] = "HILLSIDE"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    scene.place("PINOT22")
    done = scene.run("sync", "--all", "--route", "orders", "--json")
    reports = {one["merchant"]: one for one in done.json["merchants"]}
    assert reports["hillside"]["status"] == "ok"
    assert (reports["blue-oak"]["status"], reports["blue-oak"]["error"]["kind"]) == ("failed", "config")
    assert scene.wrong() == []


@pytest.mark.slow
def test_o2_off_is_exit_2_but_for_looking(scene: Scene) -> None:
    order = scene.place("NOSUCH")
    scene.sync()
    assert scene.stands(order) == (FAILED, "unknown_sku")
    scene.settings(mode="off")
    scene.clear_journals()
    number = str(order["orderNumber"])
    for action in ("send", "dont-send", "check"):
        assert scene.run("orders", action, "--merchant", scene.merchant, number).exit_code == 2, action
    assert scene.show(order)["state"] == FAILED
    assert len(scene.listed()) == 1
    assert scene.journal(COMMERCE7) == []
