"""Defines the switches of Commerce7's stand-in: what is not known of it, the default first.

A comment says what a value does where its word alone does not.
"""

from __future__ import annotations

from typing import Any

COMMERCE7_SWITCHES: dict[str, list[Any]] = {
    "limit_per_minute": [100, 10, None],
    "retry_after": [False, True],  # a header of that name with every 429
    "cursor": ["works", "repeats", "ignored"],  # one cursor and the first page, for ever | pages by number, no cursor
    "cursor_end": ["absent", "null", "blank", "empty_page"],  # empty_page: one that has a cursor still
    "date_form": ["any", "day_only", "iso_cut_to_day", "iso_finds_nothing"],  # day_only: 422 to a time of day
    "date_filter": ["works", "ignored"],
    "list_rows": ["full", "no_customer", "no_shipping_options"],  # keys that rows lack, and single orders have
    "purchase_type": ["given", "absent"],
    "linked_orders": ["given", "absent"],
    "shipping_carrier": ["given", "absent"],
    "ship_date": ["date", "local_midnight_utc", "absent"],
    "bundle_quantity": ["per_bundle", "total"],
    "fulfil_again": ["refused_422", "second_fulfilment"],
    "fulfil_without_carrier": ["accepted", "refused_422"],
    "fulfil_without_tracking": ["accepted", "refused_422"],
    "mail_rule": ["five_days", "always"],  # five_days: nobody is mailed of a parcel that left longer ago
    "app_sync": ["works", 403, 404],
    "app_sync_touches_updated": [False, True],
    "short_list": [False, True],  # of every list the last third is not shown
    "orders_change_while_paged": [False, True],  # a new order, and a changed one that moves to the next page
    "late_commit": ["no", "after_2_reads"],  # of new orders, and of what the API wrote
    "webhook_style": [
        "normal",
        "duplicated",
        "reordered",
        "dropped",
        "numeric_identifier",
        "event_colon",  # the key of the action ends in a colon
        "unknown_event",
        "card_declined",  # a call about an order that is not there comes first
        "array",
        "empty_body",
        "not_json",
        "no_subject",  # no `object`
        "href_only",  # nothing but a payload with `callbackUrl`
        "bulk_update",
        "other_tenant",
    ],
    "webhook_resend": ["none", "3_times", "until_2xx"],
}
