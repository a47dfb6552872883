"""A targeted sync of hinted records: what it asks, whom it plans and writes, and what it leaves alone (H20 to H24)."""

from __future__ import annotations

import sqlite3
import sys
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.simpletexting import opt_outs
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.domain import brake
from vs_st_pipeline.domain.hints import CONTACT, CUSTOMER, MEMBERSHIP, ORDER, Outcome
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline import safety
from vs_st_pipeline.pipeline.session import CancellableLimiter
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.state import set_state
from vs_st_pipeline.routes.contacts import sync as contacts_sync
from vs_st_pipeline_tests.support import proved_quiet
from vs_st_pipeline_tests.support.hinting import Hints, wait_a_moment
from vs_st_pipeline_tests.support.story import (
    BRAM,
    MARISOL,
    RENSKE,
    STRANGER,
    SYNCED,
    TEST,
    TOBIAS,
    Story,
)

SHIPPED, LINNEA_ORDER = "90000000017", "90000000016"


@pytest.fixture
def hints(story: Story) -> Hints:
    """A merchant that was synced once, with usual intervals, and an inbox."""
    story.settings(vinoshipper={"refresh": {}}, simpletexting={"full_read": "1d"})
    story.begin_synced()
    return Hints(story)


def ships(story: Story, number: str = SHIPPED, stage: str = "DELIVERED") -> None:
    story.shop.patch_order(number, orderStatus=stage)


# --- section 5, row by row --------------------------------------------------------------------------------------------


def test_s5_an_order_of_one_contact_costs_three_and_two(hints: Hints) -> None:
    story = hints.story
    story.shop.add_order(700101, orderNumber="NEW1", total="33.00", orderStatus="SHIPPED")
    hints.put(ORDER, "NEW1", "CREATED")
    report = hints.synced()
    assert hints.calls() == {
        "GET /api/v3/p/orders/NEW1": 1,
        "GET /api/v3/p/customers/700101": 1,
        "GET /api/v3/p/orders/NEW1/receipt": 1,
        f"GET /v2/api/contacts/{story.id_of(MARISOL)}": 1,
        f"PUT /v2/api/contacts/{story.id_of(MARISOL)}": 1,
    }
    assert hints.outcomes() == [("done", "written")]
    assert story.contact(MARISOL)["VS Last Order Number"] == "NEW1"
    assert report.accepted == 1


def test_s5_each_further_contact_of_the_customer_costs_two_more(hints: Hints) -> None:
    ships(hints.story, "90000000007", "RETURNED")
    hints.put(ORDER, "90000000007")
    assert hints.synced().accepted == 2
    assert hints.asked() == (2, 4), "the receipt of a newest order is read once"
    assert hints.outcome() == "written"


def test_s5_an_order_whose_stored_owner_no_contact_stands_for_costs_nothing(hints: Hints) -> None:
    ships(hints.story, LINNEA_ORDER)
    hints.put(ORDER, LINNEA_ORDER)
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 0), "not_linked")


def test_s5_a_new_order_of_somebody_without_a_contact_costs_one(hints: Hints) -> None:
    hints.story.shop.add_order(700126, orderNumber="NEW1", total="33.00")
    hints.put(ORDER, "NEW1", "CREATED")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((1, 0), "not_linked")
    assert row(hints, "select detail_status, customer_id from raw.vinoshipper_orders where order_number = 'NEW1'") == (
        200,
        700126,
    ), "stored from its detail"


def test_s5_a_new_order_of_a_new_customer_costs_two_and_stores_both(hints: Hints) -> None:
    new = hints.story.shop.add_customer(firstName="New", primaryPhone={"number": "7075550177", "country": "1"})
    hints.story.shop.add_order(new["id"], orderNumber="NEW1", total="33.00")
    hints.put(ORDER, "NEW1", "CREATED")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((2, 0), "not_linked")
    found = row(hints, f"select detail_status, phone from raw.vinoshipper_customers where customer_id = {new['id']}")
    assert found == (200, "7075550177")


def test_s5_an_order_that_reads_unchanged_ends_there(hints: Hints) -> None:
    hints.put(ORDER, SHIPPED)
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((1, 0), "unchanged")


def test_s5_an_order_of_nobody_is_linked_to_nobody(hints: Hints) -> None:
    hints.story.shop.patch_order("90000000014", orderStatus="DELIVERED")
    hints.put(ORDER, "90000000014")
    hints.synced()
    assert hints.outcome() == "not_linked"
    assert hints.asked()[1] == 0


def test_s5_an_order_that_answers_404_is_gone_and_nothing_is_written(hints: Hints) -> None:
    hints.put(ORDER, "NEVER", "CARD_DECLINED")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((1, 0), "gone")
    assert hints.inbox.gone_reads(TEST) == 1
    hints.story.shop.delete_order(SHIPPED)
    hints.put(ORDER, SHIPPED)
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((2, 0), "gone")
    assert hints.inbox.gone_reads(TEST) == 1, "it is in a list"
    assert row(hints, "select detail_status from raw.vinoshipper_orders where order_number = ?", SHIPPED) == (200,)
    assert row(hints, "select id from raw.hints where kind = 'order'") == (SHIPPED,), "a whole sync asks it, and others"
    assert hints.story.writes() == []


