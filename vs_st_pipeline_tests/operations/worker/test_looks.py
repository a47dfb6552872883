"""Opt-in looks: spread, as rare as the fleet's rate wants, one page each, a row a hint once (section 5, rulings 9)."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import BadKey, PipelineError, TryLater
from vs_st_pipeline.domain.hints import CONTACT
from vs_st_pipeline.operations.worker import looks
from vs_st_pipeline.operations.worker.looks import Looks, first_at, news_of, next_after, periods
from vs_st_pipeline.operations.worker.roster import Pairs
from vs_st_pipeline.pipeline.hinted import Hinted
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.looking import Page, Row, text_of
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes import contacts
from vs_st_pipeline_tests.support.story import MARISOL, TEST, Story

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_looks_come_less_often_where_half_of_the_fleets_rate_is_too_little() -> None:
    wanted = {f"m{number}": 120.0 for number in range(600)}
    assert set(periods(wanted, None).values()) == {120.0}
    assert set(periods(wanted, 10.5).values()) == {120.0}, "five a second are not half of it"
    assert [round(one, 6) for one in {*periods(wanted, 2.0).values()}] == [600.0]


def test_looks_are_spread_over_the_period_and_stay_in_step() -> None:
    at = [first_at(f"m{number}", 120.0, 1000.0) - 1000.0 for number in range(1200)]
    by_ten = [sum(start <= one < start + 10 for one in at) for start in range(0, 120, 10)]
    assert all(60 < count < 140 for count in by_ten), by_ten
    assert next_after(1000.0, 120.0, 1003.0) == 1120.0
    assert next_after(1000.0, 120.0, 1400.0) == 1480.0, "what was missed is not made good"


def test_a_row_is_a_hint_once_and_what_we_wrote_to_a_stored_record_is_none() -> None:
    rows = [
        Row("seen", NOON), Row("moved", NOON + timedelta(seconds=1)), Row("new", NOON), Row("ours", NOON, ours=True),
        Row("made", NOON, ours=True), Row("old", NOON - timedelta(days=1)), Row("undated", None), Row("stored", None),
    ]  # fmt: skip
    seen = {"seen": text_of(NOON), "moved": text_of(NOON)}
    found = news_of(
        Page(rows, False, NOON), NOON - timedelta(minutes=10), seen, lambda ids: {"ours", "stored"} & {*ids}
    )
    assert [row.id for row in found] == ["moved", "new", "made", "undated"]


@pytest.fixture
def looking(story: Story, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Looks at the test winery, after a good sync; the route takes hints about contacts."""
    story.begin_synced()
    hinted = Hinted({"simpletexting": frozenset({CONTACT})}, lambda run, desk: None, lambda run, hints: None)  # type: ignore[arg-type,return-value]
    route = contacts.ROUTE if contacts.ROUTE.hinted else replace(contacts.ROUTE, hinted=hinted)
    merchant = story.as_run().merchant
    inbox = Inbox(story.data)
    found = Looks(inbox, story.data, lambda merchant, route: replace(story.as_run(), merchant=merchant, inbox=inbox))
    pairs: Pairs = {(TEST, "contacts"): (merchant, route)}
    return found, inbox, pairs, story


def look(found: Looks, pairs: Pairs) -> int:
    [seer] = looks.seers_of(pairs).values()
    return found.look(seer)


def test_a_look_asks_for_one_page_since_what_was_seen_and_stores_what_is_new(looking: Any) -> None:
    found, inbox, pairs, story = looking
    assert look(found, pairs) == 0, "all that is stored was seen by the whole sync"
    [asked] = story.texting.journal(TEST)
    assert (asked["method"], asked["path"]) == ("GET", "/v2/api/contacts")
    story.texting.add_contact("7075550199", updateSource="WEB_FORM")
    assert look(found, pairs) == 1
    assert look(found, pairs) == 0, "seen before"
    rows = inbox.ask("select kind, event, phone, kept from entries")
    assert rows == [(CONTACT, "OPT_IN_LOOK", None, "{}")]
    contact = story.id_of(MARISOL)
    story.texting.call("PUT", f"records/contacts/{contact}", {"updateSource": "PUBLIC_API"}, merchant=TEST)
    assert look(found, pairs) == 0, "we wrote it ourselves"
    story.texting.add_contact("7075550198", updateSource="IMPORTED_FROM_FILE")
    story.run("sync", "--merchant", TEST)
    assert look(found, pairs) == 0, "the whole sync has seen it"


def test_a_look_is_claimed_by_one_worker_and_the_first_is_spread(looking: Any) -> None:
    found, inbox, pairs, _ = looking
    stop = Event()
    assert found.once(pairs, within=0.0, stop=stop) == 0, "rulings 9: placed somewhere in the period"
    [at] = inbox.looks().values()
    assert time.time() - 1 < at < time.time() + 121
    inbox.ask("update looks set next_at = ?", [time.time() - 1])
    due = found._due(pairs, time.time())
    assert len(due) == 1
    assert inbox.claim_look(TEST, due[0][0] + due[0][2])
    assert not inbox.claim_look(TEST, due[0][0] + due[0][2]), "another worker has taken it"
    inbox.rest(TEST, "contacts", "auth")
    assert found._due(pairs, time.time() + 1000) == []


