"""Makes a say-once route's part of `vs-st forget`: whom it finds by a phone, an e-mail or a customer's id."""

from __future__ import annotations

from collections.abc import Sequence

from vs_st_pipeline.pipeline.once import erasure, items
from vs_st_pipeline.pipeline.route import Forget, Person
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.suppression import CUSTOMER, EMAIL, PHONE, phone_name


def forget_of(counted: str, *, elsewhere: Sequence[str] = ()) -> Forget:
    """Return how a route forgets a person whom its items name (`Item.people`) by phone, e-mail or customer.

    Args:
        counted: what is said to people, in the plural: messages.
        elsewhere: what a person must still erase by hand.
    """

    def find(run: Run, person: Person) -> dict[str, int]:
        return {counted: erasure.count(run, names_of(person)) if run.file().exists() else 0}

    def forget(run: Run, person: Person) -> dict[str, int]:
        return {counted: erasure.forget(run, names_of(person))}

    return Forget((counted,), lambda person: bool(names_of(person)), find, forget, tuple(elsewhere))


def names_of(person: Person) -> list[items.Person]:
    """Return the person's name as it is hashed; nothing where it is none."""
    if person.phone is not None:
        return [(PHONE, name)] if (name := phone_name(person.phone)) else []
    if person.email is not None:
        return [(EMAIL, person.email.strip().casefold())]
    return [(CUSTOMER, person.customer)] if person.customer else []
