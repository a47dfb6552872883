"""Uninstall by a person's word (audience.md 7.9), with the power cut at each place; R57."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors import waymore
from vs_st_pipeline.connectors.waymore.answers import Answer, Outcome
from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.domain.errors import BadKey, NotSent
from vs_st_pipeline.pipeline.own_commands import Told
from vs_st_pipeline.pipeline.route import layout_of
from vs_st_pipeline.pipeline.schedule import read_next_due
from vs_st_pipeline.pipeline.session import opened
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.audience import leaving, registration, sync
from vs_st_pipeline.routes.audience.registration import Registration, State
from vs_st_pipeline.routes.audience.route import ROUTE
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.systems import NAME
from vs_st_pipeline_tests.routes.audience.test_registering import UUID, FakeWaymore, PowerCut, Shop

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow

YES, NO = Answer(Outcome.ACCEPTED, 200), Answer(Outcome.REJECTED, 400)
UNKNOWN = Answer(Outcome.UNKNOWN, 500)
NOBODY = Answer(Outcome.NOT_SENT, stop=NotSent("no connection", system="waymore"))
NO_KEY = Answer(Outcome.NOT_SENT, 401, BadKey("no", system="waymore", http_status=401))


class Http:
    calls: dict[str, int] = {}

    def close(self) -> None:
        pass


class LeavingWaymore(FakeWaymore):
    """Answers Uninstall too; the answers after the last one are as that."""

    http = Http()

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop)
        self.says = YES
        self.events: list[tuple[bytes, str]] = []

    def event(self, url: str, body: bytes, key: str, may_leave: Callable[[], bool] | None = None) -> Answer:
        assert self.shop.kept().state is State.UNINSTALLING  # stored first
        self.events.append((body, key))
        return self.says


class Leaver:
    """A registered merchant, one of whose records was told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shop = Shop(folder)
        self.shop.warehouse = Warehouse(folder, {NAME: layout_of(ROUTE)})
        self.waymore = self.shop.waymore = LeavingWaymore(self.shop)
        monkeypatch.setattr(leaving, "open_session", self.open_session)
        self.run = self.shop.session().run
        with self.run.open() as db:
            db.execute("insert into synced.base_wishes (customer_id, product_id, told) values ('c1', 'p1', 'told')")
        assert self.shop.sync() == "registered"

    @contextmanager
    def open_session(self, run: Any, *_: Any) -> Iterator[Any]:
        with opened(self.shop.session()) as session:
            yield session

    def told(self) -> int:
        with self.run.open() as db:
            return int(db.value("select count(*) from synced.base_wishes"))

    def disconnect(self, **how: Any) -> Told:
        return leaving.disconnect(self.shop.session().run, **how)

    def sync(self) -> AudienceSession:
        session = self.shop.session()
        sync.steps(session)
        return session

    def due_in(self) -> timedelta | None:
        at = read_next_due(self.shop.warehouse.data_dir, "hillside", NAME)
        return None if at is None else at.replace(tzinfo=None) - self.shop.at

    def connect(self) -> Told:
        return leaving.connect(self.shop.session().run)

    @property
    def state(self) -> State:
        return self.shop.kept().state


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Leaver:
    return Leaver(tmp_path, monkeypatch)


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def kill(*_: Any) -> None:
        raise PowerCut

    monkeypatch.setattr("os.kill", kill)
    yield
    failpoints._armed = False


@pytest.mark.parametrize("answer", [YES, NO, NO_KEY])
def test_a7_9_told_or_refused_all_is_removed(one: Leaver, answer: Answer) -> None:
    one.waymore.says = answer
    done = one.disconnect()
    assert done.well
    assert done.json["registration"] == "disconnected"
    assert [body for body, _ in one.waymore.events] == [f'{{"event":"Uninstall","uuid":"{UUID}","data":{{}}}}'.encode()]
    assert one.shop.kept() == Registration(State.DISCONNECTED)
    assert UUID not in one.shop.file.read_text()
    assert one.told() == 0


@pytest.mark.parametrize("answer", [UNKNOWN, NOBODY])
def test_a7_9_unknown_or_unreachable_is_tried_for_seven_days_then_removed(one: Leaver, answer: Answer) -> None:
    one.waymore.says = answer
    done = one.disconnect()
    assert not done.well
    assert done.json["registration"] == "uninstalling"
    assert one.shop.kept().uuid == UUID
    assert one.told() == 1
    one.shop.at += timedelta(days=7) - timedelta(seconds=1)
    assert not one.disconnect().well
    one.shop.at += timedelta(seconds=1)
    assert one.disconnect().well
    assert one.shop.kept() == Registration(State.DISCONNECTED, left_untold=True)
    assert len({key for _, key in one.waymore.events}) == 1  # one key, whatever the try
    assert one.told() == 0


