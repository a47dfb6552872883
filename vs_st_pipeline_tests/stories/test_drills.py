"""The drills of docs/operations.md: a backup is put back, and a merchant moves to another box, step by step.

`test_drill_keys.py` is the drill of renewed keys.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.shop.hooks import HOOKS
from vs_st_pipeline.platform.inbox.store import Arrival
from vs_st_pipeline_tests.support.consumers import NAMES
from vs_st_pipeline_tests.support.drills import Backup, Box, at_write, boxed, let_go, once
from vs_st_pipeline_tests.support.notices import number_of, phone_of

ADDRESS = {"VS_ST_HOOK_SECRET": "env:DRILL_SECRET", "DRILL_SECRET": "made up, and longer than 32 characters"}
SENDING = ("orders", "audience", "notices", "consumers")


@pytest.mark.parametrize("newer", [False, True], ids=["all lost", "evidence kept"])
@pytest.mark.parametrize("route", SENDING)
def test_a_backup_that_was_put_back_sends_nothing_twice(route: str, newer: bool, tmp_path: Path) -> None:
    with boxed(route, tmp_path / "box") as box:
        before = box.news()
        box.synced()
        box.back_up(tmp_path / "backup")
        since = []
        for _ in range(2):
            since.append(box.news())
            box.synced()
        box.put_back(tmp_path / "backup", newer=newer)
        _as_the_page_says(box)
        assert box.run("check", "--merchant", box.merchant).exit_code == 0
        assert box.of("plan")["status"] == "ok"
        box.synced()
        if route == "consumers":  # the orders of the time since come in again
            for order in box.scene.box.sopost.control.orders(box.merchant):
                if order.get("email") in since:
                    box.scene.tell(order["id"])
        box.synced()
        told = [box.told(one) for one in (before, *since)]
        if route == "audience":  # as events or as late history: once more, and not wrong
            assert told[:2] == [[1], [1]]
            assert told[2] in ([1], [2])
        else:
            assert {times for one in told for times in one} == {1}, told
        after = box.news()
        box.synced()
        assert once(box, after)
        if newer or route != "consumers":  # what was sent since rests on evidence that is lost
            assert wrong(box) == []


@pytest.mark.parametrize("newer", [False, True], ids=["all lost", "evidence kept"])
@pytest.mark.parametrize("route", SENDING)
def test_a_backup_that_was_begun_while_a_sync_sends_sends_nothing_twice_when_it_is_put_back(
    route: str, newer: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has copied the inbox, where all of this waits, and waits for the sync to end: then the databases."""
    with boxed(route, tmp_path / "box") as box:
        copying = Backup(box, tmp_path / "backup", "copy_merchant")
        during = several(box)

        def begin() -> None:
            copying.begin()
            copying.go_on()

        with monkeypatch.context() as patch:
            at_write(box, patch, 2, begin)
            box.synced()
        copying.end()
        since = box.news()
        box.synced()
        box.put_back(tmp_path / "backup", newer=newer)
        _after_it_was_put_back(box, [*during, since])
        assert [box.told(one) for one in during] == [[1] * len(box.told(one)) for one in during]
        _nothing_is_wrong_from_here_on(box, since, newer=newer)


