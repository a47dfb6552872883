"""`vs-st offboard` removes our webhooks first (H44)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from vs_st_pipeline.domain.hints import ORDER, Call
from vs_st_pipeline.operations.webhooks.leaving import Left, known_webhooks, remove_webhooks
from vs_st_pipeline.operations.webhooks.seen import Seen, SeenSystem, path_of
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline_tests.operations.webhooks.conftest import PUBLIC, Hooked
from vs_st_pipeline_tests.support.story import OTHER, TEST, Ran, Record

SHOP, TEXTING = "vinoshipper", "simpletexting"


@pytest.fixture
def left(hooked: Hooked) -> Hooked:
    """A merchant whose webhooks are registered, with hints and keys, and which is no longer enabled."""
    hooked.webhooks("register")
    inbox = Inbox(hooked.story.data)
    for merchant in (TEST, TEST, OTHER):
        inbox.put([Arrival(merchant, SHOP, Call(ORDER, "1"), ("contacts",), "")])
    hooked.story.settings({TEST: {"enabled": False}})
    hooked.story.clear_journals()
    return hooked


def offboard(hooked: Hooked, *more: str) -> Ran:
    return hooked.run("offboard", "--merchant", TEST, "--yes", "--json", *more)


def kept(hooked: Hooked) -> bool:
    return hooked.seen_file.parent.exists()


def test_h44_ours_are_removed_and_others_stay(left: Hooked) -> None:
    """H44: our webhooks, then the inbox's hints, data and pace files; JSON `webhooks`, `inbox`."""
    left.put(SHOP, f"{PUBLIC}/other", "ORDER")
    done = offboard(left)
    assert done.exit_code == 0, done
    found: Record = done.json
    assert (found["webhooks"], found["inbox"]) == ({"removed": 4, "left": 0}, 2)
    assert ([row["url"] for row in left.there(SHOP)], left.there(TEXTING)) == ([f"{PUBLIC}/other"], [])
    assert not kept(left)
    assert len(Inbox(left.story.data).ask("select 1 from entries")) == 1
    again: Record = offboard(left).json
    assert (again["webhooks"], again["inbox"]) == ({"removed": 0, "left": 0}, 0)


def test_a_removal_that_was_answered_and_not_made_removes_nothing_here(left: Hooked) -> None:
    """H44, "if it cannot": a 200 says nothing; what the list shows still would call us for ever, by nobody's key."""
    left.story.shop.set_fault("wrong_shape", path_regex="webhooks", method="DELETE")
    done = offboard(left)
    assert done.exit_code == 1
    assert "still listed though the removal was answered" in done.err
    assert kept(left)
    left.story.shop.clear_faults()
    assert offboard(left).exit_code == 0
    assert left.there(SHOP) == []


def test_where_a_person_may_have_entered_a_url_it_is_said_who_takes_it_out(tmp_path: Path) -> None:
    seen = Seen({"gupshup": SeenSystem(shown="https://h/..."), "eshopbox": SeenSystem()})
    (tmp_path / "merchants" / TEST).mkdir(parents=True)
    path_of(tmp_path, TEST).write_bytes(msgspec.json.encode(seen))
    assert known_webhooks(tmp_path, TEST) is None
    nobody: dict[str, Any] = {"find": lambda: None, "run_of": lambda merchant: None}
    assert remove_webhooks(tmp_path, TEST, {}, **nobody) == Left(0, None, ("Gupshup",))


@pytest.mark.parametrize("why", ["key", "entry", "secret"])
def test_h44_where_they_cannot_be_removed_nothing_is(left: Hooked, why: str) -> None:
    """H44: 401, keys gone: nothing is removed, exit 1, unless `--leave-webhooks`, which asks nobody (ruling 7)."""
    if why == "key":
        left.story.texting.set_fault("401")
    elif why == "entry":
        left.story.settings({OTHER: {}})
        path = left.story.folder / "merchants.yaml"
        path.write_text(path.read_text().replace(f"id: {TEST}", "id: somebody-else"))
    else:
        left.set(VS_ST_HOOK_SECRET="")
    done = offboard(left)
    assert done.exit_code == 1
    assert "--leave-webhooks" in done.err
    assert kept(left)
    assert len(Inbox(left.story.data).ask("select 1 from entries")) == 3
    assert len(left.there(SHOP)) == 3  # of what is registered neither
    left.story.clear_journals()
    done = offboard(left, "--leave-webhooks")
    assert done.exit_code == 0, done
    assert done.json["webhooks"] == {"removed": 0, "left": None}
    assert left.asked(SHOP) == left.asked(TEXTING) == ""
    assert not kept(left)


