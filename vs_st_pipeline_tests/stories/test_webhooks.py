"""From a change at the shop to the contact by webhook: registered, received and worked by the commands themselves.

However the two systems call, or fail to, contacts end as a sync from scratch leaves them; what arrived and can be
understood is there before any whole sync.
"""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.sandbox.core.clients import Control
from vs_st_pipeline.sandbox.core.switches import WEBHOOKS
from vs_st_pipeline_tests.support.pairs import all_pairs
from vs_st_pipeline_tests.support.story import TEST, Ran, Record, Story

SHOP, TEXTING = "vinoshipper", "simpletexting"
SUBJECTS = ["ORDER", "CUSTOMER", "CLUB_MEMBERSHIP"]
SECRET = "made up for the tests, and longer than it has to be"
ENDED = {"sent", "failed", "dropped"}
# By these a record cannot be named, so that it is left to whole syncs.
SILENT = {SHOP: {"dropped", "empty_body", "not_json"}, TEXTING: {"no_values", "unknown_type"}}
NOT_ENABLED = (403, 404)
MEMBERSHIP_OF = {"customer": (700101, "7075550142"), "club": (700110, "7075550149")}


@dataclass(frozen=True)
class Person:
    """A customer with an order; `signed_up`: with a contact."""

    phone: str
    id: int
    order: str


def crowd(story: Story, how_many: int, *, signed_up: bool = True) -> list[Person]:
    people = []
    for i in range(how_many):
        number = i + (0 if signed_up else 50)
        phone = f"70755503{number:02d}"
        customer = story.shop.add_customer(
            firstName=f"Crowd{number}", lastName="Member", email=f"crowd{number}@example.com",
            primaryPhone={"number": phone, "country": "1", "extension": None},
            dateOfBirth={"day": 1, "month": 2, "year": 1970},
        )  # fmt: skip
        order = f"91{number:09d}"
        story.shop.add_order(customer["id"], orderNumber=order, total="40.00", orderStatus="LABELS_GENERATED")
        if signed_up:
            story.texting.add_contact(phone)
        people.append(Person(phone, customer["id"], order))
    return people


