"""Webhooks as the real command registers them at the real stand-ins (webhooks-onboarding.md H33-H37, H41)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from vs_st_pipeline.connectors.simpletexting.registering import SimpleTextingRegistrar
from vs_st_pipeline.connectors.simpletexting.registering import _registration as texting_row
from vs_st_pipeline.connectors.vinoshipper.registering import VinoshipperRegistrar
from vs_st_pipeline.connectors.vinoshipper.registering import _registration as shop_row
from vs_st_pipeline.platform.hooks import Registration, masked
from vs_st_pipeline_tests.operations.webhooks.conftest import ALL_OK, PUBLIC, SECRET, SUBJECTS, TRIGGERS, Hooked
from vs_st_pipeline_tests.support.story import OTHER, TEST

SHOP, TEXTING = "vinoshipper", "simpletexting"
NONE = {"made": 0, "kept": 0, "changed": 0, "removed": 0}
STRANGE = "https://others.example.com/x"


def test_h35_h36_what_is_wanted_is_registered_once_and_as_it_should_be(hooked: Hooked) -> None:
    """H35, H36: one per subject; one with the three triggers; the JSON of section 8. H37: a second one only lists."""
    hooked.put(SHOP, STRANGE, "PRODUCT", description="theirs")
    hooked.story.clear_journals()
    entry = hooked.webhooks("register")
    assert (hooked.asked(SHOP), hooked.asked(TEXTING)) == ("GPGPGPG", "GPG")  # no POST without a list between
    assert (entry["status"], entry["error"]) == ("ok", None)
    assert entry["foreign"] == {SHOP: 1, TEXTING: 0}
    assert entry["done"] == {**NONE, "made": 4}
    assert hooked.states(entry) == ALL_OK
    shop, texting = hooked.there(SHOP), hooked.there(TEXTING)
    ours = {row["subject"]: row for row in shop if row["url"] != STRANGE}
    assert [(ours[name]["url"], ours[name]["description"]) for name in SUBJECTS] == [
        (hooked.url(SHOP), f"vs-st {TEST}")
    ] * 3
    assert texting == [
        {
            "webhookId": texting[0]["webhookId"],
            "url": hooked.url(TEXTING),
            "triggers": list(TRIGGERS),
            "requestPerSecLimit": 25,
        }
    ]
    first = entry["hooks"][0]
    token = hooked.url(SHOP).rpartition("/")[2]
    assert first == {
        "system": SHOP,
        "name": "ORDER",
        "state": "ok",
        "id": ours["ORDER"]["id"],
        "url": f"{PUBLIC}/hooks/{SHOP}/{masked(token)}",
        "test": None,
    }
    hooked.story.clear_journals()
    assert hooked.webhooks("register")["done"] == {**NONE, "kept": 4}
    assert (hooked.asked(SHOP), hooked.asked(TEXTING)) == ("G", "G")
    assert hooked.there(SHOP) == shop


def test_h33_nothing_of_others_is_changed_or_removed(hooked: Hooked) -> None:
    """H33: ours is by token and beginning; another installation's, another merchant's and a foreign one all stay."""
    elsewhere = hooked.url(SHOP, start="https://staging.example.com")
    wrong_system = hooked.url(TEXTING).replace("/simpletexting/", "/vinoshipper/")
    for url in (elsewhere, wrong_system, STRANGE, f"{hooked.url(SHOP)}x"):
        hooked.put(SHOP, url, "ORDER")
    before = hooked.there(SHOP)
    entry = hooked.webhooks("register")
    assert entry["status"] == "ok"
    assert entry["foreign"][SHOP] == 3  # ruling 4: a token under another system's path is foreign
    assert [row["state"] for row in entry["hooks"]] == ["ok", "ok", "ok", "elsewhere", "ok"]
    assert entry["hooks"][3]["url"].startswith("https://staging.example.com/hooks/vinoshipper/...(")
    assert hooked.webhooks("remove")["done"] == {**NONE, "removed": 4}
    assert hooked.there(SHOP) == before


def test_h34_h35_too_many_of_ours_are_removed_and_the_oldest_stays(hooked: Hooked) -> None:
    """H35: list again, only then remove; H34: `duplicate`, `old_generation` (also of another secret)."""
    hooked.set(VS_ST_HOOK_SECRET="env:NEW env:HOOK_SECRET", NEW="n" * 40)
    hooked.put(SHOP, hooked.url(SHOP, secret="n" * 40), "ORDER")
    (oldest,) = hooked.there(SHOP)
    hooked.put(SHOP, hooked.url(SHOP, secret="n" * 40).replace("https", "HTTPS").replace(".com", ".com:443"), "ORDER")
    hooked.put(SHOP, hooked.url(SHOP), "CUSTOMER")  # made by the secret that is no longer the first
    hooked.put(SHOP, hooked.url(SHOP), "CLUB_MEMBERSHIP")
    hooked.put(SHOP, hooked.url(SHOP, secret="n" * 40), "PRODUCT")  # nobody reads these
    found = hooked.webhooks("list")
    assert [(row["name"], row["state"]) for row in found["hooks"][:7]] == [
        ("ORDER", "ok"),
        ("CUSTOMER", "missing"),
        ("CLUB_MEMBERSHIP", "missing"),
        ("ORDER", "duplicate"),
        ("PRODUCT", "duplicate"),
        ("CUSTOMER", "old_generation"),
        ("CLUB_MEMBERSHIP", "old_generation"),
    ]
    hooked.story.clear_journals()
    assert hooked.webhooks("register")["done"] == {"made": 3, "kept": 1, "changed": 0, "removed": 4}
    assert hooked.asked(SHOP) == "GPGPGDDDD"
    assert {row["subject"] for row in hooked.there(SHOP)} == set(SUBJECTS)
    assert oldest in hooked.there(SHOP)


def test_h33_h34_moved_from(hooked: Hooked) -> None:
    """H33, H34: where we were reached before is ours if it is said; case and default port do not count (ruling 5)."""
    hooked.webhooks("register")
    hooked.set(VS_ST_PUBLIC_URL="https://new.example.com/in")
    assert hooked.states(hooked.webhooks("list"))["ORDER"] == "elsewhere"
    entry = hooked.webhooks("list", "--moved-from", "HTTPS://Hooks.Example.com:443")
    assert [row["state"] for row in entry["hooks"]].count("moved") == 4
    entry = hooked.webhooks("register", "--moved-from", PUBLIC)
    assert entry["done"] == {"made": 4, "kept": 0, "changed": 0, "removed": 4}
    assert hooked.states(entry) == ALL_OK
    assert {row["url"] for row in hooked.there(SHOP)} == {hooked.url(SHOP, start="https://new.example.com/in")}
    done = hooked.run("webhooks", "register", "--merchant", TEST, "--moved-from", "ftp://x")
    assert done.exit_code == 2


def test_h35_a_lost_answer_makes_no_second_webhook(hooked: Hooked) -> None:
    """H35: no second POST without a list between; what was made all the same is found, what was not is tried again."""
    hooked.story.shop.set_fault("500_empty", path_regex="webhooks", method="POST", when="after", count=1)
    hooked.story.texting.set_fault("500_empty", path_regex="webhooks", method="POST", count=1)
    entry = hooked.webhooks("register")
    assert entry["done"] == {**NONE, "made": 4}
    assert (hooked.asked(SHOP), hooked.asked(TEXTING)) == ("GPGPGPG", "GPGPG")
    assert (len(hooked.there(SHOP)), len(hooked.there(TEXTING))) == (3, 1)


def test_h35_what_cannot_be_made_is_that_system_s_and_that_merchant_s_trouble(hooked: Hooked) -> None:
    """H35: two tries at most; the other system goes on, and so do other merchants."""
    hooked.story.shop.set_fault("500_empty", merchant=TEST, path_regex="webhooks", method="POST")
    done = hooked.run("webhooks", "register", "--all", "--json")
    assert done.exit_code == 1
    entry = done.of()
    assert (entry["status"], entry["error"]["kind"], entry["error"]["system"]) == ("failed", "try_later", SHOP)
    assert hooked.asked(SHOP) == "G" + "PG" * 6
    assert hooked.states(entry) == {**dict.fromkeys(SUBJECTS, "missing"), "+".join(TRIGGERS): "ok"}
    assert done.of(OTHER)["status"] == "ok"


@pytest.mark.parametrize("status", [403, 404])
def test_h35_not_enabled_is_told_with_what_to_do(hooked: Hooked, status: int) -> None:
    """H35: 403 or 404 on the list: `not_enabled`, exit 1; SimpleTexting is registered all the same."""
    hooked.story.shop.set_switch("webhooks_api", status)
    entry = hooked.webhooks("register", code=1)
    assert hooked.states(entry) == {**dict.fromkeys(SUBJECTS, "not_enabled"), "+".join(TRIGGERS): "ok"}
    assert (entry["status"], entry["error"]) == ("partial", None)
    told = hooked.run("webhooks", "list", "--merchant", TEST)
    assert told.exit_code == 1
    assert "customerservice@vinoshipper.com" in told.out
    assert hooked.webhooks("remove")["done"] == {**NONE, "removed": 1}


def test_h35_a_refused_subject_is_remembered_and_asked_for_once_per_register(hooked: Hooked) -> None:
    """H35, ruling 4: 400 on a subject: `refused`, the others go on; status `ok`, since it is noted."""
    hooked.story.shop.set_switch("webhooks_api", "refuses_membership")
    for _ in range(2):
        hooked.story.clear_journals()
        entry = hooked.webhooks("register")
        assert (entry["status"], hooked.states(entry)["CLUB_MEMBERSHIP"]) == ("ok", "refused")
        assert hooked.asked(SHOP).count("P") in (3, 1)
    hooked.story.clear_journals()
    assert hooked.states(hooked.webhooks("list"))["CLUB_MEMBERSHIP"] == "refused"
    assert hooked.asked(SHOP) == "G"
    hooked.story.shop.set_switch("webhooks_api", "works")
    assert hooked.webhooks("register")["done"] == {**NONE, "made": 1, "kept": 3}
    assert hooked.states(hooked.webhooks("list")) == ALL_OK


def test_h35_two_made_by_one_post_are_made_one(hooked: Hooked) -> None:
    """H35: list again and compare, only then remove what is too many."""
    hooked.story.shop.set_switch("webhooks_api", "duplicates_on_post")
    assert hooked.webhooks("register")["done"] == {"made": 4, "kept": 0, "changed": 0, "removed": 3}
    assert len(hooked.there(SHOP)) == 3


def test_h36_the_last_trigger_is_done_without_where_it_is_refused(hooked: Hooked) -> None:
    """H36: refused: without it, noted; it is asked for once more by each `register`."""
    hooked.story.texting.set_switch("webhook_triggers", "new_ones_refused")
    entry = hooked.webhooks("register")
    both = "+".join(TRIGGERS[:2])
    assert (entry["status"], hooked.asked(TEXTING)) == ("ok", "GPGPG")
    assert hooked.states(entry) == {**dict.fromkeys(SUBJECTS, "ok"), both: "ok", TRIGGERS[2]: "refused"}
    hooked.story.clear_journals()
    assert hooked.states(hooked.webhooks("register"))[TRIGGERS[2]] == "refused"
    assert hooked.asked(TEXTING) == "GUG"
    hooked.story.texting.set_switch("webhook_triggers", "many")
    assert hooked.webhooks("register")["done"] == {**NONE, "kept": 3, "changed": 1}
    assert hooked.there(TEXTING)[0]["triggers"] == list(TRIGGERS)


def test_h36_fewer_triggers_read_back_mean_one_webhook_for_each(hooked: Hooked) -> None:
    """H36: and the next `register` knows it."""
    hooked.story.texting.set_switch("webhook_triggers", "one_each")
    entry = hooked.webhooks("register")
    assert hooked.asked(TEXTING) == "GPGPGPG"
    assert hooked.states(entry) == {**dict.fromkeys(SUBJECTS, "ok"), **dict.fromkeys(TRIGGERS, "ok")}
    hooked.seen_file.unlink()
    hooked.story.clear_journals()
    assert hooked.webhooks("register")["done"] == {**NONE, "kept": 6}
    assert hooked.asked(TEXTING) == "G"


def test_h36_a_trigger_that_is_taken_and_never_kept_is_noted_as_refused(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H36, H37: answers of success with a webhook for nothing; it does not stay, and is not put right for ever."""
    lists, newest = SimpleTextingRegistrar.list, TRIGGERS[-1]

    def without_newest(self: SimpleTextingRegistrar) -> list[Registration]:
        return [replace(one, names=tuple(name for name in one.names if name != newest)) for one in lists(self)]

    with monkeypatch.context() as patched:
        patched.setattr(SimpleTextingRegistrar, "list", without_newest)
        for _ in range(2):
            entry = hooked.webhooks("register")
            assert entry["status"] == "ok"
            assert hooked.states(entry) == {**dict.fromkeys((*SUBJECTS, *TRIGGERS[:2]), "ok"), newest: "refused"}
            assert [one["triggers"] for one in hooked.there(TEXTING)] == [[name] for name in TRIGGERS[:2]]
    assert hooked.states(hooked.webhooks("register")) == dict.fromkeys((*SUBJECTS, *TRIGGERS), "ok")


