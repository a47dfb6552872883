"""A write that met another contact than the one we know: did we make it, or did a person come back by himself?

A batch upserts by phone: where our contact vanished between reading and writing, it makes a new one, and a contact
made through the API is opted in, without anybody having asked for it. Such a one is deleted again at once. One that
was there before our call is a person who came back by himself, and is left alone; so is one that leaves a doubt.
All times are SimpleTexting's own.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from vs_st_pipeline.destinations.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.errors import BadAnswer, Refused, TryLater
from vs_st_pipeline.text_forms import parse_moment

MADE_AND_DELETED = "created_and_deleted"
MADE_NOT_DELETED = "created_not_deleted"
CAME_BACK = "came_back"
IN_DOUBT = "created_in_doubt"

# The Date header has whole seconds, so within that second only the contact itself can tell: one that our write
# made was last updated when it was created; one that was there and got our values was updated after.
HEADER_SECONDS = 1.0
SAME_MOMENT_SECONDS = 0.05
LATER_SAME_SECONDS = 1.0


def settle_stranger(st: SimpleTextingClient, contact_id: str, called_at: float | None) -> str:
    """Read the contact that a write met, and delete it if our write made it.

    Args:
        contact_id: of the stranger.
        called_at: SimpleTexting's clock when it took our call (epoch seconds, whole), None if it did not say.

    Returns:
        `created_and_deleted`, `created_not_deleted` (we made it, and deleting failed), `came_back` or
        `created_in_doubt`; all are to be reported.
    """
    try:
        text, _ = st.contact(contact_id)
    except Refused as refused:
        return MADE_AND_DELETED if refused.http_status == 404 else IN_DOUBT
    except (TryLater, BadAnswer):
        return IN_DOUBT
    body = json.loads(text)
    made = _made_by_us(_epoch(body.get("created")), _epoch(body.get("updated")), called_at)
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


def _made_by_us(created: float | None, updated: float | None, called_at: float | None) -> bool | None:
    """True: by our call. False: older than it. None: nobody can say."""
    if created is None or called_at is None:
        return None
    if created < called_at:
        return False
    if updated is None:
        return None
    same = SAME_MOMENT_SECONDS if created < called_at + HEADER_SECONDS else LATER_SAME_SECONDS
    return True if abs(updated - created) <= same else None


def _epoch(text: object) -> float | None:
    moment = parse_moment(text)
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).timestamp()
    return None