def test_a_shorter_period_holds_at_once_and_a_clock_that_was_wrong_keeps_nobody_from_being_looked_at(
    looking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, inbox, pairs, _ = looking
    monkeypatch.setattr(looks, "PLACE_SECONDS", 0.0)
    [(merchant, route)] = pairs.values()

    def due_with(period: timedelta) -> float:
        changed = replace(merchant, webhooks=replace(merchant.webhooks, opt_in_look=period))
        found._due({(TEST, "contacts"): (changed, route)}, time.time())
        [at] = inbox.looks().values()
        return float(at) - time.time()

    due_with(timedelta(days=1))
    inbox.claim_look(TEST, time.time() + 86_000)
    assert 85_000 < due_with(timedelta(days=1)) < 86_001
    assert due_with(timedelta(minutes=2)) < 121
    inbox.ask("update looks set next_at = ?", [time.time() + 30 * 86_400])
    assert due_with(timedelta(minutes=2)) < 121


def test_no_look_where_it_is_off_or_nothing_was_synced(looking: Any) -> None:
    found, _, pairs, story = looking
    [(merchant, route)] = pairs.values()
    never = replace(merchant, webhooks=replace(merchant.webhooks, opt_in_look=None))
    off = replace(merchant, webhooks=replace(merchant.webhooks, enabled=False))
    for one in (never, off):
        assert looks.seers_of({(TEST, "contacts"): (one, route)}) == {}
    (story.data / "merchants" / TEST / "standing.json").unlink()
    assert found._due(pairs, time.time() + 1000) == []


def test_a_look_that_finds_nothing_opens_no_database_and_writes_nothing(
    looking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of looks find nothing every two minutes: each is a request and a question to the inbox."""
    found, inbox, pairs, story = looking
    story.texting.add_contact("7075550199", updateSource="WEB_FORM")
    assert look(found, pairs) == 1, "the one row that the next page shows, too"
    done: list[str] = []
    for name in ("open", "peek", "keeping"):
        monkeypatch.setattr(Warehouse, name, _noting(done, name))
    monkeypatch.setattr(Inbox, "_write", _noting(done, "write"))
    assert look(found, pairs) == 0
    assert len(story.texting.journal(TEST)) == 2
    assert done == []
    story.texting.add_contact("7075550198", updateSource="PUBLIC_API")
    with pytest.raises(AssertionError):
        look(found, pairs)
    assert done == ["peek"], "what we may have written ourselves is looked up among what is stored"


def _noting(done: list[str], name: str) -> Any:
    def noted(*_: Any, **__: Any) -> Any:
        done.append(name)
        raise AssertionError(name)

    return noted


@pytest.mark.parametrize("error", [TryLater("busy"), BadKey("no")])
def test_h30_trouble_of_a_system_changes_nothing_but_that_a_refused_key_lets_the_merchant_rest(
    looking: Any, error: PipelineError
) -> None:
    found, inbox, pairs, _ = looking
    [seer] = looks.seers_of(pairs).values()

    def fails(*_: Any) -> Page:
        raise error

    look(found, pairs)
    before = inbox.seen(TEST)
    assert found.look(replace(seer, looking=replace(seer.looking, page=fails))) == 0
    is_refused = error.kind == "auth"
    assert (inbox.seen(TEST), inbox.ask("select * from entries")) == (before, [])
    assert inbox.resting() == ({(TEST, "contacts"): "auth"} if is_refused else {})
    assert inbox.wholes_due("contacts") == ({TEST} if is_refused else set())


def test_who_is_looked_at_is_worked_out_where_something_has_changed(
    looking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, inbox, pairs, story = looking
    worked_out, read, placed = list[str](), list[str](), list[str]()
    _count(monkeypatch, looks, "periods", worked_out)
    _count(monkeypatch, looks, "read_status", read)
    _count(monkeypatch, Inbox, "place_looks", placed)
    assert len(found._due(pairs, time.time() + 1000)) == 1
    once = [list(one) for one in (worked_out, read, placed)]
    for _ in range(3):
        assert len(found._due(pairs, time.time() + 1000)) == 1
    assert [worked_out, read, placed] == once, "not at each turn of half a second"
    inbox.rest(TEST, "contacts", "auth")
    assert found._due(pairs, time.time() + 1000) == [], "at once"
    inbox.whole_ended(TEST, "contacts", time.time(), well=True)
    assert len(found._due(pairs, time.time() + 1000)) == 1, "at once"
    assert found._due({}, time.time() + 1000) == [], "it has left the file, or is disabled"
    assert len(found._due(pairs, time.time() + 1000)) == 1
    inbox.remove(TEST)
    assert found._due(pairs, time.time() + 1000) == []
    monkeypatch.setattr(looks, "PLACE_SECONDS", 0.0)
    assert len(found._due(pairs, time.time() + 1000)) == 1, "one that is gone from the inbox is placed anew"
    assert len(read) == 1, "a merchant that was synced once stays so"


def test_h21_a_merchant_is_looked_at_within_seconds_of_its_first_good_sync(
    looking: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, _, pairs, story = looking
    status = story.data / "merchants" / TEST / "standing.json"
    kept = status.read_bytes()
    status.unlink()
    read = list[str]()
    _count(monkeypatch, looks, "read_status", read)
    for _ in range(3):
        assert found._due(pairs, time.time() + 1000) == []
    assert len(read) == 1, "not at each turn: thousands may not be synced yet"
    status.write_bytes(kept)
    monkeypatch.setattr(looks, "SYNCED_SECONDS", 0.0)
    assert len(found._due(pairs, time.time() + 1000)) == 1


def _count(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, calls: list[str]) -> None:
    usual = getattr(where, name)

    def counted(*given: Any, **more: Any) -> Any:
        calls.append(name)
        return usual(*given, **more)

    monkeypatch.setattr(where, name, counted)
