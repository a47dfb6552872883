"""A plan over a merchant's file: what is judged, kept and stored, and what is judged once more (notices.md 5)."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.routes.notices import alerts, planned, planning, terms
from vs_st_pipeline.routes.notices.messages import Button, Message
from vs_st_pipeline.routes.notices.settings import NotificationSettings
from vs_st_pipeline.routes.notices.words import Drop, Wait
from vs_st_pipeline_tests.routes.notices.plan_rows import (
    CLIENT,
    DAY,
    HOUR,
    KEYS,
    MINUTE,
    NOW,
    PHONE,
    WANTED,
    World,
    world,
)

__all__ = ["world"]


def test_what_is_fresh_is_due_and_says_how_it_reads(world: World) -> None:
    world.parcel()
    session = world.plan()
    assert world.verdicts() == {"KK1 packed": "due"}
    assert session.told.messages == 1
    (message,) = planned.rows(session)["messages"]
    assert message["text"] == "Hi Asha Rao"
    assert message["consent"]["source"] == "eshopbox_flag"
    assert (message["phone"], message["account"], message["template_id"]) == (PHONE, "client:kk", "t1")
    assert message["occurred_at"] == "2026-05-20T09:00:00Z"
    assert planning.due(session) == [message["notice_id"]]


def test_a_first_run_announces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    world.complete = False
    world.parcel()
    world.plan()
    assert world.verdicts() == {}  # until all was read nothing is decided
    world.at += HOUR
    world.complete = True
    world.event("on_the_way", ago=MINUTE)
    session = world.plan()
    assert world.verdicts() == {"KK1 packed": Drop.BEFORE_START, "KK1 on_the_way": Drop.BEFORE_START}
    assert session.told.dropped == {Drop.BEFORE_START: 2}
    world.at += HOUR
    world.event("delivered", ago=MINUTE)
    world.plan()
    assert world.verdicts() == {"KK1 delivered": "due"}
    assert world.db.value("select value from synced.notice_facts where name = 'started_at'") == NOW.isoformat()


def test_what_was_dropped_is_not_looked_at_again(world: World) -> None:
    world.order()
    world.event("packed", ago=2 * DAY)
    assert world.plan().told.dropped == {Drop.STALE: 1}
    assert world.ledger() == {"KK1 packed": ("dropped", Drop.STALE)}
    assert world.plan().told.dropped == {}
    assert world.verdicts() == {}


def test_what_waits_is_judged_again_and_told_once(world: World) -> None:
    world.parcel(whatsapp_flag=None)
    for _ in range(2):
        assert world.plan().told.waits == {Wait.NOT_OPTED_IN: 1}
    assert world.db.value("select count(*) from staged.activity where what = 'held'") == 1
    world.order(whatsapp_flag=True)
    assert world.plan().told.messages == 1


def test_a_disabled_status_is_not_stored(world: World) -> None:
    world.more = {"notifications": {"delivered": NotificationSettings(enabled=True, template=WANTED)}}
    world.parcel()
    assert world.plan().told.dropped == {}
    assert world.ledger() == {}
    world.more = {}
    world.at += MINUTE
    assert world.plan().told.dropped == {Drop.BEFORE_ENABLED: 1}


def test_a_notice_that_waits_is_dropped_when_its_status_is_disabled(world: World) -> None:
    world.parcel(whatsapp_flag=None)
    world.plan()
    world.more = {"notifications": {}}
    session = world.plan()
    assert world.ledger() == {"KK1 packed": ("dropped", Drop.NOT_ENABLED)}
    assert planned.rows(session)["dropped"] == []  # off now: not counted


def test_enabled_again_begins_anew(world: World) -> None:
    def since() -> str | None:
        found: str | None = world.db.value("select value from synced.notice_facts where name = 'enabled_since:packed'")
        return found

    assert since() == (NOW - 5 * DAY).isoformat()
    world.more = {"notifications": {key: NotificationSettings(enabled=False) for key in KEYS}}
    world.plan()
    assert since() is None
    world.more = {}
    world.plan()
    assert since() == NOW.isoformat()


def test_a_dry_run_leaves_no_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, monkeypatch)
    world.runs = {"dry_run": True}
    world.plan()
    assert list(EvidenceFile.of(world.session().run).read()) == []


def test_a_targeted_run_judges_its_orders_alone(world: World) -> None:
    world.only = frozenset({"eshopbox:1"})
    world.parcel(1)
    world.parcel(2)
    world.plan()
    assert world.verdicts() == {"KK1 packed": "due"}


def test_whatever_run_first_sees_a_status_enabled_notes_since_when(world: World) -> None:
    world.more = {"notifications": {}}
    world.plan()
    world.more = {}
    world.only = frozenset({"eshopbox:1"})
    world.plan()
    world.at += 2 * HOUR
    world.parcel(1)
    world.plan()
    assert world.verdicts() == {"KK1 packed": "due"}


def test_a_status_is_told_from_the_begin_of_the_run_that_saw_it_enabled(world: World) -> None:
    world.more = {"notifications": {}}
    world.plan()
    world.more = {}
    session = world.session()
    world.at += HOUR  # it reads for an hour
    world.list_templates()
    world.order()
    world.event(ago=30 * MINUTE)
    planning.plan(session)
    assert world.verdicts() == {"KK1 packed": "due"}


def test_a_lost_database_is_filled_from_the_evidence_and_sees_a_new_baseline(world: World) -> None:
    for table in ("synced.notice_facts", "synced.notices"):
        world.cursor.execute(f"delete from {table}")
    world.parcel()
    world.plan()
    assert (
        world.db.value("select value from synced.notice_facts where name = 'started_at'") == (NOW - 5 * DAY).isoformat()
    )
    assert world.verdicts() == {"KK1 packed": Drop.BEFORE_START}


def facts_of(world: World) -> list[tuple[object, ...]]:
    return world.db.rows("select * from synced.notice_facts")


def put_back(world: World, facts: list[tuple[object, ...]]) -> None:
    world.cursor.execute("delete from synced.notice_facts")
    world.cursor.executemany("insert into synced.notice_facts values (?, ?, ?)", facts)


def test_r35_a_database_put_back_hears_of_a_later_baseline(world: World) -> None:
    world.parcel()
    world.plan()
    older = facts_of(world)
    terms.new_baseline(world.session().run)
    put_back(world, older)
    world.cursor.execute("update staged.journey_events set in_baseline = false")
    world.at += MINUTE
    world.order()
    for _ in range(2):
        world.plan()
        assert world.ledger() == {"KK1 packed": ("dropped", Drop.BEFORE_START)}
    assert ("started_at", NOW.isoformat()) in [row[:2] for row in facts_of(world)]


def test_r35_a_database_put_back_hears_that_a_status_was_off_since(world: World) -> None:
    world.plan()
    older = facts_of(world)
    world.more = {"notifications": {}}
    world.plan()
    put_back(world, older)
    del world.more["notifications"]
    world.parcel()
    world.plan()
    assert world.verdicts() == {"KK1 packed": Drop.BEFORE_ENABLED}


def test_a_new_baseline_lets_nothing_be_told_that_was_before(world: World) -> None:
    world.parcel()
    terms.new_baseline(world.session().run)
    world.plan()
    assert world.verdicts() == {"KK1 packed": Drop.BEFORE_START}
    world.at += HOUR
    world.event("on_the_way", ago=MINUTE)
    world.order()
    world.plan()
    assert world.verdicts() == {"KK1 on_the_way": "due"}


def of_commerce7(world: World, number: int, ago: timedelta, status: str = "packed") -> None:
    """Stage an order of Commerce7 and a status of it."""
    world.order(number)
    world.event(status, number, ago=ago, unit_key=f"order:commerce7:{number}")
    before, after = f"eshopbox:{number}", f"commerce7:{number}"
    for table in ("notice_orders", "recipients", "journey_events"):
        world.cursor.execute(f"update staged.{table} set merchant_order = ? where merchant_order = ?", [after, before])
    world.cursor.execute("update staged.journey_events set source = split_part(merchant_order, ':', 1)")


def test_5_1_a_source_that_is_added_later_announces_nothing_that_was_there_before(world: World) -> None:
    """While its first read is not complete, and then: what was on its way when it was added is no news."""
    world.plan()
    world.parcel(1)
    world.sources = {"eshopbox": True, "commerce7": False}
    of_commerce7(world, 2, HOUR)
    world.plan()
    assert world.verdicts() == {"KK1 packed": "due", "KK2 packed": Drop.BEFORE_START}
    world.at += MINUTE
    of_commerce7(world, 3, -MINUTE)  # it occurred since, and the read is not complete yet
    world.plan()
    assert world.verdicts()["KK3 packed"] == Drop.BEFORE_START
    world.sources["commerce7"] = True
    of_commerce7(world, 4, HOUR)
    world.plan()
    assert world.verdicts()["KK4 packed"] == Drop.BEFORE_START
    world.at += 5 * MINUTE
    of_commerce7(world, 5, 10 * MINUTE)  # its reader told of it late
    of_commerce7(world, 6, MINUTE)
    world.order(1)
    world.plan()
    found = world.verdicts()
    assert (found["KK5 packed"], found["KK6 packed"], found["KK1 packed"]) == (Drop.BEFORE_START, "due", "due")


def test_5_1_a_source_that_was_taken_out_begins_anew_when_it_is_back(world: World) -> None:
    world.sources = {"eshopbox": True, "commerce7": True}
    world.plan()
    del world.sources["commerce7"]
    world.plan()
    world.sources["commerce7"] = True
    of_commerce7(world, 2, HOUR)
    world.plan()
    assert world.verdicts() == {"KK2 packed": Drop.BEFORE_START}


def test_5_1_what_a_source_that_is_added_says_of_anothers_order_was_there_before(world: World) -> None:
    world.plan()
    of_commerce7(world, 2, HOUR)
    row = {"source": "vinoshipper", "own": "2", "order_number": "2", "read_at": NOW}
    world.store("staged.source_orders", merchant_order="commerce7:2", **row)
    world.sources["vinoshipper"] = True
    world.plan()
    assert world.verdicts() == {"KK2 packed": Drop.BEFORE_START}


def test_failed_deliveries_go_first_then_the_oldest(world: World) -> None:
    world.parcel(1)
    world.order(2, phone="+919810000002")
    world.event("packed", 2, 2 * HOUR)
    world.order(3, phone="+919810000003")
    world.event("failed_delivery", 3, MINUTE, first_seen_at=NOW - HOUR)
    session = world.plan()
    numbers = [one["order"] for one in planned.rows(session)["messages"]]
    assert numbers == ["KK3", "KK2", "KK1"]
    assert [row[0] for row in world.db.rows("select notice_id from planned.notices order by seq")] == planning.due(
        session
    )


def test_a_stale_order_is_hinted(world: World) -> None:
    world.parcel(read_real=0.0)
    world.plan()
    assert world.verdicts() == {"KK1 packed": Wait.SOURCE_STALE}
    assert world.hinted == ["eshopbox:1"]


@pytest.mark.parametrize(("names", "shared"), [(5, False), (6, True)])
def test_a_phone_of_many_names_waits(world: World, names: int, shared: bool) -> None:
    world.parcel()
    for i in range(2, names + 1):
        world.order(i, name=f"Guest {i}")
    world.order(90, name="ASHA   rao")  # the same person
    world.order(91, name="Long ago", placed_at=NOW - 31 * DAY)
    world.plan()
    assert world.verdicts() == {"KK1 packed": Wait.SHARED_PHONE if shared else "due"}


def test_other_countries_let_phones_be_read_anew(world: World) -> None:
    world.parcel(phone=None, phone_fault="country_not_allowed", phone_raw="+14155552671")
    world.plan()
    assert world.verdicts() == {"KK1 packed": Wait.COUNTRY_NOT_ALLOWED}
    world.more = {"countries": ("US",)}
    world.plan()
    assert world.verdicts() == {"KK1 packed": "due"}
    assert world.db.value("select phone from staged.recipients") == "+14155552671"


def test_no_account_at_all(world: World) -> None:
    world.accounts = ()
    world.parcel()
    world.plan()
    assert world.verdicts() == {"KK1 packed": Wait.NO_ACCOUNT}


def test_an_opt_in_to_the_number_that_the_account_had_before_does_not_count(world: World) -> None:
    world.parcel(whatsapp_flag=None)
    row = {"phone": PHONE, "at": NOW - DAY, "state": "in", "evidence": "{}", "source": "gupshup_event"}
    world.store("staged.consents", account="client:kk", number="+919810000098", **row)
    world.plan()
    assert world.verdicts() == {"KK1 packed": Wait.NOT_OPTED_IN}
    world.store("staged.consents", account="client:kk", number=CLIENT.number, **row)
    world.plan()
    assert world.verdicts() == {"KK1 packed": "due"}


def test_consents_of_another_order_or_account_do_not_count(world: World) -> None:
    world.parcel(whatsapp_flag=None)
    row = {"phone": PHONE, "at": NOW - DAY, "state": "in", "evidence": "{}"}
    world.store("staged.consents", account="client:kk", source="eshopbox_flag", merchant_order="eshopbox:1", **row)
    world.store("staged.consents", account="other", source="gupshup_event", **row)
    world.plan()
    assert world.verdicts() == {"KK1 packed": Wait.NOT_OPTED_IN}
    world.store("staged.consents", account="client:kk", source="gupshup_event", **row)
    world.plan()
    assert world.verdicts() == {"KK1 packed": "due"}


def test_not_on_whatsapp_holds_for_any_account(world: World) -> None:
    world.parcel()
    world.store(
        "staged.consents", phone=PHONE, account="other", source="code_1002", at=NOW - DAY, state="absent", evidence="{}"
    )
    world.plan()
    assert world.verdicts() == {"KK1 packed": Wait.NOT_ON_WHATSAPP}


def test_what_a_template_is_worth_is_noted(world: World) -> None:
    world.store("staged.templates", account="client:kk", template_id="t1", read_at=NOW)
    world.plan()
    assert world.db.row("select fit, fault from staged.templates") == (True, None)


# --- once more, right before the claim ------------------------------------------------------------------------------


def again(world: World) -> Message | planning.Verdict:
    session = world.session()
    (notice,) = planning.due(session)
    return planning.again(session, notice)


def test_what_is_due_becomes_a_message(world: World) -> None:
    world.parcel()
    world.plan()
    found = again(world)
    assert isinstance(found, Message)
    assert (found.phone, found.text, list(found.params), found.template_id) == (
        PHONE,
        "Hi Asha Rao",
        ["Asha Rao"],
        "t1",
    )
    assert found.buttons == [Button("reattempt", "Again")]
    assert found.consent["source"] == "eshopbox_flag"
    assert (found.unit_key, found.status, found.occurrence) == ("shipment:eshopbox:1", "packed", 1)
    assert (found.merchant_order, found.order_number, found.exempt) == ("eshopbox:1", "KK1", False)
    assert world.read_again == []


def test_news_since_the_plan_counts(world: World) -> None:
    world.parcel()
    world.plan()
    world.event("on_the_way", ago=MINUTE)
    found = again(world)
    assert isinstance(found, planning.Verdict)
    assert (found.reason, found.rule, found.drops) == (Drop.SUPERSEDED, 4, True)


@pytest.mark.parametrize(("ago", "reads"), [(10 * MINUTE, []), (11 * MINUTE, ["eshopbox:1"])])
def test_an_order_is_read_again_before_its_claim(world: World, ago: object, reads: list[str]) -> None:
    world.parcel(read_at=NOW - ago)  # type: ignore[operator]
    world.plan()
    assert isinstance(again(world), Message)
    assert world.read_again == reads


def test_a_claim_of_the_account_counts_whatever_the_database_knows(world: World) -> None:
    world.parcel()
    session = world.plan()
    with session.store(CLIENT).write() as db:
        db.execute(
            """insert into claims (notice_id, kind, merchant, phone_hash, state, tries, claimed_at, real, pid, unit_key,
                   status, occurrence, merchant_order, changed)
               values ('n_x', 'notice', 'kk', 'h', 'unknown', 1, ?, 0, 0, 'shipment:eshopbox:1', 'delivered', 1,
                   'eshopbox:1', 1)""",
            [NOW.isoformat()],
        )
    found = again(world)
    assert isinstance(found, planning.Verdict)
    assert found.reason == Drop.OUT_OF_ORDER


@pytest.mark.parametrize(("accepted", "retries"), [(True, 0), (False, 1)])
def test_2_2_a_message_is_tried_again_by_its_own_account_alone(world: World, accepted: bool, retries: int) -> None:
    """What comes of the first try is told to the account that made it, and to nobody else."""
    world.parcel()
    world.plan()
    world.cursor.execute(
        "update synced.notices set claimed_at = ?, accepted_at = ?, retries = ?, tries = 1, account = 'eshopbox-house'",
        [NOW - HOUR, NOW - HOUR if accepted else None, retries],
    )
    world.plan()
    assert world.verdicts() == {"KK1 packed": Wait.RETRY}
    world.cursor.execute("update synced.notices set account = 'client:kk'")
    world.plan()
    assert world.verdicts() == {"KK1 packed": "due"}


def test_what_the_plan_lets_wait_is_not_sent(world: World) -> None:
    world.parcel(whatsapp_flag=None)
    session = world.plan()
    (notice,) = [row[0] for row in world.db.rows("select notice_id from planned.notices")]
    assert isinstance(planning.again(session, notice), planning.Verdict)


def test_what_waits_until_a_person_acts_is_told_in_a_few_words(world: World) -> None:
    """A night, a phone that is none, a missing opt-in are the customer's own: nobody is told of them."""

    def held_up(template: str = "APPROVED") -> str | None:
        world.list_templates(template)
        session = world.session()
        planning.plan(session)
        alerts.look(session)
        return session.told.held_up

    world.parcel(1)
    world.parcel(2)
    world.parcel(3, whatsapp_flag=None)
    assert held_up() == ""
    assert held_up("PAUSED") == "2 messages wait: template_paused 2"
    world.accounts = ()
    assert held_up() == "3 messages wait: no_account 3"
    world.runs = {"trigger": "hint"}
    assert held_up() is None, "a few hints know of few messages"