def test_a7_9_an_uninstall_that_is_given_up_is_told_and_the_shop_is_at_rest(one: Leaver) -> None:
    """7.9, 9: the sync that removes the registration says so, with an alert; later ones are rare, till `connect`."""
    one.waymore.says = UNKNOWN
    one.disconnect()
    one.shop.at += timedelta(days=7)
    session = one.sync()
    assert session.told.registration == "disconnected"
    assert [trouble.key for trouble in session.told.troubles or ()] == ["uninstall"]
    assert one.due_in() == timedelta(days=1)
    one.connect()
    assert one.due_in() == timedelta(0)


def test_a3_3_a_refused_registration_is_looked_at_soon(one: Leaver) -> None:
    """3.3, R16: other keys end a gap at the next sync, so that is no day away; nobody is called till then."""
    one.disconnect()
    one.waymore.answers = [BadKey("no", system="waymore")]
    assert not one.connect().well
    for _ in range(2):
        with pytest.raises(BadKey):
            one.sync()
        assert one.due_in() == timedelta(minutes=5)
    assert len(one.waymore.asked) == 2


@pytest.mark.parametrize("uuid", [UUID, None])
def test_a7_9_a_shop_that_is_out_of_the_file_has_an_account(one: Leaver, uuid: str | None) -> None:
    """7.9: a person's word counts for it too: it is called by what its registration remembers."""
    registration.write(one.run, replace(one.shop.kept(), uuid=uuid, event_url="https://x.example/e"))
    stand_in = leaving.stand_in_for(Merchant("hillside", "Hillside"), one.shop.warehouse)
    settings = stand_in.section(WaymoreSettings)
    if uuid is None:  # the settings had it, and nothing else knows it
        assert settings.uuid is None
        return
    assert waymore.CONNECTOR.account(stand_in).base_url == "https://x.example"
    assert UUID not in repr(settings)


def test_a7_9_force_tells_nobody(one: Leaver) -> None:
    assert one.disconnect(force=True).well
    assert one.waymore.events == []
    assert (one.state, one.told()) == (State.DISCONNECTED, 0)


def test_a7_9_twice_is_once(one: Leaver) -> None:
    one.disconnect()
    assert one.disconnect().well
    assert len(one.waymore.events) == 1


def test_a7_9_only_connect_registers_anew(one: Leaver) -> None:
    one.disconnect()
    assert one.shop.sync() == "disconnected"
    assert len(one.waymore.asked) == 1
    one.waymore.answers = ["another"]
    assert one.connect().json["registration"] == "registered"
    assert one.shop.kept().uuid == "another"
    assert one.connect().well
    assert len(one.waymore.asked) == 2


def test_a3_3_connect_asks_before_the_gap_is_over(one: Leaver) -> None:
    one.disconnect()
    one.waymore.answers = [BadKey("no", system="waymore")]
    assert not one.connect().well
    assert one.shop.sync() == "auth"
    assert len(one.waymore.asked) == 2
    assert one.connect().well


def test_a7_9_a_connect_that_finds_no_connection_leaves_it_disconnected(one: Leaver) -> None:
    """Else every sync would try what only a person may ask for."""
    one.disconnect()
    one.waymore.answers = [NotSent("no connection", system="waymore")]
    assert not one.connect().well
    assert one.shop.sync() == "disconnected"
    assert len(one.waymore.asked) == 2


def test_r57_offboard_waits_for_it(one: Leaver) -> None:
    assert "vs-st disconnect --merchant hillside" in leaving.under_way(one.shop.warehouse, "hillside")[0]
    one.disconnect()
    assert leaving.under_way(one.shop.warehouse, "hillside") == []


def test_a7_9_wherever_the_power_goes_it_leaves_and_nothing_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuts: None
) -> None:
    for turn in range(1, 30):
        one = Leaver(tmp_path / str(turn), monkeypatch)
        failpoints.enable(f"any:{turn}")
        try:
            one.disconnect()
        except PowerCut:
            failpoints.enable("any:0")
        else:
            assert turn > 4, "no place was cut"
            return
        assert one.state in (State.REGISTERED, State.UNINSTALLING, State.DISCONNECTED)
        if one.state is not State.DISCONNECTED:
            assert one.shop.kept().uuid == UUID  # it can still be told
        assert one.disconnect().well
        assert one.shop.kept() == Registration(State.DISCONNECTED)
        assert one.told() == 0
        assert one.waymore.events
    raise AssertionError


def test_two_shops_leave_by_two_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set()
    for name in ("a", "b"):
        one = Leaver(tmp_path / name, monkeypatch)
        one.disconnect()
        keys |= {key for _, key in one.waymore.events}
    assert len(keys) == 2
