"""`vs-st webhooks list` and `rotate` of an account that several merchants share (routes.md R36, R64, R65)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.domain.hints import Call
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.webhooks.wanted import shared_names, systems_with_hooks
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline_tests.operations.receiver.test_accounts import HOUSE, OURS, OWN, USES, brand

SECRET = "s" * 40


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def write(home: Path, **more: Any) -> None:
    whole = {"gupshup_accounts": {"our-house": {**HOUSE, **more}}, "merchants": [brand("mitti", USES)]}
    (home / "merchants.yaml").write_text(yaml.safe_dump(whole))


def webhooks(home: Path, *words: str) -> tuple[int, str]:
    environ = {
        "VS_ST_MERCHANTS": str(home / "merchants.yaml"), "VS_ST_DATA_DIR": str(home / "data"),
        "VS_ST_PUBLIC_URL": "https://hooks.example.com", "VS_ST_HOOK_SECRET": "env:S", "S": SECRET,
        "NO": "x", "NO_KEY": "x",
    }  # fmt: skip
    done = CliRunner().invoke(cli, ["webhooks", *words], env=environ)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout


def listed(home: Path, *words: str) -> dict[str, Any]:
    code, out = webhooks(home, "list", "--account", "our-house", "--json", *words)
    assert code == 0
    [hook] = json.loads(out)["merchants"][0]["hooks"]
    return dict(hook)


def came(home: Path, *, proves: int | None = None) -> None:
    Inbox(home / "data").put([Arrival(OURS, "gupshup", Call("receipt"), ("notices",), "2026-03-01", proves=proves)])


def token(generation: int = 1) -> str:
    return make_token(SECRET, "gupshup", OURS, generation)


def test_a_url_is_shown_to_who_asks_and_then_counts_as_told(home: Path) -> None:
    hook = listed(home)
    assert (hook["system"], hook["state"]) == ("gupshup", "unproven")
    assert token() not in hook["url"]
    hook = listed(home, "--show-urls", "--yes")
    assert (hook["url"], hook["state"]) == (f"https://hooks.example.com/hooks/gupshup/{token()}", "told")
    assert listed(home)["state"] == "told"
    assert token() not in (home / "data/accounts/our-house/webhooks.json").read_text()
    write(home, generation=2)
    assert listed(home)["state"] == "unproven"


def test_a_call_proves_that_the_url_was_told(home: Path) -> None:
    came(home)
    assert listed(home)["state"] == "told"


def test_r64_rotate_changes_no_file_and_says_which_lines_to_write(home: Path) -> None:
    before = (home / "merchants.yaml").read_bytes()
    code, out = webhooks(home, "rotate", "--account", "our-house", "--json")
    [entry] = json.loads(out)["merchants"]
    assert (code, entry["merchant"], entry["status"]) == (1, OURS, "waiting")
    pasted = yaml.safe_load("\n".join(entry["paste"]))["gupshup_accounts"]["our-house"]
    assert pasted["generation"] == 2
    assert pasted["previous_until"].tzinfo is not None
    assert (home / "merchants.yaml").read_bytes() == before
    write(home, generation=2, previous_until=entry["paste"][-1].split(": ", 1)[1])
    assert read_merchants(home / "merchants.yaml", {}, secrets=False).shared[0].fault is None


def test_a_rotation_under_way_is_ended_and_not_begun_again(home: Path) -> None:
    write(home, generation=2, previous_until="2026-01-01T00:00:00Z")
    _, out = webhooks(home, "rotate", "--account", "our-house")
    assert "a rotation is under way" in out
    assert "generation:" not in out
    _, out = webhooks(home, "rotate", "--account", "our-house", "--now", "--json")
    assert json.loads(out)["merchants"][0]["paste"][2:] == ["    previous_until: null"]
    came(home, proves=2)
    _, out = webhooks(home, "rotate", "--account", "our-house", "--now", "--json")
    assert json.loads(out)["merchants"][0]["paste"][2:] == ["    generation: 3", "    previous_until: null"]


def test_an_account_is_named_by_its_id_and_alone(home: Path) -> None:
    code, _ = webhooks(home, "list", "--account", "our-house", "--merchant", "mitti")
    assert code == 2
    code, _ = webhooks(home, "list", "--account", "nobody")
    assert code == 2


def test_r65_check_tells_of_an_account_to_whom_it_serves(home: Path) -> None:
    [merchant] = read_merchants(home / "merchants.yaml", {}, secrets=False).merchants
    assert shared_names(merchant) == [("gupshup", OURS)]
    assert [one.name for one in systems_with_hooks(merchant)] == ["eshopbox"]
    whole = {"merchants": [brand("kapas", OWN, paused=["notices"])]}
    (home / "merchants.yaml").write_text(yaml.safe_dump(whole))
    [merchant] = read_merchants(home / "merchants.yaml", {}, secrets=False).merchants
    assert shared_names(merchant) == []
    assert [one.name for one in systems_with_hooks(merchant)] == ["eshopbox", "gupshup"]


def test_a_merchants_own_url_that_was_called_was_told(home: Path) -> None:
    """Whoever can only be told by hand is known to have been once a call has come."""
    (home / "merchants.yaml").write_text(yaml.safe_dump({"merchants": [brand("kapas", OWN)]}))

    def states() -> list[str]:
        _, out = webhooks(home, "list", "--merchant", "kapas", "--json")
        return [hook["state"] for hook in json.loads(out)["merchants"][0]["hooks"]]

    assert states() == ["unproven", "unproven"]
    Inbox(home / "data").put([Arrival("kapas", "gupshup", Call("receipt"), ("notices",), "2026-03-01")])
    assert states() == ["unproven", "told"]
