"""The report object of a sync, key by key: consumers.md 8, routes.md R68."""

from __future__ import annotations

from collections import Counter

from vs_st_pipeline.domain.errors import BadKey, TryLater, Unsafe
from vs_st_pipeline.routes.consumers.report import ConsumersReport, new_report

KEYS = (
    "merchant",
    "route",
    "status",
    "error",
    "raw",
    "orders",
    "planned",
    "synced",
    "crms",
    "waiting",
    "calls",
    "seconds",
)
ZEROS = {"consumers": 0, "fields": 0, "subscriptions": 0, "without_consent": 0, "held": {}, "noted": {}}


def report(*crms: str) -> ConsumersReport:
    return new_report("glow-skin", "r1", crms or ("klaviyo", "hubspot"))


def test_c8_every_key_is_always_there_and_zeros_are_left_out_of_counts() -> None:
    said = report().as_json()
    assert set(KEYS) <= said.keys()
    assert said["raw"] == {"events": 0, "orders": 0, "contacts": 0}
    assert (said["orders"], said["planned"]) == ({}, ZEROS)
    assert said["crms"]["hubspot"] == {
        "status": "ok", "error": None, "planned": ZEROS, "synced": {"accepted": 0, "rejected": 0, "unknown": 0},
    }  # fmt: skip
    assert list(said["crms"]) == ["hubspot", "klaviyo"]  # in the order in which they are asked
    assert said["calls"] == {"sopost": 0, "hubspot": 0, "klaviyo": 0}
    assert said["waiting"] == {"events": 0, "orders": 0, "consumers": 0}


def test_c8_sums_are_over_the_crms_and_notes_of_people_are_at_the_top_alone() -> None:
    told = report()
    for part in told.crms.values():
        part.planned.update(consumers=2, fields=9, subscriptions=2, without_consent=1)
        part.held["not_there"] += 1
        part.noted["missing_field"] += 1
        part.accepted, part.looked = 2, 1
    told.noted_at_top["several_names"] = 1
    told.end()
    said = told.as_json()
    assert said["planned"] == {
        "consumers": 4, "fields": 18, "subscriptions": 4, "without_consent": 2,
        "held": {"not_there": 2}, "noted": {"missing_field": 2, "several_names": 1},
    }  # fmt: skip
    assert said["crms"]["hubspot"]["planned"]["noted"] == {"missing_field": 1}
    assert (said["synced"]["accepted"], said["raw"]["contacts"], said["status"]) == (4, 2, "ok")


def test_c8_failed_is_of_all_crms_or_the_source_and_partial_of_one() -> None:
    told = report()
    told.crms["klaviyo"].error = BadKey("no", system="klaviyo")
    told.end()
    assert (told.status, told.error, told.parts) == ("partial", told.crms["klaviyo"].error, {"klaviyo": told.error})
    assert told.as_json()["error"]["system"] == "klaviyo"
    both = report()
    both.crms["klaviyo"].error = BadKey("no", system="klaviyo")
    both.crms["hubspot"].error = Unsafe("no", system="hubspot")
    both.end()
    assert (both.status, both.error) == ("failed", both.crms["hubspot"].error)
    source = report()
    source.status, source.error = "failed", TryLater("down", system="sopost")
    source.crms["hubspot"].error = Unsafe("no", system="hubspot")
    source.end()
    assert source.error is not None
    assert source.error.system == "sopost"


def test_c8_rejected_unknown_undone_and_unreadable_make_it_partial() -> None:
    for change in ("rejected", "unknown"):
        told = report()
        setattr(told.crms["hubspot"], change, 1)
        told.end()
        assert told.status == "partial"
        assert told.crms["klaviyo"].status == "ok"
    undone = report()
    undone.crms["hubspot"].noted["undone"] += 1
    undone.end()
    assert undone.status == "partial"
    for word, status in (("not_found", "ok"), ("not_visible", "ok"), ("unreadable", "partial")):
        told = report()
        told.orders = Counter({word: 1})
        told.end()
        assert told.status == status  # R40 for what is unreadable


def test_r68_what_stands_open_is_a_count_and_no_state_of_this_sync() -> None:
    told = report()
    told.waiting = (2, 1)
    told.end()
    assert (told.status, told.as_json()["open"]) == ("ok", 3)


def test_c8_orders_are_told_in_the_order_of_their_words() -> None:
    told = report()
    told.orders = Counter(approved=8, pending=1, not_found=2, rejected=0)
    assert list(told.as_json()["orders"].items()) == [("not_found", 2), ("pending", 1), ("approved", 8)]
