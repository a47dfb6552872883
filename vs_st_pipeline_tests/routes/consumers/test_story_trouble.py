"""Stories of route `consumers` in which something goes wrong, or the settings are others than usual; small ones."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile, evidence_path
from vs_st_pipeline.platform.http.client import HttpClient
from vs_st_pipeline_tests.support.consumers import (
    CRMS,
    HUBSPOT,
    KLAVIYO,
    NAMES,
    ROUTE,
    SALESFORCE,
    SOPOST,
    SUBSCRIBED,
    Record,
    Scene,
    consent,
    is_write,
    key_of,
    without_crms,
)

SUBSCRIBING = {
    HUBSPOT: "statuses/batch/write$",
    KLAVIYO: "profile-subscription-bulk-create-jobs$",
    SALESFORCE: "/composite/sobjects$",
}
EMAIL = "plain.person@example.com"


def writes(scene: Scene, crm: str) -> list[Record]:
    return [one for one in scene.journal(crm) if is_write(one)]


def test_one_crm_that_fails_stops_no_other_and_catches_up_alone(scene: Scene) -> None:
    scene.order(EMAIL)
    scene.box.klaviyo.control.set_switch("revision_retired", 410)
    report = scene.sync()
    assert {crm: part["status"] for crm, part in report["crms"].items()} == {
        HUBSPOT: "ok", KLAVIYO: "failed", SALESFORCE: "ok",
    }  # fmt: skip
    assert (report["status"], report["error"]["system"], report["error"]["kind"]) == ("partial", KLAVIYO, "config")
    assert report["crms"][KLAVIYO]["error"]["kind"] == "config"
    scene.box.klaviyo.control.set_switch("revision_retired", "no")
    scene.clear_journals()
    report = scene.synced()
    assert report["crms"][KLAVIYO]["synced"]["accepted"] == 1
    assert {crm: bool(writes(scene, crm)) for crm in CRMS} == {HUBSPOT: False, KLAVIYO: True, SALESFORCE: False}
    assert all(EMAIL in scene.look().subscribed(crm) for crm in CRMS)
    assert scene.wrong() == []


@pytest.mark.slow
def test_the_sync_failed_where_every_crm_failed_or_the_source_did(scene: Scene) -> None:
    scene.settings(without_crms(HUBSPOT, SALESFORCE))
    scene.order(EMAIL)
    scene.box.klaviyo.control.set_switch("revision_retired", 410)
    report = scene.sync()
    assert (report["status"], report["error"]["system"], set(report["crms"])) == ("failed", KLAVIYO, {KLAVIYO})
    scene.box.sopost.control.set_fault("401")
    scene.order("another@example.com")
    report = scene.sync()
    assert (report["status"], report["error"]["system"], report["error"]["kind"]) == ("failed", SOPOST, "auth")


def test_r19_an_unknown_outcome_is_settled_by_a_look_before_anything_is_sent_again(scene: Scene) -> None:
    """The subscription leaves at each CRM, is done there, and its answer is lost."""
    scene.order(EMAIL)
    for crm in CRMS:
        fault = {"path_regex": SUBSCRIBING[crm], "method": "POST", "when": "after", "count": 1}
        scene.box.running[crm].control.set_fault("reset", **fault, skip=int(crm == SALESFORCE))
    scene.sync()
    scene.later(hours=2)
    report = scene.sync()
    assert report["synced"]["unknown"] == 0
    for crm in CRMS:
        assert EMAIL in scene.look().subscribed(crm)
        what = SUBSCRIBED[crm][0]
        assert [one["what"] for one in scene.books(crm)].count(what) == 1
    assert scene.wrong() == []


def test_c7_9_the_evidence_is_on_the_disk_before_the_request_leaves(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at by whoever sends: the line must be there as the request leaves (R35), whatever comes of it."""
    scene.order(EMAIL)
    path = evidence_path(scene.data / "merchants" / scene.merchant, ROUTE)
    usual, seen = HttpClient.request, list[tuple[str, bool]]()

    def watched(self: HttpClient, call: str, method: str, to: str, *arguments: Any, **more: Any) -> Any:
        crm = self._system
        if crm in CRMS and method == "POST" and _subscribes(crm, to, more):
            lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
            seen.append((crm, any(crm in repr(line) and key_of(EMAIL) in repr(line) for line in lines)))
        return usual(self, call, method, to, *arguments, **more)

    monkeypatch.setattr(HttpClient, "request", watched)
    scene.synced()
    assert seen == [(crm, True) for crm in CRMS]