def test_h36_what_somebody_changed_is_put_right_by_put(hooked: Hooked) -> None:
    """H36: found by its URL; state `changed` (ruling 4) where triggers, limit or filters are others."""
    hooked.put(TEXTING, hooked.url(TEXTING), "INCOMING_MESSAGE+OUTGOING_MESSAGE", requestPerSecLimit=5,
               contactPhone="7075550142")  # fmt: skip
    assert hooked.states(hooked.webhooks("list"))["INCOMING_MESSAGE+OUTGOING_MESSAGE"] == "changed"
    hooked.story.clear_journals()
    assert hooked.webhooks("register")["done"] == {"made": 3, "kept": 0, "changed": 1, "removed": 0}
    assert hooked.asked(TEXTING) == "GUG"
    (row,) = hooked.there(TEXTING)
    assert (row["triggers"], row["requestPerSecLimit"], row.get("contactPhone")) == (list(TRIGGERS), 25, None)


def test_h37_remove_takes_ours_and_by_id_any_after_asking(hooked: Hooked) -> None:
    """H37: ours, at both. H33: `--id` any, asks or `--yes`."""
    hooked.webhooks("register")
    hooked.put(SHOP, STRANGE, "ORDER")
    assert hooked.webhooks("remove")["done"] == {**NONE, "removed": 4}
    (row,) = hooked.there(SHOP)
    done = hooked.run("webhooks", "remove", "--merchant", TEST, "--id", row["id"])
    assert done.exit_code == 2
    assert hooked.there(SHOP) == [row]
    hooked.webhooks("remove", "--id", "nobody", "--yes", code=1)
    assert hooked.webhooks("remove", "--id", row["id"], "--yes")["done"] == {**NONE, "removed": 1}
    assert hooked.there(SHOP) == []


