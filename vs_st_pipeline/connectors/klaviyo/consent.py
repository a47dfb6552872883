"""Reads from a profile how a person stands to mail: consent, suppressions, and when they opted out.

Data flow: a profile's `subscriptions` -> `Marketing` -> `Standing` to one list. Pure.

What is not known protects the person: an unknown reason for a suppression, or an unknown word for consent, suppresses;
an opt-out without a time cannot be older than any consent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from vs_st_pipeline.domain.crm import Standing, State
from vs_st_pipeline.domain.formats import parse_moment

SUBSCRIBED, UNSUBSCRIBED, NEVER = "SUBSCRIBED", "UNSUBSCRIBED", "NEVER_SUBSCRIBED"
UNSUBSCRIBE: Final = "UNSUBSCRIBE"  # the one reason for a suppression that is the person's own wish
_UTC: Final = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Suppression:
    """That a profile gets no mail. list_id: of one list alone; None: no mail at all. at: None: no time is said."""

    reason: str
    at: datetime | None
    list_id: str | None = None


@dataclass(frozen=True, slots=True)
class Marketing:
    """How a profile stands to mail.

    Attributes:
        consent: one of the three words above, or one that we do not know; in capitals.
        times: of the consent, those that are said.
        may_be_mailed: as Klaviyo says it; None: it does not.
    """

    consent: str
    times: tuple[datetime, ...]
    suppressions: tuple[Suppression, ...]
    may_be_mailed: bool | None = None

    @property
    def suppressed_by(self) -> str | None:
        """Return why no consent may undo it; None where nothing stands in the way."""
        wide = [one.reason for one in self.suppressions if one.list_id is None]
        other = next((reason for reason in wide if reason != UNSUBSCRIBE), None)
        if other is None and self.consent not in (SUBSCRIBED, UNSUBSCRIBED, NEVER):
            return self.consent
        if other is None and self.may_be_mailed is False and not wide and self.consent != UNSUBSCRIBED:
            return "UNKNOWN"
        return other

    def opt_outs(self, list_id: str) -> list[datetime | None]:
        """Return the times of all that unsubscribes from a list."""
        found = [one.at for one in self.suppressions if one.list_id in (None, list_id)]
        return [*found, max(self.times, default=None)] if self.consent == UNSUBSCRIBED else found

    def may_be_on(self, list_id: str) -> bool:
        """Say whether membership of this list decides how the person stands to it."""
        return self.suppressed_by is None and not self.opt_outs(list_id) and self.consent == SUBSCRIBED

    def standing(self, list_id: str, is_member: bool) -> Standing:
        """Return how the person stands to a list (consumers.md 7.4, 7.5).

        Whoever is subscribed is so everywhere, and is missing on the lists that they are not on: where a list wants a
        confirmation, that is for the route to see (7.13).

        Args:
            is_member: asked only where `may_be_on`.
        """
        if (reason := self.suppressed_by) is not None:
            return Standing(State.SUPPRESSED, reason=reason)
        if out := self.opt_outs(list_id):
            known = [at for at in out if at is not None]
            since = max((*known, *self.times)) if len(known) == len(out) else None
            return Standing(State.UNSUBSCRIBED, since=since, reason=UNSUBSCRIBED)
        if self.consent != SUBSCRIBED:
            return Standing(State.NEVER)
        return Standing(State.SUBSCRIBED, missing=() if is_member else (list_id,))


def marketing_of(attributes: Mapping[str, Any]) -> Marketing | None:
    """Read a profile's attributes; None where they say nothing that can be believed."""
    said: object = attributes
    for key in ("subscriptions", "email", "marketing"):
        said = said.get(key) if isinstance(said, Mapping) else None
    if not isinstance(said, Mapping):
        return None
    consent = said.get("consent")
    mailable = said.get("can_receive_email_marketing")
    wide, of_lists = _suppressions(said.get("suppression")), _suppressions(said.get("list_suppressions"), of_lists=True)
    if not isinstance(consent, str) or not consent.strip() or wide is None or of_lists is None:
        return None
    if "suppression" not in said and not isinstance(mailable, bool):
        return None
    told = (_moment(said.get(key)) for key in ("consent_timestamp", "last_updated"))
    return Marketing(
        consent.strip().upper().replace(" ", "_"),
        tuple(at for at in told if at is not None),
        (*wide, *of_lists),
        mailable if isinstance(mailable, bool) else None,
    )


def _suppressions(said: object, *, of_lists: bool = False) -> list[Suppression] | None:
    """Return those that are said; None where what stands there is no list of them."""
    if said is None:
        return []
    if not isinstance(said, list):
        return None
    found = []
    for one in said:
        row = one if isinstance(one, Mapping) else {}
        reason, list_id = row.get("reason"), row.get("list_id")
        if of_lists and not isinstance(list_id, str):
            return None
        word = reason.strip().upper() if isinstance(reason, str) and reason.strip() else "UNKNOWN"
        found.append(Suppression(word, _moment(row.get("timestamp")), list_id if of_lists else None))
    return found


def _moment(text: object) -> datetime | None:
    """Return an instant, UTC where no zone stands; a day alone is none."""
    found = parse_moment(text, _UTC)
    return found if isinstance(found, datetime) else None
