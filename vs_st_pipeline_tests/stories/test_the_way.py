"""The way from two accounts to the right texts, told as stories over real sockets with the real command.

Expected values are worked out by hand from the contract and the people of the scenario, never copied from a run.
"""

from __future__ import annotations

import re
import stat
from datetime import datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.sandbox.scenarios.fixtures import PACIFIC
from vs_st_pipeline_tests.support.story import (
    BRAM,
    FFION,
    FFION_AGAIN,
    HALLORANS,
    MARISOL,
    ODALYS,
    OTHER,
    PIPER,
    RENSKE,
    STRANGER,
    SYNCED,
    TEST,
    TOBIAS,
    WANDA,
    Story,
    differences,
    kill,
    personal_and_secret,
    wait_until,
)

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

RECEIPTS = "https://receipts.example.com/"
MARISOL_SAYS = {
    "firstName": "Marisol",
    "lastName": "Vantongeren",
    "email": "marisol.vantongeren@example.com",
    "birthday": "1981-09-04",
    "Source": "Vinoshipper",
    "VScustomerID": "700101",
    "City": "Sebastopol",
    "State": "CA",
    "Club Name": "Hillside Six",
    "Club Status": "Active",
    "Signup Date": "02/11/2025",
    "Order Count": "3",
    "Lifetime Value": "1392.96",
    "Last Order Date": "05/28/2026",
    "VS Last Order Number": "90000000017",
    "Order Status": "Shipped",
    "Payment Status": "Success",
    "Channel": "WEB",
    "Delivery Method": "UPS Ground",
    "Order Total": "128.71",
    "Shipped Date": "05/30/2026",
    "Tracking Number": "1ZEXAMPLE0000000017",
    "Tracking URL": "https://www.ups.com/track?tracknum=1ZEXAMPLE0000000017",
    "Receipt URL": f"{RECEIPTS}90000000017",
}
BRAM_SAYS = {
    "firstName": "Bramble",  # set by hand before: filled fields stay
    "lastName": "O.",
    "email": "bram@example.com",
    "birthday": "1975-12-31",
    "Favorite Varietal": "Zinfandel",
    "Birthday Gift Sent": "2026",
    "Source": "Vinoshipper",
    "VScustomerID": "700103",  # the blanks around it are gone
    "City": "Sebastopol",
    "State": "CA",
    "Signup Date": "01/05/2024",
    "Order Count": "1",
    "Lifetime Value": "59.90",
    "Last Order Date": "03/31/2026",  # 21:45 in California, already April in UTC
    "VS Last Order Number": "90000000013",  # the newer one is PENDING
    "Order Status": "Delivered",
    "Payment Status": "Success",
    "Channel": "WEB",
    "Delivery Method": "UPS Ground",
    "Order Total": "59.90",
    "Receipt URL": f"{RECEIPTS}90000000013",
}
FFION_SAYS = {
    "firstName": "Ffion",
    "lastName": "Marchetti",
    "birthday": "1990-02-28",
    "Source": "Vinoshipper",
    "VScustomerID": "700110",
    "City": "Sebastopol",
    "State": "CA",
    "Club Name": "Reserve, Hillside Six",  # the one without a date of joining comes last
    "Club Status": "Active",
    "Signup Date": "07/01/2024",
    "Order Count": "1",
    "Lifetime Value": "150.00",
    "Last Order Date": "07/04/2025",
    "VS Last Order Number": "90000000007",
    "Order Status": "Delivered",
    "Payment Status": "Success",
    "Channel": "WEB",
    "Delivery Method": "Local Delivery",
    "Order Total": "150.00",
    "Receipt URL": f"{RECEIPTS}90000000007",
}


def renske_says(now: datetime) -> dict[str, str]:
    """Her two newest orders were placed three days before the world's today; a tie goes to the greater number."""
    bought = (now - timedelta(days=3)).astimezone(PACIFIC)
    return {
        "firstName": "Renske",
        "lastName": "Duquesne",
        "email": "renske@example.com",
        "Source": "Vinoshipper",
        "VScustomerID": "700108",
        "City": "Sebastopol",
        "State": "CA",
        "Club Name": "Hillside Six",
        "Club Status": "On Hold",
        "Signup Date": "03/03/2024",
        "Order Count": "3",
        "Lifetime Value": "144.99",
        "Last Order Date": bought.strftime("%m/%d/%Y"),
        "VS Last Order Number": "TW 2026/0007",
        "Order Status": "Labels Generated",
        "Payment Status": "Success",
        "Channel": "WEB",
        "Delivery Method": "UPS Ground",
        "Order Total": "99.99",
        "Tracking Number": "1ZEXAMPLE0000000020",  # of two packages one has a blank number
        "Tracking URL": "https://www.ups.com/track?tracknum=1ZEXAMPLE0000000020",
        "Receipt URL": f"{RECEIPTS}TW20260007",
    }


# --- the first sync, and the second -------------------------------------------------------------------------------


def test_a_first_sync_from_nothing_fills_exactly_the_right_texts(story: Story) -> None:
    done = story.sync(every=True)
    assert done.exit_code == 0
    report, other = done.of(TEST), done.of(OTHER)
    assert set(report) == {
        *("merchant", "route", "status", "error", "raw", "planned", "unseen", "synced", "open", "calls", "seconds"),
        *("trigger", "hints", "lag_seconds"),
    }
    assert report["status"] == other["status"] == "ok"
    assert report["raw"] == {"customers": 13, "orders": 18, "contacts": 14}
    assert other["raw"] == {"customers": 3, "orders": 3, "contacts": 3}
    assert report["planned"]["contacts"] == 7
    assert report["planned"]["unmatched"] == 4  # a British number's digits, two strangers, one who said no
    assert report["planned"]["held"] == {"opted_out": 1, "not_confirmed": 1, "under_age": 1}
    assert report["planned"]["noted"] == {"ambiguous_phone": 1, "age_unknown": 1}
    assert report["synced"] == {"accepted": 7, "rejected": 0, "unknown": 0}
    assert report["calls"]["simpletexting"] == len(story.texting.journal(TEST))
    assert report["calls"]["vinoshipper"] == len(story.shop.journal(TEST))

    assert story.contact(MARISOL) == MARISOL_SAYS
    assert story.contact(BRAM) == BRAM_SAYS
    assert story.contact(RENSKE) == renske_says(story.box.now)
    assert story.contact(FFION) == FFION_SAYS  # her e-mail is the other contact's, in other letters
    assert story.contact(FFION_AGAIN) == {**FFION_SAYS, "email": "FFION@example.com"}
    assert story.contact(HALLORANS)["VScustomerID"] == "700105"  # who ordered last
    assert "Channel" not in story.contact(HALLORANS)  # a null at the shop
    odalys = story.contact(ODALYS)
    assert (odalys["Order Count"], odalys["Lifetime Value"]) == ("0", "0.00")  # cancelled and returned only
    assert "Last Order Date" not in odalys
    assert odalys["Order Status"] == "Cancelled"
    bram = story.texting.contact(BRAM)
    assert bram["comment"] == "Likes Zin; call after 5."
    assert [entry["name"] for entry in bram["lists"]] == ["VIP", "Newsletter list"]
    untouched = {STRANGER, PIPER, TOBIAS, WANDA, "2079460958", "7075550161", "7075550162"}
    before = {row["contactId"]: row for row in story.texting.baseline(TEST)[TEST]}
    for phone in untouched:
        contact = story.texting.contact(phone)
        assert contact == before[contact["contactId"]], phone

    # The other winery has the same ids and phones, and other people.
    assert story.contact(MARISOL, OTHER)["firstName"] == "Other"
    assert story.contact(MARISOL, OTHER)["City"] == "Walla Walla"
    assert story.contact(HALLORANS, OTHER)["VScustomerID"] == "700190"  # the id leads, whatever the phones say
    for entry in story.writes(TEST):
        assert entry["method"] == "PUT"
        assert entry["query"] == {"upsert": "false", "listsReplacement": "false"}
        assert "listIds" not in entry["body"]
        assert "subscriptionStatus" not in entry["body"]
    story.clean()


