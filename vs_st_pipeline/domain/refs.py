"""Names one record of one system, in the same way in every room and in every table that remembers something of it."""

from __future__ import annotations

from typing import NamedTuple


class Ref(NamedTuple):
    """One record of one system, such as (`shop`, `orders`, `90000000017`).

    A tuple and no dataclass: a plan holds tens of thousands of them as keys, tuples are hashed and sorted without a
    line of Python, and one is a row of a table as it stands.

    Attributes:
        system: the connector's name.
        object: what it is called there, in the plural.
        id: text, whatever the system makes its ids of.
    """

    system: str
    object: str
    id: str
