"""What goes and how, over all routes of a merchant: a person, a file, a merchant (routes.md R7, R35, R57)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.operations import offboard
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline import erasure, forgotten_copy
from vs_st_pipeline.pipeline.once import erasure as once_erasure
from vs_st_pipeline.pipeline.once.items import Accepted, Go, Item, Kind, OnUnknown, Row, Unknown, Unsaid, stable_key
from vs_st_pipeline.pipeline.once.story import Story
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.locks import file_lock
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import Identifiers
from vs_st_pipeline.routes.contacts.systems import SYSTEMS
from vs_st_pipeline_tests.support.story import FFION, MARISOL, TEST
from vs_st_pipeline_tests.support.story import Story as World
from vs_st_pipeline_tests.support.toy_route import SHOP, added

ELSEWHERE = "Ask the Toy Shop to erase its letters."


@dataclasses.dataclass
class Letters:
    """A route that says one thing to one person, at a destination that takes everything, or says nothing about it."""

    silent: bool = False
    sent: list[str] = dataclasses.field(default_factory=list)

    def gate(self, item: Item, row: Row) -> Go:
        return Go()

    def send(self, item: Item, row: Row) -> Accepted | Unknown:
        self.sent.append(item.key)
        return Unknown("no answer") if self.silent else Accepted({"letter": "1"})

    def look(self, item: Item | None, row: Row) -> Unsaid:
        return Unsaid()

    def items(self, run: Run, db: Db) -> list[Item]:
        people = (("phone", MARISOL), ("email", "marisol@example.com"), ("customer", "700101"))
        return [Item("note", "c1", stable_key("toy", "c1"), f"to {MARISOL}", {"phone": MARISOL}, people)]

    def route(self) -> Route:
        made = Story(
            "toy",
            "letters",
            (SHOP,),
            read=lambda session: None,
            ask=lambda session: None,
            items=self.items,
            sender=lambda session: self,
            kinds=(Kind("note", OnUnknown.NEVER),),
            every=timedelta(minutes=15),
        ).route(needs=(frozenset({SHOP.name}),), does="letters to one person")
        assert made.forget is not None
        return dataclasses.replace(made, forget=dataclasses.replace(made.forget, elsewhere=(ELSEWHERE,)))


@pytest.fixture
def letters(story: World) -> Iterator[Letters]:
    """The toy route, which says things once; the first merchant's entry names its system."""
    letters = Letters()
    with added(letters.route()):
        story.settings({TEST: {SHOP.name: {}}})
        yield letters


def folder_of(story: World) -> Path:
    return story.data / "merchants" / TEST


def run_of(story: World, route: str = "toy") -> Run:
    return dataclasses.replace(story.as_run(), warehouse=warehouse_at(story.data, wait_seconds=0.3), route=route)


def rows(story: World, sql: str) -> list[tuple[Any, ...]]:
    with warehouse_at(story.data).open(TEST, "toy") as db:
        return db.rows(sql)


class TestForget:
    @pytest.mark.parametrize("phone", [MARISOL, FFION])
    def test_an_email_and_a_customer_find_the_same_people_as_the_phone(self, story: World, phone: str):
        """R7."""
        story.begin_synced()
        by_phone = erasure.find(story.as_run(), phone, SYSTEMS)
        for customer in by_phone.traces.customers:
            person = story.shop.customer(int(customer))
            given = [("--customer", customer), *([(person["email"].upper(),)] if person["email"] else [])]
            for words in given:
                done = story.run("forget", "--merchant", TEST, *words)
                assert done.exit_code == 2, "it asks"
                told = counted(by_phone.as_json()["customers"], "customers")
                assert f"{told}, {counted(len(by_phone.traces.contacts), 'contacts')}" in done.err

    @pytest.mark.parametrize("by", ["email", "customer"])
    def test_who_was_found_by_an_email_or_an_id_is_gone_and_stays_out(self, story: World, by: str):
        """R7."""
        story.begin_synced()
        person = story.shop.customer(700101)
        words = (person["email"],) if by == "email" else ("--customer", "700101")
        done = story.run("forget", "--merchant", TEST, *words, "--yes", "--json")
        assert (done.exit_code, done.json["customers"], done.json["contacts"], done.json["orders"]) == (0, 1, 1, 4)
        story.sync()
        assert story.run("why", "--merchant", TEST, MARISOL, "--json").json["contact_id"] is None
        again = story.run("forget", "--merchant", TEST, *words, "--yes").out
        assert f"nobody is stored under this {'e-mail' if by == 'email' else 'id'}" in again

    def test_one_table_of_what_went_where_and_one_of_what_is_to_be_erased_elsewhere(
        self, story: World, letters: Letters
    ):
        """R7."""
        assert story.sync(every=True).exit_code == 0
        assert letters.sent
        said = story.run("forget", "--merchant", TEST, MARISOL, "--yes").out.splitlines()
        assert said[:3] == [
            "route     erased, also from the file itself, and kept out from now on",
            "contacts  1 customer, 1 contact, 4 orders",
            "toy       1 letter",
        ]
        assert said[4] == "route     what a person must erase elsewhere"
        assert said[5].startswith("contacts  Nothing at ")
        assert said[6] == f"toy       {ELSEWHERE}"
        told = story.run("forget", "--merchant", TEST, MARISOL, "--yes", "--json").json
        assert {"route": "toy", "do": ELSEWHERE} in told["elsewhere"]

    @pytest.mark.parametrize("words", [(MARISOL,), ("Marisol@example.com",), ("--customer", "700101")])
    def test_a_route_that_says_things_once_forgets_the_person_and_says_nothing_twice(
        self, story: World, letters: Letters, words: tuple[str, ...]
    ):
        """R7, R35."""
        story.sync("--route", "toy")
        evidence = folder_of(story) / "toy.evidence.jsonl"
        assert MARISOL in evidence.read_text()
        done = story.run("forget", "--merchant", TEST, *words, "--yes", "--json")
        assert [(row["route"], row.get("letters")) for row in done.json["routes"]][1] == ("toy", 1)
        assert MARISOL not in evidence.read_text()
        assert rows(story, "select people, state from once.outbox") == [("[]", "accepted")]
        story.sync("--route", "toy")
        assert len(letters.sent) == 1

    def test_routes_take_turns_with_the_copy_of_the_hashes(self, story: World, letters: Letters):
        """Two routes that add at once would lose what the other one wrote."""
        assert story.sync(every=True).exit_code == 0
        once_erasure.forget(run_of(story), Identifiers(phones={FFION}))  # before, there is nothing to take turns about
        with file_lock(folder_of(story) / forgotten_copy.LOCK):
            with pytest.raises(TryLater, match="another route"):
                erasure.begin(run_of(story, "contacts"), SYSTEMS)
            with pytest.raises(TryLater, match="another route"):
                once_erasure.begin(run_of(story))
        erasure.forget(run_of(story, "contacts"), MARISOL, SYSTEMS)
        once_erasure.begin(run_of(story))
        with run_of(story).open() as db:
            in_toy = db.rows("select hash from raw.forgotten order by 1")
        with run_of(story, "contacts").open() as db:
            assert db.rows("select hash from raw.forgotten order by 1") == in_toy