def test_state_lies_in_one_folder_that_only_its_owner_can_read(story: Story) -> None:
    story.synced()
    for path in [story.data, *story.data.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), (path.relative_to(story.data), oct(mode))


def test_where_nothing_changed_a_second_sync_writes_nothing_nor_does_one_without_memory(story: Story) -> None:
    story.synced()
    story.clear_journals()
    report = story.synced()
    assert (report["planned"]["contacts"], report["planned"]["fields"]) == (0, 0)
    assert report["synced"] == {"accepted": 0, "rejected": 0, "unknown": 0}
    assert report["planned"]["held"] == {"opted_out": 1, "not_confirmed": 1, "under_age": 1}
    story.forget()
    assert story.synced()["synced"]["accepted"] == 0
    assert story.synced("--full")["synced"]["accepted"] == 0
    assert story.writes() == []


def test_one_thing_changed_writes_exactly_one_value(story: Story) -> None:
    story.begin_synced()
    before = story.everybody()
    story.clear_journals()
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    report = story.synced()
    assert (report["planned"]["contacts"], report["planned"]["fields"]) == (1, 1)
    assert report["synced"]["accepted"] == 1
    (write,) = story.writes()
    assert write["path"].endswith(story.id_of(MARISOL))
    assert set(write["body"]) == {"contactPhone", "customFields"}  # no builtin field is sent again
    assert story.everybody() == {**before, MARISOL: {**MARISOL_SAYS, "City": "Occidental"}}
    story.clean()


def test_a_new_order_moves_all_that_hangs_on_it(story: Story) -> None:
    story.begin_synced()
    story.shop.add_order(700103, orderNumber="90000000200", total="40.05", cartType="POS")
    bought = story.shop.order("90000000200")["purchasedAt"][:10]
    story.synced()
    changed = {name: new for name, (_, new) in differences(BRAM_SAYS, story.contact(BRAM)).items()}
    assert changed == {
        "Order Count": "2",
        "Lifetime Value": "99.95",
        "Last Order Date": f"{bought[5:7]}/{bought[8:]}/{bought[:4]}",
        "VS Last Order Number": "90000000200",
        "Order Status": "Open",
        "Channel": "POS",
        "Order Total": "40.05",
        "Receipt URL": f"{RECEIPTS}90000000200",
    }


def test_an_order_that_is_gone_counts_no_more(story: Story) -> None:
    story.begin_synced()
    story.shop.delete_order("TW 2026/0007")
    story.synced()
    renske = story.contact(RENSKE)
    assert (renske["Order Count"], renske["Lifetime Value"]) == ("2", "45.00")
    assert renske["VS Last Order Number"] == "TW 2026/0006"
    assert renske["Order Status"] == "Awaiting Weather"
    assert "Tracking Number" not in renske


# --- who is who, and who may be written ---------------------------------------------------------------------------


def test_two_people_on_one_phone_are_held_where_the_merchant_says_so(story: Story) -> None:
    story.settings(on_ambiguous_phone="hold")
    report = story.synced()
    assert report["planned"]["held"] == {"opted_out": 1, "not_confirmed": 1, "under_age": 1, "ambiguous_phone": 1}
    assert "ambiguous_phone" not in report["planned"]["noted"]
    assert story.contact(HALLORANS) == {}
    story.clean()


def test_people_of_unknown_age_are_held_where_the_merchant_asks_for_evidence(story: Story) -> None:
    story.settings(require_age_evidence=True)
    report = story.synced()
    assert report["planned"]["held"]["age_unknown"] == 1
    assert "age_unknown" not in report["planned"]["noted"]
    assert story.contact(RENSKE) == {"lastName": "Duquesne"}


def test_who_turns_21_is_written_from_that_day_on_and_of_29_february_from_1_march(story: Story) -> None:
    birthday = story.box.now.year + 1
    assert story.synced(now=f"{birthday}-01-14T23:30:00-08:00")["planned"]["held"]["under_age"] == 1
    assert story.contact(PIPER) == {}
    assert "under_age" not in story.synced(now=f"{birthday}-01-15T00:30:00-08:00")["planned"]["held"]
    assert story.contact(PIPER)["firstName"] == "Piper"

    story.shop.patch_customer(700101, dateOfBirth={"day": 29, "month": 2, "year": 2012})
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    assert story.synced(now="2033-02-28T23:30:00-08:00")["planned"]["held"]["under_age"] == 1
    assert story.contact(MARISOL).get("City") != "Occidental"
    assert "under_age" not in story.synced(now="2033-03-01T00:30:00-08:00")["planned"]["held"]
    assert story.contact(MARISOL)["City"] == "Occidental"


def test_who_opted_out_is_never_touched_even_when_the_customer_changes(story: Story) -> None:
    story.begin_synced()
    story.texting.opt_out(MARISOL)
    story.clear_journals()
    before = story.texting.contact(MARISOL)
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.shop.patch_customer(700107, shippingAddress={"city": "Occidental"})
    report = story.synced()
    assert report["planned"]["held"]["opted_out"] == 2
    assert story.writes() == []
    assert story.texting.contact(MARISOL) == before
    # Held people get no detail reads.
    assert not [e for e in story.shop.journal(TEST) if e["path"].endswith(("/customers/700101", "/customers/700107"))]
    story.texting.patch_contact(MARISOL, subscriptionStatus="OPT_IN")
    story.synced()
    assert story.contact(MARISOL)["City"] == "Occidental"
    story.clean()


