"""The report has every key of section 8 always, and counts each order once per word."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadKey, TryLater
from vs_st_pipeline.pipeline.schedule import read_next_due
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import due, notes
from vs_st_pipeline.routes.orders import told as telling
from vs_st_pipeline.routes.orders.report import new_report
from vs_st_pipeline_tests.routes.orders.desk_office import Office, open_office

ELSEWHERE = "zip_state"


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Office:
    return open_office(monkeypatch, tmp_path)


def next_due(office: Office) -> timedelta:
    """Return in what time the route is due."""
    at = read_next_due(office.folder, "hillside", "orders")
    assert at is not None
    return at.replace(tzinfo=None) - office.at


def add_elsewhere(office: Office) -> None:
    office.add()
    order = office.shop.orders["a1"]
    order["shipTo"] = {**order["shipTo"], "zipCode": "10001"}


def test_o8_every_key_is_always_there_and_zeros_of_maps_are_left_out() -> None:
    told = new_report("hillside").as_json()
    assert told["raw"] == {"orders": 0, "vinoshipper_orders": 0}
    assert told["planned"] == {"send": 0, "fulfil": 0, "messages": 0, "held": {}, "noted": {}}
    words = ("sent", "adopted", "failed", "not_required", "voided", "fulfilled", "messages", "unknown")
    assert told["synced"] == dict.fromkeys(words, 0)
    assert told["calls"] == {"commerce7": 0, "vinoshipper": 0}
    assert {"merchant", "route", "status", "error", "open", "seconds"} <= told.keys()


def test_ruling_2_an_order_counts_once_per_word() -> None:
    report = new_report("hillside")
    for _ in range(2):
        report.tally.add("failed", "a1")
    assert report.tally["failed"] == 1


def test_o8_failed_is_what_became_so_and_standing_failures_are_noted_and_open(office: Office) -> None:
    add_elsewhere(office)
    session = office.whole()
    told = office.told()
    assert (told["synced"]["failed"], told["open"]) == (1, 1)
    assert "failed_before" not in told["planned"]["noted"]
    assert (session.report.rejected, session.report.waiting) == (1, (1, 0))  # so this one is `partial`
    session = office.whole()
    told = office.told()
    assert (told["synced"]["failed"], told["open"], session.report.rejected) == (0, 1, 0)
    assert told["planned"]["noted"] == {"failed_before": 1}


def test_r27_a_plan_that_says_what_would_fail_is_no_failure(office: Office) -> None:
    add_elsewhere(office)
    session = office.whole(dry_run=True)
    assert (office.told()["planned"]["held"], session.report.rejected) == ({ELSEWHERE: 1}, 0)


def test_o8_lists_show_who_failed_before_as_the_report_counts_it(office: Office) -> None:
    add_elsewhere(office)

    def noted(db: Db) -> list[list[str]]:
        where, given = notes.failed_before(db)
        found: list[list[str]] = [one["noted"] for one in telling.find_orders(db, "true", {}, 9)]
        assert len(telling.find_orders(db, where, given, 9)) == found.count(["failed_before"])
        return found

    office.whole()
    with office.db() as db:
        assert noted(db) == [[]]
        for _ in range(2):
            office.whole()
            assert noted(db) == [["failed_before"]]
        office.shop.orders["a1"]["shipTo"] |= {"zipCode": "95472"}
        office.whole()
        assert noted(db) == [[]]


def test_o8_what_failed_and_was_sent_in_one_sync_did_not_fail(office: Office) -> None:
    office.add()
    session = office.session()
    session.counts.add("failed", "a1")
    office.whole()
    with office.db() as db:
        due.count(session, db)
    assert session.counts["failed"] == 0


def test_o8_notes_count_in_every_sync_while_they_last(office: Office) -> None:
    office.add()
    to = {**office.shop.orders["a1"]["shipTo"], "phone": None}
    office.shop.orders["a1"] |= {"shipTo": to, "billTo": to}
    office.shop.orders["a1"]["customer"]["phones"] = []
    for _ in range(2):
        office.whole()
        assert office.told()["planned"]["noted"] == {"no_phone": 1}


def test_o8_unknown_counts_orders_that_are_not_settled(office: Office) -> None:
    office.add()
    office.shipper.next = ["lost_before"]
    session = office.whole()
    assert office.told()["synced"]["unknown"] == 1
    assert session.report.unknown == 1
    assert next_due(office) == timedelta(minutes=1)


def test_r16_an_idle_route_is_due_in_five_minutes_and_what_waits_sooner(office: Office) -> None:
    office.whole()
    assert next_due(office) == timedelta(minutes=5)
    office.add(paymentStatus="Authorized")
    office.whole()
    assert next_due(office) == timedelta(minutes=5)
    office.settings["send_at_most"] = 1
    office.add()
    office.add(order_id="a2", number="1002")
    office.whole()
    assert next_due(office) == timedelta(minutes=1)


def test_r16_what_needs_a_person_first_is_not_asked_for_every_minute(office: Office) -> None:
    office.add()
    office.shipper.skus = BadKey("no", system="vinoshipper", call="products", http_status=401)
    with pytest.raises(BadKey):
        office.whole()
    assert office.stands() == ("waiting", "auth")
    assert next_due(office) == timedelta(minutes=5)
    office.shipper.skus = TryLater("down", system="vinoshipper", call="products", http_status=503)
    with office.db() as db, db.transaction():
        db.execute("delete from raw.catalogues")
    with pytest.raises(TryLater):
        office.whole()
    assert office.stands() == ("waiting", "try_later")
    assert next_due(office) == timedelta(minutes=1)


def test_o8_lines_for_people_name_nobody(office: Office) -> None:
    add_elsewhere(office)
    session = office.whole()
    text = "\n".join(session.told.lines())
    assert "1 order of Commerce7" in text
    assert "Ada" not in text
    assert ELSEWHERE in text