def until(happened: Callable[[], Any], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


def delivered(*controls: Control) -> None:
    """Wait until every call has ended."""
    for control in controls:
        until(lambda control=control: {call["state"] for call in control.deliveries()} <= ENDED)


@contextmanager
def receiving(story: Story, port: int = 0) -> Iterator[int]:
    """A receiver, and all commands know its URL; the port."""
    secret = story.folder / "hook_secret"
    secret.write_text(SECRET, encoding="utf-8")
    secret.chmod(0o600)
    story.more_environment["VS_ST_HOOK_SECRET"] = f"file:{secret}"
    receiver = story.start("receive", "--port", str(port), "--json")
    assert receiver.stdout is not None
    try:
        line = receiver.stdout.readline()
        assert line, receiver.communicate()
        port = json.loads(line)["port"]
        story.more_environment["VS_ST_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
        yield port
    finally:
        receiver.terminate()
        _, said = receiver.communicate(timeout=20)
    assert receiver.returncode == 0, said
    assert "/hooks/" not in said  # H2: no token in what it prints
    assert not any(phone in said for phone in ("70755503", "7075550142"))


def registered(story: Story, exit_code: int = 0) -> Record:
    """`vs-st webhooks register` for the test winery; its entry."""
    done = story.run("webhooks", "register", "--merchant", TEST, "--json")
    assert done.exit_code == exit_code, done
    return done.of()


def states(entry: Record, system: str | None = None) -> dict[str, str]:
    return {hook["name"]: hook["state"] for hook in entry["hooks"] if system in (None, hook["system"])}


def worked(story: Story) -> Ran:
    done = story.run("work", "--once", "--json")
    assert done.exit_code == 0, done
    for report in done.json["merchants"]:
        assert (report["merchant"], report["status"], report["trigger"]) == (TEST, "ok", "hint"), report
    return done


def inbox(story: Story) -> Record:
    done = story.run("inbox", "--json", "--limit", "500")
    assert done.exit_code == 0, done
    found: Record = done.json
    return found


def ship(story: Story, person: Person) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    package = {"carrier": "UPS", "trackingNumber": f"1ZEXAMPLE{person.order}"}
    story.shop.patch_order(person.order, orderStatus="SHIPPED", shippedAt=at, shipping={"packages": [package]})


def call_by_themselves(story: Story) -> None:
    story.shop.set_switch("auto_webhooks", "on")
    story.texting.set_switch("auto_webhooks", "on")


def as_from_scratch(story: Story, folder: Path) -> None:
    """A sync that knows nothing leaves all as it is, and nobody was touched who may not be."""
    before = story.everybody()
    cli_sync._warehouse = None
    Story(story.box, folder).synced()
    cli_sync._warehouse = None
    assert story.everybody() == before
    assert story.texting.violations() == []
    assert story.texting.created() == []


def ready(story: Story) -> None:
    story.settings(webhooks={"opt_in_look": "never"})


def turns(system: str, names: tuple[str, ...]) -> list[Record]:
    """Every value of these switches, in as few rows as the longest list has values."""
    values = {name: WEBHOOKS[system][name] for name in names}
    rows = max(map(len, values.values()))
    return [{name: found[i % len(found)] for name, found in values.items()} for i in range(rows)]


OF_BOTH = ("webhook_delay_seconds", "webhook_timeout_seconds", "webhook_disable_after")
SHOP_TURNS = turns(SHOP, ("webhook_style", "webhook_resend", *OF_BOTH))
TEXTING_TURNS = turns(TEXTING, ("webhook_style", "webhook_retry", "webhook_duplicates", "webhook_reorder", *OF_BOTH))


@pytest.mark.slow
def test_r50_however_the_systems_call_contacts_say_so_and_end_as_a_sync_from_scratch_leaves_them(
    story: Story, tmp_path: Path
) -> None:
    """H10, H11, H16, H17, H21, H23, H26: all values of the switches of sending, in one world."""
    ready(story)
    people = crowd(story, len(SHOP_TURNS) + len(TEXTING_TURNS) + 4)
    newcomers = crowd(story, len(TEXTING_TURNS), signed_up=False)
    stoppers, lucky = people[: len(TEXTING_TURNS)], people[-4:]
    shipped = people[len(TEXTING_TURNS) : -4]
    story.synced()
    with receiving(story):
        assert set(states(registered(story)).values()) == {"ok"}
        call_by_themselves(story)
        for row, person in zip(SHOP_TURNS, shipped, strict=True):
            story.shop.set_switches(row)
            ship(story, person)
            delivered(story.shop)  # before the next one, that comes under other switches
        story.shop.set_switch("webhook_style", "normal")
        for row, newcomer, stopper in zip(TEXTING_TURNS, newcomers, stoppers, strict=True):
            story.texting.set_switches(row)
            story.texting.text_in(newcomer.phone, "JOIN")
            ship(story, stopper)
            story.texting.opt_out(stopper.phone)
            delivered(story.texting)
        for how, (customer, _) in MEMBERSHIP_OF.items():
            story.shop.set_switch("membership_href", how)
            for membership in story.shop.customer(customer)["memberships"]:
                story.shop.patch_membership(membership["id"], hold=True)
        for i, person in enumerate(lucky):
            story.shop.set_switch("webhook_drop_share", (0.5, 0.5, 1, 1)[i])
            ship(story, person)
        delivered(story.shop)
        calls = story.shop.deliveries()
        done = worked(story)
    told = {call["body"]["identifier"] for call in calls if call["state"] == "sent" and isinstance(call["body"], dict)
            and "identifier" in call["body"]}  # fmt: skip
    soon = story.everybody()
    for row, person in zip(SHOP_TURNS, shipped, strict=True):
        expected = "Labels Generated" if row["webhook_style"] in SILENT[SHOP] else "Shipped"
        assert soon[person.phone]["Order Status"] == expected, row
    for row, newcomer in zip(TEXTING_TURNS, newcomers, strict=True):
        if row["webhook_style"] not in SILENT[TEXTING]:
            assert soon[newcomer.phone].get("VScustomerID") == str(newcomer.id), row
    assert {phone: soon[phone]["Club Status"] for _, phone in MEMBERSHIP_OF.values()} == {
        phone: "On Hold" for _, phone in MEMBERSHIP_OF.values()
    }
    assert {soon[person.phone]["Order Status"] for person in lucky if person.order in told} <= {"Shipped"}
    assert {soon[person.phone]["Order Status"] for person in lucky if person.order not in told} == {"Labels Generated"}
    seen = inbox(story)
    assert (seen["counts"]["waiting"], seen["counts"]["working"], seen["counts"]["expired"]) == (0, 0, 0)
    outcomes = {(entry["kind"], entry["outcome"]) for entry in seen["entries"]}
    assert {("ping", "no_hint"), ("whole", "handed_over"), ("order", "written"), ("order", "gone")} <= outcomes
    assert any(entry["times"] == 2 for entry in seen["entries"] if entry["system"] == TEXTING)
    for text in (done.out, done.err, json.dumps(seen)):
        assert not any(person.phone in text for person in (*people, *newcomers))
    story.synced()  # what nobody told of
    later = story.everybody()
    assert {later[person.phone]["Order Status"] for person in (*shipped, *lucky)} == {"Shipped"}
    assert {later[person.phone]["Order Status"] for person in stoppers} == {"Labels Generated"}
    assert [later[person.phone].get("VScustomerID") for person in newcomers] == [str(person.id) for person in newcomers]
    assert not any("/logs" in entry["path"] for entry in story.shop.journal())  # routes.md R62
    as_from_scratch(story, tmp_path / "scratch")


# Registering.


@pytest.mark.parametrize("api", WEBHOOKS[SHOP]["webhooks_api"])
def test_h35_one_is_registered_for_each_subject_however_the_shop_takes_it(story: Story, api: Any) -> None:
    ready(story)
    story.more_environment |= {"VS_ST_HOOK_SECRET": "env:VS_ST_MADE_UP", "VS_ST_MADE_UP": SECRET,
                               "VS_ST_PUBLIC_URL": "http://127.0.0.1:9"}  # fmt: skip
    story.shop.set_switch("webhooks_api", api)
    entry = registered(story, 1 if api in NOT_ENABLED else 0)
    expected = dict.fromkeys(SUBJECTS, "not_enabled" if api in NOT_ENABLED else "ok")
    if api == "refuses_membership":
        expected["CLUB_MEMBERSHIP"] = "refused"
    assert states(entry, SHOP) == expected
    assert set(states(entry, TEXTING).values()) == {"ok"}
    posts = [entry for entry in story.shop.journal() if entry["method"] == "POST"]
    assert len(posts) == (0 if api in NOT_ENABLED else 3)
    story.shop.set_switch("webhooks_api", "works")
    calls = [story.shop.send_webhooks([{"identifier": "1", "subject": subject}]) for subject in SUBJECTS]
    assert calls == [int(state == "ok") for state in expected.values()]
    if api == "works":
        story.clear_journals()
        assert registered(story)["done"] == {"made": 0, "kept": 4, "changed": 0, "removed": 0}
        assert {entry["method"] for entry in (*story.shop.journal(), *story.texting.journal())} == {"GET"}


@pytest.mark.parametrize("how", WEBHOOKS[TEXTING]["webhook_triggers"])
def test_h36_the_texting_service_is_asked_for_what_it_takes(story: Story, how: str) -> None:
    ready(story)
    story.more_environment |= {"VS_ST_HOOK_SECRET": "env:VS_ST_MADE_UP", "VS_ST_MADE_UP": SECRET,
                               "VS_ST_PUBLIC_URL": "http://127.0.0.1:9"}  # fmt: skip
    story.texting.set_switch("webhook_triggers", how)
    entry = registered(story)
    assert entry["status"] == "ok"
    events = [{"type": type, "values": {"phone": "7075550142"}} for type in
              ("INCOMING_MESSAGE", "UNSUBSCRIBE_REPORT", "CONTACT_PHONE_UPDATE")]  # fmt: skip
    calls = [story.texting.send_webhooks([event]) for event in events]
    assert calls == ([1, 1, 0] if how == "new_ones_refused" else [1, 1, 1])
    story.clear_journals()
    registered(story)
    assert how == "new_ones_refused" or {entry["method"] for entry in story.texting.journal()} == {"GET"}


# Each value alone, and each two together: `make proof`.


def alone() -> Iterator[Any]:
    for system, switches in WEBHOOKS.items():
        for name, values in switches.items():
            for value in values if name == "webhook_style" else values[1:]:
                yield pytest.param({SHOP: {}, TEXTING: {}, system: {name: value}}, id=f"{system}-{name}-{value}")


def pairs() -> Iterator[Any]:
    values = {
        (system, name): found
        for system, switches in WEBHOOKS.items()
        for name, found in switches.items()
        if name not in ("auto_webhooks", "webhook_logs")
    }
    for number, row in enumerate(all_pairs({" ".join(key): found for key, found in values.items()})):
        together: dict[str, Record] = {SHOP: {}, TEXTING: {}}
        for key, value in row.items():
            system, name = key.split(" ")
            together[system][name] = value
        yield pytest.param(together, id=f"row-{number}")


@pytest.mark.slow
@pytest.mark.parametrize("together", [*alone(), *pairs()])
def test_r50_under_each_two_values_contacts_end_as_a_sync_from_scratch_leaves_them(
    story: Story, tmp_path: Path, together: dict[str, Record]
) -> None:
    ready(story)
    mover, stopper, buyer = crowd(story, 3)
    (newcomer,) = crowd(story, 1, signed_up=False)
    story.synced()
    story.shop.set_switches(together[SHOP])
    story.texting.set_switches(together[TEXTING])
    with receiving(story):
        registered(story, 1 if together[SHOP].get("webhooks_api") in NOT_ENABLED else 0)
        call_by_themselves(story)
        ship(story, buyer)
        ship(story, stopper)
        story.shop.patch_customer(mover.id, shippingAddress={"city": "Elk"})
        customer, member = MEMBERSHIP_OF["customer"]
        story.shop.patch_membership(story.shop.customer(customer)["memberships"][0]["id"], hold=True)
        story.texting.text_in(newcomer.phone, "JOIN")
        story.texting.opt_out(stopper.phone)
        delivered(story.shop, story.texting)
        calls = [*story.shop.deliveries(), *story.texting.deliveries()]
        worked(story)
        soon = story.everybody()
        seen = inbox(story)
        assert seen["counts"]["waiting"] == seen["counts"]["working"] == 0
        # Nothing is left of it, and nothing is done twice.
        story.clear_journals()
        assert worked(story).json["merchants"] == []
        assert story.writes() == []
    right = {
        "ORDER": (buyer.phone, "Order Status", "Shipped"),
        "CUSTOMER": (mover.phone, "City", "Elk"),
        "CLUB_MEMBERSHIP": (member, "Club Status", "On Hold"),
        "INCOMING": (newcomer.phone, "VScustomerID", str(newcomer.id)),
    }
    sent = {call["about"].split("_MESSAGE")[0] for call in calls if call["state"] == "sent" and _names(call, together)}
    share = max(system.get("webhook_drop_share") or 0 for system in together.values())
    for about, (phone, label, value) in right.items():
        if about in sent and not share:
            assert soon[phone].get(label) == value, about
    story.synced()
    later = story.everybody()
    assert {about: later[phone].get(label) for about, (phone, label, _) in right.items()} == {
        about: value for about, (_, _, value) in right.items()
    }
    assert later[stopper.phone]["Order Status"] == "Labels Generated"
    as_from_scratch(story, tmp_path / "scratch")


def _names(call: Record, together: dict[str, Record]) -> bool:
    """Say whether this call lets its record be known."""
    system = TEXTING if "_MESSAGE" in call["about"] else SHOP
    style = together[system].get("webhook_style")
    if call["about"] == "CLUB_MEMBERSHIP" and together[SHOP].get("membership_href") == "club":
        return style not in SILENT[system] | {"no_subject", "href_only"}
    return style not in SILENT[system]


# Receivers that are away.


@pytest.mark.slow
@pytest.mark.parametrize("resend", WEBHOOKS[SHOP]["webhook_resend"])
def test_what_came_while_the_receiver_was_away_is_told_again_or_found_by_the_next_sync(
    story: Story, resend: str
) -> None:
    ready(story)
    (person,) = crowd(story, 1)
    story.synced()
    with receiving(story) as port:
        registered(story)
    story.shop.set_switches({"webhook_resend": resend, "auto_webhooks": "on"})
    ship(story, person)
    until(lambda: story.shop.deliveries()[0]["status"] == 0)
    with receiving(story, port):
        if resend == "until_2xx":
            until(lambda: story.shop.deliveries()[0]["state"] == "sent")
        else:
            until(lambda: story.shop.deliveries()[0]["state"] == "failed")
        worked(story)
    assert (story.contact(person.phone)["Order Status"] == "Shipped") == (resend == "until_2xx")
    story.synced()
    assert story.contact(person.phone)["Order Status"] == "Shipped"


@pytest.mark.slow
def test_h34_a_registration_that_the_shop_has_dropped_is_seen_and_made_again(story: Story) -> None:
    ready(story)
    (person,) = crowd(story, 1)
    story.synced()
    with receiving(story) as port:
        registered(story)
    story.shop.set_switches({"webhook_disable_after": 1, "auto_webhooks": "on"})
    ship(story, person)
    until(lambda: story.shop.deliveries()[0]["state"] == "failed")
    listed = story.run("webhooks", "list", "--merchant", TEST, "--json")
    assert listed.exit_code == 0
    assert states(listed.of(), SHOP) == {"ORDER": "missing", "CUSTOMER": "ok", "CLUB_MEMBERSHIP": "ok"}
    with receiving(story, port):
        assert registered(story)["done"] == {"made": 1, "kept": 3, "changed": 0, "removed": 0}
        story.shop.patch_order(person.order, orderStatus="DELIVERED")
        delivered(story.shop)
        worked(story)
    assert story.contact(person.phone)["Order Status"] == "Delivered"


@pytest.mark.slow
def test_a_worker_that_runs_is_there_in_seconds_and_ends_well(story: Story) -> None:
    """H28, section 7: 2 s, the requests, and no more; SIGTERM ends it with 0."""
    ready(story)
    (person,) = crowd(story, 1)
    story.synced()
    with receiving(story):
        registered(story)
        call_by_themselves(story)
        worker = story.start("work", "--json")
        try:
            began = time.monotonic()
            ship(story, person)
            until(lambda: story.contact(person.phone).get("Order Status") == "Shipped")
            assert time.monotonic() - began < 10
            assert worker.stdout is not None
            report = json.loads(worker.stdout.readline())
        finally:
            worker.terminate()
            _, said = worker.communicate(timeout=30)
    assert worker.returncode == 0, said
    assert (report["merchant"], report["trigger"], report["synced"]["accepted"]) == (TEST, "hint", 1)
    assert report["hints"] == {"taken": 1, "records": 1, "handed_over": 0, "dropped": 0}
    assert 2 <= report["lag_seconds"] < 10


@pytest.mark.slow
def test_an_opt_in_without_webhook_is_found_by_the_look(story: Story) -> None:
    story.settings(webhooks={"opt_in_look": "1s"})
    (newcomer,) = crowd(story, 1, signed_up=False)
    story.synced()
    story.more_environment |= {"VS_ST_HOOK_SECRET": "env:VS_ST_MADE_UP", "VS_ST_MADE_UP": SECRET}
    worked(story)
    story.texting.add_contact(newcomer.phone, updateSource="WEB_FORM")
    time.sleep(1.1)
    worked(story)
    assert story.contact(newcomer.phone).get("VScustomerID") == str(newcomer.id)


# --- killed -----------------------------------------------------------------------------------------------------------


class Killed:
    """A command that is killed (SIGKILL) and started anew, with the same arguments."""

    def __init__(self, story: Story, *arguments: str) -> None:
        self._story, self._arguments, self.kills = story, arguments, 0
        self._process = self._started()

    def _started(self) -> subprocess.Popen[str]:
        process: subprocess.Popen[str] = self._story.start(*self._arguments)
        if self._arguments[0] == "receive":
            assert process.stdout is not None
            self.port = int(json.loads(process.stdout.readline())["port"])
        return process

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()
        self.kills += 1
        self._process = self._started()

    def end(self) -> None:
        self._process.terminate()
        _, said = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["receive", "work", "receive work"])
@pytest.mark.parametrize("seed", [1, 2])
def test_h10_h18_whoever_is_killed_no_entry_is_lost_and_no_value_is_sent_twice(
    story: Story, tmp_path: Path, killed: str, seed: int
) -> None:
    """But for what was under way at a kill: of that nobody knows whether it was taken."""
    dice = random.Random(seed)
    ready(story)
    people = crowd(story, 12)
    story.synced()
    with receiving(story) as port:
        registered(story)
    story.shop.set_switches({"auto_webhooks": "on", "webhook_resend": "until_2xx"})
    receiver = Killed(story, "receive", "--port", str(port), "--json")
    worker = Killed(story, "work", "--json")
    story.clear_journals()
    for person in people:
        ship(story, person)
        for name, process in (("receive", receiver), ("work", worker)):
            if name in killed.split():
                time.sleep(dice.random() * 2)
                process.kill()
    delivered(story.shop)
    until(lambda: not inbox(story)["counts"]["waiting"] and not inbox(story)["counts"]["working"], 150)
    receiver.end()
    worker.end()
    assert all(story.contact(person.phone)["Tracking Number"] == f"1ZEXAMPLE{person.order}" for person in people)
    assert story.written_phones().total() <= len(people) + worker.kills
    as_from_scratch(story, tmp_path)
