"""Lists the tables of rules that are mutated, and the tests that hold each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Rules of one module.

    Attributes:
        name: of the unit.
        path: of the module, from the project's root.
        names: its constants and functions whose rows are changed.
        tests: that hold them, from `vs_st_pipeline_tests` on: files, or tests as pytest names them.
        ordered: those of the names whose rows are looked at in their order.
        equivalent: changes that are none, and why: whatever is given, the changed code answers the same.
    """

    name: str
    path: str
    names: tuple[str, ...]
    tests: tuple[str, ...]
    ordered: tuple[str, ...] = ()
    equivalent: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """The module's name."""
        return self.path.removesuffix(".py").replace("/", ".")


TABLES = (
    Table(
        "notices: rules of 5",
        "vs_st_pipeline/routes/notices/rules.py",
        (
            "RULES",
            "_is_first_hook",
            "_hook_order",
            "_is_disabled",
            "_occurred_before",
            "_is_stale",
            "_stands",
            "_shipped",
            "_unconfirmed",
            "_is_superseded",
            "_is_answered",
            "_is_after",
            "_was_told_often",
            "_is_not_confirmed",
            "_was_before",
            "_is_out_of_order",
            "_is_source_stale",
            "_is_not_on_whatsapp",
            "_has_no_account",
            "_charges_are_not_confirmed",
            "_list_is_old",
            "_misses_a_value",
            "_is_too_long",
            "_settles",
            "_is_in_sequence",
            "_is_quiet",
            "_is_over_cap",
            "_is_over_tier",
            "_is_paused",
            "_waits_for_retry",
            "_has_no_phone",
            "BRAKE_FROM",
            "is_held",
            "ANNOUNCED_AT_MOST",
            "SHIPPED_FROM",
            "LIST_AGE",
            "SEQUENCE",
            "ABSENT",
            "DAY",
        ),
        ("routes/notices/test_rules.py",),
        ordered=("RULES",),
    ),
    Table(
        "notices: faults of a template",
        "vs_st_pipeline/routes/notices/template_fit.py",
        ("FAULTS", "fit", "_refused", "_until_approved"),
        ("routes/notices/test_template_fit.py",),
        ordered=("FAULTS",),
    ),
    Table(
        "notices: consents",
        "vs_st_pipeline/routes/notices/consent.py",
        ("BRINGS_BACK", "NO_CUSTOMER_NAMED", "EVENT_LATER", "is_out", "proof"),
        ("routes/notices/test_consent.py",),
    ),
    Table(
        "notices: phones",
        "vs_st_pipeline/routes/notices/phones.py",
        ("MADE_UP", "MOBILE", "read", "_plain"),
        ("routes/notices/test_phones.py",),
        equivalent={
            "read(): without number.extension": "what is written has no sign of an extension",
            "read(): without raw is None": "no text is missing too",
            "read(): never written is None": "phonenumbers reads no None either",
            "_plain(): never raw.isascii()": "sign by sign the same ones are left; it is faster",
        },
    ),
    Table(
        "notices: quiet hours",
        "vs_st_pipeline/routes/notices/quiet_hours.py",
        ("quiet_until", "_end_of", "_stretch", "_instant", "_comes_twice_from", "_is_shown"),
        ("routes/notices/test_quiet_hours.py",),
    ),
    Table(
        "notices: names of a unit",
        "vs_st_pipeline/routes/notices/units.py",
        ("_WEAK", "Units.of", "Units.only"),
        ("routes/notices/test_units.py",),
    ),
    Table(
        "notices: answers to a message (7.3)",
        "vs_st_pipeline/connectors/gupshup/answers.py",
        ("ROWS", "KEY_WORDS"),
        ("connectors/gupshup/test_answers.py",),
        ordered=("ROWS",),
        equivalent={
            "ROWS ACCEPTED: after the next one": "one is a 2xx, the other none",
            "ROWS BUSY: after the next one": "429, or 403 with a page; 401, or 403 with JSON: never both",
        },
    ),
    Table(
        "notices: what an answer means for a claim",
        "vs_st_pipeline/routes/notices/asking.py",
        ("MEANS",),
        ("routes/notices/test_sending.py",),
    ),
    Table(
        "notices: codes of a failed message (7.4)",
        "vs_st_pipeline/connectors/gupshup/codes.py",
        ("CODES", "_NOT_ON_WHATSAPP", "_OUT", "_VOID", "_SLOW", "_REFUSED", "_PAUSED", "UNKNOWN", "code_of", "code_in"),
        ("connectors/gupshup/test_codes.py",),
    ),
    Table(
        "notices: moves of a claim (7.5)",
        "vs_st_pipeline/routes/notices/account/claim.py",
        ("FREE", "COUNTS_NOT", "_RISING", "_ARRIVED", "MOVES"),
        ("routes/notices/test_account_claims.py", "routes/notices/test_account_taking.py"),
    ),
    Table(
        "notices: what a reply means (8.2)",
        "vs_st_pipeline/routes/notices/reply_rules.py",
        (
            "ReplyRules.by_button",
            "ReplyRules.by_text",
            "folded",
            "_is_blank",
            "read_day",
            "MOST_DAYS",
            "_DATES",
            "_action",
            "_rule",
            "_words",
        ),
        ("routes/notices/test_reply_rules.py",),
    ),
    Table(
        "notices: gates of an action (8.3)",
        "vs_st_pipeline/routes/notices/gates.py",
        ("BEFORE_READING", "AFTER_READING", "TAKEN", "WINDOW", "_answered_there"),
        ("routes/notices/test_gates.py",),
        ordered=("BEFORE_READING", "AFTER_READING"),
        equivalent={
            "AFTER_READING NOT_FAILED_NOW: after the next one": "nothing is answered of what is not failing",
            "AFTER_READING NOT_FAILED_NOW: without at.now is not None": "it is asked of an order that was read",
            "AFTER_READING NOT_OFFERED: without at.now is not None": "it is asked of an order that was read",
            "_answered_there(): never now is None or not now.is_failing": "NOT_FAILED_NOW comes before",
            "_answered_there(): without now is None": "it is asked of an order that was read",
            "_answered_there(): without not now.is_failing": "NOT_FAILED_NOW comes before",
        },
    ),
    Table(
        "notices: answers of an action (8.4)",
        "vs_st_pipeline/connectors/eshopbox/acting.py",
        ("ANSWERS", "says_error", "_is_ok", "_is_readable"),
        ("connectors/eshopbox/test_acting.py",),
        ordered=("ANSWERS",),
    ),
    Table(
        "notices: answers to a reply (8.5)",
        "vs_st_pipeline/routes/notices/answering.py",
        ("HOLDS", "enough", "_enough", "wanted", "WITHIN", "FRESH", "PER_PHONE"),
        (
            "routes/notices/test_unexpected.py::test_what_holds_an_answer",
            "routes/notices/test_unexpected.py::test_the_first_that_holds_an_answer_is_said",
            "routes/notices/test_unexpected.py::test_what_is_answered_goes_by_the_rule_of_the_account",
        ),
        ordered=("HOLDS",),
        equivalent={
            "HOLDS ANSWERED_BEFORE: after the next one": "`enough` says one of the limits alone",
            "HOLDS KIND_LIMIT: after the next one": "`enough` says one of the limits alone",
        },
    ),
    Table(
        "notices: whose sender may be somebody else (8.5)",
        "vs_st_pipeline/routes/notices/answering.py",
        ("OF_SENDER_ALONE",),
        ("routes/notices/test_unexpected.py",),
    ),
    Table(
        "orders: rules of 5",
        "vs_st_pipeline/routes/orders/rules.py",
        (
            "RULES",
            "NEVER_LOOKED_FOR",
            "METHODS",
            "PAYMENTS",
            "FULFILMENTS",
            "_one_of",
            "_ship_to",
            "_no_destination",
            "_country",
            "_state_not_chosen",
            "_unread_links",
            "_late",
            "_address",
            "_zip_state",
            "_zip_elsewhere",
            "_under_age",
            "judge",
        ),
        ("routes/orders/test_rules.py",),
        ordered=("RULES",),
        equivalent={
            "RULES unknown_value (2): after the next one": "an unknown method is no documented one",
            "RULES unknown_value (3): after the next one": "an unknown payment status is no documented one",
            "RULES unknown_value (4): after the next one": "an unknown fulfilment is no documented one",
        },
    ),
    Table(
        "orders: faults of a body",
        "vs_st_pipeline/routes/orders/payload.py",
        ("FAULTS", "_no_email", "_no_name", "_unknown_rate", "_several_rates", "_unknown_sku"),
        ("routes/orders/test_rules.py", "routes/orders/test_payload.py"),
        ordered=("FAULTS",),
    ),
    Table(
        "orders: faults of lines",
        "vs_st_pipeline/routes/orders/lines.py",
        ("goes", "_is_none", "_splits", "no_sku", "bad_quantity", "bad_money", "sum_mismatch", "bundle_unclear"),
        ("routes/orders/test_lines.py", "routes/orders/test_rules.py"),
    ),
    Table(
        "orders: linked orders",
        "vs_st_pipeline/routes/orders/linked.py",
        ("TYPES", "is_exchange", "is_refund", "taken_back", "of_kind"),
        ("routes/orders/test_linked.py", "routes/orders/test_rules.py"),
    ),
    Table(
        "orders: what a read shows (4.2)",
        "vs_st_pipeline/routes/orders/standing.py",
        ("TABLE", "stands", "shows", "refusal_code", "problem_code", "refused_code"),
        ("routes/orders/test_shows.py",),
    ),
    Table(
        "orders: states and stages",
        "vs_st_pipeline/routes/orders/states.py",
        ("MESSAGES", "STAGE_OF", "KNOWN_ORDER_STATUSES", "BY_SHIPPER"),
        ("routes/orders/test_states.py",),
    ),
    Table(
        "orders: answers to a write (6.3)",
        "vs_st_pipeline/connectors/vinoshipper/order_answers.py",
        ("REFUSALS", "DROPPABLE", "_FIELDS", "_TEXTS", "of_answer", "of_error", "_of_refusal", "_type_of"),
        ("connectors/vinoshipper/test_order_answers.py", "connectors/vinoshipper/test_order_desk.py"),
    ),
    Table(
        "consumers: rules of 7",
        "vs_st_pipeline/routes/consumers/judging.py",
        (
            "FINAL_CODES",
            "NEWER_BY",
            "MOST_TRIES",
            "SENT_AGAIN_AFTER",
            "counts",
            "is_rehearsed",
            "judge",
            "_record_held",
            "_is_deleted",
            "_is_after_deletion",
            "_Targets.judge",
            "_Targets._judge_unsubscribed",
            "_Targets._judge_subscribed",
            "_Targets._judge_absent",
            "_Targets._subscribe",
            "_Targets._joins",
            "_Targets._add",
            "_Targets._is_recent",
            "best_of",
            "_is_newer",
            "_is_spent",
            "_was_tried",
            "_lacks",
            "notes_of",
        ),
        ("routes/consumers/test_judging.py",),
        equivalent={
            "judge(): without found.unsettled": "what is unknown at a target is unknown of the person",
            "_Targets.judge(): without one.usable": "what counts, and is not spent, is usable",
        },
    ),
    Table(
        "consumers: what is undone",
        "vs_st_pipeline/routes/consumers/judging.py",
        ("_since_undone", "_to_undo", "_is_undoing", "_undo", "_nothing_of_ours_stands", "settle"),
        ("routes/consumers/test_judging.py",),
    ),
    Table(
        "consumers: consents of an order",
        "vs_st_pipeline/routes/consumers/consents.py",
        ("_WORST", "ConsentWords.verdict", "ConsentWords.kind", "rows_of", "_rows_of", "_shown", "_restated"),
        ("routes/consumers/test_consents.py",),
    ),
    Table(
        "consumers: answers of HubSpot",
        "vs_st_pipeline/connectors/hubspot/answers.py",
        (
            "Answers.settle",
            "Answers._left_over",
            "Answers.named_in",
            "Answers._in_sentence",
            "Answers.refusal",
            "Answers._conflict",
            "precise_code",
            "errors_in",
        ),
        ("connectors/hubspot/test_answers.py",),
    ),
    Table(
        "consumers: words of SoPost",
        "vs_st_pipeline/connectors/sopost/statuses.py",
        ("CLASSES", "classify", "wants_body"),
        ("connectors/sopost/test_settings.py", "connectors/sopost/test_reading.py"),
    ),
    Table(
        "audience: answers of WayMore (7)",
        "vs_st_pipeline/connectors/waymore/answers.py",
        ("_NO", "_NOTHING", "judge", "_breaks_off", "_good", "has_error", "_is_no"),
        ("connectors/waymore/test_answers.py",),
    ),
    Table(
        "contacts: who is held",
        "vs_st_pipeline/domain/eligibility.py",
        ("ineligible_reason", "age_of", "notes"),
        ("domain/test_eligibility.py",),
        equivalent={"age_of(): without if copy.known or copy.unread": "a copy that says nothing is neither"},
    ),
    Table(
        "contacts: birth dates",
        "vs_st_pipeline/domain/birth.py",
        ("LEGAL_AGE", "OLDEST", "read_birth", "says_a_birth", "is_under", "is_doubtful", "age_on", "last_birth_date"),
        ("domain/test_birth.py", "domain/test_eligibility.py"),
    ),
    Table(
        "contacts: write or leave a field",
        "vs_st_pipeline/domain/diff.py",
        ("_fill", "_mirror", "classify_drift", "_edited", "is_normalized_form"),
        ("domain/test_diff.py",),
    ),
    Table(
        "contacts: who is linked",
        "vs_st_pipeline/domain/matching.py",
        ("link", "choose", "_rank", "carried_id"),
        ("domain/test_matching.py",),
        equivalent={
            "link(): without customer_id is not None": "no customer has the id None",
            "link(): always phone": "nobody stands under no phone",
            "carried_id(): never _CUSTOMER_ID.fullmatch(digits)": "digits alone are a number as well; it is faster",
        },
    ),
    Table(
        "contacts: error codes",
        "vs_st_pipeline/connectors/simpletexting/error_codes.py",
        ("CATALOGUE", "NEXT_STEPS", "NO_CODE"),
        ("connectors/simpletexting/test_error_codes.py",),
    ),
    Table(
        "all routes: brakes",
        "vs_st_pipeline/domain/brake.py",
        ("FEWEST", "SHRUNK_BELOW", "LOSING_ABOVE", "is_loss", "judge", "refusal", "any_loss", "_number"),
        ("domain/test_brake.py",),
    ),
    Table(
        "all routes: answers to any request",
        "vs_st_pipeline/platform/http/client.py",
        ("HttpClient._judge", "NOT_THERE", "_BLOCKS"),
        ("platform/http/test_client.py",),
    ),
    Table(
        "audience: blocks and events",
        "vs_st_pipeline/routes/audience/gates.py",
        (
            "_AS_LATE_HISTORY",
            "_NEVER_LATE",
            "_KINDS",
            "Gates.of",
            "Gates._unsubscribe",
            "Gates._is_held_back",
            "Gates._is_late",
            "Gates._late",
            "_whose",
        ),
        ("routes/audience/test_gates_alone.py",),
    ),
    Table(
        "audience: what melts (6.3)",
        "vs_st_pipeline/routes/audience/melting.py",
        ("_TO_ADD", "_TO_ITSELF"),
        (
            "routes/audience/test_taking.py::test_a_newer_update_takes_the_place_of_one_that_waits",
            "routes/audience/test_taking.py::test_any_change_melts_into_an_add_that_waits",
        ),
    ),
    Table(
        "audience: bodies of events",
        "vs_st_pipeline/routes/audience/events.py",
        ("_DATA", "_customer", "_newsletter", "_product", "_stock", "_wish", "_cart", "_order", "_payment", "_status"),
        ("routes/audience/test_events.py",),
    ),
)
