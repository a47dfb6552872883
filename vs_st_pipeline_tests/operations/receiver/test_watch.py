"""How a receiver follows the merchants file (webhooks-onboarding.md H14), and what it needs to read of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.receiver import watch
from vs_st_pipeline.operations.receiver.table import Maker
from vs_st_pipeline.operations.receiver.watch import Watch
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline_tests.support.receiving import HILLSIDE, SECRET, SHOP, TEXTING, entry, url, write_settings


class Watched:
    """A watch that looks when it is told to."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.told: list[str] = []
        self.environ = environ
        maker = Maker([one for one in CONNECTORS if one.hooks], ROUTES, [SECRET], environ)
        self.now = 1_800_000_000.0
        self.watch = Watch(
            folder / "merchants.yaml", environ, maker, lambda *new: self.told.extend(new), clock=lambda: self.now
        )

    def urls(self) -> set[str]:
        """Merchants and systems with a URL; `off` behind those that are answered and not stored."""
        return {f"{one.merchant} {one.system}{' off' * one.off}" for one in self.watch.table.hooks.values()}

    def takes(self, path: str) -> bool:
        _, _, system, token = path.encode().split(b"/")
        return self.watch.table.find(system, token, time.time()) is not None


@pytest.fixture
def no_key_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reveals a vendor's key fails."""

    def reveal(self: Secret) -> str:
        raise AssertionError("a key was read")

    monkeypatch.setattr(Secret, "reveal", reveal)