def test_s5_a_customer_costs_one_and_two(hints: Hints) -> None:
    hints.story.shop.patch_customer(700101, shippingAddress={"city": "Fulton"})
    hints.put(CUSTOMER, "700101")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((1, 2), "written")
    assert hints.story.contact(MARISOL)["City"] == "Fulton"
    hints.put(CUSTOMER, "700101")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((2, 2), "unchanged")


def test_s5_a_customer_without_a_contact_costs_one(hints: Hints) -> None:
    hints.story.shop.patch_customer(700126, shippingAddress={"city": "Fulton"})
    hints.put(CUSTOMER, "700126")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((1, 0), "not_linked")


def test_s5_a_customer_that_answers_404_is_no_proof_and_the_next_whole_sync_walks_the_list(hints: Hints) -> None:
    story = hints.story
    story.shop.set_switch("fault", [{"kind": "404", "path_regex": "/customers/700101$", "count": 1}], TEST)
    hints.put(CUSTOMER, "700101", "DELETED")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((1, 0), "gone")
    story.synced()
    assert hints.calls()["POST /api/v3/p/customers/list"] >= 1
    story.clear_journals()
    story.synced()
    assert hints.calls()["POST /api/v3/p/customers/list"] == 0, "once"
    assert story.writes() == []


def test_s5_a_membership_costs_one_and_two_by_its_path_and_by_what_is_stored(hints: Hints) -> None:
    story = hints.story
    made = story.shop.add_membership(700101, clubName="Reserve", dateJoined="2026-01-02")
    hints.put(
        MEMBERSHIP, str(made["id"]), "CREATED", kept={"hrefV3": f"/api/v3/p/customers/700101/memberships/{made['id']}"}
    )
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((1, 2), "written")
    assert "Reserve" in story.contact(MARISOL)["Club Name"]
    story.clear_journals()
    story.shop.patch_membership(made["id"], hold=True)
    hints.put(MEMBERSHIP, str(made["id"]))
    hints.synced()
    assert hints.asked()[0] == 1


def test_s5_a_membership_that_is_not_stored_is_looked_for_in_the_feed(hints: Hints) -> None:
    story = hints.story
    made = story.shop.add_membership(700101, clubName="Reserve", dateJoined="2026-01-02")
    hints.put(MEMBERSHIP, str(made["id"]), "CREATED")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((2, 2), "written")
    story.clear_journals()
    of_nobody = story.shop.add_membership(700126, clubName="Reserve", dateJoined="2026-01-02")
    hints.put(MEMBERSHIP, str(of_nobody["id"]), "CREATED")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((2, 0), "not_linked")


def test_s5_a_membership_that_nobody_knows_is_handed_over(hints: Hints) -> None:
    hints.put(MEMBERSHIP, "123456789")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((1, 0), "handed_over")
    assert hints.inbox.wholes_due("contacts") == {TEST}


def test_s5_a_contact_that_is_known_and_linked_costs_nothing(hints: Hints) -> None:
    hints.put(CONTACT, hints.story.id_of(MARISOL), "INCOMING_MESSAGE")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 0), "known")
    hints.put(CONTACT, None, "INCOMING_MESSAGE", phone=MARISOL)
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 0), "known"), "by phone"


def test_s5_a_new_contact_of_a_stored_customer_is_written_at_once(hints: Hints) -> None:
    story = hints.story
    made = story.texting.add_contact("7075550152")
    hints.put(CONTACT, made["contactId"], "INCOMING_MESSAGE")
    hints.synced()
    assert hints.calls() == {
        f"GET /v2/api/contacts/{made['contactId']}": 1,
        "GET /api/v3/p/customers/700126": 1,
        f"GET /api/v3/p/orders/{LINNEA_ORDER}": 1,
        f"GET /api/v3/p/orders/{LINNEA_ORDER}/receipt": 1,
        f"PUT /v2/api/contacts/{made['contactId']}": 1,
    }
    assert hints.outcome() == "written"
    assert story.contact("7075550152")["VScustomerID"] == "700126"
    hints.put(CONTACT, made["contactId"], "INCOMING_MESSAGE")
    story.clear_journals()
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 0), "known")


def test_s5_a_new_contact_of_a_new_customer_is_looked_up_by_phone_and_proved(hints: Hints) -> None:
    story = hints.story
    new = story.shop.add_customer(
        firstName="New",
        primaryPhone={"number": "7075550177", "country": "1"},
        dateOfBirth={"day": 1, "month": 2, "year": 1970},
    )
    story.texting.add_contact("7075550177")
    hints.put(CONTACT, None, "INCOMING_MESSAGE", phone="7075550177")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((2, 2), "written"), hints.calls()
    assert story.contact("7075550177")["VScustomerID"] == str(new["id"])


