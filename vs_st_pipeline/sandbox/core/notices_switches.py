"""Defines the switches of the stand-ins of route `notices`: what is not known of Gupshup, and of Eshopbox.

The default is the first value. A comment says what a value does where its word alone does not.
"""

from __future__ import annotations

from typing import Any

GUPSHUP_SWITCHES: dict[str, list[Any]] = {
    # Sending.
    "bad_key": [401, 403, "200_error"],
    "send_answer": ["submitted_202", "submitted_200", "success_200", "no_id"],  # no_id: 202, taken, without messageId
    # A template that is unknown, not approved, or given other params than it has: refused, failed by a receipt (4003; a
    # paused one 4005), or sent all the same.
    "params_checked": ["sync_400", "async_4003", "ignored"],
    "opt_in_enforced": [False, "async_1006", "sync_400"],
    "rate_limit": ["off", "429", "async_4001"],  # every seventh message
    "daily_tier": [None, 2],  # people a day; who is one too many fails by a receipt (131048)
    "wallet": ["full", "sync_402", "async_1003"],
    "number_form": ["digits", "either", "plus"],  # of source and destination
    # Templates, users.
    "template_list": ["works", "pages_of_10", 404, "empty"],
    "template_case": ["APPROVED", "approved"],
    "users_list": ["works", 404],
    # Callbacks.
    "receipt_style": [
        "normal",
        "duplicated",
        "reordered",
        "dropped",  # receipts and billing alone: replies and the rest come
        "before_answer",  # a message's receipts have come when its call is answered
        "late_no_gsid",  # what comes after `sent` lacks gsId, as a week after the message
    ],
    "receipt_time": ["ms", "s", "missing"],
    "failed_style": ["sync_id", "async_gsid"],  # id is the message id | id is WhatsApp's, and gsId the message id
    "failed_then_delivered": [False, True],
    "reply_context": ["both", "id_only", "gsid_only", "none"],
    "reply_postback": ["echoed", "absent"],
    "reply_type": ["quick_reply", "button_reply", "text"],  # how a tap comes
    "user_events": ["sent", "none"],
    "billing_events": ["sent", "none"],
    "callback_retry": ["until_2xx", "none"],
    "auto_callbacks": ["off", "on"],  # on: told by itself, not only by `flush_callbacks`
}

ESHOPBOX_SWITCHES: dict[str, list[Any]] = {}

NOTICES_SWITCHES: dict[str, dict[str, list[Any]]] = {"gupshup": GUPSHUP_SWITCHES, "eshopbox": ESHOPBOX_SWITCHES}

NOTICES_OPEN = {"daily_tier"}
