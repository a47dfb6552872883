"""Where raw bodies are kept for a time only, nothing is lost that a text still needs, and what is needed comes back."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from vs_st_pipeline.connectors.vinoshipper.parse import order_from
from vs_st_pipeline.connectors.vinoshipper.retention import minimal_order
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline_tests.support.story import BRAM, MARISOL, TEST, Story

SELDOM = dict.fromkeys(("customer_list", "customer_details", "open_orders", "settled_orders", "reconcile"), "30d")


def rows(story: Story, sql: str) -> list[tuple[Any, ...]]:
    with story.as_run().open() as db:
        return db.rows(sql)


def raw_text(story: Story, what: str) -> str:
    """All that stands in these rows of a raw table."""
    return " ".join(map(str, rows(story, f"select * from raw.{what}")))


def keeping(story: Story, keep: str = "90d") -> None:
    story.settings(keep_raw_bodies=keep, vinoshipper={"refresh": SELDOM})


def in_half_a_year(story: Story, days: int = 200) -> str:
    return (story.box.now + timedelta(days=days)).isoformat()


def staged_orders(story: Story) -> list[tuple[Any, ...]]:
    return rows(
        story,
        """select o.* exclude (source_hash) from staged.orders as o
           where customer_id in (select customer_id from raw.vinoshipper_customers where linked_run is not null)
           order by order_number""",
    )


@pytest.mark.slow
def test_what_a_text_still_needs_of_an_order_stays_and_the_rest_goes(story: Story) -> None:
    story.begin_synced()
    before = staged_orders(story)
    keeping(story)
    assert story.run("plan", "--merchant", TEST, now=in_half_a_year(story)).exit_code == 0
    settled = "vinoshipper_orders where customer_id = 700101 and settled_at is not null"
    assert raw_text(story, settled).count("Vantongeren") >= 2, "a rehearsal lets nothing go"
    story.synced(now=in_half_a_year(story))
    assert "Vantongeren" not in raw_text(story, settled)
    assert "marisol" not in raw_text(story, settled).casefold()
    assert "marisol" not in raw_text(story, "vinoshipper_orders where order_number = '90000000014'"), "it is nobody's"
    story.clear_journals()
    report = story.synced(now=in_half_a_year(story, 201))
    assert (report["planned"]["contacts"], report["planned"]["noted"].get("not_read_yet")) == (0, None)
    # Since the first sync the Hallorans' contact names one of the two who share the phone: nobody needs the other.
    assert staged_orders(story) == [row for row in before if row[1] != 700104]
    assert [e for e in story.shop.journal() if "/orders/" in e["path"]] == [], "and nothing had to be read again"


def test_whoever_signs_up_again_is_read_again_before_he_is_written(story: Story) -> None:
    story.begin_synced()
    keeping(story)
    story.texting.patch_contact(MARISOL, subscriptionStatus="OPT_OUT")
    story.synced(now=in_half_a_year(story))
    her = "from raw.vinoshipper_customers where customer_id = 700101"
    assert rows(story, f"select detail_body, detail_at, phone, list_body is not null {her}") == [
        (None, None, MARISOL, True)
    ]
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.texting.patch_contact(MARISOL, subscriptionStatus="OPT_IN", customFields={})
    story.synced(now=in_half_a_year(story, 201))
    says = story.contact(MARISOL)
    assert (says["City"], says["Order Count"], says["Lifetime Value"]) == ("Occidental", "3", "1392.96")
    story.clean()


@pytest.mark.slow
def test_of_who_is_gone_only_that_stays_by_which_he_is_found_and_he_may_come_back(story: Story) -> None:
    story.begin_synced()
    keeping(story)
    contact_id = story.id_of(BRAM)
    story.texting.delete_contact(BRAM)
    customer = story.shop.customer(700101)
    story.shop.delete_customer(700101)
    for days in (0, 40, 80, 200):
        story.sync("--allow-unsafe", now=in_half_a_year(story, days))
    left = raw_text(story, "vinoshipper_customers where customer_id = 700101")
    left += raw_text(story, f"simpletexting_contacts where contact_id = '{contact_id}'")
    assert MARISOL in left
    assert BRAM in left
    assert not [word for word in ("Sebastopol", "Vantongeren", "Ostrowski", "Zinfandel") if word in left]
    assert contact_id in story.run("history", "--merchant", TEST, BRAM).out
    story.texting.add_contact(BRAM, customFields={"VScustomerID": "700103"})
    story.shop.add_customer(**customer)
    story.sync("--allow-unsafe", "--full", now=in_half_a_year(story, 240))
    story.sync("--allow-unsafe", now=in_half_a_year(story, 280))
    assert story.contact(BRAM)["VScustomerID"] == "700103"
    assert story.contact(MARISOL)["City"] == "Sebastopol"
    found = story.run("forget", "--merchant", TEST, BRAM, "--yes", "--json").json
    assert found["contacts"] == 2, "the one that is gone as well"


@pytest.mark.parametrize("text", ["[]", '"text"', "{}", '{"orderNumber": "1", "customer": null, "shipping": 3}'])
def test_whatever_a_body_is_less_of_it_means_the_same(text: str) -> None:
    today = date(2026, 6, 1)
    reduced, whole = try_object(minimal_order(text)) or {}, try_object(text) or {}
    assert order_from(reduced, today=today) == order_from(whole, today=today)


def test_money_stays_as_it_came() -> None:
    text = '{"orderNumber": "1", "total": 12345678901234567.890, "products": [1], "customer": {"id": 7, "email": "x"}}'
    kept = minimal_order(text)
    assert '"total":12345678901234567.890' in kept
    assert msgspec.json.decode(kept).keys() == {"orderNumber", "total", "customer"}
    assert "email" not in kept
