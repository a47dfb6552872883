"""Tokens are counted up in the settings first, and only in files that we wrote (H37, R36, R64, ruling 5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline.cli import webhooks as commands
from vs_st_pipeline.operations.webhooks.desk import Desk
from vs_st_pipeline_tests.operations.webhooks.conftest import ALL_OK, Hooked
from vs_st_pipeline_tests.support.story import TEST, Record

SHOP, TEXTING = "vinoshipper", "simpletexting"


def webhooks_of(file: Path) -> Record:
    found: Record = yaml.safe_load(file.read_text())["merchants"][0]["webhooks"]
    return found


def test_h37_rotate_counts_up_registers_anew_and_removes_the_older(hooked: Hooked, own_file: Path) -> None:
    """H37, R36: generation + 1 and `previous_until` in 24 h under each system; then the new, then the old goes."""
    hooked.webhooks("register")
    entry = hooked.webhooks("rotate")
    assert (entry["status"], entry["done"]) == ("ok", {"made": 4, "kept": 0, "changed": 0, "removed": 4})
    assert hooked.states(entry) == ALL_OK
    for system, part in webhooks_of(own_file).items():
        assert part["generation"] == 2
        # By the machine's clock (ruling 11), about a day from now.
        until = part["previous_until"].replace(tzinfo=UTC) - datetime.now(UTC)
        assert timedelta(hours=23, minutes=59) < until <= timedelta(hours=24)
        assert {row["url"] for row in hooked.there(system)} == {hooked.url(system, 2)}


def test_r36_one_system_alone_and_at_once(hooked: Hooked, own_file: Path) -> None:
    """R36: `--system NAME`. H37: `--now` leaves `previous_until` null."""
    hooked.webhooks("register")
    hooked.story.clear_journals()
    entry = hooked.webhooks("rotate", "--system", TEXTING, "--now")
    assert entry["done"] == {"made": 1, "kept": 0, "changed": 0, "removed": 1}
    assert webhooks_of(own_file) == {TEXTING: {"generation": 2, "previous_until": None}}
    assert hooked.asked(SHOP) == ""
    assert hooked.run("webhooks", "rotate", "--merchant", TEST, "--system", "hubspot").exit_code == 2


def test_h37_a_rotation_that_was_broken_off_is_finished_and_not_counted_up(
    hooked: Hooked, own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H37, ruling 5: the generation is written before anything is registered; the next `rotate` finishes."""
    hooked.webhooks("register")
    with monkeypatch.context() as broken:
        broken.setattr(Desk, "register", lambda *_: (_ for _ in ()).throw(OSError(28, "no space")))
        hooked.webhooks("rotate", code=1)
    assert {part["generation"] for part in webhooks_of(own_file).values()} == {2}
    assert hooked.states(hooked.webhooks("list"))["ORDER"] == "old_generation"
    entry = hooked.webhooks("rotate")
    assert entry["done"] == {"made": 4, "kept": 0, "changed": 0, "removed": 4}
    assert {part["generation"] for part in webhooks_of(own_file).values()} == {2}
    assert {row["url"] for row in hooked.there(SHOP)} == {hooked.url(SHOP, 2)}


def test_r64_a_person_s_file_is_not_edited_but_the_lines_are_printed(hooked: Hooked) -> None:
    """R64: `waiting`, exit 1, nothing registered anew; when the lines are in the file, `rotate` finishes."""
    hooked.webhooks("register")
    path = hooked.story.folder / "merchants.yaml"
    before = path.read_bytes()
    entry = hooked.webhooks("rotate", "--system", SHOP, "--now", code=1)
    assert entry["status"] == "waiting"
    assert entry["paste"] == ["webhooks:", "  vinoshipper:", "    generation: 2", "    previous_until: null"]
    assert path.read_bytes() == before
    assert {row["url"] for row in hooked.there(SHOP)} == {hooked.url(SHOP, 1)}
    hooked.story.settings({TEST: yaml.safe_load("\n".join(entry["paste"]))})
    assert hooked.webhooks("rotate", "--system", SHOP)["done"]["made"] == 3
    assert {row["url"] for row in hooked.there(SHOP)} == {hooked.url(SHOP, 2)}


