"""Targeted syncs: hooks of orders, callbacks of a merchant's own account and of the house's (R13, R46)."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.routes.notices import sources_table, targeted
from vs_st_pipeline_tests.support.notices import HOUSE, KAPASKRAFT, MITTI_HOME, Record, Scene, phone_of

FAILED = "failed_delivery"
ACCOUNT = f"account:{HOUSE}"


def worked(scene: Scene) -> list[Record]:
    """What waits is due: two seconds have gone by."""
    scene.inbox.ask("update hints set stored_at = stored_at - 10 where state = 'waiting'")
    scene.inbox.close()
    found = scene.worked("--merchant", scene.merchant)
    assert all(one["status"] == "ok" for one in found), found
    return found


def hints(scene: Scene, merchant: str | None = None) -> list[tuple[Any, ...]]:
    """System, kind, state and outcome of the hints of a merchant or an account, in their order."""
    rows = scene.inbox.ask(
        "select system, kind, state, outcome from hints where merchant = ? order by hint", [merchant or scene.merchant]
    )
    scene.inbox.close()
    return rows


def told_of_a_failure(scene: Scene) -> Record:
    """An order whose delivery has failed, and whose customer was told by a worker."""
    order = scene.order()
    scene.advance(order, "out_for_delivery")
    scene.failed(order)
    [report] = worked(scene)
    assert (report["trigger"], report["synced"]["accepted"]) == ("hint", 1), report
    assert (report["raw"]["orders"], report["raw"]["hooks"] > 0) == (1, True), "what was taken is counted (9)"
    scene.later(minutes=3)
    return order


@pytest.mark.parametrize("merchant", [pytest.param(KAPASKRAFT, marks=pytest.mark.slow), MITTI_HOME])
def test_a_hook_leads_to_the_message_of_its_order_alone(alone: Scene, merchant: str) -> None:
    scene = alone
    scene.merchant = merchant
    scene.based()
    other = scene.order()
    scene.advance(other, "out_for_delivery")
    scene.advance(other, FAILED)  # nobody tells of this one
    order = told_of_a_failure(scene)
    assert scene.stand(order) == [(FAILED, "accepted", None)]
    assert scene.stand(other) == []
    assert set(hints(scene)) == {("eshopbox", "order", "done", "written")}
    assert len(scene.sends()) == 1
    assert worked(scene) == []
    assert scene.wrong() == []


def test_hooks_that_come_without_end_keep_no_message_and_no_whole_sync_from_its_time(alone: Scene) -> None:
    """Each hook's own sync looks at its order alone: it must not put off what another order waits for."""
    scene = alone
    scene.based(settle="60s", eshopbox={"refresh": {"orders": "5m"}})
    assert scene.synced()["status"] == "ok"
    due = scene.due()
    first = scene.order()
    scene.advance(first, "out_for_delivery")
    scene.failed(first)
    worked(scene)
    assert scene.stand(first) == [(FAILED, "waiting", "settling")]
    settled = scene.due()
    assert settled < due
    for _ in range(3):
        scene.later(seconds=40)
        scene.advance(other := scene.order(), "out_for_delivery")
        scene.hook(other)
        worked(scene)
        assert scene.due() == settled
    assert scene.due() < scene.now
    scene.synced()
    assert scene.stand(first) == [(FAILED, "accepted", None)]
    assert scene.wrong() == []


def test_an_answer_by_the_merchants_own_account_is_acted_on_by_one_targeted_sync(alone: Scene) -> None:
    scene = alone
    scene.based()
    order = told_of_a_failure(scene)
    scene.callbacks()
    [report] = worked(scene)
    assert (report["synced"]["read"], report["synced"]["actions_done"]) == (1, 0), report
    scene.reply(phone_of(order), "button", button="Reattempt delivery")
    [report] = worked(scene)
    assert report["synced"]["actions_done"] == 1, report
    assert len(scene.resolutions()) == 1
    assert scene.waiting() == {}
    assert scene.wrong() == []


def test_an_answer_by_the_houses_account_is_taken_once_and_its_merchant_acts_within_seconds(alone: Scene) -> None:
    """Taken by the run of any of the account's merchants; whoever is answered gets a hint of its own."""
    scene = alone
    scene.merchant = MITTI_HOME
    scene.based()
    order = told_of_a_failure(scene)
    scene.reply(phone_of(order), "button", button="Reattempt delivery")
    [report] = worked(scene)
    assert (report["merchant"], report["trigger"]) == (ACCOUNT, "hint")
    assert {one[2:] for one in hints(scene, ACCOUNT)} == {("done", "written")}
    assert hints(scene)[-1] == ("gupshup", "answered", "waiting", None)
    [report] = worked(scene)
    assert (report["merchant"], report["synced"]["actions_done"]) == (MITTI_HOME, 1), report
    assert hints(scene)[-1] == ("gupshup", "answered", "done", "written")
    assert len(scene.resolutions()) == 1
    assert worked(scene) == []
    assert scene.synced()["synced"]["actions_done"] == 0
    assert scene.wrong() == []


