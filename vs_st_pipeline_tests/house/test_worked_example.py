"""The worked example of `docs/development.md` works: its files are taken from the page into a copy of the house.

What is asserted of the copy is what the page promises: nothing but two folders and the lines of two tuples is new, and
everything that is made from the tuples knows the system and the route.
"""

from __future__ import annotations

import difflib
import filecmp
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "vs_st_pipeline"
PAGE = (ROOT / "docs" / "development.md").read_text(encoding="utf-8")
FILES = re.compile(r"`((?:connectors|routes)/[\w/.]+)`:\n\n```(?:python|sql)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINES = re.compile(
    rf"`{PACKAGE}/((?:connectors|routes)/__init__\.py)`(?: gets)?\n\n```diff\n(.*?)^```", re.DOTALL | re.MULTILINE
)
SETTINGS = re.compile(r"```yaml\n(merchants:\n.*?newsdesk.*?)^```", re.DOTALL | re.MULTILINE)
KEY, EMAIL = "zq8-Swordfish-77", "mari@example.com"
Record = dict[str, Any]


# --- the desk ---------------------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """The newsletter desk, over a real socket; what it has sent it says by `letters`, key and text."""

    subscribers: list[Record] = field(default_factory=list)
    letters: list[tuple[str, str]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    hollow: bool = False
    silent: bool = False  # a letter is taken or not, nobody is told, and none is shown
    url: str = ""

    def answer(self, method: str, url: str, headers: Any, body: bytes) -> tuple[int, object]:
        if headers["Authorization"] != f"Bearer {KEY}":
            return 401, {"error": "who are you?"}
        where, key = urlsplit(url), headers["Idempotency-Key"]
        if self.hollow:
            return 200, {}
        match method, where.path:
            case "GET", "/v1/subscribers":
                return 200, {"subscribers": self.subscribers}
            case "GET", "/v1/letters":
                wanted = parse_qs(where.query)["key"][0]
                return 200, {"letters": [f"l-{at}" for at, one in enumerate(self.letters) if one[0] == wanted]}
            case "POST", "/v1/letters" if self.silent:
                return 202, {}
            case "POST", "/v1/letters":
                to = json.loads(body)["letter"]["to"]
                if to in self.refuses:
                    return 422, {"error": "no such mailbox"}
                self.letters.append((key, to))
                return 201, {"id": f"l-{len(self.letters) - 1}"}
        return 404, {}


@pytest.fixture(scope="module")
def served() -> Iterator[Desk]:
    desk = Desk()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, said = desk.answer(self.command, self.path, self.headers, body)
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    desk.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield desk
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def desk(served: Desk) -> Desk:
    served.letters.clear()
    served.refuses.clear()
    served.hollow = served.silent = False
    served.subscribers[:] = [
        {"id": "s-1", "email": EMAIL, "since": "2026-02-03"},
        {"id": "s-2", "email": "old@example.com", "since": "2025-12-31"},
        {"id": "s-3", "email": "ode@example.com", "since": "2026-02-04"},
    ]
    return served


# --- the copy ---------------------------------------------------------------------------------------------------------


def written() -> dict[str, str]:
    """The files that the page shows."""
    return dict(FILES.findall(PAGE))


def added() -> dict[str, list[str]]:
    """The lines that the page adds to the two tuples, by file."""
    return {name: [line[1:] for line in text.splitlines()] for name, text in LINES.findall(PAGE)}


def with_lines(text: str, lines: list[str]) -> str:
    """The module with an import and an entry more; each goes to the last line of its kind, imports by name."""
    imported, entry = lines
    found = text.splitlines()
    begin = next(at for at, line in enumerate(found) if line.endswith("import ("))
    end = found.index(")", begin)
    found[begin + 1 : end] = sorted([*found[begin + 1 : end], imported])
    last = max(at for at, line in enumerate(found) if re.fullmatch(r" {4}\w+\.[A-Z]+,(  #.*)?", line))
    return "\n".join([*found[: last + 1], entry, *found[last + 1 :]]) + "\n"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the example in it."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name, text in written().items():
        path = folder / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name, lines in added().items():
        path = folder / PACKAGE / name
        path.write_text(with_lines(path.read_text(encoding="utf-8"), lines), encoding="utf-8")
    return folder


DRIVER = """
import json, os, sys
from click.testing import CliRunner
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations import warehouse, rebuild
from vs_st_pipeline.platform import failpoints
import nanoarrow, pandas

def run(order):
    os.environ.update(order["environ"])
    if order["kill_at"]:
        failpoints.enable(order["kill_at"])
    done = CliRunner().invoke(cli, order["arguments"])
    if isinstance(done.exception, BadSettings):
        return {"code": 2, "out": done.stdout, "err": done.exception.message}
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return {"code": done.exit_code, "out": done.stdout, "err": done.stderr}

for line in sys.stdin:
    ours, theirs = os.pipe()
    if (pid := os.fork()) == 0:
        with open(theirs, "w") as pipe:
            json.dump(run(json.loads(line)), pipe)
        os._exit(0)
    os.close(theirs)
    with open(ours) as pipe:
        told = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print(told or json.dumps({"code": code, "out": "", "err": ""}), flush=True)
os._exit(0)
"""
"""Has everything of the copy imported, and forks for each command: a start of Python for each would take seconds."""


def python(copy: Path, *arguments: str, **how: Any) -> subprocess.Popen[str]:
    environ = {**os.environ, "PYTHONPATH": str(copy)}
    pipes: Record = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, *arguments], env=environ, cwd=copy, text=True, **pipes, **how)


