"""Defines the switches of the stand-ins of route `audience`: what is not known of WayMore, and how a shop's site drops.

The default is the first value. A comment says what a value does where its word alone does not.
"""

from __future__ import annotations

from typing import Any

AUDIENCE_SWITCHES: dict[str, dict[str, list[Any]]] = {
    "waymore": {
        "bad_credentials": ["200_message", 400, 401, "login_page"],
        "auth_again": ["same_uuid", "new_uuid", 409],  # to a domain that is registered already
        "bad_uuid": [401, 400, 404, "200_no_message"],
        "success_body": ["message", "empty", "text", "json_no_message", "message_and_success_1"],  # of data and event
        "success_status": [200, 201, 202],
        "refusal": ["400_message", "400_empty", "200_error", 422],  # 200_error: with a message beside the error
        "bad_item": ["whole_refused", "item_ignored"],  # item_ignored: the rest is taken, and nobody is told
        "block_names": ["any", "lower", "capitalised"],
        "dates": ["any", "iso", "dmy", "mdy"],
        "unknown_keys": ["accept", "refuse"],  # beyond those of the guide and of the vendor's own plugin's subscribers
        "resent_record": ["upsert", "duplicate", "ignore"],  # of a part: one that is known already
        "resent_event": ["duplicate", "dedupe_by_header"],  # by Idempotency-Key
        "mass_triggers": [False, True],  # the account's automations run on history too
        "max_records": [1000, 100, 10],
        "max_bytes": [10485760, 65536],
        "too_large": [413, 400, "reset"],
        "rate_limit": ["off", "429", "429_retry_after"],  # every seventh call
        "endpoints_answer": ["good", "foreign_host", "http", "moved"],  # moved: the usual URLs are nobody's any more
        "reject": [[]],  # ids of records that are bad, whatever they say
    },
    "shop": {
        "drop_format": ["csv", "csv.gz", "parquet", "jsonl", "jsonl.gz"],
        "drop_style": [
            "normal",
            "no_ready",
            "wrong_rows",  # of the first table _READY.json says one more
            "empty_table",  # the first table has no row
            "missing_column",  # of the first table, its key
            "extra_column",
            "bom",
            "duplicate_ids",
            "bad_values",
            "half_file",  # the first table's file ends in its middle
        ],
        "post_style": ["normal", "duplicated", "reordered", "unsigned", "replayed"],  # replayed: signed an hour ago
    },
}

AUDIENCE_OPEN = {"reject", "max_records", "max_bytes"}
