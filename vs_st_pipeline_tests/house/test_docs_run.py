"""Runs the commands of README and docs, against stand-ins over real sockets, in the order in which a reader types them.

Each journey is what one reader does in one folder: the `sh` blocks of a page, or of some of its chapters, in one shell.
The folder looks like a clone: the files of the repository are there by links, and `.venv/bin` has the programs of this
very environment. Only what a reader replaces is replaced: ports by free ones, addresses and keys by those of the
stand-ins.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.doc_blocks import ROOT, Block, all_blocks, blocks_of
from vs_st_pipeline_tests.support.doc_shell import DocShell, Questions, free_port, until_listens

PORTS = re.compile(r"\b(3000|8088|81\d\d|9188)\b")
PROGRAMS = {
    "vs-st": '[ "$1" = receive ] && shift && set -- receive --port {8088} "$@"\n'
    'exec {python} -m vs_st_pipeline.cli.main "$@"',
    "dagster": '[ "$1" = dev ] && set -- "$@" -p {3000}\nexec {python} -m dagster "$@"',
    "python": 'exec {python} "$@"',
}
ACTIVATE = 'PATH="{bin}:$PATH"\n'


@dataclass
class Clone:
    """A folder that looks like a clone, and what a reader's machine has besides.

    Attributes:
        root: the folder. small: stand-ins of two wineries that run already. ports: by the port that a page names.
        alerts: the URL of an address of alerts.
    """

    root: Path
    small: Sandbox
    ports: dict[str, int] = field(default_factory=dict)
    alerts: str = ""

    def __post_init__(self) -> None:
        mine = {"data", ".git", ".venv", ".venv-bench", ".venv-scale", ".venv-docs", ".env", "merchants.yaml"}
        for path in ROOT.iterdir():
            if path.name not in mine:
                (self.root / path.name).symlink_to(path)
        programs = self.root / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "activate").write_text(ACTIVATE.format(bin=programs))
        for name, text in PROGRAMS.items():
            ports = re.sub(r"\{(\d+)\}", lambda found: str(self.port(found[1])), text)
            (programs / name).write_text("#!/bin/sh\n" + ports.replace("{python}", sys.executable) + "\n")
            (programs / name).chmod(0o755)

    def port(self, named: str) -> int:
        """Return the port that stands for one that a page names."""
        return self.ports.setdefault(named, free_port())

    def typed(self, text: str) -> str:
        """Return a text of a page as it is typed here."""
        text = PORTS.sub(lambda found: str(self.port(found[1])), text)
        text = text.replace("https://hooks.example.com", f"http://127.0.0.1:{self.port('8088')}")
        return text.replace("/etc/vs-st/", f"{self.root}/etc/").replace("/run/secrets/", f"{self.root}/etc/")

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of a reader's shell."""
        path = os.environ["PATH"]
        return {"PATH": path, "HOME": str(self.root), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "TERM": "dumb"}

    def fill_in(self) -> None:
        """Do what a reader does with copies of the two samples: the keys, and here the addresses of the stand-ins."""
        first = self.small.merchants[0]
        given = {"HILLSIDE_VS_KEY": first.vs_key, "HILLSIDE_VS_SECRET": first.vs_secret}
        lines = (ROOT / ".env.example").read_text().splitlines()
        filled = [f"{line}{given.get(line[:-1], 'left')}" if re.fullmatch(r"\w+=", line) else line for line in lines]
        (self.root / ".env").write_text("\n".join([*filled, f"ALERT_URL={self.alerts}/one"]) + "\n")
        [sample, *_] = [one for one in blocks_of("README.md") if one.language == "yaml"]
        there = f"""defaults:
  vinoshipper: {{base_url: {self.small.vinoshipper.url}, requests_per_second: 500}}
  simpletexting: {{base_url: {self.small.simpletexting.url}/v2, requests_per_second: 500}}
"""
        (self.root / "merchants.yaml").unlink(missing_ok=True)
        (self.root / "merchants.yaml").write_text(there + self.typed(sample.text))
        (self.root / "etc").mkdir(exist_ok=True)
        for name, text in (("hillside_st_token", first.st_token), ("slack_url", f"{self.alerts}/two")):
            (self.root / "etc" / name).write_text(text)
            (self.root / "etc" / name).chmod(0o600)


@contextlib.contextmanager
def _alerted(clone: Clone) -> Iterator[list[bytes]]:
    """Take what is posted to the two addresses of alerts; gives the bodies."""
    bodies: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        clone.alerts = f"json://127.0.0.1:{server.server_address[1]}"
        yield bodies
        server.shutdown()
        thread.join()


Do = Callable[[Clone, DocShell], None]


@dataclass(frozen=True)
class Journey:
    """What one reader types.

    Attributes:
        parts: pages, and of each the chapters (`## `) that are read; None: all of them.
        first: commands that the sentences before say, typed first.
        prepare: what stands in the folder before all.
        listens: somebody is there who takes alerts.
        after: by a part of a block, what is done after it.
        answers: by a part of a command, what it asks and what is typed.
        shows: what must have been printed by the end.
    """

    parts: Mapping[str, tuple[str, ...] | None]
    first: str = ""
    prepare: Callable[[Clone], None] | None = None
    listens: bool = False
    after: Mapping[str, Do] = field(default_factory=dict)
    answers: Mapping[str, Questions] = field(default_factory=dict)
    shows: tuple[str, ...] = ()

    def blocks(self) -> list[Block]:
        """Return the blocks that are run, in order."""
        return [
            block
            for page, chapters in self.parts.items()
            for block in blocks_of(page)
            if block.is_run and (chapters is None or block.heading in chapters)
        ]


