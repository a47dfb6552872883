"""Defines every behavior of the stand-ins that is unknown in reality or can go wrong, as named switches with values.

The first value is the default. Tests may go through SWITCHES to run a client under every value, one at a time.
A name in OPEN takes values that are not listed as well (a number, a map, a list of faults).
"""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.sandbox.core.audience_switches import AUDIENCE_OPEN, AUDIENCE_SWITCHES
from vs_st_pipeline.sandbox.core.catalog_switches import SHOP_LISTS, SHOP_WINDOW
from vs_st_pipeline.sandbox.core.consumer_switches import CONSUMER_OPEN, CONSUMER_SWITCHES
from vs_st_pipeline.sandbox.core.notices_switches import NOTICES_OPEN, NOTICES_SWITCHES
from vs_st_pipeline.sandbox.core.order_switches import COMMERCE7_SWITCHES

BOTH: dict[str, list[Any]] = {
    "fault": [None],
    "block_after_per_second": [None],
    "block_status": [429, 403, 503],
    "latency_seconds": [0],
}

# A number that says how many there are, and the value that is shown: the page's own count in the place of all, ...
TOTALS = ["true", "page", "zero", "negative", "null", "text", "huge", "absent"]
# Beyond all bounds: an exponent, or so many digits; in some records, in a key that the pipeline does not read or in one
# that it reads.
NUMBERS = ["plain", "unread_exponent", "unread_digits", "read_exponent", "read_digits"]

# How a system calls whoever registered a webhook, and what it lets register: none of it shows in what a sync reads.
OF_BOTH_SENDERS: dict[str, list[Any]] = {
    "auto_webhooks": ["off", "on"],  # whatever changes is told by itself, not only what a test has sent
    "webhook_delay_seconds": [0, 0.2],
    "webhook_drop_share": [0, 0.5, 1],  # of each registration's calls, spread evenly; these are never sent
    "webhook_timeout_seconds": [10, 1],
    "webhook_disable_after": [None, 1],  # failed sendings in a row, after which the registration is gone
}
WEBHOOKS: dict[str, dict[str, list[Any]]] = {
    "vinoshipper": {
        "webhook_style": [
            "normal",
            "duplicated",
            "reordered",
            "dropped",
            "numeric_identifier",
            "event_colon",
            "unknown_event",
            "card_declined",
            "array",
            "empty_body",
            "not_json",
            "no_subject",
            "href_only",
        ],
        "membership_href": ["customer", "club"],  # .../customers/{id}/memberships/{id} | .../clubs/memberships/{id}
        "webhook_resend": ["none", "3_times", "until_2xx"],
        "webhooks_api": ["works", 403, 404, "refuses_membership", "made_but_500", "duplicates_on_post"],
        "webhook_logs": ["items", "array", "nested_text", 404, "html"],
        **OF_BOTH_SENDERS,
    },
    "simpletexting": {
        "webhook_style": ["normal", "array", "no_values", "unknown_type", "plus_one_phone"],
        "webhook_triggers": ["many", "one_each", "new_ones_refused"],
        "webhook_retry": ["none", "same_report_id", "new_report_id"],
        "webhook_duplicates": [False, True],
        "webhook_reorder": [False, True],
        **OF_BOTH_SENDERS,
    },
}

# What the answers say is not true, or not in the form that the fact sheets know (`lies`); the records stay true.
LIES: dict[str, dict[str, list[Any]]] = {
    "vinoshipper": {
        "memberships_total": TOTALS,
        # {day, month, year} | [2010, 4, 17] | "2010-04-17" | at midnight, with a Z | 17.0 for 17 | "April 17, 2010"
        "birth_date_form": ["object", "list", "iso", "iso_zone", "float_object", "text"],
        "plain_date_form": ["date", "midnight_zulu"],  # of `customerSince`
        # ...-07:00 | ...Z | ...-07:00[America/Los_Angeles] | the local time alone
        "date_time_form": ["offset", "zulu", "zone_suffix", "no_offset"],
        "money_form": ["number", "text", "comma_text", "dollar_text"],  # 1200.00 | "1200.00" | "1,200.00" | "$1,200.00"
        "absent_keys": [0, 3, 2, 1],  # in every nth answer each record lacks a documented key, another one each time
        "numbers": NUMBERS,
    },
    "simpletexting": {
        "contacts_total_elements": TOTALS,
        "contacts_total_pages": TOTALS,
        "custom_fields_total": TOTALS,  # both numbers of the list of custom fields
        "custom_fields_form": ["object", "list"],  # of a contact: {tag: value} | [{"mergeTag": tag, "value": value}]
        "absent_keys": [0, 3, 2, 1],
        "numbers": NUMBERS,
    },
}

