"""People name an order by number or id, in whatever form Commerce7 writes its ids (orders.md 8, `ORDER`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline.domain.errors import BadArguments
from vs_st_pipeline.routes.orders import finding
from vs_st_pipeline_tests.routes.orders.returning import Returns

UUID = "f3b9a0c2-0000-4000-8000-00000000000a"


def test_o8_an_id_is_found_in_any_case_and_form(tmp_path: Path) -> None:
    back = Returns(tmp_path)
    for number, order_id in enumerate(("ORD-Abc1", "ord_2", UUID, "X-5", "x-5"), 1001):
        back.add(order_id=order_id, number=str(number))
        back.take_in(order_id)
    with back.db() as db:
        for word, order_id in (
            *(("ORD-Abc1", "ORD-Abc1"), ("ord-abc1", "ORD-Abc1"), ("ORD_2", "ord_2"), (UUID.upper(), UUID)),
            *(("x-5", "x-5"), ("X-5", "X-5"), ("1002", "ord_2"), ("HILLSIDE-1002", "ord_2"), ("1009", None)),
        ):
            assert finding.held(db, word, "HILLSIDE") == order_id, word


@pytest.mark.parametrize("word", ["ord_2", "ORD-Abc1", UUID, "1001"])
def test_o8_a_word_of_letters_digits_and_hyphens_may_name_an_order(word: str) -> None:
    finding.check_word(word)


@pytest.mark.parametrize("word", ["Ann Lee", "ann@example.com", "", "a/b"])
def test_o8_anything_else_names_none(word: str) -> None:
    with pytest.raises(BadArguments):
        finding.check_word(word)


def test_o8_a_word_means_these_ids() -> None:
    assert finding.ids_of("ORD-1") == ["ORD-1"]
    assert finding.ids_of(UUID.upper()) == [UUID, UUID.upper()]
    assert [finding.may_be_customer(one) for one in ("cust_1", UUID, "700101", "a b")] == [True, True, False, False]