def _subscribes(crm: str, path: str, more: Record) -> bool:
    if crm == SALESFORCE:
        return path.rstrip("/").endswith("composite/sobjects") and "CampaignMember" in repr(more)
    return path.endswith(SUBSCRIBING[crm].removesuffix("$"))


@pytest.mark.slow
def test_c7_6_and_c7_11_resubscribe_never_and_on_withdrawn_note(scene: Scene) -> None:
    def careful(entry: Record) -> None:
        entry["consumers"].update(resubscribe="never", on_withdrawn="note", follow_status=True)

    scene.settings(careful, without_crms(SALESFORCE))
    for control in (scene.box.hubspot.control, scene.box.klaviyo.control):
        kind = "contacts" if control is scene.box.hubspot.control else "profiles"
        control.add(kind, {"email": "long.ago@example.com"})
        control.move_clock(-400 * 86400)
        control.unsubscribe("long.ago@example.com")
        control.move_clock(400 * 86400)
    scene.order("long.ago@example.com")
    id = scene.order(EMAIL)
    report = scene.synced()
    assert report["planned"]["held"] == {"unsubscribed_there": 2}
    scene.box.sopost.control.set_consents(id, [consent(status="REVOKED")])
    scene.tell(id, "DISPATCHED")
    report = scene.sync()
    assert report["planned"]["noted"]["withdrawn"] >= 1
    assert all(EMAIL in scene.look().subscribed(crm) for crm in (HUBSPOT, KLAVIYO)), "noted, and nothing undone"
    assert scene.wrong() == []


def test_c10_5_forget_leaves_ids_in_the_evidence_and_later_orders_are_not_stored(scene: Scene) -> None:
    id = scene.order(EMAIL)
    scene.synced()
    done = scene.run("forget", "--merchant", scene.merchant, EMAIL, "--yes")
    assert done.exit_code == 0, done
    assert scene.inbox.ask("select count(*) from entries where id = ?", [id]) == [(0,)], "H19"
    rows = scene.evidence()
    assert {(one["crm"], one["email"]) for one in rows} == {(crm, None) for crm in CRMS}
    assert key_of(EMAIL) not in repr(rows), "an unsalted hash of an address can be guessed"
    assert EMAIL not in repr(scene.evidence_lines())
    assert key_of(EMAIL) not in repr(scene.evidence_lines())
    scene.order(EMAIL)
    scene.clear_journals()
    report = scene.sync()
    assert report["orders"] == {"forgotten": 1}
    assert [crm for crm in CRMS if EMAIL in repr(scene.journal(crm))] == []
    assert EMAIL not in repr(scene.rows("select body from raw.sopost_orders"))
    assert all(EMAIL in scene.look().subscribed(crm) for crm in CRMS), "CRMs are not touched"


