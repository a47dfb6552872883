"""The first phase by the real command over real sockets: a delivery fails, the customer is told, and answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.notices import metrics
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline_tests.support.notices import KAPASKRAFT, MITTI_HOME, Record, Scene, number_of, phone_of
from vs_st_pipeline_tests.support.opened_files import opened

FAILED = "failed_delivery"


def _first_words(scene: Scene, order: Record) -> None:
    """From a failed delivery to the customer's answer, and nothing of it twice."""
    scene.failed(order)
    report = scene.synced()
    assert (report["planned"]["messages"], report["synced"]["accepted"]) == (1, 1), report
    [message] = scene.sends()
    assert message["destination"] == phone_of(order).removeprefix("+")
    assert message["template"].endswith(FAILED)
    name, said = order["shippingAddress"]["customerName"], order["vendorOrderNumber"]
    assert message["text"] == f"Hi {name}, we could not deliver your order {said}. What shall we do?"
    assert scene.stand(order) == [(FAILED, "accepted", None)]

    scene.callbacks()
    report = scene.synced()
    assert (report["synced"]["accepted"], report["synced"]["read"]) == (0, 1), report
    assert scene.stand(order) == [(FAILED, "read", None)]

    scene.later(minutes=3)
    scene.reply(phone_of(order), "button", button="Reattempt delivery")
    report = scene.synced()
    assert (report["planned"]["actions"], report["synced"]["actions_done"]) == (1, 1), report
    [call] = scene.resolutions()
    assert call["did"] == "submitted"
    assert call["body"]["resolutionCode"] == "ACTF001"
    assert call["body"]["customerOrderNumber"] == number_of(order)

    scene.hook()
    scene.later(minutes=10)
    for _ in range(2):
        report = scene.synced()
        assert (report["planned"]["messages"], report["planned"]["actions"]) == (0, 0), report
    assert (len(scene.sends()), len(scene.resolutions())) == (1, 1)


@pytest.mark.parametrize("merchant", [KAPASKRAFT, MITTI_HOME])
def test_a_failed_delivery_is_told_once_and_the_answer_acted_on_once(alone: Scene, merchant: str) -> None:
    """notices.md 1, 5.1, 7.1, 7.5, 8.1-8.4: by the client's own account, and by the house's."""
    scene = alone
    scene.merchant = merchant
    before = scene.order(number="OLD1")
    scene.advance(before, "out_for_delivery")
    scene.advance(before, FAILED)
    scene.hook()
    report = scene.based()
    assert (report["planned"]["messages"], scene.sends()) == (0, []), "what was there before all is no news"

    order = scene.order(number="NEW 1/#7")
    for status in ("packed", "dispatched", "out_for_delivery"):
        scene.advance(order, status)
    scene.hook(order)
    report = scene.synced()
    assert (report["planned"]["messages"], scene.sends()) == (0, []), "only a failure is announced"
    scene.later(minutes=2)
    _first_words(scene, order)
    assert scene.wrong() == []


def test_the_same_by_a_receiver_over_a_real_socket(alone: Scene) -> None:
    """notices.md 3.3, 3.4: hooks and callbacks come by the URLs that both systems were told."""
    scene = alone
    with scene.receiving():
        scene.based()
        order = scene.order()
        scene.advance(order, "out_for_delivery")
        scene.later(minutes=2)
        _first_words(scene, order)
    assert scene.wrong() == []


def test_a_first_sync_announces_nothing_of_a_world_that_was_there_before(notices_scene: Scene) -> None:
    """notices.md 5.1: every status enabled, and twelve orders in all stages."""
    scene = notices_scene
    scene.based(enabled=["created", "packed", "on_the_way", FAILED, "delivered", "return_created", "restocked"])
    report = scene.synced()
    assert (report["planned"]["messages"], scene.sends()) == (0, [])
    assert scene.wrong() == []


def test_a_check_proves_the_secrets_of_eshopbox_and_a_sync_goes_on_with_its_token(alone: Scene) -> None:
    """notices.md 3.1: a token is asked for at most once a minute, whoever asks."""

    def asked() -> int:
        return sum(one["path"].endswith("generateToken") for one in alone.eshopbox.journal(alone.merchant))

    alone.check()
    alone.synced()
    assert asked() == 1
    alone.later(minutes=2)
    alone.check()
    alone.check()
    alone.synced()
    assert asked() == 2
    assert alone.wrong() == []


