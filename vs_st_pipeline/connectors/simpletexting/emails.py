"""The rules of a contact's own e-mail: accounts hold each only once, and refuse a contact for what is no address."""

from __future__ import annotations

from collections.abc import Iterable

from vs_st_pipeline.domain.plan import Change, Wanted
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import UNREAD_EMAILS, get_state


def is_email(value: Wanted | Change) -> bool:
    """Say whether this gives the contact's own e-mail, and not a blank."""
    text = value.new if isinstance(value, Change) else value.value
    return (value.kind, value.key) == ("builtin", "email") and bool(text.strip())


def is_address(text: str) -> bool:
    """Say whether a text can be an e-mail address at all; `n/a`, `none` and the like have the whole contact refused."""
    name, at, host = text.strip().rpartition("@")
    return bool(name and at and host.strip(".")) and not any(char.isspace() for char in text.strip())


def email_owners(db: Db, emails: Iterable[str]) -> dict[str, set[str]]:
    """Return the ids of the contacts that have these e-mails (in small letters), by e-mail.

    Those that cannot be understood have theirs too: nobody else may be given it.
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