def test_what_was_due_and_does_not_go_is_counted(world: World) -> None:
    world.parcel()
    session = world.plan()
    (notice,) = planning.due(session)
    planning.turned_down(session, notice, planning.Verdict(Wait.CAP, 16, drops=False, until=NOW + HOUR))
    assert session.told.waits == {Wait.CAP: 1}
    assert world.ledger() == {"KK1 packed": ("waiting", Wait.CAP)}
    assert planning.due(session) == []
    assert planned.rows(session)["waiting"][0]["until"] == "2026-05-20T11:00:00Z"


def test_the_cap_counts_the_claims_of_all_merchants(world: World) -> None:
    world.parcel()
    session = world.plan()
    store = session.store(CLIENT)
    with store.write() as db:
        for i in range(6):
            db.execute(
                """insert into claims (notice_id, kind, merchant, phone_hash, state, tries, claimed_at, real, pid,
                       changed)
                   values (?, 'notice', 'other', ?, 'delivered', 1, ?, 0, 0, 1)""",
                [f"n_{i}", store.hashed(PHONE), (NOW - HOUR).isoformat()],
            )
    world.plan()
    assert world.verdicts() == {"KK1 packed": Wait.CAP}
    with store.write() as db:
        db.execute("update claims set state = 'rejected' where notice_id = 'n_0'")
    world.plan()
    assert world.verdicts() == {"KK1 packed": "due"}


def test_a_house_account_uses_its_own_template(world: World) -> None:
    house = GupshupAccount.model_construct(**{
        **CLIENT.__dict__, "id": "house", "kind": "house", "templates": {"delivered": WANTED},
        "charges_confirmed": True,
    })  # fmt: skip
    world.accounts = (house, CLIENT)
    world.parcel()
    world.session().store(house).path.parent.mkdir(parents=True)
    with world.session().store(house).write() as db:
        db.execute("insert into facts values ('templates_read', ?, ?)", [repr(9e9), NOW.isoformat()])
    world.plan()
    assert world.verdicts() == {"KK1 packed": Wait.TEMPLATE_MISSING}


def test_params_and_buttons_stand_in_the_plan(world: World) -> None:
    world.parcel()
    world.plan()
    row = world.db.row("select params, buttons from planned.notices")
    assert row is not None
    assert json.loads(row[0]) == ["Asha Rao"]
    assert json.loads(row[1]) == [{"action": "reattempt", "title": "Again"}]
