"""Finds a person among the profiles that were read, for erasing them: by e-mail and by the profile's id."""

from __future__ import annotations

from collections.abc import Iterable

from vs_st_pipeline.connectors.klaviyo.streams import PROFILES
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, Identifiers, Suppressed, email_name


def find_named(db: Db, given: Identifiers, found: Identifiers) -> None:
    """Add the profiles that were looked for by these e-mails, or have these ids."""
    for id_, email in _profiles(db):
        if email in given.emails or id_ in given.of(PROFILES.kind):
            found.of(PROFILES.kind).add(id_)


def find_person(db: Db, names: Identifiers) -> None:
    """Add the profiles of these people, and the e-mails of these profiles."""
    for id_, email in _profiles(db):
        if email in names.emails or id_ in names.of(PROFILES.kind):
            names.of(PROFILES.kind).add(id_)
            names.emails.update([email] if email else [])


def find_suppressed(db: Db, suppressed: Suppressed) -> Iterable[tuple[str, str]]:
    """Return the profiles of forgotten e-mails."""
    return [(PROFILES.kind, id_) for id_, email in _profiles(db) if suppressed.knows(EMAIL, email)]


def _profiles(db: Db) -> list[tuple[str, str]]:
    """Return id and e-mail, as e-mails are compared, of every profile."""
    rows = db.rows("select id, email_key from raw.klaviyo_profiles")
    return [(id_, email_name({"email": email}) or "") for id_, email in rows]
