"""What stands open is never fine, and closes once it is settled; a part that fails is alerted (routes.md R68)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from vs_st_pipeline.domain.errors import BadKey, TryLater, Unsafe
from vs_st_pipeline.domain.report import Trouble
from vs_st_pipeline.operations.fleet import alerts, health
from vs_st_pipeline_tests.support.story import BRAM, RENSKE, TEST, Story
from vs_st_pipeline_tests.support.toy_route import Toy

NAME = f"{TEST}, toy"


def fleet(story: Story) -> health.Fleet:
    return health.fleet_health({name: value for name, value in story.environment().items() if value})


def stand(story: Story) -> health.MerchantHealth:
    return next(one for one in fleet(story).stands if one.label == NAME)


def test_what_stands_open_is_open_until_it_is_settled_and_is_no_alert(story: Story, toy: Toy) -> None:
    """R68."""
    toy.waiting = (2, 1)
    story.sync("--route", "toy")
    assert (stand(story).state, stand(story).open) == ("open", 3)
    assert f"1 open: {TEST} (toy)" in fleet(story).sentence()
    assert alerts.news(fleet(story), {}) == []
    toy.waiting = (0, 1)  # two were settled
    story.sync("--route", "toy")
    assert (stand(story).state, stand(story).open) == ("open", 1)
    toy.waiting = (0, 0)
    story.sync("--route", "toy")
    assert (stand(story).state, stand(story).open) == ("fine", 0)


def test_who_is_well_and_holds_something_until_a_person_acts_says_so(story: Story, toy: Toy) -> None:
    toy.held_up = "2 things wait: paint 2"
    story.sync("--route", "toy")
    assert (stand(story).state, stand(story).says, stand(story).open) == ("fine", "2 things wait: paint 2", 0)
    assert f"something is held: {TEST} (toy)" in fleet(story).sentence()
    assert "fine; last good sync" in (told := story.run("merchants", "--route", "toy").out)
    assert "2 things wait: paint 2" in told
    assert alerts.news(fleet(story), {}) == []
    toy.waiting = (1, 0)
    story.sync("--route", "toy")
    assert (stand(story).state, stand(story).says) == ("open", "1 thing refused; 2 things wait: paint 2")
    toy.waiting, toy.held_up = (0, 0), None
    story.sync("--route", "toy")
    assert stand(story).says == "2 things wait: paint 2", "a run that did not look knows of no end"
    toy.error = TryLater("closed", system="toyshop")
    story.sync("--route", "toy")
    assert stand(story).says == "try_later at toyshop: closed", "first what is in the way of all"
    toy.error, toy.held_up = None, ""
    story.sync("--route", "toy")
    assert (stand(story).state, stand(story).says) == ("fine", "")
    assert "something is held" not in fleet(story).sentence()


def test_a_failing_part_is_alerted_once_and_again_when_it_is_well(story: Story, toy: Toy) -> None:
    """R68."""
    toy.part = BadKey("the key is not good", system="toyshop")
    story.sync("--route", "toy")
    assert (stand(story).state, stand(story).kind, stand(story).status) == ("failing", "auth", "partial")
    assert [one.title for one in alerts.news(fleet(story), {})] == ["Test Winery, toy: failing (auth)"]
    assert alerts.news(fleet(story), {NAME: ["failing (auth)"]}) == []
    toy.part = Unsafe("many would lose something", system="toyshop")
    story.sync("--route", "toy")
    assert [one.trouble for one in alerts.news(fleet(story), {NAME: ["failing (auth)"]})] == ["failing (unsafe)"]
    toy.part, toy.waiting = None, (1, 0)  # mended, though something stands open
    story.sync("--route", "toy")
    [well] = alerts.news(fleet(story), {NAME: ["failing (auth)", "failing (unsafe)"]})
    assert (well.trouble, well.title) == (None, "Test Winery, toy: well again")
    assert "Now: open" in well.body


def test_what_a_route_tells_besides_is_told_once_and_once_when_it_is_over(story: Story, toy: Toy) -> None:
    """consumers.md 8: `quiet` stands until it is over; each thing that happened is told of once and never over."""
    toy.troubles = [Trouble("quiet", "no call for 7 days"), Trouble("undone", "1 was undone", "run-1")]
    story.sync("--route", "toy")
    new = alerts.news(fleet(story), {})
    assert [(one.title, one.body) for one in new] == [
        ("Test Winery, toy: quiet", "no call for 7 days"),
        ("Test Winery, toy: undone", "1 was undone"),
    ]
    told = {one.merchant: [one.trouble or ""] for one in new}
    assert alerts.news(fleet(story), told) == []

    toy.error, toy.troubles = TryLater("closed", system="toyshop"), []
    story.sync("--route", "toy")
    assert alerts.news(fleet(story), told) == [], "a run that did not get so far knows of no end"

    toy.error, toy.troubles = None, [Trouble("undone", "2 were undone", "run-2")]
    story.sync("--route", "toy")
    new = alerts.news(fleet(story), told)
    assert [one.title for one in new if one.title] == ["Test Winery, toy: undone", "Test Winery, toy: no longer quiet"]
    assert sorted(one.merchant for one in new if not one.title) == [f"(of {NAME}) undone #run-1"]

    story.settings({TEST: {"toyshop": {}, "paused": ["toy"]}})
    assert [one.title for one in alerts.news(fleet(story), told)] == ["", ""], "a person paused it, and knows"


def test_a_call_that_cannot_be_asked_for_again_is_late_when_it_waits_for_too_long(
    story: Story, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """consumers.md 8: `late`, by VS_ST_LATE_AFTER; R31."""
    monkeypatch.setattr(health, "systems_kept", lambda among: [one.name for one in among])
    story.sync("--route", "toy")
    toy.due_at = datetime.now(UTC) - timedelta(minutes=5)
    assert stand(story).troubles == ()
    toy.due_at -= timedelta(hours=2)
    [late] = stand(story).troubles
    assert (late.key, late.occurrence) == ("late", "")
    assert "Test Winery, toy: late" in [one.title for one in alerts.news(fleet(story), {})]


def test_a_refused_contact_that_is_deleted_or_accepted_closes(story: Story) -> None:
    """R68."""
    story.texting.set_switch("reject", dict.fromkeys((RENSKE, BRAM), "CONTACT_UPDATE_FAILED"))
    start = story.box.now
    assert story.sync(now=start.isoformat()).of()["open"] == 2
    report = story.sync(now=(start + timedelta(minutes=1)).isoformat()).of()
    waiting = story.sync(now=(start + timedelta(minutes=2)).isoformat()).of()
    assert (waiting["status"], waiting["open"]) == ("ok", 2), report
    [row] = [one for one in story.run("merchants", "--json").json["merchants"] if one["merchant"] == TEST]
    assert (row["state"], row["open"]) == ("open", 2)
    story.texting.delete_contact(RENSKE)
    assert story.sync(now=(start + timedelta(minutes=3)).isoformat()).of()["open"] == 1
    story.texting.set_switch("reject", {})
    later = (start + timedelta(days=1)).isoformat()
    assert story.sync(now=later).of()["open"] == 0
    [row] = [one for one in story.run("merchants", "--json", now=later).json["merchants"] if one["merchant"] == TEST]
    assert (row["state"], row["open"]) == ("fine", 0)
