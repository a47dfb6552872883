"""Checks a contact's own e-mail: an account holds each e-mail once, and refuses a contact whose e-mail is invalid."""

from __future__ import annotations

from collections.abc import Iterable

from vs_st_pipeline.domain.plan import Change, Wanted
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import UNREAD_EMAILS, get_state


def is_email(value: Wanted | Change) -> bool:
    """Say whether this sets the contact's own e-mail to something other than a blank."""
    text = value.new if isinstance(value, Change) else value.value
    return (value.kind, value.key) == ("builtin", "email") and bool(text.strip())


def is_address(text: str) -> bool:
    """Say whether a text can be an e-mail address; for `n/a`, `none` and the like the whole contact is refused."""
    name, at, host = text.strip().rpartition("@")
    return bool(name and at and host.strip(".")) and not any(char.isspace() for char in text.strip())


def email_owners(db: Db, emails: Iterable[str]) -> dict[str, set[str]]:
    """Return the ids of the contacts that have these e-mails (in lower case), by e-mail.

    Contacts that cannot be understood have e-mails too: no other contact may be given one of them.
    """
    owners: dict[str, set[str]] = {}
    asked = sorted(set(emails))
    if not asked:
        return owners
    with db.batch({"email": asked}) as batch:
        for email, contact_id in db.rows(
            f"""select email, contact_id from raw.simpletexting_contacts semi join {batch} using (email)
                where not gone"""
        ):
            owners.setdefault(email, set()).add(contact_id)
    unread: dict[str, str] = get_state(db, UNREAD_EMAILS) or {}
    for contact_id, email in unread.items():
        owners.setdefault(email.strip().casefold(), set()).add(contact_id)
    return owners
