"""Names what a field map of this route may use, and says the route's words to people."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.sopost.names import TITLE as SOURCE
from vs_st_pipeline.domain.crm import DELETED_THERE, MERGED_THERE, OTHER_PRIMARY_EMAIL, SEVERAL_CONTACTS
from vs_st_pipeline.domain.field_forms import MISSING_FIELD, OPTION_MISSING, TYPE_MISMATCH
from vs_st_pipeline.domain.field_map import Sources
from vs_st_pipeline.domain.formats import ValueType
from vs_st_pipeline.domain.plan import CANNOT_CLEAR, EDITED_THERE, GONE, WAITING_RETRY

# --- what a map may use ---

_NAMES: Final[dict[str, tuple[ValueType, str]]] = {
    "consumer.email": ("text", "the e-mail address, as the newest order writes it"),
    "consumer.full_name": ("text", "the name of the newest order"),
    "consumer.first_name": ("text", "the name without its last word; a name of one word"),
    "consumer.last_name": ("text", "the last word of the name, where there are several"),
    "consumer.telephone": ("text", "the telephone of the newest order"),
    "consumer.line_1": ("text", "the address of the newest order, first line"),
    "consumer.line_2": ("text", "its second line"),
    "consumer.town": ("text", "its town"),
    "consumer.district": ("text", "its district"),
    "consumer.postcode": ("text", "its postcode"),
    "consumer.country_3": ("text", "its country, three letters"),
    "consumer.country_2": ("text", "its country, two letters"),
    "consumer.identity": ("text", f"what {SOURCE} knows the person by"),
    "consumer.order_count": ("number", "how many orders there are that this CRM may be told of"),
    "newest_order.id": ("text", "id of the newest order"),
    "newest_order.short_id": ("text", "its short id"),
    "newest_order.activity_id": ("text", "id of its activity"),
    "newest_order.status": ("text", "its status"),
    "newest_order.provider": ("text", "where it was ordered"),
    "newest_order.ordered_at": ("date", "when it was ordered; unknown of an import without a time"),
    "newest_order.products": ("list", "ids of what was ordered"),
    "consents.names": ("list", "names of the consents that stand and lead somewhere here"),
    "consents.ids": ("list", "their ids"),
    "consents.handlers": ("list", "to whom they were given"),
    "consents.newest_at": ("date", "when the newest of their orders was first seen"),
    "answers.all": ("text", "all answers, a line per question"),
}
ANSWERS, ANSWER_IDS = "answers.", "answer_ids."
_OPEN: Final[dict[str, tuple[ValueType, str]]] = {
    ANSWERS: ("list", "answers to the question of this id"),
    ANSWER_IDS: ("list", "ids of the answers to it"),
}

SOURCES: Final = Sources(
    {name: one for name, (one, _) in _NAMES.items()}, {name: one for name, (one, _) in _OPEN.items()}
)
"""The names that a field map may use in `from`."""

MAP_NAMES: Final = {name: says for name, (_, says) in _NAMES.items()} | {
    f"{name}<question id>": says for name, (_, says) in _OPEN.items()
}
"""The same with what each is, for people."""

# --- words of reports ---

NOT_THERE, SUPPRESSED_THERE, UNSUBSCRIBED_THERE = "not_there", "suppressed_there", "unsubscribed_there"
REMOVED_THERE, CONSENT_TIME_UNKNOWN, REHEARSAL = "removed_there", "consent_time_unknown", "rehearsal"

HELD: Final = (
    REHEARSAL,
    SEVERAL_CONTACTS,
    MERGED_THERE,
    OTHER_PRIMARY_EMAIL,
    DELETED_THERE,
    NOT_THERE,
    SUPPRESSED_THERE,
    UNSUBSCRIBED_THERE,
    REMOVED_THERE,
    CONSENT_TIME_UNKNOWN,
)
"""Why a consumer is held, the first that applies."""

UNREADABLE_PART, SEVERAL_NAMES, SEVERAL_EMAILS = "unreadable_part", "several_names", "several_emails"
ADDRESS_CHANGED, HANDLER_MISMATCH, UNMAPPED_CONSENT = "address_changed", "handler_mismatch", "unmapped_consent"
UNKNOWN_CONSENT_STATUS, CONSENT_VANISHED = "unknown_consent_status", "consent_vanished"
REJECTED_AFTER_WRITE, WITHDRAWN, UNDONE = "rejected_after_write", "withdrawn", "undone"

NOTED_AT_THE_TOP: Final = (
    UNREADABLE_PART,
    SEVERAL_NAMES,
    SEVERAL_EMAILS,
    ADDRESS_CHANGED,
    HANDLER_MISMATCH,
    UNMAPPED_CONSENT,
    UNKNOWN_CONSENT_STATUS,
    CONSENT_VANISHED,
    REJECTED_AFTER_WRITE,
)
"""Notes that are of the person, whatever the CRM."""

MEANINGS: Final = {
    REHEARSAL: "not among `consumers.only`; nobody else is written while that is set",
    SEVERAL_CONTACTS: "several records there have the address, and none our key; none is written: merge them there, "
    "then `vs-st retry`",
    MERGED_THERE: "the record was merged into another one there; not written: `vs-st retry` takes the one that is left",
    OTHER_PRIMARY_EMAIL: "the record has another e-mail there now; not written: put it right there, then `vs-st retry`",
    DELETED_THERE: "the record was deleted there; not made again until a new order with a consent",
    NOT_THERE: "known by an import alone, which creates nobody: import again with `--create`",
    SUPPRESSED_THERE: "suppressed there (complaint, bounce, opt-out of all mail); never subscribed",
    UNSUBSCRIBED_THERE: "unsubscribed there; subscribed again only by a consent that is newer (settings)",
    REMOVED_THERE: "subscribed once, and taken off there since; only a consent of a new order counts",
    CONSENT_TIME_UNKNOWN: "imported without the time of the consent; subscribed to nothing: import again with "
    "`--consented-at`",
    UNREADABLE_PART: f"a consent or a question of an order at {SOURCE} cannot be read, and gives nothing",
    SEVERAL_NAMES: "orders with one address have several names; the newest order's is taken",
    SEVERAL_EMAILS: f"one person at {SOURCE} has several addresses; each is a consumer of its own",
    ADDRESS_CHANGED: "an order shows another address than when it was first read; not used",
    HANDLER_MISMATCH: "a consent that is listed, given to a data handler that is not; gives nothing: `vs-st check` "
    "prints the name",
    UNMAPPED_CONSENT: "a consent that `consumers.consents` does not list; gives nothing: `vs-st check` prints it "
    "ready to paste",
    UNKNOWN_CONSENT_STATUS: "a consent with a status that means neither yes nor no (settings); gives nothing",
    CONSENT_VANISHED: "a consent that an order showed, and does not any more; subscribes nobody, undoes nothing",
    REJECTED_AFTER_WRITE: f"an order was rejected at {SOURCE} after the consumer was written; nobody is unsubscribed",
    WITHDRAWN: "a consent was withdrawn; what was done because of it is undone (settings)",
    OPTION_MISSING: "a choice is missing in a field there; left out: `vs-st check` names it, create it there",
    TYPE_MISMATCH: "a value cannot be written to a field of that type; left out: `vs-st check` names the type",
    MISSING_FIELD: "a field of the map is missing there; left out: `vs-st check` names it, create it there",
    EDITED_THERE: "somebody edited our field there; it is put back",
    CANNOT_CLEAR: "a field there cannot be emptied; left until the value changes",
    GONE: "no longer there when it was to be written",
    UNDONE: "opted out between our look and our subscribing; unsubscribed again at once",
    WAITING_RETRY: "refused before; tried again with growing gaps, at once by `vs-st retry`",
}
"""What each reason to hold a consumer back, and each note, means to a person."""
WORDS: Final = {
    "held": {word: MEANINGS[word] for word in HELD},
    "noted": {word: says for word, says in MEANINGS.items() if word not in HELD},
}
