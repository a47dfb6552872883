"""6.4 of orders.md and its crash table: what is unknown is read, and written again only when it is surely not there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.domain.order_desk import Compliance, Problem
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.routes.orders import acting, evidence, ledger
from vs_st_pipeline.routes.orders.states import State
from vs_st_pipeline_tests.routes.orders.dispatch import VIOLATION, Dispatch, PowerCut, power
from vs_st_pipeline_tests.routes.orders.test_sending import CREATE, READ, UPDATE, N, edit

SAMPLE = 2  # cases of each test in `make test`; the others count as pytest.mark.slow

VIOLATED = (Problem("CLOSED", "no wine there", VIOLATION),)


@pytest.fixture
def one(tmp_path: Path) -> Dispatch:
    dispatch = Dispatch(tmp_path)
    dispatch.take_in(dispatch.add())
    return dispatch


# --- 6.4 --------------------------------------------------------------------------------------------------------------


def test_o6_4_an_unknown_create_that_was_taken_is_found_at_once_and_adopted(one: Dispatch) -> None:
    one.shipper.next = ["lost_after"]
    session = one.sync()
    assert one.shipper.log == [READ, CREATE, READ]
    assert (one.stands(), one.outcomes(), one.notes()) == (("sent", None), [("create", "adopted")], {"adopted"})
    assert (session.counts["adopted"], session.counts["sent"]) == (1, 0)
    assert one.row().sent_hash is not None
    assert json.loads(str(one.row().sent))["rate"] == {"carrier": "UPS", "code": "03"}, "we know what was sent"


def test_o6_4_missing_is_written_again_after_three_reads_the_third_ten_minutes_after(one: Dispatch) -> None:
    one.shipper.next = ["lost_before"]
    one.sync()
    assert (one.stands(), one.shipper.log) == (("sending", None), [READ, CREATE, READ])
    one.later(minutes=2)
    one.sync()
    one.later(minutes=2)
    one.sync()
    one.later(minutes=5)
    one.sync()
    assert one.shipper.writes() == [CREATE], "four reads without it, but no ten minutes"
    assert one.stands() == ("sending", None)
    one.later(minutes=1)
    one.sync()
    assert one.shipper.log == [READ, CREATE, READ, READ, READ, READ, READ, CREATE], "one read each; that one serves 6.2"
    assert (one.stands(), one.outcomes()) == (("sent", None), [("create", "missing"), ("create", "done")])


def test_o6_4_ten_minutes_without_three_reads_are_not_enough(one: Dispatch) -> None:
    one.shipper.next = ["lost_before"]
    one.sync()
    one.later(hours=1)
    one.sync()
    assert one.shipper.writes() == [CREATE]
    one.later(seconds=1)
    one.sync()
    assert one.shipper.writes() == [CREATE, CREATE]


def test_o6_4_reads_that_say_nothing_are_no_reads_without_it(one: Dispatch) -> None:
    one.shipper.next = ["lost_before"]
    one.sync()
    for _ in range(4):
        one.later(minutes=11)
        one.shipper.next_reads = [TryLater("down", system="vinoshipper", call="order", http_status=500)]
        one.sync()
    assert one.shipper.writes() == [CREATE]
    assert one.stands() == ("sending", None)


def test_o6_4_what_is_late_to_show_is_never_made_twice(one: Dispatch) -> None:
    one.shipper.late_commit, one.shipper.next = True, ["lost_after"]
    for _ in range(4):
        one.sync()
        one.later(minutes=6)
    assert (one.stands(), one.shipper.writes(), one.shipper.accepted) == (("sent", None), [CREATE], {"a1": [N]})


def test_o6_4_what_is_settled_as_missing_is_judged_before_it_is_written(one: Dispatch) -> None:
    one.shipper.next = ["lost_before"]
    one.sync()
    one.shop.orders["a1"] |= {"paymentStatus": "Cancelled", "updatedAt": "2026-12-01T20:30:00.000Z"}
    for _ in range(2):
        one.later(minutes=6)
        one.sync()
    assert (one.stands(), one.shipper.writes()) == (("not_required", "cancelled"), [CREATE])


def test_o6_4_an_unknown_update_that_reads_unaccepted_is_repeated_after_settle_wait(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    one.sync()
    one.shipper.trouble.clear()
    edit(one)
    one.shipper.next = ["lost_before"]
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sending", None), [CREATE, UPDATE])
    one.later(minutes=9)
    one.sync()
    assert one.shipper.writes() == [CREATE, UPDATE]
    one.later(minutes=1)
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE, UPDATE, UPDATE])
    assert one.shipper.findings == []


def test_o6_4_an_unknown_update_that_was_taken_is_adopted(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    one.sync()
    one.shipper.trouble.clear()
    edit(one)
    one.shipper.next = ["lost_after"]
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE, UPDATE])


def test_o6_4_unknown_for_a_day_fails_not_reachable_and_goes_on(one: Dispatch) -> None:
    down = TryLater("down", system="vinoshipper", call="order", http_status=500)
    one.shipper.next, one.shipper.next_reads = ["lost_before"], [None, down]
    one.sync()
    for hours in (12, 12):
        one.later(hours=hours)
        one.shipper.next_reads = [down]
        one.sync()
    assert one.stands() == ("failed", "not_reachable")
    for _ in range(3):
        one.later(minutes=5)
        one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE, CREATE])


def test_a_done_create_that_is_not_shown_is_not_made_again_at_the_first_404(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    one.sync()
    held = one.shipper.held.pop(N)
    edit(one)
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("failed", "compliance"), [CREATE])
    one.shipper.held[N] = held
    one.shipper.trouble.clear()
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE, UPDATE])


def test_o4_2_a_failed_order_that_is_gone_there_is_created_again(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    one.sync()
    one.shipper.held.clear()
    one.shipper.trouble.clear()
    edit(one)
    for _ in range(3):
        one.later(minutes=5)
        one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE, CREATE])


# --- the crash table --------------------------------------------------------------------------------------------------


def life(one: Dispatch) -> None:
    """Let an order be refused, edited, and accepted: a create and an update, each with all that surrounds it."""
    one.sync()
    one.shipper.trouble.clear()
    if "Cheers" not in str(one.shop.orders["a1"]["giftMessage"]):
        edit(one)
    for _ in range(4):
        one.later(minutes=6)
        one.sync()


def fresh(folder: Path) -> Dispatch:
    dispatch = Dispatch(folder)
    dispatch.add()
    dispatch.shipper.trouble[N] = ("PENDING", VIOLATED)
    return dispatch


def count_places(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    from vs_st_pipeline.platform import failpoints

    dispatch = fresh(folder)
    with power("any:0", monkeypatch):
        life(dispatch)
        found = failpoints.reached["any"]
    assert dispatch.stands() == ("sent", None)
    return found


def cut(folder: Path, place: int, monkeypatch: pytest.MonkeyPatch, lose: str = "") -> Dispatch:
    """Live a life in which the power goes at a place and, if so wanted, the file is lost, or an old one put back."""
    dispatch = fresh(folder / f"{place}{lose}")
    dispatch.take_in("a1")
    copy = dispatch.copy()
    with power(f"any:{place}", monkeypatch):
        try:
            life(dispatch)
        except PowerCut:
            if lose == "file":
                dispatch.lose_file()
            elif lose == "old":
                dispatch.put_back(copy)
            life(dispatch)
    for _ in range(3):
        dispatch.later(minutes=6)
        dispatch.sync()
    return dispatch


def judge(one: Dispatch) -> None:
    if one.stands() == ("failed", "compliance"):  # which content VS refused is lost with the file: a person sends it
        assert one.notes() == {"adopted"}
        one.send(who="cli:ada")
    assert one.stands() == ("sent", None)
    assert one.shipper.accepted == {"a1": [N]}
    assert one.shipper.findings == []
    assert all(outcome is not None for _, outcome in one.outcomes())


LOSSES = ("", "old", "file")  # a copy that is put back is from before anything was sent
SHARES = 8


@pytest.mark.parametrize("lose", LOSSES)
def test_o6_a_power_cut_at_some_places_makes_no_order_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lose: str
) -> None:
    for place in {"": (14, 37), "old": (26,), "file": (45,)}[lose]:
        judge(cut(tmp_path, place, monkeypatch, lose))


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
@pytest.mark.parametrize("lose", LOSSES)
def test_o6_a_power_cut_at_every_place_makes_no_order_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lose: str, share: int
) -> None:
    places = count_places(tmp_path / "all", monkeypatch)
    assert places > 40
    for place in range(1 + share, places + 1, SHARES):
        judge(cut(tmp_path, place, monkeypatch, lose))


@pytest.mark.parametrize(
    ("place", "sent"),
    [("begun", False), ("committed", False), ("evidence", False), ("request", False), ("answer", True)],
)
def test_o6_crash_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, sent: bool) -> None:
    one = Dispatch(tmp_path)
    one.take_in(one.add())
    turn = {"begun": 1, "committed": 1, "evidence": 1, "request": 2, "answer": 2}[place]
    with power(f"{place}:{turn}", monkeypatch), pytest.raises(PowerCut):
        one.send()
    assert (N in one.shipper.held) == sent
    before_row = place == "begun"
    assert one.outcomes() == ([] if before_row else [("create", None)])
    one.shipper.log.clear()
    one.sync()
    if sent:
        assert (one.stands(), one.shipper.writes()) == (("sent", None), [])
        return
    if before_row:
        assert (one.stands(), one.shipper.log) == (("sent", None), [READ, CREATE]), "as if new"
        return
    assert (one.stands(), one.shipper.log) == (("sending", None), [READ]), "unknown"
    for _ in range(2):
        one.later(minutes=5)
        one.sync()
    assert one.shipper.writes() == [CREATE]


def test_r35_a_lost_file_takes_the_numbers_from_the_evidence_and_adopts(one: Dispatch) -> None:
    one.settings = {"number_prefix": "FIRST"}
    one.shipper.meta_fields = "dropped"
    one.send()
    one.settings = {"number_prefix": "SECOND"}
    one.lose_file()
    one.sync()
    assert one.row().vs_number == "FIRST-1001"
    assert (one.stands(), len(one.shipper.writes())) == (("sent", None), 1)
    assert one.outcomes() == [("create", "done")]


def test_r35_an_unanswered_line_is_unknown_after_a_loss(one: Dispatch) -> None:
    one.shipper.next = ["lost_before"]
    one.send()
    one.lose_file()
    one.sync()
    assert (one.stands(), one.shipper.writes(), one.outcomes()) == (("sending", None), [CREATE], [("create", None)])
    for _ in range(2):
        one.later(minutes=5)
        one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE, CREATE])


def test_r35_an_older_file_looks_again_at_what_was_written_since(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    one.send()
    copy = one.copy()
    one.shipper.trouble.clear()
    one.send(who="cli:ada")
    assert one.stands() == ("sent", None)
    one.put_back(copy)
    assert one.stands() == ("failed", "compliance")
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE, UPDATE])


def test_r35_an_older_file_in_which_it_does_not_go_is_looked_at_first(one: Dispatch) -> None:
    copy = one.copy()
    one.send()
    one.put_back(copy)
    one.shop.orders["a1"] |= {"paymentStatus": "Cancelled", "updatedAt": "2026-12-01T20:30:00.000Z"}
    one.sync()
    assert (one.stands(), one.notes()) == (("sent", None), {"adopted"})


def test_r35_lines_that_were_cut_or_are_none_of_ours_are_passed_over(one: Dispatch) -> None:
    one.send()
    path = one.folder / "merchants" / "hillside" / "orders.evidence.jsonl"
    text = path.read_text()
    other = '{"what": "number", "order_id": "a9"}\n[1]\n{"what": "enabled_since", "at": "x"}\n'
    path.write_text(other + text + text[:40])
    one.lose_file()
    session = one.session()
    assert evidence.recover(session.run) == 1
    assert evidence.recover(session.run) == 0
    assert one.outcomes() == [("create", "done")]
    EvidenceFile(path).append([{"what": "number", "order_id": "a2", "number": "H-2", "call": "create",
                               "time": "2026-12-01T20:00:00Z", "send_id": "x-1"}])  # fmt: skip
    assert evidence.recover(session.run) == 1
    assert evidence.recover(replace(session.run, dry_run=True)) == 0


def test_o6_two_runs_the_second_reads_the_ledger_anew(one: Dispatch) -> None:
    first, second = one.session(), one.session()
    from vs_st_pipeline.routes.orders import sending

    assert sending.send(first, "a1").done
    assert sending.send(second, "a1").done
    assert one.shipper.log == [READ, CREATE]


def test_o6_a_second_installation_adopts(one: Dispatch) -> None:
    one.send()
    other = Dispatch(one.folder / "other", shipper=one.shipper, slot=1)
    other.add()
    other.sync()
    assert (other.stands(), one.shipper.writes()) == (("sent", None), [CREATE])


def test_o4_2_voided_by_whoever_is_final(one: Dispatch) -> None:
    one.send()
    one.shipper.change(N, order_status="CANCELLED")
    one.sync()
    one.shipper.change(N, order_status="OPEN")
    edit(one)
    one.sync()
    assert (one.stands(), one.shipper.writes(), one.notes()) == (("voided", None), [CREATE], {"revived_there"})


@pytest.mark.parametrize("row", [(State.SENT, None), (State.VOIDED, None)])
def test_r35_a_line_of_an_order_that_stands_leaves_it_alone(one: Dispatch, row: Any) -> None:
    one.send()
    with one.db() as db:
        ledger.store(db, replace(one.row(), state=row[0], code=row[1]))
        db.execute("delete from synced.order_writes")
        db.execute("delete from synced.order_facts")
    before = one.row()
    evidence.recover(one.session().run)
    assert (one.row(), one.outcomes()) == (before, [("create", "done")])


def test_o4_3_not_compliant_stays_known_while_it_is_sent_again(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    one.sync()
    one.shipper.next = ["lost_before"]
    edit(one)
    one.sync()
    assert one.row().compliance == Compliance.NOT_COMPLIANT


@pytest.mark.parametrize("found", [True, False])
def test_r35_after_a_loss_all_writes_of_an_order_are_settled_together(one: Dispatch, found: bool) -> None:
    one.shipper.next = ["lost_after" if found else "lost_before"]
    one.send()
    if found:
        one.shipper.log.clear()
    lines = EvidenceFile(one.folder / "merchants" / "hillside" / "orders.evidence.jsonl")
    lines.append([{**next(lines.read()), "send_id": "x-1"}, {**next(lines.read()), "send_id": "x-2"}])
    lines.rewrite(lambda line: line if line["what"] == "number" else None)
    one.lose_file()
    for _ in range(3):
        one.sync()
        one.later(minutes=11)
    assert one.stands() == ("sent", None)
    outcomes = {outcome for _, outcome in one.outcomes()}
    assert outcomes == ({"adopted"} if found else {"missing", "done"})


def test_o6_4_a_repeated_update_settles_the_one_before(one: Dispatch) -> None:
    one.shipper.status_after_create = "PENDING"
    one.sync()
    one.later(hours=2)
    one.sync()
    assert one.stands() == ("failed", "pending_there")
    edit(one)
    one.shipper.next = ["lost_after"]
    one.sync()
    one.later(minutes=11)
    one.sync()
    assert one.outcomes() == [("create", "done"), ("update", "missing"), ("update", "done")]


def test_r35_what_was_taken_before_a_loss_is_never_made_again_by_a_sync(one: Dispatch) -> None:
    one.send()
    one.lose_file()
    held = one.shipper.held.pop(N)
    for _ in range(5):
        one.sync()
        one.later(minutes=11)
    assert (one.stands(), one.shipper.writes()) == (("waiting", "try_later"), [CREATE])
    one.shipper.held[N] = held
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("sent", None), [CREATE])


def test_r35_the_last_line_of_an_order_is_its_newest_write(one: Dispatch) -> None:
    lines = EvidenceFile(one.warehouse.folder("hillside") / "orders.evidence.jsonl")
    line = {"what": "number", "order_id": "a1", "number": N, "call": "create", "time": "2026-12-01T20:00:00Z"}
    lines.append([
        {**line, "send_id": "run-9"}, {"what": "ended", "order_id": "a1", "send_id": "run-9", "outcome": "refused"},
        {**line, "send_id": "run-10"},
    ])  # fmt: skip
    one.lose_file()
    one.sync()
    assert (one.outcomes(), one.shipper.writes()) == ([("create", "refused"), ("create", None)], [])


@pytest.mark.parametrize("older", [True, False])
def test_r35_what_a_person_keeps_back_stays_so_whatever_database_comes_after(one: Dispatch, older: bool) -> None:
    """Also within the 15 minutes in which nothing is read back from the shop (orders.md 4.1): it is about to leave."""
    copy = one.copy()
    session = one.session()
    assert acting._dont_send(session, "a1").done
    if older:
        one.put_back(copy)
    else:
        one.lose_file()
        one.add()
    evidence.recover(one.session().run)
    one.send()
    one.sync()
    assert (one.stands(), one.shipper.writes()) == (("not_required", "dont_send"), [])
    lifting = one.session(who="cli:ada")
    assert acting._send(lifting, "a1", frozenset()).done
    assert one.stands() == ("sent", None)


@pytest.mark.parametrize("older", [True, False])
def test_r35_a_cancellation_in_doubt_is_in_doubt_after_a_loss_too(one: Dispatch, older: bool) -> None:
    one.send()
    copy = one.copy()
    one.shipper.cancel_late, one.shipper.second_cancel = True, "second_negative"
    one.void()
    if older:
        one.put_back(copy)
        evidence.recover(one.session().run)
    else:
        one.shipper.veils[N] = (3, one.shipper.veils[N][1])
        one.lose_file()
        one.sync()
    assert one.stands() == ("sent", None)
    for _ in range(3):
        one.void()
    assert (one.shipper.cancels, one.stands()) == ({N: 1}, ("voided", None))


def test_o13_an_update_with_other_contents_waits_for_three_reads_that_show_it_unaccepted(one: Dispatch) -> None:
    one.shipper.trouble[N] = ("PENDING", VIOLATED)
    one.sync()
    one.shipper.trouble.clear()
    edit(one)
    one.shipper.next, one.shipper.late_commit, one.shipper.put_accepted = ["lost_after"], True, "updates"
    one.sync()
    one.shop.orders["a1"] |= {"giftMessage": "Cheers again", "updatedAt": "2026-12-01T20:40:00.000Z"}
    for _ in range(2):
        one.later(minutes=11)
        one.sync()
    assert (one.stands(), one.shipper.findings) == (("sent", None), [])
    assert one.shipper.writes() == [CREATE, UPDATE]