@pytest.mark.usefixtures("no_key_is_read")
def test_no_vendor_key_is_needed(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    watched = Watched(tmp_path)
    watched.watch.begin()
    assert watched.urls() == {f"{HILLSIDE} {SHOP}", f"{HILLSIDE} {TEXTING}"}
    assert list(watched.watch.table.own) == [HILLSIDE]
    assert watched.told == []


def test_h14_a_new_merchant_has_a_url_with_the_next_look(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    watched = Watched(tmp_path)
    watched.watch.begin()
    assert not watched.takes(url("new"))
    write_settings(tmp_path, [entry(HILLSIDE), entry("new")])
    watched.watch.look()
    assert watched.takes(url("new"))
    (tmp_path / "merchants.d").mkdir()
    (tmp_path / "merchants.d" / "newest.yaml").write_text(f"merchants: [{entry('newest')}]")
    watched.watch.look()
    assert watched.takes(url("newest"))
    (tmp_path / "merchants.d" / "newest.yaml").unlink()
    write_settings(tmp_path, [entry("new")])
    watched.watch.look()
    assert [watched.takes(url(one)) for one in (HILLSIDE, "new", "newest")] == [False, True, False]


def test_h14_a_look_at_a_file_that_is_as_it_was_reads_nothing(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    watched = Watched(tmp_path)
    watched.watch.begin()
    before = watched.watch.table
    for _ in range(3):
        watched.watch.look()
    assert watched.watch.table is before


@pytest.mark.parametrize("spoilt", ["merchants: [", "\x00", "nothing: 1\n", "", "defaults: {oops: 1}\nmerchants: []\n"])
def test_h14_a_file_that_cannot_be_read_leaves_the_last_good_one_in_force(tmp_path: Path, spoilt: str) -> None:
    path = write_settings(tmp_path, [entry(HILLSIDE)])
    watched = Watched(tmp_path)
    watched.watch.begin()
    path.write_text(spoilt)
    watched.watch.look()
    watched.watch.look()
    assert watched.takes(url())
    [told] = watched.told
    assert told.startswith("warning: ")
    assert told.endswith("what the file said before stays in force")
    path.unlink()
    watched.watch.look()
    assert watched.takes(url())
    assert len(watched.told) == 2
    write_settings(tmp_path, [entry("other")])
    watched.watch.look()
    assert not watched.takes(url())


def test_h14_a_change_that_could_not_be_read_for_a_moment_is_read_with_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    watched = Watched(tmp_path)
    watched.watch.begin()
    write_settings(tmp_path, [entry("other")])
    with monkeypatch.context() as patch:
        patch.setattr(watch, "read_merchants", Mock(side_effect=BadSettings("too many open files")))
        watched.watch.look()
    watched.watch.look()
    assert watched.takes(url("other"))


@pytest.mark.parametrize("spoilt", ["merchants: [", "merchants: []\n"])
def test_h14_at_the_start_it_is_wrong_use(tmp_path: Path, spoilt: str) -> None:
    (tmp_path / "merchants.yaml").write_text(spoilt)
    with pytest.raises(BadSettings):
        Watched(tmp_path).watch.begin()


BROKEN: dict[str, Any] = {**entry(HILLSIDE), "oops": 1}


def test_h14_a_broken_entry_keeps_the_urls_that_it_had(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE, webhooks={"enabled": False}), entry("other")])
    watched = Watched(tmp_path)
    watched.watch.begin()
    write_settings(tmp_path, [{**BROKEN, "webhooks": {SHOP: {"generation": 7}}}, entry("other")])
    watched.watch.look()
    assert watched.urls() == {
        f"{HILLSIDE} {SHOP} off",
        f"{HILLSIDE} {TEXTING} off",
        f"other {SHOP}",
        f"other {TEXTING}",
    }
    assert watched.takes(url())
    assert not watched.takes(url(generation=7))
    assert len(watched.told) == 1
    assert "oops" in watched.told[0]


def test_h14_at_a_start_a_broken_entry_has_those_that_its_id_and_webhooks_give(tmp_path: Path) -> None:
    unreadable = {**BROKEN, "id": "unreadable", "webhooks": {"enabled": "perhaps"}}
    off = {**BROKEN, "id": "off", "enabled": False}
    no_texting = {key: value for key, value in BROKEN.items() if key != TEXTING} | {"id": "no-texting"}
    rotated = {**BROKEN, "webhooks": {SHOP: {"generation": 2}}}
    write_settings(tmp_path, [rotated, unreadable, off, no_texting])
    watched = Watched(tmp_path)
    watched.watch.begin()
    assert watched.urls() == {
        f"{HILLSIDE} {SHOP}",
        f"{HILLSIDE} {TEXTING}",
        f"off {SHOP} off",
        f"off {TEXTING} off",
        f"no-texting {SHOP} off",
    }
    assert watched.takes(url(generation=2))
    assert not watched.takes(url())


def test_h14_a_broken_entry_takes_defaults_too(tmp_path: Path) -> None:
    write_settings(tmp_path, [BROKEN], defaults={"enabled": False, "webhooks": {SHOP: {"generation": 2}}})
    watched = Watched(tmp_path)
    watched.watch.begin()
    assert watched.takes(url(generation=2))
    assert f"{HILLSIDE} {SHOP} off" in watched.urls()


def test_h14_a_file_beside_that_cannot_be_read_keeps_whom_it_listed(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    beside = tmp_path / "merchants.d"
    beside.mkdir()
    (beside / "two.yaml").write_text(f"merchants: [{entry('second')}, {entry('third')}]")
    watched = Watched(tmp_path)
    watched.watch.begin()
    (beside / "two.yaml").write_text("merchants: [")
    watched.watch.look()
    assert [watched.takes(url(one)) for one in (HILLSIDE, "second", "third")] == [True] * 3


def test_an_id_that_is_there_twice_is_the_first_ones(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE), entry(HILLSIDE, enabled=False, webhooks={SHOP: {"generation": 2}})])
    watched = Watched(tmp_path)
    watched.watch.begin()
    assert watched.urls() == {f"{HILLSIDE} {SHOP}", f"{HILLSIDE} {TEXTING}"}
    assert not watched.takes(url(generation=2))


def test_r9_a_token_of_a_system_whose_section_the_entry_lacks_is_none(tmp_path: Path) -> None:
    lone = {key: value for key, value in entry("lone").items() if key != TEXTING}
    write_settings(tmp_path, [entry(HILLSIDE), lone])
    watched = Watched(tmp_path)
    watched.watch.begin()
    assert not watched.takes(url("lone", TEXTING))


