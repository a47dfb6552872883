"""An account that is stopped, by the real command: who fails, what goes on, and what starts it again (7.3, 7.4, 9)."""

from __future__ import annotations

from vs_st_pipeline_tests.support.notices import HOUSE, MITTI_HOME, Scene, phone_of


def test_7_4_a_wallet_that_is_empty_stops_the_account_until_a_person_resumes_it(alone: Scene) -> None:
    scene = alone
    scene.merchant = MITTI_HOME
    scene.based()
    told = scene.order()
    scene.failed(told)
    scene.synced()

    scene.gupshup.set_switch("wallet", "sync_402", HOUSE)
    order = scene.order()
    scene.failed(order)
    report = scene.sync()
    assert (report["status"], report["error"]["kind"], report["error"]["system"]) == ("failed", "config", "gupshup")
    assert scene.stand(order)[0][1:] == ("waiting", "account_stopped")
    scene.gupshup.set_switch("wallet", "full", HOUSE)
    (account,) = scene.check()["accounts"]
    assert f"`vs-st notices resume --account {HOUSE}`" in account["stopped"]

    scene.callbacks()
    report = scene.sync()
    assert report["status"] == "failed", "it stays stopped until somebody says so"
    assert f"`vs-st notices resume --account {HOUSE}`" in report["error"]["message"]
    assert report["synced"]["read"] == 1, "receipts go on"
    assert report["planned"]["waiting"] == {"account_stopped": 1}
    assert len(scene.sends()) == 1

    assert scene.notices("resume", "--account", HOUSE).exit_code == 0
    report = scene.synced()
    assert report["synced"]["accepted"] == 1
    assert len(scene.sends(to=phone_of(order))) == 1
    assert scene.wrong() == []


def test_7_4_an_account_whose_key_was_bad_starts_again_at_the_first_good_list(alone: Scene) -> None:
    scene = alone
    scene.based()
    order = scene.order()
    scene.failed(order)
    scene.gupshup.set_fault("401", count=1, path_regex="template/msg")
    report = scene.sync()
    assert (report["status"], report["error"]["kind"]) == ("failed", "auth")
    scene.later(minutes=14)
    assert scene.sync()["status"] == "failed"
    scene.later(minutes=2)
    report = scene.synced()
    assert report["synced"]["accepted"] == 1
    assert len(scene.sends(to=phone_of(order))) == 1


def test_7_6_a_person_says_what_became_of_a_message_in_the_words_of_the_contract(alone: Scene) -> None:
    """`vs-st notices resolve --merchant ID NOTICE --as sent|not-sent --because TEXT`, where nobody can be asked."""
    scene = alone
    scene.based()
    orders = [scene.order() for _ in range(2)]
    for order in orders:
        scene.failed(order)
    scene.gupshup.set_fault("500_before_accept", count=2, path_regex="template/msg")
    report = scene.sync()
    assert (report["status"], report["synced"]["unknown"]) == ("partial", 2)
    ids = {
        row["order_number"]: row["notice_id"]
        for row in scene.rows("select order_number, notice_id from synced.notices")
    }
    for order, word in zip(orders, ("sent", "not-sent"), strict=True):
        notice_id = ids[order["customerOrderNumber"]]
        done = scene.notices("resolve", notice_id, "--as", word, "--because", "Gupshup's log says so")
        assert done.exit_code == 0, done
    report = scene.synced()
    assert report["synced"]["accepted"] == 1
    assert [len(scene.sends(to=phone_of(order))) for order in orders] == [0, 1]