def test_s5_a_contact_of_nobody_costs_a_search_once_in_ten_minutes(hints: Hints) -> None:
    story = hints.story
    later = story.box.now + timedelta(hours=1)
    hints.put(CONTACT, story.id_of(STRANGER), "INCOMING_MESSAGE")
    hints.synced(story.box.now + timedelta(seconds=30))
    assert (hints.asked(), hints.outcome()) == ((0, 0), "known"), "the list has just been walked"
    hints.put(CONTACT, story.id_of(STRANGER), "INCOMING_MESSAGE")
    hints.synced(later)
    assert (hints.asked(), hints.outcome()) == ((1, 1), "not_linked")
    hints.put(CONTACT, story.id_of(STRANGER), "INCOMING_MESSAGE")
    hints.synced(later + timedelta(minutes=9))
    assert (hints.asked(), hints.outcome()) == ((1, 1), "known")
    hints.put(CONTACT, story.id_of(STRANGER), "CONTACT_PHONE_UPDATE")
    hints.synced(later + timedelta(minutes=9))
    assert (hints.asked(), hints.outcome()) == ((1, 2), "not_linked"), "it is read, and not looked up"
    hints.put(CONTACT, story.id_of(STRANGER), "INCOMING_MESSAGE")
    hints.synced(later + timedelta(minutes=11))
    assert (hints.asked(), hints.outcome()) == ((2, 3), "not_linked")


def test_s5_where_the_search_does_not_find_the_contact_is_handed_over(hints: Hints) -> None:
    story = hints.story
    with story.as_run().open() as db:
        set_state(db, "customer_search", False, story.as_run().now())
    made = story.texting.add_contact("7075550177")
    hints.put(CONTACT, made["contactId"], "INCOMING_MESSAGE")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 1), "handed_over")


def test_s5_a_contact_without_a_north_american_phone_costs_one(hints: Hints) -> None:
    made = hints.story.texting.add_contact("+44 20 7946 0000")
    hints.put(CONTACT, made["contactId"], "INCOMING_MESSAGE")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 1), "not_linked")


def test_s5_a_contact_that_answers_404_is_gone(hints: Hints) -> None:
    hints.put(CONTACT, "f" * 24, "INCOMING_MESSAGE")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 1), "gone")
    hints.put(CONTACT, None, "INCOMING_MESSAGE", phone="7075550999")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 2), "gone")
    assert hints.inbox.gone_reads(TEST) == 2


def test_s5_for_whom_no_opted_in_contact_stands_nothing_further_is_read(hints: Hints) -> None:
    story = hints.story
    hints.put(CONTACT, story.id_of(TOBIAS), "INCOMING_MESSAGE")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 1), "held")
    story.shop.add_order(700107, orderNumber="NEW1", total="33.00")
    hints.put(ORDER, "NEW1")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((1, 1), "not_linked")


def test_s5_a_contact_whose_phone_changed_is_always_read(hints: Hints) -> None:
    hints.put(CONTACT, hints.story.id_of(MARISOL), "CONTACT_PHONE_UPDATE")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 1), "unchanged")


def test_s5_an_opt_out_is_read_and_never_a_reason_to_write(hints: Hints) -> None:
    story = hints.story
    story.texting.patch_contact(MARISOL, customFields={"city": "Elsewhere"})
    hints.put(CONTACT, story.id_of(MARISOL), "UNSUBSCRIBE_REPORT", phone=MARISOL)
    assert hints.inbox.opt_outs(TEST).keys() == {story.id_of(MARISOL), MARISOL}
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 1), "unchanged"), "forged"
    assert hints.inbox.opt_outs(TEST) == {}, "a reading that began later shows it opted in"
    story.texting.opt_out(MARISOL)
    hints.put(CONTACT, story.id_of(MARISOL), "UNSUBSCRIBE_REPORT")
    hints.synced()
    assert (hints.asked(), hints.outcome()) == ((0, 2), "held")
    assert hints.inbox.opt_outs(TEST).keys() == {story.id_of(MARISOL)}
    assert story.writes() == []


def test_h23_an_opt_out_is_read_also_where_the_message_itself_came_too(hints: Hints) -> None:
    story = hints.story
    for event in ("INCOMING_MESSAGE", "UNSUBSCRIBE_REPORT"):  # what a STOP sends
        hints.put(CONTACT, story.id_of(MARISOL), event, phone=MARISOL)
    hints.synced()
    assert hints.asked() == (0, 1)
    assert [outcome for _, outcome in hints.outcomes()] == ["unchanged"] * 2
    assert hints.inbox.opt_outs(TEST) == {}, "forged: the reading shows her opted in"


def test_h23_who_is_held_is_not_known(hints: Hints) -> None:
    hints.put(CONTACT, None, "UNSUBSCRIBE_REPORT", phone=MARISOL)
    hints.inbox.settle(hints.inbox.claim(hints.inbox.waiting([TEST]), "whoever"), Outcome.HANDED_OVER)
    hints.put(CONTACT, hints.story.id_of(MARISOL), "INCOMING_MESSAGE")
    hints.synced()
    assert (hints.asked(), hints.inbox.opt_outs(TEST)) == ((0, 1), {})


def row(hints: Hints, sql: str, *values: Any) -> tuple[Any, ...] | None:
    with hints.story.as_run().open() as db:
        return db.row(sql, values)


# --- what it leaves alone ---------------------------------------------------------------------------------------------


def planned_anew(story: Story) -> None:
    """All is read again and planned, and nothing is written."""
    story.settings()
    assert story.run("plan", "--merchant", TEST, "--json").exit_code == 0
    story.settings(vinoshipper={"refresh": {}}, simpletexting={"full_read": "1d"})
    story.clear_journals()


def table(hints: Hints, name: str, others_than: str = "") -> list[tuple[Any, ...]]:
    with hints.story.as_run().open() as db:
        where = f" where id <> '{others_than}'" if others_than else ""
        return db.rows(f"select * from {name}{where} order by all")