# How the shop takes orders of other shops, route `orders`: nothing else shows any of it.
ORDER_DESK: dict[str, list[Any]] = {
    "duplicate_number": ["400_conflict", 409, "returns_existing", "second_order", "overwrites"],
    "problem_answer": ["200_pending", "400_compliance"],
    # pending: for good, unless `settle` is called; unknown: a word that nobody has listed
    "status_after_create": ["SUCCESS", "pending_then_success", "pending", "PAYMENT_AUTHORIZED", "unknown"],
    "paid_key": ["paid", "isPaid", "Paid"],
    "unknown_keys": ["ignored", 400],  # 400: keys that no page spells are refused, one by one; or a list of others
    "meta_fields": ["echoed", "dropped"],
    "late_commit": ["no", "after_2_reads"],
    "put_accepted": [400, "updates", "ignored"],
    "second_cancel": [400, "second_negative", "ok"],
    "cancel_after_label": ["ok", 400],
    "restore_key": ["restoreInventory", "ignored", 400],
    "cancel_shows": ["at_once", "after_2_reads"],
    "products_call": ["products", "feed", "none"],
    "sku_match": ["exact", "any_case"],
    "duplicate_lines": ["kept", "merged", "last_wins", 400],  # merged: at the price of the first one
    "tracking": ["with_label", "at_scan", "one_by_one", "never"],  # one_by_one: the next one after two more reads
}

SWITCHES: dict[str, dict[str, list[Any]]] = {
    "vinoshipper": {
        "bad_credentials": [401, 302, "login_page"],
        "paging": ["pageIndex", "page", "offset", "none"],
        "page_cap": [25, 5, 100],
        "inclusive_end": [True, False],
        "tz": ["America/Los_Angeles", "UTC", "America/New_York"],
        "date_filter": ["works", "ignored"],
        "dup_rows": [False, True],
        "envelope": ["results", "items", "orders", "content", "data", "array"],
        "total_key": ["none", "total", "totalCount", "totalElements", "totalResults"],
        "order_total": ["true", "page", "fewer", "zero", "negative", "null", "text", "huge", "beyond", "more"],
        "order_sort": ["works", "ignored", "oldest_first", "shuffled"],
        "exists_answer": ["array", "object"],
        "customers_paging": ["works", "ignored"],
        "customers_page_cap": [500, 5],
        "customers_past_the_end": ["empty", "last_page"],
        "customers_total": ["true", "page", "fewer", "zero", "negative", "null", "text", "huge", "beyond", "more"],
        "customers_order": ["same", "shuffled"],
        "unknown_status": [False, True],
        "list_changes_while_paged": [False, True],
        "orders_change_while_paged": [False, True],
        "membership_modified_key": ["modifiedAt", "modified_at", "updatedAt"],
        "customer_search": ["works", "ignored", 404],
        "short_list": [False, True],
        "receipt": ["url", "receiptUrl", "nested", "none", 404, 500],
        "profile_name": [None],  # None: as the world has it
        "profile_id": [None],
        "cf_ray_on_all": [False, True],
        **ORDER_DESK,
        **SHOP_WINDOW,
        **WEBHOOKS["vinoshipper"],
        **LIES["vinoshipper"],
        **BOTH,
    },
    "simpletexting": {
        "custom_fields_write": ["merge", "replace"],
        "custom_fields_read_key": ["merge_tag", "label"],
        "unknown_custom_field": ["ignore", "fail_item", "fail_request"],
        "empty_string_value": ["clear", "store_empty", "ignore"],
        "update_opted_out": ["ok_status_kept", "item_fails", "flips_to_opt_in"],
        "opt_out_touches_updated": [True, False],
        "since_inclusive": [True, False],
        "oversize_page": ["clamp", 409],
        "oversize_batch": [409, 400],
        "bad_item_in_batch": ["whole_request_refused", "item_fails"],
        "poll_status_code": [200, 201],
        "in_progress_results": ["absent", "empty", "partial"],
        "task_never_done": [False, True],
        "unknown_task": [404, 409, 400],
        "null_style": ["absent", "null", "empty_string"],
        "rate_limit": ["off", "429", "429_retry_after"],
        "put_missing_contact": ["create", 404],
        "phones": ["one", "none"],
        "double_post_race": [False, True],
        "short_list": [False, True],
        "contacts_change_while_paged": [False, True, "touch"],
        "page_cap": [500, 5],
        "tasks_delay_polls": [1, 0, 3],
        "reject": [{}],
        "email_unique": [False, True],
        "max_value_length": [None, 30],
        "trim_values": [False, True],
        "put_requires_phone": [True, False],
        "email_checked": [False, True],
        # A write that holds this text is answered so: {"DROP TABLE": "cloudflare_403"}, or "500".
        "firewall": [{}],
        **WEBHOOKS["simpletexting"],
        **LIES["simpletexting"],
        **BOTH,
    },
}