@pytest.mark.parametrize("how", ["ok_status_kept", "item_fails"])
def test_stop_between_reading_and_writing_is_a_race_that_only_the_known_status_decides(story: Story, how: str) -> None:
    story.texting.set_switch("update_opted_out", how)
    story.texting.add_hook(
        {"kind": "contacts", "op": "patch", "id": story.id_of(RENSKE), "fields": {"subscriptionStatus": "OPT_OUT"}},
        on="write",
        nth=1,
        merchant=TEST,
    )
    report = story.sync().of()
    assert report["synced"]["rejected"] == int(how == "item_fails" and bool(story.texting.violations()))
    assert all(entry["told"] == "OPT_IN" for entry in story.texting.violations())
    assert story.texting.created() == []
    assert story.synced()["planned"]["held"]["opted_out"] == 2


@pytest.mark.slow
def test_a_customer_deleted_at_the_shop_leaves_the_last_values(story: Story) -> None:
    story.begin_synced()
    before = story.everybody()
    story.clear_journals()
    story.shop.delete_customer(700111)
    for _ in range(3):
        story.synced()
    assert story.synced()["planned"]["unmatched"] == 5
    assert story.everybody() == before
    assert story.writes() == []


def test_a_customer_in_the_list_whose_detail_is_404_is_not_deleted(story: Story) -> None:
    story.begin_synced()
    story.clear_journals()
    story.shop.set_fault("404", path_regex="/customers/700101$")
    story.shop.add_order(700101, orderNumber="90000000201", total="7.04")
    for _ in range(2):
        assert story.synced()["planned"]["unmatched"] == 4
    marisol = story.contact(MARISOL)
    assert marisol["City"] == "Sebastopol"  # of the last detail
    assert (marisol["Order Count"], marisol["Lifetime Value"]) == ("4", "1400.00")


def test_7_6_a_customer_who_is_missing_and_answers_404_is_deleted_though_few_are_left(story: Story) -> None:
    story.begin_synced()
    assert story.synced()["planned"]["unmatched"] == 4
    marisol = story.contact(MARISOL)
    for customer in sorted(story.shop.customers(TEST), key=lambda one: one["id"] != 700101)[:4]:
        story.shop.delete_customer(customer["id"])
    # More than a fifth is missing, but fewer than 10 contacts were synced, so the brake does not judge.
    assert story.synced()["planned"]["unmatched"] > 4
    assert story.contact(MARISOL) == marisol


@pytest.mark.parametrize("born", [1970, 2015])
def test_a_contact_that_falls_to_another_customer_is_judged_and_filled_by_what_is_true_of_him_now(
    story: Story, born: int
) -> None:
    story.begin_synced()
    jonas = story.contact(HALLORANS)
    # The VScustomerID names nobody any more, so the phone decides, and there is one left who has it.
    story.shop.delete_customer(700105)
    fields = {"dateOfBirth": {"day": 1, "month": 1, "year": born}, "shippingAddress": {"city": "Fulton"}}
    story.shop.patch_customer(700104, **fields)
    report = story.synced()
    halloran = story.contact(HALLORANS)
    if born == 2015:
        assert report["planned"]["held"]["under_age"] == 2
        assert halloran == jonas
    else:
        assert (halloran["VScustomerID"], halloran["City"], halloran["Order Total"]) == ("700104", "Fulton", "70.00")


# --- what a contact's fields hold ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["merge", "replace"])
def test_foreign_fields_stay_whether_custom_fields_are_merged_or_replaced(story: Story, how: str) -> None:
    story.texting.set_switch("custom_fields_write", how)
    story.synced()
    story.shop.patch_customer(700103, shippingAddress={"city": "Occidental"})
    story.synced()
    assert story.contact(BRAM) == {**BRAM_SAYS, "City": "Occidental"}
    story.clean()


def test_an_edit_of_a_mirrored_field_is_put_back_and_noted_once_and_of_a_filled_one_stays(story: Story) -> None:
    story.begin_synced()
    story.texting.patch_contact(MARISOL, firstName="Mari", customFields={"city": "Elsewhere", "source": "Fair"})
    report = story.synced()
    assert report["planned"]["noted"]["edited_there"] == 1
    assert report["planned"]["fields"] == 1
    assert story.contact(MARISOL) == {**MARISOL_SAYS, "firstName": "Mari", "Source": "Fair"}
    report = story.synced()
    assert "edited_there" not in report["planned"]["noted"]
    assert report["planned"]["contacts"] == 0


@pytest.mark.parametrize(("field", "key"), [("City", "city"), ("Club Name", "club_name")])
@pytest.mark.slow
def test_an_edit_that_comes_again_before_anything_was_read_is_put_back_again(
    story: Story, field: str, key: str
) -> None:
    """It looks like a value that SimpleTexting will not take. Bram has a city, and is in no club."""
    story.begin_synced()
    story.synced()  # reads what was written
    ours = story.contact(BRAM).get(field)
    for _ in range(2):
        story.texting.patch_contact(BRAM, customFields={key: "Napa"})
        assert story.synced()["planned"]["noted"]["edited_there"] == 1
    assert story.contact(BRAM).get(field) == ours
    assert story.synced()["planned"]["contacts"] == 0


@pytest.mark.parametrize("how", ["clear", pytest.param("store_empty", marks=pytest.mark.slow), "ignore"])
@pytest.mark.slow
def test_what_the_shop_clears_is_cleared_and_where_that_cannot_be_done_it_is_noted(story: Story, how: str) -> None:
    story.texting.set_switch("empty_string_value", how)
    story.synced()
    (membership,) = story.shop.customer(700101)["memberships"]
    story.shop.patch_membership(membership["id"], cancelled=True)
    report = story.synced()
    assert report["planned"]["fields"] == 2
    assert report["synced"]["accepted"] == 1
    story.clear_journals()
    for _ in range(2):
        noted = story.synced()["planned"]["noted"]
        assert noted.get("cannot_clear") == (1 if how == "ignore" else None)
    assert story.writes() == []
    assert ("Club Name" in story.contact(MARISOL)) == (how == "ignore")
    story.shop.patch_membership(membership["id"], cancelled=False, hold=True)
    noted = story.synced()["planned"]["noted"]
    assert "cannot_clear" not in noted
    assert story.contact(MARISOL) == {**MARISOL_SAYS, "Club Status": "On Hold"}