@pytest.mark.parametrize(("route", "number", "answered"), [
    *((route, 2, answered) for route in SENDING for answered in (False, True)),
    *(("consumers", number, answered) for number in (4, 8) for answered in (False, True)),
])  # fmt: skip
@pytest.mark.parametrize("newer", [False, True], ids=["all lost", "evidence kept"])
def test_what_a_backup_copies_after_the_databases_may_be_of_a_sync_that_is_sending(
    route: str, number: int, answered: bool, newer: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evidence and accounts are copied without a lock: they know of claims that no copied database knows of."""
    with boxed(route, tmp_path / "box") as box:
        before = box.news()
        box.synced()
        copying = Backup(box, tmp_path / "backup", "copy_files")
        copying.begin()
        during = several(box)
        with monkeypatch.context() as patch:
            writes = at_write(box, patch, number, copying.end, answered=answered)
            box.synced()
        assert len(writes) >= number, writes
        since = box.news()
        box.synced()
        box.put_back(tmp_path / "backup", newer=newer)
        _after_it_was_put_back(box, [before, *during, since])
        assert set(box.told(before)) == {1}
        for one in during:
            assert set(box.told(one)) <= ({1, 2} if route == "audience" else {1}), one
            assert 0 not in box.told(one)
        _nothing_is_wrong_from_here_on(box, since, newer=newer)


def test_what_a_shop_posts_after_a_backup_was_put_back_is_not_taken_for_what_came_before(tmp_path: Path) -> None:
    """The inbox of a backup is older than its databases, and gives the numbers of its entries once more."""
    with boxed("audience", tmp_path / "box") as box:
        copying = Backup(box, tmp_path / "backup", "copy_merchant")
        copying.begin()
        _post(box, "Before")
        box.synced()
        copying.end()
        box.put_back(tmp_path / "backup")
        box.synced()
        box.scene.later(minutes=5)
        _post(box, "After")
        box.synced()
        assert [box.told(name) for name in ("Before", "After")] == [[1], [1]]


def _post(box: Box, name: str) -> None:
    """Let the shop post a change, which is stored as the receiver does."""
    told = {"customer": {"id": "2", "firstname": name}}
    said = {"event": "CustomerUpdate", "at": box.scene.now.isoformat(), "data": told}
    calls = HOOKS.read(json.dumps([said]).encode())
    at = box.scene.now.isoformat()
    box.scene.inbox.put([Arrival(box.merchant, "shop", one, (box.route,), at, True) for one in calls])


def several(box: Box) -> list[Any]:
    """Let two things happen that a sync tells of one after the other."""
    return [box.news(), box.news("3")]


def _after_it_was_put_back(box: Box, news: list[Any]) -> None:
    """Do what docs/operations.md says after it, with the orders of the time since imported."""
    _as_the_page_says(box)
    assert box.run("check", "--merchant", box.merchant).exit_code == 0
    box.sync()
    if box.route == "consumers":
        for order in box.scene.box.sopost.control.orders(box.merchant):
            if order.get("email") in news:
                box.scene.tell(order["id"])
    box.synced()


def _nothing_is_wrong_from_here_on(box: Box, since: Any, *, newer: bool) -> None:
    assert set(box.told(since)) <= ({1, 2} if box.route == "audience" else {1})
    after = box.news()
    box.synced()
    assert once(box, after)
    box.synced()
    if box.route == "audience":
        assert box.scene.record("customers", "2")["customer"]["firstname"] == after
    if newer or box.route != "consumers":
        assert wrong(box) == []


def _as_the_page_says(box: Box) -> None:
    if box.route == "notices":
        done = box.run("notices", "baseline", "--merchant", box.merchant, "--yes")
        assert done.exit_code == 0, done


@pytest.mark.parametrize("newer", [False, True], ids=["all lost", "evidence kept"])
def test_orders_since_the_backup_come_back_by_an_import_and_who_opted_out_since_stays_out(
    newer: bool, tmp_path: Path
) -> None:
    with boxed("consumers", tmp_path / "box") as box:
        scene = box.scene
        box.back_up(tmp_path / "backup")
        made_at = (scene.now or datetime.now(UTC)).isoformat()
        scene.later(minutes=10)
        since, out = box.news(), box.news()
        box.synced()
        scene.later(minutes=10)
        for crm, target in (("hubspot", {"subscription": NAMES.subscriptions[0]}), ("klaviyo", {})):
            getattr(scene.box, crm).control.unsubscribe(out, **target, merchant=box.merchant)
        scene.later(minutes=10)
        scene.order("down@example.com", told=False)  # nothing ran when SoPost told of it
        box.put_back(tmp_path / "backup", newer=newer)
        orders = [one["id"] for one in scene.box.sopost.control.orders(box.merchant)
                  if one.get("email") in (since, out, "down@example.com")]  # fmt: skip
        file = tmp_path / "orders.txt"
        file.write_text("\n".join(orders) + "\n")
        more = ("--create", "--consented-at", made_at)
        assert box.run("consumers", "import", "--merchant", box.merchant, *more, str(file)).exit_code == 0
        for _ in range(2):
            box.synced()
            scene.later(minutes=10)
        assert [box.told(one) for one in (since, "down@example.com")] == [[1, 1, 1]] * 2
        assert box.told(out) == [1, 1, 1]
        now = scene.look()
        for crm in ("hubspot", "klaviyo"):
            assert {since, out, "down@example.com"} & now.subscribed(crm) == {since, "down@example.com"}
        if newer:
            assert wrong(box) == []


@pytest.mark.parametrize("newer", [False, True], ids=["all lost", "evidence kept"])
def test_who_wrote_stop_since_the_backup_is_not_written_where_the_evidence_was_kept(
    newer: bool, tmp_path: Path
) -> None:
    with boxed("notices", tmp_path / "box") as box:
        order = box.news()
        box.synced()
        box.back_up(tmp_path / "backup")
        phone = order["shippingAddress"]["contactPhone"]
        box.scene.callbacks()
        box.scene.reply(phone, "text", text="STOP")
        box.synced()
        box.put_back(tmp_path / "backup", newer=newer)
        _as_the_page_says(box)
        box.synced()
        box.scene.later(minutes=30)
        again = box.scene.order(number="AGAIN", phone=phone)
        box.scene.failed(again)
        box.synced()
        assert box.told(again) == [1 if newer else 2]


@pytest.mark.parametrize("newer", [False, True], ids=["all lost", "evidence kept"])
def test_a_hook_that_waited_in_the_inbox_of_the_backup_announces_nothing_a_second_time(
    newer: bool, tmp_path: Path
) -> None:
    with boxed("notices", tmp_path / "box") as box:
        stopped = box.news()
        box.synced()
        box.scene.callbacks()
        box.scene.later(minutes=3)
        box.scene.reply(phone_of(stopped), "text", text="STOP")  # it waits, and counts whenever it is taken
        order = box.news()  # its hook waits
        box.back_up(tmp_path / "backup")
        box.synced()
        assert box.told(order) == [1]
        box.put_back(tmp_path / "backup", newer=newer)
        assert box.scene.waiting()["order"]
        _as_the_page_says(box)
        box.synced()
        box.scene.later(minutes=10)
        box.synced()
        assert box.told(order) == [1]
        more = box.scene.order(number="MORE", phone=phone_of(stopped))
        box.scene.failed(more)
        after = box.news()
        box.synced()
        assert once(box, after)
        assert box.told(stopped) == [1]


@pytest.mark.parametrize("again", [False, True], ids=["one failure", "failed again since"])
@pytest.mark.parametrize("seen", ["event", "detail", "none"])
@pytest.mark.parametrize("newer", [False, True], ids=["all lost", "evidence kept"])
def test_an_answer_that_waited_in_the_inbox_of_the_backup_is_not_acted_on_a_second_time(
    again: bool, seen: str, newer: bool, tmp_path: Path
) -> None:
    """Eshopbox may show what was asked of it, or nothing; a parcel that failed again since is another question."""
    with boxed("notices", tmp_path / "box") as box:
        scene = box.scene
        scene.eshopbox.set_switch("ndr_seen", seen, box.merchant)
        order = box.news()
        box.synced()
        scene.callbacks()
        scene.later(minutes=3)
        scene.reply(phone_of(order), "button", button="Reattempt delivery")  # it waits
        box.back_up(tmp_path / "backup")
        box.synced()
        assert len(scene.resolutions()) == 1
        if again:
            scene.later(minutes=30)
            for status in ("out_for_delivery", "failed_delivery"):
                scene.advance(order, status)
                scene.hook(order)
                scene.later(minutes=30)
            box.synced()
        told = box.told(order)
        box.put_back(tmp_path / "backup", newer=newer)
        _as_the_page_says(box)
        for _ in range(2):
            box.sync()
            scene.later(minutes=10)
        assert len(scene.resolutions()) == 1
        assert box.told(order) == told
        [reply] = scene.rows("select outcome from staged.replies")
        assert reply["outcome"] == ("action" if newer else "before_baseline")
        if not again:  # what is answered from now on is acted on
            other = box.news()
            box.synced()
            scene.callbacks()
            scene.later(minutes=3)
            scene.reply(phone_of(other), "button", button="Reattempt delivery")
            box.synced()
            assert [one["body"]["customerOrderNumber"] for one in scene.resolutions()][1:] == [number_of(other)]


@pytest.mark.parametrize("newer", [False, True], ids=["all lost", "evidence kept"])
def test_an_answer_in_the_inbox_of_the_backup_is_not_replied_to_a_second_time(newer: bool, tmp_path: Path) -> None:
    with boxed("notices", tmp_path / "box") as box:
        said = {"enabled": True, "text": "We did not understand this."}
        box.edit(lambda entry: entry["notices"].update(unexpected=said))
        order = box.news()
        box.synced()
        box.scene.callbacks()
        box.scene.later(minutes=3)
        box.scene.reply(phone_of(order), "text", text="What is this about?")
        box.back_up(tmp_path / "backup")
        box.synced()
        assert box.told(order) == [2]
        box.put_back(tmp_path / "backup", newer=newer)
        _as_the_page_says(box)
        for _ in range(2):
            box.sync()
            box.scene.later(minutes=10)
        assert box.told(order) == [2]


@pytest.mark.parametrize("route", SENDING)
def test_a_merchant_moves_to_another_box_and_nothing_is_sent_twice(route: str, tmp_path: Path) -> None:
    with boxed(route, tmp_path / "old") as old:
        old.scene.more_environment |= {**ADDRESS, "VS_ST_PUBLIC_URL": "http://127.0.0.1:18001"}
        assert old.run("webhooks", "register", "--merchant", old.merchant).exit_code in (0, 1)
        before = old.news()
        old.synced()

        new = old.another(tmp_path / "new")  # 1
        new.edit(lambda entry: entry.update(enabled=False))
        new.scene.more_environment |= {**ADDRESS, "VS_ST_PUBLIC_URL": "http://127.0.0.1:18002"}
        old.run("webhooks", "list", "--merchant", old.merchant, "--show-urls", "--yes")
        removed = old.run("webhooks", "remove", "--merchant", old.merchant)  # 2
        assert removed.exit_code == 0
        if route in ("audience", "notices"):
            assert "a person entered our URL there" in removed.out
        old.edit(lambda entry: entry.update(enabled=False))  # 3
        assert _refused(old)
        let_go()
        for part in ("merchants", "accounts"):  # 4
            if (old.data / part).exists():
                shutil.copytree(old.data / part, new.data / part)
        assert _refused(new)
        meanwhile = new.news()
        new.edit(lambda entry: entry.update(enabled=True))  # 5
        assert new.run("check", "--merchant", new.merchant).exit_code == 0
        assert new.of("plan")["status"] == "ok"
        new.synced()
        new.synced()
        assert (once(new, before), once(new, meanwhile)) == (True, True), (new.told(before), new.told(meanwhile))
        assert new.run("webhooks", "register", "--merchant", new.merchant).exit_code in (0, 1)
        assert _refused(old)
        after = new.news()
        new.synced()
        assert once(new, after)
        assert wrong(new) == []
        new.scene.inbox.close()


@pytest.mark.parametrize("route", SENDING)
def test_what_a_new_box_makes_is_its_owners_alone_whichever_command_comes_first(route: str, tmp_path: Path) -> None:
    umask = os.umask(0o022)
    try:
        with boxed(route, tmp_path / "old") as old:
            news = old.news()
            old.synced()
            new = old.another(tmp_path / "new")
            for part in ("merchants", "accounts"):  # as whoever moves a merchant here may have made them
                if (old.data / part).exists():
                    (new.data / part).mkdir(parents=True)
            new.scene.more_environment |= {**ADDRESS, "VS_ST_PUBLIC_URL": "http://127.0.0.1:18003"}
            new.run("webhooks", "list", "--merchant", new.merchant, "--show-urls", "--yes")
            assert new.run("check", "--merchant", new.merchant).exit_code == 0
            new.sync()
            assert once(old, news)
            for box in (old, new):
                open_to_others = [
                    (str(path.relative_to(box.data)), oct(stat.S_IMODE(path.stat().st_mode)))
                    for path in (box.data, *box.data.rglob("*"))
                    if stat.S_IMODE(path.stat().st_mode) != (0o700 if path.is_dir() else 0o600)
                ]
                assert open_to_others == []
            new.scene.inbox.close()
    finally:
        os.umask(umask)


def _refused(box: Box) -> bool:
    """Say whether a disabled merchant is refused with a sentence that says so, and nothing called."""
    report = box.sync()
    return (report["error"]["kind"], "is disabled" in report["error"]["message"]) == ("config", True)


def wrong(box: Box) -> list[str]:
    """What the route's judge finds; of notices the ledgers of this box alone cannot have each message.

    Eshopbox was asked for a token by the other box, or before the tokens were lost: neither is known to this one.
    """
    known = {"booked": False, "excused": ("token_storm",)} if box.route == "notices" else {}
    found: list[str] = box.scene.wrong(**known)
    return found
