"""What one CRM is told of some people, whatever comes between: consumers.md 6, 7.4, 7.7, 7.9, 7.10, 7.13."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vs_st_pipeline.domain.crm import Ended, Step, Target, TargetInfo
from vs_st_pipeline.domain.emails import person_key
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, KeptBack, NotSent, PipelineError, Refused, TryLater
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers import chunks, due
from vs_st_pipeline.routes.consumers.chunks import Chunks
from vs_st_pipeline.routes.consumers.consumers import Consumer
from vs_st_pipeline.routes.consumers.report import CrmPart
from vs_st_pipeline.routes.consumers.systems import NAME
from vs_st_pipeline_tests.routes.consumers import office as office_of
from vs_st_pipeline_tests.routes.consumers.fake_crm import FIRST_CONSENT, FakeCrm, hollow, raising, saying
from vs_st_pipeline_tests.routes.consumers.office import JANE, JOHN, NOON, Office, killing, two_people
from vs_st_pipeline_tests.routes.consumers.people import NEWS, TRIAL, ago, consumer, offer


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    Office(folder, FakeCrm(folder / "crm.json")).due(jane())
    with Office(folder, FakeCrm(folder / "crm.json")).run().open() as db:
        db.execute("delete from planned.consumers_due")
    return folder / "data"


@pytest.fixture
def office(tmp_path: Path, empty: Path) -> Office:
    return Office(tmp_path, FakeCrm(tmp_path / "crm.json"), empty)


def jane(*offers: Any, **given: Any) -> Consumer:
    return consumer(*(offers or (offer(),)), **given)


def counts(part: CrmPart) -> tuple[int, int, int]:
    return part.accepted, part.rejected, part.unknown


# --- the plain way ---


@pytest.mark.parametrize(("source", "is_number"), [("consumer.order_count", True), ("newest_order.short_id", False)])
def test_c5_6_a_crm_is_told_which_values_are_numbers(
    office: Office, monkeypatch: pytest.MonkeyPatch, source: str, is_number: bool
) -> None:
    row = replace(office_of.MAP.fields[0], source=source)
    monkeypatch.setattr(office_of, "MAP", replace(office_of.MAP, fields=(row,)))
    told: list[Any] = []
    office.crm.wrong.append(lambda crm, step, items: told.extend(one.numbers for one in items))
    office.due(replace(jane(), values={"consumer.first_name": "104882"}))
    office.sync()
    assert told == [frozenset({"firstname"} if is_number else ())]


def test_c6_a_person_is_made_subscribed_and_listed_once_with_evidence_stored_before(office: Office) -> None:
    office.due(jane())
    told: list[int] = []

    def look_at_the_file(crm: FakeCrm, step: Step, items: Any) -> None:
        told.append(sum(line["what"] == "evidence" for line in office.lines()))

    office.crm.wrong.extend([look_at_the_file] * 3)
    part = office.sync()
    assert counts(part) == (1, 0, 0)
    assert [row[0] for row in office.crm.log()] == ["fields", "consent", "lists"]
    assert told == [0, 1, 1]  # the line is there before the subscription leaves
    assert office.outcomes() == [("subscribe", "accepted")]
    assert office.waiting() == {}
    [row] = office.rows("select state_before, contact_id, consent_id, lists_open, email from synced.consent_evidence")
    assert row == ("never", "r1", "c-123456", False, JANE)
    [(fields, values)] = [(part.planned["fields"], part.planned["subscriptions"])]
    assert (fields, values) == (1, 1)
    again = office.sync()
    assert counts(again) == (0, 0, 0)
    assert len(office.crm.looks) == 1


def test_c7_9_the_crm_is_told_the_texts_of_the_consent(office: Office) -> None:
    office.due(jane())
    office.sync()
    [consent] = [item.consent for step, items in office.crm.sent if step is Step.CONSENT for item in items]
    assert consent is not None
    assert consent.source == "SoPost consent c-123456 (News) for Glow Skin"
    assert consent.explanation == "SoPost consent c-123456 (News) for Glow Skin, order O1"
    assert consent.consented_at is None


def test_c7_13_an_imported_consent_tells_its_time_on_single_opt_in_lists_alone(office: Office) -> None:
    office.due(jane(offer(imported=True, earliest_at=ago(days=3))))
    office.sync()
    [consent] = [item.consent for step, items in office.crm.sent if step is Step.CONSENT for item in items]
    assert consent is not None
    assert consent.consented_at == ago(days=3).replace(tzinfo=UTC)


def test_c7_3_nobody_without_a_consent_is_asked_about(office: Office) -> None:
    office.due(jane(offer(standing=False, usable=False)), consumer(email=JOHN))
    part = office.sync()
    assert part.planned["without_consent"] == 2
    assert not office.crm.looks
    assert office.waiting() == {}


def test_c7_3_what_was_written_is_taken_back_once(office: Office) -> None:
    office.due(jane())
    office.sync()
    gone = replace(jane(offer(standing=False, usable=False)), values={"consumer.first_name": ""})
    office.due(gone)
    part = office.sync()
    assert part.planned["fields"] == 1
    assert office.crm.books["records"][JANE]["values"] == {"firstname": ""}
    office.crm.record(JANE, firstname="Somebody")
    office.due(gone)
    assert office.sync().planned["fields"] == 0
    assert len(office.crm.looks) == 2


def test_c7_4_already_there_is_evidence_and_no_write(office: Office) -> None:
    office.crm.record(JANE, firstname="Jane")
    office.crm.state(JANE, NEWS, "subscribed")
    office.crm.keep({**office.crm.books, "members": {JANE: ["42"]}})
    office.due(jane())
    part = office.sync()
    assert not office.crm.sent
    assert office.outcomes() == [("already", "accepted")]
    assert (part.planned["consumers"], counts(part)) == (0, (0, 0, 0))
    assert office.waiting() == {}
    assert [line["action"] for line in office.lines()] == ["already"]


def test_c7_7_the_others_are_spent_with_the_one_that_is_used(office: Office) -> None:
    office.due(jane(offer("o1"), offer("o2", earliest_at=ago(hours=2))))
    office.sync()
    rows = office.rows("select order_id, action, outcome from synced.consent_evidence order by seq")
    assert rows == [("o2", "subscribe", "accepted"), ("o1", "already", "accepted")]


def test_c6_5_a_missing_target_is_rejected_and_fields_are_written(office: Office) -> None:
    office.crm.infos = {NEWS: TargetInfo(missing="no such list")}
    office.due(jane())
    assert counts(office.sync()) == (0, 1, 0)
    assert office.crm.log() == [["fields", JANE, "None"]]
    assert office.waiting() == {JANE: "retry"}
    assert office.rows("select target, code from synced.subscription_rejects") == [(NEWS.id, "no_target")]
    office.crm.infos = {}
    office.sync()
    assert office.outcomes() == [("subscribe", "accepted")]
    assert office.waiting() == {}
    assert office.rows("from synced.subscription_rejects") == []


# --- refusals ---


def people(count: int) -> list[Consumer]:
    return [consumer(offer(f"o{n:03}"), email=f"p{n:03}@example.com") for n in range(count)]


def test_c6_a_refused_batch_is_halved_until_the_one_is_found(office: Office) -> None:
    office.due(*people(20))
    bad = "p013@example.com"

    def refuses(crm: FakeCrm, step: Step, items: Any) -> None:
        if step is Step.FIELDS and any(item.person.email_key == bad for item in items):
            raise Refused("no", http_status=400, code="VALIDATION_ERROR", system="hubspot")

    office.crm.wrong.extend([refuses] * 50)
    part = office.sync()
    assert counts(part) == (19, 1, 0)
    assert office.waiting() == {bad: "retry"}
    assert len(office.crm.log("consent")) == 19  # after the contact was accepted
    assert office.rows("select count(*) from synced.writes where outcome is null") == [(0,)]
    [(code, status)] = office.rows("select code, http_status from synced.rejects")
    assert (code, status) == ("VALIDATION_ERROR", 400)


def test_c6_what_was_not_done_because_of_others_is_sent_again(office: Office) -> None:
    office.due(*people(3))

    def names_one(crm: FakeCrm, step: Step, items: Any) -> Any:
        found = saying(Ended.NOT_DONE)(crm, step, items)
        assert found is not None
        return {**found, items[0].id: saying(Ended.REJECTED, code="BAD")(crm, step, items[:1])[items[0].id]}  # type: ignore[index]

    office.crm.wrong.append(names_one)
    assert counts(office.sync()) == (2, 1, 0)


def test_c6_4_a_locked_row_is_tried_three_times(office: Office) -> None:
    office.due(jane())
    office.crm.wrong.extend([saying(Ended.LOCKED)] * 2)
    assert counts(office.sync()) == (1, 0, 0)
    office.due(consumer(offer("o9"), email=JOHN))
    office.crm.wrong.extend([saying(Ended.LOCKED, code="UNABLE_TO_LOCK_ROW")] * 3)
    assert counts(office.sync()) == (0, 1, 0)


def test_c6_a_rejected_subscription_waits_with_growing_gaps_and_another_consent_does_not(office: Office) -> None:
    office.due(jane())
    refused = saying(Ended.REJECTED, code="NO", http_status=400)
    office.crm.wrong.extend([None, refused])
    assert counts(office.sync()) == (0, 1, 0)
    office.crm.wrong.append(refused)
    assert counts(office.sync()) == (0, 1, 0)  # at the next sync
    assert counts(office.sync()) == (0, 0, 0)
    assert not office.crm.wrong
    office.due(jane(offer(), offer("o2", earliest_at=ago(minutes=1))))
    assert counts(office.sync()) == (1, 0, 0)
    assert office.outcomes()[:2] == [("subscribe", "rejected")] * 2


def test_c6_1_a_record_that_somebody_made_meanwhile_is_read_and_planned_anew(office: Office) -> None:
    office.due(jane())

    def raced(crm: FakeCrm, step: Step, items: Any) -> None:
        crm.record(JANE, firstname="Jane", lastname="Theirs")

    office.crm.wrong.append(raced)
    assert counts(office.sync()) == (1, 0, 0)
    assert office.crm.books["records"][JANE]["values"] == {"firstname": "Jane", "lastname": "Theirs"}
    assert office.outcomes() == [("subscribe", "accepted")]
    assert len(office.crm.looks) == 2


def test_c6_a_record_that_went_is_looked_for_once_more(office: Office) -> None:
    office.crm.record(JANE, firstname="Old")
    office.due(jane())

    def went(crm: FakeCrm, step: Step, items: Any) -> Any:
        crm.keep({**crm.books, "records": {}})
        return saying(Ended.REJECTED, http_status=404)(crm, step, items)

    office.crm.wrong.append(went)
    part = office.sync()
    assert counts(part) == (1, 0, 0)
    assert part.noted["gone"] == 1
    assert JANE in office.crm.books["records"]


# --- unknown outcomes ---


@pytest.mark.parametrize(
    ("at", "done", "how"),
    [
        *((at, done, "no answer") for at in (0, 1, 2) for done in (True, False)),
        *(pytest.param(at, done, "hollow", marks=pytest.mark.slow) for at in (0, 1, 2) for done in (True, False)),
        (1, True, "hollow"),
    ],
)
def test_r19_an_unknown_outcome_is_settled_by_reading_in_the_same_sync(
    office: Office, at: int, done: bool, how: str
) -> None:
    office.due(jane())
    lost = hollow(done=done) if how == "hollow" else raising(TryLater("late", http_status=500), after=done)
    office.crm.wrong.extend([*[None] * at, lost])
    assert counts(office.sync()) == (1, 0, 0)
    assert Counter(row[0] for row in office.crm.log()) == {"fields": 1, "consent": 1, "lists": 1}
    assert office.waiting() == {}
    assert office.rows("from synced.writes where outcome is null") == []
    assert [row for row in office.outcomes() if row[1] == "unknown"] == []


def test_r19_where_the_system_stays_down_what_is_not_known_is_kept_and_nothing_is_sent_twice(office: Office) -> None:
    office.due(jane(), consumer(offer("o2"), email=JOHN))
    office.crm.chunk = 1
    down = raising(TryLater("down", http_status=500), after=True)
    office.crm.wrong.extend([None, down])

    def then_down() -> None:
        if len(office.crm.looks) > 1:
            raise TryLater("down")

    office.crm.on_look = then_down
    part = office.sync(fails=TryLater)
    assert counts(part) == (0, 0, 1)
    assert office.waiting() == {JANE: "unknown", JOHN: "order"}
    assert office.outcomes() == [("subscribe", "unknown")]
    office.crm.on_look = lambda: None
    assert counts(office.sync()) == (2, 0, 0)
    assert len(office.crm.log("consent")) == 2
    assert office.waiting() == {}


@pytest.mark.parametrize("hours", [0, 2])
def test_r19_what_is_not_known_of_a_target_that_is_gone_does_not_stay_so_for_ever(office: Office, hours: int) -> None:
    """Nothing of it can be read any more; the sync would be `partial` for good."""
    office.due(jane(offer(target=TRIAL)))
    down = raising(TryLater("down", http_status=500), after=True)
    office.crm.wrong.extend([None, down])

    def then_down() -> None:
        if len(office.crm.looks) > 1:
            raise TryLater("down")

    office.crm.on_look = then_down
    office.sync(fails=TryLater)
    assert office.outcomes() == [("subscribe", "unknown")]
    office.crm.on_look = lambda: None
    office.now += timedelta(hours=hours)
    office.due(jane(offer("o9", standing=False, usable=False)))  # no consent leads there any more
    assert counts(office.sync()) == ((0, 0, 0) if hours else (0, 0, 1))
    assert office.outcomes() == [("subscribe", "not_done" if hours else "unknown")]


@pytest.mark.parametrize("error", [NotSent("no"), BadKey("no", http_status=401), TryLater("no", http_status=429)])
def test_c6_what_never_arrived_stops_the_crm_and_is_not_spent(office: Office, error: PipelineError) -> None:
    office.due(jane())
    office.crm.wrong.extend([None, raising(error)])
    office.sync(fails=type(error))
    assert office.outcomes() == [("subscribe", "not_done")]
    assert JANE in office.waiting()
    assert office.rows("from synced.writes where outcome is null") == []
    assert counts(office.sync()) == (1, 0, 0)


def test_r35_a_lost_database_repeats_no_subscription_and_no_spent_consent(office: Office) -> None:
    office.due(jane())
    office.sync()
    office.crm.state(JANE, NEWS, "never")  # somebody took her off
    office.lose_database()
    office.due(jane())
    part = office.sync()
    assert part.held == {"removed_there": 1}
    assert len(office.crm.log("consent")) == 1
    assert office.outcomes() == [("subscribe", "accepted")]


def test_r35_an_older_database_is_filled_from_the_file_and_a_lost_file_from_the_database(office: Office) -> None:
    office.due(jane())
    office.sync()
    [before] = office.rows("from synced.consent_evidence")
    with office.run().open() as db, db.transaction():
        db.execute("delete from synced.consent_evidence")
        db.execute("delete from synced.evidence_read")
    office.due(jane())
    office.sync()
    [after] = office.rows("from synced.consent_evidence")
    assert after == before
    assert len(office.crm.log("consent")) == 1
    path = office.folder / "data" / "merchants" / "one" / "consumers.evidence.jsonl"
    path.unlink()
    office.sync()
    [line] = office.lines()
    assert (line["evidence_id"], line["outcome"]) == (before[0], "accepted")
    with path.open("a") as file:
        file.write('{"what": "evidence", "cut')  # the power went
    office.due(consumer(offer("o2"), email=JOHN))
    office.sync()
    assert [line.get("order_id") for line in office.lines() if line["what"] == "evidence"] == ["o1", "o2"]


# --- the minute ---


def test_c7_4_whoever_was_looked_at_more_than_a_minute_ago_is_looked_at_again(office: Office) -> None:
    office.due(jane())

    def slow(crm: FakeCrm, step: Step, items: Any) -> None:
        office.monotonic += 61
        crm.state(JANE, NEWS, "unsubscribed", NOON)  # and in that minute she unsubscribed

    office.crm.wrong.append(slow)
    office.sync()
    assert len(office.crm.looks) == 2
    assert not office.crm.log("consent")
    assert office.outcomes() == []


def test_c7_4_a_chunk_that_takes_longer_than_a_minute_is_halved(office: Office) -> None:
    office.due(*people(8))

    def takes_long(crm: FakeCrm, step: Step, items: Any) -> None:
        office.monotonic += 10 * len(items)

    office.crm.wrong.extend([takes_long] * 100)
    part = office.sync()
    assert counts(part) == (8, 0, 0)
    assert [len(one) for one in office.crm.looks][:3] == [8, 4, 4]
    assert len(office.crm.log("consent")) == 8


def test_c7_4_a_request_that_the_client_keeps_back_is_not_sent_and_looked_at_again(office: Office) -> None:
    office.due(jane())
    office.crm.wrong.extend([None, raising(KeptBack("too old"))])
    assert counts(office.sync()) == (1, 0, 0)
    assert office.outcomes() == [("subscribe", "not_done"), ("subscribe", "accepted")]


def test_c7_4_the_client_asks_right_before_each_try_whether_a_state_is_too_old(office: Office) -> None:
    office.due(jane())
    http: Any = SimpleNamespace(guard=None)
    asked: list[bool] = []

    def asks(crm: FakeCrm, step: Step, items: Any) -> None:
        asked.append(http.guard())
        office.monotonic += 61
        asked.append(http.guard())

    run = office.run()
    desk = office.desk(run)
    desk.http = http
    office.crm.wrong.extend([None, asks])
    Chunks(desk).run()
    assert asked[:2] == [True, False]
    assert http.guard is None


# --- a CRM that shows late ---


@pytest.fixture
def late(tmp_path: Path, empty: Path) -> Office:
    crm = FakeCrm(tmp_path / "crm.json", steps=FIRST_CONSENT, shows_within=timedelta(seconds=7), takes=True)
    return Office(tmp_path, crm, empty)


def only(target: Target = TRIAL, **given: Any) -> Any:
    return jane(offer(target=target, **given))


def test_c6_what_was_taken_is_looked_for_until_it_shows(late: Office) -> None:
    late.due(only())
    late.on_sleep = lambda: late.crm.shown() if len(late.slept) == 3 else None
    assert counts(late.sync()) == (1, 0, 0)
    first = chunks._FIRST_WAIT
    assert late.slept == [first, 2 * first, 4 * first]
    assert late.outcomes() == [("subscribe", "accepted")]
    assert late.waiting() == {}


def test_c6_fields_that_were_taken_are_sent_once_a_sync_and_never_lost(late: Office) -> None:
    late.due(only())
    late.crm.record(JANE, firstname="Old")
    late.crm.wrong.extend([None, saying(Ended.TAKEN)])
    late.on_sleep = late.crm.shown
    assert counts(late.sync()) == (0, 0, 1)
    assert [step for step, _ in late.crm.sent] == [Step.CONSENT, Step.FIELDS]
    assert late.outcomes() == [("subscribe", "accepted")]
    assert late.waiting() == {JANE: "unknown"}
    assert counts(late.sync()) == (1, 0, 0)
    assert [step for step, _ in late.crm.sent] == [Step.CONSENT, Step.FIELDS, Step.FIELDS]
    assert late.waiting() == {}
    assert late.rows("from synced.writes where outcome is null") == []


def test_r19_fields_of_unknown_outcome_are_not_lost_where_the_subscription_shows(late: Office) -> None:
    late.due(only())
    late.crm.record(JANE, firstname="Old")
    late.crm.wrong.extend([None, *[hollow(done=False)] * 9])
    late.on_sleep = late.crm.shown
    assert counts(late.sync()) == (0, 0, 1)
    assert late.waiting() == {JANE: "unknown"}
    late.crm.wrong.clear()
    assert counts(late.sync()) == (1, 0, 0)
    assert late.waiting() == {}


def test_r40_somebody_whom_no_answer_covers_stops_nobody_else(office: Office) -> None:
    office.due(jane(), consumer(offer("o2"), email=JOHN))
    office.crm.chunk, look = 1, office.crm.look
    office.crm.look = lambda people, *more: {} if people[0].email_key == JOHN else look(people, *more)  # type: ignore[method-assign]
    assert counts(office.sync()) == (1, 0, 1)
    assert office.waiting() == {JOHN: "unknown"}
    office.sync(fails=BadAnswer)  # nobody at all was told of


def test_c6_what_was_refused_before_is_accepted_as_soon_as_it_shows(late: Office) -> None:
    late.due(only())
    late.crm.wrong.append(saying(Ended.REJECTED, code="invalid"))
    assert counts(late.sync()) == (0, 1, 0)
    late.on_sleep = late.crm.shown
    assert counts(late.sync()) == (1, 0, 0)
    assert late.outcomes() == [("subscribe", "rejected"), ("subscribe", "accepted")]
    assert late.rows("select * from synced.subscription_rejects") == []
    assert late.waiting() == {}


def test_c7_13_what_does_not_show_stays_unknown_and_is_sent_three_times_at_most(late: Office) -> None:
    late.due(only())
    assert counts(late.sync()) == (0, 0, 1)
    assert sum(late.slept) == 7
    assert late.waiting() == {JANE: "unknown"}
    assert late.outcomes() == [("subscribe", "unknown")]
    assert counts(late.sync()) == (0, 0, 1)
    assert len(late.crm.log("consent")) == 1
    for tries in (2, 3):
        late.now += timedelta(hours=1)
        late.sync()
        assert len(late.crm.log("consent")) == tries
    late.now += timedelta(hours=1)
    assert counts(late.sync()) == (0, 1, 0)
    late.due(only())
    late.sync()
    assert len(late.crm.log("consent")) == 3
    assert late.waiting() == {}
    assert late.rows("select outcome, code from synced.consent_evidence order by seq desc limit 1") == [
        ("rejected", "not_applied")
    ]


def test_c7_13_a_double_opt_in_awaits_confirmation_and_is_never_sent_again(late: Office) -> None:
    late.crm.infos = {TRIAL: TargetInfo(confirms=True)}
    late.due(only())
    assert counts(late.sync()) == (1, 0, 0)
    assert late.slept == []
    assert late.outcomes() == [("subscribe", "awaiting_confirmation")]
    assert late.waiting() == {}
    late.due(only())
    late.sync()
    assert len(late.crm.log("consent")) == 1
    late.crm.shown()
    late.due(only())
    late.sync()
    assert late.outcomes() == [("subscribe", "accepted")]


def test_c7_8_nobody_is_stored_there_whose_subscription_was_refused(late: Office) -> None:
    late.due(only())
    late.crm.wrong.append(saying(Ended.REJECTED, code="invalid"))
    assert counts(late.sync()) == (0, 1, 0)
    assert late.crm.books["records"] == {}


# --- 7.10, 7.11 ---


def test_c7_10_an_opt_out_that_the_look_had_not_shown_is_restored_at_once(office: Office) -> None:
    office.due(jane())

    def meanwhile(crm: FakeCrm, step: Step, items: Any) -> None:
        crm.state(JANE, NEWS, "unsubscribed", NOON)

    office.crm.wrong.extend([None, meanwhile])
    part = office.sync()
    assert part.noted["undone"] == 1
    assert part.status == "partial"
    assert office.crm.books["states"][f"{JANE} {NEWS.id}"][0] == "unsubscribed"
    assert not office.crm.log("lists")
    assert office.outcomes() == [("subscribe", "undone"), ("unsubscribe", "accepted")]
    office.due(jane())
    assert office.sync().held == {"unsubscribed_there": 1}


def test_c7_10_an_undo_without_an_answer_is_gone_on_with(office: Office) -> None:
    office.due(jane())
    office.crm.wrong.extend([
        None,
        lambda crm, step, items: crm.state(JANE, NEWS, "unsubscribed", NOON),
        raising(TryLater("down", http_status=500)),
    ])  # fmt: skip
    office.sync()
    assert office.crm.books["states"][f"{JANE} {NEWS.id}"][0] == "unsubscribed"
    assert office.outcomes()[-1] == ("unsubscribe", "accepted")


def test_c7_11_a_withdrawn_consent_is_undone_from_list_and_subscription(office: Office) -> None:
    office.due(jane())
    office.sync()
    office.due(jane(offer(standing=False, usable=False, withdrawn=True)))
    part = office.sync()
    assert part.planned["subscriptions"] == 1
    assert counts(part) == (1, 0, 0)
    assert [row[0] for row in office.crm.log("unlist", "withdraw")] == ["unlist", "withdraw"]
    assert office.crm.books["members"][JANE] == []
    assert office.outcomes() == [("subscribe", "accepted"), ("unsubscribe", "accepted")]
    office.due(jane(offer(standing=False, usable=False, withdrawn=True)))
    assert office.sync().planned["subscriptions"] == 0


@pytest.mark.parametrize("error", [BadKey("no", http_status=401), NotSent("not now"), KeptBack("too old")])
def test_c7_11_a_subscription_stays_ours_where_only_its_list_was_not_to_be_had(
    office: Office, error: PipelineError
) -> None:
    office.due(jane())
    office.crm.wrong.extend([None, None, raising(error)])
    office.sync(fails=None if isinstance(error, KeptBack) else type(error))
    assert office.outcomes()[0] == ("subscribe", "accepted")
    office.sync()
    assert office.outcomes() == [("subscribe", "accepted"), ("add_to_list", "accepted")]
    office.due(jane(offer(standing=False, usable=False, withdrawn=True)))
    office.sync()
    assert office.crm.books["states"][f"{JANE} {NEWS.id}"][0] == "unsubscribed"
    assert office.crm.books["members"][JANE] == []


def test_r66_a_rehearsal_settles_what_is_open_and_writes_nobody_else(office: Office) -> None:
    office.due(jane())
    office.sync()
    office.due(replace(jane(), values={"consumer.first_name": "Joan"}))
    office.crm.wrong.extend([raising(TryLater("down", http_status=500))] * 2)
    office.sync(fails=TryLater)
    before = len(office.crm.sent)
    office.due(replace(jane(offer(standing=False, usable=False)), values={"consumer.first_name": ""}))
    office.sync(only=frozenset({JOHN}))
    assert len(office.crm.sent) == before
    assert office.rows("select 1 from synced.writes where outcome is null") == []


ALSO = Target(NEWS.id, ("43",))  # the same subscription, with a list of its own


@pytest.mark.parametrize("refused", [False, True])
def test_c7_9_each_of_two_consents_of_one_subscription_has_evidence_of_its_own(office: Office, refused: bool) -> None:
    two = jane(offer(), offer(target=ALSO, consent_id="c-2"))
    office.due(two)
    office.crm.wrong.extend([None, saying(Ended.REJECTED, code="no") if refused else None])
    office.sync()
    if refused:  # and nobody is put on a list for it
        assert office.crm.log("consent", "lists") == []
        assert office.outcomes() == [("subscribe", "rejected")]
        return
    assert office.crm.log("consent") == [["consent", JANE, NEWS.id]]
    assert office.crm.books["members"][JANE] == ["42", "43"]
    rows = office.rows("select consent_id, action, outcome, lists from synced.consent_evidence order by seq")
    assert rows == [
        ("c-123456", "subscribe", "accepted", '["42"]'),
        ("c-2", "add_to_list", "accepted", '["43"]'),
    ]
    gone = {"standing": False, "usable": False, "withdrawn": True}
    office.due(jane(offer(**gone), offer(target=ALSO, consent_id="c-2")))
    office.sync()
    assert office.crm.books["states"][f"{JANE} {NEWS.id}"][0] == "subscribed"
    office.due(jane(offer(**gone), offer(target=ALSO, consent_id="c-2", **gone)))
    office.sync()
    assert office.crm.books["states"][f"{JANE} {NEWS.id}"][0] == "unsubscribed"
    assert office.crm.books["members"][JANE] == []


# --- a dry run ---


def test_r27_a_dry_run_plans_and_moves_nothing(office: Office) -> None:
    office.due(jane())
    run = office.run()
    desk = office.desk(run)
    desk.writes = False
    Chunks(desk).run()
    assert desk.part.planned["subscriptions"] == 1
    assert not office.crm.sent
    assert office.outcomes() == []
    assert office.waiting() == {JANE: "order"}
    assert office.lines() == []
    assert office.rows("select action from planned.hubspot_subscriptions") == [("subscribe",)]
    assert counts(office.sync()) == (1, 0, 0)


# --- kills ---


def trials(tmp_path: Path, empty: Path, every: int, *, lose: bool = False, refused: bool = False) -> Iterator[int]:
    number = 0
    with killing() as kill:
        while True:
            number += every
            folder = tmp_path / f"{number}-{lose}"
            folder.mkdir()
            begun = Office(folder, FakeCrm(folder / "crm.json"), empty)
            begun.due(*two_people())
            if refused:  # their time has come
                with begun.run().open() as db, db.transaction():
                    due.keep(db, "hubspot", [JANE, JOHN], due.RETRY, begun.now.replace(tzinfo=None))
                    for email, target in ((JANE, NEWS), (JOHN, TRIAL)):
                        refuse(db, person_key(email), begun.now, target.id)
            begun.warehouse.release("one", NAME)
            was_killed = kill(folder, f"any:{number}")
            office = Office(folder, FakeCrm(folder / "crm.json"), empty, begun.people, runs=200)
            if lose:
                office.lose_database()
                office.due(*office.people.values())
            for _ in range(2):
                office.sync()
            assert sorted(office.crm.log("consent")) == [["consent", JANE, NEWS.id], ["consent", JOHN, TRIAL.id]]
            assert len(office.crm.log("fields")) == 2
            assert office.crm.books["members"] == {JANE: ["42"]}
            spent = office.rows(
                "select distinct order_id from synced.consent_evidence where outcome = 'accepted' order by 1"
            )
            assert [row[0] for row in spent] == ["o1", "o2", "o3"]
            assert office.waiting() == {}
            assert office.rows("from synced.writes where outcome is null") == []
            told = {line["evidence_id"]: line["outcome"] for line in office.lines()}  # the last line of each counts
            assert told == dict(office.rows("select evidence_id, outcome from synced.consent_evidence"))
            yield number
            if not was_killed:
                return


@pytest.mark.slow
def test_c12_a_kill_at_some_places_repeats_nothing_and_loses_nothing(tmp_path: Path, empty: Path) -> None:
    assert len(list(trials(tmp_path, empty, 29))) > 1


@pytest.mark.slow
@pytest.mark.parametrize("lose", [False, True])
def test_c12_a_kill_at_every_place_repeats_nothing_and_loses_nothing(tmp_path: Path, empty: Path, lose: bool) -> None:
    assert len(list(trials(tmp_path, empty, 1, lose=lose))) > 30


@pytest.mark.slow
def test_c12_a_kill_at_every_place_of_another_try_leaves_nobody_waiting_for_ever(tmp_path: Path, empty: Path) -> None:
    assert len(list(trials(tmp_path, empty, 1, refused=True))) > 30


def test_c5_7_pages_leave_out_who_waits_and_take_the_oldest_first(office: Office) -> None:
    for hours, email in ((1, JANE), (3, JOHN), (2, "mid@example.com")):
        office.now = NOON - timedelta(hours=hours)
        office.due(consumer(email=email))
    run = office.run()
    assert [one.email_key for page in due.pages(run, "hubspot") for one in page] == [JOHN, "mid@example.com", JANE]
    with run.open() as db, db.transaction():
        due.keep(db, "hubspot", [JOHN], due.RETRY, run.now())
        refuse(db, person_key(JOHN), office.now + timedelta(hours=1))
    assert [one.email_key for page in due.pages(run, "hubspot") for one in page] == ["mid@example.com", JANE]


def refuse(db: Db, key: str, next_at: datetime, target: str = "other") -> None:
    at = next_at.replace(tzinfo=None)
    db.execute(
        "insert into synced.subscription_rejects values ('hubspot', ?, ?, 'a', 'C', 400, 1, ?, ?, ?)",
        [key, target, at, at, at],
    )


def test_r19_who_was_accepted_as_the_power_went_is_gone_on_with_though_nothing_refused_waits(office: Office) -> None:
    """The refusal was forgotten with the answer, the person not yet taken away, and the rest of the plan not sent."""
    office.due(jane())
    run = office.run()
    with run.open() as db, db.transaction():
        due.keep(db, "hubspot", [JANE], due.RETRY, run.now())
        assert due.is_anybody(db, "hubspot", run.now().replace(tzinfo=None))
    assert counts(office.sync()) == (1, 0, 0)
    assert office.waiting() == {}
    assert office.outcomes() == [("subscribe", "accepted")]