def test_h21_it_moves_no_watermark_baseline_rotation_or_interval(hints: Hints) -> None:
    kept = ("raw.marks", "raw.reads", "raw.slices", "synced.baseline", "planned.plan", "planned.verdicts")
    before = {name: table(hints, name) for name in kept}
    status = read_status(hints.story.data, TEST)
    ships(hints.story)
    hints.put(ORDER, SHIPPED)
    hints.put(CONTACT, hints.story.texting.add_contact("7075550152")["contactId"], "INCOMING_MESSAGE")
    assert hints.synced().accepted == 2
    assert {name: table(hints, name) for name in kept} == before
    assert read_status(hints.story.data, TEST) == status, "it is no good sync"


def test_h21_before_the_first_good_sync_hints_wait(story: Story) -> None:
    hints = Hints(story)
    hints.put(ORDER, SHIPPED)
    report = hints.synced()
    assert (hints.outcomes(), report.hints["taken"], hints.asked()) == ([("waiting", None)], 0, (0, 0))
    story.synced()
    story.clear_journals()
    (story.data / "merchants" / TEST / "warehouse.duckdb").unlink()
    hints.put(ORDER, SHIPPED)
    assert hints.synced().hints["taken"] == 0, "the file is another one than that sync's"
    assert hints.asked() == (0, 0)


@pytest.mark.slow
def test_h22_the_plan_of_everybody_else_stands(hints: Hints) -> None:
    story = hints.story
    story.shop.patch_customer(700108, shippingAddress={"city": "Fulton"})
    planned_anew(story)
    marisol = story.id_of(MARISOL)
    names = ("planned.targets", "planned.changes", "planned.notes", "planned.inputs")
    before = {name: table(hints, name, marisol) for name in names}
    assert before["planned.changes"], "somebody else waits to be written"
    ships(story)
    hints.put(ORDER, SHIPPED)
    assert hints.synced().accepted == 1
    assert {name: table(hints, name, marisol) for name in names} == before
    assert story.written_phones() == {MARISOL: 1}
    assert story.synced()["synced"]["accepted"] == 1
    assert story.contact(RENSKE)["City"] == "Fulton"


def test_h22_it_writes_singly_whatever_the_settings_say(hints: Hints) -> None:
    hints.story.settings(vinoshipper={"refresh": {}}, simpletexting={"write_one_by_one_up_to": 0})
    ships(hints.story)
    hints.put(ORDER, SHIPPED)
    hints.synced()
    assert [entry["method"] for entry in hints.story.writes()] == ["PUT"]


def test_h22_who_has_opted_out_by_the_single_read_is_not_written(hints: Hints) -> None:
    hints.story.texting.opt_out(MARISOL)
    ships(hints.story)
    hints.put(ORDER, SHIPPED)
    report = hints.synced()
    assert (hints.outcome(), report.held["opted_out"], hints.story.writes()) == ("held", 1, [])


@pytest.mark.slow
def test_h22_an_e_mail_that_another_contact_gets_is_left_out(hints: Hints) -> None:
    story = hints.story
    for customer_id in (700101, 700108):
        story.shop.patch_customer(customer_id, email="shared@example.com")
    for phone in (MARISOL, RENSKE):
        story.texting.patch_contact(phone, email="")
    planned_anew(story)
    with story.as_run().open() as db:
        [(getting,)] = db.rows("select id from planned.changes where key = 'email' and new = 'shared@example.com'")
    other = {story.id_of(MARISOL): 700108, story.id_of(RENSKE): 700101}[getting]
    story.shop.patch_customer(other, shippingAddress={"city": "Fulton"})
    hints.put(CUSTOMER, str(other))
    assert hints.synced().accepted == 1
    assert story.contact({700101: MARISOL, 700108: RENSKE}[other]).get("email") is None
    story.synced()
    assert [row["email"] for row in story.texting.contacts(TEST)].count("shared@example.com") == 1


def test_h20_a_targeted_sync_leaves_the_next_one_as_a_sync_from_scratch_would_be(hints: Hints) -> None:
    story = hints.story
    ships(story)
    story.shop.patch_customer(700108, shippingAddress={"city": "Fulton"})
    story.shop.add_order(700105, orderNumber="NEW1", total="33.00", orderStatus="SHIPPED")
    for kind, id in ((ORDER, SHIPPED), (CUSTOMER, "700108"), (ORDER, "NEW1")):
        hints.put(kind, id)
    report = hints.synced()
    assert (report.accepted, report.hints["records"]) == (3, 3)
    after = story.everybody()
    assert story.synced()["synced"]["accepted"] == 0
    assert story.everybody() == after
    story.forget()
    assert story.synced()["synced"]["accepted"] == 0
    assert story.everybody() == after
    story.clean()


def test_h20_waiting_hints_of_one_record_are_one_read(hints: Hints) -> None:
    ships(hints.story)
    for event in ("CREATED", "UPDATED", "UPDATED"):
        hints.put(ORDER, SHIPPED, event)
    report = hints.synced()
    assert (hints.asked(), hints.outcomes()) == ((2, 2), [("done", "written")] * 3)
    assert (report.hints["taken"], report.hints["records"], report.trigger) == (3, 1, "hint")
    assert report.lag_seconds is not None


