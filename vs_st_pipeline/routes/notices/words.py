"""Names what this route counts, drops, holds and notes (notices.md 3-10); `meanings` says what each means."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """How a message stands. What it once reached it keeps: `accepted` to `read` only rise (7.5)."""

    WAITING = "waiting"  # nothing is out; looked at again in each sync
    DROPPED = "dropped"  # for good
    SENDING = "sending"  # stored as about to leave
    ACCEPTED = "accepted"
    ENQUEUED = "enqueued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"  # by a receipt
    REJECTED = "rejected"  # by the answer, for good
    UNKNOWN = "unknown"  # never sent again by itself


RISING = (State.ACCEPTED, State.ENQUEUED, State.SENT, State.DELIVERED, State.READ)
OUT = frozenset({State.SENDING, State.UNKNOWN, State.FAILED, *RISING})
"""States of a message that may be with the customer, for rules 5, 14 and 16."""


class MessageKind(StrEnum):
    """Why a message is sent (7.7)."""

    NOTICE = "notice"
    EXCEPTION = "exception"  # an answer to an unexpected reply (8.5)
    CONFIRMATION = "confirmation"  # of an action that was done (8.4)


class Basis(StrEnum):
    """Where the time of a status comes from (3.7), best first."""

    READ = "read"
    BETWEEN = "between"
    HOOK = "hook"


class Drop(StrEnum):
    """Why a notice is dropped for good (5.1-5.5)."""

    BEFORE_START = "before_start"
    NOT_ENABLED = "not_enabled"
    BEFORE_ENABLED = "before_enabled"
    REHEARSAL = "rehearsal"
    AGE_UNKNOWN = "age_unknown"
    STALE = "stale"
    SUPERSEDED = "superseded"
    OUT_OF_ORDER = "out_of_order"


class Wait(StrEnum):
    """Why a notice waits (5.4, 5.6-5.16, 7.3, 7.4)."""

    NOT_CONFIRMED = "not_confirmed"
    SOURCE_STALE = "source_stale"
    PHONE_MISSING = "phone_missing"
    PHONE_INVALID = "phone_invalid"
    PHONE_NOT_MOBILE = "phone_not_mobile"
    COUNTRY_NOT_ALLOWED = "country_not_allowed"
    SHARED_PHONE = "shared_phone"
    FORGOTTEN = "forgotten"
    UNDER_AGE = "under_age"
    OPTED_OUT = "opted_out"
    NOT_ON_WHATSAPP = "not_on_whatsapp"
    NOT_OPTED_IN = "not_opted_in"
    NO_ACCOUNT = "no_account"
    CHARGES_NOT_CONFIRMED = "charges_not_confirmed"
    ACCOUNT_STOPPED = "account_stopped"
    TEMPLATE_MISSING = "template_missing"
    TEMPLATE_GONE = "template_gone"
    TEMPLATE_PAUSED = "template_paused"
    TEMPLATE_REFUSED = "template_refused"
    TEMPLATE_NOT_APPROVED = "template_not_approved"
    TEMPLATE_PARAMS = "template_params"
    TEMPLATE_CATEGORY = "template_category"
    TEMPLATE_UNSUPPORTED = "template_unsupported"
    MISSING_VALUE = "missing_value"
    TOO_LONG = "too_long"
    SETTLING = "settling"
    SEQUENCE = "sequence"
    QUIET_HOURS = "quiet_hours"
    CAP = "cap"
    DAILY_RECIPIENTS = "daily_recipients"
    UNSAFE = "unsafe"
    TRY_LATER = "try_later"
    RETRY = "retry"


class Noted(StrEnum):
    """What is worth knowing and stops nothing."""

    CLOCK_AHEAD = "clock_ahead"
    HOOK_NOT_CONFIRMED = "hook_not_confirmed"
    ORDER_MISMATCH = "order_mismatch"
    FOREIGN = "foreign"  # a callback of another app, a hook of another workspace
    FOREIGN_RECEIPTS = "foreign_receipts"
    NO_RECEIPT = "no_receipt"
    FAILED_THEN_DELIVERED = "failed_then_delivered"
    DELETED = "deleted"
    UNKNOWN_CODE = "unknown_code"
    WANTS_OPT_IN = "gupshup_wants_its_own_opt_in"
    UNKNOWN = "unknown"  # unknown since before this sync
    BAD = "bad"  # a call that is no JSON of the system's
    UNREADABLE = "unreadable"
    ORDER_WITHOUT_NUMBER = "order_without_number"  # from here on: rejects of 10, while they last
    RETURN_WITHOUT_ID = "return_without_id"
    UNREADABLE_ORDER_DATE = "unreadable_order_date"
    UNREADABLE_TIME = "unreadable_time"
    UNREADABLE_REFUND = "unreadable_refund"
    UNIT_OF_ANOTHER_ORDER = "unit_of_another_order"


class ConsentSource(StrEnum):
    """What says that somebody may, or may not, be written (5.8, 5.9)."""

    ESHOPBOX_FLAG = "eshopbox_flag"
    GUPSHUP_EVENT = "gupshup_event"
    GUPSHUP_LIST = "gupshup_list"
    ATTESTATION = "attestation"
    START_WORD = "start_word"
    STOP_WORD = "stop_word"
    CODE_1012 = "code_1012"
    CODE_1006 = "code_1006"  # state `void`: older `in` rows count no more (7.4)
    CODE_1002 = "code_1002"  # state `absent`: not on WhatsApp, for 30 days (5.8)
    OPERATOR = "operator"


class ReplyOutcome(StrEnum):
    """What became of a reply (8)."""

    ACTION = "action"
    WAITING = "waiting"  # a read that its gates need failed; up to its 72 h
    REPEATED = "repeated"
    OPTED_OUT = "opted_out"
    OPTED_IN = "opted_in"
    NOT_UNDERSTOOD = "not_understood"
    MEDIA = "media"
    UNSOLICITED = "unsolicited"
    NOT_FAILED_NOW = "not_failed_now"
    ALREADY_ANSWERED = "already_answered"
    NOT_OFFERED = "not_offered"
    TOO_LATE = "too_late"
    AMBIGUOUS = "ambiguous"
    OTHER_PHONE = "other_phone"
    BEFORE_BASELINE = "before_baseline"  # what became of it nobody knows: the data is of a backup


class ActionState(StrEnum):
    """How an action stands (8.4)."""

    WAITING = "waiting"  # certainly not taken: again in the next sync, up to the 72 h
    SENDING = "sending"
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    DROPPED = "dropped"  # certainly not taken, and by its gates not to be taken any more


class What(StrEnum):
    """What a row of activity tells (7.8)."""

    HELD = "held"
    SENT = "sent"
    RECEIPT = "receipt"
    REPLY = "reply"
    ACTION = "action"
    ACTION_RESULT = "action_result"
    UNEXPECTED = "unexpected"
    OPTED_OUT = "opted_out"
    RESOLVED = "resolved"
