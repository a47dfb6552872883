"""What people see of the route: commands to the letter, what they are told, what goes when a person is forgotten.

One story is told by few syncs; most tests look at what it left (consumers.md 8, 10.5; R52; rulings, consumers 7).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.operations.fleet import alerts, health
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.consumers import evidence_checks
from vs_st_pipeline.routes.consumers.route import ROUTE as VALUE
from vs_st_pipeline_tests.routes.consumers.conftest import Tell
from vs_st_pipeline_tests.support.consumers import (
    CRMS,
    GLOW,
    HUBSPOT,
    KLAVIYO,
    ROUTE,
    SALESFORCE,
    Record,
    Scene,
    consent,
    is_write,
    key_of,
    without_crms,
)

ADA, BOB, CAT, DAN = "ada@example.com", "bob@example.com", "cat@example.com", "dan@example.com"
STATES = {
    *("subscribed", "already", "awaiting_confirmation", "waiting", "held", "rejected", "withdrawn", "vanished"),
    "unmapped",
}
WHY = ["merchant", "route", "email", "orders", "consents", "fields"]
CONSENT = ["crm", "consent_id", "data_handler", "order_id", "target", "state", "reason", "evidence"]
EVIDENCE = {
    *("crm", "target", "contact_id", "email", "consent_id", "consent_name", "data_handler", "consent_status"),
    *("text_version", "order_id", "short_id", "activity_id", "event_ids", "first_seen_at", "order_read_at"),
    *("ordered_at", "earliest_at", "body_sha256", "state_before", "state_before_at", "action", "run_id", "sent_at"),
    *("outcome", "outcome_at"),
}


def about(scene: Scene, command: str, *words: str) -> Any:
    done = scene.run(command, "--merchant", GLOW, "--route", ROUTE, "--json", *words)
    return json.loads(done.out)


def own(scene: Scene, command: str, *words: str, code: int = 0) -> Any:
    done = scene.run("consumers", command, "--merchant", GLOW, "--json", *words)
    assert done.exit_code == code, done
    return json.loads(done.out)


def run_of(scene: Scene) -> Run:
    environ = {"VS_ST_MERCHANTS": str(scene.folder / "merchants.yaml"), "VS_ST_DATA_DIR": str(scene.data)}
    merchant = read_merchants(scene.folder / "merchants.yaml", environ).get(GLOW)
    assert merchant is not None
    from vs_st_pipeline.cli.sync import clock

    return Run(merchant, warehouse_at(scene.data), clock, route=ROUTE, inbox=scene.inbox)


def story(scene: Scene) -> dict[str, Any]:
    """Ada is subscribed; Bob is not, for he opted out; Cat gave a consent that nobody lists; Dan was imported."""
    left: dict[str, Any] = {}
    scene.settings(klaviyo={"batch_wait": "2s", "requests_per_second": 500})
    scene.box.klaviyo.control.set_switch("subscribe_lag_polls", 0)
    order = scene.order(ADA, full_name="Ada Zukertort", telephone="+447700900111")
    scene.order(BOB)
    scene.box.hubspot.control.unsubscribe(BOB, GLOW, subscription=123456)
    scene.order(CAT, consent(consent_id="ffffffff-0000-4000-8000-00000000000c", consent_name="New"))
    dan = scene.order(DAN, told=False)
    file = scene.folder / "export.txt"
    file.write_text(f'{dan}\n{{"id": "{order}", "status": "APPROVED"}}\n[]\n{{"order_id": 7}}\n')
    left["import dry"] = own(scene, "import", str(file), "--dry-run", code=1)
    left["import"] = own(scene, "import", str(file), code=1)
    scene.receive(b"nothing that names an order")
    left["inbox"] = own(scene, "inbox")
    left["report"] = scene.sync()
    for email in (ADA, BOB, CAT, DAN):
        left["why", email] = about(scene, "why", email)
    left["history"] = about(scene, "history", ADA)
    left["evidence"] = own(scene, "evidence", "  ADA@example.com ")
    left["import again"] = own(scene, "import", str(file), code=1)
    left["check"] = scene.run("check", "--merchant", GLOW, "--route", ROUTE, "--json").of(GLOW)
    left["check text"] = scene.run("check", "--merchant", GLOW, "--route", ROUTE).out
    scene.box.hubspot.control.edit(ADA, {"sopost_last_order": "edited"}, GLOW)
    scene.box.salesforce.control.unsubscribe(ADA, GLOW)
    left["reconcile"] = scene.run("reconcile", "--merchant", GLOW, "--route", ROUTE, "--json")
    left["reconcile text"] = scene.run("reconcile", "--merchant", GLOW, "--route", ROUTE).out
    scene.clear_journals()
    left["retry"] = scene.run("retry", "--merchant", GLOW, "--route", ROUTE, "--json")
    left["asked by retry"] = [one for crm in CRMS for one in scene.journal(crm)]
    run = run_of(scene)
    with run.open() as db:
        left["checks"] = {check.id: (found.count, found.of, found.detail) for check in VALUE.checks
                          for found in [check.find(run, db)]}  # fmt: skip
        left["counted"] = VALUE.count_stored(run.warehouse, GLOW)
        left["must never"] = _spoilt(run, db)
    left["forget"] = scene.run("forget", "--merchant", GLOW, "+44 7700 900111", "--yes", "--json").json
    left["after"] = {
        "why": about(scene, "why", ADA),
        "history": about(scene, "history", ADA),
        "evidence rows": scene.evidence(),
        "lines": scene.evidence_lines(),
        "bytes": _found_bytes(scene, ADA),
    }
    scene.order(ADA)
    left["later"] = scene.sync()
    return left


def _spoilt(run: Run, db: Any) -> dict[str, int]:
    """Return what the two checks find of evidence that lies, one lie at a time."""
    found = {}
    lies = {
        "no consent": "update staged.consents set once_given = false",
        "suppressed": "update synced.consent_evidence set state_before = 'suppressed'",
        "older than an opt-out": "update synced.consent_evidence set state_before = 'unsubscribed', earliest_at = null",
        "no evidence": "delete from synced.consent_evidence",
    }
    for name, sql in lies.items():
        db.execute("begin")
        db.execute(sql)
        found[name] = (
            evidence_checks.subscribed_without_consent(HUBSPOT)(run, db).count,
            evidence_checks.evidence_missing(HUBSPOT)(run, db).count,
        )
        db.execute("rollback")
    return found


def _found_bytes(scene: Scene, email: str) -> list[str]:
    folder = scene.data / "merchants" / GLOW
    words = (email.encode(), b"Zukertort", b"7700900111")
    return sorted(
        f"{path.name}: {word!r}"
        for path in folder.glob("*")
        if path.is_file()
        for word in words
        if word in path.read_bytes()
    )


@pytest.fixture
def left(tell: Tell) -> dict[str, Any]:
    found: dict[str, Any] = tell("outside", story)
    return found


def states(answer: Record) -> dict[str | None, tuple[str, str | None]]:
    return {one["crm"]: (one["state"], one["reason"]) for one in answer["consents"]}


def test_c8_why_has_these_keys_and_says_what_became_of_each_consent(left: dict[str, Any]) -> None:
    for email in (ADA, BOB, CAT, DAN):
        answer = left["why", email]
        assert list(answer) == WHY
        assert (answer["merchant"], answer["route"], answer["email"]) == (GLOW, ROUTE, email)
        assert [sorted(one) for one in answer["orders"]] == [["class", "order_id", "read_at", "status"]]
        assert all(list(one) == CONSENT and one["state"] in STATES for one in answer["consents"])
    assert states(left["why", ADA]) == dict.fromkeys(CRMS, ("subscribed", None))
    assert states(left["why", BOB])[HUBSPOT] == ("held", "unsubscribed_there")
    assert states(left["why", CAT]) == {None: ("unmapped", None)}
    assert set(states(left["why", DAN]).values()) == {("held", "not_there")}
    fields = {(one["crm"], one["field"]): one for one in left["why", ADA]["fields"]}
    told = fields[HUBSPOT, "firstname"]
    assert (told["value"], told["live"], told["state"], told["sources"][0]["kind"]) == ("Ada", "Ada", "synced", "order")


def test_c8_history_tells_values_and_consents(left: dict[str, Any]) -> None:
    answer = left["history"]
    assert {one["crm"] for one in answer["contacts"]} == set(CRMS)
    events = {(one["crm"], one["event"]) for one in answer["entries"]}
    assert {(crm, "subscribe") for crm in CRMS} | {(crm, "accepted") for crm in CRMS} <= events
    assert [one["at"] for one in answer["entries"]] == sorted(one["at"] for one in answer["entries"])


def test_ruling_7_evidence_and_import_have_these_keys(left: dict[str, Any]) -> None:
    told = left["evidence"]
    assert (list(told), told["email"]) == (["merchant", "email", "evidence"], ADA)
    assert {one["crm"] for one in told["evidence"]} == set(CRMS)
    assert all(set(one) >= EVIDENCE for one in told["evidence"])
    unusable = [
        {"line": line, "reason": one["reason"]} for line, one in zip((3, 4), left["import"]["unusable"], strict=True)
    ]
    assert left["import dry"] == left["import"] == {"new": 2, "known": 0, "unusable": unusable}
    assert (left["import again"]["new"], left["import again"]["known"]) == (0, 2)


def test_c8_inbox_says_what_waits_and_what_cannot_be_used(left: dict[str, Any]) -> None:
    """R52: it is another name of `vs-st inbox --route consumers`."""
    told = left["inbox"]
    assert (told["unusable"], told["orders"]) == (1, {"new": 4})
    assert told["counts"]["waiting"] == 4  # the call that named no order is one of them
    assert told["oldest_waiting_seconds"] is not None


def test_c8_check_prints_what_is_missing_and_what_can_be_pasted(left: dict[str, Any]) -> None:
    told = left["check"]
    assert (told["status"], told["errors"]) == ("ok", [])
    targets = {(one["crm"], one["target"]): one for one in told["targets"]}
    assert targets[KLAVIYO, "Y8bCdE"]["double_opt_in"]
    assert not any(one["missing"] for one in targets.values())
    [row] = told["paste"]["consumers.consents"]
    assert 'consent_id: "ffffffff-0000-4000-8000-00000000000c"' in row
    assert told["last_event_at"].endswith("Z")
    assert "told of an order last" in left["check text"]
    assert "example.com" not in left["check text"]


def test_c8_reconcile_shows_what_was_edited_there_and_masks_people(left: dict[str, Any]) -> None:
    done = left["reconcile"]
    assert done.exit_code == 1
    told = done.of(GLOW)
    assert told["values"]["theirs"] == 1
    [row] = told["differing"]
    assert (row["crm"], row["email"], row["fields"]) == (HUBSPOT, "a***@e***.com", {"sopost_last_order": "theirs"})
    assert told["standings"][HUBSPOT] == {"subscribed": 1}
    assert "NOT as it was left" in left["reconcile text"]
    assert ADA not in left["reconcile text"]


def test_c8_retry_of_nobody_calls_nobody(left: dict[str, Any]) -> None:
    assert left["retry"].json == {"merchants": [], "nothing_waits": [GLOW]}
    assert left["asked by retry"] == []


def test_c8_checks_count_what_people_should_look_at(left: dict[str, Any]) -> None:
    checks = left["checks"]
    raw, consents = "consumers/raw/sopost", "consumers/staged/consents"
    assert checks[f"{raw}/events:events_are_usable"][0] == 1
    assert checks[f"{consents}:consents_are_mapped"][0] == 1
    assert checks[f"{consents}:handlers_match"][0] == 0
    assert checks[f"{raw}/events:inbox_is_not_quiet"][0] == 0
    for crm in CRMS:
        for name in ("nobody_subscribed_without_consent", "evidence_is_complete"):
            count, of, _ = checks[f"consumers/synced/{crm}/consumers:{name}"]
            assert (count, of > 0) == (0, True), (crm, name)
    assert left["counted"] == 4


def test_c8_the_two_checks_that_must_never_fail_do_where_evidence_lies(left: dict[str, Any]) -> None:
    found = left["must never"]
    assert [found[name][0] for name in ("no consent", "suppressed", "older than an opt-out")] == [1, 1, 1]
    assert found["no evidence"][1] >= 1
    assert found["no consent"][1] == 0


def test_c10_5_forget_by_phone_erases_everywhere_and_says_where_the_person_is(left: dict[str, Any]) -> None:
    told = left["forget"]
    assert (told["consumers"], told["orders"], told["contacts"], told["kept_out"]) == (1, 1, 3, True)
    said = " ".join(one["do"] for one in told["elsewhere"])
    assert all(title in said for title in ("HubSpot has a***@e***.com as contact", "Klaviyo has", "Salesforce has"))
    assert ADA not in said
    after = left["after"]
    assert (after["why"]["orders"], after["why"]["consents"], after["why"]["fields"]) == ([], [], [])
    assert (after["history"]["contacts"], after["history"]["entries"]) == ([], [])
    assert after["bytes"] == []
    hers = [one for one in after["evidence rows"] if one["email"] is None]
    assert {one["crm"] for one in hers} == set(CRMS)
    assert all(one["order_id"] and one["target"] and one["key"] != key_of(ADA) for one in hers)
    assert len([one for one in after["lines"] if one.get("what") == "evidence" and one["email"] is None]) == len(hers)


def test_c10_5_later_orders_of_a_forgotten_person_are_counted_and_not_stored(left: dict[str, Any]) -> None:
    assert left["later"]["orders"] == {"forgotten": 1}


def test_r15_assets_and_job_have_the_contracts_names() -> None:
    keys = {asset.key for asset in VALUE.assets}
    assert keys == {
        *(f"consumers/raw/sopost/{what}" for what in ("events", "orders")),
        *(f"consumers/staged/{what}" for what in ("consumers", "sopost_orders", "consents", "answers")),
        *(f"consumers/{stage}/{crm}/{what}" for crm in CRMS
          for stage, what in (("raw", "contacts"), ("planned", "consumers"), ("synced", "consumers"))),
    }  # fmt: skip


@pytest.mark.parametrize("words", [("why", "nobody"), ("why",), ("history", "a b@example.com")])
def test_an_argument_that_is_no_address_is_wrong_use_and_is_not_repeated(scene: Scene, words: tuple[str, ...]) -> None:
    done = scene.run(words[0], "--merchant", GLOW, "--route", ROUTE, *words[1:])
    assert done.exit_code == 2
    assert not any(word in done.err for word in words[1:])


# --- what people are told of ------------------------------------------------------------------------------------------


def concerns(scene: Scene) -> list[str]:
    return [one.key for one in read_status(scene.data, GLOW, ROUTE).last.troubles]  # type: ignore[union-attr]


def test_c8_silence_is_told_from_the_last_event_or_the_first_sync_and_once_when_it_is_over(scene: Scene) -> None:
    scene.settings(lambda entry: entry["sopost"].update(quiet_after="7d"))
    scene.synced()
    assert concerns(scene) == []
    scene.later(days=8)
    scene.synced()
    assert concerns(scene) == ["quiet"]
    environ = {"VS_ST_MERCHANTS": str(scene.folder / "merchants.yaml"), "VS_ST_DATA_DIR": str(scene.data)}
    assert scene.now is not None
    environ["VS_ST_NOW"] = scene.now.isoformat()
    new = alerts.news(health.fleet_health(environ), {})
    assert "Glow Skin, consumers: quiet" in [one.title for one in new]
    told = {one.merchant: [one.trouble or ""] for one in new}
    scene.order(ADA, None)
    scene.synced()
    assert concerns(scene) == []
    over = alerts.news(health.fleet_health(environ), told)
    assert "Glow Skin, consumers: no longer quiet" in [one.title for one in over]


def test_r16_the_route_says_when_it_is_due_again(scene: Scene) -> None:
    scene.synced()
    assert VALUE.next_due_at is not None
    due = VALUE.next_due_at(scene.data, GLOW)
    assert due is not None
    scene.order(ADA, status="PENDING", event="PENDING")
    scene.synced()
    soon = VALUE.next_due_at(scene.data, GLOW)
    assert soon is not None
    assert soon - due < timedelta(minutes=9), "a pending order is tried again soon"


def test_c3_5_the_route_is_due_when_an_order_is(scene: Scene) -> None:
    scene.now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    scene.order(ADA, status="PENDING", event="PENDING")
    assert VALUE.next_due_at is not None
    for seconds in (0, 15):  # it is told to be pending, and then read so (3.7a, 3.8)
        scene.now += timedelta(seconds=seconds)
        scene.synced()
        assert VALUE.next_due_at(scene.data, GLOW) == scene.now + timedelta(seconds=15)


def test_c3_5_the_route_is_due_when_an_order_was_imported(scene: Scene) -> None:
    scene.now = datetime(2026, 6, 1, 12, tzinfo=UTC)
    scene.synced()
    (scene.folder / "export.txt").write_text(scene.order(DAN, told=False))
    assert VALUE.next_due_at is not None
    own(scene, "import", str(scene.folder / "export.txt"), "--dry-run")
    assert VALUE.next_due_at(scene.data, GLOW) == scene.now + timedelta(minutes=10)
    own(scene, "import", str(scene.folder / "export.txt"))
    assert VALUE.next_due_at(scene.data, GLOW) == scene.now


def test_r57_what_was_sent_and_not_heard_of_is_under_way(scene: Scene) -> None:
    scene.settings(klaviyo={"batch_wait": "1s", "requests_per_second": 500})
    scene.box.klaviyo.control.set_switch("subscribe_lag_polls", "never")
    scene.order(ADA)
    scene.sync()
    [said] = VALUE.under_way(warehouse_at(scene.data), GLOW)
    assert said.startswith("1 subscription sent to Klaviyo, ")


def test_c3_1_register_sends_once_for_each_entity_and_again_only_if_asked(scene: Scene) -> None:
    scene.more_environment = {
        "VS_ST_PUBLIC_URL": "https://hooks.example.com",
        "VS_ST_HOOK_SECRET": "env:HOOK_SECRET",
        "HOOK_SECRET": "0123456789abcdef0123456789abcdef",
    }

    def sent() -> list[Record]:
        return [one for one in scene.journal("sopost") if (one["method"], one["path"]) == ("POST", "/webhooks")]

    assert own(scene, "register")["merchants"][0]["status"] == "ok"
    assert len(sent()) == 1
    assert own(scene, "register")["merchants"][0]["done"]["kept"] == 1
    assert len(sent()) == 1
    own(scene, "register", "--again")
    assert len(sent()) == 2
    own(scene, "register", "--url", "https://elsewhere.example.com")
    assert len(sent()) == 3


def test_a_crm_that_the_merchant_lacks_makes_no_assets(scene: Scene) -> None:
    lacks = VALUE.lacked_by(run_of(scene).merchant)
    assert lacks == frozenset()
    scene.settings(without_crms(SALESFORCE))
    assert {key.split("/")[2] for key in VALUE.lacked_by(run_of(scene).merchant)} == {SALESFORCE}


def test_r21_after_a_rebuild_everybody_is_looked_at_and_nobody_is_subscribed_again(scene: Scene) -> None:
    scene.box.klaviyo.control.set_switch("subscribe_lag_polls", 0)
    scene.order(ADA)
    scene.synced()
    before = len(scene.evidence())
    scene.clear_journals()
    done = scene.run("rebuild", "--merchant", GLOW, "--route", ROUTE, "--json")
    assert done.exit_code == 0, done
    report = done.of(GLOW)
    assert (report["raw"]["contacts"], report["synced"]["accepted"]) == (3, 0)
    assert not any(is_write(one) for crm in CRMS for one in scene.journal(crm))
    assert len(scene.evidence()) == before
    assert {one["state"] for one in about(scene, "why", ADA)["fields"] if one["value"]} == {"synced"}
    assert scene.wrong() == []
