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

ESHOPBOX_SWITCHES: dict[str, list[Any]] = {
    # Reading.
    "bad_credentials": [401, 400, "login_page"],  # of the token endpoint; a call with a token that ended is always 401
    "token_life": [86400, 90, "missing"],  # expires_in; missing: not said, and a day
    "token_rate_limit": [False, True],  # a second token within a minute: 429
    # Where a status is shown: in an order's items and returns; by trackingDetails alone; nowhere, the list's included.
    "status_in_detail": ["item", "tracking_only", "none"],
    "status_time": ["timeline", "statusUpdatedAt", "none"],  # timeline: with statusUpdatedAt
    "clock_zone": ["Asia/Kolkata", "UTC"],  # of all times shown, and of dates in a query
    "opt_in_flag": ["present", "absent", "always_1"],
    "phone_form": ["ten_digits", "plus91", "leading_zero", "masked"],  # of Indian numbers; others as they were typed
    "tracking_key": ["trackingID", "trackingId", "awbNumber", "none"],  # of orders, returns and hooks
    "list_filter": ["works", "ignored"],  # by date
    "list_paging": ["page", "none"],  # none: every page is the first one
    "null_dates": ["zeros", "null", "absent"],
    "return_items": ["restocked", "mixed", "absent"],  # restocked: as the return says; mixed: the first is damaged
    # Hooks, actions.
    # delayed: with the next ones; unknown_subtype: a word that nobody has listed.
    "hook_style": [
        "normal",
        "duplicated",
        "reordered",
        "dropped",
        "delayed",
        "unknown_subtype",
        "no_resource",
    ],
    "hook_headers": ["echoed", "lower_cased", "missing"],
    "ndr_details": ["present", "absent"],
    "ndr_answer": [200, 202, "200_error"],  # 200_error: status 200, an error in the body, and nothing done
    "ndr_twice": ["refused", "accepted"],  # a second resolution of one failure
    "ndr_seen": ["event", "detail", "none"],  # a resolution: in the timeline and by a hook; in ndrDetails; nowhere
    "deferred_date": ["yyyy-mm-dd", "dd-mm-yyyy"],
    "action_source": ["any", "refused"],
}

NOTICES_SWITCHES: dict[str, dict[str, list[Any]]] = {"gupshup": GUPSHUP_SWITCHES, "eshopbox": ESHOPBOX_SWITCHES}

NOTICES_OPEN = {"daily_tier"}