def test_c10_5_a_forget_that_was_cut_off_is_finished_after_a_rebuild(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new file has to know of it: what is left to do is in the evidence file, which `rebuild` does not look into."""
    scene.order(EMAIL)
    scene.synced()

    def cut(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(EvidenceFile, "rewrite", cut)
        assert scene.run("forget", "--merchant", scene.merchant, EMAIL, "--yes").exit_code != 0
    assert EMAIL in repr(scene.evidence_lines())
    assert scene.run("rebuild", "--merchant", scene.merchant, "--route", ROUTE, "--yes").exit_code == 0
    assert EMAIL not in repr(scene.evidence_lines())
    assert key_of(EMAIL) not in repr(scene.evidence_lines())
    assert len(scene.evidence_lines()) >= len(CRMS), "that somebody was subscribed stays"


def test_r35_spent_consents_outlive_the_database(scene: Scene) -> None:
    """Whoever unsubscribed since stays so, although nothing but the evidence file remembers that he was subscribed."""
    id = scene.order(EMAIL)
    scene.synced()
    scene.later(days=3)
    for crm, target in ((HUBSPOT, {"subscription": str(NAMES.subscriptions[0])}), (KLAVIYO, {})):
        scene.box.running[crm].control.unsubscribe(EMAIL, **target)
    row = scene.box.salesforce.control.contact(EMAIL)
    scene.box.salesforce.control.act("unsubscribe", id=row["Id"], campaign=NAMES.campaign)
    folder = scene.data / "merchants" / scene.merchant
    kept = evidence_path(folder, ROUTE).read_bytes()
    scene.later(days=3)
    shutil.rmtree(scene.data)
    folder.mkdir(parents=True)
    evidence_path(folder, ROUTE).write_bytes(kept)
    again = Scene(scene.box, scene.folder, now=scene.now)
    again.tell(id)
    again.sync()
    assert [crm for crm in CRMS if EMAIL in again.look().subscribed(crm)] == []
    assert again.wrong() == []
    again.inbox.close()


@pytest.mark.slow
def test_r35_a_withdrawal_after_the_database_was_lost_is_undone_by_the_evidence(scene: Scene) -> None:
    """7.11: what our evidence shows that we did there is undone; the evidence file outlives the database."""
    id = scene.order(EMAIL)
    scene.synced()
    folder = scene.data / "merchants" / scene.merchant
    kept = evidence_path(folder, ROUTE).read_bytes()
    scene.box.sopost.control.set_consents(id, [consent(status="WITHDRAWN")])
    shutil.rmtree(scene.data)
    folder.mkdir(parents=True)
    evidence_path(folder, ROUTE).write_bytes(kept)
    again = Scene(scene.box, scene.folder, now=scene.now)
    again.tell(id)
    again.sync()
    again.inbox.close()
    assert [crm for crm in CRMS if EMAIL in again.look().subscribed(crm)] == []


@pytest.mark.slow
def test_a_second_sync_without_news_asks_no_crm(scene: Scene) -> None:
    """5.7: with nobody to ask about no CRM is called."""
    scene.order(EMAIL)
    scene.synced()
    scene.clear_journals()
    report = scene.synced()
    assert [system for system in (SOPOST, *CRMS) if scene.journal(system)] == []
    assert report["raw"] == {"events": 0, "orders": 0, "contacts": 0}
    assert set(report["calls"].values()) <= {0}


@pytest.mark.slow
def test_ruling_5_a_clock_that_is_wrong_at_the_source_makes_no_consent_newer(scene: Scene) -> None:
    """A time in the future counts as the receipt at most; one without a zone, or a number, as none (7.6)."""
    scene.settings(lambda entry: entry["sopost"].update(order_time="times.placed"), without_crms(SALESFORCE))
    now = datetime.now(UTC)
    people = {
        "right": (now - timedelta(minutes=1)).isoformat(),
        "future": "2099-01-01T00:00:00Z",
        "no.zone": "2099-01-01T00:00:00",
        "number": 4102444800,
        "garbage": "tomorrow",
    }
    for name, at in people.items():
        email = f"{name}@example.com"
        ago = 60 if name == "future" else 600
        for crm, kind in ((scene.box.hubspot.control, "contacts"), (scene.box.klaviyo.control, "profiles")):
            crm.add(kind, {"email": email})
            crm.move_clock(-ago)
            crm.unsubscribe(email)
            crm.move_clock(ago)
        scene.order(email, times={"placed": at})
    scene.sync()
    for crm in (HUBSPOT, KLAVIYO):
        assert scene.look().subscribed(crm) & {f"{name}@example.com" for name in people} == {"right@example.com"}


WHO = {"full_name": "Zenobia Quillfeather", "telephone": "+447700900123"}
ADDRESS = {"line_1": "17 Periwinkle Row", "line_2": None, "town": "Ely", "district": None, "postcode": "CB7 4ZZ"}


def said_of(scene: Scene, *commands: tuple[str, ...]) -> str:
    return "".join(f"{done.out}{done.err}" for done in (scene.run(*words) for words in commands))


def test_c10_4_nobody_is_named_where_nobody_asked_for_them(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Not in what commands print (but plan, why, history, evidence), in a log, a status file, an alert or an error."""
    caplog.set_level("DEBUG")
    of, route = ("--merchant", scene.merchant), ("--route", ROUTE)
    answers = [
        {"question_text": "Skin?", "question_id": "q", "answer": [{"answer_text": "Tessellated", "answer_id": "t"}]}
    ]
    address = {**ADDRESS, "territory": "GBR"}
    scene.order(EMAIL, custom_questions=answers, address=address, **WHO)
    scene.order("zenobia@@example.com", **WHO)  # no address: it is told by its order
    scene.box.klaviyo.control.set_fault("500")
    told = said_of(scene, ("sync", *of, *route, "--verbose"))
    scene.box.klaviyo.control.clear_faults()
    scene.box.hubspot.control.set_fault("401")
    told += said_of(
        scene,
        ("sync", *of, *route, "--json"),
        ("check", *of, *route),
        ("check", *of, *route, "--json"),
        ("merchants",),
        ("merchants", "--json"),
        ("consumers", "inbox", *of, "--json"),
        ("retry", *of, *route),
        ("reconcile", *of, *route, "--json"),
        ("alerts",),
    )
    told += caplog.text
    files = [one for one in scene.data.rglob("*") if one.suffix in (".json", ".txt", ".log")]
    told += "".join(one.read_text(encoding="utf-8", errors="replace") for one in files)
    entry = scene.settings().read_text(encoding="utf-8")
    secrets = [one.read_text(encoding="utf-8") for one in (scene.folder / "keys").iterdir() if one.name in entry]
    assert len(secrets) >= 5
    hidden = [
        EMAIL,
        "zenobia@",
        "Zenobia",
        "Quillfeather",
        "7700900123",
        "Periwinkle",
        "CB7 4ZZ",
        "Tessellated",
        *secrets,
    ]
    assert len(told) > 2_000, "something was said"
    assert [one for one in hidden if one in told] == []
    assert EMAIL in said_of(scene, ("consumers", "evidence", *of, EMAIL)), "there, somebody asked for them"


def test_c10_7_a_lost_data_folder_brings_nobody_back(scene: Scene) -> None:
    """States are looked at all the same, and an import makes nobody without `--create`."""
    ids = [scene.order(EMAIL), scene.order("deleted.since@example.com")]
    scene.synced()
    scene.later(days=1)
    scene.box.hubspot.control.unsubscribe(EMAIL, subscription=str(NAMES.subscriptions[0]))
    scene.box.hubspot.control.erase("deleted.since@example.com")
    scene.inbox.close()
    shutil.rmtree(scene.data)
    again = Scene(scene.box, scene.folder, now=scene.now)
    report = again.synced()
    assert (report["raw"]["orders"], report["planned"]["consumers"]) == (0, 0), "no order comes back by itself"
    file = again.folder / "export.txt"
    file.write_text("".join(f"{id}\n" for id in ids))
    at = (again.now or datetime.now(UTC)) - timedelta(days=2)
    done = again.run("consumers", "import", "--merchant", again.merchant, str(file), "--consented-at", at.isoformat())
    assert done.exit_code == 0, done
    part = again.sync()["crms"][HUBSPOT]
    assert part["planned"]["held"] == {"not_there": 1, "unsubscribed_there": 1}
    look = again.look()
    assert EMAIL not in look.subscribed(HUBSPOT)
    assert "deleted.since@example.com" not in look.contacts
    again.inbox.close()
