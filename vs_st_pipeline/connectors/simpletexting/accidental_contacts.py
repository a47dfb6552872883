"""Resolves a write that met another contact than the one we know: did our write make it, or did the person return?

Data flow: contact id + CallWindow -> one of four outcomes, and a deletion where our write made the contact.

A batch upserts by phone: where our contact vanished between reading and writing, it makes a new one, and a contact
made through the API is opted in, without anybody having asked for it. Such a contact is deleted again at once. A
contact that was there before our call belongs to a person who came back on their own, and is left alone; so is one that
leaves a doubt, and one that SimpleTexting says was made by other means than the API.
All times are SimpleTexting's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.stored_contacts import OUR_OWN_SOURCE
from vs_st_pipeline.domain.codec import read_json
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, Refused, TryLater
from vs_st_pipeline.domain.formats import parse_moment

MADE_AND_DELETED = "created_and_deleted"
MADE_NOT_DELETED = "created_not_deleted"
CAME_BACK = "came_back"
IN_DOUBT = "created_in_doubt"

# SimpleTexting gives its clock in whole seconds, and a call may have been sent several times before it was answered.
# So between the last answer before our call and the answer to it, only the contact itself can tell: one that our
# write made was last updated when it was created; one that was there and got our values was updated later.
HEADER_SECONDS = 1.0
SAME_MOMENT_SECONDS = 0.05
LATER_SAME_SECONDS = 1.0
FUTURE_SECONDS = 60.0  # some servers send a `Date` that is slightly old
_ZONED = re.compile(r"[0-9] ?(Z|[+-][0-9]{2}:?([0-9]{2})?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CallWindow:
    """SimpleTexting's clock around a call of ours (epoch seconds, whole): the last answer before it, and its own."""

    before: float | None
    answered: float | None


def settle_accidental(st: SimpleTextingClient, contact_id: str, called: CallWindow) -> str:
    """Read the contact that a write met, and delete it if our write made it.

    Args:
        contact_id: of the contact that the write met.
        called: SimpleTexting's clock around the call that met it.

    Returns:
        `created_and_deleted`, `created_not_deleted` (we made it, and deleting failed), `came_back` or
        `created_in_doubt`; all are to be reported.
    """
    try:
        body = read_json(st.contact(contact_id))
    except Refused as refused:
        return MADE_AND_DELETED if refused.http_status == 404 else IN_DOUBT
    except (TryLater, BadAnswer, Forbidden):  # unreadable, or another contact's body: never delete a contact for that
        return IN_DOUBT
    created, updated = _epoch(body.get("created")), _epoch(body.get("updated"))
    if created is not None and (st.server_time is None or created > st.server_time + FUTURE_SECONDS):
        return IN_DOUBT  # created in a future that is wrong; it says nothing about our call
    made = created_by_us(created, updated, called)
    # Our own has the API as its source. This one was made by other means, after a call that missed it or never arrived.
    if made and body.get("updateSource") not in (None, "", OUR_OWN_SOURCE):
        return CAME_BACK
    if made is None:
        return IN_DOUBT
    if not made:
        return CAME_BACK
    try:
        st.delete_contact(contact_id)
    except Refused as refused:
        return MADE_AND_DELETED if refused.http_status == 404 else MADE_NOT_DELETED
    except (TryLater, BadAnswer):
        return MADE_NOT_DELETED
    return MADE_AND_DELETED


def created_by_us(created: float | None, updated: float | None, called: CallWindow) -> bool | None:
    """Say whether our call created a contact: True by our call, False if it is older, None if it cannot be known.

    Args:
        created, updated: times of the contact, in epoch seconds.
    """
    earliest = called.before if called.before is not None else called.answered
    if created is None or earliest is None:
        return None
    if created < earliest:
        return False
    if updated is None:
        return None
    surely_after = called.answered is not None and created >= called.answered + HEADER_SECONDS
    same = LATER_SAME_SECONDS if surely_after else SAME_MOMENT_SECONDS
    if abs(updated - created) <= same:
        return True
    # It was there before it got our values: if it is older than the answer to our call, another write made it.
    return False if called.answered is not None and created < called.answered else None


def _epoch(text: object) -> float | None:
    """Return seconds since 1970. A time without a zone is unknown, and a wrong guess would delete a real contact."""
    if not isinstance(text, str) or not _ZONED.search(text.strip()):
        return None
    moment = parse_moment(text)
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).timestamp()
    return None