def test_h44_nobody_is_asked_where_none_was_registered(hooked: Hooked) -> None:
    """H44: only where `webhooks.json` tells of any; no URL or secret is needed then."""
    hooked.webhooks("register")
    hooked.webhooks("remove")
    hooked.story.clear_journals()
    hooked.set(VS_ST_PUBLIC_URL="", VS_ST_HOOK_SECRET="")
    hooked.story.settings({TEST: {"enabled": False}})
    done = offboard(hooked)
    assert done.exit_code == 0, done
    assert done.json["webhooks"] == {"removed": 0, "left": 0}
    assert hooked.asked(SHOP) == ""


def test_h44_keys_go_where_that_is_said(left: Hooked) -> None:
    """H44: `--remove-secrets`: the files of step `secrets`; no link is followed."""
    secrets = left.story.folder / "secrets"
    (secrets / TEST).mkdir(parents=True)
    (secrets / TEST / "vs_api_key").write_text("k")
    (secrets / OTHER).mkdir()
    (secrets / OTHER / "vs_api_key").write_text("k")
    assert offboard(left).exit_code == 0
    assert (secrets / TEST / "vs_api_key").exists()
    assert offboard(left, "--remove-secrets").exit_code == 0
    assert not (secrets / TEST).exists()
    assert (secrets / OTHER / "vs_api_key").exists()
    (secrets / TEST).symlink_to(secrets / OTHER)
    assert offboard(left, "--remove-secrets").exit_code == 2
    assert (secrets / OTHER / "vs_api_key").exists()


@pytest.mark.parametrize("looked", [False, True])
def test_h44_an_account_that_may_not_list_any_more_is_no_proof_that_none_is_registered(
    left: Hooked, looked: bool
) -> None:
    """H44: 403 on the list after we registered: it cannot be done, so nothing is removed, exit 1."""
    left.story.shop.set_switch("webhooks_api", 403)
    if looked:  # as `vs-st work` does once a day
        left.webhooks("list", code=1)
    for _ in range(2):
        assert offboard(left).exit_code == 1
        assert kept(left)
    left.story.shop.set_switch("webhooks_api", "works")
    assert len(left.there(SHOP)) == 3
    assert offboard(left).exit_code == 0
    assert left.there(SHOP) == []


@pytest.mark.parametrize("looked", [False, True])
def test_h44_what_goes_to_another_beginning_is_not_said_to_be_gone(left: Hooked, looked: bool) -> None:
    """H33, H44: after VS_ST_PUBLIC_URL changed they are not ours to remove, and `left` is not known."""
    left.set(VS_ST_PUBLIC_URL="https://new.example.com")
    if looked:
        left.webhooks("list")
    done = offboard(left)
    assert done.exit_code == 0, done
    assert done.json["webhooks"] == {"removed": 0, "left": None}
    assert len(left.there(SHOP)) == 3


def test_h44_listing_what_is_registered_makes_no_folder_for_a_merchant_that_has_left(left: Hooked) -> None:
    assert offboard(left).exit_code == 0
    assert left.webhooks("list")["foreign"] == {SHOP: 0, TEXTING: 0}
    assert not kept(left)


def test_h44_ours_that_are_found_though_nothing_is_kept_are_noted_and_then_removed(left: Hooked) -> None:
    assert offboard(left, "--leave-webhooks").exit_code == 0
    assert not kept(left)
    left.webhooks("list")
    assert kept(left)
    assert offboard(left).json["webhooks"] == {"removed": 4, "left": 0}


def test_h44_what_remains_is_told_and_how_calls_to_it_are_answered(left: Hooked) -> None:
    secrets = left.story.folder / "secrets" / TEST
    secrets.mkdir(parents=True)
    (secrets / "vs_api_key").write_text("key\n")
    told = left.run("offboard", "--merchant", TEST, "--yes", "--leave-webhooks").out
    assert "answered with 204 as long as its entry stands, and with 404 from then on" in told
    assert f"its keys in {secrets} (--remove-secrets removes them), its entry in merchants.yaml, line " in told
    path = left.story.folder / "merchants.yaml"
    path.write_text(path.read_text().replace(f"id: {TEST}", "id: somebody-else"))
    told = left.run("offboard", "--merchant", TEST, "--yes", "--remove-secrets").out
    assert "1 file with its keys removed." in told
    assert "What remains" not in told
    assert not secrets.exists()
