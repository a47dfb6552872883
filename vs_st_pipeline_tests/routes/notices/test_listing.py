"""When an account's lists are read, and what a bad one changes: nothing (notices.md 2.4, 5.9, 10)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadSettings
from vs_st_pipeline.routes.notices import accounts_seen, by_hand, listing
from vs_st_pipeline.routes.notices.account import pauses
from vs_st_pipeline_tests.support.sending import Act, Gupshup, Rig, reply

LIST, USERS = "/template", "/users/KapasKraftApp"


def listed(*ids: str, **fields: Any) -> bytes:
    rows = [{"id": one, "status": "APPROVED", "data": "Hi {{1}}", **fields} for one in ids]
    return reply(200, {"status": "success", "templates": rows})


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    gupshup = Gupshup()
    made = Rig(tmp_path, gupshup, settings={"opt_in": ("eshopbox_flag",)})
    gupshup.lists = {LIST: listed("c6ae", "other"), USERS: reply(404)}
    yield made
    gupshup.close()


def read(rig: Rig, *, due: bool = True) -> int:
    """Read what is due; how many requests that took."""
    before = len(rig.gupshup.asked)
    with rig.session() as session:
        session.told.seen["orders"] = int(due)
        failed = None
        try:
            listing.read(session)
        except (BadAnswer, BadKey, BadSettings) as error:
            failed = error
    assert session.report.error is None, session.report.error
    if failed is not None:
        raise failed
    return len(rig.gupshup.asked) - before


def templates(rig: Rig) -> dict[str, int]:
    with rig.session() as session, session.store(rig.account).read() as db:
        return {row["template_id"]: row["gone"] for row in db.execute("select * from templates")}


def test_2_4_nothing_due_asks_for_nothing(rig: Rig) -> None:
    assert read(rig, due=False) == 0


@pytest.mark.parametrize(("seconds", "asked"), [(0, 0), (900, 0), (901, 1)])
def test_2_4_a_list_is_read_again_when_it_is_older_than_15_minutes(rig: Rig, seconds: int, asked: int) -> None:
    assert read(rig) == 1
    rig.now += timedelta(seconds=seconds)
    assert read(rig) == asked


def test_2_4_a_list_is_old_by_the_machine_s_clock_too(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(rig) == 1
    later = time.time() + 901
    monkeypatch.setattr("vs_st_pipeline.routes.notices.listing.time.time", lambda: later)
    assert read(rig) == 1


def test_2_4_a_template_event_makes_it_due(rig: Rig) -> None:
    read(rig)
    rig.now += timedelta(seconds=10)
    with rig.session() as session, session.store(rig.account).write() as db:
        db.execute("insert into template_events (seq, template_id, status, at) values (999, 'c6ae', 'paused', ?)",
                   [rig.now.isoformat()])  # fmt: skip
    rig.now += timedelta(seconds=10)
    assert read(rig) == 1
    assert read(rig) == 0


def test_7_3_a_rejected_message_makes_it_due(rig: Rig) -> None:
    read(rig)
    with rig.session() as session:
        listing.ask_anew(session.store(rig.account), rig.now)
    assert read(rig) == 1
    assert read(rig) == 0


def test_7_4_a_stopped_account_is_looked_at_every_15_minutes_and_a_good_list_ends_an_auth_stop(rig: Rig) -> None:
    rig.gupshup.lists[LIST] = reply(401)
    with pytest.raises(BadKey):
        read(rig)
    assert (read(rig, due=False), read(rig)) == (0, 0)
    rig.now += timedelta(minutes=15, seconds=1)
    rig.gupshup.lists[LIST] = listed("c6ae")
    with rig.session() as session:
        assert pauses.state(session.store(rig.account), rig.now) is not None
    assert read(rig, due=False) == 1
    with rig.session() as session:
        assert pauses.state(session.store(rig.account), rig.now) is None


def test_7_4_a_good_list_does_not_end_another_stop(rig: Rig) -> None:
    with rig.session() as session:
        pauses.stop(session.store(rig.account), rig.now, kind="config", why="wallet")
    assert read(rig, due=False) == 1
    with rig.session() as session:
        found = pauses.state(session.store(rig.account), rig.now)
    assert found is not None
    assert found.kind == "config"


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (listed(), BadAnswer),
        (reply(200, {"status": "success"}), BadAnswer),
        (listed("foreign"), BadAnswer),
        (reply(404), BadSettings),
    ],
)
def test_10_a_bad_list_changes_nothing_and_is_asked_for_again_after_a_minute(
    rig: Rig, act: Act, kind: type[Exception]
) -> None:
    read(rig)
    before = templates(rig)
    rig.now += timedelta(minutes=16)
    rig.gupshup.lists[LIST] = act
    with pytest.raises(kind):
        read(rig)
    assert templates(rig) == before == {"c6ae": 0, "other": 0}
    assert read(rig) == 0
    rig.now += timedelta(seconds=61)
    rig.gupshup.lists[LIST] = listed("c6ae")
    assert read(rig) == 1
    assert templates(rig) == {"c6ae": 0, "other": 1}


def test_2_4_the_merchant_s_copy_is_as_new_as_the_list(rig: Rig) -> None:
    read(rig)
    with rig.run.open() as db:
        rows = db.rows("select template_id, status, data from staged.templates order by 1")
    assert rows == [("c6ae", "APPROVED", "Hi {{1}}"), ("other", "APPROVED", "Hi {{1}}")]


def test_5_9_the_users_list_is_read_at_most_hourly_and_only_where_it_is_evidence(rig: Rig) -> None:
    rows = [{"countryCode": "91", "phoneCode": "9810000001", "optinStatus": "OPT_IN"}]
    rig.gupshup.lists[USERS] = reply(200, {"users": rows})
    assert read(rig) == 1
    rig.settings["opt_in"] = ("gupshup_list",)
    assert read(rig) == 1
    assert read(rig) == 0
    rig.now += timedelta(minutes=61)
    assert read(rig) == 2  # both lists
    with rig.run.open() as db:
        assert db.rows("select phone, source, state from staged.consents") == [("+919810000001", "gupshup_list", "in")]


def test_5_9_an_account_without_a_users_list_has_none(rig: Rig) -> None:
    rig.settings["opt_in"] = ("gupshup_list",)
    assert read(rig) == 2


def test_2_4_an_account_that_is_given_another_app_goes_by_no_list_of_the_old_one(rig: Rig) -> None:
    """Nothing is sent by the old app's templates, and the new app's list is not taken for a foreign one."""
    read(rig)
    rig.keys["app_id"] = "another"
    rig.gupshup.lists[LIST] = listed("new")
    with rig.session() as session:
        assert accounts_seen.look(session).list_read is None
    rig.now += timedelta(minutes=1, seconds=1)
    assert read(rig) == 1
    assert templates(rig) == {"c6ae": 1, "other": 1, "new": 0}
    with rig.session() as session:
        assert accounts_seen.look(session).list_read is not None
    assert read(rig) == 0


def test_10_a_person_says_that_all_templates_were_replaced(rig: Rig) -> None:
    read(rig)
    rig.gupshup.lists[LIST] = listed("new")
    rig.now += timedelta(minutes=16)
    with pytest.raises(BadAnswer, match="vs-st notices resume"):
        read(rig)
    assert not by_hand.resume(rig.run, rig.account.id)
    read(rig)
    assert templates(rig) == {"c6ae": 1, "other": 1, "new": 0}