class TestRebuild:
    @pytest.mark.parametrize("damaged", [False, True])
    def test_a_route_that_says_things_once_is_filled_from_its_evidence(
        self, story: World, letters: Letters, damaged: bool
    ):
        """R35."""
        story.sync("--route", "toy")
        once_erasure.forget(run_of(story), Identifiers(phones={FFION}))
        if damaged:
            (folder_of(story) / "toy.duckdb").write_bytes(b"damaged" * 999)
        done = story.run("rebuild", "--merchant", TEST, "--route", "toy", "--yes", "--json")
        assert (done.exit_code, done.of()["status"]) == (0, "ok")
        assert Path(done.json["set_aside"]).name.startswith("toy.duckdb.")
        assert len(letters.sent) == 1
        assert rows(story, "select settled_by from once.ledger") == [("evidence",)]
        assert len(rows(story, "select * from raw.forgotten")) == 1


class TestOffboard:
    def leave(self, story: World) -> None:
        story.settings({TEST: {"enabled": False, SHOP.name: {}}})

    def test_it_is_refused_while_something_may_be_out_and_force_asks(self, story: World, letters: Letters):
        """R57."""
        letters.silent = True
        story.sync("--route", "toy")
        self.leave(story)
        refused = story.run("offboard", "--merchant", TEST, "--yes")
        assert refused.exit_code == 1
        assert "1 letter of route toy may be out" in refused.err
        assert f"`vs-st offboard --merchant {TEST} --force`" in refused.err
        asked = story.run("offboard", "--merchant", TEST, "--force")
        assert asked.exit_code == 2
        assert "1 letter of route toy may be out" in asked.err
        assert "say --yes" in asked.err
        assert folder_of(story).exists()
        assert story.run("offboard", "--merchant", TEST, "--force", "--yes").exit_code == 0
        assert not folder_of(story).exists()

    def test_it_asks_before_it_removes_evidence(self, story: World, letters: Letters):
        """R35."""
        story.sync("--route", "toy")
        self.leave(story)
        asked = story.run("offboard", "--merchant", TEST)
        assert asked.exit_code == 2
        assert "toy.evidence.jsonl: what proves consent, and what was said to whom, is removed with it" in asked.err
        assert (folder_of(story) / "toy.evidence.jsonl").exists()

    def test_what_comes_under_way_while_a_person_is_asked_is_not_removed(self, story: World, letters: Letters):
        """R57."""
        letters.silent = True
        story.sync("--route", "toy")
        with pytest.raises(offboard.UnderWay):
            offboard.offboard(warehouse_at(story.data), TEST)
        assert folder_of(story).exists()

    def test_what_cannot_be_read_may_have_anything_under_way(self, story: World, letters: Letters):
        """R57."""
        story.sync("--route", "toy")
        self.leave(story)
        (folder_of(story) / "toy.duckdb").write_bytes(b"damaged" * 999)
        refused = story.run("offboard", "--merchant", TEST, "--yes")
        assert refused.exit_code == 1
        assert "whether toy has anything under way cannot be seen" in refused.err
        assert story.run("offboard", "--merchant", TEST, "--yes", "--force").exit_code == 0
