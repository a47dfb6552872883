"""Describes every error code that SimpleTexting is known to answer: its meaning, what a person should do, what we do.

The codes are those of both error envelopes, of single items of a batch, of calls that are never made here (a person who
meets one in a log should find it all the same), and three of our own. An unknown code is reported as unknown, never
hidden.

Whatever the code is, a refused contact is tried at the next sync, then after growing gaps up to a day, and is never
dropped (interface 7.8): what is refused today for an unknown reason may pass tomorrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from vs_st_pipeline.connectors.simpletexting.batch import IMPORT_LIMIT, NOT_APPLIED, WRITE_FAILS

Then: TypeAlias = Literal["later", "at once", "after repair", "never", "not met"]

NEXT_STEPS: Final[dict[Then, str]] = {
    "later": "tried at the next sync, then after growing gaps up to a day, until it is accepted or no longer wanted",
    "at once": "tried again within the same sync, with growing pauses; then by the next sync",
    "after repair": "not tried again in this sync: the whole merchant stops, and goes on when it is repaired",
    "never": "not tried again: there is nothing left to write to",
    "not met": "not met here: the pipeline never makes a call that is answered with it",
}


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """The meaning of one error code.

    Attributes:
        code: as SimpleTexting spells it; `no code` where it gave none.
        means: what has happened, in one sentence.
        do: what a person should do, in one sentence.
        then: what the pipeline does by itself; the words are in `NEXT_STEPS`.
    """

    code: str
    means: str
    do: str
    then: Then = "later"

    @property
    def account_wide(self) -> bool:
        """Say whether it is about the account and not about what was sent: every other contact will meet it too."""
        return self.then == "after repair"

    @property
    def next_step(self) -> str:
        """Return when it is tried again, or why not."""
        return NEXT_STEPS[self.then]


_WAIT = "Nothing yet: it is SimpleTexting's own trouble. If it lasts for days, tell their support the contact's id."
_KEY = "Make a new token in SimpleTexting's settings (API) and put it where merchants.yaml says; nothing was lost."
_NOBODY = "Nothing: no contact is written by such a call."

CATALOGUE: Final[dict[str, ErrorCode]] = {
    meaning.code: meaning
    for meaning in (
        # A contact that was not written, one by one or as an item of a batch.
        ErrorCode(
            "CONTACT_UPDATE_FAILED",
            "SimpleTexting did not take the new values of this contact; it does not say in a code why.",
            "Open the contact in SimpleTexting and save it there with the same values: an e-mail that another contact "
            "has, a value of the wrong type or a block shows at once. Put that right; `vs-st retry` tries it at once.",
        ),
        ErrorCode(
            "CONTACT_CREATE_FAILED",
            "SimpleTexting took the write for a new contact and refused it: the contact we know has vanished, or its "
            "phone belongs to another one.",
            "Search the phone in SimpleTexting: if it is there twice, merge or delete one; if not, nothing.",
        ),
        ErrorCode("CONTACT_UPDATE_INTERNAL_ERROR", "SimpleTexting failed while it changed this contact.", _WAIT),
        ErrorCode(
            "CONTACT_CREATE_INTERNAL_ERROR",
            "SimpleTexting failed while it took this contact for a new one: the one we know may have vanished.",
            _WAIT,
        ),
        ErrorCode(
            IMPORT_LIMIT,
            "SimpleTexting says that the account may take in no more contacts, so it took ours for a new one. Nothing "
            "more was sent in that sync.",
            "Look whether contacts were deleted at SimpleTexting; ask its support to raise the limit of the account.",
        ),
        ErrorCode(
            "INVALID_INPUT_VALUE",
            "SimpleTexting does not take one of the values: too long, of the wrong type, or a phone that is none.",
            "Compare the types of the custom fields (they must be text; `vs-st check` names others) and look for an "
            "odd value in `vs-st why`; correct it at Vinoshipper.",
        ),
        ErrorCode(
            "INVALID_CONTACT",
            "SimpleTexting has marked this phone as one that cannot be reached.",
            "Ask the customer for another phone. Until then no text reaches the customer, whatever the contact says.",
        ),
        ErrorCode(
            "LOCAL_OPT_OUT",
            "This phone is on the account's block list: the person has said STOP, or somebody blocked it.",
            "Nothing: it is their decision. They come back by texting START.",
        ),
        ErrorCode(
            "CONTACT_ID_DIFFERS",
            "Ours, not SimpleTexting's: the write met another contact than the one we know, because that one had "
            "vanished. One that our write made is deleted again; one that was there is left alone.",
            "Nothing as a rule: the next sync knows the new contact. `created_not_deleted` or `created_in_doubt` in "
            "the report means that somebody should look at this phone in SimpleTexting.",
        ),
        ErrorCode(
            NOT_APPLIED,
            "Ours, not SimpleTexting's: it took a batch, never said what became of this contact, and the new values "
            "did not show afterwards.",
            "Compare the contact in SimpleTexting with `vs-st why`: where it cuts long values, what was cut off cannot "
            "show; shorten it at Vinoshipper. Else nothing; if it lasts for days, tell their support the contact's id.",
        ),
        ErrorCode(
            WRITE_FAILS,
            "Ours, not SimpleTexting's: each write of this contact fails with an error or a block (500, or a page of "
            "Cloudflare's), while those of others pass: something in a name or a value may look like an attack to it.",
            "Look with `vs-st why` for odd signs in names and fields (quotes, semicolons, `<`, words of a program) and "
            "correct them at Vinoshipper; if there are none, tell SimpleTexting's support the contact's id.",
        ),
        ErrorCode(
            "ENTITY_NOT_FOUND",
            "SimpleTexting does not have what was asked for: the contact was deleted there (or a batch is forgotten, "
            "whose contacts are then read one by one).",
            "Nothing, unless it was deleted by mistake: then the person has to sign up again.",
            "never",
        ),
        # The whole request, and so the whole merchant.
        ErrorCode("ERR_AUTH_TOKEN_MISSING", "No token reached SimpleTexting.", _KEY, "after repair"),
        ErrorCode("ERR_AUTH_TOKEN_INVALID", "SimpleTexting does not know this token.", _KEY, "after repair"),
        ErrorCode(
            "BLOCKED_BY_PAYMENT",
            "SimpleTexting has blocked the account until a bill is paid.",
            "Pay the bill at SimpleTexting, or ask its support.",
            "after repair",
        ),
        ErrorCode(
            "TOO_MANY_REQUESTS",
            "SimpleTexting was asked too often.",
            "Nothing; if it lasts, lower simpletexting.requests_per_second and see who else uses the token.",
            "at once",
        ),
        ErrorCode(
            "INTERNAL_ERROR",
            "SimpleTexting could not read the request, or does not know the address: its API may have changed.",
            "Report it with the version of vs-st; whether other contacts passed tells if it is this one's values.",
        ),
        ErrorCode(
            "UNKNOWN_ERR",
            "SimpleTexting failed, and does not say in what.",
            _WAIT,
        ),
        # Answers to calls that are never made here, except for deleting what our own batch has just made.
        ErrorCode(
            "CONTACT_DELETE_FAILED",
            "SimpleTexting does not delete a contact that has said STOP.",
            "Delete it in SimpleTexting by hand if it must go; staff can.",
            "never",
        ),
        ErrorCode("CONTACT_DELETE_INTERNAL_ERROR", "SimpleTexting failed to delete a contact.", _NOBODY, "not met"),
        ErrorCode("UNKNOWN_CONTACT_PHONE", "No contact with this phone was there to be deleted.", _NOBODY, "not met"),
        ErrorCode("MESSAGING_ERROR", "A text could not be sent.", _NOBODY, "not met"),
        ErrorCode(
            "TEST_SEND_LIMIT_EXCEEDED", "The account may not send texts yet: it is not cleared.", _NOBODY, "not met"
        ),
    )
}

NO_CODE: Final = ErrorCode(
    "no code",
    "SimpleTexting refused it without saying why.",
    "Open the contact in SimpleTexting and save it there; what it says then is the reason. If nothing, report it.",
)


def describe_code(code: str | None) -> ErrorCode:
    """Return the meaning of a code; an unknown code and a missing one have a meaning too."""
    if not code:
        return NO_CODE
    return CATALOGUE.get(code) or ErrorCode(
        code,
        "SimpleTexting refused it with a code that nobody has told us of.",
        "Report the code, so that its meaning can be added; the contact goes on being tried.",
    )