def test_h33_an_id_of_two_systems_or_of_none_removes_nothing(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems that count their webhooks have one of the same number; a row that cannot be read has none."""
    hooked.put(SHOP, STRANGE, "ORDER")
    listed = VinoshipperRegistrar.list
    monkeypatch.setattr(SimpleTextingRegistrar, "list", lambda _: [replace(one, id="12") for one in theirs])
    monkeypatch.setattr(VinoshipperRegistrar, "list", lambda _: [replace(one, id="12") for one in theirs])
    theirs = [Registration("12", ("ORDER",), STRANGE)]
    hooked.story.clear_journals()
    entry = hooked.webhooks("remove", "--id", "12", "--yes", code=1)
    assert entry["error"]["kind"] == "config"
    assert "--system" in entry["error"]["message"]
    done = hooked.run("webhooks", "remove", "--merchant", TEST, "--id", "", "--yes")
    assert (done.exit_code, "--id is empty" in done.err) == (2, True)
    assert (hooked.asked(SHOP), hooked.asked(TEXTING)) == ("", "")
    monkeypatch.setattr(VinoshipperRegistrar, "list", listed)
    (row,) = hooked.there(SHOP)
    assert hooked.webhooks("remove", "--id", row["id"], "--yes", "--system", SHOP)["done"] == {**NONE, "removed": 1}


def test_h39_settings_that_are_missing_are_exit_2_before_anything_is_called(hooked: Hooked) -> None:
    """H39: no `VS_ST_PUBLIC_URL` or secret."""
    for values in (
        {"VS_ST_PUBLIC_URL": ""},
        {"VS_ST_HOOK_SECRET": ""},
        {"HOOK_SECRET": "too short"},
        {"VS_ST_PUBLIC_URL": "http://hooks.example.com"},
        {"VS_ST_PUBLIC_URL": "https://hooks.example.com/"},
        {"VS_ST_PUBLIC_URL": "https://me@hooks.example.com"},
        {"VS_ST_PUBLIC_URL": "https://hooks.example.com?x"},
    ):
        hooked.set(VS_ST_PUBLIC_URL=PUBLIC, VS_ST_HOOK_SECRET="env:HOOK_SECRET", HOOK_SECRET=SECRET)
        hooked.set(**values)
        done = hooked.run("webhooks", "register", "--merchant", TEST)
        assert done.exit_code == 2, values
        assert next(iter(values.values())) not in done.err or not next(iter(values.values()))
    assert hooked.asked(SHOP) == ""


def test_h41_who_is_named_may_be_disabled_and_all_means_the_enabled(hooked: Hooked) -> None:
    """H41, ruling 4: `--all` are the enabled ones; a named one always."""
    for entry in ({"enabled": False}, {"service": {"bought_on": None}}):
        hooked.story.settings({TEST: entry})
        done = hooked.run("webhooks", "list", "--all", "--json")
        assert [row["merchant"] for row in done.json["merchants"]] == [OTHER]
        assert hooked.states(hooked.webhooks("register")) == ALL_OK
        hooked.webhooks("remove")


@pytest.mark.parametrize("entry", [{"webhooks": {"enabled": False}}, {"paused": ["contacts"]}])
def test_r55_what_no_route_that_is_on_reads_is_not_wanted(hooked: Hooked, entry: dict[str, object]) -> None:
    """R55; `webhooks.enabled: false`: none is registered, nobody called. What is there is left, since a pause ends."""
    hooked.webhooks("register")
    hooked.story.settings({TEST: entry})
    hooked.story.clear_journals()
    off = hooked.webhooks("register")
    assert (off["status"], off["hooks"], hooked.asked(SHOP), hooked.asked(TEXTING)) == ("ok", [], "", "")
    assert hooked.states(hooked.webhooks("list")) == ALL_OK
    assert hooked.webhooks("remove")["done"]["removed"] == 4
    listed = hooked.webhooks("list")
    assert (listed["status"], listed["hooks"]) == ("ok", [])


def test_h2_no_token_is_printed_or_kept_but_where_a_person_asks_for_it(hooked: Hooked) -> None:
    """H2: whole only in `list --show-urls`, at a terminal or with `--yes`."""
    tokens = [hooked.url(system).rpartition("/")[2] for system in (SHOP, TEXTING)]
    for arguments in (["register"], ["register", "--json"], ["list"], ["list", "--json"], ["test"]):
        done = hooked.run("webhooks", arguments[0], "--merchant", TEST, *arguments[1:])
        assert not any(token in done.out + done.err for token in tokens), arguments
    files = [file for file in hooked.story.data.rglob("*") if file.is_file()]
    assert not any(token.encode() in file.read_bytes() for token in tokens for file in files)
    assert hooked.seen_file.stat().st_mode & 0o777 == 0o600
    done = hooked.run("webhooks", "list", "--merchant", TEST, "--show-urls")
    assert done.exit_code == 2
    shown = hooked.webhooks("list", "--show-urls", "--yes")
    assert {row["url"] for row in shown["hooks"]} == {hooked.url(SHOP), hooked.url(TEXTING)}


def test_h44_what_may_have_been_made_is_noted_before_it_is_made(hooked: Hooked) -> None:
    """H44: killed or cut off between a POST and its list: `webhooks.json` tells of something."""
    hooked.story.shop.set_fault("401", path_regex="webhooks", method="GET", skip=1)
    entry = hooked.webhooks("register", code=1)
    assert entry["error"]["kind"] == "auth"
    assert hooked.seen()["systems"][SHOP]["making"] is True
    hooked.story.shop.clear_faults()
    assert hooked.webhooks("register")["done"] == {"made": 2, "kept": 2, "changed": 0, "removed": 0}
    assert hooked.seen()["systems"][SHOP]["making"] is False


def test_h35_what_was_accepted_is_not_asked_for_again_whatever_the_list_says(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H35: a list that lags behind makes no second webhook; it is told as missing."""
    monkeypatch.setattr(VinoshipperRegistrar, "list", lambda _: [])
    entry = hooked.webhooks("register", code=1)
    assert (entry["status"], entry["done"]["made"]) == ("partial", 4)
    assert hooked.states(entry)["ORDER"] == "missing"
    assert hooked.asked(SHOP) == "PPP"


@pytest.mark.parametrize("more", [{"requestPerSecLimit": 5}, {"contactPhone": "7075550142"}, {}])
def test_h36_a_limit_or_filter_alone_is_a_change(hooked: Hooked, more: dict[str, object]) -> None:
    """H36: `requestPerSecLimit` 25, no phone filters."""
    hooked.put(TEXTING, hooked.url(TEXTING), "+".join(TRIGGERS), **{"requestPerSecLimit": 25, **more})
    assert hooked.states(hooked.webhooks("list"))["+".join(TRIGGERS)] == ("changed" if more else "ok")
    hooked.webhooks("register")
    (row,) = hooked.there(TEXTING)
    assert (row["requestPerSecLimit"], row.get("contactPhone")) == (25, None)


@pytest.mark.parametrize("limit", [25, "25", Decimal("25.0"), None])
def test_h36_a_limit_is_the_same_however_it_is_written(limit: object) -> None:
    row = {"webhookId": "a1", "url": "u", "triggers": list(TRIGGERS), "requestPerSecLimit": limit}
    assert texting_row(row).as_wanted
    assert not texting_row({**row, "requestPerSecLimit": "5"}).as_wanted


@pytest.mark.parametrize(
    "times",
    [
        (1764300000000, 1764300000001, 1864300000000),
        ("2026-11-28T10:00:00-08:00", "2026-11-28T18:30:00Z", "2026-11-28T10:45:00.5-08:00"),
        ("2026-11-28", "2026-11-29T09:00:00+00:00", "2026-11-29T10:00:00.25Z"),
    ],
)
def test_h35_the_oldest_is_the_oldest_however_times_are_written(times: tuple[object, ...]) -> None:
    made = [shop_row({"id": 1, "subject": "ORDER", "url": "u", "createdAt": one}).made_at for one in times]
    assert made == sorted(made)
    assert shop_row({"id": 1}).made_at == ""