def test_a_check_says_what_no_call_at_gupshup_can_verify(alone: Scene) -> None:
    """notices.md 13.6: list and wallet with the key; app name and number prove themselves by the first receipt."""
    doubt = "app_name {} and number {} are not verified, since no call that Gupshup documents tells"

    def wrong(entry: Record) -> None:
        entry["notices"]["accounts"][0].update(app_name="Mistyped", number="+919810000099")

    alone.settings(wrong)
    said = alone.run("check", "--merchant", alone.merchant, "--route", "notices")
    assert said.exit_code == 0, "no answer says that it is wrong"
    assert doubt.format("Mistyped", "+919810000099") in said.out
    alone.based()
    assert any("are not verified" in one for one in alone.check()["doubts"])
    order = alone.order()
    alone.advance(order, "out_for_delivery")
    alone.later(minutes=2)
    _first_words(alone, order)
    assert not any("are not verified" in one for one in alone.check()["doubts"])
    assert alone.wrong() == []


def test_10_what_is_left_out_is_told_with_its_reason_and_the_rest_goes_on(alone: Scene) -> None:
    scene = alone
    scene.based()
    bad, good = scene.order(), scene.order()
    number = bad["customerOrderNumber"]
    scene.advance(bad, "created", resource="returnShipment", refundAmount="many")
    scene.advance(good, "out_for_delivery")
    scene.later(minutes=2)
    scene.failed(good)
    report = scene.synced()
    assert report["synced"]["accepted"] == 1
    assert report["planned"]["noted"] == {"unreadable_refund": 1}
    assert scene.synced()["planned"]["noted"] == {"unreadable_refund": 1}, "while it lasts"
    assert scene.check()["not_understood"] == [{"kind": "order", "id": number, "why": "unreadable_refund"}]
    said = scene.run("check", "--merchant", scene.merchant, "--route", "notices").out
    assert f"not understood: order {number}: unreadable_refund" in said


def test_9_a_check_says_what_evidence_of_opt_ins_was_seen(alone: Scene) -> None:
    scene = alone
    since = {"text": "I agree", "by": "Asha Rao", "from": "2020-01-01"}
    scene.settings(opt_in=["eshopbox_flag", "gupshup_event", "attestation"], attestation=since)
    nothing = {"eshopbox_flag": 0, "gupshup_event": 0, "attestation": 0, "operator": 0}
    assert scene.check()["opt_in"] == nothing
    scene.based(opt_in=["eshopbox_flag", "gupshup_event", "attestation"], attestation=since)
    scene.order()
    scene.order(whatsapp=False)
    scene.gupshup.set_switch("user_events", "sent", scene.account)
    scene.gupshup.opt_in("+919740099999", scene.account)
    scene.callbacks()
    scene.synced()
    found = scene.check()["opt_in"]
    assert found == {"eshopbox_flag": 1, "gupshup_event": 1, "attestation": 2, "operator": 0}
    settings = NoticesSettings(countries=("IN",), opt_in=("eshopbox_flag",))
    merchant = Merchant("kk", "K", sections={"notices": settings})
    with opened(scene.data, scene.merchant, "notices") as db:
        run: Any = SimpleNamespace(now=lambda: scene.now.replace(tzinfo=None), merchant=merchant)
        lacking = metrics.no_opt_in(run, db)
        assert (lacking.count, lacking.of) == (1, 2), "an order's own word is evidence"
    said = scene.run("check", "--merchant", scene.merchant, "--route", "notices").out
    assert "opt-in evidence seen: 1 by eshopbox_flag, 1 by gupshup_event, 2 by attestation, 0 by operator" in said


def test_what_names_nothing_is_wrong_use_and_keeps_its_keys(notices_scene: Scene) -> None:
    """notices.md 9: exit 2 for a wrong argument; every key always, also beside an error."""
    scene = notices_scene
    for arguments in (
        ("preview", "--notification", "nonsense"),
        ("preview", "--notification", FAILED, "--order", "NOPE"),
        ("templates", "check", "--notification", FAILED, "--params", "customer_name,nonsense"),
    ):
        done = scene.notices(*arguments)
        assert done.exit_code == 2, done
    done = scene.notices("preview", "--notification", "return_created", "--template", "kk-on_the_way")
    assert (done.exit_code, done.out.splitlines()[-1]) == (0, "  not filled: {{2}}, {{3}}; write more `params`")
    scene.gupshup.set_switch("template_list", "404", scene.account)
    done = scene.notices("preview", "--notification", FAILED, "--json")
    assert done.exit_code == 1
    assert {"header", "body", "footer", "buttons", "params", "error"} == set(done.json)
