"""Describes a customer of a winery in our words, and what their memberships say together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from vs_st_pipeline.domain.birth import Birth
from vs_st_pipeline.domain.formats import (
    Moment,
    instant,
)

_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Membership:
    """One membership of a wine club, on hold or not; a cancelled one is no longer in the list (inferred).

    Attributes:
        id: the shop's id of the membership.
        club_name: name of the club as it comes, None where blank.
        joined: a date or a date-time.
        on_hold: whether it is on hold.
    """

    id: int | None = None
    club_name: str | None = None
    joined: Moment | None = None
    on_hold: bool = False


@dataclass(frozen=True, slots=True)
class Customer:
    """What the pipeline knows of one customer.

    Attributes:
        customer_id: the shop's id.
        first_name, last_name: as they come; None where blank everywhere.
        email: without outer blanks.
        phone: ten NANP digits of the one phone that counts, or None.
        birth_date: None where not given or not understood, or where only the year is known.
        has_detail: whether a detail was ever read. Without one `birth_date`, `city` and `state` are unknown, not empty.
        city, state: of the shipping address, as they come.
        memberships: as listed.
        birth_year: the year of birth where only the year was given.
        unread: names of the attributes above that are given and cannot be understood; also `club_name`, `joined` and
            `hold` of any membership. Each of them is unknown, whatever value the attribute has.
    """

    customer_id: int
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    birth_date: date | None = None
    has_detail: bool = False
    city: str | None = None
    state: str | None = None
    memberships: tuple[Membership, ...] = ()
    birth_year: int | None = None
    unread: frozenset[str] = frozenset()

    @property
    def birth(self) -> Birth:
        """Return all that is known of the birth date, for the age gate to judge."""
        return Birth(self.birth_date, self.birth_year, "birth_date" in self.unread)


def club_names(memberships: Iterable[Membership]) -> list[str]:
    """Return the names of the clubs, on hold or not, by date joined (missing last), then id; once each, no blanks."""
    ordered = sorted(memberships, key=_by_joining)
    return list(dict.fromkeys(name for row in ordered if row.club_name and (name := row.club_name.strip())))


def club_status(memberships: Iterable[Membership]) -> str:
    """Return `Active` where any membership is not on hold, `On Hold` where all are, empty where there is none."""
    holds = [row.on_hold for row in memberships]
    if not holds:
        return ""
    return "On Hold" if all(holds) else "Active"


def earliest_membership(memberships: Iterable[Membership]) -> Moment | None:
    """Return when the customer first joined a club they are still in, as an instant or a plain date."""
    return min((row.joined for row in memberships if row.joined is not None), key=instant, default=None)


def _by_joining(row: Membership) -> tuple[datetime, bool, int]:
    return (_LAST if row.joined is None else instant(row.joined), row.id is None, row.id or 0)