_LATER = {
    **CONSUMER_SWITCHES,
    **AUDIENCE_SWITCHES,
    **NOTICES_SWITCHES,
    "commerce7": {**COMMERCE7_SWITCHES, **SHOP_LISTS},
}
_CALLS_US = {"webhook_style", "hook_style", "receipt_style"}
for _system, _values in _LATER.items():
    SWITCHES[_system] = {**_values, **(OF_BOTH_SENDERS if _CALLS_US & set(_values) else {}), **BOTH}
del SWITCHES["gupshup"]["auto_webhooks"]  # it has its own word for that: `auto_callbacks`

OPEN = (
    CONSUMER_OPEN
    | AUDIENCE_OPEN
    | NOTICES_OPEN
    | {
        "fault",
        "block_after_per_second",
        "latency_seconds",
        "limit_per_minute",
        "page_cap",
        "customers_page_cap",
        "tz",
        "tasks_delay_polls",
        "absent_keys",
        "firewall",
        "reject",
        "max_value_length",
        "webhook_delay_seconds",
        "webhook_drop_share",
        "webhook_timeout_seconds",
        "webhook_disable_after",
        "profile_name",
        "profile_id",
        "unknown_keys",
    }
)


class Switches:
    """The settings in force: for all merchants, and above them those of single merchants."""

    def __init__(self, system: str, start: dict[str, Any] | None = None) -> None:
        self.system = system
        self.defaults = {name: values[0] for name, values in SWITCHES[system].items()}
        self.start = start or {}
        self.version = 0
        self.reset()

    def reset(self) -> None:
        """Reset to the start: {name: value} for all, {"merchants": {id: {name: value}}} for single ones."""
        self.for_all: dict[str, Any] = {}
        self.for_one: dict[str, dict[str, Any]] = {}
        self._effective: dict[str | None, dict[str, Any]] = {}
        self.version += 1
        self.update({k: v for k, v in self.start.items() if k != "merchants"})
        for merchant, values in self.start.get("merchants", {}).items():
            self.update(values, merchant)

    def update(self, values: dict[str, Any], merchant: str | None = None) -> None:
        """Set some switches; an unknown name or value is refused, so that a typing error never tests nothing."""
        checked = {name: self._checked(name, value) for name, value in values.items()}
        target = self.for_all if merchant is None else self.for_one.setdefault(merchant, {})
        target.update(checked)
        self._effective.clear()
        self.version += 1

    def of(self, merchant: str | None) -> dict[str, Any]:
        """Return all switches for one merchant (None: for unknown callers)."""
        found = self._effective.get(merchant)
        if found is None:
            own = self.for_one.get(merchant, {}) if merchant else {}
            found = self._effective[merchant] = {**self.defaults, **self.for_all, **own}
        return found

    def _checked(self, name: str, value: Any) -> Any:
        if name not in self.defaults:
            raise ValueError(f"no switch {name!r} at {self.system}; there are: {', '.join(sorted(self.defaults))}")
        allowed = SWITCHES[self.system][name]
        for known in allowed:
            # "404" and 404 are taken for the same, because they come from YAML, JSON or a command line.
            if known == value or (isinstance(value, int | str) and str(known) == str(value)):
                return known
        if name in OPEN:
            return value
        raise ValueError(f"switch {name!r} takes one of {allowed}, not {value!r}")