def test_h14_a_header_value_is_read_anew(tmp_path: Path) -> None:
    keys = tmp_path / "key"
    proof = {"webhooks": {SHOP: {"header": "X-Key", "header_value": "file:key"}}}
    write_settings(tmp_path, [entry(HILLSIDE, **proof)])
    watched = Watched(tmp_path)
    watched.watch.begin()
    assert watched.urls() == {f"{HILLSIDE} {TEXTING}"}
    [told] = watched.told
    assert "its URL answers 404 till then" in told
    keys.write_text("first\n")
    watched.watch.look()
    assert watched.takes(url())
    keys.write_text("second\n")
    watched.watch.look()
    [hook] = [one for one in watched.watch.table.hooks.values() if one.system == SHOP]
    assert hook.header is not None
    assert hook.header.value == b"second"
    assert "second" not in "".join(watched.told)


def test_h5_r32_who_is_not_active_is_off_and_days_pass_without_a_change_of_the_file(tmp_path: Path) -> None:
    dates = {"bought_on": "2026-03-01", "paid_texting_since": "2026-03-02", "ended_on": "2026-04-01"}
    write_settings(tmp_path, [entry(HILLSIDE, service=dates)])
    watched = Watched(tmp_path, VS_ST_NOW="2026-03-02T07:00:00Z")  # the first of March in California
    watched.watch.begin()
    states = []
    for now in ("2026-03-02T07:00:00Z", "2026-03-02T09:00:00Z", "2026-03-31T23:00:00Z", "2026-04-01T09:00:00Z"):
        watched.environ["VS_ST_NOW"] = now
        watched.now += 900
        watched.watch.look()
        states.append({one.off for one in watched.watch.table.hooks.values()})
    assert states == [{True}, {False}, {False}, {True}]


def test_h6_what_a_url_has_used_up_outlives_a_change_of_the_file(tmp_path: Path) -> None:
    write_settings(tmp_path, [entry(HILLSIDE)])
    watched = Watched(tmp_path)
    watched.watch.begin()
    bucket = next(iter(watched.watch.table.hooks.values())).bucket
    write_settings(tmp_path, [entry(HILLSIDE), entry("new")])
    watched.watch.look()
    assert any(one.bucket is bucket for one in watched.watch.table.hooks.values())


def test_no_token_or_secret_shows_in_a_repr(tmp_path: Path) -> None:
    proof = {"webhooks": {SHOP: {"header": "X-Key", "header_value": "env:KEY"}}}
    write_settings(tmp_path, [entry(HILLSIDE, **proof)])
    watched = Watched(tmp_path, KEY="a value that nobody sees")
    watched.watch.begin()
    token = url().rpartition("/")[2]
    shown = repr(watched.watch.table)
    assert HILLSIDE in shown
    for secret in (token[8:], SECRET, "a value that nobody sees"):
        assert secret not in shown


def test_h14_who_was_the_last_one_in_the_file_has_no_url_any_more(tmp_path: Path) -> None:
    path = write_settings(tmp_path, [entry(HILLSIDE)])
    watched = Watched(tmp_path)
    watched.watch.begin()
    for cut in ("", "merchants:\n", "defaults: {}\n"):
        path.write_text(cut)
        watched.watch.look()
        assert watched.takes(url()), "nobody says that there is none: what the file said before stays in force"
    write_settings(tmp_path, [])
    watched.watch.look()
    assert watched.urls() == set()
    write_settings(tmp_path, [entry("new")])
    watched.watch.look()
    assert watched.takes(url("new"))


def test_h14_who_was_the_last_one_with_a_file_of_its_own_has_no_url_any_more(tmp_path: Path) -> None:
    (tmp_path / "merchants.d").mkdir()
    own = write_settings(tmp_path, [entry(HILLSIDE)]).rename(tmp_path / "merchants.d" / f"{HILLSIDE}.yaml")
    (tmp_path / "merchants.yaml").write_text("defaults: {}\n")
    watched = Watched(tmp_path)
    watched.watch.begin()
    assert watched.takes(url())
    own.unlink()
    watched.watch.look()
    assert watched.urls() == set()
