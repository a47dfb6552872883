"""Where a system can neither list nor remove webhooks, what was registered is remembered (consumers.md 3.1, R36)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from vs_st_pipeline import connectors
from vs_st_pipeline.connectors.vinoshipper import CONNECTOR
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.webhooks import leaving
from vs_st_pipeline_tests.operations.webhooks.conftest import Hooked
from vs_st_pipeline_tests.support.story import TEST

SHOP = CONNECTOR.name


@dataclass
class Blind:
    """A system that takes a URL for each of its branches, and tells nothing."""

    branches: Sequence[str] = ("north", "south")
    says: str = ""
    heard: list[tuple[str, str]] = field(default_factory=list)

    def places(self) -> Sequence[str]:
        if not self.branches:
            raise BadSettings("branches: name one", system=SHOP)
        return self.branches

    def tell(self, place: str, url: str) -> str:
        self.heard.append((place, url))
        return self.says


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Blind:
    made = Blind()
    assert CONNECTOR.hooks is not None
    hooks = replace(CONNECTOR.hooks, registrar=None, teller=lambda _client: made, by_hand="Ask them.")
    others = tuple(one for one in connectors.CONNECTORS if one is not CONNECTOR and one.name != "simpletexting")
    changed = (replace(CONNECTOR, hooks=hooks), *others)
    monkeypatch.setattr("vs_st_pipeline.operations.webhooks.wanted.CONNECTORS", changed)
    return made


def rows(entry: Any) -> list[tuple[str, str]]:
    return [(row["name"], row["state"]) for row in entry["hooks"]]


def test_c3_1_what_was_registered_is_remembered_and_not_registered_again(hooked: Hooked, blind: Blind) -> None:
    blind.says = "it was there already"
    assert rows(hooked.webhooks("list")) == [(SHOP, "unproven")]
    entry = hooked.webhooks("register")
    assert rows(entry) == [("north", "told"), ("south", "told")]
    assert blind.heard == [("north", hooked.url(SHOP)), ("south", hooked.url(SHOP))]
    assert entry["done"]["made"] == 2
    assert "it was there already" in hooked.run("webhooks", "register", "--merchant", TEST, "--again").out
    assert len(blind.heard) == 4
    entry = hooked.webhooks("register")
    assert (len(blind.heard), entry["done"]["kept"]) == (4, 2)
    assert rows(hooked.webhooks("list")) == [("north", "told"), ("south", "told")]
    assert hooked.url(SHOP).rsplit("/", 1)[1] not in hooked.seen_file.read_text(), "H39: no token"


def test_another_url_is_registered_anew(hooked: Hooked, blind: Blind) -> None:
    hooked.webhooks("register")
    hooked.webhooks("register", "--url", "https://elsewhere.example")
    assert blind.heard[-1] == ("south", hooked.url(SHOP, start="https://elsewhere.example"))
    assert rows(hooked.webhooks("list")) == [(SHOP, "unproven")], "the present URL is not the one that was registered"


def test_settings_that_name_nothing_to_register_for_fail_that_system(hooked: Hooked, blind: Blind) -> None:
    blind.branches = ()
    entry = hooked.webhooks("register", code=1)
    assert (entry["error"]["kind"], entry["error"]["system"]) == ("config", SHOP)


def test_who_leaves_is_told_that_it_may_still_be_registered(hooked: Hooked, blind: Blind) -> None:
    hooked.webhooks("register")
    assert leaving.known_webhooks(hooked.story.data, TEST) is None
