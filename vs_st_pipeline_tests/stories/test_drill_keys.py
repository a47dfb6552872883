"""The drill of "When a key is renewed" in docs/operations.md: of every system; the old key is refused, the new goes on.

Nothing that happened meanwhile is lost, and nothing is told twice. Keys are references to the environment here, of
which each command has what it was started with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline_tests.support.drills import Box, boxed, once

KEYS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "vinoshipper": ("contacts", "vinoshipper", ("api_key", "api_secret")),
    "simpletexting": ("contacts", "simpletexting", ("api_token",)),
    "vinoshipper as destination": ("orders", "vinoshipper", ("api_key", "api_secret")),
    "commerce7": ("orders", "commerce7", ("app_id", "app_secret")),
    "eshopbox": ("notices", "eshopbox", ("client_id", "client_secret", "refresh_token")),
    "gupshup": ("notices", "gupshup", ("api_key",)),
    "sopost": ("consumers", "sopost", ("token",)),
    "hubspot": ("consumers", "hubspot", ("token",)),
    "klaviyo": ("consumers", "klaviyo", ("api_key",)),
    "salesforce": ("consumers", "salesforce", ("client_id", "client_secret")),
}
"""Route, section and keys of each system; WayMore's are apart, because they are asked for once."""


class Keys:
    """The keys of one system, in the environment."""

    def __init__(self, box: Box, section: str, names: tuple[str, ...]) -> None:
        self.box, self.section, self.names = box, section, names
        self.given: dict[str, str] = {}
        box.edit(self._refer)
        box.scene.more_environment |= self.given

    def _refer(self, entry: dict[str, Any]) -> None:
        part = entry["notices"]["accounts"][0] if self.section == "gupshup" else entry[self.section]
        for name in self.names:
            path = self.box.settings.parent / part[name].removeprefix("file:")
            self.given[f"DRILL_{name}".upper()] = path.read_text(encoding="utf-8").strip()
            part[name] = f"env:DRILL_{name.upper()}"

    def renew(self) -> dict[str, str]:
        """Let the system give out new keys, and refuse those that it had given; the new ones."""
        handle = self.box.scene.box.running[self.section]
        new = {name: f"{value}-renewed" for name, value in self.given.items()}
        handle.control.renew({self.given[name]: new[name] for name in new})
        if self.section in ("eshopbox", "salesforce"):  # its short-lived tokens end some time after
            handle.control.expire_tokens(self.box.merchant)
        return new


@contextmanager
def keyed(system: str, folder: Path) -> Iterator[tuple[Box, Keys]]:
    route, section, names = KEYS[system]
    with boxed(route, folder / "box") as box:
        yield box, Keys(box, section, names)


@pytest.mark.parametrize("system", KEYS)
def test_a_renewed_key_loses_nothing_and_repeats_nothing(system: str, tmp_path: Path) -> None:
    with keyed(system, tmp_path) as (box, keys):
        before = box.news()
        box.synced()
        assert once(box, before)

        new = keys.renew()
        meanwhile = box.news()
        report = box.sync()
        assert report["status"] in ("failed", "partial"), report
        assert "auth" in repr(report), report
        assert "auth" in repr(box.state()), box.state()
        assert box.run("check", "--merchant", box.merchant).exit_code == 1

        box.scene.more_environment |= new
        assert box.run("check", "--merchant", box.merchant).exit_code == 0
        box.synced()
        box.synced()
        assert (once(box, before), once(box, meanwhile)) == (True, True), (box.told(before), box.told(meanwhile))
        assert "auth" not in repr(box.state()), box.state()
        after = box.news()
        box.synced()
        assert once(box, after)


def test_a_renewed_password_of_waymore_is_not_asked_for_by_a_shop_that_is_registered(tmp_path: Path) -> None:
    with boxed("audience", tmp_path / "box") as box:
        keys = Keys(box, "waymore", ("password",))
        new = keys.renew()
        meanwhile = box.news()
        box.synced()
        box.scene.more_environment |= new
        after = box.news()
        box.synced()
        assert (once(box, meanwhile), once(box, after)) == (True, True)
        assert len([one for one in box.scene.waymore.journal(box.merchant) if "authenticate" in one["path"]]) == 1
        assert box.scene.wrong() == []


def test_another_user_of_waymore_is_refused_for_a_shop_that_is_registered_and_nothing_is_lost(tmp_path: Path) -> None:
    with boxed("audience", tmp_path / "box") as box:
        keys = Keys(box, "waymore", ("username",))
        box.scene.more_environment |= dict.fromkeys(keys.given, "another")
        meanwhile = box.news()
        error = box.sync()["error"]
        assert (error["kind"], "put it back" in error["message"]) == ("config", True)
        box.scene.more_environment |= keys.given
        box.synced()
        assert once(box, meanwhile)