@pytest.mark.slow
def test_values_that_are_cut_or_trimmed_there_are_not_sent_again(story: Story) -> None:
    story.texting.set_switches({"max_value_length": 30, "trim_values": True})
    story.shop.patch_customer(700101, shippingAddress={"city": " Sebastopol "})
    story.synced()
    story.clear_journals()
    for _ in range(2):
        report = story.synced()
        assert report["planned"]["contacts"] == 0
        assert "edited_there" not in report["planned"]["noted"]
    assert story.writes() == []
    assert story.contact(MARISOL)["Receipt URL"] == MARISOL_SAYS["Receipt URL"][:30]
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    assert story.synced()["planned"]["fields"] == 1
    # An edit is still told from a cut.
    story.texting.patch_contact(MARISOL, customFields={"receipt_url": "mine"})
    report = story.synced()
    assert report["planned"]["noted"]["edited_there"] == 1
    assert story.contact(MARISOL)["Receipt URL"] == MARISOL_SAYS["Receipt URL"][:30]


def test_of_two_contacts_that_would_get_one_email_the_smaller_id_gets_it(story: Story) -> None:
    story.texting.set_switch("email_unique", True)
    phones = ["7075550210", "7075550211"]
    for phone in phones:
        story.shop.add_customer(
            firstName="Twin",
            lastName="Household",
            email="House@example.com" if phone == phones[0] else "house@example.com",
            primaryPhone={"number": phone, "country": "1", "extension": None},
        )
        story.texting.add_contact(phone)
    report = story.synced()
    assert report["synced"]["rejected"] == 0
    first, second = sorted(phones, key=story.id_of)
    assert story.contact(first)["email"].lower() == "house@example.com"
    assert "email" not in story.contact(second)
    assert story.synced()["synced"]["accepted"] == 0


def test_fields_are_found_by_label_in_any_case_or_merge_tag_and_a_missing_one_is_named(story: Story) -> None:
    story.texting.delete_custom_field("Tracking URL")
    story.texting.patch("custom_fields", "State", {"label": "STATE"})
    story.texting.patch("custom_fields", "City", {"label": "Home Town"})
    checked = story.run("check", "--merchant", TEST)
    assert checked.exit_code == 0
    assert "Tracking URL" in checked.out
    (found,) = story.run("check", "--merchant", TEST, "--json").json["merchants"]
    assert "Tracking URL" in str(found)
    assert "Home Town" not in str(found)
    story.synced()
    marisol = story.contact(MARISOL)
    assert (marisol["STATE"], marisol["Home Town"]) == ("CA", "Sebastopol")
    assert "Tracking URL" not in marisol
    (field,) = story.run("why", "--merchant", TEST, MARISOL, "Tracking URL", "--json").json["fields"]
    assert field["state"] == "missing_field"
    story.clean()


def test_a_receipt_that_cannot_be_read_leaves_the_field_and_one_that_is_not_there_empties_it(story: Story) -> None:
    story.begin_synced()
    story.settings(give_up_after="1s")
    story.shop.set_switch("receipt", 500)
    story.shop.add_order(700101, orderNumber="90000000202", total="7.04")
    report = story.synced()
    assert report["planned"]["noted"]["receipt_unreadable"] == 1
    marisol = story.contact(MARISOL)
    assert marisol["VS Last Order Number"] == "90000000202"
    assert marisol["Receipt URL"] == MARISOL_SAYS["Receipt URL"]
    story.shop.set_switch("receipt", 404)
    report = story.synced()
    assert "receipt_unreadable" not in report["planned"]["noted"]
    assert "Receipt URL" not in story.contact(MARISOL)


def test_what_a_rehearsal_has_read_the_next_sync_reads_again_and_writes(story: Story) -> None:
    story.begin_synced()
    story.settings(simpletexting={"full_read": "24h"})
    # Edited in a way that only a reading of all shows, which is due tomorrow.
    edited = {"customFields": {"city": "Elsewhere"}, "updated": "2026-01-01T00:00:00.000Z"}
    story.texting.patch_contact(MARISOL, touch=False, **edited)
    tomorrow = (datetime.now().astimezone() + timedelta(hours=25)).isoformat()
    planned = story.run("plan", "--merchant", TEST, "--json", now=tomorrow).of()["contacts"]
    assert MARISOL in {row["phone"] for row in planned}
    story.synced(now=tomorrow)
    assert story.contact(MARISOL)["City"] == "Sebastopol"


# --- what SimpleTexting refuses -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_rejected_contact_stops_nobody_and_is_tried_again_after_growing_gaps(story: Story) -> None:
    story.texting.set_switch("reject", {RENSKE: "CONTACT_UPDATE_FAILED"})
    start = story.box.now
    done = story.sync(now=start.isoformat())
    report = done.of()
    assert (done.exit_code, report["status"], report["error"]) == (1, "partial", None)
    assert report["synced"] == {"accepted": 6, "rejected": 1, "unknown": 0}
    assert RENSKE not in done.out + done.err
    states = {f["state"] for f in story.run("why", "--merchant", TEST, RENSKE, "--json").json["fields"]}
    assert "rejected" in states

    def written(after: timedelta) -> bool:
        story.clear_journals()
        report = story.sync(now=(start + after).isoformat()).of()
        tried = story.written_phones() == {RENSKE: 1}
        assert tried or story.written_phones() == {}
        assert report["synced"]["rejected"] == int(tried)
        assert report["planned"]["noted"].get("waiting_retry") == (None if tried else 1)
        assert report["status"] == ("partial" if tried else "ok")
        return tried

    assert written(timedelta(minutes=1))  # at the next sync
    assert not written(timedelta(minutes=1, seconds=1))  # then after a gap
    assert written(timedelta(days=1, minutes=2))  # which is never more than a day
    assert not written(timedelta(days=1, minutes=3))

    # What is wanted changes: tried at once.
    story.shop.patch_customer(700108, shippingAddress={"city": "Occidental"})
    assert written(timedelta(days=1, minutes=4))
    story.texting.set_switch("reject", {})
    assert story.synced(now=(start + timedelta(days=3)).isoformat())["synced"]["accepted"] == 1
    assert story.contact(RENSKE) == {**renske_says(story.box.now), "City": "Occidental"}
    assert story.synced(now=(start + timedelta(days=3)).isoformat())["planned"]["noted"].get("waiting_retry") is None
    story.clean()


