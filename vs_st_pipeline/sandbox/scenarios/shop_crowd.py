"""Builds the shop of scenario `shop:N`: so many people, and as many orders of three lines, all alike and cheap."""

from __future__ import annotations

from collections.abc import Iterator

from vs_st_pipeline.sandbox.scenarios.shop_model import Good, Home, Line, MadeShop, Person, Sale

GOODS = 200
_HOMES = (Home(),)


class _People:
    """People, made each time that they are gone through."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Person]:
        for number in range(1, self.count + 1):
            yield Person(
                number, "Person", f"Number{number}", f"person{number}@example.com", "one of many",
                opted_in=number % 2 == 0, phone=f"{7070000000 + number}", homes=_HOMES, days=30 + number % 900,
            )  # fmt: skip


class _Sales:
    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Sale]:
        for number in range(1, self.count + 1):
            first = number % GOODS
            lines = [Line(1 + (first + step * 7) % GOODS, 1 + step) for step in range(3)]
            yield Sale(number, number, 2 + number % 700, lines, "one of many")


def crowded_shop(count: int) -> MadeShop:
    """Return a shop of so many people; of two, one is opted in."""
    goods = [
        Good(number, f"SKU{number}", f"Wine {number}", "one of many", 1000 + number * 10, 50 + number)
        for number in range(1, GOODS + 1)
    ]
    return MadeShop(_People(count), goods, _Sales(count))
