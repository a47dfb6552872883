"""Numbers that nobody has are looked for once, an hour after they were noticed (orders.md 3)."""

from __future__ import annotations

from vs_st_pipeline_tests.connectors.commerce7.world import World


def hidden(world: World, number: int, **fields: object) -> str:
    """An order that no pass shows: it was paid long ago."""
    long_ago = "2020-01-01T00:00:00.000Z"
    dates = dict.fromkeys(("orderPaidDate", "updatedAt", "createdAt", "orderSubmittedDate"), long_ago)
    return str(world.order(orderNumber=number, **{**dates, **fields})["id"])


def looked_for(world: World) -> list[str]:
    return [one["query"]["q"] for one in world.asked() if "q" in one["query"]]


def test_o3_a_number_that_is_missing_for_an_hour_is_looked_for_once(hillside: World) -> None:
    number = max(one["orderNumber"] for one in hillside.box.control.orders())
    hillside.order(orderNumber=number + 3)
    found = hidden(hillside, number + 2)
    hillside.passes()
    assert hillside.gaps().missing == []
    hillside.later(minutes=59)
    assert hillside.gaps().missing == []
    assert looked_for(hillside) == []
    hillside.later(minutes=2)
    told = hillside.gaps()
    assert looked_for(hillside) == [str(number + 1), str(number + 2)]
    assert (told.found, told.missing) == ({found}, [str(number + 1)])
    assert hillside.row(found)["body"] is None, "it was paid before the start: only its id is kept"
    hillside.later(hours=30)
    assert hillside.gaps().missing == [str(number + 1)], "it lasts, and is not looked for again"
    assert looked_for(hillside) == []
    hillside.order(orderNumber=number + 1)
    hillside.passes()
    assert hillside.gaps().missing == []


def test_o3_at_most_twenty_a_sync_and_no_leap_of_the_numbers(hillside: World) -> None:
    number = max(one["orderNumber"] for one in hillside.box.control.orders())
    hillside.order(orderNumber=number + 26)
    hillside.order(orderNumber=number + 5_000_000)
    hillside.order(orderNumber="W-17")
    hillside.passes()
    hillside.gaps()
    hillside.later(hours=2)
    assert len(hillside.gaps().missing) == 20
    assert len(looked_for(hillside)) == 20
    assert len(hillside.gaps().missing) == 25


def test_o3_a_refused_question_is_asked_once_and_a_failed_one_again(hillside: World) -> None:
    number = max(one["orderNumber"] for one in hillside.box.control.orders())
    hillside.order(orderNumber=number + 2)
    hillside.passes()
    hillside.gaps()
    hillside.later(hours=2)
    hillside.box.control.set_fault("hollow", count=1)
    assert hillside.gaps().missing == []
    hillside.box.control.set_fault("422", count=1)
    assert hillside.gaps().missing == [str(number + 1)]
    hillside.asked()
    hillside.gaps()
    assert looked_for(hillside) == []