def test_a_contact_that_vanished_before_its_write_is_noted_as_gone(story: Story) -> None:
    story.texting.add_hook(
        {"kind": "contacts", "op": "delete", "id": story.id_of(RENSKE)}, on="write", nth=1, merchant=TEST
    )
    report = story.synced()
    assert report["planned"]["noted"]["gone"] == 1
    assert report["synced"] == {"accepted": 6, "rejected": 0, "unknown": 0}
    assert story.texting.created() == []
    assert RENSKE not in story.everybody()


# --- what goes wrong on the way -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_killed_midway_is_taken_up_and_nothing_accepted_is_repeated(story: Story) -> None:
    # The fourth write takes effect, but nobody lives to see its answer.
    story.texting.set_fault("slow", method="PUT", skip=3, count=1, seconds=20, when="after")
    process = story.start("sync", "--merchant", TEST)
    wait_until(lambda: len(story.writes()) == 4, process)
    kill(process)
    report = story.synced()
    assert report["synced"]["accepted"] + 4 >= 7
    counts = story.written_phones()
    assert set(counts) == set(SYNCED)
    assert sum(counts.values()) <= 8
    assert story.contact(MARISOL) == MARISOL_SAYS
    assert story.contact(RENSKE) == renske_says(story.box.now)
    story.clear_journals()
    assert story.synced()["synced"]["accepted"] == 0
    story.clean()


def test_a_write_whose_answer_is_lost_is_settled_by_reading(story: Story) -> None:
    story.texting.set_fault("reset", method="PUT", skip=2, count=1, when="after")
    report = story.synced()
    assert report["synced"] == {"accepted": 7, "rejected": 0, "unknown": 0}
    story.clear_journals()
    assert story.synced()["synced"]["accepted"] == 0
    assert story.writes() == []
    story.clean()


def test_an_answer_that_says_nothing_about_the_write_is_no_acceptance(story: Story) -> None:
    # The requests have no effect, and the answer is a 200 of the wrong shape.
    story.texting.set_fault("wrong_shape", method="PUT")
    report = story.sync().of()
    assert report["synced"]["accepted"] == 0
    assert report["status"] != "ok"
    story.texting.clear_faults()
    assert "edited_there" not in story.synced()["planned"]["noted"]
    assert story.contact(MARISOL) == MARISOL_SAYS


@pytest.mark.parametrize("system", ["vinoshipper", "simpletexting"])
def test_a_list_shorter_than_it_says_stops_before_anything_is_staged(story: Story, system: str) -> None:
    story.begin_synced()
    before = story.everybody()
    story.clear_journals()
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    control = story.shop if system == "vinoshipper" else story.texting
    control.set_switch("short_list", True)
    for _ in range(2):
        report = story.failed("bad_answer", system=system)
        assert report["planned"]["contacts"] == report["synced"]["accepted"] == 0
    assert story.everybody() == before
    assert story.writes() == []
    assert story.run("why", "--merchant", TEST, MARISOL, "City", "--json").json["fields"][0]["value"] == "Sebastopol"
    control.set_switch("short_list", False)
    report = story.synced()
    assert (report["synced"]["accepted"], report["planned"]["fields"]) == (1, 1)
    assert report["planned"]["unmatched"] == 4


def test_a_wrong_key_fails_one_merchant_and_leaves_the_others_in_sync(story: Story) -> None:
    (story.folder / "keys").mkdir(exist_ok=True)
    (story.folder / "keys" / "wrong").write_text("nonsense-key\n", encoding="utf-8")
    for system, key in (("simpletexting", "api_token"), ("vinoshipper", "api_secret")):
        story.settings({TEST: {system: {key: "file:keys/wrong"}}})
        story.clear_journals()
        done = story.sync(every=True)
        assert done.exit_code == 1
        failed, good = done.of(TEST), done.of(OTHER)
        assert (failed["status"], failed["error"]["kind"], failed["error"]["system"]) == ("failed", "auth", system)
        assert failed["error"]["http_status"] == 401
        assert good["status"] == "ok"
        assert "nonsense-key" not in done.out + done.err
        refused = [e for e in story.texting.journal() + story.shop.journal() if e["status"] == 401]
        assert len(refused) == 1  # not retried, and the merchant stops at once
    assert story.contact(MARISOL, OTHER)["firstName"] == "Other"
    checked = story.run("check", "--all", "--json")
    assert checked.exit_code == 1
    assert checked.of(OTHER)["status"] == "ok"


# --- the brake ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_customers_who_are_deleted_by_and_by_never_add_up_to_a_loss(story: Story) -> None:
    story.crowd(10)
    story.synced()
    crowd = [row["id"] for row in story.shop.customers(TEST) if str(row["firstName"]).startswith("Crowd")]
    for i in range(0, 6, 2):
        for customer_id in crowd[i : i + 2]:
            story.shop.delete_customer(customer_id)
        assert story.synced()["planned"]["unmatched"] == 4 + i + 2


@pytest.mark.slow
def test_an_emptied_shop_blanks_nobody(story: Story) -> None:
    story.crowd(6)
    story.synced()
    before = story.everybody()
    story.clear_journals()
    for customer in story.shop.customers(TEST):
        story.shop.delete_customer(customer["id"])
    for _ in range(2):
        report = story.failed("unsafe")
        assert report["synced"]["accepted"] == 0
    assert story.writes() == []
    planned = story.run("plan", "--merchant", TEST, "--json")
    assert planned.exit_code == 1
    assert planned.of()["error"]["kind"] == "unsafe"
    # Without memory the contacts themselves tell who was synced.
    story.forget()
    story.failed("unsafe")
    assert story.everybody() == before


@pytest.mark.slow
def test_an_emptied_shop_passes_once_when_it_is_allowed_and_needs_no_leave_afterwards(story: Story) -> None:
    story.crowd(6)
    story.synced()
    before = story.everybody()
    for customer in story.shop.customers(TEST):
        story.shop.delete_customer(customer["id"])
    assert "would lose" not in story.failed("unsafe")["error"]["message"]
    # The list is believed now, so everybody would lose their customer too: that follows from what is let pass.
    story.synced("--allow-unsafe")
    assert story.everybody() == before  # a deleted customer leaves the contact's last values
    story.synced()


