"""A list that does not show all of its rows is not believed, however it writes how many there are (orders.md 3)."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.connectors.commerce7.walking import next_of, pages
from vs_st_pipeline.domain.errors import BadAnswer

ROWS = [{"id": "a"}, {"id": "b"}]


def walked(total: Any) -> int:
    return sum(len(page.rows) for page in pages(lambda _: {"orders": ROWS, "total": total}, "orders", "list_orders"))


@pytest.mark.parametrize("total", [3, "3", " 3 "])
def test_o3_a_total_above_the_rows_where_no_cursor_came_is_no_answer(total: Any) -> None:
    with pytest.raises(BadAnswer):
        walked(total)
    assert next_of({"orders": ROWS, "total": total}, "start", 2, "list_orders") == "page:2:2"


@pytest.mark.parametrize("total", [2, "2", 0, None, "many", True, -1, "-1"])
def test_o3_any_other_total_is_the_end(total: Any) -> None:
    assert walked(total) == 2
