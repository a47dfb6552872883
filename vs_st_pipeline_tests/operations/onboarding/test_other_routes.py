"""R14, R56: any route can be onboarded; its steps are asked of its connectors and of itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from vs_st_pipeline import connectors, routes
from vs_st_pipeline.operations.settings import house
from vs_st_pipeline.pipeline.onboarding import DONE, WAITING, Candidate, RouteSetup, RouteStep, StepResult
from vs_st_pipeline.platform.connector import AccountSeen, AccountSetup, Key
from vs_st_pipeline.platform.settings.forms import SecretValue
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline_tests.operations.onboarding.agency import STEPS, Agency, states, step
from vs_st_pipeline_tests.operations.onboarding.test_steps import ended_at
from vs_st_pipeline_tests.support.story import TEST
from vs_st_pipeline_tests.support.toy_route import SHOP, Toy, in_the_table, route_of


def test_r14_a_route_without_keys_has_no_step_for_them(agency: Agency) -> None:
    toy = Toy()
    with in_the_table(toy):
        row = {"id": "toys", "name": "Toys", "sections": {SHOP.name: {}}}
        done = agency.onboard(row, name="t.json", options=["--enable", "--first-sync", "--plan"]).of("toys")
        assert done["status"] == "complete", done
        assert tuple(states(done)) == ("secrets", "names", "entry", "webhooks", "plan", "sync", "confirmation")
        assert done["planned"]["things"] == 2
        assert agency.entry("toys") == {"id": "toys", "name": "Toys", "enabled": True, SHOP.name: {}}
        assert toy.ran == ["toys", "toys"], "a dry run, and the first sync"
        assert agency.run("sync", "--merchant", "toys", "--json").of("toys")["route"] == "toy"
        assert agency.onboard(row, name="t.json", options=["--enable"]).of("toys")["status"] == "complete"


class KeySettings(SettingsModel):
    """A toy shop that wants a key."""

    key: SecretValue


@contextmanager
def toy_with_steps(toy: Toy, seen: list[str]) -> Iterator[None]:
    def look(client: Any, merchant: Any) -> AccountSeen:
        seen.append(merchant.section(KeySettings).key.reveal())
        return AccountSeen("the key is good", "Toys & Co.", {"odd": "it is odd"} if seen[-1] == "odd" else {})

    def count(candidate: Candidate) -> StepResult:
        return StepResult(DONE if candidate.agreed else WAITING, "counted")

    shop = dataclasses.replace(
        SHOP,
        settings=KeySettings,
        connect=lambda merchant, pace: object(),
        setup=AccountSetup((Key("key", "toy_key", "TOY_KEY", "the toy's key"),), look, accept=("odd",)),
    )
    setup = RouteSetup(before_entry=(RouteStep("count", count),))
    route = dataclasses.replace(route_of(toy), connectors=(shop,), setup=setup)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connectors, "CONNECTORS", (*connectors.CONNECTORS, shop))
        patch.setattr(routes, "ROUTES", (*routes.ROUTES, route))
        patch.setattr("vs_st_pipeline.pipeline.session.Session.client", lambda self, connector: object())
        house.cache_clear()
        yield
    house.cache_clear()


def test_r14_the_steps_are_asked_of_connectors_and_routes(agency: Agency) -> None:
    seen: list[str] = []
    agency.environ |= {"K": "odd"}
    with toy_with_steps(Toy(), seen):
        row = {"id": "toys", "name": "Toys & Co", "sections": {SHOP.name: {"key": "env:K"}}}
        done = agency.onboard(row, name="t.json").of("toys")
        assert tuple(states(done))[:5] == ("secrets", SHOP.name, "names", "count", "entry")
        assert ended_at(done) == ("waiting", "names", "waiting")
        assert step(done, "names")["do"].endswith("--accept odd")
        done = agency.onboard(row, name="t.json", options=["--accept", "odd", "--enable"]).of("toys")
        assert done["status"] == "complete"
        assert seen == ["odd", "odd"]
        assert agency.entry("toys")[SHOP.name] == {"key": "env:K"}


def test_r56_sections_take_references_only_and_are_read_by_our_reader(agency: Agency) -> None:
    agency.environ |= {"K": "good"}
    with toy_with_steps(Toy(), []):
        for section, told in (
            ({"key": "in-clear"}, "a secret in clear is refused"),
            ({"key": "env:K", "door": 1}, "is not a key"),
        ):
            done = agency.onboard({"id": "toys", "sections": {SHOP.name: section}}, name="t.yaml")
            assert ended_at(done.of("toys")) == ("failed", "secrets", "failed")
            assert told in done.of("toys")["error"]["message"]
            assert "in-clear" not in done.out
        done = agency.onboard({"id": "toys", "sections": {SHOP.name: {}}}, name="t.yaml").of("toys")
        assert step(done, "secrets")["says"] == f"not given: sections.{SHOP.name}.key"


def test_r56_a_row_may_be_for_several_routes(agency: Agency) -> None:
    toy = Toy()
    with in_the_table(toy):
        row = agency.row(TEST, sections={SHOP.name: {}, "vinoshipper": {"history_from": "2020-01-01"}})
        done = agency.onboard(row, name="t.json", options=["--enable", "--first-sync"]).of(TEST)
        assert done["status"] == "complete", done
        assert tuple(states(done)) == STEPS
        assert step(done, "sync")["says"] == "enabled; 7 contacts written, 2 things written"
        assert agency.entry(TEST)["vinoshipper"]["history_from"] == "2020-01-01"