@pytest.mark.slow
def test_a_third_losing_orders_is_refused_until_allowed_and_fewer_are_not(story: Story) -> None:
    phones = story.crowd(6)
    story.synced()
    story.clear_journals()
    for i in range(3):  # of 13: less than 30 %
        story.shop.patch_order(f"CR{i:03d}", orderStatus="CANCELLED")
    assert story.synced()["synced"]["accepted"] == 3
    for i in range(3):
        story.shop.patch_order(f"CR{i:03d}", orderStatus="OPEN")
    assert story.synced()["synced"]["accepted"] == 3
    for i in range(4):  # of 13: more
        story.shop.patch_order(f"CR{i:03d}", orderStatus="CANCELLED")
    story.clear_journals()
    for _ in range(2):
        story.failed("unsafe")
    assert story.writes() == []
    assert story.contact(phones[0])["Order Count"] == "1"
    assert story.synced("--allow-unsafe")["synced"]["accepted"] == 4
    assert story.contact(phones[0])["Order Count"] == "0"
    assert story.synced()["synced"]["accepted"] == 0  # once allowed, it is done
    story.shop.patch_order("CR004", orderStatus="CANCELLED")
    assert story.synced()["synced"]["accepted"] == 1


@pytest.mark.slow
def test_r38_what_is_let_pass_is_what_the_last_sync_was_refused_for_and_no_more(story: Story) -> None:
    story.crowd(12)
    story.synced()
    story.clear_journals()
    for i in range(7):  # of 19
        story.shop.patch_order(f"CR{i:03d}", orderStatus="CANCELLED")
    assert "7 of 19" in story.failed("unsafe", "--allow-unsafe")["error"]["message"]  # nothing was stored before
    story.run("plan", "--merchant", TEST)  # a dry run stores nothing
    story.shop.patch_order("CR007", orderStatus="CANCELLED")
    refused = story.failed("unsafe", "--allow-unsafe")["error"]["message"]
    assert "8 of 19" in refused  # more than a tenth more
    assert "something else or more" in refused
    assert story.writes() == []
    assert story.synced("--allow-unsafe")["synced"]["accepted"] == 8
    for i in range(8, 12):
        story.shop.patch_order(f"CR{i:03d}", orderStatus="CANCELLED")
    assert story.synced()["synced"]["accepted"] == 4
    for i in range(7):
        story.shop.patch_order(f"CR{i:03d}", orderStatus="OPEN")
    story.synced()
    for i in range(7):
        story.shop.patch_order(f"CR{i:03d}", orderStatus="CANCELLED")
    story.failed("unsafe", "--allow-unsafe")  # it let pass once


@pytest.mark.slow
def test_a_shrunken_contact_list_is_refused(story: Story) -> None:
    story.crowd(6)
    story.synced()
    for phone in (STRANGER, PIPER, WANDA, "7075550161"):
        story.texting.delete_contact(phone)
    story.synced()  # 16 of 20 is 80 %
    for phone in ("7075550162", "2079460958", "7075550200", "7075550201"):
        story.texting.delete_contact(phone)
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.failed("unsafe")
    assert story.contact(MARISOL)["City"] == "Sebastopol"
    story.synced("--allow-unsafe")
    assert story.contact(MARISOL)["City"] == "Occidental"
    story.synced()


@pytest.mark.slow
def test_a_club_release_that_rewrites_everybody_is_no_loss(story: Story) -> None:
    story.crowd(6)
    story.synced()
    for customer in story.shop.customers(TEST):
        story.shop.add_order(customer["id"], orderNumber=f"REL{customer['id']}", total="90.00", cartType="CLUB")
    report = story.synced()  # tracking numbers of older orders are cleared, which is right
    assert report["synced"]["accepted"] == 13
    assert "Tracking Number" not in story.contact(MARISOL)


# --- many at once -------------------------------------------------------------------------------------------------


def by_batch(story: Story, **texting: Any) -> None:
    story.texting.set_switch("tasks_delay_polls", 0)  # no story waits for a batch that is not about waiting
    story.settings(simpletexting={"write_one_by_one_up_to": 0, **texting})


def test_writing_by_batch_ends_as_writing_one_by_one(story: Story) -> None:
    by_batch(story)
    report = story.synced()
    assert report["synced"] == {"accepted": 7, "rejected": 0, "unknown": 0}
    assert story.contact(MARISOL) == MARISOL_SAYS
    assert story.contact(BRAM) == BRAM_SAYS
    assert story.contact(RENSKE) == renske_says(story.box.now)
    assert story.contact(FFION) == FFION_SAYS
    assert story.contact(FFION_AGAIN) == {**FFION_SAYS, "email": "FFION@example.com"}
    (write,) = story.writes()
    assert write["body"]["listsReplacement"] is False
    assert len(write["body"]["updates"]) == 7
    reads = [e for e in story.texting.journal(TEST) if e["path"] == "/v2/api/contacts"]
    assert len(reads) >= 2  # once more, right before the batch
    story.clear_journals()
    assert story.synced()["synced"]["accepted"] == 0
    assert story.writes() == []
    story.clean()


def test_only_more_contacts_than_the_limit_go_by_batch(story: Story) -> None:
    story.begin_synced()
    by_batch(story, write_one_by_one_up_to=1)
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.synced()
    assert [entry["method"] for entry in story.writes()] == ["PUT"]
    story.clear_journals()
    for customer_id in (700101, 700103):
        story.shop.patch_customer(customer_id, shippingAddress={"city": "Fulton"})
    story.synced()
    assert [entry["method"] for entry in story.writes()] == ["POST"]
    assert story.contact(MARISOL) == {**MARISOL_SAYS, "City": "Fulton"}
    assert story.contact(BRAM) == {**BRAM_SAYS, "City": "Fulton"}
    story.clean()


def test_a_contact_that_vanishes_before_the_batch_is_not_made_again(story: Story) -> None:
    by_batch(story)
    story.texting.add_hook(
        {"kind": "contacts", "op": "delete", "id": story.id_of(RENSKE)}, on="batch_apply", merchant=TEST
    )
    done = story.sync()
    report = done.of()
    assert (done.exit_code, report["status"]) == (1, "partial")
    assert report["synced"]["accepted"] == 6
    assert set(report["planned"]["noted"]) - {"ambiguous_phone", "age_unknown"}  # it is said
    assert len(story.texting.created()) == 1
    assert story.texting.violations() == []
    assert RENSKE not in story.everybody()
    story.synced()
    assert len(story.texting.created()) == 1


@pytest.mark.slow
def test_who_came_back_by_himself_before_the_batch_is_left_alone(story: Story) -> None:
    by_batch(story)
    old = "2026-01-05T10:00:00.000Z"
    fields = {"contactPhone": RENSKE, "created": old, "updated": old}
    story.texting.add_hook(
        [
            {"kind": "contacts", "op": "delete", "id": story.id_of(RENSKE)},
            {"kind": "contacts", "op": "add", "fields": fields},
        ],
        on="batch_apply",
        merchant=TEST,
    )
    report = story.sync().of()
    assert report["synced"]["accepted"] == 6
    assert set(report["planned"]["noted"]) - {"ambiguous_phone", "age_unknown"}
    assert story.texting.violations() == []
    assert story.texting.created() == []
    assert story.texting.contact(RENSKE)["created"] == old
    assert [e for e in story.writes() if e["method"] == "DELETE"] == []
    story.synced()
    assert story.contact(RENSKE)["VScustomerID"] == "700108"


