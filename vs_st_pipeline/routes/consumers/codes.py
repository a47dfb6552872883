"""Says for people what each code of a refusal means, and what a person does about it: the one table of them.

Some are ours, for what a CRM has no code of its own for; all others are the CRM's, as it spells them. A code that does
not stand here is shown as it is. Whatever the code is, what was refused is tried again with growing gaps, but where the
sentence says otherwise.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.hubspot import answers as hubspot_answers
from vs_st_pipeline.connectors.hubspot import writing as hubspot
from vs_st_pipeline.connectors.klaviyo import writing as klaviyo
from vs_st_pipeline.connectors.salesforce import writing as salesforce
from vs_st_pipeline.routes.consumers.judging import KEPT_UNSUBSCRIBED, NO_TARGET, NOT_APPLIED

NO_CODE, LOCKED = "refused", "locked"

CODES: Final[dict[str, str]] = {
    # ours
    NO_CODE: "it was refused without a code: save the record there by hand, what it says then is the reason",
    LOCKED: "others were writing the record each time we did; nothing: it is tried again",
    NO_TARGET: "what it would subscribe to is not there, or not active: `vs-st check` names it; correct the id in "
    "consumers.consents, or make it there",
    NOT_APPLIED: "it was taken three times, and never showed; not sent again for this consent: subscribe the person "
    "there by hand, by the evidence that is kept here",
    KEPT_UNSUBSCRIBED: "the subscription was taken, and the person stays unsubscribed there; nothing: that is what "
    "they want, and it is not sent again for this consent",
    # HubSpot's
    hubspot.NO_RECORD: "the contact was gone when it was to be put on the list: is it deleted there? It is looked for "
    "again",
    hubspot_answers.CONFLICT: "another contact there has the address, or the contact was deleted for good: look for "
    "the address there, and merge or restore",
    hubspot_answers.NOT_FOUND: "the contact went after it was looked at; it is looked for again",
    "VALIDATION_ERROR": "a value is not taken, often a mistyped address: compare `vs-st why` with the record there",
    "INVALID_EMAIL": "the address is none that HubSpot takes: ask the person for another one",
    # Klaviyo's
    klaviyo.MUST_CONFIRM: "people get onto the list by their own confirmation alone, so nobody is put on it: make it "
    "single opt-in there, or name another list in consumers.consents",
    klaviyo.NOT_FOUND: "the profile or the list is not there any more, or another profile has the address: look for "
    "both there",
    "invalid": "a value is not taken, often a mistyped address: compare `vs-st why` with the profile there",
    # Salesforce's
    salesforce.DUPLICATE: "another record has a value that may be there only once: find it there by that value",
    "DUPLICATES_DETECTED": "a duplicate rule there holds it back, and we never set one aside: merge the contacts, or "
    "change the rule",
    salesforce.LOCKED: "others were writing the record each time we did; nothing: it is tried again",
    salesforce.DELETED: "the record was deleted after it was looked at; it is looked for again",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "a validation rule there refuses it: the rule says what it wants",
    "REQUIRED_FIELD_MISSING": "the org requires a field that we do not write: map it, or give it a default there",
    "STRING_TOO_LONG": "a value is longer than its field: make the field longer there, or shorten the value",
    "INVALID_EMAIL_ADDRESS": "the address is none that Salesforce takes: ask the person for another one",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "a choice is missing in a restricted picklist: add it there",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "a field may not be written by our user: give it the right to, or unmap it",
}
"""Code -> what it means and what to do, as the end of a sentence."""

UNKNOWN: Final = "the CRM's own code, which nobody has told us of: its documentation says what it means; report it"


def meaning(code: str | None) -> str:
    """Return what a code means and what to do; one that is unknown, and none, have a meaning too."""
    return CODES.get(code or NO_CODE, UNKNOWN)
