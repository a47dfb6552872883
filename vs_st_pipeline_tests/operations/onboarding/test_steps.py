"""What each step waits for, fails with and skips (webhooks-onboarding.md 9.2), and that it is that row's alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.operations.onboarding import confirming
from vs_st_pipeline_tests.operations.fleet.test_alerts import Receiver
from vs_st_pipeline_tests.operations.onboarding.agency import PAID, Agency, mode_of, states, step
from vs_st_pipeline_tests.support.story import OTHER, TEST, Record

NOWHERE = {"vinoshipper": 0, "simpletexting": 0}


def ended_at(row: Record) -> tuple[str, str, str]:
    """Status of a row, the step that ended it, and how; all after it are not reached."""
    found = [one for one in row["steps"] if one["state"] not in ("done", "skipped")]
    name, state = found[0]["step"], found[0]["state"]
    assert {one["state"] for one in found[1:]} <= {"not_reached"}
    assert row["status"] == ("failed" if state == "failed" else "waiting")
    assert (row["error"] is not None) == (state == "failed")
    return row["status"], name, state


def nothing_written(agency: Agency) -> None:
    """H40: before `entry` nothing is written but secret files."""
    assert not (agency.folder / "merchants.d").exists()
    assert not (agency.data / "merchants").exists()


# --- secrets ------------------------------------------------------------------------------------------------------


def test_9_2_secrets_that_are_not_given_are_waited_for(agency: Agency) -> None:
    agency.clear_journals()
    row = agency.onboard(agency.row(TEST, vs_api_secret=None, st_api_token=None)).of(TEST)
    assert ended_at(row) == ("waiting", "secrets", "waiting")
    assert step(row, "secrets")["says"] == "not given: vs_api_secret, st_api_token"
    assert agency.requests() == NOWHERE
    nothing_written(agency)
    # Where the keys of an earlier run lie, they are not asked for again.
    assert states(agency.onboard(agency.row(TEST)).of(TEST))["secrets"] == "done"


def test_9_2_keys_that_lie_there_are_asked_for_no_second_time_and_the_table_wins(agency: Agency) -> None:
    agency.onboard(agency.row(TEST, bought_on=None))
    keys = agency.folder / "secrets" / TEST
    row = agency.onboard(agency.row(TEST, bought_on=None, vs_api_key=None, vs_api_secret=None, st_api_token=None))
    assert ended_at(row.of(TEST))[1] == "service"
    # Ruling 6: the table wins over stored secrets until the entry stands.
    (keys / "st_api_token").write_text("another\n")
    assert ended_at(agency.onboard(agency.row(TEST, bought_on=None)).of(TEST))[1] == "service"
    assert (keys / "st_api_token").read_text().strip() == agency.winery(TEST).st_token
    assert mode_of(keys / "st_api_token") == 0o600


def test_9_2_secrets_env_prints_names_and_no_values(agency: Agency) -> None:
    names = {"TEST_WINERY_VS_KEY": "vs_key", "TEST_WINERY_VS_SECRET": "vs_secret", "TEST_WINERY_ST_TOKEN": "st_token"}
    options = ["--secrets", "env"]
    row = agency.onboard(agency.row(TEST), options=options).of(TEST)
    assert ended_at(row) == ("waiting", "secrets", "waiting")
    assert step(row, "secrets")["says"] == f"not set: {', '.join(names)}"
    assert not (agency.folder / "secrets").exists()
    agency.environ |= {name: getattr(agency.winery(TEST), value) for name, value in names.items()}
    assert ended_at(agency.onboard(agency.row(TEST), options=options).of(TEST))[1] == "sync"
    entry = agency.entry(TEST)
    assert entry["vinoshipper"] == {"api_key": "env:TEST_WINERY_VS_KEY", "api_secret": "env:TEST_WINERY_VS_SECRET"}
    assert entry["simpletexting"] == {"api_token": "env:TEST_WINERY_ST_TOKEN"}
    assert not (agency.folder / "secrets").exists()


def test_9_2_a_reference_of_the_table_starts_from_the_table(agency: Agency) -> None:
    folder = agency.folder / "from the winery"
    folder.mkdir()
    (folder / "token").write_text(agency.winery(TEST).st_token)
    agency.environ["KEY"] = agency.winery(TEST).vs_key
    table = agency.table(agency.row(TEST, st_api_token="file:token", vs_api_key="env:KEY"))
    table = table.rename(folder / "table.csv")
    row = agency.run("onboard", "--from", str(table), "--json", "--enable").of(TEST)
    assert row["status"] == "complete", row
    assert agency.entry(TEST)["simpletexting"] == {"api_token": "file:../from the winery/token"}
    assert agency.run("check", "--all").exit_code == 0
    agency.clear_journals()
    assert agency.run("onboard", "--from", str(table), "--json", "--enable").of(TEST)["status"] == "complete"
    assert agency.requests() == NOWHERE


@pytest.mark.parametrize("written", ["env:NOT_THERE", "file:not/there", "env:1BAD"])
def test_9_2_a_reference_with_nothing_behind_it_is_waited_for(agency: Agency, written: str) -> None:
    row = agency.onboard(agency.row(TEST, st_api_token=written)).of(TEST)
    assert ended_at(row) == ("waiting", "secrets", "waiting")
    nothing_written(agency)


def test_9_2_links_are_refused_and_modes_are_put_right(agency: Agency) -> None:
    elsewhere = agency.folder / "elsewhere"
    elsewhere.mkdir()
    secrets = agency.folder / "secrets"
    for link in (secrets, secrets / TEST, secrets / TEST / "vs_api_key"):
        secrets.mkdir(exist_ok=True)
        (secrets / TEST).mkdir(exist_ok=True)
        for path in (secrets / TEST, secrets):
            if link == path:
                (secrets / TEST).rmdir()
        if link == secrets:
            secrets.rmdir()
        link.symlink_to(elsewhere if link.name != "vs_api_key" else elsewhere / "key")
        row = agency.onboard(agency.row(TEST)).of(TEST)
        assert ended_at(row) == ("failed", "secrets", "failed")
        assert row["error"]["kind"] == "config"
        assert list(elsewhere.iterdir()) == []
        link.unlink()
    secrets.chmod(0o755)
    (secrets / TEST).chmod(0o755)
    (secrets / TEST / "vs_api_key").write_text("old")
    (secrets / TEST / "vs_api_key").chmod(0o644)
    assert ended_at(agency.onboard(agency.row(TEST)).of(TEST))[1] == "sync"
    assert (mode_of(secrets), mode_of(secrets / TEST), mode_of(secrets / TEST / "vs_api_key")) == (0o700, 0o700, 0o600)


def test_9_2_a_key_that_is_no_line_of_ascii_is_that_rows_trouble(agency: Agency) -> None:
    done = agency.onboard(agency.row(TEST, st_api_token="two\nlines"), agency.row(OTHER), name="t.json")
    assert ended_at(done.of(TEST)) == ("failed", "secrets", "failed")
    assert ended_at(done.of(OTHER))[1] == "sync"
    assert "two" not in done.out + done.err


# --- the accounts -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("column", "system"), [("vs_api_secret", "vinoshipper"), ("st_api_token", "simpletexting")])
def test_9_2_a_bad_key_fails_its_step_and_is_asked_for_again(agency: Agency, column: str, system: str) -> None:
    row = agency.onboard(agency.row(TEST, **{column: "not-the-key"})).of(TEST)
    assert ended_at(row) == ("failed", system, "failed")
    assert (row["error"]["kind"], row["error"]["system"], row["error"]["http_status"]) == ("auth", system, 401)
    assert column in step(row, system)["do"]
    nothing_written(agency)
    assert ended_at(agency.onboard(agency.row(TEST)).of(TEST))[1] == "sync"


def test_9_2_an_account_without_a_phone_number_is_waited_for(agency: Agency) -> None:
    agency.box.simpletexting.control.set_switch("phones", "none")
    row = agency.onboard(agency.row(TEST)).of(TEST)
    assert ended_at(row) == ("waiting", "simpletexting", "waiting")
    assert "no phone number" in step(row, "simpletexting")["says"]
    nothing_written(agency)
    agency.box.simpletexting.control.set_switch("phones", "one")
    assert ended_at(agency.onboard(agency.row(TEST)).of(TEST))[1] == "sync"


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Test Winery", "test-WINERY", "  TestWinery. "])
def test_9_2_names_are_compared_by_letters_and_digits_in_any_case(agency: Agency, name: str) -> None:
    row = agency.onboard(agency.row(TEST, name=name)).of(TEST)
    assert states(row)["names"] == "done"
    assert agency.entry(TEST)["name"] == name.strip()


def test_9_2_another_name_waits_until_it_is_agreed_to_and_is_asked_for_once(agency: Agency) -> None:
    row = agency.onboard(agency.row(TEST, name="Hillside")).of(TEST)
    assert ended_at(row) == ("waiting", "names", "waiting")
    assert "--accept name" in step(row, "names")["do"]
    nothing_written(agency)
    options = ["--accept", "name"]
    assert ended_at(agency.onboard(agency.row(TEST, name="Hillside"), options=options).of(TEST))[1] == "sync"
    memory = agency.memory(TEST)
    assert memory is not None
    assert memory.accepted == ["name"]
    assert ended_at(agency.onboard(agency.row(TEST, name="Hillside")).of(TEST))[1] == "sync"


def test_9_2_a_row_without_a_name_has_the_accounts(agency: Agency) -> None:
    agency.onboard(agency.row(TEST, name=None))
    assert agency.entry(TEST)["name"] == "Test Winery"


def test_9_2_the_number_of_the_key_is_the_profiles_id(agency: Agency) -> None:
    agency.box.vinoshipper.control.set_switch("profile_id", 4711)
    row = agency.onboard(agency.row(TEST)).of(TEST)
    assert ended_at(row) == ("waiting", "names", "waiting")
    assert "--accept account_id" in step(row, "names")["do"]
    assert ended_at(agency.onboard(agency.row(TEST), options=["--accept", "account_id"]).of(TEST))[1] == "sync"


def test_9_2_a_key_that_an_earlier_row_or_another_entry_has_waits(agency: Agency) -> None:
    first, second = agency.row(TEST), agency.row("second", of=TEST)
    done = agency.onboard(first, second)
    assert ended_at(done.of(TEST))[1] == "sync", "an earlier row is not troubled by a later one"
    assert ended_at(done.of("second")) == ("waiting", "names", "waiting")
    assert step(done.of("second"), "names")["says"] == f"{TEST} has the same Vinoshipper API key"
    alone = agency.onboard(second).of("second")
    assert ended_at(alone)[1] == "names", "an entry counts as a row does"
    options = ["--accept", "shared_account"]
    assert ended_at(agency.onboard(second, options=options).of("second"))[1] == "sync"
    assert ended_at(agency.onboard(first).of(TEST))[1] == "sync", "whoever came second agreed for both"


# --- service ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "state", "says"),
    [
        ({"bought_on": None}, "waiting", "bought_on not given"),
        ({"bought_on": None, "paid_texting_since": None}, "waiting", "bought_on and paid_texting_since not given"),
        ({"paid_texting_since": "2031-05-01"}, "waiting", "service.paid_texting_since is 2031-05-01, which is to come"),
        ({"bought_on": "yesterday"}, "failed", "bought_on: expected a date written YYYY-MM-DD"),
    ],
)
def test_9_2_service_waits_until_the_merchant_is_active(
    agency: Agency, changes: Mapping[str, Any], state: str, says: str
) -> None:
    row = agency.onboard(agency.row(TEST, **changes)).of(TEST)
    assert ended_at(row)[1:] == ("service", state)
    assert says in step(row, "service")["says"]
    nothing_written(agency)


def test_r56_service_may_stand_under_sections_and_is_looked_at_all_the_same(agency: Agency) -> None:
    service = {"bought_on": PAID, "paid_texting_since": "2031-05-01"}
    row = agency.row(TEST, bought_on=None, paid_texting_since=None, sections={"service": service})
    assert ended_at(agency.onboard(row, name="t.json").of(TEST)) == ("waiting", "service", "waiting")
    service["paid_texting_since"] = PAID
    assert ended_at(agency.onboard(row, name="t.json").of(TEST))[1] == "sync"
    assert str(agency.entry(TEST)["service"]["paid_texting_since"]) == PAID


def test_9_2_who_said_that_it_is_paid_and_when_is_kept(agency: Agency) -> None:
    table = agency.table(agency.row(TEST))
    agency.run("onboard", "--from", str(table), "--json", now="2026-11-29T10:00:00Z")
    memory = agency.memory(TEST)
    assert memory is not None
    assert memory.recorded["service"].at == "2026-11-29T10:00:00+00:00"
    assert memory.recorded["service"].by


# --- entry --------------------------------------------------------------------------------------------------------


def test_9_2_a_new_entry_is_disabled_in_a_file_of_its_own_and_no_person_s_file_is_changed(agency: Agency) -> None:
    before = agency.merchants_file.read_bytes()
    row = agency.onboard(agency.row(TEST)).of(TEST)
    assert ended_at(row) == ("waiting", "sync", "waiting")
    assert step(row, "sync")["do"] == "--enable"
    assert agency.entry(TEST)["enabled"] is False
    assert agency.merchants_file.read_bytes() == before
    assert agency.run("merchants", "--json").of(TEST)["state"] == "off"
    # H41: nothing else works for it until it is enabled.
    assert agency.run("sync", "--all", "--json").json["merchants"] == []


def test_r64_no_merchants_file_is_needed_and_a_folder_will_do(agency: Agency) -> None:
    urls = {
        "vinoshipper": {"base_url": agency.box.vinoshipper.url, "requests_per_second": 500},
        "simpletexting": {"base_url": agency.box.simpletexting.url + "/v2", "requests_per_second": 500},
    }
    agency.merchants_file.unlink()
    row = agency.row(TEST, sections=urls)
    assert ended_at(agency.onboard(row, name="t.json").of(TEST))[1] == "sync"
    assert agency.entry(TEST)["vinoshipper"]["base_url"] == agency.box.vinoshipper.url
    assert agency.run("merchants", "--json").of(TEST)["state"] == "off"
    # VS_ST_MERCHANTS may be such a folder.
    agency.merchants_file = agency.folder / "entries"
    agency.merchants_file.mkdir()
    other = agency.onboard(agency.row(OTHER, sections=urls), name="t.json", options=["--enable", "--skip-fields"])
    assert other.of(OTHER)["status"] == "complete", other.out
    assert (agency.folder / "entries" / f"{OTHER}.yaml").exists()
    assert (agency.folder / "secrets" / OTHER / "vs_api_key").exists()


def test_r64_what_a_person_wrote_is_not_changed_but_told_what_to_paste(agency: Agency) -> None:
    agency.onboard(agency.row(TEST))
    file = agency.folder / "merchants.d" / f"{TEST}.yaml"
    own = "".join(file.read_text().splitlines(keepends=True)[1:])  # without the line that says whose it is
    file.write_text(own)
    row = agency.onboard(agency.row(TEST), options=["--enable"]).of(TEST)
    assert ended_at(row) == ("waiting", "sync", "waiting")
    assert step(row, "sync")["do"] == "enabled: true"
    assert file.read_text() == own
    file.write_text(own.replace("enabled: false", "enabled: true"))
    assert agency.onboard(agency.row(TEST)).of(TEST)["status"] == "complete"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("name", "Another"), ("time_zone", "Europe/Berlin"), ("bought_on", "2026-02-02"),
        ("paid_texting_since", "2026-02-02"), ("st_api_token", "another"), ("vs_api_key", "env:NOT_THERE"),
    ],
)  # fmt: skip
def test_9_2_an_entry_that_stands_is_not_changed_and_what_differs_is_named(
    agency: Agency, column: str, value: str
) -> None:
    agency.onboard(agency.row(TEST))
    before = (agency.folder / "merchants.d" / f"{TEST}.yaml").read_bytes()
    row = agency.onboard(agency.row(TEST, **{column: value})).of(TEST)
    assert ended_at(row) == ("waiting", "entry", "waiting")
    assert step(row, "entry")["says"] == f"an entry stands, and says something else: {column}"
    assert (agency.folder / "merchants.d" / f"{TEST}.yaml").read_bytes() == before


def test_9_2_what_our_reader_refuses_is_not_written(agency: Agency) -> None:
    row = agency.onboard(agency.row(TEST, time_zone="Mars/Olympus")).of(TEST)
    assert ended_at(row) == ("failed", "entry", "failed")
    assert "time_zone" in row["error"]["message"]
    nothing_written(agency)


# --- fields -------------------------------------------------------------------------------------------------------


def test_9_2_missing_fields_are_shown_as_they_are_to_be_made(agency: Agency) -> None:
    texting = agency.box.simpletexting.control
    agency.onboard(agency.row(TEST))
    for label in ("Club Name", "Tracking URL"):
        drop_field(agency, label)
    row = agency.onboard(agency.row(TEST)).of(TEST)
    assert ended_at(row) == ("waiting", "fields", "waiting")
    missing = [{"label": "Club Name", "type": "text"}, {"label": "Tracking URL", "type": "text"}]
    assert row["missing_fields"] == missing
    assert "--skip-fields" in step(row, "fields")["do"]
    row = agency.onboard(agency.row(TEST), options=["--skip-fields"]).of(TEST)
    assert (states(row)["fields"], row["missing_fields"]) == ("skipped", missing)
    # What was left out once is asked for no second time; another one is.
    assert states(agency.onboard(agency.row(TEST)).of(TEST))["fields"] == "skipped"
    drop_field(agency, "City")
    assert ended_at(agency.onboard(agency.row(TEST)).of(TEST))[1] == "fields"
    assert texting.violations() == []


def test_9_2_the_customers_id_cannot_be_left_out(agency: Agency) -> None:
    for label in ("City", "VScustomerID"):
        drop_field(agency, label)
    row = agency.onboard(agency.row(TEST), options=["--skip-fields"]).of(TEST)
    assert ended_at(row) == ("waiting", "fields", "waiting")
    assert [one["label"] for one in row["missing_fields"]] == ["VScustomerID", "City"]
    assert "--skip-fields" not in step(row, "fields")["do"]


def drop_field(agency: Agency, label: str) -> None:
    agency.box.simpletexting.control.delete_custom_field(label)


# --- webhooks -----------------------------------------------------------------------------------------------------


def set_up_hooks(agency: Agency) -> None:
    secret = agency.folder / "hook_secret"
    secret.write_text("s" * 43)
    secret.chmod(0o600)
    agency.environ |= {"VS_ST_PUBLIC_URL": "http://127.0.0.1:8088", "VS_ST_HOOK_SECRET": f"file:{secret}"}


def test_9_2_webhooks_are_skipped_where_they_are_off(agency: Agency) -> None:
    assert states(agency.onboard(agency.row(TEST)).of(TEST))["webhooks"] == "skipped"
    set_up_hooks(agency)
    agency.defaults(webhooks={"enabled": False})
    assert states(agency.onboard(agency.row(TEST)).of(TEST))["webhooks"] == "skipped"
    agency.defaults()
    assert states(agency.onboard(agency.row(TEST)).of(TEST))["webhooks"] == "done"


def test_9_2_an_account_that_may_not_register_is_told_whom_to_ask(agency: Agency) -> None:
    set_up_hooks(agency)
    agency.box.vinoshipper.control.set_switch("webhooks_api", 403)
    row = agency.onboard(agency.row(TEST), options=["--enable"]).of(TEST)
    assert (row["status"], states(row)["webhooks"]) == ("complete", "skipped")
    assert "customerservice@vinoshipper.com" in step(row, "webhooks")["says"]


def test_h41_they_are_registered_before_the_merchant_is_enabled(agency: Agency) -> None:
    set_up_hooks(agency)
    row = agency.onboard(agency.row(TEST)).of(TEST)
    assert (ended_at(row)[1], states(row)["webhooks"]) == ("sync", "done")
    assert len([one for one in agency.box.vinoshipper.control.journal(TEST) if one["method"] == "POST"]) == 3
    token = step(row, "webhooks")["says"] + step(row, "webhooks")["do"]
    assert "/hooks/" not in token


# --- plan and sync ------------------------------------------------------------------------------------------------


def test_9_2_with_from_a_plan_is_made_only_where_it_is_wanted(agency: Agency) -> None:
    row = agency.onboard(agency.row(TEST)).of(TEST)
    assert (states(row)["plan"], row["planned"]) == ("skipped", None)
    row = agency.onboard(agency.row(TEST), options=["--skip-plan"]).of(TEST)
    assert states(row)["plan"] == "skipped"
    row = agency.onboard(agency.row(TEST), options=["--plan"]).of(TEST)
    assert (states(row)["plan"], row["planned"]["contacts"]) == ("done", 7)
    assert row["planned"]["held"] == {"not_confirmed": 1, "opted_out": 1, "under_age": 1}
    assert {entry["method"] for entry in agency.box.simpletexting.control.journal(TEST)} == {"GET"}
    row = agency.onboard(agency.row(TEST)).of(TEST)
    assert (states(row)["plan"], row["planned"]["contacts"]) == ("done", 7), "what was planned is kept"


def test_9_1_status_names_whose_keys_are_kept_though_nothing_else_was_written(agency: Agency) -> None:
    """A refused key ends a row before its entry: `onboarding.json` names nobody, and the keys lie there (H40)."""
    agency.onboard(agency.row(TEST, st_api_token="wrong"))
    done = agency.run("onboard", "status")
    assert f"{TEST}: only its keys are kept, no entry stands; `vs-st onboard --merchant {TEST}` goes on" in done.out
    assert agency.run("onboard", "status", "--json").json == {"merchants": []}, "by ruling 7"
    agency.onboard(agency.row(TEST))
    assert "only its keys" not in agency.run("onboard", "status").out


def test_9_2_who_gives_a_table_sees_what_would_be_written_of_each_before_it_is_switched_on(agency: Agency) -> None:
    table = str(agency.table(agency.row(TEST)))
    told = agency.run("onboard", "--from", table, "--plan").out
    assert "test-winery  contacts 7, fields 136, unmatched" in told
    assert "held: not_confirmed 1, opted_out 1, under_age 1" in told
    assert "`vs-st onboard --merchant ID --plan`" in told
    assert "contacts 7" not in agency.run("onboard", "--from", table, "--enable").out, "it is on"


@pytest.mark.slow
def test_9_2_without_a_table_a_plan_is_made(agency: Agency) -> None:
    agency.onboard(agency.row(TEST))
    row = agency.run("onboard", "--merchant", TEST, "--json").of(TEST)
    assert (ended_at(row)[1], states(row)["plan"]) == ("sync", "done")


@pytest.mark.slow
def test_9_2_many_who_opted_in_and_nobody_who_fits_is_waited_for(agency: Agency) -> None:
    texting = agency.box.simpletexting.control
    for number in range(50):
        texting.add_contact(f"21255502{number:02d}", merchant=OTHER)
    # The keys of two wineries: whoever texts with the other one is no customer here.
    row = agency.row(TEST, st_api_token=agency.winery(OTHER).st_token)
    for contact in texting.contacts(OTHER):
        if not contact["contactPhone"].startswith("21255502"):
            texting.delete_contact(contact["contactId"], OTHER)
    found = agency.onboard(row, options=["--plan", "--skip-fields"]).of(TEST)
    assert ended_at(found) == ("waiting", "plan", "waiting"), found
    assert "--accept no_overlap" in step(found, "plan")["do"]
    found = agency.onboard(row, options=["--plan", "--accept", "no_overlap"]).of(TEST)
    assert ended_at(found)[1] == "sync"
    memory = agency.memory(TEST)
    assert memory is not None
    assert memory.accepted == ["no_overlap"]


def test_9_2_a_first_sync_that_fails_is_this_steps_and_the_next_run_goes_on(agency: Agency) -> None:
    agency.onboard(agency.row(TEST))
    fail_orders(agency)
    options = ["--enable", "--first-sync"]
    row = agency.onboard(agency.row(TEST), options=options).of(TEST)
    assert ended_at(row) == ("failed", "sync", "failed")
    assert row["error"]["kind"] == "try_later"
    assert agency.entry(TEST)["enabled"] is True
    agency.box.vinoshipper.control.clear_faults()
    row = agency.onboard(agency.row(TEST), options=options).of(TEST)
    assert row["status"] == "complete"
    agency.clear_journals()
    assert agency.onboard(agency.row(TEST), options=options).of(TEST)["calls"] == NOWHERE


def fail_orders(agency: Agency) -> None:
    agency.box.vinoshipper.control.set_fault("500", path_regex="/orders")


# --- confirmation -------------------------------------------------------------------------------------------------


class Mail:
    """Takes messages in place of a service."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent: list[tuple[str, str, str]] = []
        self.problem = ""
        monkeypatch.setattr(confirming, "send", self)

    def __call__(self, url: Any, title: str, body: str) -> str:
        self.sent.append((url.reveal(), title, body))
        return self.problem


