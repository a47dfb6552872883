"""The history: five blocks in order, part by part, once (audience.md 5.1)."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.waymore.answers import SAYS_NOTHING, Answer, Outcome
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadSettings, TryLater
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.routes.audience import history, registration, window
from vs_st_pipeline_tests.routes.audience.office import LOST, NO, OFF, TOO_LARGE, YES, Office, ids_of, open_office


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Office:
    return filled(open_office(monkeypatch, tmp_path, part_records=2, history_slice=timedelta(0)))


def filled(office: Office) -> Office:
    for id_ in ("3", "1", "2"):
        office.customer(id_)
        office.order(f"o{id_}", customer_id=id_)
    office.customer("4", gone_at=office.at)
    office.product("p1")
    office.wish("1", "p1")
    office.wish("1", "p0")
    office.subscriber("a@example.com")
    office.subscriber("b@example.com", subscribed=False)
    return office


ALL = [
    ("customers", ["1", "2"]), ("customers", ["3"]), ("subscribers", ["a@example.com"]), ("products", ["p1"]),
    ("wishlist", ["1"]), ("orders", ["o1", "o2"]), ("orders", ["o3"]),
]  # fmt: skip


def test_5_1_1_five_blocks_in_order_of_id(office: Office) -> None:
    """5.1.1, 5.1.2: blocks in order, records in order of id, parts of part_records; who is gone is not pinned."""
    session = office.sync()
    assert office.waymore.parts() == ALL
    assert session.told.history_state == "done"
    assert session.told.accepted == 9
    assert session.told.blocks["customers"] == {
        "records": 3, "accepted": 3, "rejected": 0, "left_out": 0, "parts": 2,
    }  # fmt: skip
    assert office.rows("select customer_id from synced.base_customers where told = 'told' order by 1") == [
        "1",
        "2",
        "3",
    ]
    assert set(registration.read(office.run()).blocks_done) == {
        "customers",
        "subscribers",
        "products",
        "wishlist",
        "orders",
    }
    assert registration.read(office.run()).accepted


def test_5_1_6_done_once(office: Office) -> None:
    office.sync()
    office.waymore.heard.clear()
    office.sync(full=True)
    assert office.waymore.heard == []


def test_5_1_1_a_block_waits_for_a_complete_read(office: Office) -> None:
    """5.1.1: its kind must have been read completely; later blocks wait for it."""
    office.lacks = {"products"}
    session = office.sync()
    assert office.waymore.parts() == ALL[:3]
    assert (session.told.history_state, session.told.block) == ("sending", "products")
    office.lacks = set()
    office.sync()
    assert office.waymore.parts() == ALL


def test_5_1_1_what_a_source_cannot_have_is_done_without_a_request(office: Office) -> None:
    office.cannot = {"wishlist"}
    office.lacks = {"wishlist"}
    assert office.sync().told.history_state == "done"
    assert [name for name, _ in office.waymore.parts()].count("wishlist") == 0


def test_5_1_2_who_is_held_is_left_out(office: Office) -> None:
    office.held = {("customer", "1"), ("order", "o3")}
    session = office.sync()
    assert office.waymore.parts() == [
        ("customers", ["2", "3"]), ("subscribers", ["a@example.com"]), ("products", ["p1"]), ("orders", ["o1", "o2"]),
    ]  # fmt: skip
    counts = session.told.blocks
    assert [counts[name]["left_out"] for name in ("customers", "wishlist", "orders")] == [1, 1, 1]
    assert office.rows("select customer_id from synced.base_customers order by 1") == ["2", "3"]


def test_5_1_2_part_bytes(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """5.1.2, section 2: a part is closed before it would pass part_bytes; a larger record goes alone."""
    office.settings |= {"part_records": 100}
    office.sync()
    size = next(len(body) for body in office.waymore.bodies if b"customers" in body)
    for limit, parts in ((size, [["1", "2", "3"]]), (size - 1, [["1", "2"], ["3"]]), (10, [["1"], ["2"], ["3"]])):
        history.again(office.run(), ["customers"])
        office.waymore.heard.clear()
        office.settings["part_bytes"] = limit
        office.sync()
        assert [ids for _, ids in office.waymore.parts()] == parts


@pytest.mark.parametrize("answer", [LOST, OFF])
def test_5_1_3_the_same_bytes_go_again(office: Office, answer: Answer) -> None:
    """5.1.3: unknown outcome: the very same bytes and key, whatever is staged now; no other part before it."""
    office.waymore.says = lambda said: answer
    session = office.sync(fails=True)
    assert isinstance(session.trouble, TryLater)
    assert {key for _, key, _ in office.waymore.heard} == {office.waymore.heard[0][1]}
    first, key = office.waymore.bodies[0], office.waymore.heard[0][1]
    office.cursor.execute("update staged.shop_customers set last_name = 'Other'")
    office.waymore.says = lambda said: YES
    office.waymore.heard.clear()
    office.waymore.bodies.clear()
    office.sync()
    assert (office.waymore.bodies[0], office.waymore.heard[0][1]) == (first, key)
    assert office.rows("select last_name from synced.base_customers where customer_id = '1'") == ["Vine 1"]
    assert office.waymore.parts() == ALL


def test_8_3_consent_is_looked_at_again_before_a_repeat(office: Office) -> None:
    """8.3: who is no more subscribed is taken out of the part; an empty one is dropped; he stays as maybe told."""
    office.lacks = {"products"}
    office.subscriber("c@example.com")
    office.waymore.says = lambda said: LOST if said["data"][0]["name"] == "subscribers" else YES
    office.sync(fails=True)
    office.subscriber("a@example.com", subscribed=False)
    office.waymore.heard.clear()
    office.sync(fails=True)
    assert {tuple(ids) for _, ids in office.waymore.parts()} == {("c@example.com",)}
    office.subscriber("c@example.com", subscribed=False)
    office.waymore.heard.clear()
    session = office.sync()
    assert office.waymore.parts() == []
    assert session.told.blocks["subscribers"]["left_out"] == 2
    assert office.rows("select address, maybe from synced.base_subscribers order by 1") == [
        ("a@example.com", True), ("c@example.com", True),
    ]  # fmt: skip


def refuse(*bad: str) -> Any:
    return lambda said: NO if set(ids_of(said)) & set(bad) else YES


def test_5_1_4_refused_parts_are_halved_to_the_bad_record(office: Office) -> None:
    """5.1.4: the bad one is rejected, the others go, the block is done without it."""
    office.settings["part_records"] = 100
    office.waymore.says = refuse("2")
    session = office.sync()
    assert [ids for name, ids in office.waymore.parts() if name == "customers"] == [
        ["1", "2", "3"], ["1", "2"], ["3"], ["1"], ["2"],
    ]  # fmt: skip
    assert session.told.blocks["customers"] == {"records": 3, "accepted": 2, "rejected": 1, "left_out": 0, "parts": 3}
    assert session.told.history_state == "done"
    assert office.rows("select customer_id, told from synced.base_customers order by 1") == [
        ("1", "told"), ("2", "rejected"), ("3", "told"),
    ]  # fmt: skip
    assert office.rows("select id, why, tries from synced.audience_late") == [("2", "rejected", 1)]


def test_5_1_4_nothing_accepted_and_ten_refusals(office: Office) -> None:
    """5.1.4: the tenth refusal in a row stops as config, and none is marked rejected; the next sync asks once."""
    office.waymore.says = lambda said: NO
    session = office.sync(fails=True)
    assert isinstance(session.trouble, BadSettings)
    assert session.trouble.message == history.REFUSES_EVERYTHING
    assert len(office.waymore.heard) == 10
    assert session.told.rejected == 0
    assert office.rows("select count(*) from synced.audience_late") == [0]
    assert office.rows("select count(*) from synced.base_customers") == [0]
    office.waymore.heard.clear()
    office.sync(fails=True)
    assert len(office.waymore.heard) == 1
    office.waymore.heard.clear()
    office.waymore.says = lambda said: YES
    office.sync()
    assert office.waymore.parts() == ALL


def test_5_1_4_413_is_halved_and_the_size_that_passed_is_kept(office: Office) -> None:
    office.settings["part_records"] = 100
    for number in range(10, 40):
        office.customer(str(number))
    office.waymore.says = lambda said: TOO_LARGE if len(said["data"][0]["object"]) > 10 else YES
    session = office.sync()
    assert session.told.noted["part_too_large"] == 3  # 33, 17, 16
    assert office.db.value("select value from synced.audience_facts where name = 'part_limit'").startswith(
        '{"records": 9'
    )
    office.waymore.heard.clear()
    history.again(office.run(), ["customers"])
    office.sync()
    assert [len(ids) for _, ids in office.waymore.parts()] == [9, 9, 9, 6]


def test_5_1_4_three_syncs_without_outcome_are_halved_a_single_one_never_rejected(office: Office) -> None:
    office.waymore.says = lambda said: LOST
    for _ in range(3):
        office.sync(fails=True)
        assert {len(ids) for _, ids in office.waymore.parts()} == {2}
    office.waymore.heard.clear()
    for _ in range(5):
        office.sync(fails=True)
    assert {tuple(ids) for _, ids in office.waymore.parts()} == {("1",)}
    office.waymore.says = lambda said: YES
    office.sync()
    assert office.rows("select count(*) from synced.audience_late") == [0]


def test_5_1_5_slices_by_the_real_clock_and_budget(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """5.1.5: one sync sends for one slice, the next goes on; --budget counts these requests too."""
    seconds = [0.0]

    def says(said: Any) -> Answer:
        seconds[0] += 200
        return YES

    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    office.settings["history_slice"] = timedelta(minutes=5)
    office.waymore.says = says
    session = office.sync()
    assert office.waymore.parts() == ALL[:2]
    assert session.told.history_state == "sending"
    office.sync()
    assert office.waymore.parts() == ALL[:4]


def test_5_1_6_again(office: Office) -> None:
    """5.1.6: these blocks from their begin; the others stay done; what is told stays told."""
    office.sync()
    office.waymore.heard.clear()
    history.again(office.run(), ["orders"])
    assert "orders" not in registration.read(office.run()).blocks_done
    office.sync()
    assert office.waymore.parts() == ALL[5:]
    assert office.rows("select count(*) from synced.base_orders") == [3]
    office.waymore.heard.clear()
    history.again(office.run())
    office.sync()
    assert office.waymore.parts() == ALL


def test_5_1_7_skip(office: Office) -> None:
    """5.1.7: each block takes what is staged as base, silently; whose source says no is maybe told."""
    office.settings["history"] = "skip"
    session = office.sync()
    assert office.waymore.heard == []
    assert session.told.history_state == "skipped"
    assert office.rows("select customer_id, told from synced.base_customers order by 1") == [
        (one, "silent") for one in "123"
    ]
    assert office.rows("select address, subscribed, maybe from synced.base_subscribers order by 1") == [
        ("a@example.com", True, False), ("b@example.com", True, True),
    ]  # fmt: skip


def test_5_1_7_lost_database(office: Office) -> None:
    """5.1.7: blocks that waymore.json knows as done take what is staged; the others are sent; noted base_lost."""
    done = dict.fromkeys(("customers", "subscribers"), "2026-05-01")
    registration.write(office.run(), replace(registration.read(office.run()), blocks_done=done))
    session = office.sync()
    assert office.waymore.parts() == ALL[3:]
    assert session.told.noted["base_lost"] == 2


def test_5_1_8_late_history_in_parts_of_its_block(office: Office) -> None:
    """5.1.8: same five-block order, before events; not counted in history.blocks; held ones left out."""
    office.sync()
    before = office.last.told.blocks
    office.waymore.heard.clear()
    office.customer("5")
    office.order("o5", customer_id="5")
    for block, id_ in (("orders", "o5"), ("customers", "5"), ("customers", "4")):
        office.insert("synced.audience_late", block=block, id=id_, since=office.at, why="late")
    session = office.sync()
    assert office.waymore.parts() == [("customers", ["5"]), ("orders", ["o5"])]
    assert session.told.blocks == before
    assert office.rows("select count(*) from synced.audience_late") == [0]
    assert office.rows("select key is not null from synced.audience_told where call = 'late'") == [True, True]


def test_7_6_a_refused_record_is_tried_again_with_growing_gaps(office: Office) -> None:
    """7.6: at the next sync, then 1 h doubling to 24 h; put right, at once; after 30 days dead."""
    office.waymore.says = refuse("2")
    office.sync()
    office.waymore.heard.clear()
    tried = []
    for hour in range(16):
        office.sync()
        tried += [hour] * len(office.waymore.heard)
        office.waymore.heard.clear()
        office.later(hours=1)
    assert tried == [0, 1, 3, 7, 15]
    office.cursor.execute("update staged.shop_customers set digest = 2 where customer_id = '2'")
    office.sync()
    assert office.waymore.parts() == [("customers", ["2"])]
    office.later(days=31)
    office.sync()
    office.cursor.execute("update synced.base_customers set digest = 2")
    office.later(days=31)
    office.waymore.heard.clear()
    office.sync()
    assert office.waymore.heard == []
    assert office.rows("select dead from synced.audience_late") == [True]
    office.cursor.execute("update staged.shop_customers set digest = 3 where customer_id = '2'")
    office.waymore.says = lambda said: YES
    office.sync()
    assert office.rows("select told from synced.base_customers where customer_id = '2'") == ["told"]


def test_7_3_unmarked_answers_call_nobody_for_a_while(office: Office) -> None:
    """7.3: stops at once; again after 1 h doubling to 24 h, or when `ack` changes; in between nobody is called."""
    odd = Answer(Outcome.UNKNOWN, 200, BadAnswer(SAYS_NOTHING), unmarked=True)
    office.waymore.says = lambda said: odd
    tried = []
    for hour in range(8):
        session = office.sync(fails=True)
        assert isinstance(session.trouble, BadAnswer)
        tried += [hour] * len(office.waymore.heard)
        office.waymore.heard.clear()
        office.later(hours=1)
    assert tried == [0, 1, 3, 7]
    office.settings["ack"] = "status"
    office.waymore.says = lambda said: YES
    office.sync()
    assert office.waymore.parts() == ALL


@pytest.mark.parametrize("seconds", [3600.0, 172_800.0, 1e9])
def test_7_3_retry_after_is_kept(office: Office, seconds: float) -> None:
    """7.3: however long it is; of one that is longer than a day, the first."""
    busy = Answer(Outcome.NOT_SENT, 429, TryLater("busy"), retry_after=seconds)
    office.waymore.says = lambda said: busy
    office.sync(fails=True)
    office.sync(fails=True)
    assert len(office.waymore.heard) == 1


def test_7_3_auth_stops(office: Office) -> None:
    office.waymore.says = lambda said: Answer(Outcome.NOT_SENT, 401, BadKey("no"))
    assert isinstance(office.sync(fails=True).trouble, BadKey)
    assert len(office.waymore.heard) == 1


def test_8_2_evidence_is_on_the_disk_before_a_part_of_subscribers_leaves(office: Office) -> None:
    """8.2, R35: with the part and with the ledger, and as a line in the file before the send."""
    seen: list[Any] = []

    def says(said: Any) -> Answer:
        if said["data"][0]["name"] == "subscribers":
            seen.extend(EvidenceFile.of(office.run()).read())
        return YES

    office.waymore.says = says
    office.sync()
    assert [(line["what"], line["address"], line["evidence"]["system"]) for line in seen] == [
        ("subscribed", "a@example.com", "shop")
    ]
    assert "shop" in office.rows("select evidence from synced.audience_told where block = 'subscribers'")[0]


def test_9_nothing_new_while_the_brake_holds(office: Office) -> None:
    """Section 9: nothing of a refused plan is sent; what is under way goes."""
    office.waymore.says = lambda said: LOST
    office.sync(fails=True)
    office.waymore.says = lambda said: YES
    office.waymore.heard.clear()
    session = office.session()
    session.refused = BadSettings("x")  # type: ignore[assignment]
    history.send(session)
    assert office.waymore.parts() == ALL[:1]


def test_5_1_windows_change_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "RECORDS", 3)
    for number in range(10, 30):
        office.customer(str(number))
        office.held.add(("customer", str(number))) if number % 3 else None
    office.sync()
    customers = [one for name, ids in office.waymore.parts() if name == "customers" for one in ids]
    assert customers == ["1", "12", "15", "18", "2", "21", "24", "27", "3"]


@pytest.mark.slow
@pytest.mark.parametrize("share", range(4))
def test_wherever_the_power_goes_no_record_is_lost_or_in_two_parts(office: Office, share: int) -> None:
    """5.1.3, 12: twice only where an answer was lost, and then the very same bytes under the same key."""
    power_cuts(office, share, 4)


def test_wherever_the_power_goes_a_few(office: Office) -> None:
    power_cuts(office, 2, 40)


def power_cuts(office: Office, share: int, step: int) -> None:
    begin = office.copy()
    count = office.places()
    assert count > 30
    for place in range(1 + share, count + 1, step):
        office.put_back(begin)
        office.waymore.heard.clear()
        office.waymore.bodies.clear()
        office.sync_until_cut(place)
        office.sync()
        seen: dict[str, bytes] = {}
        again = 0
        for (_, key, _), body in zip(office.waymore.heard, office.waymore.bodies, strict=True):
            again += key in seen
            assert seen.setdefault(key, body) == body, place
        assert again <= 1, place
        told = list({key: said for _, key, said in office.waymore.heard}.values())
        assert [(said["data"][0]["name"], ids_of(said)) for said in told] == ALL, place
        assert office.rows("select count(*) from synced.base_customers") == [3], place
        assert office.rows("select count(*) from synced.audience_told where state = 'accepted'") == [7], place
