"""What the pages of assets ask a merchant's file for can be asked: a page that breaks only says that it broke."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from vs_st_pipeline import routes
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant

SHOWN = [
    pytest.param(route, asset, id=f"{route.name}-{asset}")
    for route in routes.ROUTES
    for asset, page in route.pages.items()
    if page.counts or page.texts or page.by_field or page.views
]


def test_pages_are_of_assets_that_there_are() -> None:
    for route in routes.ROUTES:
        assert set(route.pages) <= {asset.key for asset in route.assets}, route.name


@pytest.mark.parametrize(("route", "asset"), SHOWN)
def test_every_question_of_a_page_is_understood_by_the_file(route: Route, asset: str, tmp_path: Path) -> None:
    run = Run(
        Merchant(id="hillside", name="Hillside"), warehouse_at(tmp_path), lambda: datetime.now(UTC), route=route.name
    )
    page = route.pages[asset]
    with run.open() as db:
        for sql in page.counts.values():
            assert db.value(sql) == 0
        for sql in page.texts.values():
            assert db.value(sql) is None
        if page.by_field:
            assert db.rows(page.by_field, {"run": run.run_id}) == []
        for view in page.views:
            assert db.value(f"select count(*) from {view.rows}") == 0, view.name
    for view in page.views:
        assert view.make(run).empty, view.name
