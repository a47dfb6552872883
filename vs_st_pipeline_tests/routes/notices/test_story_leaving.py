"""Holds what stays of a merchant, and of a person, that leaves (notices.md 9.4; routes.md R7, R57)."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from vs_st_pipeline.routes.notices import metrics
from vs_st_pipeline_tests.support.notices import Scene, phone_of
from vs_st_pipeline_tests.support.opened_files import opened

FAILED = "failed_delivery"


def _told(scene: Scene) -> str:
    """Tell one customer of a failed delivery; return the phone."""
    scene.based()
    order = scene.order(number="LV1")
    for status in ("dispatched", "out_for_delivery"):
        scene.advance(order, status)
    scene.failed(order)
    scene.later(minutes=2)
    assert scene.synced()["synced"]["accepted"] == 1
    return phone_of(order)


def test_forget_takes_a_person_out_of_everything_and_an_opt_out_stays(alone: Scene) -> None:
    """9.4: recipients, replies, destinations, texts go; who wrote STOP is never written again."""
    scene = alone
    phone = _told(scene)
    scene.reply(phone, "text", text="STOP")
    scene.synced()
    done = scene.run("forget", "--merchant", scene.merchant, "--yes", "--json", phone)
    assert done.exit_code == 0, done
    assert (done.json["orders"], done.json["messages"]) == (1, 1)

    digits = phone.removeprefix("+")
    for path in (scene.home / "notices.duckdb", *(scene.data / "accounts" / scene.account).iterdir()):
        text = path.read_bytes().decode("latin-1")
        assert digits not in text, path.name
        assert digits.removeprefix("91") not in text, path.name
    assert scene.of_account("select state, phone from consents where source = 'stop_word'") == [
        {"state": "out", "phone": None}
    ]
    again = scene.order(number="LV2", phone=phone)
    for status in ("dispatched", "out_for_delivery"):
        scene.advance(again, status)
    scene.failed(again)
    scene.later(minutes=2)
    assert scene.synced()["planned"]["messages"] == 0
    assert len(scene.sends()) == 1


def test_r57_a_merchant_that_leaves_leaves_hashes_with_the_account(alone: Scene) -> None:
    scene = alone
    phone = _told(scene)
    scene.receipts(scene.sends()[0], "sent", "delivered")
    scene.synced()
    scene.settings(lambda entry: entry.update(enabled=False))
    done = scene.run("offboard", "--merchant", scene.merchant, "--yes", "--leave-webhooks", "--json")
    assert done.exit_code == 0, done
    assert not scene.home.exists()
    [claim] = scene.of_account("select merchant, order_number, phone_hash from claims")
    assert (claim["merchant"], claim["order_number"]) == (scene.merchant, None)
    for path in (scene.data / "accounts" / scene.account).iterdir():
        assert phone.removeprefix("+") not in path.read_bytes().decode("latin-1"), path.name


def test_r57_a_message_of_which_nobody_knows_keeps_its_merchant_for_48_h_by_vs_st_now(alone: Scene) -> None:
    scene = alone
    scene.later(days=-5)
    scene.based()
    order = scene.order()
    scene.failed(order)
    scene.gupshup.set_fault("500_before_accept", count=1, path_regex="template/msg")
    assert scene.sync()["synced"]["unknown"] == 1
    scene.settings(lambda entry: entry.update(enabled=False))
    asked = ("offboard", "--merchant", scene.merchant, "--yes", "--leave-webhooks", "--json")
    scene.later(hours=47)
    assert scene.run(*asked).exit_code == 1
    assert scene.home.exists()
    scene.later(hours=2)
    done = scene.run(*asked)
    assert done.exit_code == 0, done


def test_r35_a_lost_database_is_given_the_evidence_again_and_counts_nothing_twice(alone: Scene) -> None:
    """`no_message_without_consent` must be 0 then too: the consent that was used is on the disk since the claim."""
    scene = alone
    scene.based()
    order = scene.order()
    scene.failed(order)
    assert scene.synced()["synced"]["accepted"] == 1
    scene.lose(database_alone=True)
    scene.later(minutes=2)
    report = scene.synced()
    assert report["synced"]["accepted"] == 0, "it was accepted before"
    assert scene.stand(order) == [("failed_delivery", "accepted", None)]
    run: Any = SimpleNamespace(now=lambda: scene.now.replace(tzinfo=None))
    with opened(scene.data, scene.merchant, "notices") as db:
        assert metrics.without_consent(run, db).count == 0
    assert json.loads(scene.rows("select consent from synced.notices")[0]["consent"])["source"] == "eshopbox_flag"
    assert len(scene.sends()) == 1
