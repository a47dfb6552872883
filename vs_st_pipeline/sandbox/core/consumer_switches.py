"""Defines the switches of the stand-ins of route `consumers`: what is not known of four systems, the default first.

A comment says what a value does where its word alone does not.
"""

from __future__ import annotations

from typing import Any

CONSUMER_SWITCHES: dict[str, dict[str, list[Any]]] = {
    "sopost": {
        "auth": ["bearer", "header", "basic", "client_credentials"],
        "bad_credentials": [401, 403, 302, "login_page"],
        "signature": ["none", "hex", "base64"],
        "signature_form": ["plain", "prefixed", "timestamped"],  # digest | sha256=digest | of timestamp + "." + body
        "webhook_header": ["none", "fixed"],  # a header of its own whose value never changes
        "case": ["upper", "title", "lower"],  # of statuses and events
        "stages": [["DISPATCHED", "DELIVERED"], "any"],  # what follows approval; any: words that nobody has listed
        "approve_after": [0, 5, 3600],  # seconds that a new order is pending
        "webhook_style": [
            "normal",
            "duplicated",
            "reordered",
            "dropped",
            "late",  # goes out with the next sending
            "extra_keys",
            "no_event_id",
            "same_event_id",  # one id for all events of an order
        ],
        "webhook_retry": ["none", "on_non_2xx", "on_timeout", "new_event_id"],
        "order_lag_404": [0, 3],  # so many reads of an order say first that it is not there
        "hidden_order": [404, 403],
        "envelope": ["bare", "data"],
        "consents_key": ["list", "absent", "null"],  # of an order without consents
        "consent_status": ["APPROVED", "approved", "absent", "GIVEN"],
        "answer_shape": ["list", "object"],
        "order_time": ["absent", "created_at"],
        "id_case": ["same", "upper"],
        "webhook_create": [201, 200, 409],  # 409: to the same registration a second time
        "rate_limit": ["off", "429", "429_retry_after"],
    },
    "hubspot": {
        "version": ["2026-03", "2026-09"],  # 2026-09: properties that the portal requires are required of writes too
        "batch_cap": [100, 10],
        "create_multi_status": ["by_trace_id", "whole_400"],
        "update_multi_status": [207, "whole_400"],
        "errors_mapped": ["trace_id", "id", "none"],
        "status_batch_cap": [100, 10, 1000],
        "gdpr": ["on_required", "off_ignored", "off_refused"],
        "resubscribe": ["allowed", "item_error", "silently_kept"],
        "wide_opt_out": ["empty_when_none", "not_specified_row"],
        "status_unknown_address": ["not_specified", "missing"],
        "secondary_lookup": ["resolves", "misses"],
        "deleted_write": ["new_record", 409],
        "blocklisted_write": [400, 409, "accepted_not_kept"],
        "merge_id": ["new", "winner"],
        "missing_property": [400, 207],
        "list_kind": ["MANUAL", "DYNAMIC"],
        "list_lag_polls": [0, 2],
        "account_info": ["works", 403],
        "rate_limit_every": [None, 7],
        "rate_429": ["retry_after", "policy_only", "daily"],
        "expired_token": [401, 403],
        "read_after_write_lag_polls": [0, 2],
    },
    "klaviyo": {
        "any_max": [100, 20, 0],  # values that one `any` takes; 0: only `equals`
        "url_max": [8000, 2000],
        "email_case": ["folded", "exact"],
        "subscribe_lag_polls": [1, 0, 5, "never"],
        "historical_respects_unsubscribe": [False, True],
        "subscribe_on_suppressed": ["unsuppresses", "skips"],
        "list_opt_in": ["single_opt_in", "double_opt_in"],  # of lists that do not say it themselves
        "bad_profile": ["whole_400", "item_skipped"],
        "job_lag_polls": [1, 0, 5, "never"],
        "job_errors": ["by_pointer", "by_payload", "count_only"],
        "deleted_write": ["recreates", 400],
        "merge_resolves": ["destination", 404],
        "timestamps": ["microseconds_z", "no_zone", "absent"],
        "consent_words": ["upper", "title"],
        "accounts": ["works", 403],
        "rate_limit_every": [None, 7],
        "rate_429": ["retry_after", "bare"],
        "revision_retired": ["no", 410],
        "read_after_write_lag_polls": [0, 2],
    },
    "salesforce": {
        "external_id": ["unique", "not_unique", "missing"],
        "duplicate_rule": ["off", "block", "alert"],
        "composite_query_max": [5, 1, 0],  # 0: there is no composite
        "soql_max": [100000, 4000],
        "uri_max": [16384, 2000],
        "member_duplicate": ["DUPLICATE_VALUE", "second_row"],
        "lock_rows": [0, 3],  # so many rows to be written are locked
        "opted_out_field": ["visible", "hidden"],
        "deleted_by_key": ["creates", "ENTITY_IS_DELETED"],
        "merge_keeps_key": ["loser_key_lost", "key_copied"],
        "token_life_calls": [None, 5],
        "token_error": [400, 401],
        "limit_info": ["present", "absent"],
        "limit_at": [None, 10],  # calls after which the org has none left
        "restricted_picklist": ["on", "off"],
        "validation_rule": ["none", "item"],  # item: no contact may be named `[not provided]`
        "read_after_write_lag_polls": [0, 2],
    },
}

CONSUMER_OPEN = {"stages", "approve_after", "rate_limit_every", "limit_at", "token_life_calls", "url_max", "uri_max"}