@pytest.fixture(scope="module")
def driver(copy: Path) -> Iterator[subprocess.Popen[str]]:
    with python(copy, "-c", DRIVER) as process:
        yield process
        process.communicate()


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class House:
    """The copy with a merchants file and a data folder."""

    driver: subprocess.Popen[str]
    folder: Path
    desk: Desk

    def __post_init__(self) -> None:
        [text] = SETTINGS.findall(PAGE)
        text = text.replace("newsdesk: {", f"newsdesk: {{base_url: '{self.desk.url}', requests_per_second: 500, ")
        (self.folder / "merchants.yaml").write_text(text)

    def vs_st(self, *arguments: str, kill_at: str | None = None) -> Ran:
        """Run a command in a process that may be killed at a place (`failpoints`)."""
        environ = {
            "VS_ST_MERCHANTS": str(self.folder / "merchants.yaml"),
            "VS_ST_DATA_DIR": str(self.folder / "data"),
            "VS_ST_NOW": "2026-02-05T12:00:00-08:00",
            "NEWSDESK_KEY": KEY,
        }
        assert self.driver.stdin
        assert self.driver.stdout
        print(json.dumps({"arguments": arguments, "environ": environ, "kill_at": kill_at}), file=self.driver.stdin)
        self.driver.stdin.flush()
        return Ran(**json.loads(self.driver.stdout.readline()))

    def told(self, *arguments: str) -> Record:
        """What a command says of the merchant's one route, with `--json`."""
        done = self.vs_st(*arguments, "--json")
        assert done.out, done.err
        [row] = done.json["merchants"]
        assert (row["merchant"], row["route"]) == ("hillside", "welcome"), row
        return dict(row)

    def sync(self) -> Record:
        return self.told("sync", "--all")


@pytest.fixture
def house(driver: subprocess.Popen[str], tmp_path: Path, desk: Desk) -> House:
    return House(driver, tmp_path, desk)


# --- the diff ---------------------------------------------------------------------------------------------------------


def differences(one: Path, other: Path, below: str = "") -> Iterator[str]:
    """Files that only one of two folders has, or that differ; a folder that is new is named as such."""
    found = filecmp.dircmp(one, other, ignore=["__pycache__"])
    yield from (f"only here: {below}{name}" for name in found.left_only)
    yield from (f"new: {below}{name}" for name in found.right_only)
    yield from (f"changed: {below}{name}" for name in [*found.diff_files, *found.funny_files])
    for name in found.common_dirs:
        yield from differences(one / name, other / name, f"{below}{name}/")


def test_a_system_and_a_route_are_their_folders_and_two_lines(copy: Path) -> None:
    assert sorted(differences(ROOT / PACKAGE, copy / PACKAGE)) == [
        "changed: connectors/__init__.py",
        "changed: routes/__init__.py",
        "new: connectors/newsdesk",
        "new: routes/welcome",
    ]
    for name, lines in added().items():
        texts = [(folder / PACKAGE / name).read_text(encoding="utf-8").splitlines() for folder in (ROOT, copy)]
        diff = [line for line in difflib.ndiff(*texts) if line[0] in "+-"]
        assert diff == [f"+ {line}" for line in lines], "an import and an entry, and nothing else"
    assert sum(len(text.splitlines()) for text in written().values()) < 230


