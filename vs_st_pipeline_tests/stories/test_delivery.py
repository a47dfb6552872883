"""What is sent is stored before, what moved the ledger is in the history, and a crash in between loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.simpletexting import batch
from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.domain.diff import LedgerEntry
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline_tests.support.story import BRAM, MARISOL, RENSKE, SYNCED, TEST, Story, kill, wait_until

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow


@contextmanager
def opened(story: Story) -> Iterator[Db]:
    with warehouse_at(story.data).open(TEST) as db:
        yield db


def rows(story: Story, sql: str) -> list[tuple[Any, ...]]:
    with opened(story) as db:
        return db.rows(sql)


def batches_sent(story: Story) -> int:
    return sum(entry["path"].endswith("batch-update") for entry in story.writes())


def ledger_now(story: Story) -> dict[tuple[Ref, str], LedgerEntry]:
    with opened(story) as db:
        found = db.rows("select system, object, id, field, sent, stored, before, resent, put_back from synced.ledger")
    return {(Ref(*row[:3]), row[3]): LedgerEntry(row[4], row[5], row[6] or "", *row[7:]) for row in found}


def replayed(story: Story, until: datetime | None = None) -> dict[tuple[Ref, str], LedgerEntry]:
    with opened(story) as db:
        return ledger.replay(db, until)


# --- history ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_ledger_can_be_made_again_from_the_history_as_it_is_and_as_it_was(story: Story) -> None:
    story.texting.set_switches({"max_value_length": 30, "trim_values": True})
    story.synced()
    first, at = ledger_now(story), datetime.now(UTC).replace(tzinfo=None)
    assert replayed(story) == first != {}
    story.texting.patch_contact(MARISOL, customFields={"city": "Edited There"})
    story.shop.patch_customer(700101, shippingAddress={"city": "Occidental"})
    story.shop.patch_customer(700103, memberships=[])
    story.texting.patch_contact(BRAM, firstName="")
    for _ in range(3):
        story.synced()
        assert replayed(story) == ledger_now(story)
    assert ledger_now(story) != first
    assert replayed(story, until=at) == first


def test_the_ledger_of_a_lost_folder_is_found_again_and_its_history_says_so(story: Story) -> None:
    story.synced()
    story.forget()
    story.synced()
    assert replayed(story) == ledger_now(story)
    assert {row[0] for row in rows(story, "select distinct event from synced.history")} == {"found"}


def test_the_history_says_who_what_why_and_from_which_records(story: Story) -> None:
    report = story.synced()
    assert report["synced"]["accepted"] == 7
    contact_id = story.id_of(MARISOL)
    told = {
        row[0]: row[1:]
        for row in rows(
            story,
            f"""select field, old, new, event, rule, sources, call, run_id = (select run_id from planned.plan)
                from synced.history where id = '{contact_id}'""",
        )
    }
    old, new, event, rule, sources, call, this_run = told["Lifetime Value"]
    assert (old, new, event, call, this_run) == ("", "1392.96", "accepted", "update_contact", True)
    assert rule.startswith("from customer.lifetime_value as money, mirror (field_map.yaml, line ")
    assert sources.startswith("order 9")
    assert len(sources.split(",")) == 3
    assert told["City"][4] == "customer 700101"


def test_the_evidence_of_every_write_is_kept_and_the_outbox_is_empty_after_it(story: Story) -> None:
    story.synced()
    kept = rows(
        story,
        """select w.evidence ->> 'status', (w.evidence ->> 'read_at')::timestamp <= w.sent_at,
                  (w.evidence ->> 'birth_date')::date, w.outcome, w.changes, w.phone, p.phone
           from synced.writes as w join planned.targets as p using (system, object, id)""",
    )
    assert len(kept) == len(SYNCED)
    assert {(row[0], row[1], row[3], row[4], row[5]) for row in kept} == {("OPT_IN", True, "accepted", None, None)}
    born = {row[6]: row[2] for row in kept}
    assert born[RENSKE] is None, "nobody knows her age"
    assert sum(date is not None for date in born.values()) == 6


def test_who_let_a_refused_sync_pass_is_remembered(story: Story) -> None:
    for phone in story.crowd(12):
        assert phone
    story.synced()
    for number in range(12):
        story.shop.patch_order(f"CR{number:03d}", orderStatus="CANCELLED")
    story.failed("unsafe")
    assert rows(story, "select * from synced.allowed") == []
    story.synced("--allow-unsafe")
    [(run_id, by, _, refused)] = rows(story, "select * from synced.allowed")
    assert run_id == rows(story, "select run_id from planned.plan")[0][0]
    assert by.startswith("vs-st")
    assert "would lose" in refused


# --- crashes ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_write_whose_answer_nobody_lived_to_see_is_settled_and_not_sent_again(story: Story) -> None:
    story.texting.set_fault("slow", method="PUT", count=1, seconds=20, when="after")
    process = story.start("sync", "--merchant", TEST)
    wait_until(lambda: len(story.writes()) == 1, process)
    kill(process)
    [(sent_by, contact_id)] = rows(story, "select run_id, id from synced.writes where outcome is null")
    story.synced()
    assert sum(story.written_phones().values()) == len(SYNCED), "nobody was written twice"
    accepted = rows(story, f"select distinct run_id from synced.history where id = '{contact_id}'")
    assert (sent_by,) in accepted, "the run that wrote it is the one that is remembered"
    assert rows(story, "select count(*) from synced.writes where outcome is null") == [(0,)]
    assert replayed(story) == ledger_now(story)
    story.clean()


@pytest.mark.slow
def test_writes_that_were_heard_of_and_not_recorded_are_settled_and_not_sent_again(story: Story) -> None:
    story.texting.set_fault("slow", method="PUT", skip=3, count=1, seconds=20, when="after")
    process = story.start("sync", "--merchant", TEST)
    wait_until(lambda: len(story.writes()) == 4, process)
    kill(process)
    open_ = rows(story, "select run_id, id from synced.writes where outcome is null")
    assert len(open_) == 4, "three whose answer came, and one; what is accepted is recorded together"
    assert rows(story, "select * from synced.ledger") == []
    story.synced()
    assert sum(story.written_phones().values()) == len(SYNCED), "nobody was written twice"
    recorded = rows(story, "select distinct run_id, id from synced.history where event = 'accepted'")
    assert set(open_) <= set(recorded), "the run that wrote them is the one that is remembered"
    assert rows(story, "select count(*) from synced.writes where outcome is null") == [(0,)]
    assert replayed(story) == ledger_now(story)
    story.clean()


def test_what_was_accepted_is_recorded_however_the_push_ends(story: Story) -> None:
    story.texting.set_fault("402", method="PUT", skip=3)
    story.failed("try_later", system="simpletexting")
    assert rows(story, "select outcome, count(*) from synced.writes group by all") == [("accepted", 3)]
    assert len(rows(story, "select distinct id from synced.ledger")) == 3
    story.texting.clear_faults()
    story.synced()
    assert sum(story.written_phones().values()) == len(SYNCED) + 1, "who was refused for the account, and nobody else"
    story.clean()


@pytest.mark.slow
def test_a_write_that_was_never_done_is_sent_by_the_next_run(story: Story) -> None:
    story.texting.set_fault("slow", method="PUT", count=1, seconds=20)  # it is cut off before it has any effect
    process = story.start("sync", "--merchant", TEST)
    wait_until(lambda: len(story.writes()) == 1, process)
    kill(process)
    story.texting.clear_faults()
    story.synced()
    assert {row[0] for row in rows(story, "select outcome from synced.writes")} == {"accepted", "not applied"}
    assert len(story.everybody()) >= len(SYNCED)
    story.clear_journals()
    assert story.synced()["synced"]["accepted"] == 0
    story.clean()


@pytest.mark.slow
def test_a_batch_that_was_under_way_is_asked_again_and_not_sent_again(story: Story) -> None:
    story.settings(simpletexting={"write_one_by_one_up_to": 2, "batch_wait": "60s"})
    story.texting.set_switch("tasks_delay_polls", 5)  # slow enough to be killed in between on a busy machine
    process = story.start("sync", "--merchant", TEST)
    wait_until(lambda: any("batch-update/" in e["path"] for e in story.texting.journal(TEST)), process)
    kill(process)
    [(task_id,)] = rows(story, "select distinct evidence ->> 'task_id' from synced.writes where outcome is null")
    asked = sum(task_id in entry["path"] for entry in story.texting.journal(TEST))
    story.synced()
    assert sum(task_id in entry["path"] for entry in story.texting.journal(TEST)) > asked
    assert batches_sent(story) == 1
    assert replayed(story) == ledger_now(story)
    assert {row[0] for row in rows(story, "select outcome from synced.writes")} == {"accepted"}
    story.clear_journals()
    assert story.synced()["synced"]["accepted"] == 0
    assert story.writes() == []
    story.clean()


@pytest.mark.slow
def test_a_contact_that_a_batch_made_before_the_run_died_is_deleted_by_the_next_one(story: Story) -> None:
    story.settings(simpletexting={"write_one_by_one_up_to": 2, "batch_wait": "60s"})
    story.texting.set_switch("tasks_delay_polls", 5)  # slow enough to be killed in between on a busy machine
    # Renske's contact vanishes just before the batch, which therefore makes a new one under her phone.
    story.texting.add_hook(
        {"kind": "contacts", "op": "delete", "id": story.id_of(RENSKE)}, on="write", nth=1, merchant=TEST
    )
    process = story.start("sync", "--merchant", TEST)
    wait_until(lambda: any("batch-update/" in e["path"] for e in story.texting.journal(TEST)), process)
    kill(process)
    report = story.synced()
    assert report["planned"]["noted"].get("created_and_deleted") == 1, report
    assert RENSKE not in story.everybody()
    assert story.synced()["synced"]["accepted"] == 0
    assert story.texting.violations() == []


def test_what_stood_there_before_is_no_proof_that_a_longer_value_was_written(story: Story) -> None:
    story.begin_synced()
    story.settings(give_up_after="1s")
    story.shop.add_membership(700101, clubName="Reserve", dateJoined="2026-05-05")
    story.texting.set_fault("reset", method="PUT")  # not one write arrives
    done = story.sync()
    assert done.of()["synced"]["accepted"] == 0
    assert story.contact(MARISOL)["Club Name"] == "Hillside Six"
    story.texting.clear_faults()
    story.synced()
    assert story.contact(MARISOL)["Club Name"] == "Hillside Six, Reserve"
    assert replayed(story) == ledger_now(story)
    story.clean()


@pytest.mark.slow
def test_a_person_who_comes_back_by_himself_after_a_batch_that_nobody_heard_of_again_is_left_alone(
    story: Story,
) -> None:
    story.begin_synced()
    story.settings(give_up_after="1s", simpletexting={"write_one_by_one_up_to": 0})
    story.shop.patch_customer(700108, shippingAddress={"city": "Occidental"})
    story.texting.set_fault("reset", method="POST")  # the batch never arrives, as far as we know it may have
    assert story.sync().exit_code == 1
    story.texting.clear_faults()
    story.texting.delete_contact(RENSKE)
    story.texting.add_contact(RENSKE)  # she texts the keyword again
    report = story.synced()
    assert report["planned"]["noted"].get("came_back") == 1, report["planned"]["noted"]
    assert story.contact(RENSKE)["City"] == "Occidental"
    assert story.texting.violations() == []
    assert rows(story, "select count(*) from synced.writes where outcome is null") == [(0,)]


@pytest.mark.slow
def test_who_may_be_of_our_making_is_held_until_he_shows_a_sign_and_is_then_written_for_good(story: Story) -> None:
    story.begin_synced()
    story.settings(give_up_after="1s", simpletexting={"write_one_by_one_up_to": 0})
    story.shop.patch_customer(700108, shippingAddress={"city": "Occidental"})
    story.texting.add_hook(
        {"kind": "contacts", "op": "delete", "id": story.id_of(RENSKE)}, on="write", nth=1, merchant=TEST
    )
    story.texting.set_fault("reset", method="GET", path_regex="/api/contacts/.+")  # nobody can see what the batch met
    assert story.sync().of()["planned"]["noted"]["created_in_doubt"] == 1
    story.texting.clear_faults()
    assert story.synced()["planned"]["held"]["not_confirmed"] == 2, "she, and who had not confirmed before"
    story.texting.patch_contact(RENSKE, updateSource="WEB_FORM")  # she signs up by herself
    story.shop.patch_customer(700108, shippingAddress={"city": "Fulton"})
    for city in ("Fulton", "Graton"):  # our own write covers the sign, and is no new doubt
        story.shop.patch_customer(700108, shippingAddress={"city": city})
        assert story.synced()["planned"]["held"]["not_confirmed"] == 1
        assert story.contact(RENSKE)["City"] == city


def a_batch_that_nobody_saw_done(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """One contact's new city was sent by batch; SimpleTexting took it, and has not carried it out yet."""
    story.begin_synced()
    story.settings(simpletexting={"write_one_by_one_up_to": 0})
    monkeypatch.setattr(batch, "FIRST_POLL_SECONDS", 60.0)  # one look at the batch, and no more
    story.texting.set_switch("tasks_delay_polls", 8)  # more than one run looks at it
    story.shop.patch_customer(700108, shippingAddress={"city": "Occidental"})
    assert story.sync().of()["synced"]["unknown"] == 1


