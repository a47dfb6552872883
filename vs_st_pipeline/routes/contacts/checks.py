"""Lists the data-quality checks of this route: for each stage what a person should know, and what to do.

What keeps a bad plan from being pushed is the pipeline's own brake, in every kind of run; a blocking check besides
fails the run of Dagster.
"""

from __future__ import annotations

from vs_st_pipeline.domain import brake
from vs_st_pipeline.domain.plan import AGE_UNKNOWN, AMBIGUOUS_PHONE, EDITED_THERE
from vs_st_pipeline.pipeline import metrics as measuring
from vs_st_pipeline.pipeline.checks import Check
from vs_st_pipeline.routes.contacts import metrics

_CONTACTS, _CUSTOMERS, _ORDERS = "raw/simpletexting/contacts", "raw/vinoshipper/customers", "raw/vinoshipper/orders"
_PLANNED, _SYNCED = "planned/simpletexting/contacts", "synced/simpletexting/contacts"
_SHRUNK = (
    "The last complete read lost over a fifth of its rows: a filter, a half answer, or a person deleted many. Nothing "
    "is written for this merchant until it is clear; if it is right, run once with allow_unsafe."
)

_NEW_TO_US = (
    "fields, and words that a field may hold, that first came up in answers about {} within a week and are not "
    "documented"
)
_DRIFT = (
    "Nothing of it is used, and nothing is lost. But if a name that was used has become another one, values may come "
    "out empty: compare the names, and report it. A name counts as new for a week."
)
_UNSEEN = "The detail says what is seen late or not at all, and what is done instead. Ask Vinoshipper to mend it."

_UNREADABLE = (
    "What was last read of them stands, everybody else goes on, and they are asked for again with growing gaps up to a "
    "day. If it lasts, tell the vendor the record's id; `vs-st why` shows what it means for a contact."
)
_UNREAD = (
    "A value is given and cannot be understood. It is never taken for missing: what is made of it stays as it is, and "
    "where an age depends on it the contact is not written. `vs-st check` names them; correct them at Vinoshipper."
)