def test_the_example_is_written_as_the_house_is(copy: Path) -> None:
    tools = Path(sys.executable).parent
    paths = [f"{PACKAGE}/{kind}" for kind in ("connectors", "routes")]
    for command in (["ruff", "check", *paths], ["ruff", "format", "--check", *paths], ["lint-imports"]):
        done = subprocess.run(
            [str(tools / command[0]), *command[1:]], cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_example_is_typed_as_the_house_is(copy: Path) -> None:
    names = ["-p", f"{PACKAGE}.connectors.newsdesk", "-p", f"{PACKAGE}.routes.welcome"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *names], cwd=copy, env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


# --- what it does -----------------------------------------------------------------------------------------------------


def test_the_commands_know_the_route(house: House, desk: Desk) -> None:
    checked = house.told("check", "--all", "--route", "welcome")
    assert (checked["status"], checked["errors"]) == ("ok", [])
    planned = house.told("plan", "--all", "--route", "welcome")
    assert [row["record"] for row in planned["letters"]] == ["s-1", "s-3"]
    assert desk.letters == [], "a dry run says nothing"

    told = house.sync()
    assert (told["status"], told["raw"], told["planned"]["letters"]) == ("ok", {"subscribers": 3}, 2)
    assert told["synced"] == {"accepted": 2, "rejected": 0, "unknown": 0}
    assert told["calls"] == {"newsdesk": 3}
    assert [to for _, to in desk.letters] == [EMAIL, "ode@example.com"]
    assert house.sync()["synced"]["accepted"] == 0, "each is said once"
    assert house.told("merchants")["state"] == "fine"

    why = house.vs_st("why", "--merchant", "hillside", "s-1", "--json").json
    assert [(row["kind"], row["state"]) for row in why["stands"]] == [("letter", "accepted")]
    forgotten = house.vs_st("forget", "--merchant", "hillside", EMAIL, "--yes", "--json")
    assert forgotten.json == {"merchant": "hillside", "letters": 1, "kept_out": True}, forgotten.err
    left = [path for path in house.folder.rglob("*") if path.is_file() and EMAIL.encode() in path.read_bytes()]
    assert left == [], "no byte of the address is left, in the database, the evidence or elsewhere"
    house.sync()
    assert len(desk.letters) == 2, "and nothing is said to whoever was forgotten"


def test_a_letter_that_may_be_out_is_looked_for_and_not_sent_again(house: House, desk: Desk) -> None:
    killed = house.vs_st("sync", "--all", kill_at="answer:2")
    assert killed.code == -signal.SIGKILL
    assert len(desk.letters) == 1
    assert house.sync()["synced"]["accepted"] == 2
    assert [to for _, to in desk.letters] == [EMAIL, "ode@example.com"]


def test_what_was_refused_waits_and_is_sent_when_a_person_asks(house: House, desk: Desk) -> None:
    desk.refuses.add(EMAIL)
    told = house.sync()
    assert (told["status"], told["open"]) == ("partial", 1)
    assert told["synced"] == {"accepted": 1, "rejected": 1, "unknown": 0}
    assert house.sync()["synced"]["rejected"] == 1, "it is tried again at the next sync, and then after growing gaps"
    desk.refuses.clear()
    told = house.sync()
    assert (told["synced"]["accepted"], told["open"]) == (0, 1)
    tried = house.vs_st("retry", "--merchant", "hillside", "s-1", "--yes", "--json")
    assert "s-1  letter  rejected" in tried.err
    assert tried.json["merchants"][0]["synced"]["accepted"] == 1
    assert [to for _, to in desk.letters] == ["ode@example.com", EMAIL]


def test_what_may_be_out_is_told_and_is_given_up_only_by_name(house: House, desk: Desk) -> None:
    desk.silent = True
    told = house.sync()
    assert (told["status"], told["open"], told["synced"]["unknown"]) == ("partial", 2, 2)
    assert (house.folder / "data" / "merchants" / "hillside" / "welcome.due").exists()
    again = ("retry", "--merchant", "hillside", "--yes", "--json")
    assert house.vs_st(*again, "s-1").json["nothing_waits"] == ["hillside"], "what may be out is not sent again by it"
    assert house.vs_st(*again, "--drop").code == 2, "what is given up has to be named"
    [row] = house.vs_st(*again, "--drop", "s-1").json["merchants"]
    assert (row["open"], row["planned"]["letters"]) == (1, 1)
    path = house.folder / "merchants.yaml"
    path.write_text(path.read_text() + "    enabled: false\n")
    refused = house.vs_st("offboard", "--merchant", "hillside", "--yes")
    assert (refused.code, "1 letter of route welcome may be out" in refused.err) == (1, True), refused


def test_a_hollow_answer_changes_nothing_and_a_wrong_setting_has_its_line(house: House, desk: Desk) -> None:
    house.sync()
    desk.hollow = True
    told = house.sync()
    assert (told["status"], told["error"]["kind"], told["error"]["system"]) == ("failed", "bad_answer", "newsdesk")
    desk.hollow = False
    assert house.sync()["planned"]["letters"] == 0
    path = house.folder / "merchants.yaml"
    path.write_text(path.read_text().replace("2026-01-01", EMAIL))
    done = house.vs_st("sync", "--all")
    assert done.code == 2
    assert "line 4: since: expected a date" in done.err
    assert EMAIL not in done.err


DEFINITIONS = """
import json
from vs_st_pipeline.definitions import defs
graph = defs.resolve_asset_graph()
keys = [key for key in graph.get_all_asset_keys() if key.path[0] == "welcome"]
print(json.dumps({
    "keys": sorted(key.to_user_string() for key in keys),
    "groups": sorted({graph.get(key).group_name for key in keys}),
    "jobs": sorted(job.name for job in defs.resolve_all_job_defs()),
}))
"""


def test_dagster_shows_it(copy: Path) -> None:
    with python(copy, "-c", DEFINITIONS, stderr=subprocess.PIPE) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    shown = json.loads(out)
    assert shown["keys"] == [
        "welcome/planned/letters",
        "welcome/raw/newsdesk/subscribers",
        "welcome/synced/newsdesk/letters",
    ]
    assert shown["groups"] == ["welcome"]
    assert {"sync", "sync_welcome", "tick"} <= set(shown["jobs"])