def test_h37_a_system_that_cannot_be_listed_stops_it_before_anything_is_written(hooked: Hooked, own_file: Path) -> None:
    hooked.webhooks("register")
    before = own_file.read_bytes()
    hooked.story.texting.set_fault("401", path_regex="webhooks")
    assert hooked.webhooks("rotate", code=1)["error"]["kind"] == "auth"
    assert own_file.read_bytes() == before


def test_h37_a_rotation_that_stopped_between_two_systems_counts_neither_up(
    hooked: Hooked, own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H37: while an older one is registered `rotate` finishes that one; the day of the others' older tokens goes on."""
    hooked.webhooks("register")
    register = Desk.register
    with monkeypatch.context() as broken:
        broken.setattr(Desk, "register", lambda self, ready: register(self, ready) if self.name == SHOP else 1 / 0)
        hooked.webhooks("rotate", code=1)
    before = webhooks_of(own_file)
    assert {part["generation"] for part in before.values()} == {2}
    entry = hooked.webhooks("rotate")
    assert entry["done"] == {"made": 1, "kept": 3, "changed": 0, "removed": 1}
    assert webhooks_of(own_file) == before


def test_h37_an_older_webhook_that_cannot_be_replaced_stops_no_rotation(hooked: Hooked, own_file: Path) -> None:
    """H35, H37: an older one stays for a subject that is refused now; a URL that leaked is changed all the same."""
    hooked.webhooks("register")
    hooked.story.shop.set_switch("webhooks_api", "refuses_membership")
    for generation in (2, 3):
        hooked.webhooks("rotate", "--system", SHOP, "--now")
        assert webhooks_of(own_file)[SHOP]["generation"] == generation
        urls = {row["subject"]: row["url"] for row in hooked.there(SHOP)}
        assert urls["ORDER"] == hooked.url(SHOP, generation)


def test_h5_r51_a_paused_merchant_s_token_stays(hooked: Hooked, own_file: Path) -> None:
    """H5, R51: what is registered cannot be replaced in a pause, and an unknown token is answered 404."""
    hooked.webhooks("register")
    text = own_file.read_text()
    own_file.write_text(text.replace("- id:", "- paused: [contacts]\n  id:", 1))
    paused = own_file.read_bytes()
    assert b"paused" in paused
    told = hooked.run("webhooks", "rotate", "--merchant", TEST)
    assert "its token stays" in told.out
    assert own_file.read_bytes() == paused
    assert {row["url"] for row in hooked.there(SHOP)} == {hooked.url(SHOP, 1)}


@pytest.mark.parametrize("command", ["register", "rotate"])
def test_h35_ruling_5_settings_that_were_read_before_a_rotation_bring_no_older_url_back(
    hooked: Hooked, own_file: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """H35, ruling 5: a merchant's turn comes long after the start, and somebody has rotated it meanwhile."""
    hooked.webhooks("register")
    choose, rotated = commands.choose, list[Record]()

    def chosen(*which: Any) -> Any:
        found = choose(*which)
        if not rotated:
            rotated.append({})
            rotated[0] = hooked.webhooks("rotate", "--now")
        return found

    monkeypatch.setattr(commands, "choose", chosen)
    entry = hooked.webhooks(command)
    assert rotated[0]["done"]["made"] == 4
    generation = 2 if command == "register" else 3
    assert entry["done"]["made"] == (0 if command == "register" else 4)
    for system in (SHOP, TEXTING):
        assert {row["url"] for row in hooked.there(system)} == {hooked.url(system, generation)}


def test_h5_where_webhooks_are_off_rotate_says_that_nothing_was_counted_up(hooked: Hooked) -> None:
    hooked.story.settings({TEST: {"webhooks": {"enabled": False}}})
    told = hooked.run("webhooks", "rotate", "--merchant", TEST)
    assert "no token is counted up" in told.out
