"""Says for people what each word of this route means, and what a person does about it (notices.md 5-10)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vs_st_pipeline.connectors.gupshup.codes import CODES
from vs_st_pipeline.routes.notices.words import Drop, Noted, ReplyOutcome, State, Wait

MEANINGS: Final[dict[str, str]] = {
    # dropped for good
    Drop.BEFORE_START: "The order had reached this status before the first sync: history is not announced.",
    Drop.NOT_ENABLED: "This notification is off: set notices.notifications.<status>.enabled.",
    Drop.BEFORE_ENABLED: "It was reached before the first sync that saw this notification enabled.",
    Drop.REHEARSAL: "notices.only_to was set and lacked this phone: a rehearsal. It is never sent later.",
    Drop.AGE_UNKNOWN: "Nobody says when the status was reached, so it may be old.",
    Drop.STALE: "It is older than max_age.",
    Drop.SUPERSEDED: "The parcel has gone on: only its newest status is announced.",
    Drop.OUT_OF_ORDER: "A later status, or this one, was announced before.",
    # waits
    Wait.NOT_CONFIRMED: "A hook named a newer status that no read shows yet; it is looked at again.",
    Wait.SOURCE_STALE: "The order was last read longer ago than source_max_age: is its source answering?",
    Wait.PHONE_MISSING: "The order has no phone.",
    Wait.PHONE_INVALID: "The phone is no number of its country, or is masked.",
    Wait.PHONE_NOT_MOBILE: "The phone is a landline.",
    Wait.COUNTRY_NOT_ALLOWED: "The phone's country is not in notices.countries.",
    Wait.SHARED_PHONE: "Many names order with this phone: whose it is, nobody knows.",
    Wait.FORGOTTEN: "The person was forgotten.",
    Wait.UNDER_AGE: "The customer is known to be under 21.",
    Wait.OPTED_OUT: "The person wrote STOP, or opted out; START, or `vs-st notices opt-in`, brings the phone back.",
    Wait.NOT_ON_WHATSAPP: "WhatsApp does not know this phone; it is asked again after 30 days.",
    Wait.NOT_OPTED_IN: "Nothing says that this phone may be written: see notices.opt_in.",
    Wait.NO_ACCOUNT: "No Gupshup account is installed: add one to notices.accounts.",
    Wait.CHARGES_NOT_CONFIRMED: "The house's account is billed: write charges_confirmed with who agreed and when.",
    Wait.ACCOUNT_STOPPED: "The account is stopped: see the alert, put it right, `vs-st notices resume`.",
    Wait.TEMPLATE_MISSING: "No template is set for this status and account.",
    Wait.TEMPLATE_GONE: "The account's list lacks the template: is its id right, and is it there still?",
    Wait.TEMPLATE_PAUSED: "WhatsApp has paused the template: its quality is low. It is looked at again.",
    Wait.TEMPLATE_REFUSED: "The template was disabled or refused: change it, or its params.",
    Wait.TEMPLATE_NOT_APPROVED: "The template is not approved, or the account's list was not read for 15 minutes.",
    Wait.TEMPLATE_PARAMS: "params or buttons do not fit the template's placeholders or quick replies.",
    Wait.TEMPLATE_CATEGORY: "The template is not UTILITY: set allow_marketing_templates, or have it made anew.",
    Wait.TEMPLATE_UNSUPPORTED: "The template is no text, or has a placeholder in its header or a button.",
    Wait.MISSING_VALUE: "A variable has no value for this order: write `else`, or leave it out of the template.",
    Wait.TOO_LONG: "The text is longer than the 1024 characters of WhatsApp.",
    Wait.SETTLING: "It is new: what comes within the settle time may take its place.",
    Wait.SEQUENCE: "Another message of this order has just been sent, and has no receipt yet.",
    Wait.QUIET_HOURS: "It is night where the person may be.",
    Wait.CAP: "This phone has had as many messages as notices.cap allows.",
    Wait.DAILY_RECIPIENTS: "The number has written as many people in 24 hours as its tier allows.",
    Wait.UNSAFE: "The brake holds it: many messages at once. Look, then sync once with --allow-unsafe.",
    Wait.TRY_LATER: "Gupshup could not be reached, or is busy; nothing was sent.",
    Wait.RETRY: "It failed for a passing reason and is tried again.",
    # how a message stands
    State.ACCEPTED: "Gupshup has it; no receipt has come yet.",
    State.ENQUEUED: "Gupshup has queued it.",
    State.SENT: "WhatsApp has it.",
    State.DELIVERED: "It is on the phone.",
    State.READ: "It was read.",
    State.FAILED: "WhatsApp did not deliver it; the code says why.",
    State.REJECTED: "Gupshup refused it for good; `vs-st retry` releases it while it is fresh.",
    State.UNKNOWN: "It may have been sent. It is never sent again by itself: a receipt, a reply, or "
    "`vs-st notices resolve` settles it.",
    # noted
    Noted.CLOCK_AHEAD: "The status's time lies in the future, so its age is not known.",
    Noted.HOOK_NOT_CONFIRMED: "A hook named a status that no read has shown in confirm_wait.",
    Noted.ORDER_MISMATCH: "A read answered with another order than was asked for; nothing of it was used.",
    Noted.FOREIGN: "A call of another app or workspace came by this URL; it was dropped.",
    Noted.FOREIGN_RECEIPTS: "Receipts of messages that were not sent from here.",
    Noted.NO_RECEIPT: "Messages without any receipt for an hour: is the account's callback URL right?",
    Noted.FAILED_THEN_DELIVERED: "A message was told as failed, and then as delivered.",
    Noted.DELETED: "A message was deleted at WhatsApp; what was said of it before stands.",
    Noted.UNKNOWN_CODE: "A message failed by a code that is not known here; `vs-st why` shows it.",
    Noted.WANTS_OPT_IN: "Gupshup wants an opt-in of its own for this phone: older evidence does not count any more.",
    Noted.BAD: "A call that could not be understood.",
    Noted.UNREADABLE: "An order that could not be read; what is known of it stands.",
    Noted.ORDER_WITHOUT_NUMBER: "A row of the list of orders has no number, so nobody knows which order it is.",
    Noted.RETURN_WITHOUT_ID: "A return has neither a shipment id nor a number, so nothing of it is announced.",
    Noted.UNREADABLE_ORDER_DATE: "An order's date cannot be read, so the age of `created` is not known.",
    Noted.UNREADABLE_TIME: "A time of an order cannot be read, so the age of that status is not known.",
    Noted.UNREADABLE_REFUND: "A return's refund cannot be read, so the variable refund_amount is missing.",
    Noted.UNIT_OF_ANOTHER_ORDER: "An order names a shipment or a return of another order; it is left out.",
    # replies
    ReplyOutcome.REPEATED: "The same action was taken on this message before.",
    ReplyOutcome.NOT_UNDERSTOOD: "No rule of notices.replies fits the text.",
    ReplyOutcome.MEDIA: "A picture, voice or the like; nobody looks at it here.",
    ReplyOutcome.UNSOLICITED: "It answers no message of ours.",
    ReplyOutcome.NOT_FAILED_NOW: "The parcel is not in failed delivery any more.",
    ReplyOutcome.ALREADY_ANSWERED: "Another action was taken on this message before.",
    ReplyOutcome.NOT_OFFERED: "The courier does not offer this now.",
    ReplyOutcome.TOO_LATE: "It came more than 72 hours after the message.",
    ReplyOutcome.AMBIGUOUS: "It could mean one of several orders.",
    ReplyOutcome.OTHER_PHONE: "It came from another phone than the message went to.",
    ReplyOutcome.BEFORE_BASELINE: "It came before `vs-st notices baseline`, so it may have been acted on: look at the "
    "order at Eshopbox.",
}


def _of(words: Iterable[str]) -> dict[str, str]:
    return {str(word): MEANINGS[word] for word in words if word in MEANINGS}


CODES_MEAN: Final = {code: f"{one.why[:1].upper()}{one.why[1:]}." for code, one in CODES.items()}
WORDS: Final = {
    "dropped": _of(Drop),
    "waiting": _of(Wait),
    "noted": _of(Noted),
    "state of a message": _of(State),
    "outcome of a reply": _of(ReplyOutcome),
    "code of a failed message": CODES_MEAN,
}