def _a_shop(clone: Clone) -> None:
    """Write an entry from the samples of the page of exports."""
    parts = [yaml.safe_load(one.text) for one in blocks_of("docs/shop-export.md") if one.language == "yaml"]
    entry = {"id": "hillside", "name": "Hillside", "waymore": {"source": "shop", "domain": "https://hillside.example"}}
    entry["waymore"] |= {"username": "env:HOME", "password": "env:HOME"}
    for part in parts:
        entry |= part
    (clone.root / "merchants.yaml").write_text(yaml.safe_dump({"merchants": [entry]}))


def _filled(clone: Clone, shell: DocShell) -> None:
    clone.fill_in()


ONBOARDED = (
    ("(typing is not shown)", "342.SANDBOX"),
    ("(typing is not shown)", "vs-secret-of-test-winery"),
    ("(typing is not shown)", "st-token-of-test-winery"),
    ("Name", ""),
    ("Bought on", ""),
    ("Texting is paid since", ""),
    ("Time zone", ""),
    ("p shows them", ""),
    ("Switch test-winery on?", "y"),
    ("Do the first sync now?", "y"),
)
SET_UP = ". .venv/bin/activate\nset -a; . ./.env; set +a"
JOURNEYS = {
    "set-up": Journey(
        {"README.md": None, "docs/contacts.md": None},
        after={"cp .env.example": _filled},
    ),
    "audience": Journey({"docs/audience.md": None}),
    "notices": Journey({"docs/notices.md": None}),
    "consumers": Journey({"docs/consumers.md": None}),
    "orders": Journey({"docs/orders.md": None}, answers={"orders void": (("[y/N]", "y"),)}),
    "onboarding": Journey(
        {"docs/onboarding.md": None, "docs/webhooks.md": ("Try it",)},
        answers={"onboard --merchant test-winery": ONBOARDED},
    ),
    "webhooks": Journey(
        {"docs/webhooks.md": ("Set it up", "By hand at Vinoshipper")}, first=SET_UP, prepare=Clone.fill_in
    ),
    "operations": Journey({"docs/operations.md": None}, first=SET_UP, prepare=Clone.fill_in, listens=True),
    "shop-export": Journey(
        {"docs/shop-export.md": None},
        first=". .venv/bin/activate\nvs-st webhooks secret hook_secret\n"
        "export VS_ST_HOOK_SECRET=file:hook_secret VS_ST_PUBLIC_URL=http://127.0.0.1:8088\n"
        "export HILLSIDE_SHOP_SECRET=made-up-secret-of-a-shop-and-long-enough\n"
        "vs-st receive &",
        prepare=_a_shop,
        shows=('{"stored": 1}',),
    ),
}


def test_each_block_of_commands_is_on_one_journey() -> None:
    run = [block.place for journey in JOURNEYS.values() for block in journey.blocks()]
    assert sorted(run) == sorted(block.place for block in all_blocks() if block.is_run)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", JOURNEYS)
def test_what_a_page_says_to_type_works(name: str, small_world: Sandbox, tmp_path: Path) -> None:
    journey = JOURNEYS[name]
    small_world.reset()
    clone = Clone(tmp_path, small_world)
    told = ""
    with contextlib.ExitStack() as stack:
        alerted = stack.enter_context(_alerted(clone)) if journey.listens else []
        shell = stack.enter_context(DocShell(tmp_path, clone.environ))
        if journey.prepare is not None:
            journey.prepare(clone)
        if journey.first:
            list(shell.type(clone.typed(journey.first), "what the sentences before say"))
            if "vs-st receive &" in journey.first:
                until_listens(clone.port("8088"))
        for block in journey.blocks():
            stopped = {"dagster dev": clone.port("3000")}
            for command, said in shell.type(clone.typed(block.text), block.place, journey.answers, stopped):
                print(f"$ {command}\n{said}")
                told += said
                if "vs-st sandbox" in command:
                    shell.until_said("Ctrl-C stops them all")
                if "vs-st receive &" in command:
                    until_listens(clone.port("8088"))
            for part, do in journey.after.items():
                if part in block.text:
                    do(clone, shell)
    for said in journey.shows:
        assert said in told
    assert len(alerted) == 2 * journey.listens, "each address is told once"
    small_world.reset()


@pytest.mark.slow
def test_the_job_takes_what_the_page_says_to_write_into_its_launchpad() -> None:
    from dagster import DagsterInvalidConfigError, validate_run_config

    from vs_st_pipeline.definitions import defs

    [sample] = [yaml.safe_load(block.text) for block in all_blocks() if block.text.startswith("ops:")]
    job = defs.get_job_def("order_command")
    assert validate_run_config(job, sample)
    with pytest.raises(DagsterInvalidConfigError):
        validate_run_config(job, {"ops": {"do_order_command": {"config": {"acton": "send"}}}})