def test_a_bad_item_that_spoils_a_whole_batch_keeps_nobody_else_from_being_written(story: Story) -> None:
    by_batch(story)
    story.texting.set_switch("reject", {BRAM: "INVALID_INPUT_VALUE"})
    done = story.sync()
    report = done.of()
    assert (done.exit_code, report["status"]) == (1, "partial")
    assert report["synced"] == {"accepted": 6, "rejected": 1, "unknown": 0}
    assert story.contact(MARISOL) == MARISOL_SAYS
    story.texting.set_switch("reject", {})
    assert story.synced()["synced"]["accepted"] == 1
    assert story.contact(BRAM) == BRAM_SAYS
    story.clean()


@pytest.mark.slow
def test_a_batch_that_never_says_done_is_settled_by_reading(story: Story) -> None:
    by_batch(story, batch_wait="1s")
    story.texting.set_switches({"tasks_delay_polls": 1, "task_never_done": True, "in_progress_results": "partial"})
    report = story.synced()
    assert report["synced"] == {"accepted": 7, "rejected": 0, "unknown": 0}
    story.clear_journals()
    assert story.synced()["synced"]["accepted"] == 0
    assert story.writes() == []
    story.clean()


def test_a_stop_before_the_batch_is_found_by_the_read_right_before_it(story: Story) -> None:
    by_batch(story)
    # The second listing is the fresh one: it must be believed, not the first.
    story.texting.add_hook(
        {"kind": "contacts", "op": "patch", "id": story.id_of(RENSKE), "fields": {"subscriptionStatus": "OPT_OUT"}},
        on="request",
        nth=2,
        merchant=TEST,
        path_regex="/contacts$",
    )
    report = story.synced()
    assert report["synced"]["accepted"] == 6
    assert story.contact(RENSKE) == {"lastName": "Duquesne"}
    story.clean()


# --- looking ------------------------------------------------------------------------------------------------------


def test_a_plan_writes_nothing_shows_old_and_new_and_takes_nothing_from_the_next_sync(story: Story) -> None:
    done = story.run("plan", "--merchant", TEST, "--json")
    assert done.exit_code == 0
    plan = done.of()
    assert set(plan) == {"merchant", "route", "status", "error", "contacts", "held", "noted"}
    assert story.writes() == []
    assert {row["phone"] for row in plan["contacts"]} == set(SYNCED)
    bram = next(row for row in plan["contacts"] if row["phone"] == BRAM)
    assert (bram["contact_id"], bram["customer_id"]) == (story.id_of(BRAM), 700103)
    changes = {change["field"]: change for change in bram["changes"]}
    assert changes["VScustomerID"] == {
        "field": "VScustomerID",
        "old": " 700103 ",
        "new": "700103",
        "policy": "mirror",
    }
    assert (changes["email"]["old"], changes["email"]["new"], changes["email"]["policy"]) == (
        changes["City"]["old"],
        "bram@example.com",
        "fill",
    )
    assert "firstName" not in changes
    assert {(row["phone"], row["reason"]) for row in plan["held"]} == {
        (TOBIAS, "opted_out"),
        (WANDA, "not_confirmed"),
        (PIPER, "under_age"),
    }
    assert {(row["phone"], row["reason"]) for row in plan["noted"]} == {
        (HALLORANS, "ambiguous_phone"),
        (RENSKE, "age_unknown"),
    }
    for said in story.run("plan", "--merchant", TEST).out, done.out:
        assert "bram@example.com" in said

    report = story.synced()
    assert report["synced"]["accepted"] == 7
    assert report["planned"]["noted"] == {"ambiguous_phone": 1, "age_unknown": 1}

    # After an edit there, a plan says so, and the sync says it all the same.
    story.texting.patch_contact(MARISOL, customFields={"city": "Elsewhere"})
    plan = story.run("plan", "--merchant", TEST, "--json").of()
    assert [(row["phone"], [c["field"] for c in row["changes"]]) for row in plan["contacts"]] == [(MARISOL, ["City"])]
    assert plan["contacts"][0]["changes"][0]["old"] == "Elsewhere"
    report = story.synced()
    assert report["planned"]["noted"]["edited_there"] == 1
    assert report["synced"]["accepted"] == 1
    assert story.contact(MARISOL) == MARISOL_SAYS


def test_why_tells_where_a_value_came_from_or_why_it_is_not_there(story: Story) -> None:
    story.texting.set_switch("reject", {RENSKE: "CONTACT_UPDATE_FAILED"})
    story.sync()

    def why(*arguments: str) -> dict[str, Any]:
        done = story.run("why", "--merchant", TEST, *arguments, "--json")
        assert done.exit_code == 0
        found: dict[str, Any] = done.json
        assert set(found) >= {"merchant", "phone", "contact_id", "customer_id", "linked_by", "held", "fields"}
        return found

    synced = why("(707) 555-0142", "lifetime value")
    assert (synced["customer_id"], synced["held"], synced["contact_id"]) == (700101, None, story.id_of(MARISOL))
    (field,) = synced["fields"]
    assert set(field) == {"field", "value", "live", "rule", "sources", "accepted_at", "run_id", "state"}
    assert (field["field"], field["value"], field["state"]) == ("Lifetime Value", "1392.96", "synced")
    assert {source["id"] for source in field["sources"]} == {"90000000003", "90000000009", "90000000017"}
    assert {source["system"] for source in field["sources"]} == {"vinoshipper"}
    assert field["accepted_at"]
    assert field["run_id"]

    held = why(PIPER)
    assert (held["customer_id"], held["held"], held["linked_by"]) == (700106, "under_age", "phone")
    assert {row["state"] for row in held["fields"]} <= {"held"}
    assert why(TOBIAS)["held"] == "opted_out"
    assert why(TOBIAS)["linked_by"] == "VScustomerID"
    assert [row["state"] for row in why(RENSKE, "City")["fields"]] == ["rejected"]
    unmatched = why(STRANGER)
    assert unmatched["contact_id"] == story.id_of(STRANGER)
    assert (unmatched["customer_id"], unmatched["linked_by"]) == (None, None)
    unknown = why("7075559999")
    assert (unknown["contact_id"], unknown["customer_id"], unknown["linked_by"]) == (None, None, None)
    for arguments in ((MARISOL,), (PIPER,), (STRANGER,), ("7075559999",)):
        assert story.run("why", "--merchant", TEST, *arguments).exit_code == 0
    assert story.run("why", "--merchant", "nobody", MARISOL).exit_code == 2

    # Known by the shop, not yet written.
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.run("plan", "--merchant", TEST)
    (field,) = why(MARISOL, "City")["fields"]
    assert (field["value"], field["live"], field["state"]) == ("Occidental", "Sebastopol", "waiting")
    story.shop.patch_customer(700101, shippingAddress={"city": "Sebastopol"})
    story.texting.patch_contact(MARISOL, customFields={"city": "Elsewhere"})
    story.run("plan", "--merchant", TEST)
    (field,) = why(MARISOL, "City")["fields"]
    assert (field["value"], field["live"], field["state"]) == ("Sebastopol", "Elsewhere", "edited_there")


