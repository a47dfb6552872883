"""A merchant where nothing happens is synced without opening its file, and nothing is missed when something does."""

from __future__ import annotations

import json
import random
import stat
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vs_st_pipeline.connectors.simpletexting import contacts
from vs_st_pipeline.connectors.vinoshipper import rereads
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.pipeline.forgotten_copy import COPY
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import state
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.contacts import stages
from vs_st_pipeline.routes.contacts import sync as pipeline
from vs_st_pipeline.routes.contacts.session import ContactsSession
from vs_st_pipeline.routes.contacts.stage_names import SYNCED
from vs_st_pipeline.routes.contacts.systems import SYSTEMS
from vs_st_pipeline_tests.support import proved_quiet
from vs_st_pipeline_tests.support.story import BRAM, MARISOL, ODALYS, STRANGER, TEST, TOBIAS, Story

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow
START = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=1)
USUAL = {
    "customer_list": "1h",
    "customer_details": "24h",
    "open_orders": "1h",
    "settled_orders": "7d",
    "reconcile": "24h",
}


RARELY = {**USUAL, "reconcile": "60d"}


class Day:
    """Syncs of the test winery, five minutes apart; days are compared rarely, if the story is not about that."""

    def __init__(self, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
        self.story, self.now, self.opened = story, START, 0
        self.settings(RARELY)
        usual = Warehouse.open

        def counted(warehouse: Warehouse, *arguments: Any) -> Any:
            self.opened += warehouse.data_dir == story.data
            return usual(warehouse, *arguments)

        monkeypatch.setattr(Warehouse, "open", counted)

    def settings(self, refresh: dict[str, str]) -> None:
        self.story.settings(vinoshipper={"refresh": refresh}, simpletexting={"full_read": "24h"})

    def sync(self, minutes: float = 5, **options: Any) -> bool:
        """Sync after so many minutes; return whether the file stayed closed."""
        self.now += timedelta(minutes=minutes)
        self.opened = 0
        run = self.run(**options)
        self.report = pipeline.sync(run)
        self.log = [(row.what, row.why, row.records, row.found) for row in run.request_log]
        assert self.report.error is None, (self.report.error, proved_quiet.FAULTS)
        return self.opened == 0

    def run(self, **options: Any) -> Run:
        found = self.story.as_run(self.now)
        return Run(found.merchant, found.warehouse, found.clock, **options)

    def until_quiet(self) -> None:
        """Sync until one is quiet."""
        for _ in range(12):
            if self.sync():
                return
        raise AssertionError("no sync was quiet")

    @property
    def kept(self) -> Any:
        return self.story.data / "merchants" / TEST / "quiet.bin"


@pytest.fixture
def day(story: Story, monkeypatch: pytest.MonkeyPatch) -> Day:
    return Day(story, monkeypatch)


def test_a_quiet_sync_opens_no_file_and_says_what_an_ordinary_one_would(day: Day) -> None:
    day.until_quiet()
    day.story.clear_journals()
    asked = Counter(day.report.calls_by_name())
    assert day.sync()
    assert day.report.status == "ok"
    assert day.report.seen["contacts"] > 0
    assert day.report.plan
    assert ("membership feed", "every sync", 0, "0 customers to read") in day.log
    assert set(asked) >= {"simpletexting list_contacts", "vinoshipper memberships", "vinoshipper search_orders"}
    sent = len(day.story.shop.journal(TEST)) + len(day.story.texting.journal(TEST))
    assert sent == sum(day.report.calls_by_name().values())
    assert stat.S_IMODE(day.kept.stat().st_mode) == 0o600


def _opts_out(story: Story) -> None:
    story.texting.opt_out(MARISOL)


def _contact_edited(story: Story) -> None:
    story.texting.patch_contact(MARISOL, firstName="Somebody")


def _contact_added(story: Story) -> None:
    story.texting.add_contact("7075550188")


def _order_comes(story: Story) -> None:
    story.shop.add_order(700101, orderNumber="NEW1", purchasedAt=f"{START + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}")


def _field_renamed(story: Story) -> None:
    [field] = [one for one in story.texting.custom_fields(TEST) if one["label"] == "City"]
    story.texting.delete_custom_field("City")
    story.texting.add_custom_field("City", f"{field['mergeTag']}_2")


def _membership_moves(story: Story) -> None:
    [first, *_] = story.shop.memberships(TEST)
    story.shop.patch_membership(first["id"], hold=True)


@pytest.mark.parametrize(
    "happens", [_opts_out, _contact_edited, _contact_added, _order_comes, _field_renamed, _membership_moves]
)
def test_what_every_sync_asks_for_ends_the_quiet(day: Day, happens: Callable[[Story], None]) -> None:
    day.until_quiet()
    day.story.clear_journals()
    happens(day.story)
    assert not day.sync()
    # Nothing was asked for twice: the ordinary sync took over what the quiet one had heard.
    asked = Counter(
        (entry["method"], entry["path"], str(entry["query"]), str(entry["body"]))
        for side in (day.story.shop, day.story.texting)
        for entry in side.journal(TEST)
        if entry["method"] == "GET" and "/contacts/" not in entry["path"]
    )
    assert max(asked.values()) == 1, asked
    day.until_quiet()
    day.story.clean()


@pytest.mark.slow
def test_a_detail_that_changed_is_seen_in_its_turn(day: Day) -> None:
    day.settings({**RARELY, "customer_details": "1h"})
    day.until_quiet()
    day.story.shop.patch_customer(700101, shippingAddress={"city": "Elsewhere", "stateCode": "OR"})
    for _ in range(13):
        day.sync()
        if day.story.contact(MARISOL)["City"] == "Elsewhere":
            break
    assert day.story.contact(MARISOL)["City"] == "Elsewhere"


@pytest.mark.slow
def test_a_customer_list_that_changed_is_seen_within_its_hour(day: Day) -> None:
    day.until_quiet()
    person = day.story.shop.add_customer(
        firstName="Late", primaryPhone={"number": STRANGER, "country": "1", "extension": None}
    )
    ended = day.now + timedelta(minutes=65)
    ordinary = 0
    while day.now < ended:
        ordinary += not day.sync()
    assert ordinary
    assert day.story.contact(STRANGER)["VScustomerID"] == str(person["id"])


@pytest.mark.slow
def test_most_syncs_of_a_quiet_day_are_quiet_and_nothing_is_read_less_often(day: Day) -> None:
    """The first day is learned; of the second, nine of ten syncs and more open no file."""
    day.settings({**USUAL, "reconcile": "90m"})  # each day of the ninety is compared alone, a minute after the other
    for _ in range(95):
        day.sync(1)
    day.settings(USUAL)
    day.until_quiet()
    quiet, calls = 0, Counter[str]()
    day.story.clear_journals()
    for _ in range(24):
        quiet += day.sync()
        calls += Counter(day.report.calls_by_name())
    assert quiet >= 22, proved_quiet.WHY[-24:]
    assert calls["vinoshipper list_customers"] >= 2  # each hour


@pytest.mark.parametrize("what", ["settings", "map", "file", "clock", "forgotten", "damaged", "options"])
def test_what_voids_it(day: Day, what: str) -> None:
    story = day.story
    day.until_quiet()
    options: dict[str, Any] = {}
    minutes = 5.0
    if what == "settings":
        day.settings({**RARELY, "open_orders": "2h"})
    elif what == "map":
        path = story.folder / "map.yaml"
        path.write_text("version: 1\nfields:\n  - {from: customer.first_name, to: firstName, policy: fill}\n")
        merchants = (story.folder / "merchants.yaml").read_text()
        merchants = merchants.replace("- id: test-winery", "- field_map: map.yaml\n  id: test-winery")
        (story.folder / "merchants.yaml").write_text(merchants)
    elif what == "file":
        with day.run().open() as db:
            db.execute("create table raw.touched as select 1 as one")
            db.execute("drop table raw.touched")
    elif what == "clock":
        minutes = -120
    elif what == "forgotten":
        story.run("forget", BRAM, "--merchant", TEST, "--yes")
        assert not day.kept.exists()
    elif what == "damaged":
        day.kept.write_bytes(b"\x93\x01")
    else:
        options = {"full": True}
    assert not day.sync(minutes, **options)


@pytest.mark.slow
def test_a_look_at_the_file_voids_nothing(day: Day) -> None:
    day.until_quiet()
    day.story.run("why", MARISOL, "--merchant", TEST)
    assert day.sync()


@pytest.mark.slow
def test_the_day_on_which_somebody_comes_of_age_is_no_quiet_one(day: Day) -> None:
    day.until_quiet()
    assert not day.sync(24 * 60 - 300)


@pytest.mark.slow
def test_a_dry_run_leaves_it_alone(day: Day) -> None:
    day.until_quiet()
    before = day.kept.read_bytes()
    pipeline.dry_run(day.run())
    assert day.kept.read_bytes() == before


@pytest.mark.slow
def test_an_error_while_it_asks_is_that_of_the_sync(day: Day) -> None:
    day.until_quiet()
    day.story.texting.set_fault("401", TEST)
    report = pipeline.sync(day.run())
    assert report.status == "failed"
    assert report.error is not None
    assert report.error.kind == "auth"
    day.story.texting.clear_faults(TEST)
    day.until_quiet()


@pytest.mark.slow
def test_a_sync_that_dies_leaves_none(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    day.until_quiet()
    day.story.texting.patch_contact(ODALYS, firstName="Other")

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(erasure, "begin", dies)
        with pytest.raises(KeyboardInterrupt):
            day.sync()
    assert not day.sync()


@pytest.mark.parametrize(
    ("seed", "syncs"), [(7, 10), *(pytest.param(seed, 80, marks=pytest.mark.slow) for seed in range(8))]
)
@pytest.mark.slow
def test_changes_at_random_are_never_missed(day: Day, seed: int, syncs: int) -> None:
    """Whatever happens, a sync is quiet only if the ordinary one would find the same."""
    dice = random.Random(seed)
    story = day.story
    day.until_quiet()
    happenings: list[Callable[[], Any]] = [
        lambda: story.texting.patch_contact(dice.choice((MARISOL, ODALYS, BRAM)), lastName=f"L{dice.random()}"),
        lambda: story.shop.patch_customer(700101, firstName=f"F{dice.randrange(1000)}"),
        lambda: story.shop.add_order(700101, orderNumber=f"R{dice.randrange(10**6)}", total="10.00"),
        lambda: story.texting.opt_out(TOBIAS),
        lambda: story.shop.patch_customer(700102, email=f"odalys{dice.randrange(100)}@example.com"),
    ]
    quiet = 0
    for _ in range(syncs):
        if dice.random() < 0.15:
            dice.choice(happenings)()
        quiet += day.sync(dice.choice((1, 5, 5, 5, 20)))
    assert quiet > syncs // 12
    story.clean()
    assert not day.sync(full=True)
    assert not day.sync(full=True)
    assert day.report.to_write == 0


@pytest.mark.slow
def test_those_behind_the_records_that_are_known_ahead_have_their_turn_too(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rereads, "HEAD", 2)
    day.settings({**RARELY, "customer_details": "1h", "open_orders": "60d"})
    day.until_quiet()
    day.story.clear_journals()
    quiet = sum(day.sync(4) for _ in range(17))
    details = {
        entry["path"] for entry in day.story.shop.journal(TEST) if entry["path"].startswith("/api/v3/p/customers/7")
    }
    assert quiet >= 8
    assert len(details) >= 7  # linked customers


@pytest.mark.slow
def test_a_membership_that_moved_is_counted_once(day: Day) -> None:
    day.until_quiet()
    for membership in day.story.shop.memberships(TEST)[:3]:
        day.story.shop.patch_membership(membership["id"], note="moved")
        day.sync()
        assert day.report.seen["customers"]
        for _ in range(40):  # until the shop's clock, which has whole seconds, has passed the time of the change
            if day.sync(1):
                break
            time.sleep(0.1)
        assert day.report.seen["customers"] == 0


def test_after_a_write_one_sync_reads_it_back_and_the_next_one_is_quiet(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begins() -> Any:
        with day.run().open() as db:
            return state.get_state(db, contacts.SINCE)

    day.until_quiet()
    began = begins()
    _order_comes(day.story)
    assert not day.sync()
    assert day.report.accepted
    assert not day.sync()
    assert day.sync()
    assert begins() == began, "the list that every sync asks for is the same"
    monkeypatch.setattr(contacts, "MOST_BEYOND", 0)  # where many were updated since, it begins later
    day.story.texting.patch_contact(TOBIAS, comment="called")
    assert not day.sync()
    assert begins() > began


@pytest.mark.slow
def test_after_contacts_were_updated_the_next_list_begins_later(day: Day) -> None:
    day.until_quiet()
    for phone in (TOBIAS, MARISOL):
        day.story.texting.patch_contact(phone, comment="called")
        assert not day.sync()
        day.until_quiet()


def _heard_list(day: Day) -> None:
    """Sync until the list itself is read by a quiet sync."""
    for _ in range(4):
        day.until_quiet()
        if day.sync(61):
            return
    raise AssertionError(proved_quiet.WHY[-1])


@pytest.mark.slow
def test_what_was_heard_before_a_list_that_proved_nothing_is_over(day: Day) -> None:
    _heard_list(day)
    day.story.shop.set_switches({"customers_order": "shuffled", "customers_page_cap": 5, "customers_total": "page"})
    assert not day.sync(61)
    assert any("comes in another order" in sentence for sentence in day.report.unseen)
    day.until_quiet()
    day.story.shop.set_switches({"customers_order": "same", "customers_page_cap": 250, "customers_total": "true"})
    day.sync(61)
    assert not any("comes in another order" in sentence for sentence in day.report.unseen)


@pytest.mark.slow
def test_what_was_seen_beside_another_file_is_read_again(day: Day, tmp_path: Path) -> None:
    _heard_list(day)
    backup = tmp_path / "backup"
    backup.write_bytes(day.run().file().read_bytes())
    assert day.sync(61), proved_quiet.WHY[-1]
    backup.replace(day.run().file())
    assert not day.sync()
    assert day.report.calls_by_name()["vinoshipper list_customers"]


@pytest.mark.slow
def test_nothing_that_belongs_to_writing_is_asked_again(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = stages.push_plan

    def push_plan(session: ContactsSession) -> None:
        usual(session)
        session.simpletexting.tenant()

    monkeypatch.setattr(stages, "push_plan", push_plan)
    monkeypatch.setattr(pipeline, "load_cached_plan", lambda *_: None)  # planned anew, with nothing to write
    for _ in range(6):
        day.sync()
        if day.kept.exists():
            break
    assert SYNCED not in msgspec.msgpack.decode(day.kept.read_bytes())["asks"]


def test_whom_another_route_has_forgotten_is_not_in_it(day: Day) -> None:
    day.story.run("forget", STRANGER, "--merchant", TEST, "--yes")
    day.until_quiet()
    copy = day.kept.with_name(COPY)
    copy.write_text(json.dumps([*json.loads(copy.read_text()), ["ab" * 16, "cd" * 16, "2026-01-01"]]))
    erasure.begin(day.run(), SYSTEMS)
    assert not day.kept.exists()


@pytest.mark.slow
def test_after_midnight_orders_of_a_day_are_counted_beside_those_that_the_day_shows(day: Day) -> None:
    day.settings({**USUAL, "reconcile": "90m", "customer_list": "60d", "customer_details": "60d", "open_orders": "60d"})
    day.story.shop.add_order(700101, orderNumber="NEW1", purchasedAt=f"{day.now:%Y-%m-%dT%H:%M:%SZ}")
    for _ in range(95):  # each of the ninety days is compared alone
        day.sync(1)
    day.sync(24 * 60)
    assert sum(day.sync(1) for _ in range(95)) > 40
