"""Bad input, row by row: every kind of error of the report, met for real, with what it must say and must not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline_tests.support.story import OTHER, TEST, Story

VS, ST = "vinoshipper", "simpletexting"


@pytest.fixture
def synced(story: Story) -> Story:
    """A winery that is in sync, impatient settings, and an empty journal."""
    story.begin_synced()
    story.settings(give_up_after="1s")
    story.shop.patch_customer(700101, shippingAddress={"city": "Elsewhere"})
    story.texting.clear_journal()
    return story


@pytest.mark.parametrize(
    ("system", "fault", "fields", "kind", "status"),
    [
        (VS, "401", {}, "auth", 401),
        (VS, "403", {}, "auth", 403),
        (VS, "redirect_login", {}, "auth", 302),
        (VS, "login_page", {}, "auth", 200),
        (VS, "cloudflare_403", {}, "try_later", 403),
        (VS, "cloudflare_429", {}, "try_later", 429),
        (VS, "cloudflare_503", {}, "try_later", 503),
        (VS, "500_empty", {}, "try_later", 500),
        (VS, "html_other", {}, "try_later", 200),
        (VS, "slow", {"seconds": 3}, "try_later", None),
        (VS, "reset", {}, "try_later", None),
        (VS, "truncated", {}, "bad_answer", 200),
        (VS, "wrong_shape", {}, "bad_answer", 200),
        (ST, "401", {}, "auth", 401),
        pytest.param(ST, "403", {}, "auth", 403, marks=pytest.mark.slow),
        pytest.param(ST, "login_page", {}, "auth", 200, marks=pytest.mark.slow),
        (ST, "cloudflare_403", {}, "try_later", 403),
        pytest.param(ST, "500_empty", {}, "try_later", 500, marks=pytest.mark.slow),
        pytest.param(ST, "html_other", {}, "try_later", 200, marks=pytest.mark.slow),
        pytest.param(ST, "slow", {"seconds": 3}, "try_later", None, marks=pytest.mark.slow),
        (ST, "reset", {}, "try_later", None),
        (ST, "truncated", {}, "bad_answer", 200),
        pytest.param(ST, "wrong_shape", {}, "bad_answer", 200, marks=pytest.mark.slow),
    ],
)
def test_an_answer_of_this_sort_is_an_error_of_this_kind_and_changes_nothing(
    synced: Story, system: str, fault: str, fields: dict[str, Any], kind: str, status: int | None
) -> None:
    control: Any = synced.shop if system == VS else synced.texting
    control.set_fault(fault, **fields)
    report = synced.failed(kind, system=system)
    assert report["error"]["http_status"] == status
    assert report["error"]["message"]
    assert "example.com" not in str(report)
    if system == VS and status is not None:
        assert report["error"]["trace_id"], "every answer of Vinoshipper has one, and it helps the vendor"
    assert not [row for row in synced.texting.journal() if row["method"] != "GET"]
    control.clear_faults()
    assert synced.synced()["synced"]["accepted"] == 1


@pytest.mark.parametrize("answer", ["401", "302", "login_page"])
def test_a_wrong_key_is_auth_in_each_of_its_three_shapes_and_not_tried_again(story: Story, answer: str) -> None:
    story.shop.set_switch("bad_credentials", answer)
    story.settings(merchants={TEST: {"vinoshipper": {"api_secret": _wrong(story.folder)}}})
    report = story.failed("auth", system=VS)
    assert report["calls"][VS] == 1


def test_a_wrong_token_is_auth_and_not_tried_again(story: Story) -> None:
    story.settings(merchants={TEST: {"simpletexting": {"api_token": _wrong(story.folder)}}})
    report = story.failed("auth", system=ST)
    assert report["calls"] == {VS: 0, ST: 1}


def test_a_lock_held_by_another_sync_is_try_later(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vs_st_pipeline.platform.warehouse.files.LOCK_WAIT_SECONDS", 0.1)
    from vs_st_pipeline.operations.warehouse import warehouse_at

    with warehouse_at(story.data).sync_lock(TEST):
        monkeypatch.setattr("vs_st_pipeline.cli.sync._warehouse", warehouse_at(story.data, wait_seconds=0.1))
        report = story.failed("try_later")
    assert report["error"]["system"] is None
    assert report["calls"] == {VS: 0, ST: 0}


def test_a_filter_without_effect_and_pages_without_effect_together_are_a_bad_answer(story: Story) -> None:
    story.shop.set_switches({"date_filter": "ignored", "paging": "none", "page_cap": 5})
    report = story.failed("bad_answer", system=VS)
    assert "no effect" in report["error"]["message"]
    assert not story.texting.journal(TEST)[-1]["method"].startswith("P")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a missing merchants file", None, "cannot be read"),
        ("no YAML", "merchants: [", "not YAML"),
        ("an unknown key at the top", "merchant: []\n", "merchant"),
        ("an unknown key in the defaults", "defaults: {time_zon: UTC}\nmerchants: []\n", "time_zon"),
        ("no usable merchant", "merchants:\n  - id: BAD ID\n", "line 2"),
    ],
)
def test_settings_that_cannot_be_used_end_with_2_and_call_nobody(
    story: Story, name: str, text: str | None, said: str
) -> None:
    file = story.folder / "merchants.yaml"
    file.unlink() if text is None else file.write_text(text)
    for command in (["sync", "--all"], ["plan", "--all"], ["check", "--all"], ["merchants"]):
        ran = story.run(*command)
        assert ran.exit_code == 2, name
        assert said in ran.err, name
    assert story.shop.journal() == story.texting.journal() == []


def test_a_bad_entry_among_good_ones_is_config_and_the_good_ones_are_synced(story: Story) -> None:
    file = story.folder / "merchants.yaml"
    file.write_text(file.read_text().replace(f"id: {OTHER}", f"id: {OTHER}\n  colour: red"))
    ran = story.sync(every=True)
    assert ran.exit_code == 1
    assert ran.of(TEST)["status"] == "ok"
    assert ran.of(OTHER)["error"]["kind"] == "config"
    assert "colour" in ran.of(OTHER)["error"]["message"]
    assert not story.texting.journal(OTHER)


def test_a_field_map_that_is_refused_is_config_names_its_line_and_costs_no_request(story: Story) -> None:
    (story.folder / "map.yaml").write_text("version: 1\nfields:\n  - {to: City, from: customer.town, policy: mirror}\n")
    story.settings(merchants={TEST: {"field_map": "map.yaml"}})
    report = story.failed("config")
    assert "map.yaml:3" in report["error"]["message"]
    assert "customer.city" in report["error"]["message"]
    assert report["calls"] == {VS: 0, ST: 0}


def test_a_fault_of_ours_is_internal_names_its_place_and_no_person(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LookupError("marisol.vantongeren@example.com")

    monkeypatch.setattr("vs_st_pipeline.routes.contacts.planning.make_plan", broken)
    report = story.failed("internal")
    assert "LookupError" in report["error"]["message"]
    assert "sync.py:" in report["error"]["message"]
    assert "marisol" not in str(report)


def test_a_time_that_is_none_is_refused_before_anything_is_called(story: Story) -> None:
    ran = story.run("sync", "--all", now="yesterday")
    assert ran.exit_code == 2
    assert "VS_ST_NOW" in ran.err
    assert story.shop.journal() == story.texting.journal() == []


def _wrong(folder: Path) -> str:
    (folder / "wrong").write_text("not-the-key")
    return f"file:{folder / 'wrong'}"