def test_merchants_tells_how_each_stands(story: Story) -> None:
    story.settings({OTHER: {"enabled": False}})
    rows = {row["merchant"]: row for row in story.run("merchants", "--json").json["merchants"]}
    assert set(rows) == {TEST, OTHER}
    assert rows[TEST]["last_good_sync_at"] is None
    start = story.box.now.replace(microsecond=0)
    story.synced(now=start.isoformat())
    later = (start + timedelta(hours=2)).isoformat()
    row = next(r for r in story.run("merchants", "--json", now=later).json["merchants"] if r["merchant"] == TEST)
    assert datetime.fromisoformat(row["last_good_sync_at"]) == start
    assert row["age_seconds"] == 7200
    assert row["error"] is None
    story.shop.set_switch("short_list", True)
    story.failed("bad_answer", now=later)
    row = next(r for r in story.run("merchants", "--json", now=later).json["merchants"] if r["merchant"] == TEST)
    assert row["error"]["kind"] == "bad_answer"
    assert row["age_seconds"] == 7200  # the last good one is still the first
    assert story.run("merchants").exit_code == 0


@pytest.mark.slow
def test_nothing_that_names_a_person_or_a_key_is_said_outside_plan_and_why(story: Story) -> None:
    story.texting.set_switch("reject", {RENSKE: "CONTACT_UPDATE_FAILED"})
    private = personal_and_secret(story.box)
    assert {MARISOL, "marisol.vantongeren@example.com", "st-token-of-test-winery"} <= private
    said = []
    for arguments in (
        ("sync", "--all"),
        ("sync", "--all", "--json", "--verbose"),
        ("check", "--all"),
        ("check", "--all", "--json"),
        ("merchants",),
        ("merchants", "--json"),
    ):
        done = story.run(*arguments)
        said += [done.out, done.err]
    for arguments in ("plan", "--all"), ("why", "--merchant", TEST, MARISOL):
        said.append(story.run(*arguments).err)
    story.shop.set_fault("truncated", path_regex="/customers/list$")
    story.texting.set_fault("truncated", merchant=OTHER, path_regex="/contacts$")
    failed = story.run("sync", "--all")
    said += [failed.out, failed.err, story.run("merchants").out]
    said += [path.read_text(encoding="utf-8") for path in story.data.rglob("standing.json")]
    text = "\n".join(said)
    assert [secret for secret in private if secret in text] == []
    # At rest too: keys are nowhere in the data folder.
    keys = {m.vs_secret for m in story.box.merchants} | {m.st_token for m in story.box.merchants}
    for path in story.data.rglob("*"):
        if path.is_file():
            assert not [key for key in keys if key.encode() in path.read_bytes()], path.name


# --- commands and settings ----------------------------------------------------------------------------------------


def test_wrong_commands_and_settings_end_with_2_and_call_nobody(story: Story) -> None:
    story.clear_journals()
    assert story.run("sync").exit_code == 2
    assert "Usage" in story.run("sync").err
    assert story.run("sync", "--merchant", "nobody").exit_code == 2
    assert story.run("sync", "--merchant", TEST, "nobody").exit_code == 2
    assert story.run("sync", "--merchant", TEST, "--all").exit_code == 2
    assert story.run("plan").exit_code == 2
    assert story.run("check").exit_code == 2
    (story.folder / "merchants.yaml").write_text("merchants: [unclosed\n", encoding="utf-8")
    assert story.run("sync", "--all").exit_code == 2
    (story.folder / "merchants.yaml").unlink()
    process = story.start("sync", "--all", "--json")
    out, err = process.communicate()
    assert process.returncode == 2, err
    assert out == ""
    assert "Traceback" not in err
    assert story.shop.journal() == story.texting.journal() == []


def test_a_disabled_merchant_is_never_called(story: Story) -> None:
    story.settings({OTHER: {"enabled": False}})
    done = story.sync(every=True)
    assert done.exit_code == 0
    assert [row["merchant"] for row in done.json["merchants"]] == [TEST]
    story.run("sync", "--merchant", OTHER, "--json")
    story.run("plan", "--merchant", OTHER, "--json")
    story.run("check", "--all", "--json")
    story.run("check", "--merchant", OTHER, "--json")
    assert story.shop.journal(OTHER) == story.texting.journal(OTHER) == []


def test_one_bad_entry_among_good_ones_fails_alone(story: Story) -> None:
    path = story.settings({OTHER: {"vinoshipper": {"api_key": "in-clear-1234"}}})
    done = story.sync(every=True)
    assert done.exit_code == 1
    assert done.of(TEST)["status"] == "ok"
    bad = done.of(OTHER)
    assert (bad["status"], bad["error"]["kind"]) == ("failed", "config")
    line = 1 + next(i for i, text in enumerate(path.read_text().splitlines()) if "in-clear-1234" in text)
    assert re.search(rf"merchants\.yaml\D+{line}\b", bad["error"]["message"])
    assert "in-clear-1234" not in done.out + done.err
    assert story.shop.journal(OTHER) == []
    # Not named: only a warning.
    done = story.sync()
    assert done.exit_code == 0
    assert "merchants.yaml" in done.err


def test_exit_codes_and_json_of_the_real_process(story: Story) -> None:
    story.settings({OTHER: {"enabled": False}})
    process = story.start("sync", "--all", "--json")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert '"status": "ok"' in out
    assert err
    assert MARISOL not in out + err
    assert story.contact(MARISOL) == MARISOL_SAYS


def test_two_syncs_of_one_merchant_at_once_end_as_one(story: Story) -> None:
    processes = [story.start("sync", "--merchant", TEST, "--json") for _ in range(2)]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert set(story.written_phones().values()) == {1}
    assert story.contact(MARISOL) == MARISOL_SAYS
    story.clean()