CHECKS = (
    Check(
        _CONTACTS, "has_rows", "complete reads that came back empty",
        "SimpleTexting says that the account has no contacts: is it the right account's token?",
        measuring.empty_read("contacts"),
    ),
    Check(
        _CONTACTS, "has_not_shrunk", "contacts fewer than at the last sync", _SHRUNK,
        metrics.missing_rows("contacts"),
        percent=100 - brake.SHRUNK_BELOW, blocking=True,
    ),
    Check(
        _CONTACTS, "answers_are_as_known", _NEW_TO_US.format("contacts"), _DRIFT,
        measuring.new_drift("contact", "raw.simpletexting_contacts where not gone"),
    ),
    Check(
        _CUSTOMERS, "has_rows", "complete reads that came back empty",
        "Vinoshipper says that the shop has no customers: is it the right shop's key?",
        measuring.empty_read("customers"),
    ),
    Check(
        _CUSTOMERS, "has_not_shrunk", "customers fewer than at the last sync", _SHRUNK,
        metrics.missing_rows("customers"),
        percent=100 - brake.SHRUNK_BELOW, blocking=True,
    ),
    Check(
        _CUSTOMERS, "phones_are_usable", "customers whose phone is not a North American number",
        "No contact can be matched by such a phone. Correct the phones at Vinoshipper.",
        measuring.share_of(
            "raw.vinoshipper_customers",
            "phone is null",
            "deleted_at is null and trim(coalesce(json_extract_string(list_body, '$.primaryPhone.number'), '')) <> ''",
            sample=metrics.CUSTOMERS,
        ),
        percent=5,
    ),
    Check(
        _CUSTOMERS, "everything_can_be_seen", "ways of asking for customers that have no effect", _UNSEEN,
        metrics.unseen("customer"),
    ),
    Check(
        _CUSTOMERS, "answers_are_as_known", _NEW_TO_US.format("customers"), _DRIFT,
        measuring.new_drift("customer", "raw.vinoshipper_customers where deleted_at is null"),
    ),
    Check(
        _ORDERS, "everything_can_be_seen", "ways of asking for orders that have no effect", _UNSEEN,
        metrics.unseen("order"),
    ),
    Check(
        _ORDERS, "answers_are_as_known", _NEW_TO_US.format("orders"), _DRIFT,
        measuring.new_drift("order", "raw.vinoshipper_orders"),
    ),
    Check(
        _ORDERS, "receipts_are_readable", "receipts that could not be read",
        "The receipt link of these people is left as it is and asked for again; if it lasts, ask Vinoshipper.",
        measuring.share_of(
            "raw.vinoshipper_orders", "receipt_state = 'unreadable'", "receipt_state is not null",
            sample=metrics.ORDERS,
        ),
        percent=5,
    ),
    Check(
        "staged/customers", "is_complete", "customers of the shop that are not staged",
        "No contact is written for a customer that is not staged. Materialize staged again; if it lasts, report it.",
        measuring.share_of(
            "raw.vinoshipper_customers",
            "customer_id not in (select customer_id from staged.customers)",
            "deleted_at is null",
            sample=metrics.CUSTOMERS,
        ),
        blocking=True,
    ),
    Check(
        _CUSTOMERS, "records_are_readable", "customers that could not be read when last asked for", _UNREADABLE,
        measuring.unreadable("customer", "raw.vinoshipper_customers where detail_at is not null"),
    ),
    Check(
        _ORDERS, "records_are_readable", "orders that could not be read when last asked for", _UNREADABLE,
        measuring.unreadable("order", "raw.vinoshipper_orders where detail_at is not null"),
    ),
    Check(
        _CONTACTS, "records_are_readable", "contacts that could not be read when last asked for", _UNREADABLE,
        measuring.unreadable("contact", "raw.simpletexting_contacts where not gone"),
    ),
    Check(
        "staged/customers", "values_are_understood", "customers with a value that cannot be understood", _UNREAD,
        measuring.share_of("staged.customers", "unread is not null", sample=metrics.CUSTOMERS),
    ),
    Check(
        "staged/orders", "values_are_understood", "orders with a value that cannot be understood", _UNREAD,
        measuring.share_of("staged.orders", "unread is not null", sample=metrics.ORDERS),
    ),
    Check(
        "staged/customers", "birth_dates_are_known", "customers read in detail without a birth date",
        "Whether they are of age is not known. Ask for it in the shop, or set require_age_evidence to hold them back.",
        measuring.share_of(
            "staged.customers", "birth_date is null and birth_year is null", "has_detail", sample=metrics.CUSTOMERS
        ),
        percent=50,
    ),
    Check(
        "staged/orders", "is_complete", "orders read in detail that are not staged",
        "Counts and sums would be too low. Materialize staged again; if it lasts, report it.",
        measuring.share_of(
            "raw.vinoshipper_orders",
            "order_number not in (select order_number from staged.orders)",
            "detail_status = 200",
            sample=metrics.ORDERS,
        ),
        blocking=True,
    ),
    Check(
        "staged/orders", "orders_are_dated", "orders without a purchase date",
        "Such an order is never taken for the newest. Look at it in Vinoshipper.",
        measuring.share_of(
            "staged.orders", "purchased_at is null and unread is null and status not in ('PENDING', 'DELETED')",
            sample=metrics.ORDERS
        ),
    ),
    Check(
        _PLANNED, "brake_is_not_tripped", "plans that the brake refuses",
        "Many contacts would lose something, so nothing of this plan is written. Look at what changes; if it is right, "
        "run once with allow_unsafe.",
        measuring.brake_tripped, blocking=True,
    ),
    Check(
        _PLANNED, "custom_fields_exist", "fields of the field map that the SimpleTexting account lacks",
        "These are left out, everything else is written. Add them at SimpleTexting, or take them out of the field map.",
        metrics.missing_custom_fields,
    ),
    Check(
        _PLANNED, "somebody_is_matched", "contacts that are no customer of this shop",
        "Not one contact is a customer: the key and the token may belong to different wineries.",
        measuring.share_of("planned.targets", "subject_id is null", sample=metrics.CONTACTS), percent=99,
    ),
    Check(
        _PLANNED, "phones_are_clear", "contacts whose phone several customers share",
        "The one with the newest order is taken, or none (on_ambiguous_phone). Correct the phones at Vinoshipper.",
        metrics.of_linked(AMBIGUOUS_PHONE), percent=5,
    ),
    Check(
        _PLANNED, "ages_are_known", "linked contacts whose age is not known",
        "They are written unless require_age_evidence says otherwise. Ask for birth dates in the shop.",
        metrics.of_linked(AGE_UNKNOWN), percent=25,
    ),
    Check(
        _PLANNED, "most_are_not_held", "linked contacts that are held back",
        "More than half may not be written. The detail says why: consent and age are theirs, the rest is your setting.",
        metrics.held, percent=50,
    ),
    Check(
        _PLANNED, "fields_are_not_edited_there", "linked contacts whose fields somebody edits at SimpleTexting",
        "The pipeline owns these fields and puts them back. Find out who edits them, or take them out of the map.",
        metrics.of_linked(EDITED_THERE), percent=5,
    ),
    Check(
        _SYNCED, "only_linked_people_were_written", "contacts written that the plan holds back",
        "Nobody may be written without consent, age and a link. Stop the schedule and report it at once.",
        metrics.written_though_held, blocking=True,
    ),
    Check(
        _SYNCED, "nothing_is_rejected", "contacts that SimpleTexting refuses",
        "They are tried again with growing gaps and never dropped. The detail says by code what it means and what to "
        "do; `vs-st why` shows one contact, `vs-st retry` tries them now.",
        metrics.rejected,
    ),
    Check(
        _SYNCED, "nothing_is_unknown", "contacts of which it is not known whether the write was taken",
        "The next sync reads them and settles it. If it lasts, SimpleTexting is in trouble.", metrics.unknown,
    ),
    Check(
        _SYNCED, "ledger_matches_live", "values that stood otherwise than they were accepted, when last compared",
        "Somebody or something edits our fields at SimpleTexting. Fields that the pipeline owns are put back by the "
        "next sync; find out who edits them, or take them out of the field map. `vs-st reconcile` compares again.",
        metrics.not_as_left,
    ),
    Check(
        _SYNCED, "brake_was_not_passed_by_name", "times that somebody let a refused sync pass within a week",
        "The detail says who, when, and what the brake had refused. If nobody meant it, look at what was written: "
        "`vs-st history` shows one contact.",
        measuring.brake_passed,
    ),
)  # fmt: skip