def test_of_two_merchants_of_an_account_the_one_that_was_answered_acts(alone: Scene) -> None:
    """Both send by the house's account: the first one's run takes the callbacks, the second one alone is hinted at."""
    scene = alone

    def by_the_house(entry: Record) -> None:
        confirmed = {"by": "Asha Rao", "date": "2026-03-01"}
        entry["notices"]["accounts"] = [{"kind": "house", "account": HOUSE, "charges_confirmed": confirmed}]

    scene.settings(by_the_house)
    for merchant in (KAPASKRAFT, MITTI_HOME):
        scene.synced(merchant=merchant)
    scene.later(seconds=2)
    scene.merchant = MITTI_HOME
    order = told_of_a_failure(scene)
    scene.reply(phone_of(order), "button", button="Reattempt delivery")
    scene.merchant = KAPASKRAFT
    [report] = worked(scene)
    assert report["merchant"] == ACCOUNT
    assert [one for one in hints(scene, KAPASKRAFT) if one[0] == "gupshup"] == []
    scene.merchant = MITTI_HOME
    [report] = worked(scene)
    assert (report["merchant"], report["synced"]["actions_done"]) == (MITTI_HOME, 1), report


@pytest.mark.slow
def test_callbacks_of_an_account_wait_for_no_first_sync_and_nobody_who_left_is_told(alone: Scene) -> None:
    scene = alone
    scene.merchant = MITTI_HOME
    scene.based()
    order = told_of_a_failure(scene)
    scene.home.rename(scene.folder / "gone")
    scene.reply(phone_of(order), "button", button="Reattempt delivery")
    [report] = worked(scene)
    assert report["merchant"] == ACCOUNT
    assert [one for one in hints(scene) if one[0] == "gupshup"] == []


def test_r34_a_hint_waits_until_the_route_that_reads_the_system_has_settled_its_own(
    alone: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = alone
    scene.settings()
    order = scene.order()
    scene.based()

    def read_by_another(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(sources_table, "read_hinted", read_by_another)
    scene.advance(order, "packed")
    scene.hook(order)
    scene.inbox.ask(
        """insert into hints (entry, merchant, route, system, kind, record, stored_at, state)
           select entry, merchant, 'another', system, kind, record, stored_at, 'working' from hints limit 1"""
    )
    [report] = worked(scene)
    assert report["calls"]["eshopbox"] == 0
    assert {one[2:] for one in hints(scene)} == {("waiting", None), ("working", None)}
    assert set(scene.inbox.ask("select not_before > stored_at, tries from hints where state = 'waiting'")) == {(1, 0)}
    scene.inbox.ask("update hints set state = 'done' where route = 'another'")
    scene.inbox.ask("update hints set not_before = 0")
    worked(scene)
    assert {one[2:] for one in hints(scene)} == {("done", "unchanged"), ("done", None)}


def test_an_order_that_cannot_be_read_waits_for_another_try_and_callbacks_are_kept(alone: Scene) -> None:
    """H30, R40: its hint alone."""
    scene = alone
    scene.based()
    order = told_of_a_failure(scene)
    scene.eshopbox.set_fault("500", scene.merchant, count=20, path_regex="order")
    scene.advance(order, "out_for_delivery")
    scene.hook(order)
    scene.callbacks()
    scene.inbox.ask("update hints set stored_at = stored_at - 100 where state = 'waiting'")
    scene.inbox.ask("delete from records")
    scene.inbox.close()
    [report] = scene.worked("--merchant", scene.merchant)
    assert (report["synced"]["read"], report["synced"]["accepted"]) == (1, 0), report
    assert scene.waiting() == {"order": 1}
    assert scene.inbox.ask("select error, tries from hints where state = 'waiting'") == [("try_later", 1)]
    assert scene.of_account("select state from claims") == [{"state": "read"}]


@pytest.mark.slow
def test_a_kill_between_the_accounts_file_and_the_hint_loses_nobodys_answer(
    alone: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = alone
    scene.merchant = MITTI_HOME
    scene.based()
    order = told_of_a_failure(scene)
    scene.reply(phone_of(order), "button", button="Reattempt delivery")

    def power_goes(name: str) -> None:
        if name == "callbacks kept":
            raise RuntimeError(name)

    with monkeypatch.context() as patch:
        patch.setattr(targeted, "failpoint", power_goes)
        scene.inbox.ask("update hints set stored_at = stored_at - 10 where state = 'waiting'")
        scene.inbox.close()
        [report] = scene.worked("--merchant", scene.merchant)
    assert report["error"]["kind"] == "internal"
    assert [one for one in hints(scene) if one[0] == "gupshup"] == []
    assert {one[2] for one in hints(scene, ACCOUNT)} == {"waiting"}
    scene.inbox.ask("update hints set not_before = 0")
    [report] = worked(scene)
    assert (report["merchant"], hints(scene)[-1][1:3]) == (ACCOUNT, ("answered", "waiting"))
    [report] = worked(scene)
    assert report["synced"]["actions_done"] == 1
    assert len(scene.resolutions()) == 1
