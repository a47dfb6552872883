"""The catalogue is read whole, and one that has shrunk by over a fifth is not believed (orders.md 3)."""

from __future__ import annotations

import pytest

from vs_st_pipeline.connectors.commerce7.products import read_catalogue
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline_tests.connectors.commerce7.world import World


def test_o3_each_sku_is_kept_once_with_title_and_cents(world: World) -> None:
    world.box.control.add("products", {"sku": "PINOT22", "title": "Again"})
    assert read_catalogue(world.run(), world.client()) == 11
    assert world.rows("select title, cents from raw.commerce7_products where sku = 'PINOT22'") == [
        ("Estate Pinot Noir 2022", "4200")
    ]
    assert world.rows("select count(*) from raw.commerce7_products where sku = 'port19'") == [(1,)]


def test_o3_under_four_fifths_of_the_last_one_is_not_believed(world: World) -> None:
    read_catalogue(world.run(), world.client())
    before = world.rows("select * from raw.commerce7_products order by 1")
    world.box.control.set_switch("short_list", True)
    assert read_catalogue(world.run(), world.client()) is None
    world.box.control.set_switch("short_list", False)
    for lie in ("hollow", "error_body"):
        world.box.control.set_fault(lie, count=1)
        with pytest.raises(BadAnswer):
            read_catalogue(world.run(), world.client())
    assert world.rows("select * from raw.commerce7_products order by 1") == before