def test_h20_a_customer_who_changed_the_phone_is_linked_at_once(hints: Hints) -> None:
    story = hints.story
    story.texting.add_contact("7075550177")
    story.shop.patch_customer(700126, primaryPhone={"number": "7075550177", "country": "1", "extension": None})
    hints.put(CUSTOMER, "700126")
    hints.put(CONTACT, None, "INCOMING_MESSAGE", phone="7075550177")
    hints.synced()
    assert [outcome for _, outcome in hints.outcomes()] == ["not_linked", "written"], "it was not stored yet"
    assert story.contact("7075550177")["VScustomerID"] == "700126"
    story.synced()
    assert story.contact("7075550177")["VScustomerID"] == "700126"


def becomes_quiet(story: Story) -> None:
    """Sync until a sync is quiet; how many it takes depends on how many fall into the second of the last write."""
    for _ in range(6):
        assert story.synced()["synced"]["accepted"] == 0
        if proved_quiet.WHY[-1] == "":
            return
    raise AssertionError(proved_quiet.WHY[-6:])


@pytest.mark.slow
def test_the_quiet_path_is_void_after_a_targeted_sync_and_right_again_later(hints: Hints) -> None:
    story = hints.story
    becomes_quiet(story)
    ships(story)
    hints.put(ORDER, SHIPPED)
    assert hints.synced().accepted == 1
    assert story.synced()["synced"]["accepted"] == 0
    assert proved_quiet.WHY[-1] == "file"
    becomes_quiet(story)
    hints.put(CONTACT, story.id_of(MARISOL), "INCOMING_MESSAGE")
    hints.synced()
    story.synced()
    story.clean()


def test_history_says_what_started_the_sync_that_wrote(hints: Hints) -> None:
    story = hints.story
    ships(story)
    hints.put(ORDER, SHIPPED)
    hints.synced()
    entries = story.run("history", "--merchant", TEST, MARISOL, "--json").json["entries"]
    triggers = {(entry["run_id"], entry["trigger"]) for entry in entries if entry["event"] == "accepted"}
    assert sorted(trigger for _, trigger in triggers) == ["command", "hint"]
    by_hint = [entry for entry in entries if (entry["event"], entry["trigger"]) == ("accepted", "hint")]
    assert [entry["new"] for entry in by_hint] == ["Delivered"]


# --- opt-outs, in every kind of sync ----------------------------------------------------------------------------------


class SyncsWithInbox:
    """Whole syncs that know of the inbox, as the command line makes them."""

    def __init__(self, hints: Hints) -> None:
        self.hints = hints

    def sync(self) -> Report:
        return contacts_sync.sync(replace(self.hints.as_run(), trigger="command"))


def opts_out_at_the_next_write(hints: Hints, monkeypatch: pytest.MonkeyPatch, phone: str) -> None:
    """The webhook comes while the write waits for its permit, when everything else was looked at."""
    wait, told = CancellableLimiter.wait, []

    def waits(self: CancellableLimiter) -> float:
        frame = sys._getframe(1).f_locals["ask"]
        if frame.call in ("update_contact", "batch_update") and not told:
            told.append(1)
            hints.put(CONTACT, None, "UNSUBSCRIBE_REPORT", phone=phone)
        return wait(self)

    monkeypatch.setattr(CancellableLimiter, "wait", waits)
    monkeypatch.setattr(opt_outs, "LOOK_AGAIN_AFTER", 0.0)


def test_h23_a_write_that_is_about_to_leave_does_not(hints: Hints, monkeypatch: pytest.MonkeyPatch) -> None:
    ships(hints.story)
    hints.put(ORDER, SHIPPED)
    opts_out_at_the_next_write(hints, monkeypatch, MARISOL)
    report = hints.synced()
    assert (hints.outcomes()[0], report.held["opted_out"]) == (("done", "held"), 1)
    assert hints.story.writes() == []
    assert table(hints, "(from synced.writes where outcome is null)") == [], "nothing is under way"


