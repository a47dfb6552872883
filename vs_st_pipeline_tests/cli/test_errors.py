"""Every refusal says what to do: wrong words, wrong files, wrong settings, as a stranger meets them."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vs_st_pipeline.cli import main
from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.cli.privacy import confirm
from vs_st_pipeline.domain.errors import BadAnswer, BadArguments, BadKey, BadSettings, Internal, TryLater, Unsafe

SETTINGS = """
merchants:
  - id: hill
    name: Hill
    vinoshipper: {api_key: env:KEY, api_secret: env:KEY}
    simpletexting: {api_token: env:KEY}
  - id: brand
    name: Brand
    eshopbox: {workspace: brand, client_id: env:KEY, client_secret: env:KEY, refresh_token: env:KEY,
               workspace_url: "https://brand.example.com"}
    notices:
      countries: [IN]
      accounts: [{kind: client, api_key: env:KEY, app_name: App, app_id: a1, number: "+919810000001"}]
  - {id: off, name: Off}
"""
Said = tuple[int, str]
Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the console script in this process: its exit status, and what it says to a person."""
    (tmp_path / "merchants.yaml").write_text(SETTINGS)
    known = {"VS_ST_MERCHANTS": tmp_path / "merchants.yaml", "VS_ST_DATA_DIR": tmp_path / "data", "KEY": "k" * 40}
    for name, value in known.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(main.crash_reports, "install", lambda: None)
    monkeypatch.setattr(main, "make_ready", lambda: None)
    monkeypatch.setattr(cli_sync, "_warehouse", None)

    def ran(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["vs-st", *words])
        with pytest.raises(SystemExit) as ended:
            main.main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return ran


WRONG = [
    ("sync", "say which merchants: --merchant ID... or --all"),
    ("sync --merchant hil", "there is no merchant 'hil' in {file}; did you mean hill?"),
    (
        "sync --merchant hil",
        "did you mean hill? Of other entries the id is not known: merchants.yaml, line 14: id: ",
    ),
    (
        "sync --merchant nobody",
        "lists those that there are. Of other entries the id is not known: merchants.yaml, line",
    ),
    ("sync --all --route order", "there is no route 'order'; there are contacts, orders, audience, notices, consumers"),
    ("sync --all --jobs many", "'many' is no whole number from 1 to 256"),
    ("sync --all --budget 0", "'0' is no whole number from 1 on"),
    (
        "retry --merchant hill bogus",
        "'bogus' is no merchant of {file}, and no record that can be tried again of hill",
    ),
    ("retry --merchant hill --drop", "route contacts has no --drop: leave it out"),
    ("orders list --merchant hill", "an entry that has it names commerce7, vinoshipper, orders"),
    ("notices resume --account x", "an account 'x'; there are client:brand"),
    ("notices activity --merchant brand --order 7", "nothing is stored of this merchant yet; sync first"),
    ("notices preview --merchant brand --notification x", "there is no such notification; there are: created"),
    ("forget --merchant hill 7075550142 --customer 1", "give one of a phone, an e-mail or --customer"),
    ("connect --merchant hill", "no route that is registered anywhere, such as audience"),
    ("onboard status --merchant nobody", "`vs-st onboard` begins one"),
    ("webhooks secret {file}/x/y", "PATH cannot be written"),
    ("completion tcsh", "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ("snc", "No such command 'snc'. Did you mean 'sync'?"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_wrong_use_says_what_is_right(run: Run, tmp_path: Path, words: str, said: str) -> None:
    file = str(tmp_path / "merchants.yaml")
    code, told = run(*words.replace("{file}", file).split())
    assert (code, said.replace("{file}", file) in told) == (2, True), told
    assert not any(word in told for word in ("Traceback", "internal", "fault of ours"))


def test_a_merchant_that_is_none_is_told_with_all_places_where_one_may_stand(run: Run, tmp_path: Path) -> None:
    (tmp_path / "merchants.d").mkdir()
    (tmp_path / "merchants.d" / "hillside.yaml").write_text("merchants:\n  - {id: hillside, name: Hillside}\n")
    said = f"there is no merchant 'hilltop' in {tmp_path / 'merchants.yaml'} or {tmp_path / 'merchants.d'}; "
    assert said in run("sync", "--merchant", "hilltop")[1]
    assert (
        f"in {tmp_path / 'merchants.yaml'} or {tmp_path / 'merchants.d'}, and"
        in run("offboard", "--merchant", "hilltop", "--yes")[1]
    )


def test_no_merchants_file_says_how_one_is_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "merchants.yaml").unlink()
    for words in (["sync", "--all"], ["merchants"], ["why", "--merchant", "x", "7075550142"]):
        code, told = run(*words)
        assert (code, "copy merchants.example.yaml there, or say in VS_ST_MERCHANTS" in told) == (2, True), told


@pytest.mark.parametrize("words", [["inbox"], ["work", "--once"]])
def test_a_damaged_inbox_says_so(run: Run, tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "inbox.sqlite").write_bytes(b"no database" * 1000)
    code, told = run(*words)
    assert (code, "damaged" in told, "move it away" in told) == (1, True, True), told


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (BadKey("The key is not accepted"), 1, "renew the key"),
        (TryLater("It is busy"), 1, "again in a while"),
        (BadAnswer("It is no JSON"), 1, "report it to the vendor"),
        (Unsafe("Much would change"), 1, "vs-st plan"),
        (Internal("It is broken"), 1, "report it"),
        (BadSettings("set KEY"), 2, "set KEY"),
        (BadArguments("there is no such order"), 2, "no such order"),
        (sqlite3.DatabaseError("malformed"), 1, "pragma integrity_check"),
        (FileNotFoundError(2, "No such file or directory", "/no/file"), 1, "/no/file: No such file or directory"),
    ],
)
def test_whatever_ends_a_command_is_told_with_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, said: str
) -> None:
    def fails(**_: object) -> None:
        raise error

    monkeypatch.setattr(main.cli.commands["alerts"], "callback", fails)
    found = run("alerts")
    assert (found[0], said in found[1]) == (code, True), found


def test_where_nobody_can_be_asked_only_what_needs_a_yes_is_refused() -> None:
    confirm("it is begun anew", yes=False, needed=False)
    with pytest.raises(main.click.UsageError, match="say --yes"):
        confirm("it is erased for good", yes=False)