def test_9_2_people_are_told_once_ever(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = Mail(monkeypatch)
    agency.environ |= {"VS_ST_TELL": "env:A env:B", "A": "json://a", "B": "json://b"}
    row = agency.onboard(agency.row(TEST), options=["--plan", "--enable"]).of(TEST)
    assert states(row)["confirmation"] == "done"
    told = "Test Winery (test-winery) has been added to the Vinoshipper integration."
    assert [(url, title) for url, title, _ in mail.sent] == [("json://a", told), ("json://b", told)]
    assert mail.sent[0][2].startswith(told + "\nPlanned: contacts 7, fields 136, unmatched 4")
    memory = agency.data / "merchants" / TEST / "onboarding.json"
    assert "json://" not in memory.read_text()
    # Not complete any more, for whatever reason: it goes through all steps again and tells nobody twice.
    memory.write_text(memory.read_text().replace('"complete": true', '"complete": false'))
    row = agency.onboard(agency.row(TEST)).of(TEST)
    assert (row["status"], states(row)["confirmation"], len(mail.sent)) == ("complete", "done", 2)


def test_9_2_a_confirmation_that_is_not_taken_is_waited_for_and_sent_again(
    agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = Mail(monkeypatch)
    mail.problem = "the service did not take it"
    agency.environ |= {"VS_ST_TELL": "env:A", "A": "json://a"}
    row = agency.onboard(agency.row(TEST), options=["--enable"]).of(TEST)
    assert ended_at(row) == ("waiting", "confirmation", "waiting")
    mail.problem = ""
    assert agency.onboard(agency.row(TEST)).of(TEST)["status"] == "complete"
    assert len(mail.sent) == 2


def test_9_2_nobody_to_tell_is_printed_and_skipped(agency: Agency) -> None:
    row = agency.onboard(agency.row(TEST), options=["--enable"]).of(TEST)
    told = step(row, "confirmation")
    assert (row["status"], told["state"]) == ("complete", "skipped")
    assert told["says"] == "Test Winery (test-winery) has been added to the Vinoshipper integration."
    other = str(agency.table(agency.row(OTHER)))
    printed = "Other Winery (other-winery) has been added to the Vinoshipper integration."
    options = ["--enable", "--skip-fields"]
    assert printed in agency.run("onboard", "--from", other, *options).out
    assert printed not in agency.run("onboard", "--from", other, *options).out, "once ever"


# --- many rows ----------------------------------------------------------------------------------------------------


def test_h40_what_one_row_fails_with_is_nobody_elses(agency: Agency) -> None:
    rows = [
        agency.row(TEST),
        agency.row("unpaid", of=TEST, bought_on=None),
        agency.row("bad-key", of=OTHER, vs_api_secret="wrong"),
        agency.row(OTHER),
    ]
    options = ["--enable", "--skip-fields", "--accept", "shared_account", "--jobs", "2"]
    done = agency.onboard(*rows, options=options)
    assert done.exit_code == 1
    assert [row["merchant"] for row in done.json["merchants"]] == [row["id"] for row in rows]
    assert {row["merchant"]: row["status"] for row in done.json["merchants"]} == {
        TEST: "complete", "unpaid": "waiting", "bad-key": "failed", OTHER: "complete",
    }  # fmt: skip
    assert sorted(path.name for path in (agency.folder / "merchants.d").glob("*.yaml")) == [
        f"{OTHER}.yaml", f"{TEST}.yaml",
    ]  # fmt: skip
    # In words, for people: a table, and what to do about those that are not complete.
    text = agency.run("onboard", "--from", str(agency.table(*rows)), *options).out
    assert "2 complete, 1 waiting, 1 failed" in text
    assert "service, unpaid:" in text
    # Put right, the same command goes on with these two alone.
    rows[1]["bought_on"], rows[2]["vs_api_secret"] = PAID, agency.winery(OTHER).vs_secret
    agency.clear_journals()
    assert agency.onboard(*rows, options=options).exit_code == 0


def test_nothing_tells_a_key(agency: Agency) -> None:
    done = agency.onboard(agency.row(TEST), agency.row(OTHER, vs_api_secret="wrong-secret"), options=["--enable"])
    text = done.out + done.err
    for winery in agency.box.merchants:
        for key in (winery.vs_key, winery.vs_secret, winery.st_token, "wrong-secret"):
            assert key not in text
            found = [path for path in files_in(agency.folder) if key.encode() in path.read_bytes()]
            kept = [path for path in found if path.parent.parent.name != "secrets"]
            assert {path.name for path in kept} <= {"wineries.csv"}


def files_in(folder: Path) -> list[Path]:
    return [Path(where) / name for where, _, names in os.walk(folder) for name in names]


@pytest.mark.slow
def test_9_2_the_confirmation_goes_the_way_of_the_alerts(agency: Agency) -> None:
    service = Receiver()
    try:
        agency.environ |= {"VS_ST_ALERTS": "env:ALERTS", "ALERTS": service.url}
        row = agency.onboard(agency.row(TEST), options=["--enable"]).of(TEST)
        assert row["status"] == "complete"
        assert service.titles == ["Test Winery (test-winery) has been added to the Vinoshipper integration."]
        assert service.url not in agency.run("onboard", "status", "--json").out
    finally:
        service.close()