@pytest.mark.parametrize("few", [100, 0])
def test_h23_a_whole_sync_leaves_out_who_opted_out_singly_and_by_batch(
    story: Story, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    story.settings(simpletexting={"write_one_by_one_up_to": few})
    hints = Hints(story)
    first = MARISOL if few == 0 else min((MARISOL, RENSKE), key=story.id_of)
    opts_out_at_the_next_write(hints, monkeypatch, first)
    report = SyncsWithInbox(hints).sync()
    assert (report.status, report.error) == ("ok", None)
    written = set(story.written_phones())
    assert first not in written or few, "the batch was made anew without them"
    assert set(SYNCED) - written <= {first}
    assert report.held["opted_out"] == 2, "and Tobias, by his status"


def test_h23_it_is_held_until_a_reading_that_began_later_shows_it_opted_in(hints: Hints) -> None:
    story, syncs = hints.story, SyncsWithInbox(hints)
    story.settings()
    story.shop.patch_customer(700101, shippingAddress={"city": "Fulton"})
    hints.put(CONTACT, None, "UNSUBSCRIBE_REPORT", phone=MARISOL)
    assert syncs.sync().accepted == 1, "a list that was read after it shows her opted in"
    assert hints.inbox.opt_outs(TEST) == {}
    story.texting.opt_out(MARISOL)
    story.shop.patch_customer(700101, shippingAddress={"city": "Napa"})
    hints.put(CONTACT, None, "UNSUBSCRIBE_REPORT", phone=MARISOL)
    assert syncs.sync().accepted == 0
    assert hints.inbox.opt_outs(TEST).keys() == {MARISOL}


def test_h23_an_older_reading_lifts_nothing(hints: Hints) -> None:
    run = hints.as_run()
    began = opt_outs.clock(run)
    wait_a_moment()
    hints.put(CONTACT, "a" * 24, "UNSUBSCRIBE_REPORT", phone=MARISOL)
    opt_outs.lift(run, [("a" * 24, MARISOL, "OPT_IN")], began)
    assert len(hints.inbox.opt_outs(TEST)) == 2
    wait_a_moment()
    opt_outs.lift(run, [("a" * 24, MARISOL, "OPT_OUT")], opt_outs.clock(run))
    assert len(hints.inbox.opt_outs(TEST)) == 2
    opt_outs.lift(run, [("a" * 24, MARISOL, "OPT_IN")], opt_outs.clock(run))
    assert hints.inbox.opt_outs(TEST) == {}


def test_h23_an_inbox_that_is_made_during_a_run_holds_in_it(hints: Hints) -> None:
    held = opt_outs.OptOuts(replace(hints.as_run(), inbox=None))
    assert not held.holds("a" * 24, MARISOL)
    hints.put(CONTACT, None, "UNSUBSCRIBE_REPORT", phone=MARISOL)
    held._looked_at = None
    assert held.holds("a" * 24, MARISOL)


def test_h23_without_an_inbox_file_nobody_makes_one(hints: Hints) -> None:
    held = opt_outs.OptOuts(hints.as_run())
    assert not held.holds("a" * 24, MARISOL)
    hints.story.synced()
    assert not hints.inbox.exists


# --- the brake over time ----------------------------------------------------------------------------------------------


@pytest.fixture
def braked(hints: Hints, monkeypatch: pytest.MonkeyPatch) -> Hints:
    """As if seven contacts were enough for the brake: three of them are over thirty per cent."""
    for module in (safety, brake):
        monkeypatch.setattr(module, "FEWEST", 7)
    return hints


def loses(hints: Hints, number: str, now: datetime) -> Report:
    """A contact of that order has one less."""
    hints.story.shop.patch_order(number, orderStatus="CANCELLED")
    hints.put(ORDER, number)
    return hints.sync(now)


@pytest.mark.slow
def test_h24_what_targeted_syncs_take_within_a_day_counts_together(braked: Hints) -> None:
    hints, story, now = braked, braked.story, braked.story.box.now
    assert [loses(hints, number, now).accepted for number in ("90000000009", "90000000010")] == [1, 1]
    report = loses(hints, "90000000015", now)
    assert (report.status, report.error and report.error.kind, report.accepted) == ("failed", "unsafe", 0)
    assert hints.outcomes()[-1] == ("waiting", None)
    assert "3 of 7 contacts" in story.failed("unsafe", now=now)["error"]["message"], "in a whole plan too"
    story.clear_journals()
    report = hints.sync(now)
    assert (report.error and report.error.kind, report.hints["taken"]) == ("unsafe", 1)
    assert hints.asked() == (0, 0), "while the stored plan is refused nothing is asked"
    story.synced("--allow-unsafe", now=now)
    assert table(hints, "synced.losses") == []
    assert hints.sync(now).status == "ok"


@pytest.mark.slow
def test_h24_what_was_taken_a_day_ago_counts_no_more(braked: Hints) -> None:
    story, now = braked.story, braked.story.box.now
    with story.as_run().open() as db, db.transaction():
        at = now.replace(tzinfo=None) - timedelta(hours=25)
        ledger.record_losses(db, [contact_ref(story.id_of(one)) for one in (MARISOL, BRAM)], at=at, run_id="r")
    assert loses(braked, "90000000015", now).accepted == 1
    with story.as_run().open() as db, db.transaction():
        at = now.replace(tzinfo=None) - timedelta(hours=23)
        ledger.record_losses(db, [contact_ref(story.id_of(one)) for one in (MARISOL, BRAM)], at=at, run_id="r")
    report = loses(braked, "90000000010", now)
    assert report.error is not None
    assert report.error.kind == "unsafe"


def test_h24_who_gains_or_stays_is_not_counted(hints: Hints) -> None:
    ships(hints.story)
    hints.put(ORDER, SHIPPED)
    assert hints.synced().accepted == 1
    assert table(hints, "synced.losses") == []


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_h25_a_record_that_needs_more_is_handed_over_to_the_head_of_the_queue(hints: Hints) -> None:
    story = hints.story
    story.settings()
    for number in range(21):
        story.shop.add_order(700126, orderNumber=f"OLD{number}", total="10.00")
    story.synced()
    story.clear_journals()
    made = story.texting.add_contact("7075550152")
    story.shop.patch_customer(700126, shippingAddress={"city": "Fulton"})
    hints.put(CUSTOMER, "700126")
    hints.put(CONTACT, made["contactId"], "INCOMING_MESSAGE")
    hints.synced()
    assert [outcome for _, outcome in hints.outcomes()] == ["not_linked", "handed_over"]
    assert hints.asked() == (1, 1)
    assert hints.inbox.wholes_due("contacts") == {TEST}
    story.synced()
    assert story.contact("7075550152")["Order Count"] == "22"


@pytest.mark.slow
def test_h25_what_one_targeted_sync_does_not_come_to_waits_for_the_next(hints: Hints) -> None:
    story = hints.story
    people = (700101, 700103, 700105, 700108, 700110, 700111, 700101, 700103)
    for number, customer_id in enumerate(people):
        story.shop.add_order(customer_id, orderNumber=f"NEW{number}", total="33.00", orderStatus="SHIPPED")
        hints.put(ORDER, f"NEW{number}")
    hints.synced()
    assert hints.asked()[0] <= 20
    assert hints.outcomes() == [("done", "written")] * 6 + [("waiting", None)] * 2
    hints.synced()
    assert [outcome for _, outcome in hints.outcomes()] == ["written"] * 8


def test_h27_beyond_the_share_hints_are_handed_over_and_opt_outs_wait(hints: Hints) -> None:
    story = hints.story
    hints.rates = {"vinoshipper": 0.001, "simpletexting": 0.001}
    for system in hints.rates:
        assert hints.inbox.spend(TEST, system, 60, 0.001)
    ships(story)
    hints.put(ORDER, SHIPPED)
    hints.put(CONTACT, story.id_of(TOBIAS), "UNSUBSCRIBE_REPORT")
    report = hints.sync()
    assert hints.outcomes() == [("done", "handed_over"), ("waiting", None)]
    assert (report.hints["handed_over"], hints.asked()) == (1, (0, 0))
    assert row(hints, "select kind, id from raw.hints") == ("order", SHIPPED)
    hints.story.settings()
    story.synced()
    assert story.contact(MARISOL)["Order Status"] == "Delivered"


def test_h27_ids_in_no_stored_list_are_dropped_in_a_flood(hints: Hints) -> None:
    for number in range(60):
        hints.inbox.note_read(TEST, "vinoshipper", ORDER, f"F{number}", route="contacts", news=False, gone=True)
    ships(hints.story)
    for kind, id in ((ORDER, "NEVER"), (CUSTOMER, "999"), (CONTACT, "f" * 24), (ORDER, SHIPPED)):
        hints.put(kind, id)
    report = hints.synced()
    assert hints.outcomes() == [("dropped", "over_limit")] * 3 + [("done", "written")]
    assert (report.hints["dropped"], hints.asked()) == (3, (2, 2))


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_h30_a_record_that_cannot_be_read_keeps_its_hints_and_no_other_one_s(hints: Hints) -> None:
    story = hints.story
    story.shop.set_switch("fault", [{"kind": "400", "path_regex": "/orders/90000000007$"}], TEST)
    ships(story)
    hints.put(ORDER, "90000000007")
    hints.put(ORDER, SHIPPED)
    report = hints.sync()
    assert hints.outcomes() == [("waiting", None), ("done", "written")]
    assert (report.status, report.noted["unreadable"]) == ("partial", 1)
    report = hints.sync()
    assert (report.status, report.error, report.noted["unreadable"]) == ("partial", None, 1)
    story.shop.set_switch("fault", [{"kind": "400", "path_regex": "/orders/"}], TEST)
    report = hints.sync()
    assert (report.status, report.error and report.error.kind) == ("failed", "bad_answer"), "nothing could be read"


@pytest.mark.parametrize("kind", ["500", "400", "hollow"])
@pytest.mark.parametrize("count", [1, 3])
def test_r40_records_that_cannot_be_read_hold_up_no_other_one(hints: Hints, kind: str, count: int) -> None:
    story = hints.story
    for number in range(count):
        story.shop.add_order(700101, orderNumber=f"BAD{number}", total="3.00", orderStatus="SHIPPED")
        hints.put(ORDER, f"BAD{number}")
    story.shop.set_switch("fault", [{"kind": kind, "path_regex": "/orders/BAD"}], TEST)
    ships(story)
    hints.put(ORDER, SHIPPED)
    report = hints.sync()
    assert hints.outcomes() == [("waiting", None)] * count + [("done", "written")]
    assert (report.status, report.error, report.noted["unreadable"]) == ("partial", None, count)
    report = hints.sync()
    assert (report.status, report.error, report.noted["unreadable"]) == ("partial", None, count), (
        "one read well is asked"
    )
    assert hints.calls()["PUT /v2/api/contacts/" + story.id_of(MARISOL)] == 1


@pytest.mark.parametrize("kind", ["500", "400"])
def test_r40_where_what_was_read_well_fails_too_it_is_the_system_s_trouble(hints: Hints, kind: str) -> None:
    story = hints.story
    story.shop.set_switch("fault", [{"kind": kind, "path_regex": "/orders/"}], TEST)
    ships(story)
    hints.put(ORDER, "90000000007")
    hints.put(ORDER, SHIPPED)
    report = hints.sync()
    expected = "try_later" if kind == "500" else "bad_answer"
    assert (report.status, report.error and report.error.kind) == ("failed", expected)
    assert hints.outcomes() == [("waiting", None)] * 2


def test_r40_records_that_fail_again_and_again_do_not_hold_the_lock_for_minutes(hints: Hints) -> None:
    story = hints.story
    story.shop.set_switch("fault", [{"kind": "500", "path_regex": "/orders/BAD"}], TEST)
    for number in range(4):
        story.shop.add_order(700101, orderNumber=f"BAD{number}", total="3.00", orderStatus="SHIPPED")
        hints.put(ORDER, f"BAD{number}")
    hints.inbox.ask("update hints set tries = 1")
    ships(story)
    hints.put(ORDER, SHIPPED)
    report = hints.sync()
    assert hints.outcomes() == [("waiting", None)] * 4 + [("done", "written")]
    assert (report.status, report.noted["unreadable"]) == ("partial", 2)
    assert {path for path in hints.calls() if "BAD" in path} == {f"GET /api/v3/p/orders/BAD{one}" for one in (0, 1)}


def test_r40_five_records_in_a_row_are_the_system_s_trouble(hints: Hints) -> None:
    story = hints.story
    for number in range(5):
        hints.put(ORDER, f"BAD{number}")
    story.shop.set_switch("fault", [{"kind": "400", "path_regex": "/orders/BAD"}], TEST)
    ships(story)
    hints.put(ORDER, SHIPPED)
    assert hints.sync().status == "failed"


@pytest.mark.parametrize(("path", "kind"), [("/orders/90000000007$", None), ("/orders/", "auth")])
def test_r40_one_record_that_is_forbidden_is_no_trouble_of_the_key(hints: Hints, path: str, kind: str | None) -> None:
    hints.story.shop.set_switch("fault", [{"kind": "403", "path_regex": path}], TEST)
    hints.put(ORDER, "90000000007")
    report = hints.sync()
    assert (report.status, report.error and report.error.kind) == ("failed" if kind else "partial", kind)
    assert hints.outcomes() == [("waiting", None)]


def test_h30_an_inbox_that_is_busy_is_no_fault_that_has_the_merchant_rest(
    hints: Hints, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> bool:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(type(hints.inbox), "gone_reads", busy)
    hints.put(ORDER, "NEW1")
    report = hints.sync()
    assert (report.status, report.error and report.error.kind) == ("failed", "try_later")
    assert hints.outcomes() == [("waiting", None)]


def test_h28_a_membership_that_nobody_knows_is_not_asked_for_with_each_call(hints: Hints) -> None:
    hints.put(MEMBERSHIP, "424242")
    hints.synced()
    hints.put(MEMBERSHIP, "424242")
    [record] = hints.inbox.waiting([TEST])
    assert record.due_at > record.first + 5


def test_a_hint_whose_sync_failed_before_the_write_goes_on_although_its_record_reads_unchanged(hints: Hints) -> None:
    story = hints.story
    story.texting.set_switch("fault", [{"kind": "400", "method": "GET", "path_regex": "/contacts/", "count": 1}], TEST)
    ships(story)
    hints.put(ORDER, SHIPPED)
    assert hints.sync().status == "failed"
    assert hints.outcomes() == [("waiting", None)]
    assert hints.synced().accepted == 1
    assert story.contact(MARISOL)["Order Status"] == "Delivered"
    assert row(hints, "select count(*) from raw.hints") == (0,)
    hints.put(ORDER, SHIPPED)
    hints.synced()
    assert hints.outcome() == "unchanged"


def test_a_new_contact_whose_sync_failed_is_not_taken_for_known(hints: Hints) -> None:
    story = hints.story
    story.shop.set_switch("fault", [{"kind": "400", "path_regex": "/customers/700126$", "count": 1}], TEST)
    made = story.texting.add_contact("7075550152")
    hints.put(CONTACT, made["contactId"], "INCOMING_MESSAGE")
    assert hints.sync().status == "failed"
    assert hints.synced().accepted == 1
    assert hints.outcomes() == [("done", "written")]


# --- R49 ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Counter[Urgency]:
    """How often permits were asked for, by what they were for."""
    found, wait = Counter[Urgency](), CancellableLimiter.wait

    def waits(self: CancellableLimiter) -> float:
        found[self.urgency()] += 1
        return wait(self)

    monkeypatch.setattr(CancellableLimiter, "wait", waits)
    return found


def test_r49_hints_are_more_urgent_than_reading_in_turn_and_opt_outs_are_the_most(
    hints: Hints, asked_for: Counter[Urgency]
) -> None:
    ships(hints.story)
    hints.put(ORDER, SHIPPED)
    hints.synced()
    assert set(asked_for) == {Urgency.HINT}
    asked_for.clear()
    hints.put(CONTACT, None, "UNSUBSCRIBE_REPORT", phone=MARISOL)
    hints.synced()
    assert set(asked_for) == {Urgency.WRITE}
    asked_for.clear()
    hints.story.shop.patch_customer(700101, firstName="Marisa")
    contacts_sync.sync(hints.as_run())
    assert set(asked_for) == {Urgency.TURN}


def test_r49_the_first_walk_is_the_least_urgent(story: Story, asked_for: Counter[Urgency]) -> None:
    contacts_sync.sync(story.as_run())
    assert max(asked_for, key=lambda one: asked_for[one]) is Urgency.FIRST_WALK
    assert set(asked_for) <= {Urgency.FIRST_WALK, Urgency.TURN}
    asked_for.clear()
    contacts_sync.sync(replace(story.as_run(), full=True))
    assert asked_for[Urgency.FIRST_WALK] > 5