def carry_out(story: Story, task_id: str) -> None:
    """A stand-in's batch moves on with every look at it."""
    texting = SimpleTextingClient(story.as_run().merchant, Unpaced())
    while texting.batch_result(task_id).status != "DONE":
        pass


class Unpaced:
    """No rate to keep to."""

    def wait(self) -> float:
        return 0.0


@pytest.mark.slow
def test_a_batch_that_comes_after_it_was_given_up_makes_no_contact_that_stays(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_batch_that_nobody_saw_done(story, monkeypatch)
    [(task_id,)] = rows(story, "select evidence ->> 'task_id' from synced.writes where outcome is null")
    story.settings(simpletexting={"write_one_by_one_up_to": 50})
    report = story.synced()  # it is given up, and the contact is written by itself
    assert report["synced"]["accepted"] == 1
    assert rows(story, f"select outcome from synced.writes where evidence ->> 'task_id' = '{task_id}'") == [
        ("not applied",)
    ]
    gone = story.id_of(RENSKE)
    story.texting.delete_contact(RENSKE)
    carry_out(story, task_id)
    assert story.texting.contact(RENSKE)["contactId"] != gone, "it made another, which nobody has asked for"
    report = story.synced()
    assert report["planned"]["noted"]["created_and_deleted"] == 1
    assert RENSKE not in story.everybody()
    assert rows(
        story, f"select outcome, phone, changes from synced.writes where evidence ->> 'task_id' = '{task_id}'"
    ) == [("another contact", None, None)]
    assert story.texting.violations() == []


@pytest.mark.slow
def test_who_comes_back_by_himself_while_a_batch_may_come_still_is_left_alone(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_batch_that_nobody_saw_done(story, monkeypatch)
    story.settings(simpletexting={"write_one_by_one_up_to": 50})
    story.synced()
    story.texting.delete_contact(RENSKE)
    story.texting.add_contact(RENSKE, updateSource="PUBLIC_API")  # by the winery's own form, say
    story.synced()
    assert RENSKE in story.everybody()
    day_later = story.box.now + timedelta(days=400)
    story.synced(now=day_later.isoformat())
    assert rows(story, "select * from synced.writes where phone is not null") == [], "for a day, no longer"


@pytest.mark.slow
def test_what_a_batch_never_shows_is_sent_again_after_growing_gaps(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_batch_that_nobody_saw_done(story, monkeypatch)
    now = datetime.now(UTC)
    sent = []
    for minutes in (5, 10, 15, 20):
        story.clear_journals()
        story.sync(now=(now + timedelta(minutes=minutes)).isoformat())
        sent.append(batches_sent(story))
    assert sent == [1, 1, 0, 0], "at once, once more, and then a quarter of an hour after"
    [(code, attempts)] = rows(story, "select code, attempts from synced.rejects")
    assert (code, attempts) == ("NOT_APPLIED", 3)
    story.sync(now=(now + timedelta(hours=2)).isoformat())
    assert batches_sent(story) == 1


@pytest.mark.parametrize("most_alone", [0, 50], ids=["by batch", "one by one"])
def test_what_is_about_the_account_is_not_asked_for_each_contact(story: Story, most_alone: int) -> None:
    story.settings(simpletexting={"write_one_by_one_up_to": most_alone})
    story.texting.set_fault("402", method="PUT" if most_alone else "POST")
    report = story.failed("try_later", system="simpletexting")
    assert "Pay the bill" in report["error"]["message"]
    assert len(story.writes()) == 1
    assert rows(story, "select * from synced.writes") == []
    assert rows(story, "select * from synced.rejects") == []
    story.texting.clear_faults()
    story.synced()
    story.clean()
